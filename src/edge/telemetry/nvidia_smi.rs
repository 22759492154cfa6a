//! nvidia-smi in its loop mode: one process for the whole job, its lines kept in a file until the job ends.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::edge::process::{Group, StartedFrom};
use crate::job::{GpuSample, JobId, NVIDIA_SMI_QUERY, Variable};

/// The file of the lines, below the job's folder; removed at the end.
const LINES: &str = ".gpu_metrics.lines";
/// How long nvidia-smi has to end.
const GRACE: Duration = Duration::from_millis(500);

/// A running nvidia-smi.
#[derive(Debug)]
pub struct NvidiaSmi {
    group: Group,
    lines: PathBuf,
}

impl NvidiaSmi {
    pub(super) fn start(job: &JobId, out: &Path) -> Result<Self, String> {
        let lines = out.join(LINES);
        let _ = std::fs::remove_file(&lines);
        let path = std::env::var("PATH").unwrap_or_default();
        let arguments = [
            format!("--query-gpu={NVIDIA_SMI_QUERY}"),
            "--format=csv,noheader,nounits".to_owned(),
            "--loop=1".to_owned(),
        ];
        let group = Group::start(&StartedFrom {
            program: "nvidia-smi",
            arguments: &arguments,
            folder: out,
            // Its times carry no zone.
            environment: &[Variable::plain("PATH", path), Variable::plain("TZ", "UTC")],
            // A mark of its own: its stop must not stop the engine.
            job: &format!("{job}-telemetry"),
            log: &lines,
        })
        .map_err(|error| format!("no GPU telemetry: {error}"))?;
        Ok(Self { group, lines })
    }

    pub(super) fn finish(mut self) -> Result<Vec<GpuSample>, String> {
        let _ = self.group.stop(GRACE, GRACE, &|| false);
        let text = std::fs::read_to_string(&self.lines).unwrap_or_default();
        let _ = std::fs::remove_file(&self.lines);
        let samples: Vec<GpuSample> = text.lines().filter_map(GpuSample::from_nvidia_smi).collect();
        if samples.is_empty() {
            let said: String = text.lines().next().unwrap_or("nothing").chars().take(200).collect();
            return Err(format!("no GPU telemetry: nvidia-smi said: {said}"));
        }
        Ok(samples)
    }
}
