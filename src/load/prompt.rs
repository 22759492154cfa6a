//! Random prompts whose length in tokens is exact after the server encodes them again. Each prompt depends on the seed
//! and its own number alone, so prompt 7 is the same in a run of ten and in a run of ten thousand.

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::settings::RandomLengths;
use super::tokens::{Tokenizer, TokenizerError};

/// Prompts whose text does not come back as its own tokens are corrected this often before a length is given up.
const MAX_CORRECTIONS: usize = 24;

/// A prompt with the lengths that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// The text.
    pub text: String,
    /// Its length after encoding, tokens.
    pub tokens: u32,
    /// The length that was wanted; another than `tokens` only where the tokenizer has no text of that length.
    pub wanted_tokens: u32,
    /// Output length to ask for, tokens.
    pub output_tokens: u32,
}

/// Makes the prompts of one run.
#[derive(Debug)]
pub struct RandomPrompts<'a> {
    tokenizer: &'a Tokenizer,
    words: Vec<u32>,
    lengths: RandomLengths,
    seed: u64,
    prefix: Vec<u32>,
}

/// The random stream of the common prefix; those of the prompts are numbered from 0.
const PREFIX_STREAM: u64 = u64::MAX;

impl<'a> RandomPrompts<'a> {
    /// A maker of prompts of these lengths.
    ///
    /// # Errors
    /// [`TokenizerError`] where the vocabulary cannot serve.
    pub fn new(tokenizer: &'a Tokenizer, lengths: RandomLengths, seed: u64) -> Result<Self, TokenizerError> {
        let words = tokenizer.word_ids()?;
        let mut random = random_stream(seed, PREFIX_STREAM);
        let prefix = (0..lengths.prefix).map(|_| pick(&words, &mut random)).collect();
        Ok(Self {
            tokenizer,
            words,
            lengths,
            seed,
            prefix,
        })
    }

    /// Prompt number `index`.
    ///
    /// # Errors
    /// [`TokenizerError`] where the tokenizer fails.
    pub fn make(&self, index: u64) -> Result<Prompt, TokenizerError> {
        let mut random = random_stream(self.seed, index);
        let input = length(self.lengths.input.get(), self.lengths.range_ratio, &mut random);
        let output_tokens = length(self.lengths.output.get(), self.lengths.range_ratio, &mut random);
        let wanted_tokens = self.lengths.prefix + input;
        let wanted = usize::try_from(wanted_tokens).unwrap_or(usize::MAX);
        let mut ids = self.prefix.clone();
        ids.extend((0..input).map(|_| pick(&self.words, &mut random)));
        let mut text = self.tokenizer.decode(&ids)?;
        let mut found = self.tokenizer.encode(&text)?;
        for _ in 0..MAX_CORRECTIONS {
            if found.len() == wanted {
                break;
            }
            let missing = wanted.saturating_sub(found.len());
            found.truncate(wanted);
            found.extend((0..missing).map(|_| pick(&self.words, &mut random)));
            text = self.tokenizer.decode(&found)?;
            found = self.tokenizer.encode(&text)?;
        }
        Ok(Prompt {
            text,
            tokens: u32::try_from(found.len()).unwrap_or(u32::MAX),
            wanted_tokens,
            output_tokens,
        })
    }
}

fn random_stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random
}

fn pick(words: &[u32], random: &mut ChaCha8Rng) -> u32 {
    words[random.random_range(0..words.len())]
}

/// A length between `longest * ratio` (rounded down) and `longest`, both included, and at least 1.
fn length(longest: u32, ratio: f64, random: &mut ChaCha8Rng) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1 of a u32 is within u32"
    )]
    let shortest = (f64::from(longest) * ratio.clamp(0.0, 1.0)).floor() as u32;
    if shortest >= longest {
        // Equal lengths take nothing from the random stream, but the stream must not depend on the ratio's path.
        let _ = random.next_u32();
        return longest;
    }
    random.random_range(shortest..=longest).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn tokenizer() -> Tokenizer {
        Tokenizer::from_json(include_bytes!("../../benchmarks/demo/tokenizer.json")).unwrap()
    }

    fn lengths(input: u32, range_ratio: f64, prefix: u32) -> RandomLengths {
        RandomLengths {
            input: NonZeroU32::new(input).unwrap(),
            output: NonZeroU32::new(64).unwrap(),
            range_ratio,
            prefix,
        }
    }

    #[test]
    fn lengths_are_exact_after_encoding_again() {
        let tokenizer = tokenizer();
        for (input, prefix) in [(1, 0), (17, 0), (1024, 100)] {
            let prompts = RandomPrompts::new(&tokenizer, lengths(input, 1.0, prefix), 1).unwrap();
            for index in 0..20 {
                let prompt = prompts.make(index).unwrap();
                assert_eq!(prompt.tokens, input + prefix);
                assert_eq!(tokenizer.count(&prompt.text).unwrap(), (input + prefix) as usize);
                assert_eq!(prompt.output_tokens, 64);
            }
        }
    }

    #[test]
    fn range_ratio_bounds_the_lengths() {
        let tokenizer = tokenizer();
        let prompts = RandomPrompts::new(&tokenizer, lengths(100, 0.8, 0), 1).unwrap();
        let made: Vec<Prompt> = (0..200).map(|index| prompts.make(index).unwrap()).collect();
        assert!(
            made.iter()
                .all(|prompt| (80..=100).contains(&prompt.tokens) && (51..=64).contains(&prompt.output_tokens))
        );
        assert!(made.iter().any(|prompt| prompt.tokens <= 82) && made.iter().any(|prompt| prompt.tokens >= 98));
    }

    #[test]
    fn the_seed_alone_decides_and_prompts_differ() {
        let tokenizer = tokenizer();
        let make = |seed, index| {
            RandomPrompts::new(&tokenizer, lengths(32, 1.0, 8), seed)
                .unwrap()
                .make(index)
                .unwrap()
                .text
        };
        assert_eq!(make(1, 5), make(1, 5));
        assert_ne!(make(1, 5), make(2, 5));
        let (one, other) = (make(1, 5), make(1, 6));
        assert_ne!(one, other);
        let shared: Vec<&str> = one.split(' ').take(9).collect();
        assert!(other.starts_with(&shared.join(" ")), "{one} / {other}");
    }

    #[test]
    fn says_what_is_not_a_tokenizer() {
        assert!(matches!(Tokenizer::from_json(b"{}"), Err(TokenizerError::Format(_))));
    }
}
