//! The model's tokenizer, read from the bytes of a `tokenizer.json`. Lengths are counted without special tokens, as
//! benchmark_serving.py counts them.

use std::fmt;

use crate::model::{LibraryPanic, fenced};

/// A tokenizer: one read from a `tokenizer.json`, or a remote one.
pub struct Tokenizer(Inner);

enum Inner {
    File(Box<tokenizers::Tokenizer>),
    Remote(Box<dyn Coder>),
}

/// A remote tokenizer, such as the server's. Each call may be a request over the network.
pub trait Coder: Send + Sync {
    /// The ids of a text, without special tokens.
    ///
    /// # Errors
    /// [`TokenizerError::Coding`].
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError>;

    /// The text of ids.
    ///
    /// # Errors
    /// [`TokenizerError::Coding`], also for ids beyond the vocabulary.
    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError>;
}

/// Why a tokenizer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenizerError {
    /// The file is not a tokenizer.
    #[error("not a tokenizer.json: {0}")]
    Format(String),
    /// A text could not be encoded, or ids not decoded.
    #[error("the tokenizer failed: {0}")]
    Coding(String),
    /// A GGUF file has no tokenizer that can be used.
    #[error(transparent)]
    Gguf(#[from] super::gguf::GgufError),
    /// A tokenizer is needed, and there is none.
    #[error("there is no tokenizer; set --tokenizer")]
    Missing,
    /// The vocabulary has no tokens to make prompts from.
    #[error("the tokenizer's vocabulary has no token that stands for text; is it the tokenizer of a text model?")]
    NoWords,
}

/// The library checks little when it reads a file; what is missing or out of range panics there, or when a text is encoded.
impl From<LibraryPanic> for TokenizerError {
    fn from(panic: LibraryPanic) -> Self {
        Self::Format(panic.to_string())
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vocabulary = match &self.0 {
            Inner::File(tokenizer) => Some(tokenizer.get_vocab_size(true)),
            Inner::Remote(_) => None,
        };
        f.debug_struct("Tokenizer").field("vocabulary", &vocabulary).finish()
    }
}

impl Tokenizer {
    /// Reads the bytes of a `tokenizer.json`. Its truncation and padding are ignored: prompts keep their length.
    ///
    /// # Errors
    /// [`TokenizerError::Format`] if the bytes are not a tokenizer.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let tokenizer = fenced(|| {
            let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes)?;
            tokenizer.with_truncation(None)?;
            tokenizer.with_padding(None);
            Ok::<_, tokenizers::Error>(tokenizer)
        })?;
        let tokenizer = tokenizer.map_err(|error| TokenizerError::Format(error.to_string()))?;
        Ok(Self(Inner::File(Box::new(tokenizer))))
    }

    /// A remote tokenizer.
    #[must_use]
    pub fn remote(coder: Box<dyn Coder>) -> Self {
        Self(Inner::Remote(coder))
    }

    /// The ids of a text, without special tokens.
    ///
    /// # Errors
    /// [`TokenizerError::Coding`] if the text has no encoding.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let tokenizer = match &self.0 {
            Inner::File(tokenizer) => tokenizer,
            Inner::Remote(coder) => return coder.encode(text),
        };
        let encoding = fenced(|| tokenizer.encode_fast(text, false))?.map_err(|error| TokenizerError::Coding(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Number of tokens of a text, without special tokens.
    ///
    /// # Errors
    /// [`TokenizerError::Coding`] if the text has no encoding.
    pub fn count(&self, text: &str) -> Result<usize, TokenizerError> {
        Ok(self.encode(text)?.len())
    }

    /// The text of ids, special tokens included.
    ///
    /// # Errors
    /// [`TokenizerError::Coding`] for ids without a text.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        match &self.0 {
            Inner::File(tokenizer) => fenced(|| tokenizer.decode(ids, false))?.map_err(|error| TokenizerError::Coding(error.to_string())),
            Inner::Remote(coder) => coder.decode(ids),
        }
    }

    /// The text of a token that encodes to the same token, alone and twice in a row.
    fn stable_text(&self, id: u32) -> Option<String> {
        let text = self.decode(&[id]).ok()?;
        let alone = self.encode(&text).ok()? == [id];
        (alone && self.encode(&text.repeat(2)).ok()? == [id, id]).then_some(text)
    }

    /// The token ids to make random prompts from, in ascending order: tokens whose text encodes to the same token again, both alone
    /// and twice in a row. Only words with a space in front are used if there are at least 512 of them.
    ///
    /// # Errors
    /// [`TokenizerError::NoWords`] if there is none.
    pub fn word_ids(&self) -> Result<Vec<u32>, TokenizerError> {
        let (ids, plenty) = match &self.0 {
            Inner::File(tokenizer) => (plain_ids(tokenizer), PLENTY_OF_WORDS),
            // Each check of an id takes three requests to the server.
            Inner::Remote(_) => (REMOTE_IDS.collect(), ENOUGH_WORDS),
        };
        let mut words = Vec::new();
        let mut others = Vec::new();
        for id in spread(&ids) {
            let Some(text) = self.stable_text(id) else { continue };
            let is_word = text
                .strip_prefix(' ')
                .is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
            if is_word {
                words.push(id)
            } else {
                others.push(id)
            }
            // Checking all 250,000 tokens of a large vocabulary would take seconds and gain nothing.
            if words.len() >= plenty {
                break;
            }
        }
        words.sort_unstable();
        others.sort_unstable();
        // Prompts of a few dozen distinct words are too easy for prefix caches and speculative decoding.
        let chosen = if words.len() >= ENOUGH_WORDS {
            words
        } else {
            [words, others].concat()
        };
        if chosen.is_empty() {
            Err(TokenizerError::NoWords)
        } else {
            Ok(chosen)
        }
    }
}

/// The ids of a vocabulary without special tokens, in ascending order.
fn plain_ids(tokenizer: &tokenizers::Tokenizer) -> Vec<u32> {
    let special: std::collections::HashSet<u32> = tokenizer.get_added_tokens_decoder().into_keys().collect();
    let mut ids: Vec<u32> = tokenizer
        .get_vocab(false)
        .into_values()
        .filter(|id| !special.contains(id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Ids to try in a vocabulary of unknown size: after the byte and special tokens that most vocabularies begin with, and within the
/// smallest vocabularies in use. Ids outside a vocabulary have no text and are skipped.
const REMOTE_IDS: std::ops::Range<u32> = 300..32_000;

/// Number of words from which on speculative decoding is unlikely to guess the tokens of a prompt.
const ENOUGH_WORDS: usize = 512;
/// Number of words at which the search for words ends: more would not make prompts more random.
const PLENTY_OF_WORDS: usize = 4096;
/// Step between ids that are checked one after the other. Vocabularies are sorted by frequency, so the lowest ids alone would be
/// frequent words only.
const STRIDE: usize = 61;

/// The ids in steps of [`STRIDE`], so that each of the `STRIDE` passes covers the whole range.
fn spread(ids: &[u32]) -> impl Iterator<Item = u32> + '_ {
    (0..STRIDE).flat_map(|start| ids.iter().skip(start).step_by(STRIDE).copied())
}
