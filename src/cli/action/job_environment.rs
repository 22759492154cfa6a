//! The variables that the action gives to a row's job: those of the input `environment`, and the named ones of the workflow's secrets.

use std::fmt;

use serde_json::{Map, Value};

use crate::model::Secret;

/// Beginnings of variables that belong to the runner, to GitHub or to the action.
const RESERVED: [&str; 4] = ["GITHUB_", "ACTIONS_", "RUNNER_", "IMAX_ACTION_"];

/// Why the inputs give no variables. No message has a value.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum JobEnvironmentError {
    #[error("line {line} of the input `environment`: expected NAME=VALUE, NAME of letters, digits and `_`")]
    Line { line: usize },
    #[error("the input `environment` sets {0}, which belongs to the runner; choose another name")]
    Reserved(String),
    #[error("the input `secrets` is not a JSON object of texts, expected `toJSON(secrets)`")]
    Secrets,
    #[error("the input `secret-names` has {0:?}, expected NAME or VARIABLE=NAME, of letters, digits and `_`")]
    SecretName(String),
    #[error("the workflow has no secret {0}; add it to the repository, or remove it from the input `secret-names`")]
    NoSecret(String),
}

/// Variables for a row's job.
#[derive(Default)]
pub(in crate::cli) struct JobEnvironment(Vec<(String, Secret)>);

impl fmt::Debug for JobEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl JobEnvironment {
    /// The variables of the inputs.
    pub(in crate::cli) const INPUTS: [&str; 3] = ["IMAX_ACTION_ENVIRONMENT", "IMAX_ACTION_SECRETS", "IMAX_ACTION_SECRET_NAMES"];

    /// Reads the inputs, which `lookup` gives.
    ///
    /// # Errors
    /// [`JobEnvironmentError`].
    pub(in crate::cli) fn from_inputs(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, JobEnvironmentError> {
        let [environment, secrets, names] = Self::INPUTS.map(|name| lookup(name).unwrap_or_default());
        let mut variables = lines_of(&environment)?;
        variables.extend(secrets_of(&secrets, &names)?);
        Ok(Self(variables))
    }

    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, for the process that has need of them.
    pub(in crate::cli) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }
}

fn lines_of(environment: &str) -> Result<Vec<(String, Secret)>, JobEnvironmentError> {
    let mut variables = Vec::new();
    for (index, line) in environment.lines().enumerate() {
        // Two blocks of lines are joined by the workflow, and one of them may be empty.
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .filter(|(name, _)| is_variable(name))
            .ok_or(JobEnvironmentError::Line { line: index + 1 })?;
        refuse_reserved(name)?;
        variables.push((name.to_owned(), Secret::new(value.to_owned())));
    }
    Ok(variables)
}

fn secrets_of(secrets: &str, names: &str) -> Result<Vec<(String, Secret)>, JobEnvironmentError> {
    let names: Vec<&str> = names.split_whitespace().collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let secrets: Map<String, Value> = serde_json::from_str(secrets).map_err(|_| JobEnvironmentError::Secrets)?;
    let mut variables = Vec::new();
    for word in names {
        let (variable, name) = word.split_once('=').unwrap_or((word, word));
        if !is_variable(variable) || !is_variable(name) {
            return Err(JobEnvironmentError::SecretName(word.to_owned()));
        }
        refuse_reserved(variable)?;
        // GitHub writes the names of secrets in capitals.
        let value = secrets.get(name).or_else(|| secrets.get(&name.to_uppercase()));
        let value = value.ok_or_else(|| JobEnvironmentError::NoSecret(name.to_owned()))?;
        let value = value.as_str().ok_or(JobEnvironmentError::Secrets)?;
        variables.push((variable.to_owned(), Secret::new(value.to_owned())));
    }
    Ok(variables)
}

fn is_variable(name: &str) -> bool {
    let is_allowed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_allowed && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn refuse_reserved(name: &str) -> Result<(), JobEnvironmentError> {
    match RESERVED.iter().any(|prefix| name.starts_with(prefix)) {
        true => Err(JobEnvironmentError::Reserved(name.to_owned())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &str = r#"{"github_token": "t", "HF_TOKEN": "h", "READ_ONLY_HF": "r", "MODAL": "m"}"#;

    fn read(inputs: [&str; 3]) -> Result<Vec<String>, String> {
        let lookup = |name: &str| {
            let index = JobEnvironment::INPUTS.iter().position(|input| *input == name)?;
            Some(inputs[index].to_owned())
        };
        let job = JobEnvironment::from_inputs(lookup).map_err(|error| error.to_string())?;
        Ok(job.variables().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn lines_and_named_secrets_become_variables() {
        for (inputs, variables) in [
            (["", "", ""], &[][..]),
            (["", SECRETS, ""], &[]),
            (["A=1\n\n  B=x=y \n", "", ""], &["A=1", "B=x=y"]),
            (["A=", SECRETS, "MODAL\n HF_TOKEN=read_only_hf"], &["A=", "MODAL=m", "HF_TOKEN=r"]),
        ] {
            assert_eq!(read(inputs).unwrap(), variables, "{inputs:?}");
        }
    }

    #[test]
    fn invalid_inputs_are_named_without_their_values() {
        for (inputs, told) in [
            (["A=1\nsecret value", "", ""], "line 2 of the input `environment`"),
            (["1A=x", "", ""], "line 1"),
            (["GITHUB_TOKEN=x", "", ""], "sets GITHUB_TOKEN, which belongs to the runner"),
            (["", SECRETS, "OTHER"], "no secret OTHER"),
            (["", SECRETS, "RUNNER_NAME=MODAL"], "RUNNER_NAME"),
            (["", SECRETS, "A-B"], "\"A-B\""),
            (["", "not JSON", "MODAL"], "`toJSON(secrets)`"),
            (["", r#"{"MODAL": {}}"#, "MODAL"], "`toJSON(secrets)`"),
        ] {
            let error = read(inputs).unwrap_err();
            assert!(error.contains(told) && !error.contains("secret value"), "{inputs:?}: {error}");
        }
    }
}
