//! Output to stdout and stderr. A closed pipe is not an error, as for other Unix tools. Inside GitHub Actions the runner executes workflow
//! commands in both streams, and most output quotes configs, changelogs, engines or servers: all output goes through this module, which
//! escapes workflow commands except those that imax itself writes.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;

use crate::github::{escape_commands, escape_commands_in_json, is_github_actions};

/// Why output could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("cannot write to stdout: {0}")]
    Write(#[from] io::Error),
    #[error("cannot serialise the output as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Writes data to stdout.
///
/// # Errors
/// A failure other than a closed pipe.
pub fn emit(data: &str) -> Result<(), OutputError> {
    Ok(write(data)?)
}

/// Writes a value to stdout as indented JSON and a line break.
///
/// # Errors
/// As [`emit`], and if the value has no JSON form.
pub fn emit_json(value: &(impl Serialize + ?Sized)) -> Result<(), OutputError> {
    let text = serde_json::to_string_pretty(value)?;
    emit(&format!("{text}\n"))
}

/// Writes a value to stdout as JSON on one line.
///
/// # Errors
/// As [`emit_json`].
pub fn emit_json_line(value: &(impl Serialize + ?Sized)) -> Result<(), OutputError> {
    let text = serde_json::to_string(value)?;
    emit(&format!("{text}\n"))
}

/// Writes data to stdout, as [`emit`] does.
///
/// # Errors
/// A failure other than a closed pipe.
pub fn write(data: &str) -> io::Result<()> {
    let data = match is_github_actions() {
        true => escape_commands_in_data(data),
        false => Cow::Borrowed(data),
    };
    write_raw(&data)
}

/// Writes workflow commands to stdout.
///
/// # Errors
/// As [`emit`].
pub fn emit_commands(commands: &str) -> Result<(), OutputError> {
    Ok(write_raw(commands)?)
}

fn write_raw(data: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Escapes workflow commands without changing the value of JSON, which programs read.
fn escape_commands_in_data(data: &str) -> Cow<'_, str> {
    if data.trim_start().starts_with(['{', '[']) {
        return Cow::Owned(escape_commands(&escape_commands_in_json(data)).into_owned());
    }
    escape_commands(data)
}

/// Writes a line to stderr. There is no place to report a failure of this.
pub fn say(words: &str) {
    let _ = writeln!(Stderr, "{words}");
}

/// Writes lines of workflow commands to stderr, where the runner executes them.
pub fn say_commands(commands: &str) {
    let _ = writeln!(io::stderr().lock(), "{commands}");
}

/// Prints help to stdout or an error of clap to stderr. An error quotes the command line, which may quote a GitHub event.
///
/// # Errors
/// As [`write()`].
pub fn print_clap(error: &clap::Error) -> io::Result<()> {
    match (is_github_actions(), error.use_stderr()) {
        (false, _) => error.print(),
        (true, true) => {
            say(error.to_string().trim_end());
            Ok(())
        }
        (true, false) => write(&error.to_string()),
    }
}

/// Stderr as a writer, for log records. Each write is a whole number of lines.
#[derive(Debug, Clone, Copy)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stderr = io::stderr().lock();
        if is_github_actions() {
            stderr.write_all(escape_commands(&String::from_utf8_lossy(bytes)).as_bytes())
        } else {
            stderr.write_all(bytes)
        }
    }

    fn write_fmt(&mut self, arguments: std::fmt::Arguments<'_>) -> io::Result<()> {
        // One write: two pieces without a workflow command could form one together.
        self.write_all(arguments.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_a_pipe_keeps_its_value() {
        let value = serde_json::json!({ "a": "##[error]x", "b": ["\r::stop-commands::x", "\u{1b}[31m"] });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let escaped = escape_commands_in_data(&text);
        assert!(!escaped.contains("##["), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }

    #[test]
    fn text_that_only_starts_like_json_is_escaped_as_text() {
        let text = "[link](x)\n  ::add-mask::a\r::stop-commands::b\n##[error]c";
        let escaped = escape_commands_in_data(text);
        assert_eq!(escaped, "[link](x)\n|   ::add-mask::a\u{240d}::stop-commands::b\n#\\u0023[error]c");
    }
}
