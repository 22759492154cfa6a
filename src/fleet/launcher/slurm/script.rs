//! The batch script of a job. It gets everything that may be visible by its environment or in its text; secrets come in a file
//! that only the user can read and that the script removes as soon as it has read it.

use std::fmt::Write as _;

use super::allocation::Allocation;
use super::answer::WATCHER_STEP;
use super::settings::SlurmContainer;
use crate::model::{Variable, VariableValue};

/// Exit status of a script that did not find its secrets file.
pub(super) const EXIT_SECRETS: i32 = 241;
/// Exit status of a script whose port was taken.
pub(super) const EXIT_PORT: i32 = 242;
/// Exit status of a script that could not import its image.
pub(super) const EXIT_IMAGE: i32 = 243;
/// Exit status of a script whose node checks failed.
pub(super) const EXIT_NODE: i32 = 244;

/// Functions of the script, documented there.
const FUNCTIONS: &str = include_str!("functions.sh");

/// Input of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScriptPlan<'a> {
    pub job: &'a str,
    pub secrets: Option<&'a str>,
    pub port: u16,
    pub allocation: Allocation,
    /// Variables that are not in the environment of the submission.
    pub exports: Vec<(String, String)>,
    /// The command that checks a node, and the path of its result, up to the node's name.
    pub examine: (Vec<String>, String),
    /// The command that prints the path of the imported image, which becomes `$image`.
    pub import: Option<Vec<String>>,
    pub container: SlurmContainer,
    /// Options of the step that runs in a container; `$image` in them stands for the imported image.
    pub step: Vec<String>,
    pub command: Vec<String>,
}

pub(super) fn script(plan: &ScriptPlan<'_>) -> String {
    let mut text = format!("#!/usr/bin/env bash\n# {} of imax.\nset -u\njob={}\n", plan.job, quote(plan.job));
    let _ = writeln!(text, "watcher_step={WATCHER_STEP}");
    text.push_str(FUNCTIONS);
    text.push_str("fail() { echo \"imax: $2\" >&2; exit \"$1\"; }\n");
    if let Some(file) = plan.secrets {
        let file = quote(file);
        let _ = writeln!(text, "[ -r {file} ] || fail {EXIT_SECRETS} \"$(hostname) does not see\"{file}");
        let _ = writeln!(text, ". {file}\nrm -f {file}");
    }
    let _ = writeln!(
        text,
        "if (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; then fail {EXIT_PORT} \"port {port} is taken on $(hostname)\"; fi",
        port = plan.port
    );
    roles(&mut text, &plan.allocation);
    for (name, value) in &plan.exports {
        let _ = writeln!(text, "export {name}={}", quote(value));
    }
    if plan.allocation.nodes() > 1 {
        text.push_str("watch_others\n");
    }
    examine(&mut text, plan);
    if let Some(import) = &plan.import {
        let _ = writeln!(text, "image=$({}) || fail {EXIT_IMAGE} \"no image\"", words(import));
    }
    let command = words(&plan.command);
    let step = plan.step.iter().map(|word| quote_step(word)).collect::<Vec<_>>().join(" ");
    match (plan.container, plan.allocation.roles) {
        (SlurmContainer::None, _) => {
            let _ = writeln!(text, "run {command}");
        }
        // The recipe starts its own steps, on the nodes of each role.
        (SlurmContainer::Pyxis | SlurmContainer::Enroot, Some(_)) => {
            let _ = writeln!(
                text,
                "export IMAX_CONTAINER_OPTIONS={}\nrun {command}",
                expanded(&plan.step.join(" "))
            );
        }
        (SlurmContainer::Pyxis, None) => {
            let _ = writeln!(text, "run srun --nodes=1 --ntasks=1 --cpu-bind=none {step} {command}");
        }
        (SlurmContainer::Enroot, None) => {
            let _ = writeln!(text, "run enroot start {step} \"$image\" {command}");
        }
    }
    text
}

/// Failing nodes get half a minute: drivers free memory some time after a process has ended. An error of the
/// check itself does not fail the job.
fn examine(text: &mut String, plan: &ScriptPlan<'_>) {
    let (command, answer) = &plan.examine;
    let _ = writeln!(
        text,
        "examine() {{\n  for _ in 1 2 3 4 5 6; do\n    timeout 60 {} >{}\"$SLURMD_NODENAME.json\"\n    [ \"$?\" = 4 ] || return 0\n    sleep 5\n  done\n  return 4\n}}",
        words(command),
        quote(answer)
    );
    let nodes = plan.allocation.nodes();
    let everywhere = if nodes == 1 {
        "examine".to_owned()
    } else {
        format!(
            "export -f examine\nsrun --quiet --overlap --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --cpus-per-task=1 --mpi=none --input=none \\\n  \
             bash -c examine"
        )
    };
    let _ = writeln!(text, "{everywhere}\n[ \"$?\" != 4 ] || fail {EXIT_NODE} \"a node is not fit\"");
}

/// The node lists of the roles, which are only known on the nodes.
fn roles(text: &mut String, allocation: &Allocation) {
    let Some(roles) = allocation.roles else { return };
    let (prefill, decode) = (roles.prefill, roles.decode);
    text.push_str("mapfile -t hosts < <(scontrol show hostnames \"$SLURM_JOB_NODELIST\")\n");
    text.push_str("join() { local IFS=,; echo \"$*\"; }\n");
    text.push_str("IMAX_NODES=$(join \"${hosts[@]}\")\n");
    let _ = writeln!(text, "IMAX_PREFILL_NODES=$(join \"${{hosts[@]:0:{prefill}}}\")");
    let _ = writeln!(text, "IMAX_DECODE_NODES=$(join \"${{hosts[@]:{prefill}:{decode}}}\")");
    text.push_str("export IMAX_NODES IMAX_PREFILL_NODES IMAX_DECODE_NODES\n");
    let _ = writeln!(
        text,
        "export PREFILL_NODES={prefill} DECODE_NODES={decode} GPUS_PER_NODE={}",
        allocation.gpus_per_node
    );
}

/// The file that the script reads its secrets from; `None` without secrets.
pub(super) fn secrets_file(environment: &[Variable]) -> Option<String> {
    let mut text = String::new();
    for Variable { name, value } in environment {
        match value {
            VariableValue::Plain(_) => {}
            VariableValue::Secret(secret) => {
                let _ = writeln!(text, "export {name}={}", quote(secret.expose()));
            }
        }
    }
    (!text.is_empty()).then_some(text)
}

pub(super) fn words(list: &[String]) -> String {
    list.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// Quotes an option of a step: only `$image` is expanded by bash.
fn quote_step(word: &str) -> String {
    if word.contains("$image") || word.contains("${image") {
        expanded(word)
    } else {
        quote(word)
    }
}

/// In double quotes, with the image expanded.
fn expanded(text: &str) -> String {
    let mut quoted = String::new();
    for (at, character) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let is_image = rest.starts_with("$image") || rest.starts_with("${image");
        if "\"`\\".contains(character) || (character == '$' && !is_image) {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    format!("\"{quoted}\"")
}

/// Quotes one word for bash: nothing in it is expanded.
pub(super) fn quote(text: &str) -> String {
    // Inside a word a `#` begins no comment.
    let is_plain = text
        .chars()
        .enumerate()
        .all(|(at, c)| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c) || (c == '#' && at > 0));
    if !text.is_empty() && is_plain {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
