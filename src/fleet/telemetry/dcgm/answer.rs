//! The metrics of DCGM's exporter, one exporter a node (<https://docs.nvidia.com/datacenter/dcgm/latest/gpu-telemetry/dcgm-exporter.html>).

use std::collections::BTreeMap;

use crate::fleet::node::throttle_faults;
use crate::job::GpuSample;
use crate::model::MetricSample;

/// Samples of all GPUs in an exporter's answer. `node` is the name for exporters that do not report their host.
pub fn dcgm_samples(text: &str, node: &str, at_unix_s: f64) -> Vec<GpuSample> {
    let mut samples: BTreeMap<(String, u32), GpuSample> = BTreeMap::new();
    // Prefer the instantaneous power, if exported, to the average.
    let mut instant: BTreeMap<(String, u32), f64> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("DCGM_FI_DEV_")) {
        let Some(metric) = MetricSample::parse(line).filter(|metric| exists(metric.value)) else {
            continue;
        };
        let value = metric.value;
        // A MIG slice has no power of its own; its lines repeat the whole GPU's.
        if metric.label("GPU_I_ID").is_some() {
            continue;
        }
        let Some(gpu) = metric.label("gpu").and_then(|gpu| gpu.parse::<u32>().ok()) else {
            continue;
        };
        let key = (metric.label("Hostname").unwrap_or(node).to_owned(), gpu);
        let sample = samples.entry(key.clone()).or_insert_with(|| GpuSample {
            at_unix_s,
            node: key.0.clone(),
            gpu,
            name: metric.label("modelName").unwrap_or_default().to_owned(),
            ..GpuSample::default()
        });
        match metric.name {
            "DCGM_FI_DEV_POWER_USAGE" => sample.power_w = Some(value),
            "DCGM_FI_DEV_POWER_USAGE_INSTANT" => {
                instant.insert(key, value);
            }
            // Millijoules.
            "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION" => sample.energy_j = Some(value / 1e3),
            "DCGM_FI_DEV_GPU_UTIL" => sample.utilization_percent = Some(value),
            "DCGM_FI_DEV_FB_USED" => sample.memory_mib = Some(value),
            "DCGM_FI_DEV_SM_CLOCK" => sample.clock_mhz = Some(value),
            "DCGM_FI_DEV_GPU_TEMP" => sample.temperature_c = Some(value),
            "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS" | "DCGM_FI_DEV_CLOCKS_EVENT_REASONS" => {
                sample.throttle = hexadecimal(value);
                sample.clock_faults = throttle_faults(&sample.throttle);
            }
            _ => {}
        }
    }
    for (key, power) in instant {
        if let Some(sample) = samples.get_mut(&key) {
            sample.power_w = Some(power);
        }
    }
    samples.into_values().collect()
}

/// Throttle reasons as nvidia-smi prints them: bits, of which 48 are more than exist.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn hexadecimal(value: f64) -> String {
    if (0.0..=281_474_976_710_655.0).contains(&value) {
        format!("{:#018x}", value as u64)
    } else {
        String::new()
    }
}

/// DCGM represents missing values as numbers near 2^63 or 2^47.
fn exists(value: f64) -> bool {
    value.is_finite() && value < 140_737_488_355_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exporter_metrics_are_parsed() {
        let text = r#"# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_SM_CLOCK{gpu="0",UUID="GPU-a",device="nvidia0",modelName="NVIDIA GB200",Hostname="n1"} 1980
DCGM_FI_DEV_POWER_USAGE_INSTANT{gpu="0",UUID="GPU-a",modelName="NVIDIA GB200",Hostname="n1"} 1180.5
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",modelName="NVIDIA GB200",Hostname="n1"} 900.25
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-a",modelName="NVIDIA GB200",Hostname="n1"} 5551899580
DCGM_FI_DEV_CLOCK_THROTTLE_REASONS{gpu="0",Hostname="n1"} 64
DCGM_FI_DEV_POWER_USAGE{gpu="1",UUID="GPU-b",pod="a \"b\", c"} 700 1795316401250
DCGM_FI_DEV_MEMORY_TEMP{gpu="1"} 9223372036854775794
DCGM_FI_DEV_GPU_TEMP{gpu="1"} 9223372036854775794
DCGM_FI_DEV_POWER_USAGE{gpu="1",GPU_I_ID="3"} 1
DCGM_FI_DEV_POWER_USAGE{gpu="1"
"#;
        let samples = dcgm_samples(text, "10.0.0.2:9400", 5.0);
        assert_eq!(samples.len(), 2);
        let (second, first) = (&samples[0], &samples[1]);
        assert_eq!((first.node.as_str(), first.gpu, first.name.as_str()), ("n1", 0, "NVIDIA GB200"));
        assert_eq!(
            (first.power_w, first.energy_j, first.clock_mhz),
            (Some(1180.5), Some(5_551_899.58), Some(1980.0))
        );
        assert_eq!(first.clock_faults, ["hardware thermal slowdown"]);
        assert_eq!(
            (second.node.as_str(), second.gpu, second.power_w, second.temperature_c),
            ("10.0.0.2:9400", 1, Some(700.0), None)
        );
    }
}
