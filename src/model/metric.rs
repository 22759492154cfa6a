//! Metrics of a point: the quantities that are shown, compared and plotted.

use serde::{Deserialize, Serialize};

/// A metric that is shown, compared and plotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Input and output tokens per second and GPU.
    ThroughputPerGpu,
    /// Output tokens per second and GPU that generates.
    OutputThroughputPerGpu,
    /// Input tokens per second and GPU that processes prompts.
    InputThroughputPerGpu,
    /// Median time to first token, seconds.
    Ttft,
    /// 99th percentile of the time to first token, seconds.
    TtftP99,
    /// Median time per output token after the first, seconds.
    Tpot,
    /// Median output tokens a second that one user sees.
    Interactivity,
    /// Median end-to-end latency of a request, seconds.
    E2el,
    /// 99th percentile of the end-to-end latency, seconds.
    E2elP99,
    /// Requests per second of a replay of coding-agent sessions.
    Qps,
    /// Share of the prompt tokens that came from any cache of the engine, 0 to 1; only replays of coding-agent sessions have it.
    CacheHitRate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

impl Better {
    /// A change with the sign of its meaning: positive is better.
    #[must_use]
    pub fn gain(self, change: f64) -> f64 {
        match self {
            Self::Higher => change,
            Self::Lower => -change,
        }
    }

    /// The name for programs.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

/// The statistic of the requests by which a latency is compared.
///
/// Runs are compared by the mean, because the median of a closed loop is bimodal: at concurrency 4, a simulated engine had a median
/// TTFT of either 5.7 or 8.0 ms, depending on which requests happened to share a prefill, while the mean varied far less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The arithmetic mean over the requests; of interactivity the reciprocal of the mean TPOT; of throughput the rate of the whole run.
    Mean,
    /// The median, for results without a mean. Old comparisons without this field always used the median.
    #[default]
    Median,
}

impl Metric {
    /// Whether only replays of coding-agent sessions have it.
    #[must_use]
    pub fn is_of_sessions(self) -> bool {
        match self {
            Self::Qps | Self::CacheHitRate => true,
            Self::ThroughputPerGpu
            | Self::OutputThroughputPerGpu
            | Self::InputThroughputPerGpu
            | Self::Ttft
            | Self::TtftP99
            | Self::Tpot
            | Self::Interactivity
            | Self::E2el
            | Self::E2elP99 => false,
        }
    }

    /// All metrics, in the order of tables.
    pub const ALL: [Self; 11] = [
        Self::ThroughputPerGpu,
        Self::OutputThroughputPerGpu,
        Self::InputThroughputPerGpu,
        Self::Ttft,
        Self::TtftP99,
        Self::Tpot,
        Self::Interactivity,
        Self::E2el,
        Self::E2elP99,
        Self::Qps,
        Self::CacheHitRate,
    ];

    /// The metrics by which runs are compared and that points of each workload have.
    pub const COMPARED: [Self; 5] = [Self::ThroughputPerGpu, Self::Interactivity, Self::Ttft, Self::Tpot, Self::E2el];

    /// The metrics that get a verdict: [`Metric::COMPARED`], and those that only replays of sessions have.
    pub const JUDGED: [Self; 7] = [
        Self::ThroughputPerGpu,
        Self::Interactivity,
        Self::Ttft,
        Self::Tpot,
        Self::E2el,
        Self::Qps,
        Self::CacheHitRate,
    ];

    #[must_use]
    pub fn better(self) -> Better {
        match self {
            Self::ThroughputPerGpu
            | Self::OutputThroughputPerGpu
            | Self::InputThroughputPerGpu
            | Self::Interactivity
            | Self::Qps
            | Self::CacheHitRate => Better::Higher,
            Self::Ttft | Self::TtftP99 | Self::Tpot | Self::E2el | Self::E2elP99 => Better::Lower,
        }
    }

    /// A change of this metric with the sign of its meaning: positive is better.
    #[must_use]
    pub fn gain(self, change: f64) -> f64 {
        self.better().gain(change)
    }

    /// The name for programs, the same as in JSON.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::ThroughputPerGpu => "throughput-per-gpu",
            Self::OutputThroughputPerGpu => "output-throughput-per-gpu",
            Self::InputThroughputPerGpu => "input-throughput-per-gpu",
            Self::Ttft => "ttft",
            Self::TtftP99 => "ttft-p99",
            Self::Tpot => "tpot",
            Self::Interactivity => "interactivity",
            Self::E2el => "e2el",
            Self::E2elP99 => "e2el-p99",
            Self::Qps => "qps",
            Self::CacheHitRate => "cache-hit-rate",
        }
    }
}
