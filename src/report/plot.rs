//! The data of the HTML report's plots: the points with every number that can be an axis, and the models and workloads, which have
//! plots of their own. The page's script draws them, because readers choose axes and filters.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::columns::{metric_text, metric_title};
use super::economics::{COST_COLUMNS, CostColumn};
use super::throughput_unit::ThroughputUnit;
use super::view::{TableRow, View};
use crate::model::{CurveKey, SpecDecoding};
use crate::result::{Better, Metric, Point};

/// The dimensions that readers can filter by, in order.
pub(super) const DIMENSIONS: [&str; 5] = ["model", "hardware", "framework", "precision", "sequence"];

/// A plot of the page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Plot {
    pub model: String,
    pub sequence: String,
}

/// The values of a dimension, in order.
pub(super) fn values_of(view: &View, dimension: usize) -> Vec<String> {
    let rows = view.groups.iter().flat_map(|group| &group.rows);
    let values: BTreeSet<String> = rows.map(|row| dimensions(row.point)[dimension].clone()).collect();
    values.into_iter().collect()
}

/// The values of [`DIMENSIONS`] of a point.
pub(super) fn dimensions(point: &Point) -> [String; 5] {
    let curve = &point.key.curve;
    [
        curve.model_prefix.to_string(),
        curve.runner.to_string(),
        curve.framework.to_string(),
        curve.precision.to_string(),
        curve.workload.to_string(),
    ]
}

/// The plots of a view, by model and workload, if they have measured points.
pub(super) fn plots(view: &View) -> Vec<Plot> {
    let points = view.run.points.iter().filter(|point| point.measurement().is_some());
    let plots: BTreeSet<Plot> = points
        .map(|point| Plot {
            model: point.key.curve.model_prefix.to_string(),
            sequence: point.key.curve.workload.to_string(),
        })
        .collect();
    plots.into_iter().collect()
}

/// The input of the page's script: the axes, and the points in the order of the tables' rows.
pub(super) fn data(view: &View) -> Value {
    let rows = view.groups.iter().flat_map(|group| &group.rows);
    json!({ "dimensions": DIMENSIONS, "axes": axes(view), "points": rows.map(point).collect::<Vec<_>>() })
}

fn axes(view: &View) -> Vec<Value> {
    let metrics = Metric::ALL.iter().map(|metric| {
        let better = match metric.better() {
            Better::Higher => 1,
            Better::Lower => -1,
        };
        json!({ "id": metric.id(), "title": metric_title(*metric, view.throughput_unit()), "better": better })
    });
    let concurrency = json!({ "id": "conc", "title": "Concurrency", "better": 0 });
    let costs = COST_COLUMNS.iter().filter(|_| view.has_costs);
    let costs = costs.map(|column| json!({ "id": cost_id(*column), "title": column.title(), "better": -1 }));
    metrics.chain([concurrency]).chain(costs).collect()
}

fn cost_id(column: CostColumn) -> &'static str {
    match column {
        CostColumn::Usd => "cost",
        CostColumn::Joules => "energy",
    }
}

/// In the unit of the heading.
fn in_unit(metric: Metric, value: f64) -> f64 {
    match metric {
        Metric::Ttft | Metric::TtftP99 | Metric::Tpot => value * 1000.0,
        Metric::ThroughputPerGpu
        | Metric::OutputThroughputPerGpu
        | Metric::InputThroughputPerGpu
        | Metric::Interactivity
        | Metric::E2el
        | Metric::E2elP99 => value,
    }
}

fn point(row: &TableRow) -> Value {
    let point = row.point;
    let mut values = Map::new();
    let mut base = Map::new();
    let mut intervals = Map::new();
    for metric in Metric::ALL {
        if let Some(value) = point.get(metric) {
            values.insert(metric.id().to_owned(), in_unit(metric, value).into());
        }
        if let Some(interval) = point.interval(metric) {
            let bounds = [in_unit(metric, interval.low), in_unit(metric, interval.high)];
            intervals.insert(metric.id().to_owned(), json!(bounds));
        }
        if let Some(change) = row.compared.and_then(|compared| compared.change(metric)) {
            base.insert(metric.id().to_owned(), in_unit(metric, change.base).into());
        }
    }
    for (column, cost) in COST_COLUMNS.iter().filter_map(|column| Some((column, row.cost.as_ref()?))) {
        values.extend(column.value(cost).map(|value| (cost_id(*column).to_owned(), value.into())));
    }
    if !values.is_empty() {
        values.insert("conc".to_owned(), point.key.conc.get().into());
    }
    if !base.is_empty() {
        base.insert("conc".to_owned(), point.key.conc.get().into());
    }
    json!({
        "in": dimensions(point), "curve": escaped(&label(&point.key.curve)), "name": point.key.to_string(), "conc": point.key.conc.get(),
        "values": values, "base": base, "intervals": intervals, "hover": hover(point), "key": point.key.curve.to_string(),
        "measured": point.measurement().is_some(), "verdict": row.compared.map(|compared| compared.verdict.as_str()),
    })
}

/// The settings that distinguish the curves of a plot.
fn label(curve: &CurveKey) -> String {
    let mut text = format!("{} {} {} {}", curve.runner, curve.framework, curve.precision, curve.layout);
    match curve.spec_decoding {
        SpecDecoding::None => {}
        drafting @ (SpecDecoding::Mtp | SpecDecoding::DraftModel) => text.push_str(&format!(" +{drafting}")),
    }
    if curve.disagg {
        text.push_str(" disagg");
    }
    text
}

fn hover(point: &Point) -> String {
    let unit = ThroughputUnit::of(&point.key.curve.runner);
    let mut lines = vec![match unit {
        ThroughputUnit::Gpu => format!("concurrency {} on {} GPUs", point.key.conc, point.gpus),
        ThroughputUnit::Machine => format!("concurrency {}", point.key.conc),
    }];
    for metric in [
        Metric::ThroughputPerGpu,
        Metric::Interactivity,
        Metric::Ttft,
        Metric::Tpot,
        Metric::E2el,
    ] {
        if let Some(value) = point.get(metric) {
            lines.push(format!("{}: {}", metric_title(metric, unit), metric_text(metric, value)));
        }
    }
    if let Some(image) = &point.image {
        lines.push(escaped(image));
    }
    lines.join("<br>")
}

/// Escapes text for plotly.js, which interprets a few HTML tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
