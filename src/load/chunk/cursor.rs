//! JSON by cursor, for the fast scanner: each function consumes what it is named after, at the place where the cursor is.

use super::ending::{Count, Counts, MOST_COUNT_DIGITS, MOST_NUMBERS, Number, value_of};

/// A string without its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Literal<'a> {
    pub(super) raw: &'a [u8],
    /// Number of two-byte escapes, each of which stands for one byte.
    escapes: usize,
}

/// The rest of a document. Each function consumes what it is named after; `None` or `false` means that the rest does not start with
/// it.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
    /// The numbers that were consumed, at most one more than [`MOST_NUMBERS`].
    pub(super) numbers: Vec<Number>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(document: &'a [u8]) -> Self {
        Self {
            rest: document,
            numbers: Vec::new(),
        }
    }

    pub(super) fn skip_space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn null(&mut self) -> bool {
        self.word(b"null")
    }

    /// An object; `on_value` consumes the value of each member.
    pub(super) fn object(&mut self, on_value: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.take(b'}') { Some(()) } else { self.members(on_value) }
    }

    /// The members after one that was consumed, and the end of their object.
    pub(super) fn further_members(&mut self, on_value: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        if self.take(b'}') {
            return Some(());
        }
        self.expect(b',')?;
        self.members(on_value)
    }

    /// One or more members, and the end of their object.
    fn members(&mut self, mut on_value: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        loop {
            let key = self.string()?;
            // An escaped key may be one of the known ones, and `super::read` refuses a key that is not UTF-8.
            if key.escapes > 0 || !key.raw.is_ascii() {
                return None;
            }
            self.expect(b':')?;
            on_value(self, key.raw)?;
            if !self.take(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// One or more elements, each of which `on_element` consumes, and the end of their array.
    pub(super) fn elements(&mut self, mut on_element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        loop {
            on_element(self)?;
            if !self.take(b',') {
                return self.expect(b']');
            }
        }
    }

    pub(super) fn string(&mut self) -> Option<Literal<'a>> {
        self.expect(b'"')?;
        let bytes = self.rest;
        let (mut at, mut escapes) = (0, 0);
        loop {
            at += plain_length(&bytes[at..])?;
            match bytes[at] {
                b'"' => break,
                b'\\' if matches!(bytes.get(at + 1)?, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                    escapes += 1;
                    at += 2;
                }
                _ => return None,
            }
        }
        self.rest = &bytes[at + 1..];
        Some(Literal {
            raw: &bytes[..at],
            escapes,
        })
    }

    /// The length of a text in bytes; 0 for null.
    pub(super) fn text(&mut self) -> Option<usize> {
        if self.null() {
            return Some(0);
        }
        let text = self.string()?;
        std::str::from_utf8(text.raw).ok()?;
        Some(text.raw.len() - text.escapes)
    }

    /// A number of tokens, or null.
    pub(super) fn count(&mut self, count: Count, counts: &mut Counts) -> Option<()> {
        if self.null() {
            return Some(());
        }
        let digits = self.digits(Some(count))?;
        // Numbers with a fraction or an exponent are left to `super::read`.
        if digits.len() > MOST_COUNT_DIGITS || matches!(self.rest.first(), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        counts.set(count, Some(value_of(digits)));
        Some(())
    }

    /// The digits of a whole number without a sign.
    fn digits(&mut self, count: Option<Count>) -> Option<&'a [u8]> {
        self.skip_space();
        let left = self.rest.len();
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(length);
        match digits {
            [] | [b'0', _, ..] => None,
            _ => {
                if self.numbers.len() <= MOST_NUMBERS {
                    self.numbers.push(Number {
                        left,
                        digits: length,
                        count,
                    });
                }
                self.rest = rest;
                Some(digits)
            }
        }
    }

    fn skip_number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        self.digits(None)?;
        // `digits` refuses leading zeros. Other bytes after the number are refused by the caller, which expects a comma or a
        // bracket.
        if let Some(rest) = self.rest.strip_prefix(b".") {
            self.rest = rest;
            self.fraction()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest.strip_prefix(b"+").or_else(|| rest.strip_prefix(b"-")).unwrap_or(rest);
            self.fraction()?;
        }
        Some(())
    }

    /// One or more digits, which may begin with zeros.
    fn fraction(&mut self) -> Option<()> {
        let length = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[length..];
        (length > 0).then_some(())
    }

    /// Skips a value of any kind.
    pub(super) fn skip(&mut self, depth: u32) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        self.skip_space();
        match self.rest.first()? {
            b'"' => self.string().map(drop),
            b'{' => self.object(|cursor, _| cursor.skip(deeper)),
            b'[' => {
                self.expect(b'[')?;
                if self.take(b']') {
                    Some(())
                } else {
                    self.elements(|cursor| cursor.skip(deeper))
                }
            }
            b'n' => self.null().then_some(()),
            b't' => self.word(b"true").then_some(()),
            b'f' => self.word(b"false").then_some(()),
            _ => self.skip_number(),
        }
    }
}

/// Number of bytes before the first quote, backslash or control character; `None` if there is none. Eight bytes are checked in one
/// step (<https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>). A byte after the first match may be marked wrongly,
/// so only the lowest mark is used.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let zeros = (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash);
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let marks = (zeros | controls) & HIGH_BITS;
        if marks != 0 {
            return usize::try_from(marks.trailing_zeros() / 8).ok().map(|within| index * 8 + within);
        }
    }
    let within = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
    Some(words.len() * 8 + within)
}
