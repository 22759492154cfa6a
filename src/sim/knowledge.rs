//! Questions with known answers for the simulated engine, which answers a given share of them correctly, so that an evaluation
//! of its accuracy has a known score.

use serde::Deserialize;

use crate::model::count;

/// Questions with their answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Knowledge {
    known: Vec<Known>,
    accuracy: f64,
}

/// A line of the file. Other keys belong to the data set and are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Known {
    #[serde(alias = "prompt")]
    question: String,
    answer: String,
}

/// Why a file of answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// A line is not an object with the two texts.
    #[error("{file}:{line}: {reason}; expected a line such as {{\"question\": \"1 + 1?\", \"answer\": \"2\"}}")]
    Line {
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The accuracy is not a fraction.
    #[error("accuracy is {0}, expected a fraction from 0 to 1")]
    Accuracy(f64),
}

impl Knowledge {
    /// Reads JSON lines of `question` (or `prompt`) and `answer`; empty lines are skipped. `accuracy` is the share of questions
    /// that are answered correctly, `file` names the text in errors.
    ///
    /// # Errors
    /// [`KnowledgeError`].
    pub fn parse(file: &str, text: &str, accuracy: f64) -> Result<Self, KnowledgeError> {
        if !(0.0..=1.0).contains(&accuracy) {
            return Err(KnowledgeError::Accuracy(accuracy));
        }
        let mut known = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let invalid = |reason: String| KnowledgeError::Line {
                file: file.to_owned(),
                line: at + 1,
                reason,
            };
            let line: Known = serde_json::from_str(line).map_err(|error| invalid(error.to_string()))?;
            if line.question.is_empty() {
                return Err(invalid("the question is empty".to_owned()));
            }
            known.push(line);
        }
        Ok(Self { known, accuracy })
    }

    /// The response to a prompt: the answer to the known question that ends last in it, since few-shot examples precede the
    /// question; for the share answered wrongly, the answer to another one. `None` for a prompt without a known question.
    #[must_use]
    pub fn answer(&self, prompt: &str) -> Option<&str> {
        let asked = self.known.iter().enumerate().filter_map(|(at, known)| {
            let end = prompt.rfind(&known.question)? + known.question.len();
            Some((end, known.question.len(), at))
        });
        let (_, _, at) = asked.max()?;
        let right = &self.known.get(at)?.answer;
        if self.is_right(at) {
            return Some(right);
        }
        let others = self.known.iter().cycle().skip(at + 1).take(self.known.len());
        others
            .map(|other| &other.answer)
            .find(|answer| *answer != right)
            .map(String::as_str)
    }

    /// Correct answers are spread evenly over the file, so that its beginning has the same share as the whole.
    fn is_right(&self, at: usize) -> bool {
        self.right_before(at + 1) > self.right_before(at)
    }

    /// Right answers among the first lines. The addend keeps products such as 0.29 * 100 from falling below a whole number.
    fn right_before(&self, lines: usize) -> f64 {
        (count(lines) * self.accuracy + 1e-9).floor()
    }
}

/// Splits an answer into what counts as tokens: words, each with the space before it.
#[must_use]
pub fn tokens(answer: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = true;
    for c in answer.chars() {
        let starts = c.is_whitespace() && in_word;
        in_word = !c.is_whitespace();
        match tokens.last_mut() {
            Some(token) if !starts => token.push(c),
            Some(_) | None => tokens.push(c.to_string()),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_after_the_examples_is_answered() {
        let lines = r#"{"question": "1 + 1?", "answer": "2"}

{"prompt": "11 + 1?", "answer": "12", "level": 1}"#;
        let knowledge = Knowledge::parse("a.jsonl", lines, 1.0).unwrap();
        for (prompt, answer) in [
            ("11 + 1?\n12\n\n1 + 1?\n", Some("2")),
            ("1 + 1?\n2\n\n11 + 1?\n", Some("12")),
            ("2 + 2?", None),
        ] {
            assert_eq!(knowledge.answer(prompt), answer, "{prompt}");
        }
    }

    #[test]
    fn given_share_is_answered_correctly() {
        let lines: String = (0..60)
            .map(|n| format!("{{\"question\": \"q{n};\", \"answer\": \"a{n}\"}}\n"))
            .collect();
        for (accuracy, right) in [(1.0, 60), (0.95, 57), (0.5, 30), (0.0, 0)] {
            let knowledge = Knowledge::parse("a", &lines, accuracy).unwrap();
            let is_right = |n: &usize| knowledge.answer(&format!("q{n};")) == Some(&format!("a{n}"));
            assert_eq!((0..60).filter(is_right).count(), right, "{accuracy}");
        }
    }

    #[test]
    fn invalid_file_is_reported_with_place() {
        for (text, accuracy, words) in [
            (
                "{\"question\": \"a\", \"answer\": \"b\"}\n{\"question\": \"a\"}",
                1.0,
                "f:2: missing field `answer`",
            ),
            ("{\"question\": \"\", \"answer\": \"b\"}", 1.0, "f:1: the question is empty"),
            ("", 1.5, "accuracy is 1.5"),
        ] {
            let error = Knowledge::parse("f", text, accuracy).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn tokens_are_words_with_their_leading_space() {
        for (text, parts) in [
            (" 3 + 2.\n#### 5", &[" 3", " +", " 2.", "\n####", " 5"][..]),
            ("a\n\nb", &["a", "\n\nb"]),
            ("", &[]),
        ] {
            assert_eq!(tokens(text), parts, "{text:?}");
        }
    }
}
