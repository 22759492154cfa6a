//! A raw result and its context to the normalised document. The keys and formulas are those of InferenceX's
//! process_result.py: times become seconds, throughputs are divided by GPUs, and interactivity is the inverse of the
//! time per output token.

use std::num::NonZeroU32;

use super::agg::{self, Agg};
use super::context::{Gpus, Origin, PointContext};
use super::json::put;
use super::plausibility::{self, Doubt, Figures};
use super::producer::AGGREGATE;
use super::{Json, Object, agentx, number, power};
use crate::matrix::Component;
use crate::model::count;
use crate::model::{Concurrency, Layout, Parallelism, WorkerGroup};

/// Why a raw result has no normalised form.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NormalizeError {
    /// The document is not an object.
    #[error("the result is {0}, expected an object with the keys of benchmark_serving.py")]
    NotAnObject(&'static str),
    /// A key is absent.
    #[error("the result lacks `{0}`; was the load generator stopped before it finished?")]
    Missing(&'static str),
    /// A value is not a number, or not one that makes sense.
    #[error("`{key}` of the result is {found}, expected {expected}")]
    Value {
        key: String,
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The result was measured at another concurrency than the row's.
    #[error("the result was measured at concurrency {found}, expected {expected} from the row")]
    OtherConcurrency { found: i64, expected: Concurrency },
    /// No request completed, or no token was counted.
    #[error("the result has {0}: nothing was measured; see the server's log")]
    NothingMeasured(&'static str),
    /// The figures are impossible, or belong to another load than the requested one.
    #[error("{0}")]
    Implausible(Doubt),
}

/// A normalised document.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalised {
    pub agg: Agg,
    /// Doubts about its figures. With a row they are also in imax's block of the document.
    pub doubts: Vec<Doubt>,
}

impl NormalizeError {
    /// A stable short name, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject(_) => "not-an-object",
            Self::Missing(_) => "missing-field",
            Self::Value { .. } => "wrong-value",
            Self::OtherConcurrency { .. } => "other-concurrency",
            Self::NothingMeasured(_) => "nothing-measured",
            Self::Implausible(doubt) => doubt.code(),
        }
    }
}

/// Why a result with a row is refused although the original tool accepts it; `None` if it passes these checks.
#[must_use]
pub fn doubt(raw: &Json) -> Option<NormalizeError> {
    check(raw.as_object()?).err()
}

/// The normalised document of a raw result.
///
/// With a context from a row everything is checked: finite numbers, completed requests, tokens, the concurrency, and plausibility.
/// With a context from the environment, everything that the original accepts is accepted except negative numbers.
///
/// # Errors
/// [`NormalizeError`] with the key that is missing or wrong.
pub fn normalize(raw: &Json, context: &PointContext) -> Result<Normalised, NormalizeError> {
    let raw = raw.as_object().ok_or(NormalizeError::NotAnObject(raw.kind()))?;
    let figures = Figures::of_raw(raw);
    let mut doubts = plausibility::doubts(&figures);
    let conc = concurrency(raw, context.origin, &mut doubts)?;
    if context.curve.is_profiled() {
        doubts.push(Doubt::Profiled);
    }
    match (context.origin, context.lens) {
        (Origin::Row(_) | Origin::Raw(_), Some(lens)) => {
            doubts.extend(plausibility::lengths(&figures, lens.isl.get(), lens.osl.get()));
        }
        (Origin::Row(_) | Origin::Raw(_), None) | (Origin::Environment, _) => {}
    }
    let own_name = context.model.as_deref().map(Json::from);
    let model = raw.get("model_id").or(own_name.as_ref());
    let model = model.ok_or(NormalizeError::Missing("model_id"))?;
    let mut document = Object::new();

    let curve = &context.curve;
    put(&mut document, "hw", curve.runner.as_str());
    put(&mut document, "conc", Json::Integer(conc));
    put(&mut document, "image", context.image.as_str());
    put(&mut document, "model", model.clone());
    put(&mut document, "infmax_model_prefix", curve.model_prefix.as_str());
    put(&mut document, "framework", curve.framework.as_str());
    put(&mut document, "precision", curve.precision.as_str());
    put(&mut document, "spec_decoding", curve.spec_decoding.as_str());
    put(&mut document, "disagg", curve.disagg);
    put(
        &mut document,
        "recipe_fingerprint",
        context.recipe_fingerprint.as_deref().unwrap_or_default(),
    );
    if let Some(lens) = context.lens {
        put(&mut document, "isl", lens.isl.get());
        put(&mut document, "osl", lens.osl.get());
    } else {
        put(&mut document, "scenario_type", agg::AGENTIC);
    }
    if let Some(router) = &context.router {
        put(&mut document, "router", component(router));
    }
    if let Some(transfer) = &context.kv_p2p_transfer {
        put(&mut document, "kv_p2p_transfer", transfer.as_str());
    }
    document.extend(layout(context));
    document.extend(throughput(raw, context.gpus)?);
    let left_out = match context.origin {
        Origin::Row(_) | Origin::Raw(_) => plausibility::unmeasured(&figures),
        Origin::Environment => Vec::new(),
    };
    for (key, value) in latencies(raw, &left_out)? {
        document.insert(key, value);
    }
    power::put_unknown(&mut document);
    if let Some(Json::Object(aggregate)) = raw.get(AGGREGATE) {
        agentx::complete(&mut document, aggregate);
    }

    match context.origin {
        Origin::Row(conc) | Origin::Raw(conc) => {
            check(raw)?;
            refuse(&doubts, Doubt::is_fatal)?;
            let key = context.key(conc);
            document.insert(agg::OWN_BLOCK.to_owned(), agg::own_block(&key, context.gpus, raw, &doubts));
        }
        Origin::Environment => refuse(&doubts, |doubt| matches!(doubt, Doubt::Negative { .. }))?,
    }
    Ok(Normalised {
        agg: Agg::from_object(document),
        doubts,
    })
}

fn refuse(doubts: &[Doubt], is_refused: impl Fn(&Doubt) -> bool) -> Result<(), NormalizeError> {
    match doubts.iter().find(|doubt| is_refused(doubt)) {
        Some(doubt) => Err(NormalizeError::Implausible(doubt.clone())),
        None => Ok(()),
    }
}

fn required<'a>(raw: &'a Object, key: &'static str) -> Result<&'a Json, NormalizeError> {
    raw.get(key).ok_or(NormalizeError::Missing(key))
}

fn wrong(key: &str, found: &Json, expected: &'static str) -> NormalizeError {
    let found = match found {
        Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => found.kind().to_owned(),
        Json::Integer(_) | Json::Float(_) | Json::Text(_) => found.to_pretty(),
    };
    NormalizeError::Value {
        key: key.to_owned(),
        found,
        expected,
    }
}

fn number(raw: &Object, key: &'static str) -> Result<f64, NormalizeError> {
    let value = required(raw, key)?;
    number::float(value).ok_or_else(|| wrong(key, value, "a number"))
}

/// The measured concurrency. Loads at a rate and some load generators do not report one; then the row's is used, and the result is
/// marked.
fn concurrency(raw: &Object, origin: Origin, doubts: &mut Vec<Doubt>) -> Result<i64, NormalizeError> {
    const KEY: &str = "max_concurrency";
    let expected = match origin {
        Origin::Row(expected) => expected,
        Origin::Raw(conc) => return Ok(conc.get().into()),
        Origin::Environment => {
            let value = required(raw, KEY)?;
            return number::whole(value).ok_or_else(|| wrong(KEY, value, "a whole number"));
        }
    };
    match raw.get(KEY) {
        None | Some(Json::Null) => {
            doubts.push(Doubt::UnknownConcurrency { taken: expected });
            Ok(expected.get().into())
        }
        Some(value) => match number::whole(value) {
            Some(found) if found == i64::from(expected.get()) => Ok(found),
            Some(found) => Err(NormalizeError::OtherConcurrency { found, expected }),
            None => Err(wrong(KEY, value, "a whole number")),
        },
    }
}

fn component(component: &Component) -> Json {
    let mut object = Object::new();
    object.insert("name".to_owned(), component.name.as_str().into());
    if let Some(version) = &component.version {
        object.insert("version".to_owned(), version.as_str().into());
    }
    Json::Object(object)
}

fn dp_attention(context: &PointContext, group: usize) -> Json {
    context.dp_attention.get(group).map_or("false", String::as_str).into()
}

fn layout(context: &PointContext) -> Vec<(String, Json)> {
    let mut entries = vec![("is_multinode".to_owned(), context.layout.is_multi_node().into())];
    match &context.layout {
        Layout::SingleNode(parallelism) => {
            entries.extend(sizes("", parallelism, dp_attention(context, 0)));
            if parallelism.dp_size != NonZeroU32::MIN {
                entries.push(("dp_size".to_owned(), parallelism.dp_size.get().into()));
            }
        }
        Layout::MultiNode { prefill, decode } => {
            let (prefill_gpus, decode_gpus) = match context.gpus {
                Gpus::Together(gpus) => (gpus, 0),
                Gpus::Apart { prefill, decode } => (prefill, decode),
            };
            entries.extend(sizes("prefill_", &prefill.parallelism, dp_attention(context, 0)));
            entries.push(("prefill_num_workers".to_owned(), prefill.num_worker.into()));
            entries.extend(decode_sizes(decode, decode_gpus, dp_attention(context, 1)));
            entries.push(("decode_num_workers".to_owned(), decode.num_worker.into()));
            entries.push(("num_prefill_gpu".to_owned(), prefill_gpus.into()));
            entries.push(("num_decode_gpu".to_owned(), decode_gpus.into()));
            if let (Some(prefill), Some(decode)) = (&prefill.hardware, &decode.hardware) {
                entries.push(("prefill_hw".to_owned(), prefill.as_str().into()));
                entries.push(("decode_hw".to_owned(), decode.as_str().into()));
            }
        }
    }
    entries
}

fn sizes(prefix: &str, parallelism: &Parallelism, dp_attention: Json) -> Vec<(String, Json)> {
    let entries = [
        ("tp", parallelism.tp.get().into()),
        ("pp", parallelism.pp.get().into()),
        ("dcp_size", parallelism.dcp_size.get().into()),
        ("pcp_size", parallelism.pcp_size.get().into()),
        ("ep", parallelism.ep.get().into()),
        ("dp_attention", dp_attention),
    ];
    entries.map(|(key, value)| (format!("{prefix}{key}"), value)).into()
}

/// Decode workers that do not exist have neither TP nor EP, and sizes of one.
fn decode_sizes(group: &WorkerGroup, gpus: u64, dp_attention: Json) -> Vec<(String, Json)> {
    let mut entries = sizes("decode_", &group.parallelism, dp_attention);
    if gpus == 0 {
        for (key, value) in &mut entries {
            match key.as_str() {
                "decode_tp" | "decode_ep" => *value = Json::Integer(0),
                "decode_dp_attention" => {}
                _ => *value = Json::Integer(1),
            }
        }
    }
    entries
}

/// Output tokens belong to the GPUs that generate, input tokens to those that read prompts.
fn throughput(raw: &Object, gpus: Gpus) -> Result<[(String, Json); 3], NormalizeError> {
    let total = number(raw, "total_token_throughput")?;
    let output = number(raw, "output_throughput")?;
    let (all, generating, reading) = match gpus {
        Gpus::Together(gpus) => (gpus, gpus, gpus),
        Gpus::Apart { prefill, decode: 0 } => (prefill, prefill, prefill),
        Gpus::Apart { prefill, decode } => (prefill + decode, decode, prefill),
    };
    Ok([
        ("tput_per_gpu".to_owned(), (total / count(all)).into()),
        ("output_tput_per_gpu".to_owned(), (output / count(generating)).into()),
        ("input_tput_per_gpu".to_owned(), ((total - output) / count(reading)).into()),
    ])
}

/// Every key that ends in `ms` becomes seconds under its name without `_ms`; every key with `tpot` in it becomes an
/// interactivity, tokens per second of one user. Keys of latencies in `left_out` were not measured.
fn latencies(raw: &Object, left_out: &[String]) -> Result<Vec<(String, Json)>, NormalizeError> {
    let mut entries = Vec::new();
    for (key, value) in raw {
        if left_out
            .iter()
            .any(|latency| key.ends_with("_ms") && key.contains(latency.as_str()))
        {
            continue;
        }
        if !key.ends_with("ms") && !key.contains("tpot") {
            continue;
        }
        let name = key.replace("_ms", "");
        let milliseconds = number::float(value).ok_or_else(|| wrong(key, value, "a number of milliseconds"))?;
        if key.ends_with("ms") {
            entries.push((name.clone(), (milliseconds / 1000.0).into()));
        }
        if key.contains("tpot") {
            if milliseconds == 0.0 && key.starts_with("std") {
                // One request, or several equal ones: the deviation is 0 and has no inverse.
                continue;
            }
            if milliseconds == 0.0 {
                return Err(wrong(key, value, "a time above zero"));
            }
            entries.push((name.replace("tpot", "intvty"), (1000.0 / milliseconds).into()));
        }
    }
    Ok(entries)
}

/// Checks of a result with a row, so that none of its numbers is silently meaningless.
fn check(raw: &Object) -> Result<(), NormalizeError> {
    if number(raw, "completed")? < 1.0 {
        return Err(NormalizeError::NothingMeasured("no completed request"));
    }
    if number(raw, "total_output_tokens")? < 1.0 {
        return Err(NormalizeError::NothingMeasured("no output token"));
    }
    if raw.contains_key("total_input_tokens") && number(raw, "total_input_tokens")? < 1.0 {
        return Err(NormalizeError::NothingMeasured("no input token"));
    }
    for (key, value) in raw {
        match value {
            Json::Float(number) if !number.is_finite() => return Err(wrong(key, value, "a finite number")),
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
