//! Prompts that the user provides, one JSON object per line: `{"prompt": "…"}`, as in the `custom` data set of `vllm bench serve`,
//! optionally with the output length of the request.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::{DatasetError, lines};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// Text of the prompt.
    pub prompt: String,
    /// Output tokens to request.
    #[serde(alias = "output_len", alias = "max_tokens")]
    pub output_tokens: Option<NonZeroU32>,
}

/// The prompts of a file, in file order.
///
/// # Errors
/// [`DatasetError`] naming the line.
pub fn prompts(text: &str) -> Result<Vec<Line>, DatasetError> {
    let found: Vec<(usize, Line)> = lines(text)?;
    if let Some((line, _)) = found.iter().find(|(_, line)| line.prompt.trim().is_empty()) {
        return Err(DatasetError::Line {
            line: *line,
            problem: "`prompt` is empty".to_owned(),
        });
    }
    if found.is_empty() {
        return Err(DatasetError::Empty("there is no prompt in it".to_owned()));
    }
    Ok(found.into_iter().map(|(_, line)| line).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn reads_prompts_with_and_without_a_length() {
        let found =
            prompts("{\"prompt\":\"a\"}\n\n{\"prompt\":\"b\",\"output_tokens\":7,\"note\":1}\n{\"prompt\":\"c\",\"max_tokens\":8}\n")
                .unwrap();
        let lengths: Vec<Option<u32>> = found.iter().map(|line| line.output_tokens.map(NonZeroU32::get)).collect();
        assert_eq!(lengths, [None, Some(7), Some(8)]);
    }

    #[test]
    fn names_the_line_that_is_wrong() {
        for (text, message) in [
            ("{\"prompt\":\"a\"}\n{\"text\":\"b\"}", "line 2: missing field `prompt`"),
            ("{\"prompt\":\" \"}", "line 1: `prompt` is empty"),
            ("{\"prompt\":\"a\",\"output_tokens\":0}", "line 1"),
            ("\n", "no prompt"),
        ] {
            let error = prompts(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
