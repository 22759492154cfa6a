//! Request bodies and responses of the two OpenAI-compatible APIs. The fields and their defaults are those that lm-eval sends.

use serde_json::{Map, Value, json};

use super::task::Generation;
use super::task_questions::{Message, Question, as_single_turn, as_text};

/// The API of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `/v1/chat/completions`: the engine applies the model's chat template.
    Chat,
    /// `/v1/completions`: the prompt is one text.
    Completions,
}

impl Api {
    /// The path below the engine's base URL.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
        }
    }
}

/// Settings of all requests of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestSettings {
    pub api: Api,
    /// The name under which the engine serves the model.
    pub model: String,
    /// The maximum tokens of an answer, for tasks that set none.
    pub max_gen_toks: u32,
    /// Instead of the task's.
    pub override_max_gen_toks: Option<u32>,
    /// Instead of the task's.
    pub temperature: Option<f64>,
    /// Instead of the task's.
    pub top_p: Option<f64>,
    /// The seed of a question's first answer; each repeat has the next.
    pub seed: u64,
    /// Whether examples are separate turns of the chat.
    pub multi_turn: bool,
}

/// OpenAI's chat API accepts at most this number of stop strings.
const MOST_STOPS: usize = 4;

impl RequestSettings {
    /// The body of a request.
    #[must_use]
    pub fn body(&self, question: &Question, generation: &Generation, repeat: u32) -> Value {
        let mut body = Map::new();
        let mut until = generation.until.clone();
        match self.api {
            Api::Chat => {
                body.insert("messages".to_owned(), self.messages(question));
                until.truncate(MOST_STOPS);
            }
            Api::Completions => {
                body.insert("prompt".to_owned(), as_text(&question.messages).into());
            }
        }
        let max_tokens = self.override_max_gen_toks.or(generation.max_gen_toks).unwrap_or(self.max_gen_toks);
        let temperature = self.temperature.unwrap_or(generation.temperature);
        body.insert("model".to_owned(), self.model.as_str().into());
        body.insert("max_tokens".to_owned(), max_tokens.into());
        body.insert("temperature".to_owned(), temperature.into());
        body.insert("stop".to_owned(), until.into());
        body.insert("seed".to_owned(), self.seed.wrapping_add(u64::from(repeat)).into());
        if let Some(top_p) = self.top_p.or(generation.top_p) {
            body.insert("top_p".to_owned(), top_p.into());
        }
        Value::Object(body)
    }

    /// The `messages` of a chat request.
    #[must_use]
    pub fn messages(&self, question: &Question) -> Value {
        let single;
        let messages: &[Message] = if self.multi_turn {
            &question.messages
        } else {
            single = as_single_turn(&question.messages);
            &single
        };
        messages
            .iter()
            .map(|message| json!({ "role": message.role.as_str(), "content": message.content }))
            .collect()
    }
}

/// An engine's answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelAnswer {
    pub text: String,
    /// Whether the text is the engine's reasoning, because the response has no other text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_reasoning: bool,
    /// The finish reason, such as `stop` or `length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// Tokens of the answer, if the engine reports them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// Why a body is not an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelAnswerError {
    /// The body is not JSON.
    #[error("the answer is not JSON: {0}")]
    Json(String),
    /// The body has no text.
    #[error("the answer has no text in `choices`")]
    NoText,
}

/// Parses a response. Reasoning models may put all text into `reasoning_content` (or `reasoning`); it is used if `content` is empty.
///
/// # Errors
/// [`ModelAnswerError`] for anything else.
pub fn parse_answer(api: Api, body: &[u8]) -> Result<ModelAnswer, ModelAnswerError> {
    let body: Value = serde_json::from_slice(body).map_err(|error| ModelAnswerError::Json(error.to_string()))?;
    let choice = body.pointer("/choices/0").ok_or(ModelAnswerError::NoText)?;
    let (text, from_reasoning) = match api {
        Api::Completions => (choice.get("text").and_then(Value::as_str).ok_or(ModelAnswerError::NoText)?, false),
        Api::Chat => {
            let message = choice.get("message").and_then(Value::as_object).ok_or(ModelAnswerError::NoText)?;
            let [content, reasoning_content, reasoning] = ["content", "reasoning_content", "reasoning"]
                .map(|key| message.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()));
            match (content, reasoning_content.or(reasoning)) {
                (Some(content), _) => (content, false),
                (None, Some(reasoning)) => (reasoning, true),
                (None, None) => ("", false),
            }
        }
    };
    Ok(ModelAnswer {
        text: text.to_owned(),
        from_reasoning,
        finish_reason: choice.get("finish_reason").and_then(Value::as_str).map(str::to_owned),
        tokens: body.pointer("/usage/completion_tokens").and_then(Value::as_u64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(api: Api, body: &Value) -> Result<(String, bool), ModelAnswerError> {
        parse_answer(api, body.to_string().as_bytes()).map(|answer| (answer.text, answer.from_reasoning))
    }

    #[test]
    fn reasoning_counts_only_where_there_is_nothing_else() {
        let chat = |message: Value| text(Api::Chat, &json!({ "choices": [{ "message": message }] }));
        assert_eq!(
            chat(json!({ "content": "42", "reasoning_content": "hm" })),
            Ok(("42".to_owned(), false))
        );
        assert_eq!(
            chat(json!({ "content": "", "reasoning_content": "hm" })),
            Ok(("hm".to_owned(), true))
        );
        assert_eq!(chat(json!({ "content": null, "reasoning": "hm" })), Ok(("hm".to_owned(), true)));
        assert_eq!(chat(json!({ "content": null })), Ok((String::new(), false)));
        assert_eq!(
            text(Api::Completions, &json!({ "choices": [{ "text": " 42" }] })),
            Ok((" 42".to_owned(), false))
        );
        assert_eq!(text(Api::Chat, &json!({ "choices": [] })), Err(ModelAnswerError::NoText));
        assert!(matches!(parse_answer(Api::Chat, b"<html>"), Err(ModelAnswerError::Json(_))));
    }
}
