//! Raw results of load generators to normalised results, one for each point. `normalize` turns a raw result and its
//! `PointContext` into an `Agg`, the document that goes into `agg_*.json` with the keys of InferenceX's
//! process_result.py; a `Point` is what the rest of imax reads from such a document.

mod agentx;
mod agg;
mod context;
mod eval;
mod import;
mod intervals;
mod json;
mod normalize;
mod number;
mod plausibility;
mod point;
mod power;
mod producer;
mod raw_point;
mod replay_check;
mod schema;

pub use agg::{Agg, AggError, POINT_PART};
pub use context::{ContextError, Dialect, Gpus, Origin, PointContext};
pub use eval::{EvalConcs, EvalFile, EvalSet, EvalSort, JudgedScore, eval_meta, eval_rows, judge_evals, sort_eval_rows};
pub use import::{
    DUMP_TABLES, Facts, FactsError, ImportFormat, ImportHints, Imported, ImportedRun, InferencexDump, Mapping, MappingError,
    PublishedResult, import,
};
pub use json::{Json, JsonError, Object};
pub use normalize::{Normalised, NormalizeError, doubt, normalize};
// Re-exported because every query of a result names a metric.
pub use crate::model::{Better, Metric, Statistic};
pub use point::{
    FAILED_REQUESTS, Measurement, MetricInterval, Point, PointFailure, PointOutcome, Provenance, SUCCESSFUL_REQUESTS, USUAL_NUMBERS,
};
pub use power::{Conditions, Power, RolePower};
pub use producer::{ProducerError, ResultName, ResultNameError, gpus_in_name, read_result};
pub use raw_point::{RawPointError, UNKNOWN, raw_document, raw_documents};
pub use replay_check::{FAILED_REQUEST_THRESHOLD, check_replay};
pub use schema::schema;
