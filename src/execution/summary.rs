//! The step summary of a job: its points, its failed attempts, its scores and its phases as tables.

use std::fmt::Write as _;

use crate::job::{JobRecord, Outcome, Tried};

/// The markdown of the step summary.
pub(super) fn summary(record: &JobRecord) -> String {
    let row = &record.row;
    let mut text = format!(
        "### {} on {}\n\n",
        cell(&row.curve_key().to_string()),
        cell(record.provenance.runner_name.as_str())
    );
    text.push_str("| concurrency | outcome |\n|---:|---|\n");
    for point in &record.points {
        let outcome = match &point.outcome {
            Outcome::Ok => "measured".to_owned(),
            Outcome::Failed(failure) => format!("**{}**: {}", failure.class.as_str(), cell(&failure.reason)),
        };
        let _ = writeln!(text, "| {} | {outcome} |", point.conc);
    }
    for attempt in record.attempts.iter().filter(|attempt| attempt.problem.is_some()) {
        let problem = attempt.problem.as_deref().map(cell).unwrap_or_default();
        let what = match attempt.what {
            Tried::Job => "job",
            Tried::ImagePull => "image pull",
        };
        let _ = writeln!(text, "\n{what}, try {} of {}: {problem}", attempt.number, attempt.of);
    }
    text.push_str(&evals_table(record));
    text.push_str("\n| phase | time | |\n|---|---:|---|\n");
    for phase in &record.phases {
        let conc = phase.conc.map(|conc| format!(" (concurrency {conc})")).unwrap_or_default();
        let reason = phase.reason.as_deref().map(cell).unwrap_or_default();
        let _ = writeln!(text, "| {}{conc} | {:.1} s | {reason} |", phase.phase, phase.seconds);
    }
    text
}

/// The scores; empty if nothing was evaluated.
fn evals_table(record: &JobRecord) -> String {
    if record.evals.is_empty() {
        return String::new();
    }
    let mut text = "\n| task | concurrency | score | 95% interval | verdict |\n|---|---:|---:|---|---|\n".to_owned();
    for eval in &record.evals {
        let error = eval.stderr.map(|error| format!(" ± {error:.4}")).unwrap_or_default();
        let score = eval.score.map_or_else(|| "none".to_owned(), |score| format!("{score:.4}{error}"));
        let interval = eval
            .interval_95
            .map(|[low, high]| format!("{low:.4} to {high:.4}"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {score} | {interval} | {} |",
            cell(&eval.task),
            eval.conc,
            cell(&eval.verdict)
        );
    }
    text
}

/// Untrusted text for a table cell: escaped, on one line, and truncated.
fn cell(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut cell = String::new();
    for character in text.chars().take(LONGEST) {
        match character {
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => {
                cell.push('\\');
                cell.push(character);
            }
            character if character.is_control() => cell.push(' '),
            character => cell.push(character),
        }
    }
    cell
}
