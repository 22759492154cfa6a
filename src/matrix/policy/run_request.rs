//! What an event asks to measure.

use super::decide::Scope;
use crate::matrix::row_filter::RowFilter;
use crate::settings::Sweep;

/// A sweep that an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    pub scope: Scope,
    pub sweep: Sweep,
    /// Evaluate accuracy and do not measure.
    pub evals_only: bool,
    /// Evaluate accuracy at every point that can be evaluated.
    pub all_evals: bool,
    /// Run the engines' profilers during the loads.
    pub profile: bool,
    /// The load of agentic rows.
    pub agentic: AgenticLoad,
    /// Earlier results that take the place of measurements.
    pub earlier: EarlierResults,
    /// Rows of the scope that are run.
    pub filter: RowFilter,
    /// Variables of the rows' jobs.
    pub environment: Vec<(String, String)>,
    /// Labels of the pull request, for priorities.
    pub labels: Vec<String>,
    pub pull_request: Option<u64>,
    /// Why, as a sentence.
    pub reason: String,
}

/// How long agentic rows are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AgenticLoad {
    /// As their configs say.
    #[default]
    Configured,
    /// One warm-up request a session and [`FAST_SECONDS`], for a first answer.
    Fast,
    /// This many seconds.
    Seconds(u64),
}

/// The load of agentic rows under the label `agentx-fast`, as in InferenceX's library.
pub const FAST_SECONDS: u64 = 20 * 60;

impl AgenticLoad {
    /// Seconds in place of those of the configs.
    #[must_use]
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Configured => None,
            Self::Fast => Some(FAST_SECONDS),
            Self::Seconds(seconds) => Some(seconds),
        }
    }
}

/// Which earlier results take the place of measurements.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EarlierResults {
    #[default]
    None,
    /// Those of the newest run of this pull request, if it measured the same commit.
    LastRunOf(u64),
    /// Those of the pull request whose merge this commit is, if a maintainer has said so.
    MergedAs { commit: String, branch: String },
}

impl RunRequest {
    /// A sweep without options.
    #[must_use]
    pub fn new(scope: Scope, sweep: Sweep, reason: impl Into<String>) -> Self {
        Self {
            scope,
            sweep,
            evals_only: false,
            all_evals: false,
            profile: false,
            agentic: AgenticLoad::default(),
            earlier: EarlierResults::default(),
            filter: RowFilter::default(),
            environment: Vec::new(),
            labels: Vec::new(),
            pull_request: None,
            reason: reason.into(),
        }
    }
}
