//! The labels and priorities of a plan's jobs, by the section `queue` of the settings.

use std::path::{Path, PathBuf};

use super::plan::JobDetails;
use crate::matrix::plan::{Job, Priorities, PriorityContext};
use crate::settings::Queue;
use crate::system::files::{self, FileError};

/// The version of the file that is understood.
const VERSION: u32 = 1;

/// Why jobs have no priorities.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrioritiesError {
    #[error("`queue.priorities` of the settings: {0}")]
    Read(#[from] FileError),
    #[error("{}: expected scores as in InferenceX's ci-priority.yaml: {source}", path.display())]
    Yaml { path: PathBuf, source: Box<serde_saphyr::Error> },
    #[error("{}: version {found}, expected {VERSION}", path.display())]
    Version { path: PathBuf, found: u32 },
}

/// Sets the labels and priorities of jobs.
///
/// # Errors
/// [`PrioritiesError`] for a file that cannot be read.
pub(super) fn prioritise(jobs: &mut [Job], queue: &Queue, details: &JobDetails) -> Result<(), PrioritiesError> {
    let priorities = queue.priorities.as_deref().map(|path| load(Path::new(path))).transpose()?;
    let variable = |name| std::env::var(name).unwrap_or_default();
    let context = PriorityContext {
        event: variable("GITHUB_EVENT_NAME"),
        labels: details.labels.clone(),
        pull_request: details.pull_request,
        run: format!("{}:{}", variable("GITHUB_RUN_ID"), variable("GITHUB_RUN_ATTEMPT")),
    };
    for job in jobs {
        job.labels.clone_from(&queue.labels);
        let Some(priorities) = &priorities else { continue };
        let priority = priorities.of(&job.row, &job.id, &context);
        // People see in GitHub's list why a job waits.
        job.name = format!("p{} | {}", priority.score, job.name);
        job.priority = Some(priority);
    }
    Ok(())
}

fn load(path: &Path) -> Result<Priorities, PrioritiesError> {
    let text = files::read_text(path)?;
    let priorities: Priorities = serde_saphyr::from_str(&text).map_err(|source| PrioritiesError::Yaml {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    match priorities.version {
        VERSION => Ok(priorities),
        found => Err(PrioritiesError::Version {
            path: path.to_owned(),
            found,
        }),
    }
}
