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

/// Fields that older drivers know by other names.
const RECENT: &str = "--query-gpu=power.draw.instant,clocks_event_reasons.active";
/// Timeout of the query whether this driver knows them.
const LIMIT: Duration = Duration::from_secs(5);
/// File for its lines.
pub(super) const LINES: &str = ".gpu_metrics.nvidia-smi.lines";

#[derive(Debug)]
pub struct NvidiaSmi(LineTool);

impl NvidiaSmi {
    /// Starts it, after a short query for the names of fields; `cancellation` ends the query.
    pub(super) fn start(job: &JobId, out: &Path, cancellation: &Cancellation) -> Result<Self, String> {
        let fields = match answer_of("nvidia-smi", &[RECENT, "--format=csv,noheader,nounits"], LIMIT, cancellation) {
            Err(error) if is_unknown_field(&error.to_string()) => older_fields(QUERY),
            // Other problems are reported by the sampler itself.
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
        sampled_until(&samples(&self.0.output()))
    }

    /// The samples so far.
    pub(super) fn samples(&self) -> Result<Vec<GpuSample>, String> {
        let text = self.0.output();
        let samples = samples(&text);
        if samples.is_empty() {
            let said: String = text.lines().next().unwrap_or("nothing").chars().take(200).collect();
            return Err(format!("no GPU telemetry: nvidia-smi said: {said}"));
        }
        Ok(samples)
    }
}

/// The samples in its output; the last line may be incomplete.
pub(super) fn samples(said: &str) -> Vec<GpuSample> {
    said.lines().filter_map(sample_of_line).collect()
}
