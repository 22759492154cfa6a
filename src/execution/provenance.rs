//! The provenance of a job's results: complete in `job.json`, and in short in each result.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::context::JobContext;
use super::progress::Progress;
use crate::fleet::node::NODE_FILE_PREFIX;
use crate::job::{JobSpec, NodeFacts, Provenance, Recipe, RunnerProfile};
use crate::model::{RunnerName, Variable, VariableValue};
use crate::system::host;
use crate::system::untrusted::UntrustedFolder;

/// Parts of names whose values may contain a secret even if the profile does not say so; the URL of a proxy may contain a
/// password.
const SECRET_NAME_PARTS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "KEY", "CREDENTIAL", "PROXY"];

/// The provenance of a job that has not run.
pub(super) fn provenance(profile: &RunnerProfile, runner: &RunnerName, recipe: Option<Recipe>, commit: Option<String>) -> Provenance {
    Provenance {
        imax_version: env!("CARGO_PKG_VERSION").to_owned(),
        host: host::host_name(),
        kernel: host::kernel(),
        runner_name: runner.clone(),
        profile: profile.name.clone(),
        launcher: profile.launch.name().to_owned(),
        recipe,
        commit,
        served_model: None,
        engine: BTreeMap::new(),
        gpus: Vec::new(),
        gpu_driver: None,
        gpu_toolkit: None,
        environment: BTreeMap::new(),
        secrets: Vec::new(),
    }
}

/// The provenance of a job that ran.
pub(super) fn provenance_of_job(ctx: &JobContext, progress: &Progress) -> Provenance {
    let JobSpec {
        profile,
        runner_name,
        recipe,
        ..
    } = &ctx.spec;
    let node = &progress.node;
    let gpus = match &node.gpus {
        Some(Ok(gpus)) => gpus.clone(),
        Some(Err(_)) | None => Vec::new(),
    };
    let local = provenance(profile, runner_name, recipe.clone(), ctx.checkout.commit());
    let (environment, secrets) = split_environment(&ctx.environment);
    Provenance {
        host: known_or(&node.host, &local.host),
        kernel: known_or(&node.kernel, &local.kernel),
        served_model: progress.engine.served_model.clone(),
        engine: progress.engine.facts.clone(),
        gpu_driver: gpus.first().and_then(|gpu| gpu.driver.clone()),
        gpu_toolkit: node.toolkit.clone(),
        gpus,
        environment,
        secrets,
        ..local
    }
}

fn known_or(known: &str, default: &str) -> String {
    if known.is_empty() { default.to_owned() } else { known.to_owned() }
}

/// The short form in each result: the facts that determine its numbers, without the environment.
pub(super) fn short_provenance(provenance: &Provenance, spec: &JobSpec) -> Value {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for gpu in &provenance.gpus {
        *counts.entry(gpu.label()).or_default() += 1;
    }
    let gpus = (!counts.is_empty()).then_some(counts);
    let clocks = provenance.gpus.iter().filter_map(|gpu| gpu.max_clock_mhz);
    let members = [
        ("job", json!(spec.id)),
        ("imax_version", json!(provenance.imax_version)),
        ("commit", json!(provenance.commit)),
        ("recipe", json!(spec.recipe.as_ref().map(|recipe| &recipe.path))),
        (
            "recipe_sha256",
            json!(spec.recipe.as_ref().and_then(|recipe| recipe.sha256.as_ref())),
        ),
        ("host", json!(provenance.host)),
        ("runner_name", json!(provenance.runner_name)),
        ("launcher", json!(provenance.launcher)),
        ("engine", json!(provenance.engine)),
        ("gpus", json!(gpus)),
        ("max_clock_mhz", json!(clocks.reduce(f64::min))),
        ("gpu_driver", json!(provenance.gpu_driver)),
        ("gpu_toolkit", json!(provenance.gpu_toolkit)),
    ];
    let known = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(known.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

/// The variables whose values may be shown, and the names of the others.
fn split_environment(environment: &[Variable]) -> (BTreeMap<String, String>, Vec<String>) {
    let mut shown = BTreeMap::new();
    let mut secrets = Vec::new();
    for variable in environment {
        match &variable.value {
            VariableValue::Plain(text) if !may_contain_secret(&variable.name) => {
                shown.insert(variable.name.clone(), text.clone());
            }
            VariableValue::Plain(_) | VariableValue::Secret(_) => secrets.push(variable.name.clone()),
        }
    }
    (shown, secrets)
}

/// Whether the name of a variable suggests that its value is a secret.
pub(super) fn may_contain_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    SECRET_NAME_PARTS.iter().any(|part| name.contains(part))
}

/// The report that `imax doctor` wrote on a node of the job. Only `facts` is read.
#[derive(Deserialize)]
struct NodeReport {
    facts: NodeFacts,
}

/// The joined facts that a scheduler's nodes reported; `None` without reports. They replace the facts of this machine, which only
/// submitted the job.
pub(super) fn facts_of_nodes(out: &UntrustedFolder, nodes: &[String]) -> Option<NodeFacts> {
    let mut reported = nodes.iter().filter_map(|node| read_report(out, node));
    let first = reported.next()?;
    Some(reported.fold(first, join))
}

fn read_report(out: &UntrustedFolder, node: &str) -> Option<NodeFacts> {
    let text = out.read_text(Path::new(&format!("{NODE_FILE_PREFIX}{node}.json"))).ok()?;
    let report: NodeReport = serde_json::from_str(&text).ok()?;
    Some(report.facts)
}

fn join(mut all: NodeFacts, node: NodeFacts) -> NodeFacts {
    all.host = format!("{},{}", all.host, node.host);
    if let (Some(Ok(gpus)), Some(Ok(more))) = (&mut all.gpus, node.gpus) {
        gpus.extend(more);
    }
    all
}
