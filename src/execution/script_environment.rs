//! The environment of a launch script that has no runner profile. InferenceX's workflows start such scripts in the environment of their
//! job, with some variables of their own, and the scripts and the recipes in their containers read both.

use std::ffi::OsString;

use crate::model::{Secret, Variable};

use super::provenance::may_contain_secret;

/// What InferenceX's workflow sets for every row, unless the job's environment has another value. An empty value means that scripts find the
/// variable set (`set -u`) and without effect.
const WORKFLOW: [(&str, &str); 12] = [
    // Below this path containers have the hub's cache; scripts mount the node's folder there.
    ("HF_HUB_CACHE", "/mnt/hf_hub_cache/"),
    ("REQUIRE_POWER", "0"),
    ("AIPERF_EXPERIMENTAL_FAST", "0"),
    ("AIPERF_FAILED_REQUEST_THRESHOLD", "0.10"),
    ("EVAL_LIMIT", ""),
    ("SWEBENCH_GEN_MODE", ""),
    ("SWEBENCH_USE_MODAL", "true"),
    ("MODAL_TOKEN_ID", ""),
    ("MODAL_TOKEN_SECRET", ""),
    ("SALLOC_EXCLUDE", ""),
    // Python in containers runs as root, and its files in the workspace could not be removed by the next checkout.
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONPYCACHEPREFIX", "/tmp/inferencex-pycache"),
];

/// Variables by which a step changes its job. The step is `imax run`, not the script.
const COMMAND_FILES: [&str; 5] = ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"];

/// The shortest value that is treated as a secret because of its variable's name: `1` in a `USE_TOKEN=1` would be replaced everywhere.
const SHORTEST_SECRET: usize = 8;

/// The variables of the job and of the workflow. Values that may be secrets are marked as such: scripts get them, and results do not.
pub(super) fn script_environment(job: impl Iterator<Item = (OsString, OsString)>) -> Vec<Variable> {
    let mut variables: Vec<Variable> = job.filter_map(|(name, value)| variable(name, value)).collect();
    for (name, value) in WORKFLOW {
        if !variables.iter().any(|variable| variable.name == name) {
            variables.push(Variable::plain(name, value));
        }
    }
    // InferenceX's workflow sets it to nothing, so that the summaries of single evaluations do not fill that of the run.
    variables.push(Variable::plain("GITHUB_STEP_SUMMARY", ""));
    variables
}

fn variable(name: OsString, value: OsString) -> Option<Variable> {
    let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
    // Inputs of the action and its commands are not the script's.
    let is_of_action = name.starts_with("IMAX_ACTION_") || name.starts_with("INPUT_") || COMMAND_FILES.contains(&name.as_str());
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_of_action || !is_name || name.is_empty() {
        return None;
    }
    let may_be_secret = may_contain_secret(&name) || has_password(&value);
    Some(if may_be_secret && value.len() >= SHORTEST_SECRET {
        Variable::secret(name, Secret::new(value))
    } else {
        Variable::plain(name, value)
    })
}

/// Whether a value is an address with a password: `https://user:password@host`.
fn has_password(value: &str) -> bool {
    let authority = value.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    authority.is_some_and(|authority| authority.split_once('@').is_some_and(|(user, _)| user.contains(':')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::VariableValue;

    fn found(job: &[(&str, &str)], name: &str) -> Option<VariableValue> {
        let job = job.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let variables = script_environment(job);
        let times = variables.iter().filter(|variable| variable.name == name).count();
        assert!(times <= 1, "{name} is there {times} times");
        variables
            .into_iter()
            .find(|variable| variable.name == name)
            .map(|variable| variable.value)
    }

    fn plain(text: &str) -> Option<VariableValue> {
        Some(VariableValue::Plain(text.to_owned()))
    }

    fn secret(text: &str) -> Option<VariableValue> {
        Some(VariableValue::Secret(Secret::new(text.to_owned())))
    }

    #[test]
    fn script_gets_its_job_and_what_the_workflow_sets() {
        let job = [
            ("GITHUB_RUN_ID", "77"),
            ("SALLOC_EXCLUDE", "node-5"),
            ("MODAL_TOKEN_SECRET", "as-0123456789"),
            ("MIRROR", "https://me:hidden-word@mirror.example/simple"),
            ("USE_TOKEN", "1"),
            ("GITHUB_ENV", "/runner/env"),
            ("GITHUB_STEP_SUMMARY", "/runner/summary"),
            ("IMAX_ACTION_ROW", "{}"),
            ("BASH_FUNC_x%%", "() { :; }"),
        ];
        for (name, expected) in [
            ("GITHUB_RUN_ID", plain("77")),
            ("SALLOC_EXCLUDE", plain("node-5")),
            ("HF_HUB_CACHE", plain("/mnt/hf_hub_cache/")),
            ("AIPERF_FAILED_REQUEST_THRESHOLD", plain("0.10")),
            ("MODAL_TOKEN_SECRET", secret("as-0123456789")),
            ("MIRROR", secret("https://me:hidden-word@mirror.example/simple")),
            ("USE_TOKEN", plain("1")),
            ("GITHUB_STEP_SUMMARY", plain("")),
            ("GITHUB_ENV", None),
            ("IMAX_ACTION_ROW", None),
            ("BASH_FUNC_x%%", None),
        ] {
            assert_eq!(found(&job, name), expected, "{name}");
        }
    }
}
