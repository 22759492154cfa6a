//! nvidia-smi in its loop mode.

mod answer;

use std::path::Path;
use std::time::Duration;

use super::line_tool::{LineTool, Tool};
use crate::fleet::node::{is_unknown_field, older_fields};
use crate::job::{GpuSample, sampled_until};
use crate::model::JobId;
use crate::system::cancellation::Cancellation;
use crate::system::process::Input;
use crate::system::tool::answer_of;
use answer::{QUERY, sample_of_line};

/// The fields that older drivers know by other names.
const RECENT: &str = "--query-gpu=power.draw.instant,clocks_event_reasons.active";
/// Longest wait for the answer to whether this one knows them.
const LIMIT: Duration = Duration::from_secs(5);
/// The file of its lines.
pub(super) const LINES: &str = ".gpu_metrics.nvidia-smi.lines";

/// A running nvidia-smi.
#[derive(Debug)]
pub struct NvidiaSmi(LineTool);

impl NvidiaSmi {
    /// Starts it, after a short question about the names of fields; `stop` ends the wait for its answer.
    pub(super) fn start(job: &JobId, out: &Path, stop: &Cancellation) -> Result<Self, String> {
        let fields = match answer_of("nvidia-smi", &[RECENT, "--format=csv,noheader,nounits"], LIMIT, stop) {
            Err(error) if is_unknown_field(&error.to_string()) => older_fields(QUERY),
            // What else is wrong with it, it says itself.
            Ok(_) | Err(_) => QUERY.to_owned(),
        };
        let arguments = [
            format!("--query-gpu={fields}"),
            "--format=csv,noheader,nounits".to_owned(),
            "--loop=1".to_owned(),
        ];
        let tool = Tool {
            program: "nvidia-smi",
            arguments: &arguments,
            input: Input::Empty,
            lines: LINES,
        };
        let started = LineTool::start(tool, job, out);
        started.map(Self).map_err(|error| format!("no GPU telemetry: {error}"))
    }

    pub(super) fn sampled_until(&self) -> Option<f64> {
        sampled_until(&samples(&self.0.said()))
    }

    /// What it has seen so far.
    pub(super) fn samples(&self) -> Result<Vec<GpuSample>, String> {
        let text = self.0.said();
        let samples = samples(&text);
        if samples.is_empty() {
            let said: String = text.lines().next().unwrap_or("nothing").chars().take(200).collect();
            return Err(format!("no GPU telemetry: nvidia-smi said: {said}"));
        }
        Ok(samples)
    }
}

/// The samples in what it said; the last line may not be whole yet.
pub(super) fn samples(said: &str) -> Vec<GpuSample> {
    said.lines().filter_map(sample_of_line).collect()
}
