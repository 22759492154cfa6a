//! Which pull request an edit is for. InferenceX's tool has a verb and a flag where this command has a number; scripts
//! that call it keep working.

use clap::Args;

use crate::cli::{Exit, Failure, OrExit as _};

/// The pull request's number, in one of two places.
#[derive(Debug, Clone, Args)]
pub struct PullRequest {
    /// The pull request's number
    #[arg(value_name = "NUMBER", value_parser = number_or_verb)]
    number: Option<NumberOrVerb>,

    /// The pull request's number, as InferenceX's tool takes it
    #[arg(long, value_name = "NUMBER")]
    pr_number: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum NumberOrVerb {
    Number(u64),
    Verb,
}

fn number_or_verb(text: &str) -> Result<NumberOrVerb, String> {
    match (text, text.parse()) {
        ("canonicalize" | "resolve-conflict", _) => Ok(NumberOrVerb::Verb),
        (_, Ok(number)) => Ok(NumberOrVerb::Number(number)),
        (_, Err(_)) => Err("expected the number of a pull request".to_owned()),
    }
}

impl PullRequest {
    /// The number.
    ///
    /// # Errors
    /// Where it is given twice or not at all, as usage.
    pub fn number(&self) -> Result<u64, Failure> {
        let problem = match (self.number, self.pr_number) {
            (Some(NumberOrVerb::Number(number)), None) | (Some(NumberOrVerb::Verb) | None, Some(number)) => return Ok(number),
            (Some(NumberOrVerb::Number(_)), Some(_)) => "the pull request's number is given twice; give it once",
            (Some(NumberOrVerb::Verb) | None, None) => "the pull request's number is not given; write it as the argument",
        };
        Err(anyhow::anyhow!(problem)).or_exit(Exit::Usage)
    }
}
