//! NVIDIA's management library, loaded in a separate process (<https://docs.nvidia.com/deploy/nvml-api/>): unlike
//! nvidia-smi it has the GPUs' energy counters. A static program cannot load libraries, and a call into this library can hang
//! if a GPU has fallen off the bus; therefore `imax run` reads the output of `imax-nvml` instead of calling it.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_POWER_INSTANT;
use nvml_wrapper::{Device, Nvml};

use crate::fleet::node::throttle_faults;
use crate::job::GpuSample;
use crate::system::host::unix_seconds;

/// The name installed by a driver package; the name without the number comes with development packages only.
pub(super) const LIBRARY: &str = "libnvidia-ml.so.1";

/// Sampling interval.
const PERIOD: Duration = Duration::from_secs(1);

/// Why NVIDIA's library provides no samples.
#[derive(Debug, thiserror::Error)]
pub enum NvmlError {
    #[error("a static program cannot load {LIBRARY}; imax-nvml must be built for the C library of this machine")]
    Static,
    /// It cannot be loaded or initialised.
    #[error("{library}: {error}")]
    Library {
        /// Its path or name.
        library: String,
        error: nvml_wrapper::error::NvmlError,
    },
    /// It reports no power.
    #[error("{0} reports no power for any GPU")]
    NoPower(String),
    #[error("cannot write samples: {0}")]
    Write(#[from] io::Error),
}

/// Writes the library's values for all GPUs to stdout, a line of JSON per second, until stdout is closed. The process also
/// ends with its stdin, even while a call of the library hangs. `library` is another path of it.
///
/// # Errors
/// If the library cannot be loaded, reports no power, or the samples cannot be written.
pub fn write_samples(library: Option<&OsStr>) -> Result<(), NvmlError> {
    if cfg!(target_feature = "crt-static") {
        return Err(NvmlError::Static);
    }
    std::thread::Builder::new().name("owner".to_owned()).spawn(end_with_stdin)?;
    let path = library.unwrap_or(OsStr::new(LIBRARY));
    let shown = path.display().to_string();
    let failed = |error| NvmlError::Library {
        library: shown.clone(),
        error,
    };
    let library = Nvml::builder().lib_path(path).init().map_err(failed)?;
    let gpus = library.device_count().map_err(failed)?;
    let mut begin = Instant::now();
    let mut samples = look(&library, gpus);
    if !samples.iter().any(|sample| sample.power_w.is_some()) {
        return Err(NvmlError::NoPower(shown));
    }
    loop {
        match write_line(&samples) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
        std::thread::sleep(PERIOD.saturating_sub(begin.elapsed()));
        begin = Instant::now();
        samples = look(&library, gpus);
    }
}

fn write_line(samples: &[GpuSample]) -> io::Result<()> {
    let mut line = serde_json::to_vec(samples)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

/// Waits for the end of stdin. The library's destructor must not run while another thread is inside it: a signal ends the
/// process without it.
fn end_with_stdin() {
    let mut stdin = io::stdin().lock();
    let mut ignored = [0; 64];
    loop {
        match stdin.read(&mut ignored) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
        }
    }
    let _ = raise(Signal::SIGTERM);
}

fn look(library: &Nvml, gpus: u32) -> Vec<GpuSample> {
    (0..gpus)
        .filter_map(|gpu| Some(sample(gpu, &library.device_by_index(gpu).ok()?)))
        .collect()
}

fn sample(gpu: u32, device: &Device<'_>) -> GpuSample {
    // As nvidia-smi prints it.
    let throttle = device
        .current_throttle_reasons()
        .map(|reasons| format!("{:#018x}", reasons.bits()))
        .unwrap_or_default();
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
        clock_faults: throttle_faults(&throttle),
        throttle,
        energy_j: device.total_energy_consumption().ok().map(joules),
    }
}

/// Watts. The field's value is instantaneous; older GPUs only have the plain one, which is an average on recent ones.
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
