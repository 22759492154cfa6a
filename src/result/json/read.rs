//! The reader: one pass over the bytes, positions counted only for the error.

use super::{Json, Object};

/// A JSON syntax error and its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: found {found}, expected {expected}")]
pub struct JsonError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    pub found: String,
    pub expected: &'static str,
}

/// Results are nested five deep at most; this only keeps a hostile file from exhausting the stack.
const MAX_DEPTH: usize = 128;

pub(super) fn document(text: &str, wanted: &Wanted) -> Result<Json, JsonError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let value = reader.value(Some(wanted))?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.error("the end of the text")),
    }
}

/// Which entries of objects are kept. The items of a list are treated as the list itself.
#[derive(Debug)]
pub struct Wanted {
    /// Whether entries that are not named are kept, with everything in them.
    pub others: bool,
    /// Entries of which a part is kept.
    pub named: &'static [(&'static str, Wanted)],
}

impl Wanted {
    pub const ALL: Self = Self { others: true, named: &[] };

    fn below(&self, key: &str) -> Option<&Self> {
        let named = self.named.iter().find(|(name, _)| *name == key).map(|(_, wanted)| wanted);
        named.or(self.others.then_some(&Self::ALL))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Skips bytes while `is` holds.
    fn skip(&mut self, is: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|byte| !is(*byte)).unwrap_or(rest.len());
    }

    fn error(&self, expected: &'static str) -> JsonError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(character) => format!("{character:?}"),
            None => "the end of the text".to_owned(),
        };
        JsonError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            found,
            expected,
        }
    }

    fn take(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.error(expected))
        }
    }

    fn word(&mut self, word: &'static str, value: Json) -> Result<Json, JsonError> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("a JSON value"))
        }
    }

    /// The next value. Unwanted values are checked as well, but not stored.
    fn value(&mut self, wanted: Option<&Wanted>) -> Result<Json, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.nested(|reader| reader.object(wanted)),
            Some(b'[') => self.nested(|reader| reader.list(wanted)),
            Some(b'"') => self.string(wanted.is_some()).map(Json::Text),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'N') => self.word("NaN", Json::Float(f64::NAN)),
            Some(b'I') => self.word("Infinity", Json::Float(f64::INFINITY)),
            Some(b'-' | b'0'..=b'9') => self.number(wanted.is_some()),
            Some(_) | None => Err(self.error("a JSON value")),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Result<Json, JsonError>) -> Result<Json, JsonError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error("values nested less than 128 deep"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self, wanted: Option<&Wanted>) -> Result<Json, JsonError> {
        let mut entries = Object::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(entries));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a key in double quotes"));
            }
            let key = self.string(wanted.is_some())?;
            self.skip_space();
            self.take(b':', "a colon after the key")?;
            let below = wanted.and_then(|wanted| wanted.below(&key));
            let value = self.value(below)?;
            if below.is_some() {
                entries.insert(key, value);
            }
            self.skip_space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.take(b'}', "a comma or a closing brace")?;
                return Ok(Json::Object(entries));
            }
        }
    }

    fn list(&mut self, wanted: Option<&Wanted>) -> Result<Json, JsonError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::List(items));
        }
        loop {
            let item = self.value(wanted)?;
            if wanted.is_some() {
                items.push(item);
            }
            self.skip_space();
            if self.peek() == Some(b',') {
                self.at += 1;
            } else {
                self.take(b']', "a comma or a closing bracket")?;
                return Ok(Json::List(items));
            }
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.error("a digit"));
        }
        self.skip(|byte| byte.is_ascii_digit());
        Ok(())
    }

    fn number(&mut self, wanted: bool) -> Result<Json, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.peek() == Some(b'I') {
                return self.word("Infinity", Json::Float(f64::NEG_INFINITY));
            }
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.error("no digit after a leading zero"));
            }
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if !wanted {
            return Ok(Json::Null);
        }
        let text = &self.text[start..self.at];
        let integer = whole.then(|| text.parse()).and_then(Result::ok);
        match integer {
            Some(number) => Ok(Json::Integer(number)),
            None => text.parse().map(Json::Float).map_err(|_| self.error("a number")),
        }
    }

    /// A text; empty if it is not wanted.
    fn string(&mut self, wanted: bool) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let start = self.at;
            self.skip(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f));
            if wanted {
                text.push_str(&self.text[start..self.at]);
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let character = self.escape()?;
                    text.extend(wanted.then_some(character));
                }
                Some(_) | None => return Err(self.error("a closing double quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            Some(_) | None => return Err(self.error("an escape such as \\n or \\u0041")),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        const HALF: &str = "the second half of a surrogate pair";
        let first = self.four_digits()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        self.take(b'\\', HALF)?;
        self.take(b'u', HALF)?;
        let second = self.four_digits()?;
        let both = (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second);
        let code = both.then(|| 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        code.and_then(char::from_u32).ok_or_else(|| self.error(HALF))
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.error("four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }
}
