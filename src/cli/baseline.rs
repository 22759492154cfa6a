//! The arguments that name a run and what it is compared with, shared by `imax report`, `imax comment`, `imax notify` and
//! `imax compare`.

use std::path::PathBuf;

use clap::Args;

use super::settings::SettingsArgs;
use super::{Failure, output};
use crate::analysis::{Comparison, Problem, Run};
use crate::github;
use crate::model::with_causes;
use crate::planning::{JudgingSettings, SettingsFile};
use crate::store;
use crate::store::baseline::{Baseline, WorkflowRuns};
use crate::store::comparison::{self, BaselineComparison, Evidence};
use crate::store::history::HistoryHome;
use crate::system::environment;

/// A run, and what it is compared with.
#[derive(Debug, Args)]
pub struct ComparedRunArgs {
    /// The run to show: a folder that imax collect wrote, a folder of artifacts, run.json, agg_bmk.json or one result.
    run: PathBuf,
    /// What to compare with: a path or file:PATH of any form accepted for the run; history:HISTORY for the level of each point in a
    /// history; run:ID for the artifacts of a workflow run; branch:NAME for the newest measurement of each point on a branch. Give it
    /// several times for repeated runs of the same commit.
    #[arg(long, visible_alias = "compare", value_name = "BASELINE")]
    baseline: Vec<Baseline>,
    /// If the baseline cannot be read, print a warning and report the run without a comparison.
    #[arg(long, requires = "baseline")]
    baseline_optional: bool,
    /// With run: and branch:, the repository as owner/name [default: GITHUB_REPOSITORY].
    #[arg(long, value_name = "REPOSITORY")]
    baseline_repository: Option<String>,
    /// With branch:, the workflow's file [default: that of GITHUB_WORKFLOW_REF, else any].
    #[arg(long, value_name = "FILE")]
    baseline_workflow: Option<String>,
    /// With run: and branch:, the folder for downloaded artifacts.
    #[arg(long, value_name = "FOLDER", default_value = "imax-baseline")]
    baseline_artifacts: PathBuf,
    #[command(flatten)]
    evidence: EvidenceArgs,
}

/// Input of a comparison besides the two runs.
#[derive(Debug, Args)]
pub struct EvidenceArgs {
    /// History from which the noise of each point is known: a folder that imax collect --history wrote, or what imax publish wrote, FILE.db,
    /// postgres://USER@HOST/DATABASE, branch (branch:NAME, branch:OWNER/REPOSITORY:NAME), or s3://BUCKET/PREFIX (gs://, az://).
    #[arg(long, value_name = "HISTORY")]
    history: Option<HistoryHome>,
    /// Number of runs to read from the history, newest first.
    #[arg(long, value_name = "RUNS", default_value_t = 60)]
    history_runs: usize,
    /// Another run of the same commit as the run to judge; can be repeated.
    #[arg(long, value_name = "RUN")]
    repeat: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Name of the baseline in the report [default: its path].
    #[arg(long, value_name = "NAME")]
    base_name: Option<String>,
    /// Name of the run in the report [default: its path].
    #[arg(long, value_name = "NAME")]
    head_name: Option<String>,
}

/// A run, and its comparison if a baseline was given.
#[derive(Debug)]
pub struct ComparedRun {
    pub run: Run,
    pub comparison: Option<Comparison>,
}

impl ComparedRunArgs {
    /// Reads the run and compares it.
    ///
    /// # Errors
    /// Invalid input for an invalid run, history or settings file; the errors of GitHub's API if the baseline is on GitHub.
    pub async fn load(self) -> Result<ComparedRun, Failure> {
        self.load_with(&[]).await
    }

    /// As [`Self::load`], of a run whose results are in several files.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub async fn load_with(self, more: &[PathBuf]) -> Result<ComparedRun, Failure> {
        let Self {
            run: path,
            baseline,
            baseline_optional,
            baseline_repository,
            baseline_workflow,
            baseline_artifacts,
            evidence,
        } = self;
        let mut run = store::load_runs(&path, more)?;
        let fork = github::measured_fork()?;
        run.problems.extend(fork.map(|repository| Problem::Fork { repository }));
        let Some(first) = baseline.first() else {
            return Ok(ComparedRun { run, comparison: None });
        };
        let remote = WorkflowRuns {
            repository: baseline_repository.or_else(|| environment::text("GITHUB_REPOSITORY")),
            workflow: baseline_workflow.or_else(|| environment::text("GITHUB_WORKFLOW_REF")),
            folder: baseline_artifacts,
        };
        let head_name = path.display().to_string();
        let comparison = match compare(&baseline, &remote, evidence, (&head_name, &run)).await {
            Ok(comparison) => Some(comparison),
            Err(failure) if baseline_optional => {
                output::say(&format!(
                    "warning: no comparison with {first}: {}",
                    with_causes(failure.error.as_ref())
                ));
                None
            }
            Err(failure) => return Err(failure),
        };
        Ok(ComparedRun { run, comparison })
    }
}

async fn compare(baselines: &[Baseline], remote: &WorkflowRuns, evidence: EvidenceArgs, head: (&str, &Run)) -> Result<Comparison, Failure> {
    let (mut evidence, judging) = evidence.into_evidence()?;
    evidence.low_scores = judging.low_scores(&head.1.evals);
    let compared = comparison::compare_with_baselines(baselines, remote, &evidence, head).await?;
    let BaselineComparison {
        comparison,
        empty_branches,
    } = compared;
    for branch in &empty_branches {
        output::say(&format!(
            "branch {branch} has no successful run with results yet; every point is new"
        ));
    }
    say_expired(&comparison);
    Ok(comparison)
}

/// Prints a warning for each acceptance of a regression that has expired.
pub(super) fn say_expired(comparison: &Comparison) {
    for expired in &comparison.expired {
        output::say(&format!("warning: {expired}"));
    }
}

impl EvidenceArgs {
    /// Reads the settings, and returns the input of a comparison, without low scores, and what judges scores.
    ///
    /// # Errors
    /// Invalid input for invalid settings.
    pub(crate) fn into_evidence(self) -> Result<(Evidence, JudgingSettings), Failure> {
        let Self {
            history,
            history_runs,
            repeat,
            settings,
            base_name,
            head_name,
        } = self;
        let judging = SettingsFile::from(settings).judging(github::base_sha()?.as_deref(), &output::say)?;
        let evidence = Evidence {
            history,
            history_runs,
            repeats: repeat,
            rules: judging.settings.regressions.clone(),
            rule_remarks: judging.remarks.clone(),
            low_scores: Vec::new(),
            today: chrono::Utc::now().date_naive(),
            base_name,
            head_name,
        };
        Ok((evidence, judging))
    }
}
