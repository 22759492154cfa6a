//! Points of raw results without a matrix row, to compare two runs of a load generator. What a raw result does not contain (hardware,
//! precision, GPUs) is unknown, and throughput is that of the whole server.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use super::normalize::{Normalised, NormalizeError, normalize};
use super::producer::{ProducerError, RawResult, read_results};
use super::{Agg, AggError, Json, JsonError, Origin, PointContext, number};
use crate::model::{Concurrency, CurveKey, Layout, NameError, Parallelism, SeqLens, SpecDecoding, Workload};

/// Hardware and precision of a point without a row.
pub const UNKNOWN: &str = "unknown";

/// Why a file has no points.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RawPointError {
    #[error("{0}")]
    Producer(#[from] ProducerError),
    #[error("{0}")]
    Result(#[from] NormalizeError),
    #[error("{0}")]
    Name(#[from] NameError),
    #[error("{0}")]
    Document(#[from] AggError),
}

impl RawPointError {
    /// Whether the file was not written by a load generator.
    #[must_use]
    pub fn is_of_no_producer(&self) -> bool {
        match self {
            Self::Producer(ProducerError::Unknown | ProducerError::Json(_) | ProducerError::Yaml(_) | ProducerError::Empty) => true,
            Self::Producer(ProducerError::Line { .. } | ProducerError::Value { .. } | ProducerError::Concurrency { .. })
            | Self::Result(_)
            | Self::Name(_)
            | Self::Document(_) => false,
        }
    }
}

impl From<JsonError> for RawPointError {
    fn from(error: JsonError) -> Self {
        Self::Producer(error.into())
    }
}

/// The normalised documents of a file of any load generator, one for each of its loads, with the concurrency or rate of each.
///
/// # Errors
/// [`RawPointError`], also where the figures of one cannot be true.
pub fn raw_documents(text: &str) -> Result<Vec<Agg>, RawPointError> {
    read_results(text)?.iter().map(document).collect()
}

/// The normalised document of one raw result of imax, which need not be in a file.
///
/// # Errors
/// [`RawPointError`].
pub fn raw_document(raw: serde_json::Value) -> Result<Agg, RawPointError> {
    document(&RawResult::of_imax(raw.into()))
}

fn document(raw: &RawResult) -> Result<Agg, RawPointError> {
    let (context, conc) = describe(&raw.document)?;
    let context = PointContext {
        origin: Origin::Raw(conc),
        ..context
    };
    let Normalised { agg, .. } = normalize(&raw.document, &context)?;
    Ok(agg)
}

fn describe(raw: &Json) -> Result<(PointContext, Concurrency), RawPointError> {
    let completed = amount(raw, "completed").unwrap_or(1.0);
    let [isl, osl] = ["total_input_tokens", "total_output_tokens"].map(|key| whole(amount(raw, key).unwrap_or(1.0) / completed));
    let lens = SeqLens { isl, osl };
    let layout = Layout::SingleNode(one_gpu());
    let model = text(raw, "model_id").map(str::to_owned);
    let short = model.as_deref().and_then(|name| name.trim_end_matches('/').rsplit('/').next());
    let engine = text(raw, "backend").or_else(|| text(raw, "endpoint_type")).unwrap_or(UNKNOWN);
    let rate = amount(raw, "request_rate");
    let mut curve = CurveKey {
        model_prefix: short.filter(|name| !name.is_empty()).unwrap_or(UNKNOWN).parse()?,
        precision: UNKNOWN.parse()?,
        runner: UNKNOWN.parse()?,
        framework: match rate {
            // Loads at several rates are not points of one curve over concurrency.
            Some(rate) => format!("{engine} at {rate} req/s").parse()?,
            None => engine.parse()?,
        },
        spec_decoding: SpecDecoding::None,
        disagg: false,
        workload: Workload::FixedSeqLen(lens),
        layout: layout.to_string(),
        variant: BTreeMap::new(),
    };
    if is_profiled(raw) {
        curve.set_profiled();
    }
    let in_flight = completed * amount(raw, "mean_e2el_ms").or_else(|| amount(raw, "median_e2el_ms")).unwrap_or(0.0) / 1000.0;
    // Without a limit of the requests in flight: their mean number by Little's law.
    let conc = amount(raw, "max_concurrency").unwrap_or_else(|| in_flight / amount(raw, "duration").unwrap_or(1.0));
    let context = PointContext::unknown(curve, model, lens, layout);
    Ok((context, whole(conc)))
}

/// Whether imax's load generator says that the server's profiler ran.
fn is_profiled(raw: &Json) -> bool {
    let codes = raw.get("imax").and_then(|block| block.get("validity"));
    match codes {
        Some(Json::List(codes)) => codes.iter().any(|code| code.as_text() == Some("profiled")),
        Some(_) | None => false,
    }
}

fn text<'a>(raw: &'a Json, key: &str) -> Option<&'a str> {
    raw.get(key).and_then(Json::as_text).filter(|text| !text.is_empty())
}

/// A number greater than zero.
fn amount(raw: &Json, key: &str) -> Option<f64> {
    raw.get(key)
        .and_then(number::float)
        .filter(|value| value.is_finite() && *value > 0.0)
}

fn one_gpu() -> Parallelism {
    let one = NonZeroU32::MIN;
    Parallelism {
        tp: one,
        pp: one,
        dcp_size: one,
        pcp_size: one,
        ep: one,
        dp_attn: false,
        dp_size: one,
    }
}

/// The nearest whole number from 1.
fn whole(number: f64) -> NonZeroU32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is limited")]
    let nearest = number.round().clamp(1.0, f64::from(u32::MAX)) as u32;
    NonZeroU32::new(nearest).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::model::Metric;

    const VLLM: &str = r#"{"backend": "openai", "model_id": "org/Model-7B", "request_rate": "inf", "max_concurrency": 4, "num_prompts": 16,
        "completed": 16, "duration": 0.5, "total_input_tokens": 1030, "total_output_tokens": 256, "request_throughput": 32.0,
        "output_throughput": 512.0, "total_token_throughput": 2572.0, "mean_ttft_ms": 45.0, "median_ttft_ms": 44.0,
        "mean_tpot_ms": 3.1, "median_tpot_ms": 3.0, "mean_e2el_ms": 92.0, "median_e2el_ms": 90.0}"#;

    #[test]
    fn raw_result_is_a_point_of_unknown_hardware() {
        let point = raw_documents(VLLM).unwrap()[0].point().unwrap();
        let curve = &point.key.curve;
        let names = [
            curve.model_prefix.as_str(),
            curve.runner.as_str(),
            curve.precision.as_str(),
            curve.framework.as_str(),
        ];
        assert_eq!(names, ["Model-7B", UNKNOWN, UNKNOWN, "openai"]);
        assert_eq!((curve.workload.to_string().as_str(), point.key.conc.get()), ("64_16", 4));
        assert_eq!(
            (point.get(Metric::ThroughputPerGpu), point.get(Metric::Ttft)),
            (Some(2572.0), Some(0.044))
        );
    }

    #[test]
    fn loads_at_several_rates_are_several_curves() {
        let at = |rate: &str| {
            VLLM.replace("\"inf\"", rate)
                .replace("\"max_concurrency\": 4", "\"max_concurrency\": null")
        };
        let keys: Vec<_> = ["4", "8"]
            .iter()
            .map(|rate| raw_documents(&at(rate)).unwrap()[0].point().unwrap().key)
            .collect();
        assert_ne!(keys[0].curve, keys[1].curve);
        assert_eq!(keys[0].conc.get(), 3, "16 requests of 92 ms in half a second");
    }

    #[test]
    fn files_of_no_load_generator_are_told_from_broken_ones() {
        for text in ["{}", "[1]", "", "not json"] {
            assert!(raw_documents(text).unwrap_err().is_of_no_producer(), "{text}");
        }
        let negative = VLLM.replace("\"median_ttft_ms\": 44.0", "\"median_ttft_ms\": -44.0");
        let error = raw_documents(&negative).unwrap_err();
        assert!(
            !error.is_of_no_producer() && error.to_string().contains("median_ttft_ms"),
            "{error}"
        );
    }
}
