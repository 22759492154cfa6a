//! What was added to the log between two states of it. The comparison is by lines, as the log is reviewed, but it
//! knows where entries begin: added entries are found at any position, and changes of old ones are reported by
//! entry and line. Line endings and a missing last one are ignored.

use std::ops::Range;
use std::sync::Arc;

use similar::{Algorithm, DiffOp};

use super::entry::{self, LocatedEntry};
use super::{ChangelogError, lines};
use crate::model::{Diagnostic, Diagnostics, Place, Position, SourceFile, Span};

/// The entries in `head` that are not in `base`, in the order of `head`. A missing file is an empty text.
///
/// # Errors
/// An entry of the base was changed or removed, nothing was added, or the added text is not a valid entry.
pub fn additions(base: &Arc<SourceFile>, head: &Arc<SourceFile>) -> Result<Vec<LocatedEntry>, ChangelogError> {
    let (base_lines, head_lines) = (lines::split(&base.text), lines::split(&head.text));
    let operations = similar::capture_diff_slices(Algorithm::Myers, &base_lines, &head_lines);
    let runs = added_runs(&operations, &head_lines);
    let mut changes = removals(&operations, &base_lines, &head_lines);
    if changes.is_empty() && !base_lines.iter().all(|line| lines::is_filler(line)) {
        changes = intrusions(&operations, &runs, &base_lines, &head_lines);
    }
    if !changes.is_empty() {
        let mut found = Diagnostics::new();
        for change in changes {
            found.push(change.into_diagnostic(base, head));
        }
        return Err(found.into());
    }
    let added = entry::parse(head, only(&runs, &head_lines))?;
    if added.is_empty() {
        return Err(ChangelogError::NothingAdded { file: head.name.clone() });
    }
    Ok(added)
}

/// A change of existing log content. Entries are counted in the base's log, from 1;
/// lines from 0.
enum HistoryChange {
    /// An entry was removed, which began at a line of the base.
    Removed {
        entry: usize,
        base_line: usize,
    },
    /// A line of an entry was replaced.
    Replaced {
        entry: usize,
        head_line: usize,
        was: String,
    },
    Lost {
        entry: usize,
        base_line: usize,
    },
    Grown {
        entry: usize,
        head_line: usize,
    },
    /// A line before the first entry was removed or changed.
    Preamble {
        base_line: usize,
    },
}

impl HistoryChange {
    fn into_diagnostic(self, base: &Arc<SourceFile>, head: &Arc<SourceFile>) -> Diagnostic {
        let (message, place) = match self {
            Self::Removed { entry, base_line } => (format!("entry {entry} was removed"), whole_line(base, base_line)),
            Self::Replaced { entry, head_line, was } => (
                format!("entry {entry} was changed; this line was {was:?}"),
                whole_line(head, head_line),
            ),
            Self::Lost { entry, base_line } => (
                format!("entry {entry} was changed: this line was removed"),
                whole_line(base, base_line),
            ),
            Self::Grown { entry, head_line } => (
                format!("entry {entry} was changed: this line was added"),
                whole_line(head, head_line),
            ),
            Self::Preamble { base_line } => ("this line was removed or changed".to_owned(), whole_line(base, base_line)),
        };
        let help = "the log is append-only: restore the old text, and describe the change in a new entry";
        Diagnostic::error("changelog-history", message).at(place).help(help)
    }
}

/// The place of a whole line; `line` counts from 0.
fn whole_line(file: &Arc<SourceFile>, line: usize) -> Place {
    let start = Position { line: line + 1, column: 1 };
    let end = Position { line: line + 2, column: 1 };
    Place {
        file: Arc::clone(file),
        span: Span { start, end },
    }
}

/// In a unified diff, a removed line that begins with `--` looks like a file header, and an added one with `++`
/// too. InferenceX's tool skips such lines, document markers (`---`) among them, and existing logs rely on it.
const REMOVED_HEADER: &str = "--";
const ADDED_HEADER: &str = "++";

/// The added lines as ranges of the head, each moved to begin with an entry if possible: the same
/// difference can often be expressed in several ways.
fn added_runs(operations: &[DiffOp], head: &[&str]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        match operation {
            DiffOp::Equal { .. } | DiffOp::Delete { .. } => {}
            DiffOp::Replace { new_index, new_len, .. } => runs.push(*new_index..new_index + new_len),
            DiffOp::Insert { new_index, new_len, .. } => {
                let low = at
                    .checked_sub(1)
                    .and_then(|before| unchanged(&operations[before]))
                    .map_or(*new_index, |run| run.start);
                let high = operations
                    .get(at + 1)
                    .and_then(unchanged)
                    .map_or(new_index + new_len, |run| run.end);
                runs.push(moved_to_entry(*new_index..new_index + new_len, low..high, head));
            }
        }
    }
    runs
}

fn unchanged(operation: &DiffOp) -> Option<Range<usize>> {
    match operation {
        DiffOp::Equal { new_index, len, .. } => Some(*new_index..new_index + len),
        DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => None,
    }
}

/// A run of added lines can be moved up by a line if the line before it equals its last one, and down if the
/// line after it equals its first one.
fn moved_to_entry(run: Range<usize>, within: Range<usize>, head: &[&str]) -> Range<usize> {
    let mut up = run.clone();
    loop {
        if begins_with_entry(&up, head) {
            return up;
        }
        if up.start == within.start || head[up.start - 1] != head[up.end - 1] {
            break;
        }
        up = up.start - 1..up.end - 1;
    }
    let mut down = run.clone();
    while down.end < within.end && head[down.start] == head[down.end] {
        down = down.start + 1..down.end + 1;
        if begins_with_entry(&down, head) {
            return down;
        }
    }
    run
}

fn begins_with_entry(run: &Range<usize>, head: &[&str]) -> bool {
    first_content(run, head).is_none_or(|at| lines::begins_entry(head[at]))
}

fn first_content(run: &Range<usize>, head: &[&str]) -> Option<usize> {
    run.clone()
        .find(|at| !lines::is_filler(head[*at]) && !head[*at].starts_with(ADDED_HEADER))
}

/// The head with everything outside the runs blanked, so that line numbers are kept.
fn only(runs: &[Range<usize>], head: &[&str]) -> String {
    let mut text = String::new();
    let mut next = 0;
    for run in runs {
        text.extend(std::iter::repeat_n('\n', run.start - next));
        for line in &head[run.clone()] {
            if !line.starts_with(ADDED_HEADER) {
                text.push_str(line);
            }
            text.push('\n');
        }
        next = run.end;
    }
    text
}

/// What was removed from the base, one change per entry.
fn removals(operations: &[DiffOp], base: &[&str], head: &[&str]) -> Vec<HistoryChange> {
    let entries = lines::entries(base);
    let mut changes: Vec<HistoryChange> = Vec::new();
    let mut last_entry = None;
    for operation in operations {
        let (old, new) = match operation {
            DiffOp::Equal { .. } | DiffOp::Insert { .. } => continue,
            DiffOp::Delete {
                old_index,
                old_len,
                new_index,
            } => (*old_index..old_index + old_len, *new_index..*new_index),
            DiffOp::Replace {
                old_index,
                old_len,
                new_index,
                new_len,
            } => (*old_index..old_index + old_len, *new_index..new_index + new_len),
        };
        for line in old
            .clone()
            .filter(|at| !lines::is_blank(base[*at]) && !base[*at].starts_with(REMOVED_HEADER))
        {
            let entry = entries.iter().position(|entry| entry.contains(&line));
            if entry.is_some() && entry == last_entry {
                continue;
            }
            last_entry = entry;
            changes.push(match entry {
                None => HistoryChange::Preamble { base_line: line },
                Some(entry) if gone(&entries[entry], &old, base) => HistoryChange::Removed {
                    entry: entry + 1,
                    base_line: entries[entry].start,
                },
                Some(entry) if new.is_empty() => HistoryChange::Lost {
                    entry: entry + 1,
                    base_line: line,
                },
                Some(entry) => HistoryChange::Replaced {
                    entry: entry + 1,
                    head_line: (new.start + (line - old.start)).min(head.len().saturating_sub(1)),
                    was: base[line].trim().to_owned(),
                },
            });
        }
    }
    changes
}

/// Whether all lines of an entry were removed.
fn gone(entry: &Range<usize>, removed: &Range<usize>, base: &[&str]) -> bool {
    entry.clone().all(|at| removed.contains(&at) || lines::is_filler(base[at]))
}

/// Added lines that do not begin with an entry and are therefore inside an old one.
fn intrusions(operations: &[DiffOp], runs: &[Range<usize>], base: &[&str], head: &[&str]) -> Vec<HistoryChange> {
    let entries = lines::entries(base);
    let mut changes = Vec::new();
    for run in runs {
        let Some(at) = first_content(run, head).filter(|at| !lines::begins_entry(head[*at])) else {
            continue;
        };
        let before = base_line_before(operations, run.start);
        let entry = entries.iter().rposition(|entry| before.is_some_and(|line| entry.start <= line));
        changes.push(HistoryChange::Grown {
            entry: entry.map_or(1, |entry| entry + 1),
            head_line: at,
        });
    }
    changes
}

/// The last unchanged line of the base before a line of the head.
fn base_line_before(operations: &[DiffOp], head_line: usize) -> Option<usize> {
    let mut before = None;
    for operation in operations {
        if let DiffOp::Equal { old_index, new_index, len } = operation
            && *new_index < head_line
        {
            before = Some(old_index + (head_line - new_index).min(*len) - 1);
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
# what changed
- config-keys:
    - first
  description:
    - \"one\"
  pr-link: link/1

- config-keys:
    - second
  description:
    - \"two\"
  pr-link: link/2
";

    fn entry(key: &str, link: &str) -> String {
        format!("- config-keys:\n    - {key}\n  description:\n    - \"new\"\n  pr-link: {link}\n")
    }

    fn added(base: &str, head: &str) -> Result<Vec<(String, usize)>, String> {
        let sources = (SourceFile::new("before:log.yaml", base), SourceFile::new("log.yaml", head));
        let found = additions(&sources.0, &sources.1).map_err(|error| error.to_string())?;
        let summary = |added: LocatedEntry| (added.entry.config_keys.join(","), added.place.span.start.line);
        Ok(found.into_iter().map(summary).collect())
    }

    fn key(key: &str, line: usize) -> (String, usize) {
        (key.to_owned(), line)
    }

    #[test]
    fn entry_at_the_end_in_the_middle_or_at_the_top_is_found() {
        let new = entry("new", "link/3");
        assert_eq!(added(LOG, &format!("{LOG}\n{new}")).unwrap(), [key("new", 14)]);
        let middle = LOG.replacen("\n\n", &format!("\n\n{new}\n"), 1);
        assert_eq!(added(LOG, &middle).unwrap(), [key("new", 8)]);
        let top = LOG.replacen("# what changed\n", &format!("# what changed\n{new}"), 1);
        assert_eq!(added(LOG, &top).unwrap(), [key("new", 2)]);
        assert_eq!(added("", LOG).unwrap(), [key("first", 2), key("second", 8)]);
    }

    #[test]
    fn entry_similar_to_neighbours_is_found_whole() {
        let like_first = "- config-keys:\n    - second\n  description:\n    - \"two\"\n  pr-link: link/1\n";
        let head = LOG.replacen("\n\n", &format!("\n\n{like_first}\n"), 1);
        assert_eq!(added(LOG, &head).unwrap(), [key("second", 8)]);
    }

    #[test]
    fn formatting_of_new_entries_does_not_change_old_ones() {
        let new = entry("new", "link/3");
        let grown = format!("{LOG}\n{new}");
        for (base, head) in [
            (LOG.trim_end().to_owned(), grown.clone()),
            (LOG.to_owned(), grown.trim_end().to_owned()),
            (LOG.to_owned(), grown.replace('\n', "\r\n")),
            (LOG.replace("\n\n", "\n   \n"), grown.clone()),
            (format!("---\n{LOG}"), grown.clone()),
        ] {
            assert_eq!(added(&base, &head).unwrap().len(), 1, "{head:?}");
        }
        let indented: String = new.lines().map(|line| format!("  {line}\n")).collect();
        assert_eq!(added(LOG, &format!("{LOG}\n{indented}")).unwrap(), [key("new", 14)]);
    }

    #[test]
    fn changed_line_is_reported() {
        let new = entry("new", "link/3");
        for (head, message, place) in [
            (
                LOG.replace("link/2", "link/9"),
                "entry 2 was changed; this line was \"pr-link: link/2\"",
                " log.yaml:12:1",
            ),
            (
                LOG.replace("    - second\n", "  - second\n") + "\n" + &new,
                "entry 2 was changed",
                " log.yaml:9:1",
            ),
            (
                LOG[LOG.find("- config-keys:\n    - second").unwrap()..].to_owned(),
                "entry 1 was removed",
                "before:log.yaml:2:1",
            ),
            (
                LOG.replace("    - \"two\"\n", ""),
                "entry 2 was changed: this line was removed",
                "before:log.yaml:11:1",
            ),
            (LOG.replace("# what changed\n", ""), "this line was removed", "before:log.yaml:1:1"),
            (
                LOG.replace("    - first\n", "    - first\n    - third\n"),
                "entry 1 was changed: this line was added",
                " log.yaml:4:1",
            ),
            (format!("{LOG}  evals-only: true\n"), "entry 2 was changed", " log.yaml:13:1"),
            (String::new(), "entry 1 was removed", "before:log.yaml:2:1"),
        ] {
            let error = added(LOG, &head).unwrap_err();
            assert!(
                error.contains(message) && error.contains(place) && error.contains("append-only"),
                "{head}\n{error}"
            );
        }
    }

    #[test]
    fn blank_lines_and_comments_are_not_entries() {
        for head in [LOG.to_owned(), format!("{LOG}\n\n"), format!("{LOG}# soon\n")] {
            assert!(added(LOG, &head).unwrap_err().contains("no new entry"), "{head:?}");
        }
    }

    #[test]
    fn invalid_added_entry_is_reported_with_place() {
        let head = format!("{LOG}\n{}", entry("new", "link/3").replace("pr-link", "pr-lnk"));
        let error = added(LOG, &head).unwrap_err();
        assert!(
            error.contains("log.yaml:18:3") && error.contains("did you mean `pr-link`?"),
            "{error}"
        );
    }

    #[test]
    fn lines_like_diff_headers_are_skipped() {
        let new = entry("new", "link/3");
        assert_eq!(added(&format!("{LOG}-- junk\n"), &format!("{LOG}\n{new}")).unwrap().len(), 1);
        assert_eq!(added(LOG, &format!("{LOG}\n{new}++ ignored\n")).unwrap().len(), 1);
    }
}
