//! Writing to the caller. A closed pipe ends the command quietly instead of with a panic.

use std::io::{self, Write as _};

use serde::Serialize;

use super::{Exit, Failure, OrExit as _};

/// Writes data to stdout.
///
/// # Errors
/// A failure other than a closed pipe, as infrastructure.
pub fn emit(data: &str) -> Result<(), Failure> {
    write(data).or_exit(Exit::Infrastructure)
}

/// Writes a value to stdout as indented JSON and a line break.
///
/// # Errors
/// As [`emit`], and for a value that has no JSON form.
pub fn emit_json(value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).or_exit(Exit::Infrastructure)?;
    emit(&format!("{text}\n"))
}

/// Writes a value to stdout as JSON on one line.
///
/// # Errors
/// As [`emit_json`].
pub fn emit_json_line(value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    let text = serde_json::to_string(value).or_exit(Exit::Infrastructure)?;
    emit(&format!("{text}\n"))
}

/// Writes data to stdout, as [`emit`] does.
///
/// # Errors
/// A failure other than a closed pipe.
pub fn write(data: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a line to stderr. A failure to do so cannot be reported anywhere.
pub fn say(words: &str) {
    let _ = writeln!(io::stderr().lock(), "{words}");
}
