//! `imax doctor --fleet`: the runners of a repository and of its organisation, and the labels of configs that no online runner has.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Warn;
use super::config_files::{ConfigFiles, ConfigFilesError};
use crate::github::{self, GithubError};

/// The runners and what waits for them.
#[derive(Debug, Serialize)]
pub(crate) struct RunnerFleet {
    pub runners: Vec<FleetRunner>,
    /// Labels of configs that no online runner has.
    pub without_runner: Vec<LabelWithoutRunner>,
}

/// A runner.
#[derive(Debug, Serialize)]
pub(crate) struct FleetRunner {
    pub name: String,
    /// `idle`, `busy` or `offline`.
    pub state: &'static str,
    pub labels: Vec<String>,
    /// The job that it runs, if GitHub names it.
    pub job: Option<String>,
}

/// A label whose rows wait.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LabelWithoutRunner {
    pub label: String,
    /// Offline runners with the label.
    pub offline: usize,
    /// Config keys with the label.
    pub configs: Vec<String>,
}

/// Why the fleet is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunnerFleetError {
    #[error(transparent)]
    Configs(#[from] ConfigFilesError),
    #[error(transparent)]
    Github(#[from] GithubError),
}

/// Examines the runners of a repository, `owner/name`.
///
/// # Errors
/// [`RunnerFleetError`].
pub(crate) async fn runner_fleet(repository: Option<&str>, configs: &ConfigFiles, warn: Warn<'_>) -> Result<RunnerFleet, RunnerFleetError> {
    let catalog = configs.load(warn)?;
    let (client, repository) = github::connect(repository)?;
    let mut found = github::runners(&client, &repository).await?;
    // A token of the repository alone cannot list them, and a person has none.
    match github::organisation_runners(&client, &repository).await {
        Ok(shared) => found.extend(shared),
        Err(error) => warn(&format!("runners of an organisation are not known: {error}")),
    }
    // Jobs explain the state; without them the list is still good.
    let jobs: BTreeMap<String, String> = match github::jobs_by_runner(&client, &repository).await {
        Ok(jobs) => jobs.into_iter().collect(),
        Err(error) => {
            warn(&format!("the jobs of runners are not known: {error}"));
            BTreeMap::new()
        }
    };
    let mut by_label: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for entry in catalog.entries.values() {
        by_label.entry(entry.runner.as_str()).or_default().push(entry.key.to_string());
    }
    let mut without_runner = Vec::new();
    for (label, configs) in by_label {
        let with_label = found.iter().filter(|runner| runner.labels.iter().any(|own| own == label));
        let (online, offline): (Vec<_>, Vec<_>) = with_label.partition(|runner| runner.is_online);
        if online.is_empty() {
            without_runner.push(LabelWithoutRunner {
                label: label.to_owned(),
                offline: offline.len(),
                configs,
            });
        }
    }
    let runners = found.into_iter().map(|runner| FleetRunner {
        state: match (runner.is_online, runner.is_busy) {
            (false, _) => "offline",
            (true, true) => "busy",
            (true, false) => "idle",
        },
        job: jobs.get(&runner.name).filter(|_| runner.is_busy).cloned(),
        name: runner.name,
        labels: runner.labels,
    });
    Ok(RunnerFleet {
        runners: runners.collect(),
        without_runner,
    })
}
