//! Runs by hand: what their inputs ask for. The inputs are those of imax and those of InferenceX's end-to-end workflow.

use super::{Decision, Facts, Scope, refuse, run, skip};
use crate::matrix::policy::run_request::{AgenticLoad, RunRequest};
use crate::matrix::row_filter::{RowFilter, words_of};
use crate::settings::{Mode, Policy, Sweep};

/// Inputs besides those of [`RowFilter::NAMES`] and the labels of the policy.
const INPUTS: [&str; 19] = [
    "config-keys",
    "generate-cli-command",
    "base-ref",
    "head-ref",
    "changelog-base-ref",
    "changelog-head-ref",
    "pull-request",
    "pr-labels-json",
    "mode",
    "trim-conc",
    "canary",
    "fail-fast",
    "profile",
    "duration-override",
    "require-power",
    "power-producer-sha",
    "eval-limit",
    "swebench-gen-mode",
    // The name of the run, for people.
    "test-name",
];
/// The commit to check out, which the workflow has done.
const CHECKOUT: &str = "ref";

/// The non-empty inputs by name.
struct Inputs<'a>(&'a [(String, String)]);

impl<'a> Inputs<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(input, _)| input == name).map(|(_, value)| value.as_str())
    }

    fn is_set(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

pub(super) fn decide(inputs: &[(String, String)], policy: &Policy, facts: &Facts) -> Decision {
    let inputs = Inputs(inputs);
    match request(&inputs, policy) {
        Ok(request) => match &request.pull_request {
            Some(number) => of_pull_request(*number, &inputs, request, facts),
            None => run(request),
        },
        Err(refused) => refuse(refused),
    }
}

/// The request, or what is wrong with the inputs, as a sentence.
fn request(inputs: &Inputs<'_>, policy: &Policy) -> Result<RunRequest, String> {
    refuse_unknown(inputs, policy)?;
    let sweep = Sweep {
        mode: mode(inputs)?,
        canary: inputs.is_set("canary"),
        fail_fast: inputs.is_set("fail-fast"),
    };
    let filter = RowFilter::parse(|name| inputs.get(name)).map_err(|error| format!("Invalid input: {error}."))?;
    let is_fast = inputs.is_set(&policy.fast_label);
    let profile = inputs.is_set("profile");
    if profile && inputs.is_set(&policy.evals_only_label) {
        return Err(format!(
            "The inputs `profile` and `{}` contradict each other: a profiled row is loaded and not evaluated.",
            policy.evals_only_label
        ));
    }
    Ok(RunRequest {
        profile,
        evals_only: inputs.is_set(&policy.evals_only_label),
        all_evals: inputs.is_set(&policy.all_evals_label),
        agentic: agentic_load(inputs, is_fast)?,
        filter,
        environment: environment(inputs)?,
        labels: labels(inputs)?,
        pull_request: number(inputs, "pull-request")?,
        ..RunRequest::new(scope(inputs)?, sweep, "Manual run.")
    })
}

fn refuse_unknown(inputs: &Inputs<'_>, policy: &Policy) -> Result<(), String> {
    let labels = [&policy.all_evals_label, &policy.evals_only_label, &policy.fast_label].map(String::as_str);
    let known: Vec<&str> = INPUTS.into_iter().chain(RowFilter::NAMES).chain(labels).chain([CHECKOUT]).collect();
    for (name, _) in inputs.0 {
        if !known.contains(&name.as_str()) && !policy.workflow_inputs.contains(name) {
            let near = crate::model::nearest(name, &known).map_or_else(|| ".".to_owned(), |near| format!("; did you mean `{near}`?"));
            return Err(format!(
                "Unknown input `{name}`{near} An input that is the workflow's own belongs into `policy: {{workflow-inputs: [{name}]}}` of imax.yaml."
            ));
        }
    }
    Ok(())
}

fn mode(inputs: &Inputs<'_>) -> Result<Mode, String> {
    match (inputs.get("mode"), inputs.is_set("trim-conc")) {
        (None, true) | (Some("trimmed"), _) => Ok(Mode::Trimmed),
        (None | Some("full"), false) => Ok(Mode::Full),
        (Some("full"), true) => Err("The inputs `mode: full` and `trim-conc: true` contradict each other; give one.".to_owned()),
        (Some(other), _) => Err(format!("The input `mode` is `{other}`, expected `full` or `trimmed`.")),
    }
}

/// The one thing that is asked for.
fn scope(inputs: &Inputs<'_>) -> Result<Scope, String> {
    let keys = inputs.get("config-keys").map(words_of).filter(|keys| !keys.is_empty());
    let base = inputs.get("base-ref").or_else(|| inputs.get("changelog-base-ref"));
    let head = inputs.get("head-ref").or_else(|| inputs.get("changelog-head-ref"));
    match (keys, inputs.get("generate-cli-command"), base) {
        (Some(keys), None, None) => Ok(Scope::Keys {
            keys,
            head: head.map(str::to_owned),
        }),
        (None, Some(command_line), None) => Ok(Scope::Generated {
            command_line: command_line.to_owned(),
            head: head.map(str::to_owned),
        }),
        (None, None, Some(base)) => Ok(Scope::SinceLeaving {
            base: base.to_owned(),
            head: head.unwrap_or("HEAD").to_owned(),
        }),
        (None, None, None) => Err(
            "A manual run needs the input `config-keys`, `generate-cli-command` (`full-sweep --single-node --model-prefix dsr1`), or `base-ref` with an optional `head-ref`."
                .to_owned(),
        ),
        (_, _, _) => Err("The inputs `config-keys`, `generate-cli-command` and `base-ref` exclude each other; give one.".to_owned()),
    }
}

fn agentic_load(inputs: &Inputs<'_>, is_fast: bool) -> Result<AgenticLoad, String> {
    match (number(inputs, "duration-override")?, is_fast) {
        (Some(_), true) => Err("The fast agentic load has a duration of its own; leave out the input `duration-override`.".to_owned()),
        (Some(seconds), false) => Ok(AgenticLoad::Seconds(seconds)),
        (None, true) => Ok(AgenticLoad::Fast),
        (None, false) => Ok(AgenticLoad::Configured),
    }
}

/// The variables that InferenceX's workflow sets from its inputs.
fn environment(inputs: &Inputs<'_>) -> Result<Vec<(String, String)>, String> {
    let mut variables: Vec<(&str, String)> = Vec::new();
    if inputs.is_set("require-power") {
        variables.push(("REQUIRE_POWER", "1".to_owned()));
    }
    if let Some(commit) = inputs.get("power-producer-sha") {
        if !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!(
                "The input `power-producer-sha` is `{commit}`, expected the hash of a commit."
            ));
        }
        variables.push(("POWER_PRODUCER_SHA", commit.to_owned()));
    }
    if inputs.get("eval-limit") != Some("full")
        && let Some(limit) = number(inputs, "eval-limit")?
    {
        variables.extend(["EVAL_LIMIT", "IMAX_EVAL_LIMIT"].map(|name| (name, limit.to_string())));
    }
    match inputs.get("swebench-gen-mode") {
        None => {}
        Some(mode @ ("single-shot" | "agentic")) => variables.push(("SWEBENCH_GEN_MODE", mode.to_owned())),
        Some(other) => {
            return Err(format!(
                "The input `swebench-gen-mode` is `{other}`, expected `single-shot` or `agentic`."
            ));
        }
    }
    Ok(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn labels(inputs: &Inputs<'_>) -> Result<Vec<String>, String> {
    let Some(text) = inputs.get("pr-labels-json").filter(|text| *text != "null") else {
        return Ok(Vec::new());
    };
    serde_json::from_str(text).map_err(|_| "The input `pr-labels-json` is not a JSON list of names.".to_owned())
}

fn number(inputs: &Inputs<'_>, name: &str) -> Result<Option<u64>, String> {
    let Some(text) = inputs.get(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        Ok(_) | Err(_) => Err(format!("The input `{name}` is `{text}`, expected a whole number above 0.")),
    }
}

/// A run that was dispatched for a pull request measures the commit that was approved, and no run is left over for one that is not the
/// newest any more.
fn of_pull_request(number: u64, inputs: &Inputs<'_>, request: RunRequest, facts: &Facts) -> Decision {
    let head = ["head-ref", "changelog-head-ref"].into_iter().find_map(|name| inputs.get(name));
    let Some(head) = head else {
        return refuse("The input `pull-request` needs `head-ref`, the commit that was approved.");
    };
    let Some(pull_request) = &facts.named else {
        return refuse(format!("Cannot read pull request {number}; pass `github-token` to the action."));
    };
    if !pull_request.open {
        return skip(format!("Pull request {number} is closed."));
    }
    if pull_request.head != head {
        return skip(format!(
            "Pull request {number} is at {} by now, and {head} was approved: a push withdraws the approval. Remove the label and set it again.",
            pull_request.head
        ));
    }
    let reason = format!("Pull request {number} at {head}, approved by a label: {} sweep.", request.sweep);
    run(RunRequest { reason, ..request })
}
