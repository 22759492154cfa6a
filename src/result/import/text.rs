//! Bytes to text: UTF-8, and UTF-16 with a byte order mark, as Tableau and Excel write it.

use std::borrow::Cow;

/// Why bytes are not a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("line {line}: invalid UTF-8, expected UTF-8, or UTF-16 with a byte order mark")]
    Utf8 { line: usize },
    #[error("line {line}: invalid UTF-16 (an unpaired surrogate)")]
    Utf16 { line: usize },
    #[error("the file ends in the middle of a UTF-16 character; is it truncated?")]
    HalfCharacter,
}

/// The text of a file, without its byte order mark.
///
/// # Errors
/// [`TextError`].
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, TextError> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest).map(Cow::Borrowed),
        _ => utf8(bytes).map(Cow::Borrowed),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, TextError> {
    std::str::from_utf8(bytes).map_err(|error| TextError::Utf8 {
        line: bytes.get(..error.valid_up_to()).map_or(0, newlines) + 1,
    })
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, TextError> {
    let pairs = bytes.chunks_exact(2);
    match pairs.remainder() {
        // MLCommons' export of round 6.0 ends with a line feed of one byte.
        [] | [b'\n'] => {}
        _ => return Err(TextError::HalfCharacter),
    }
    let units = pairs.filter_map(|pair| pair.try_into().ok()).map(unit);
    let mut text = String::with_capacity(bytes.len() / 2);
    for decoded in char::decode_utf16(units) {
        text.push(decoded.map_err(|_| TextError::Utf16 {
            line: newlines(text.as_bytes()) + 1,
        })?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_known_by_their_marks() {
        let le: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain("a\té\n".encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        let be: Vec<u8> = [0xfe, 0xff]
            .into_iter()
            .chain("a\té\n".encode_utf16().flat_map(u16::to_be_bytes))
            .collect();
        for bytes in [le.clone(), be, b"\xef\xbb\xbfa\t\xc3\xa9\n".to_vec(), "a\té\n".into()] {
            assert_eq!(decode(&bytes), Ok(Cow::Borrowed("a\té\n")));
        }
        let mut stray = le.clone();
        stray.push(b'\n');
        assert_eq!(decode(&stray), Ok(Cow::Borrowed("a\té\n")), "one line feed of one byte at the end");
        assert_eq!(decode(&le[..le.len() - 3]), Err(TextError::HalfCharacter));
        assert_eq!(decode(b"a\nb\xff"), Err(TextError::Utf8 { line: 2 }));
        assert_eq!(decode(&[0xff, 0xfe, 0x0a, 0, 0, 0xd8]), Err(TextError::Utf16 { line: 2 }));
    }
}
