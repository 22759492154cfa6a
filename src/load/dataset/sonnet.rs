//! Prompts made of lines of a poem, as in the `sonnet` data set of `vllm bench serve`: an instruction, first lines that all prompts
//! share, and random lines up to the input length. The poem can be any text file.

use rand::RngExt as _;

use super::DatasetError;
use crate::load::prompt::random_stream;
use crate::load::tokens::{Tokenizer, TokenizerError};
use crate::model::saturating;

/// Lengths of the prompts and answers, tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SonnetLengths {
    /// Longest prompt.
    pub input: u32,
    /// Output to request.
    pub output: u32,
    /// Part of the input that all prompts share.
    pub prefix: u32,
}

const INSTRUCTION: &str = "Choose some of these lines of verse and continue them:\n";
/// XORed with the seed, so that the choice of lines is independent of other random draws.
const LINE_SEED: u64 = 0x50_44e7;

/// A poem, and the number of lines of a prompt.
#[derive(Debug)]
pub struct Poem {
    /// Non-empty lines, each with its line break.
    lines: Vec<String>,
    prefix_lines: usize,
    random_lines: usize,
    lengths: SonnetLengths,
}

/// Why a poem cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PoemError {
    /// The text or the lengths cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The tokenizer failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl Poem {
    /// Reads a poem.
    ///
    /// # Errors
    /// [`PoemError`] for an empty text, and for lengths that have no room for the instruction.
    pub fn new(text: &str, lengths: SonnetLengths, tokenizer: &Tokenizer) -> Result<Self, PoemError> {
        let lines: Vec<String> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| format!("{line}\n"))
            .collect();
        if lines.is_empty() {
            return Err(DatasetError::Empty("there is no line of verse in it".to_owned()).into());
        }
        let mut tokens = 0;
        for line in &lines {
            tokens += tokenizer.count(line)?;
        }
        let instruction = tokenizer.count(INSTRUCTION)?;
        if saturating::to_usize(lengths.input) <= instruction || lengths.prefix > lengths.input {
            let problem = format!(
                "--sonnet-input-len {} must exceed the {instruction} tokens of the instruction, and be at least --sonnet-prefix-len {}",
                lengths.input, lengths.prefix
            );
            return Err(DatasetError::File(problem).into());
        }
        let mean = (tokens / lines.len()).max(1);
        let prefix_lines = saturating::to_usize(lengths.prefix).saturating_sub(instruction) / mean;
        let all_lines = (saturating::to_usize(lengths.input) - instruction) / mean;
        Ok(Self {
            prefix_lines,
            random_lines: all_lines.saturating_sub(prefix_lines),
            lines,
            lengths,
        })
    }

    /// The text of prompt number `index`, at most as long as the input length: lines at the end are removed until it fits.
    ///
    /// # Errors
    /// [`TokenizerError`] if the tokenizer fails.
    pub fn text(&self, tokenizer: &Tokenizer, seed: u64, index: u64) -> Result<String, TokenizerError> {
        let mut random = random_stream(seed ^ LINE_SEED, index);
        let mut text = INSTRUCTION.to_owned();
        self.lines
            .iter()
            .cycle()
            .take(self.prefix_lines)
            .for_each(|line| text.push_str(line));
        for _ in 0..self.random_lines {
            text.push_str(&self.lines[random.random_range(0..self.lines.len())]);
        }
        let longest = saturating::to_usize(self.lengths.input);
        while tokenizer.count(&text)? > longest {
            match text.trim_end().rfind('\n') {
                Some(end) => text.truncate(end + 1),
                None => break,
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn prompts_share_their_first_lines_and_keep_the_length() {
        let tokenizer = Tokenizer::from_json(include_bytes!("../../../benchmarks/demo/tokenizer.json")).unwrap();
        let verse: String = (0..40)
            .map(|n| format!("the house of time and water stands by line {n}\n"))
            .collect();
        let lengths = SonnetLengths {
            input: 300,
            output: 10,
            prefix: 100,
        };
        let poem = Poem::new(&verse, lengths, &tokenizer).unwrap();
        let text = |index| poem.text(&tokenizer, 1, index).unwrap();
        assert!(poem.prefix_lines > 0 && poem.random_lines > 0);
        let shared = text(0).bytes().zip(text(1).bytes()).take_while(|(a, b)| a == b).count();
        assert!(tokenizer.count(&text(0)[..shared]).unwrap() >= 60, "{shared}");
        for index in 0..20 {
            let tokens = tokenizer.count(&text(index)).unwrap();
            assert!((200..=300).contains(&tokens), "{tokens}");
        }
        assert_ne!(text(0), text(1));
        assert_eq!(text(3), text(3));
        let short = SonnetLengths { input: 3, ..lengths };
        let error = Poem::new(&verse, short, &tokenizer).unwrap_err().to_string();
        assert!(error.contains("--sonnet-input-len 3"), "{error}");
        assert!(Poem::new("\n\n", lengths, &tokenizer).is_err());
    }
}
