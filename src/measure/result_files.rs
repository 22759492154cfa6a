//! The result files of a benchmark: the names of benchmark_serving.py, and suffixes where one call writes several.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use serde::Serialize;
use serde_json::Value;

use crate::load::detailed::{self, DetailedResult};
use crate::load::{Measured, detailed_parquet};
use crate::system::files::{self, FileError};

/// Where the results of a benchmark are written, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultFiles {
    /// Folder of the files; empty for the working directory.
    pub folder: PathBuf,
    /// Name of the result file; by default made of backend, load, model and date.
    pub name: Option<String>,
    /// Replaces the backend at the start of default file names; also written as the key `label` of the result.
    pub label: Option<String>,
    /// Whether results are appended to the file, one JSON line each. With a name, all results of a call then go to one file.
    pub is_appended: bool,
    /// Whether each request's figures are written too, and in which format.
    pub detailed: Option<DetailedFormat>,
}

/// Format of the file with the figures of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailedFormat {
    /// One JSON object a line.
    Jsonl,
    /// Parquet, for data frames.
    Parquet,
}

/// Why a result file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ResultFileError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] FileError),
    /// The requests could not be encoded as Parquet.
    #[error("cannot encode the requests as Parquet: {0}")]
    Parquet(#[from] ParquetError),
}

/// What distinguishes one result file of a call from the others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suffixes<'a> {
    /// Whether the call measures several loads.
    pub several_loads: bool,
    /// Which run of the load it is; empty if there is one.
    pub run: &'a str,
}

impl ResultFiles {
    /// Writes the result of a run, and returns its path.
    pub(super) fn save(&self, measured: &Measured, suffixes: Suffixes<'_>) -> Result<PathBuf, ResultFileError> {
        let path = self.path(measured, suffixes);
        let mut result = measured.raw_result_json();
        if let (Some(label), Some(keys)) = (&self.label, result.as_object_mut()) {
            keys.insert("label".to_owned(), label.as_str().into());
        }
        if !self.is_appended {
            // The result is written without the arrays first, so that the figures of a long run survive if writing the arrays fails.
            files::write_json(&path, &result)?;
        }
        match (self.detailed, result.as_object()) {
            (Some(format), Some(keys)) => {
                save_requests(&path, measured, format)?;
                let with_arrays = DetailedResult { result: keys, measured };
                if self.is_appended {
                    append(&path, &with_arrays)?;
                } else {
                    files::write_with(&path, |file| {
                        let mut file = BufWriter::new(file);
                        serde_json::to_writer_pretty(&mut file, &with_arrays)?;
                        file.write_all(b"\n")?;
                        file.flush()
                    })?;
                }
            }
            (Some(_) | None, _) if self.is_appended => append(&path, &result)?,
            (Some(_) | None, _) => {}
        }
        Ok(path)
    }

    /// Writes how much the runs of one load differ, and returns the path.
    pub(super) fn save_spread(&self, first: &Measured, spread: &Value, several_loads: bool) -> Result<PathBuf, ResultFileError> {
        let several_loads = Suffixes {
            several_loads,
            run: "-runs",
        };
        let path = Self {
            is_appended: false,
            ..self.clone()
        }
        .path(first, several_loads);
        files::write_json(&path, spread)?;
        Ok(path)
    }

    /// Path of the file with a search result, in the folder of the results of its loads.
    pub(super) fn search_path(&self, measured: &Measured) -> PathBuf {
        let settings = &measured.settings;
        let name = match &self.name {
            Some(name) => name.strip_suffix(".json").unwrap_or(name).to_owned(),
            None => format!("{}-{}", self.label.as_ref().unwrap_or(&settings.backend), measured.date()),
        };
        self.folder.join(format!("{name}-search.json"))
    }

    /// Path of a result file. The user's name is used unchanged for a single file; several files get suffixes for load, run and shard.
    fn path(&self, measured: &Measured, Suffixes { several_loads, run }: Suffixes<'_>) -> PathBuf {
        let settings = &measured.settings;
        let load = load_name(measured);
        // Shards run with the same command line, often in the same folder, so their file names need a suffix.
        let shard = settings.shard.file_suffix();
        let name = match &self.name {
            Some(name) if (run.is_empty() && !several_loads && shard.is_empty()) || self.is_appended => name.clone(),
            Some(name) => {
                let stem = name.strip_suffix(".json").unwrap_or(name);
                let load = if several_loads { format!("-{load}") } else { String::new() };
                format!("{stem}{load}{run}{shard}.json")
            }
            None => {
                let model = settings.model.rsplit('/').next().unwrap_or(&settings.model);
                let label = self.label.as_ref().unwrap_or(&settings.backend);
                format!("{label}-{load}-{model}-{}{run}{shard}.json", measured.date())
            }
        };
        self.folder.join(name)
    }
}

/// Rate and concurrency as benchmark_serving.py writes them: `infqps-concurrency16`.
fn load_name(measured: &Measured) -> String {
    let arrival = &measured.settings.arrival;
    let rate = match (arrival.ramp, arrival.request_rate) {
        (Some(ramp), _) => format!("{}to{}", ramp.from, ramp.to),
        (None, Some(rate)) => rate.to_string(),
        (None, None) => "inf".to_owned(),
    };
    let concurrency = arrival.max_concurrency.map_or_else(String::new, |n| format!("-concurrency{n}"));
    format!("{rate}qps{concurrency}")
}

/// Appends the result as a line. The file is replaced atomically, so that a failed write leaves it unchanged.
fn append(path: &Path, result: &impl Serialize) -> Result<(), FileError> {
    let before = if path.exists() { files::read(path)? } else { Vec::new() };
    files::write_with(path, |file| {
        let mut file = BufWriter::new(file);
        file.write_all(&before)?;
        if before.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n")?;
        }
        serde_json::to_writer(&mut file, result)?;
        file.write_all(b"\n")?;
        file.flush()
    })
}

fn save_requests(result: &Path, measured: &Measured, format: DetailedFormat) -> Result<(), ResultFileError> {
    match format {
        DetailedFormat::Jsonl => {
            files::write_with(&result.with_extension("requests.jsonl"), |file| {
                let mut file = BufWriter::new(file);
                detailed::write_lines(measured, &mut file)?;
                file.flush()
            })?;
        }
        DetailedFormat::Parquet => {
            let bytes = detailed_parquet::file(measured)?;
            files::write(&result.with_extension("requests.parquet"), &bytes)?;
        }
    }
    Ok(())
}
