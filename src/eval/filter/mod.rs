//! Filters: they extract the answer from the output of the engine. Each does what lm-eval's filter of the same name does.

mod multi_choice;
#[cfg(test)]
mod tests;

use super::dataset::Document;
use super::python::{Match, Pattern, strip};

pub use multi_choice::MultiChoice;

/// A way of reading answers.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its name: the second half of a score's key.
    pub name: String,
    /// Its steps.
    pub filters: Vec<Filter>,
}

/// One step.
#[derive(Debug, Clone)]
pub enum Filter {
    /// What a pattern finds in each answer.
    Regex(RegexFilter),
    /// The choice that each answer names.
    MultiChoice(MultiChoice),
    /// The first answer alone.
    TakeFirst,
    /// The first `n`.
    TakeFirstK(usize),
    /// The most frequent answer; of several the one that came first.
    MajorityVote,
    /// White space at both ends goes.
    RemoveWhitespace,
    /// Lower case.
    Lowercase,
    /// Upper case.
    Uppercase,
}

/// A pattern, which of its matches counts, and what stands for none.
#[derive(Debug, Clone)]
pub struct RegexFilter {
    pub pattern: Pattern,
    /// The match that counts; negative from the end.
    pub group_select: i64,
    /// What stands for no match.
    pub fallback: String,
}

/// Why answers cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// `multi_choice_regex` needs the choices.
    #[error("the document has no `choices`, a list of texts, which multi_choice_regex reads")]
    NoChoices,
    /// More choices than there are letters, or too odd for a pattern.
    #[error("the choices of a document cannot be searched for: {0}")]
    Choices(String),
    /// Fewer answers than `take_first_k` takes.
    #[error("take_first_k takes {wanted} answers, there are {found}: raise `repeats`")]
    TooFew {
        /// What it takes.
        wanted: usize,
        /// What there is.
        found: usize,
    },
}

impl Pipeline {
    /// The answer in the engine's response, once for each repeat.
    ///
    /// # Errors
    /// [`FilterError`] where the document or the number of answers does not fit the filters.
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

/// The match that counts: its text, or the first of its groups that is not empty.
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
