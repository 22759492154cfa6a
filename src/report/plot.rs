//! The plots of the HTML report as values for plotly.js: throughput per GPU against interactivity, one plot a model and
//! workload, one line a curve.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::columns::{metric_text, metric_title};
use super::view::View;
use crate::analysis::PointComparison;
use crate::model::{CurveKey, SpecDecoding, Workload};
use crate::result::{Metric, Point};

/// A plot.
#[derive(Debug)]
pub(super) struct Plot {
    /// The model's short name.
    pub model_prefix: String,
    /// What the requests look like.
    pub workload: Workload,
    /// Traces and axes for plotly.js; colours of the page are set by the page.
    pub figure: Value,
}

/// Ten colours that also people who see fewer of them tell apart (Okabe and Ito's, and two between), on light and on dark.
const COLOURS: [&str; 10] = [
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b59f00", "#7f7fff", "#8c6d31", "#999999",
];
const SYMBOLS: [&str; 6] = ["circle", "square", "diamond", "triangle-up", "cross", "star"];

const X: Metric = Metric::Interactivity;
const Y: Metric = Metric::ThroughputPerGpu;

/// The plots of a view, by model and workload. A case without measured points has none.
pub(super) fn plots(view: &View) -> Vec<Plot> {
    let mut curves: BTreeMap<(&str, Workload), BTreeMap<&CurveKey, Vec<&Point>>> = BTreeMap::new();
    for point in view
        .run
        .points
        .iter()
        .filter(|point| point.get(X).is_some() && point.get(Y).is_some())
    {
        let curve = &point.key.curve;
        let plot = curves.entry((curve.model_prefix.as_str(), curve.workload)).or_default();
        plot.entry(curve).or_default().push(point);
    }
    let plots = curves.into_iter();
    let plots = plots.map(|((model_prefix, workload), curves)| Plot {
        model_prefix: model_prefix.to_owned(),
        workload,
        figure: figure(&curves, view),
    });
    plots.collect()
}

fn figure(curves: &BTreeMap<&CurveKey, Vec<&Point>>, view: &View) -> Value {
    let mut traces = Vec::new();
    for (index, (curve, points)) in curves.iter().enumerate() {
        let look = Look {
            colour: COLOURS[index % COLOURS.len()],
            symbol: SYMBOLS[(index / COLOURS.len()) % SYMBOLS.len()],
        };
        let name = escaped(&label(curve));
        let before: Vec<_> = points.iter().filter_map(|point| view.comparison?.point(&point.key)).collect();
        traces.extend(base_trace(&name, &before, look));
        traces.push(head_trace(&name, points, look));
    }
    json!({
        "data": traces,
        "layout": {
            "xaxis": { "title": { "text": metric_title(X) }, "rangemode": "tozero" },
            "yaxis": { "title": { "text": metric_title(Y) }, "rangemode": "tozero" },
            "margin": { "l": 70, "r": 20, "t": 20, "b": 60 },
            "hovermode": "closest",
            "legend": { "orientation": "h", "y": -0.18 },
        },
    })
}

#[derive(Clone, Copy)]
struct Look {
    colour: &'static str,
    symbol: &'static str,
}

fn head_trace(name: &str, points: &[&Point], look: Look) -> Value {
    let values = |metric| points.iter().filter_map(|point| point.get(metric)).collect::<Vec<f64>>();
    let hover: Vec<String> = points.iter().map(|point| hover(point)).collect();
    let numbers: Vec<String> = points.iter().map(|point| point.key.conc.to_string()).collect();
    json!({
        "type": "scatter", "mode": "lines+markers+text", "name": name, "legendgroup": name, "textposition": "top right",
        "textfont": { "size": 10 }, "x": values(X), "y": values(Y), "text": numbers, "hovertext": hover, "hovertemplate": format!("<b>{name}</b><br>%{{hovertext}}<extra></extra>"),
        "line": { "color": look.colour, "width": 2 }, "marker": { "color": look.colour, "symbol": look.symbol, "size": 9 },
    })
}

/// The same curve in the base, dotted; none where no point has one.
fn base_trace(name: &str, before: &[&PointComparison], look: Look) -> Option<Value> {
    let values = |metric| {
        before
            .iter()
            .filter_map(|point| Some(point.change(metric)?.base))
            .collect::<Vec<f64>>()
    };
    let (x, y) = (values(X), values(Y));
    if x.is_empty() || x.len() != y.len() {
        return None;
    }
    Some(json!({
        "type": "scatter", "mode": "lines+markers", "name": format!("{name} (base)"), "legendgroup": name, "showlegend": false,
        "x": x, "y": y, "hovertemplate": format!("<b>{name}</b> in the base<br>%{{x:.3s}} · %{{y:.4s}}<extra></extra>"), "opacity": 0.55,
        "line": { "color": look.colour, "width": 1.5, "dash": "dot" }, "marker": { "color": look.colour, "symbol": format!("{}-open", look.symbol), "size": 7 },
    }))
}

/// What tells the curves of one plot apart.
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
    let mut lines = vec![format!("concurrency {} on {} GPUs", point.key.conc, point.gpus)];
    for metric in [Y, X, Metric::Ttft, Metric::Tpot, Metric::E2el] {
        if let Some(value) = point.get(metric) {
            lines.push(format!("{}: {}", metric_title(metric), metric_text(metric, value)));
        }
    }
    if let Some(image) = &point.image {
        lines.push(escaped(image));
    }
    lines.join("<br>")
}

/// plotly.js understands a few HTML tags in texts.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
