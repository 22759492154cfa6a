//! Points to runs, and runs to verdicts. A `Run` is everything that one workflow run measured or failed to measure; `compare` compares
//! runs, with the noise that a `History` shows and the thresholds of the settings.

mod cheapest;
mod compare;
mod conditions;
mod cost;
mod evals;
mod history;
mod levels;
pub mod pareto;
mod raw_pairs;
mod run;
mod run_document;
mod selection;
mod shifts;
mod slo;
pub mod statistics;

pub use cheapest::{Cheapest, TokenKind, cheapest};
pub use compare::{
    Basis, Change, Comparison, CurveComparison, FrontierKey, Knowledge, MetricVerdict, PointComparison, Side, Verdict, compare,
};
pub use conditions::Conditions;
pub use cost::{CostError, CostGap, CostModel, HardwareCost, PointCost, PowerSource, hardware_schema};
pub use evals::{EvalChange, EvalKey, EvalScore, eval_changes};
pub use history::{
    Cell, ColumnKind, DEFAULT_PROJECT, EvalRow, GivenVerdict, History, HistoryError, HistoryRun, INTERVAL_COLUMNS, JobSummary,
    METRIC_COLUMNS, NamedRun, PhaseTime, PointColumns, PointDistributions, PointRow, Quarantined, RecordRow, RowError, RunContext,
    RunHeader, RunIdentity, RunKind, RunRecord, RunRows, RunsFileError, Sketch, TableWriter, TimeSlice, merge_revisions, read_history,
    read_run, run_of_rows, runs_of_parquet, runs_to_parquet, slices, value_columns, verdicts_of_report,
};
pub use levels::{LEVEL_METHOD, Level, MetricLevels, Reading, levels};
pub use raw_pairs::pair_raw_points;
pub use run::{Assembly, Found, Origin, Problem, Run, assemble};
pub use run_document::{RunDocument, RunDocumentError};
pub use selection::{FieldFilter, Filter, Grouping, PointField, is_selected, select};
pub use shifts::{Shift, Step};
pub use slo::{Best, BestBy, Slo, best_points};
