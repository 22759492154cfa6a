//! The simulated engine as a process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{DEADLINE, get, imax, project};

/// A running `imax sim`; killed when dropped.
pub struct Simulator {
    child: Child,
    /// Host and port.
    pub address: String,
}

impl Simulator {
    /// Starts `imax sim` on a free port and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = imax()
            .current_dir(project())
            .args(["sim", "--port", "0"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").unwrap_or_else(|| panic!("{line}")).1.to_owned();
        Self { child, address }
    }

    pub fn port(&self) -> &str {
        self.address.rsplit_once(':').unwrap().1
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A counter of the engine, from its metrics.
    pub fn counter(&self, name: &str) -> u64 {
        let response = get(&self.address, "/metrics");
        let line = response.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// Requests that it has received.
    pub fn requests(&self) -> u64 {
        self.counter("imax_sim_requests_total")
    }

    /// Waits until it has received that many requests.
    pub fn await_requests(&self, requests: u64) {
        let end = Instant::now() + DEADLINE;
        while self.requests() < requests {
            assert!(Instant::now() < end, "the load does not advance");
        }
    }

    /// Sends a signal that does not end it.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Sends a signal, and returns the exit code.
    pub fn stop(mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "the simulator did not end within {DEADLINE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
