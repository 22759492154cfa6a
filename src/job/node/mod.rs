//! What a node is like before a job starts, as facts that were gathered and as checks over them. `imax doctor` and the
//! preflight of `imax run` are the same checks; nothing here looks at the world.

mod check;
mod facts;
mod gpu_check;
mod visible;

pub use check::{Finding, Grade, NodeCheck, Wanted, check_idle, check_node, worst};
pub use facts::{Cache, Disk, Gpu, GpuProblem, GpuUse, HubFacts, Leftovers, NodeFacts, PortFact, Service};
pub use visible::{visible_choice, visible_gpus};
