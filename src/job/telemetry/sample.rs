//! Samples of GPUs: what nvidia-smi prints, the table `gpu_metrics.csv`, and what the GPUs did in a window.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::amd_throttle_faults;
use crate::job::throttle_words;

/// The fields that nvidia-smi is asked for, in the order of [`GpuSample::from_nvidia_smi`]. The instantaneous power,
/// because the plain one is a running average on recent GPUs.
pub const NVIDIA_SMI_QUERY: &str =
    "timestamp,index,name,power.draw.instant,utilization.gpu,memory.used,clocks.sm,temperature.gpu,clocks_event_reasons.active";

/// One look at one GPU. What its tool does not say is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GpuSample {
    /// When, seconds since 1970.
    pub at_unix_s: f64,
    /// The node that it is in, where samples come from several; else empty.
    pub node: String,
    /// Which GPU of the node.
    pub gpu: u32,
    /// Its name.
    pub name: String,
    /// Power now, watts.
    pub power_w: Option<f64>,
    /// Share of time in which it worked, percent.
    pub utilization_percent: Option<f64>,
    /// Memory in use, MiB.
    pub memory_mib: Option<f64>,
    /// Clock of the cores, MHz.
    pub clock_mhz: Option<f64>,
    /// Temperature, degrees Celsius.
    pub temperature_c: Option<f64>,
    /// Why its clocks are held back: NVIDIA's bits as nvidia-smi writes them, words for AMD's GPUs.
    pub throttle: String,
    /// Its own counter of energy, joules since some instant.
    pub energy_j: Option<f64>,
}

impl GpuSample {
    /// A line of `nvidia-smi --format=csv,noheader,nounits` with [`NVIDIA_SMI_QUERY`], run with `TZ=UTC`. A value that the GPU
    /// does not have is written as `[N/A]`.
    #[must_use]
    pub fn from_nvidia_smi(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [at, gpu, name, power, utilization, memory, clock, temperature, throttle] = fields.as_slice() else {
            return None;
        };
        let at = chrono::NaiveDateTime::parse_from_str(at, "%Y/%m/%d %H:%M:%S%.f").ok()?.and_utc();
        let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
        Some(Self {
            at_unix_s: f64::from(u32::try_from(at.timestamp()).ok()?) + f64::from(at.timestamp_subsec_micros()) / 1e6,
            node: String::new(),
            gpu: gpu.parse().ok()?,
            name: (*name).to_owned(),
            power_w: number(power),
            utilization_percent: number(utilization),
            memory_mib: number(memory),
            clock_mhz: number(clock),
            temperature_c: number(temperature),
            throttle: (*throttle).to_owned(),
            energy_j: None,
        })
    }
}

/// The samples as `gpu_metrics.csv`.
#[must_use]
pub fn metrics_csv(samples: &[GpuSample]) -> String {
    let mut text =
        String::from("timestamp_unix_s,gpu,name,power_w,utilization_percent,memory_mib,clock_mhz,temperature_c,throttle,node,energy_j\n");
    let field = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let word = |text: &str| text.replace([',', '"', '\n', '\r'], " ");
    for sample in samples {
        let _ = writeln!(
            text,
            "{:.3},{},{},{},{},{},{},{},{},{},{}",
            sample.at_unix_s,
            sample.gpu,
            word(&sample.name),
            field(sample.power_w),
            field(sample.utilization_percent),
            field(sample.memory_mib),
            field(sample.clock_mhz),
            field(sample.temperature_c),
            word(&sample.throttle),
            word(&sample.node),
            field(sample.energy_j),
        );
    }
    text
}

/// What the GPUs did in a window, over all samples of all of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuUsage {
    /// Samples in the window.
    pub samples: usize,
    /// Mean share of time in which they worked, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_utilization_percent: Option<f64>,
    /// Mean memory in use, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_memory_mib: Option<f64>,
    /// Mean clock, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_clock_mhz: Option<f64>,
    /// Mean temperature, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_temperature_c: Option<f64>,
    /// Highest temperature, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_temperature_c: Option<f64>,
    /// Faults that held clocks back: such a measurement is of the cooling, not of the engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_back_by: Vec<String>,
}

/// Up to when every GPU was sampled, seconds since 1970: the earliest of their last samples; nothing where there is none.
#[must_use]
pub fn sampled_until(samples: &[GpuSample]) -> Option<f64> {
    let mut last = BTreeMap::new();
    for sample in samples {
        let at: &mut f64 = last.entry((sample.node.as_str(), sample.gpu)).or_insert(sample.at_unix_s);
        *at = at.max(sample.at_unix_s);
    }
    last.into_values().min_by(f64::total_cmp)
}

/// What the GPUs did between two instants, seconds since 1970; nothing where no sample lies between them.
#[must_use]
pub fn gpu_usage(samples: &[GpuSample], (start, end): (f64, f64)) -> Option<GpuUsage> {
    let inside: Vec<&GpuSample> = samples.iter().filter(|sample| (start..=end).contains(&sample.at_unix_s)).collect();
    if inside.is_empty() {
        return None;
    }
    let mean = |value: fn(&GpuSample) -> Option<f64>| {
        let (count, sum) = inside
            .iter()
            .filter_map(|sample| value(sample))
            .fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
        (count > 0).then(|| sum / f64::from(count))
    };
    let faults = |throttle: &str| throttle_words(throttle).into_iter().chain(amd_throttle_faults(throttle));
    let words: BTreeSet<&str> = inside.iter().flat_map(|sample| faults(&sample.throttle)).collect();
    Some(GpuUsage {
        samples: inside.len(),
        mean_utilization_percent: mean(|sample| sample.utilization_percent),
        mean_memory_mib: mean(|sample| sample.memory_mib),
        mean_clock_mhz: mean(|sample| sample.clock_mhz),
        mean_temperature_c: mean(|sample| sample.temperature_c),
        peak_temperature_c: inside.iter().filter_map(|sample| sample.temperature_c).max_by(f64::total_cmp),
        held_back_by: words.into_iter().map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nvidia_smi_are_read_with_what_a_gpu_does_not_have() {
        let line = "2026/11/22 03:00:01.250, 3, NVIDIA H100 80GB HBM3, 612.43, 98, [N/A], 1755, 61, 0x0000000000000004";
        let sample = GpuSample::from_nvidia_smi(line).unwrap();
        assert!((sample.at_unix_s - 1_795_316_401.25).abs() < 1e-6, "{}", sample.at_unix_s);
        assert_eq!((sample.gpu, sample.power_w, sample.memory_mib), (3, Some(612.43), None));
        assert_eq!(GpuSample::from_nvidia_smi("Field \"x\" is not a valid field to query."), None);
        let csv = metrics_csv(&[sample]);
        assert!(
            csv.ends_with("\n1795316401.250,3,NVIDIA H100 80GB HBM3,612.43,98,,1755,61,0x0000000000000004,,\n"),
            "{csv}"
        );
    }

    #[test]
    fn sampling_has_come_as_far_as_with_the_gpu_that_is_behind() {
        let sample = |(gpu, at)| GpuSample {
            at_unix_s: at,
            gpu,
            ..GpuSample::default()
        };
        for (seen, until) in [
            (vec![], None),
            (vec![(0, 1.0), (0, 3.0)], Some(3.0)),
            (vec![(0, 1.0), (1, 1.5), (0, 3.0)], Some(1.5)),
        ] {
            let samples: Vec<GpuSample> = seen.into_iter().map(sample).collect();
            assert_eq!(sampled_until(&samples), until);
        }
    }

    #[test]
    fn usage_is_that_of_the_window_alone() {
        let sample = |at, temperature, throttle: &str| GpuSample {
            at_unix_s: at,
            temperature_c: Some(temperature),
            throttle: throttle.to_owned(),
            ..GpuSample::default()
        };
        let samples = [
            sample(0.0, 90.0, "0x80"),
            sample(1.0, 50.0, "0x4"),
            sample(2.0, 60.0, "power limit; processor hot"),
            sample(1.5, 55.0, "0x40"),
        ];
        let usage = gpu_usage(&samples, (0.5, 2.0)).unwrap();
        assert_eq!(
            (
                usage.samples,
                usage.mean_temperature_c,
                usage.peak_temperature_c,
                usage.mean_clock_mhz
            ),
            (3, Some(55.0), Some(60.0), None)
        );
        assert_eq!(usage.held_back_by, ["hardware thermal slowdown", "processor hot"]);
        assert_eq!(gpu_usage(&samples, (5.0, 6.0)), None);
    }
}
