//! Parser for `amd-smi metric --json` (<https://rocm.docs.amd.com/projects/amdsmi/en/latest/how-to/amdsmi-cli-tool.html>):
//! a list of GPUs, which since ROCm 7 lies below `gpu_data`.

use serde_json::Value;

use crate::job::GpuSample;

/// Samples of all GPUs in an answer, which may begin with warnings. Empty for anything else.
pub fn amd_smi_samples(text: &str, at_unix_s: f64) -> Vec<GpuSample> {
    let lines = text.split_inclusive('\n').scan(0, |at, line| {
        let begin = *at;
        *at += line.len();
        Some((begin, line))
    });
    let begin = lines
        .filter(|(_, line)| line.starts_with(['[', '{']))
        .map(|(begin, _)| begin)
        .next();
    let json = begin.and_then(|begin| text.get(begin..)).unwrap_or_default();
    let Ok(answer) = serde_json::from_str::<Value>(json) else {
        return Vec::new();
    };
    let gpus = answer.get("gpu_data").unwrap_or(&answer).as_array();
    gpus.into_iter().flatten().filter_map(|gpu| sample(gpu, at_unix_s)).collect()
}

fn number_at(gpu: &Value, path: &[&str]) -> Option<f64> {
    number(path.iter().try_fold(gpu, |value, key| value.get(key))?)
}

fn sample(gpu: &Value, at_unix_s: f64) -> Option<GpuSample> {
    Some(GpuSample {
        at_unix_s,
        node: String::new(),
        gpu: u32::try_from(gpu.get("gpu")?.as_u64()?).ok()?,
        name: "amdgpu".to_owned(),
        power_w: number_at(gpu, &["power", "socket_power"]).or_else(|| number_at(gpu, &["power", "average_socket_power"])),
        utilization_percent: number_at(gpu, &["usage", "gfx_activity"]),
        // amd-smi's MB are MiB.
        memory_mib: number_at(gpu, &["mem_usage", "used_vram"]),
        clock_mhz: number_at(gpu, &["clock", "gfx_0", "clk"]),
        temperature_c: number_at(gpu, &["temperature", "hotspot"]).or_else(|| number_at(gpu, &["temperature", "edge"])),
        throttle: String::new(),
        clock_faults: Vec::new(),
        energy_j: number_at(gpu, &["energy", "total_energy_consumption"]),
    })
}

/// A number, or one with its unit; a missing value is `N/A`.
fn number(value: &Value) -> Option<f64> {
    value.get("value").unwrap_or(value).as_f64().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_answer_are_parsed() {
        let gpu = r#"{"gpu": 3, "usage": {"gfx_activity": {"value": 97, "unit": "%"}},
            "power": {"socket_power": {"value": 742, "unit": "W"}}, "clock": {"gfx_0": {"clk": {"value": 2100, "unit": "MHz"}}},
            "temperature": {"edge": "N/A", "hotspot": {"value": 61, "unit": "C"}},
            "energy": {"total_energy_consumption": {"value": 4321.5, "unit": "J"}}, "mem_usage": {"used_vram": {"value": 283, "unit": "MB"}}}"#;
        for text in [
            format!("WARNING: [render] is not a group of this user\n[{gpu}]"),
            format!("{{\"gpu_data\": [{gpu}]}}"),
        ] {
            let samples = amd_smi_samples(&text, 5.0);
            let [sample] = samples.as_slice() else { panic!("{samples:?}") };
            assert_eq!(
                (sample.gpu, sample.power_w, sample.energy_j, sample.temperature_c),
                (3, Some(742.0), Some(4321.5), Some(61.0))
            );
            assert_eq!(
                (sample.clock_mhz, sample.utilization_percent, sample.memory_mib),
                (Some(2100.0), Some(97.0), Some(283.0))
            );
        }
    }

    #[test]
    fn missing_values_are_absent() {
        let old = r#"[{"gpu": 0, "power": {"average_socket_power": {"value": 90, "unit": "W"}, "socket_power": "N/A"}, "energy": "N/A"}]"#;
        let sample = amd_smi_samples(old, 5.0).remove(0);
        assert_eq!((sample.power_w, sample.energy_j, sample.memory_mib), (Some(90.0), None, None));
        for text in ["", "AMD-SMI failed", "[1, {}]", "{\"gpu_data\": 1}"] {
            assert_eq!(amd_smi_samples(text, 5.0), [], "{text}");
        }
    }
}
