//! Points to runs, and runs to verdicts. A `Run` is everything that one workflow run measured or failed to measure; `compare` compares
//! runs, with the noise that a `History` shows and the thresholds of the settings.

mod accuracy;
mod bisection;
mod change_threads;
mod cheapest;
mod compare;
mod comparison_summary;
mod conditions;
mod configuration;
mod cost;
mod deployment;
mod evals;
mod fleet;
mod group_series;
mod history;
mod levels;
mod mlperf;
mod operations;
pub mod pareto;
mod ratios;
mod raw_pairs;
mod run;
mod run_document;
mod run_point;
mod selection;
mod shifts;
mod slo;
pub mod statistics;
mod version_changes;

pub use accuracy::{RunEval, accuracy};
pub use bisection::{MeasuredCommit, commands as bisect_commands, middle as middle_commit, sweep_comment};
pub use change_threads::{ChangeNotes, ChangeThread, LevelChange, RelativeChange, ThreadState, change_threads, thread_state};
pub use cheapest::{CostQuestion, TokenKind, Unreachable, cheapest, cheapest_of_curves, costs_then, unreachable};
pub use compare::{
    Basis, Change, Comparison, CurveComparison, FrontierKey, Knowledge, MetricVerdict, PointComparison, Side, Verdict, compare,
};
pub use comparison_summary::ComparisonSummary;
pub use conditions::Conditions;
pub use configuration::{configuration, difference_groups, differences};
pub use cost::{
    CostError, CostGap, CostModel, DatedPrice, HardwareCost, PRICES_SCHEMA, PointCost, PowerSource, PriceKind, PriceList, hardware_schema,
};
pub use deployment::{Deployment, DeploymentFamily, deployments};
pub use evals::{EvalChange, EvalKey, EvalScore, eval_changes};
pub use group_series::{GroupPoint, GroupRun, GroupValue, Reading as GroupReading, at_interactivity, geometric_means};
pub use history::{
    COMMUNITY, Cell, ColumnKind, DEFAULT_PROJECT, EngineReading, EvalRow, GivenVerdict, History, HistoryError, HistoryRun,
    INTERVAL_COLUMNS, JobSummary, LogExcerpt, METRIC_COLUMNS, NamedRun, PhaseTime, PlannedRow, PointColumns, PointDistributions, PointRow,
    Quarantined, RecordRow, ReportedVerdicts, RowError, RunContext, RunHeader, RunIdentity, RunKind, RunPlan, RunRecord, RunRows,
    RunsFileError, Sketch, TableWriter, TimeSlice, engine_slices, merge_revisions, read_history, read_prices, read_run, run_of_rows,
    runs_of_parquet, runs_to_parquet, slices, value_columns, verdicts_of_report,
};
pub use levels::{LEVEL_METHOD, Level, MetricLevels, Reading, levels};
pub use mlperf::{DerivedResult, derived_results};
pub use operations::{JobGroup, JobOfRun, by_day as jobs_by_day, by_machine as jobs_by_machine, by_run as jobs_by_run};
pub use raw_pairs::pair_raw_points;
pub use run::{Assembly, Found, HardwareStats, Origin, Problem, Run, assemble};
pub use run_document::{RunDocument, RunDocumentError};
pub use run_point::RunPoint;
pub use selection::{FieldFilter, Filter, Grouping, PointField, is_selected, select};
pub use shifts::{Shift, Step};
pub use slo::{Best, BestBy, Slo, best_points};
pub use version_changes::{architecture_changes, version_changes, versions};
