//! `imax bench --calibrate-noise`: keeps the results of A/A runs until all have ended, and makes a history of them.

use std::path::PathBuf;

use crate::cli::output::say;
use crate::cli::{Exit, Failure};
use crate::load::{BenchmarkSettings, Measured};
use crate::result::Json;
use crate::store::hardware::HardwareFiles;
use crate::store::noise_calibration::{CalibratedHistory, NoiseCalibrationError, RawRuns, Subject};

/// What the runs are of, and where they are added.
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
    /// Reads what is measured.
    ///
    /// # Errors
    /// Usage where a load is not one of the row's, or the commit is not known; invalid input for an invalid row.
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

    /// Keeps a result.
    pub fn keep(&mut self, measured: &Measured) {
        if let Some(conc) = measured.settings.arrival.max_concurrency {
            self.raw.entry(conc).or_default().push(Json::from(measured.raw_result_json()));
        }
    }

    /// Adds the runs to the history.
    ///
    /// # Errors
    /// As the history; a failed measurement if a result has no numbers.
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
