//! NVIDIA's management library, loaded while imax runs (<https://docs.nvidia.com/deploy/nvml-api/>): unlike nvidia-smi it has
//! the GPUs' energy counters, and it needs no process. A static binary cannot load libraries; it keeps to nvidia-smi.

use std::ffi::OsString;

use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_POWER_INSTANT;
use nvml_wrapper::{Device, Nvml};

use super::periodic::Periodic;
use crate::edge::host::unix_seconds;
use crate::job::GpuSample;

/// What a driver's package installs; the name without the number comes with development packages only.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// A running sampler over the library.
#[derive(Debug)]
pub struct Library(Periodic<GpuSample>);

impl Library {
    /// Loads the library, or the one that `IMAX_NVML` names.
    pub(super) fn start() -> Result<Self, String> {
        if cfg!(target_feature = "crt-static") {
            return Err(format!("a static imax cannot load {LIBRARY}"));
        }
        let path = std::env::var_os("IMAX_NVML").unwrap_or_else(|| OsString::from(LIBRARY));
        let shown = path.display();
        let library = Nvml::builder()
            .lib_path(&path)
            .init()
            .map_err(|error| format!("{shown}: {error}"))?;
        let gpus = library.device_count().map_err(|error| format!("{shown}: {error}"))?;
        if !look(&library, gpus).iter().any(|sample| sample.power_w.is_some()) {
            return Err(format!("{shown} knows no power of any GPU"));
        }
        Periodic::start("nvml", move |_| look(&library, gpus)).map(Self)
    }

    pub(super) fn finish(self) -> Result<Vec<GpuSample>, String> {
        self.0.finish().map_err(|error| format!("no GPU telemetry: {error}"))
    }
}

fn look(library: &Nvml, gpus: u32) -> Vec<GpuSample> {
    (0..gpus)
        .filter_map(|gpu| Some(sample(gpu, &library.device_by_index(gpu).ok()?)))
        .collect()
}

fn sample(gpu: u32, device: &Device<'_>) -> GpuSample {
    GpuSample {
        at_unix_s: unix_seconds(),
        node: String::new(),
        gpu,
        name: device.name().unwrap_or_default(),
        power_w: power(device),
        utilization_percent: device.utilization_rates().ok().map(|rates| f64::from(rates.gpu)),
        memory_mib: device.memory_info().ok().map(|memory| mebibytes(memory.used)),
        clock_mhz: device.clock_info(Clock::SM).ok().map(f64::from),
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok().map(f64::from),
        // As nvidia-smi writes it.
        throttle: device
            .current_throttle_reasons()
            .map(|reasons| format!("{:#018x}", reasons.bits()))
            .unwrap_or_default(),
        energy_j: device.total_energy_consumption().ok().map(joules),
    }
}

/// Watts. The field's value is that of now; older GPUs have the plain one alone, which is an average on recent ones.
fn power(device: &Device<'_>) -> Option<f64> {
    let values = device.field_values_for(&[FieldId(NVML_FI_DEV_POWER_INSTANT)]).unwrap_or_default();
    let instant = values.into_iter().next().and_then(Result::ok).and_then(|field| field.value.ok());
    let milliwatts = match instant {
        Some(SampleValue::U32(value)) => Some(value),
        Some(SampleValue::U64(value)) => u32::try_from(value).ok(),
        Some(SampleValue::F64(_) | SampleValue::I64(_)) | None => None,
    };
    milliwatts
        .or_else(|| device.power_usage().ok())
        .map(|milliwatts| f64::from(milliwatts) / 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "no GPU has 2^53 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The counter is in millijoules since the driver was loaded.
#[expect(clippy::cast_precision_loss, reason = "2^53 millijoules are 285 years at a kilowatt")]
fn joules(millijoules: u64) -> f64 {
    millijoules as f64 / 1e3
}
