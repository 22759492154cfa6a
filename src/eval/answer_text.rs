//! Extracts the answer from an engine's text. On request, reasoning that the server left in the text is removed, and the text is cut
//! at a stop string that the server ignored.

use super::request::ModelAnswer;

/// The tag that ends reasoning in the output of DeepSeek-R1, Qwen3 and most other models.
pub const THINK_END: &str = "</think>";
/// The tag that begins reasoning.
const THINK_START: &str = "<think>";

/// How the text of an answer is prepared for filters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerText {
    /// The end of the reasoning: only the text after its last occurrence is the answer.
    pub think_end_token: Option<String>,
    /// Whether to cut the answer at the first of the task's stop strings.
    pub cut_at_stop: bool,
}

impl AnswerText {
    /// The answer as filters get it.
    ///
    /// Reasoning is removed before the text is cut, so that a stop string inside it has no effect. lm-eval cuts first, and then keeps the
    /// reasoning, because its end is cut off.
    #[must_use]
    pub fn read(&self, answer: &ModelAnswer, stops: &[String]) -> ModelAnswer {
        let mut text = answer.text.as_str();
        if let Some(end) = self.think_end_token.as_deref().filter(|end| !end.is_empty())
            && let Some((_, said)) = text.rsplit_once(end)
        {
            text = said.trim_start();
        }
        if self.cut_at_stop {
            let stops = stops.iter().filter(|stop| !stop.is_empty());
            let end = stops.filter_map(|stop| text.find(stop.as_str())).min().unwrap_or(text.len());
            text = &text[..end];
        }
        ModelAnswer {
            text: text.to_owned(),
            ..answer.clone()
        }
    }
}

/// Whether a text has tags of reasoning; filters would search the reasoning for the answer as well.
#[must_use]
pub fn has_thinking(text: &str) -> bool {
    text.contains(THINK_END) || text.trim_start().starts_with(THINK_START)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, think_end_token: Option<&str>, cut_at_stop: bool) -> String {
        let answer = ModelAnswer {
            text: text.to_owned(),
            from_reasoning: false,
            finish_reason: None,
            tokens: None,
        };
        let stops = ["Q:".to_owned(), "\n\n".to_owned(), String::new()];
        let reading = AnswerText {
            think_end_token: think_end_token.map(str::to_owned),
            cut_at_stop,
        };
        reading.read(&answer, &stops).text
    }

    #[test]
    fn thinking_and_what_follows_a_stop_are_no_part_of_the_answer() {
        for (text, end, cut, expected) in [
            ("<think>maybe 9</think>\n\n#### 4", Some(THINK_END), false, "#### 4"),
            // A chat template may begin the reasoning itself, so that the model writes only the end tag.
            ("maybe 9</think>4", Some(THINK_END), false, "4"),
            ("<think>a</think>b<think>c</think>d", Some(THINK_END), false, "d"),
            ("a[/THINK]b", Some("[/THINK]"), false, "b"),
            ("<think>cut at the limit", Some(THINK_END), false, "<think>cut at the limit"),
            ("<think>a</think>b", None, false, "<think>a</think>b"),
            ("4\n\nQ: next", None, true, "4"),
            ("4 Q: next\n\n", None, true, "4 "),
            ("Q: at once", None, true, ""),
            ("4\n\nQ: next", None, false, "4\n\nQ: next"),
            // A stop string inside the reasoning, and the blank lines after it, do not cut the answer.
            ("<think>Q: what?\n\n</think>\n\n4\n\nmore", Some(THINK_END), true, "4"),
        ] {
            assert_eq!(read(text, end, cut), expected, "{text}");
        }
    }

    #[test]
    fn thinking_is_known_by_its_marks() {
        for (text, is) in [
            ("a</think>b", true),
            ("\n<think>unfinished", true),
            ("the tag <think> is mentioned", false),
            ("4", false),
        ] {
            assert_eq!(has_thinking(text), is, "{text}");
        }
    }
}
