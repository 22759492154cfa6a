//! Writes a new entry to a fragment.

use std::num::NonZeroU32;
use std::path::PathBuf;

use super::{EditError, open_repository};
use crate::changelog::{Entry, ScenarioType, draft_name, render};
use crate::planning::ChangelogFiles;
use crate::system::files;

/// Placeholder link of an entry whose pull request has no number yet.
const PLACEHOLDER_LINK: &str = "XXX";

#[derive(Debug)]
pub(crate) struct NewEntry {
    pub config_keys: Vec<String>,
    pub description: Vec<String>,
    /// The pull request's number, if it is known.
    pub pull_request: Option<u64>,
    pub evals_only: bool,
    pub all_evals: bool,
    pub append_only: bool,
    pub eval_min_prefill_ep: Option<NonZeroU32>,
    /// Empty for all scenarios.
    pub scenario_types: Vec<ScenarioType>,
    /// The fragment's name without extension; by default the pull request's number or the branch's name.
    pub fragment_name: Option<String>,
    pub changelog: ChangelogFiles,
    /// `owner/name` of the repository in the link.
    pub repository: String,
}

/// Appends the entry to a fragment, which is created if it does not exist, and returns the fragment's path.
///
/// # Errors
/// [`EditError`].
pub(crate) fn add_entry(new: NewEntry) -> Result<PathBuf, EditError> {
    let NewEntry {
        config_keys,
        description,
        pull_request,
        evals_only,
        all_evals,
        append_only,
        eval_min_prefill_ep,
        scenario_types,
        fragment_name,
        changelog,
        repository,
    } = new;
    let entry = render(&Entry {
        config_keys,
        description,
        pr_link: match pull_request {
            Some(number) => format!("https://github.com/{repository}/pull/{number}"),
            None => PLACEHOLDER_LINK.to_owned(),
        },
        evals_only,
        all_evals,
        append_only,
        eval_min_prefill_ep,
        scenario_type: (!scenario_types.is_empty()).then_some(scenario_types),
    });
    let name = name_of_fragment(fragment_name.as_deref(), pull_request)?;
    let path = changelog.fragments_folder().join(format!("{name}.yaml"));
    let text = if path.exists() {
        let existing = files::read_text(&path).map_err(EditError::Read)?;
        format!("{}\n\n{entry}", existing.trim_end())
    } else {
        entry
    };
    files::write(&path, text.as_bytes()).map_err(EditError::Write)?;
    Ok(path)
}

fn name_of_fragment(given: Option<&str>, pull_request: Option<u64>) -> Result<String, EditError> {
    let name = match (given, pull_request) {
        (Some(name), _) => draft_name(name),
        (None, Some(number)) => number.to_string(),
        (None, None) => open_repository()?.branch().map(|branch| draft_name(&branch)).unwrap_or_default(),
    };
    if name.is_empty() {
        return Err(EditError::NoFragmentName);
    }
    Ok(name)
}
