//! Where results go: the names of benchmark_serving.py, and suffixes where one call makes several.

use std::path::PathBuf;

use serde_json::Value;

use super::BenchArgs;
use super::arguments::DetailedFormat;
use crate::cli::output::say;
use crate::cli::{Exit, Failure, OrExit as _};
use crate::load::{Measured, detailed, detailed_parquet};
use crate::system::files;

/// How the results of a call are saved.
pub struct Saving<'a> {
    arguments: &'a BenchArgs,
    several_loads: bool,
}

impl<'a> Saving<'a> {
    /// For a call with one or several loads.
    pub fn new(arguments: &'a BenchArgs, several_loads: bool) -> Self {
        Self { arguments, several_loads }
    }

    /// Saves the result of a run, if results are to be saved.
    pub fn save(&self, measured: &Measured, number: u32) -> Result<(), Failure> {
        if !self.arguments.save_result {
            return Ok(());
        }
        let run = (self.arguments.num_runs.get() > 1).then(|| format!("-run{number}"));
        let path = self.path(measured, run.as_deref().unwrap_or_default());
        let mut result = measured.raw_result_json();
        if self.arguments.save_detailed {
            if let Some(keys) = result.as_object_mut() {
                keys.extend(detailed::arrays(measured));
            }
            match self.arguments.detailed_format {
                DetailedFormat::Jsonl => {
                    let lines = detailed::lines(measured);
                    files::write(&path.with_extension("requests.jsonl"), lines.as_bytes()).or_exit(Exit::Infrastructure)?;
                }
                DetailedFormat::Parquet => {
                    let bytes = detailed_parquet::file(measured).or_exit(Exit::Infrastructure)?;
                    files::write(&path.with_extension("requests.parquet"), &bytes).or_exit(Exit::Infrastructure)?;
                }
            }
        }
        files::write_json(&path, &result).or_exit(Exit::Infrastructure)?;
        say(&format!("wrote {}", path.display()));
        Ok(())
    }

    /// Saves how much the runs of one load differ.
    pub fn save_spread(&self, runs: &[Measured], spread: &Value) -> Result<(), Failure> {
        let Some(first) = runs.first().filter(|_| self.arguments.save_result) else {
            return Ok(());
        };
        let path = self.path(first, "-runs");
        files::write_json(&path, spread).or_exit(Exit::Infrastructure)?;
        say(&format!("wrote {}", path.display()));
        Ok(())
    }

    /// A name that was given is that of one file; where there are several, each says which load and which run it is of.
    fn path(&self, measured: &Measured, suffix: &str) -> PathBuf {
        let settings = &measured.settings;
        let rate = match (settings.arrival.ramp, settings.arrival.request_rate) {
            (Some(ramp), _) => format!("{}to{}", ramp.from, ramp.to),
            (None, Some(rate)) => rate.to_string(),
            (None, None) => "inf".to_owned(),
        };
        let concurrency = settings
            .arrival
            .max_concurrency
            .map_or_else(String::new, |n| format!("-concurrency{n}"));
        let name = match &self.arguments.result_filename {
            Some(name) => {
                let stem = name.strip_suffix(".json").unwrap_or(name);
                let load = if self.several_loads {
                    format!("-{rate}qps{concurrency}")
                } else {
                    String::new()
                };
                if load.is_empty() && suffix.is_empty() {
                    name.clone()
                } else {
                    format!("{stem}{load}{suffix}.json")
                }
            }
            None => {
                let model = settings.model.rsplit('/').next().unwrap_or(&settings.model);
                format!(
                    "{}-{rate}qps{concurrency}-{model}-{}{suffix}.json",
                    settings.backend,
                    measured.date()
                )
            }
        };
        self.arguments.result_dir.clone().unwrap_or_default().join(name)
    }
}
