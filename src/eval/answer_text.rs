//! What of an engine's text is the answer: thinking that the server left in it is taken out, and the text ends before a stop string
//! that the server did not honour, both where asked.

use super::request::ModelAnswer;

/// The end of thinking as DeepSeek-R1, Qwen3 and most others write it.
pub const THINK_END: &str = "</think>";
/// The beginning of it.
const THINK_START: &str = "<think>";

/// How the text of an answer is read before filters see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnswerText {
    /// What ends the thinking: only the text behind its last occurrence is the answer.
    pub think_end_token: Option<String>,
    /// Whether the answer ends before the first of the task's stop strings.
    pub cut_at_stop: bool,
}

impl AnswerText {
    /// The answer with the text that counts.
    ///
    /// The thinking goes first, so that a stop string inside of it cuts nothing; lm-eval cuts first and then keeps the thinking, because
    /// its end has been cut off.
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

/// Whether a text has marks of thinking, which filters would search for the answer as well.
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
            // Templates that begin the thinking themselves leave only its end to the model.
            ("maybe 9</think>4", Some(THINK_END), false, "4"),
            ("<think>a</think>b<think>c</think>d", Some(THINK_END), false, "d"),
            ("a[/THINK]b", Some("[/THINK]"), false, "b"),
            ("<think>cut at the limit", Some(THINK_END), false, "<think>cut at the limit"),
            ("<think>a</think>b", None, false, "<think>a</think>b"),
            ("4\n\nQ: next", None, true, "4"),
            ("4 Q: next\n\n", None, true, "4 "),
            ("Q: at once", None, true, ""),
            ("4\n\nQ: next", None, false, "4\n\nQ: next"),
            // A stop in the thinking, and the blank lines behind it, end nothing.
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
            ("the tag <think> is told of", false),
            ("4", false),
        ] {
            assert_eq!(has_thinking(text), is, "{text}");
        }
    }
}
