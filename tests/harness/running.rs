//! Commands with a deadline: run to their end, or watched while they run.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::DEADLINE;

/// Interval at which a condition is checked.
pub const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Checks a condition again and again until it holds.
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "still not so after {DEADLINE:?}: {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Runs a command to its end, with a deadline.
pub trait Finish {
    /// Its output and status, as of [`Command::output`].
    fn finish(&mut self) -> Output {
        self.finish_within(DEADLINE)
    }

    /// The same with another deadline.
    fn finish_within(&mut self, limit: Duration) -> Output;

    /// The same with a stdout of one's own, which is not read.
    fn finish_into(&mut self, stdout: Stdio) -> Output;
}

impl Finish for Command {
    fn finish_within(&mut self, limit: Duration) -> Output {
        output_of(self.stdout(Stdio::piped()), limit)
    }

    fn finish_into(&mut self, stdout: Stdio) -> Output {
        output_of(self.stdout(stdout), DEADLINE)
    }
}

fn output_of(command: &mut Command, limit: Duration) -> Output {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.take().map(read_all);
    let stderr = read_all(child.stderr.take().unwrap());
    let Some(status) = wait(&mut child, limit) else {
        child.kill().unwrap();
        let stderr = stderr.recv_timeout(DEADLINE).unwrap_or_default();
        panic!("did not end within {limit:?}:\n{}", String::from_utf8_lossy(&stderr));
    };
    let stdout = stdout.map(|stdout| stdout.recv_timeout(DEADLINE).expect("something still holds stdout"));
    Output {
        status,
        stdout: stdout.unwrap_or_default(),
        stderr: stderr.recv_timeout(DEADLINE).expect("something still holds stderr"),
    }
}

fn read_all(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        sender.send(bytes)
    });
    receiver
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// A command that runs, and whose stderr is read line by line.
pub struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    lines: Receiver<String>,
    stderr: String,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Finished {
    /// None where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = read_all(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self {
            child,
            stdout,
            lines,
            stderr: String::new(),
        }
    }

    /// Waits until a line on stderr starts so, and returns it.
    pub fn await_line(&mut self, start: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.note(&line);
                    if line.starts_with(start) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line starts with `{start}`:\n{}", self.stderr)
                }
            }
        }
    }

    pub fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.id(), signal).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        let Some(status) = wait(&mut self.child, DEADLINE) else {
            self.child.kill().unwrap();
            self.drain(Duration::ZERO);
            panic!("did not end within {DEADLINE:?}:\n{}", self.stderr);
        };
        self.drain(DEADLINE);
        let stdout = self.stdout.recv_timeout(DEADLINE).expect("something still holds stdout");
        Finished {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: self.stderr,
        }
    }

    /// Reads stderr until its end.
    fn drain(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.note(&line);
        }
    }

    fn note(&mut self, line: &str) {
        self.stderr.push_str(line);
        self.stderr.push('\n');
    }
}
