//! Accuracy scores as tables: each score with its error, and where a run was compared, what it was and what the change means.

use super::escape::markdown as escaped;
use crate::analysis::{EvalChange, EvalScore, MetricVerdict};

/// The scores of a run, and their changes where it was compared.
#[derive(Debug, Clone, Copy)]
pub struct Scores<'a> {
    /// The scores.
    pub scores: &'a [EvalScore],
    /// The changes of those that both runs have.
    pub changes: &'a [EvalChange],
}

impl Scores<'_> {
    fn change(&self, score: &EvalScore) -> Option<&EvalChange> {
        self.changes.iter().find(|change| change.key == score.key)
    }

    /// As a table of GitHub's markdown, at most `listed` lines: changed scores first. None where there are no scores.
    pub(super) fn markdown(&self, listed: usize) -> Option<String> {
        if self.scores.is_empty() {
            return None;
        }
        let mut text = String::from("\n**Accuracy**\n\n| | Score | Questions | Change |\n| --- | ---: | ---: | --- |\n");
        for score in self.changed_first().iter().take(listed) {
            let change = self
                .change(score)
                .map(|change| format!("{} {}", sign(change.verdict), change_text(change)));
            text.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                escaped(&score.key.to_string()),
                number(score),
                questions(score),
                change.unwrap_or_default()
            ));
        }
        if self.scores.len() > listed {
            text.push_str(&format!("\nand {} more.\n", self.scores.len() - listed));
        }
        Some(text)
    }

    /// As lines of plain text; empty where there are no scores.
    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        if !self.scores.is_empty() {
            text.push_str("\nAccuracy\n");
        }
        for score in self.changed_first() {
            let change = self
                .change(score)
                .map(|change| format!("; {}", change_text(change)))
                .unwrap_or_default();
            text.push_str(&format!(
                "  {}: {} of {} questions{change}\n",
                score.key,
                number(score),
                questions(score)
            ));
        }
        text
    }

    fn changed_first(&self) -> Vec<&EvalScore> {
        let mut all: Vec<&EvalScore> = self.scores.iter().collect();
        let rank = |score: &EvalScore| match self.change(score).map(|change| change.verdict) {
            Some(MetricVerdict::Worse) => 0,
            Some(MetricVerdict::Unsure) => 1,
            Some(MetricVerdict::Better) => 2,
            Some(MetricVerdict::Same) | None => 3,
        };
        all.sort_by_key(|score| rank(score));
        all
    }
}

/// `0.9120 ± 0.0078`.
fn number(score: &EvalScore) -> String {
    let error = score.stderr.map(|error| format!(" ± {error:.4}")).unwrap_or_default();
    format!("{:.4}{error}", score.score)
}

fn questions(score: &EvalScore) -> String {
    score.questions.map_or_else(|| "?".to_owned(), |questions| questions.to_string())
}

/// `was 0.9500, -0.0380 (z = -4.9): worse`.
fn change_text(change: &EvalChange) -> String {
    let z = change.z.map(|z| format!(" (z = {z:.1})")).unwrap_or_default();
    let word = match change.verdict {
        MetricVerdict::Better => "better",
        MetricVerdict::Worse => "worse",
        MetricVerdict::Same => "the same within the error",
        MetricVerdict::Unsure => "not certain",
    };
    format!("was {:.4}, {:+.4}{z}: {word}", change.base, change.head - change.base)
}

fn sign(verdict: MetricVerdict) -> &'static str {
    match verdict {
        MetricVerdict::Better => "🟢",
        MetricVerdict::Worse => "🔴",
        MetricVerdict::Unsure => "🟡",
        MetricVerdict::Same => "⚪",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{EvalKey, eval_changes};

    fn score(task: &str, score: f64, error: f64) -> EvalScore {
        EvalScore {
            key: EvalKey {
                model_prefix: "dsr1".to_owned(),
                hardware: "h200".to_owned(),
                framework: "sglang".to_owned(),
                precision: "fp8".to_owned(),
                spec_decoding: "none".to_owned(),
                layout: "tp8-ep1".to_owned(),
                conc: 64,
                task: task.to_owned(),
                score_name: "em_strict".to_owned(),
            },
            score,
            stderr: Some(error),
            questions: Some(1319),
        }
    }

    #[test]
    fn worse_scores_stand_first_with_what_they_were() {
        let head = [score("gpqa|x", 0.5, 0.03), score("gsm8k", 0.912, 0.0078)];
        let changes = eval_changes(&[score("gsm8k", 0.95, 0.006)], &head);
        let scores = Scores {
            scores: &head,
            changes: &changes,
        };
        let expected = "\n**Accuracy**\n\n| | Score | Questions | Change |\n| --- | ---: | ---: | --- |\n\
            | gsm8k on dsr1 fp8 h200 sglang tp8-ep1 conc64 | 0.9120 ± 0.0078 | 1319 | 🔴 was 0.9500, -0.0380 (z = -3.9): worse |\n";
        let text = scores.markdown(1).unwrap();
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("\nand 1 more.\n"), "{text}");
        let all = scores.markdown(9).unwrap();
        assert!(!all.contains("gpqa|x"), "a text from outside must not end its cell: {all}");
        assert!(scores.lines().contains("0.9120 ± 0.0078 of 1319 questions; was 0.9500"));
        assert_eq!(Scores { scores: &[], changes: &[] }.markdown(9), None);
    }
}
