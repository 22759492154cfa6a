//! `amd-smi metric`, asked once a second: what is left where the amdgpu driver's files give no power, as in some virtual
//! machines and with some GPUs.

mod answer;

use std::time::{Duration, Instant};

use super::periodic::Periodic;
use crate::job::{GpuSample, sampled_until};
use crate::system::cancellation::Cancellation;
use crate::system::host::unix_seconds;
use crate::system::tool::answer_of;
use answer::amd_smi_samples;

/// Longest wait for an answer; amd-smi is a Python program, and slow on nodes with many GPUs.
const LIMIT: Duration = Duration::from_secs(10);

/// A running sampler of what amd-smi says.
#[derive(Debug)]
pub struct AmdSmi(Periodic<GpuSample>);

impl AmdSmi {
    /// Asks once to see whether there is anything to be had.
    pub(super) fn start(stop: &Cancellation) -> Result<Self, String> {
        let first = look(stop)?;
        if !first.iter().any(|sample| sample.power_w.is_some()) {
            return Err("amd-smi reports no power for any GPU".to_owned());
        }
        Periodic::start("amd-smi", |stop| look(stop).unwrap_or_default()).map(Self)
    }

    pub(super) fn sampled_until(&self) -> Option<f64> {
        self.0.ask(sampled_until)
    }

    pub(super) fn finish(self) -> Result<Vec<GpuSample>, String> {
        self.0.finish().map_err(|error| format!("no GPU telemetry: {error}"))
    }
}

fn look(stop: &Cancellation) -> Result<Vec<GpuSample>, String> {
    let (before, since) = (unix_seconds(), Instant::now());
    let answer = answer_of("amd-smi", &["metric", "--json"], LIMIT, stop).map_err(|error| error.to_string())?;
    // The middle of the call is when it looked, as far as that can be known.
    Ok(amd_smi_samples(&answer, before + since.elapsed().as_secs_f64() / 2.0))
}
