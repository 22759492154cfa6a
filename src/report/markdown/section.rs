//! Sections of a text with a size limit.

use super::Budget;

/// A part of the text.
pub(super) struct Section {
    text: String,
    /// Its name in the note about omitted sections; `None` if it must never be omitted silently.
    name: Option<String>,
}

impl Section {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: unbroken(text),
            name: None,
        }
    }

    pub(super) fn droppable(text: &str, name: String) -> Self {
        Self {
            text: unbroken(text),
            name: Some(name),
        }
    }
}

/// A text whose figures stay on one line: GitHub breaks `+9.0 %` and `0.95 ± 0.03` in a narrow cell.
pub(super) fn unbroken(text: &str) -> String {
    text.replace(" %", "&nbsp;%").replace(" ± ", "&nbsp;±&nbsp;")
}

/// Bytes reserved for the sentence about omitted sections.
const NOTICE_BYTES: usize = 400;

/// As many sections as fit, in order, between an opening and a closing that are always kept. A section that does not fit is omitted;
/// later ones that fit are kept.
pub(super) fn fit(opening: &str, sections: Vec<Section>, closing: &str, budget: Budget) -> String {
    let kept_free = NOTICE_BYTES + closing.len() + 2;
    let mut text = cut(opening, budget.bytes.saturating_sub(kept_free)).to_owned();
    let mut left_out = Vec::new();
    for section in sections {
        if text.len().saturating_add(section.text.len()).saturating_add(kept_free) <= budget.bytes {
            text.push_str(&section.text);
        } else {
            left_out.push(section.name);
        }
    }
    text.push_str(&notice(&left_out, budget.rest));
    if !closing.is_empty() {
        text.push_str(&format!("\n{closing}\n"));
    }
    text
}

fn notice(left_out: &[Option<String>], rest: &str) -> String {
    let tables = left_out.iter().filter(|name| name.is_some()).count();
    let what = match (left_out.len(), tables) {
        (0, _) => return String::new(),
        (_, 0) => "Some lists do".to_owned(),
        (1, 1) => "One table does".to_owned(),
        (all, tables) if all == tables => format!("{tables} tables do"),
        (_, tables) => format!("Some lists and {tables} tables do"),
    };
    format!("\n_{what} not fit here; {rest}._\n")
}

/// The beginning of a text, cut at a character boundary.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        bytes: 1000,
        listed: 1,
        rest: "look there",
    };

    #[test]
    fn sections_over_the_budget_are_left_out_and_counted() {
        let sections = vec![
            Section::new(&"a".repeat(100)),
            Section::droppable(&"b".repeat(5000), "large".to_owned()),
            Section::droppable(&"c".repeat(100), "small".to_owned()),
        ];
        let text = fit("opening\n", sections, "<!-- end -->", BUDGET);
        assert!(
            text.starts_with("opening\naaa") && text.contains("ccc") && !text.contains("bbb"),
            "{text}"
        );
        assert!(
            text.ends_with("_One table does not fit here; look there._\n\n<!-- end -->\n"),
            "{text}"
        );
    }

    #[test]
    fn text_stays_within_the_budget_and_keeps_its_closing() {
        let text = fit(&"é".repeat(4000), vec![Section::new(&"x".repeat(2000))], "<!-- end -->", BUDGET);
        assert!(text.len() <= BUDGET.bytes, "{}", text.len());
        assert!(text.ends_with("<!-- end -->\n"));
    }

    #[test]
    fn text_within_the_budget_has_no_notice() {
        assert_eq!(fit("a\n", vec![Section::new("b\n")], "", Budget::FILE), "a\nb\n");
    }

    #[test]
    fn figures_are_not_broken() {
        let text = "TPOT −8.3 % (95 %: +8.8 to +45 %), 0.95 ± 0.03";
        assert_eq!(
            unbroken(text),
            "TPOT −8.3&nbsp;% (95&nbsp;%: +8.8 to +45&nbsp;%), 0.95&nbsp;±&nbsp;0.03"
        );
    }
}
