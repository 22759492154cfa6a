//! GPU samples, independent of the sampler: the table `gpu_metrics.csv`, and the use of GPUs in a window.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// One sample of one GPU. Values that its tool does not report are absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GpuSample {
    /// Unix time, seconds.
    pub at_unix_s: f64,
    /// Name of its node if the samples come from several; otherwise empty.
    pub node: String,
    /// Which GPU of the node.
    pub gpu: u32,
    pub name: String,
    /// Current power, watts.
    pub power_w: Option<f64>,
    /// Share of time with work on the GPU, percent.
    pub utilization_percent: Option<f64>,
    /// Memory in use, MiB.
    pub memory_mib: Option<f64>,
    /// Core clock, MHz.
    pub clock_mhz: Option<f64>,
    /// Temperature, degrees Celsius.
    pub temperature_c: Option<f64>,
    /// Throttle reasons: NVIDIA's bits as nvidia-smi prints them, text for AMD's GPUs.
    pub throttle: String,
    /// Those of the throttle reasons that are faults, as text.
    #[serde(default)]
    pub clock_faults: Vec<String>,
    /// Value of its energy counter, joules since an arbitrary time.
    pub energy_j: Option<f64>,
}

/// The samples as `gpu_metrics.csv`.
#[must_use]
pub fn metrics_csv(samples: &[GpuSample]) -> String {
    let mut text =
        String::from("timestamp_unix_s,gpu,name,power_w,utilization_percent,memory_mib,clock_mhz,temperature_c,throttle,node,energy_j\n");
    for sample in samples {
        let _ = writeln!(
            text,
            "{:.3},{},{},{},{},{},{},{},{},{},{}",
            sample.at_unix_s,
            sample.gpu,
            text_cell(&sample.name),
            number_cell(sample.power_w),
            number_cell(sample.utilization_percent),
            number_cell(sample.memory_mib),
            number_cell(sample.clock_mhz),
            number_cell(sample.temperature_c),
            text_cell(&sample.throttle),
            text_cell(&sample.node),
            number_cell(sample.energy_j),
        );
    }
    text
}

fn number_cell(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Replaces the characters that have a meaning in CSV.
fn text_cell(text: &str) -> String {
    text.replace([',', '"', '\n', '\r'], " ")
}

/// Use of all GPUs in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuUsage {
    pub samples: usize,
    /// Mean share of time with work, percent.
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
    /// Faults that throttled clocks: such a measurement shows the cooling, not the engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_back_by: Vec<String>,
}

/// The Unix time up to which every GPU was sampled, seconds: the earliest of their last samples; `None` without samples.
#[must_use]
pub fn sampled_until(samples: &[GpuSample]) -> Option<f64> {
    let mut last = BTreeMap::new();
    for sample in samples {
        let at: &mut f64 = last.entry((sample.node.as_str(), sample.gpu)).or_insert(sample.at_unix_s);
        *at = at.max(sample.at_unix_s);
    }
    last.into_values().min_by(f64::total_cmp)
}

/// GPU use between two Unix times, seconds; `None` without samples between them.
#[must_use]
pub fn gpu_usage(samples: &[GpuSample], (start, end): (f64, f64)) -> Option<GpuUsage> {
    let inside: Vec<&GpuSample> = samples.iter().filter(|sample| (start..=end).contains(&sample.at_unix_s)).collect();
    if inside.is_empty() {
        return None;
    }
    let faults: BTreeSet<&String> = inside.iter().flat_map(|sample| &sample.clock_faults).collect();
    Some(GpuUsage {
        samples: inside.len(),
        mean_utilization_percent: mean(&inside, |sample| sample.utilization_percent),
        mean_memory_mib: mean(&inside, |sample| sample.memory_mib),
        mean_clock_mhz: mean(&inside, |sample| sample.clock_mhz),
        mean_temperature_c: mean(&inside, |sample| sample.temperature_c),
        peak_temperature_c: inside.iter().filter_map(|sample| sample.temperature_c).max_by(f64::total_cmp),
        held_back_by: faults.into_iter().cloned().collect(),
    })
}

fn mean(samples: &[&GpuSample], value: fn(&GpuSample) -> Option<f64>) -> Option<f64> {
    let (count, sum) = samples
        .iter()
        .filter_map(|sample| value(sample))
        .fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_has_empty_fields_for_unknown_values() {
        let sample = GpuSample {
            at_unix_s: 1_795_316_401.25,
            gpu: 3,
            name: "NVIDIA H100, 80GB".to_owned(),
            power_w: Some(612.43),
            throttle: "0x4".to_owned(),
            ..GpuSample::default()
        };
        let csv = metrics_csv(&[sample]);
        assert!(csv.ends_with("\n1795316401.250,3,NVIDIA H100  80GB,612.43,,,,,0x4,,\n"), "{csv}");
    }

    #[test]
    fn sampled_until_is_that_of_the_gpu_that_is_behind() {
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
        let sample = |at, temperature, faults: &[&str]| GpuSample {
            at_unix_s: at,
            temperature_c: Some(temperature),
            clock_faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
            ..GpuSample::default()
        };
        let samples = [
            sample(0.0, 90.0, &["power brake"]),
            sample(1.0, 50.0, &[]),
            sample(2.0, 60.0, &["processor hot"]),
            sample(1.5, 55.0, &["hardware thermal slowdown", "processor hot"]),
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
