//! `amd-smi metric`, called once a second: the fallback if the amdgpu driver's files have no power, as in some virtual
//! machines and with some GPUs.

mod answer;

use std::time::{Duration, Instant};

use super::periodic::Periodic;
use crate::job::{GpuSample, sampled_until};
use crate::system::cancellation::Cancellation;
use crate::system::host::unix_seconds;
use crate::system::tool::answer_of;
pub(super) use answer::amd_smi_samples;

/// Timeout of amd-smi, a Python program that is slow on nodes with many GPUs.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct AmdSmi(Periodic<GpuSample>);

impl AmdSmi {
    /// Calls it once to see whether it reports power.
    pub(super) fn start(cancellation: &Cancellation) -> Result<Self, String> {
        let first = look(cancellation)?;
        if !first.iter().any(|sample| sample.power_w.is_some()) {
            return Err("amd-smi reports no power for any GPU".to_owned());
        }
        Periodic::start("amd-smi", |cancellation| look(cancellation).unwrap_or_default()).map(Self)
    }

    pub(super) fn sampled_until(&self) -> Option<f64> {
        self.0.ask(sampled_until)
    }

    pub(super) fn finish(self) -> Result<Vec<GpuSample>, String> {
        self.0.finish().map_err(|error| format!("no GPU telemetry: {error}"))
    }
}

fn look(cancellation: &Cancellation) -> Result<Vec<GpuSample>, String> {
    let (before, since) = (unix_seconds(), Instant::now());
    let answer = answer_of("amd-smi", &["metric", "--json"], LIMIT, cancellation).map_err(|error| error.to_string())?;
    // The sample was taken in the middle of the call, as far as that can be known.
    Ok(amd_smi_samples(&answer, before + since.elapsed().as_secs_f64() / 2.0))
}
