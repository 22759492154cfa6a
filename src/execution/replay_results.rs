//! What a replay of coding-agent sessions leaves beside its result: the folder `RESULT_DIR`, which is kept, and AIPerf's summary, by
//! which the replay is judged.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::context::JobContext;
use super::output_folder::FOLDER_MARK;
use super::workspace::{WrittenFile, result_folders, was_written_since, workspaces};
use crate::job::{FailureClass, JobFailure};
use crate::model::VariableValue;
use crate::result::{FAILED_REQUEST_THRESHOLD, Json, check_replay};
use crate::system::files;
use crate::system::untrusted;

/// `RESULT_DIR` of a launch script, below the workspace; see `environment`.
const RESULTS: &str = "results";
/// Where launch scripts of jobs over several nodes collect the same of each concurrency, below the workspace.
const NODE_RESULTS: &str = "LOGS/agentic";
/// AIPerf's folder in `RESULT_DIR`.
const ARTIFACTS: &str = "aiperf_artifacts";
/// AIPerf's summary.
const SUMMARY: &str = "profile_export_aiperf.json";
/// Files that InferenceX's workflow does not keep: all prompts and all answers, many GB.
const LEFT_OUT: [&str; 2] = ["inputs.json", "profile_export_raw.jsonl"];
/// The most that is kept of the result folders, bytes.
const MAX_FOLDER: u64 = 16 << 30;
/// The same of a cancelled job, which has to end within seconds.
const MAX_CANCELLED: u64 = 16 << 20;
/// The accepted share of failed requests.
const THRESHOLD: &str = "AIPERF_FAILED_REQUEST_THRESHOLD";

/// AIPerf's summaries of this job, in the folders that can be `RESULT_DIR` and in those of single runs below them.
pub(super) fn summaries(ctx: &JobContext, began: SystemTime) -> Vec<WrittenFile> {
    let folders = result_folders(ctx).into_iter().flat_map(|folder| [folder.join(RESULTS), folder]);
    folders
        .flat_map(|folder| {
            let mut runs = runs_below(&folder);
            runs.insert(0, Path::new(ARTIFACTS).join(SUMMARY));
            runs.into_iter().map(move |file| WrittenFile::new(&folder, file))
        })
        .filter(|file| file.is_of_job(began))
        .collect()
}

/// Where the summaries of single runs would be, relative to a result folder.
fn runs_below(folder: &Path) -> Vec<PathBuf> {
    let entries = untrusted::list(&folder.join(ARTIFACTS)).unwrap_or_default();
    let runs = entries.iter().filter(|(_, kind)| kind.is_dir());
    let mut files: Vec<PathBuf> = runs
        .filter_map(|(path, _)| Some(Path::new(ARTIFACTS).join(path.file_name()?).join(SUMMARY)))
        .collect();
    files.sort();
    files
}

/// Fails a replay with an aggregate of which too many requests failed. Without AIPerf's summary that cannot be known, and the replay
/// fails as well.
pub(super) fn judge_replay(ctx: &JobContext, began: SystemTime) -> Result<(), JobFailure> {
    let Some(file) = summaries(ctx, began).into_iter().next() else {
        return Err(client(format!(
            "the recipe wrote the aggregate of a replay, but not AIPerf's summary {ARTIFACTS}/{SUMMARY} in RESULT_DIR, by which it is judged"
        )));
    };
    let text = file.read().map_err(|error| client(error.to_string()))?;
    judge_summary(ctx, &file.path(), &text)
}

/// The same for the summary itself.
pub(super) fn judge_summary(ctx: &JobContext, place: &Path, text: &str) -> Result<(), JobFailure> {
    let summary = Json::parse(text).map_err(|error| client(format!("{}: {error}", place.display())))?;
    check_replay(&summary, threshold(ctx)?).map_err(|error| client(format!("{}: {error}", place.display())))
}

fn threshold(ctx: &JobContext) -> Result<f64, JobFailure> {
    let variable = ctx.environment.iter().find(|variable| variable.name == THRESHOLD);
    let text = match variable.map(|variable| &variable.value) {
        Some(VariableValue::Plain(text)) => text,
        Some(VariableValue::Secret(_)) | None => return Ok(FAILED_REQUEST_THRESHOLD),
    };
    let share = text.trim().parse().ok().filter(|share: &f64| (0.0..=1.0).contains(share));
    share.ok_or_else(|| {
        let reason = format!("{THRESHOLD} is {text:?}, expected a share from 0 to 1");
        JobFailure::new(FailureClass::Invalid, reason)
    })
}

/// Copies the result folders of a launch script into the output folder, also those of a replay that failed. Files that cannot be
/// copied are named; they are not worth the job.
pub(super) fn keep_results(ctx: &JobContext, began: SystemTime) {
    let mut left = if ctx.cancellation.is_cancelled() {
        MAX_CANCELLED
    } else {
        MAX_FOLDER
    };
    for name in [RESULTS, NODE_RESULTS] {
        let mut folders = workspaces(ctx).into_iter().map(|folder| folder.join(name));
        let Some(folder) = folders.find(|folder| folder.is_dir()) else {
            continue;
        };
        let kept = ctx.folders.out.join(name);
        mark_new_folder(ctx, &kept);
        for file in files_below(&folder, began) {
            let to = kept.join(&file);
            let parent = to.parent().unwrap_or(&ctx.folders.out);
            let copied = files::create_folder(parent).and_then(|()| WrittenFile::new(&folder, file).copy_to(&to, left));
            match copied {
                Ok(length) => left -= length.min(left),
                Err(error) => ctx.console.line(&format!("warning: not kept of the result folder: {error}")),
            }
        }
    }
}

/// The files of this job below a folder, relative to it, in order. Links are left out.
fn files_below(folder: &Path, began: SystemTime) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::new()];
    let mut found = Vec::new();
    let mut seen = 0;
    while let Some(below) = folders.pop() {
        for (path, kind) in untrusted::list(&folder.join(&below)).unwrap_or_default() {
            seen += 1;
            if seen > untrusted::MAX_ENTRIES {
                return found;
            }
            let Some(name) = path.file_name() else { continue };
            if kind.is_dir() {
                folders.push(below.join(name));
            } else if kind.is_file() && was_written_since(&path, began) && !LEFT_OUT.iter().any(|left_out| name == *left_out) {
                found.push(below.join(name));
            }
        }
    }
    found.sort();
    found
}

/// Marks a folder that does not exist yet as the job's own. One that was there before may have other files, and stays at the next job.
fn mark_new_folder(ctx: &JobContext, folder: &Path) {
    // The first component below the output folder is the one that the next job looks at.
    let top = folder
        .strip_prefix(&ctx.folders.out)
        .ok()
        .and_then(|below| below.components().next());
    let Some(top) = top.map(|top| ctx.folders.out.join(top)).filter(|top| !top.exists()) else {
        return;
    };
    let marked = files::create_folder(&top).and_then(|()| files::write(&top.join(FOLDER_MARK), b""));
    if let Err(error) = marked {
        ctx.console.line(&format!(
            "warning: the next job in this folder will not remove {}: {error}",
            top.display()
        ));
    }
}

fn client(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Client, reason)
}
