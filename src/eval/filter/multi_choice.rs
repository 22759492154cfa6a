//! `multi_choice_regex`: finds the letter of a choice, as lm-eval does: by a pattern, else by the text of a choice, else by a letter
//! after a colon.

use fancy_regex::Regex;

use super::{FilterError, RegexFilter, selected};
use crate::eval::dataset::Document;
use crate::eval::python::{Pattern, escape, strip};

/// The filter.
#[derive(Debug, Clone)]
pub struct MultiChoice {
    /// The pattern that is tried first.
    pub regex: RegexFilter,
    /// Whether case is ignored in the texts of choices.
    pub ignore_case: bool,
    /// Whether punctuation is ignored in them.
    pub ignore_punctuation: bool,
    /// Patterns whose matches are removed from them.
    pub regexes_to_ignore: Vec<Pattern>,
}

/// A pattern, and the letter for each text that it can match.
struct Search {
    pattern: Pattern,
    letters: Vec<(String, String)>,
}

impl MultiChoice {
    pub(super) fn answers(&self, answers: &[String], document: &Document) -> Result<Vec<String>, FilterError> {
        let punctuation = Regex::new(r"\p{P}").map_err(|error| FilterError::Choices(error.to_string()))?;
        let texts = document
            .get("choices")
            .and_then(serde_json::Value::as_array)
            .ok_or(FilterError::NoChoices)?;
        let texts: Option<Vec<&str>> = texts.iter().map(serde_json::Value::as_str).collect();
        let choices: Vec<String> = texts
            .ok_or(FilterError::NoChoices)?
            .into_iter()
            .map(|text| self.clean(strip(text), &punctuation))
            .collect();
        let by_text = by_text(&choices)?;
        let by_letter = by_letter(choices.len())?;
        Ok(answers
            .iter()
            .map(|said| {
                let first = selected(&self.regex.pattern.find_all(said), self.regex.group_select).map(|found| strip(&found).to_owned());
                first
                    .filter(|found| !found.is_empty())
                    .or_else(|| by_text.find(&self.clean(said, &punctuation), self.regex.group_select))
                    .or_else(|| by_letter.find(said, self.regex.group_select))
                    .unwrap_or_else(|| self.regex.fallback.clone())
            })
            .collect())
    }

    fn clean(&self, text: &str, punctuation: &Regex) -> String {
        let mut text = text.to_owned();
        for pattern in &self.regexes_to_ignore {
            text = pattern.replace(&text, "", 0);
        }
        if self.ignore_case {
            text = text.to_lowercase();
        }
        if self.ignore_punctuation {
            text = punctuation.replace_all(&text, "").into_owned();
        }
        text
    }
}

impl Search {
    fn find(&self, text: &str, group_select: i64) -> Option<String> {
        let found = selected(&self.pattern.find_all(text), group_select)?;
        let found = strip(&found);
        let letter = self.letters.iter().rev().find(|(known, _)| known == found);
        let answer = letter.map_or_else(|| found.to_owned(), |(_, letter)| letter.clone());
        (!answer.is_empty()).then_some(answer)
    }
}

fn letter(index: usize) -> Result<char, FilterError> {
    let code = u32::try_from(index).ok().and_then(|index| u32::from('A').checked_add(index));
    code.and_then(char::from_u32)
        .ok_or_else(|| FilterError::Choices(format!("there are more than {index}")))
}

/// The longest first: a choice whose text is the beginning of another must not match in its place.
fn by_text(choices: &[String]) -> Result<Search, FilterError> {
    let mut letters = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        letters.push((choice.clone(), format!("({})", letter(index)?)));
    }
    let mut branches: Vec<String> = choices.iter().map(|choice| escape(choice)).collect();
    branches.sort_by_key(|branch| std::cmp::Reverse(branch.chars().count()));
    let pattern = Pattern::new(&branches.join("|")).map_err(|error| FilterError::Choices(error.reason))?;
    Ok(Search { pattern, letters })
}

fn by_letter(count: usize) -> Result<Search, FilterError> {
    let mut letters = Vec::new();
    for index in 0..count {
        let letter = letter(index)?;
        letters.push((letter.to_string(), format!("({letter})")));
    }
    let branches: Vec<&str> = letters.iter().map(|(letter, _)| letter.as_str()).collect();
    let pattern = format!(r":[\s]*({})", branches.join("|"));
    let pattern = Pattern::new(&pattern).map_err(|error| FilterError::Choices(error.reason))?;
    Ok(Search { pattern, letters })
}
