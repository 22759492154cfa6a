//! Short programs of the system whose answer is wanted: run in a group of their own with a deadline, and ended with all that
//! they started where nobody waits any more.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::system::cancellation::Cancellation;
use crate::system::process::Leader;

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How long the pipes of a program that has ended are read on: what it started may still write, or hold them for ever.
const REST: Duration = Duration::from_secs(1);
/// Most of an answer that is read, bytes.
const MOST: usize = 64 << 20;
/// Part of an error that is quoted, characters.
const QUOTED: usize = 200;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system did not say how it does.
    #[error("cannot look at {program}: {source}")]
    Watch {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It did not end in time.
    #[error("{program} gave no answer within {limit:?}")]
    Late {
        /// The program.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// Nobody waits for it any more.
    #[error("{0} was stopped")]
    Stopped(String),
    /// It failed.
    #[error("{program} failed ({status}): {said}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The first line that it said.
        said: String,
    },
}

impl ToolError {
    /// Whether there is no such program.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Start { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Watch { .. } | Self::Late { .. } | Self::Stopped(_) | Self::Failed { .. } => false,
        }
    }
}

/// What a program said until it ended.
#[derive(Debug)]
pub struct Said {
    /// On stdout.
    pub stdout: String,
    /// On stderr.
    pub stderr: String,
    /// How it ended.
    pub status: ExitStatus,
}

/// What a program wrote to stdout.
///
/// # Errors
/// Where there is no answer: the program is missing, failed, or did not end in time.
pub fn answer_of(program: &str, arguments: &[&str], limit: Duration, stop: &Cancellation) -> Result<String, ToolError> {
    answer_with_input(program, arguments, "", limit, stop)
}

/// The same for a program that is told something on stdin.
///
/// # Errors
/// As [`answer_of`].
pub fn answer_with_input(
    program: &str,
    arguments: &[&str],
    input: &str,
    limit: Duration,
    stop: &Cancellation,
) -> Result<String, ToolError> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
    let said = run(command, input, limit, stop)?;
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

/// Runs a program to its end. What it started and left behind is ended with it, as far as it is still in its group.
///
/// # Errors
/// Where it cannot be started, does not end in time, or is stopped.
pub fn run(mut command: Command, input: &str, limit: Duration, stop: &Cancellation) -> Result<Said, ToolError> {
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
    let mut talk = Talk::with(&mut leader, input).map_err(unseen)?;
    let until = Instant::now() + limit;
    let mut rest_until = None;
    loop {
        // Looked at before the pipes: what a program wrote is in them when it has ended.
        let ended = leader.has_ended().map_err(unseen)?;
        let moved = talk.go_on();
        if stop.is_cancelled() {
            return Err(ToolError::Stopped(program));
        }
        let now = Instant::now();
        if ended && (talk.is_over() || now >= *rest_until.get_or_insert(until.min(now + REST))) {
            break;
        }
        if !ended && now >= until {
            return Err(ToolError::Late { program, limit });
        }
        if !moved {
            let _ = stop.wait_timeout(LOOK);
        }
    }
    let status = leader.end(Duration::ZERO).map_err(unseen)?;
    let status = status.ok_or(ToolError::Late { program, limit })?;
    Ok(Said {
        stdout: talk.stdout.text(),
        stderr: talk.stderr.text(),
        status,
    })
}

/// The pipes to and from a program. None of them blocks.
struct Talk<'a> {
    stdin: Option<ChildStdin>,
    input: &'a [u8],
    stdout: Reader<ChildStdout>,
    stderr: Reader<ChildStderr>,
}

impl<'a> Talk<'a> {
    fn with(leader: &mut Leader, input: &'a str) -> io::Result<Self> {
        let (stdin, stdout, stderr) = leader.pipes();
        stdin.as_ref().map(do_not_block).transpose()?;
        Ok(Self {
            stdin,
            input: input.as_bytes(),
            stdout: Reader::of(stdout)?,
            stderr: Reader::of(stderr)?,
        })
    }

    /// Reads and writes what can be now. Says whether there was anything.
    fn go_on(&mut self) -> bool {
        let (written, out, errors) = (self.write(), self.stdout.read(), self.stderr.read());
        written || out || errors
    }

    fn write(&mut self) -> bool {
        let Some(stdin) = &mut self.stdin else { return false };
        match stdin.write(self.input) {
            Ok(count) => self.input = self.input.get(count..).unwrap_or_default(),
            Err(error) if is_passing(&error) => return false,
            // A program that ends before it has read everything says why itself.
            Err(_) => self.input = &[],
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
        true
    }

    fn is_over(&self) -> bool {
        self.stdout.pipe.is_none() && self.stderr.pipe.is_none()
    }
}

/// A pipe that is read, and what came out of it.
struct Reader<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
}

impl<P: Read + AsFd> Reader<P> {
    fn of(pipe: Option<P>) -> io::Result<Self> {
        pipe.as_ref().map(do_not_block).transpose()?;
        Ok(Self { pipe, bytes: Vec::new() })
    }

    fn read(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        let room = MOST.saturating_sub(self.bytes.len());
        let before = self.bytes.len();
        // What was read before an error stays read.
        match pipe.take(room as u64).read_to_end(&mut self.bytes) {
            Err(error) if is_passing(&error) => {}
            Ok(_) | Err(_) => self.pipe = None,
        }
        self.bytes.len() > before
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Whether there is only nothing to be done at the moment.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn do_not_block(pipe: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL)?);
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

#[cfg(test)]
mod tests;
