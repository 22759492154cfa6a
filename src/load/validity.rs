//! Checks whether a run's figures are valid. Each doubt has a stable code in the result, so that later steps can reject the
//! result by its code.

use std::collections::BTreeMap;

use super::health::CLOCK_STEP_LIMIT;
use super::measured::Run;
use super::metrics::Metrics;
use super::record::Record;
use super::settings::{BenchmarkSettings, Dataset};
use super::stamp::Stamp;

/// Why a run's figures may not be used, or only with care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Not one request succeeded.
    NoSuccess,
    /// More requests failed than allowed.
    TooManyErrors,
    /// The run was stopped; the figures are of the part before.
    Interrupted,
    /// Outputs did not have the requested length, although requests had `ignore_eos`.
    WrongOutputLengths,
    /// The server counted prompts far from their planned length: the tokenizer is not the server's.
    WrongInputLengths,
    /// Tokens were counted that were not streamed, such as hidden reasoning: times between tokens say nothing.
    UnstreamedTokens,
    /// The server's usage has fewer tokens than it streamed.
    UndercountedTokens,
    /// The server had random prompts in its prefix cache.
    WarmPrefixCache,
    /// Responses were not streamed although streams were requested.
    NotStreamed,
    /// Streams were compressed: times between chunks are those of the compressor's blocks.
    CompressedStream,
    /// Neither the server nor a tokenizer counted the tokens.
    UncountedTokens,
    /// The server was restarted during the run.
    ServerRestarted,
    /// The system's clock was set during the run, so instants are wrong.
    ClockStepped,
    /// The client was overloaded and may have been the bottleneck.
    ClientSaturated,
    /// These are the figures of one of several clients.
    Shard,
    /// The clients of a load did not load the server at the same time.
    ShardsApart,
    /// The server's profiler ran, which slows every step of the engine.
    Profiled,
}

impl Doubt {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSuccess => "no_success",
            Self::TooManyErrors => "too_many_errors",
            Self::Interrupted => "interrupted",
            Self::WrongOutputLengths => "wrong_output_lengths",
            Self::WrongInputLengths => "wrong_input_lengths",
            Self::UnstreamedTokens => "unstreamed_tokens",
            Self::UndercountedTokens => "undercounted_tokens",
            Self::WarmPrefixCache => "warm_prefix_cache",
            Self::NotStreamed => "not_streamed",
            Self::CompressedStream => "compressed_stream",
            Self::UncountedTokens => "uncounted_tokens",
            Self::ServerRestarted => "server_restarted",
            Self::ClockStepped => "clock_stepped",
            Self::ClientSaturated => "client_saturated",
            Self::Shard => "shard",
            Self::ShardsApart => "shards_apart",
            Self::Profiled => "profiled",
        }
    }

    /// What it means, and what to do.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::NoSuccess => "no request succeeded; the failures are listed with the server's words",
            Self::TooManyErrors => {
                "more requests failed than --max-error-share allows, and the figures are those of the others; \
                 the failures are listed with the server's words"
            }
            Self::Interrupted => "the run was stopped, and the figures are those of the time before; measure again",
            Self::WrongOutputLengths => {
                "outputs are not as long as requested, so throughput and latency are those of another load; \
                 use a server that honours ignore_eos, or omit --ignore-eos if the model may end its answers"
            }
            Self::WrongInputLengths => {
                "the server counts other prompt lengths than were made: it has another tokenizer, a chat template that adds much, \
                 or a context that cuts prompts; set --tokenizer to the server's, send --prompt-token-ids, or start it with a longer context"
            }
            Self::UnstreamedTokens => {
                "the server counts tokens that it does not stream, such as hidden reasoning or the beginning of a tool call: \
                 TTFT includes their time, TPOT is of the tokens after the first chunk; have the server stream its reasoning"
            }
            Self::UndercountedTokens => {
                "the server's usage has fewer tokens than it streamed: zero, those of one chunk, or those without reasoning; \
                 the streamed tokens are counted instead; correct the server or the gateway before it"
            }
            Self::WarmPrefixCache => {
                "the server had the random prompts in its prefix cache, most likely from an earlier run with the same seed, and computed \
                 only part of them; restart it, use --reset-prefix-cache, or give another --seed"
            }
            Self::NotStreamed => {
                "answers came as a whole, so there is no TTFT, TPOT or ITL; \
                 use a server or proxy that streams, or measure with --no-stream"
            }
            Self::CompressedStream => {
                "a server or proxy compresses the stream, so chunks arrive in blocks of the compressor and not by tokens; \
                 switch compression off for text/event-stream"
            }
            Self::UncountedTokens => {
                "the server reports no usage and there is no tokenizer, so a chunk was taken for a token and prompts for none; \
                 set --tokenizer"
            }
            Self::Shard => "these are the figures of one client of several; merge those of all shards with imax collect --shards",
            Self::ShardsApart => {
                "the shards started more than a twentieth of the load's time apart, so the server was under another load than was asked for; \
                 start all before --start-at, and synchronise the clocks of the machines"
            }
            Self::Profiled => "the server's profiler ran and slowed it; measure without it for figures",
            Self::ServerRestarted => "the server was restarted during the run; read its log, and measure again",
            Self::ClockStepped => {
                "the system's clock was set during the run, so instants are wrong; measure again when the clock is in step"
            }
            Self::ClientSaturated => {
                "this client may have been the bottleneck; use --client-threads, another machine, or less load on this one"
            }
        }
    }
}

/// CPU share of the client, 0 to 1, above which received bytes wait before it reads them.
const SATURATED_CPU_SHARE: f64 = 0.95;
/// Limit of the 90th percentile of the read lag, milliseconds: a client that often reads this late also sends the next requests
/// late. A rare long pause on a busy machine is harmless, because the kernel time-stamps arrivals.
const SATURATED_READ_LAG_MS: f64 = 50.0;

/// Share of successful requests with unstreamed tokens up to which there is no doubt. A few responses may have many tokens without
/// text; a server that hides tokens does so in most responses.
const UNSTREAMED_SHARE: f64 = 0.01;

/// Share of the tokens of random prompts, 0 to 1, that may come from the prefix cache.
const CACHED_SHARE: f64 = 0.1;
/// Tokens that random prompts have in common besides the prefix that was asked for: those of a chat template.
const TEMPLATE_TOKENS: u32 = 64;

/// The doubts about a run, in a stable order.
#[must_use]
pub fn doubts(settings: &BenchmarkSettings, run: &Run, metrics: &Metrics) -> Vec<Doubt> {
    let Run { records, health, .. } = run;
    // Requests that the user cancelled are not failures of the server.
    let ended = records.iter().filter(|record| !is_cancelled(record)).count();
    let failed = records
        .iter()
        .filter(|record| !record.is_success() && !is_cancelled(record))
        .count();
    let share = crate::model::count(failed) / crate::model::count(ended.max(1));
    let lag = health.read_lag_ms.percentile(90.0);
    let saturated = health.cpu_share() > SATURATED_CPU_SHARE || lag > SATURATED_READ_LAG_MS;
    let found = [
        (metrics.e2el_ms.is_empty(), Doubt::NoSuccess),
        (share > settings.max_error_share, Doubt::TooManyErrors),
        (run.interrupted, Doubt::Interrupted),
        (settings.ignore_eos && metrics.wrong_output_lengths > 0, Doubt::WrongOutputLengths),
        (metrics.far_input_lengths > 0 && !settings.has_images(), Doubt::WrongInputLengths),
        (share_of(metrics.unstreamed, metrics) > UNSTREAMED_SHARE, Doubt::UnstreamedTokens),
        (
            share_of(metrics.undercounted, metrics) > UNSTREAMED_SHARE,
            Doubt::UndercountedTokens,
        ),
        (has_warm_prefixes(settings, records), Doubt::WarmPrefixCache),
        (settings.stream && metrics.not_streamed > 0, Doubt::NotStreamed),
        (settings.stream && metrics.compressed > 0, Doubt::CompressedStream),
        (metrics.uncounted > 0, Doubt::UncountedTokens),
        (!run.new_servers.is_empty() || has_restarted(records), Doubt::ServerRestarted),
        (health.clock_step > CLOCK_STEP_LIMIT, Doubt::ClockStepped),
        (saturated, Doubt::ClientSaturated),
        (!settings.shard.is_whole(), Doubt::Shard),
        (settings.profiler.is_some(), Doubt::Profiled),
    ];
    found.into_iter().filter_map(|(is, doubt)| is.then_some(doubt)).collect()
}

/// A number of requests as a share of those that succeeded.
fn share_of(requests: u32, metrics: &Metrics) -> f64 {
    f64::from(requests) / crate::model::count(metrics.e2el_ms.len().max(1))
}

/// Whether the server had a part of the prompts in its prefix cache that random prompts do not have in common. Warm-up requests have
/// prompts of their own, and each load of a call its own seed, so the cached prompts are those of another call.
fn has_warm_prefixes(settings: &BenchmarkSettings, records: &[Record]) -> bool {
    let Dataset::Random(lengths) = settings.dataset else {
        return false;
    };
    if settings.sessions.is_some() {
        return false;
    }
    let shared = lengths.prefix.saturating_add(TEMPLATE_TOKENS);
    let (mut prompt, mut cached) = (0_u64, 0_u64);
    for record in records.iter().filter(|record| record.is_success()) {
        prompt += u64::from(record.reported_prompt_tokens.unwrap_or(record.prompt_tokens));
        cached += u64::from(record.reported_cached_tokens.unwrap_or(0).saturating_sub(shared));
    }
    crate::model::count(cached) > CACHED_SHARE * crate::model::count(prompt)
}

/// Whether a server refused a connection and a later request to it succeeded.
fn has_restarted(records: &[Record]) -> bool {
    let mut first_refusals: BTreeMap<usize, Stamp> = BTreeMap::new();
    for record in records {
        let reason = record.failure.as_ref().map(|failure| failure.reason);
        if reason == Some(super::reason::Reason::ConnectionRefused) {
            let first = first_refusals.entry(record.server).or_insert(record.ended);
            *first = record.ended.min(*first);
        }
    }
    let mut answered = records.iter().filter(|record| record.is_success());
    answered.any(|record| first_refusals.get(&record.server).is_some_and(|refused| record.sent > *refused))
}

fn is_cancelled(record: &Record) -> bool {
    record
        .failure
        .as_ref()
        .is_some_and(|failure| failure.reason == super::reason::Reason::Cancelled)
}

/// The failures of a run: by code, how many there were and the first one's detail.
#[must_use]
pub fn failures<'a>(records: impl IntoIterator<Item = &'a Record>) -> BTreeMap<String, (u32, String)> {
    let mut found = BTreeMap::new();
    for failure in records.into_iter().filter_map(|record| record.failure.as_ref()) {
        let entry = found.entry(failure.reason.code()).or_insert_with(|| (0, failure.detail.clone()));
        entry.0 += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::super::measured::Measured;
    use super::super::measured::tests_support::{measured, measured_with};
    use super::*;
    use crate::load::reason::{Failure, Reason};
    use crate::load::settings::RandomLengths;
    use crate::load::stamp::Stamp;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use serde_json::json;

    fn at(ms: u64) -> Stamp {
        Stamp::from_unix_nanos(1_000_000_000_000 + ms * 1_000_000)
    }

    fn ok(sent: u64) -> Record {
        Record {
            sent: at(sent),
            first_token: Some(at(sent + 5)),
            last_token: Some(at(sent + 9)),
            ended: at(sent + 9),
            prompt_tokens: 100,
            asked_tokens: 1,
            reported_output_tokens: Some(1),
            streamed: true,
            ..Record::default()
        }
    }

    fn refused(sent: u64) -> Record {
        Record {
            failure: Some(Failure::new(Reason::ConnectionRefused, "")),
            ..ok(sent)
        }
    }

    #[test]
    fn restarted_server_is_reported() {
        let many = |last: Vec<Record>| (0..30).map(ok).chain(last).collect::<Vec<_>>();
        assert_eq!(measured(many(vec![refused(40), ok(60)])).doubts, [Doubt::ServerRestarted]);
        assert_eq!(measured(many(vec![refused(40)])).doubts, []);
    }

    #[test]
    fn wrong_prompt_lengths_are_reported() {
        let counted = |tokens| {
            let record = Record {
                reported_prompt_tokens: Some(tokens),
                ..ok(0)
            };
            measured(vec![record]).doubts
        };
        // One or two start tokens do not mean another tokenizer.
        assert_eq!(counted(102), []);
        assert_eq!(counted(180), [Doubt::WrongInputLengths]);
    }

    /// A chat template writes tools into the prompt, where no tokenizer of this client sees them.
    #[test]
    fn prompts_with_tools_have_the_length_that_the_server_counts() {
        let record = Record {
            reported_prompt_tokens: Some(341),
            ..ok(0)
        };
        for (body, length, doubts) in [
            (json!({ "tools": [{ "type": "function" }] }), 341, vec![]),
            (json!({ "tools": [] }), 100, vec![Doubt::WrongInputLengths]),
            (json!({ "top_p": 0.5 }), 100, vec![Doubt::WrongInputLengths]),
        ] {
            let Measured { mut settings, run, .. } = measured(vec![record.clone()]);
            settings.extra_body = body.as_object().unwrap().clone();
            let found = Measured::new(settings, run, None, 0);
            assert_eq!(
                (found.metrics.input_tokens.as_slice(), found.doubts),
                ([length].as_slice(), doubts),
                "{body}"
            );
        }
    }

    #[test]
    fn unstreamed_answers_are_reported() {
        let hidden = Record {
            unstreamed_tokens: 100,
            ..ok(0)
        };
        assert_eq!(measured(vec![hidden]).doubts, [Doubt::UnstreamedTokens]);
        let compressed = Record { compressed: true, ..ok(0) };
        assert_eq!(measured(vec![compressed]).doubts, [Doubt::CompressedStream]);
        let whole = Record { streamed: false, ..ok(0) };
        assert_eq!(measured(vec![whole]).doubts, [Doubt::NotStreamed]);
    }

    /// Usage has the cached tokens of a second run with the same seed: the prompts but for their last block.
    #[test]
    fn random_prompts_of_an_earlier_run_are_reported() {
        let random = RandomLengths::exact(NonZeroU32::new(1000).unwrap(), NonZeroU32::new(1).unwrap());
        let prefixed = RandomLengths { prefix: 900, ..random };
        let own_prompts = Dataset::ShareGpt {
            path: "conversations.json".into(),
            output: None,
        };
        for (dataset, cached, doubts) in [
            (Dataset::Random(random), Some(992), vec![Doubt::WarmPrefixCache]),
            // A smaller run before this one had a part of the prompts.
            (Dataset::Random(random), Some(200), vec![Doubt::WarmPrefixCache]),
            (Dataset::Random(random), Some(64), vec![]),
            (Dataset::Random(random), None, vec![]),
            (Dataset::Random(prefixed), Some(900), vec![]),
            (own_prompts, Some(992), vec![]),
        ] {
            let record = Record {
                prompt_tokens: 1000,
                reported_prompt_tokens: Some(1000),
                reported_cached_tokens: cached,
                ..ok(0)
            };
            let Measured { mut settings, run, .. } = measured(vec![record]);
            settings.dataset = dataset;
            let found = Measured::new(settings, run, None, 0);
            assert_eq!(found.doubts, doubts, "{cached:?}");
        }
    }

    #[test]
    fn overloaded_client_is_reported() {
        let with = |cpu_ms, lag: f64| {
            let doubts = measured_with(vec![ok(0)], |health| {
                health.wall_time = Duration::from_secs(1);
                health.cpu_time = Duration::from_millis(cpu_ms);
                health.read_lag_ms.push_n(lag, 10);
            });
            doubts.doubts
        };
        assert_eq!(with(500, 2.0), []);
        assert_eq!(with(990, 2.0), [Doubt::ClientSaturated]);
        assert_eq!(with(500, 60.0), [Doubt::ClientSaturated]);
    }
}
