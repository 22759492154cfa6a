//! GPU hours of a plan, estimated from earlier jobs of the same curves.

use std::collections::HashMap;

use super::jobs::Job;
use crate::matrix::row::Row;
use crate::model::CurveKey;
use crate::model::count;

#[derive(Debug, Clone, PartialEq)]
pub struct PastJob {
    pub row: Row,
    /// How long it occupied its GPUs, seconds.
    pub seconds: f64,
}

/// Job durations by curve, stored per point, because the duration of a job grows with its points.
#[derive(Debug, Clone, Default)]
pub struct Durations {
    by_curve: HashMap<CurveKey, Took>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Took {
    seconds: f64,
    points: usize,
}

/// Estimated GPU time of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownHours {
    /// Of the jobs with an estimate.
    pub gpu_hours: f64,
    pub jobs: usize,
}

impl Durations {
    /// From jobs that were run; all of them have the same weight.
    #[must_use]
    pub fn of(past: impl IntoIterator<Item = PastJob>) -> Self {
        let mut by_curve: HashMap<CurveKey, Took> = HashMap::new();
        for job in past {
            let took = by_curve.entry(job.row.curve_key()).or_default();
            took.seconds += job.seconds.max(0.0);
            took.points += job.row.conc.as_slice().len();
        }
        Self { by_curve }
    }

    /// The GPU hours of the planned jobs whose curve was run before; `None` if there are none.
    #[must_use]
    pub fn known(&self, jobs: &[Job]) -> Option<KnownHours> {
        let known: Vec<f64> = jobs
            .iter()
            .filter_map(|job| {
                let took = self.by_curve.get(&job.row.curve_key())?;
                let points = count(job.row.conc.as_slice().len());
                Some(took.seconds / count(took.points) * points * count(job.gpus) / 3600.0)
            })
            .collect();
        (!known.is_empty()).then(|| KnownHours {
            gpu_hours: known.iter().sum(),
            jobs: known.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(tp: u32, conc: impl serde::Serialize) -> Row {
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h100", "isl": 64, "osl": 16,
            "tp": tp, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": conc, "max-model-len": 128, "exp-name": "e"
        }))
        .unwrap()
    }

    #[test]
    fn durations_of_known_curves_scale_with_points() {
        let past = [(row(4, 8), 1_000.0), (row(4, [16, 32]), 2_600.0)];
        let durations = Durations::of(past.map(|(row, seconds)| PastJob { row, seconds }));
        // Twenty minutes per point, four GPUs, four points; the curve with TP 8 was never run.
        let planned = super::super::jobs(&[row(4, 64), row(4, [1, 2, 4]), row(8, 64)]);
        let known = durations.known(&planned).unwrap();
        assert_eq!(known.jobs, 2);
        assert!((known.gpu_hours - 16.0 / 3.0).abs() < 1e-9, "{known:?}");
        assert_eq!(durations.known(&planned[2..]), None);
    }
}
