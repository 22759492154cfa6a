//! A runner profile exactly as its YAML file has it: every key optional, unknown keys refused. Known to this
//! folder alone, which makes the checked type of it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::docker::{DockerDocument, inherit_docker};
use super::load::{LoadDocument, inherit_load};
use super::node::{NodeDocument, inherit_node};
use super::retries::{RetriesDocument, inherit_retries};
use super::slurm::{SlurmDocument, inherit_slurm};
use super::telemetry::{TelemetryDocument, inherit_telemetry};
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
    pub telemetry: Option<TelemetryDocument>,
    pub node: Option<NodeDocument>,
    pub retries: Option<RetriesDocument>,
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

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct DeadlinesDocument {
    pub preflight: Option<PhaseTime>,
    pub clean: Option<PhaseTime>,
    pub launch: Option<PhaseTime>,
    pub queue: Option<PhaseTime>,
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
        telemetry: merge(base.telemetry, child.telemetry, inherit_telemetry),
        node: merge(base.node, child.node, inherit_node),
        retries: merge(base.retries, child.retries, inherit_retries),
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

fn inherit_deadlines(base: DeadlinesDocument, child: DeadlinesDocument) -> DeadlinesDocument {
    DeadlinesDocument {
        preflight: child.preflight.or(base.preflight),
        clean: child.clean.or(base.clean),
        launch: child.launch.or(base.launch),
        queue: child.queue.or(base.queue),
        ready: child.ready.or(base.ready),
        warm_up: child.warm_up.or(base.warm_up),
        load: child.load.or(base.load),
        eval: child.eval.or(base.eval),
        collect: child.collect.or(base.collect),
        stop: child.stop.or(base.stop),
        stall: child.stall.or(base.stall),
    }
}
