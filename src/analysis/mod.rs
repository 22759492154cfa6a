//! Points to runs, and runs to verdicts. A [`Run`] is everything that one workflow run measured or failed to measure;
//! [`compare`] sets two of them side by side.

mod run;
mod run_document;

pub use run::{Assembly, Found, HardwareStats, Problem, Run, assemble};
pub use run_document::{RUN_SCHEMA, RunDocument, RunDocumentError};
