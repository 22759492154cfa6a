//! Folding fragments into the log: their entries are appended, in the order of the fragments.

use super::Fragment;
use super::prepare::appended;
use super::strict::{Change, Links, StrictError, StrictLog, with_link};

#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The log or a fragment is not in the strict form.
    #[error(transparent)]
    Strict(#[from] StrictError),
    /// A fragment's entry has a placeholder link, and its file is not named after a pull request.
    #[error("{file} has the placeholder {link:?} as its pr-link; write the link, or name the file after the pull request (`1234.yaml`)")]
    Placeholder { file: String, link: String },
}

/// The log with all fragments appended. A placeholder link becomes that of the pull request whose number is the
/// fragment's file name.
///
/// # Errors
/// If the log or a fragment is not in the strict form, or a placeholder remains.
pub fn fold(log: &[u8], fragments: &[Fragment], repository: &str) -> Result<Vec<u8>, FoldError> {
    let mut blocks = Vec::new();
    for fragment in fragments {
        let entries = StrictLog::parse(fragment.source.text.as_bytes(), &fragment.path)?;
        let links = links_of(&fragment.path, repository);
        for entry in &entries.entries {
            let block = entries.block(entry);
            blocks.push(match &links {
                Some(links) if links.is_placeholder(entry.link()) => with_link(block, &links.expected())?,
                None if Links::of_repository(repository).is_placeholder(entry.link()) => {
                    return Err(FoldError::Placeholder {
                        file: fragment.path.clone(),
                        link: entry.link().to_owned(),
                    });
                }
                Some(_) | None => block.to_vec(),
            });
        }
    }
    let result = appended(log, &blocks);
    if log.is_empty() || blocks.is_empty() {
        return Ok(result);
    }
    let before = StrictLog::parse(log, "the log")?;
    let after = StrictLog::parse(&result, "the folded log")?;
    match before.change_to(&after, &Links::of_repository(repository))? {
        Change::Nothing | Change::Appended(_) | Change::Corrected(_) => Ok(result),
    }
}

/// The links of the pull request that a file is named after.
fn links_of(file: &str, repository: &str) -> Option<Links> {
    let name = file.rsplit('/').next()?;
    let number = name.split('.').next()?.parse().ok()?;
    Some(Links::of_pull_request(repository, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceFile;

    fn entry(key: &str, link: &str) -> String {
        format!("- config-keys:\n    - {key}\n  description:\n    - \"d\"\n  pr-link: {link}\n")
    }

    fn fragment(file: &str, text: &str) -> Fragment {
        Fragment {
            path: file.to_owned(),
            source: SourceFile::new(file, text),
        }
    }

    #[test]
    fn fragments_are_appended_with_link_from_file_name() {
        let log = entry("a", "l/1");
        let fragments = [fragment("d/12.yaml", &entry("b", "XXX")), fragment("d/x.yaml", &entry("c", "l/3"))];
        let folded = fold(log.as_bytes(), &fragments, "org/repo").unwrap();
        let wanted = format!(
            "{log}\n{}\n{}",
            entry("b", "https://github.com/org/repo/pull/12"),
            entry("c", "l/3")
        );
        assert_eq!(String::from_utf8(folded).unwrap(), wanted);
        let first = fold(b"", &fragments[1..], "org/repo").unwrap();
        assert_eq!(String::from_utf8(first).unwrap(), entry("c", "l/3"));
    }

    #[test]
    fn placeholder_without_pull_request_number_is_refused() {
        let error = fold(b"", &[fragment("d/x.yaml", &entry("c", "XXX"))], "org/repo")
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("d/x.yaml has the placeholder"), "{error}");
    }
}
