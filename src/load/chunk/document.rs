//! Serde types for the JSON of a chunk. They have only the fields that concern tokens; all other fields are skipped. A field of the
//! same name elsewhere, such as the `content` of a citation, has another path and is not read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What is kept of a text field: its length, or the text.
pub(super) trait Kept: Default {
    fn push(&mut self, text: &str);

    /// Bytes of the text.
    fn bytes(&self) -> usize;
}

/// The length of a text in bytes of UTF-8; nothing is copied.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Length(pub usize);

impl Kept for Length {
    fn push(&mut self, text: &str) {
        self.0 += text.len();
    }

    fn bytes(&self) -> usize {
        self.0
    }
}

impl Kept for String {
    fn push(&mut self, text: &str) {
        self.push_str(text);
    }

    fn bytes(&self) -> usize {
        self.len()
    }
}

/// A field that may hold text: a string or a list of content parts with `text`. Any other value counts as no text.
#[derive(Debug, Default)]
pub(super) struct Text<K>(pub K);

impl<'de, K: Kept> Deserialize<'de> for Text<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

struct TextVisitor<K>(PhantomData<K>);

impl<'de, K: Kept> Visitor<'de> for TextVisitor<K> {
    type Value = Text<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a list of content parts, or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let mut kept = K::default();
        kept.push(text);
        Ok(Text(kept))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Text::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let mut kept = K::default();
        while let Some(part) = parts.next_element::<Option<Part>>()? {
            kept.push(part.and_then(|part| part.text).as_deref().unwrap_or_default());
        }
        Ok(Text(kept))
    }
}

#[derive(serde::Deserialize)]
struct Part {
    text: Option<String>,
}

/// The data of one event, or the body of a response that was not streamed.
#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "K: Kept"))]
pub(super) struct Document<K> {
    pub choices: Option<Vec<Choice<K>>>,
    pub usage: Option<Usage>,
    pub error: Option<Value>,
    /// The message of an error, if there are no choices: `{"object": "error", "message": …}`.
    pub message: Option<Value>,
    /// The message of an error of servers that are built on FastAPI.
    pub detail: Option<Value>,
    /// Text of SGLang's `/generate`.
    #[serde(default)]
    pub text: Text<K>,
    pub meta_info: Option<Usage>,
    /// Text of Triton's `generate_stream`.
    pub text_output: Option<Text<K>>,
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "K: Kept"))]
pub(super) struct Choice<K> {
    #[serde(default)]
    text: Text<K>,
    delta: Option<Delta<K>>,
    message: Option<Delta<K>>,
    #[serde(default)]
    pub finish_reason: Finish,
}

impl<K: Kept> Choice<K> {
    /// The new part of the answer. A stream's last chunk may repeat the whole answer in `message`, which is not new.
    pub(super) fn delta(&self) -> Option<&Delta<K>> {
        self.delta.as_ref().or(self.message.as_ref())
    }

    /// The fields that hold its text. Servers that send a text in both `text` and `delta`, as Together does, send one text twice.
    pub(super) fn fields(&self) -> impl Iterator<Item = &K> {
        let delta = self.delta().filter(|delta| delta.bytes() >= self.text.0.bytes());
        let text = delta.is_none().then_some(&self.text.0);
        delta.into_iter().flat_map(Delta::fields).chain(text)
    }

    /// Bytes of its text.
    pub(super) fn bytes(&self) -> usize {
        self.fields().map(Kept::bytes).sum()
    }
}

/// The `delta` of a stream, or the `message` of a whole answer. All its texts consist of generated tokens: see [`Delta::fields`].
#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "K: Kept"))]
pub(super) struct Delta<K> {
    #[serde(default)]
    content: Text<K>,
    /// Reasoning, as named by DeepSeek, SGLang and older versions of vLLM.
    #[serde(default)]
    reasoning_content: Text<K>,
    /// Reasoning, as named by OpenRouter and vLLM.
    #[serde(default)]
    reasoning: Text<K>,
    #[serde(default)]
    refusal: Text<K>,
    tool_calls: Option<Vec<ToolCall<K>>>,
    /// The deprecated predecessor of `tool_calls`.
    function_call: Option<Function<K>>,
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "K: Kept"))]
struct ToolCall<K> {
    function: Option<Function<K>>,
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "K: Kept"))]
struct Function<K> {
    #[serde(default)]
    name: Text<K>,
    #[serde(default)]
    arguments: Text<K>,
}

impl<K: Kept> Delta<K> {
    /// Every field that holds generated tokens, in the order in which a model generates them.
    pub(super) fn fields(&self) -> impl Iterator<Item = &K> {
        let calls = self.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
        let functions = calls.chain(self.function_call.as_ref());
        [self.reasoning(), &self.content.0, &self.refusal.0]
            .into_iter()
            .chain(functions.flat_map(|function| [&function.name.0, &function.arguments.0]))
    }

    /// The reasoning. Servers that send it by both names, as vLLM did while it renamed the field, send one text twice.
    pub(super) fn reasoning(&self) -> &K {
        let (old, new) = (&self.reasoning_content.0, &self.reasoning.0);
        if new.bytes() > 0 { new } else { old }
    }

    fn bytes(&self) -> usize {
        self.fields().map(Kept::bytes).sum()
    }

    /// Whether there is a tool call. The first delta of a call may have no text.
    pub(super) fn calls_tool(&self) -> bool {
        self.function_call.is_some() || self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
    }
}

/// The finish reason: a string, or SGLang's object with a type and a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Finish {
    /// There is no finish reason yet: the field is absent, null or empty.
    #[default]
    NotYet,
    /// The answer ended.
    Ended { reason: String, message: Option<String> },
}

impl<'de> Deserialize<'de> for Finish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FinishVisitor)
    }
}

struct FinishVisitor;

impl<'de> Visitor<'de> for FinishVisitor {
    type Value = Finish;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a finish reason or null")
    }

    fn visit_unit<E>(self) -> Result<Finish, E> {
        Ok(Finish::NotYet)
    }

    fn visit_str<E>(self, reason: &str) -> Result<Finish, E> {
        if reason.is_empty() {
            return Ok(Finish::NotYet);
        }
        Ok(Finish::Ended {
            reason: reason.to_owned(),
            message: None,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Finish, A::Error> {
        #[derive(serde::Deserialize)]
        struct Object {
            r#type: Option<String>,
            message: Option<String>,
        }
        let object = Object::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
        Ok(Finish::Ended {
            reason: object.r#type.unwrap_or_default(),
            message: object.message,
        })
    }
}

/// `usage` of the OpenAI API, and SGLang's `meta_info`.
#[derive(serde::Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    pub completion_tokens: Count,
    #[serde(default)]
    pub prompt_tokens: Count,
    #[serde(default)]
    cached_tokens: Count,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    #[serde(default)]
    pub finish_reason: Finish,
}

#[derive(serde::Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Count,
}

#[derive(serde::Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Count,
}

impl Usage {
    pub(super) fn cached(&self) -> Option<u32> {
        let details = self.prompt_tokens_details.as_ref();
        details.and_then(|details| details.cached_tokens.0).or(self.cached_tokens.0)
    }

    pub(super) fn reasoning(&self) -> Option<u32> {
        self.completion_tokens_details
            .as_ref()
            .and_then(|details| details.reasoning_tokens.0)
    }
}

/// A number of tokens; `None` unless it is a whole number from 0 to 2^32 - 1. Some gateways write it as a float or a string.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Number(number) => whole(&number),
            Value::String(digits) => digits.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }))
    }
}

fn whole(number: &serde_json::Number) -> Option<u32> {
    if let Some(whole) = number.as_u64() {
        return u32::try_from(whole).ok();
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number within the range of u32"
    )]
    (0.0..=f64::from(u32::MAX)).contains(&float).then_some(float as u32)
}
