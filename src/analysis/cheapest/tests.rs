//! Costs, limits and price histories by hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use chrono::DateTime;

use super::*;
use crate::analysis::CostModel;
use crate::result::{Agg, Json};

/// 3.60 $/h today, 7.20 $/h until October: 0.001 $ and 0.002 $ a second.
const YAML: &str = "
facility: { pue: 1.5, carbon_g_per_kwh: 400 }
hardware:
  h200:
    vendor: nvidia
    cost:
      tdp_w: 700
      host_w: 300
      prices:
        - { provider: ours, date: 2026-10-01, usd_per_gpu_hour: 3.60, source: 'https://example.com/prices' }
        - { provider: ours, date: 2026-06-01, usd_per_gpu_hour: 7.20 }
        - { provider: ours, date: 2026-10-01, usd_per_gpu_hour: 1.80, kind: spot }
        - { provider: theirs, date: 2026-10-01, usd_per_gpu_hour: 0.36 }
";

fn model() -> CostModel {
    CostModel::parse(YAML, None).unwrap()
}

/// A deployment of 4 GPUs with a quarter of its tokens as output.
fn point(conc: u32, throughput: f64, ttft_s: f64) -> Point {
    let text = format!(
        r#"{{"hw": "h200", "conc": {conc}, "model": "org/m", "infmax_model_prefix": "m", "framework": "sim", "precision": "fp8",
        "spec_decoding": "none", "disagg": false, "isl": 1024, "osl": 1024, "is_multinode": false, "tp": 4, "ep": 1, "tput_per_gpu": {throughput},
        "output_tput_per_gpu": {}, "p99_ttft": {ttft_s}}}"#,
        throughput / 4.0
    );
    Agg::from_json(Json::parse(&text).unwrap()).unwrap().point().unwrap()
}

fn curve() -> [Point; 3] {
    [point(4, 500.0, 0.1), point(16, 1000.0, 0.4), point(64, 2000.0, 0.9)]
}

fn under(bound: &str, kind: TokenKind) -> CostQuestion {
    CostQuestion {
        slos: vec![format!("ttft:p99<{bound}").parse().unwrap()],
        ..CostQuestion::of(kind)
    }
}

fn close(left: f64, right: f64) -> bool {
    (left / right - 1.0).abs() < 1e-9
}

#[test]
fn cheapest_load_says_what_limits_it() {
    let points = curve();
    let found = cheapest(&points, &under("500", TokenKind::Total), &model());
    let loads: Vec<u32> = found.iter().map(|(point, _)| point.key.conc.get()).collect();
    assert_eq!(loads, [16, 4]);
    let cost = &found[0].1;
    assert!(close(cost.usd_per_million, 1.0), "{cost:?}");
    assert_eq!(cost.limited_by.as_deref(), Some("ttft:p99<500"));
    let objective = &cost.objectives[0];
    assert_eq!((objective.value, objective.bound), (Some(400.0), 500.0));
    assert!(close(objective.headroom.unwrap(), 0.2));
    let next = cost.next.as_ref().unwrap();
    assert_eq!((next.conc, next.missed.as_slice()), (64, ["ttft:p99<500".to_owned()].as_slice()));
    assert!(close(next.usd_per_million, 0.5));
    assert_eq!(found[1].1.next, None, "the next load meets the objective as well");
    assert_eq!(cheapest_of_curves(found).len(), 1);
}

#[test]
fn every_kind_of_token_has_money_and_joules() {
    let points = [point(16, 1000.0, 0.4)];
    for (kind, usd) in [(TokenKind::Total, 1.0), (TokenKind::Output, 4.0), (TokenKind::Input, 4.0 / 3.0)] {
        let found = cheapest(&points, &CostQuestion::of(kind), &model());
        let cost = &found[0].1;
        assert!(close(cost.usd_per_million, usd), "{kind:?}: {cost:?}");
        // 700 W of a GPU for the seconds that this part of a dollar pays for.
        assert!(close(cost.joules_per_million, 700.0 * usd * 1000.0), "{kind:?}: {cost:?}");
        assert!(close(cost.wh_per_million, 1500.0 * usd * 1000.0 / 3600.0), "{kind:?}: {cost:?}");
        assert_eq!(cost.price_source.as_deref(), Some("https://example.com/prices"));
    }
}

#[test]
fn demand_becomes_whole_deployments_and_a_share_of_an_api() {
    let points = [point(16, 1000.0, 0.4)];
    let question = CostQuestion {
        // A deployment serves 4,000 tokens a second, 10.512 billion a month.
        tokens_per_month: Some(10e9),
        utilisation: 0.5,
        api_usd_per_million: Some(2.0),
        ..CostQuestion::of(TokenKind::Total)
    };
    let cost = cheapest(&points, &question, &model()).remove(0).1;
    let fleet = cost.fleet.unwrap();
    assert_eq!((fleet.deployments, fleet.gpus, cost.gpus_for_month), (2.0, 8.0, Some(8.0)));
    assert!(close(fleet.power_kw, 2.0 * 4.0 * 1.5), "{fleet:?}");
    assert!(close(fleet.usd_per_month, 8.0 * 3.6 * 730.0), "{fleet:?}");
    assert!(close(cost.break_even.unwrap().utilisation, 0.5), "{cost:?}");
    let site = CostQuestion {
        power_kw: Some(60.0),
        ..CostQuestion::of(TokenKind::Total)
    };
    let fleet = cheapest(&points, &site, &model()).remove(0).1.fleet.unwrap();
    assert_eq!((fleet.deployments, fleet.users), (10.0, 160.0));
}

#[test]
fn curve_that_misses_an_objective_is_named_with_its_nearest_load() {
    let points = curve();
    let question = under("50", TokenKind::Total);
    assert!(cheapest(&points, &question, &model()).is_empty());
    let found = unreachable(&points, &question.slos);
    assert_eq!(found[0].nearest.key.conc.get(), 4);
    assert!(close(found[0].objectives[0].headroom.unwrap(), -1.0), "twice the bound");
    assert!(unreachable(&points, &under("500", TokenKind::Total).slos).is_empty());
}

#[test]
fn kind_of_price_is_chosen_with_the_provider() {
    let points = [point(16, 1000.0, 0.4)];
    for (provider, kind, usd) in [
        (None, None, Some(1.0)),
        (None, Some(PriceKind::Spot), Some(0.5)),
        (Some("theirs"), None, Some(0.1)),
        (Some("theirs"), Some(PriceKind::Spot), None),
    ] {
        let model = CostModel::parse(YAML, provider).unwrap().with_price_kind(kind);
        let found = cheapest(&points, &CostQuestion::of(TokenKind::Total), &model);
        let cost = found.first().map(|(_, cost)| cost.usd_per_million);
        assert!(
            cost.zip(usd).map_or(cost == usd, |(cost, usd)| close(cost, usd)),
            "{provider:?} {kind:?}: {cost:?}"
        );
    }
}

#[test]
fn past_costs_have_the_price_of_their_day_beside_that_of_today() {
    let at = |run: i64, day: &str, throughput: f64| RunPoint {
        run,
        started: DateTime::parse_from_rfc3339(&format!("{day}T12:00:00Z")).unwrap().to_utc(),
        commit: "c".to_owned(),
        point: point(16, throughput, 0.4),
    };
    let points = [
        at(3, "2026-11-01", 2000.0),
        at(2, "2026-07-01", 1000.0),
        at(2, "2026-07-01", 500.0),
        at(1, "2026-05-01", 1000.0),
    ];
    let found = costs_then(&points, &CostQuestion::of(TokenKind::Total), &model());
    let costs = found.iter().map(|one| {
        let then = one.then.as_ref().map(|price| (price.usd_per_million, price.price_date.as_str()));
        (one.found.run, one.today.usd_per_million, then)
    });
    assert_eq!(
        costs.collect::<Vec<_>>(),
        [
            (1, 1.0, None),
            (2, 1.0, Some((2.0, "2026-06-01"))),
            (3, 0.5, Some((0.5, "2026-10-01")))
        ]
    );
}
