//! Facts about a node. What could not be found out says why.

use serde::{Deserialize, Serialize};

/// One GPU. What its tool does not say is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Gpu {
    /// Its number on the node.
    pub index: u32,
    /// Its unique name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// What it is, such as `NVIDIA H100 80GB HBM3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version of its driver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Memory, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<f64>,
    /// Memory in use, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_mib: Option<f64>,
    /// Clock of the cores now, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_mhz: Option<f64>,
    /// Highest clock of the cores, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_clock_mhz: Option<f64>,
    /// Limit of its power, watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit_w: Option<f64>,
    /// What holds its clocks back although it may not, in words; empty where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<Vec<String>>,
}

impl Gpu {
    /// What it is, for people.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or("unnamed GPU")
    }
}

/// Why GPUs are not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GpuProblem {
    /// The tool or the driver is not installed.
    NotInstalled(String),
    /// It is there, and something is wrong.
    Failed(String),
}

/// A process that computes on a GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuUse {
    /// On which, where that is known.
    pub gpu: Option<u32>,
    /// Its number.
    pub pid: i32,
    /// Its name.
    pub name: String,
    /// The imax job that it belongs to.
    pub job: Option<String>,
}

/// Room on a file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    /// What lies there.
    pub what: String,
    /// Where.
    pub path: String,
    /// Free for this user, GiB, or why that is not known.
    pub free_gib: Result<f64, String>,
}

/// The port of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortFact {
    /// Its number.
    pub number: u16,
    /// Whether nobody listens there.
    pub free: bool,
}

/// The cache of the model hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Where.
    pub path: String,
    /// Whether this user may write there, or why not.
    pub writable: Result<(), String>,
}

/// Access to the model hub.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HubFacts {
    /// Whether there is a token; its value is never stored.
    pub token: bool,
    /// The cache.
    pub cache: Option<Cache>,
}

/// Something that must answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// What.
    pub name: String,
    /// What it said of itself, or why it did not.
    pub answer: Result<String, String>,
}

/// Files of another user in the workspace, which a later checkout cannot remove.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Leftovers {
    /// How many there are at least.
    pub count: usize,
    /// The first.
    pub example: Option<String>,
}

/// Everything about a node.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name; empty where nobody looked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// Version of its kernel.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kernel: String,
    /// The GPUs that this job may use, or why they are not known; absent where there are none to be.
    pub gpus: Option<Result<Vec<Gpu>, GpuProblem>>,
    /// What computes on them.
    pub uses: Vec<GpuUse>,
    /// Version of CUDA that the driver has, or of ROCm.
    pub toolkit: Option<String>,
    /// File systems.
    pub disks: Vec<Disk>,
    /// The port.
    pub port: Option<PortFact>,
    /// The model hub.
    pub hub: HubFacts,
    /// What must answer.
    pub services: Vec<Service>,
    /// Whether the clock is kept in time, where that can be found out.
    pub clock_synchronised: Option<bool>,
    /// Files of others in the workspace.
    pub leftovers: Leftovers,
}
