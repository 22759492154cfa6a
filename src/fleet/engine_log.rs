//! The engine's log: its tail for error messages, and truncation for a full disk.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::model::Secret;
use crate::system::redaction::redact;

/// How much of the log's end is searched for causes, bytes.
const SEARCHED: u64 = 256 << 10;
/// How much of the log's end is kept if the disk is full, bytes.
const KEPT: usize = 64 << 10;

/// The tail of a log, without secrets and terminal control characters.
#[must_use]
pub fn tail(log: &Path, secrets: &[Secret]) -> String {
    let text = read_end(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let text: String = text.chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect();
    redact(&text, secrets)
}

/// The last lines of a text.
#[must_use]
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().join("\n")
}

/// Keeps only the end of a log, in place, because there is no room for a copy.
///
/// # Errors
/// Where the log cannot be read or written.
pub fn shorten(log: &Path) -> io::Result<()> {
    let mut end = read_end(log)?;
    end.drain(..end.len().saturating_sub(KEPT));
    let mut file = File::options().write(true).truncate(true).open(log)?;
    file.write_all(b"(the beginning was removed because the disk was full)\n")?;
    file.write_all(&end)
}

fn read_end(log: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let length = fs::metadata(log)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(SEARCHED)))?;
    let mut bytes = Vec::new();
    file.take(SEARCHED).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::files;

    #[test]
    fn tail_has_no_secrets_and_no_terminal_controls() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("server.log");
        files::write(&log, b"start\n\x1b[31mtoken=hf_abcdef \xff end\nlast").unwrap();
        let secrets = [Secret::new("hf_abcdef".to_owned())];
        assert_eq!(tail(&log, &secrets), "start\n[31mtoken=*** \u{fffd} end\nlast");
    }

    #[test]
    fn last_lines_are_the_last() {
        assert_eq!(last_lines("a\nb\nc\n\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        files::write(&log, format!("{}end", "x".repeat(KEPT + 9)).as_bytes()).unwrap();
        shorten(&log).unwrap();
        let short = files::read_text(&log).unwrap();
        assert!(short.starts_with("(the beginning") && short.ends_with("xend") && short.len() < KEPT + 100);
        assert_eq!(tail(Path::new("/nonexistent/log"), &[]), "");
    }
}
