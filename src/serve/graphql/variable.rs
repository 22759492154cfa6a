//! Variables: their declarations, their values, and where they fit (<https://spec.graphql.org/October2021/#sec-Validation.Variables>).

use std::collections::HashMap;

use graphql_parser::Pos;
use graphql_parser::query::{Type, VariableDefinition};
use serde_json::{Map, Value};

use super::InvalidRequest;
use super::argument::{coerce, coerce_json};
use super::schema::{SCALARS, TypeReference};

#[derive(Debug)]
struct Variable {
    of: TypeReference,
    has_default: bool,
    /// `None` where neither the request nor a default gives one.
    value: Option<Value>,
    is_used: bool,
    place: Pos,
}

/// The variables of an operation.
#[derive(Debug, Default)]
pub(super) struct Variables(HashMap<String, Variable>);

impl Variables {
    /// # Errors
    /// Declarations that are invalid, and values of another type.
    pub(super) fn new(declared: &[VariableDefinition<'_, String>], given: Option<&Map<String, Value>>) -> Result<Self, InvalidRequest> {
        let mut variables = HashMap::new();
        for VariableDefinition {
            position,
            name,
            var_type,
            default_value,
        } in declared
        {
            let refuse = |words: String| InvalidRequest::at(*position, words);
            let of = reference(var_type);
            if !SCALARS.iter().any(|(scalar, _)| *scalar == of.innermost()) {
                let known = SCALARS.map(|(scalar, _)| scalar).join(", ");
                return Err(refuse(format!("the variable ${name} has the type {of}; expected one of {known}")));
            }
            let default = match default_value {
                Some(default) => {
                    coerce(default, &of, &mut Self::default()).map_err(|words| refuse(format!("the default of ${name}: {words}")))?
                }
                None => None,
            };
            let value = match given.and_then(|given| given.get(name)) {
                Some(given) => {
                    let value = coerce_json(given.clone(), &of).map_err(|words| refuse(format!("the variable ${name}: {words}")))?;
                    Some(value)
                }
                None => default.clone(),
            };
            if value.is_none() && matches!(of, TypeReference::NonNull(_)) {
                return Err(refuse(format!("the variable ${name} has no value")));
            }
            let variable = Variable {
                of,
                has_default: default.is_some_and(|default| !default.is_null()),
                value,
                is_used: false,
                place: *position,
            };
            if variables.insert(name.clone(), variable).is_some() {
                return Err(refuse(format!("the variable ${name} is declared twice")));
            }
        }
        Ok(Self(variables))
    }

    /// The value of a variable where a type is expected; `None` where it has none.
    ///
    /// # Errors
    /// If there is no such variable, or its type does not fit.
    pub(super) fn value(&mut self, name: &str, expected: &TypeReference) -> Result<Option<Value>, String> {
        let variable = self.0.get_mut(name).ok_or_else(|| format!("there is no variable ${name}"))?;
        variable.is_used = true;
        let is_nullable_with_default = variable.has_default && !matches!(variable.of, TypeReference::NonNull(_));
        let fits = match expected {
            // A default stands in for a value that is missing, not for null.
            TypeReference::NonNull(inner) if is_nullable_with_default => fits(&variable.of, inner),
            TypeReference::NonNull(_) | TypeReference::Named(_) | TypeReference::List(_) => fits(&variable.of, expected),
        };
        if !fits {
            return Err(format!("the variable ${name} is of the type {}, expected {expected}", variable.of));
        }
        match (&variable.value, expected) {
            (Some(Value::Null), TypeReference::NonNull(_)) => Err(format!("the variable ${name} is null, expected {expected}")),
            (value, _) => Ok(value.clone()),
        }
    }

    /// # Errors
    /// The first variable that nothing uses.
    pub(super) fn check_used(&self) -> Result<(), InvalidRequest> {
        let unused = self.0.iter().filter(|(_, variable)| !variable.is_used);
        match unused.min_by_key(|(_, variable)| variable.place) {
            Some((name, variable)) => Err(InvalidRequest::at(variable.place, format!("the variable ${name} is not used"))),
            None => Ok(()),
        }
    }
}

/// Whether every value of a type is one of another.
fn fits(of: &TypeReference, expected: &TypeReference) -> bool {
    match (of, expected) {
        (TypeReference::NonNull(of), TypeReference::NonNull(expected)) | (TypeReference::List(of), TypeReference::List(expected)) => {
            fits(of, expected)
        }
        (TypeReference::Named(_) | TypeReference::List(_), TypeReference::NonNull(_)) => false,
        (TypeReference::NonNull(of), expected) => fits(of, expected),
        (TypeReference::Named(of), TypeReference::Named(expected)) => of == expected,
        (TypeReference::Named(_), TypeReference::List(_)) | (TypeReference::List(_), TypeReference::Named(_)) => false,
    }
}

fn reference(written: &Type<'_, String>) -> TypeReference {
    match written {
        Type::NamedType(name) => TypeReference::named(name),
        Type::ListType(inner) => TypeReference::List(Box::new(reference(inner))),
        Type::NonNullType(inner) => reference(inner).non_null(),
    }
}
