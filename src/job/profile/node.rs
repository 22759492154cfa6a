//! The block `node` of a profile: requirements on a node before a job starts on it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProfileError;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeSettings {
    /// Substring of the name of each GPU.
    pub gpu_name: Option<String>,
    /// Minimum number of GPUs, even if a row needs fewer.
    pub gpus: Option<u32>,
    /// Minimum driver version.
    pub driver: Option<String>,
    /// Maximum memory in use on a GPU before a job starts, MiB.
    pub max_memory_used_mib: u32,
    /// Minimum free space for results and models, GiB.
    pub free_disk_gib: f64,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            gpu_name: None,
            gpus: None,
            driver: None,
            max_memory_used_mib: 2048,
            free_disk_gib: 1.0,
        }
    }
}

/// The block as parsed.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct NodeDocument {
    /// Part of the name of each GPU.
    pub gpu_name: Option<String>,
    /// Minimum number of GPUs.
    pub gpus: Option<u32>,
    /// Minimum version of the GPU driver.
    pub driver: Option<String>,
    /// Maximum memory of a GPU in use before a job starts, MiB.
    pub max_memory_used_mib: Option<u32>,
    /// Minimum free space for results and models, GiB.
    #[schemars(range(min = 0))]
    pub free_disk_gib: Option<f64>,
}

/// Inheritance, key by key.
pub(super) fn inherit_node(base: NodeDocument, child: NodeDocument) -> NodeDocument {
    NodeDocument {
        gpu_name: child.gpu_name.or(base.gpu_name),
        gpus: child.gpus.or(base.gpus),
        driver: child.driver.or(base.driver),
        max_memory_used_mib: child.max_memory_used_mib.or(base.max_memory_used_mib),
        free_disk_gib: child.free_disk_gib.or(base.free_disk_gib),
    }
}

pub(super) fn node_settings(name: &str, document: NodeDocument) -> Result<NodeSettings, ProfileError> {
    let default = NodeSettings::default();
    let free_disk_gib = document.free_disk_gib.unwrap_or(default.free_disk_gib);
    if !(free_disk_gib.is_finite() && free_disk_gib >= 0.0) {
        return Err(ProfileError::Value {
            name: name.to_owned(),
            key: "node.free-disk-gib",
            found: free_disk_gib.to_string(),
            expected: "a number of GiB from 0".into(),
        });
    }
    Ok(NodeSettings {
        gpu_name: document.gpu_name,
        gpus: document.gpus,
        driver: document.driver,
        max_memory_used_mib: document.max_memory_used_mib.unwrap_or(default.max_memory_used_mib),
        free_disk_gib,
    })
}
