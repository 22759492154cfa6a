//! The sbatch request: options, environment of the submission, and the batch script on stdin. The Slurm id of the job
//! comes back; everything else is found by the job's name and comment, which are its imax id.

use std::path::Path;

use super::allocation::{Allocation, AllocationError, allocation};
use super::script::{ScriptPlan, script};
use super::settings::{SlurmContainer, SlurmSettings};
use super::step::step_options;
use crate::fleet::image_cache::{ImageSource, enroot_uri};
use crate::fleet::launcher::container::{ContainerFolders, inside};
use crate::fleet::launcher::mount::Mount;
use crate::fleet::node::NODE_FILE_PREFIX;
use crate::job::JobSpec;
use crate::model::{Variable, VariableValue};

/// The folders of a job, all on a file system that the nodes share with this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchFolders<'a> {
    /// The repository, the recipe's working folder.
    pub repository: &'a Path,
    pub recipes: &'a Path,
    pub runners: &'a Path,
    /// Output folder of the job.
    pub out: &'a Path,
    /// The `imax` binary.
    pub binary: &'a Path,
    pub log: &'a Path,
    /// The file with the job's secrets, if it has any.
    pub secrets: Option<&'a Path>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchRequest {
    /// The options of sbatch.
    pub arguments: Vec<String>,
    /// The whole environment of sbatch, which the job inherits. It contains no secret.
    pub environment: Vec<(String, String)>,
    pub script: String,
    /// What the script mounts in its container.
    pub mounts: Vec<Mount>,
}

/// Variables that Slurm's tools and the shell need, even if the recipe runs in a container.
const SHELL_VARIABLES: [&str; 4] = ["PATH", "HOME", "USER", "LOGNAME"];

/// The submission of a job.
///
/// # Errors
/// If the row does not fit the profile's nodes.
pub(super) fn batch_request(
    spec: &JobSpec,
    settings: &SlurmSettings,
    environment: &[Variable],
    port: u16,
    folders: BatchFolders<'_>,
) -> Result<BatchRequest, AllocationError> {
    let allocation = allocation(&spec.row, settings)?;
    let job = spec.id.as_str();
    let secrets = folders.secrets.map(|path| path.display().to_string());
    let recipe = folders.recipes.join(spec.recipe_path()).display().to_string();
    let outside = spec.recipe_command(recipe);
    let mut plan = ScriptPlan {
        job,
        secrets: secrets.as_deref(),
        port,
        allocation,
        exports: Vec::new(),
        examine: examination(spec, &folders, allocation),
        import: None,
        container: settings.container,
        step: Vec::new(),
        command: outside,
    };
    let environment = for_the_nodes(spec, environment);
    let shown = plain(&environment);
    let mut mounts = Vec::new();
    let environment = match settings.container {
        SlurmContainer::None => shown,
        SlurmContainer::Pyxis | SlurmContainer::Enroot => {
            let places = ContainerFolders {
                repository: folders.repository,
                recipes: folders.recipes,
                out: folders.out,
                binary: folders.binary,
            };
            let inside = inside(spec, &environment, places, &settings.mounts);
            let image = image(spec, settings, folders.binary, &mut plan);
            plan.step = step_options(settings, &inside, &image);
            mounts.clone_from(&inside.mounts);
            if allocation.roles.is_some() {
                // The recipe itself runs outside of the container.
                shown
            } else {
                plan.command = inside.command;
                let kept = shown.into_iter().filter(|(name, _)| SHELL_VARIABLES.contains(&name.as_str()));
                kept.chain(inside.plain).collect()
            }
        }
    };
    Ok(BatchRequest {
        arguments: arguments(job, settings, allocation, folders),
        environment,
        script: script(&plan),
        mounts,
    })
}

fn examination(spec: &JobSpec, folders: &BatchFolders<'_>, allocation: Allocation) -> (Vec<String>, String) {
    let command = [
        folders.binary.display().to_string(),
        "doctor".to_owned(),
        "--inside-job".to_owned(),
        format!("--profile={}", spec.profile.name),
        format!("--runner-dir={}", folders.runners.display()),
        format!("--gpus={}", allocation.gpus_per_node),
        "--format=json".to_owned(),
    ];
    (command.to_vec(), folders.out.join(NODE_FILE_PREFIX).display().to_string())
}

/// The image for the container's options, and the import before it if the profile has a cache.
fn image(spec: &JobSpec, settings: &SlurmSettings, binary: &Path, plan: &mut ScriptPlan<'_>) -> String {
    let imported = "$image".to_owned();
    let source = enroot_uri(spec.row.image.as_str());
    match (source, &settings.image_cache) {
        (ImageSource::File(path), _) if settings.container == SlurmContainer::Pyxis => path,
        (ImageSource::Registry(uri), None) => uri.strip_prefix("docker://").unwrap_or(&uri).to_owned(),
        (ImageSource::File(name) | ImageSource::Registry(name), cache) => {
            let cache = cache.as_deref().unwrap_or_default();
            let words = [&binary.display().to_string(), "import-image", "--image", &name, "--cache", cache];
            plan.import = Some(words.map(str::to_owned).to_vec());
            imported
        }
    }
}

/// Slurm decides which GPUs a job sees, so the submitting machine's selection must not be inherited.
const GPU_SELECTION: [&str; 4] = [
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
];

/// The job's environment on its nodes.
fn for_the_nodes(spec: &JobSpec, environment: &[Variable]) -> Vec<Variable> {
    environment
        .iter()
        .filter(|Variable { name, .. }| !GPU_SELECTION.contains(&name.as_str()) || spec.profile.environment.contains_key(name))
        .cloned()
        .collect()
}

fn plain(environment: &[Variable]) -> Vec<(String, String)> {
    environment
        .iter()
        .filter_map(|variable| match &variable.value {
            VariableValue::Plain(text) => Some((variable.name.clone(), text.clone())),
            VariableValue::Secret(_) => None,
        })
        .collect()
}

fn arguments(job: &str, settings: &SlurmSettings, allocation: Allocation, folders: BatchFolders<'_>) -> Vec<String> {
    let minutes = settings.time_limit.duration().as_secs().div_ceil(60).max(1);
    let mut list = vec![
        "--parsable".to_owned(),
        format!("--job-name={job}"),
        format!("--comment={job}"),
        // A requeued job would measure after its imax run has given up on it.
        "--no-requeue".to_owned(),
        // The submission's environment is that of the recipe and nothing else, so it can be exported as a whole.
        "--export=ALL".to_owned(),
        format!("--chdir={}", folders.repository.display()),
        format!("--output={}", folders.log.display()),
        "--open-mode=append".to_owned(),
        format!("--nodes={}", allocation.nodes()),
        "--ntasks-per-node=1".to_owned(),
        format!("--time={minutes}"),
    ];
    let named = [
        ("partition", &settings.partition),
        ("account", &settings.account),
        ("qos", &settings.qos),
        ("reservation", &settings.reservation),
        ("exclude", &settings.exclude),
        ("nodelist", &settings.nodelist),
        ("constraint", &settings.constraint),
    ];
    list.extend(
        named
            .into_iter()
            .filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?))),
    );
    if settings.exclusive {
        list.push("--exclusive".to_owned());
    }
    if !settings.gpus_option.is_empty() {
        list.push(settings.gpus_option.replace("{gpus}", &allocation.gpus_per_node.to_string()));
    }
    list.extend(settings.extra_options.iter().cloned());
    list
}

#[cfg(test)]
mod tests;
