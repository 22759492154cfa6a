//! Gathering facts about this node: GPUs, disks, the port, the model hub's cache, services, the clock, the workspace.
//! What cannot be found out says why; nothing here judges.

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
use crate::system::host;
use crate::system::ports;

use gpus::Found;
pub use gpus::gather_gpus;
pub(super) use nvidia::{is_unknown_field, older_fields, throttle_faults};

/// Begin of the name of the file in which a node of the job says what it is; the node's name and `.json` follow.
pub const NODE_FILE_PREFIX: &str = "node-";

/// What to look at.
#[derive(Debug, Clone, Copy)]
pub struct Questions<'a> {
    /// Whose GPUs there are.
    pub vendor: GpuVendor,
    /// The choice among them, as a `*_VISIBLE_DEVICES` variable has it.
    pub visible: Option<&'a str>,
    /// What starts engines.
    pub launch: &'a LaunchSettings,
    /// Where results go.
    pub out: &'a Path,
    /// The repository.
    pub workspace: &'a Path,
    /// The model hub's cache of the profile.
    pub hub_cache: Option<&'a str>,
    /// The engine's port, where it is known.
    pub port: Option<u16>,
    /// Whether this is a node of a job that runs already: then its GPUs are here whatever starts engines.
    pub inside_job: bool,
    /// Ends the look-around.
    pub stop: &'a Cancellation,
    /// When it must be over; what is not known by then is not waited for.
    pub until: Instant,
}

impl Questions<'_> {
    /// Whether the node itself has the GPUs: with a scheduler they are on others.
    #[must_use]
    pub fn gpus_are_here(&self) -> bool {
        self.inside_job || self.launch.is_on_this_machine()
    }

    /// How long one question may take that has a limit of its own.
    fn time(&self, limit: Duration) -> Duration {
        limit.min(self.until.saturating_duration_since(Instant::now()))
    }
}

/// What there is to know from within a job that has the node: not its port, its files and its services, which the job shows.
#[must_use]
pub fn gather_inside(questions: &Questions<'_>) -> NodeFacts {
    NodeFacts {
        host: host::host_name(),
        kernel: host::kernel(),
        clock_synchronised: clock::clock_synchronised(questions),
        ..gather_gpus(questions)
    }
}

/// Everything.
#[must_use]
pub fn gather(questions: &Questions<'_>) -> NodeFacts {
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
        // A cache that nobody named is made where it is needed.
        cache: cache
            .filter(|cache| questions.hub_cache.is_some() || cache.exists())
            .map(|cache| files::cache(&cache)),
    };
    facts.services = launcher::services(questions.launch, questions.until, questions.stop);
    facts.clock_synchronised = clock::clock_synchronised(questions);
    facts.leftovers = files::leftovers(&[questions.workspace, questions.out], questions.until);
    facts
}

/// The profile's cache, or that of the hub's own tools
/// (<https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables>).
fn hub_cache(named: Option<&str>) -> Option<PathBuf> {
    let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named
        .map(PathBuf::from)
        .or_else(|| path("HF_HUB_CACHE"))
        .or_else(|| path("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| path("HOME").map(|home| home.join(".cache/huggingface/hub")))
}
