//! Prompts of random English words, for a model whose tokenizer is not available. Their lengths are approximate; the server's token count
//! is reported.

use rand::RngExt as _;

use super::prompt::{Content, Prompt, random_stream};
use super::settings::RandomLengths;

/// Common short words. With a space in front, each is one token in the vocabularies of GPT, Llama, Qwen, Mistral and Gemma.
const WORDS: [&str; 64] = [
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state", "family", "student",
    "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system", "program", "question", "work", "number",
    "night", "point", "home", "water", "room", "mother", "area", "money", "story", "fact", "month", "lot", "right", "study", "book", "eye",
    "job", "word", "business", "issue", "side", "kind", "head", "house", "service", "friend", "father", "power", "hour", "game", "line",
    "end", "member", "law", "car",
];

/// Prompt number `index`, with one word for each requested token. It depends only on `seed` and `index`.
#[must_use]
pub fn prompt(lengths: RandomLengths, seed: u64, index: u64) -> Prompt {
    let mut random = random_stream(seed, index);
    let count = lengths.prefix.saturating_add(lengths.input.get());
    let words: Vec<&str> = (0..count).map(|_| WORDS[random.random_range(0..WORDS.len())]).collect();
    Prompt {
        content: Content::Text(words.join(" ")),
        // Unknown without a tokenizer; the result has the server's count.
        tokens: 0,
        wanted_tokens: 0,
        output_tokens: lengths.output.get(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn text(seed: u64, index: u64) -> String {
        let number = |n| NonZeroU32::new(n).unwrap();
        prompt(RandomLengths::exact(number(100), number(8)), seed, index)
            .content
            .plain_text()
    }

    #[test]
    fn seed_and_number_decide() {
        assert_eq!(text(1, 2), text(1, 2));
        assert_ne!(text(1, 2), text(1, 3));
        assert_ne!(text(1, 2), text(2, 2));
        assert_eq!(text(1, 2).split(' ').count(), 100);
    }
}
