//! The table of scores, for people.

use crate::eval::score::Score;
use crate::eval::scored_task::Named;
use crate::eval::threshold::Verdict;
use crate::evaluate::JudgedTask;

/// The table of all scores.
#[must_use]
pub fn table(judged: &[JudgedTask]) -> String {
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
    for JudgedTask { scored, verdict } in judged {
        let main = scored.main_score().map(Named::key);
        for named in &scored.scores {
            let score = |form: &dyn Fn(Score) -> String| named.score.map_or_else(|| "-".to_owned(), form);
            let counts = main.as_deref() == Some(&named.key());
            let (threshold, word) = if counts {
                threshold_and_verdict(*verdict)
            } else {
                (String::new(), "")
            };
            table.add_row([
                scored.task.clone(),
                named.filter.clone(),
                named.metric.clone(),
                format!("{} of {}", scored.answered, scored.asked),
                scored.num_fewshot.to_string(),
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

fn threshold_and_verdict(verdict: Verdict) -> (String, &'static str) {
    let threshold = verdict
        .threshold()
        .map_or_else(|| "none".to_owned(), |threshold| threshold.to_string());
    (threshold, verdict.as_str())
}
