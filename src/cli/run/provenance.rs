//! Where a job's numbers come from: in `job.json`, and in short in the own block of each of its results.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::life::Life;
use super::load::Engine as LoadTarget;
use crate::fleet::engine_log;
use crate::job::slurm::NODE_FILE_PREFIX;
use crate::job::{JobSpec, NodeFacts, Provenance, Recipe, RunnerProfile, VERSION_PATHS, version_in_answer, version_in_log};
use crate::model::{RunnerName, Variable, VariableValue};
use crate::system::files;
use crate::system::host;
use crate::system::plain_http::{Question, ask};

/// Longest wait for the engine to say its version.
const LIMIT: Duration = Duration::from_secs(5);

/// Parts of names whose values may hold a secret even where the profile did not say so; a proxy's address may hold a password.
const TELLING: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "KEY", "CREDENTIAL", "PROXY"];

/// What is known before anything runs.
pub fn provenance(profile: &RunnerProfile, runner: &RunnerName, recipe: Option<Recipe>, commit: Option<String>) -> Provenance {
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

/// What is known of a job that ran.
pub fn provenance_of_job(
    spec: &JobSpec,
    commit: Option<String>,
    node: &NodeFacts,
    served_model: Option<String>,
    engine: BTreeMap<String, String>,
    environment: &[Variable],
) -> Provenance {
    let gpus = match &node.gpus {
        Some(Ok(gpus)) => gpus.clone(),
        Some(Err(_)) | None => Vec::new(),
    };
    let own = provenance(&spec.profile, &spec.runner_name, Some(spec.recipe.clone()), commit);
    let or_own = |known: &String, own: String| if known.is_empty() { own } else { known.clone() };
    Provenance {
        host: or_own(&node.host, own.host.clone()),
        kernel: or_own(&node.kernel, own.kernel.clone()),
        served_model,
        engine,
        gpu_driver: gpus.first().and_then(|gpu| gpu.driver.clone()),
        gpu_toolkit: node.toolkit.clone(),
        gpus,
        environment: shown(environment),
        secrets: hidden(environment),
        ..own
    }
}

/// The part that goes with each result: what decides about its numbers, without the environment.
pub fn short(provenance: &Provenance, spec: &JobSpec) -> Value {
    let mut gpus: BTreeMap<&str, u32> = BTreeMap::new();
    for gpu in &provenance.gpus {
        *gpus.entry(gpu.label()).or_default() += 1;
    }
    let mut short = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            short.insert(key.to_owned(), value);
        }
    };
    put("job", json!(spec.id));
    put("imax_version", json!(provenance.imax_version));
    put("commit", json!(provenance.commit));
    put("recipe", json!(spec.recipe.path));
    put("recipe_sha256", json!(spec.recipe.sha256));
    put("host", json!(provenance.host));
    put("runner_name", json!(provenance.runner_name));
    put("launcher", json!(provenance.launcher));
    put("engine", json!(provenance.engine));
    if !gpus.is_empty() {
        put("gpus", json!(gpus));
        let clocks: Vec<_> = provenance.gpus.iter().filter_map(|gpu| gpu.max_clock_mhz).collect();
        put("max_clock_mhz", json!(clocks.into_iter().reduce(f64::min)));
    }
    put("gpu_driver", json!(provenance.gpu_driver));
    put("gpu_toolkit", json!(provenance.gpu_toolkit));
    Value::Object(short)
}

fn shown(environment: &[Variable]) -> BTreeMap<String, String> {
    let show = |variable: &Variable| match &variable.value {
        VariableValue::Plain(text) if !TELLING.iter().any(|part| variable.name.to_uppercase().contains(part)) => {
            Some((variable.name.clone(), text.clone()))
        }
        VariableValue::Plain(_) | VariableValue::Secret(_) => None,
    };
    environment.iter().filter_map(show).collect()
}

fn hidden(environment: &[Variable]) -> Vec<String> {
    let shown = shown(environment);
    environment
        .iter()
        .map(|variable| variable.name.clone())
        .filter(|name| !shown.contains_key(name))
        .collect()
}

/// What `imax doctor` of a node of the job wrote; the rest of it is for people.
#[derive(Deserialize)]
struct Examination {
    facts: NodeFacts,
}

impl Life<'_> {
    /// Takes over what the nodes that a scheduler gave the job said of themselves; this machine only submitted it.
    pub(super) fn take_node_facts(&mut self) {
        let read = |name: &String| {
            let path = self.places.out.join(format!("{NODE_FILE_PREFIX}{name}.json"));
            serde_json::from_str::<Examination>(&files::read_text(&path).ok()?).ok()
        };
        let mut nodes = self.nodes.iter().filter_map(read).map(|examination| examination.facts);
        let Some(first) = nodes.next() else { return };
        self.node = nodes.fold(first, |mut all, node| {
            all.host = format!("{},{}", all.host, node.host);
            if let (Some(Ok(gpus)), Some(Ok(more))) = (&mut all.gpus, node.gpus) {
                gpus.extend(more);
            }
            all
        });
    }

    /// Notes the version of the engine that runs, as it says it itself, or as its log has it. An engine that says nothing
    /// stays without one.
    pub(super) fn note_engine_version(&mut self, target: &LoadTarget) {
        let asked = VERSION_PATHS.iter().find_map(|path| {
            let question = Question {
                host: &target.host,
                port: target.port,
                path,
                json: None,
                headers: &[],
                tls: None,
            };
            let answer = ask(question, LIMIT, &mut || self.stop.cause().is_none()).ok()?;
            let version = (answer.status == 200).then(|| version_in_answer(&answer.body)).flatten()?;
            Some((version, (*path).to_owned()))
        });
        let found = asked.or_else(|| {
            let log = engine_log::tail(&self.log(), self.secrets);
            version_in_log(&log).map(|version| (version, "log".to_owned()))
        });
        if let Some((version, from)) = found {
            self.voice.line(&format!("engine version {version}"));
            self.facts.insert("engine_version".to_owned(), version);
            self.facts.insert("engine_version_from".to_owned(), from);
        }
    }
}
