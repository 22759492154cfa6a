//! Findings in the files that configs refer to, and in those that refer to configs: runner profiles, changelog.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::changelog;
use crate::config::{Entry, NO_IMAGE, Runners};
use crate::eval::task;
use crate::fleet::launcher::launch_rules;
use crate::job::{ProfileError, RunnerProfile};
use crate::measure::read_sessions;
use crate::model::{Diagnostic, Diagnostics, Place, with_causes};
use crate::planning::source_file::{read_source, unreadable};
use crate::planning::{ChangelogFiles, ChangelogFilesError};
use crate::system::optional_files::OptionalFiles;
use crate::system::untrusted;

/// Where `imax run` looks for tasks, below the recipes.
const TASK_FOLDER: &str = "evals";

/// The folders of the files that configs refer to.
#[derive(Clone, Copy)]
pub(in crate::planning) struct Folders<'a> {
    pub recipes: &'a Path,
    pub profiles: &'a Path,
}

/// An entry without an image although a runner of its label needs one, or may need one because its profile is not known.
pub(super) fn check_image(entry: &Entry, runners: &Runners, profiles: &Path) -> Option<Diagnostic> {
    if entry.image.as_str() != NO_IMAGE {
        return None;
    }
    let rules = launch_rules();
    let needs_image = |prefix: &str| {
        let Ok(profile) = load_profile(prefix, &OptionalFiles::of(profiles)) else {
            return true;
        };
        let launcher = rules.iter().find(|rules| rules.name() == profile.launch.name());
        launcher.is_none_or(|launcher| launcher.needs_image(&profile.launch))
    };
    let of_label = runners.labels.get(&entry.runner).map(Vec::as_slice).unwrap_or_default();
    let first = of_label.iter().find(|runner| needs_image(runner.profile_prefix()))?;
    let message = format!("`{}` has no image, and the launcher of runner {first} starts containers", entry.key);
    Some(
        Diagnostic::error("missing-image", message)
            .at(entry.place.clone())
            .help("add `image: NAME:TAG`, or use launcher local or endpoint"),
    )
}

fn load_profile(name: &str, files: &OptionalFiles<'_>) -> Result<RunnerProfile, ProfileError> {
    RunnerProfile::load(
        name,
        &files.folder().display().to_string(),
        &|path| files.read(path),
        &launch_rules(),
    )
}

/// Runners whose profile is missing, unreadable or invalid; one finding for each file.
pub(super) fn check_profiles(runners: &Runners, folder: &Path) -> Diagnostics {
    let mut found = Diagnostics::new();
    if !folder.is_dir() {
        return found;
    }
    let mut checked = BTreeSet::new();
    for (label, nodes) in &runners.labels {
        for node in nodes {
            if !checked.insert(node.profile_prefix()) {
                continue;
            }
            let place = runners.places.get(label.as_str());
            for diagnostic in check_profile(node.profile_prefix(), folder, place) {
                // Profiles that extend the same unreadable file would each report it.
                if !found
                    .iter()
                    .any(|known| known.code == "file" && known.message == diagnostic.message)
                {
                    found.push(diagnostic);
                }
            }
        }
    }
    found
}

/// `runner` is the place of the runner in the runner file.
fn check_profile(name: &str, folder: &Path, runner: Option<&Place>) -> Vec<Diagnostic> {
    let files = OptionalFiles::of(folder);
    let loaded = load_profile(name, &files);
    let unreadable_files = files.into_errors();
    if !unreadable_files.is_empty() {
        let findings = unreadable_files.iter().map(|error| match runner {
            Some(place) => unreadable(error).related(place.clone(), "the runner that uses it"),
            None => unreadable(error),
        });
        return findings.collect();
    }
    let finding = match &loaded {
        Ok(profile) => missing_file(profile, folder).or_else(|| unusable_sessions(profile)),
        Err(error) => Some(invalid_profile(error)),
    };
    finding
        .into_iter()
        .map(|finding| match runner {
            Some(place) => finding.at(place.clone()),
            None => finding,
        })
        .collect()
}

/// A file of the runner folder that a profile's jobs need and that is missing.
fn missing_file(profile: &RunnerProfile, folder: &Path) -> Option<Diagnostic> {
    let rules = launch_rules();
    let launcher = rules.iter().find(|rules| rules.name() == profile.launch.name())?;
    let files = launcher.runner_files(&profile.launch);
    let missing = files.iter().find(|file| !folder.join(file).is_file())?;
    let message = format!(
        "runner profile {} needs {}, which does not exist",
        profile.name,
        folder.join(missing).display()
    );
    Some(Diagnostic::error("missing-script", message).help("write it, or name another launcher in the profile"))
}

/// The recorded sessions of a profile, as far as they are in the checkout: an absolute path is one of the nodes.
fn unusable_sessions(profile: &RunnerProfile) -> Option<Diagnostic> {
    let sessions = Path::new(profile.load.sessions.as_deref()?);
    if sessions.is_absolute() {
        return None;
    }
    let of_profile = format!("`load.sessions` of runner profile {}", profile.name);
    if !sessions.exists() {
        let message = format!("{of_profile} is {}, which does not exist", sessions.display());
        return Some(
            Diagnostic::warning("missing-sessions", message).help("add it, or let a hook of the profile fetch it before the row starts"),
        );
    }
    let error = read_sessions(sessions).err()?;
    Some(Diagnostic::error("sessions", format!("{of_profile}: {}", with_causes(&error))))
}

/// The accuracy tasks of the repository, which rows with an evaluation use.
pub(super) fn check_tasks(recipes: &Path) -> Diagnostics {
    let mut found = Diagnostics::new();
    let files = untrusted::list(&recipes.join(TASK_FOLDER)).unwrap_or_default();
    let mut tasks: Vec<PathBuf> = files.into_iter().filter(|(_, kind)| kind.is_file()).map(|(path, _)| path).collect();
    tasks.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    tasks.sort();
    for path in tasks {
        if let Some(source) = read_source(&path, &mut found)
            && let Err(findings) = task::read(&source)
        {
            found.append(findings);
        }
    }
    found
}

fn invalid_profile(error: &ProfileError) -> Diagnostic {
    match error {
        ProfileError::Missing { .. } => Diagnostic::warning("missing-profile", error.to_string()),
        ProfileError::Yaml { .. }
        | ProfileError::UnknownKey { .. }
        | ProfileError::Value { .. }
        | ProfileError::Circle { .. }
        | ProfileError::Unreadable(_)
        | ProfileError::UnsafeName(_) => Diagnostic::error("profile", first_line(error)),
    }
}

/// The message without the lines that quote the profile: the finding's place is in the runner file, not in the profile.
fn first_line(error: &ProfileError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Findings in the log and its fragments.
///
/// # Errors
/// If the fragments' folder cannot be listed.
pub(super) fn check_changelog(changelog: &ChangelogFiles) -> Result<Diagnostics, ChangelogFilesError> {
    let mut found = Diagnostics::new();
    let log = changelog.log_path();
    let log = log.exists().then(|| log.to_owned());
    for path in log.into_iter().chain(changelog.fragment_paths()?) {
        if let Some(source) = read_source(&path, &mut found) {
            found.append(changelog::check(&source));
        }
    }
    Ok(found)
}
