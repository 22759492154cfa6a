//! The engine's log: one descriptor that engine, hooks and launcher write to, its tail for error messages, and truncation if the disk is
//! full. The engine can replace the file at the log's path; a replacement is never read as the log.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Secret;
use crate::system::files;
use crate::system::redaction::redact;
use crate::system::untrusted;

/// How much of the log's end is searched for causes, bytes.
const SEARCHED: u64 = 256 << 10;
/// How much of the log's end is kept if the disk is full, bytes.
const KEPT: usize = 64 << 10;

/// Name under which a replacement of the log is kept.
const REPLACEMENT: &str = "server.replaced.log";

/// The log of a running job.
#[derive(Debug)]
pub struct EngineLog {
    path: PathBuf,
    /// Open for reading and appending.
    file: Mutex<Arc<File>>,
}

impl EngineLog {
    /// Creates an empty log. A file at its path is removed without being opened.
    ///
    /// # Errors
    /// The system error.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        let file = Mutex::new(Arc::new(create(&path)?));
        Ok(Self { path, file })
    }

    /// Starts an empty log for another attempt.
    ///
    /// # Errors
    /// The system error.
    pub fn restart(&self) -> io::Result<()> {
        let file = Arc::new(create(&self.path)?);
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file;
        Ok(())
    }

    /// Path of the log, for processes on other machines.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open log.
    #[must_use]
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The tail of the log, without secrets and terminal control characters.
    #[must_use]
    pub fn tail(&self, secrets: &[Secret]) -> String {
        let held = self.file();
        // On NFS, data written by another machine is visible only after the file is opened again.
        let fresh = untrusted::open_regular(&self.path);
        let log = match &fresh {
            Ok(fresh) if untrusted::is_same_file(fresh, &held).unwrap_or(false) => fresh,
            Ok(_) | Err(_) => &held,
        };
        printable(&untrusted::read_end(log, SEARCHED).unwrap_or_default(), secrets)
    }

    /// Restores the log if its path was replaced, and returns a warning about it. To be called when no process of the job is running.
    ///
    /// # Errors
    /// The system error.
    pub fn settle(&self) -> io::Result<Option<String>> {
        let held = self.file();
        let fresh = untrusted::open_regular(&self.path);
        if fresh.is_ok_and(|fresh| untrusted::is_same_file(&fresh, &held).unwrap_or(false)) {
            return Ok(None);
        }
        let replacement = self.path.with_file_name(REPLACEMENT);
        let is_kept = fs::rename(&self.path, &replacement).is_ok();
        let size = held.metadata()?.len();
        let mut whole = untrusted::PositionedReader::new(&held).take(size);
        files::write_with(&self.path, |target| io::copy(&mut whole, target).map(drop)).map_err(io::Error::other)?;
        let mut problem = format!("warning: the job replaced {}, which is written again", self.path.display());
        if is_kept {
            problem.push_str(&format!("; what was there is now {REPLACEMENT}"));
        }
        Ok(Some(problem))
    }
}

fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            fs::rename(path, path.with_file_name(REPLACEMENT))?;
        }
        Ok(()) | Err(_) => {}
    }
    untrusted::create_new(path)
}

/// The tail of a log at a path, as [`EngineLog::tail`].
#[must_use]
pub fn tail(log: &Path, secrets: &[Secret]) -> String {
    let end = untrusted::open_regular_through_links(log).and_then(|log| untrusted::read_end(&log, SEARCHED));
    printable(&end.unwrap_or_default(), secrets)
}

/// The tail of an open log, as [`EngineLog::tail`].
#[must_use]
pub fn tail_of(log: &File, secrets: &[Secret]) -> String {
    printable(&untrusted::read_end(log, SEARCHED).unwrap_or_default(), secrets)
}

fn printable(text: &[u8], secrets: &[Secret]) -> String {
    let text = String::from_utf8_lossy(text);
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
/// If the log cannot be read or written.
pub fn shorten(log: &Path) -> io::Result<()> {
    let mut end = untrusted::read_end(&untrusted::open_regular(log)?, SEARCHED)?;
    end.drain(..end.len().saturating_sub(KEPT));
    let mut file = untrusted::truncate(log)?;
    file.write_all(b"(the beginning was removed because the disk was full)\n")?;
    file.write_all(&end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that the engine wrote to, and whatever `replace` makes of the file at its path.
    fn replaced(replace: impl FnOnce(&Path)) -> (tempfile::TempDir, EngineLog) {
        let folder = tempfile::tempdir().unwrap();
        let log = EngineLog::create(folder.path().join("server.log")).unwrap();
        (&*log.file()).write_all(b"CUDA out of memory\n").unwrap();
        fs::remove_file(log.path()).unwrap();
        replace(log.path());
        (folder, log)
    }

    fn assert_put_back(folder: &Path, log: &EngineLog) {
        assert_eq!(log.tail(&[]), "CUDA out of memory\n");
        let said = log.settle().unwrap().unwrap();
        assert!(said.contains("server.log, which is written again"), "{said}");
        assert_eq!(fs::read(folder.join("server.log")).unwrap(), b"CUDA out of memory\n");
    }

    #[test]
    fn link_in_the_place_of_the_log_is_not_followed() {
        let (folder, log) = replaced(|path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap());
        assert_put_back(folder.path(), &log);
        let before = fs::metadata("/etc/passwd").unwrap().len();
        log.restart().unwrap();
        assert_eq!((log.tail(&[]), fs::metadata("/etc/passwd").unwrap().len()), (String::new(), before));
    }

    #[test]
    fn fifo_in_the_place_of_the_log_is_not_opened() {
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        let (folder, log) = replaced(|path| nix::unistd::mkfifo(path, mode).unwrap());
        assert_put_back(folder.path(), &log);
    }

    #[test]
    fn file_and_folder_in_the_place_of_the_log_are_kept() {
        let (folder, log) = replaced(|path| fs::write(path, "of the recipe").unwrap());
        assert_put_back(folder.path(), &log);
        assert_eq!(fs::read(folder.path().join(REPLACEMENT)).unwrap(), b"of the recipe");
        let (folder, log) = replaced(|path| fs::create_dir(path).unwrap());
        assert_put_back(folder.path(), &log);
    }

    #[test]
    fn log_in_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let log = EngineLog::create(folder.path().join("server.log")).unwrap();
        assert_eq!(log.settle().unwrap(), None);
    }

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
