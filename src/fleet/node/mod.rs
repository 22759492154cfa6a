//! Gathers facts about this node: GPUs, disks, port, hub cache, services, clock, workspace. A fact that cannot be determined has the
//! reason instead; `job::check_node` judges.

mod amd;
mod clock;
mod files;
mod gpus;
mod nvidia;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fleet::launcher;
use crate::job::{GpuVendor, HubFacts, LaunchSettings, NodeFacts, PortFact};
use crate::system::cancellation::Cancellation;
use crate::system::environment;
use crate::system::host;
use crate::system::ports;

use gpus::Found;
pub use gpus::gather_gpus;
pub(super) use nvidia::{is_unknown_field, older_fields, throttle_faults};

/// Prefix of the file with the facts of a node of the job; the node's name and `.json` follow.
pub const NODE_FILE_PREFIX: &str = "node-";

/// What to gather.
#[derive(Debug, Clone, Copy)]
pub struct FactsRequest<'a> {
    pub vendor: GpuVendor,
    /// The GPU selection, as a `*_VISIBLE_DEVICES` variable has it.
    pub visible: Option<&'a str>,
    pub launch: &'a LaunchSettings,
    /// Folder for results.
    pub out: &'a Path,
    pub workspace: &'a Path,
    /// The model hub's cache of the profile.
    pub hub_cache: Option<&'a str>,
    /// The engine's port, if known.
    pub port: Option<u16>,
    /// Whether this is a node of a running job: then its GPUs are here whatever the launcher.
    pub inside_job: bool,
    pub cancellation: &'a Cancellation,
    /// Deadline; facts that are unknown by then stay unknown.
    pub until: Instant,
}

impl FactsRequest<'_> {
    /// Whether this machine has the GPUs: with a scheduler they are on other nodes.
    #[must_use]
    pub fn gpus_are_here(&self) -> bool {
        self.inside_job || self.launch.is_on_this_machine()
    }

    /// Timeout of one query, within the overall deadline.
    fn time(&self, limit: Duration) -> Duration {
        limit.min(self.until.saturating_duration_since(Instant::now()))
    }
}

/// Facts within a running job: without port, files and services, which the job itself tests.
#[must_use]
pub fn gather_inside(questions: &FactsRequest<'_>) -> NodeFacts {
    NodeFacts {
        host: host::host_name(),
        kernel: host::kernel(),
        clock_synchronised: clock::clock_synchronised(questions),
        ..gather_gpus(questions)
    }
}

#[must_use]
pub fn gather(questions: &FactsRequest<'_>) -> NodeFacts {
    let mut facts = gather_gpus(questions);
    (facts.host, facts.kernel) = (host::host_name(), host::kernel());
    let cache = hub_cache(questions.hub_cache);
    facts.disks = vec![files::disk("results", questions.out)];
    if let Some(cache) = cache.as_deref().filter(|cache| cache.exists()) {
        facts.disks.push(files::disk("model cache", cache));
    }
    facts.port = questions.port.map(|number| PortFact {
        number,
        free: ports::port_is_free(number),
    });
    facts.hub = HubFacts {
        token: std::env::var_os("HF_TOKEN").is_some_and(|token| !token.is_empty()),
        // An unconfigured cache is created on demand.
        cache: cache
            .filter(|cache| questions.hub_cache.is_some() || cache.exists())
            .map(|cache| files::cache(&cache)),
    };
    facts.services = launcher::services(questions.launch, questions.until, questions.cancellation);
    facts.clock_synchronised = clock::clock_synchronised(questions);
    facts.leftovers = files::leftovers(&[questions.workspace, questions.out], questions.until);
    facts
}

/// The profile's cache, or that of the hub's own tools
/// (<https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables>).
fn hub_cache(named: Option<&str>) -> Option<PathBuf> {
    named
        .map(PathBuf::from)
        .or_else(|| environment::path("HF_HUB_CACHE"))
        .or_else(|| environment::path("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| environment::path("HOME").map(|home| home.join(".cache/huggingface/hub")))
}
