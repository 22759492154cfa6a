//! Filters: they extract the answer from the output of the engine. Each does what lm-eval's filter of the same name does.

mod multi_choice;
#[cfg(test)]
mod tests;

use super::dataset::Document;
use super::python::{Match, Pattern, strip};

pub use multi_choice::MultiChoice;

/// A pipeline of filters.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// The pipeline's name: the second half of a score's key.
    pub name: String,
    /// The filters, in order.
    pub filters: Vec<Filter>,
}

/// One filter.
#[derive(Debug, Clone)]
pub enum Filter {
    /// The match of a pattern in each answer.
    Regex(RegexFilter),
    /// The letter of the choice that each answer names.
    MultiChoice(MultiChoice),
    /// Only the first answer.
    TakeFirst,
    /// Only the first `n` answers.
    TakeFirstK(usize),
    /// The most frequent answer; of equally frequent ones, the first.
    MajorityVote,
    /// Removes white space at both ends.
    RemoveWhitespace,
    /// Converts to lower case.
    Lowercase,
    /// Converts to upper case.
    Uppercase,
}

/// A pattern, the index of the match that counts, and the value without a match.
#[derive(Debug, Clone)]
pub struct RegexFilter {
    pub pattern: Pattern,
    /// The index of the match that counts; a negative one counts from the end.
    pub group_select: i64,
    /// The value if nothing matches.
    pub fallback: String,
}

/// Why filters cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// `multi_choice_regex` needs the choices.
    #[error("the document has no `choices`, a list of texts, which multi_choice_regex reads")]
    NoChoices,
    /// There are more choices than letters, or the choices do not make a valid pattern.
    #[error("the choices of a document cannot be searched for: {0}")]
    Choices(String),
    /// Fewer answers than `take_first_k` takes.
    #[error("take_first_k takes {wanted} answers, there are {found}: raise `repeats`")]
    TooFew {
        /// The number of answers that the filter takes.
        wanted: usize,
        /// The number of answers.
        found: usize,
    },
}

impl Pipeline {
    /// Applies the filters to the engine's responses, one for each repeat.
    ///
    /// # Errors
    /// [`FilterError`] if the document or the number of answers does not fit the filters.
    pub fn answer(&self, said: &[String], document: &Document) -> Result<String, FilterError> {
        let mut answers = said.to_vec();
        for filter in &self.filters {
            answers = filter.apply(answers, document)?;
        }
        Ok(answers.into_iter().next().unwrap_or_default())
    }
}

impl Filter {
    fn apply(&self, answers: Vec<String>, document: &Document) -> Result<Vec<String>, FilterError> {
        let each = |change: &dyn Fn(&str) -> String| Ok(answers.iter().map(|answer| change(answer)).collect());
        match self {
            Self::Regex(filter) => each(&|answer| filter.answer(answer)),
            Self::MultiChoice(filter) => filter.answers(&answers, document),
            Self::TakeFirst => Ok(answers.into_iter().take(1).collect()),
            Self::TakeFirstK(wanted) if answers.len() < *wanted => Err(FilterError::TooFew {
                wanted: *wanted,
                found: answers.len(),
            }),
            Self::TakeFirstK(wanted) => Ok(answers.into_iter().take(*wanted).collect()),
            Self::MajorityVote => Ok(majority(&answers).into_iter().collect()),
            Self::RemoveWhitespace => each(&|answer| strip(answer).to_owned()),
            Self::Lowercase => each(&str::to_lowercase),
            Self::Uppercase => each(&str::to_uppercase),
        }
    }
}

fn majority(answers: &[String]) -> Option<String> {
    let times = |answer: &String| answers.iter().filter(|other| *other == answer).count();
    let most = answers.iter().map(times).max()?;
    answers.iter().find(|answer| times(answer) == most).cloned()
}

impl RegexFilter {
    fn answer(&self, text: &str) -> String {
        match selected(&self.pattern.find_all(text), self.group_select) {
            Some(found) => strip(&found).to_owned(),
            None => strip(&self.fallback).to_owned(),
        }
    }
}

/// The selected match: its text, or its first group that is not empty.
fn selected(found: &[Match], group_select: i64) -> Option<String> {
    let index = match usize::try_from(group_select) {
        Ok(index) => index,
        Err(_) => found.len().checked_sub(usize::try_from(group_select.unsigned_abs()).ok()?)?,
    };
    match found.get(index)? {
        Match::Text(text) => Some(text.clone()),
        Match::Groups(groups) => groups.iter().find(|group| !group.is_empty()).cloned(),
    }
}
