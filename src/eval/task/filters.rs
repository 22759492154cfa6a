//! `filter_list`: how the answer is extracted from the output of the engine.

use super::read::{OTHER_ENGINE, any_text, count, texts};
use crate::eval::filter::{Filter, MultiChoice, Pipeline, RegexFilter};
use crate::eval::python::Pattern;
use crate::yaml::{Node, Object, Reader};

/// The default pattern of lm-eval's regex filters.
const USUAL_PATTERN: &str = r"#### (\-?[0-9\.\,]+)";
/// The value if nothing matches.
const USUAL_FALLBACK: &str = "[invalid]";

pub(super) fn read(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Vec<Pipeline>> {
    let Some(node) = object.get("filter_list") else {
        return Some(vec![Pipeline {
            name: "none".to_owned(),
            filters: vec![Filter::TakeFirst],
        }]);
    };
    let items = reader.list(node, "filter_list")?;
    let pipelines: Vec<_> = items.iter().map(|item| pipeline(item, reader)).collect();
    pipelines.into_iter().collect()
}

fn pipeline(node: &Node, reader: &mut Reader<'_>) -> Option<Pipeline> {
    let object = reader.object(node, "filter_list", &["name", "filter"])?;
    let name = reader
        .required(&object, "name", "filter_list")
        .and_then(|node| reader.text(node, "name"));
    let steps = reader.required(&object, "filter", "filter_list")?;
    let items = reader.list(steps, "filter")?;
    let filters: Vec<_> = items.iter().map(|item| filter(item, reader)).collect();
    let filters: Vec<Filter> = filters.into_iter().collect::<Option<_>>()?;
    if let Some((_, before)) = filters.split_last()
        && let Some(at) = before.iter().position(|filter| matches!(filter, Filter::TakeFirst))
    {
        let span = items.get(at + 1).map_or(node.span, |item| item.span);
        reader.error(
            span,
            "filter",
            "a filter after take_first, which leaves one answer: move it before take_first",
        );
        return None;
    }
    if !filters
        .last()
        .is_some_and(|last| matches!(last, Filter::TakeFirst | Filter::MajorityVote))
    {
        let help = "add `- function: take_first` at its end";
        reader.error_with_help(steps.span, "filter", "these filters leave a list of answers, expected one", help);
        return None;
    }
    Some(Pipeline {
        name: name?.to_owned(),
        filters,
    })
}

fn filter(node: &Node, reader: &mut Reader<'_>) -> Option<Filter> {
    let map = reader.mapping(node, "filter")?;
    let Some(function) = map.get("function") else {
        reader.error(node.span, "missing-field", "a filter has no `function`, which is required");
        return None;
    };
    let name = reader.text(function, "function")?;
    let known: &[&str] = match name {
        "regex" => &["function", "regex_pattern", "group_select", "fallback"],
        "multi_choice_regex" => &[
            "function",
            "regex_pattern",
            "group_select",
            "fallback",
            "ignore_case",
            "ignore_punctuation",
            "regexes_to_ignore",
        ],
        "take_first_k" => &["function", "k"],
        "take_first" | "majority_vote" | "remove_whitespace" | "lowercase" | "uppercase" => &["function"],
        other => {
            let message = format!("filter `{other}` is not supported");
            reader.error_with_help(function.span, "unsupported-key", message, OTHER_ENGINE);
            return None;
        }
    };
    let object = reader.object(node, name, known)?;
    Some(match name {
        "regex" => Filter::Regex(regex(&object, reader)?),
        "multi_choice_regex" => Filter::MultiChoice(multi_choice(&object, reader)?),
        "take_first_k" => Filter::TakeFirstK(reader.required(&object, "k", name).and_then(|node| count(node, reader, "k"))?),
        "majority_vote" => Filter::MajorityVote,
        "remove_whitespace" => Filter::RemoveWhitespace,
        "lowercase" => Filter::Lowercase,
        "uppercase" => Filter::Uppercase,
        _ => Filter::TakeFirst,
    })
}

fn regex(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<RegexFilter> {
    let pattern = match object.get("regex_pattern") {
        Some(node) => {
            let text = any_text(node, reader, "regex_pattern")?;
            pattern(node, text, reader)?
        }
        None => Pattern::new(USUAL_PATTERN).ok()?,
    };
    let group_select = match object.get("group_select") {
        Some(node) => reader.integer(node, "group_select")?,
        None => 0,
    };
    let fallback = match object.get("fallback") {
        Some(node) => any_text(node, reader, "fallback")?.to_owned(),
        None => USUAL_FALLBACK.to_owned(),
    };
    Some(RegexFilter {
        pattern,
        group_select,
        fallback,
    })
}

fn multi_choice(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<MultiChoice> {
    let (ignore_case, ignore_punctuation) = (
        flag(object, reader, "ignore_case", false)?,
        flag(object, reader, "ignore_punctuation", false)?,
    );
    Some(MultiChoice {
        regexes_to_ignore: patterns(object, reader)?,
        regex: regex(object, reader)?,
        ignore_case,
        ignore_punctuation,
    })
}

/// An optional key with a truth value.
pub(super) fn flag(object: &Object<'_>, reader: &mut Reader<'_>, name: &str, default: bool) -> Option<bool> {
    match object.get(name) {
        Some(node) => reader.flag(node, name),
        None => Some(default),
    }
}

/// `regexes_to_ignore`.
pub(super) fn patterns(object: &Object<'_>, reader: &mut Reader<'_>) -> Option<Vec<Pattern>> {
    let Some(node) = object.get("regexes_to_ignore") else {
        return Some(Vec::new());
    };
    let all = texts(node, reader, "regexes_to_ignore")?;
    all.iter().map(|text| pattern(node, text, reader)).collect()
}

fn pattern(node: &Node, text: &str, reader: &mut Reader<'_>) -> Option<Pattern> {
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            reader.error(node.span, "pattern", error.to_string());
            None
        }
    }
}
