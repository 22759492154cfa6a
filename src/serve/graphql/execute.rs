//! The answer: queries are asked for one after another, what is selected of their documents is written while it is found.

use std::io;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::call::{Call, QueryError};
use super::compile::Selected;
use super::introspection::REFERENCE;
use super::schema::{FIELDS, FLOAT, INT, JSON, ROOT, STRING, Schema, Source, TypeReference, field_name};
use super::types::{Query, Shape};
use super::{InvalidRequest, MOST_BYTES};
use crate::store::database::point_columns;

/// The most errors that an answer names.
const MOST_ERRORS: usize = 100;

/// What was found.
pub(super) struct Answer {
    /// A JSON object.
    pub data: Vec<u8>,
    pub errors: Vec<Value>,
}

/// Answers what is selected.
///
/// # Errors
/// If the answer becomes too large.
pub(super) async fn execute(schema: &Schema, selected: &[Selected<'_>], mut call: Call) -> Result<Answer, InvalidRequest> {
    let mut writer = Writer {
        schema,
        data: vec![b'{'],
        errors: Vec::new(),
        path: Vec::new(),
    };
    for (at, field) in selected.iter().enumerate() {
        writer.key(at, &field.key);
        match &field.field.source {
            Source::Query(query) => {
                let found = match call.get(&target(query, field)).await {
                    Ok(document) => match query.shape {
                        Shape::Rows(_) => writer.value(&document["data"], &field.field.of, field),
                        Shape::Page(_) | Shape::Document(_) => writer.value(&document, &field.field.of, field),
                    },
                    Err(error) => {
                        writer.fail(field, &error);
                        Ok(())
                    }
                };
                found.map_err(|Full| Full.refusal())?;
            }
            Source::TypeName | Source::Schema | Source::Type | Source::Member(_) => {
                writer.of_schema(field).map_err(|Full| Full.refusal())?;
            }
        }
        writer.path.clear();
    }
    writer.data.push(b'}');
    Ok(Answer {
        data: writer.data,
        errors: writer.errors,
    })
}

/// The answer has as many bytes as it may have.
struct Full;

impl Full {
    fn refusal(self) -> InvalidRequest {
        let Self = self;
        InvalidRequest {
            message: format!("the answer is larger than {MOST_BYTES} bytes; select fewer rows or fields"),
            place: None,
        }
    }
}

struct Writer<'s> {
    schema: &'s Schema,
    data: Vec<u8>,
    errors: Vec<Value>,
    /// Keys and places in lists down to what is written.
    path: Vec<Value>,
}

impl Writer<'_> {
    /// The key of a member; it is a name, so there is nothing to escape.
    fn key(&mut self, at: usize, key: &str) {
        if at > 0 {
            self.data.push(b',');
        }
        self.data.push(b'"');
        self.data.extend(key.bytes());
        self.data.extend(b"\":");
        self.path.push(key.into());
    }

    /// `__typename` of the root, `__schema` and `__type`.
    fn of_schema(&mut self, field: &Selected<'_>) -> Result<(), Full> {
        let described = &self.schema.described;
        let found = match &field.field.source {
            Source::TypeName => return self.json(&json!(ROOT)),
            Source::Schema => &described.schema,
            Source::Type => {
                let name = field.arguments.first().and_then(|(_, name)| name.as_str()).unwrap_or_default();
                described.types.get(name).unwrap_or(&Value::Null)
            }
            Source::Member(_) | Source::Query(_) => &Value::Null,
        };
        self.value(found, &field.field.of, field)
    }

    fn json(&mut self, value: &Value) -> Result<(), Full> {
        // Writing to memory fails at no other reason than its bound.
        serde_json::to_writer(Bounded(&mut self.data), value).map_err(|_| Full)
    }

    fn value(&mut self, value: &Value, of: &TypeReference, field: &Selected<'_>) -> Result<(), Full> {
        match (of, value) {
            (_, Value::Null) => self.json(&Value::Null),
            (TypeReference::NonNull(of), value) => self.value(value, of, field),
            (TypeReference::List(of), Value::Array(items)) => {
                self.data.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.data.push(b',');
                    }
                    self.path.push(at.into());
                    self.value(item, of, field)?;
                    self.path.pop();
                }
                self.data.push(b']');
                Ok(())
            }
            (TypeReference::Named(name), value) if self.schema.object(name).is_some() => self.object(value, name, field),
            (TypeReference::Named(name), value) if is_of(value, name) => self.json(value),
            (TypeReference::Named(_) | TypeReference::List(_), _) => {
                self.fail(field, &QueryError::of_type(of));
                Ok(())
            }
        }
    }

    fn object(&mut self, value: &Value, name: &str, field: &Selected<'_>) -> Result<(), Full> {
        // Descriptions of types contain each other, so they have names in place of each other.
        let reference = value.get(REFERENCE).and_then(Value::as_str);
        let value = reference.and_then(|name| self.schema.described.types.get(name)).unwrap_or(value);
        self.data.push(b'{');
        for (at, child) in field.children.iter().enumerate() {
            self.key(at, &child.key);
            match &child.field.source {
                Source::Member(member) => self.value(value.get(member).unwrap_or(&Value::Null), &child.field.of, child)?,
                Source::TypeName => self.json(&json!(name))?,
                Source::Query(_) | Source::Schema | Source::Type => self.json(&Value::Null)?,
            }
            self.path.pop();
        }
        self.data.push(b'}');
        Ok(())
    }

    /// Null, and an error that says why.
    fn fail(&mut self, field: &Selected<'_>, error: &QueryError) {
        self.data.extend(b"null");
        if self.errors.len() >= MOST_ERRORS {
            return;
        }
        let mut described = json!({
            "message": error.message,
            "locations": [{ "line": field.place.line, "column": field.place.column }],
            "path": self.path,
        });
        if let Some(status) = error.status {
            described["extensions"] = json!({ "status": status });
        }
        self.errors.push(described);
    }
}

impl QueryError {
    fn of_type(of: &TypeReference) -> Self {
        Self {
            message: format!("the value is not of the type {of}"),
            status: None,
        }
    }
}

/// Whether a value can be given as a scalar.
fn is_of(value: &Value, name: &str) -> bool {
    match value {
        Value::String(_) => name == STRING || name == JSON || name.starts_with("__"),
        Value::Number(number) if name == INT => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Value::Number(_) => name == FLOAT || name == JSON,
        Value::Bool(_) => name == super::schema::BOOLEAN || name == JSON,
        Value::Null => true,
        Value::Array(_) | Value::Object(_) => name == JSON,
    }
}

/// Memory with a bound.
struct Bounded<'a>(&'a mut Vec<u8>);

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_BYTES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The path and query of REST with the arguments of a field.
fn target(query: &Query, field: &Selected<'_>) -> String {
    let mut path = query.path.to_owned();
    let mut text = Serializer::new(String::new());
    for (name, value) in &field.arguments {
        let values = match value {
            Value::Null => continue,
            Value::Array(values) => values.as_slice(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => std::slice::from_ref(value),
        };
        for value in values {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let place = format!("{{{name}}}");
            if path.contains(&place) {
                // A slash of an argument must not lead to another route.
                path = path.replace(&place, &utf8_percent_encode(&value, NON_ALPHANUMERIC).to_string());
            } else {
                text.append_pair(name, &value);
            }
        }
    }
    if !query.points.is_empty() {
        text.append_pair(FIELDS, &columns(field, query.points));
    }
    let text = text.finish();
    if text.is_empty() { path } else { format!("{path}?{text}") }
}

/// The columns that a request selects of points below these members; the number of a point where it selects none.
fn columns(field: &Selected<'_>, below: &[&str]) -> String {
    let mut fields = vec![field];
    for name in below {
        fields = fields
            .into_iter()
            .flat_map(|field| &field.children)
            .filter(|child| child.name == *name)
            .collect();
    }
    let selected: Vec<&str> = fields
        .into_iter()
        .flat_map(|field| &field.children)
        .map(|child| child.name.as_str())
        .collect();
    let columns = point_columns()
        .iter()
        .filter(|column| selected.contains(&field_name(column).as_str()));
    let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    if names.is_empty() { "id".to_owned() } else { names.join(",") }
}
