//! The key-value pairs at the start of a GGUF file, versions 2 and 3, little-endian. Memory use is bounded by the number of bytes,
//! whatever lengths the file declares.

use std::collections::HashMap;

use crate::model::saturating;

/// The bytes are not a usable GGUF file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("GGUF file: {0}")]
pub struct GgufError(pub(super) String);

/// The pairs, by key.
#[derive(Debug)]
pub(super) struct Metadata<'a>(HashMap<&'a str, Item<'a>>);

#[derive(Debug)]
enum Item<'a> {
    Text(&'a str),
    Integer(i64),
    Boolean(bool),
    Texts(Vec<&'a str>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    /// A value of a type that tokenizers do not use.
    Other,
}

/// Numbers of value types (`gguf_metadata_value_type`).
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// Maximum number of pairs. No converter writes more.
const MOST_PAIRS: u64 = 65_536;
/// Maximum nesting of arrays. No converter writes more than one level.
const DEEPEST: u32 = 4;

impl<'a> Metadata<'a> {
    /// Reads the pairs from the start of a file.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, GgufError> {
        let mut cursor = Cursor(bytes);
        if cursor.take(4)? != b"GGUF" {
            return Err(GgufError("it does not start with `GGUF`".to_owned()));
        }
        let version = cursor.u32()?;
        if !(2..=3).contains(&version) {
            return Err(GgufError(format!("version {version}, expected 2 or 3 in little-endian order")));
        }
        let _tensors = cursor.u64()?;
        let pairs = cursor.u64()?;
        if pairs > MOST_PAIRS {
            return Err(GgufError(format!("{pairs} pairs of metadata, expected at most {MOST_PAIRS}")));
        }
        let mut items = HashMap::new();
        for _ in 0..pairs {
            let key = cursor.text()?;
            let kind = cursor.u32()?;
            items.insert(key, cursor.item(kind)?);
        }
        Ok(Self(items))
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        match self.0.get(key) {
            Some(Item::Text(text)) => Some(text),
            Some(Item::Integer(_) | Item::Boolean(_) | Item::Texts(_) | Item::Integers(_) | Item::Floats(_) | Item::Other) | None => None,
        }
    }

    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        match self.0.get(key) {
            Some(Item::Integer(number)) => Some(*number),
            Some(Item::Text(_) | Item::Boolean(_) | Item::Texts(_) | Item::Integers(_) | Item::Floats(_) | Item::Other) | None => None,
        }
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        match self.0.get(key) {
            Some(Item::Boolean(is)) => Some(*is),
            Some(Item::Text(_) | Item::Integer(_) | Item::Texts(_) | Item::Integers(_) | Item::Floats(_) | Item::Other) | None => None,
        }
    }

    pub(super) fn texts(&self, key: &str) -> Option<Vec<&'a str>> {
        match self.0.get(key) {
            Some(Item::Texts(texts)) => Some(texts.clone()),
            Some(Item::Text(_) | Item::Integer(_) | Item::Boolean(_) | Item::Integers(_) | Item::Floats(_) | Item::Other) | None => None,
        }
    }

    pub(super) fn integers(&self, key: &str) -> Option<Vec<i64>> {
        match self.0.get(key) {
            Some(Item::Integers(numbers)) => Some(numbers.clone()),
            Some(Item::Text(_) | Item::Integer(_) | Item::Boolean(_) | Item::Texts(_) | Item::Floats(_) | Item::Other) | None => None,
        }
    }

    pub(super) fn floats(&self, key: &str) -> Option<Vec<f64>> {
        match self.0.get(key) {
            Some(Item::Floats(numbers)) => Some(numbers.clone()),
            Some(Item::Text(_) | Item::Integer(_) | Item::Boolean(_) | Item::Texts(_) | Item::Integers(_) | Item::Other) | None => None,
        }
    }
}

/// The bytes that are not read yet.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], GgufError> {
        let split = usize::try_from(count).ok().and_then(|count| self.0.split_at_checked(count));
        let (taken, rest) = split.ok_or_else(|| GgufError("its metadata ends too early".to_owned()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let bytes = self.take(N as u64)?;
        bytes.try_into().map_err(|_| GgufError("its metadata ends too early".to_owned()))
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<&'a str, GgufError> {
        let length = self.u64()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| GgufError("a text in its metadata is not UTF-8".to_owned()))
    }

    /// A number of an integral type; `None` for other types.
    fn integer(&mut self, kind: u32) -> Result<Option<i64>, GgufError> {
        Ok(Some(match kind {
            0 => i64::from(u8::from_le_bytes(self.array()?)),
            1 => i64::from(i8::from_le_bytes(self.array()?)),
            2 => i64::from(u16::from_le_bytes(self.array()?)),
            3 => i64::from(i16::from_le_bytes(self.array()?)),
            4 => i64::from(self.u32()?),
            5 => i64::from(i32::from_le_bytes(self.array()?)),
            10 => saturating::to_i64(self.u64()?),
            11 => i64::from_le_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }

    fn float(&mut self, kind: u32) -> Result<Option<f64>, GgufError> {
        Ok(Some(match kind {
            6 => f64::from(f32::from_le_bytes(self.array()?)),
            12 => f64::from_le_bytes(self.array()?),
            _ => return Ok(None),
        }))
    }

    fn item(&mut self, kind: u32) -> Result<Item<'a>, GgufError> {
        match kind {
            BOOL => Ok(Item::Boolean(self.array::<1>()? != [0])),
            STRING => Ok(Item::Text(self.text()?)),
            ARRAY => self.items(DEEPEST),
            _ => {
                if let Some(number) = self.integer(kind)? {
                    return Ok(Item::Integer(number));
                }
                match self.float(kind)? {
                    Some(_) => Ok(Item::Other),
                    None => Err(GgufError(format!("its metadata has a value of the unknown type {kind}"))),
                }
            }
        }
    }

    /// An array. The vectors are not preallocated, so a false length in the file allocates nothing.
    fn items(&mut self, depth: u32) -> Result<Item<'a>, GgufError> {
        let kind = self.u32()?;
        let length = self.u64()?;
        match kind {
            STRING => {
                let mut texts = Vec::new();
                for _ in 0..length {
                    texts.push(self.text()?);
                }
                Ok(Item::Texts(texts))
            }
            ARRAY if depth == 0 => Err(GgufError("its metadata has arrays in arrays in arrays".to_owned())),
            ARRAY => {
                for _ in 0..length {
                    self.items(depth - 1)?;
                }
                Ok(Item::Other)
            }
            BOOL => self.take(length).map(|_| Item::Other),
            6 | 12 => {
                let mut numbers = Vec::new();
                for _ in 0..length {
                    numbers.extend(self.float(kind)?);
                }
                Ok(Item::Floats(numbers))
            }
            0..=5 | 10 | 11 => {
                let mut numbers = Vec::new();
                for _ in 0..length {
                    numbers.extend(self.integer(kind)?);
                }
                Ok(Item::Integers(numbers))
            }
            _ => Err(GgufError(format!("its metadata has a value of the unknown type {kind}"))),
        }
    }
}
