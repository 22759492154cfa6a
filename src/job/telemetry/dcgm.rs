//! The text of DCGM's exporter for Prometheus, one exporter a node
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>, <https://docs.nvidia.com/datacenter/dcgm/latest/gpu-telemetry/dcgm-exporter.html>).

use std::collections::BTreeMap;

use super::GpuSample;

/// Samples of all GPUs that one answer of an exporter holds. `node` is the name of exporters that do not name their host.
#[must_use]
pub fn dcgm_samples(text: &str, node: &str, at_unix_s: f64) -> Vec<GpuSample> {
    let mut samples: BTreeMap<(String, u32), GpuSample> = BTreeMap::new();
    // The instantaneous power, where it is exported, is better than the average.
    let mut instant: BTreeMap<(String, u32), f64> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("DCGM_FI_DEV_")) {
        let Some((name, labels, value)) = metric(line) else { continue };
        let label = |wanted: &str| labels.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
        // A slice of a GPU has no power of its own; its lines repeat the whole GPU's.
        if label("GPU_I_ID").is_some() {
            continue;
        }
        let Some(gpu) = label("gpu").and_then(|gpu| gpu.parse::<u32>().ok()) else {
            continue;
        };
        let key = (label("Hostname").unwrap_or_else(|| node.to_owned()), gpu);
        let sample = samples.entry(key.clone()).or_insert_with(|| GpuSample {
            at_unix_s,
            node: key.0.clone(),
            gpu,
            name: label("modelName").unwrap_or_default(),
            ..GpuSample::default()
        });
        match name {
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
            "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS" | "DCGM_FI_DEV_CLOCKS_EVENT_REASONS" => sample.throttle = hexadecimal(value),
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

/// As nvidia-smi writes the reasons: bits, of which 48 are more than there are.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn hexadecimal(value: f64) -> String {
    if (0.0..=281_474_976_710_655.0).contains(&value) {
        format!("{:#018x}", value as u64)
    } else {
        String::new()
    }
}

type Metric<'a> = (&'a str, Vec<(&'a str, String)>, f64);

/// `name{label="value",...} number [time]`.
fn metric(line: &str) -> Option<Metric<'_>> {
    let (name, rest) = line.split_once('{')?;
    let mut labels = Vec::new();
    let mut rest = rest;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            let value: f64 = after.split_whitespace().next()?.parse().ok()?;
            // DCGM writes blank values, meaning that there is none, as numbers near 2^63 and 2^47.
            return (value.is_finite() && value < 140_737_488_355_000.0).then_some((name, labels, value));
        }
        let (label, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        labels.push((label, value));
        rest = after;
    }
}

/// The text up to the closing quote, without its escapes.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_an_exporter_says() {
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
        assert_eq!(crate::job::throttle_words(&first.throttle), ["hardware thermal slowdown"]);
        assert_eq!(
            (second.node.as_str(), second.gpu, second.power_w, second.temperature_c),
            ("10.0.0.2:9400", 1, Some(700.0), None)
        );
    }
}
