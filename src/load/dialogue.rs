//! Conversations of several turns. Each turn repeats all that was said before, the server's real answers included, so its
//! request can only be made when the turn before has been answered.

use std::sync::Arc;
use std::time::Duration;

use super::chat_template::ChatTemplate;
use super::plan::PreparedRequest;
use super::prompt::{Content, Message, Prompt, Role};
use super::record::Record;
use super::request;
use super::settings::{Protocol, Settings};

/// What the user says in one turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The text, without what was said before.
    pub text: String,
    /// Its length, tokens.
    pub tokens: u32,
    /// Output length to ask for, tokens.
    pub output_tokens: u32,
    /// Time between the answer before and this turn; none before the first.
    pub pause: Duration,
}

/// All conversations of a run.
#[derive(Debug)]
pub struct Dialogues {
    sessions: Vec<Vec<Turn>>,
    settings: Settings,
    template: Option<Arc<ChatTemplate>>,
    stride: u32,
}

/// What was said in one conversation so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    messages: Vec<Message>,
    tokens: u32,
}

/// The turn that follows an answer.
#[derive(Debug)]
pub struct NextTurn {
    /// Its number.
    pub index: u32,
    /// Time to wait before it.
    pub pause: Duration,
    /// Its request.
    pub request: PreparedRequest,
}

impl Dialogues {
    /// Conversations with at least one turn each.
    #[must_use]
    pub fn new(sessions: Vec<Vec<Turn>>, settings: Settings, template: Option<Arc<ChatTemplate>>) -> Self {
        let longest = sessions.iter().map(Vec::len).max().unwrap_or(1).max(1);
        Self {
            sessions,
            settings,
            template,
            stride: u32::try_from(longest).unwrap_or(u32::MAX),
        }
    }

    /// Numbers that each conversation has for its turns.
    #[must_use]
    pub fn stride(&self) -> u32 {
        self.stride
    }

    /// Turns of all conversations together.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.sessions.iter().map(Vec::len).sum()
    }

    /// The conversation that a number begins; `None` for later turns.
    #[must_use]
    pub fn session_of_first(&self, index: u32) -> Option<usize> {
        index
            .is_multiple_of(self.stride)
            .then(|| usize::try_from(index / self.stride).ok())
            .flatten()
    }

    /// The first turns of all conversations, ready to be sent.
    #[must_use]
    pub fn openings(&self) -> Vec<PreparedRequest> {
        let each = self.sessions.iter().zip(0_u32..);
        each.filter_map(|(turns, session)| {
            let turn = turns.first()?;
            Some(self.request(session.saturating_mul(self.stride), &History::default().said(turn), turn))
        })
        .collect()
    }

    /// The turn that follows the one that a record is of; `None` behind the last, and where the answer is missing.
    pub fn next(&self, history: &mut History, record: &Record) -> Option<NextTurn> {
        let session = self.sessions.get(usize::try_from(record.index / self.stride).ok()?)?;
        let number = usize::try_from(record.index % self.stride).ok()?;
        let next = session.get(number + 1).filter(|_| record.is_success())?;
        if history.messages.is_empty() {
            *history = History::default().said(session.get(number)?);
        }
        history.answered(record);
        *history = std::mem::take(history).said(next);
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
                // The template was tried before the run; should it refuse this history, the plain text still measures.
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

impl History {
    fn said(mut self, turn: &Turn) -> Self {
        self.tokens = self.tokens.saturating_add(turn.tokens);
        self.messages.push(Message {
            role: Role::User,
            text: turn.text.clone(),
        });
        self
    }

    /// Adds the answer. The server's count of the prompt is better than ours, because it knows what stands between the turns.
    fn answered(&mut self, record: &Record) {
        let output = record
            .reported_output_tokens
            .unwrap_or_else(|| u32::try_from(record.chunks()).unwrap_or(u32::MAX));
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
    use std::num::NonZeroU32;

    fn dialogues(protocol: Protocol) -> Dialogues {
        let one = NonZeroU32::MIN;
        let lengths = RandomLengths {
            input: one,
            output: one,
            range_ratio: 1.0,
            prefix: 0,
        };
        let target = Target::from_base_url("http://h", protocol.default_endpoint(true), protocol).unwrap();
        let turn = |text: &str| Turn {
            text: text.to_owned(),
            tokens: 2,
            output_tokens: 4,
            pause: Duration::from_secs(1),
        };
        let sessions = vec![vec![turn("a b"), turn("c d"), turn("e f")], vec![turn("x y")]];
        Dialogues::new(sessions, Settings::new(target, "m", Dataset::Random(lengths), one), None)
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
        assert_eq!((dialogues.stride(), dialogues.turns(), dialogues.openings().len()), (3, 4, 2));
        let mut history = History::default();
        let second = dialogues.next(&mut history, &answered(0, "one")).unwrap();
        assert_eq!((second.index, second.pause), (1, Duration::from_secs(1)));
        // Three by the server's count, four of the answer, two new ones.
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
}
