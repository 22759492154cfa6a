//! How the numbers of a point came to be, as far as it is known.

use serde::{Deserialize, Serialize};

/// What is known of a measurement beside its identity and its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// The program that measured, or the table that the numbers came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub producer_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// Of the container image, `sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// The machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Of the GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// SHA-256 of the recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// The engine's arguments, as one text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_args: Option<String>,
    /// Who measured power: `imax`, `recipe` for the monitor of a launch script, `srt-slurm` for its package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<String>,
    /// How: `sampled`, or `sampled-and-counted` where the energy counters of the GPUs agree with the samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_kind: Option<String>,
    /// Of what: `gpus`, without their hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_scope: Option<String>,
    /// What was converted on the way: units, meanings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conversions: Vec<String>,
}
