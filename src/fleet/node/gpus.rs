//! The node's GPUs and the processes on them, as far as a job may use them.

use super::FactsRequest;
use super::amd::amd;
use super::nvidia::nvidia;
use crate::job::{Gpu, GpuProblem, GpuUse, GpuVendor, NodeFacts, visible_gpus};
use crate::system::process::job_of;

/// The GPUs, the processes on them, and the version of CUDA or ROCm.
pub(super) type Found = (Result<Vec<Gpu>, GpuProblem>, Vec<GpuUse>, Option<String>);

/// The facts about GPUs alone; they are gathered repeatedly while waiting for an idle node.
#[must_use]
pub fn gather_gpus(questions: &FactsRequest<'_>) -> NodeFacts {
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
        facts.uses = uses
            .into_iter()
            .filter(|used| used.gpu.is_none_or(|index| gpus.iter().any(|gpu| gpu.index == index)))
            .map(with_job)
            .collect();
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
