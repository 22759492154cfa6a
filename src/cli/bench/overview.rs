//! What a call of `imax bench` leaves besides its result files: one table and one page of all its loads, and what to do next.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::super::Failure;
use super::super::output::{self, say};
use super::super::terminal;
use crate::load::Measured;
use crate::report::{Format, View};
use crate::store;
use crate::system::files;

/// Pages of all loads of the call.
#[derive(Debug, Clone, Default, Args)]
pub struct OverviewArgs {
    /// Write one page with all loads and their charts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write one table with all loads, a line each.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl OverviewArgs {
    /// With this page unless one is asked for.
    pub fn with_page(self, path: PathBuf) -> Self {
        Self {
            html: self.html.or(Some(path)),
            ..self
        }
    }

    pub fn page(&self) -> Option<&PathBuf> {
        self.html.as_ref()
    }
}

/// The results of a call so far.
#[derive(Debug, Default)]
pub struct Overview {
    results: Vec<(String, Value)>,
    saved: Vec<PathBuf>,
}

impl Overview {
    /// Keeps the figures of a run. Those of single requests are not needed.
    pub fn add(&mut self, measured: &Measured) {
        let name = format!("run {}", self.results.len() + 1);
        self.results.push((name, measured.raw_result_json()));
    }

    pub fn saved(&mut self, path: &Path) {
        self.saved.push(path.to_owned());
    }

    /// Prints and writes what shows all loads together, then says what to do next.
    ///
    /// # Errors
    /// If a file cannot be written. A call without a usable load has no pages.
    pub fn finish(self, args: &OverviewArgs) -> Result<(), Failure> {
        let saved = self.saved.clone();
        let has_table = self.results.len() > 1;
        if self.write_pages(args, has_table)? {
            next_steps(&saved);
        }
        Ok(())
    }

    /// Writes the pages.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn write(self, args: &OverviewArgs) -> Result<(), Failure> {
        self.write_pages(args, false).map(drop)
    }

    /// Whether there is a load of which there can be pages.
    fn write_pages(self, args: &OverviewArgs, has_table: bool) -> Result<bool, Failure> {
        let OverviewArgs { html, csv } = args;
        if has_table || html.is_some() || csv.is_some() {
            // A load without a single answer has no point, and has said why.
            let run = match store::run_of_measured(self.results) {
                Ok(run) => run,
                Err(error) => {
                    say(&format!("no overview of the loads: {error}"));
                    return Ok(false);
                }
            };
            let view = View::new(&run, None);
            if has_table {
                output::emit(&Format::Table.text(&view, "imax bench", terminal::stdout_style())?)?;
            }
            for (path, format) in [(html, Format::Html), (csv, Format::Csv)] {
                if let Some(path) = path {
                    files::write(path, &format.bytes(&view, "imax bench")?)?;
                    say(&format!("wrote {}", path.display()));
                }
            }
        }
        Ok(true)
    }
}

fn next_steps(saved: &[PathBuf]) {
    match saved {
        [] => say("next: --save-result keeps the result for `imax compare` and `imax report`; --html FILE writes a page"),
        [one] => say(&format!(
            "next: imax report {0} --format html --out report.html; imax compare EARLIER.json {0}",
            one.display()
        )),
        [first, ..] => say(&format!(
            "next: imax report {} --format html --out report.html",
            first
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."))
                .display()
        )),
    }
}
