//! GPU and host samples while a job runs: NVIDIA's library (in its own process) or nvidia-smi, the amdgpu driver's files or amd-smi, DCGM
//! exporters for GPUs in other nodes, `/proc` for the host. A missing source is reported once and never fails a job.

mod amd_smi;
mod amdgpu;
mod dcgm;
mod host;
mod line_tool;
mod nvidia_smi;
mod nvml;
mod periodic;

use std::path::Path;

use crate::job::{GpuSample, GpuVendor};
use crate::model::JobId;
use crate::system::cancellation::Cancellation;

pub(super) use amdgpu::{cards as amd_cards, product_name as amd_name, sysfs_root};
pub use dcgm::Exporter;
pub use host::HostSampler;
pub use nvml::{NvmlError, write_samples};

#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub vendor: GpuVendor,
    /// DCGM exporters; if there are any, nothing else is sampled.
    pub exporters: &'a [Exporter],
    pub job: &'a JobId,
    /// The folder of its files.
    pub out: &'a Path,
    pub cancellation: &'a Cancellation,
}

/// A running sampler, and a remark for people.
#[derive(Debug, Default)]
pub struct Started {
    /// The sampler; `None` without GPUs.
    pub sampler: Option<Sampler>,
    /// Why it is not the preferred one.
    pub remark: Option<String>,
}

impl Started {
    fn best(sampler: Sampler) -> Self {
        Self {
            sampler: Some(sampler),
            remark: None,
        }
    }
}

/// Samples, and a remark for people.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    pub samples: Vec<GpuSample>,
    pub remark: Option<String>,
}

impl Seen {
    fn of(samples: Vec<GpuSample>) -> Self {
        Self { samples, remark: None }
    }
}

#[derive(Debug)]
pub enum Sampler {
    Nvml(nvml::NvmlProcess),
    NvidiaSmi(nvidia_smi::NvidiaSmi),
    Amdgpu(amdgpu::Sysfs),
    AmdSmi(amd_smi::AmdSmi),
    /// Exporters of DCGM.
    Dcgm(dcgm::Dcgm),
}

/// Starts sampling once a second.
///
/// # Errors
/// A sentence that says why there are no samples.
pub fn start(wanted: Wanted<'_>) -> Result<Started, String> {
    if !wanted.exporters.is_empty() {
        return dcgm::Dcgm::start(wanted.exporters).map(Sampler::Dcgm).map(Started::best);
    }
    match wanted.vendor {
        GpuVendor::None => Ok(Started::default()),
        GpuVendor::Nvidia => nvidia(wanted),
        GpuVendor::Amd => amd(wanted),
    }
}

fn nvidia(wanted: Wanted<'_>) -> Result<Started, String> {
    let problem = match nvml::NvmlProcess::start(wanted) {
        Ok(process) => return Ok(Started::best(Sampler::Nvml(process))),
        Err(problem) => problem,
    };
    let sampler = nvidia_smi::NvidiaSmi::start(wanted.job, wanted.out, wanted.cancellation)?;
    Ok(Started {
        sampler: Some(Sampler::NvidiaSmi(sampler)),
        remark: Some(format!(
            "GPUs are sampled with nvidia-smi, without their energy counters: {problem}"
        )),
    })
}

fn amd(wanted: Wanted<'_>) -> Result<Started, String> {
    if amdgpu::Sysfs::has_power() {
        let (sampler, remark) = amdgpu::Sysfs::start()?;
        return Ok(Started {
            sampler: Some(Sampler::Amdgpu(sampler)),
            remark,
        });
    }
    match amd_smi::AmdSmi::start(wanted.cancellation) {
        Ok(sampler) => Ok(Started {
            sampler: Some(Sampler::AmdSmi(sampler)),
            remark: Some("GPUs are sampled with amd-smi: the amdgpu driver's files give no power".to_owned()),
        }),
        // The files still have clocks and temperatures.
        Err(problem) => Ok(Started {
            sampler: Some(Sampler::Amdgpu(amdgpu::Sysfs::start()?.0)),
            remark: Some(format!("no power of GPUs: the amdgpu driver's files give none, and {problem}")),
        }),
    }
}

impl Sampler {
    /// The Unix time up to which every GPU was sampled, seconds; `None` before the first sample.
    #[must_use]
    pub fn sampled_until(&self) -> Option<f64> {
        match self {
            Self::Nvml(sampler) => sampler.sampled_until(),
            Self::NvidiaSmi(sampler) => sampler.sampled_until(),
            Self::Amdgpu(sampler) => sampler.sampled_until(),
            Self::AmdSmi(sampler) => sampler.sampled_until(),
            Self::Dcgm(sampler) => sampler.sampled_until(),
        }
    }

    /// Ends sampling, and returns the samples.
    ///
    /// # Errors
    /// A sentence that says why there are no samples.
    pub fn finish(self) -> Result<Seen, String> {
        let samples = match self {
            Self::Nvml(sampler) => return sampler.finish(),
            Self::NvidiaSmi(sampler) => sampler.samples(),
            Self::Amdgpu(sampler) => sampler.finish(),
            Self::AmdSmi(sampler) => sampler.finish(),
            Self::Dcgm(sampler) => sampler.finish(),
        };
        samples.map(Seen::of)
    }
}

/// Reads bytes as what each kind of sampler gets from its tool, exporter or the kernel, for fuzzing.
pub(crate) fn read_samples(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(amd_smi::amd_smi_samples(&text, 1.0));
    drop(dcgm::dcgm_samples(&text, "node", 1.0));
    drop(nvidia_smi::samples(&text));
    drop(amdgpu::GpuMetrics::parse(bytes));
    let _ = (host::host_sample(1.0, 1.0, &text), host::proc_stat(&text));
}
