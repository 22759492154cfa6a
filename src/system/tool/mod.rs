//! Runs command-line tools for their output, each in a process group of its own with a deadline. A tool and its descendants are killed
//! when the caller stops waiting.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::system::cancellation::Cancellation;
use crate::system::process::Leader;
use crate::system::runtime::block_on;

/// How long to read the pipes of a program after it has ended: its children may still write, or keep the pipes open forever.
const REST: Duration = Duration::from_secs(1);
/// Bytes that one read takes at most: the capacity of a pipe.
const BUFFER: usize = 64 << 10;
/// The most output that is read, bytes.
const MOST: usize = 64 << 20;
/// The most characters of an error message that are quoted.
const QUOTED: usize = 200;

/// Why a program gave no output.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    /// Its state cannot be read.
    #[error("cannot read the state of {program}: {source}")]
    Watch { program: String, source: io::Error },
    /// It did not end in time.
    #[error("{program} did not end within {limit:?}")]
    Late { program: String, limit: Duration },
    /// The caller cancelled the wait.
    #[error("{0} was stopped")]
    Stopped(String),
    #[error("{program} failed ({status}): {said}")]
    Failed {
        program: String,
        status: ExitStatus,
        /// The first line of its output.
        said: String,
    },
}

impl ToolError {
    /// Whether the program does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Start { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Watch { .. } | Self::Late { .. } | Self::Stopped(_) | Self::Failed { .. } => false,
        }
    }
}

/// The output of a program that has ended.
#[derive(Debug)]
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub status: ExitStatus,
}

/// Runs a program and returns its stdout.
///
/// # Errors
/// If the program is missing, failed, or did not end in time.
pub fn answer_of(program: &str, arguments: &[&str], limit: Duration, cancellation: &Cancellation) -> Result<String, ToolError> {
    answer_with_input(program, arguments, "", limit, cancellation)
}

/// The same with input on stdin.
///
/// # Errors
/// As [`answer_of`].
pub fn answer_with_input(
    program: &str,
    arguments: &[&str],
    input: &str,
    limit: Duration,
    cancellation: &Cancellation,
) -> Result<String, ToolError> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
    let said = run(command, input, limit, cancellation)?;
    if said.status.success() {
        return Ok(said.stdout);
    }
    let mut lines = said.stderr.lines().chain(said.stdout.lines());
    let line = lines.find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    Err(ToolError::Failed {
        program: program.to_owned(),
        status: said.status,
        said: line.chars().filter(|c| !c.is_control()).take(QUOTED).collect(),
    })
}

/// Runs a program to its end. Processes left in its group are ended too.
///
/// # Errors
/// If it cannot be started, does not end in time, or is stopped.
pub fn run(command: Command, input: &str, limit: Duration, cancellation: &Cancellation) -> Result<Said, ToolError> {
    let program = command.get_program().to_string_lossy().into_owned();
    block_on(run_async(command, input, limit, cancellation)).map_err(|source| ToolError::Start { program, source })?
}

/// The same without blocking the thread. Dropping the future ends the program.
///
/// # Errors
/// As [`run`].
pub async fn run_async(mut command: Command, input: &str, limit: Duration, cancellation: &Cancellation) -> Result<Said, ToolError> {
    let started = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let stdin = if input.is_empty() { Stdio::null() } else { Stdio::piped() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut leader = Leader::start(&mut command).map_err(|source| ToolError::Start {
        program: program.clone(),
        source,
    })?;
    let unseen = |source| ToolError::Watch {
        program: program.clone(),
        source,
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let pipes = Pipes::of(&mut leader).map_err(unseen)?;
    let talk = pipes.exchange(input, &mut stdout, &mut stderr);
    tokio::select! {
        biased;
        _ = cancellation.cancelled() => return Err(ToolError::Stopped(program)),
        ended = tokio::time::timeout(limit, ended_and_read(&leader, talk)) => match ended {
            Ok(ended) => ended.map_err(unseen)?,
            // The program may have just ended, while another process still keeps a pipe open.
            Err(_) if leader.has_ended().map_err(unseen)? => {}
            Err(_) => return Err(ToolError::Late { program, limit }),
        }
    }
    let status = leader.end(Duration::ZERO).map_err(unseen)?;
    let status = status.ok_or_else(|| ToolError::Late {
        program: program.clone(),
        limit,
    })?;
    tracing::debug!(program, %status, took = ?started.elapsed(), "tool ended");
    Ok(Said {
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        status,
    })
}

/// Resolves when the program has ended and its pipes are read to their end, at most [`REST`] after its end.
async fn ended_and_read(leader: &Leader, talk: impl Future<Output = ()>) -> io::Result<()> {
    let mut talk = std::pin::pin!(talk);
    tokio::select! {
        ended = leader.ended() => {
            ended?;
            let _ = tokio::time::timeout(REST, talk).await;
            Ok(())
        }
        () = &mut talk => leader.ended().await,
    }
}

/// The pipes to and from a program.
struct Pipes {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Pipes {
    fn of(leader: &mut Leader) -> io::Result<Self> {
        let (stdin, stdout, stderr) = leader.pipes();
        Ok(Self {
            stdin: stdin.map(ChildStdin::from_std).transpose()?,
            stdout: stdout.map(ChildStdout::from_std).transpose()?,
            stderr: stderr.map(ChildStderr::from_std).transpose()?,
        })
    }

    /// Writes and reads concurrently: a program may write before it has read all its input, and would block on a full pipe.
    async fn exchange(self, input: &str, stdout: &mut Vec<u8>, stderr: &mut Vec<u8>) {
        let Self {
            stdin,
            stdout: out,
            stderr: errors,
        } = self;
        tokio::join!(write(stdin, input), read(out, stdout), read(errors, stderr));
    }
}

async fn write(stdin: Option<ChildStdin>, input: &str) {
    if let Some(mut stdin) = stdin {
        // The error means that the program ended before it read all input; its exit status or stderr has the reason.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
}

/// Reads to the end of the pipe. Bytes that were read before an error, or before the future is dropped, are kept.
async fn read(pipe: Option<impl AsyncRead + Unpin>, bytes: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; BUFFER];
    while bytes.len() < MOST {
        match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend(buffer.iter().take(count)),
        }
    }
}

#[cfg(test)]
mod tests;
