//! The concurrencies of a search-space entry: a range with both ends, or a list whose order and repetitions matter.

use crate::model::Concurrency;
use crate::yaml::{Object, Reader};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConcurrencySpec {
    /// From the lowest to the highest, multiplied by a step in between.
    Range {
        start: Concurrency,
        /// The highest; always measured.
        end: Concurrency,
    },
    /// Exactly these, in this order; never empty.
    List(Vec<Concurrency>),
}

/// Names of the fields, in every kind of search-space entry.
pub(super) const FIELDS: [&str; 3] = ["conc-start", "conc-end", "conc-list"];

const HELP: &str = "write either `conc-list: [4, 8, 16]` or `conc-start: 4` and `conc-end: 64`";

/// Reads the concurrencies of a search-space entry.
pub(super) fn read(reader: &mut Reader<'_>, object: &Object<'_>) -> Option<ConcurrencySpec> {
    let start = object.get("conc-start");
    let end = object.get("conc-end");
    // An empty list counts as absent.
    let list = match object.get("conc-list") {
        Some(node) => Some(node).filter(|_| reader.list(node, "conc-list").is_none_or(|list| !list.is_empty())),
        None => None,
    };
    match (start, end, list) {
        (Some(_), Some(_), Some(_)) => {
            let span = object.key_span("conc-list");
            reader.error_with_help(span, "concurrency", "both a list and a range of concurrencies, expected one", HELP);
            None
        }
        (None | Some(_), None, Some(list)) | (None, Some(_), Some(list)) => {
            for (half, name) in [(start, "conc-start"), (end, "conc-end")] {
                if half.is_some() {
                    let message = format!("`{name}` has no effect beside `conc-list`");
                    reader.warning(object.key_span(name), "no-effect", message, "remove it");
                }
            }
            read_list(reader, list)
        }
        (Some(start), Some(end), None) => {
            let (low, high) = (reader.positive(start, "conc-start"), reader.positive(end, "conc-end"));
            let (low, high) = (low?, high?);
            if low > high {
                let message = format!("`conc-start` is {low} and `conc-end` is {high}, expected the start not above the end");
                reader.error(object.key_span("conc-start"), "concurrency", message);
                return None;
            }
            Some(ConcurrencySpec::Range { start: low, end: high })
        }
        (Some(_) | None, None, None) | (None, Some(_), None) if FIELDS.iter().any(|name| object.is_misspelt(name)) => None,
        (Some(_) | None, None, None) | (None, Some(_), None) => {
            let first = crate::model::Span {
                end: object.span().start,
                ..object.span()
            };
            reader.error_with_help(
                first,
                "concurrency",
                "no concurrencies, expected a list or a range with both ends",
                HELP,
            );
            None
        }
    }
}

fn read_list(reader: &mut Reader<'_>, node: &crate::yaml::Node) -> Option<ConcurrencySpec> {
    let items = reader.list(node, "conc-list")?;
    let mut values: Vec<Concurrency> = Vec::with_capacity(items.len());
    let mut whole = true;
    for item in items {
        match reader.positive(item, "conc-list") {
            Some(value) => {
                if values.contains(&value) {
                    let message = format!("`conc-list` has {value} more than once, so it is measured more than once");
                    reader.warning(item.span, "repeated-concurrency", message, "remove the repetition");
                }
                values.push(value);
            }
            None => whole = false,
        }
    }
    whole.then_some(ConcurrencySpec::List(values))
}
