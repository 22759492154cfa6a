//! The host memory for offloaded KV blocks: a node's memory, times the share that the config allows, times the
//! share of the GPUs in use.

use crate::config::{Hardware, Utilization};
use crate::model::saturating;
use crate::model::{Layout, Parallelism};

/// Upper bound of a node's memory for offloading, MiB: 3 TB. The rest is left to the system.
const MOST_MIB: u64 = 2_861_022;
const BYTES_PER_MIB: u128 = 1 << 20;
const BYTES_PER_GB: u128 = 1_000_000_000;

/// Why no memory budget can be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DramError {
    /// A single-node engine needs more GPUs than a node has.
    #[error("the split needs {gpus} GPUs (tp x pp x pcp-size), but a node has {gpus_per_node}")]
    BeyondNode { gpus: u64, gpus_per_node: u32 },
    /// Workers do not fill their node evenly.
    #[error("a prefill worker has {gpus} GPUs (tp x pp x pcp-size), which does not divide the node's {gpus_per_node} evenly")]
    NoDivisor {
        /// GPUs of a worker.
        gpus: u64,
        /// GPUs of a node.
        gpus_per_node: u32,
    },
    /// A worker over several nodes does not fill its last one.
    #[error("a prefill worker has {gpus} GPUs (tp x pp x pcp-size), which is more than one node and not a multiple of its {gpus_per_node}")]
    NoMultiple {
        /// GPUs of a worker.
        gpus: u64,
        /// GPUs of a node.
        gpus_per_node: u32,
    },
}

/// The memory one engine instance may use on a node, whole GB (10^9 bytes), rounded down.
///
/// # Errors
/// If the worker does not fit the node.
pub fn budget_gb(layout: &Layout, hardware: Hardware, share: Utilization) -> Result<u64, DramError> {
    let gpus_per_node = hardware.gpus_per_node.get();
    let gpus = match layout {
        Layout::SingleNode(parallelism) => single_node_gpus(parallelism, gpus_per_node)?,
        Layout::MultiNode { prefill, .. } => worker_gpus(&prefill.parallelism, gpus_per_node)?,
    };
    let bytes = u128::from(hardware.available_cpu_dram_mib.min(MOST_MIB)) * BYTES_PER_MIB;
    let whole = bytes * u128::from(share.numerator) * u128::from(gpus);
    let parts = BYTES_PER_GB * u128::from(share.denominator) * u128::from(gpus_per_node);
    // At most 3,000 GB: a share is at most 1, and so is the part of the GPUs.
    Ok(saturating::to_u64(whole / parts))
}

fn single_node_gpus(parallelism: &Parallelism, gpus_per_node: u32) -> Result<u64, DramError> {
    let gpus = parallelism.gpus();
    if gpus > u64::from(gpus_per_node) {
        return Err(DramError::BeyondNode { gpus, gpus_per_node });
    }
    Ok(gpus)
}

/// GPUs of one node that a worker uses.
fn worker_gpus(parallelism: &Parallelism, gpus_per_node: u32) -> Result<u64, DramError> {
    let gpus = parallelism.gpus();
    let of_node = u64::from(gpus_per_node);
    if gpus <= of_node {
        return if of_node.is_multiple_of(gpus) {
            Ok(gpus)
        } else {
            Err(DramError::NoDivisor { gpus, gpus_per_node })
        };
    }
    if gpus.is_multiple_of(of_node) {
        Ok(of_node)
    } else {
        Err(DramError::NoMultiple { gpus, gpus_per_node })
    }
}
