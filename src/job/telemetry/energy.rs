//! Energy of a load: trapezoidal integration of the power of each GPU, compared with the GPU's energy counter if it has one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::GpuSample;

/// Maximum gap between two samples that is interpolated, seconds. Samples are taken every second; after three missing ones the power in
/// between is unknown.
const LONGEST_GAP_S: f64 = 3.0;
/// Accepted deviation between samples and counters, as a fraction of the counters' energy.
const TOLERANCE: f64 = 0.05;

/// The load whose energy is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Start and end, Unix time, seconds.
    pub window: (f64, f64),
    /// Duration measured by the client, seconds.
    pub duration_s: f64,
    pub gpus: u64,
}

/// The energy of a load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Energy {
    Measured {
        /// Energy of all GPUs, joules.
        joules: f64,
        /// Average power of all GPUs together, watts.
        average_w: f64,
        gpus: usize,
        /// Energy by the GPUs' counters, joules; absent without counters.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counter_joules: Option<f64>,
    },
    /// It cannot be determined.
    Unknown { reason: EnergyDoubt },
}

/// Why the energy of a load cannot be determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EnergyDoubt {
    /// No sample has a power.
    NoPower,
    /// Negative power.
    BadPower,
    /// The number of sampled GPUs is not that of the row: the samples include other jobs, or only a part of this one.
    OtherGpus,
    /// The samples do not cover the whole load.
    WindowNotCovered,
    /// More than three seconds without a sample.
    Gap,
    /// The load's window is empty.
    NoWindow,
    /// The window differs from the duration measured by the client, because a clock was set.
    DurationMismatch,
    /// The GPUs' counters differ by more than five percent.
    CounterMismatch,
}

impl EnergyDoubt {
    /// Description, for messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPower => "no sample has a power",
            Self::BadPower => "a sample has a negative power",
            Self::OtherGpus => "the number of sampled GPUs is not that of the row",
            Self::WindowNotCovered => "the samples do not cover the whole load",
            Self::Gap => "there are more than three seconds without a sample",
            Self::NoWindow => "the load has no duration",
            Self::DurationMismatch => "the load's start and end do not agree with its duration, so a clock was set",
            Self::CounterMismatch => "the energy counters of the GPUs differ by more than 5% from the samples",
        }
    }
}

/// Whether a value of the variable `REQUIRE_POWER` makes a result without power an error, as in process_result.py.
#[must_use]
pub fn requires_power(value: &str) -> bool {
    ["1", "true", "yes"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// Energy of a load, with linear interpolation between samples and at the window's edges.
#[must_use]
pub fn energy(samples: &[GpuSample], load: Load) -> Energy {
    match measured(samples, load) {
        Ok(energy) => energy,
        Err(reason) => Energy::Unknown { reason },
    }
}

/// A time series for each GPU of each node.
type Curves = BTreeMap<(String, u32), Vec<(f64, f64)>>;

fn measured(samples: &[GpuSample], load: Load) -> Result<Energy, EnergyDoubt> {
    let (start, end) = load.window;
    let seconds = end - start;
    // Written so that it also rejects NaN.
    if !(seconds > 0.0 && seconds.is_finite()) {
        return Err(EnergyDoubt::NoWindow);
    }
    // The tolerance of InferenceX's aggregate_power.py.
    let differs = (load.duration_s - seconds).abs() > f64::max(0.5, seconds * 0.01);
    if load.duration_s.is_nan() || differs {
        return Err(EnergyDoubt::DurationMismatch);
    }
    let power = curves(samples, |sample| sample.power_w);
    if power.is_empty() {
        return Err(EnergyDoubt::NoPower);
    }
    if u64::try_from(power.len()) != Ok(load.gpus) {
        return Err(EnergyDoubt::OtherGpus);
    }
    let mut joules = 0.0;
    for curve in power.values() {
        joules += under(curve, load.window)?;
    }
    let counter_joules = counted(samples, &power, load.window);
    if counter_joules.is_some_and(|counted| (joules - counted).abs() > TOLERANCE * counted) {
        return Err(EnergyDoubt::CounterMismatch);
    }
    Ok(Energy::Measured {
        joules,
        average_w: joules / seconds,
        gpus: power.len(),
        counter_joules,
    })
}

fn curves(samples: &[GpuSample], value: fn(&GpuSample) -> Option<f64>) -> Curves {
    let mut curves = Curves::new();
    for sample in samples {
        if let Some(value) = value(sample) {
            let key = (sample.node.clone(), sample.gpu);
            curves.entry(key).or_default().push((sample.at_unix_s, value));
        }
    }
    for curve in curves.values_mut() {
        curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    curves
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
        if *power_from < 0.0 || *power_to < 0.0 {
            return Err(EnergyDoubt::BadPower);
        }
        // A straight line has its mean power at its middle.
        let middle = (f64::midpoint(left, right) - from) / (to - from);
        sum += (right - left) * (power_from + (power_to - power_from) * middle);
    }
    Ok(sum)
}

/// Increase of the counters in the window; `None` unless every GPU has one that covers it, or if one was reset or
/// wrapped around: a 32-bit one does so every few minutes.
fn counted(samples: &[GpuSample], power: &Curves, (start, end): (f64, f64)) -> Option<f64> {
    let counters = curves(samples, |sample| sample.energy_j);
    let mut sum = 0.0;
    for gpu in power.keys() {
        let counter = counters.get(gpu)?;
        let gained = value_at(counter, end)? - value_at(counter, start)?;
        if gained <= 0.0 || falls(counter, (start, end)) {
            return None;
        }
        sum += gained;
    }
    Some(sum)
}

/// Whether a curve decreases between two samples, at least one of which is in the window.
fn falls(curve: &[(f64, f64)], (start, end): (f64, f64)) -> bool {
    let steps = curve.iter().zip(curve.iter().skip(1));
    steps
        .filter(|(from, to)| from.0 <= end && to.0 >= start)
        .any(|(from, to)| to.1 < from.1)
}

fn value_at(curve: &[(f64, f64)], instant: f64) -> Option<f64> {
    let (from, to) = curve
        .iter()
        .zip(curve.iter().skip(1))
        .find(|(from, to)| from.0 <= instant && instant <= to.0)?;
    let share = if to.0 > from.0 { (instant - from.0) / (to.0 - from.0) } else { 0.0 };
    Some(from.1 + (to.1 - from.1) * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(gpu: u32, at: f64, power: f64) -> GpuSample {
        GpuSample {
            at_unix_s: at,
            gpu,
            power_w: Some(power),
            ..GpuSample::default()
        }
    }

    fn over(window: (f64, f64), gpus: u64) -> Load {
        Load {
            window,
            duration_s: window.1 - window.0,
            gpus,
        }
    }

    #[test]
    fn energy_is_the_area_under_the_power_with_interpolated_edges() {
        // 100 W rising to 200 W within one second; the window is its second half: 150 to 200 W for 0.5 s.
        let ramp = [sample(0, 0.0, 100.0), sample(0, 1.0, 200.0)];
        let Energy::Measured {
            joules, average_w, gpus, ..
        } = energy(&ramp, over((0.5, 1.0), 1))
        else {
            panic!()
        };
        assert!((joules - 87.5).abs() < 1e-9 && (average_w - 175.0).abs() < 1e-9 && gpus == 1);
        // The same GPU number on two nodes is two GPUs.
        let mut two = [
            sample(0, 0.0, 100.0),
            sample(0, 0.0, 300.0),
            sample(0, 2.0, 300.0),
            sample(0, 2.0, 100.0),
        ];
        two[1].node = "b".to_owned();
        two[2].node = "b".to_owned();
        let Energy::Measured { joules, average_w, .. } = energy(&two, over((0.0, 2.0), 2)) else {
            panic!()
        };
        assert!((joules - 800.0).abs() < 1e-9 && (average_w - 400.0).abs() < 1e-9);
    }

    #[test]
    fn energy_counter_takes_precedence() {
        let counted = |at, power, counter| GpuSample {
            energy_j: Some(counter),
            ..sample(0, at, power)
        };
        let right = [counted(0.0, 500.0, 1000.0), counted(2.0, 500.0, 2010.0)];
        let Energy::Measured {
            joules, counter_joules, ..
        } = energy(&right, over((0.5, 1.5), 1))
        else {
            panic!()
        };
        assert!((joules - 500.0).abs() < 1e-9 && (counter_joules.unwrap() - 505.0).abs() < 1e-9);
        // The power is a lagging average: 440 W are reported while 720 W are drawn.
        let invalid = [counted(0.0, 440.0, 1000.0), counted(2.0, 440.0, 2440.0)];
        let reason = EnergyDoubt::CounterMismatch;
        assert_eq!(energy(&invalid, over((0.5, 1.5), 1)), Energy::Unknown { reason });
        // A counter that was reset is ignored, even if it has passed its first value again.
        let set_back = [counted(0.0, 500.0, 9000.0), counted(2.0, 500.0, 10.0)];
        let lap = [counted(0.0, 500.0, 10.0), counted(1.0, 500.0, 5.0), counted(2.0, 500.0, 505.0)];
        for (samples, window) in [(&set_back[..], (0.5, 1.5)), (&lap[..], (0.1, 1.9))] {
            assert!(matches!(
                energy(samples, over(window, 1)),
                Energy::Measured { counter_joules: None, .. }
            ));
        }
    }

    #[test]
    fn energy_that_cannot_be_determined_has_a_reason() {
        let steady = [sample(0, 0.0, 100.0), sample(0, 1.0, 100.0), sample(0, 5.0, 100.0)];
        let negative = [sample(0, 0.0, 100.0), sample(0, 1.0, -1.0)];
        for (window, gpus, samples, reason) in [
            ((0.0, 1.0), 1, &steady[..0], EnergyDoubt::NoPower),
            ((0.0, 1.0), 1, &negative[..], EnergyDoubt::BadPower),
            ((0.0, 1.0), 8, &steady[..], EnergyDoubt::OtherGpus),
            ((-1.0, 1.0), 1, &steady[..], EnergyDoubt::WindowNotCovered),
            ((0.0, 6.0), 1, &steady[..], EnergyDoubt::WindowNotCovered),
            ((0.0, 4.0), 1, &steady[..], EnergyDoubt::Gap),
            ((1.0, 1.0), 1, &steady[..], EnergyDoubt::NoWindow),
            ((f64::NAN, 1.0), 1, &steady[..], EnergyDoubt::NoWindow),
        ] {
            assert_eq!(energy(samples, over(window, gpus)), Energy::Unknown { reason });
        }
        let reason = EnergyDoubt::DurationMismatch;
        let load = Load {
            duration_s: 1.6,
            ..over((0.0, 1.0), 1)
        };
        assert_eq!(energy(&steady, load), Energy::Unknown { reason });
    }
}
