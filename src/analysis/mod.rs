//! Points to runs, and runs to verdicts. A `Run` is everything that one workflow run measured or failed to measure;
//! `compare` sets two of them side by side.

mod compare;
mod run;
mod run_document;
mod threshold;

pub use compare::{COMPARED, Change, Comparison, PointComparison, Verdict, compare};
pub use run::{Assembly, Found, HardwareStats, Problem, Run, assemble};
pub use run_document::{RUN_SCHEMA, RunDocument, RunDocumentError};
pub use threshold::MetricVerdict;
