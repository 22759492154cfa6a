//! Extraction of answers. Expected values are those of lm-eval 0.4.13.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use serde_json::json;

use super::*;

fn regex(pattern: &str, group_select: i64) -> Filter {
    Filter::Regex(RegexFilter {
        pattern: Pattern::new(pattern).unwrap(),
        group_select,
        fallback: "[invalid]".to_owned(),
    })
}

fn answer(filters: Vec<Filter>, said: &[&str]) -> Result<String, FilterError> {
    let document = json!({ "choices": ["Guilty", "Guilty of Romance", "None of them.", "a|b"] });
    let pipeline = Pipeline {
        name: "x".to_owned(),
        filters,
    };
    let said: Vec<String> = said.iter().map(|text| (*text).to_owned()).collect();
    pipeline.answer(&said, document.as_object().unwrap())
}

#[test]
fn pattern_selects_its_match() {
    let strict = r"#### (\-?[0-9\.\,]+)";
    let flexible = r"(-?[$0-9.,]{2,})|(-?[0-9]+)";
    for (pattern, group, said, expected) in [
        (strict, 0, "a 3\n#### 42\n#### 7", "42"),
        (strict, -1, "a 3\n#### 42\n#### 7", "7"),
        (strict, 0, "42", "[invalid]"),
        (flexible, -1, "first 3, then 1,000 and 5", "5"),
        (flexible, -1, "it is $18.00 ", "$18.00"),
        (r"\( *(\w)", 0, "( A", "A"),
        ("x", 5, "xx", "[invalid]"),
        ("x", -5, "xx", "[invalid]"),
    ] {
        assert_eq!(
            answer(vec![regex(pattern, group), Filter::TakeFirst], &[said]).unwrap(),
            expected,
            "{pattern} {said}"
        );
    }
}

#[test]
fn repeats_are_reduced_to_one_answer() {
    let vote = || vec![Filter::RemoveWhitespace, Filter::MajorityVote, Filter::TakeFirst];
    assert_eq!(answer(vote(), &["a", "b ", "b", "a"]).unwrap(), "a");
    assert_eq!(answer(vote(), &["a", "b", " b"]).unwrap(), "b");
    assert_eq!(answer(vec![Filter::Uppercase, Filter::TakeFirst], &["x", "y"]).unwrap(), "X");
    let few = vec![Filter::TakeFirstK(3), Filter::MajorityVote];
    assert_eq!(answer(few.clone(), &["c", "a", "a", "b"]).unwrap(), "a");
    assert_eq!(answer(few, &["a"]).unwrap_err(), FilterError::TooFew { wanted: 3, found: 1 });
}

#[test]
fn choice_is_found_by_letter_by_text_and_after_a_colon() {
    let filter = |group_select| {
        vec![
            Filter::MultiChoice(MultiChoice {
                regex: RegexFilter {
                    pattern: Pattern::new(r"(\([A-Z]\))").unwrap(),
                    group_select,
                    fallback: "[invalid]".to_owned(),
                },
                ignore_case: true,
                ignore_punctuation: true,
                regexes_to_ignore: Vec::new(),
            }),
            Filter::TakeFirst,
        ]
    };
    for (said, expected) in [
        ("(A) or (C)", "(C)"),
        ("It is guilty of romance!", "(B)"),
        ("guilty", "(A)"),
        ("NONE OF THEM", "(C)"),
        ("answer:\n D", "(D)"),
        ("no idea", "[invalid]"),
    ] {
        assert_eq!(answer(filter(-1), &[said]).unwrap(), expected, "{said}");
    }
    assert_eq!(answer(filter(0), &["(A) or (C)"]).unwrap(), "(A)");
    let pipeline = Pipeline {
        name: "x".to_owned(),
        filters: filter(0),
    };
    assert_eq!(pipeline.answer(&["x".to_owned()], &Document::new()), Err(FilterError::NoChoices));
}
