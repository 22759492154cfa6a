//! The simulated engine as a child process: a server with a known schedule. It is stopped when its handle is dropped.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::system::process::Leader;

/// How long the engine has to end after SIGTERM: it writes its log.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// A running engine.
#[derive(Debug)]
pub struct SimProcess {
    leader: Leader,
    /// The port that it listens on, on the loopback.
    pub port: u16,
}

impl SimProcess {
    /// Starts the engine with fixed times and a log of its events. `program` is this program.
    ///
    /// # Errors
    /// If it cannot be started or does not print its address.
    pub fn start(program: &Path, ttft: Duration, itl: Duration, ground_truth: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args([
                "sim",
                "--port",
                "0",
                "--ttft-ms",
                &milliseconds(ttft),
                "--itl-ms",
                &milliseconds(itl),
                "--ground-truth",
            ])
            .arg(ground_truth)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut leader = Leader::start(&mut command)?;
        let mut line = String::new();
        let (_, _, stderr) = leader.pipes();
        let read = match stderr {
            Some(stderr) => BufReader::new(stderr).read_line(&mut line).map(|_| ()),
            None => Err(io::Error::other("no stderr")),
        };
        let port = line.trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let mut started = Self {
            leader,
            port: port.unwrap_or(0),
        };
        if read.is_ok() && port.is_some() {
            return Ok(started);
        }
        started.end();
        Err(io::Error::other(format!(
            "the simulated engine printed no address: {}",
            line.trim()
        )))
    }

    /// Ends the engine and waits for it, so that its log is whole.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // It is killed if it outlives the grace period; a system error leaves nothing else to try.
        let _ = self.leader.end(TERM_GRACE);
    }
}

impl Drop for SimProcess {
    fn drop(&mut self) {
        self.end();
    }
}

fn milliseconds(time: Duration) -> String {
    (time.as_secs_f64() * 1e3).to_string()
}
