//! What each server of a load with several of them did, and how evenly the load was spread.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::engine_metrics;
use super::folded::Digest;
use super::measured::Measured;
use super::metrics::Metrics;
use super::record::Record;
use super::validity;
use crate::model::count;

/// The part of one server in a load.
#[derive(Debug, Default)]
pub struct ServerFigures<'a> {
    /// Its base URL.
    pub url: String,
    /// The requests that were sent to it.
    pub records: Vec<&'a Record>,
    /// Requests that succeeded.
    pub completed: usize,
    /// Output tokens of these.
    pub output_tokens: u64,
    /// Prompt tokens of these by the server's count, and those that were in its prefix cache.
    cached: (u64, u64),
    /// Sum of the times that requests were in flight.
    busy: Duration,
    /// Time to first token of the requests that succeeded, ms.
    pub ttft_ms: Vec<f64>,
    /// Time per output token of these, ms.
    pub tpot_ms: Vec<f64>,
    /// End-to-end latency of these, ms.
    pub e2el_ms: Vec<f64>,
}

impl<'a> ServerFigures<'a> {
    fn add(&mut self, record: &'a Record) {
        self.records.push(record);
        self.busy += record.ended.since(record.sent);
        if !record.is_success() {
            return;
        }
        let digest = record.digest.unwrap_or_else(|| Digest::of(record));
        let single = Metrics::of_one(record, &digest);
        self.completed += 1;
        self.output_tokens += u64::from(digest.total_tokens);
        self.cached.0 += u64::from(record.reported_prompt_tokens.unwrap_or(0));
        self.cached.1 += u64::from(record.reported_cached_tokens.unwrap_or(0));
        self.ttft_ms.extend(single.ttft_ms);
        self.tpot_ms.extend(single.tpot_ms);
        self.e2el_ms.extend(single.e2el_ms);
    }

    /// Requests that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.records.len() - self.completed
    }

    /// Requests in flight, averaged over a run of this length.
    #[must_use]
    pub fn mean_in_flight(&self, run_s: f64) -> f64 {
        if run_s > 0.0 { self.busy.as_secs_f64() / run_s } else { 0.0 }
    }
}

/// The highest of the servers' values, as a multiple of their mean: 1 is even, and the number of servers is the highest. `None` if all are
/// zero.
#[must_use]
pub fn imbalance(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    let highest = values.iter().copied().reduce(f64::max)?;
    (sum > 0.0).then(|| highest * count(values.len()) / sum)
}

impl Measured {
    /// The part of each server, in the order of the settings.
    #[must_use]
    pub fn server_figures(&self) -> Vec<ServerFigures<'_>> {
        let urls = self.settings.targets().map(|target| ServerFigures {
            url: target.base_url(),
            ..ServerFigures::default()
        });
        let mut servers: Vec<ServerFigures<'_>> = urls.collect();
        for record in &self.run.records {
            if let Some(server) = servers.get_mut(record.server) {
                server.add(record);
            }
        }
        servers
    }

    /// The block `servers`; null if there is one.
    pub(super) fn servers_json(&self) -> Value {
        if self.settings.server_count() == 1 {
            return Value::Null;
        }
        let servers = self.server_figures();
        let requests: Vec<f64> = servers.iter().map(|server| count(server.records.len())).collect();
        let output_tokens: Vec<f64> = servers.iter().map(|server| count(server.output_tokens)).collect();
        let run_s = self.duration_s();
        let in_flight: Vec<f64> = servers.iter().map(|server| server.mean_in_flight(run_s)).collect();
        json!({
            "balance": self.settings.balance.as_str(),
            "imbalance": {
                "requests": imbalance(&requests),
                "output_tokens": imbalance(&output_tokens),
                "mean_in_flight": imbalance(&in_flight),
            },
            "each": servers.iter().enumerate().map(|(number, server)| self.server_json(number, server)).collect::<Vec<Value>>(),
        })
    }

    fn server_json(&self, number: usize, server: &ServerFigures<'_>) -> Value {
        let failures = validity::failures(server.records.iter().copied());
        let errors: Map<String, Value> = failures
            .iter()
            .map(|(code, (count, example))| (code.clone(), json!({ "count": count, "example": example })))
            .collect();
        let (prompt_tokens, cached_tokens) = server.cached;
        json!({
            "url": server.url,
            "requests": server.records.len(),
            "completed": server.completed,
            "failed": server.failed(),
            "errors": errors,
            "output_tokens": server.output_tokens,
            "output_throughput": self.per_second(count(server.output_tokens)),
            "mean_in_flight": server.mean_in_flight(self.duration_s()),
            "ttft_ms": self.summary_json(server.ttft_ms.clone()),
            "tpot_ms": self.summary_json(server.tpot_ms.clone()),
            "e2el_ms": self.summary_json(server.e2el_ms.clone()),
            "cached_tokens": cached_tokens,
            "prefix_hit_rate": (cached_tokens > 0 && prompt_tokens > 0).then(|| count(cached_tokens) / count(prompt_tokens)),
            "restarted": self.run.new_servers.contains(&number),
            "engine_metrics": self.engine_metrics.get(number).map(|samples| engine_metrics::json(std::slice::from_ref(samples))),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::measured::tests_support::measured;
    use crate::load::settings::{Protocol, Target};
    use crate::load::{Failure, Reason, Stamp};

    fn record(index: u32, server: usize, seconds: u64, failure: Option<Failure>) -> Record {
        Record {
            index,
            server,
            first_token: failure.is_none().then(|| Stamp::from_unix_nanos(500_000_000)),
            last_token: failure.is_none().then(|| Stamp::from_unix_nanos(seconds * 1_000_000_000)),
            ended: Stamp::from_unix_nanos(seconds * 1_000_000_000),
            reported_output_tokens: Some(4),
            streamed: true,
            failure,
            ..Record::default()
        }
    }

    #[test]
    fn imbalance_is_the_highest_over_the_mean() {
        for (values, expected) in [
            (&[4.0, 4.0][..], Some(1.0)),
            (&[3.0, 1.0], Some(1.5)),
            (&[0.0, 9.0, 0.0], Some(3.0)),
            (&[0.0, 0.0], None),
            (&[], None),
        ] {
            assert_eq!(imbalance(values), expected, "{values:?}");
        }
    }

    #[test]
    fn each_server_has_its_own_requests_failures_and_latencies() {
        let refused = || Some(Failure::new(Reason::ConnectionRefused, "http://b:80: refused"));
        let records = vec![
            record(0, 0, 1, None),
            record(1, 1, 2, None),
            record(2, 0, 1, None),
            record(3, 1, 4, refused()),
            // A number that no server has, as a damaged shard could have it.
            record(4, 9, 1, None),
        ];
        let mut measured = measured(records);
        assert_eq!(measured.servers_json(), Value::Null);
        measured.settings.further_targets = vec![Target::from_base_url("http://b", "/", Protocol::Completions).unwrap()];
        let servers = measured.servers_json();
        assert_eq!(servers["balance"], "round-robin");
        assert_eq!(
            servers["imbalance"],
            json!({ "requests": 1.0, "output_tokens": 8.0 * 2.0 / 12.0, "mean_in_flight": 6.0 * 2.0 / 8.0 })
        );
        let (first, second) = (&servers["each"][0], &servers["each"][1]);
        assert_eq!((&first["url"], &second["url"]), (&json!("http://h:80"), &json!("http://b:80")));
        assert_eq!(
            (&first["completed"], &first["failed"], &first["mean_in_flight"]),
            (&json!(2), &json!(0), &json!(0.5))
        );
        assert_eq!((&second["requests"], &second["failed"]), (&json!(2), &json!(1)));
        assert_eq!(second["errors"]["connection_refused"]["example"], "http://b:80: refused");
        assert_eq!(
            (&first["e2el_ms"]["mean"], &second["e2el_ms"]["mean"]),
            (&json!(1000.0), &json!(2000.0))
        );
    }

    #[test]
    fn a_dead_server_beside_one_that_answers_is_no_restart() {
        use crate::load::Doubt;
        let refused = || Some(Failure::new(Reason::ConnectionRefused, "refused"));
        let later = |index, server| Record {
            sent: Stamp::from_unix_nanos(5_000_000_000),
            ..record(index, server, 6, None)
        };
        let doubts = measured(vec![record(0, 1, 1, refused()), later(1, 0)]).doubts;
        assert!(!doubts.contains(&Doubt::ServerRestarted), "{doubts:?}");
        let doubts = measured(vec![record(0, 1, 1, refused()), later(1, 1)]).doubts;
        assert!(doubts.contains(&Doubt::ServerRestarted), "{doubts:?}");
    }
}
