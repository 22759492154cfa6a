//! Conversations in the format of the ShareGPT data set: a JSON array of objects with `conversations`, each an array of `{"from":
//! "human" | "gpt", "value": …}`. Conversations are selected as in benchmark_serving.py.

use rand::RngExt as _;
use serde::Deserialize;

use super::DatasetError;
use crate::load::prompt::random_stream;

/// A question and the answer that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The question.
    pub question: String,
    /// The answer; its length is the output length to request.
    pub answer: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default, alias = "conversation", alias = "messages")]
    conversations: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default, alias = "role")]
    from: String,
    #[serde(alias = "content")]
    value: String,
}

/// XORed with the seed, so that the order is independent of other random draws.
const SHUFFLE_SEED: u64 = 0x5a6e;

/// The conversations with at least one question and its answer, shuffled by the seed. As in benchmark_serving.py, the first two
/// messages are a question and its answer, whatever their `from` says; likewise each further pair. System messages are skipped.
///
/// # Errors
/// [`DatasetError`] if the text is not such a file, or has no conversation.
pub fn conversations(text: &[u8], seed: u64) -> Result<Vec<Vec<Exchange>>, DatasetError> {
    let entries: Vec<Entry> = serde_json::from_slice(text)
        .map_err(|error| DatasetError::File(format!("not a JSON array of conversations in the manner of ShareGPT: {error}")))?;
    let mut found: Vec<Vec<Exchange>> = entries.into_iter().map(exchanges).filter(|turns| !turns.is_empty()).collect();
    if found.is_empty() {
        return Err(DatasetError::Empty("no conversation has a question and an answer".to_owned()));
    }
    let mut random = random_stream(seed ^ SHUFFLE_SEED, 0);
    for at in (1..found.len()).rev() {
        found.swap(at, random.random_range(0..=at));
    }
    Ok(found)
}

fn exchanges(entry: Entry) -> Vec<Exchange> {
    let mut said = entry
        .conversations
        .into_iter()
        .filter(|said| said.from != "system")
        .map(|said| said.value);
    let mut turns = Vec::new();
    while let (Some(question), Some(answer)) = (said.next(), said.next()) {
        turns.push(Exchange { question, answer });
    }
    turns
}

/// Whether benchmark_serving.py accepts a request of these lengths: neither trivial nor too long for small models.
#[must_use]
pub fn is_usable(prompt_tokens: usize, output_tokens: usize) -> bool {
    prompt_tokens >= 4 && output_tokens >= 4 && prompt_tokens <= 1024 && prompt_tokens + output_tokens <= 2048
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn pairs_questions_with_answers_and_shuffles_by_the_seed() {
        let entry = |name: &str| {
            format!(
                r#"{{"id":"x","conversations":[{{"from":"system","value":"s"}},{{"from":"human","value":"{name}1"}},{{"from":"gpt","value":"{name}2"}},
                {{"from":"human","value":"{name}3"}},{{"from":"gpt","value":"{name}4"}},{{"from":"human","value":"{name}5"}}]}}"#
            )
        };
        let entries: Vec<String> = ["a", "b", "c", "d", "e"].iter().map(|name| entry(name)).collect();
        let text = format!("[{},{{\"conversations\":[]}}]", entries.join(","));
        let found = conversations(text.as_bytes(), 1).unwrap();
        assert_eq!(found.len(), 5);
        assert!(
            found
                .iter()
                .all(|turns| turns.len() == 2 && turns[0].question.ends_with('1') && turns[1].answer.ends_with('4'))
        );
        assert_eq!(found, conversations(text.as_bytes(), 1).unwrap());
        assert!((2..9).any(|seed| conversations(text.as_bytes(), seed).unwrap() != found));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, message) in [("{}", "ShareGPT"), ("[]", "no conversation"), ("[{\"a\":1}]", "no conversation")] {
            let error = conversations(text.as_bytes(), 0).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn takes_the_lengths_that_benchmark_serving_takes() {
        for (prompt, output, is) in [
            (4, 4, true),
            (3, 100, false),
            (100, 3, false),
            (1025, 10, false),
            (1000, 1049, false),
        ] {
            assert_eq!(is_usable(prompt, output), is, "{prompt} {output}");
        }
    }
}
