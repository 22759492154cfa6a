//! Multi-turn conversations. Each turn repeats all previous messages, including the actual answers of the server, so its request
//! can only be built when the previous turn has been answered.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;

use super::chat_template::ChatTemplate;
use super::plan::PreparedRequest;
use super::prompt::{Content, Message, Prompt, Role, random_stream};
use super::record::Record;
use super::request;
use super::settings::{BenchmarkSettings, Protocol};
use crate::model::saturating;

/// The text of one turn, its lengths and the pause before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The text.
    pub words: Words,
    /// Length of the text, tokens.
    pub tokens: u32,
    /// Output length to request, tokens.
    pub output_tokens: u32,
    /// Time between the previous answer and this turn; zero before the first.
    pub pause: Duration,
}

/// The text of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// Messages that are added to the previous ones: of the user, and in the first turn possibly of the system.
    Added(Vec<Message>),
    /// A whole prompt that replaces the previous messages.
    Whole(WholePrompt),
}

/// A prompt composed of blocks of text that the prompts of a conversation share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholePrompt {
    /// The blocks of the conversation.
    pub blocks: Arc<[String]>,
    /// Indices of the blocks of this prompt, in order.
    pub order: Vec<u32>,
    /// Text after the blocks.
    pub rest: String,
}

impl WholePrompt {
    /// The text of the prompt.
    #[must_use]
    pub fn text(&self) -> String {
        let places = self.order.iter().filter_map(|place| usize::try_from(*place).ok());
        let mut text: String = places.filter_map(|place| self.blocks.get(place)).map(String::as_str).collect();
        text.push_str(&self.rest);
        text
    }
}

/// All conversations of a run.
#[derive(Debug)]
pub struct Dialogues {
    sessions: Vec<Vec<Turn>>,
    settings: BenchmarkSettings,
    template: Option<Arc<ChatTemplate>>,
    stride: NonZeroU32,
}

/// The messages of one conversation so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    messages: Vec<Message>,
    tokens: u32,
}

/// The turn that follows an answer.
#[derive(Debug)]
pub struct NextTurn {
    /// Number of its request.
    pub index: u32,
    /// Time to wait before it.
    pub pause: Duration,
    /// Its request.
    pub request: PreparedRequest,
}

impl Dialogues {
    /// Takes the conversations of this shard, each with at least one turn. `longest` is the maximum number of turns of a
    /// conversation in any shard.
    #[must_use]
    pub fn new(sessions: Vec<Vec<Turn>>, longest: usize, settings: BenchmarkSettings, template: Option<Arc<ChatTemplate>>) -> Self {
        Self {
            sessions,
            settings,
            template,
            stride: NonZeroU32::new(saturating::to_u32(longest)).unwrap_or(NonZeroU32::MIN),
        }
    }

    /// Request numbers per conversation: the turns of start `n` have the numbers from `n * stride` on.
    #[must_use]
    pub fn stride(&self) -> NonZeroU32 {
        self.stride
    }

    /// Total number of turns of all conversations.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.sessions.iter().map(Vec::len).sum()
    }

    /// The start whose first turn is request number `index`; `None` if that request is a later turn.
    #[must_use]
    pub fn start_of_first(&self, index: u32) -> Option<u32> {
        index.is_multiple_of(self.stride.get()).then_some(index / self.stride)
    }

    /// The first turns of all conversations, ready to be sent.
    #[must_use]
    pub fn openings(&self) -> Vec<PreparedRequest> {
        let starts = (0_u32..).take(self.sessions.len());
        starts
            .filter_map(|start| self.opening(self.settings.shard.item(start).saturating_mul(self.stride.get())))
            .collect()
    }

    /// Request number `index` if it is a first turn; `None` if it is a later turn.
    #[must_use]
    pub fn opening(&self, index: u32) -> Option<PreparedRequest> {
        let start = self.start_of_first(index)?;
        let turn = self.conversation(start)?.first()?;
        let mut history = History::default();
        history.say(turn, &mark(&self.settings, start));
        Some(self.request(index, &history, turn))
    }

    /// The conversation of start number `start`. If there are more starts than conversations, these are reused from the first on.
    fn conversation(&self, start: u32) -> Option<&Vec<Turn>> {
        let start = usize::try_from(self.settings.shard.own(start)).ok()?;
        self.sessions.get(start % self.sessions.len().max(1))
    }

    /// The turn after that of `record`; `None` after the last turn and after a failed request.
    pub fn next(&self, history: &mut History, record: &Record) -> Option<NextTurn> {
        let start = record.index / self.stride;
        let session = self.conversation(start)?;
        let number = usize::try_from(record.index % self.stride).ok()?;
        let next = session.get(number + 1).filter(|_| record.is_success())?;
        let mark = mark(&self.settings, start);
        if history.messages.is_empty() {
            history.say(session.get(number)?, &mark);
        }
        history.answered(record);
        history.say(next, &mark);
        let index = record.index + 1;
        Some(NextTurn {
            index,
            pause: next.pause,
            request: self.request(index, history, next),
        })
    }

    fn request(&self, index: u32, history: &History, turn: &Turn) -> PreparedRequest {
        let content = match (self.settings.target.protocol, &self.template) {
            (Protocol::ChatCompletions, _) => Content::Messages(history.messages.clone()),
            (Protocol::Completions | Protocol::SglangGenerate | Protocol::TritonGenerate, Some(template)) => {
                // The template was checked before the run. If it fails for this history, plain text is sent, so that the run
                // continues.
                Content::Text(template.render(&history.messages).unwrap_or_else(|_| history.plain()))
            }
            (Protocol::Completions | Protocol::SglangGenerate | Protocol::TritonGenerate, None) => Content::Text(history.plain()),
        };
        let prompt = Prompt {
            content,
            tokens: history.tokens,
            wanted_tokens: history.tokens,
            output_tokens: turn.output_tokens,
        };
        request::prepare(&self.settings, index, &prompt)
    }
}

/// XORed with the seed, so that session marks are independent of other random draws.
const MARK_SEED: u64 = 0x3a4c;

/// The session mark: a random text before the first user message. A recorded session is replayed more than once: by several users,
/// again after the last session, and at the next concurrency. Without a mark, a replay would hit the prefix cache entries of the
/// previous replay, which sessions of real users do not do. System messages precede the mark, so sessions share their cache
/// entries. Empty for synthetic conversations.
#[must_use]
pub fn mark(settings: &BenchmarkSettings, start: u32) -> String {
    if !settings.has_recorded_sessions() {
        return String::new();
    }
    let users = settings.arrival.max_concurrency.map_or(0, NonZeroU32::get);
    let stream = u64::from(users) << 32 | u64::from(start);
    let number = random_stream(settings.seed ^ MARK_SEED, stream).next_u64();
    format!("[session {number:016x}]\n")
}

impl History {
    /// Adds the text of a turn. The mark is put before the first user message of the conversation, or before a whole prompt.
    fn say(&mut self, turn: &Turn, mark: &str) {
        match &turn.words {
            Words::Added(said) => {
                let is_first = self.messages.is_empty();
                self.messages.extend(said.iter().cloned());
                self.tokens = self.tokens.saturating_add(turn.tokens);
                let of_user = said.iter().position(|message| message.role == Role::User).unwrap_or(0);
                if let Some(message) = self.messages.get_mut(of_user).filter(|_| is_first) {
                    message.text.insert_str(0, mark);
                }
            }
            Words::Whole(prompt) => {
                self.messages = vec![Message::of_user(format!("{mark}{}", prompt.text()))];
                self.tokens = turn.tokens;
            }
        }
    }

    /// Adds the answer. The prompt count of the server is preferred to ours, because it includes the tokens between turns.
    fn answered(&mut self, record: &Record) {
        let output = record.reported_output_tokens.unwrap_or_else(|| saturating::to_u32(record.chunks()));
        self.tokens = record.reported_prompt_tokens.unwrap_or(self.tokens).saturating_add(output);
        self.messages.push(Message {
            role: Role::Assistant,
            text: record.answer.clone(),
        });
    }

    fn plain(&self) -> String {
        let texts: Vec<&str> = self.messages.iter().map(|message| message.text.as_str()).collect();
        texts.join("\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::settings::{Dataset, RandomLengths, Target};

    fn dialogues(protocol: Protocol) -> Dialogues {
        dialogues_of(protocol, None)
    }

    /// Two conversations, of random words or recorded.
    fn dialogues_of(protocol: Protocol, recorded: Option<Dataset>) -> Dialogues {
        let one = NonZeroU32::MIN;
        let lengths = RandomLengths::exact(one, one);
        let target = Target::from_base_url("http://h", protocol.default_endpoint(true), protocol).unwrap();
        let turn = |text: &str| Turn {
            words: Words::Added(vec![Message::of_user(text)]),
            tokens: 2,
            output_tokens: 4,
            pause: Duration::from_secs(1),
        };
        let sessions = vec![vec![turn("a b"), turn("c d"), turn("e f")], vec![turn("x y")]];
        let dataset = recorded.unwrap_or(Dataset::Random(lengths));
        Dialogues::new(sessions, 3, BenchmarkSettings::new(target, "m", dataset, one), None)
    }

    fn answered(index: u32, answer: &str) -> Record {
        Record {
            index,
            answer: answer.to_owned(),
            reported_prompt_tokens: Some(3),
            reported_output_tokens: Some(4),
            ..Record::default()
        }
    }

    fn body(request: &PreparedRequest) -> serde_json::Value {
        let text = String::from_utf8(request.bytes.to_vec()).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    #[test]
    fn each_turn_repeats_what_was_said() {
        let dialogues = dialogues(Protocol::ChatCompletions);
        assert_eq!((dialogues.stride().get(), dialogues.turns(), dialogues.openings().len()), (3, 4, 2));
        let mut history = History::default();
        let second = dialogues.next(&mut history, &answered(0, "one")).unwrap();
        assert_eq!((second.index, second.pause), (1, Duration::from_secs(1)));
        // 3 prompt tokens as counted by the server, 4 of the answer, 2 of the new turn.
        assert_eq!(second.request.prompt_tokens, 9);
        let third = dialogues.next(&mut history, &answered(1, "two")).unwrap();
        let said: Vec<String> = body(&third.request)["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| format!("{}: {}", message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
            .collect();
        assert_eq!(said, ["user: a b", "assistant: one", "user: c d", "assistant: two", "user: e f"]);
        assert!(dialogues.next(&mut history, &answered(2, "three")).is_none());
        assert!(dialogues.next(&mut History::default(), &answered(3, "only turn")).is_none());
    }

    #[test]
    fn a_failed_turn_ends_its_conversation() {
        let dialogues = dialogues(Protocol::Completions);
        let mut failed = answered(0, "");
        failed.failure = Some(crate::load::Failure::new(crate::load::Reason::NoTokens, ""));
        assert!(dialogues.next(&mut History::default(), &failed).is_none());
        let next = dialogues.next(&mut History::default(), &answered(0, "one")).unwrap();
        assert_eq!(body(&next.request)["prompt"], "a b\none\nc d");
    }

    #[test]
    fn each_play_of_a_recorded_session_has_a_mark_of_its_own() {
        let recorded = Dataset::Recorded { path: "s.jsonl".into() };
        let dialogues = dialogues_of(Protocol::Completions, Some(recorded));
        let prompt = |request: &PreparedRequest| body(request)["prompt"].as_str().unwrap().to_owned();
        // Two sessions with three request numbers each: number 6 is the second replay of the first session.
        let (first, again) = (dialogues.opening(0).unwrap(), dialogues.opening(6).unwrap());
        let without_mark = |text: &str| text.split_once('\n').unwrap().1.to_owned();
        assert_eq!(prompt(&first), prompt(&dialogues.openings()[0]));
        assert_ne!(prompt(&first), prompt(&again));
        assert_eq!(
            (without_mark(&prompt(&first)), without_mark(&prompt(&again))),
            ("a b".to_owned(), "a b".to_owned())
        );
        assert!(dialogues.opening(7).is_none());
        let next = dialogues.next(&mut History::default(), &answered(6, "one")).unwrap();
        assert_eq!(prompt(&next.request), format!("{}\none\nc d", prompt(&again)));
    }

    #[test]
    fn a_whole_prompt_takes_the_place_of_what_was_said() {
        let turn = |order: Vec<u32>| Turn {
            words: Words::Whole(WholePrompt {
                blocks: [" a".to_owned(), " b".to_owned()].into(),
                order,
                rest: " c".to_owned(),
            }),
            tokens: 3,
            output_tokens: 4,
            pause: Duration::ZERO,
        };
        let settings = dialogues(Protocol::Completions).settings;
        let dialogues = Dialogues::new(vec![vec![turn(vec![0]), turn(vec![0, 1, 0])]], 2, settings, None);
        let next = dialogues.next(&mut History::default(), &answered(0, "one")).unwrap();
        assert_eq!(
            (body(&next.request)["prompt"].as_str().unwrap(), next.request.prompt_tokens),
            (" a b a c", 3)
        );
    }
}
