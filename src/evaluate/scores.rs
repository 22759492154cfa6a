//! Scores and verdicts as text.

use super::evaluation::JudgedTask;
use crate::eval::score::Score;
use crate::eval::threshold::Verdict;

/// A score with its error: `0.912 ± 0.008 (95%: 0.895 to 0.926)`.
#[must_use]
pub fn score_with_error(score: &Score) -> String {
    let error = score.stderr.map(|error| format!(" ± {error:.3}")).unwrap_or_default();
    format!("{:.3}{error} (95%: {:.3} to {:.3})", score.mean, score.interval.0, score.interval.1)
}

/// The scores that are below their threshold by more than their error; empty if there are none.
#[must_use]
pub fn failed_scores(tasks: &[JudgedTask]) -> String {
    list(tasks.iter().filter(|task| matches!(task.verdict, Verdict::Fail { .. })))
}

/// The scores that are below their threshold, but within their error; empty if there are none.
#[must_use]
pub fn unsure_scores(tasks: &[JudgedTask]) -> String {
    list(tasks.iter().filter(|task| matches!(task.verdict, Verdict::Unsure { .. })))
}

fn list<'a>(tasks: impl Iterator<Item = &'a JudgedTask>) -> String {
    tasks.filter_map(describe).collect::<Vec<_>>().join("; ")
}

fn describe(JudgedTask { scored, verdict }: &JudgedTask) -> Option<String> {
    let named = scored.main_score()?;
    let threshold = verdict.threshold()?;
    let score = score_with_error(&named.score?);
    Some(format!("{} {}: {score}, threshold {threshold}", scored.task, named.key()))
}
