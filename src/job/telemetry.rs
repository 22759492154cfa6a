//! What the GPUs did while a job ran: samples as a table (`gpu_metrics.csv`), and the energy of a load. Energy that
//! cannot be trusted has a reason in the place of a number.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The longest time between two samples that may be bridged by a straight line, seconds: samples come every second, and
/// after three that are missing the power in between is not known.
const LONGEST_GAP_S: f64 = 3.0;

/// The fields that nvidia-smi is asked for, in the order of [`GpuSample::from_nvidia_smi`]. The instantaneous power,
/// because the plain one is a running average on recent GPUs.
pub const NVIDIA_SMI_QUERY: &str =
    "timestamp,index,name,power.draw.instant,utilization.gpu,memory.used,clocks.sm,temperature.gpu,clocks_event_reasons.active";

/// One look at one GPU. What its tool does not say is absent.
#[derive(Debug, Clone, PartialEq)]
pub struct GpuSample {
    /// When, seconds since 1970.
    pub at_unix_s: f64,
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
    /// Why its clocks are held back, as the tool says it.
    pub throttle: String,
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
            gpu: gpu.parse().ok()?,
            name: (*name).to_owned(),
            power_w: number(power),
            utilization_percent: number(utilization),
            memory_mib: number(memory),
            clock_mhz: number(clock),
            temperature_c: number(temperature),
            throttle: (*throttle).to_owned(),
        })
    }
}

/// The samples as `gpu_metrics.csv`.
#[must_use]
pub fn metrics_csv(samples: &[GpuSample]) -> String {
    let mut text = String::from("timestamp_unix_s,gpu,name,power_w,utilization_percent,memory_mib,clock_mhz,temperature_c,throttle\n");
    let field = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let word = |text: &str| text.replace([',', '"', '\n', '\r'], " ");
    for sample in samples {
        let _ = writeln!(
            text,
            "{:.3},{},{},{},{},{},{},{},{}",
            sample.at_unix_s,
            sample.gpu,
            word(&sample.name),
            field(sample.power_w),
            field(sample.utilization_percent),
            field(sample.memory_mib),
            field(sample.clock_mhz),
            field(sample.temperature_c),
            word(&sample.throttle),
        );
    }
    text
}

/// The energy of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Energy {
    /// It is known.
    Measured {
        /// Energy of all GPUs, joules.
        joules: f64,
        /// Average power of all GPUs together, watts.
        average_w: f64,
        /// How many GPUs were sampled.
        gpus: usize,
    },
    /// It is not known.
    Unknown {
        /// Why.
        reason: EnergyDoubt,
    },
}

/// Why an energy is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnergyDoubt {
    /// There is no sample with a power.
    NoPower,
    /// Another number of GPUs was sampled than the row uses: the power of strangers, or not all of ours.
    OtherGpus,
    /// The samples do not reach from the load's start to its end.
    WindowNotCovered,
    /// More than three seconds without a sample.
    Gap,
    /// The load's window is empty.
    NoWindow,
}

/// Energy between two instants (seconds since 1970): for each GPU the trapezoids under its power, with straight lines to
/// the window's edges.
#[must_use]
pub fn energy(samples: &[GpuSample], window: (f64, f64), gpus: u64) -> Energy {
    match joules(samples, window, gpus) {
        Ok((joules, gpus)) => Energy::Measured {
            joules,
            average_w: joules / (window.1 - window.0),
            gpus,
        },
        Err(reason) => Energy::Unknown { reason },
    }
}

fn joules(samples: &[GpuSample], window: (f64, f64), gpus: u64) -> Result<(f64, usize), EnergyDoubt> {
    // Also refuses an edge that is not a number.
    if !matches!(window.1.partial_cmp(&window.0), Some(std::cmp::Ordering::Greater)) {
        return Err(EnergyDoubt::NoWindow);
    }
    let mut curves: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples {
        if let Some(power) = sample.power_w {
            curves.entry(sample.gpu).or_default().push((sample.at_unix_s, power));
        }
    }
    if curves.is_empty() {
        return Err(EnergyDoubt::NoPower);
    }
    if u64::try_from(curves.len()) != Ok(gpus) {
        return Err(EnergyDoubt::OtherGpus);
    }
    let mut sum = 0.0;
    for curve in curves.values_mut() {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
        sum += under(curve, window)?;
    }
    Ok((sum, curves.len()))
}

fn under(curve: &[(f64, f64)], (start, end): (f64, f64)) -> Result<f64, EnergyDoubt> {
    let covers = curve.first().is_some_and(|(at, _)| *at <= start) && curve.last().is_some_and(|(at, _)| *at >= end);
    if !covers {
        return Err(EnergyDoubt::WindowNotCovered);
    }
    let mut sum = 0.0;
    for ((from, power_from), (to, power_to)) in curve.iter().zip(curve.iter().skip(1)) {
        let (left, right) = (from.max(start), to.min(end));
        if right <= left {
            continue;
        }
        if to - from > LONGEST_GAP_S {
            return Err(EnergyDoubt::Gap);
        }
        let at = |instant: f64| power_from + (power_to - power_from) * (instant - from) / (to - from);
        sum += (right - left) * f64::midpoint(at(left), at(right));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(gpu: u32, at: f64, power: f64) -> GpuSample {
        GpuSample {
            at_unix_s: at,
            gpu,
            name: "x".to_owned(),
            power_w: Some(power),
            utilization_percent: None,
            memory_mib: None,
            clock_mhz: None,
            temperature_c: None,
            throttle: String::new(),
        }
    }

    #[test]
    fn energy_is_the_area_under_the_power_with_interpolated_edges() {
        // 100 W rising to 200 W within one second; the window is its second half: 150 to 200 W for 0.5 s.
        let ramp = [sample(0, 0.0, 100.0), sample(0, 1.0, 200.0)];
        let Energy::Measured { joules, average_w, gpus } = energy(&ramp, (0.5, 1.0), 1) else {
            panic!()
        };
        assert!((joules - 87.5).abs() < 1e-9 && (average_w - 175.0).abs() < 1e-9 && gpus == 1);
        let two = [
            sample(0, 0.0, 100.0),
            sample(1, 0.0, 300.0),
            sample(1, 2.0, 300.0),
            sample(0, 2.0, 100.0),
        ];
        let Energy::Measured { joules, average_w, .. } = energy(&two, (0.0, 2.0), 2) else {
            panic!()
        };
        assert!((joules - 800.0).abs() < 1e-9 && (average_w - 400.0).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_trusted_has_a_reason() {
        let steady = [sample(0, 0.0, 100.0), sample(0, 1.0, 100.0), sample(0, 5.0, 100.0)];
        for (window, gpus, samples, reason) in [
            ((0.0, 1.0), 1, &steady[..0], EnergyDoubt::NoPower),
            ((0.0, 1.0), 8, &steady[..], EnergyDoubt::OtherGpus),
            ((-1.0, 1.0), 1, &steady[..], EnergyDoubt::WindowNotCovered),
            ((0.0, 6.0), 1, &steady[..], EnergyDoubt::WindowNotCovered),
            ((0.0, 4.0), 1, &steady[..], EnergyDoubt::Gap),
            ((1.0, 1.0), 1, &steady[..], EnergyDoubt::NoWindow),
            ((f64::NAN, 1.0), 1, &steady[..], EnergyDoubt::NoWindow),
        ] {
            assert_eq!(energy(samples, window, gpus), Energy::Unknown { reason });
        }
    }

    #[test]
    fn lines_of_nvidia_smi_are_read_with_what_a_gpu_does_not_have() {
        let line = "2026/11/22 03:00:01.250, 3, NVIDIA H100 80GB HBM3, 612.43, 98, [N/A], 1755, 61, 0x0000000000000004";
        let sample = GpuSample::from_nvidia_smi(line).unwrap();
        assert!((sample.at_unix_s - 1_795_316_401.25).abs() < 1e-6, "{}", sample.at_unix_s);
        assert_eq!((sample.gpu, sample.power_w, sample.memory_mib), (3, Some(612.43), None));
        assert_eq!(GpuSample::from_nvidia_smi("Field \"x\" is not a valid field to query."), None);
        let csv = metrics_csv(&[sample]);
        assert!(
            csv.ends_with("\n1795316401.250,3,NVIDIA H100 80GB HBM3,612.43,98,,1755,61,0x0000000000000004\n"),
            "{csv}"
        );
    }
}
