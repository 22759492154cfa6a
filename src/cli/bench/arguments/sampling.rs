//! Sampling parameters, with the names of `vllm bench serve`. They become keys of the request's body; `--extra-body` overrides them.

use clap::Args;
use serde_json::{Map, Value};

use super::settings::ArgumentError;
use crate::load::settings::{Protocol, SettingsError};

#[derive(Debug, Args)]
pub struct SamplingArgs {
    /// Sampling temperature; default: 0.
    #[arg(long)]
    temperature: Option<f64>,
    /// Sample from the smallest set of tokens with this total probability (nucleus sampling).
    #[arg(long)]
    top_p: Option<f64>,
    /// Sample from this number of the most likely tokens.
    #[arg(long, allow_negative_numbers = true)]
    top_k: Option<i64>,
    /// Minimum probability of a token, as a fraction of that of the most likely token.
    #[arg(long)]
    min_p: Option<f64>,
    /// Penalty for tokens, proportional to their frequency so far.
    #[arg(long, allow_negative_numbers = true)]
    frequency_penalty: Option<f64>,
    /// Penalty for tokens that have occurred already.
    #[arg(long, allow_negative_numbers = true)]
    presence_penalty: Option<f64>,
    /// Penalty factor for repeated tokens.
    #[arg(long)]
    repetition_penalty: Option<f64>,
    /// Log probabilities to request for each token.
    #[arg(long, value_name = "N")]
    logprobs: Option<u32>,
}

impl SamplingArgs {
    /// The keys of the request's body.
    ///
    /// # Errors
    /// [`SettingsError::Unsupported`] if the protocol has no such parameter.
    pub(super) fn into_body(self, protocol: Protocol, backend: &str) -> Result<Map<String, Value>, ArgumentError> {
        let Self {
            temperature,
            top_p,
            top_k,
            min_p,
            frequency_penalty,
            presence_penalty,
            repetition_penalty,
            logprobs,
        } = self;
        let values: [(&str, Option<Value>); 7] = [
            ("temperature", temperature.map(Value::from)),
            ("top_p", top_p.map(Value::from)),
            ("top_k", top_k.map(Value::from)),
            ("min_p", min_p.map(Value::from)),
            ("frequency_penalty", frequency_penalty.map(Value::from)),
            ("presence_penalty", presence_penalty.map(Value::from)),
            ("repetition_penalty", repetition_penalty.map(Value::from)),
        ];
        let named = values.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut body: Map<String, Value> = named.collect();
        match protocol {
            Protocol::Completions => {
                body.extend(logprobs.map(|count| ("logprobs".to_owned(), count.into())));
            }
            Protocol::ChatCompletions => {
                if let Some(count) = logprobs {
                    body.insert("logprobs".to_owned(), true.into());
                    body.insert("top_logprobs".to_owned(), count.into());
                }
            }
            Protocol::SglangGenerate | Protocol::TritonGenerate if logprobs.is_some() => {
                let backend = backend.to_owned();
                let why = "use --extra-body with the engine's own key";
                let asked = "--logprobs";
                return Err(SettingsError::Unsupported { asked, backend, why }.into());
            }
            Protocol::SglangGenerate if !body.is_empty() => {
                body = Map::from_iter([("sampling_params".to_owned(), Value::Object(body))]);
            }
            Protocol::SglangGenerate | Protocol::TritonGenerate => {}
        }
        Ok(body)
    }
}
