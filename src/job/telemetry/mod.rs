//! GPU and host metrics while a job ran, independent of the sampler: samples as tables, and what follows from them for one load.
//! Energy that cannot be trusted has a reason instead of a number.

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
