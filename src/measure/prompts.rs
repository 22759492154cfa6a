//! The prompts of a measurement, made before the clock starts and on all cores: single prompts or conversations, random or
//! from a file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;

use super::measurement::MeasureError;
use super::{dataset_prompts, hub_questions};
use crate::load::dataset::recorded::Session;
use crate::load::dataset::{DatasetError, blocks, burstgpt, jsonl, prefix_repetition, questions, recorded, sessions, sharegpt, trace};
use crate::load::dialogue::{self, Turn, Words};
use crate::load::prompt::{Content, Form, Message, Prompt, RandomPrompts};
use crate::load::settings::{RandomLengths, Sessions};
use crate::load::{ChatTemplate, Dataset, Settings, Tokenizer, TokenizerError};
use crate::system::cancellation::Cancellation;
use crate::system::files;

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
    /// The model's tokenizer.
    pub tokenizer: Tokenizer,
    /// Its chat template, if prompts are rendered with it.
    pub template: Option<Arc<ChatTemplate>>,
}

/// Input and output tokens of probe and warm-up for data sets without lengths of their own.
const UNMEASURED_LENGTHS: (u32, u32) = (128, 32);

impl Materials {
    /// The generator of random prompts.
    ///
    /// # Errors
    /// [`TokenizerError`] if the vocabulary has too few usable tokens.
    pub fn random(&self, settings: &Settings) -> Result<RandomPrompts<'_>, TokenizerError> {
        let number = |n| std::num::NonZeroU32::new(n).unwrap_or(std::num::NonZeroU32::MIN);
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
            | Dataset::Trace { .. } => RandomLengths::exact(number(UNMEASURED_LENGTHS.0), number(UNMEASURED_LENGTHS.1)),
        };
        let form = Form {
            token_ids: settings.send_token_ids,
            // Conversations are rendered as a whole, not turn by turn.
            template: self.template.as_deref().filter(|_| !settings.has_conversations()),
        };
        RandomPrompts::new(&self.tokenizer, lengths, settings.seed, form)
    }

    pub(super) fn listed(&self, settings: &Settings, text: &str, output_tokens: u32) -> Result<Prompt, TokenizerError> {
        let text = match &self.template {
            None => text.to_owned(),
            Some(template) => template
                .render(&[Message::of_user(text)])
                .map_err(|error| TokenizerError::Coding(error.to_string()))?,
        };
        let ids = self.tokenizer.encode(&text)?;
        let tokens = u32::try_from(ids.len()).unwrap_or(u32::MAX);
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

/// Makes at most `count` single prompts, or all conversations; fewer when stopped.
///
/// # Errors
/// [`MeasureError`] naming what is wrong with the file or the tokenizer.
pub fn make(
    settings: &Settings,
    materials: &Materials,
    maker: &RandomPrompts<'_>,
    count: usize,
    stop: &Cancellation,
) -> Result<Prompts, MeasureError> {
    match (&settings.dataset, &settings.sessions) {
        (Dataset::Random(_), None) => Ok(Prompts::Single(in_parallel(count, stop, |index| maker.make(index as u64))?, None)),
        (Dataset::Random(_), Some(sessions)) => {
            let made = in_parallel(number_of(sessions), stop, |session| {
                sessions::random(maker, sessions, session as u64)
            })?;
            Ok(Prompts::Sessions(made))
        }
        (Dataset::ShareGpt { path, output }, sessions) => {
            let conversations = sharegpt::conversations(&files::read(path)?, settings.seed).map_err(wrong(path))?;
            let output = output.map(std::num::NonZeroU32::get);
            match sessions {
                Some(sessions) => {
                    let made = in_parallel(number_of(sessions).min(conversations.len()), stop, |session| {
                        let exchanges = &conversations[session];
                        sessions::recorded(&materials.tokenizer, exchanges, output, sessions, settings.seed, session as u64)
                    })?;
                    Ok(Prompts::Sessions(made))
                }
                None => {
                    let made = usable(settings, materials, &conversations, output, count, stop)?;
                    if made.is_empty() && !stop.is_cancelled() {
                        let problem = "no conversation has lengths that benchmark_serving.py would take (4 to 1024 tokens)";
                        return Err(wrong(path)(DatasetError::Empty(problem.to_owned())));
                    }
                    Ok(Prompts::Single(made, None))
                }
            }
        }
        (Dataset::Jsonl { path, output }, _) => {
            let lines = jsonl::prompts(&files::read_text(path)?).map_err(wrong(path))?;
            let made = in_parallel(count.min(lines.len()), stop, |index| {
                let line = &lines[index];
                materials.listed(settings, &line.prompt, line.output_tokens.unwrap_or(*output).get())
            })?;
            Ok(Prompts::Single(made, None))
        }
        (Dataset::RandomImages(_, images), _) => dataset_prompts::with_images(maker, images, count, stop),
        (Dataset::PrefixRepetition(shape), _) => {
            let made = in_parallel(count, stop, |index| prefix_repetition::prompt(maker, *shape, index as u64))?;
            Ok(Prompts::Single(made, None))
        }
        (Dataset::Sonnet { path, lengths }, _) => dataset_prompts::sonnet(settings, materials, path, *lengths, count, stop),
        (Dataset::BurstGpt { path }, _) => {
            let requests = burstgpt::requests(&files::read(path)?, settings.seed).map_err(wrong(path))?;
            let made = in_parallel(count.min(requests.len()), stop, |index| {
                burstgpt::prompt(maker, requests[index], index as u64)
            })?;
            Ok(Prompts::Single(made, None))
        }
        (Dataset::Questions { path, selection }, _) => {
            let questions = questions::of_lines(&files::read_text(path)?, selection.category.as_deref()).map_err(wrong(path))?;
            dataset_prompts::of_questions(settings, materials, &questions, Some(selection.output), count, stop)
        }
        (Dataset::Hub(dataset), _) => {
            let questions = hub_questions::read(dataset, &mut || !stop.is_cancelled())?;
            dataset_prompts::of_questions(settings, materials, &questions, dataset.output, count, stop)
        }
        (Dataset::Recorded { path }, _) => {
            let recorded = read_sessions(path)?;
            let made = in_parallel(recorded.len(), stop, |session| {
                let mark = dialogue::mark(settings, u32::try_from(session).unwrap_or(u32::MAX));
                match &recorded[session] {
                    Session::Said(turns) => {
                        let turns = recorded::turns(&materials.tokenizer, turns, &mark)?;
                        materials.check_template(&turns)?;
                        Ok(turns)
                    }
                    Session::Blocks(blocks) => {
                        let mark_tokens = u32::try_from(materials.tokenizer.count(&mark)?).unwrap_or(u32::MAX);
                        blocks::turns(maker, blocks, session as u64, mark_tokens)
                    }
                }
            })?;
            Ok(Prompts::Sessions(made))
        }
        (Dataset::Trace { path, block }, _) => {
            let traced = trace::requests(&files::read_text(path)?).map_err(wrong(path))?;
            let made = in_parallel(count.min(traced.len()), stop, |index| {
                trace::prompt(maker, &traced[index], *block, index as u64)
            })?;
            let arrivals = traced.iter().take(made.len()).map(|traced| traced.at).collect();
            Ok(Prompts::Single(made, Some(arrivals)))
        }
    }
}

pub(super) fn wrong(path: &Path) -> impl FnOnce(DatasetError) -> MeasureError {
    let path = path.display().to_string();
    move |source| MeasureError::Dataset { path, source }
}

/// The recorded sessions of a file, or of the files of a folder whose names end in `.jsonl` or `.json`, in the order of the names. A
/// `.json` file is one session.
///
/// # Errors
/// [`MeasureError`] naming the file and the line.
pub fn read_sessions(path: &Path) -> Result<Vec<Session>, MeasureError> {
    let mut found = Vec::new();
    for file in files::named(path, &["jsonl", "json"])? {
        let text = files::read_text(&file)?;
        let is_single = file.extension().is_some_and(|extension| extension == "json");
        let sessions = if is_single {
            recorded::single(&text).map(|session| vec![session])
        } else {
            recorded::sessions(&text)
        };
        found.extend(sessions.map_err(wrong(&file))?);
    }
    if found.is_empty() {
        return Err(wrong(path)(DatasetError::Empty(
            "no file of this folder has a name that ends in .jsonl or .json".to_owned(),
        )));
    }
    Ok(found)
}

fn number_of(sessions: &Sessions) -> usize {
    usize::try_from(sessions.number.get()).unwrap_or(usize::MAX)
}

/// The first `count` conversations whose question and answer have lengths that benchmark_serving.py takes.
fn usable(
    settings: &Settings,
    materials: &Materials,
    conversations: &[Vec<sharegpt::Exchange>],
    output: Option<u32>,
    count: usize,
    stop: &Cancellation,
) -> Result<Vec<Prompt>, MeasureError> {
    let mut kept = Vec::new();
    let mut rest = conversations;
    while kept.len() < count && !rest.is_empty() && !stop.is_cancelled() {
        let (batch, later) = rest.split_at((count - kept.len()).min(rest.len()));
        rest = later;
        let made = in_parallel(batch.len(), stop, |index| {
            let Some(exchange) = batch[index].first() else { return Ok(None) };
            let answer = materials.tokenizer.count(&exchange.answer)?;
            let wanted = output.unwrap_or_else(|| u32::try_from(answer).unwrap_or(u32::MAX));
            let prompt = materials.listed(settings, &exchange.question, wanted)?;
            let tokens = usize::try_from(prompt.tokens).unwrap_or(usize::MAX);
            Ok(sharegpt::is_usable(tokens, usize::try_from(wanted).unwrap_or(usize::MAX)).then_some(prompt))
        })?;
        kept.extend(made.into_iter().flatten());
    }
    kept.truncate(count);
    Ok(kept)
}

/// Makes values on all cores, and fewer when stopped: one core needs minutes to encode the 8k-token prompts of a full run.
pub(super) fn in_parallel<T: Send>(
    count: usize,
    stop: &Cancellation,
    make: impl Fn(usize) -> Result<T, TokenizerError> + Sync,
) -> Result<Vec<T>, MeasureError> {
    let make = |index| if stop.is_cancelled() { Ok(None) } else { make(index).map(Some) };
    let made: Vec<Option<T>> = (0..count).into_par_iter().map(make).collect::<Result<_, _>>()?;
    Ok(made.into_iter().flatten().collect())
}
