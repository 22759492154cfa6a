//! The environment of the engine: variables that describe the row, variables that the profile sets or passes on, secrets, and the path
//! of imax itself.

use super::context::JobFolders;
use super::script_environment::script_environment;
use crate::job::{EnvironmentInput, JobSpec, TORCH_PROFILER_FOLDERS, recipe_environment};
use crate::model::{Profiler, Secret, Variable, VariableValue};
use crate::system::environment;

/// `RESULT_DIR` of InferenceX's workflow.
const SCRIPT_RESULTS: &str = "/workspace/results";
/// The folder of traces in its workflow for profiles.
const SCRIPT_TRACES: &str = "/workspace/";

/// The whole environment of the engine; a later source replaces an earlier one.
pub(super) fn engine_environment(spec: &JobSpec, folders: &JobFolders, port: u16) -> Vec<Variable> {
    let mut variables = Variables::default();
    let profile = &spec.profile;
    if profile.passes_whole_environment() {
        script_environment(std::env::vars_os())
            .into_iter()
            .for_each(|variable| variables.set(variable));
    }
    for name in profile.passed_variables() {
        if let Some(value) = environment::text(name) {
            variables.set_plain(name, value);
        }
    }
    for (name, value) in &profile.environment {
        variables.set_plain(name, value);
    }
    if let Some(cache) = &profile.hf_cache {
        variables.set_plain("HF_HUB_CACHE", cache);
    }
    let described = recipe_environment(EnvironmentInput {
        row: &spec.row,
        conc: spec.highest_conc(),
        runner_name: &spec.runner_name,
        port,
        load: &profile.load,
    });
    described.into_iter().for_each(|variable| variables.set(variable));
    set_job_variables(&mut variables, spec, folders);
    set_imax_path(&mut variables);
    for name in &profile.secrets {
        if let Some(value) = environment::text(name) {
            variables.set(Variable::secret(name, Secret::new(value)));
        }
    }
    variables.0
}

fn set_job_variables(variables: &mut Variables, spec: &JobSpec, folders: &JobFolders) {
    let out = folders.out.display().to_string();
    let workspace = environment::text("GITHUB_WORKSPACE").unwrap_or_else(|| folders.repository.display().to_string());
    variables.set_plain("GITHUB_WORKSPACE", workspace);
    if let Some(tokenizer) = &spec.profile.load.tokenizer {
        variables.set_plain("IMAX_TOKENIZER", tokenizer);
    }
    if let Some(sessions) = &spec.profile.load.sessions {
        variables.set_plain("IMAX_SESSIONS", sessions);
    }
    variables.set_plain("IMAX_READY_DEADLINE", spec.profile.deadlines.ready.to_string());
    variables.set_plain("IMAX_OUT", &out);
    if spec.row.profile {
        set_profiler_variables(variables, spec, folders);
    }
    if spec.row.is_agentic() {
        variables.set_plain("RESULT_DIR", result_folder(spec, out));
    }
}

/// What InferenceX's workflow for profiles sets, and its recipes read. Stopping the profiler takes vLLM longer than its calls may usually last.
fn set_profiler_variables(variables: &mut Variables, spec: &JobSpec, folders: &JobFolders) {
    let tool = spec.profile.profiler.tool;
    variables.set_plain("PROFILE", "1");
    variables.set_plain("IMAX_PROFILER", tool.as_str());
    variables.set_plain("VLLM_RPC_TIMEOUT", "1800000");
    let folder = if spec.profile.is_launch_script() {
        SCRIPT_TRACES.to_owned()
    } else {
        folders.traces().display().to_string()
    };
    match tool {
        Profiler::Torch => TORCH_PROFILER_FOLDERS
            .into_iter()
            .for_each(|name| variables.set_plain(name, &folder)),
        Profiler::Nsys => {}
    }
}

/// Where a recipe writes what belongs to its replay of sessions. A launch script starts its recipe in a container that has the repository at
/// `/workspace` and nothing else of this machine, so that everything written elsewhere would be lost. Launchers of imax mount the
/// output folder.
fn result_folder(spec: &JobSpec, out: String) -> String {
    if spec.profile.is_launch_script() {
        SCRIPT_RESULTS.to_owned()
    } else {
        out
    }
}

/// Recipes call `imax`, which may not be on the runner's own PATH.
fn set_imax_path(variables: &mut Variables) {
    let Ok(binary) = std::env::current_exe() else { return };
    if let Some(folder) = binary.parent().map(|folder| folder.display().to_string()) {
        let path = environment::text("PATH").map_or_else(|| folder.clone(), |path| format!("{folder}:{path}"));
        variables.set_plain("PATH", path);
    }
    variables.set_plain("IMAX_BIN", binary.display().to_string());
}

#[derive(Default)]
struct Variables(Vec<Variable>);

impl Variables {
    fn set_plain(&mut self, name: &str, value: impl Into<String>) {
        self.set(Variable::plain(name, value));
    }

    /// A later value replaces an earlier one, but a secret stays a secret.
    fn set(&mut self, variable: Variable) {
        let Some(known) = self.0.iter_mut().find(|known| known.name == variable.name) else {
            self.0.push(variable);
            return;
        };
        known.value = match (&known.value, variable.value) {
            (VariableValue::Secret(_), VariableValue::Plain(text)) => VariableValue::Secret(Secret::new(text)),
            (VariableValue::Plain(_) | VariableValue::Secret(_), value) => value,
        };
    }
}
