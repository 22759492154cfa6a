//! GPU and host metrics during a job, independent of the sampler: tables of samples, and energy and utilisation of a load. Energy that
//! cannot be determined reliably has a reason instead of a number.

mod energy;
mod host;
mod metrics_csv;
mod power_package;
mod roles;
mod sample;

pub use energy::{Energy, EnergyDoubt, Load, energy, requires_power};
pub use host::{HostSample, HostUse, host_csv, host_use};
pub use metrics_csv::read_metrics_csv;
pub use power_package::{PackageExpectation, PowerPackage, package_energy};
pub use roles::{RoleEnergy, RoleNodes, role_energy};
pub use sample::{GpuSample, GpuUsage, gpu_usage, metrics_csv, sampled_until};
