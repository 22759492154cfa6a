//! Whether a run's figures may be used. Each doubt has a stable code in the result, so that later steps can refuse the
//! result without understanding it.

use std::collections::BTreeMap;

use super::health::{CLOCK_STEP_LIMIT, Health};
use super::metrics::Metrics;
use super::record::Record;
use super::settings::Settings;

/// Why a run's figures may not be used, or only with care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Not one request succeeded.
    NoSuccess,
    /// More requests failed than allowed.
    TooManyErrors,
    /// The run was stopped; the figures are of the part before.
    Interrupted,
    /// Outputs were not of the length asked for, although the server was asked to ignore the model's end.
    WrongOutputLengths,
    /// The system's clock was set during the run, so instants are wrong.
    ClockStepped,
    /// The client had no time left: it may have been the bottleneck.
    ClientSaturated,
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
            Self::ClockStepped => "clock_stepped",
            Self::ClientSaturated => "client_saturated",
        }
    }
}

/// Beyond this share of its cores the client queues bytes before it reads them.
const SATURATED_CPU_SHARE: f64 = 0.95;
/// A client that reads this late in one wake-up of ten sends the next requests late too. A rare long pause is a busy
/// machine's, and spoils nothing: arrival instants are the kernel's.
const SATURATED_READ_LAG_MS: f64 = 50.0;

/// The doubts about a run, in a stable order.
#[must_use]
pub fn doubts(settings: &Settings, records: &[Record], metrics: &Metrics, health: &Health, interrupted: bool) -> Vec<Doubt> {
    // What was cancelled by the user is no failure of the server.
    let ended = records.iter().filter(|record| !is_cancelled(record)).count();
    let failed = records
        .iter()
        .filter(|record| !record.is_success() && !is_cancelled(record))
        .count();
    let share = super::statistics::count(failed) / super::statistics::count(ended.max(1));
    let lag = {
        let mut lags = health.read_lag_ms.clone();
        lags.sort_unstable_by(f64::total_cmp);
        super::statistics::percentile_of_sorted(&lags, 90.0)
    };
    let saturated = health.cpu_share() > SATURATED_CPU_SHARE || lag > SATURATED_READ_LAG_MS;
    let found = [
        (metrics.e2el_ms.is_empty(), Doubt::NoSuccess),
        (share > settings.max_error_share, Doubt::TooManyErrors),
        (interrupted, Doubt::Interrupted),
        (settings.ignore_eos && metrics.wrong_output_lengths > 0, Doubt::WrongOutputLengths),
        (health.clock_step > CLOCK_STEP_LIMIT, Doubt::ClockStepped),
        (saturated, Doubt::ClientSaturated),
    ];
    found.into_iter().filter_map(|(is, doubt)| is.then_some(doubt)).collect()
}

fn is_cancelled(record: &Record) -> bool {
    record
        .failure
        .as_ref()
        .is_some_and(|failure| failure.reason == super::reason::Reason::Cancelled)
}

/// The failures of a run: by code, how many there were and the first one's detail.
#[must_use]
pub fn failures(records: &[Record]) -> BTreeMap<String, (u32, String)> {
    let mut found = BTreeMap::new();
    for failure in records.iter().filter_map(|record| record.failure.as_ref()) {
        let entry = found.entry(failure.reason.code()).or_insert_with(|| (0, failure.detail.clone()));
        entry.0 += 1;
    }
    found
}
