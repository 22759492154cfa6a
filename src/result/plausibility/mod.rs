//! Plausibility checks of all raw and normalised results, whatever load generator wrote them: the figures of a broken client look
//! like any others, and a latency of zero would win every comparison.

mod figures;
mod latencies;
mod load;

pub(super) use figures::Figures;

use crate::model::Concurrency;

/// Why figures are impossible, doubtful, or belong to another load than the requested one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Doubt {
    /// A latency, count or rate below zero: times subtracted that were never taken.
    #[error("`{key}` is {found}, expected a number from 0: the load generator is broken or its clock was set")]
    Negative { key: String, found: f64 },
    /// A latency was not measured: load generators that saw no first token write zeros.
    #[error("`{key}` is 0: {latency} was not measured and is left out; does the load generator see the tokens of this server?")]
    Placeholder { latency: String, key: String },
    /// A rate or the duration is zero although there were tokens.
    #[error("`{key}` is 0 although requests completed; was the result written before the load ended?")]
    ZeroRate { key: String },
    /// A number that is part of another, or a lower percentile, is larger.
    #[error("`{lower}` is {lower_value}, more than `{higher}`, {higher_value}; the two contradict each other")]
    Disordered {
        lower: String,
        lower_value: f64,
        higher: String,
        higher_value: f64,
    },
    /// Two statistics of a latency differ by a factor of 1,000 or more.
    #[error(
        "`{near}` is {near_value} and `{far}` is {far_value}, a factor of more than 1,000; are they in different units, or did requests hang?"
    )]
    Apart {
        near: String,
        near_value: f64,
        far: String,
        far_value: f64,
    },
    /// A standard deviation is impossible for the value of another statistic.
    #[error("`{key}` is {found}, which is impossible if `{other}` is {other_value}; is it in another unit?")]
    Deviation {
        key: String,
        found: f64,
        other: String,
        other_value: f64,
    },
    /// Requests failed.
    #[error("only {completed} of {total} requests completed, so the figures describe another load; see the load generator's log")]
    Failed {
        completed: f64,
        total: f64,
        /// Whether more than half of them failed.
        is_most: bool,
    },
    /// Some requests neither completed nor failed.
    #[error("only {found} of {requested} requests ended; was the load generator stopped, or has the data set fewer prompts?")]
    Missing { found: f64, requested: f64 },
    /// The engine's profiler ran.
    #[error("a profiler ran during the load and slowed the engine; the figures are those of a curve of their own")]
    Profiled,
    /// The load was cancelled before its end.
    #[error("the run was cancelled before its end, so the figures cover only a part of the load")]
    Cancelled,
    /// The result does not say at which concurrency it was measured.
    #[error("the result has no concurrency; {taken} is assumed, from the row")]
    UnknownConcurrency { taken: Concurrency },
    /// A rate differs from count divided by duration.
    #[error("`{key}` is {found}, but count divided by duration is {expected:.3}; is the duration in another unit?")]
    Rate { key: String, found: f64, expected: f64 },
    /// The lengths of prompts or answers are not those of the row.
    #[error(
        "{key} has {found:.0} tokens a request, of {expected} in the row: another load was measured; \
         were prompts cut, or answers ended early (--ignore-eos)?"
    )]
    Lengths { key: &'static str, found: f64, expected: u32 },
    /// A latency is probably in the wrong unit, such as seconds under the key of milliseconds.
    #[error("`{key}` is {found}: {because}; is it in another unit, such as seconds for milliseconds?")]
    Unit {
        key: String,
        found: f64,
        because: String,
        /// Whether a wrong unit is the only explanation.
        is_certain: bool,
    },
}

impl Doubt {
    /// A stable short name, for programs that read messages and results.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Negative { .. } => "negative",
            Self::Placeholder { .. } => "placeholder-zero",
            Self::ZeroRate { .. } => "zero-rate",
            Self::Disordered { .. } => "out-of-order",
            Self::Apart { .. } => "far-apart",
            Self::Deviation { .. } => "impossible-deviation",
            Self::Failed { .. } => "requests-failed",
            Self::Missing { .. } => "requests-missing",
            Self::Cancelled => "cancelled",
            Self::Profiled => "profiled",
            Self::UnknownConcurrency { .. } => "concurrency-unknown",
            Self::Rate { .. } => "rate-contradicts-count",
            Self::Lengths { .. } => "other-lengths",
            Self::Unit { .. } => "unit",
        }
    }

    /// Whether the result must be refused. Other doubts only mark it: heavy tails, unusual clients and summaries over several kinds of
    /// requests can cause them.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Negative { .. } | Self::ZeroRate { .. } | Self::Disordered { .. } | Self::Cancelled => true,
            Self::Failed { is_most, .. } => *is_most,
            Self::Unit { is_certain, .. } => *is_certain,
            Self::Placeholder { .. }
            | Self::Apart { .. }
            | Self::Deviation { .. }
            | Self::Missing { .. }
            | Self::UnknownConcurrency { .. }
            | Self::Profiled
            | Self::Lengths { .. }
            | Self::Rate { .. } => false,
        }
    }

    /// Whether the load failed, as opposed to an invalid document.
    #[must_use]
    pub fn is_failed_load(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::Missing { .. } | Self::Cancelled => true,
            Self::Negative { .. }
            | Self::Placeholder { .. }
            | Self::ZeroRate { .. }
            | Self::Disordered { .. }
            | Self::Apart { .. }
            | Self::Deviation { .. }
            | Self::UnknownConcurrency { .. }
            | Self::Profiled
            | Self::Rate { .. }
            | Self::Lengths { .. }
            | Self::Unit { .. } => false,
        }
    }
}

/// Doubts about the mean lengths of prompts and answers, of which the row has `isl` and `osl`.
pub(super) fn lengths(figures: &Figures<'_>, isl: u32, osl: u32) -> Vec<Doubt> {
    load::lengths(figures, isl, osl)
}

/// The doubts about the figures of a result, fatal ones first.
pub(super) fn doubts(figures: &Figures<'_>) -> Vec<Doubt> {
    let mut found = load::doubts(figures);
    found.extend(latencies::doubts(figures));
    found.sort_by_key(|doubt| !doubt.is_fatal());
    found
}

/// Names of latencies, such as `ttft`, whose zeros mean "not measured" and must not be used as numbers.
pub(super) fn unmeasured(figures: &Figures<'_>) -> Vec<String> {
    latencies::zero_latencies(figures).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
