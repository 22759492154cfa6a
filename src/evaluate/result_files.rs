//! Writes the result files of an evaluation and lists the problems recorded in them.

use serde_json::Value;

use super::evaluation::{EvaluationSettings, JudgedTask, PreparedTask};
use crate::eval::results::{About, TaskResult, document};
use crate::system::files;
use crate::system::host;

/// Writes samples and results, and returns the name of the result file. Incomplete results get the prefix `partial_`, so that
/// collectors ignore them.
pub(super) fn write_results(
    evaluation: &EvaluationSettings,
    tasks: &[PreparedTask],
    judged: &[JudgedTask],
    about: &About,
) -> Result<String, files::FileError> {
    let stamp = host::timestamp().replace(':', "-");
    let complete = judged.iter().all(|judged| judged.scored.is_complete());
    let partial = if complete { "" } else { "partial_" };
    let suffix = &evaluation.suffix;
    for judged in judged {
        let name = format!("{partial}samples_{}_{stamp}{suffix}.jsonl", judged.scored.task);
        files::write_with(&evaluation.output.join(name), |out| {
            judged.scored.samples.iter().try_for_each(|sample| writeln!(out, "{sample}"))
        })?;
    }
    let results: Vec<TaskResult<'_>> = tasks
        .iter()
        .zip(judged)
        .map(|(prepared, judged)| TaskResult {
            task: &prepared.task,
            scored: &judged.scored,
            data: prepared.data.clone(),
            task_hash: prepared.task_hash.clone(),
        })
        .collect();
    let mut whole = document(&results, &evaluation.requests, &evaluation.answer_text, about);
    for judged in judged {
        let verdict = serde_json::json!({ "verdict": judged.verdict.as_str(), "threshold": judged.verdict.threshold() });
        if let Some(task) = whole
            .pointer_mut("/imax/tasks")
            .and_then(|tasks| tasks.get_mut(&judged.scored.task))
            .and_then(Value::as_object_mut)
        {
            task.insert("threshold".to_owned(), verdict);
        }
    }
    let name = format!("{partial}results_{stamp}{suffix}.json");
    files::write_json(&evaluation.output.join(&name), &whole)?;
    Ok(name)
}

/// Problems that limit the validity of the scores.
pub(super) fn problems(judged: &[JudgedTask], first_failure: Option<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    for JudgedTask { scored, .. } in judged {
        if !scored.is_complete() {
            let reason = first_failure.map(|reason| format!("; first failure: {reason}")).unwrap_or_default();
            problems.push(format!(
                "{}: {} of {} questions answered{reason}",
                scored.task, scored.answered, scored.asked
            ));
        }
        if scored.cut > 0 {
            problems.push(format!(
                "{}: {} answers truncated at the token limit (--max-gen-toks)",
                scored.task, scored.cut
            ));
        }
        if scored.with_thinking > 0 {
            problems.push(format!(
                "{}: {} answers have thinking in their text (`<think>`), which is scored with the answer; --think-end-token strips it, \
                 and what was truncated within it needs a higher --max-gen-toks",
                scored.task, scored.with_thinking
            ));
        }
        if scored.from_reasoning > 0 {
            problems.push(format!(
                "{}: {} answers taken from the reasoning text, as the engine returned no other",
                scored.task, scored.from_reasoning
            ));
        }
    }
    problems
}
