//! Whether the numbers of a result can be true. Every result passes here, whatever load generator wrote it, and so does every
//! normalised document: figures of a broken client look like any others, and a latency of zero would win each comparison.

mod figures;
mod latencies;
mod load;

pub(super) use figures::Figures;

use crate::model::Concurrency;

/// Why figures cannot be true, or are not those of the load that was asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Doubt {
    /// A latency, count or rate below zero: times subtracted that were never taken.
    #[error("`{key}` is {found}, expected a number from 0: the load generator is broken or its clock was set")]
    Negative { key: String, found: f64 },
    /// Zeros stand for a latency that was not measured, as load generators write it that saw no first token.
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
    /// Statistics of one latency that differ by a thousand and more.
    #[error(
        "`{near}` is {near_value} and `{far}` {far_value}, apart by more than 1,000; are they in different units, or did requests hang?"
    )]
    Apart {
        near: String,
        near_value: f64,
        far: String,
        far_value: f64,
    },
    /// No values have this standard deviation and the other statistic.
    #[error("`{key}` is {found}, which no values have whose `{other}` is {other_value}; is it in another unit?")]
    Deviation {
        key: String,
        found: f64,
        other: String,
        other_value: f64,
    },
    /// Requests failed.
    #[error("only {completed} of {total} requests completed: the figures are those of another load; see the load generator's log")]
    Failed {
        completed: f64,
        total: f64,
        /// More than half of them.
        is_most: bool,
    },
    /// Requests are neither completed nor failed.
    #[error("{found} requests ended of {requested} that were asked for; was the load generator stopped, or are there fewer prompts?")]
    Missing { found: f64, requested: f64 },
    /// The load was cancelled before its end.
    #[error("the run was cancelled before its end: the figures are those of a part of the load")]
    Cancelled,
    /// The result does not say at which concurrency it was measured.
    #[error("the result does not say its concurrency; it is taken to be {taken}, the row's")]
    UnknownConcurrency { taken: Concurrency },
    /// A rate is not what count and duration give.
    #[error("`{key}` is {found}, but count and duration give {expected:.3}; is the duration in another unit?")]
    Rate { key: String, found: f64, expected: f64 },
    /// A latency whose unit is most likely another one, such as seconds under a name of milliseconds.
    #[error("`{key}` is {found}: {because}; is it in another unit, such as seconds for milliseconds?")]
    Unit {
        key: String,
        found: f64,
        because: String,
        /// Whether nothing else explains it.
        is_certain: bool,
    },
}

impl Doubt {
    /// A short name that does not change, for programs that read messages and results.
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
            Self::UnknownConcurrency { .. } => "concurrency-unknown",
            Self::Rate { .. } => "rate-contradicts-count",
            Self::Unit { .. } => "unit",
        }
    }

    /// Whether the result must not be used. Otherwise it may be, with the doubt beside it: heavy tails, odd clients and summaries of
    /// several kinds of requests can look like this.
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
            | Self::Rate { .. } => false,
        }
    }

    /// Whether it says that the load failed, and not that the document is wrong.
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
            | Self::Rate { .. }
            | Self::Unit { .. } => false,
        }
    }
}

/// What is doubtful about the figures of a result, what forbids its use first.
pub(super) fn doubts(figures: &Figures<'_>) -> Vec<Doubt> {
    let mut found = load::doubts(figures);
    found.extend(latencies::doubts(figures));
    found.sort_by_key(|doubt| !doubt.is_fatal());
    found
}

/// Names of latencies, such as `ttft`, whose zeros stand for "not measured": they must not be taken for numbers.
pub(super) fn unmeasured(figures: &Figures<'_>) -> Vec<String> {
    latencies::zero_latencies(figures).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
