//! Traces of a profiled row. The engine's profiler writes them to a folder of the job or to the workspace; after the engine was stopped
//! they become files of the results, named after their point.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::blocking::blocking;
use super::context::JobContext;
use super::interruption::PhaseError;
use super::progress::Progress;
use super::workspace::{WrittenFile, workspaces, written_files};
use crate::job::{FailureClass, JobFailure, Phase, TraceRecord, is_trace, trace_file};
use crate::model::{Profiler, Variable, VariableValue};
use crate::system::files::{self, FileError};
use crate::system::masked_gzip::copy_gzip;
use crate::system::untrusted::{self, PositionedReader};

/// Where launch scripts have the traces of their containers, below the workspace.
const WORKSPACE_TRACES: &str = "profiles";
/// The most traces of a job: a rank writes two, and a node has at most 16.
const MAX_TRACES: usize = 256;
/// The most that they have together, bytes.
const MAX_BYTES: u64 = 16 << 30;

/// Creates the folder of the traces. A report of Nsight Systems holds the environment of the engine, packed, where no secret can be
/// found and removed.
pub(super) fn prepare_traces(ctx: &JobContext) -> Result<(), PhaseError> {
    if !ctx.spec.row.profile {
        return Ok(());
    }
    if ctx.spec.profile.profiler.tool == Profiler::Nsys && !ctx.secrets.is_empty() {
        let names = secret_names(&ctx.environment);
        let reason = format!(
            "reports of Nsight Systems hold the environment of the engine, and it has the secrets {}; download the model before, and profile \
             with `secrets: []` in runner profile {}",
            names, ctx.spec.profile.name
        );
        return Err(JobFailure::new(FailureClass::Invalid, reason).into());
    }
    let folder = ctx.folders.traces();
    let created = files::create_folder(&folder);
    created.map_err(|error| JobFailure::infra(error.to_string()).into())
}

/// Takes the traces that were written since `began` into the results. Of a job that is cancelled none is kept: they take long to copy. If
/// something was loaded, there must be one.
pub(super) fn collect_traces(ctx: &JobContext, progress: &mut Progress, began: SystemTime, has_loaded: bool) -> Result<(), JobFailure> {
    if !ctx.spec.row.profile {
        return Ok(());
    }
    let loads = std::mem::take(&mut progress.profiled_loads);
    let collected = if ctx.cancellation.is_cancelled() {
        Vec::new()
    } else {
        blocking(|| collect(ctx, &loads, began))
    };
    // What is left in it is too large or no trace.
    let _ = fs::remove_dir_all(ctx.folders.traces());
    for trace in &collected {
        ctx.console.line(&format!("trace {} ({} bytes)", trace.file, trace.bytes));
    }
    let has_none = collected.is_empty();
    // A retried point has traces of the same names.
    progress.traces.retain(|known| collected.iter().all(|new| new.file != known.file));
    progress.traces.extend(collected);
    if has_none && has_loaded && !ctx.cancellation.is_cancelled() {
        return Err(no_trace(ctx));
    }
    Ok(())
}

fn secret_names(environment: &[Variable]) -> String {
    let secrets = environment.iter().filter(|variable| match variable.value {
        VariableValue::Plain(_) => false,
        VariableValue::Secret(_) => true,
    });
    secrets.map(|variable| variable.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn no_trace(ctx: &JobContext) -> JobFailure {
    let remedy = match ctx.spec.profile.profiler.tool {
        Profiler::Torch => {
            "start the engine with PyTorch's profiler: vLLM up to 0.12 and SGLang by VLLM_TORCH_PROFILER_DIR and SGLANG_TORCH_PROFILER_DIR, which \
             the recipe has in its environment, newer vLLM by --profiler-config with that folder"
        }
        Profiler::Nsys => {
            "the engine must mark its captures: vLLM by --profiler-config.profiler=cuda, SGLang does by itself; and the profiled program must be \
             started by the recipe"
        }
    };
    let reason = format!("the row was profiled, but no trace was written; {remedy}");
    ctx.with_log(JobFailure::new(FailureClass::Server, reason))
}

/// A load during which the profiler ran.
#[derive(Debug, Clone)]
pub(super) struct ProfiledLoad {
    pub began: SystemTime,
    /// The common name of its point's files.
    pub result_filename: String,
}

/// A trace, and the point that it belongs to.
struct FoundTrace {
    file: WrittenFile,
    /// The point's name.
    of: String,
    bytes: u64,
    /// Whether it is in the job's own folder, so that it can be moved.
    is_own: bool,
}

fn collect(ctx: &JobContext, loads: &[ProfiledLoad], began: SystemTime) -> Vec<TraceRecord> {
    let mut found = find(ctx, loads, began);
    if found.len() > MAX_TRACES {
        ctx.console.line(&format!(
            "warning: {} traces, of which {MAX_TRACES} are kept, those with the first names",
            found.len()
        ));
        found.truncate(MAX_TRACES);
    }
    let end = Instant::now() + ctx.spec.profile.deadlines.of(Phase::Collect);
    let has_time = || !ctx.cancellation.is_cancelled() && Instant::now() < end;
    let mut left = MAX_BYTES;
    let mut records = Vec::new();
    for (index, trace) in found.iter().enumerate() {
        if !has_time() {
            ctx.console.line(&format!(
                "warning: no time to keep {} of {} traces",
                found.len() - index,
                found.len()
            ));
            break;
        }
        let is_only = found.iter().filter(|other| other.of == trace.of).count() == 1;
        let file = trace_file(&trace.of, trace.file.name(), is_only);
        match take(ctx, trace, &ctx.folders.out.join(&file), left, &has_time) {
            Ok(kept) => {
                left = left.saturating_sub(kept);
                records.push(TraceRecord {
                    file,
                    original: trace.file.name().to_owned(),
                    bytes: kept,
                });
            }
            Err(error) => ctx.console.line(&format!("warning: trace not kept: {error}")),
        }
    }
    records
}

/// The traces of the job, by name. Links and other files are left out.
fn find(ctx: &JobContext, loads: &[ProfiledLoad], began: SystemTime) -> Vec<FoundTrace> {
    let own = traces_in(&ctx.folders.traces(), began).into_iter().map(|file| (file, true));
    let elsewhere = workspaces(ctx)
        .into_iter()
        .flat_map(|folder| [folder.join(WORKSPACE_TRACES), folder])
        .flat_map(|folder| traces_of(&folder, began))
        .map(|file| (file, false));
    let mut found: Vec<FoundTrace> = own
        .chain(elsewhere)
        .filter_map(|(file, is_own)| {
            let data = file.path().symlink_metadata().ok()?;
            let written = data.modified().ok()?;
            let load = loads.iter().rev().find(|load| load.began <= written).or_else(|| loads.first())?;
            Some(FoundTrace {
                of: load.result_filename.clone(),
                bytes: data.len(),
                file,
                is_own,
            })
        })
        .collect();
    found.sort_by(|left, right| left.file.name().cmp(right.file.name()));
    // InferenceX's library copies the newest trace to this name for its workflow.
    let copies: Vec<bool> = found.iter().map(|trace| is_copy(trace, &found)).collect();
    let mut copies = copies.into_iter();
    found.retain(|_| !copies.next().unwrap_or(false));
    found
}

fn is_copy(trace: &FoundTrace, all: &[FoundTrace]) -> bool {
    let is_of_library = trace.file.name() == format!("profile_{}.trace.json.gz", trace.of);
    let mut others = all.iter().filter(|other| other.file.name() != trace.file.name());
    is_of_library && others.any(|other| other.bytes == trace.bytes)
}

/// The traces in a folder and in those directly below it: newer versions of SGLang make a folder for each profile.
fn traces_in(folder: &Path, began: SystemTime) -> Vec<WrittenFile> {
    let entries = untrusted::list(folder).unwrap_or_default();
    let below = entries.into_iter().filter(|(_, kind)| kind.is_dir()).map(|(path, _)| path);
    std::iter::once(folder.to_owned())
        .chain(below)
        .flat_map(|folder: PathBuf| traces_of(&folder, began))
        .collect()
}

fn traces_of(folder: &Path, began: SystemTime) -> Vec<WrittenFile> {
    written_files(folder, began, is_trace)
}

/// Puts a trace into the results, and returns its size there: one that is packed again without secrets has another.
fn take(ctx: &JobContext, trace: &FoundTrace, target: &Path, limit: u64, has_time: &dyn Fn() -> bool) -> Result<u64, FileError> {
    let source = trace.file.path();
    if trace.bytes > limit {
        let problem = format!("{} bytes, and {limit} are left of {MAX_BYTES} for all traces", trace.bytes);
        return Err(FileError::Read {
            path: source,
            source: io::Error::new(io::ErrorKind::FileTooLarge, problem),
        });
    }
    if source.extension().is_some_and(|ending| ending == "gz") && !ctx.secrets.is_empty() {
        // The search for secrets in the results does not unpack files.
        let file = trace.file.open().map_err(|source_error| FileError::Read {
            path: source.clone(),
            source: source_error,
        })?;
        files::write_with(target, |out| copy_gzip(PositionedReader::new(&file), out, &ctx.secrets, has_time))?;
        return size(target);
    }
    if trace.is_own {
        fs::rename(&source, target).map_err(|error| FileError::Read {
            path: source,
            source: error,
        })?;
        return size(target);
    }
    trace.file.copy_to(target, limit)
}

fn size(file: &Path) -> Result<u64, FileError> {
    let data = file.symlink_metadata().map_err(|source| FileError::Read {
        path: file.to_owned(),
        source,
    })?;
    Ok(data.len())
}
