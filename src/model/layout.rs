//! The layout of a deployment over GPUs, single-node or multi-node, and its short name in point keys and tables.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Parallelism, WorkerGroup};

/// How a deployment is laid out over GPUs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// One engine instance on one node.
    SingleNode(Parallelism),
    /// Groups of workers over several nodes.
    MultiNode { prefill: WorkerGroup, decode: WorkerGroup },
}

impl Layout {
    #[must_use]
    pub fn gpus(&self) -> u64 {
        match self {
            Self::SingleNode(parallelism) => parallelism.gpus(),
            Self::MultiNode { prefill, decode } => prefill.gpus() + decode.gpus(),
        }
    }

    /// Whether the deployment spans nodes.
    #[must_use]
    pub fn is_multi_node(&self) -> bool {
        match self {
            Self::SingleNode(_) => false,
            Self::MultiNode { .. } => true,
        }
    }
}

/// The short name: TP, then all other sizes above 1 and options that are on: `tp8`, `tp8-ep8-dpa`, `tp4-pp2`.
impl fmt::Display for Parallelism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp{}", self.tp)?;
        let sizes = [
            ("dp", self.dp_size),
            ("pp", self.pp),
            ("dcp", self.dcp_size),
            ("pcp", self.pcp_size),
            ("ep", self.ep),
        ];
        for (name, size) in sizes {
            if size.get() != 1 {
                write!(f, "-{name}{size}")?;
            }
        }
        if self.dp_attn { f.write_str("-dpa") } else { Ok(()) }
    }
}

/// `tp8-ep8` on one node; `p5xtp4-ep4_d1xtp8-ep8` over several.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SingleNode(parallelism) => parallelism.fmt(f),
            Self::MultiNode { prefill, decode } => {
                write!(
                    f,
                    "p{}x{}_d{}x{}",
                    prefill.num_worker, prefill.parallelism, decode.num_worker, decode.parallelism
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn parallelism(tp: u32, ep: u32, pp: u32, dp_attn: bool) -> Parallelism {
        let size = |n| NonZeroU32::new(n).unwrap();
        Parallelism {
            tp: size(tp),
            pp: size(pp),
            dcp_size: size(1),
            pcp_size: size(1),
            ep: size(ep),
            dp_attn,
            dp_size: size(1),
        }
    }

    fn workers(num_worker: u32, parallelism: Parallelism) -> WorkerGroup {
        WorkerGroup {
            num_worker,
            parallelism,
            hardware: None,
            additional_settings: None,
        }
    }

    #[test]
    fn layout_names_only_parallelism_in_use() {
        assert_eq!(Layout::SingleNode(parallelism(8, 1, 1, false)).to_string(), "tp8");
        assert_eq!(Layout::SingleNode(parallelism(4, 4, 2, true)).to_string(), "tp4-pp2-ep4-dpa");
    }

    #[test]
    fn data_parallel_replicas_have_gpus_of_their_own() {
        let replicas = Parallelism {
            dp_size: NonZeroU32::new(8).unwrap(),
            ..parallelism(1, 1, 1, false)
        };
        let layout = Layout::SingleNode(replicas);
        assert_eq!((layout.gpus(), layout.to_string()), (8, "tp1-dp8".to_owned()));
    }

    #[test]
    fn multi_node_counts_and_names_both_groups() {
        let layout = Layout::MultiNode {
            prefill: workers(5, parallelism(4, 4, 1, false)),
            decode: workers(1, parallelism(8, 8, 2, true)),
        };
        assert_eq!(layout.to_string(), "p5xtp4-ep4_d1xtp8-pp2-ep8-dpa");
        assert_eq!(layout.gpus(), 5 * 4 + 8 * 2);
        assert!(layout.is_multi_node());
    }
}
