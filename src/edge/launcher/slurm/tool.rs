//! Runs one of Slurm's tools to its end, with a deadline: a controller that does not answer must not hold up a job's stop.

use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::SlurmError;
use crate::edge::stop::StopSignal;

/// How often a running tool is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A tool's call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub tool: &'static str,
    pub arguments: &'a [String],
    /// Its whole environment.
    pub environment: &'a [(String, String)],
    pub stdin: &'a str,
    pub limit: Duration,
    /// Ends the tool.
    pub stop: &'a StopSignal,
}

/// What a tool printed.
#[derive(Debug)]
pub(super) struct Said {
    pub stdout: String,
    pub stderr: String,
    pub success: bool,
}

impl Said {
    /// What it printed on stdout, or the error that it printed on stderr.
    pub fn answer(self, tool: &'static str) -> Result<String, SlurmError> {
        if self.success {
            return Ok(self.stdout);
        }
        Err(SlurmError::refused(tool, &self.stderr))
    }
}

/// Runs it.
pub(super) fn run(call: Call<'_>) -> Result<Said, SlurmError> {
    let start = |source| SlurmError::Start { tool: call.tool, source };
    let mut command = Command::new(call.tool);
    command.args(call.arguments).env_clear();
    command.envs(call.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(start)?;
    let stdout = reader(child.stdout.take());
    let stderr = reader(child.stderr.take());
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ends before it has read everything says why itself.
        let _ = stdin.write_all(call.stdin.as_bytes());
    }
    let status = wait(&mut child, &call)?;
    let text = |reader: JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Said {
        stdout: text(stdout),
        stderr: text(stderr),
        success: status,
    })
}

fn wait(child: &mut Child, call: &Call<'_>) -> Result<bool, SlurmError> {
    let until = Instant::now() + call.limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) => {}
            Err(source) => return Err(SlurmError::Start { tool: call.tool, source }),
        }
        let late = Instant::now() >= until;
        if late || call.stop.is_set() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(if late {
                SlurmError::Late {
                    tool: call.tool,
                    seconds: call.limit.as_secs_f64(),
                }
            } else {
                SlurmError::Stopped
            });
        }
        std::thread::sleep(LOOK);
    }
}

fn reader(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
