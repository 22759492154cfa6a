//! A runner profile as parsed, without the sections of launchers: every key is optional. The doc comments become descriptions in the
//! JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::load::{LoadDocument, inherit_load};
use super::node::{NodeDocument, inherit_node};
use super::profiler::{ProfilerDocument, inherit_profiler};
use super::retries::{RetriesDocument, inherit_retries};
use super::telemetry::{TelemetryDocument, inherit_telemetry};
use super::{GpuVendor, PhaseTime};

/// The keys of [`ProfileDocument`]; a test compares them.
pub(super) const KEYS: [&str; 15] = [
    "extends",
    "launcher",
    "vendor",
    "hf-cache",
    "pass-environment",
    "environment",
    "secrets",
    "health-path",
    "load",
    "profiler",
    "deadlines",
    "telemetry",
    "node",
    "retries",
    "hooks",
];

/// How jobs start on a kind of node: a file of `runners/`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(title = "imax runner profile", deny_unknown_fields)]
pub(super) struct ProfileDocument {
    /// Another profile, from which this one inherits the keys that it does not set.
    pub extends: Option<String>,
    /// What starts the engine.
    pub launcher: Option<String>,
    /// Vendor of the node's GPUs.
    pub vendor: Option<GpuVendor>,
    /// Folder of the model hub's cache on the node: `HF_HUB_CACHE` of the recipe.
    pub hf_cache: Option<String>,
    /// Names of environment variables of imax that are passed to the recipe.
    pub pass_environment: Option<Vec<String>>,
    /// Variables of the recipe.
    pub environment: Option<BTreeMap<String, String>>,
    /// Names of environment variables of imax that are passed to the recipe as secrets.
    pub secrets: Option<Vec<String>>,
    /// Path of the engine's health check; by default that of the API in `load.backend`.
    pub health_path: Option<String>,
    /// How the engine is loaded.
    pub load: Option<LoadDocument>,
    /// What records the engine's steps for rows that are profiled.
    pub profiler: Option<ProfilerDocument>,
    /// Maximum duration of each phase, such as 90s or 30m.
    pub deadlines: Option<DeadlinesDocument>,
    /// Exporters that sample the GPUs of other nodes.
    pub telemetry: Option<TelemetryDocument>,
    /// Requirements on the node before a job starts.
    pub node: Option<NodeDocument>,
    /// Retries of jobs that failed because of the infrastructure.
    pub retries: Option<RetriesDocument>,
    /// Commands around the job.
    pub hooks: Option<HooksDocument>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct DeadlinesDocument {
    pub preflight: Option<PhaseTime>,
    pub clean: Option<PhaseTime>,
    pub launch: Option<PhaseTime>,
    /// Time in the queue of a scheduler.
    pub queue: Option<PhaseTime>,
    pub ready: Option<PhaseTime>,
    pub warm_up: Option<PhaseTime>,
    pub load: Option<PhaseTime>,
    pub eval: Option<PhaseTime>,
    pub collect: Option<PhaseTime>,
    pub stop: Option<PhaseTime>,
    /// Maximum time without a token.
    pub stall: Option<PhaseTime>,
    /// From the start to the exit of a self-contained recipe or a launch script, its wait in a queue included; by default 500 minutes for
    /// a row on one node, 480 over several, 780 over several with recorded sessions.
    pub recipe: Option<PhaseTime>,
}

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct HooksDocument {
    /// Before the launch; each is a line for `bash -c`.
    pub pre: Option<Vec<String>>,
    /// After the engine was stopped.
    pub post: Option<Vec<String>>,
}

/// Applies `extends`: keys of `child` take precedence; maps and blocks are merged key by key, lists are replaced.
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
        profiler: merge(base.profiler, child.profiler, inherit_profiler),
        deadlines: merge(base.deadlines, child.deadlines, inherit_deadlines),
        telemetry: merge(base.telemetry, child.telemetry, inherit_telemetry),
        node: merge(base.node, child.node, inherit_node),
        retries: merge(base.retries, child.retries, inherit_retries),
        hooks: merge(base.hooks, child.hooks, |base, child| HooksDocument {
            pre: child.pre.or(base.pre),
            post: child.post.or(base.post),
        }),
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
        recipe: child.recipe.or(base.recipe),
    }
}
