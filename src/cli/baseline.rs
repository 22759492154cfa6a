//! What a run is compared with, and what is known of its noise: the arguments that `imax report`, `imax comment` and
//! `imax compare` share, and where an earlier run comes from.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::{Exit, Failure, OrExit as _, gather, output};
use crate::analysis::{self, Comparison, History, Knowledge, Rules, Run, Side};
use crate::edge::{files, history};

/// What a run is compared with.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    /// An earlier run to compare with: file:PATH, or PATH alone, in the forms of the run; history:DIR for the level of each point
    /// in a history. Several times for runs that repeat each other.
    #[arg(long, visible_alias = "compare", value_name = "BASELINE")]
    baseline: Vec<Baseline>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

/// What a comparison can know besides two runs.
#[derive(Debug, Args)]
pub struct KnowledgeArgs {
    /// A folder with earlier runs, which imax collect --history wrote: it says how noisy each point is.
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,
    /// The newest runs of the history that are read.
    #[arg(long, value_name = "RUNS", default_value_t = 60)]
    history_runs: usize,
    /// A run that repeats the one to judge, measured again without a change. Several times for several.
    #[arg(long, value_name = "RUN")]
    repeat: Vec<PathBuf>,
    /// What the repository says about regressions: thresholds and exceptions, under `regressions:`.
    #[arg(long, value_name = "FILE", default_value = "imax.yaml")]
    settings: PathBuf,
    /// What the earlier run is called in the report [default: its path].
    #[arg(long, value_name = "NAME")]
    base_name: Option<String>,
    /// What the run is called in the report [default: its path].
    #[arg(long, value_name = "NAME")]
    head_name: Option<String>,
}

/// Where an earlier run comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baseline {
    /// A folder or file, in the forms that [`gather::load_run`] takes.
    File(PathBuf),
    /// A folder of earlier runs.
    History(PathBuf),
}

impl FromStr for Baseline {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(':') {
            Some(("history", folder)) => Self::History(folder.into()),
            Some(("file", path)) => Self::File(path.into()),
            Some(_) | None => Self::File(text.into()),
        })
    }
}

impl Baseline {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::History(folder) => format!("history {}", folder.display()),
        }
    }
}

impl BaselineArgs {
    /// The comparison with the earlier run; `None` where none was asked for.
    ///
    /// # Errors
    /// Invalid input for what is no run, no history or no settings.
    pub fn compare(&self, head: &Run, head_path: &Path) -> Result<Option<Comparison>, Failure> {
        let Some(first) = self.baseline.first() else {
            return Ok(None);
        };
        let mut knowledge = self.knowledge.load()?;
        let mut base = Vec::new();
        for baseline in &self.baseline {
            match baseline {
                Baseline::File(path) => base.push(gather::load_run(path)?),
                Baseline::History(folder) => {
                    knowledge.history = self.knowledge.read_history(folder)?;
                    knowledge.level = true;
                    base.push(knowledge.history.baseline(head));
                }
            }
        }
        let base: Vec<&Run> = base.iter().collect();
        self.knowledge
            .compare((&first.name(), base), (head, head_path), &knowledge)
            .map(Some)
    }
}

impl KnowledgeArgs {
    /// Reads history and settings.
    ///
    /// # Errors
    /// Invalid input for what is none.
    pub fn load(&self) -> Result<Knowledge, Failure> {
        let history = match &self.history {
            Some(folder) => self.read_history(folder)?,
            None => History::default(),
        };
        Ok(Knowledge {
            history,
            level: false,
            rules: self.rules()?,
            today: Some(chrono::Utc::now().date_naive()),
        })
    }

    /// A repository without settings has the usual ones.
    fn rules(&self) -> Result<Rules, Failure> {
        if !self.settings.exists() {
            return Ok(Rules::default());
        }
        let text = files::read_text(&self.settings).or_exit(Exit::InvalidInput)?;
        Rules::parse(&self.settings.display().to_string(), &text).or_exit(Exit::InvalidInput)
    }

    fn read_history(&self, folder: &Path) -> Result<History, Failure> {
        history::read(folder, self.history_runs).or_exit(Exit::InvalidInput)
    }

    /// Compares; the repeats of the head are read here. Exceptions that ended are said on stderr.
    ///
    /// # Errors
    /// Invalid input for a repeat that is no run.
    pub fn compare(
        &self,
        (base_name, base): (&str, Vec<&Run>),
        (head, head_path): (&Run, &Path),
        knowledge: &Knowledge,
    ) -> Result<Comparison, Failure> {
        let repeats: Vec<Run> = self.repeat.iter().map(|path| gather::load_run(path)).collect::<Result<_, _>>()?;
        let base_side = Side {
            name: self.base_name.as_deref().unwrap_or(base_name),
            runs: base,
        };
        let head_name = head_path.display().to_string();
        let head_side = Side {
            name: self.head_name.as_deref().unwrap_or(&head_name),
            runs: std::iter::once(head).chain(&repeats).collect(),
        };
        let comparison = analysis::compare(&base_side, &head_side, knowledge);
        for words in &comparison.expired {
            output::say(&format!("warning: {words}"));
        }
        Ok(comparison)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_needs_no_word_before_it() {
        for (text, baseline) in [
            ("runs/main", Baseline::File("runs/main".into())),
            ("file:history:1", Baseline::File("history:1".into())),
            ("history:h", Baseline::History("h".into())),
            ("c:/runs", Baseline::File("c:/runs".into())),
        ] {
            assert_eq!(text.parse(), Ok(baseline), "{text}");
        }
    }
}
