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
use crate::load::{ChatTemplate, Dataset, Notice, Settings, Shortage, Tokenizer, TokenizerError, plain_words};
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
    /// The model's tokenizer; prompts of one's own can do without.
    pub tokenizer: Option<Tokenizer>,
    /// Its chat template, if prompts are rendered with it.
    pub template: Option<Arc<ChatTemplate>>,
}

/// Input and output tokens of probe and warm-up for data sets without lengths of their own.
const UNMEASURED_LENGTHS: (u32, u32) = (128, 32);

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
    pub fn random(&self, settings: &Settings) -> Result<Option<RandomPrompts<'_>>, TokenizerError> {
        let Some(tokenizer) = &self.tokenizer else { return Ok(None) };
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
        RandomPrompts::new(tokenizer, lengths, settings.seed, form).map(Some)
    }

    pub(super) fn listed(&self, settings: &Settings, text: &str, output_tokens: u32) -> Result<Prompt, TokenizerError> {
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
    maker: Option<&RandomPrompts<'_>>,
    count: usize,
    stop: &Cancellation,
    notices: &mut Vec<Notice>,
) -> Result<Prompts, MeasureError> {
    if let (Dataset::Jsonl { path, output }, _) = (&settings.dataset, &settings.sessions) {
        let lines = jsonl::prompts(&files::read_text(path)?).map_err(wrong(path))?;
        let count = Found::prompts(path, lines.len()).count(count, settings, notices)?;
        let made = in_parallel(count, stop, |index| {
            let line = &lines[index % lines.len()];
            materials.listed(settings, &line.prompt, line.output_tokens.unwrap_or(*output).get())
        })?;
        return Ok(Prompts::Single(made, None));
    }
    if let (Dataset::Random(lengths), true) = (&settings.dataset, settings.has_no_tokenizer) {
        let made = in_parallel(count, stop, |index| Ok(plain_words::prompt(*lengths, settings.seed, index as u64)))?;
        return Ok(Prompts::Single(made, None));
    }
    let (maker, tokenizer) = (maker.ok_or(TokenizerError::Missing)?, materials.tokenizer()?);
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
                    let found = Found::conversations(path, conversations.len());
                    let made = in_parallel(found.count(number_of(sessions), settings, notices)?, stop, |session| {
                        let exchanges = &conversations[session % conversations.len()];
                        sessions::recorded(tokenizer, exchanges, output, sessions, settings.seed, session as u64)
                    })?;
                    Ok(Prompts::Sessions(made))
                }
                None => {
                    let made = usable(settings, materials, &conversations, output, count, stop)?;
                    single_conversations(settings, path, made, count, stop, notices)
                }
            }
        }
        // Without the need of a tokenizer, above.
        (Dataset::Jsonl { .. }, _) => Ok(Prompts::Single(Vec::new(), None)),
        (Dataset::RandomImages(_, images), _) => dataset_prompts::with_images(maker, images, count, stop),
        (Dataset::PrefixRepetition(shape), _) => {
            let made = in_parallel(count, stop, |index| prefix_repetition::prompt(maker, *shape, index as u64))?;
            Ok(Prompts::Single(made, None))
        }
        (Dataset::Sonnet { path, lengths }, _) => dataset_prompts::sonnet(settings, materials, path, *lengths, count, stop),
        (Dataset::BurstGpt { path }, _) => {
            let requests = burstgpt::requests(&files::read(path)?, settings.seed).map_err(wrong(path))?;
            let count = Found::requests(path, requests.len()).count(count, settings, notices)?;
            let made = in_parallel(count, stop, |index| {
                burstgpt::prompt(maker, requests[index % requests.len()], index as u64)
            })?;
            Ok(Prompts::Single(made, None))
        }
        (Dataset::Questions { path, selection }, _) => {
            let questions = questions::of_lines(&files::read_text(path)?, selection.category.as_deref()).map_err(wrong(path))?;
            let count = Found::prompts(path, questions.len()).count(count, settings, notices)?;
            dataset_prompts::of_questions(settings, materials, &questions, Some(selection.output), count, stop)
        }
        (Dataset::Hub(dataset), _) => {
            let questions = hub_questions::read(dataset, &mut || !stop.is_cancelled())?;
            let count = Found::prompts(Path::new(&dataset.id), questions.len()).count(count, settings, notices)?;
            dataset_prompts::of_questions(settings, materials, &questions, dataset.output, count, stop)
        }
        (Dataset::Recorded { path }, _) => {
            let recorded = read_sessions(path)?;
            let made = in_parallel(recorded.len(), stop, |session| {
                let mark = dialogue::mark(settings, u32::try_from(session).unwrap_or(u32::MAX));
                match &recorded[session] {
                    Session::Said(turns) => {
                        let turns = recorded::turns(tokenizer, turns, &mark)?;
                        materials.check_template(&turns)?;
                        Ok(turns)
                    }
                    Session::Blocks(blocks) => {
                        let mark_tokens = u32::try_from(tokenizer.count(&mark)?).unwrap_or(u32::MAX);
                        blocks::turns(maker, blocks, session as u64, mark_tokens)
                    }
                }
            })?;
            Ok(Prompts::Sessions(made))
        }
        (Dataset::Trace { path, block }, _) => {
            let traced = trace::requests(&files::read_text(path)?).map_err(wrong(path))?;
            let count = Found::requests(path, traced.len()).count(count, settings, notices)?;
            let made = in_parallel(count, stop, |index| trace::prompt(maker, &traced[index], *block, index as u64))?;
            let arrivals = traced.iter().take(made.len()).map(|traced| traced.at).collect();
            Ok(Prompts::Single(made, Some(arrivals)))
        }
    }
}

/// The prompts of conversations, `made` of those that can be used.
fn single_conversations(
    settings: &Settings,
    path: &Path,
    made: Vec<Prompt>,
    count: usize,
    stop: &Cancellation,
    notices: &mut Vec<Notice>,
) -> Result<Prompts, MeasureError> {
    if stop.is_cancelled() {
        return Ok(Prompts::Single(made, None));
    }
    if made.is_empty() {
        let problem = "no conversation has lengths that benchmark_serving.py would take (4 to 1024 tokens)";
        return Err(wrong(path)(DatasetError::Empty(problem.to_owned())));
    }
    let count = Found::conversations(path, made.len()).count(count, settings, notices)?;
    Ok(Prompts::Single(made.into_iter().cycle().take(count).collect(), None))
}

/// What was found in a file.
struct Found<'a> {
    path: &'a Path,
    what: &'static str,
    available: usize,
}

impl<'a> Found<'a> {
    fn prompts(path: &'a Path, available: usize) -> Self {
        let what = "prompts";
        Self { path, what, available }
    }

    fn conversations(path: &'a Path, available: usize) -> Self {
        let what = "conversations";
        Self { path, what, available }
    }

    fn requests(path: &'a Path, available: usize) -> Self {
        let what = "requests";
        Self { path, what, available }
    }

    /// How many are sent where `asked` are wanted.
    fn count(self, asked: usize, settings: &Settings, notices: &mut Vec<Notice>) -> Result<usize, MeasureError> {
        let Self { path, what, available } = self;
        // With a duration they are distinct prompts, which are repeated in any case.
        if available >= asked || settings.duration.is_some() {
            return Ok(available.min(asked));
        }
        match settings.shortage {
            Shortage::Accept => Ok(available),
            Shortage::Repeat => {
                notices.push(Notice::PromptsRepeated { available, asked });
                Ok(asked)
            }
            Shortage::Refuse => Err(MeasureError::Shortage {
                path: path.display().to_string(),
                what,
                available,
                asked,
                remedy: settings.shortage_remedy(available),
            }),
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
            let answer = materials.tokenizer()?.count(&exchange.answer)?;
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
