//! Request lengths of the BurstGPT data set (<https://github.com/HPMLL/BurstGPT>): a CSV file with the columns `Request tokens` and
//! `Response tokens`. As in `vllm bench serve`, only requests to GPT-4 that have an answer are used, and time stamps are ignored.

use std::num::NonZeroU32;

use rand::RngExt as _;
use serde::Deserialize;

use super::DatasetError;
use crate::load::prompt::{Prompt, RandomPrompts, random_stream};
use crate::load::tokens::TokenizerError;

/// The lengths of one request, tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLengths {
    /// Of the prompt.
    pub input: NonZeroU32,
    /// Of the answer.
    pub output: NonZeroU32,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "Model")]
    model: String,
    #[serde(rename = "Request tokens")]
    request_tokens: u32,
    #[serde(rename = "Response tokens")]
    response_tokens: u32,
}

/// The model whose requests are taken.
const MODEL: &str = "GPT-4";
/// XORed with the seed, so that the order and the words of the prompts are independent of other random draws.
const SHUFFLE_SEED: u64 = 0xb5_7697;

/// The lengths of all requests, shuffled by the seed.
///
/// # Errors
/// [`DatasetError`] naming the line, or saying that there is no such request.
pub fn requests(text: &[u8], seed: u64) -> Result<Vec<RequestLengths>, DatasetError> {
    let mut reader = csv::Reader::from_reader(text);
    let mut found = Vec::new();
    for (row, line) in reader.deserialize::<Row>().zip(2_usize..) {
        let row = row.map_err(|error| DatasetError::Line {
            line,
            problem: error.to_string(),
        })?;
        let lengths = (NonZeroU32::new(row.request_tokens), NonZeroU32::new(row.response_tokens));
        if let (MODEL, (Some(input), Some(output))) = (row.model.as_str(), lengths) {
            found.push(RequestLengths { input, output });
        }
    }
    if found.is_empty() {
        return Err(DatasetError::Empty(format!("no request to {MODEL} has an answer")));
    }
    let mut random = random_stream(seed ^ SHUFFLE_SEED, 0);
    for at in (1..found.len()).rev() {
        found.swap(at, random.random_range(0..=at));
    }
    Ok(found)
}

/// A prompt of random words with these lengths.
///
/// # Errors
/// [`TokenizerError`] if the tokenizer fails.
pub fn prompt(words: &RandomPrompts<'_>, lengths: RequestLengths, index: u64) -> Result<Prompt, TokenizerError> {
    let mut random = random_stream(words.seed() ^ SHUFFLE_SEED, index);
    let ids = words.words(lengths.input.get(), &mut random);
    words.shape(ids, lengths.output.get(), &mut random)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    const HEADER: &str = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n";

    #[test]
    fn answered_requests_to_gpt_4_count() {
        let text = format!(
            "{HEADER}5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,100,7,107,API log\n46,GPT-4,9,0,9,API log\n47,GPT-4,3,4,7,API log\n"
        );
        let mut found: Vec<(u32, u32)> = requests(text.as_bytes(), 1)
            .unwrap()
            .iter()
            .map(|lengths| (lengths.input.get(), lengths.output.get()))
            .collect();
        found.sort_unstable();
        assert_eq!(found, [(3, 4), (100, 7)]);
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, message) in [
            (format!("{HEADER}5,GPT-4,x,18,490,log\n"), "line 2"),
            (format!("{HEADER}5,ChatGPT,1,18,490,log\n"), "no request to GPT-4 has an answer"),
            ("a,b\n1,2\n".to_owned(), "missing field `Model`"),
        ] {
            let error = requests(text.as_bytes(), 1).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
