//! A container as a value: everything that a container engine is told about a job, worked out before it is asked for
//! anything. The container gets the repository, the recipes, the output folder and the static `imax` binary as mounts,
//! so nothing is installed in it.

use std::path::Path;

use serde::Serialize;

use super::{ContainerNetwork, DockerSettings, GpuRequest, JobSpec, Mount};
use crate::model::{Variable, VariableValue};

/// The label that a container carries, with the job's id as its value.
pub const JOB_LABEL: &str = "imax.job";
/// Where the repository is in a container, as in InferenceX's.
pub const WORKSPACE: &str = "/workspace";
/// Where the model hub's cache is in a container, as in InferenceX's.
pub const HUB_CACHE: &str = "/mnt/hf_hub_cache";
const RECIPES: &str = "/imax/recipes";
const OUT: &str = "/imax/out";
const BINARY: &str = "/imax/bin/imax";
const SESSIONS: &str = "/imax/sessions";

/// Variables of the node that mean nothing, or something else, inside a container.
const OF_THE_NODE: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "HF_HOME",
    "HF_HUB_CACHE",
    "IMAX_BIN",
    "IMAX_OUT",
    "GITHUB_WORKSPACE",
    "TZ",
];

/// The folders of the node that a container gets.
#[derive(Debug, Clone, Copy)]
pub struct ContainerFolders<'a> {
    /// The repository.
    pub repository: &'a Path,
    /// The recipes.
    pub recipes: &'a Path,
    /// Where the job's files go.
    pub out: &'a Path,
    /// The `imax` binary.
    pub binary: &'a Path,
}

/// What a container engine is told. Secrets are in `secrets` and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerPlan {
    /// The container's name: the job's id.
    pub name: String,
    /// The image.
    pub image: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// `NAME=value`, without secrets.
    pub environment: Vec<String>,
    /// Names of the secrets; their values are added when the container is made.
    pub secrets: Vec<String>,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// The port that is mapped to the node, where the node's network is not used.
    pub mapped_port: Option<u16>,
    /// Everything else, as the profile has it.
    pub settings: DockerSettings,
}

/// What a container gets of the node, whoever starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inside {
    /// Variables and their values, without secrets.
    pub plain: Vec<(String, String)>,
    /// Names of the secrets.
    pub secrets: Vec<String>,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// Variables, folders and the command inside a container of a job; `own` are the profile's folders.
pub(super) fn inside(spec: &JobSpec, environment: &[Variable], folders: ContainerFolders<'_>, own: &[Mount]) -> Inside {
    let mut plain: Vec<(String, String)> = Vec::new();
    let mut secrets = Vec::new();
    let mut sessions = None;
    for Variable { name, value } in environment {
        match value {
            // Where recipes of recorded sessions leave their results.
            VariableValue::Plain(_) if name == "RESULT_DIR" => plain.push((name.clone(), OUT.to_owned())),
            // A relative path is below the repository, which is there.
            VariableValue::Plain(text) if name == "IMAX_SESSIONS" && Path::new(text).is_absolute() => {
                let file = Path::new(text).file_name().unwrap_or_default().to_string_lossy();
                let target = format!("{SESSIONS}/{file}");
                sessions = Some(mount(Path::new(text), &target, true));
                plain.push((name.clone(), target));
            }
            VariableValue::Plain(_) if OF_THE_NODE.contains(&name.as_str()) => {}
            VariableValue::Plain(text) => plain.push((name.clone(), text.clone())),
            VariableValue::Secret(_) => secrets.push(name.clone()),
        }
    }
    for (name, value) in [("IMAX_BIN", BINARY), ("IMAX_OUT", OUT), ("GITHUB_WORKSPACE", WORKSPACE)] {
        plain.push((name.to_owned(), value.to_owned()));
    }
    let mut mounts = vec![
        mount(folders.repository, WORKSPACE, false),
        mount(folders.recipes, RECIPES, true),
        mount(folders.out, OUT, false),
        mount(folders.binary, BINARY, true),
    ];
    if let Some(cache) = &spec.profile.hf_cache {
        plain.push(("HF_HUB_CACHE".to_owned(), HUB_CACHE.to_owned()));
        mounts.push(mount(Path::new(cache), HUB_CACHE, false));
    }
    mounts.extend(sessions);
    mounts.extend(own.iter().cloned());
    Inside {
        plain,
        secrets,
        mounts,
        command: vec!["bash".to_owned(), format!("{RECIPES}/{}", spec.recipe.path)],
    }
}

/// The container of a job.
#[must_use]
pub fn container_plan(
    spec: &JobSpec,
    settings: &DockerSettings,
    environment: &[Variable],
    port: u16,
    folders: ContainerFolders<'_>,
) -> ContainerPlan {
    let Inside {
        plain,
        secrets,
        mounts,
        command,
    } = inside(spec, environment, folders, &settings.mounts);
    // Where a container gets some of the GPUs, they have other numbers in it.
    let means_others = |name: &str| matches!(settings.gpus, GpuRequest::Ids(_)) && name.ends_with("_VISIBLE_DEVICES");
    let plain = plain.into_iter().filter(|(name, _)| !means_others(name));
    ContainerPlan {
        name: spec.id.to_string(),
        image: image_reference(spec.row.image.as_str()),
        command,
        environment: plain.map(|(name, value)| format!("{name}={value}")).collect(),
        secrets,
        mounts,
        mapped_port: match settings.network {
            ContainerNetwork::Host => None,
            ContainerNetwork::Default | ContainerNetwork::Named(_) => Some(port),
        },
        settings: settings.clone(),
    }
}

fn mount(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        source: source.display().to_string(),
        target: target.to_owned(),
        read_only,
    }
}

/// Configs for Enroot write `registry#repository:tag`; container engines want a slash.
#[must_use]
pub fn image_reference(image: &str) -> String {
    image.replacen('#', "/", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{LaunchSettings, RunnerProfile, resolve};
    use crate::model::JobId;
    use crate::model::Secret;
    use serde_json::json;

    fn spec_of(profile: &str) -> (JobSpec, DockerSettings) {
        let row = serde_json::from_value(json!({
            "image": "nvcr.io#org/engine:1", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "mi300x",
            "isl": 64, "osl": 16, "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": 2, "max-model-len": 128, "exp-name": "e"
        }))
        .unwrap();
        let profile = RunnerProfile::load("mi300x-a", "runners", &|name| (name == "mi300x-a.yaml").then(|| profile.to_owned())).unwrap();
        let read = |path: &str| (path == "demo_fp8_mi300x.sh").then(|| "exec engine".to_owned());
        let spec = resolve(
            JobId::from_unique(1),
            row,
            "mi300x-a_0".parse().unwrap(),
            profile,
            "benchmarks",
            &read,
        )
        .unwrap();
        let LaunchSettings::Docker(settings) = spec.profile.launch.clone() else {
            panic!()
        };
        (spec, settings)
    }

    fn folders() -> ContainerFolders<'static> {
        ContainerFolders {
            repository: Path::new("/repo"),
            recipes: Path::new("/repo/benchmarks"),
            out: Path::new("/repo/results"),
            binary: Path::new("/opt/imax"),
        }
    }

    #[test]
    fn a_container_with_some_of_the_gpus_does_not_get_the_nodes_choice() {
        let (spec, settings) = spec_of("launcher: docker\ndocker: {gpu-ids: [4, 5]}\n");
        let environment = [Variable::plain("TP", "2"), Variable::plain("CUDA_VISIBLE_DEVICES", "4,5")];
        let plan = container_plan(&spec, &settings, &environment, 8888, folders());
        assert!(plan.environment.contains(&"TP=2".to_owned()), "{:?}", plan.environment);
        assert!(
            !plan.environment.iter().any(|text| text.contains("VISIBLE")),
            "{:?}",
            plan.environment
        );
        assert_eq!(plan.mapped_port, None);
    }

    #[test]
    fn a_container_gets_folders_environment_and_devices_and_no_secret_is_shown() {
        let (spec, settings) = spec_of(
            "launcher: docker\nhf-cache: /data/hf\ndocker: {devices: [/dev/kfd, /dev/dri], groups: [video], host-network: false}\n",
        );
        let environment = [
            Variable::plain("TP", "1"),
            Variable::plain("PATH", "/usr/bin"),
            Variable::plain("CUDA_VISIBLE_DEVICES", "4,5"),
            Variable::plain("IMAX_SESSIONS", "/data/traces.jsonl"),
            Variable::secret("HF_TOKEN", Secret::new("hf_x".to_owned())),
        ];
        let folders = folders();
        let plan = serde_json::to_value(container_plan(&spec, &settings, &environment, 8888, folders)).unwrap();
        let mount = |source: &str, target: &str, read_only: bool| json!({ "source": source, "target": target, "read-only": read_only });
        let expected = json!({
            "name": "imax-1",
            "image": "nvcr.io/org/engine:1",
            "command": ["bash", "/imax/recipes/demo_fp8_mi300x.sh"],
            "environment": [
                "TP=1", "CUDA_VISIBLE_DEVICES=4,5", "IMAX_SESSIONS=/imax/sessions/traces.jsonl", "IMAX_BIN=/imax/bin/imax", "IMAX_OUT=/imax/out", "GITHUB_WORKSPACE=/workspace", "HF_HUB_CACHE=/mnt/hf_hub_cache",
            ],
            "secrets": ["HF_TOKEN"],
            "mounts": [
                mount("/repo", "/workspace", false),
                mount("/repo/benchmarks", "/imax/recipes", true),
                mount("/repo/results", "/imax/out", false),
                mount("/opt/imax", "/imax/bin/imax", true),
                mount("/data/hf", "/mnt/hf_hub_cache", false),
                mount("/data/traces.jsonl", "/imax/sessions/traces.jsonl", true),
            ],
            "mapped_port": 8888,
            "settings": settings,
        });
        assert_eq!(plan, expected);
    }
}
