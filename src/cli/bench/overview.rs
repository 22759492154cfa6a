//! Output of `imax bench` besides its result files: a table and a page of all loads, and suggested next commands.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::super::output::{self, say};
use super::super::report::with_pages;
use super::super::terminal;
use super::super::{Exit, Failure, OrExit as _};
use crate::load::Measured;
use crate::report::{Format, View};
use crate::store;
use crate::system::files;
use crate::system::runtime::block_on;

/// Files that cover all loads of the call.
#[derive(Debug, Clone, Default, Args)]
pub struct OverviewArgs {
    /// Write a page with all loads and charts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write a table with all loads, one per line.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl OverviewArgs {
    /// Sets the path of the page unless --html is given.
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

#[derive(Debug, Default)]
pub struct Overview {
    results: Vec<(String, Value)>,
    saved: Vec<PathBuf>,
}

impl Overview {
    /// Keeps the figures of a run, without those of single requests.
    pub fn add(&mut self, measured: &Measured) {
        let name = format!("run {}", self.results.len() + 1);
        self.results.push((name, measured.raw_result_json()));
    }

    pub fn saved(&mut self, path: &Path) {
        self.saved.push(path.to_owned());
    }

    /// Prints the table, writes the files and suggests next commands.
    ///
    /// # Errors
    /// If a file cannot be written. Without a load that has results, nothing is written.
    pub fn finish(self, args: &OverviewArgs) -> Result<(), Failure> {
        let saved = self.saved.clone();
        let has_table = self.results.len() > 1;
        if self.write_pages(args, has_table)? {
            next_steps(&saved);
        }
        Ok(())
    }

    /// Writes the files.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn write(self, args: &OverviewArgs) -> Result<(), Failure> {
        self.write_pages(args, false).map(drop)
    }

    /// Returns whether a load has results.
    fn write_pages(self, args: &OverviewArgs, has_table: bool) -> Result<bool, Failure> {
        let OverviewArgs { html, csv } = args;
        if has_table || html.is_some() || csv.is_some() {
            // The reasons for loads without a single answer have been printed already.
            let run = match store::run_of_measured(self.results) {
                Ok(run) => run,
                Err(error) => {
                    say(&format!("no overview of the loads: {error}"));
                    return Ok(false);
                }
            };
            let mut view = View::new(&run, None);
            if html.is_some() {
                view = block_on(with_pages(view)).or_exit(Exit::Infrastructure)??;
            }
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
