//! What a run is compared with: the arguments that `imax report` and `imax comment` share, and where an earlier run
//! comes from.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::{Failure, gather};
use crate::analysis::{self, Comparison, Run};

/// The earlier run, and what both are called.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    /// An earlier run to compare it with: a path, or file:PATH for one that has a colon in it.
    #[arg(long, visible_alias = "compare", value_name = "BASELINE")]
    baseline: Option<Baseline>,
    /// What the earlier run is called in the report [default: its path].
    #[arg(long, value_name = "NAME", requires = "baseline")]
    base_name: Option<String>,
    /// What the run is called in the report [default: its path].
    #[arg(long, value_name = "NAME", requires = "baseline")]
    head_name: Option<String>,
}

/// Where an earlier run comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baseline {
    /// A folder or file, in the forms that [`gather::load_run`] takes.
    File(PathBuf),
}

impl FromStr for Baseline {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::File(text.strip_prefix("file:").unwrap_or(text).into()))
    }
}

impl Baseline {
    /// Reads the run.
    ///
    /// # Errors
    /// Invalid input for what is no run.
    fn load(&self) -> Result<Run, Failure> {
        match self {
            Self::File(path) => gather::load_run(path),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
        }
    }
}

impl BaselineArgs {
    /// The comparison with the earlier run; `None` where none was asked for.
    ///
    /// # Errors
    /// Invalid input for what is no run.
    pub fn compare(&self, head: &Run, head_path: &Path) -> Result<Option<Comparison>, Failure> {
        let Some(baseline) = &self.baseline else {
            return Ok(None);
        };
        let base = baseline.load()?;
        let base_name = self.base_name.clone().unwrap_or_else(|| baseline.name());
        let head_name = named(self.head_name.as_deref(), head_path);
        Ok(Some(analysis::compare((&base_name, &base), (&head_name, head))))
    }
}

/// The name that was given, else the path.
#[must_use]
pub fn named(name: Option<&str>, path: &Path) -> String {
    name.map_or_else(|| path.display().to_string(), str::to_owned)
}
