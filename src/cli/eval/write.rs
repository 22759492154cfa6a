//! The files of an evaluation, the table for people, and what is wrong with it in words.

use std::fmt::Write as _;

use serde_json::Value;

use super::evaluate::{Evaluation, Judged, Prepared};
use crate::eval::results::{About, TaskResult, document};
use crate::eval::score::Score;
use crate::eval::sheet::Named;
use crate::eval::threshold::Verdict;
use crate::system::files;
use crate::system::host;

/// Writes samples and results; gives the name of the results' file. Partial ones have names that no collector takes for results.
pub(super) fn results(evaluation: &Evaluation, tasks: &[Prepared], judged: &[Judged], about: &About) -> Result<String, files::FileError> {
    let stamp = host::timestamp().replace(':', "-");
    let complete = judged.iter().all(|judged| judged.sheet.is_complete());
    let partial = if complete { "" } else { "partial_" };
    let suffix = &evaluation.suffix;
    for judged in judged {
        let name = format!("{partial}samples_{}_{stamp}{suffix}.jsonl", judged.sheet.task);
        files::write_with(&evaluation.output.join(name), |out| {
            judged.sheet.samples.iter().try_for_each(|sample| writeln!(out, "{sample}"))
        })?;
    }
    let results: Vec<TaskResult<'_>> = tasks
        .iter()
        .zip(judged)
        .map(|(prepared, judged)| TaskResult {
            task: &prepared.task,
            sheet: &judged.sheet,
            data: prepared.data.clone(),
            task_hash: prepared.task_hash.clone(),
        })
        .collect();
    let mut whole = document(&results, &evaluation.settings, about);
    for judged in judged {
        let verdict = serde_json::json!({ "verdict": judged.verdict.as_str(), "threshold": judged.verdict.threshold() });
        if let Some(task) = whole
            .pointer_mut("/imax/tasks")
            .and_then(|tasks| tasks.get_mut(&judged.sheet.task))
            .and_then(Value::as_object_mut)
        {
            task.insert("threshold".to_owned(), verdict);
        }
    }
    let name = format!("{partial}results_{stamp}{suffix}.json");
    files::write_json(&evaluation.output.join(&name), &whole)?;
    Ok(name)
}

/// What makes the scores less than they seem.
pub(super) fn problems(judged: &[Judged], first_failure: Option<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    for Judged { sheet, .. } in judged {
        if !sheet.is_complete() {
            let reason = first_failure
                .map(|reason| format!("; the first failure: {reason}"))
                .unwrap_or_default();
            problems.push(format!(
                "{}: {} of {} questions were answered{reason}",
                sheet.task, sheet.answered, sheet.asked
            ));
        }
        if sheet.cut > 0 {
            problems.push(format!(
                "{}: {} answers were cut at the limit of tokens (--max-gen-toks)",
                sheet.task, sheet.cut
            ));
        }
        if sheet.from_reasoning > 0 {
            problems.push(format!(
                "{}: {} answers are the engine's reasoning, it gave no other text",
                sheet.task, sheet.from_reasoning
            ));
        }
    }
    problems
}

/// A score with its error: `0.912 ± 0.008 (95%: 0.895 to 0.926)`.
#[must_use]
pub fn shown(score: &Score) -> String {
    let error = score.stderr.map(|error| format!(" ± {error:.3}")).unwrap_or_default();
    format!("{:.3}{error} (95%: {:.3} to {:.3})", score.mean, score.interval.0, score.interval.1)
}

/// The table of all scores.
#[must_use]
pub fn table(judged: &[Judged]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_header([
        "task",
        "filter",
        "metric",
        "questions",
        "shots",
        "score",
        "±",
        "95% interval",
        "threshold",
        "verdict",
    ]);
    for Judged { sheet, verdict } in judged {
        let main = sheet.main_score().map(Named::key);
        for named in &sheet.scores {
            let score = |form: &dyn Fn(Score) -> String| named.score.map_or_else(|| "-".to_owned(), form);
            let counts = main.as_deref() == Some(&named.key());
            let (threshold, word) = if counts { judged_as(*verdict) } else { (String::new(), "") };
            table.add_row([
                sheet.task.clone(),
                named.filter.clone(),
                named.metric.clone(),
                format!("{} of {}", sheet.answered, sheet.asked),
                sheet.num_fewshot.to_string(),
                score(&|score| format!("{:.4}", score.mean)),
                score(&|score| score.stderr.map_or_else(|| "N/A".to_owned(), |error| format!("{error:.4}"))),
                score(&|score| format!("{:.4} to {:.4}", score.interval.0, score.interval.1)),
                threshold,
                word.to_owned(),
            ]);
        }
    }
    let mut text = table.to_string();
    text.push('\n');
    text
}

fn judged_as(verdict: Verdict) -> (String, &'static str) {
    let threshold = verdict
        .threshold()
        .map_or_else(|| "none".to_owned(), |threshold| threshold.to_string());
    (threshold, verdict.as_str())
}

/// Why scores do not pass, or are unsure; empty where all is well.
#[must_use]
pub fn reasons(judged: &[Judged], asked: &dyn Fn(Verdict) -> bool) -> String {
    let mut text = String::new();
    for Judged { sheet, verdict } in judged.iter().filter(|judged| asked(judged.verdict)) {
        let (Some(named), Some(threshold)) = (sheet.main_score(), verdict.threshold()) else {
            continue;
        };
        let Some(score) = named.score else { continue };
        let separator = if text.is_empty() { "" } else { "; " };
        let _ = write!(
            text,
            "{separator}{} {}: {}, threshold {threshold}",
            sheet.task,
            named.key(),
            shown(&score)
        );
    }
    text
}
