//! The tokenizer of the server itself, through its `/tokenize` and `/detokenize`. vLLM and SGLang take `prompt`, llama.cpp's server takes
//! `content`; each ignores the other's key, so one request serves all of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::load::tokens::Coder;
use crate::load::{BenchmarkSettings, Target, TokenizerError, request};
use crate::system::cancellation::Cancellation;
use crate::system::http_client::{Question, send_blocking};
use crate::system::tls::TlsClient;

/// Timeout of one request.
const LIMIT: Duration = Duration::from_secs(60);

/// A server that encodes and decodes.
pub(super) struct ServerTokenizer {
    target: Target,
    tls: Option<TlsClient>,
    model: String,
    headers: Vec<(String, String)>,
    stop: Cancellation,
}

impl ServerTokenizer {
    /// The tokenizer of the server that is loaded. It is tried on one word.
    ///
    /// # Errors
    /// What the server answered instead of tokens.
    pub fn connect(settings: &BenchmarkSettings, tls: Option<TlsClient>, stop: &Cancellation) -> Result<Self, TokenizerError> {
        let headers = request::headers(settings).map(|(name, value)| (name.to_owned(), value));
        let server = Self {
            target: settings.target.clone(),
            tls,
            model: settings.request_model().to_owned(),
            headers: headers.collect(),
            stop: stop.clone(),
        };
        let ids = server.encode(" word")?;
        server.decode(&ids)?;
        Ok(server)
    }

    /// The URL at which it encodes.
    pub fn url(&self) -> String {
        self.target.url_of(&format!("{}/tokenize", self.target.base_path))
    }

    fn ask(&self, path: &str, body: &Value) -> Result<Value, TokenizerError> {
        let path = format!("{}{path}", self.target.base_path);
        let headers: Vec<(&str, String)> = self.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let json = body.to_string();
        let question = Question {
            json: Some(&json),
            headers: &headers,
            tls: self.tls.as_ref(),
            unix_socket: self.target.unix_socket.as_deref(),
            proxy: self.target.proxy.as_ref(),
            ..Question::get(&self.target.host, self.target.port, &path)
        };
        let answer = send_blocking(&question, LIMIT, self.stop.cancelled()).map_err(|error| self.failed(&path, &error.to_string()))?;
        if answer.status != 200 {
            return Err(self.failed(&path, &format!("answered with status {}", answer.status)));
        }
        serde_json::from_slice(&answer.body).map_err(|error| self.failed(&path, &format!("did not answer with JSON: {error}")))
    }

    fn failed(&self, path: &str, problem: &str) -> TokenizerError {
        TokenizerError::Coding(format!("{} {problem}", self.target.url_of(path)))
    }
}

impl Coder for ServerTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let body = json!({
            "model": self.model, "prompt": text, "content": text, "add_special_tokens": false, "add_special": false,
        });
        let answer = self.ask("/tokenize", &body)?;
        let tokens = answer.get("tokens").and_then(Value::as_array).into_iter().flatten();
        let ids: Option<Vec<u32>> = tokens.map(|id| u32::try_from(id.as_u64()?).ok()).collect();
        match ids {
            Some(ids) if !ids.is_empty() || text.is_empty() => Ok(ids),
            Some(_) | None => Err(self.failed("/tokenize", "answered without `tokens`, a list of ids")),
        }
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let answer = self.ask("/detokenize", &json!({ "model": self.model, "tokens": ids }))?;
        let text = ["prompt", "text", "content"].into_iter().find_map(|key| answer.get(key)?.as_str());
        text.map(str::to_owned)
            .ok_or_else(|| self.failed("/detokenize", "answered without `prompt`, `text` or `content`"))
    }
}
