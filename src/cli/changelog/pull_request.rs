//! The argument for a pull request. The verb and the flag of InferenceX's tool are accepted too, so that scripts that call it keep
//! working.

use clap::Args;

use crate::cli::{Exit, Failure};

/// The pull request's number, as an argument or a flag.
#[derive(Debug, Clone, Args)]
pub(super) struct PullRequestArgs {
    /// The pull request's number
    #[arg(value_name = "NUMBER", value_parser = number_or_verb)]
    number: Option<NumberOrVerb>,

    /// The pull request's number, for scripts that called InferenceX's tool
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

impl PullRequestArgs {
    /// The number of the pull request.
    ///
    /// # Errors
    /// Usage if it is given twice or not at all.
    pub(super) fn number(self) -> Result<u64, Failure> {
        let Self { number, pr_number } = self;
        let problem = match (number, pr_number) {
            (Some(NumberOrVerb::Number(number)), None) | (Some(NumberOrVerb::Verb) | None, Some(number)) => return Ok(number),
            (Some(NumberOrVerb::Number(_)), Some(_)) => "the pull request's number is given twice; give it once",
            (Some(NumberOrVerb::Verb) | None, None) => "missing number of the pull request; give it as the argument",
        };
        Err(Failure::new(Exit::Usage, problem))
    }
}
