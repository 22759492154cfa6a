//! Edits of the log before a pull request is merged: the placeholder link gets the pull request's number,
//! and appended entries of two sides are concatenated. Bytes of the history are never touched, and every
//! result is checked by the same rules as the input.

use super::strict::{Change, Links, StrictEntry, StrictError, StrictLog, with_link};

/// Why two sides could not be merged.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// A side is not in the strict form.
    #[error(transparent)]
    Strict(#[from] StrictError),
    /// All added entries are already on the main branch.
    #[error("the main branch already has every entry that the pull request adds; drop the change to the log")]
    NothingLeft,
    /// All corrected links are already corrected on the main branch.
    #[error("the main branch already has the corrected links; drop the change to the log")]
    Corrected,
    /// The pull request did not change the log.
    #[error("the pull request neither appends to the log nor corrects a link; take the main branch's log")]
    NoContribution,
    /// The entry does not exist on the main branch.
    #[error("entry {entry}, whose link the pull request corrects, is not on the main branch; resolve by hand")]
    Missing {
        /// Its number, from 1.
        entry: usize,
    },
    #[error("entry {entry}, whose link the pull request corrects, changed on the main branch; resolve by hand")]
    Changed {
        /// Its number, from 1.
        entry: usize,
    },
    /// Both sides corrected a link, differently.
    #[error("entry {entry} has two corrections of its pr-link, `{ours}` and `{theirs}`; resolve by hand")]
    TwoLinks {
        /// Its number, from 1.
        entry: usize,
        /// One side's.
        ours: String,
        theirs: String,
    },
}

/// The log with the links of the entries that `head` appended to `base` filled in. Without appended entries the log
/// is returned unchanged.
///
/// # Errors
/// If a log is not in the strict form, or more was changed than is allowed.
pub fn set_links(base: &[u8], head: &[u8], links: &Links) -> Result<Vec<u8>, StrictError> {
    let base = StrictLog::parse(base, "the base's log")?;
    let head = StrictLog::parse(head, "the pull request's log")?;
    let first = match base.change_to(&head, links)? {
        Change::Nothing | Change::Corrected(_) => return Ok(head.raw.to_vec()),
        Change::Appended(first) => first,
    };
    let result = linked(&head, first, links)?;
    base.change_to(&StrictLog::parse(&result, "the prepared log")?, links)?;
    Ok(result)
}

/// A fragment with its links filled in.
///
/// # Errors
/// If it is not in the strict form.
pub fn set_links_of_fragment(file: &str, text: &[u8], links: &Links) -> Result<Vec<u8>, StrictError> {
    linked(&StrictLog::parse(text, file)?, 0, links)
}

/// The log with the placeholders of all entries from number `first` on filled in.
fn linked(log: &StrictLog<'_>, first: usize, links: &Links) -> Result<Vec<u8>, StrictError> {
    let link = links.expected();
    let placeholders = log.entries.iter().skip(first).filter(|entry| links.is_placeholder(entry.link()));
    let edits = placeholders.map(|entry| Ok((entry, with_link(log.block(entry), &link)?)));
    Ok(with_blocks(log.raw, edits.collect::<Result<_, StrictError>>()?))
}

/// The main branch's log with the changes of the pull request, and the pull request's link in its new entries.
///
/// # Errors
/// If a log is not in the strict form, if the pull request has nothing to add, or if both sides changed the
/// same entry.
pub fn resolve(base: &[u8], pull_request: &[u8], main: &[u8], links: &Links) -> Result<Vec<u8>, ResolveError> {
    let base = StrictLog::parse(base, "the merge base's log")?;
    let pull_request = StrictLog::parse(pull_request, "the pull request's log")?;
    let main = StrictLog::parse(main, "the main branch's log")?;
    let result = match base.change_to(&pull_request, links)? {
        Change::Nothing => return Err(ResolveError::NoContribution),
        Change::Appended(first) => {
            let link = links.expected();
            let blocks = missing(&pull_request, first, &main).map(|entry| with_link(pull_request.block(entry), &link));
            let blocks = blocks.collect::<Result<Vec<_>, _>>()?;
            if blocks.is_empty() {
                return Err(ResolveError::NothingLeft);
            }
            appended(main.raw, &blocks)
        }
        Change::Corrected(entries) => {
            let edits = corrections(&base, &pull_request, &main, &entries)?;
            if edits.is_empty() {
                return Err(ResolveError::Corrected);
            }
            with_blocks(main.raw, edits)
        }
    };
    main.change_to(&StrictLog::parse(&result, "the resolved log")?, links)?;
    Ok(result)
}

/// Both sides' changes, for a merge without a pull request. Entries with a placeholder are not on the main branch
/// yet and go to the end; otherwise `ours` comes first.
///
/// # Errors
/// As [`resolve`], except that a side without changes is not an error.
pub fn merge(base: &[u8], ours: &[u8], theirs: &[u8], repository: &str) -> Result<Vec<u8>, ResolveError> {
    let links = Links::of_repository(repository);
    let base = StrictLog::parse(base, "the merge base's log")?;
    let ours = StrictLog::parse(ours, "our log")?;
    let theirs = StrictLog::parse(theirs, "their log")?;
    let (our_change, their_change) = (base.change_to(&ours, &links)?, base.change_to(&theirs, &links)?);
    Ok(match (our_change, their_change) {
        (Change::Nothing, _) => theirs.raw.to_vec(),
        (_, Change::Nothing) => ours.raw.to_vec(),
        (Change::Corrected(entries), Change::Appended(_) | Change::Corrected(_)) => {
            with_blocks(theirs.raw, corrections(&base, &ours, &theirs, &entries)?)
        }
        (Change::Appended(_), Change::Corrected(entries)) => with_blocks(ours.raw, corrections(&base, &theirs, &ours, &entries)?),
        (Change::Appended(first), Change::Appended(_)) => {
            let pending = |log: &StrictLog<'_>| log.entries.iter().skip(first).any(|entry| links.is_placeholder(entry.link()));
            let (front, back) = if pending(&ours) && !pending(&theirs) {
                (&theirs, &ours)
            } else {
                (&ours, &theirs)
            };
            let blocks: Vec<Vec<u8>> = missing(back, first, front).map(|entry| back.block(entry).to_vec()).collect();
            appended(front.raw, &blocks)
        }
    })
}

/// The entries of `from` from number `first` on that are not in `there`.
fn missing<'a>(from: &'a StrictLog<'_>, first: usize, there: &'a StrictLog<'_>) -> impl Iterator<Item = &'a StrictEntry> {
    let is_there = |entry: &StrictEntry| there.entries.iter().any(|other| other.same_but_for_link(entry));
    from.entries.iter().skip(first).filter(move |entry| !is_there(entry))
}

fn corrections<'a>(
    base: &StrictLog<'_>,
    corrected: &StrictLog<'_>,
    target: &'a StrictLog<'_>,
    entries: &[usize],
) -> Result<Vec<(&'a StrictEntry, Vec<u8>)>, ResolveError> {
    let mut edits = Vec::new();
    for at in entries.iter().copied() {
        let (old, wanted) = (&base.entries[at], corrected.entries[at].link());
        let Some(there) = target.entries.get(at) else {
            return Err(ResolveError::Missing { entry: at + 1 });
        };
        if !there.same_but_for_link(old) {
            return Err(ResolveError::Changed { entry: at + 1 });
        }
        if there.link() == wanted {
            continue;
        }
        if there.link() != old.link() {
            return Err(ResolveError::TwoLinks {
                entry: at + 1,
                ours: wanted.to_owned(),
                theirs: there.link().to_owned(),
            });
        }
        edits.push((there, with_link(target.block(there), wanted)?));
    }
    Ok(edits)
}

/// A log with blocks appended, an empty line before each.
pub(super) fn appended(log: &[u8], blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut result = log.to_vec();
    for block in blocks {
        if !result.is_empty() && !result.ends_with(b"\n\n") {
            result.push(b'\n');
        }
        result.extend_from_slice(block);
    }
    result
}

/// A log with the bytes of some entries replaced; the entries are in the order of the log.
fn with_blocks(log: &[u8], edits: Vec<(&StrictEntry, Vec<u8>)>) -> Vec<u8> {
    let mut result = Vec::with_capacity(log.len());
    let mut next = 0;
    for (entry, block) in edits {
        result.extend_from_slice(&log[next..entry.bytes.start]);
        result.extend_from_slice(&block);
        next = entry.bytes.end;
    }
    result.extend_from_slice(&log[next..]);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, link: &str) -> String {
        format!("- config-keys:\n    - {key}\n  description:\n    - \"d\"\n  pr-link: {link}\n")
    }

    fn link(number: u64) -> String {
        format!("https://github.com/org/repo/pull/{number}")
    }

    fn log(entries: &[(&str, String)]) -> String {
        entries.iter().map(|(key, link)| entry(key, link)).collect::<Vec<_>>().join("\n")
    }

    fn set(base: &str, head: &str) -> Result<String, String> {
        let result = set_links(base.as_bytes(), head.as_bytes(), &Links::of_pull_request("org/repo", 7));
        result
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn placeholders_of_new_entries_are_replaced_by_the_link() {
        let base = log(&[("a", link(1)), ("b", "XXX".to_owned())]);
        for placeholder in ["XXX".to_owned(), "https://github.com/org/repo/pull/XXX".to_owned(), link(7)] {
            let head = format!("{base}\n{}\n{}", entry("c", &placeholder), entry("d", "XXX"));
            let wanted = format!("{base}\n{}\n{}", entry("c", &link(7)), entry("d", &link(7)));
            assert_eq!(set(&base, &head).unwrap(), wanted);
            assert_eq!(set(&base, &wanted).unwrap(), wanted);
        }
        assert_eq!(set(&base, &base).unwrap(), base);
    }

    #[test]
    fn only_links_of_old_entries_may_change() {
        let base = log(&[("a", "XXX".to_owned()), ("b", link(2))]);
        let corrected = log(&[("a", link(1)), ("b", link(2))]);
        assert_eq!(set(&base, &corrected).unwrap(), corrected);
        for (head, message) in [
            (
                log(&[("a", "elsewhere".to_owned()), ("b", link(2))]),
                "entry 1 got the pr-link \"elsewhere\"",
            ),
            (format!("{corrected}\n{}", entry("c", "XXX")), "split it into two changes"),
            (log(&[("x", "XXX".to_owned()), ("b", link(2))]), "entry 1 changed"),
            (log(&[("a", "XXX".to_owned())]), "has 1 fewer entries"),
            (base.replace("\n\n", "\n\n\n"), "blank lines, comments or formatting"),
            (format!("{base}\n{}", entry("c", &link(8))), "new entry 3 has the pr-link"),
            (format!("{base}{}", entry("c", "XXX")), "exactly one empty line before"),
            (
                format!("{base}\n{}\n\n{}", entry("c", "XXX"), entry("d", "XXX")),
                "one empty line between",
            ),
            (format!("{base}\n{}\n", entry("c", "XXX")), "one line break after the last"),
            (format!("{}\n{}", base.replace("\n\n", "\n \n"), entry("c", "XXX")), "byte for byte"),
            (base.replace('\n', "\r\n"), "carriage returns"),
            (base.trim_end().to_owned(), "does not end with a line break"),
            (
                format!("{base}\n- pr-link: XXX\n  config-keys: [c]\n  description: [d]\n"),
                "3 entries, but 2 lines",
            ),
            (format!("{base}\n{}  pr-link: y\n", entry("c", "XXX")), "error[duplicate-key]"),
            (
                format!("{base}\n- config-keys: []\n  description: [d]\n  pr-link: XXX\n"),
                "`config-keys` is empty",
            ),
        ] {
            let error = set(&base, &head).unwrap_err();
            assert!(error.contains(message), "{message}: {error}");
        }
    }

    fn resolved(base: &str, ours: &str, main: &str) -> Result<String, String> {
        let links = Links::of_pull_request("org/repo", 7);
        let result = resolve(base.as_bytes(), ours.as_bytes(), main.as_bytes(), &links);
        result
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn concurrent_appends_are_concatenated() {
        let base = log(&[("a", link(1))]);
        let ours = format!("{base}\n{}", entry("mine", "XXX"));
        for main in [
            format!("{base}\n{}", entry("theirs", &link(2))),
            format!("{base}\n{}\n", entry("theirs", &link(2))),
        ] {
            let wanted = format!("{}\n\n{}", main.trim_end(), entry("mine", &link(7)));
            assert_eq!(resolved(&base, &ours, &main).unwrap(), wanted);
        }
        let already = format!("{base}\n{}", entry("mine", &link(7)));
        assert!(
            resolved(&base, &ours, &already)
                .unwrap_err()
                .contains("the main branch already has")
        );
        assert!(resolved(&base, &base, &already).unwrap_err().contains("neither appends"));
    }

    #[test]
    fn corrected_link_is_kept_unless_main_changed_it() {
        let base = log(&[("a", "XXX".to_owned()), ("b", link(2))]);
        let ours = log(&[("a", link(1)), ("b", link(2))]);
        let main = format!("{base}\n{}", entry("c", &link(3)));
        assert_eq!(resolved(&base, &ours, &main).unwrap(), format!("{ours}\n{}", entry("c", &link(3))));
        for (main, message) in [
            (ours.clone(), "the main branch already has"),
            (log(&[("a", link(9)), ("b", link(2))]), "two corrections"),
            (log(&[("z", "XXX".to_owned()), ("b", link(2))]), "changed on the main branch"),
        ] {
            assert!(resolved(&base, &ours, &main).unwrap_err().contains(message), "{message}");
        }
    }

    fn merged(base: &str, ours: &str, theirs: &str) -> String {
        String::from_utf8(merge(base.as_bytes(), ours.as_bytes(), theirs.as_bytes(), "org/repo").unwrap()).unwrap()
    }

    #[test]
    fn merge_keeps_published_entries_first() {
        let base = log(&[("a", link(1))]);
        let published = format!("{base}\n{}", entry("p", &link(2)));
        let pending = format!("{base}\n{}", entry("w", "XXX"));
        let both = format!("{published}\n{}", entry("w", "XXX"));
        assert_eq!(merged(&base, &published, &pending), both);
        assert_eq!(merged(&base, &pending, &published), both);
        assert_eq!(merged(&base, &pending, &base), pending);
        assert_eq!(merged(&base, &pending, &pending), pending);
    }
}
