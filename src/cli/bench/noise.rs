//! `imax bench --calibrate-noise`: collects the results of A/A runs and adds them to a history when all have ended.

use std::path::PathBuf;

use crate::cli::output::say;
use crate::cli::{Exit, Failure};
use crate::load::{BenchmarkSettings, Measured};
use crate::result::Json;
use crate::store::hardware::HardwareFiles;
use crate::store::noise_calibration::{CalibratedHistory, NoiseCalibrationError, RawRuns, Subject};

/// The measured row, and the history that the runs are added to.
#[derive(Debug)]
pub struct NoiseSettings {
    pub row: PathBuf,
    pub hardware: HardwareFiles,
    pub history: CalibratedHistory,
}

/// A/A runs in progress.
#[derive(Debug)]
pub struct NoiseRuns {
    subject: Subject,
    history: CalibratedHistory,
    raw: RawRuns,
}

impl NoiseRuns {
    /// Reads the row and checks that it has the concurrencies of `loads`.
    ///
    /// # Errors
    /// Usage if a load is not one of the row's or the commit is unknown; invalid input for an invalid row.
    pub fn begin(settings: NoiseSettings, loads: &[BenchmarkSettings]) -> Result<Self, Failure> {
        let NoiseSettings { row, hardware, history } = settings;
        let loads = loads.iter().map(|load| load.arrival.max_concurrency);
        let subject = Subject::read(&row, &hardware, loads)?;
        if history.commit.is_empty() {
            return Err(Failure::new(
                Exit::Usage,
                "--history needs the commit that is measured, from --commit or GITHUB_SHA",
            ));
        }
        Ok(Self {
            subject,
            history,
            raw: RawRuns::new(),
        })
    }

    pub fn keep(&mut self, measured: &Measured) {
        if let Some(conc) = measured.settings.arrival.max_concurrency {
            self.raw.entry(conc).or_default().push(Json::from(measured.raw_result_json()));
        }
    }

    /// Adds the runs to the history.
    ///
    /// # Errors
    /// If a result has no numbers, or the history cannot be written.
    pub fn finish(self) -> Result<(), NoiseCalibrationError> {
        let files = self.subject.add(&self.raw, &self.history)?;
        let folder = self.history.folder.display();
        say(&format!(
            "added {} runs to the history; compare with --history {folder} or --baseline history:{folder}",
            files.len()
        ));
        Ok(())
    }
}
