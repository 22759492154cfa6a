//! Introspection (<https://spec.graphql.org/October2021/#sec-Introspection>): documents about the schema, read as those of results.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::schema::{ArgumentDefinition, BOOLEAN, FieldDefinition, ObjectDefinition, ROOT, SCALARS, STRING, Source, TypeReference};

/// The member that names a type in place of its description.
pub(super) const REFERENCE: &str = "__reference";

/// Fields of the types of introspection. `!` and `[…]` as the specification has them.
const TYPES: [(&str, &[(&str, &str)]); 6] = [
    (
        "__Schema",
        &[
            ("description", "String"),
            ("types", "[__Type!]!"),
            ("queryType", "__Type!"),
            ("mutationType", "__Type"),
            ("subscriptionType", "__Type"),
            ("directives", "[__Directive!]!"),
        ],
    ),
    (
        "__Type",
        &[
            ("kind", "__TypeKind!"),
            ("name", "String"),
            ("description", "String"),
            ("specifiedByURL", "String"),
            ("fields", "[__Field!]"),
            ("interfaces", "[__Type!]"),
            ("possibleTypes", "[__Type!]"),
            ("enumValues", "[__EnumValue!]"),
            ("inputFields", "[__InputValue!]"),
            ("ofType", "__Type"),
        ],
    ),
    (
        "__Field",
        &[
            ("name", "String!"),
            ("description", "String"),
            ("args", "[__InputValue!]!"),
            ("type", "__Type!"),
            ("isDeprecated", "Boolean!"),
            ("deprecationReason", "String"),
        ],
    ),
    (
        "__InputValue",
        &[
            ("name", "String!"),
            ("description", "String"),
            ("type", "__Type!"),
            ("defaultValue", "String"),
            ("isDeprecated", "Boolean!"),
            ("deprecationReason", "String"),
        ],
    ),
    (
        "__EnumValue",
        &[
            ("name", "String!"),
            ("description", "String"),
            ("isDeprecated", "Boolean!"),
            ("deprecationReason", "String"),
        ],
    ),
    (
        "__Directive",
        &[
            ("name", "String!"),
            ("description", "String"),
            ("locations", "[__DirectiveLocation!]!"),
            ("args", "[__InputValue!]!"),
            ("isRepeatable", "Boolean!"),
        ],
    ),
];

/// The enums of introspection.
const ENUMS: [(&str, &[&str]); 2] = [
    (
        "__TypeKind",
        &["SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "LIST", "NON_NULL"],
    ),
    (
        "__DirectiveLocation",
        &[
            "QUERY",
            "MUTATION",
            "SUBSCRIPTION",
            "FIELD",
            "FRAGMENT_DEFINITION",
            "FRAGMENT_SPREAD",
            "INLINE_FRAGMENT",
            "VARIABLE_DEFINITION",
            "SCHEMA",
            "SCALAR",
            "OBJECT",
            "FIELD_DEFINITION",
            "ARGUMENT_DEFINITION",
            "INTERFACE",
            "UNION",
            "ENUM",
            "ENUM_VALUE",
            "INPUT_OBJECT",
            "INPUT_FIELD_DEFINITION",
        ],
    ),
];

/// Lists that may leave out what is deprecated. Nothing is.
const WITH_DEPRECATED: [&str; 4] = ["fields", "enumValues", "inputFields", "args"];

/// The types of introspection.
pub(super) fn objects() -> IndexMap<String, ObjectDefinition> {
    let mut objects = IndexMap::new();
    for (name, rows) in TYPES {
        let mut object = ObjectDefinition::default();
        for (field, of) in rows {
            let mut definition = FieldDefinition::new(reference(of), Source::Member((*field).to_owned()));
            if WITH_DEPRECATED.contains(field) {
                definition = definition.with_argument("includeDeprecated", TypeReference::named(BOOLEAN));
            }
            object.fields.insert((*field).to_owned(), definition);
        }
        objects.insert(name.to_owned(), object);
    }
    objects
}

/// `__schema` and `__type`.
pub(super) fn entries() -> IndexMap<String, FieldDefinition> {
    let schema = FieldDefinition::new(reference("__Schema!"), Source::Schema);
    let of_name = FieldDefinition::new(reference("__Type"), Source::Type).with_argument("name", TypeReference::named(STRING).non_null());
    IndexMap::from([("__schema".to_owned(), schema), ("__type".to_owned(), of_name)])
}

/// A type as it is written.
fn reference(text: &str) -> TypeReference {
    if let Some(inner) = text.strip_suffix('!') {
        return reference(inner).non_null();
    }
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => TypeReference::List(Box::new(reference(inner))),
        None => TypeReference::named(text),
    }
}

/// What introspection answers.
#[derive(Debug)]
pub(super) struct Described {
    pub schema: Value,
    /// Types by their names.
    pub types: IndexMap<String, Value>,
}

impl Described {
    pub(super) fn new(objects: &IndexMap<String, ObjectDefinition>, own: &IndexMap<String, ObjectDefinition>) -> Self {
        let mut types = IndexMap::new();
        for (name, object) in objects.iter().chain(own) {
            types.insert(name.clone(), object_type(name, object));
        }
        for (name, description) in SCALARS {
            let mut scalar = named("SCALAR", name);
            scalar["description"] = description.into();
            types.insert(name.to_owned(), scalar);
        }
        for (name, values) in ENUMS {
            let mut described = named("ENUM", name);
            let values = values.iter().map(|value| json!({ "name": value, "isDeprecated": false }));
            described["enumValues"] = values.collect();
            types.insert(name.to_owned(), described);
        }
        let schema = json!({
            "types": types.keys().map(|name| json!({ REFERENCE: name })).collect::<Value>(),
            "queryType": { REFERENCE: ROOT },
            "directives": [directive("skip"), directive("include")],
        });
        Self { schema, types }
    }
}

fn named(kind: &str, name: &str) -> Value {
    json!({ "kind": kind, "name": name })
}

fn object_type(name: &str, object: &ObjectDefinition) -> Value {
    let mut described = named("OBJECT", name);
    described["description"] = json!(object.description);
    described["interfaces"] = json!([]);
    described["fields"] = object
        .fields
        .iter()
        .map(|(name, field)| {
            json!({
                "name": name,
                "description": field.description,
                "args": field.arguments.iter().map(|(name, argument)| input(name, argument)).collect::<Value>(),
                "type": of(&field.of),
                "isDeprecated": false,
            })
        })
        .collect();
    described
}

fn input(name: &str, argument: &ArgumentDefinition) -> Value {
    json!({ "name": name, "description": argument.description, "type": of(&argument.of), "isDeprecated": false })
}

fn of(reference: &TypeReference) -> Value {
    match reference {
        TypeReference::Named(name) => json!({ REFERENCE: name }),
        TypeReference::List(inner) => json!({ "kind": "LIST", "ofType": of(inner) }),
        TypeReference::NonNull(inner) => json!({ "kind": "NON_NULL", "ofType": of(inner) }),
    }
}

fn directive(name: &str) -> Value {
    let condition = ArgumentDefinition {
        description: None,
        of: TypeReference::named(BOOLEAN).non_null(),
    };
    json!({
        "name": name,
        "locations": ["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"],
        "args": [input("if", &condition)],
        "isRepeatable": false,
    })
}
