//! `/tokenize` and `/detokenize`, as vLLM has them (<https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html>): for
//! clients without the tokenizer of the engine.

use serde::Deserialize;
use serde_json::json;

use super::Server;
use crate::load::TokenizerError;
use crate::sim::completion::document_response;

#[derive(Deserialize)]
struct TextRequest {
    prompt: String,
}

#[derive(Deserialize)]
struct IdsRequest {
    tokens: Vec<u32>,
}

impl Server {
    /// The token ids of a text, or the text of token ids.
    pub(super) fn tokenize_or_detokenize(&mut self, at: usize, is_decoding: bool, body: &[u8]) {
        let Some(tokenizer) = &self.options.tokenizer else {
            return self.refuse(at, 404, "this engine counts words; start it with --tokenizer");
        };
        let answer = if is_decoding {
            parsed::<IdsRequest>(body).and_then(|asked| tokenizer.decode(&asked.tokens).map(|text| json!({ "prompt": text })))
        } else {
            parsed::<TextRequest>(body).and_then(|asked| {
                let ids = tokenizer.encode(&asked.prompt)?;
                Ok(json!({ "count": ids.len(), "tokens": ids }))
            })
        };
        match answer {
            Ok(answer) => self.reply(at, &document_response(200, "application/json", &answer.to_string())),
            Err(error) => self.refuse(at, 400, &error.to_string()),
        }
    }
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, TokenizerError> {
    serde_json::from_slice(body).map_err(|error| TokenizerError::Coding(error.to_string()))
}
