//! Resolves a request to a job specification: the runner's name, its profile, the recipe.

use std::num::NonZeroU32;
use std::path::Path;

use super::context::JobFolders;
use super::load_settings;
use super::request::{ExecutionRequest, LoadOverrides};
use crate::fleet::launcher::launch_rules;
use crate::job::{JobSpec, LoadSettings, ProfileError, ResolveError, RunnerProfile, resolve};
use crate::measure::MeasureError;
use crate::model::{JobId, NameError, RunnerName};
use crate::system::host;
use crate::system::optional_files::OptionalFiles;
use crate::system::untrusted;

#[derive(Debug, thiserror::Error)]
pub(super) enum JobSpecError {
    /// The profile or the recipe cannot be used for the row.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The recorded sessions of the row's load cannot be read.
    #[error("cannot use the recorded sessions")]
    Sessions(#[source] MeasureError),
}

/// Why a runner has no profile.
#[derive(Debug, thiserror::Error)]
pub enum RunnerProfileError {
    #[error("invalid runner name (--runner-name or RUNNER_NAME)")]
    Name(#[from] NameError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// The name of the runner, by default this machine's.
pub(super) fn runner_name(name: Option<&str>) -> Result<RunnerName, NameError> {
    name.map_or_else(host::host_name, str::to_owned).parse()
}

/// Resolves the request, and reads the recorded sessions, so that an invalid file is found before an engine starts.
pub(super) fn resolve_job(request: &ExecutionRequest, runner: &RunnerName, folders: &JobFolders) -> Result<JobSpec, JobSpecError> {
    let mut profile = load_profile(request.profile.as_deref(), runner, &folders.runners).map_err(ResolveError::from)?;
    if request.row.profile {
        // As InferenceX's library: each request adds to the trace.
        profile.load.prompts_per_concurrency = 1;
    }
    override_load_settings(&mut profile.load, &request.load);
    let read = |path: &str| untrusted::read_checked_out_text(&folders.recipes.join(path)).ok();
    let recipe_folder = folders.recipes.display().to_string();
    let spec = resolve(
        new_job_id(),
        request.row.clone(),
        runner.clone(),
        profile,
        &recipe_folder,
        &read,
        &launch_rules(),
    )?;
    load_settings::check_sessions(&spec).map_err(JobSpecError::Sessions)?;
    Ok(spec)
}

/// The profile of a runner, for commands that examine a node without running a row on it.
pub(super) fn profile_of_runner(
    profile: Option<&str>,
    runner_name: Option<&str>,
    runner_dir: &Path,
) -> Result<RunnerProfile, RunnerProfileError> {
    let runner = self::runner_name(runner_name)?;
    Ok(load_profile(profile, &runner, runner_dir)?)
}

/// The named profile, else that of the runner. `local` is built in.
fn load_profile(name: Option<&str>, runner: &RunnerName, runner_dir: &Path) -> Result<RunnerProfile, ProfileError> {
    let files = OptionalFiles::of(runner_dir);
    let read = |name: &str| files.read(name);
    let folder = runner_dir.display().to_string();
    let profile = match name {
        Some("local") if read("local.yaml").is_none() => Ok(RunnerProfile::local()),
        Some(name) => RunnerProfile::load(name, &folder, &read, &launch_rules()),
        None => RunnerProfile::of_runner(runner, &folder, &read, &launch_rules()),
    };
    // Otherwise an unreadable profile would count as missing, and the row would run by the built-in profile `local`.
    match files.into_errors().first() {
        Some(error) => Err(ProfileError::Unreadable(error.to_string())),
        None => profile,
    }
}

fn override_load_settings(settings: &mut LoadSettings, overrides: &LoadOverrides) {
    let LoadOverrides {
        prompts_per_concurrency,
        warmups_per_concurrency,
        random_range_ratio,
        tokenizer,
        sessions,
    } = overrides;
    settings.prompts_per_concurrency = prompts_per_concurrency.map_or(settings.prompts_per_concurrency, NonZeroU32::get);
    settings.warmups_per_concurrency = warmups_per_concurrency.unwrap_or(settings.warmups_per_concurrency);
    settings.random_range_ratio = random_range_ratio.unwrap_or(settings.random_range_ratio);
    if let Some(tokenizer) = tokenizer {
        settings.tokenizer = Some(tokenizer.clone());
    }
    if let Some(sessions) = sessions.as_ref().filter(|sessions| !sessions.is_empty()) {
        settings.sessions = Some(sessions.clone());
    }
}

/// A unique job id: the time in nanoseconds, and this process's id in the low 22 bits (the size of Linux process ids).
pub(super) fn new_job_id() -> JobId {
    let nanoseconds = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    JobId::from_unique((nanoseconds << 22) | u128::from(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_profile_is_not_replaced_by_the_built_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let runner: RunnerName = "h100-a_0".parse().unwrap();
        assert_eq!(load_profile(None, &runner, folder.path()).unwrap(), RunnerProfile::local());
        // A folder cannot be read as a file, not even by root.
        std::fs::create_dir(folder.path().join("h100-a.yaml")).unwrap();
        let error = load_profile(None, &runner, folder.path()).unwrap_err();
        assert!(matches!(&error, ProfileError::Unreadable(_)), "{error}");
        assert!(error.to_string().contains("h100-a.yaml"), "{error}");
    }
}
