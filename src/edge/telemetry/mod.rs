//! Samples of GPUs and of the host while a job runs: nvidia-smi for NVIDIA, the amdgpu driver's files for AMD, DCGM's exporters
//! for GPUs in other nodes, `/proc` for the host. What is missing is said once and never fails a job.

mod amd;
mod dcgm;
mod host;
mod nvidia;
mod periodic;

use std::path::Path;

use crate::job::{GpuSample, GpuVendor, JobId, ScrapeUrl};

pub(super) use amd::{cards as amd_cards, product_name as amd_name, sysfs_root};
pub use host::HostSampler;

/// A running sampler.
#[derive(Debug)]
pub enum Sampler {
    /// nvidia-smi.
    Nvidia(nvidia::NvidiaSmi),
    /// The driver's files.
    Amd(amd::Sysfs),
    /// Exporters of DCGM.
    Dcgm(dcgm::Dcgm),
}

/// Starts sampling once a second. `Ok(None)` where the node has no GPU.
///
/// # Errors
/// A sentence that says why there are no samples.
pub fn start(vendor: GpuVendor, exporters: &[ScrapeUrl], job: &JobId, out: &Path) -> Result<Option<Sampler>, String> {
    if !exporters.is_empty() {
        return dcgm::Dcgm::start(exporters).map(Sampler::Dcgm).map(Some);
    }
    match vendor {
        GpuVendor::None => Ok(None),
        GpuVendor::Nvidia => nvidia::NvidiaSmi::start(job, out).map(Sampler::Nvidia).map(Some),
        GpuVendor::Amd => amd::Sysfs::start().map(Sampler::Amd).map(Some),
    }
}

impl Sampler {
    /// Ends sampling, and gives what was seen.
    ///
    /// # Errors
    /// A sentence that says why there are no samples.
    pub fn finish(self) -> Result<Vec<GpuSample>, String> {
        match self {
            Self::Nvidia(sampler) => sampler.finish(),
            Self::Amd(sampler) => sampler.finish(),
            Self::Dcgm(sampler) => sampler.finish(),
        }
    }
}
