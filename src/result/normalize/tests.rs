//! Raw results: normalised and refused ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

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
fn point_keeps_the_key_of_its_row() {
    let point = normalize(&raw(&[]), &from_row()).unwrap().agg.point().unwrap();
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
fn document_of_another_tool_gets_the_same_key() {
    let own = normalize(&raw(&[]), &from_row()).unwrap().agg;
    let Json::Object(mut foreign) = Json::parse(&own.to_pretty()).unwrap() else {
        panic!("an object")
    };
    foreign.shift_remove(agg::OWN_BLOCK);
    assert_eq!(Agg::from_object(foreign).point().unwrap(), own.point().unwrap());
}

#[test]
fn imax_results_with_meaningless_numbers_are_refused() {
    for (key, value, message) in [
        ("completed", Json::Integer(0), "no completed request"),
        ("total_output_tokens", Json::Integer(0), "no output token"),
        ("max_concurrency", Json::Integer(8), "measured at concurrency 8, expected 16"),
        ("median_ttft_ms", Json::Float(f64::NAN), "`median_ttft_ms` of the result is NaN"),
        (
            "median_tpot_ms",
            Json::Integer(-1),
            "`median_tpot_ms` is -1, expected a number from 0",
        ),
        ("num_prompts", Json::Integer(10_240), "only 160 of 10240 requests completed"),
        ("output_throughput", Json::Null, "`output_throughput` of the result is null"),
    ] {
        let error = normalize(&raw(&[(key, value)]), &from_row()).unwrap_err().to_string();
        assert!(error.contains(message), "{key}: {error}");
    }
}

#[test]
fn environment_yields_the_original_document_without_imax_block() {
    let odd = raw(&[("max_concurrency", "32".into()), ("total_token_throughput", Json::Float(f64::NAN))]);
    let document = normalize(&odd, &environment(&[]).unwrap()).unwrap().agg.to_pretty();
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
fn prefill_only_deployment_divides_by_all_gpus() {
    let variables = "IS_MULTINODE=true PREFILL_GPUS=8 DECODE_GPUS=0 PREFILL_NUM_WORKERS=2 PREFILL_TP=4 PREFILL_EP=1 PREFILL_DP_ATTN=false \
                     DECODE_NUM_WORKERS=0 DECODE_TP=4 DECODE_EP=1 DECODE_DP_ATTN=false";
    let changes: Vec<_> = variables
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, Some(value)))
        .collect();
    let agg = normalize(&raw(&[]), &environment(&changes).unwrap()).unwrap().agg;
    let point = agg.point().unwrap();
    assert_eq!(point.get(Metric::OutputThroughputPerGpu), Some(250.0));
    assert!(agg.to_pretty().contains("\"decode_tp\": 0"));
}

#[test]
fn invalid_environment_variables_are_named() {
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

#[test]
fn zeros_that_stand_for_no_measurement_are_left_out_and_marked() {
    let found = normalize(&raw(&[("median_ttft_ms", Json::Integer(0))]), &from_row()).unwrap();
    assert_eq!(found.doubts.iter().map(Doubt::code).collect::<Vec<_>>(), ["placeholder-zero"]);
    let point = found.agg.point().unwrap();
    assert_eq!((point.get(Metric::Ttft), point.get(Metric::Tpot)), (None, Some(0.02)));
    assert_eq!(found.agg.doubts(), ["placeholder-zero"]);
    // The original's document keeps the zero; readers of the point do not get it as a number.
    let foreign = normalize(&raw(&[("median_ttft_ms", Json::Integer(0))]), &environment(&[]).unwrap())
        .unwrap()
        .agg;
    assert!(foreign.to_pretty().contains("\"median_ttft\": 0.0"), "{}", foreign.to_pretty());
    assert_eq!(foreign.point().unwrap().get(Metric::Ttft), None);
    assert_eq!(foreign.doubts(), ["placeholder-zero"]);
}

#[test]
fn result_without_concurrency_takes_the_rows_and_is_marked() {
    let found = normalize(&raw(&[("max_concurrency", Json::Null)]), &from_row()).unwrap();
    assert_eq!(found.agg.doubts(), ["concurrency-unknown"]);
    assert!(normalize(&raw(&[("max_concurrency", Json::Null)]), &environment(&[]).unwrap()).is_err());
}

#[test]
fn data_parallel_replicas_count_as_gpus() {
    for (changes, gpus, layout) in [
        (
            &[("TP", Some("1")), ("DP_SIZE", Some("8")), ("DP_ATTENTION", Some("false"))][..],
            8,
            "tp1-dp8",
        ),
        (
            &[("TP", Some("2")), ("DP_SIZE", Some("4")), ("DP_ATTENTION", Some("false"))],
            8,
            "tp2-dp4",
        ),
        // Ranks of data-parallel attention share the GPUs of TP if TP is as large.
        (
            &[("TP", Some("8")), ("DP_SIZE", Some("8")), ("DP_ATTENTION", Some("true"))],
            8,
            "tp8-dpa",
        ),
        (
            &[("TP", Some("1")), ("DP_SIZE", Some("8")), ("DP_ATTENTION", Some("true"))],
            8,
            "tp1-dp8-dpa",
        ),
        (&[("DP_SIZE", Some("1"))], 4, "tp4-dpa"),
    ] {
        let context = environment(changes).unwrap();
        assert_eq!(
            (context.gpus, context.curve.layout.as_str()),
            (Gpus::Together(gpus), layout),
            "{changes:?}"
        );
        let agg = normalize(&raw(&[]), &context).unwrap().agg;
        let point = agg.point().unwrap();
        assert_eq!(point.gpus, gpus, "{changes:?}: {}", agg.to_pretty());
    }
    assert!(
        environment(&[("DP_SIZE", Some("eight"))])
            .unwrap_err()
            .to_string()
            .contains("DP_SIZE is \"eight\"")
    );
    let mut row = serde_json::to_value(row()).unwrap();
    (row["tp"], row["dp-size"], row["dp-attn"]) = (1.into(), 8.into(), false.into());
    let row: Row = serde_json::from_value(row).unwrap();
    assert_eq!(serde_json::to_value(&row).unwrap()["dp-size"], 8);
    let context = PointContext::from_row(&row, Concurrency::new(16).unwrap()).unwrap();
    assert_eq!(context.gpus, Gpus::Together(8));
}
