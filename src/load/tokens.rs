//! The model's tokenizer, read from the bytes of a `tokenizer.json`. Lengths are counted without special tokens, as
//! benchmark_serving.py counts them.

use std::fmt;

/// A tokenizer: a `tokenizer.json` that was read, or one that is elsewhere.
pub struct Tokenizer(Inner);

enum Inner {
    File(Box<tokenizers::Tokenizer>),
    Remote(Box<dyn Coder>),
}

/// Encodes and decodes: a server, whose answers take their time.
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
    /// There is none, and something needs it.
    #[error("there is no tokenizer; set --tokenizer")]
    Missing,
    /// The vocabulary has nothing to make prompts of.
    #[error("the tokenizer's vocabulary has no token that stands for text; is it the tokenizer of a text model?")]
    NoWords,
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
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| TokenizerError::Format(error.to_string()))?;
        tokenizer
            .with_truncation(None)
            .map_err(|error| TokenizerError::Format(error.to_string()))?;
        tokenizer.with_padding(None);
        Ok(Self(Inner::File(Box::new(tokenizer))))
    }

    /// A tokenizer that is elsewhere.
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
        let encoding = tokenizer
            .encode_fast(text, false)
            .map_err(|error| TokenizerError::Coding(error.to_string()))?;
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
            Inner::File(tokenizer) => tokenizer
                .decode(ids, false)
                .map_err(|error| TokenizerError::Coding(error.to_string())),
            Inner::Remote(coder) => coder.decode(ids),
        }
    }

    /// The tokens to make random prompts of: those whose text encodes to themselves again, alone and behind another
    /// one, words with a space in front before all others. In ascending order of their ids.
    ///
    /// # Errors
    /// [`TokenizerError::NoWords`] if there is none.
    pub fn word_ids(&self) -> Result<Vec<u32>, TokenizerError> {
        let (ids, plenty) = match &self.0 {
            Inner::File(tokenizer) => (plain_ids(tokenizer), PLENTY_OF_WORDS),
            // Each costs three requests.
            Inner::Remote(_) => (REMOTE_IDS.collect(), ENOUGH_WORDS),
        };
        let stable = |id: &u32| {
            let text = self.decode(&[*id]).ok()?;
            let twice = format!("{text}{text}");
            let alone = self.encode(&text).ok()? == [*id];
            (alone && self.encode(&twice).ok()? == [*id, *id]).then_some(text)
        };
        let mut words = Vec::new();
        let mut others = Vec::new();
        for id in spread(&ids) {
            let Some(text) = stable(&id) else { continue };
            let is_word = text
                .strip_prefix(' ')
                .is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphabetic()));
            if is_word {
                words.push(id)
            } else {
                others.push(id)
            }
            // Examining the quarter of a million tokens of a large vocabulary would take seconds for nothing.
            if words.len() >= plenty {
                break;
            }
        }
        words.sort_unstable();
        others.sort_unstable();
        // A few dozen words would make prompts that caches and drafts find too easy.
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

/// Ids of a vocabulary of unknown size: behind the bytes and special tokens that most begin with, and within the smallest ones of models
/// in use. Those that are beyond a vocabulary have no text, and are passed over.
const REMOTE_IDS: std::ops::Range<u32> = 300..32_000;

/// With this many words a prompt's tokens are unlikely to be guessed by speculation.
const ENOUGH_WORDS: usize = 512;
/// More words than this make no prompt more random.
const PLENTY_OF_WORDS: usize = 4096;
/// How far apart the tokens lie that are examined one after the other: vocabularies are sorted by frequency, and frequent
/// words alone would be no fair sample.
const STRIDE: usize = 61;

/// The same ids in an order that goes through the whole range many times.
fn spread(ids: &[u32]) -> impl Iterator<Item = u32> + '_ {
    (0..STRIDE).flat_map(|start| ids.iter().skip(start).step_by(STRIDE).copied())
}
