//! Merges the shards of a load into the result of the whole load. Counts, and metrics with one value per request, are exactly those of a
//! single client that sent every request. Inter-token latencies come from merged sketches; their percentiles have an error of at most
//! [`PERCENTILE_ERROR`].

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value, json};

use super::arrival_bins::ArrivalBins;
use super::distribution::Distribution;
use super::folded::Folded;
use super::health::{Clock, Health};
use super::measured::{Measured, Run};
use super::server_clock::offset_ms;
use super::settings::SettingsError;
use super::shard::Shard;
use super::shard_result::{ClientState, SHARD_SCHEMA, ShardResult};
use super::stamp::{Stamp, millis};
use super::validity::Doubt;

/// Maximum relative error of a percentile of the times between tokens or chunks: half a bucket of the sketch.
pub const PERCENTILE_ERROR: f64 = 0.0005;

/// Maximum skew of the shards' starts, as a fraction of the duration of the load. With more, they did not load the server together.
const LARGEST_SKEW: f64 = 0.05;
/// A smaller skew is accepted for a load of any duration.
const HARMLESS_SKEW: Duration = Duration::from_millis(100);

/// A shard and the file it was read from.
#[derive(Debug)]
pub struct ShardFile {
    /// The file's name, for messages.
    pub name: String,
    /// Its content.
    pub result: ShardResult,
}

/// Why shards cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There is no shard.
    #[error("no result of `imax bench --shard` among the files; expected one of each shard")]
    None,
    /// The file was written by another version.
    #[error("{name}: schema version {found} of the shard, expected {SHARD_SCHEMA}; merge with the imax that measured")]
    Version {
        /// The file.
        name: String,
        /// Its version.
        found: u32,
    },
    /// The content contradicts itself.
    #[error("{name}: {problem}; measure again")]
    Content {
        /// The file.
        name: String,
        problem: String,
    },
    /// Two files have the same shard.
    #[error("{first} and {second} are both shard {shard}; remove one of them")]
    Duplicate {
        /// The shard.
        shard: String,
        /// A file.
        first: String,
        /// Another.
        second: String,
    },
    /// Shards without a file.
    #[error("shard {} of {of} missing, {found} found; add their files, or measure again", missing.join(", "))]
    Missing {
        /// Numbers of the missing shards, at most 20.
        missing: Vec<String>,
        /// Expected number of shards.
        of: NonZeroU32,
        /// Number of shards found.
        found: usize,
    },
    /// Shards of different loads.
    #[error("{first} and {second} are shards of different loads: {difference}; merge those of one load")]
    Plans {
        /// A file.
        first: String,
        /// Another.
        second: String,
        difference: String,
    },
    /// Settings of the load that this version does not know.
    #[error("{name}: {source}")]
    BenchmarkSettings {
        /// The file.
        name: String,
        source: SettingsError,
    },
}

/// A load merged from its shards.
#[derive(Debug)]
pub struct MergedLoad {
    /// Figures of the whole load.
    pub measured: Measured,
    shards: Vec<ShardFile>,
}

/// Merges all shards of a load, in any order.
///
/// # Errors
/// [`MergeError`] if a shard is missing, invalid or given twice, or the shards are of different loads.
pub fn merge(mut shards: Vec<ShardFile>) -> Result<MergedLoad, MergeError> {
    check(&shards)?;
    shards.sort_by_key(|file| file.result.shard);
    let Some(first) = shards.first() else {
        return Err(MergeError::None);
    };
    let asked = shards
        .iter()
        .fold(0_u32, |sum, file| sum.saturating_add(file.result.asked_requests));
    let settings = first.result.load.settings(NonZeroU32::new(asked).unwrap_or(NonZeroU32::MIN));
    let settings = settings.map_err(|source| MergeError::BenchmarkSettings {
        name: first.name.clone(),
        source,
    })?;
    let run = whole_run(&shards)?;
    let inexact = shards.iter().map(|file| file.result.inexact_prompts).sum();
    let mut measured = Measured::new(settings, run, None, inexact);
    let further = doubts(&shards).into_iter().filter(|doubt| !measured.doubts.contains(doubt));
    let further: Vec<Doubt> = further.collect();
    measured.doubts.extend(further);
    measured.doubts.sort_unstable();
    Ok(MergedLoad { measured, shards })
}

fn check(shards: &[ShardFile]) -> Result<(), MergeError> {
    let Some(first) = shards.first() else {
        return Err(MergeError::None);
    };
    let mut seen: BTreeMap<NonZeroU32, &str> = BTreeMap::new();
    for file in shards {
        let result = &file.result;
        if result.schema_version != SHARD_SCHEMA {
            return Err(MergeError::Version {
                name: file.name.clone(),
                found: result.schema_version,
            });
        }
        let Some(shard) = result.shard() else {
            let problem = format!("shard {} of {}", result.shard, result.of);
            return Err(content(file, problem));
        };
        if let Some(difference) = difference(&first.result, result) {
            return Err(MergeError::Plans {
                first: first.name.clone(),
                second: file.name.clone(),
                difference,
            });
        }
        if let Some(other) = seen.insert(result.shard, &file.name) {
            return Err(MergeError::Duplicate {
                shard: shard.to_string(),
                first: other.to_owned(),
                second: file.name.clone(),
            });
        }
        if result.ended_unix_ns < result.started_unix_ns {
            return Err(content(file, "its end is before its start".to_owned()));
        }
        let own = result.requests.iter().all(|request| {
            let item = request.index() / result.stride.map_or(1, NonZeroU32::get);
            shard.item(shard.own(item)) == item
        });
        if !own {
            return Err(content(file, format!("it has requests that are not those of shard {shard}")));
        }
    }
    // The number of shards comes from a file and may be any number, so the list is bounded.
    let missing = (1..=first.result.of.get())
        .filter_map(NonZeroU32::new)
        .filter(|number| !seen.contains_key(number));
    let missing: Vec<String> = missing.take(20).map(|number| number.to_string()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(MergeError::Missing {
        missing,
        of: first.result.of,
        found: shards.len(),
    })
}

fn content(file: &ShardFile, problem: String) -> MergeError {
    MergeError::Content {
        name: file.name.clone(),
        problem,
    }
}

/// A difference between two shards that shows that they are not of the same load.
fn difference(first: &ShardResult, second: &ShardResult) -> Option<String> {
    let terms = first.load.differences(&second.load);
    if !terms.is_empty() {
        return Some(terms.join(", "));
    }
    if first.of != second.of {
        return Some(format!("of {} and of {} shards", first.of, second.of));
    }
    if first.start_asked_unix_ns != second.start_asked_unix_ns {
        return Some("they were to start at different instants".to_owned());
    }
    if first.stride != second.stride {
        return Some("their conversations are numbered differently".to_owned());
    }
    (first.plan != second.plan).then(|| "data set, seed, prompts, arrivals or options of requests (fingerprint `plan`)".to_owned())
}

fn results(shards: &[ShardFile]) -> impl Iterator<Item = &ShardResult> {
    shards.iter().map(|file| &file.result)
}

fn clients(shards: &[ShardFile]) -> impl Iterator<Item = &ClientState> {
    results(shards).map(|shard| &shard.client)
}

fn whole_run(shards: &[ShardFile]) -> Result<Run, MergeError> {
    let started = results(shards)
        .map(|shard| Stamp::from_unix_nanos(shard.started_unix_ns))
        .min()
        .unwrap_or_default();
    let ended = results(shards)
        .map(|shard| Stamp::from_unix_nanos(shard.ended_unix_ns))
        .max()
        .unwrap_or_default();
    let mut folded = Folded::new(started);
    let mut records = Vec::with_capacity(results(shards).map(|shard| shard.requests.len()).sum());
    for file in shards {
        let result = &file.result;
        records.extend(
            result
                .records()
                .map_err(|code| content(file, format!("unknown failure {code:?}")))?,
        );
        folded.itl_ms.merge(&Distribution::of_document(&result.itl_ms));
        folded.chunk_ms.merge(&Distribution::of_document(&result.chunk_ms));
        let arrivals = ArrivalBins::of_document(Stamp::from_unix_nanos(result.started_unix_ns), &result.arrivals);
        folded.arrivals.merge(&arrivals);
    }
    Ok(Run {
        records,
        folded: Some(Box::new(folded)),
        chunk_store: None,
        started,
        ended,
        health: health(shards, ended.since(started)),
        interrupted: results(shards).any(|shard| shard.interrupted),
        stride: shards.first().and_then(|file| file.result.stride),
        new_servers: Vec::new(),
    })
}

/// The state of all clients together.
fn health(shards: &[ShardFile], wall_time: Duration) -> Health {
    let mut read_lag_ms = Distribution::default();
    clients(shards).for_each(|client| read_lag_ms.merge(&Distribution::of_document(&client.read_lag_ms)));
    let rates: Option<Vec<f64>> = clients(shards).map(|client| client.asked_rate).collect();
    Health {
        clock: if clients(shards).all(|client| client.clock == Clock::Kernel) {
            Clock::Kernel
        } else {
            Clock::Read
        },
        cpu_time: clients(shards)
            .map(|client| Duration::from_nanos(client.cpu_time_ns))
            .fold(Duration::ZERO, Duration::saturating_add),
        wall_time,
        threads: sum(clients(shards).map(|client| client.threads)),
        read_lag_ms,
        connections: sum(clients(shards).map(|client| client.connections)),
        resent: sum(clients(shards).map(|client| client.resent)),
        peak_memory: clients(shards).map(|client| client.peak_memory).max().unwrap_or(0),
        open_connections: sum(clients(shards).map(|client| client.open_connections)),
        unsent: sum(clients(shards).map(|client| client.unsent)),
        asked_rate: rates.map(|rates| rates.iter().sum()),
        clock_step: clients(shards)
            .map(|client| Duration::from_nanos(client.clock_step_ns))
            .max()
            .unwrap_or_default(),
    }
}

fn sum(numbers: impl Iterator<Item = u32>) -> u32 {
    numbers.fold(0, u32::saturating_add)
}

/// Doubts that do not follow from the figures of the whole load: a single overloaded client, a server restart that only one client
/// observed, and shards that did not load the server at the same time.
fn doubts(shards: &[ShardFile]) -> Vec<Doubt> {
    let of_one = [Doubt::ClientSaturated, Doubt::ServerRestarted, Doubt::ClockStepped];
    let codes: BTreeSet<&str> = results(shards).flat_map(|shard| &shard.validity).map(String::as_str).collect();
    let mut found: Vec<Doubt> = of_one.into_iter().filter(|doubt| codes.contains(doubt.code())).collect();
    let skew = skew(shards);
    let whole = results(shards).map(|shard| shard.ended_unix_ns).max().unwrap_or(0)
        - results(shards).map(|shard| shard.started_unix_ns).min().unwrap_or(0);
    let allowed = Duration::from_nanos(whole).mul_f64(LARGEST_SKEW).max(HARMLESS_SKEW);
    let disjoint = results(shards).map(|shard| shard.ended_unix_ns).min() < results(shards).map(|shard| shard.started_unix_ns).max();
    if shards.len() > 1 && (skew > allowed || disjoint) {
        found.push(Doubt::ShardsApart);
    }
    found
}

/// Time from the first to the last start. Clocks are taken to differ by no more than what the server's clock shows.
fn skew(shards: &[ShardFile]) -> Duration {
    let reference = shards.first().map(|file| &file.result);
    let starts: Vec<u64> = results(shards).map(|shard| start_by_clock_of(reference, shard)).collect();
    Duration::from_nanos(starts.iter().max().unwrap_or(&0) - starts.iter().min().unwrap_or(&0))
}

/// Start of a shard, nanoseconds since 1970, on another shard's clock.
fn start_by_clock_of(reference: Option<&ShardResult>, shard: &ShardResult) -> u64 {
    let (low, high) = clock_offset(reference, shard).unwrap_or_default();
    let ahead_ns = low.max(0.0).mul_add(1e6, high.min(0.0) * 1e6);
    #[expect(clippy::cast_possible_truncation, reason = "an offset of clocks in nanoseconds is far below 2^63")]
    let ahead_ns = ahead_ns as i64;
    shard.started_unix_ns.saturating_add_signed(ahead_ns.saturating_neg())
}

/// Bounds of a shard's clock less that of another, milliseconds.
fn clock_offset(reference: Option<&ShardResult>, shard: &ShardResult) -> Option<(f64, f64)> {
    let reference = reference?;
    if reference.shard == shard.shard {
        return Some((0.0, 0.0));
    }
    offset_ms(&reference.server_seconds, &shard.server_seconds)
}

impl MergedLoad {
    /// The raw result of the whole load, in the format of a single client's, with the block `imax.shards`.
    #[must_use]
    pub fn raw_result_json(&self) -> Value {
        let mut result = self.measured.raw_result_json();
        result["imax"]["shards"] = self.shards_json();
        result
    }

    fn shards_json(&self) -> Value {
        let Some(first) = self.shards.first() else { return Value::Null };
        let shards = self.shards.iter().map(|file| {
            let shard = &file.result;
            let started = Stamp::from_unix_nanos(shard.started_unix_ns);
            let completed = shard.requests.iter().filter(|request| request.is_success()).count();
            json!({
                "shard": shard.shard,
                "file": file.name,
                "start_time_unix": started.unix_seconds(),
                "end_time_unix": Stamp::from_unix_nanos(shard.ended_unix_ns).unix_seconds(),
                "clock_offset_ms": clock_offset(Some(&first.result), shard).map(|(low, high)| [low, high]),
                "start_lag_ms": shard.start_asked_unix_ns.map(|asked| millis(started.since(Stamp::from_unix_nanos(asked)))),
                "completed": completed,
                "failed": shard.requests.len() - completed,
                "clock": shard.client.clock,
                "client_threads": shard.client.threads,
                "validity": shard.validity,
            })
        });
        json!({
            "of": first.result.of,
            "plan": first.result.plan,
            "start_asked_unix": first.result.start_asked_unix_ns.map(|asked| Stamp::from_unix_nanos(asked).unix_seconds()),
            "start_skew_ms": millis(skew(&self.shards)),
            "percentile_error": PERCENTILE_ERROR,
            "shards": shards.collect::<Vec<_>>(),
        })
    }

    /// Time from the first to the last start of a shard, each by its machine's clock, less what the server's clock shows of their difference.
    #[must_use]
    pub fn skew(&self) -> Duration {
        skew(&self.shards)
    }

    /// Name of the merged result file: that of a shard without the shard's suffix.
    #[must_use]
    pub fn file_name(&self) -> String {
        let Some(first) = self.shards.first() else { return String::new() };
        let suffix = first.result.shard().map_or_else(String::new, Shard::file_suffix);
        if first.name.contains(&suffix) && !suffix.is_empty() {
            return first.name.replacen(&suffix, "", 1);
        }
        format!("{}-merged.json", first.name.trim_end_matches(".json"))
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use proptest::prelude::*;

    use super::*;
    use crate::load::measured::tests_support::measured;
    use crate::load::reason::{Failure, Reason};
    use crate::load::record::{ChunkMark, Record};

    const START: u64 = 1_700_000_000_000_000_000;

    /// Milliseconds of the first token, gaps between chunks in microseconds, whether it failed.
    type Sketched = (u64, Vec<u32>, bool);

    fn record((index, (ttft_ms, gaps, has_failed)): (u32, &Sketched)) -> Record {
        let at = |ms: u64| Stamp::from_unix_nanos(START + ms * 1_000_000);
        let sent = u64::from(index) * 7;
        let marks: Vec<ChunkMark> = gaps
            .iter()
            .map(|us| ChunkMark::new(Duration::from_micros(u64::from(*us)), Some(1)))
            .collect();
        let first = at(sent + ttft_ms);
        let last = first.after(marks.iter().map(|mark| mark.gap()).sum());
        Record {
            index,
            scheduled: at(sent),
            sent: at(sent).after(Duration::from_micros(30)),
            first_token: Some(first),
            first_tokens: Some(1),
            last_token: Some(last),
            ended: last,
            prompt_tokens: 10 + index,
            asked_tokens: 5,
            reported_output_tokens: Some(u32::try_from(marks.len()).unwrap() + 1),
            marks,
            streamed: true,
            failure: has_failed.then(|| Failure::new(Reason::Status(503), "no room")),
            ..Record::default()
        }
    }

    fn whole(requests: &[Sketched]) -> Measured {
        let mut whole = measured((0_u32..).zip(requests).map(record).collect());
        whole.run.started = Stamp::from_unix_nanos(START);
        whole.settings.num_prompts = NonZeroU32::new(u32::try_from(requests.len()).unwrap()).unwrap();
        whole.settings.goodput = vec![(crate::load::settings::MetricName::Ttft, 50.0)];
        whole
    }

    /// The shards of a load, through their files, the last one first.
    fn shards(whole: &Measured, of: u32) -> Vec<ShardFile> {
        let files = (1..=of).rev().map(|number| {
            let shard = Shard::new(number.try_into().unwrap(), of.try_into().unwrap()).unwrap();
            let records: Vec<Record> = shard.select(&whole.run.records).cloned().collect();
            let mut part = measured(records);
            part.run.started = Stamp::from_unix_nanos(START + u64::from(number - 1) * 10_000);
            part.settings = whole.settings.clone();
            part.settings.shard = shard;
            part.settings.start_at = Some(Stamp::from_unix_nanos(START));
            part.settings.num_prompts = NonZeroU32::new(u32::try_from(part.run.records.len()).unwrap()).unwrap();
            let result = ShardResult::of(&part.settings, "plan", &part.run, None);
            ShardFile {
                name: format!("x{}.json", shard.file_suffix()),
                result: serde_json::from_str(&serde_json::to_string(&result).unwrap()).unwrap(),
            }
        });
        files.collect()
    }

    fn example() -> Measured {
        whole(&(0..40).map(|n| (5 + n, vec![900; 20], n % 20 == 3)).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn merged_shards_have_the_figures_of_the_whole(
            requests in proptest::collection::vec((1_u64..400, proptest::collection::vec(1_u32..50_000, 0..30), prop::bool::weighted(0.1)), 8..80),
            of in 1_u32..9,
        ) {
            let whole = whole(&requests);
            let merged = merge(shards(&whole, of)).unwrap();
            let (expected, found) = (whole.raw_result_json(), merged.raw_result_json());
            // Everything that has one value a request is the same to the last digit.
            let mut keys = expected.as_object().unwrap().keys().filter(|key| !key.contains("itl") && *key != "imax");
            prop_assert!(keys.all(|key| expected[key] == found[key]), "{expected:#}\n{found:#}");
            for key in ["failed", "errors", "interactivity_tok_s", "from_schedule", "ci95", "input_tokens", "output_tokens", "wrong_output_lengths"] {
                prop_assert_eq!(&expected["imax"][key], &found["imax"][key]);
            }
            // Times between tokens and chunks are within the error of their sketch.
            for key in ["mean_itl_ms", "median_itl_ms", "std_itl_ms", "p90_itl_ms", "p99_itl_ms", "p99.9_itl_ms"] {
                let (expected, found) = (expected[key].as_f64().unwrap(), found[key].as_f64().unwrap());
                prop_assert!((found - expected).abs() <= expected * PERCENTILE_ERROR + 1e-6, "{key}: {found} for {expected}");
            }
            for second in 0..expected["imax"]["seconds"].as_array().unwrap().len() {
                for key in ["completed", "failed", "in_flight", "mean_ttft_ms"] {
                    let (expected, found) = (&expected["imax"]["seconds"][second], &found["imax"]["seconds"][second]);
                    prop_assert_eq!(&expected[key], &found[key]);
                }
            }
            prop_assert_eq!(found["imax"]["shards"]["shards"].as_array().unwrap().len(), usize::try_from(of).unwrap());
            prop_assert_eq!(merged.file_name(), if of == 1 { "x-merged.json" } else { "x.json" });
        }
    }

    #[test]
    fn what_is_not_one_whole_load_is_refused_by_name() {
        type Change = fn(&mut Vec<ShardFile>);
        let cases: [(Change, &str); 9] = [
            (|files| files.clear(), "no result of `imax bench --shard`"),
            (|files| drop(files.remove(0)), "shard 3 of 3 missing, 2 found"),
            (
                |files| {
                    files[1].name = "copy.json".to_owned();
                    files[1].result = files[0].result.clone();
                },
                "x-shard3of3.json and copy.json are both shard 3/3",
            ),
            (
                |files| files[1].result.plan = "other".to_owned(),
                "x-shard3of3.json and x-shard2of3.json are shards of different loads: data set, seed",
            ),
            (|files| files[2].result.load.model = "other".to_owned(), "model \"m\" and \"other\""),
            (|files| files[2].result.start_asked_unix_ns = None, "different instants"),
            (|files| files[0].result.schema_version = 9, "schema version 9"),
            (
                |files| files[1].result.ended_unix_ns = 1,
                "x-shard2of3.json: its end is before its start",
            ),
            (
                |files| files[1].result.requests = files[0].result.requests.clone(),
                "requests that are not those of shard 2/3",
            ),
        ];
        for (change, message) in cases {
            let mut files = shards(&example(), 3);
            change(&mut files);
            let error = merge(files).unwrap_err().to_string();
            assert!(error.contains(message), "{message}: {error}");
        }
    }

    #[test]
    fn shards_that_ran_apart_or_were_overloaded_are_marked() {
        let marked = |change: fn(&mut ShardResult)| {
            let mut files = shards(&example(), 3);
            change(&mut files[1].result);
            merge(files).unwrap().measured.doubts
        };
        assert_eq!(marked(|_| {}), []);
        assert_eq!(
            marked(|shard| shard.validity = vec!["shard".to_owned(), "client_saturated".to_owned()]),
            [Doubt::ClientSaturated]
        );
        let late = marked(|shard| {
            shard.started_unix_ns += 200_000_000;
            shard.ended_unix_ns += 200_000_000;
        });
        assert_eq!(late, [Doubt::ShardsApart]);
        assert_eq!(marked(|shard| shard.interrupted = true), [Doubt::Interrupted]);
    }
}
