//! NVIDIA's GPUs and the processes on them, from nvidia-smi.

mod answer;

use std::time::Duration;

use super::{FactsRequest, Found};
use crate::job::{Gpu, GpuProblem, GpuUse};
use crate::system::tool::{ToolError, answer_of};
use answer::{APPS_QUERY, GPUS_QUERY, cuda_version, gpu_of_line, use_of_line};
pub(in crate::fleet) use answer::{is_unknown_field, older_fields, throttle_faults};

/// Timeout of nvidia-smi, which is slow on nodes without persistence mode.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn nvidia(questions: &FactsRequest<'_>) -> Found {
    let (gpus, uses) = match gpus_and_uses(questions) {
        Ok(known) => known,
        Err(problem) => return (Err(problem), Vec::new(), None),
    };
    let table = answer_of("nvidia-smi", &[], questions.time(LIMIT), questions.cancellation).ok();
    (Ok(gpus), uses, table.and_then(|table| cuda_version(&table)))
}

fn gpus_and_uses(questions: &FactsRequest<'_>) -> Result<(Vec<Gpu>, Vec<GpuUse>), GpuProblem> {
    // Query only the selected GPUs: another one may be broken, which does not matter to this job.
    let chosen = questions.visible.and_then(chosen);
    let ask = |query: &str| {
        let mut arguments = vec![query, "--format=csv,noheader,nounits"];
        arguments.extend(chosen.as_deref());
        answer_of("nvidia-smi", &arguments, questions.time(LIMIT), questions.cancellation)
    };
    let answer = match ask(&format!("--query-gpu={GPUS_QUERY}")) {
        Err(error) if is_unknown_field(&error.to_string()) => ask(&format!("--query-gpu={}", older_fields(GPUS_QUERY))),
        answer => answer,
    };
    let gpus = gpus_of(&answer.map_err(|error| problem(&error))?)?;
    let answer = ask(&format!("--query-compute-apps={APPS_QUERY}")).map_err(|error| problem(&error))?;
    let uses = answer.lines().filter_map(|line| use_of_line(line, &gpus)).collect();
    Ok((gpus, uses))
}

/// The selection as an argument of nvidia-smi: indices or UUIDs.
fn chosen(visible: &str) -> Option<String> {
    let names: Vec<&str> = visible.split(',').map(str::trim).collect();
    let are_known = names
        .iter()
        .all(|name| name.starts_with("GPU-") || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())));
    are_known.then(|| format!("--id={}", names.join(",")))
}

/// Parses each line as a GPU. nvidia-smi may print a problem of one GPU in between and still exit with 0.
fn gpus_of(answer: &str) -> Result<Vec<Gpu>, GpuProblem> {
    let lines = answer.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| gpu_of_line(line).ok_or_else(|| GpuProblem::Failed(format!("nvidia-smi said: {line}"))))
        .collect()
}

fn problem(error: &ToolError) -> GpuProblem {
    if error.is_missing() {
        GpuProblem::NotInstalled("nvidia-smi is not installed".to_owned())
    } else {
        GpuProblem::Failed(error.to_string())
    }
}
