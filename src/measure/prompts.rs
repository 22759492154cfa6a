//! The prompts of a measurement, made before the clock starts and on all cores: single prompts or conversations, random or
//! from a file.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use super::dataset_prompts;
use super::measurement::MeasureError;
use super::prompt_source::{Content as Source, PromptSource};
use crate::load::dataset::recorded::Session;
use crate::load::dataset::{blocks, burstgpt, prefix_repetition, recorded, sessions, trace};
use crate::load::dialogue::{self, Turn, Words};
use crate::load::prompt::{Content, Form, Message, Prompt, RandomPrompts};
use crate::load::settings::RandomLengths;
use crate::load::shard::Shard;
use crate::load::{BenchmarkSettings, ChatTemplate, Dataset, Tokenizer, TokenizerError, plain_words};
use crate::model::saturating;
use crate::system::cancellation::Cancellation;

/// The prompts of a measurement.
#[derive(Debug)]
pub enum Prompts {
    /// Single requests, with their arrival times if the data set has them.
    Single(Vec<Prompt>, Option<Vec<Duration>>),
    /// Conversations.
    Sessions(Vec<Vec<Turn>>),
}

/// Tokenizer and template that prompts are made with.
#[derive(Debug)]
pub struct Materials {
    /// The model's tokenizer; optional for prompts that are sent as written (`Dataset::Jsonl`).
    pub tokenizer: Option<Tokenizer>,
    /// Its chat template, if prompts are rendered with it.
    pub template: Option<Arc<ChatTemplate>>,
}

/// Input tokens of probe and warm-up for data sets without lengths of their own.
const WARM_UP_INPUT: NonZeroU32 = NonZeroU32::new(128).unwrap();
/// Output tokens of probe and warm-up for data sets without lengths of their own.
const WARM_UP_OUTPUT: NonZeroU32 = NonZeroU32::new(32).unwrap();

impl Materials {
    /// The tokenizer, for what needs one.
    ///
    /// # Errors
    /// [`TokenizerError::Missing`].
    pub fn tokenizer(&self) -> Result<&Tokenizer, TokenizerError> {
        self.tokenizer.as_ref().ok_or(TokenizerError::Missing)
    }

    /// The generator of random prompts; `None` without a tokenizer.
    ///
    /// # Errors
    /// [`TokenizerError`] if the vocabulary has too few usable tokens.
    pub fn random(&self, settings: &BenchmarkSettings) -> Result<Option<RandomPrompts<'_>>, TokenizerError> {
        let Some(tokenizer) = &self.tokenizer else { return Ok(None) };
        let lengths = match settings.dataset {
            Dataset::Random(lengths) | Dataset::RandomImages(lengths, _) => lengths,
            Dataset::ShareGpt { .. }
            | Dataset::Jsonl { .. }
            | Dataset::PrefixRepetition(_)
            | Dataset::Sonnet { .. }
            | Dataset::BurstGpt { .. }
            | Dataset::Questions { .. }
            | Dataset::Hub(_)
            | Dataset::Recorded { .. }
            | Dataset::Trace { .. } => RandomLengths::exact(WARM_UP_INPUT, WARM_UP_OUTPUT),
        };
        let form = Form {
            token_ids: settings.send_token_ids,
            // Conversations are rendered as a whole, not turn by turn.
            template: self.template.as_deref().filter(|_| !settings.has_conversations()),
        };
        RandomPrompts::new(tokenizer, lengths, settings.seed, form).map(Some)
    }

    pub(super) fn listed(&self, settings: &BenchmarkSettings, text: &str, output_tokens: u32) -> Result<Prompt, TokenizerError> {
        let text = match &self.template {
            None => text.to_owned(),
            Some(template) => template
                .render(&[Message::of_user(text)])
                .map_err(|error| TokenizerError::Coding(error.to_string()))?,
        };
        let Some(tokenizer) = &self.tokenizer else {
            return Ok(Prompt {
                content: Content::Text(text),
                tokens: 0,
                wanted_tokens: 0,
                output_tokens,
            });
        };
        let ids = tokenizer.encode(&text)?;
        let tokens = saturating::to_u32(ids.len());
        Ok(Prompt {
            content: if settings.send_token_ids {
                Content::Tokens(ids)
            } else {
                Content::Text(text)
            },
            tokens,
            wanted_tokens: tokens,
            output_tokens,
        })
    }
}

impl Materials {
    /// Fails for a session whose first message the template rejects, a system message for example.
    fn check_template(&self, session: &[Turn]) -> Result<(), TokenizerError> {
        match (session.first().map(|turn| &turn.words), &self.template) {
            (Some(Words::Added(said)), Some(template)) => match template.render(said) {
                Ok(_) => Ok(()),
                Err(error) => Err(TokenizerError::Coding(error.to_string())),
            },
            (Some(Words::Added(_) | Words::Whole(_)) | None, _) => Ok(()),
        }
    }
}

/// Makes the shard's part of a load's prompts or conversations; fewer when stopped.
///
/// # Errors
/// [`MeasureError`] naming what is wrong with the data set or the tokenizer.
pub fn make(
    settings: &BenchmarkSettings,
    materials: &Materials,
    maker: Option<&RandomPrompts<'_>>,
    source: &PromptSource,
    stop: &Cancellation,
) -> Result<Prompts, MeasureError> {
    let PromptSource { content, count } = source;
    let (shard, count) = (settings.shard, *count);
    if let Source::Lines(lines, output) = content {
        let made = in_parallel(shard, count, stop, |index| {
            let line = &lines[index % lines.len()];
            materials.listed(settings, &line.prompt, line.output_tokens.unwrap_or(*output).get())
        })?;
        return Ok(Prompts::Single(made, None));
    }
    if let (Dataset::Random(lengths), true) = (&settings.dataset, settings.has_no_tokenizer) {
        let made = in_parallel(shard, count, stop, |index| {
            Ok(plain_words::prompt(*lengths, settings.seed, index as u64))
        })?;
        return Ok(Prompts::Single(made, None));
    }
    let (maker, tokenizer) = (maker.ok_or(TokenizerError::Missing)?, materials.tokenizer()?);
    let made = match content {
        // Unreachable: returned above, because these prompts do not need a tokenizer.
        Source::Lines(..) => Vec::new(),
        Source::Random => in_parallel(shard, count, stop, |index| maker.make(index as u64))?,
        Source::Images(images) => dataset_prompts::with_images(maker, images, shard, count, stop)?,
        Source::PrefixRepetition(shape) => in_parallel(shard, count, stop, |index| prefix_repetition::prompt(maker, *shape, index as u64))?,
        Source::Usable(prompts) => shard.select(prompts.iter().cycle().take(count)).cloned().collect(),
        Source::Poem(poem, lengths) => dataset_prompts::of_poem(settings, materials, poem, *lengths, count, stop)?,
        Source::Lengths(lengths) => in_parallel(shard, count, stop, |index| {
            burstgpt::prompt(maker, lengths[index % lengths.len()], index as u64)
        })?,
        Source::Questions(questions, output) => dataset_prompts::of_questions(settings, materials, questions, *output, count, stop)?,
        Source::Traced(traced, block) => {
            let made = in_parallel(shard, count, stop, |index| {
                trace::prompt(maker, &traced[index], *block, index as u64)
            })?;
            let arrivals = shard.select(traced).take(made.len()).map(|traced| traced.at).collect();
            return Ok(Prompts::Single(made, Some(arrivals)));
        }
        Source::RandomSessions(sessions) => {
            let made = in_parallel(shard, count, stop, |session| sessions::random(maker, sessions, session as u64))?;
            return Ok(Prompts::Sessions(made));
        }
        Source::Dialogues(conversations, output, sessions) => {
            let output = output.map(NonZeroU32::get);
            let made = in_parallel(shard, count, stop, |session| {
                let exchanges = &conversations[session % conversations.len()];
                sessions::recorded(tokenizer, exchanges, output, sessions, settings.seed, session as u64)
            })?;
            return Ok(Prompts::Sessions(made));
        }
        Source::Sessions(recorded) => {
            let made = in_parallel(shard, count, stop, |session| {
                recorded_turns(settings, materials, maker, &recorded[session], session)
            })?;
            return Ok(Prompts::Sessions(made));
        }
        // Not expected: `PromptSource::counted` replaces them by `Usable` and `Poem`.
        Source::Exchanges(..) | Source::Verse(..) => return Err(TokenizerError::Missing.into()),
    };
    Ok(Prompts::Single(made, None))
}

/// The turns of a recorded session.
fn recorded_turns(
    settings: &BenchmarkSettings,
    materials: &Materials,
    maker: &RandomPrompts<'_>,
    recorded: &Session,
    number: usize,
) -> Result<Vec<Turn>, TokenizerError> {
    let tokenizer = materials.tokenizer()?;
    let mark = dialogue::mark(settings, saturating::to_u32(number));
    match recorded {
        Session::Said(turns) => {
            let turns = recorded::turns(tokenizer, turns, &mark)?;
            materials.check_template(&turns)?;
            Ok(turns)
        }
        Session::Blocks(blocks) => {
            let mark_tokens = saturating::to_u32(tokenizer.count(&mark)?);
            blocks::turns(maker, blocks, number as u64, mark_tokens)
        }
    }
}

/// Makes a shard's part of `count` values on all cores, and fewer when stopped: one core needs minutes to encode the 8k-token prompts of
/// a full run. `make` gets the index within the whole load, not within the shard.
pub(super) fn in_parallel<T: Send>(
    shard: Shard,
    count: usize,
    stop: &Cancellation,
    make: impl Fn(usize) -> Result<T, TokenizerError> + Sync,
) -> Result<Vec<T>, MeasureError> {
    let made: Vec<Option<T>> = shard
        .select(0..count)
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|index| if stop.is_cancelled() { Ok(None) } else { make(index).map(Some) })
        .collect::<Result<_, _>>()?;
    Ok(made.into_iter().flatten().collect())
}
