//! The state of a node before a job starts, as facts and as checks on them. `imax doctor` and the
//! preflight of `imax run` use the same checks. Gathering the facts is up to `fleet::node`.

mod check;
mod facts;
mod gpu_check;
mod visible;

pub use check::{Finding, Grade, Wanted, check_idle, check_node, worst};
pub use facts::{Cache, Disk, Gpu, GpuProblem, GpuUse, HubFacts, Leftovers, NodeFacts, PortFact, Service};
pub use visible::{visible_choice, visible_gpus};
