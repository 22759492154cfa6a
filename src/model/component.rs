//! Software besides the engine: routers, KV offload backends, and the target of offloaded blocks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A software component besides the engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its version or commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub version: Option<String>,
}

/// The target of KV blocks that do not fit on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KvOffloading {
    /// Nowhere.
    None,
    /// Host memory.
    Dram,
}

impl KvOffloading {
    /// The name in rows and recipes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dram => "dram",
        }
    }
}
