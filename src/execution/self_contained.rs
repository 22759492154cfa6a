//! Jobs of `SelfContained` recipes, which measure the engine themselves: waits for the recipe's exit, and reads the results that it
//! wrote.

use std::time::SystemTime;

use super::blocking::blocking;
use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::job_results::JobResults;
use super::load_points::LoadedPoint;
use super::progress::Progress;
use super::recipe_evals::collect_evals;
use super::recipe_failure::without_result;
use super::recipe_logs::keep_logs;
use super::recipe_phases::wait_for_recipe;
use super::replay_results::{judge_replay, judge_summary, keep_results, summaries};
use super::workspace::{WrittenFile, result_folders};
use crate::job::{FailureClass, JobFailure, JobPoint, Outcome};
use crate::result::{Gpus, Json, read_result};
use crate::system::files;

/// Waits for the recipe's exit and reads the raw results of its points.
pub(super) async fn run_recipe(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: &LaunchedEngine,
    loaded: &mut Vec<LoadedPoint>,
) -> Result<(), JobFailure> {
    let began = SystemTime::now();
    for point in ctx.spec.points() {
        progress.begin_load(ctx.spec.row.profile, &point);
    }
    let result = wait_for_recipe(ctx, &mut progress.journal, engine).await;
    keep_logs(ctx, began);
    if ctx.spec.row.is_agentic() {
        blocking(|| keep_results(ctx, began));
    }
    let points = if ctx.spec.row.is_evaluated_alone() {
        Vec::new()
    } else {
        ctx.spec.points()
    };
    let results = JobResults::of(ctx, began);
    for file in results.others(ctx.spec.row.conc.as_slice()) {
        let path = file.path();
        ctx.console.line(&format!(
            "warning: {} is not used: the row has no concurrency like that of the result",
            path.display()
        ));
    }
    for point in points {
        let outcome = match &result {
            Ok(()) => match take_result(ctx, &results, &point, began) {
                Ok(TakenResult { raw, gpus }) => {
                    loaded.push(LoadedPoint {
                        conc: point.conc,
                        result_filename: point.result_filename.clone(),
                        raw,
                        gpus,
                    });
                    Outcome::Ok
                }
                Err(failure) => Outcome::Failed(failure),
            },
            Err(failure) => Outcome::Failed(JobFailure {
                log_tail: None,
                ..failure.clone()
            }),
        };
        progress.record_point(&point, outcome, None);
    }
    result?;
    blocking(|| collect_evals(ctx, progress, began))
}

/// The raw result of a point.
struct TakenResult {
    raw: Json,
    /// The GPUs of the job, if the result states them.
    gpus: Option<Gpus>,
}

/// The raw result of a point, from one of the folders that recipes write to. It is copied to the output folder.
fn take_result(ctx: &JobContext, results: &JobResults, point: &JobPoint, began: SystemTime) -> Result<TakenResult, JobFailure> {
    let file = format!("{}.json", point.result_filename);
    let own = result_candidates(ctx, &file)
        .into_iter()
        .find(|candidate| candidate.is_of_job(began));
    // A recipe that replays sessions may leave it at AIPerf's own summary.
    let summary = own.is_none() && ctx.spec.row.is_agentic();
    let summary = summary.then(|| summaries(ctx, began).into_iter().next()).flatten();
    let (path, text, gpus) = match own.as_ref().or(summary.as_ref()) {
        Some(own) => (own.path(), own.read().map_err(|error| client(error.to_string()))?, None),
        None => match results.at(point.conc)? {
            Some(result) => (result.file.path(), result.text.clone(), result.gpus),
            None => return Err(without_result(ctx, point)),
        },
    };
    let raw = read_result(&text, point.conc).map_err(|error| client(format!("{}: {error}", path.display())))?;
    if summary.is_some() {
        judge_summary(ctx, &path, &text)?;
    } else if raw.is_agentx_aggregate() && !ctx.spec.row.layout.is_multi_node() {
        judge_replay(ctx, began)?;
    }
    files::write(&ctx.folders.out.join(&file), text.as_bytes()).map_err(|error| client(error.to_string()))?;
    Ok(TakenResult { raw: raw.document, gpus })
}

fn result_candidates(ctx: &JobContext, file: &str) -> Vec<WrittenFile> {
    result_folders(ctx).iter().map(|folder| WrittenFile::new(folder, file)).collect()
}

fn client(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Client, reason)
}
