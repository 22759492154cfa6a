//! The schema: from the tables of types, the columns of points, and the parameters that the description of REST has.

use std::fmt;

use indexmap::IndexMap;
use serde_json::Value;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::{ArrayItems, Schema as ParameterSchema, SchemaType, Type};
use utoipa::openapi::{RefOr, Required};

use super::introspection;
use super::types::{Columns, Kind, ObjectRow, QUERIES, Query, Shape, types};
use crate::serve::metric_registry::describe;
use crate::serve::openapi;
use crate::store::database::{ColumnType, PointColumn, point_column, point_columns};

pub(super) const STRING: &str = "String";
pub(super) const INT: &str = "Int";
pub(super) const FLOAT: &str = "Float";
pub(super) const BOOLEAN: &str = "Boolean";
/// The scalar of documents.
pub(super) const JSON: &str = "JSON";
/// All scalars, each with its description.
pub(super) const SCALARS: [(&str, &str); 5] = [
    (STRING, "A text"),
    (INT, "A whole number of 32 bits with a sign"),
    (FLOAT, "A number of 64 bits (IEEE 754)"),
    (BOOLEAN, "true or false"),
    (JSON, "A document without a type of this schema"),
];
/// The type of queries.
pub(super) const ROOT: &str = "Query";
/// The type of a point.
const POINT: &str = "Point";
/// The column of the concurrency, which the points of a curve have each.
const CONC: &str = "conc";
/// The parameter of REST that selects columns; here the request's own fields do.
pub(super) const FIELDS: &str = "fields";

/// What the type of a field or argument is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TypeReference {
    Named(String),
    List(Box<Self>),
    NonNull(Box<Self>),
}

impl TypeReference {
    pub(super) fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }

    pub(super) fn non_null(self) -> Self {
        Self::NonNull(Box::new(self))
    }

    /// A list whose items are never null.
    pub(super) fn list_of(name: &str) -> Self {
        Self::List(Box::new(Self::named(name).non_null()))
    }

    /// The name inside of lists.
    pub(super) fn innermost(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::List(inner) | Self::NonNull(inner) => inner.innermost(),
        }
    }
}

impl fmt::Display for TypeReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => formatter.write_str(name),
            Self::List(inner) => write!(formatter, "[{inner}]"),
            Self::NonNull(inner) => write!(formatter, "{inner}!"),
        }
    }
}

/// Where the value of a field is from.
#[derive(Debug)]
pub(super) enum Source {
    /// The parent's document has it by this name.
    Member(String),
    Query(&'static Query),
    /// `__typename`.
    TypeName,
    /// `__schema`.
    Schema,
    /// `__type`.
    Type,
}

#[derive(Debug)]
pub(super) struct ArgumentDefinition {
    pub description: Option<String>,
    pub of: TypeReference,
}

#[derive(Debug)]
pub(super) struct FieldDefinition {
    pub description: Option<String>,
    pub of: TypeReference,
    pub arguments: IndexMap<String, ArgumentDefinition>,
    pub source: Source,
}

impl FieldDefinition {
    pub(super) fn new(of: TypeReference, source: Source) -> Self {
        Self {
            description: None,
            of,
            arguments: IndexMap::new(),
            source,
        }
    }

    pub(super) fn with_argument(mut self, name: &str, of: TypeReference) -> Self {
        self.arguments.insert(name.to_owned(), ArgumentDefinition { description: None, of });
        self
    }
}

#[derive(Debug, Default)]
pub(super) struct ObjectDefinition {
    pub description: Option<String>,
    pub fields: IndexMap<String, FieldDefinition>,
}

/// The types by their names, and what introspection says of them.
#[derive(Debug)]
pub(super) struct Schema {
    /// Of the results, in the order in which they are printed.
    pub objects: IndexMap<String, ObjectDefinition>,
    /// Of introspection.
    pub own_objects: IndexMap<String, ObjectDefinition>,
    /// `__typename`, which every type has.
    pub type_name: FieldDefinition,
    /// `__schema` and `__type`.
    pub entries: IndexMap<String, FieldDefinition>,
    /// What introspection answers.
    pub described: introspection::Described,
}

impl Schema {
    pub(super) fn new() -> Self {
        let mut objects = IndexMap::new();
        objects.insert(ROOT.to_owned(), root());
        objects.insert(POINT.to_owned(), point());
        for row in types() {
            objects.insert(row.name.to_owned(), object(row));
        }
        for query in QUERIES {
            if let Shape::Page(of) = query.shape {
                objects.insert(page_of(of), page(of));
            }
        }
        let own_objects = introspection::objects();
        Self {
            described: introspection::Described::new(&objects, &own_objects),
            objects,
            own_objects,
            type_name: FieldDefinition::new(TypeReference::named(STRING).non_null(), Source::TypeName),
            entries: introspection::entries(),
        }
    }

    /// An object type; `None` for scalars, enums and unknown names.
    pub(super) fn object(&self, name: &str) -> Option<&ObjectDefinition> {
        self.objects.get(name).or_else(|| self.own_objects.get(name))
    }

    /// A field of a type.
    pub(super) fn field(&self, parent: &str, name: &str) -> Option<&FieldDefinition> {
        if name == "__typename" {
            return Some(&self.type_name);
        }
        let entry = if parent == ROOT { self.entries.get(name) } else { None };
        entry.or_else(|| self.object(parent)?.fields.get(name))
    }
}

fn page_of(name: &str) -> String {
    format!("{name}Page")
}

fn page(of: &'static str) -> ObjectDefinition {
    let mut page = ObjectDefinition {
        description: Some("Rows, and the `cursor` of the next page; null on the last one".to_owned()),
        ..ObjectDefinition::default()
    };
    page.fields.insert("data".to_owned(), member("data", Kind::Many(of)));
    page.fields.insert("next".to_owned(), member("next", Kind::Text));
    page
}

fn object(row: &ObjectRow) -> ObjectDefinition {
    let mut object = ObjectDefinition {
        description: Some(row.description.to_owned()),
        ..ObjectDefinition::default()
    };
    match row.columns {
        Columns::None => {}
        Columns::All => add_columns(&mut object, point_columns()),
        Columns::Of(names) => {
            let columns = names.iter().filter(|name| **name != CONC).filter_map(|name| point_column(name));
            add_columns(&mut object, columns);
        }
    }
    for (name, kind) in row.fields {
        object.fields.insert((*name).to_owned(), member(name, *kind));
    }
    object
}

/// A point: every column. A number that was not reported is null.
fn point() -> ObjectDefinition {
    let mut point = ObjectDefinition {
        description: Some("A point with its columns; a number that was not reported is null".to_owned()),
        ..ObjectDefinition::default()
    };
    add_columns(&mut point, point_columns());
    point
}

fn add_columns(object: &mut ObjectDefinition, columns: impl IntoIterator<Item = &'static PointColumn>) {
    for column in columns {
        let kind = match column.kind {
            ColumnType::Text | ColumnType::Date | ColumnType::Digest | ColumnType::Variant => Kind::Text,
            ColumnType::Whole => Kind::Whole,
            ColumnType::Number => Kind::Number,
            ColumnType::Flag => Kind::Flag,
            ColumnType::Json => Kind::Json,
        };
        let mut field = member(&column.name, kind);
        field.description = describe(&column.name).map(|described| format!("{}: {}", described.title, described.formula));
        object.fields.insert(field_name(column), field);
    }
}

/// Names of GraphQL have no dots: `p99_9_ttft`.
pub(super) fn field_name(column: &PointColumn) -> String {
    column.name.replace('.', "_")
}

/// A field that is a member of its parent's document.
fn member(name: &str, kind: Kind) -> FieldDefinition {
    FieldDefinition::new(type_of(kind), Source::Member(name.to_owned()))
}

fn type_of(kind: Kind) -> TypeReference {
    match kind {
        Kind::Text => TypeReference::named(STRING),
        Kind::Texts => TypeReference::list_of(STRING),
        Kind::Whole => TypeReference::named(INT),
        Kind::Wholes => TypeReference::list_of(INT),
        Kind::Number => TypeReference::named(FLOAT),
        Kind::Flag => TypeReference::named(BOOLEAN),
        Kind::Json => TypeReference::named(JSON),
        Kind::One(name) => TypeReference::named(name),
        Kind::Many(name) => TypeReference::list_of(name),
    }
}

/// The queries, with summaries and parameters as the description of REST has them.
fn root() -> ObjectDefinition {
    let description = openapi::description();
    let mut root = ObjectDefinition {
        description: Some("Each query is a route of /api/v1, its arguments are the route's parameters".to_owned()),
        ..ObjectDefinition::default()
    };
    for query in QUERIES {
        let of = match query.shape {
            Shape::Rows(name) => TypeReference::list_of(name),
            Shape::Page(name) => TypeReference::Named(page_of(name)),
            Shape::Document(name) => TypeReference::named(name),
        };
        let mut field = FieldDefinition::new(of, Source::Query(query));
        let operation = description.paths.paths.get(query.path).and_then(|item| item.get.as_ref());
        field.description = operation.and_then(|operation| operation.summary.clone());
        let parameters = operation.and_then(|operation| operation.parameters.as_deref()).unwrap_or_default();
        let is_argument = |parameter: &&Parameter| query.points.is_empty() || parameter.name != FIELDS;
        for parameter in parameters.iter().filter(is_argument) {
            field.arguments.insert(parameter.name.clone(), argument(parameter));
        }
        root.fields.insert(query.field.to_owned(), field);
    }
    root
}

fn argument(parameter: &Parameter) -> ArgumentDefinition {
    let schema = match &parameter.schema {
        Some(RefOr::T(schema)) => Some(schema),
        Some(RefOr::Ref(_)) | None => None,
    };
    let of = match schema {
        Some(ParameterSchema::Array(array)) => TypeReference::list_of(match &array.items {
            ArrayItems::RefOrSchema(items) => match items.as_ref() {
                RefOr::T(items) => scalar_of(items),
                RefOr::Ref(_) => STRING,
            },
            ArrayItems::False => STRING,
        }),
        Some(schema) => TypeReference::named(scalar_of(schema)),
        None => TypeReference::named(STRING),
    };
    let mut description = parameter.description.clone();
    if let Some(values) = schema.and_then(few_values) {
        let words = description.unwrap_or_default();
        description = Some(format!("{words} One of {values}.").trim_start().to_owned());
    }
    ArgumentDefinition {
        description,
        of: if parameter.required == Required::True { of.non_null() } else { of },
    }
}

/// The values of an argument, where they are few enough to be named.
fn few_values(schema: &ParameterSchema) -> Option<String> {
    let ParameterSchema::Object(object) = schema else {
        return None;
    };
    let values = object.enum_values.as_ref().filter(|values| values.len() <= 20)?;
    let names: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    Some(names.join(", "))
}

fn scalar_of(schema: &ParameterSchema) -> &'static str {
    let ParameterSchema::Object(object) = schema else {
        return STRING;
    };
    let has = |wanted: &Type| match &object.schema_type {
        SchemaType::Type(found) => found == wanted,
        SchemaType::Array(found) => found.contains(wanted),
        SchemaType::AnyValue => false,
    };
    if has(&Type::Integer) {
        INT
    } else if has(&Type::Number) {
        FLOAT
    } else if has(&Type::Boolean) {
        BOOLEAN
    } else {
        STRING
    }
}
