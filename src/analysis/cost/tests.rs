//! Costs computed by hand, and refused input.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use super::*;
use crate::analysis::{BestBy, Run, Slo, best_points};
use crate::result::{Agg, Json};

const YAML: &str = "
facility: { pue: 1.5, carbon_g_per_kwh: 400 }
hardware:
  h200:
    vendor: nvidia
    peak_tflops: { fp8: 1979 }
    hbm_gb: 141
    hbm_gb_per_s: 4800
    cost:
      tdp_w: 700
      host_w: 300
      prices:
        - { provider: ours, date: 2026-11-01, usd_per_gpu_hour: 3.60 }
        - { provider: theirs, date: 2026-10-01, usd_per_gpu_hour: 7.20 }
";

fn point(hardware: &str, conc: u32, more: &str) -> Point {
    let text = format!(
        r#"{{"hw": "{hardware}", "conc": {conc}, "model": "org/m", "infmax_model_prefix": "m", "framework": "sim", "precision": "fp8",
        "spec_decoding": "none", "disagg": false, "isl": 1024, "osl": 1024, "is_multinode": false, "tp": 4, "ep": 1, "tput_per_gpu": 1000.0,
        "output_tput_per_gpu": 250.0 {more}}}"#
    );
    Agg::from_json(Json::parse(&text).unwrap()).unwrap().point().unwrap()
}

fn close(left: f64, right: f64) -> bool {
    (left / right - 1.0).abs() < 1e-9
}

#[test]
fn cost_per_million_tokens_follows_from_throughput_and_price() {
    let cost = CostModel::parse(YAML, None).unwrap().of(&point("cluster:h200-nvl", 4, "")).unwrap();
    // 3.60 $/h is 0.001 $/s; a GPU needs 1000 s for a million tokens.
    assert!(close(cost.total.usd, 1.0), "{cost:?}");
    assert!(
        close(cost.output.unwrap().usd, 4.0) && close(cost.input.unwrap().usd, 4.0 / 3.0),
        "{cost:?}"
    );
    // (700 + 300) W times 1.5 for 1000 s.
    assert!(close(cost.total.wh, 1_500_000.0 / 3600.0), "{cost:?}");
    assert!(close(cost.total.gco2, cost.total.wh * 0.4), "{cost:?}");
    assert!(close(cost.joules_per_output_token.unwrap(), 2.8), "{cost:?}");
    assert_eq!(cost.power_source, PowerSource::Tdp);
}

#[test]
fn measured_power_takes_precedence_over_tdp() {
    let cost = CostModel::parse(YAML, Some("theirs"))
        .unwrap()
        .of(&point("h200", 4, r#", "avg_power_w": 500.0"#))
        .unwrap();
    assert_eq!((cost.power_source, cost.gpu_power_w), (PowerSource::Measured, 500.0));
    assert!(close(cost.total.usd, 2.0) && close(cost.total.wh, 1_200_000.0 / 3600.0), "{cost:?}");
}

#[test]
fn missing_cost_has_a_reason() {
    let model = CostModel::parse(YAML, None).unwrap();
    let gap = model.of(&point("mi300x", 4, "")).unwrap_err().to_string();
    assert_eq!(gap, "no cost: mi300x is not in hardware.yaml, which has h200");
    let error = CostModel::parse(YAML, Some("nobody")).unwrap_err().to_string();
    assert_eq!(error, "unknown provider \"nobody\"; there are prices of ours, theirs");
    for (from, to) in [
        ("pue: 1.5", "pue: 0.9"),
        ("3.60", "-1"),
        ("tdp_w: 700", "tdp_w: .nan"),
        ("host_w", "hots_w"),
    ] {
        assert!(CostModel::parse(&YAML.replace(from, to), None).is_err(), "{to}");
    }
}

#[test]
fn hardware_file_of_this_repository_is_valid() {
    CostModel::parse(include_str!("../../../configs/hardware.yaml"), None).unwrap();
}

#[test]
fn best_point_meets_all_objectives() {
    let points = vec![
        point("h200", 4, r#", "p99_ttft": 0.2"#),
        point("h200", 8, r#", "p99_ttft": 0.6"#),
        point("h200", 16, ""),
    ];
    let run = Run { points, ..Run::default() };
    let model = CostModel::parse(YAML, None).unwrap();
    let slo: Slo = "ttft:p99<500".parse().unwrap();
    let best = best_points(&run, std::slice::from_ref(&slo), BestBy::Cost, &model);
    let (found, usd) = best[0].point.unwrap();
    assert_eq!((found.key.conc.get(), best[0].meeting, best[0].of), (4, 1, 3));
    assert!(close(usd, 1.0));
    let none = best_points(&run, &["ttft:p99<100ms".parse().unwrap()], BestBy::Throughput, &model);
    assert!(none[0].point.is_none());
}

#[test]
fn objectives_are_parsed_or_refused() {
    for text in ["ttft:p99<500", "e2el:median<=2000ms", "tpot:mean<20", "interactivity:p50>30"] {
        assert!(text.parse::<Slo>().is_ok(), "{text}");
    }
    for text in [
        "ttft<500",
        "ttft:p99>500",
        "ttft:p98<1",
        "interactivity:p50<30",
        "ttft:p99<x",
        "ttft:p99<-1",
        "",
    ] {
        assert!(text.parse::<Slo>().is_err(), "{text}");
    }
}
