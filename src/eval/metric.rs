//! Scores of one answer, between 0 and 1.

use super::python::{PUNCTUATION, Pattern};

/// How an answer is compared with the target.
#[derive(Debug, Clone)]
pub enum Metric {
    /// Equal texts after normalisation.
    ExactMatch(ExactMatch),
    /// Equal texts without normalisation.
    Accuracy,
}

/// What is ignored when two texts are compared.
#[derive(Debug, Clone, Default)]
pub struct ExactMatch {
    /// Case.
    pub ignore_case: bool,
    /// ASCII punctuation.
    pub ignore_punctuation: bool,
    /// ASCII digits.
    pub ignore_numbers: bool,
    /// The matches of these patterns, removed in order.
    pub regexes_to_ignore: Vec<Pattern>,
}

impl Metric {
    /// The name in results.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExactMatch(_) => "exact_match",
            Self::Accuracy => "acc",
        }
    }

    /// 1 if the answer is one of the targets, else 0.
    #[must_use]
    pub fn score(&self, answer: &str, right: &[String]) -> f64 {
        let same = match self {
            Self::ExactMatch(rules) => {
                let answer = rules.clean(answer);
                right.iter().any(|right| rules.clean(right) == answer)
            }
            Self::Accuracy => right.iter().any(|right| right == answer),
        };
        if same { 1.0 } else { 0.0 }
    }
}

impl ExactMatch {
    /// In the order of lm-eval's `exact_match_hf_evaluate`: patterns, case, punctuation, digits.
    fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for pattern in &self.regexes_to_ignore {
            text = pattern.replace(&text, "", 0);
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text.retain(|c| !PUNCTUATION.contains(c));
        }
        if self.ignore_numbers {
            text.retain(|c| !c.is_ascii_digit());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_parts_make_no_difference() {
        let gsm8k = ExactMatch {
            ignore_case: true,
            regexes_to_ignore: [",", r"\$", r"(?s).*#### ", r"\.$"]
                .map(|text| Pattern::new(text).unwrap())
                .to_vec(),
            ..ExactMatch::default()
        };
        let all = ExactMatch {
            ignore_case: true,
            ignore_punctuation: true,
            ignore_numbers: true,
            regexes_to_ignore: Vec::new(),
        };
        for (rules, answer, right, score) in [
            (&ExactMatch::default(), "A", "A", 1.0),
            (&ExactMatch::default(), "A", "a", 0.0),
            (&gsm8k, "$1,234.", "Reason.\nMore.\n#### 1234", 1.0),
            (&gsm8k, "1234", "1235", 0.0),
            (&all, "(B) 1", "b 2", 1.0),
        ] {
            let found = Metric::ExactMatch(rules.clone()).score(answer, &[right.to_owned()]);
            assert!((found - score).abs() < f64::EPSILON, "{answer} {right}");
        }
        let several = ["x".to_owned(), "y".to_owned()];
        assert!(Metric::Accuracy.score("y", &several) > 0.5 && Metric::Accuracy.score("Y", &several) < 0.5);
    }
}
