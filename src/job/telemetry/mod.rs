//! What the GPUs and the host did while a job ran, whatever sampled them: samples as tables, and what follows from them for one load. Energy that
//! cannot be trusted has a reason in the place of a number.

mod energy;
mod host;
mod roles;
mod sample;

pub use energy::{Energy, EnergyDoubt, Load, energy};
pub use host::{HostSample, HostUse, host_csv, host_use};
pub use roles::{RoleEnergy, RoleNodes, role_energy};
pub use sample::{GpuSample, GpuUsage, gpu_usage, metrics_csv, sampled_until};
