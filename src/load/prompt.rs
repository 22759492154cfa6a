//! Random prompts that have exactly the requested number of tokens when the server encodes their text. Each prompt depends only
//! on the seed and its own number, so prompt 7 is the same in a run of ten and in a run of ten thousand.

use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde::Serialize;

use super::chat_template::ChatTemplate;
use super::settings::{RandomLengths, RangeStyle};
use super::tokens::{Tokenizer, TokenizerError};
use crate::model::saturating;

/// Limit of corrections of a prompt whose text encodes to another number of tokens; after that the prompt is used as it is.
const MAX_CORRECTIONS: usize = 24;

/// The role of a message in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions to the model.
    System,
    /// The user of the model.
    User,
    /// The model.
    Assistant,
}

/// One message, with the keys of the chat API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who wrote it.
    pub role: Role,
    /// Its text; the key is `content`.
    #[serde(rename = "content")]
    pub text: String,
}

impl Message {
    /// A message with [`Role::User`].
    #[must_use]
    pub fn of_user(text: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            text: text.into(),
        }
    }
}

/// The content of a prompt, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text(String),
    /// Token ids.
    Tokens(Vec<u32>),
    /// Text followed by images, each a data URL.
    Images(String, Vec<String>),
    /// The messages of a conversation so far.
    Messages(Vec<Message>),
}

impl Content {
    /// The content as one text, without images; empty for token ids.
    #[must_use]
    pub fn plain_text(&self) -> String {
        match self {
            Self::Text(text) | Self::Images(text, _) => text.clone(),
            Self::Tokens(_) => String::new(),
            Self::Messages(messages) => messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n"),
        }
    }
}

/// A prompt with its input and output length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What is sent.
    pub content: Content,
    /// Length of the encoded content, tokens.
    pub tokens: u32,
    /// Requested length, tokens. It differs from `tokens` only if no text of that length was found.
    pub wanted_tokens: u32,
    /// Output length to request, tokens.
    pub output_tokens: u32,
}

/// The form in which prompts are made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Form<'a> {
    /// Send token ids instead of text.
    pub token_ids: bool,
    /// Chat template that each text is rendered with; the template's tokens count towards the length.
    pub template: Option<&'a ChatTemplate>,
}

/// Generator of the prompts of one run.
#[derive(Debug)]
pub struct RandomPrompts<'a> {
    tokenizer: &'a Tokenizer,
    words: Vec<u32>,
    lengths: RandomLengths,
    seed: u64,
    prefix: Vec<u32>,
    form: Form<'a>,
}

/// The random stream of the common prefix; those of the prompts are numbered from 0.
const PREFIX_STREAM: u64 = u64::MAX;

impl<'a> RandomPrompts<'a> {
    /// A generator of prompts of these lengths.
    ///
    /// # Errors
    /// [`TokenizerError`] if the vocabulary has no usable words.
    pub fn new(tokenizer: &'a Tokenizer, lengths: RandomLengths, seed: u64, form: Form<'a>) -> Result<Self, TokenizerError> {
        let words = tokenizer.word_ids()?;
        let mut random = random_stream(seed, PREFIX_STREAM);
        let prefix = (0..lengths.prefix).map(|_| pick(&words, &mut random)).collect();
        Ok(Self {
            tokenizer,
            words,
            lengths,
            seed,
            prefix,
            form,
        })
    }

    /// Prompt number `index`.
    ///
    /// # Errors
    /// [`TokenizerError`] if the tokenizer or the template fails.
    pub fn make(&self, index: u64) -> Result<Prompt, TokenizerError> {
        let mut random = random_stream(self.seed, index);
        let input = length(self.lengths.input.get(), self.lengths, &mut random);
        let output_tokens = length(self.lengths.output.get(), self.lengths, &mut random);
        let mut ids = self.prefix.clone();
        ids.extend((0..input).map(|_| pick(&self.words, &mut random)));
        self.shape(ids, output_tokens, &mut random)
    }

    /// A prompt of these token ids. If their text encodes to another number of tokens, words are removed, or random words added.
    pub(super) fn shape(&self, ids: Vec<u32>, output_tokens: u32, random: &mut ChaCha8Rng) -> Result<Prompt, TokenizerError> {
        let wanted = ids.len();
        let (content, found) = if self.form.token_ids {
            (Content::Tokens(ids), wanted)
        } else {
            let (text, found) = self.exact_text(ids, random)?;
            (Content::Text(text), found)
        };
        Ok(Prompt {
            content,
            tokens: saturating::to_u32(found),
            wanted_tokens: saturating::to_u32(wanted),
            output_tokens,
        })
    }

    /// A text that encodes to `ids.len()` tokens, and the number of tokens that it really encodes to.
    fn exact_text(&self, mut ids: Vec<u32>, random: &mut ChaCha8Rng) -> Result<(String, usize), TokenizerError> {
        let wanted = ids.len();
        let mut text = self.text_of(&ids)?;
        let mut found = self.tokenizer.encode(&text)?;
        for _ in 0..MAX_CORRECTIONS {
            if found.len() == wanted {
                break;
            }
            if self.form.template.is_some() {
                // The encoded text includes the template's tokens, which must stay: only the number of words changes.
                let more = wanted.saturating_sub(found.len());
                ids.truncate((ids.len() + wanted).saturating_sub(found.len()).clamp(1, ids.len()));
                ids.extend((0..more).map(|_| pick(&self.words, random)));
            } else {
                let missing = wanted.saturating_sub(found.len());
                found.truncate(wanted);
                found.extend((0..missing).map(|_| pick(&self.words, random)));
                ids = found;
            }
            text = self.text_of(&ids)?;
            found = self.tokenizer.encode(&text)?;
        }
        Ok((text, found.len()))
    }

    fn text_of(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let text = self.tokenizer.decode(ids)?;
        match self.form.template {
            None => Ok(text),
            Some(template) => template
                .render(&[Message::of_user(text)])
                .map_err(|error| TokenizerError::Coding(error.to_string())),
        }
    }

    /// The text of `count` random words, each with a space in front, so that texts can be concatenated.
    pub(super) fn text(&self, count: u32, random: &mut ChaCha8Rng) -> Result<String, TokenizerError> {
        let mut text = self.tokenizer.decode(&self.words(count, random))?;
        // Some tokenizers drop the space before the first word when they decode.
        if !text.is_empty() && !text.starts_with(char::is_whitespace) {
            text.insert(0, ' ');
        }
        Ok(text)
    }

    /// Token ids of `count` random words.
    pub(super) fn words(&self, count: u32, random: &mut ChaCha8Rng) -> Vec<u32> {
        (0..count).map(|_| pick(&self.words, random)).collect()
    }

    /// The seed of the run.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

/// Random stream number `stream`. It depends only on `seed` and `stream`.
pub(super) fn random_stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random
}

fn pick(words: &[u32], random: &mut ChaCha8Rng) -> u32 {
    words[random.random_range(0..words.len())]
}

/// A length between the bounds of [`RangeStyle`], and at least 1.
fn length(length: u32, lengths: RandomLengths, random: &mut ChaCha8Rng) -> u32 {
    let (shortest, longest) = bounds(length, lengths.range_ratio.clamp(0.0, 1.0), lengths.range_style);
    if shortest >= longest {
        // A fixed length needs no random number. Draw one anyway, so that the position in the stream does not depend on the ratio.
        let _ = random.next_u32();
        return longest;
    }
    random.random_range(shortest..=longest).max(1)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, which is right for a length beyond u32"
)]
fn bounds(length: u32, ratio: f64, style: RangeStyle) -> (u32, u32) {
    let exact = f64::from(length);
    match style {
        RangeStyle::InferenceX => ((exact * ratio).floor() as u32, length),
        RangeStyle::Vllm => ((exact * (1.0 - ratio)).floor() as u32, (exact * (1.0 + ratio)).ceil() as u32),
    }
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
            range_style: RangeStyle::InferenceX,
            prefix,
        }
    }

    #[test]
    fn lengths_are_exact_after_encoding_again() {
        let tokenizer = tokenizer();
        for (input, prefix) in [(1, 0), (17, 0), (1024, 100)] {
            let prompts = RandomPrompts::new(&tokenizer, lengths(input, 1.0, prefix), 1, Form::default()).unwrap();
            for index in 0..20 {
                let prompt = prompts.make(index).unwrap();
                assert_eq!(prompt.tokens, input + prefix);
                assert_eq!(tokenizer.count(&prompt.content.plain_text()).unwrap(), (input + prefix) as usize);
                assert_eq!(prompt.output_tokens, 64);
            }
        }
    }

    #[test]
    fn range_ratio_bounds_the_lengths() {
        let tokenizer = tokenizer();
        let prompts = RandomPrompts::new(&tokenizer, lengths(100, 0.8, 0), 1, Form::default()).unwrap();
        let made: Vec<Prompt> = (0..200).map(|index| prompts.make(index).unwrap()).collect();
        assert!(
            made.iter()
                .all(|prompt| (80..=100).contains(&prompt.tokens) && (51..=64).contains(&prompt.output_tokens))
        );
        assert!(made.iter().any(|prompt| prompt.tokens <= 82) && made.iter().any(|prompt| prompt.tokens >= 98));
    }

    #[test]
    fn the_style_decides_what_a_ratio_means() {
        for (ratio, style, expected) in [
            (1.0, RangeStyle::InferenceX, (101, 101)),
            (0.8, RangeStyle::InferenceX, (80, 101)),
            (0.0, RangeStyle::InferenceX, (0, 101)),
            (0.0, RangeStyle::Vllm, (101, 101)),
            (0.25, RangeStyle::Vllm, (75, 127)),
        ] {
            assert_eq!(bounds(101, ratio, style), expected, "{ratio} {style:?}");
        }
    }

    #[test]
    fn the_seed_alone_decides_and_prompts_differ() {
        let tokenizer = tokenizer();
        let make = |seed, index| {
            RandomPrompts::new(&tokenizer, lengths(32, 1.0, 8), seed, Form::default())
                .unwrap()
                .make(index)
                .unwrap()
                .content
                .plain_text()
        };
        assert_eq!(make(1, 5), make(1, 5));
        assert_ne!(make(1, 5), make(2, 5));
        let (one, other) = (make(1, 5), make(1, 6));
        assert_ne!(one, other);
        let shared: Vec<&str> = one.split(' ').take(9).collect();
        assert!(other.starts_with(&shared.join(" ")), "{one} / {other}");
    }

    #[test]
    fn a_template_counts_and_the_length_is_still_exact() {
        let tokenizer = tokenizer();
        let source =
            "<s>{% for m in messages %}[{{ m.role }}] {{ m.content }} [end]{% endfor %}{% if add_generation_prompt %} answer{% endif %}";
        let template = ChatTemplate::new(source, "", "", chrono::DateTime::UNIX_EPOCH).unwrap();
        let form = Form {
            template: Some(&template),
            ..Form::default()
        };
        let prompts = RandomPrompts::new(&tokenizer, lengths(64, 1.0, 0), 1, form).unwrap();
        for index in 0..10 {
            let prompt = prompts.make(index).unwrap();
            let text = prompt.content.plain_text();
            assert!(text.starts_with("<s>[user] ") && text.ends_with("[end] answer"), "{text}");
            assert_eq!((prompt.tokens, tokenizer.count(&text).unwrap()), (64, 64));
        }
    }

    #[test]
    fn token_ids_are_as_many_as_asked() {
        let tokenizer = tokenizer();
        let form = Form {
            token_ids: true,
            ..Form::default()
        };
        let prompt = RandomPrompts::new(&tokenizer, lengths(64, 1.0, 8), 1, form)
            .unwrap()
            .make(3)
            .unwrap();
        assert!(matches!(&prompt.content, Content::Tokens(ids) if ids.len() == 72));
        assert_eq!(prompt.tokens, 72);
    }

    #[test]
    fn says_what_is_not_a_tokenizer() {
        assert!(matches!(Tokenizer::from_json(b"{}"), Err(TokenizerError::Format(_))));
    }
}
