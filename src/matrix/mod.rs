//! Config entries to matrix rows: expansion exists once, and filters, trimming and eval marking are separate pure
//! functions over rows.

mod concurrency;
mod dram;
pub mod evals;
mod expand;
pub mod filters;
mod fingerprint;
mod node_sweep;
mod pattern;
pub mod plan;
pub mod policy;
mod repeated_points;
mod row;
mod row_filter;
mod select;
mod shared_curves;

pub use crate::model::Component;
pub use concurrency::{Bounds, Step};
pub use expand::{Expansion, expand};
pub use fingerprint::fingerprint;
pub use node_sweep::NodeSweep;
pub use pattern::KeyPattern;
pub use repeated_points::repeated_points;
pub(crate) use row::{KV_OFFLOAD, offload_text};
pub use row::{Row, Scenario, row_schema};
pub use row_filter::RowFilter;
pub use select::{FullSweep, RowSelection, SelectError, TestConfig, full_sweep, test_config};
