//! What the GPUs and the host did while a job ran: samples as tables, and what follows from them for one load. Energy that
//! cannot be trusted has a reason in the place of a number.

mod amd_smi;
mod dcgm;
mod energy;
mod gpu_metrics;
mod host;
mod roles;
mod sample;

pub use amd_smi::amd_smi_samples;
pub use dcgm::dcgm_samples;
pub use energy::{Energy, EnergyDoubt, Load, energy};
pub use gpu_metrics::{GpuMetrics, GpuMetricsError, amd_throttle_faults};
pub use host::{HostSample, HostUse, ProcStat, host_csv, host_use, proc_stat};
pub use roles::{RoleEnergy, RoleNodes, role_energy};
pub use sample::{GpuSample, GpuUsage, NVIDIA_SMI_QUERY, gpu_usage, metrics_csv, sampled_until};
