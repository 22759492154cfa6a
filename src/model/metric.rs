//! What is measured of a point: the quantities that are shown, compared and plotted.

use serde::{Deserialize, Serialize};

/// What is shown, compared and plotted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Input and output tokens a second and GPU.
    ThroughputPerGpu,
    /// Output tokens a second and GPU that generates.
    OutputThroughputPerGpu,
    /// Input tokens a second and GPU that reads prompts.
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

/// Which summary of the requests stands for a latency.
///
/// The median of a closed loop has modes: at concurrency 4 a simulated engine gave a median TTFT of 5.7 or 8.0 ms by which requests
/// happened to share a prefill, while the share itself, and with it the mean, moved by far less. So runs are compared by the mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The arithmetic mean over the requests; of interactivity the reciprocal of the mean TPOT; of throughput the rate of the whole run.
    Mean,
    /// The median, where a result has no mean. Comparisons written before there was a choice used it throughout.
    #[default]
    Median,
}

impl Metric {
    /// All, in the order of tables.
    pub const ALL: [Self; 9] = [
        Self::ThroughputPerGpu,
        Self::OutputThroughputPerGpu,
        Self::InputThroughputPerGpu,
        Self::Ttft,
        Self::TtftP99,
        Self::Tpot,
        Self::Interactivity,
        Self::E2el,
        Self::E2elP99,
    ];

    /// Those in which runs are compared: what a GPU gives, and what a user feels.
    pub const COMPARED: [Self; 5] = [Self::ThroughputPerGpu, Self::Interactivity, Self::Ttft, Self::Tpot, Self::E2el];

    #[must_use]
    pub fn better(self) -> Better {
        match self {
            Self::ThroughputPerGpu | Self::OutputThroughputPerGpu | Self::InputThroughputPerGpu | Self::Interactivity => Better::Higher,
            Self::Ttft | Self::TtftP99 | Self::Tpot | Self::E2el | Self::E2elP99 => Better::Lower,
        }
    }

    /// The name for machines, also the name of its JSON form.
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
        }
    }
}
