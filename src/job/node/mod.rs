//! What a node is like before a job starts, as facts that were gathered and as checks over them. `imax doctor` and the
//! preflight of `imax run` are the same checks; nothing here looks at the world.

mod amd;
mod check;
mod facts;
mod gpu_check;
mod nvidia;
mod visible;

pub use amd::{AmdClocks, amd_clocks, kfd_property};
pub use check::{Finding, Grade, NodeCheck, Wanted, check_idle, check_node, worst};
pub use facts::{Cache, Disk, Gpu, GpuProblem, GpuUse, HubFacts, Leftovers, NodeFacts, PortFact, Service};
pub use nvidia::{
    NVIDIA_APPS_QUERY, NVIDIA_GPUS_QUERY, cuda_version, is_unknown_nvidia_field, nvidia_gpu, nvidia_use, older_nvidia_fields,
    throttle_words,
};
pub use visible::{visible_choice, visible_gpus};
