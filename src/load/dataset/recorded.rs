//! Recorded sessions of users or agents with a model: one JSON object a line, whose `messages` have the form of the chat API
//! (<https://platform.openai.com/docs/api-reference/chat/create>), or whose `requests` have block ids ([`super::blocks`]). The
//! recorded messages are sent in order, and each answer has the length of the recorded one. Later turns repeat the answers of the
//! measured server, not the recorded ones.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::blocks::{self, BlockSession};
use super::{DatasetError, lines};
use crate::load::dialogue::{Turn, Words};
use crate::load::prompt::{Message, Role};
use crate::load::tokens::{Tokenizer, TokenizerError};
use crate::model::saturating;

/// Longer pauses are shortened to this, so that a break of one user does not dominate the run. The limit is that of the AgentX
/// scenario: <https://github.com/ai-dynamo/aiperf/blob/main/docs/tutorials/agentx-mvp.md>.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A recorded session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Session {
    /// With the text of its messages.
    Said(Vec<RecordedTurn>),
    /// With block ids only.
    Blocks(BlockSession),
}

/// One turn of a recorded session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedTurn {
    /// The messages between the previous answer and this one.
    pub said: Vec<Message>,
    /// The recorded answer: reasoning, text and tool calls.
    pub answer: String,
    /// Length of the answer, tokens, if it was recorded.
    pub answer_tokens: Option<u32>,
    /// Time between the previous answer and this turn.
    pub pause: Duration,
}

#[derive(Deserialize)]
struct Line {
    messages: Option<Vec<Said>>,
    requests: Option<Vec<blocks::Entry>>,
    block_size: Option<NonZeroU32>,
    #[serde(default)]
    hash_id_scope: blocks::Scope,
}

#[derive(Deserialize)]
struct Said {
    role: Speaker,
    content: Option<Content>,
    reasoning_content: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
    output_tokens: Option<NonZeroU32>,
    pause_ms: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Speaker {
    #[serde(alias = "developer")]
    System,
    User,
    Assistant,
    #[serde(alias = "function")]
    Tool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Deserialize)]
struct ToolCall {
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    #[serde(default)]
    arguments: Value,
}

/// The sessions of JSON lines, in order, each with at least one turn.
///
/// # Errors
/// [`DatasetError`] naming the line.
pub fn sessions(text: &str) -> Result<Vec<Session>, DatasetError> {
    let found: Vec<(usize, Line)> = lines(text)?;
    if found.is_empty() {
        return Err(DatasetError::Empty("there is no session in it".to_owned()));
    }
    found
        .into_iter()
        .map(|(line, session)| session_of(session).map_err(|problem| DatasetError::Line { line, problem }))
        .collect()
}

/// The session of a text that is a single JSON object, on one or more lines.
///
/// # Errors
/// [`DatasetError::File`] if the text is not a session.
pub fn single(text: &str) -> Result<Session, DatasetError> {
    let line: Line = serde_json::from_str(text).map_err(|error| DatasetError::File(error.to_string()))?;
    session_of(line).map_err(DatasetError::File)
}

fn session_of(line: Line) -> Result<Session, String> {
    match (line.messages, line.requests) {
        (Some(messages), _) => turns_of(messages).map(Session::Said),
        (None, Some(entries)) => blocks::session(entries, line.block_size, line.hash_id_scope).map(Session::Blocks),
        (None, None) => Err("it has neither `messages` nor `requests`".to_owned()),
    }
}

/// The turns of a session. Messages after the last answer are dropped, because the length of their answer is unknown.
fn turns_of(messages: Vec<Said>) -> Result<Vec<RecordedTurn>, String> {
    let mut turns: Vec<RecordedTurn> = Vec::new();
    let (mut said, mut pause) = (Vec::new(), Duration::ZERO);
    for (message, number) in messages.into_iter().zip(1_usize..) {
        let with_place = |problem: String| format!("message {number}: {problem}");
        let text = message.text().map_err(with_place)?;
        match (message.role.listener(), turns.last_mut()) {
            (Some(role), last) => {
                hear(&mut said, role, text, last.is_none());
                pause += Duration::from_millis(message.pause_ms.unwrap_or(0));
            }
            (None, None) if said.is_empty() => return Err(with_place("the session begins with an answer".to_owned())),
            // Two assistant messages in a row: some recorders split an answer.
            (None, Some(turn)) if said.is_empty() => turn.goes_on(&text, message.output_tokens),
            (None, _) => {
                if said.iter().all(|message| message.text.trim().is_empty()) {
                    return Err(with_place("no message before this answer".to_owned()));
                }
                turns.push(RecordedTurn {
                    said: std::mem::take(&mut said),
                    answer: text,
                    answer_tokens: message.output_tokens.map(NonZeroU32::get),
                    pause: std::mem::take(&mut pause).min(LONGEST_PAUSE),
                });
            }
        }
    }
    if turns.is_empty() {
        return Err("`messages` has no answer (`\"role\": \"assistant\"`)".to_owned());
    }
    Ok(turns)
}

/// Adds a message to those of the turn. Many chat templates accept a system message only at the start, and no two user messages in
/// a row. Therefore later system messages become user messages, and consecutive messages of one role are joined.
fn hear(said: &mut Vec<Message>, role: Role, text: String, is_first_turn: bool) {
    let may_be_system = is_first_turn && said.iter().all(|message| message.role == Role::System);
    let role = if may_be_system { role } else { Role::User };
    match said.last_mut() {
        Some(last) if last.role == role => {
            last.text.push('\n');
            last.text.push_str(&text);
        }
        Some(_) | None => said.push(Message { role, text }),
    }
}

impl RecordedTurn {
    /// Appends a further part of the answer. The total length is known only if the length of every part was recorded.
    fn goes_on(&mut self, text: &str, tokens: Option<NonZeroU32>) {
        self.answer.push_str(text);
        let both = self.answer_tokens.zip(tokens);
        self.answer_tokens = both.map(|(before, further)| before.saturating_add(further.get()));
    }
}

impl Speaker {
    /// The role in which a message is sent; `None` for an answer of the model. A tool result is sent as a user message: a tool
    /// message must refer to a tool call, and the measured model has made none.
    fn listener(self) -> Option<Role> {
        match self {
            Self::System => Some(Role::System),
            Self::User | Self::Tool => Some(Role::User),
            Self::Assistant => None,
        }
    }
}

impl Said {
    /// Reasoning, content and tool calls as one text.
    fn text(&self) -> Result<String, String> {
        let mut text = self.reasoning_content.clone().unwrap_or_default();
        match &self.content {
            None => {}
            Some(Content::Text(content)) => text.push_str(content),
            Some(Content::Parts(parts)) => {
                for part in parts {
                    let of_part = part.text.as_ref().filter(|_| part.kind == "text");
                    text.push_str(of_part.ok_or_else(|| format!("its content has a part of type `{}`, expected `text`", part.kind))?);
                }
            }
        }
        for call in self.tool_calls.iter().flatten() {
            text.push_str(&call.function.name);
            match &call.function.arguments {
                Value::String(arguments) => text.push_str(arguments),
                Value::Null => {}
                arguments @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    text.push_str(&arguments.to_string())
                }
            }
        }
        Ok(text)
    }
}

/// The turns of a session with their lengths. `mark` is the session mark that will be put before the first turn.
///
/// # Errors
/// [`TokenizerError`] if the tokenizer fails.
pub fn turns(tokenizer: &Tokenizer, session: &[RecordedTurn], mark: &str) -> Result<Vec<Turn>, TokenizerError> {
    let count = |text: &str| tokenizer.count(text).map(saturating::to_u32);
    let mark = count(mark)?;
    let marks = std::iter::once(mark).chain(std::iter::repeat(0));
    let turns = session.iter().zip(marks).map(|(recorded, mark)| {
        let tokens = recorded.said.iter().try_fold(mark, |sum: u32, message| {
            count(&message.text).map(|tokens| sum.saturating_add(tokens))
        })?;
        Ok(Turn {
            words: Words::Added(recorded.said.clone()),
            tokens,
            output_tokens: recorded.answer_tokens.map_or_else(|| count(&recorded.answer), Ok)?.max(1),
            pause: recorded.pause,
        })
    });
    turns.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn an_agents_session_becomes_its_turns() {
        let text = r#"
{"id":"s1","messages":[{"role":"developer","content":"be brief"},{"role":"user","content":[{"type":"text","text":"list the files"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"ls","arguments":"{\"path\":\".\"}"}}]},{"role":"tool","tool_call_id":"c","content":"a.rs","pause_ms":300},{"role":"system","content":"hurry"},{"role":"assistant","content":"one file","output_tokens":7},{"role":"user","content":"thanks","pause_ms":900000},{"role":"assistant","content":"you "},{"role":"assistant","content":"are welcome"},{"role":"user","content":"not answered"}]}
"#;
        let found = sessions(text).unwrap();
        let [Session::Said(session)] = found.as_slice() else {
            panic!("{found:?}")
        };
        let said: Vec<Vec<(Role, &str)>> = session
            .iter()
            .map(|turn| turn.said.iter().map(|message| (message.role, message.text.as_str())).collect())
            .collect();
        let expected = [
            vec![(Role::System, "be brief"), (Role::User, "list the files")],
            vec![(Role::User, "a.rs\nhurry")],
            vec![(Role::User, "thanks")],
        ];
        assert_eq!(said, expected);
        let answers: Vec<(&str, Option<u32>)> = session.iter().map(|turn| (turn.answer.as_str(), turn.answer_tokens)).collect();
        assert_eq!(
            answers,
            [("ls{\"path\":\".\"}", None), ("one file", Some(7)), ("you are welcome", None)]
        );
        let pauses: Vec<Duration> = session.iter().map(|turn| turn.pause).collect();
        assert_eq!(pauses, [Duration::ZERO, Duration::from_millis(300), LONGEST_PAUSE]);
    }

    #[test]
    fn lengths_are_the_tokenizers_or_the_recordings() {
        let tokenizer = Tokenizer::from_json(include_bytes!("../../../benchmarks/demo/tokenizer.json")).unwrap();
        let recorded = |answer_tokens| RecordedTurn {
            said: vec![Message::of_user("what is a token")],
            answer: "a piece of text".to_owned(),
            answer_tokens,
            pause: Duration::ZERO,
        };
        let made = turns(&tokenizer, &[recorded(None), recorded(Some(9))], "one mark").unwrap();
        let count = |text| u32::try_from(tokenizer.count(text).unwrap()).unwrap();
        let question = count("what is a token");
        assert_eq!((made[0].tokens, made[1].tokens), (question + count("one mark"), question));
        assert_eq!((made[0].output_tokens, made[1].output_tokens), (count("a piece of text"), 9));
    }

    #[test]
    fn names_the_line_that_is_wrong() {
        let good = r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#;
        for (line, message) in [
            ("{\"messages\":[", "line 3: "),
            ("{\"text\":\"a\"}", "line 3: it has neither `messages` nor `requests`"),
            ("{\"messages\":[{\"role\":\"robot\"}]}", "line 3: unknown variant `robot`"),
            ("{\"messages\":[]}", "line 3: `messages` has no answer"),
            (
                "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}",
                "line 3: `messages` has no answer",
            ),
            (
                "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}]}",
                "line 3: message 1: the session begins with an answer",
            ),
            (
                "{\"messages\":[{\"role\":\"user\",\"content\":\" \"},{\"role\":\"assistant\"}]}",
                "line 3: message 2: no message before",
            ),
            (
                "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
                "line 3: message 1: its content has a part of type `image_url`",
            ),
        ] {
            let error = sessions(&format!("{good}\n\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with(message), "{line}: {error}");
        }
        assert_eq!(sessions(" \n").unwrap_err().to_string(), "there is no session in it");
    }
}
