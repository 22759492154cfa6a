//! A/A runs as the start of a history: one load, measured repeatedly without any change. Their differences are the noise
//! that the first real comparison would otherwise have to assume.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use super::collect::{self, HistoryEntry, HistoryEntryError};
use super::hardware::HardwareFiles;
use super::normalize::{self, NormalizeFileError};
use crate::analysis::Run;
use crate::matrix::Row;
use crate::model::Concurrency;
use crate::result::{self, AggError, Json, NormalizeError, PointContext};

/// The measured matrix row and the concurrencies.
#[derive(Debug)]
pub(crate) struct Subject {
    contexts: BTreeMap<Concurrency, PointContext>,
}

/// Raw results of one concurrency, in order of measurement.
pub(crate) type RawRuns = BTreeMap<Concurrency, Vec<Json>>;

/// The history, and what the runs have in common.
#[derive(Debug, Clone)]
pub(crate) struct CalibratedHistory {
    pub folder: PathBuf,
    /// Number of runs to keep, newest first.
    pub keep: usize,
    /// The commit that was measured.
    pub commit: String,
    pub branch: Option<String>,
}

/// Why A/A runs cannot be added to a history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoiseCalibrationError {
    /// The row cannot be used.
    #[error(transparent)]
    Row(#[from] NormalizeFileError),
    /// A load has no concurrency, or one that the row does not have.
    #[error("{}: the row has the concurrencies {row}, and a load has {load}; give the row's with --max-concurrency", path.display())]
    Concurrency { path: PathBuf, row: String, load: String },
    /// A result has no normalised form.
    #[error("concurrency {conc}")]
    Result { conc: Concurrency, source: NormalizeError },
    /// A normalised result has no point.
    #[error("concurrency {conc}")]
    Point { conc: Concurrency, source: AggError },
    /// The history cannot be written.
    #[error(transparent)]
    History(#[from] HistoryEntryError),
}

impl Subject {
    /// Reads the row, and checks before any measurement that it has all requested concurrencies.
    ///
    /// # Errors
    /// [`NoiseCalibrationError::Row`], [`NoiseCalibrationError::Concurrency`].
    pub(crate) fn read(
        path: &Path,
        hardware: &HardwareFiles,
        loads: impl IntoIterator<Item = Option<Concurrency>>,
    ) -> Result<Self, NoiseCalibrationError> {
        let row = normalize::checked_row(path, hardware)?;
        let context = |load: Option<Concurrency>| {
            let context = load.and_then(|conc| Some((conc, PointContext::from_row(&row, conc).ok()?)));
            context.ok_or_else(|| NoiseCalibrationError::Concurrency {
                path: path.to_owned(),
                row: concurrencies(&row),
                load: load.map_or_else(|| "none".to_owned(), |conc| conc.to_string()),
            })
        };
        let contexts = loads.into_iter().map(context).collect::<Result<_, _>>()?;
        Ok(Self { contexts })
    }

    /// Adds a run for each measurement of all concurrencies, and returns their files.
    ///
    /// # Errors
    /// [`NoiseCalibrationError`]; runs before the invalid one remain in the history.
    pub(crate) fn add(&self, raw: &RawRuns, history: &CalibratedHistory) -> Result<Vec<PathBuf>, NoiseCalibrationError> {
        let runs = raw.values().map(Vec::len).min().unwrap_or(0);
        let mut files = Vec::new();
        let mut before: Option<DateTime<Utc>> = None;
        for index in 0..runs {
            let (run, ended) = self.run(raw, index)?;
            // Files of a history are named by second, which determines their order.
            let earliest = before.map(|before| before + TimeDelta::seconds(1));
            let date = earliest.map_or(ended, |earliest| ended.max(earliest));
            before = Some(date);
            let entry = HistoryEntry {
                folder: history.folder.clone(),
                keep: history.keep,
                commit: history.commit.clone(),
                branch: history.branch.clone(),
                run_id: None,
                date,
            };
            files.extend(collect::add_to_history(&run, entry)?);
        }
        Ok(files)
    }

    /// The points of one measurement of each concurrency, and when the last of them ended.
    fn run(&self, raw: &RawRuns, index: usize) -> Result<(Run, DateTime<Utc>), NoiseCalibrationError> {
        let mut points = Vec::new();
        let mut ended = DateTime::UNIX_EPOCH;
        for (conc, context) in &self.contexts {
            let Some(raw) = raw.get(conc).and_then(|runs| runs.get(index)) else {
                continue;
            };
            let normalised = result::normalize(raw, context).map_err(|source| NoiseCalibrationError::Result { conc: *conc, source })?;
            let agg = normalised.agg;
            points.push(agg.point().map_err(|source| NoiseCalibrationError::Point { conc: *conc, source })?);
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970, of which whole ones are used")]
            let seconds = agg.ended_unix_s().unwrap_or_default() as i64;
            ended = ended.max(DateTime::from_timestamp(seconds, 0).unwrap_or_default());
        }
        points.sort_by(|left, right| left.key.cmp(&right.key));
        let run = Run { points, ..Run::default() };
        Ok((run, ended))
    }
}

fn concurrencies(row: &Row) -> String {
    let all: Vec<String> = row.conc.as_slice().iter().map(ToString::to_string).collect();
    all.join(", ")
}
