//! From the text of a request to the fields that it selects, checked against the schema (<https://spec.graphql.org/October2021/#sec-Validation>).
//! The operation that is asked for is checked with the fragments that it spreads; every type is an object, so that fields of one name are one field.
//! All work is bounded: each field and fragment counts at each place where it is spread, so that fragments of fragments do not multiply it.

use std::collections::{HashMap, HashSet};

use graphql_parser::Pos;
use graphql_parser::query::{
    Definition, Directive, Document, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet, TypeCondition,
    Value as Written,
};
use serde_json::Value;

use super::argument;
use super::schema::{BOOLEAN, FieldDefinition, ROOT, Schema, TypeReference};
use super::variable::Variables;
use super::{COMPLEXITY, DEPTH, GraphQlBody, InvalidRequest};
use crate::model::nearest;

/// A field that is to be answered.
#[derive(Debug)]
pub(super) struct Selected<'s> {
    /// The field's name, or its alias.
    pub key: String,
    pub name: String,
    pub field: &'s FieldDefinition,
    /// Arguments with a value.
    pub arguments: Vec<(String, Value)>,
    pub children: Vec<Self>,
    pub place: Pos,
}

type Fragment<'q> = FragmentDefinition<'q, String>;

/// The fields that a request selects.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(super) fn compile<'s>(schema: &'s Schema, asked: &GraphQlBody) -> Result<Vec<Selected<'s>>, InvalidRequest> {
    let document: Document<'_, String> = graphql_parser::parse_query(&asked.query).map_err(|error| InvalidRequest {
        message: format!("the document is invalid: {error}"),
        place: None,
    })?;
    let (operations, fragments) = parts(&document)?;
    let operation = operation(&operations, asked.operation_name.as_deref())?;
    let (directives, set) = match operation {
        OperationDefinition::SelectionSet(set) => (&[][..], set),
        OperationDefinition::Query(query) => (query.directives.as_slice(), &query.selection_set),
        OperationDefinition::Mutation(mutation) => return Err(read_only(mutation.position)),
        OperationDefinition::Subscription(subscription) => return Err(read_only(subscription.position)),
    };
    if let Some(directive) = directives.first() {
        return Err(misplaced(directive));
    }
    let variables = match operation {
        OperationDefinition::Query(query) => Variables::new(&query.variable_definitions, asked.variables.as_ref())?,
        OperationDefinition::SelectionSet(_) | OperationDefinition::Mutation(_) | OperationDefinition::Subscription(_) => {
            Variables::default()
        }
    };
    let mut compiler = Compiler {
        schema,
        fragments: &fragments,
        variables,
        spread: HashSet::new(),
        seen: 0,
    };
    let mut selected = Vec::new();
    let mut open = Vec::new();
    compiler.select(set, ROOT, 1, &mut open, &mut selected)?;
    compiler.variables.check_used()?;
    // Fragments of other operations are theirs.
    let unused = fragments
        .values()
        .find(|fragment| !compiler.spread.contains(fragment.name.as_str()));
    match unused {
        Some(unused) if operations.len() == 1 => Err(InvalidRequest::at(
            unused.position,
            format!("the fragment {} is not used", unused.name),
        )),
        Some(_) | None => Ok(selected),
    }
}

fn read_only(place: Pos) -> InvalidRequest {
    InvalidRequest::at(place, "there are queries alone; writes are POST routes of /api/v1")
}

type Parts<'d, 'q> = (Vec<&'d OperationDefinition<'q, String>>, HashMap<&'d str, &'d Fragment<'q>>);

/// The operations and fragments of a document.
fn parts<'d, 'q>(document: &'d Document<'q, String>) -> Result<Parts<'d, 'q>, InvalidRequest> {
    let mut operations = Vec::new();
    let mut fragments = HashMap::new();
    for definition in &document.definitions {
        match definition {
            Definition::Operation(operation) => operations.push(operation),
            Definition::Fragment(fragment) => {
                if fragments.insert(fragment.name.as_str(), fragment).is_some() {
                    let message = format!("there are two fragments {}", fragment.name);
                    return Err(InvalidRequest::at(fragment.position, message));
                }
            }
        }
    }
    Ok((operations, fragments))
}

fn name_of<'d>(operation: &'d OperationDefinition<'_, String>) -> Option<&'d str> {
    match operation {
        OperationDefinition::SelectionSet(_) => None,
        OperationDefinition::Query(query) => query.name.as_deref(),
        OperationDefinition::Mutation(mutation) => mutation.name.as_deref(),
        OperationDefinition::Subscription(subscription) => subscription.name.as_deref(),
    }
}

/// The operation that is asked for.
fn operation<'d, 'q>(
    operations: &[&'d OperationDefinition<'q, String>],
    wanted: Option<&str>,
) -> Result<&'d OperationDefinition<'q, String>, InvalidRequest> {
    let refuse = |message: &str| InvalidRequest {
        message: message.to_owned(),
        place: None,
    };
    let has_unnamed = operations.iter().any(|operation| name_of(operation).is_none());
    if operations.len() > 1 && has_unnamed {
        return Err(refuse("an operation without a name must be the only one"));
    }
    let mut matching = operations
        .iter()
        .filter(|operation| wanted.is_none_or(|wanted| name_of(operation) == Some(wanted)));
    match (matching.next(), matching.next()) {
        (Some(operation), None) => Ok(operation),
        (Some(_), Some(_)) if wanted.is_some() => Err(refuse("two operations have the name of operationName")),
        (Some(_), Some(_)) => Err(refuse("there are several operations; operationName selects one")),
        (None, _) if wanted.is_some() => Err(refuse("there is no operation with the name of operationName")),
        (None, _) => Err(refuse("the document has no operation")),
    }
}

fn misplaced(directive: &Directive<'_, String>) -> InvalidRequest {
    InvalidRequest::at(
        directive.position,
        format!(
            "unknown directive @{} here; fields and fragments have @skip and @include",
            directive.name
        ),
    )
}

struct Compiler<'s, 'd, 'q> {
    schema: &'s Schema,
    fragments: &'d HashMap<&'d str, &'d Fragment<'q>>,
    variables: Variables,
    /// Fragments that were spread.
    spread: HashSet<&'d str>,
    /// Fields and fragments so far.
    seen: usize,
}

impl<'s, 'd> Compiler<'s, 'd, '_> {
    /// Adds what a set selects of a type. `open` are the fragments that it is in.
    fn select(
        &mut self,
        set: &'d SelectionSet<'_, String>,
        parent: &str,
        depth: usize,
        open: &mut Vec<&'d str>,
        selected: &mut Vec<Selected<'s>>,
    ) -> Result<(), InvalidRequest> {
        for selection in &set.items {
            self.seen += 1;
            let place = match selection {
                Selection::Field(field) => field.position,
                Selection::FragmentSpread(spread) => spread.position,
                Selection::InlineFragment(inline) => inline.position,
            };
            if self.seen > COMPLEXITY {
                return Err(InvalidRequest::at(place, format!("a request has at most {COMPLEXITY} fields")));
            }
            if depth > DEPTH || open.len() > DEPTH {
                return Err(InvalidRequest::at(place, format!("fields are nested at most {DEPTH} levels deep")));
            }
            match selection {
                Selection::Field(field) => self.field(field, parent, depth, open, selected)?,
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let Some((name, fragment)) = self.fragments.get_key_value(name) else {
                        return Err(InvalidRequest::at(place, format!("there is no fragment {name}")));
                    };
                    if open.contains(name) {
                        return Err(InvalidRequest::at(place, format!("the fragment {name} contains itself")));
                    }
                    self.spread.insert(name);
                    open.push(name);
                    let TypeCondition::On(of) = &fragment.type_condition;
                    if let Some(directive) = fragment.directives.first() {
                        return Err(misplaced(directive));
                    }
                    let is_included = self.is_included(&spread.directives)?;
                    self.fragment(
                        &fragment.selection_set,
                        (parent, Some(of)),
                        depth,
                        open,
                        selected,
                        (is_included, place),
                    )?;
                    open.pop();
                }
                Selection::InlineFragment(inline) => {
                    let of = inline.type_condition.as_ref().map(|TypeCondition::On(of)| of);
                    let is_included = self.is_included(&inline.directives)?;
                    self.fragment(&inline.selection_set, (parent, of), depth, open, selected, (is_included, place))?;
                }
            }
        }
        Ok(())
    }

    /// Adds what a fragment selects. What is skipped is checked all the same.
    fn fragment(
        &mut self,
        set: &'d SelectionSet<'_, String>,
        (parent, of): (&str, Option<&String>),
        depth: usize,
        open: &mut Vec<&'d str>,
        selected: &mut Vec<Selected<'s>>,
        (is_included, place): (bool, Pos),
    ) -> Result<(), InvalidRequest> {
        if let Some(of) = of.filter(|of| *of != parent) {
            let message = format!("a fragment on {of} cannot be spread in {parent}");
            return Err(InvalidRequest::at(place, message));
        }
        if is_included {
            return self.select(set, parent, depth, open, selected);
        }
        self.select(set, parent, depth, open, &mut Vec::new())
    }

    fn field(
        &mut self,
        field: &'d Field<'_, String>,
        parent: &str,
        depth: usize,
        open: &mut Vec<&'d str>,
        selected: &mut Vec<Selected<'s>>,
    ) -> Result<(), InvalidRequest> {
        let place = field.position;
        let Some(definition) = self.schema.field(parent, &field.name) else {
            return Err(self.unknown_field(parent, field));
        };
        let of = definition.of.innermost();
        let is_object = self.schema.object(of).is_some();
        if is_object == field.selection_set.items.is_empty() {
            let message = if is_object {
                format!(
                    "`{}` is of the type {of}: say which of its fields, as {} {{ … }}",
                    field.name, field.name
                )
            } else {
                format!("`{}` is of the type {of}, which has no fields", field.name)
            };
            return Err(InvalidRequest::at(place, message));
        }
        let arguments = argument::arguments(&definition.arguments, &field.arguments, &mut self.variables, place)?;
        let mut skipped = Vec::new();
        let target = if self.is_included(&field.directives)? {
            selected
        } else {
            &mut skipped
        };
        let key = field.alias.as_ref().unwrap_or(&field.name);
        let at = match target.iter().position(|other| other.key == *key) {
            Some(at) => at,
            None => {
                target.push(Selected {
                    key: key.clone(),
                    name: field.name.clone(),
                    field: definition,
                    arguments: arguments.clone(),
                    children: Vec::new(),
                    place,
                });
                target.len() - 1
            }
        };
        let Some(same) = target.get_mut(at) else { return Ok(()) };
        if same.name != field.name || same.arguments != arguments {
            let message = format!("`{key}` is selected twice with a difference; give one of them another alias");
            return Err(InvalidRequest::at(place, message));
        }
        self.select(&field.selection_set, of, depth + 1, open, &mut same.children)
    }

    fn unknown_field(&self, parent: &str, field: &Field<'_, String>) -> InvalidRequest {
        let names = self.schema.object(parent).into_iter().flat_map(|object| object.fields.keys());
        let names: Vec<&str> = names.map(String::as_str).collect();
        let near = nearest(&field.name, &names);
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        InvalidRequest::at(field.position, format!("{parent} has no field `{}`{hint}", field.name))
    }

    /// Whether `@skip` and `@include` let it through.
    fn is_included(&mut self, directives: &[Directive<'_, String>]) -> Result<bool, InvalidRequest> {
        let mut is_included = true;
        for (at, directive) in directives.iter().enumerate() {
            let wanted = match directive.name.as_str() {
                "skip" => false,
                "include" => true,
                _ => return Err(misplaced(directive)),
            };
            if directives.iter().take(at).any(|other| other.name == directive.name) {
                return Err(InvalidRequest::at(
                    directive.position,
                    format!("@{} is written twice", directive.name),
                ));
            }
            let [(name, value)] = directive.arguments.as_slice() else {
                return Err(needs_if(directive));
            };
            if name != "if" {
                return Err(needs_if(directive));
            }
            is_included &= self.flag(value, directive)? == wanted;
        }
        Ok(is_included)
    }

    fn flag(&mut self, value: &Written<'_, String>, directive: &Directive<'_, String>) -> Result<bool, InvalidRequest> {
        let of = TypeReference::named(BOOLEAN).non_null();
        let value = argument::coerce(value, &of, &mut self.variables);
        let value = value.map_err(|words| InvalidRequest::at(directive.position, format!("`if` of @{}: {words}", directive.name)))?;
        Ok(value.and_then(|value| value.as_bool()).unwrap_or_default())
    }
}

fn needs_if(directive: &Directive<'_, String>) -> InvalidRequest {
    InvalidRequest::at(directive.position, format!("@{} has one argument, `if`", directive.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(query: &str, variables: Value) -> String {
        let asked = GraphQlBody {
            query: query.to_owned(),
            variables: serde_json::from_value(variables).unwrap_or_default(),
            ..GraphQlBody::default()
        };
        compile(&Schema::new(), &asked).map_or_else(|error| error.message, |selected| format!("accepted, {} fields", selected.len()))
    }

    #[test]
    fn documents_are_checked_as_the_specification_demands() {
        for (query, expected) in [
            ("{ projects { runs } }", "accepted, 1 fields"),
            ("{ projects { runs ...F } } fragment F on Project { newest }", "accepted, 1 fields"),
            ("{ a: projects { runs } b: projects { __typename } }", "accepted, 2 fields"),
            ("{ projects { runs } ... on Query { projects { newest } } }", "accepted, 1 fields"),
            ("{ projects { runs } facets @skip(if: true) { value } }", "accepted, 1 fields"),
            (
                "query($on: Boolean = true) { projects @include(if: $on) { runs } }",
                "accepted, 1 fields",
            ),
            ("{ projects { rnus } }", "Project has no field `rnus`; did you mean `runs`?"),
            (
                "{ projects }",
                "`projects` is of the type Project: say which of its fields, as projects { … }",
            ),
            ("{ projects { runs { id } } }", "`runs` is of the type Int, which has no fields"),
            (
                "{ projects(of: 1) { runs } }",
                "`of` is not an argument of this field; it has as_of",
            ),
            ("{ run { files } }", "the argument `run` is missing"),
            ("{ run(run: null) { files } }", "`run`: null is not allowed, expected Int!"),
            ("{ run(run: \"1\") { files } }", "`run`: expected Int!, found a text"),
            (
                "{ run(run: 3000000000) { files } }",
                "`run`: expected Int!, found 3000000000, which has more than 32 bits",
            ),
            ("{ run(run: 1, run: 2) { files } }", "`run` is given twice"),
            ("{ points(filter: [1]) { next } }", "`filter`: expected String!, found a number"),
            ("{ points(filter: \"conc=1\") { next } }", "accepted, 1 fields"),
            (
                "{ points(sort: conc) { next } }",
                "`sort`: expected String, found the name conc; write it in quotes",
            ),
            ("{ points(filter: {a: 1}) { next } }", "`filter`: expected String!, found an object"),
            (
                "{ points { next } points(limit: 1) { next } }",
                "`points` is selected twice with a difference; give one of them another alias",
            ),
            (
                "{ a: projects { runs } a: facets { value } }",
                "`a` is selected twice with a difference; give one of them another alias",
            ),
            (
                "{ projects { ...F } } fragment F on Project { ...G } fragment G on Project { ...F }",
                "the fragment F contains itself",
            ),
            (
                "{ projects { ...F } } fragment F on Run { id }",
                "a fragment on Run cannot be spread in Project",
            ),
            ("{ projects { ...F } }", "there is no fragment F"),
            ("{ projects { runs } } fragment F on Run { id }", "the fragment F is not used"),
            (
                "{ projects { runs @upper } }",
                "unknown directive @upper here; fields and fragments have @skip and @include",
            ),
            ("{ projects { runs @skip } }", "@skip has one argument, `if`"),
            (
                "{ projects { runs @skip(if: 1) } }",
                "`if` of @skip: expected Boolean!, found a number",
            ),
            (
                "query @skip(if: true) { projects { runs } }",
                "unknown directive @skip here; fields and fragments have @skip and @include",
            ),
            ("mutation { retract }", "there are queries alone; writes are POST routes of /api/v1"),
            (
                "subscription { runs }",
                "there are queries alone; writes are POST routes of /api/v1",
            ),
            (
                "query A { projects { runs } } query B { projects { runs } }",
                "there are several operations; operationName selects one",
            ),
            (
                "{ projects { runs } } query B { projects { runs } }",
                "an operation without a name must be the only one",
            ),
            ("fragment F on Run { id }", "the document has no operation"),
            ("query($a: Int) { projects { runs } }", "the variable $a is not used"),
            (
                "query($a: Int, $a: Int) { run(run: $a) { files } }",
                "the variable $a is declared twice",
            ),
            (
                "query($a: Run) { run(run: $a) { files } }",
                "the variable $a has the type Run; expected one of String, Int, Float, Boolean, JSON",
            ),
            (
                "query($a: Int) { run(run: $a) { files } }",
                "`run`: the variable $a is of the type Int, expected Int!",
            ),
            ("query($a: String!) { run(run: $a) { files } }", "the variable $a has no value"),
            ("query($a: Int! = 1) { run(run: $a) { files } }", "accepted, 1 fields"),
            ("query($a: Int = 1) { run(run: $a) { files } }", "accepted, 1 fields"),
            (
                "query($a: Int = \"x\") { run(run: $a) { files } }",
                "the default of $a: expected Int, found a text",
            ),
            ("{ run(run: $a) { files } }", "`run`: there is no variable $a"),
        ] {
            assert_eq!(refused(query, json!({})), expected, "{query}");
        }
    }

    #[test]
    fn variables_have_the_values_of_their_types() {
        let query = "query($run: Int!, $filter: [String!]) { run(run: $run) { files } points(filter: $filter) { next } }";
        for (variables, expected) in [
            (json!({ "run": 1 }), "accepted, 2 fields"),
            (json!({ "run": 1.0, "filter": null }), "accepted, 2 fields"),
            (json!({ "run": 1, "filter": "conc=1" }), "accepted, 2 fields"),
            (json!({ "run": 1, "filter": ["a=1"], "other": {} }), "accepted, 2 fields"),
            (json!({}), "the variable $run has no value"),
            (json!({ "run": null }), "the variable $run: null is not allowed, expected Int!"),
            (json!({ "run": "1" }), "the variable $run: expected Int!, found a text"),
            (json!({ "run": 1.5 }), "the variable $run: expected Int!, found a number"),
            (
                json!({ "run": 1, "filter": [null] }),
                "the variable $filter: null is not allowed, expected String!",
            ),
            (
                json!({ "run": 1, "filter": [["a"]] }),
                "the variable $filter: expected String!, found a list",
            ),
        ] {
            assert_eq!(refused(query, variables.clone()), expected, "{variables}");
        }
    }

    #[test]
    fn work_is_bounded() {
        let wide = format!("{{ {} }}", "projects { runs } ".repeat(400));
        let aliases: String = (0..400).map(|at| format!("a{at}: projects {{ runs }} ")).collect();
        let deep = format!(
            "{{ __schema {{ types {} {} }} }}",
            "{ ofType ".repeat(17),
            "{ name }".to_owned() + &"} ".repeat(17)
        );
        // Twenty fragments, each of which spreads the next one twice: a million fields.
        let doubling: String = (0..20)
            .map(|at| format!("fragment F{at} on Project {{ ...F{0} ...F{0} }} ", at + 1))
            .collect();
        let doubling = format!("{{ projects {{ ...F0 }} }} {doubling} fragment F20 on Project {{ runs }}");
        let chain: String = (0..1000)
            .map(|at| format!("fragment F{at} on Project {{ ...F{} }} ", at + 1))
            .collect();
        let chain = format!("{{ projects {{ ...F0 }} }} {chain} fragment F1000 on Project {{ runs }}");
        for (query, expected) in [
            (wide, "a request has at most 500 fields"),
            (format!("{{ {aliases} }}"), "a request has at most 500 fields"),
            (deep, "fields are nested at most 16 levels deep"),
            (doubling, "fields are nested at most 16 levels deep"),
            (chain, "fields are nested at most 16 levels deep"),
            ("{a".repeat(10_000), "the document is invalid: "),
            (format!("{{ points(filter: {}", "[".repeat(60_000)), "the document is invalid: "),
            (format!("{{ points(filter: \"{}", "\\".repeat(60_000)), "the document is invalid: "),
            ("\"\"\"".repeat(20_000), "the document is invalid: "),
            ("#".repeat(60_000), "the document is invalid: "),
            (String::new(), "the document is invalid: "),
        ] {
            let found = refused(&query, json!({}));
            assert!(
                found.starts_with(expected),
                "{}: {found}",
                query.chars().take(60).collect::<String>()
            );
            assert!(found.len() < 1000, "{} bytes", found.len());
        }
    }
}
