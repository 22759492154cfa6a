//! Jobs of `SelfContained` recipes, which measure the engine themselves: waits for the recipe's exit, and reads the results that it
//! wrote.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

use super::context::JobContext;
use super::engine::LaunchedEngine;
use super::interruption::{Interruption, PhaseError};
use super::load_points::LoadedPoint;
use super::phase::{PhaseJournal, RunningPhase, run_phase};
use super::progress::Progress;
use crate::job::{FailureClass, JobFailure, JobPoint, Outcome, Phase};
use crate::result::{Json, read_result};
use crate::system::files::{self, FileError};
use crate::system::process::Ending;
use crate::system::untrusted::{self, UntrustedFolder};

/// AIPerf's result, below the output folder.
const AIPERF_RESULT: &str = "aiperf_artifacts/profile_export_aiperf.json";
/// Tolerance for modification times: file systems store them less precisely than the clock.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

/// Waits for the recipe's exit and reads the raw results of its points.
pub(super) async fn run_recipe(
    ctx: &JobContext,
    progress: &mut Progress,
    engine: &LaunchedEngine,
    loaded: &mut Vec<LoadedPoint>,
) -> Result<(), JobFailure> {
    let began = SystemTime::now();
    let result = run_phase(ctx, &mut progress.journal, Phase::Load, async |phase| {
        wait_for_exit(ctx, phase, engine).await
    })
    .await;
    let points = if ctx.spec.row.is_evaluated_alone() {
        Vec::new()
    } else {
        ctx.spec.points()
    };
    for point in points {
        let outcome = match &result {
            Ok(()) => match take_result(ctx, &point, began) {
                Ok(raw) => {
                    loaded.push(LoadedPoint {
                        conc: point.conc,
                        result_filename: point.result_filename.clone(),
                        raw,
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

async fn wait_for_exit(ctx: &JobContext, phase: &RunningPhase, engine: &LaunchedEngine) -> Result<(), PhaseError> {
    let interruption = match timeout(phase.time_left(), engine.interrupted(&ctx.cancellation)).await {
        Ok(interruption) => interruption,
        Err(_) => Interruption::DeadlineExceeded {
            limit: ctx.spec.profile.deadlines.of(Phase::Load),
            status: None,
        },
    };
    if matches!(interruption, Interruption::EngineExited(Ending::Exited(0))) {
        Ok(())
    } else {
        Err(interruption.into())
    }
}

/// The raw result of a point, from one of the folders that recipes write to. It is copied to the output folder.
fn take_result(ctx: &JobContext, point: &JobPoint, began: SystemTime) -> Result<Json, JobFailure> {
    let file = format!("{}.json", point.result_filename);
    let candidate = result_candidates(ctx, &file)
        .into_iter()
        .find(|candidate| was_written_since(&candidate.path(), began))
        .ok_or_else(|| {
            let reason =
                format!("the recipe ended without its result {file}; it must be written to IMAX_OUT, the repository or /workspace");
            JobFailure::new(FailureClass::Server, reason)
        })?;
    let text = candidate.read().map_err(|error| client(error.to_string()))?;
    let raw = read_result(&text, point.conc).map_err(|error| client(format!("{}: {error}", candidate.path().display())))?;
    files::write(&ctx.folders.out.join(&file), text.as_bytes()).map_err(|error| client(error.to_string()))?;
    Ok(raw.document)
}

/// A file that a recipe may have written, and the folder below which no link is followed.
struct Candidate {
    folder: PathBuf,
    file: PathBuf,
}

impl Candidate {
    fn path(&self) -> PathBuf {
        self.folder.join(&self.file)
    }

    fn read(&self) -> Result<String, FileError> {
        UntrustedFolder::open(&self.folder)?.read_text(&self.file)
    }
}

fn result_candidates(ctx: &JobContext, file: &str) -> Vec<Candidate> {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    let folders = [
        Some(ctx.folders.out.clone()),
        Some(ctx.folders.repository.clone()),
        workspace,
        Some("/workspace".into()),
    ];
    let aiperf = ctx.spec.row.is_agentic().then(|| Candidate {
        folder: ctx.folders.out.clone(),
        file: AIPERF_RESULT.into(),
    });
    folders
        .into_iter()
        .flatten()
        .map(|folder| Candidate { folder, file: file.into() })
        .chain(aiperf)
        .collect()
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

fn was_written_since(path: &Path, began: SystemTime) -> bool {
    path.symlink_metadata()
        .and_then(|data| data.modified())
        .is_ok_and(|written| written + CLOCK_GRAIN >= began)
}

fn client(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Client, reason)
}
