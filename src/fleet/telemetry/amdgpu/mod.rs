//! The amdgpu driver's files: `/sys/class/drm/card<n>/device` and the hwmon folder below it
//! (<https://docs.kernel.org/gpu/amdgpu/thermal.html>), and the binary table `gpu_metrics` for values without a file.

mod gpu_metrics;

use std::fs;
use std::path::{Path, PathBuf};

use super::periodic::Periodic;
use crate::job::{GpuSample, sampled_until};
use crate::system::host::unix_seconds;
pub(super) use gpu_metrics::GpuMetrics;
use gpu_metrics::throttle_faults;

/// PCI vendor id of AMD.
const AMD: &str = "0x1002";

/// Lower bound of a data centre GPU's power, watts; for some GPUs the driver reports 0 to 2.
const LEAST_POWER: f64 = 5.0;

#[derive(Debug)]
pub struct Sysfs(Periodic<GpuSample>);

impl Sysfs {
    /// Finds the GPUs below `/sys`, or below `IMAX_SYSFS` if that is set. Also returns a problem of their tables, if any.
    pub(super) fn start() -> Result<(Self, Option<String>), String> {
        let root = sysfs_root();
        let devices: Vec<PathBuf> = cards(&root).into_iter().map(|(_, device)| device).collect();
        if devices.is_empty() {
            return Err(format!("no GPU telemetry: no amdgpu device below {}/class/drm", root.display()));
        }
        let remark = devices.iter().find_map(|device| metrics(device).err());
        let mut gpus: Vec<(PathBuf, Option<GpuMetrics>)> = devices.into_iter().map(|device| (device, None)).collect();
        let sampler = Periodic::start("amdgpu", move |_| {
            (0..)
                .zip(&mut gpus)
                .map(|(gpu, (device, before))| look(gpu, device, before))
                .collect()
        })
        .map_err(|error| format!("no GPU telemetry: {error}"))?;
        Ok((Self(sampler), remark))
    }

    /// Whether the driver reports the power of each GPU.
    pub(super) fn has_power() -> bool {
        let gpus = cards(&sysfs_root());
        !gpus.is_empty()
            && gpus
                .iter()
                .all(|(gpu, device)| look(*gpu, device, &mut None).power_w.is_some_and(|power| power >= LEAST_POWER))
    }

    pub(super) fn sampled_until(&self) -> Option<f64> {
        self.0.ask(sampled_until)
    }

    pub(super) fn finish(self) -> Result<Vec<GpuSample>, String> {
        self.0.finish().map_err(|error| format!("no GPU telemetry: {error}"))
    }
}

/// Root of the kernel's device files: `/sys`, or the folder that `IMAX_SYSFS` names.
pub(in crate::fleet) fn sysfs_root() -> PathBuf {
    std::env::var_os("IMAX_SYSFS").map_or_else(|| PathBuf::from("/sys"), PathBuf::from)
}

/// The GPUs by the numbers of their cards.
pub(in crate::fleet) fn cards(root: &Path) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(root.join("class/drm")) else {
        return Vec::new();
    };
    let mut cards: Vec<(u32, PathBuf)> = entries.flatten().filter_map(|entry| amd_card(&entry)).collect();
    cards.sort();
    cards
}

/// Number and device folder of a card by AMD; `None` for other entries.
fn amd_card(entry: &fs::DirEntry) -> Option<(u32, PathBuf)> {
    let number: u32 = entry.file_name().to_str()?.strip_prefix("card")?.parse().ok()?;
    let device = entry.path().join("device");
    let vendor = fs::read_to_string(device.join("vendor")).ok()?;
    (vendor.trim() == AMD).then_some((number, device))
}

fn number(file: &Path) -> Option<f64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// A sample of a GPU. `before` is its table at the previous sample, and is replaced by the present one.
fn look(gpu: u32, device: &Path, before: &mut Option<GpuMetrics>) -> GpuSample {
    let hwmon = fs::read_dir(device.join("hwmon")).ok().and_then(|mut folders| folders.next()?.ok());
    let hwmon = hwmon.map_or_else(|| device.to_owned(), |folder| folder.path());
    let metrics = metrics(device).unwrap_or_default();
    let throttle = metrics
        .as_ref()
        .map(|metrics| metrics.throttle(before.as_ref()))
        .unwrap_or_default();
    before.clone_from(&metrics);
    // Microwatts; the instantaneous value if the driver has it, otherwise the average.
    let shown = number(&hwmon.join("power1_input"))
        .or_else(|| number(&hwmon.join("power1_average")))
        .map(|microwatts| microwatts / 1e6);
    GpuSample {
        at_unix_s: unix_seconds(),
        node: String::new(),
        gpu,
        name: product_name(device).unwrap_or_else(|| "amdgpu".to_owned()),
        power_w: shown
            .filter(|power| *power >= LEAST_POWER)
            .or_else(|| metrics.as_ref()?.power_w)
            .or(shown),
        utilization_percent: number(&device.join("gpu_busy_percent")),
        memory_mib: number(&device.join("mem_info_vram_used")).map(|bytes| bytes / f64::from(1 << 20)),
        clock_mhz: number(&hwmon.join("freq1_input")).map(|hertz| hertz / 1e6),
        temperature_c: number(&hwmon.join("temp1_input")).map(|thousandths| thousandths / 1e3),
        clock_faults: throttle_faults(&throttle),
        throttle,
        // Microjoules, with drivers that have this file.
        energy_j: number(&hwmon.join("energy1_input"))
            .map(|microjoules| microjoules / 1e6)
            .or_else(|| metrics.as_ref()?.energy_j),
    }
}

/// The driver's table; `None` without one of a known revision. The error is a sentence.
fn metrics(device: &Path) -> Result<Option<GpuMetrics>, String> {
    let path = device.join("gpu_metrics");
    let Ok(bytes) = fs::read(&path) else {
        return Ok(None);
    };
    GpuMetrics::parse(&bytes).map_err(|error| format!("no energy counter from {}: {error}", path.display()))
}

/// The GPU's product name; consumer boards and virtual machines do not have it.
pub(in crate::fleet) fn product_name(device: &Path) -> Option<String> {
    let name = fs::read_to_string(device.join("product_name")).ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
