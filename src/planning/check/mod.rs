//! All findings in a repository's configs, runners, changelog, settings, recipes and runner profiles.

mod cost_and_score_files;
mod explain;
mod referenced_files;
mod rows;

use std::path::{Path, PathBuf};

use super::changelog_files::{ChangelogFiles, ChangelogFilesError};
use super::config_files::{ConfigFiles, ConfigFilesError, ConfigSources};
use super::settings_file::SettingsFile;
use crate::config::{self, Catalog};
use crate::matrix::{self, Expansion};
use crate::model::{Diagnostic, Diagnostics};
use crate::system::untrusted;

use cost_and_score_files::{check_hardware, check_thresholds};
pub(crate) use explain::{Explained, Explanation, explain};
pub(in crate::planning) use referenced_files::Folders;
use referenced_files::{check_changelog, check_image, check_profiles, check_tasks};
use rows::check_rows;
pub(in crate::planning) use rows::refused_rows;
pub(crate) use rows::{RefusedRows, RowCounts, RowVerdict};

/// What to check. A folder or file that does not exist is skipped: a repository may keep it elsewhere.
#[derive(Debug)]
pub(crate) struct CheckRequest {
    pub configs: ConfigFiles,
    pub changelog: ChangelogFiles,
    pub settings: SettingsFile,
    pub recipe_folder: PathBuf,
    pub profile_folder: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(transparent)]
    Configs(#[from] ConfigFilesError),
    #[error(transparent)]
    Changelog(#[from] ChangelogFilesError),
    #[error("no config key matches `{pattern}`; expected a glob, such as `dsr1-*`")]
    NoMatch { pattern: String },
    #[error("invalid pattern of config keys: {0}")]
    InvalidPattern(#[from] globset::Error),
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Checked {
    /// All findings, warnings included.
    pub found: Diagnostics,
    /// How many rows the configs have, and how many of them `imax run` would refuse.
    pub rows: RowCounts,
}

/// Checks all files.
///
/// # Errors
/// [`CheckError`] if a folder cannot be listed.
pub(crate) fn check(request: &CheckRequest) -> Result<Checked, CheckError> {
    let mut found = Diagnostics::new();
    let mut rows = RowCounts::default();
    if let Some(catalog) = read_catalog(&request.configs, &mut found)? {
        found.append(check_catalog(&catalog, request, &mut rows));
    }
    found.append(check_changelog(&request.changelog)?);
    found.append(request.settings.check());
    found.append(check_hardware(&request.configs));
    found.append(check_thresholds(&request.configs));
    found.append(check_tasks(&request.recipe_folder));
    Ok(Checked { found, rows })
}

/// The catalog; `None`, with findings added to `found`, if it is invalid or its files cannot be read.
fn read_catalog(configs: &ConfigFiles, found: &mut Diagnostics) -> Result<Option<Catalog>, ConfigFilesError> {
    let ConfigSources { configs, runners } = match configs.read(found) {
        Ok(sources) => sources,
        Err(error @ ConfigFilesError::Folder { .. }) => {
            found.push(Diagnostic::error("config-folder", error.to_string()).help("create the folder, or name another with --config-dir"));
            return Ok(None);
        }
        Err(error @ ConfigFilesError::NoMasterConfig { .. }) => {
            found.push(Diagnostic::error("config-folder", error.to_string()));
            return Ok(None);
        }
        Err(error @ (ConfigFilesError::FolderEntry { .. } | ConfigFilesError::Invalid(_))) => return Err(error),
    };
    Ok(Catalog::read_valid(&configs, runners.as_ref(), found))
}

fn check_catalog(catalog: &Catalog, request: &CheckRequest, counts: &mut RowCounts) -> Diagnostics {
    let mut found = config::lint(catalog);
    let folders = Folders {
        recipes: &request.recipe_folder,
        profiles: &request.profile_folder,
    };
    for entry in catalog.entries.values() {
        if let Some(finding) = check_image(entry, &catalog.runners, folders.profiles) {
            found.push(finding);
        }
        match matrix::expand(entry, &catalog.runners, &Expansion::default()) {
            Ok(rows) => {
                let checked = check_rows(&rows, &catalog.runners, folders);
                counts.add(checked.counts);
                found.append(checked.findings(entry));
                found.append(matrix::repeated_points(entry, &catalog.runners));
            }
            Err(refused) => found.append(refused),
        }
    }
    found.append(check_profiles(&catalog.runners, &request.profile_folder));
    found
}

/// The text of a recipe or profile; `None` if it is missing or cannot be read.
fn read_in(folder: &Path, path: &str) -> Option<String> {
    untrusted::read_checked_out_text(&folder.join(path)).ok()
}
