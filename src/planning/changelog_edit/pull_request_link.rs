//! Writes a pull request's link into its new entries.

use std::path::Path;

use super::{EditError, PullRequestEdit, open_repository};
use crate::changelog::{Links, set_links, set_links_of_fragment};
use crate::system::files;

/// Replaces the placeholder links of the entries that are new since `base_ref`. Returns the paths of the changed files.
///
/// # Errors
/// [`EditError`]; no file is changed if an entry cannot be edited.
pub(crate) fn set_pull_request_link(edit: &PullRequestEdit, base_ref: &str) -> Result<Vec<String>, EditError> {
    let PullRequestEdit {
        number,
        repository: owner_and_name,
        changelog,
    } = edit;
    let links = Links::of_pull_request(owner_and_name, *number);
    let repository = open_repository()?;
    let base = repository.commit(base_ref).map_err(EditError::Git)?;
    let log = &changelog.log;
    let Some(log_at_base) = repository.file(base, log).map_err(EditError::Git)? else {
        return Err(EditError::NoLogAtBase {
            log: log.clone(),
            base_ref: base_ref.to_owned(),
        });
    };
    let log_now = files::read(changelog.log_path()).map_err(EditError::Read)?;
    let mut edits = vec![Edit {
        file: log.clone(),
        after: set_links(&log_at_base, &log_now, &links)?,
        before: log_now,
    }];
    let known = changelog.at(&repository, base, log, log)?.fragments;
    for fragment in changelog.fragments_in_checkout()? {
        if known.iter().all(|known| known.path != fragment.path) {
            let before = fragment.source.text.as_bytes().to_owned();
            edits.push(Edit {
                after: set_links_of_fragment(&fragment.path, &before, &links)?,
                before,
                file: fragment.path,
            });
        }
    }
    write_edits(edits)
}

struct Edit {
    file: String,
    before: Vec<u8>,
    after: Vec<u8>,
}

fn write_edits(edits: Vec<Edit>) -> Result<Vec<String>, EditError> {
    let mut changed = Vec::new();
    for Edit { file, before, after } in edits {
        if before != after {
            files::write(Path::new(&file), &after).map_err(EditError::Write)?;
            changed.push(file);
        }
    }
    Ok(changed)
}
