//! The beginning and the end of the engine's log beside a job's record. `imax run` has removed the secrets that it knows from the file. Whatever
//! an engine writes is hostile: an excerpt is bounded and has no character that a terminal or a page would obey.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::analysis::LogExcerpt;
use crate::model::is_unseen;
use crate::system::untrusted;

/// The log of the engine, as `imax run` writes it.
const NAME: &str = "server.log";
/// Bytes of the beginning, which has the version and the arguments of the engine.
const HEAD: u64 = 4 << 10;
/// Bytes of the end, which has its errors.
const TAIL: u64 = 12 << 10;
/// Characters of a line.
const LONGEST_LINE: usize = 1000;

/// The excerpt of the log beside a job's record; `None` where there is none, or an empty one.
pub(super) fn beside(record: &Path) -> Option<LogExcerpt> {
    // A link is not followed: it would lead out of the artifacts.
    let log = untrusted::open_regular(&record.with_file_name(NAME)).ok()?;
    excerpt(&log).ok().flatten()
}

fn excerpt(log: &File) -> io::Result<Option<LogExcerpt>> {
    let bytes = log.metadata()?.len();
    let is_whole = bytes <= HEAD + TAIL;
    let mut head = Vec::new();
    untrusted::PositionedReader::new(log)
        .take(if is_whole { HEAD + TAIL } else { HEAD })
        .read_to_end(&mut head)?;
    let end = if is_whole { Vec::new() } else { untrusted::read_end(log, TAIL)? };
    let head = if is_whole { &head[..] } else { without_last_part(&head) };
    if head.is_empty() && end.is_empty() {
        return Ok(None);
    }
    Ok(Some(LogExcerpt {
        name: NAME.to_owned(),
        bytes,
        head: harmless(head),
        tail: (!is_whole).then(|| harmless(without_first_part(&end))),
    }))
}

/// Without the part of a line at the end; a single line stays.
fn without_last_part(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or_default()
}

/// Without the part of a line at the start; a single line stays.
fn without_first_part(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.get(start..).unwrap_or_default()
}

/// Text without sequences of terminals; other characters that are not seen are replaced, and long lines cut.
fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.trim_end().split('\n').map(|line| {
        // A progress bar writes over itself: what was seen last is after the last return.
        let line = line.trim_end_matches('\r');
        let shown = line.rsplit('\r').next().unwrap_or(line);
        cut(&plain(shown))
    });
    lines.collect::<Vec<String>>().join("\n")
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((at, _)) => format!("{} …", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// A line without the control sequences of ECMA-48 (`ESC [ … final`), which engines colour their levels with.
fn plain(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                while characters.next_if(|next| matches!(next, '\u{20}'..='\u{3f}')).is_some() {}
                characters.next_if(|next| matches!(next, '\u{40}'..='\u{7e}'));
            }
            '\t' => kept.push('\t'),
            unseen if is_unseen(unseen) => kept.push('\u{fffd}'),
            seen => kept.push(seen),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn excerpt_of(content: &[u8]) -> Option<LogExcerpt> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), content).unwrap();
        beside(&folder.path().join("job.json"))
    }

    #[test]
    fn short_logs_are_whole_and_long_ones_have_both_ends() {
        let short = excerpt_of(b"engine 1.2\nready\n").unwrap();
        assert_eq!((short.head.as_str(), short.tail, short.bytes), ("engine 1.2\nready", None, 17));
        let lines: Vec<String> = (0..100_000).map(|line| format!("line {line}")).collect();
        let long = excerpt_of(lines.join("\n").as_bytes()).unwrap();
        let tail = long.tail.unwrap();
        assert!(long.head.starts_with("line 0\nline 1\n") && tail.ends_with("\nline 99999"));
        assert!(tail.starts_with("line "), "the first line is whole");
        assert!(long.head.len() <= 4 << 10 && tail.len() <= 12 << 10);
        assert_eq!(excerpt_of(b""), None);
    }

    #[test]
    fn hostile_text_is_shown_and_not_obeyed() {
        let log = excerpt_of(b"\x1b[31;1mERROR\x1b[0m a\x07b\x1b]0;title\x1b\\ \xff\n\xe2\x80\xaeevil\n 1 %\r 99 %\r\n<script>\n").unwrap();
        assert_eq!(
            log.head,
            "ERROR a\u{fffd}b\u{fffd}]0;title\u{fffd}\\ \u{fffd}\n\u{fffd}evil\n 99 %\n<script>"
        );
        let wide = excerpt_of("é".repeat(9000).as_bytes()).unwrap();
        assert!(wide.head.chars().count() <= LONGEST_LINE + 2 && wide.tail.unwrap().ends_with(" …"));
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join(NAME)).unwrap();
        assert_eq!(beside(&folder.path().join("job.json")), None);
        assert_eq!(beside(Path::new("/nonexistent/job.json")), None);
    }
}
