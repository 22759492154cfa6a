//! Accuracy scores as rows for every format: each score with its error, and in a comparison the score of the base and the verdict.

use super::markdown::sign;
use crate::analysis::{EvalChange, EvalScore, MetricVerdict};
use crate::model::escape_markdown;

/// The scores of a run, and their changes if it was compared.
#[derive(Debug, Clone, Copy)]
pub struct Scores<'a> {
    pub scores: &'a [EvalScore],
    /// The changes of the scores that both runs have.
    pub changes: &'a [EvalChange],
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ScoreRow<'a> {
    pub score: &'a EvalScore,
    /// The change, if the base has the score.
    pub change: Option<&'a EvalChange>,
}

impl ScoreRow<'_> {
    /// Task, model, hardware and layout; untrusted text.
    pub(super) fn what(&self) -> String {
        self.score.key.to_string()
    }

    /// `0.9120 ± 0.0078`.
    pub(super) fn number(&self) -> String {
        let error = self.score.stderr.map(|error| format!(" ± {error:.4}")).unwrap_or_default();
        format!("{:.4}{error}", self.score.score)
    }

    pub(super) fn questions(&self) -> String {
        self.score
            .questions
            .map_or_else(|| "?".to_owned(), |questions| questions.to_string())
    }

    /// `was 0.9500, -0.0380 (z = -4.9): worse`; nothing without a change.
    pub(super) fn detail(&self) -> Option<String> {
        let change = self.change?;
        let z = change.z.map(|z| format!(" (z = {z:.1})")).unwrap_or_default();
        let word = match change.verdict {
            MetricVerdict::Better => "better",
            MetricVerdict::Worse => "worse",
            MetricVerdict::Same => "unchanged within the error",
            MetricVerdict::Unsure => "unsure",
        };
        Some(format!("was {:.4}, {:+.4}{z}: {word}", change.base, change.head - change.base))
    }

    /// Whether the score got significantly worse.
    pub(super) fn is_worse(&self) -> bool {
        self.change.is_some_and(|change| change.verdict == MetricVerdict::Worse)
    }

    fn rank(&self) -> u8 {
        match self.change.map(|change| change.verdict) {
            Some(MetricVerdict::Worse) => 0,
            Some(MetricVerdict::Unsure) => 1,
            Some(MetricVerdict::Better) => 2,
            Some(MetricVerdict::Same) | None => 3,
        }
    }
}

impl<'a> Scores<'a> {
    /// A row for each score, changed ones first.
    pub(super) fn rows(&self) -> Vec<ScoreRow<'a>> {
        let mut rows: Vec<ScoreRow> = self
            .scores
            .iter()
            .map(|score| ScoreRow {
                score,
                change: self.changes.iter().find(|change| change.key == score.key),
            })
            .collect();
        rows.sort_by_key(ScoreRow::rank);
        rows
    }

    /// The scores that got significantly worse, with those of the base.
    pub(super) fn worse(&self) -> impl Iterator<Item = (String, String)> + use<'a> {
        let worse = self.rows().into_iter().filter(ScoreRow::is_worse);
        worse.filter_map(|row| Some((row.what(), row.detail()?)))
    }

    /// As a markdown table of at most `listed` lines. `None` without scores.
    pub(super) fn markdown(&self, listed: usize) -> Option<String> {
        if self.scores.is_empty() {
            return None;
        }
        let mut text = String::from("\n**Accuracy**\n\n| | Score | Change | Questions |\n| --- | ---: | --- | ---: |\n");
        for row in self.rows().iter().take(listed) {
            let change = row.change.zip(row.detail());
            let change = change.map(|(change, detail)| format!("{} {detail}", sign(change.verdict.into())));
            text.push_str(&format!(
                "| {} | {} | {} | {} |\n",
                escape_markdown(&row.what()),
                row.number(),
                change.unwrap_or_default(),
                row.questions()
            ));
        }
        if self.scores.len() > listed {
            text.push_str(&format!("\nand {} more.\n", self.scores.len() - listed));
        }
        Some(text)
    }

    /// As lines of plain text; empty if there are no scores.
    pub(super) fn lines(&self) -> String {
        let mut text = String::new();
        if !self.scores.is_empty() {
            text.push_str("\nAccuracy\n");
        }
        for row in self.rows() {
            let change = row.detail().map(|detail| format!("; {detail}")).unwrap_or_default();
            text.push_str(&format!(
                "  {}: {} of {} questions{change}\n",
                row.what(),
                row.number(),
                row.questions()
            ));
        }
        text
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
    fn worse_scores_come_first_with_their_base() {
        let head = [score("gpqa|x", 0.5, 0.03), score("gsm8k", 0.912, 0.0078)];
        let changes = eval_changes(&[score("gsm8k", 0.95, 0.006)], &head);
        let scores = Scores {
            scores: &head,
            changes: &changes,
        };
        let expected = "\n**Accuracy**\n\n| | Score | Change | Questions |\n| --- | ---: | --- | ---: |\n\
            | gsm8k on dsr1 fp8 h200 sglang tp8-ep1 conc64 | 0.9120 ± 0.0078 | 🔴 was 0.9500, -0.0380 (z = -3.9): worse | 1319 |\n";
        let text = scores.markdown(1).unwrap();
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("\nand 1 more.\n"), "{text}");
        let all = scores.markdown(9).unwrap();
        assert!(!all.contains("gpqa|x"), "a text from outside must not end its cell: {all}");
        assert!(scores.lines().contains("0.9120 ± 0.0078 of 1319 questions; was 0.9500"));
        assert_eq!(Scores { scores: &[], changes: &[] }.markdown(9), None);
    }
}
