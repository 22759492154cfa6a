//! Prompts from data sets: ShareGPT conversations, prompts of the user, questions of public data sets, recorded sessions, traces,
//! and the random data sets of `vllm bench serve`. The caller reads the file; these modules turn its content into requests with
//! lengths.

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

/// Why a file of prompts cannot be used.
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
    /// The file has no usable entry.
    #[error("{0}")]
    Empty(String),
}

/// Parses JSON lines. Returns each object with the number of its line, from 1; empty lines are skipped.
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
