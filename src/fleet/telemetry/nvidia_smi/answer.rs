//! Parser for nvidia-smi's lines.

use crate::fleet::node::throttle_faults;
use crate::job::GpuSample;

/// The queried fields, in the order of [`sample_of_line`]. The instantaneous power,
/// because the plain one is a running average on recent GPUs.
pub(super) const QUERY: &str =
    "timestamp,index,name,power.draw.instant,utilization.gpu,memory.used,clocks.sm,temperature.gpu,clocks_event_reasons.active";

/// A line of `nvidia-smi --format=csv,noheader,nounits` with [`QUERY`], run with `TZ=UTC`. A value that the GPU
/// does not report is `[N/A]`.
pub(super) fn sample_of_line(line: &str) -> Option<GpuSample> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [at, gpu, name, power, utilization, memory, clock, temperature, throttle] = fields.as_slice() else {
        return None;
    };
    let at = chrono::NaiveDateTime::parse_from_str(at, "%Y/%m/%d %H:%M:%S%.f").ok()?.and_utc();
    Some(GpuSample {
        at_unix_s: f64::from(u32::try_from(at.timestamp()).ok()?) + f64::from(at.timestamp_subsec_micros()) / 1e6,
        node: String::new(),
        gpu: gpu.parse().ok()?,
        name: (*name).to_owned(),
        power_w: finite(power),
        utilization_percent: finite(utilization),
        memory_mib: finite(memory),
        clock_mhz: finite(clock),
        temperature_c: finite(temperature),
        throttle: (*throttle).to_owned(),
        clock_faults: throttle_faults(throttle),
        energy_j: None,
    })
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_absent() {
        let line = "2026/11/22 03:00:01.250, 3, NVIDIA H100 80GB HBM3, 612.43, 98, [N/A], 1755, 61, 0x0000000000000004";
        let sample = sample_of_line(line).unwrap();
        assert!((sample.at_unix_s - 1_795_316_401.25).abs() < 1e-6, "{}", sample.at_unix_s);
        assert_eq!((sample.gpu, sample.power_w, sample.memory_mib), (3, Some(612.43), None));
        assert_eq!(sample_of_line("Field \"x\" is not a valid field to query."), None);
    }
}
