//! Nodes and GPUs of a row's Slurm job. A worker that is larger than a node spans whole nodes; smaller ones of the
//! same role share nodes; prefill and decode never share one.

use super::settings::{SlurmContainer, SlurmSettings};
use crate::job::NodesByRole;
use crate::matrix::Row;
use crate::model::{Layout, WorkerGroup};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allocation {
    /// GPUs on each node.
    pub gpus_per_node: u64,
    /// Nodes by role; `None` for a row on one node.
    pub roles: Option<NodesByRole>,
}

impl Allocation {
    /// Total number of nodes.
    pub fn nodes(&self) -> u64 {
        self.roles.map_or(1, |roles| roles.prefill + roles.decode)
    }
}

/// Why a row does not fit a profile's nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AllocationError {
    /// The number of GPUs per node is unknown.
    #[error("row spans nodes, but the runner profile does not say how many GPUs a node has; add `slurm: {{gpus-per-node: ...}}`")]
    NoGpusPerNode,
    /// A row on one node needs more GPUs than a node has.
    #[error("row needs {needed} GPUs on one node, but the runner profile's nodes have {have} (`slurm.gpus-per-node`)")]
    TooLarge {
        /// GPUs of the row.
        needed: u64,
        /// GPUs of a node.
        have: u32,
    },
    /// Invalid number of nodes in `additional-settings`.
    #[error("row has `{setting}` in `additional-settings`; expected a whole number from 0")]
    Nodes { setting: String },
    /// Enroot without Pyxis starts no container on other nodes.
    #[error("row spans nodes, which `slurm.container: enroot` does not; use pyxis or none")]
    Enroot,
}

/// Computes the allocation of a row.
///
/// # Errors
/// See [`AllocationError`].
pub(super) fn allocation(row: &Row, settings: &SlurmSettings) -> Result<Allocation, AllocationError> {
    match &row.layout {
        Layout::SingleNode(parallelism) => {
            let needed = parallelism.gpus();
            match settings.gpus_per_node {
                Some(have) if needed > u64::from(have) => Err(AllocationError::TooLarge { needed, have }),
                Some(_) | None => Ok(Allocation {
                    gpus_per_node: needed,
                    roles: None,
                }),
            }
        }
        Layout::MultiNode { prefill, decode } => {
            if settings.container == SlurmContainer::Enroot {
                return Err(AllocationError::Enroot);
            }
            let have = u64::from(settings.gpus_per_node.ok_or(AllocationError::NoGpusPerNode)?);
            let roles = NodesByRole {
                prefill: nodes_of(prefill, "PREFILL_NODES", have)?,
                decode: nodes_of(decode, "DECODE_NODES", have)?,
            };
            Ok(Allocation {
                gpus_per_node: have,
                roles: Some(roles),
            })
        }
    }
}

/// Nodes of one role: as in the config's `additional-settings`, or as many as its workers fill.
fn nodes_of(group: &WorkerGroup, name: &str, have: u64) -> Result<u64, AllocationError> {
    let settings = group.additional_settings.as_deref().unwrap_or_default();
    let own = settings.iter().find(|setting| setting.split('=').next() == Some(name));
    if let Some(setting) = own {
        let number = setting.split_once('=').and_then(|(_, number)| number.trim().parse().ok());
        return number.ok_or_else(|| AllocationError::Nodes { setting: setting.clone() });
    }
    let workers = u64::from(group.num_worker);
    let gpus = group.parallelism.gpus();
    Ok(if gpus > have {
        workers * gpus.div_ceil(have)
    } else {
        workers.div_ceil(have / gpus)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::launcher::launch_rules;
    use crate::job::RunnerProfile;
    use serde_json::{Value, json};

    fn settings(gpus_per_node: Option<u32>) -> SlurmSettings {
        let number = gpus_per_node
            .map(|number| format!("slurm: {{gpus-per-node: {number}}}"))
            .unwrap_or_default();
        let yaml = format!("launcher: slurm\n{number}\n");
        let profile = RunnerProfile::load("p", "runners", &|name| (name == "p.yaml").then(|| yaml.clone()), &launch_rules()).unwrap();
        profile.launch.read().unwrap()
    }

    fn multi_node(prefill: (u32, u32), decode: (u32, u32), additional: Value) -> Row {
        let worker = |(number, tp): (u32, u32)| json!({ "num-worker": number, "tp": tp, "ep": 1, "dp-attn": false });
        let mut decode = worker(decode);
        decode["additional-settings"] = additional;
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "p", "precision": "fp8", "framework": "f", "runner": "gb200", "isl": 64, "osl": 16,
            "prefill": worker(prefill), "decode": decode, "spec-decoding": "none", "conc": [4], "max-model-len": 128, "exp-name": "e",
            "disagg": true
        }))
        .unwrap()
    }

    #[test]
    fn workers_span_or_share_nodes_and_roles_never_share() {
        for (prefill, decode, additional, nodes) in [
            ((5, 4), (1, 8), json!([]), (5, 2)),
            ((1, 2), (3, 2), json!([]), (1, 2)),
            ((2, 4), (0, 4), json!([]), (2, 0)),
            ((1, 1), (1, 32), json!([]), (1, 8)),
            ((1, 4), (1, 8), json!(["X=1", "DECODE_NODES=9"]), (1, 9)),
        ] {
            let row = multi_node(prefill, decode, additional);
            let allocation = allocation(&row, &settings(Some(4))).unwrap();
            let roles = allocation.roles.unwrap();
            assert_eq!((roles.prefill, roles.decode), nodes);
            assert_eq!((allocation.nodes(), allocation.gpus_per_node), (nodes.0 + nodes.1, 4));
        }
    }

    #[test]
    fn impossible_allocation_is_an_error() {
        let row = multi_node((1, 1), (1, 1), json!([]));
        assert_eq!(allocation(&row, &settings(None)), Err(AllocationError::NoGpusPerNode));
        let row = multi_node((1, 1), (1, 1), json!(["DECODE_NODES=two"]));
        let error = allocation(&row, &settings(Some(8))).unwrap_err().to_string();
        assert!(error.contains("`DECODE_NODES=two`"), "{error}");
    }
}
