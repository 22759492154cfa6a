//! What follows the first text of a chunk. In the chunks of one stream it is the same but for some numbers, so one that was scanned
//! serves as the pattern of the next ones: what matches it byte by byte, with other numbers in the same places, says the same.

use super::Chunk;

/// Longer endings are not remembered, so that a hostile server cannot fill the memory of each stream.
const LONGEST: usize = 1024;
/// Endings with more numbers than this (token ids, log probabilities) are not remembered.
pub(super) const MOST_NUMBERS: usize = 16;
/// Numbers of this many digits fit into 32 bits whatever the digits are.
pub(super) const MOST_COUNT_DIGITS: usize = 9;

/// A count in the usage of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Prompt,
    Completion,
    /// In `prompt_tokens_details`, which comes before the next one.
    CachedInDetails,
    /// In `usage` itself.
    Cached,
    Reasoning,
}

/// The counts of a chunk, tokens.
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
    /// From its first digit to the end of the document, bytes.
    pub left: usize,
    /// How many digits it has.
    pub digits: usize,
    /// What it counts, if that is known.
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

    /// Remembers the ending of a chunk, which followed `text_bytes` bytes of text. One with further text is not remembered.
    pub(super) fn remember(&mut self, bytes: &[u8], numbers: &[Number], chunk: &Chunk, text_bytes: u32) {
        self.clear();
        if bytes.len() <= LONGEST && numbers.len() <= MOST_NUMBERS && chunk.text_bytes == text_bytes && !chunk.has_reasoning {
            self.bytes.extend_from_slice(bytes);
            self.numbers.extend_from_slice(numbers);
            self.is_finished = chunk.is_finished;
        }
    }

    /// What a chunk with this ending says behind its first text; `None` if the bytes are not this ending.
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
            // JSON has no number that begins with a zero and goes on.
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
