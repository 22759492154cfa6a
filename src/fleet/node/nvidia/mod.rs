//! NVIDIA's GPUs and what computes on them, as nvidia-smi says it.

mod answer;

use std::time::Duration;

use super::{Found, Questions};
use crate::job::{Gpu, GpuProblem, GpuUse};
use crate::system::tool::{ToolError, answer_of};
use answer::{APPS_QUERY, GPUS_QUERY, cuda_version, gpu_of_line, use_of_line};
pub(in crate::fleet) use answer::{is_unknown_field, older_fields, throttle_faults};

/// Longest wait for nvidia-smi, which is slow on nodes without its persistence mode.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn nvidia(questions: &Questions<'_>) -> Found {
    let (gpus, uses) = match gpus_and_uses(questions) {
        Ok(known) => known,
        Err(problem) => return (Err(problem), Vec::new(), None),
    };
    let table = answer_of("nvidia-smi", &[], questions.time(LIMIT), questions.stop).ok();
    (Ok(gpus), uses, table.and_then(|table| cuda_version(&table)))
}

fn gpus_and_uses(questions: &Questions<'_>) -> Result<(Vec<Gpu>, Vec<GpuUse>), GpuProblem> {
    // One of the others may be broken, which disturbs nobody who does not use it.
    let chosen = questions.visible.and_then(chosen);
    let ask = |query: &str| {
        let mut arguments = vec![query, "--format=csv,noheader,nounits"];
        arguments.extend(chosen.as_deref());
        answer_of("nvidia-smi", &arguments, questions.time(LIMIT), questions.stop)
    };
    let ask_gpus = |fields: &str| ask(&format!("--query-gpu={fields}"));
    let answer = match ask_gpus(GPUS_QUERY) {
        Err(error) if is_unknown_field(&error.to_string()) => ask_gpus(&older_fields(GPUS_QUERY)),
        answer => answer,
    };
    let gpus = gpus_of(&answer.map_err(|error| problem(&error))?)?;
    let answer = ask(&format!("--query-compute-apps={APPS_QUERY}")).map_err(|error| problem(&error))?;
    let uses = answer.lines().filter_map(|line| use_of_line(line, &gpus)).collect();
    Ok((gpus, uses))
}

/// The choice as nvidia-smi takes it: numbers or unique names.
fn chosen(visible: &str) -> Option<String> {
    let is_known = |name: &str| name.starts_with("GPU-") || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()));
    let names: Vec<&str> = visible.split(',').map(str::trim).collect();
    names.iter().all(|name| is_known(name)).then(|| format!("--id={}", names.join(",")))
}

/// Each line as a GPU. Between them nvidia-smi may print what is wrong with one, and end well all the same.
fn gpus_of(answer: &str) -> Result<Vec<Gpu>, GpuProblem> {
    let lines = answer.lines().map(str::trim).filter(|line| !line.is_empty());
    let strange = |line: &str| GpuProblem::Failed(format!("nvidia-smi said: {line}"));
    lines.map(|line| gpu_of_line(line).ok_or_else(|| strange(line))).collect()
}

fn problem(error: &ToolError) -> GpuProblem {
    if error.is_missing() {
        GpuProblem::NotInstalled("nvidia-smi is not installed".to_owned())
    } else {
        GpuProblem::Failed(error.to_string())
    }
}
