//! Jobs of `SelfContained` recipes, which measure the engine themselves: waits for the recipe's exit, and reads the results that it
//! wrote.

use std::path::Path;
use std::time::SystemTime;

use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::job_results::JobResults;
use super::load_points::LoadedPoint;
use super::phase::PhaseJournal;
use super::progress::Progress;
use super::recipe_failure::without_result;
use super::recipe_logs::keep_logs;
use super::recipe_phases::wait_for_recipe;
use super::workspace::{WrittenFile, result_folders, was_written_since};
use crate::job::{FailureClass, JobFailure, JobPoint, Outcome, Phase};
use crate::result::{Gpus, Json, read_result};
use crate::system::files;
use crate::system::untrusted;

/// AIPerf's result, below the output folder.
const AIPERF_RESULT: &str = "aiperf_artifacts/profile_export_aiperf.json";

/// Waits for the recipe's exit and reads the raw results of its points.
pub(super) async fn run_recipe(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: &LaunchedEngine,
    loaded: &mut Vec<LoadedPoint>,
) -> Result<(), JobFailure> {
    let began = SystemTime::now();
    let result = wait_for_recipe(ctx, &mut progress.journal, engine).await;
    keep_logs(ctx, began);
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
    check_evals(ctx, &mut progress.journal, began)
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
    let (path, text, gpus) = match own {
        Some(own) => (own.path(), own.read().map_err(|error| client(error.to_string()))?, None),
        None => match results.at(point.conc)? {
            Some(result) => (result.file.path(), result.text.clone(), result.gpus),
            None => return Err(without_result(ctx, point)),
        },
    };
    let raw = read_result(&text, point.conc).map_err(|error| client(format!("{}: {error}", path.display())))?;
    files::write(&ctx.folders.out.join(&file), text.as_bytes()).map_err(|error| client(error.to_string()))?;
    Ok(TakenResult { raw: raw.document, gpus })
}

fn result_candidates(ctx: &JobContext, file: &str) -> Vec<WrittenFile> {
    let folders = result_folders(ctx);
    let aiperf = ctx.spec.row.is_agentic().then(|| WrittenFile::new(&ctx.folders.out, AIPERF_RESULT));
    let results = folders.iter().map(|folder| WrittenFile::new(folder, file));
    results.chain(aiperf).collect()
}

/// Checks that the recipe has evaluated as well, if the row requests it.
fn check_evals(ctx: &JobContext, journal: &mut PhaseJournal, began: SystemTime) -> Result<(), JobFailure> {
    if !ctx.spec.row.is_evaluated() {
        journal.skip(Phase::Eval, "the row requests no evaluation");
        return Ok(());
    }
    journal.skip(Phase::Eval, "the recipe evaluates itself");
    let entries = untrusted::list(&ctx.folders.out).unwrap_or_default();
    let mut files = entries.iter().filter(|(_, kind)| kind.is_file());
    if files.any(|(path, _)| is_eval_result(path) && was_written_since(path, began)) {
        return Ok(());
    }
    let reason = "the row requests an evaluation, but the recipe wrote no results of one (`run_eval` writes results_*.json to IMAX_OUT)";
    Err(JobFailure::new(FailureClass::Server, reason))
}

fn is_eval_result(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("results") && name.ends_with(".json")
}

fn client(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Client, reason)
}
