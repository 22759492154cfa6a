//! The simulated engine as a child process: a server with a known schedule. It is stopped when its handle is dropped.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the engine has to end after SIGTERM.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// A running engine.
#[derive(Debug)]
pub struct SimProcess {
    child: Child,
    /// The port that it listens on, on the loopback.
    pub port: u16,
}

impl SimProcess {
    /// Starts the engine with fixed times and a log of its events. `program` is this program.
    ///
    /// # Errors
    /// If it cannot be started or does not print its address.
    pub fn start(program: &Path, ttft: Duration, itl: Duration, ground_truth: &Path) -> io::Result<Self> {
        let millis = |time: Duration| (time.as_secs_f64() * 1e3).to_string();
        let mut child = Command::new(program)
            .args([
                "sim",
                "--port",
                "0",
                "--ttft-ms",
                &millis(ttft),
                "--itl-ms",
                &millis(itl),
                "--ground-truth",
            ])
            .arg(ground_truth)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let said = match child.stderr.take() {
            Some(stderr) => BufReader::new(stderr).read_line(&mut line).map(|_| ()),
            None => Err(io::Error::other("no stderr")),
        };
        let port = line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let mut started = Self {
            child,
            port: port.unwrap_or(0),
        };
        if said.is_ok() && port.is_some() {
            return Ok(started);
        }
        started.end();
        Err(io::Error::other(format!(
            "the simulated engine did not start to listen: {}",
            line.trim()
        )))
    }

    /// Ends the engine and waits for it, so that its log is whole.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // The pid of a process that has not been waited for is not reused.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let until = Instant::now() + TERM_GRACE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for SimProcess {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}
