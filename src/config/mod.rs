//! YAML files to a checked `Catalog` of what can be measured. Both dialects of the format are read: only the parser knows which one
//! a file uses, and differences in meaning become `Conventions` of the entry.

mod catalog;
mod concurrency;
mod conventions;
mod entry;
mod lint;
mod offload;
mod runners;
mod schema;
mod search_space;
mod variables;
mod worker;

pub use catalog::Catalog;
pub use concurrency::ConcurrencySpec;
pub use conventions::{Conventions, EvalPolicy};
pub use entry::{Entry, NO_IMAGE, ScenarioBlock};
pub use lint::lint;
pub use offload::{Offload, Utilization};
pub use runners::{Hardware, Runners};
pub use schema::{config_schema, runners_schema};
pub use search_space::{AgenticCandidate, Candidate};
