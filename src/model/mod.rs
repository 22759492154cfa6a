//! The terms of the field as types. The steps of the pipeline exchange these types. They can only be created by parsing, so later code
//! need not validate them again. There is no logic of the pipeline in this room.

mod component;
mod diagnostic;
mod error_text;
mod failure;
mod identity;
mod job_id;
mod json_schema;
mod layout;
mod markdown;
mod metric;
mod name;
mod parallelism;
mod percent;
mod point;
mod prometheus;
mod proxy;
mod secret;
mod source;
mod spelling;
mod spreadsheet;
mod variable;
mod workload;

pub use component::{Component, KvOffloading};
pub use diagnostic::{Diagnostic, DiagnosticStyle, Diagnostics, Severity};
pub use error_text::with_causes;
pub use failure::FailureClass;
pub use identity::{CURVE_KEY_VERSION, Digest, PointKeyError};
pub use job_id::JobId;
pub(crate) use json_schema::{Nullable, json_schema, refuse_null};
pub use layout::Layout;
pub use markdown::escape_markdown;
pub use metric::{Better, Metric, Statistic};
pub use name::{ConfigKey, Framework, Image, ModelName, ModelPrefix, NameError, Precision, RunnerLabel, RunnerName, VariantText};
pub use parallelism::{Parallelism, WorkerGroup};
pub(crate) use percent::{percent_encode, percent_encode_path};
pub use point::{CurveKey, PointKey, Workload};
pub use prometheus::MetricSample;
pub use proxy::Proxy;
pub use secret::Secret;
pub use source::{Place, Position, SourceFile, Span};
pub use spelling::{nearest, suggestion};
pub use spreadsheet::escape_formula;
pub use variable::{Variable, VariableValue};
pub use workload::{Concurrency, SeqLens, SpecDecoding};
