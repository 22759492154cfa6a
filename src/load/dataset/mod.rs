//! Prompts of data sets: conversations in the manner of ShareGPT, one's own lines, questions of public data sets, recorded sessions,
//! traces, and what `vllm bench serve` makes by chance. Reading the file is
//! the edge's; here its text becomes requests with lengths.

pub mod blocks;
pub mod burstgpt;
pub mod images;
pub mod jsonl;
pub mod prefix_repetition;
pub mod questions;
pub mod recorded;
pub mod sessions;
pub mod sharegpt;
pub mod sonnet;
pub mod trace;

/// What is wrong with a file of prompts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatasetError {
    /// A line cannot be read.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The file as a whole cannot be read.
    #[error("{0}")]
    File(String),
    /// Nothing in it can be used.
    #[error("{0}")]
    Empty(String),
}

/// The JSON objects of a text with one on each line that is not empty, with their line numbers.
fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<(usize, T)>, DatasetError> {
    let numbered = text.lines().zip(1_usize..).filter(|(line, _)| !line.trim().is_empty());
    numbered
        .map(|(line, number)| {
            let value = serde_json::from_str(line).map_err(|error| DatasetError::Line {
                line: number,
                problem: error.to_string(),
            })?;
            Ok((number, value))
        })
        .collect()
}
