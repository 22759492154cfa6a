//! A raw result and its context to the normalised document. The keys and formulas are those of InferenceX's
//! process_result.py: times become seconds, throughputs are divided by GPUs, and interactivity is the inverse of the
//! time per output token.

use super::agg::{self, Agg};
use super::context::{Gpus, Origin, PointContext};
use super::{Json, Object, number, power};
use crate::matrix::Component;
use crate::model::{Concurrency, Layout, Parallelism, WorkerGroup};

/// Why a raw result has no normalised form.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NormalizeError {
    /// The document is no object.
    #[error("the result is {0}, expected an object with the keys of benchmark_serving.py")]
    NotAnObject(&'static str),
    /// A key is absent.
    #[error("the result has no `{0}`; was it written by a load generator to its end?")]
    Missing(&'static str),
    /// A value is not a number, or not one that makes sense.
    #[error("`{key}` of the result is {found}, expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The result was measured at another concurrency than the row's.
    #[error("the result was measured at concurrency {found}, expected {expected} as the row says")]
    OtherConcurrency {
        /// In the result.
        found: i64,
        /// In the row.
        expected: Concurrency,
    },
    /// No request completed, or none gave a token.
    #[error("the result has {0}: nothing was measured; see the server's log")]
    NothingMeasured(&'static str),
}

impl NormalizeError {
    /// A short name that does not change, for programs that read messages.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnObject(_) => "not-an-object",
            Self::Missing(_) => "missing-field",
            Self::Value { .. } => "wrong-value",
            Self::OtherConcurrency { .. } => "other-concurrency",
            Self::NothingMeasured(_) => "nothing-measured",
        }
    }
}

/// Why numbers of a raw result would mean nothing, though the original takes it: what a row's result is refused for.
#[must_use]
pub fn doubt(raw: &Json) -> Option<NormalizeError> {
    check(raw.as_object()?).err()
}

/// The normalised document of a raw result.
///
/// With a context from a row everything is checked: finite numbers, completed requests, tokens, the concurrency. With
/// one from the environment what the original accepts is accepted.
///
/// # Errors
/// [`NormalizeError`] with the key that is missing or wrong.
pub fn normalize(raw: &Json, context: &PointContext) -> Result<Agg, NormalizeError> {
    let raw = raw.as_object().ok_or(NormalizeError::NotAnObject(raw.kind()))?;
    let conc = concurrency(raw, context.origin)?;
    let own_name = context.model.as_deref().map(Json::from);
    let model = raw.get("model_id").or(own_name.as_ref());
    let model = model.ok_or(NormalizeError::Missing("model_id"))?;
    let mut document = Object::new();
    let mut put = |key: &str, value: Json| drop(document.insert(key.to_owned(), value));

    let curve = &context.curve;
    put("hw", curve.runner.as_str().into());
    put("conc", Json::Integer(conc));
    put("image", context.image.as_str().into());
    put("model", model.clone());
    put("infmax_model_prefix", curve.model_prefix.as_str().into());
    put("framework", curve.framework.as_str().into());
    put("precision", curve.precision.as_str().into());
    put("spec_decoding", curve.spec_decoding.as_str().into());
    put("disagg", curve.disagg.into());
    put(
        "recipe_fingerprint",
        context.recipe_fingerprint.as_deref().unwrap_or_default().into(),
    );
    if let Some(lens) = context.lens {
        put("isl", lens.isl.get().into());
        put("osl", lens.osl.get().into());
    } else {
        put("scenario_type", agg::AGENTIC.into());
    }
    if let Some(router) = &context.router {
        put("router", component(router));
    }
    if let Some(transfer) = &context.kv_p2p_transfer {
        put("kv_p2p_transfer", transfer.as_str().into());
    }
    document.extend(layout(context));
    document.extend(throughput(raw, context.gpus)?);
    for (key, value) in latencies(raw)? {
        document.insert(key, value);
    }
    power::put_unknown(&mut document);

    if let Origin::Row(conc) = context.origin {
        check(raw)?;
        document.insert(agg::OWN_BLOCK.to_owned(), agg::own_block(&context.key(conc), context.gpus, raw));
    }
    Ok(Agg::from_object(document))
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

fn concurrency(raw: &Object, origin: Origin) -> Result<i64, NormalizeError> {
    const KEY: &str = "max_concurrency";
    let value = required(raw, KEY)?;
    let found = number::whole(value).ok_or_else(|| wrong(KEY, value, "a whole number"))?;
    match origin {
        Origin::Row(expected) if found != i64::from(expected.get()) => Err(NormalizeError::OtherConcurrency { found, expected }),
        Origin::Row(_) | Origin::Environment => Ok(found),
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

fn layout(context: &PointContext) -> Vec<(String, Json)> {
    let spelled = |index: usize| Json::from(context.dp_attention.get(index).map_or("false", String::as_str));
    let mut entries = vec![("is_multinode".to_owned(), context.layout.is_multi_node().into())];
    match &context.layout {
        Layout::SingleNode(parallelism) => entries.extend(sizes("", parallelism, spelled(0))),
        Layout::MultiNode { prefill, decode } => {
            let (prefill_gpus, decode_gpus) = match context.gpus {
                Gpus::Together(gpus) => (gpus, 0),
                Gpus::Apart { prefill, decode } => (prefill, decode),
            };
            entries.extend(sizes("prefill_", &prefill.parallelism, spelled(0)));
            entries.push(("prefill_num_workers".to_owned(), prefill.num_worker.into()));
            entries.extend(decode_sizes(decode, decode_gpus, spelled(1)));
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

#[expect(clippy::cast_precision_loss, reason = "numbers of GPUs are far below 2^52")]
fn count(gpus: u64) -> f64 {
    gpus as f64
}

/// Every key that ends in `ms` becomes seconds under its name without `_ms`; every key with `tpot` in it becomes an
/// interactivity, tokens per second of one user.
fn latencies(raw: &Object) -> Result<Vec<(String, Json)>, NormalizeError> {
    let mut entries = Vec::new();
    for (key, value) in raw {
        let name = || key.replace("_ms", "");
        let milliseconds = || number::float(value).ok_or_else(|| wrong(key, value, "a number of milliseconds"));
        if key.ends_with("ms") {
            entries.push((name(), (milliseconds()? / 1000.0).into()));
        }
        if key.contains("tpot") {
            let milliseconds = milliseconds()?;
            if milliseconds == 0.0 {
                return Err(wrong(key, value, "a time above zero"));
            }
            entries.push((name().replace("tpot", "intvty"), (1000.0 / milliseconds).into()));
        }
    }
    Ok(entries)
}

/// What a result of our own must fulfil so that no number in it is silently meaningless.
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
mod tests {
    use super::*;
    use crate::matrix::Row;
    use crate::result::{ContextError, Dialect, Metric};

    const RAW: &str = r#"{"model_id": "org/model", "max_concurrency": 16, "total_token_throughput": 8000, "output_throughput": 2000.0,
        "completed": 160, "num_prompts": 160, "total_output_tokens": 163840, "median_ttft_ms": 250.0, "median_tpot_ms": 20, "burstiness": 1.0}"#;

    fn raw(changes: &[(&str, Json)]) -> Json {
        let Json::Object(mut raw) = Json::parse(RAW).unwrap() else {
            panic!("an object")
        };
        for (key, value) in changes {
            raw.insert((*key).to_owned(), value.clone());
        }
        Json::Object(raw)
    }

    fn row() -> Row {
        serde_json::from_value(serde_json::json!({
            "image": "example/engine:1", "model": "org/model", "model-prefix": "m", "precision": "fp8", "framework": "sim",
            "runner": "h200", "isl": 1024, "osl": 1024, "tp": 4, "ep": 4, "dp-attn": true, "spec-decoding": "mtp",
            "conc": [4, 16], "max-model-len": 2304, "exp-name": "m_1k1k"
        }))
        .unwrap()
    }

    fn from_row() -> PointContext {
        PointContext::from_row(&row(), Concurrency::new(16).unwrap()).unwrap()
    }

    /// A variable and what it becomes.
    type Change<'a> = (&'a str, Option<&'a str>);

    fn environment(changes: &[Change]) -> Result<PointContext, ContextError> {
        let base = "RUNNER_TYPE=h200 FRAMEWORK=sim PRECISION=fp8 SPEC_DECODING=none RESULT_FILENAME=r ISL=1024 OSL=8192 DISAGG=false \
                    MODEL_PREFIX=m IMAGE=i TP=4 EP_SIZE=1 DP_ATTENTION=True";
        let lookup = |name: &str| match changes.iter().find(|(changed, _)| *changed == name) {
            Some((_, value)) => value.map(str::to_owned),
            None => base
                .split(' ')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned),
        };
        PointContext::from_environment(&lookup, Dialect::Current)
    }

    #[test]
    fn a_row_and_its_result_make_a_point_with_the_rows_own_key() {
        let point = normalize(&raw(&[]), &from_row()).unwrap().point().unwrap();
        assert_eq!(point.key, row().point_keys()[1]);
        assert_eq!(point.gpus, 4);
        let expected = [
            (Metric::ThroughputPerGpu, Some(2000.0)),
            (Metric::OutputThroughputPerGpu, Some(500.0)),
            (Metric::InputThroughputPerGpu, Some(1500.0)),
            (Metric::Ttft, Some(0.25)),
            (Metric::Tpot, Some(0.02)),
            (Metric::Interactivity, Some(50.0)),
            (Metric::E2el, None),
        ];
        for (metric, value) in expected {
            assert_eq!(point.get(metric), value, "{metric:?}");
        }
    }

    #[test]
    fn a_foreign_document_gets_the_same_key_from_its_fields() {
        let own = normalize(&raw(&[]), &from_row()).unwrap();
        let Json::Object(mut foreign) = Json::parse(&own.to_pretty()).unwrap() else {
            panic!("an object")
        };
        foreign.shift_remove(agg::OWN_BLOCK);
        assert_eq!(Agg::from_object(foreign).point().unwrap(), own.point().unwrap());
    }

    #[test]
    fn results_of_our_own_are_refused_where_a_number_would_mean_nothing() {
        for (key, value, message) in [
            ("completed", Json::Integer(0), "no completed request"),
            ("total_output_tokens", Json::Integer(0), "no output token"),
            ("max_concurrency", Json::Integer(8), "measured at concurrency 8, expected 16"),
            ("median_ttft_ms", Json::Float(f64::NAN), "`median_ttft_ms` of the result is NaN"),
            ("median_tpot_ms", Json::Integer(0), "expected a time above zero"),
            ("output_throughput", Json::Null, "`output_throughput` of the result is null"),
        ] {
            let error = normalize(&raw(&[(key, value)]), &from_row()).unwrap_err().to_string();
            assert!(error.contains(message), "{key}: {error}");
        }
    }

    #[test]
    fn the_environment_gives_the_originals_document_without_our_block() {
        let odd = raw(&[("max_concurrency", "32".into()), ("total_token_throughput", Json::Float(f64::NAN))]);
        let document = normalize(&odd, &environment(&[]).unwrap()).unwrap().to_pretty();
        assert!(
            document.contains("\"conc\": 32") && document.contains("\"tput_per_gpu\": NaN"),
            "{document}"
        );
        assert!(
            document.contains("\"dp_attention\": \"True\"") && !document.contains("\"imax\""),
            "{document}"
        );
    }

    #[test]
    fn a_prefill_only_deployment_divides_by_all_its_gpus() {
        let variables = "IS_MULTINODE=true PREFILL_GPUS=8 DECODE_GPUS=0 PREFILL_NUM_WORKERS=2 PREFILL_TP=4 PREFILL_EP=1 PREFILL_DP_ATTN=false \
                         DECODE_NUM_WORKERS=0 DECODE_TP=4 DECODE_EP=1 DECODE_DP_ATTN=false";
        let changes: Vec<_> = variables
            .split(' ')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, Some(value)))
            .collect();
        let agg = normalize(&raw(&[]), &environment(&changes).unwrap()).unwrap();
        let point = agg.point().unwrap();
        assert_eq!(point.get(Metric::OutputThroughputPerGpu), Some(250.0));
        assert!(agg.to_pretty().contains("\"decode_tp\": 0"));
    }

    #[test]
    fn says_what_is_wrong_with_the_environment() {
        let cases: [(&[Change], &str); 7] = [
            (&[("IMAGE", None), ("ISL", None)], "lacks ISL, IMAGE"),
            (&[("TP", None)], "lacks TP"),
            (&[("ISL", Some("1k"))], "ISL is \"1k\""),
            (&[("TP", Some("0"))], "TP is \"0\", expected a whole number from 1"),
            (&[("DISAGG", Some("TRUE"))], "DISAGG is true without IS_MULTINODE"),
            (&[("SPEC_DECODING", Some("magic"))], "SPEC_DECODING is \"magic\""),
            (&[("ROUTER_METADATA", Some("{\"name\":\"a\",\"version\":\"\"}"))], "ROUTER_METADATA"),
        ];
        for (changes, message) in cases {
            let error = environment(changes).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
