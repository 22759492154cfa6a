//! Prompts that share a small number of prefixes, as in the `prefix_repetition` data set of `vllm bench serve`. The expected hit
//! rate of a prefix cache is therefore known in advance. Prefixes are used in turn, so each is used equally often.

use std::num::NonZeroU32;

use crate::load::prompt::{Prompt, RandomPrompts, random_stream};
use crate::load::tokens::TokenizerError;

/// Lengths in tokens, and how many prefixes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixRepetition {
    /// Tokens of a prefix.
    pub prefix: u32,
    /// Tokens after the prefix, which are unique to the prompt.
    pub suffix: u32,
    /// How many prefixes there are.
    pub prefixes: NonZeroU32,
    /// Output tokens to request.
    pub output: NonZeroU32,
}

/// XORed with the seed, so that the words of prefixes and suffixes are independent of other random draws.
const PREFIX_SEED: u64 = 0x9ef1_0001;
const SUFFIX_SEED: u64 = 0x9ef1_0002;

/// Prompt number `index`.
///
/// # Errors
/// [`TokenizerError`] if the tokenizer fails.
pub fn prompt(words: &RandomPrompts<'_>, shape: PrefixRepetition, index: u64) -> Result<Prompt, TokenizerError> {
    let number = index % u64::from(shape.prefixes.get());
    let mut ids = words.words(shape.prefix, &mut random_stream(words.seed() ^ PREFIX_SEED, number));
    let mut random = random_stream(words.seed() ^ SUFFIX_SEED, index);
    ids.extend(words.words(shape.suffix, &mut random));
    words.shape(ids, shape.output.get(), &mut random)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::Tokenizer;
    use crate::load::prompt::Form;
    use crate::load::settings::RandomLengths;

    #[test]
    fn every_third_prompt_has_the_same_prefix() {
        let tokenizer = Tokenizer::from_json(include_bytes!("../../../benchmarks/demo/tokenizer.json")).unwrap();
        let lengths = RandomLengths::exact(NonZeroU32::MIN, NonZeroU32::MIN);
        let words = RandomPrompts::new(&tokenizer, lengths, 5, Form::default()).unwrap();
        let shape = PrefixRepetition {
            prefix: 30,
            suffix: 12,
            prefixes: NonZeroU32::new(3).unwrap(),
            output: NonZeroU32::new(7).unwrap(),
        };
        let made: Vec<Vec<u32>> = (0..6)
            .map(|index| {
                let prompt = prompt(&words, shape, index).unwrap();
                assert_eq!((prompt.tokens, prompt.output_tokens), (42, 7));
                tokenizer.encode(&prompt.content.plain_text()).unwrap()
            })
            .collect();
        assert_eq!(made[0][..30], made[3][..30]);
        assert_ne!(made[0][..30], made[1][..30]);
        assert_ne!(made[0][30..], made[3][30..]);
    }
}
