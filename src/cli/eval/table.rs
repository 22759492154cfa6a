//! Table of scores for the terminal.

use crate::eval::score::Score;
use crate::eval::scored_task::Named;
use crate::eval::threshold::Verdict;
use crate::evaluate::JudgedTask;
use crate::report::{Rank, TextStyle, TextTable};

#[must_use]
pub fn table(judged: &[JudgedTask], style: TextStyle) -> String {
    let mut table = TextTable::default();
    for (title, rank) in [
        ("task", Rank::Always),
        ("filter", Rank::Identity),
        ("metric", Rank::Identity),
        ("questions", Rank::Optional(3)),
        ("shots", Rank::Optional(5)),
        ("score", Rank::Always),
        ("±", Rank::Optional(2)),
        ("95% interval", Rank::Optional(4)),
        ("threshold", Rank::Optional(1)),
        ("verdict", Rank::Optional(0)),
    ] {
        table.add_column(title, rank);
    }
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
    table.render(style)
}

fn threshold_and_verdict(verdict: Verdict) -> (String, &'static str) {
    let threshold = verdict
        .threshold()
        .map_or_else(|| "none".to_owned(), |threshold| threshold.to_string());
    (threshold, verdict.as_str())
}
