//! The phase preflight: checks whether the node can run the job, before anything is started.

use std::time::Instant;

use super::blocking::blocking;
use super::context::JobContext;
use super::interruption::{Interruption, PhaseError};
use super::phase::RunningPhase;
use crate::fleet::node::{FactsRequest, gather};
use crate::job::{Finding, Grade, JobFailure, NodeFacts, Phase, Wanted, check_node};
use crate::model::VariableValue;

pub(super) async fn examine_node(ctx: &JobContext, phase: &RunningPhase) -> Result<NodeFacts, PhaseError> {
    // Empties the log: causes of this job's failures must not be found in the log of an earlier job in the same folder.
    ctx.log
        .restart()
        .map_err(|error| JobFailure::infra(format!("cannot create {}: {error}", ctx.log.path().display())))?;
    let visible = visible_gpus(ctx);
    let facts = blocking(|| gather(&questions(ctx, visible.as_deref(), phase.deadline())));
    ctx.check_cancelled()?;
    Ok(facts)
}

/// Fails if the node cannot run the job; prints warnings.
pub(super) fn check_fitness(ctx: &JobContext, phase: &RunningPhase, facts: &NodeFacts) -> Result<(), PhaseError> {
    let findings = check_node(facts, requirements(ctx));
    let warnings = with_grade(&findings, Grade::Warning);
    for warning in &warnings {
        ctx.console.line(&format!("warning: {warning}"));
    }
    let failed = with_grade(&findings, Grade::Failed);
    if phase.is_late() {
        // The findings name the facts that could not be gathered in time.
        let mut problems: Vec<String> = failed.into_iter().chain(warnings).collect();
        if problems.is_empty() {
            problems.push("the checks took too long".to_owned());
        }
        return Err(node_timeout(ctx, Phase::Preflight, problems.join("; ")));
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(JobFailure::infra(format!("the node is not fit: {}", failed.join("; "))).into())
}

pub(super) fn node_timeout(ctx: &JobContext, phase: Phase, status: String) -> PhaseError {
    let limit = ctx.spec.profile.deadlines.of(phase);
    Interruption::NodeTimeout { limit, status }.into()
}

/// What the job needs of the node.
pub(super) fn requirements(ctx: &JobContext) -> Wanted<'_> {
    Wanted {
        node: &ctx.spec.profile.node,
        gpus: Some(ctx.spec.row.layout.gpus()),
        token: ctx.spec.profile.wants_hub_token(),
    }
}

/// The recipe's selection of GPUs, as in `CUDA_VISIBLE_DEVICES`.
pub(super) fn visible_gpus(ctx: &JobContext) -> Option<String> {
    ctx.spec.profile.visible_choice(&|name| plain_variable(ctx, name))
}

fn plain_variable(ctx: &JobContext, name: &str) -> Option<String> {
    let variable = ctx.environment.iter().find(|variable| variable.name == name)?;
    match &variable.value {
        VariableValue::Plain(text) => Some(text.clone()),
        VariableValue::Secret(_) => None,
    }
}

/// The facts to gather. `visible` is the recipe's selection of GPUs.
pub(super) fn questions<'a>(ctx: &'a JobContext, visible: Option<&'a str>, until: Instant) -> FactsRequest<'a> {
    let profile = &ctx.spec.profile;
    FactsRequest {
        vendor: profile.vendor,
        visible,
        launch: &profile.launch,
        out: &ctx.folders.out,
        workspace: &ctx.folders.repository,
        hub_cache: profile.hf_cache.as_deref(),
        port: profile.launch.is_on_this_machine().then_some(ctx.port),
        inside_job: false,
        cancellation: &ctx.cancellation,
        until,
    }
}

pub(super) fn with_grade(findings: &[Finding], grade: Grade) -> Vec<String> {
    let found = findings.iter().filter(|finding| finding.grade == grade);
    found
        .map(|finding| format!("{}: {}", finding.check.as_str(), finding.detail))
        .collect()
}
