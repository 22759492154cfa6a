//! Completing a run: what an earlier one measured is left out of the plan, and its results are kept for the report.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use crate::cli::gather::{self, RESULTS_FILE};
use crate::cli::{Exit, Failure, OrExit as _};
use crate::edge::{artifacts, files};
use crate::model::PointKey;

/// The folder of the copies, beside the plan file.
const FOLDER: &str = "earlier";

/// An earlier run of the same commit.
pub struct Earlier {
    measured: HashSet<PointKey>,
    /// The normalised documents as they were written.
    documents: Vec<Value>,
}

impl Earlier {
    /// Reads a folder that `imax collect` wrote, or its `agg_bmk.json`.
    ///
    /// # Errors
    /// Invalid input for what is no run.
    pub fn load(path: &Path) -> Result<Self, Failure> {
        let run = gather::load_run(path)?;
        let measured = run
            .points
            .iter()
            .filter(|point| point.measurement().is_some())
            .map(|point| point.key.clone());
        let results = if path.is_dir() { path.join(RESULTS_FILE) } else { path.to_owned() };
        let documents = if results.is_file() {
            let text = artifacts::read_text(&results).or_exit(Exit::InvalidInput)?;
            serde_json::from_str(&text).or_exit(Exit::InvalidInput)?
        } else {
            Vec::new()
        };
        Ok(Self {
            measured: measured.collect(),
            documents,
        })
    }

    /// What it measured.
    pub fn measured(&self) -> &HashSet<PointKey> {
        &self.measured
    }

    /// Copies its results into a folder beside the plan file, a file each, as a job would have left them: the plan's artifact
    /// then carries them to the report.
    ///
    /// # Errors
    /// Infrastructure where they cannot be written.
    pub fn copy_beside(&self, plan_file: &Path) -> Result<(), Failure> {
        let folder = plan_file.parent().unwrap_or(Path::new("")).join(FOLDER);
        for (index, document) in self.documents.iter().enumerate() {
            files::write_json(&folder.join(format!("agg_{index}.json")), document).or_exit(Exit::Infrastructure)?;
        }
        Ok(())
    }
}
