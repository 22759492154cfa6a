//! How a model is split over GPUs. A single-node engine has one [`Parallelism`]; a multi-node deployment has a
//! [`WorkerGroup`] for prefill and one for decode.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// The split of one engine instance over GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Parallelism {
    /// Tensor parallelism (TP).
    pub tp: NonZeroU32,
    /// Pipeline parallelism (PP).
    pub pp: NonZeroU32,
    /// Decode context parallelism: shares the GPUs of TP, so it does not multiply their number.
    pub dcp_size: NonZeroU32,
    /// Prefill context parallelism: multiplies the number of GPUs.
    pub pcp_size: NonZeroU32,
    /// Expert parallelism (EP): number of GPUs that share the experts; 1 means none.
    pub ep: NonZeroU32,
    /// Data-parallel attention: shares the GPUs of TP.
    pub dp_attn: bool,
    /// Data-parallel replicas of the whole engine, each with GPUs of its own.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dp_size: NonZeroU32,
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(size: &NonZeroU32) -> bool {
    *size == NonZeroU32::MIN
}

impl Parallelism {
    /// GPUs of one instance with its data-parallel replicas: TP x PP x PCP x DP.
    #[must_use]
    pub fn gpus(&self) -> u64 {
        u64::from(self.tp.get()) * u64::from(self.pp.get()) * u64::from(self.pcp_size.get()) * u64::from(self.dp_size.get())
    }
}

/// Equal engine instances that do the prefill or the decode of a multi-node deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkerGroup {
    /// The number of instances; zero if the other group does this one's work too.
    pub num_worker: u32,
    /// The split of each instance.
    pub parallelism: Parallelism,
    /// The GPU of this group, if it differs from the runner's.
    pub hardware: Option<String>,
    /// `NAME=value` settings that the recipe gets in its environment.
    pub additional_settings: Option<Vec<String>>,
}

impl WorkerGroup {
    /// GPUs of the whole group.
    #[must_use]
    pub fn gpus(&self) -> u64 {
        u64::from(self.num_worker) * self.parallelism.gpus()
    }
}
