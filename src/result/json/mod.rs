//! JSON as Python writes it: the files of the original tools have the numbers `NaN`, `Infinity` and `-Infinity`, which strict parsers
//! reject. Objects keep their order, and of equal keys the last one counts, as in Python.

mod read;
mod write;

use indexmap::IndexMap;

pub use read::{JsonError, Wanted};

/// An object, in the order of its text.
pub type Object = IndexMap<String, Json>;

/// Sets the value under a key. A new key comes last.
pub fn put(object: &mut Object, key: &str, value: impl Into<Json>) {
    object.insert(key.to_owned(), value.into());
}

/// A JSON value whose numbers may be not finite.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent that fits.
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

impl Json {
    /// Reads one JSON document.
    ///
    /// # Errors
    /// [`JsonError`] with line and column of the first syntax error.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        read::document(text, &Wanted::ALL)
    }

    /// Reads one JSON document as [`Json::parse`] does, and keeps only the wanted entries of its objects. It saves memory where
    /// thousands of results are read and few of their entries used.
    ///
    /// # Errors
    /// [`JsonError`], also for syntax errors in entries that are not kept.
    pub fn parse_part(text: &str, wanted: &Wanted) -> Result<Self, JsonError> {
        read::document(text, wanted)
    }

    /// The value under a key of an object; `None` if there is none, or this is not an object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// The value at a path of keys through objects.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text under a key of an object.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Float(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Integer(_) | Self::Float(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The number, if it is one; texts and booleans are not.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles to everyone who reads them")]
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The value as indented JSON text, numbers that are not finite as Python spells them.
    #[must_use]
    pub fn to_pretty(&self) -> String {
        write::pretty(self)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<u32> for Json {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        match i64::try_from(value) {
            Ok(value) => Self::Integer(value),
            #[expect(clippy::cast_precision_loss, reason = "beyond 2^63 there is only the double")]
            Err(_) => Self::Float(value as f64),
        }
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Integer(number),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Self::Text(text),
            serde_json::Value::Array(items) => Self::List(items.into_iter().map(Into::into).collect()),
            serde_json::Value::Object(entries) => Self::Object(entries.into_iter().map(|(key, value)| (key, value.into())).collect()),
        }
    }
}

/// The same value for serde. A number that is not finite has no counterpart and becomes `null`.
impl From<Json> for serde_json::Value {
    fn from(value: Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Integer(number) => number.into(),
            Json::Float(number) => number.into(),
            Json::Text(text) => Self::String(text),
            Json::List(items) => items.into_iter().map(Self::from).collect(),
            Json::Object(entries) => Self::Object(entries.into_iter().map(|(key, value)| (key, value.into())).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_json_is_read() {
        let text = r#"{"a": NaN, "b": [Infinity, -Infinity, 1, -2.5e3, 12345678901234567890], "c": "\u6a21\ud83d\ude00\n", "a": 2}"#;
        let json = Json::parse(text).unwrap();
        assert_eq!(json.get("a"), Some(&Json::Integer(2)), "the last of equal keys counts");
        assert_eq!(
            json.get("b"),
            Some(&Json::List(vec![
                Json::Float(f64::INFINITY),
                Json::Float(f64::NEG_INFINITY),
                Json::Integer(1),
                Json::Float(-2500.0),
                Json::Float(12_345_678_901_234_567_890.0),
            ]))
        );
        assert_eq!(json.get("c").and_then(Json::as_text), Some("模😀\n"));
    }

    #[test]
    fn partial_read_equals_the_selected_fields() {
        const PART: Wanted = Wanted {
            others: true,
            named: &[(
                "own",
                Wanted {
                    others: false,
                    named: &[("kept", Wanted::ALL)],
                },
            )],
        };
        let text = r#"[{"a": 1, "own": {"b": [1.5, {"c": "\n"}], "kept": {"d": [2]}, "e": NaN}}, 3]"#;
        let part = Json::parse_part(text, &PART).unwrap();
        assert_eq!(part, Json::parse(r#"[{"a": 1, "own": {"kept": {"d": [2]}}}, 3]"#).unwrap());
        let wrong = text.replace("1.5", "01.5");
        assert_eq!(Json::parse_part(&wrong, &PART), Json::parse(&wrong));
        assert!(Json::parse(&wrong).is_err(), "what is not kept is checked all the same");
    }

    #[test]
    fn written_json_reads_back() {
        let text = "{\n  \"x\": [\n    1,\n    0.1,\n    1e22,\n    NaN,\n    -Infinity\n  ],\n  \"empty\": {},\n  \"none\": [],\n  \"t\": \"a\\\"\\u0001é\"\n}";
        assert_eq!(Json::parse(text).unwrap().to_pretty(), text);
    }

    #[test]
    fn syntax_errors_have_a_place() {
        for (text, line, column) in [
            ("{not json", 1, 2),
            ("{\"a\": 1,\n \"b\" 2}", 2, 6),
            ("[1, 2", 1, 6),
            ("\"\\x\"", 1, 3),
            ("1 2", 1, 3),
            ("", 1, 1),
            ("[01]", 1, 3),
            ("\"\\ud800\"", 1, 8),
        ] {
            let error = Json::parse(text).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "[".repeat(100_000);
        assert!(Json::parse(&deep).unwrap_err().to_string().contains("nested"));
    }
}
