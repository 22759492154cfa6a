//! What a run is compared with, and what is known of its noise: the arguments that `imax report`, `imax comment` and
//! `imax compare` share, and where an earlier run comes from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::anyhow;
use clap::Args;

use super::settings::SettingsArgs;
use super::{Exit, Failure, OrExit as _, github, in_words, output};
use crate::analysis::{self, Comparison, History, HistoryRun, Knowledge, Run, Side};
use crate::github::{download_run, runs_of_branch};
use crate::model::PointKey;
use crate::planning::SettingsFile;
use crate::store::{self, history};

/// What a run is compared with.
#[derive(Debug, Args)]
pub struct BaselineArgs {
    /// What to compare with: file:PATH, or PATH alone, in the forms of the run; history:DIR for the level of each point in a
    /// history; run:ID for the artifacts of a workflow run, branch:NAME for each point as that branch measured it last. Several
    /// times for runs that repeat each other.
    #[arg(long, visible_alias = "compare", value_name = "BASELINE")]
    baseline: Vec<Baseline>,
    /// Go on without a comparison where the baseline cannot be read, and say so.
    #[arg(long, requires = "baseline")]
    baseline_optional: bool,
    /// With run: and branch:, the repository, owner/name [default: GITHUB_REPOSITORY].
    #[arg(long, value_name = "REPOSITORY")]
    baseline_repository: Option<String>,
    /// With branch:, the file of the workflow [default: that of GITHUB_WORKFLOW_REF, else any].
    #[arg(long, value_name = "FILE")]
    baseline_workflow: Option<String>,
    /// With run: and branch:, where the artifacts go.
    #[arg(long, value_name = "FOLDER", default_value = "imax-baseline")]
    baseline_artifacts: PathBuf,
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
    #[command(flatten)]
    settings: SettingsArgs,
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
    /// A folder or file, in the forms that [`store::load_run`] takes.
    File(PathBuf),
    /// A folder of earlier runs.
    History(PathBuf),
    /// A workflow run, by its number.
    Run(u64),
    /// Each point as a branch measured it last.
    Branch(String),
}

/// Why a text names no baseline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {0:?} behind `run:`, expected the number of a workflow run")]
pub struct BaselineError(String);

impl FromStr for Baseline {
    type Err = BaselineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once(':') {
            Some(("history", folder)) => Self::History(folder.into()),
            Some(("run", id)) => Self::Run(id.parse().map_err(|_| BaselineError(id.to_owned()))?),
            Some(("branch", name)) => Self::Branch(name.to_owned()),
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
            Self::Run(id) => format!("run {id}"),
            Self::Branch(name) => name.clone(),
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
        match self.compare_with(first, head, head_path) {
            Ok(comparison) => Ok(Some(comparison)),
            Err(failure) if self.baseline_optional => {
                output::say(&format!(
                    "warning: no comparison with {}: {}",
                    first.name(),
                    in_words(&failure.error)
                ));
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    fn compare_with(&self, first: &Baseline, head: &Run, head_path: &Path) -> Result<Comparison, Failure> {
        let mut knowledge = self.knowledge.load()?;
        let mut base = Vec::new();
        for baseline in &self.baseline {
            match baseline {
                Baseline::File(path) => base.push(store::load_run(path)?),
                Baseline::History(folder) => {
                    knowledge.history = self.knowledge.read_history(folder)?;
                    knowledge.level = true;
                    base.push(knowledge.history.baseline(head));
                }
                Baseline::Run(id) => match self.downloaded(*id)? {
                    Some(run) => base.push(run),
                    None => return Err(anyhow!("run {id} has no results among its artifacts")).or_exit(Exit::InvalidInput),
                },
                Baseline::Branch(name) => base.push(self.newest_of(name, head)?),
            }
        }
        let base: Vec<&Run> = base.iter().collect();
        self.knowledge.compare((&first.name(), base), (head, head_path), &knowledge)
    }
}

/// The artifact in which `imax action` puts the run that it collected.
const COLLECTED: &str = "results_bmk";
/// The artifacts of jobs begin with this.
const OF_A_JOB: &str = "bmk_";
/// The runs of a branch that are looked at: most commits measure nothing, and each measures only what it changed.
const RUNS_OF_A_BRANCH: usize = 30;

impl BaselineArgs {
    /// The points of a run, each as the branch measured it last.
    fn newest_of(&self, branch: &str, head: &Run) -> Result<Run, Failure> {
        let workflow = self.baseline_workflow.clone().or_else(|| variable("GITHUB_WORKFLOW_REF"));
        let runs = github::talk(self.repository().as_deref(), async |client, repository| {
            runs_of_branch(client, repository, workflow.as_deref(), branch).await
        })?;
        let mut measured = Vec::new();
        let mut open: BTreeSet<&PointKey> = head.points.iter().map(|point| &point.key).collect();
        for found in runs.into_iter().take(RUNS_OF_A_BRANCH) {
            if open.is_empty() {
                break;
            }
            let Some(run) = self.downloaded(found.id)? else { continue };
            for point in run.points.iter().filter(|point| point.measurement().is_some()) {
                open.remove(&point.key);
            }
            let date = found.created_at.parse().unwrap_or_default();
            measured.push(HistoryRun::new(&found.head_sha, date, run).or_exit(Exit::Infrastructure)?);
        }
        if measured.is_empty() {
            output::say(&format!(
                "branch {branch} has no successful run with results yet; every point is new"
            ));
        }
        measured.reverse();
        Ok(History::new(measured).baseline(head))
    }

    /// A workflow run's numbers: those that its report collected, else those of its jobs; `None` where it measured nothing.
    fn downloaded(&self, id: u64) -> Result<Option<Run>, Failure> {
        let folder = self.baseline_artifacts.join(id.to_string());
        self.download(id, &folder, &|name| name == COLLECTED)?;
        let collected = folder.join(COLLECTED);
        if collected.join(store::RUN_FILE).is_file() {
            return Ok(Some(store::load_run(&collected)?));
        }
        self.download(id, &folder, &|name| name.starts_with(OF_A_JOB))?;
        let run = store::gather(&folder, None)?.assembly.run;
        Ok(Some(run).filter(|run| !run.points.is_empty()))
    }

    fn download(&self, id: u64, folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<(), Failure> {
        github::talk(self.repository().as_deref(), async |client, repository| {
            download_run(client, repository, id, folder, wanted).await
        })?;
        Ok(())
    }

    fn repository(&self) -> Option<String> {
        self.baseline_repository.clone().or_else(|| variable("GITHUB_REPOSITORY"))
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
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
            rules: SettingsFile::from(self.settings.clone()).load(&output::say)?.regressions,
            today: Some(chrono::Utc::now().date_naive()),
        })
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
        let repeats: Vec<Run> = self.repeat.iter().map(|path| store::load_run(path)).collect::<Result<_, _>>()?;
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
            ("run:16890123456", Baseline::Run(16_890_123_456)),
            ("branch:release/1.0", Baseline::Branch("release/1.0".to_owned())),
            ("c:/runs", Baseline::File("c:/runs".into())),
        ] {
            assert_eq!(text.parse(), Ok(baseline), "{text}");
        }
        assert!("run:main".parse::<Baseline>().is_err());
    }
}
