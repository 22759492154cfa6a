//! What the GPUs and the host did while a job ran: samples as tables, and what follows from them for one load. Energy that
//! cannot be trusted has a reason in the place of a number.

mod dcgm;
mod energy;
mod host;
mod sample;

pub use dcgm::dcgm_samples;
pub use energy::{Energy, EnergyDoubt, Load, energy};
pub use host::{HostSample, HostUse, ProcStat, host_csv, host_use, proc_stat};
pub use sample::{GpuSample, GpuUsage, NVIDIA_SMI_QUERY, gpu_usage, metrics_csv};
