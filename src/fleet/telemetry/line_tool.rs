//! A tool that prints a line per second: one process for the whole job, with its lines kept in a file until they are
//! needed. Nothing here waits for output.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{JobId, Variable};
use crate::system::process::{Group, Input, StartedFrom};
use crate::system::untrusted;

/// Variables that a tool inherits.
const PASSED: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];
/// Time between SIGTERM and SIGKILL, and after SIGKILL; a process that hangs in the kernel is abandoned.
const GRACE: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy)]
pub(super) struct Tool<'a> {
    pub program: &'a str,
    pub arguments: &'a [String],
    pub input: Input,
    /// Name of the file for its output, in the job's output folder.
    pub lines: &'a str,
}

/// A running tool. Dropping it stops it and removes its file.
#[derive(Debug)]
pub(super) struct LineTool {
    group: Group,
    lines: PathBuf,
    /// The open file: the job can replace the one at the path.
    file: File,
}

impl LineTool {
    /// Starts a tool for a job whose output folder is `out`.
    pub(super) fn start(tool: Tool<'_>, job: &JobId, out: &Path) -> Result<Self, String> {
        let lines = out.join(tool.lines);
        let _ = std::fs::remove_file(&lines);
        let file = untrusted::create_new(&lines).map_err(|error| format!("cannot create {}: {error}", lines.display()))?;
        let mut environment: Vec<Variable> = PASSED
            .into_iter()
            .filter_map(|name| std::env::var(name).ok().map(|value| Variable::plain(name, value)))
            .collect();
        // nvidia-smi prints times without a zone.
        environment.push(Variable::plain("TZ", "UTC"));
        let group = Group::start(&StartedFrom {
            program: tool.program,
            arguments: tool.arguments,
            folder: out,
            input: tool.input,
            environment: &environment,
            // Its own mark: its stop must not stop the engine.
            job: &format!("{job}-telemetry"),
            log: &file,
        })
        .map_err(|error| error.to_string())?;
        Ok(Self { group, lines, file })
    }

    /// How it ended, if it did.
    pub(super) fn ending(&mut self) -> Option<String> {
        match self.group.poll() {
            Ok(ending) => ending.map(|ending| ending.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// Size of its output so far, bytes.
    pub(super) fn output_bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |file| file.len())
    }

    pub(super) fn output(&self) -> String {
        let text = untrusted::read_end(&self.file, untrusted::MAX_TEXT).unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for LineTool {
    fn drop(&mut self) {
        let _ = self.group.stop(GRACE, LIMIT, &|| false);
        let _ = std::fs::remove_file(&self.lines);
    }
}
