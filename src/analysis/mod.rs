//! Points to runs, and runs to verdicts. A `Run` is everything that one workflow run measured or failed to measure;
//! `compare` sets runs side by side, a `History` says how noisy they are, and the settings what matters.

mod compare;
mod cost;
mod evals;
mod history;
pub mod pareto;
mod run;
mod run_document;
mod selection;
mod shifts;
mod slo;
pub mod statistics;

pub use compare::{
    Basis, Change, Comparison, CurveComparison, Excepted, FrontierKey, Knowledge, MetricVerdict, PointComparison, Side, Verdict, compare,
};
pub use cost::{CostError, CostGap, CostModel, PerMillion, PointCost, PowerSource};
pub use evals::{EvalChange, EvalKey, EvalScore, eval_changes};
pub use history::{HISTORY_SCHEMA, History, HistoryError, HistoryRun, Past};
pub use run::{Assembly, Found, HardwareStats, Problem, Run, assemble};
pub use run_document::{RUN_SCHEMA, RunDocument, RunDocumentError};
pub use selection::{Filter, FilterError, Grouping, PointField, PointFieldError, is_selected, select};
pub use shifts::{Shift, Step};
pub use slo::{Best, BestBy, Slo, SloError, best_points};
