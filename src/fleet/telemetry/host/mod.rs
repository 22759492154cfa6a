//! This host's CPU and memory, from `/proc`.

mod proc_files;

use std::fs;

use super::periodic::Periodic;
use crate::job::HostSample;
use crate::system::host::unix_seconds;
pub(super) use proc_files::{host_sample, proc_stat};

#[derive(Debug)]
pub struct HostSampler(Periodic<HostSample>);

impl HostSampler {
    /// Starts sampling once a second.
    ///
    /// # Errors
    /// A sentence that says why there are no samples.
    pub fn start() -> Result<Self, String> {
        let mut before = None;
        Periodic::start("host", move |_| {
            let now = fs::read_to_string("/proc/stat").ok().and_then(|text| proc_stat(&text));
            let sample = before.zip(now).and_then(|(before, now)| {
                let memory = fs::read_to_string("/proc/meminfo").ok()?;
                host_sample(unix_seconds(), now.used_since(&before), &memory)
            });
            before = now;
            sample.into_iter().collect()
        })
        .map(Self)
        .map_err(|error| format!("no host telemetry: {error}"))
    }

    /// Ends sampling, and returns the samples.
    ///
    /// # Errors
    /// A sentence that says why there are no samples.
    pub fn finish(self) -> Result<Vec<HostSample>, String> {
        self.0.finish().map_err(|error| format!("no host telemetry: {error}"))
    }
}
