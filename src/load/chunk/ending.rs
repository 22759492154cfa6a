//! The bytes of a chunk after its first text. Within a stream they differ only in some numbers, so the last ending that was scanned
//! is the pattern for the next chunk. A chunk that matches it byte by byte, apart from the digits of these numbers, has the same
//! fields.

use super::Chunk;

/// Maximum length, bytes. Longer endings are not stored, so that a hostile server cannot use up memory in each stream.
const LONGEST: usize = 1024;
/// Endings with more numbers than this (token ids, log probabilities) are not stored.
pub(super) const MOST_NUMBERS: usize = 16;
/// Any number of this many decimal digits fits into 32 bits.
pub(super) const MOST_COUNT_DIGITS: usize = 9;

/// A count in the usage of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Prompt,
    Completion,
    /// `cached_tokens` in `prompt_tokens_details`; takes precedence over `Cached`.
    CachedInDetails,
    /// `cached_tokens` in `usage` itself.
    Cached,
    Reasoning,
}

/// The counts of a chunk in tokens, indexed by [`Count`].
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts([Option<u32>; 5]);

impl Counts {
    pub(super) fn set(&mut self, count: Count, tokens: Option<u32>) {
        self.0[count as usize] = tokens;
    }

    fn get(&self, count: Count) -> Option<u32> {
        self.0[count as usize]
    }

    pub(super) fn put_into(&self, chunk: &mut Chunk) {
        chunk.prompt_tokens = self.get(Count::Prompt);
        chunk.completion_tokens = self.get(Count::Completion);
        chunk.cached_tokens = self.get(Count::CachedInDetails).or(self.get(Count::Cached));
        chunk.reasoning_tokens = self.get(Count::Reasoning);
    }
}

/// The digits of a number in a document, without its sign, fraction and exponent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    /// Bytes from its first digit to the end of the document.
    pub left: usize,
    /// How many digits it has.
    pub digits: usize,
    /// The usage field that it belongs to, if any.
    pub count: Option<Count>,
}

/// An ending that was scanned.
#[derive(Debug, Default)]
pub(super) struct Ending {
    bytes: Vec<u8>,
    numbers: Vec<Number>,
    is_finished: bool,
}

impl Ending {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.numbers.clear();
    }

    /// Stores the ending of a chunk whose first text has `text_bytes` bytes. An ending with further text is not stored, because
    /// [`Ending::read`] reads no text.
    pub(super) fn remember(&mut self, bytes: &[u8], numbers: &[Number], chunk: &Chunk, text_bytes: u32) {
        self.clear();
        if bytes.len() <= LONGEST && numbers.len() <= MOST_NUMBERS && chunk.text_bytes == text_bytes && !chunk.has_reasoning {
            self.bytes.extend_from_slice(bytes);
            self.numbers.extend_from_slice(numbers);
            self.is_finished = chunk.is_finished;
        }
    }

    /// The fields of a chunk whose bytes after the first text are `rest`; `None` if they do not match this ending.
    pub(super) fn read(&self, mut rest: &[u8]) -> Option<Chunk> {
        if self.bytes.is_empty() {
            return None;
        }
        let mut counts = Counts::default();
        let mut pattern = self.bytes.as_slice();
        for number in &self.numbers {
            let (literal, behind) = pattern.split_at_checked(pattern.len().checked_sub(number.left)?)?;
            rest = rest.strip_prefix(literal)?;
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (digits, further) = rest.split_at(length);
            // JSON does not allow leading zeros.
            if length > MOST_COUNT_DIGITS || matches!(digits, [] | [b'0', _, ..]) {
                return None;
            }
            if let Some(count) = number.count {
                counts.set(count, Some(value_of(digits)));
            }
            rest = further;
            pattern = behind.get(number.digits..)?;
        }
        let mut chunk = Chunk {
            is_finished: self.is_finished,
            ..Chunk::default()
        };
        counts.put_into(&mut chunk);
        (rest == pattern).then_some(chunk)
    }
}

/// The value of at most [`MOST_COUNT_DIGITS`] digits.
pub(super) fn value_of(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}
