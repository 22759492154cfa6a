//! GPU telemetry around the use of an engine. Missing tools are said once; nothing here fails a job.

use std::time::Duration;

use super::life::Life;
use super::points::Loaded;
use crate::edge::{files, telemetry};
use crate::job::{Energy, GpuVendor, energy, metrics_csv};
use crate::result::Json;

/// Longer than the second between two samples.
const TRAILING: Duration = Duration::from_millis(1300);

impl Life<'_> {
    /// Begins, where the profile names a vendor of GPUs.
    pub(super) fn start_sampling(&mut self) {
        match telemetry::start(self.spec.profile.vendor, &self.spec.id, &self.places.out) {
            Ok(sampler) => self.sampler = sampler,
            Err(problem) => self.voice.line(&problem),
        }
    }

    /// Ends, and writes `gpu_metrics.csv`.
    pub(super) fn finish_sampling(&mut self) {
        let Some(sampler) = self.sampler.take() else { return };
        // The load's end must lie between two samples. A signal does not wait for that.
        let _ = self.stop.wait_for(TRAILING);
        match sampler.finish() {
            Ok(samples) => {
                let written = files::write(&self.places.out.join("gpu_metrics.csv"), metrics_csv(&samples).as_bytes());
                if let Err(error) = written {
                    self.voice.line(&error.to_string());
                }
                self.samples = samples;
            }
            Err(problem) => self.voice.line(&problem),
        }
    }

    /// The energy of a point's load.
    pub(super) fn energy_of(&self, loaded: &Loaded) -> Option<Energy> {
        match self.spec.profile.vendor {
            GpuVendor::None => return None,
            GpuVendor::Nvidia | GpuVendor::Amd => {}
        }
        let instant = |key: &str| loaded.raw.get(key).and_then(Json::as_number).unwrap_or(f64::NAN);
        let window = (instant("benchmark_start_time_unix"), instant("benchmark_end_time_unix"));
        Some(energy(&self.samples, window, self.spec.row.layout.gpus()))
    }
}
