//! Table of the loads of a search, and its conclusion.

use crate::load::search::LoadQuantity;
use crate::measure::{SearchGoal, SearchResult, TriedLoad};
use crate::report::{Rank, TextStyle, TextTable, wrapped_text};

/// The loads in ascending order, followed by the conclusion.
#[must_use]
pub fn search_table(result: &SearchResult, goal: &SearchGoal, style: TextStyle) -> String {
    let objectives: Vec<String> = match goal {
        SearchGoal::Objectives { objectives, .. } => objectives.iter().map(ToString::to_string).collect(),
        SearchGoal::Saturation => Vec::new(),
    };
    let mut table = TextTable::default();
    table.add_number(name(result.quantity), Rank::Always);
    table.add_number("runs", Rank::Optional(u8::MAX));
    table.add_number("req/s", Rank::Optional(u8::MAX - 1));
    table.add_number("output tok/s", Rank::Always);
    for (rank, objective) in (0..u8::MAX - 1).zip(&objectives) {
        table.add_column(objective, Rank::Optional(rank));
    }
    let mut tried: Vec<&TriedLoad> = result.tried.iter().collect();
    tried.sort_by(|a, b| a.load.total_cmp(&b.load));
    for load in tried {
        let mut row = vec![
            load_text(load.load),
            load.runs.to_string(),
            format!("{:.2}", load.requests_per_s),
            format!("{:.1}", load.output_tokens_per_s),
        ];
        row.extend(load.judgements.iter().map(|(_, judgement)| match load.has_failed {
            true => "failed".to_owned(),
            false => judgement.as_str().replace('_', " "),
        }));
        table.add_row(row);
    }
    let mut text = table.render(style);
    text.push_str(&wrapped_text(conclusion(result, goal).trim_end(), 0, style.width));
    text.push('\n');
    text
}

/// The conclusion, one line.
#[must_use]
pub fn conclusion(result: &SearchResult, goal: &SearchGoal) -> String {
    let objectives: Vec<String> = match goal {
        SearchGoal::Objectives { objectives, .. } => objectives.iter().map(ToString::to_string).collect(),
        SearchGoal::Saturation => Vec::new(),
    };
    let is_highest_best = result.tried.len() > 1 && result.tried.last().map(|tried| tried.load) == result.best;
    let cut = match (goal, result.is_cut_short) {
        (_, true) => "; the time limit ended the search before the throughput stopped growing",
        (SearchGoal::Saturation, false) if is_highest_best => ", where it still grew: --sweep with a higher --search-limit may find more",
        (SearchGoal::Saturation | SearchGoal::Objectives { .. }, false) => "",
    };
    format!("{}{cut}\n", answer(result, goal, &objectives.join(" and ")))
}

fn answer(result: &SearchResult, goal: &SearchGoal, objectives: &str) -> String {
    let quantity = name(result.quantity);
    let certainty = if result.is_certain {
        ""
    } else {
        " (not certain at 95%: measure more with --num-prompts or --num-runs)"
    };
    match (goal, result.best, result.beyond) {
        (SearchGoal::Objectives { .. }, Some(best), Some(beyond)) => format!(
            "highest {quantity} within {objectives}: {}; {} exceeds them{certainty}",
            load_text(best),
            load_text(beyond)
        ),
        (SearchGoal::Objectives { .. }, Some(best), None) => {
            format!(
                "{quantity} {} is within {objectives}, the highest load of the search{certainty}",
                load_text(best)
            )
        }
        (SearchGoal::Objectives { .. }, None, _) => format!("no {quantity} is within {objectives}{certainty}"),
        (SearchGoal::Saturation, Some(best), _) => format!("highest throughput at {quantity} {}", load_text(best)),
        (SearchGoal::Saturation, None, _) => "every load failed".to_owned(),
    }
}

fn name(quantity: LoadQuantity) -> &'static str {
    match quantity {
        LoadQuantity::Concurrency => "concurrency",
        LoadQuantity::Rate => "request rate",
    }
}

fn load_text(load: f64) -> String {
    // Three decimals of a rate; a concurrency is whole.
    let text = format!("{load:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
