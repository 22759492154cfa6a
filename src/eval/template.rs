//! Jinja templates of task files, in lm-eval's environment: undefined names are errors, a trailing line break is kept, values are
//! formatted as in Python, and there is a filter `regex_replace`.

use std::sync::Arc;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde_json::Value as Json;

use super::python::{self, Pattern};

/// Why a template cannot be compiled or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template `{}`: {reason}", shorten(.template))]
pub struct TemplateError {
    pub template: String,
    /// What is wrong.
    pub reason: String,
}

fn shorten(template: &str) -> String {
    const LONGEST: usize = 80;
    match template.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", template.get(..end).unwrap_or_default()).replace('\n', "\\n"),
        None => template.replace('\n', "\\n"),
    }
}

/// A compiled template.
#[derive(Debug, Clone)]
pub struct Template {
    environment: Arc<Environment<'static>>,
    written: String,
}

const NAME: &str = "t";

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// [`TemplateError`] for an invalid template.
    pub fn new(text: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(|out, state, value| {
            if value.is_undefined() {
                // The default formatter raises the error for undefined values of a strict environment.
                return minijinja::escape_formatter(out, state, value);
            }
            out.write_str(&python::shown(&json_of(value))).map_err(Error::from)
        });
        environment.set_unknown_method_callback(|state, value, method, arguments| match (method, value.kind(), arguments) {
            ("index", ValueKind::Seq, [wanted]) => index_of(value, wanted),
            _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments),
        });
        environment.add_filter("regex_replace", regex_replace);
        environment.add_filter("string", |value: Value| python::shown(&json_of(&value)));
        // The engine removes one trailing line break; lm-eval's environment keeps it.
        let mut whole = text.replace("\r\n", "\n");
        if whole.ends_with('\n') {
            whole.push('\n');
        }
        environment.add_template_owned(NAME, whole).map_err(|error| failure(text, &error))?;
        Ok(Self {
            environment: Arc::new(environment),
            written: text.to_owned(),
        })
    }

    /// Renders the template with these variables.
    ///
    /// # Errors
    /// [`TemplateError`] for an undefined variable or an invalid operation.
    pub fn render(&self, variables: &serde_json::Map<String, Json>) -> Result<String, TemplateError> {
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|error| failure(&self.written, &error))?;
        template
            .render(mapping_of(variables))
            .map_err(|error| failure(&self.written, &error))
    }
}

fn failure(template: &str, error: &Error) -> TemplateError {
    let reason = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    // The engine reports the place of an undefined name, but not the name.
    let place = error
        .range()
        .and_then(|range| template.get(range))
        .map(|part| format!(" (`{}`)", part.trim()));
    TemplateError {
        template: template.to_owned(),
        reason: reason + &place.unwrap_or_default(),
    }
}

fn mapping_of(map: &serde_json::Map<String, Json>) -> Value {
    Value::from_pairs(map.iter().map(|(name, value)| (name.clone(), value_of(value))))
}

/// A JSON value as one of the template engine.
fn value_of(value: &Json) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(whole)) => Value::from(whole),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(value_of).collect(),
        Json::Object(map) => mapping_of(map),
    }
}

/// A value of the template engine as JSON; what has no JSON form becomes its text.
fn json_of(value: &Value) -> Json {
    match value.kind() {
        ValueKind::Iterable => value
            .try_iter()
            .map_or(Json::Null, |items| Json::Array(items.map(|item| json_of(&item)).collect())),
        ValueKind::Undefined
        | ValueKind::None
        | ValueKind::Bool
        | ValueKind::Number
        | ValueKind::String
        | ValueKind::Bytes
        | ValueKind::Seq
        | ValueKind::Map
        | ValueKind::Plain
        | ValueKind::Invalid => serde_json::to_value(value).unwrap_or_else(|_| Json::String(value.to_string())),
        // The engine's enum of kinds is not exhaustive.
        _ => Json::String(value.to_string()),
    }
}

/// `list.index(value)`.
fn index_of(list: &Value, wanted: &Value) -> Result<Value, Error> {
    let at = list.try_iter()?.position(|item| item == *wanted);
    at.map(Value::from)
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{wanted:?} is not in the list")))
}

#[allow(clippy::needless_pass_by_value, reason = "the engine passes named arguments by value")]
/// `{{ text | regex_replace(pattern, repl, count=0) }}`: `re.sub`.
fn regex_replace(text: &str, pattern: &str, replacement: &str, count: Option<usize>, named: Kwargs) -> Result<String, Error> {
    let count = match count {
        Some(count) => count,
        None => named.get::<Option<usize>>("count")?.unwrap_or(0),
    };
    named.assert_all_used()?;
    let pattern = Pattern::new(pattern).map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(pattern.replace(text, replacement, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(template: &str) -> Result<String, TemplateError> {
        let variables = json!({
            "question": "  What's 1+1? \n", "answer": "long #### 1,000", "choices": ["a", "it's"], "label": 1, "ratio": 0.5,
            "done": true, "none": null, "nested": { "text": ["x", "y"] },
        });
        Template::new(template)?.render(variables.as_object().unwrap())
    }

    /// Expected values: jinja2 3.1 with lm-eval's environment.
    #[test]
    fn rendered_templates_equal_those_of_jinja2() {
        for (template, expected) in [
            ("Q: {{question}}\nA:", "Q:   What's 1+1? \n\nA:"),
            ("{{question.strip()}}\n", "What's 1+1?\n"),
            ("{{answer.split('####')[-1].strip().replace(',', '')}}", "1000"),
            ("{{choices}} {{done}} {{none}} {{ratio}}", "['a', \"it's\"] True None 0.5"),
            ("{{choices[label]}} {{nested.text[1]}} {{nested['text'][0]}}", "it's y x"),
            ("{{choices.index('a')}}", "0"),
            ("{% for c in choices %}{{ loop.index }}. {{ c }}\n{% endfor %}", "1. a\n2. it's\n"),
            ("{{ answer | regex_replace('(\\d),(\\d)', '\\\\1\\\\2') }}", "long #### 1000"),
            ("{{ 'x,y,z' | regex_replace(',', '', count=1) }}", "xy,z"),
            ("{%- if label == 1 -%} yes {%- endif %}", "yes"),
            ("{{ ['(A)', '(B)'][label] }}{{ choices | length }}", "(B)2"),
            ("{{ question | trim | upper }}", "WHAT'S 1+1?"),
            ("{{ [choices[0]] + choices[1:] }}", "['a', \"it's\"]"),
            ("{{ choices | join(', ') }}", "a, it's"),
            ("{{ label | string }}{{ -7 // 2 }}", "1-4"),
        ] {
            assert_eq!(rendered(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn undefined_template_variable_is_reported() {
        let error = rendered("{{ questoin }}").unwrap_err().to_string();
        assert!(error.contains("questoin"), "{error}");
        assert!(rendered("{{ question").is_err());
        let error = rendered("{{ question | no_such }}").unwrap_err().to_string();
        assert!(error.contains("no_such"), "{error}");
    }
}
