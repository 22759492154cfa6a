//! Facts about a node before a job, and checks of them, which `imax doctor` and the preflight of `imax run` share. `fleet::node` gathers
//! the facts.

mod check;
mod facts;
mod gpu_check;
mod visible;

pub use check::{Finding, Grade, Wanted, check_idle, check_node, worst};
pub use facts::{Cache, Disk, Gpu, GpuProblem, GpuUse, HubFacts, Leftovers, NodeFacts, PortFact, Service};
pub use visible::{visible_choice, visible_gpus};
