//! Evaluations that a recipe does itself, with InferenceX's library or that of imax: their files are copied to the output folder, from
//! wherever the recipe wrote them, and their scores are judged.

use std::path::Path;
use std::time::SystemTime;

use super::context::JobContext;
use super::progress::Progress;
use super::recipe_failure::without;
use super::workspace::{WrittenFile, result_folders, written_files};
use crate::eval::threshold::Verdict;
use crate::evaluate::read_thresholds;
use crate::job::{EvalRecord, FailureClass, JobFailure, Phase};
use crate::model::{Concurrency, with_causes};
use crate::result::{EvalFile, Json, JudgedScore, judge_evals};

/// The longest file that is copied. Samples of a large task have some hundred MB.
const MAX_FILE: u64 = 4 << 30;
/// What InferenceX's `run_eval` knows about the job beside the scores.
const META: &str = "meta_env.json";

/// Collects and judges the evaluation of the recipe, if the row requests one.
pub(super) fn collect_evals(ctx: &JobContext, progress: &mut Progress, began: SystemTime) -> Result<(), JobFailure> {
    if !ctx.spec.row.is_evaluated() {
        progress.journal.skip(Phase::Eval, "the row requests no evaluation");
        return Ok(());
    }
    progress.journal.skip(Phase::Eval, "the recipe evaluates itself");
    let names = copy_files(ctx, began)?;
    let files = read_results(ctx, &names)?;
    let meta = names.iter().any(|name| name == META).then(|| read(ctx, META)).transpose()?;
    let thresholds = read_thresholds(ctx.evals.thresholds.as_deref());
    let thresholds = thresholds.map_err(|error| JobFailure::new(FailureClass::Invalid, with_causes(&error)))?;
    let row = &ctx.spec.row;
    let expected = expected(ctx);
    let models = [row.model.as_str(), row.model_prefix.as_str()];
    let judged = judge_evals(meta.as_ref(), &files, &thresholds, &models, expected.as_deref());
    let conc = meta.as_ref().and_then(conc_of_meta).unwrap_or_else(|| ctx.spec.highest_conc());
    for score in &judged.scores {
        print_score(ctx, score);
        progress.evals.push(record(score, conc));
    }
    match judged.failure() {
        None => Ok(()),
        Some(reason) => Err(JobFailure::new(
            FailureClass::Server,
            format!("the recipe's evaluation has not passed: {reason}"),
        )),
    }
}

/// The names of the evaluation's files, which are in the output folder now.
fn copy_files(ctx: &JobContext, began: SystemTime) -> Result<Vec<String>, JobFailure> {
    let out = &ctx.folders.out;
    for folder in result_folders(ctx) {
        let mut files = written_files(&folder, began, is_of_evaluation);
        if !files.iter().any(|file| is_result(file.name())) {
            continue;
        }
        files.sort_by(|left, right| left.name().cmp(right.name()));
        if folder != *out {
            for file in &files {
                file.copy_to(&out.join(file.name()), MAX_FILE)
                    .map_err(|error| client(error.to_string()))?;
            }
        }
        return Ok(files.iter().map(WrittenFile::name).map(str::to_owned).collect());
    }
    Err(without(
        ctx,
        "the results of the evaluation that the row requests; `run_eval` writes results*.json to IMAX_OUT, the repository or /workspace",
    ))
}

fn is_result(name: &str) -> bool {
    name.starts_with("results") && has_extension(name, "json")
}

/// The files that InferenceX's workflow keeps of an evaluation.
fn is_of_evaluation(name: &str) -> bool {
    is_result(name)
        || name == META
        || name.starts_with("sample") && has_extension(name, "jsonl")
        || ["agent_preds.json", "predictions.jsonl"].contains(&name)
        || name.starts_with("swebench_report_") && has_extension(name, "json")
        || name.contains(".traj")
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

fn read_results(ctx: &JobContext, names: &[String]) -> Result<Vec<EvalFile>, JobFailure> {
    let results = names.iter().filter(|name| is_result(name));
    results
        .map(|name| {
            Ok(EvalFile {
                name: name.clone(),
                source: name.clone(),
                modified_ns: 0,
                content: read(ctx, name)?,
            })
        })
        .collect()
}

fn read(ctx: &JobContext, name: &str) -> Result<Json, JobFailure> {
    let text = ctx
        .untrusted_out
        .read_text(Path::new(name))
        .map_err(|error| client(error.to_string()))?;
    Json::parse(&text).map_err(|error| client(format!("{name}: {error}")))
}

/// The concurrencies that a row over several nodes asks for. InferenceX's workflow compares them for such rows alone, because its
/// single-node recipes choose their concurrency themselves.
fn expected(ctx: &JobContext) -> Option<Vec<Concurrency>> {
    let row = &ctx.spec.row;
    let is_compared = row.layout.is_multi_node() && !row.is_agentic();
    is_compared.then(|| row.eval_concurrencies())
}

fn conc_of_meta(meta: &Json) -> Option<Concurrency> {
    match meta.get("conc") {
        Some(Json::Integer(number)) => u32::try_from(*number).ok().and_then(Concurrency::new),
        Some(Json::Null | Json::Bool(_) | Json::Float(_) | Json::Text(_) | Json::List(_) | Json::Object(_)) | None => None,
    }
}

fn print_score(ctx: &JobContext, score: &JudgedScore) {
    let threshold = score
        .verdict
        .threshold()
        .map(|threshold| format!(", threshold {threshold}: {}", score.verdict.as_str()));
    ctx.console.line(&format!(
        "{}: {} {} {:.4}{}",
        score.file,
        score.task,
        score.score_name,
        score.score,
        threshold.unwrap_or_default()
    ));
}

fn record(score: &JudgedScore, conc: Concurrency) -> EvalRecord {
    EvalRecord {
        conc: score.conc.unwrap_or(conc),
        task: score.task.clone(),
        score_name: score.score_name.clone(),
        score: Some(score.score),
        stderr: score.stderr,
        interval_95: score.interval_95,
        answered: score.answered,
        asked: score.asked,
        threshold: score.verdict.threshold(),
        verdict: Verdict::as_str(score.verdict).to_owned(),
        results: score.file.clone(),
    }
}

fn client(reason: String) -> JobFailure {
    JobFailure::new(FailureClass::Client, reason)
}
