//! Moves fragments to the end of the log.

use super::EditError;
use crate::changelog;
use crate::planning::ChangelogFiles;
use crate::system::files;

/// Moves all fragments to the end of the log, and returns how many there were. `repository` is the `owner/name` in the links.
///
/// # Errors
/// [`EditError`].
pub(crate) fn fold(changelog: &ChangelogFiles, repository: &str) -> Result<usize, EditError> {
    let state = changelog.in_checkout()?;
    if state.fragments.is_empty() {
        return Ok(0);
    }
    let folded = changelog::fold(state.log.text.as_bytes(), &state.fragments, repository)?;
    files::write(changelog.log_path(), &folded).map_err(EditError::Write)?;
    for fragment in &state.fragments {
        std::fs::remove_file(&fragment.path).map_err(|source| EditError::RemoveFragment {
            fragment: fragment.path.clone(),
            source,
        })?;
    }
    Ok(state.fragments.len())
}
