//! nvidia-smi in its loop mode.

use std::path::Path;

use super::line_tool::{LineTool, Tool};
use crate::edge::process::Input;
use crate::job::{GpuSample, JobId, NVIDIA_SMI_QUERY};

/// A running nvidia-smi.
#[derive(Debug)]
pub struct NvidiaSmi(LineTool);

impl NvidiaSmi {
    pub(super) fn start(job: &JobId, out: &Path) -> Result<Self, String> {
        let arguments = [
            format!("--query-gpu={NVIDIA_SMI_QUERY}"),
            "--format=csv,noheader,nounits".to_owned(),
            "--loop=1".to_owned(),
        ];
        let tool = Tool {
            program: "nvidia-smi",
            arguments: &arguments,
            input: Input::Empty,
            lines: ".gpu_metrics.nvidia-smi.lines",
        };
        let started = LineTool::start(tool, job, out);
        started.map(Self).map_err(|error| format!("no GPU telemetry: {error}"))
    }

    pub(super) fn finish(self) -> Result<Vec<GpuSample>, String> {
        let text = self.0.said();
        let samples: Vec<GpuSample> = text.lines().filter_map(GpuSample::from_nvidia_smi).collect();
        if samples.is_empty() {
            let said: String = text.lines().next().unwrap_or("nothing").chars().take(200).collect();
            return Err(format!("no GPU telemetry: nvidia-smi said: {said}"));
        }
        Ok(samples)
    }
}
