//! Values of scalars, by their tags or by the rules of YAML 1.1, with warnings about numbers that are not what they look like.

use granit_parser::{ScalarStyle, Tag};

use super::{Builder, shortened};
use crate::model::{Diagnostic, Span};
use crate::yaml::Value;
use crate::yaml::scalar::{self, Unreadable};

impl Builder<'_> {
    pub(super) fn untagged(&mut self, text: &str, style: ScalarStyle, at: Span) -> Value {
        match style {
            ScalarStyle::Plain => self.plain(text, at),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Literal | ScalarStyle::Folded => {
                Value::Text(text.to_owned())
            }
        }
    }

    pub(super) fn tagged(&mut self, text: &str, tag: &Tag, at: Span) -> Value {
        let value = match tag.core_suffix() {
            Some("str") => Some(Value::Text(text.to_owned())),
            Some("int") => scalar::int(text).flatten().map(Value::Int),
            Some("float") => scalar::float(text).map(Value::Float),
            Some("bool" | "null") => scalar::resolve(text)
                .ok()
                .filter(|value| matches!(value, Value::Bool(_) | Value::Null)),
            Some(_) | None => None,
        };
        value.unwrap_or_else(|| {
            let message = format!("the tag `{}` is not supported here", tag.original());
            self.error(at, "tag", message, "remove the tag");
            Value::Null
        })
    }

    fn plain(&mut self, text: &str, at: Span) -> Value {
        match scalar::resolve(text) {
            Ok(value) => {
                self.warn_about_spelling(text, &value, at);
                value
            }
            Err(Unreadable::TooLarge) => {
                self.error(at, "number", format!("the number `{}` is beyond 64 bits", shortened(text)), "");
                Value::Null
            }
            Err(Unreadable::ValueKey) => {
                self.error(at, "yaml", "`=` alone has no meaning in YAML 1.1", "put it in quotes");
                Value::Null
            }
        }
    }

    /// Warns about octal and sexagesimal numbers, which look like decimal numbers or times.
    fn warn_about_spelling(&mut self, text: &str, value: &Value, at: Span) {
        let Value::Int(number) = value else { return };
        let octal = text.trim_start_matches(['+', '-']).len() > 1
            && text.trim_start_matches(['+', '-']).starts_with('0')
            && !text.contains(['x', 'b']);
        let kind = match (octal, text.contains(':')) {
            (true, _) => "octal",
            (false, true) => "sexagesimal",
            (false, false) => return,
        };
        let message = format!("`{}` is {kind} in YAML 1.1 and means {number}", shortened(text));
        let diagnostic = Diagnostic::warning("number-spelling", message)
            .at(self.place(at))
            .help(format!("write {number}, or put the text in quotes"));
        self.found.push(diagnostic);
    }

    pub(super) fn only_tagged(&mut self, expected: &str, tag: Option<&Tag>, at: Span) {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(expected)) {
            let message = format!("the tag `{}` is not supported here", tag.original());
            self.error(at, "tag", message, "remove the tag");
        }
    }
}
