//! Output to stdout and stderr. A closed pipe is not an error, as for other Unix tools. Inside GitHub Actions the runner executes workflow
//! commands in both streams, and most output quotes configs, changelogs, engines or servers: all output goes through this module, which
//! escapes workflow commands except those that imax itself writes.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

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
    let mut text = indented_json(value)?;
    text.push('\n');
    emit(&text)
}

/// A value as JSON that is indented by two spaces.
///
/// # Errors
/// If the value has no JSON form.
pub fn indented_json(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Indented::default()))?;
    // JSON is UTF-8.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// The form of serde_json's own indentation, with one write for a line's beginning instead of one for each level: the numbers of a run are seven
/// levels deep, and a quarter of `imax history show` was spent on their spaces.
#[derive(Debug, Default)]
struct Indented {
    depth: usize,
    has_value: bool,
}

/// A line break and the spaces of the deepest line that is written at once.
const LINE_BEGIN: &[u8] = b"\n                                                                ";

impl Indented {
    fn begin_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        let length = 1 + 2 * self.depth;
        match LINE_BEGIN.get(..length) {
            Some(begin) => writer.write_all(begin),
            None => {
                writer.write_all(LINE_BEGIN)?;
                writer.write_all(&vec![b' '; length - LINE_BEGIN.len()])
            }
        }
    }

    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_value = false;
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.has_value {
            self.begin_line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn separate<W: ?Sized + Write>(&self, writer: &mut W, is_first: bool) -> io::Result<()> {
        if !is_first {
            writer.write_all(b",")?;
        }
        self.begin_line(writer)
    }
}

impl Formatter for Indented {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        self.separate(writer, is_first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, is_first: bool) -> io::Result<()> {
        self.separate(writer, is_first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_value = true;
        Ok(())
    }
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
/// As [`emit`].
pub fn print_clap(error: &clap::Error) -> Result<(), OutputError> {
    match (is_github_actions(), error.use_stderr()) {
        // With the colours of a terminal. A closed pipe is no error, as for other output.
        (false, is_for_stderr) => match error.print() {
            Err(failed) if !is_for_stderr && failed.kind() != io::ErrorKind::BrokenPipe => Err(failed.into()),
            Err(_) | Ok(()) => Ok(()),
        },
        (true, true) => {
            say(error.to_string().trim_end());
            Ok(())
        }
        (true, false) => emit(&error.to_string()),
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
    fn json_is_indented_as_by_serde_json() {
        let mut deep = serde_json::json!({ "empty": {}, "none": [], "list": [1, [2, {}], []], "a": { "b": { "c": [null, true, "\n"] } } });
        for _ in 0..40 {
            deep = serde_json::json!([deep, { "x": 1.5 }]);
        }
        assert_eq!(indented_json(&deep).unwrap(), serde_json::to_string_pretty(&deep).unwrap());
    }

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
