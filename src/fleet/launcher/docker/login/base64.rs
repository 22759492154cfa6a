//! Base64 with `+` and `/` (<https://www.rfc-editor.org/rfc/rfc4648#section-4>), as login files have it.

/// The bytes; nothing where the text is not base64. Padding may be missing.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes().map(digit).collect::<Option<Vec<u32>>>()?;
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        // Four digits are three bytes; a group that is cut short has a byte less for each digit that it lacks.
        let missing = 4 - group.len();
        if missing == 3 {
            return None;
        }
        let number = group
            .iter()
            .chain(std::iter::repeat_n(&0, missing))
            .fold(0, |number, digit| number << 6 | digit);
        bytes.extend(number.to_be_bytes().into_iter().skip(1).take(3 - missing));
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u32> {
    let value = match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expected) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm8", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(decoded(text).as_deref(), Some(expected.as_bytes()), "{text}");
        }
        assert_eq!(decoded("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        for wrong in ["Z", "Zm9vY", "Zm-v", "Zm 8"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }
}
