//! The plan of a container: everything about it as a value, before anything is sent to the daemon.

use serde::Serialize;

use super::options::{ContainerNetwork, GpuRequest};
use super::settings::DockerSettings;
use crate::fleet::launcher::container::{ContainerContents, ContainerFolders, inside};
use crate::fleet::launcher::mount::Mount;
use crate::job::JobSpec;
use crate::model::Variable;

/// The label of a container; its value is the job's id.
pub(super) const JOB_LABEL: &str = "imax.job";

/// The plan of a container. It has the names of secrets, not their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ContainerPlan {
    /// The container's name: the job's id.
    pub name: String,
    pub image: String,
    pub command: Vec<String>,
    /// `NAME=value`, without secrets.
    pub environment: Vec<String>,
    /// Names of the secrets; their values are added when the container is created.
    pub secrets: Vec<String>,
    pub mounts: Vec<Mount>,
    /// The port published on the node, unless the node's network is used.
    pub mapped_port: Option<u16>,
    /// Everything else, as in the profile.
    pub settings: DockerSettings,
}

/// The container of a job.
pub(super) fn container_plan(
    spec: &JobSpec,
    settings: &DockerSettings,
    environment: &[Variable],
    port: u16,
    folders: ContainerFolders<'_>,
) -> ContainerPlan {
    let ContainerContents {
        plain,
        secrets,
        mounts,
        command,
    } = inside(spec, environment, folders, &settings.mounts);
    // A container with some of the node's GPUs numbers them from 0, so variables such as CUDA_VISIBLE_DEVICES with the node's numbers would
    // be wrong in it.
    let is_node_selection = |name: &str| matches!(settings.gpus, GpuRequest::Ids(_)) && name.ends_with("_VISIBLE_DEVICES");
    let plain = plain.into_iter().filter(|(name, _)| !is_node_selection(name));
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

/// Configs for Enroot write `registry#repository:tag`; container engines expect a slash.
fn image_reference(image: &str) -> String {
    image.replacen('#', "/", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::launcher::launch_rules;
    use crate::job::{RunnerProfile, resolve};
    use crate::model::{JobId, Secret};
    use serde_json::json;
    use std::path::Path;

    fn spec_of(profile: &str) -> (JobSpec, DockerSettings) {
        let row = serde_json::from_value(json!({
            "image": "nvcr.io#org/engine:1", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "mi300x",
            "isl": 64, "osl": 16, "tp": 1, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": 2, "max-model-len": 128, "exp-name": "e"
        }))
        .unwrap();
        let profile = RunnerProfile::load(
            "mi300x-a",
            "runners",
            &|name| (name == "mi300x-a.yaml").then(|| profile.to_owned()),
            &launch_rules(),
        )
        .unwrap();
        let read = |path: &str| (path == "demo_fp8_mi300x.sh").then(|| "exec engine".to_owned());
        let spec = resolve(
            JobId::from_unique(1),
            row,
            "mi300x-a_0".parse().unwrap(),
            profile,
            "benchmarks",
            &read,
            &launch_rules(),
        )
        .unwrap();
        let settings = spec.profile.launch.read().unwrap();
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
    fn container_with_gpu_ids_does_not_get_the_nodes_selection() {
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
    fn plan_has_folders_environment_and_devices_but_no_secret() {
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
