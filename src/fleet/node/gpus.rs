//! The node's GPUs and what computes on them, as far as a job may use them.

use super::Questions;
use super::amd::amd;
use super::nvidia::nvidia;
use crate::job::{Gpu, GpuProblem, GpuUse, GpuVendor, NodeFacts, visible_gpus};
use crate::system::process::job_of;

/// The GPUs, what computes on them, and the version of CUDA or ROCm.
pub(super) type Found = (Result<Vec<Gpu>, GpuProblem>, Vec<GpuUse>, Option<String>);

/// The facts about GPUs alone; those are asked for again while a node is waited for.
#[must_use]
pub fn gather_gpus(questions: &Questions<'_>) -> NodeFacts {
    let mut facts = NodeFacts::default();
    if !questions.gpus_are_here() {
        return facts;
    }
    let (gpus, uses, toolkit) = match questions.vendor {
        GpuVendor::None => return facts,
        GpuVendor::Nvidia => nvidia(questions),
        GpuVendor::Amd => amd(),
    };
    let gpus = gpus.map(|gpus| visible_gpus(gpus, questions.visible));
    if let Ok(gpus) = &gpus {
        let ours = |used: &GpuUse| used.gpu.is_none_or(|index| gpus.iter().any(|gpu| gpu.index == index));
        facts.uses = uses.into_iter().filter(ours).map(with_job).collect();
    }
    facts.gpus = Some(gpus);
    facts.toolkit = toolkit;
    facts
}

fn with_job(used: GpuUse) -> GpuUse {
    GpuUse {
        job: job_of(used.pid),
        ..used
    }
}
