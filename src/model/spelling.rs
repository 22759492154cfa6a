//! Suggestions for misspelt names.

/// The suggestion for `found`, which is not among the `known` words.
#[must_use]
pub fn suggestion(found: &str, known: &[&str]) -> String {
    match nearest(found, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known: {}", known.join(", ")),
    }
}

/// The known word that was probably meant: equal except for `_`, `-` and case, or a few edits away.
#[must_use]
pub fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    let folded = found.to_lowercase().replace('_', "-");
    let distance = |word: &str| strsim::damerau_levenshtein(&folded, &word.to_lowercase());
    let (best, steps) = known.iter().map(|word| (*word, distance(word))).min_by_key(|(_, steps)| *steps)?;
    // A third of the letters may differ; beyond that, a list of all words is more helpful than a guess.
    (steps * 3 <= folded.chars().count().max(best.chars().count())).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["conc-start", "conc-end", "tp", "spec-decoding"];
        for (found, near) in [
            ("conc_start", Some("conc-start")),
            ("conc-strat", Some("conc-start")),
            ("TP", Some("tp")),
            ("spec-decodign", Some("spec-decoding")),
            ("banana", None),
        ] {
            assert_eq!(nearest(found, &known), near, "{found}");
        }
    }
}
