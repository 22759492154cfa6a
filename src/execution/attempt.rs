//! One attempt of a job: its phases, one after another. After a launch, the phase stop is always reached.

use super::clean::clean;
use super::collect::collect;
use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::evals::{EvalPlan, evaluate_points, prepare_evals};
use super::launch::launch;
use super::load_points::{LoadedPoint, load_points};
use super::load_preparation::prepare_load;
use super::phase::run_phase;
use super::preflight::{check_fitness, examine_node};
use super::progress::{EngineIdentity, Progress};
use super::provenance::facts_of_nodes;
use super::queue::wait_in_queue;
use super::ready::{EngineVersion, ReadyEngine, wait_for_engine};
use super::sampling::{Samples, Sampling};
use super::self_contained::run_recipe;
use super::stop::{clean_up_failed_launch, stop_engine};
use super::traces::{collect_traces, prepare_traces};
use crate::fleet::job_state::JobState;
use crate::job::{JobFailure, Phase, RecipeStyle};
use crate::system::host;
use std::time::SystemTime;

/// Runs one attempt. Its results are in `progress`.
pub(super) async fn run_attempt(ctx: &JobContext, progress: &mut Progress) -> Result<(), JobFailure> {
    progress.engine = EngineIdentity::default();
    let began = SystemTime::now();
    let evals = run_phase(ctx, &mut progress.journal, Phase::Preflight, async |phase| {
        progress.node = examine_node(ctx, phase).await?;
        check_fitness(ctx, phase, &progress.node)?;
        prepare_traces(ctx)?;
        prepare_load(ctx, phase)?;
        prepare_evals(ctx, phase)
    })
    .await?;
    run_phase(ctx, &mut progress.journal, Phase::Clean, async |phase| clean(ctx, phase).await).await?;

    // Kept on disk while the job runs, so that a later job can stop what this one started if this process is killed.
    let mut state = JobState::of_this_process(ctx.spec.id.clone(), &ctx.folders.out, host::timestamp());
    let launched = run_phase(ctx, &mut progress.journal, Phase::Launch, async |phase| {
        launch(ctx, phase, &mut state, &progress.image_pulls).await
    })
    .await;
    let engine = match launched {
        Ok(engine) => engine,
        Err(failure) => {
            clean_up_failed_launch(ctx, progress, state).await;
            return Err(failure);
        }
    };
    progress.engine.facts = engine.facts();

    let mut measurement = Measurement::default();
    let measured = measure(ctx, progress, &engine, evals, &mut measurement).await;
    let stopped = stop_engine(ctx, progress, engine, state).await;
    if let Some(facts) = facts_of_nodes(&ctx.untrusted_out, &measurement.nodes) {
        progress.node = facts;
    }
    // The first failure is the cause; failures of stop and collect may be consequences of it.
    let ended = measured.and(stopped);
    let traced = collect_traces(ctx, progress, began, !measurement.loaded.is_empty());
    let collected = collect(ctx, progress, &measurement, ended.is_err()).await;
    ended.and(traced).and(collected)
}

/// What an attempt measured.
#[derive(Debug, Default)]
pub(super) struct Measurement {
    /// The nodes that a scheduler assigned to the job; empty without a scheduler.
    pub nodes: Vec<String>,
    pub loaded: Vec<LoadedPoint>,
    pub samples: Samples,
}

/// Measures a launched engine, while GPUs and the host are sampled.
async fn measure(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: &LaunchedEngine,
    evals: Option<EvalPlan>,
    measurement: &mut Measurement,
) -> Result<(), JobFailure> {
    measurement.nodes = wait_in_queue(ctx, &mut progress.journal, engine).await?;
    // A scheduler knows more about the job once it has left the queue.
    progress.engine.facts = engine.facts();
    let sampling = Sampling::start(ctx, &measurement.nodes);
    let loaded = &mut measurement.loaded;
    let result = match ctx.spec.recipe_style() {
        RecipeStyle::EngineOnly => measure_engine(ctx, progress, engine, evals, loaded).await,
        RecipeStyle::SelfContained => {
            progress.journal.skip(Phase::WarmUp, "the recipe warms its engine up itself");
            run_recipe(ctx, progress, engine, loaded).await
        }
    };
    measurement.samples = sampling.finish(ctx, &progress.node).await;
    result
}

/// Loads and evaluates the engine of an `EngineOnly` recipe.
async fn measure_engine(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: &LaunchedEngine,
    evals: Option<EvalPlan>,
    loaded: &mut Vec<LoadedPoint>,
) -> Result<(), JobFailure> {
    let ReadyEngine { target, version } = run_phase(ctx, &mut progress.journal, Phase::Ready, async |phase| {
        wait_for_engine(ctx, phase, engine).await
    })
    .await?;
    progress.engine.served_model = Some(target.served_model.clone());
    if let Some(EngineVersion { version, source }) = version {
        progress.engine.facts.insert("engine_version".to_owned(), version);
        progress.engine.facts.insert("engine_version_from".to_owned(), source);
    }
    if ctx.spec.row.is_evaluated_alone() {
        for phase in [Phase::WarmUp, Phase::Load] {
            progress.journal.skip(phase, "the row requests only an evaluation");
        }
    } else {
        load_points(ctx, progress, engine, &target, loaded).await?;
    }
    evaluate_points(ctx, progress, engine, &target, evals).await
}
