//! Samples of the node's GPUs while a job runs: nvidia-smi for NVIDIA, the amdgpu driver's files for AMD. What is missing
//! is said once and never fails a job.

mod amd;
mod nvidia;

use std::path::Path;

use crate::job::{GpuSample, GpuVendor, JobId};

pub(super) use amd::{cards as amd_cards, sysfs_root};

/// A running sampler.
#[derive(Debug)]
pub enum Sampler {
    /// nvidia-smi.
    Nvidia(nvidia::NvidiaSmi),
    /// The driver's files.
    Amd(amd::Sysfs),
}

/// Starts sampling once a second. `Ok(None)` where the node has no GPU.
///
/// # Errors
/// A sentence that says why there are no samples.
pub fn start(vendor: GpuVendor, job: &JobId, out: &Path) -> Result<Option<Sampler>, String> {
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
        }
    }
}
