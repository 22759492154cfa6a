//! Reads data sets before the first request, so that an unusable data set costs neither a request nor the start of an engine.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::hub_questions;
use super::measurement::MeasureError;
use super::prompts::{Materials, in_parallel};
use crate::load::dataset::burstgpt::RequestLengths;
use crate::load::dataset::images::RandomImages;
use crate::load::dataset::prefix_repetition::PrefixRepetition;
use crate::load::dataset::questions::Question;
use crate::load::dataset::recorded::Session;
use crate::load::dataset::sharegpt::Exchange;
use crate::load::dataset::sonnet::{Poem, PoemError, SonnetLengths};
use crate::load::dataset::trace::Traced;
use crate::load::dataset::{DatasetError, burstgpt, jsonl, questions, recorded, sharegpt, trace};
use crate::load::prompt::Prompt;
use crate::load::settings::Sessions;
use crate::load::shard::Shard;
use crate::load::{BenchmarkSettings, Dataset, Limit, Notice, Schedule, Shortage};
use crate::model::saturating;
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// The content of a data set, and how many prompts or conversations of it the whole load has.
#[derive(Debug)]
pub struct PromptSource {
    pub(super) content: Content,
    pub(super) count: usize,
}

/// The content of a data set.
#[derive(Debug)]
pub(super) enum Content {
    Random,
    RandomSessions(Sessions),
    Images(RandomImages),
    PrefixRepetition(PrefixRepetition),
    Lines(Vec<jsonl::Line>, NonZeroU32),
    Dialogues(Vec<Vec<Exchange>>, Option<NonZeroU32>, Sessions),
    /// Conversations whose first exchange becomes a request. [`PromptSource::counted`] selects those of usable length.
    Exchanges(PathBuf, Vec<Vec<Exchange>>, Option<NonZeroU32>),
    /// Prompts of the usable conversations of [`Self::Exchanges`].
    Usable(Vec<Prompt>),
    /// The text of a poem, before its lines are counted with a tokenizer.
    Verse(PathBuf, String, SonnetLengths),
    Poem(Poem, SonnetLengths),
    Lengths(Vec<RequestLengths>),
    Questions(Vec<Question>, Option<NonZeroU32>),
    Sessions(Vec<Session>),
    Traced(Vec<Traced>, NonZeroU32),
}

impl PromptSource {
    /// Reads the data set. A download ends when `go_on` returns false.
    ///
    /// # Errors
    /// [`MeasureError`] naming the file and what is wrong with it, or that it has fewer prompts than were asked for.
    pub fn read(settings: &BenchmarkSettings, notices: &mut Vec<Notice>, go_on: &mut dyn FnMut() -> bool) -> Result<Self, MeasureError> {
        let asked = asked_for(settings);
        let (content, count) = match (&settings.dataset, settings.sessions) {
            (Dataset::Random(_), None) => (Content::Random, asked),
            (Dataset::Random(_), Some(sessions)) => (Content::RandomSessions(sessions), asked),
            (Dataset::RandomImages(_, images), _) => (Content::Images(images.clone()), asked),
            (Dataset::PrefixRepetition(shape), _) => (Content::PrefixRepetition(*shape), asked),
            (Dataset::Jsonl { path, output }, _) => {
                let lines = jsonl::prompts(&files::read_text(path)?).map_err(wrong(path))?;
                let count = Found::prompts(path, lines.len()).count(asked, settings, notices)?;
                (Content::Lines(lines, *output), count)
            }
            (Dataset::ShareGpt { path, output }, sessions) => {
                let conversations = sharegpt::conversations(&files::read(path)?, settings.seed).map_err(wrong(path))?;
                match sessions {
                    Some(sessions) => {
                        let count = Found::conversations(path, conversations.len()).count(asked, settings, notices)?;
                        (Content::Dialogues(conversations, *output, sessions), count)
                    }
                    None => (Content::Exchanges(path.clone(), conversations, *output), asked),
                }
            }
            (Dataset::Sonnet { path, lengths }, _) => (Content::Verse(path.clone(), files::read_text(path)?, *lengths), asked),
            (Dataset::BurstGpt { path }, _) => {
                let lengths = burstgpt::requests(&files::read(path)?, settings.seed).map_err(wrong(path))?;
                let count = Found::requests(path, lengths.len()).count(asked, settings, notices)?;
                (Content::Lengths(lengths), count)
            }
            (Dataset::Questions { path, selection }, _) => {
                let questions = questions::of_lines(&files::read_text(path)?, selection.category.as_deref()).map_err(wrong(path))?;
                let count = Found::prompts(path, questions.len()).count(asked, settings, notices)?;
                (Content::Questions(questions, Some(selection.output)), count)
            }
            (Dataset::Hub(dataset), _) => {
                let questions = hub_questions::read(dataset, go_on)?;
                let count = Found::prompts(Path::new(&dataset.id), questions.len()).count(asked, settings, notices)?;
                (Content::Questions(questions, dataset.output), count)
            }
            (Dataset::Recorded { path }, _) => {
                let sessions = read_sessions(path)?;
                let count = sessions.len();
                (Content::Sessions(sessions), count)
            }
            (Dataset::Trace { path, block }, _) => {
                let traced = trace::requests(&files::read_text(path)?).map_err(wrong(path))?;
                let count = Found::requests(path, traced.len()).count(asked, settings, notices)?;
                (Content::Traced(traced, *block), count)
            }
        };
        Ok(Self { content, count })
    }

    /// Turns of the longest conversation of the whole load, over all shards; 1 for single prompts.
    pub fn longest_conversation(&self) -> usize {
        match &self.content {
            Content::RandomSessions(sessions) | Content::Dialogues(_, _, sessions) => saturating::to_usize(sessions.turns.get()),
            Content::Sessions(sessions) => {
                let turns = sessions.iter().map(|session| match session {
                    Session::Said(turns) => turns.len(),
                    Session::Blocks(session) => session.turns(),
                });
                turns.max().unwrap_or(1)
            }
            Content::Random
            | Content::Images(_)
            | Content::PrefixRepetition(_)
            | Content::Lines(..)
            | Content::Exchanges(..)
            | Content::Usable(_)
            | Content::Verse(..)
            | Content::Poem(..)
            | Content::Lengths(_)
            | Content::Questions(..)
            | Content::Traced(..) => 1,
        }
    }

    /// Counts tokens to select the usable parts of the data set, before the first request.
    ///
    /// # Errors
    /// [`MeasureError`] if nothing is usable, or too little.
    pub fn counted(
        self,
        settings: &BenchmarkSettings,
        materials: &Materials,
        stop: &Cancellation,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, MeasureError> {
        let Self { content, count } = self;
        let (content, count) = match content {
            Content::Exchanges(path, conversations, output) => {
                let made = usable(settings, materials, &conversations, output.map(NonZeroU32::get), count, stop)?;
                if made.is_empty() && !stop.is_cancelled() {
                    let problem = "no conversation has lengths that benchmark_serving.py would take (4 to 1024 tokens)";
                    return Err(wrong(&path)(DatasetError::Empty(problem.to_owned())));
                }
                let count = match stop.is_cancelled() {
                    true => made.len(),
                    false => Found::conversations(&path, made.len()).count(count, settings, notices)?,
                };
                (Content::Usable(made), count)
            }
            Content::Verse(path, text, lengths) => {
                let poem = Poem::new(&text, lengths, materials.tokenizer()?).map_err(|error| match error {
                    PoemError::Dataset(error) => wrong(&path)(error),
                    PoemError::Tokenizer(error) => error.into(),
                })?;
                (Content::Poem(poem, lengths), count)
            }
            content @ (Content::Random
            | Content::RandomSessions(_)
            | Content::Images(_)
            | Content::PrefixRepetition(_)
            | Content::Lines(..)
            | Content::Dialogues(..)
            | Content::Usable(_)
            | Content::Poem(..)
            | Content::Lengths(_)
            | Content::Questions(..)
            | Content::Sessions(_)
            | Content::Traced(..)) => (content, count),
        };
        Ok(Self { content, count })
    }
}

/// Prompts or conversations that the settings ask for. With a rate, the duration determines how many requests there will be; more
/// prompts than that would be wasted.
fn asked_for(settings: &BenchmarkSettings) -> usize {
    if let Some(sessions) = settings.sessions {
        return saturating::to_usize(sessions.number.get());
    }
    let number = saturating::to_usize(settings.num_prompts.get());
    match settings
        .duration
        .map(|duration| Schedule::new(&settings.arrival, Limit::Time(duration), settings.seed))
    {
        Some(Schedule::Open(offsets)) => number.min(offsets.len().max(1)),
        Some(Schedule::Closed) | None => number,
    }
}

/// The number of items found in a file.
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

    /// How many items are sent if `asked` are requested.
    fn count(self, asked: usize, settings: &BenchmarkSettings, notices: &mut Vec<Notice>) -> Result<usize, MeasureError> {
        let Self { path, what, available } = self;
        // With a duration, prompts are repeated until it ends, so fewer suffice.
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

fn wrong(path: &Path) -> impl FnOnce(DatasetError) -> MeasureError {
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

/// The first `count` conversations whose question and answer have lengths that benchmark_serving.py takes.
fn usable(
    settings: &BenchmarkSettings,
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
        let made = in_parallel(Shard::WHOLE, batch.len(), stop, |index| {
            let Some(exchange) = batch[index].first() else { return Ok(None) };
            let answer = materials.tokenizer()?.count(&exchange.answer)?;
            let wanted = output.unwrap_or_else(|| saturating::to_u32(answer));
            let prompt = materials.listed(settings, &exchange.question, wanted)?;
            let tokens = saturating::to_usize(prompt.tokens);
            Ok(sharegpt::is_usable(tokens, saturating::to_usize(wanted)).then_some(prompt))
        })?;
        kept.extend(made.into_iter().flatten());
    }
    kept.truncate(count);
    Ok(kept)
}
