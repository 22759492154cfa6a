//! Points to runs, and runs to verdicts. A `Run` is everything that one workflow run measured or failed to measure;
//! `compare` sets runs side by side, a `History` says how noisy they are, and `Rules` what matters.

mod compare;
mod evals;
mod history;
pub mod pareto;
mod rules;
mod run;
mod run_document;
mod shifts;
pub mod statistics;

pub use compare::{
    Basis, COMPARED, Change, Comparison, CurveComparison, Excepted, FrontierKey, Knowledge, MetricVerdict, PointComparison, Side, Verdict,
    compare,
};
pub use evals::{EvalChange, EvalKey, EvalScore, eval_changes};
pub use history::{HISTORY_SCHEMA, History, HistoryError, HistoryRun, Past};
pub use rules::{Exception, PointPattern, Rules, RulesError, SmallestChange};
pub use run::{Assembly, Found, HardwareStats, Problem, Run, assemble};
pub use run_document::{RUN_SCHEMA, RunDocument, RunDocumentError};
pub use shifts::{Shift, Step};
