//! A runner profile exactly as its YAML file has it: every key optional, unknown keys refused. Known to this module
//! and `super::profile` alone, which makes the checked type of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{GpuVendor, PhaseTime};

/// One file of `runners/`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ProfileDocument {
    pub extends: Option<String>,
    pub launcher: Option<LauncherName>,
    pub vendor: Option<GpuVendor>,
    pub hf_cache: Option<String>,
    pub pass_environment: Option<Vec<String>>,
    pub environment: Option<BTreeMap<String, String>>,
    pub secrets: Option<Vec<String>>,
    pub health_path: Option<String>,
    pub load: Option<LoadDocument>,
    pub deadlines: Option<DeadlinesDocument>,
    pub hooks: Option<HooksDocument>,
    pub script: Option<String>,
    pub docker: Option<DockerDocument>,
    pub slurm: Option<SlurmDocument>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LauncherName {
    Local,
    Script,
    Docker,
    Slurm,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct LoadDocument {
    pub prompts_per_concurrency: Option<u32>,
    pub warmups_per_concurrency: Option<u32>,
    pub random_range_ratio: Option<f64>,
    pub tokenizer: Option<String>,
    pub backend: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct DeadlinesDocument {
    pub preflight: Option<PhaseTime>,
    pub clean: Option<PhaseTime>,
    pub launch: Option<PhaseTime>,
    pub ready: Option<PhaseTime>,
    pub warm_up: Option<PhaseTime>,
    pub load: Option<PhaseTime>,
    pub eval: Option<PhaseTime>,
    pub collect: Option<PhaseTime>,
    pub stop: Option<PhaseTime>,
    pub stall: Option<PhaseTime>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct HooksDocument {
    pub pre: Option<Vec<String>>,
    pub post: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct DockerDocument {
    pub socket: Option<String>,
    pub gpus: Option<bool>,
    pub cdi_devices: Option<Vec<String>>,
    pub devices: Option<Vec<String>>,
    pub groups: Option<Vec<String>>,
    pub mounts: Option<Vec<String>>,
    pub host_network: Option<bool>,
    pub host_ipc: Option<bool>,
    pub shm_size_mib: Option<u64>,
    pub ulimits: Option<Vec<String>>,
    pub capabilities: Option<Vec<String>>,
    pub security_options: Option<Vec<String>>,
    pub user: Option<String>,
    pub privileged: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct SlurmDocument {
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    pub exclusive: Option<bool>,
    pub time_limit: Option<PhaseTime>,
    pub queue_deadline: Option<PhaseTime>,
    pub exclude: Option<String>,
    pub gpus_option: Option<String>,
    pub extra_options: Option<Vec<String>>,
    pub container: Option<String>,
    pub mounts: Option<Vec<String>>,
    pub image_cache: Option<String>,
    pub remap_root: Option<bool>,
}

/// `child` over `base`: a key that the child has wins; maps and blocks are merged key by key, lists are replaced.
pub(super) fn inherit(base: ProfileDocument, child: ProfileDocument) -> ProfileDocument {
    let environment = match (base.environment, child.environment) {
        (Some(mut base), Some(child)) => {
            base.extend(child);
            Some(base)
        }
        (base, child) => child.or(base),
    };
    ProfileDocument {
        extends: child.extends,
        launcher: child.launcher.or(base.launcher),
        vendor: child.vendor.or(base.vendor),
        hf_cache: child.hf_cache.or(base.hf_cache),
        pass_environment: child.pass_environment.or(base.pass_environment),
        environment,
        secrets: child.secrets.or(base.secrets),
        health_path: child.health_path.or(base.health_path),
        load: merge(base.load, child.load, inherit_load),
        deadlines: merge(base.deadlines, child.deadlines, inherit_deadlines),
        hooks: merge(base.hooks, child.hooks, |base, child| HooksDocument {
            pre: child.pre.or(base.pre),
            post: child.post.or(base.post),
        }),
        script: child.script.or(base.script),
        docker: merge(base.docker, child.docker, inherit_docker),
        slurm: merge(base.slurm, child.slurm, inherit_slurm),
    }
}

fn merge<T>(base: Option<T>, child: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (base, child) {
        (Some(base), Some(child)) => Some(both(base, child)),
        (base, child) => child.or(base),
    }
}

fn inherit_load(base: LoadDocument, child: LoadDocument) -> LoadDocument {
    LoadDocument {
        prompts_per_concurrency: child.prompts_per_concurrency.or(base.prompts_per_concurrency),
        warmups_per_concurrency: child.warmups_per_concurrency.or(base.warmups_per_concurrency),
        random_range_ratio: child.random_range_ratio.or(base.random_range_ratio),
        tokenizer: child.tokenizer.or(base.tokenizer),
        backend: child.backend.or(base.backend),
    }
}

fn inherit_deadlines(base: DeadlinesDocument, child: DeadlinesDocument) -> DeadlinesDocument {
    DeadlinesDocument {
        preflight: child.preflight.or(base.preflight),
        clean: child.clean.or(base.clean),
        launch: child.launch.or(base.launch),
        ready: child.ready.or(base.ready),
        warm_up: child.warm_up.or(base.warm_up),
        load: child.load.or(base.load),
        eval: child.eval.or(base.eval),
        collect: child.collect.or(base.collect),
        stop: child.stop.or(base.stop),
        stall: child.stall.or(base.stall),
    }
}

fn inherit_docker(base: DockerDocument, child: DockerDocument) -> DockerDocument {
    DockerDocument {
        socket: child.socket.or(base.socket),
        gpus: child.gpus.or(base.gpus),
        cdi_devices: child.cdi_devices.or(base.cdi_devices),
        devices: child.devices.or(base.devices),
        groups: child.groups.or(base.groups),
        mounts: child.mounts.or(base.mounts),
        host_network: child.host_network.or(base.host_network),
        host_ipc: child.host_ipc.or(base.host_ipc),
        shm_size_mib: child.shm_size_mib.or(base.shm_size_mib),
        ulimits: child.ulimits.or(base.ulimits),
        capabilities: child.capabilities.or(base.capabilities),
        security_options: child.security_options.or(base.security_options),
        user: child.user.or(base.user),
        privileged: child.privileged.or(base.privileged),
    }
}

fn inherit_slurm(base: SlurmDocument, child: SlurmDocument) -> SlurmDocument {
    SlurmDocument {
        partition: child.partition.or(base.partition),
        account: child.account.or(base.account),
        qos: child.qos.or(base.qos),
        exclusive: child.exclusive.or(base.exclusive),
        time_limit: child.time_limit.or(base.time_limit),
        queue_deadline: child.queue_deadline.or(base.queue_deadline),
        exclude: child.exclude.or(base.exclude),
        gpus_option: child.gpus_option.or(base.gpus_option),
        extra_options: child.extra_options.or(base.extra_options),
        container: child.container.or(base.container),
        mounts: child.mounts.or(base.mounts),
        image_cache: child.image_cache.or(base.image_cache),
        remap_root: child.remap_root.or(base.remap_root),
    }
}
