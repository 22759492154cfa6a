//! Facts about a node. If a fact could not be determined, the reason is given instead.

use serde::{Deserialize, Serialize};

/// A GPU. Values that the vendor's tool does not report are absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Gpu {
    /// Index on the node.
    pub index: u32,
    /// UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Product name, such as `NVIDIA H100 80GB HBM3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version of its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Total memory, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<f64>,
    /// Memory in use, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_mib: Option<f64>,
    /// Current core clock, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_mhz: Option<f64>,
    /// Maximum core clock, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_clock_mhz: Option<f64>,
    /// Power limit, watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit_w: Option<f64>,
    /// Throttle reasons that are faults, as text; empty if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<Vec<String>>,
}

impl Gpu {
    /// Name for messages.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("unnamed GPU")
    }
}

/// Why the GPUs could not be determined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuProblem {
    /// The tool or the driver is not installed.
    NotInstalled(String),
    /// They are installed, but report an error.
    Failed(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuUse {
    /// GPU index, if known.
    pub gpu: Option<u32>,
    /// Process id.
    pub pid: i32,
    pub name: String,
    pub job: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    pub what: String,
    pub path: String,
    /// Free space for this user, GiB, or why it could not be determined.
    pub free_gib: Result<f64, String>,
}

/// The port of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortFact {
    pub number: u16,
    /// Whether no process listens on it.
    pub free: bool,
}

/// The cache of the model hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    pub path: String,
    /// Whether this user can write to it, or why not.
    pub writable: Result<(), String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HubFacts {
    /// Whether there is a token; its value is never stored.
    pub token: bool,
    pub cache: Option<Cache>,
}

/// A service that jobs need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    /// Its answer, or why there is none.
    pub answer: Result<String, String>,
}

/// Files of other users in the workspace, which a later checkout cannot remove.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leftovers {
    /// Lower bound of their number.
    pub count: usize,
    /// One of them.
    pub example: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Host name; empty if the node was not examined.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Version of its kernel.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kernel: String,
    /// The GPUs that this job may use, or why they could not be determined; absent if the node has none.
    pub gpus: Option<Result<Vec<Gpu>, GpuProblem>>,
    pub uses: Vec<GpuUse>,
    /// Version of CUDA that the driver supports, or of ROCm.
    pub toolkit: Option<String>,
    pub disks: Vec<Disk>,
    pub port: Option<PortFact>,
    pub hub: HubFacts,
    /// Services that jobs need.
    pub services: Vec<Service>,
    /// Whether the clock is synchronised, if that can be determined.
    pub clock_synchronised: Option<bool>,
    /// Files of others in the workspace.
    pub leftovers: Leftovers,
}
