//! `ast.literal_eval` for what templates give: texts, numbers, truth values, `None`, lists, tuples and dictionaries.

use serde_json::{Map, Number, Value};

/// The deepest nesting that is parsed.
const DEEPEST: usize = 64;

/// The value of a Python literal; `None` for any other text.
#[must_use]
pub fn literal(text: &str) -> Option<Value> {
    let mut reader = Literal {
        rest: text.trim(),
        depth: 0,
    };
    let value = reader.value()?;
    reader.rest.is_empty().then_some(value)
}

struct Literal<'t> {
    rest: &'t str,
    depth: usize,
}

impl Literal<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, what: &str) -> bool {
        match self.rest.strip_prefix(what) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Option<Value> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = match self.rest.chars().next()? {
            '[' => self.list('[', ']').map(|(items, _)| Value::Array(items)),
            '(' => self.list('(', ')').and_then(|(mut items, tuple)| match items.len() {
                1 if !tuple => items.pop(),
                _ => Some(Value::Array(items)),
            }),
            '{' => self.mapping(),
            '\'' | '"' => self.texts().map(Value::String),
            _ => self.word(),
        }?;
        self.depth -= 1;
        self.skip_space();
        Some(value)
    }

    /// The items, and whether a comma made a tuple of them.
    fn list(&mut self, open: char, close: char) -> Option<(Vec<Value>, bool)> {
        self.take(open.encode_utf8(&mut [0; 4]));
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            self.skip_space();
            if self.take(close.encode_utf8(&mut [0; 4])) {
                return Some((items, comma));
            }
            if !items.is_empty() && !comma {
                return None;
            }
            items.push(self.value()?);
            let more = self.take(",");
            comma = more || (comma && items.len() > 1);
            if !more {
                self.skip_space();
                return self.take(close.encode_utf8(&mut [0; 4])).then_some((items, comma));
            }
        }
    }

    fn mapping(&mut self) -> Option<Value> {
        self.take("{");
        let mut map = Map::new();
        loop {
            self.skip_space();
            if self.take("}") {
                return Some(Value::Object(map));
            }
            let Value::String(key) = self.value()? else {
                return None;
            };
            if !self.take(":") {
                return None;
            }
            self.skip_space();
            let value = self.value()?;
            map.insert(key, value);
            if !self.take(",") {
                self.skip_space();
                return self.take("}").then_some(Value::Object(map));
            }
        }
    }

    /// Adjacent string literals are concatenated.
    fn texts(&mut self) -> Option<String> {
        let mut all = String::new();
        while self.rest.starts_with(['\'', '"']) {
            self.text(&mut all)?;
            self.skip_space();
        }
        Some(all)
    }

    fn text(&mut self, out: &mut String) -> Option<()> {
        let mark = self.rest.chars().next()?;
        let long: String = std::iter::repeat_n(mark, 3).collect();
        let end = if self.rest.starts_with(&long) { long } else { mark.to_string() };
        self.rest = self.rest.get(end.len()..)?;
        loop {
            if self.take(&end) {
                return Some(());
            }
            let c = self.rest.chars().next()?;
            self.rest = self.rest.get(c.len_utf8()..)?;
            match c {
                '\\' => self.escape(out)?,
                '\n' if end.len() == 1 => return None,
                c => out.push(c),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Option<()> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        let (plain, digits) = match c {
            'n' => (Some('\n'), 0),
            't' => (Some('\t'), 0),
            'r' => (Some('\r'), 0),
            '0' => (Some('\0'), 0),
            '\\' | '\'' | '"' => (Some(c), 0),
            '\n' => return Some(()),
            'x' => (None, 2),
            'u' => (None, 4),
            'U' => (None, 8),
            other => {
                out.push('\\');
                (Some(other), 0)
            }
        };
        match plain {
            Some(plain) => out.push(plain),
            None => {
                let code = u32::from_str_radix(self.rest.get(..digits)?, 16).ok()?;
                self.rest = self.rest.get(digits..)?;
                out.push(char::from_u32(code)?);
            }
        }
        Some(())
    }

    fn word(&mut self) -> Option<Value> {
        let end = self.rest.find([',', ']', ')', '}', ':', ' ', '\n']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let value = match word {
            "None" => Value::Null,
            "True" => Value::Bool(true),
            "False" => Value::Bool(false),
            number => number_of(number)?,
        };
        self.rest = rest;
        Some(value)
    }
}

fn number_of(word: &str) -> Option<Value> {
    let is_numeral = word
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E' | '_'));
    if !is_numeral {
        return None;
    }
    let plain = word.replace('_', "");
    // Python refuses `007`: a number with leading zeros is not a literal.
    let digits = plain.trim_start_matches(['+', '-']);
    if digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.bytes().any(|byte| byte != b'0')
    {
        return None;
    }
    match plain.parse::<i64>() {
        Ok(number) => Some(number.into()),
        Err(_) => Number::from_f64(plain.parse().ok()?).map(Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literals_are_read_as_python_reads_them() {
        for (text, value) in [
            ("['a', \"it's\", 'x\\n']", json!(["a", "it's", "x\n"])),
            ("[1, -2.5, True, None, ]", json!([1, -2.5, true, null])),
            ("(1, 2)", json!([1, 2])),
            ("(1)", json!(1)),
            ("(1,)", json!([1])),
            ("{'a': [1], 'b': {}}", json!({ "a": [1], "b": {} })),
            ("'a' 'b'", json!("ab")),
            ("  42 ", json!(42)),
            ("[]", json!([])),
        ] {
            assert_eq!(literal(text), Some(value), "{text}");
        }
        for text in ["", "[1", "[a]", "1 2", "['a'", "import os", "[1 2]", "007", "f(1)"] {
            assert_eq!(literal(text), None, "{text}");
        }
        assert_eq!(literal(&"[".repeat(10_000)), None);
    }
}
