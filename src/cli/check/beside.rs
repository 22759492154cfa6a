//! What stands beside the configs: the recipes that start their engines, the profiles of their runners, the changelog
//! that selects them. A folder or file that does not exist is not missed: a repository may keep it elsewhere.

use std::collections::BTreeSet;
use std::path::Path;

use crate::changelog;
use crate::cli::Failure;
use crate::cli::changelog::ChangelogFiles;
use crate::cli::configs::source;
use crate::config::{Entry, Runners};
use crate::job::{ProfileError, RunnerProfile, choose_recipe};
use crate::matrix::Row;
use crate::model::{Diagnostic, Diagnostics, Layout};
use crate::system::files;

/// Recipes that an entry's single-node rows have none of; one warning for each reason.
pub(super) fn recipes(entry: &Entry, rows: &[Row], folder: &Path) -> Diagnostics {
    let mut found = Diagnostics::new();
    if !folder.is_dir() {
        return found;
    }
    let read = |path: &str| files::read_text(&folder.join(path)).ok();
    let shown = folder.display().to_string();
    let mut reasons = BTreeSet::new();
    // Over several nodes, `additional-settings` name what is started, in the engine's own terms.
    for row in rows.iter().filter(|row| matches!(row.layout, Layout::SingleNode(_))) {
        if let Err(error) = choose_recipe(row, &shown, &read, &|_| String::new()) {
            reasons.insert(error.to_string());
        }
    }
    for reason in reasons {
        found.push(Diagnostic::warning("missing-recipe", reason).at(entry.place.clone()));
    }
    found
}

/// Profiles that runners have none of, or a wrong one; one finding for each profile.
pub(super) fn profiles(runners: &Runners, folder: &Path) -> Diagnostics {
    let mut found = Diagnostics::new();
    if !folder.is_dir() {
        return found;
    }
    let read = |path: &str| files::read_text(&folder.join(path)).ok();
    let shown = folder.display().to_string();
    let mut seen = BTreeSet::new();
    for (label, nodes) in &runners.labels {
        for node in nodes {
            if !seen.insert(node.profile_prefix()) {
                continue;
            }
            let diagnostic = match RunnerProfile::load(node.profile_prefix(), &shown, &read) {
                Ok(_) => continue,
                Err(error @ ProfileError::Missing { .. }) => Diagnostic::warning("missing-profile", error.to_string()),
                Err(
                    error @ (ProfileError::Yaml { .. }
                    | ProfileError::Value { .. }
                    | ProfileError::Circle { .. }
                    | ProfileError::UnsafeName(_)),
                ) => Diagnostic::error("profile", first_line(&error)),
            };
            found.push(match runners.places.get(label.as_str()) {
                Some(place) => diagnostic.at(place.clone()),
                None => diagnostic,
            });
        }
    }
    found
}

/// What comes after the first line shows the profile itself, whose place this is not.
fn first_line(error: &ProfileError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// What is wrong with the changelog and its fragments.
///
/// # Errors
/// Where the fragments' folder cannot be read.
pub(super) fn changelog(files: &ChangelogFiles) -> Result<Diagnostics, Failure> {
    let mut found = Diagnostics::new();
    let log = files.log().to_owned();
    let paths = log.exists().then_some(log).into_iter().chain(files.fragment_paths()?);
    for path in paths {
        if let Some(source) = source(&path, &mut found)
            && let Err(wrong) = changelog::check(&source)
        {
            found.append(wrong);
        }
    }
    Ok(found)
}
