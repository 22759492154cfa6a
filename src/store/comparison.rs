//! Compares a run with stored ones: reads the baselines, the history for noise estimates, and repeated runs.

use std::path::PathBuf;

use chrono::NaiveDate;

use super::baseline::{self, Baseline, BaselineError, LoadedBaseline, WorkflowRuns};
use super::gather::{GatherError, load_run};
use super::history::{HistoryHome, HistoryReadError};
use crate::analysis::{self, Comparison, History, Knowledge, Run, Side};
use crate::settings::Regressions;

/// Inputs of a comparison besides the two runs.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// The history for noise estimates.
    pub history: Option<HistoryHome>,
    /// Number of runs of a history to read, newest first.
    pub history_runs: usize,
    /// Runs that repeat the head without a change.
    pub repeats: Vec<PathBuf>,
    /// The section `regressions` of `imax.yaml`.
    pub rules: Regressions,
    /// The sources of these settings other than the checkout, a sentence each.
    pub rule_remarks: Vec<String>,
    /// Scores of the head that fail by thresholds that it does not choose itself, a sentence each.
    pub low_scores: Vec<String>,
    /// The current day, for the expiry of accepted regressions.
    pub today: NaiveDate,
    /// Overrides the base's name in the report.
    pub base_name: Option<String>,
    /// Overrides the head's name in the report.
    pub head_name: Option<String>,
}

impl Evidence {
    /// Reads the history.
    ///
    /// # Errors
    /// [`HistoryReadError`].
    pub(crate) async fn knowledge(&self) -> Result<Knowledge, HistoryReadError> {
        let history = match &self.history {
            Some(home) => home.newest(self.history_runs).await?,
            None => History::default(),
        };
        Ok(Knowledge {
            history,
            level: false,
            rules: self.rules.clone(),
            today: Some(self.today),
        })
    }

    /// Reads the repeats of the head and compares.
    ///
    /// # Errors
    /// [`GatherError`] for a repeat that is not a run.
    pub(crate) fn compare(
        &self,
        (base_name, base): (&str, Vec<&Run>),
        (head_name, head): (&str, &Run),
        knowledge: &Knowledge,
    ) -> Result<Comparison, GatherError> {
        let repeats: Vec<Run> = self.repeats.iter().map(|path| load_run(path)).collect::<Result<_, _>>()?;
        let base = Side {
            name: self.base_name.as_deref().unwrap_or(base_name),
            runs: base,
        };
        let head = Side {
            name: self.head_name.as_deref().unwrap_or(head_name),
            runs: std::iter::once(head).chain(&repeats).collect(),
        };
        let mut comparison = analysis::compare(&base, &head, knowledge);
        comparison
            .rules
            .splice(0..0, self.rule_remarks.iter().chain(&self.low_scores).cloned());
        comparison.low_scores.clone_from(&self.low_scores);
        Ok(comparison)
    }
}

/// A comparison with baselines.
#[derive(Debug)]
pub(crate) struct BaselineComparison {
    pub comparison: Comparison,
    /// Branches among the baselines without results.
    pub empty_branches: Vec<String>,
}

/// Reads the baselines and compares a run with them. The base is named after the first one; several are repeats of each other.
///
/// # Errors
/// [`BaselineError`].
pub(crate) async fn compare_with_baselines(
    baselines: &[Baseline],
    remote: &WorkflowRuns,
    evidence: &Evidence,
    (head_name, head): (&str, &Run),
) -> Result<BaselineComparison, BaselineError> {
    let mut knowledge = evidence.knowledge().await?;
    let mut base = Vec::new();
    let mut empty_branches = Vec::new();
    for baseline in baselines {
        match baseline::load(baseline, remote, evidence.history_runs, head).await? {
            LoadedBaseline::Run(mut run) => {
                analysis::pair_raw_points(head, &mut run);
                base.push(run);
            }
            LoadedBaseline::History(history) => {
                base.push(history.baseline(head));
                knowledge.history = history;
                knowledge.level = true;
            }
            LoadedBaseline::EmptyBranch(run) => {
                base.push(run);
                empty_branches.push(baseline.to_string());
            }
        }
    }
    let name = baselines.first().map(ToString::to_string).unwrap_or_default();
    let comparison = evidence.compare((&name, base.iter().collect()), (head_name, head), &knowledge)?;
    Ok(BaselineComparison {
        comparison,
        empty_branches,
    })
}
