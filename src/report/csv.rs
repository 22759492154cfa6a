//! The report for spreadsheets: one line a point, every number with its full digits, units in the heading.

use super::escape;
use super::view::View;
use crate::model::{SeqLens, Workload};
use crate::result::{Metric, Point};

/// The settings, before the metrics.
const SETTINGS: [&str; 14] = [
    "model_prefix",
    "model",
    "hardware",
    "framework",
    "precision",
    "spec_decoding",
    "disagg",
    "isl",
    "osl",
    "layout",
    "gpus",
    "conc",
    "image",
    "failure",
];

/// The report as CSV: seconds, tokens per second, and for a comparison the relative change of each metric and the verdict.
#[must_use]
pub fn csv(view: &View) -> String {
    let compared = view.comparison.is_some();
    let mut text = heading(compared);
    for row in view.groups.iter().flat_map(|group| &group.rows) {
        let mut fields = settings(row.point);
        fields.push(row.failure().unwrap_or_default());
        for metric in Metric::ALL {
            fields.push(row.point.get(metric).map(|value| value.to_string()).unwrap_or_default());
        }
        if compared {
            for metric in Metric::ALL {
                let change = row.compared.and_then(|compared| compared.change(metric));
                fields.push(change.map(|change| change.relative.to_string()).unwrap_or_default());
            }
            fields.push(
                row.compared
                    .map_or_else(String::new, |compared| compared.verdict.as_str().to_owned()),
            );
        }
        push_line(&mut text, fields.iter().map(String::as_str));
    }
    text
}

fn heading(compared: bool) -> String {
    let metrics: Vec<String> = Metric::ALL.iter().map(|metric| column(*metric)).collect();
    let mut names: Vec<String> = SETTINGS.iter().map(|name| (*name).to_owned()).collect();
    names.extend(metrics.iter().cloned());
    if compared {
        names.extend(metrics.iter().map(|name| format!("{name}_change")));
        names.push("verdict".to_owned());
    }
    let mut text = String::new();
    push_line(&mut text, names.iter().map(String::as_str));
    text
}

fn column(metric: Metric) -> String {
    let unit = match metric {
        Metric::ThroughputPerGpu | Metric::OutputThroughputPerGpu | Metric::InputThroughputPerGpu => "tok_per_s",
        Metric::Interactivity => "tok_per_s_per_user",
        Metric::Ttft | Metric::TtftP99 | Metric::Tpot | Metric::E2el | Metric::E2elP99 => "s",
    };
    format!("{}_{unit}", metric.id().replace('-', "_"))
}

fn settings(point: &Point) -> Vec<String> {
    let curve = &point.key.curve;
    let lens = match curve.workload {
        Workload::FixedSeqLen(lens) => Some(lens),
        Workload::AgenticCoding => None,
    };
    let length = |length: fn(SeqLens) -> u32| lens.map(|lens| length(lens).to_string()).unwrap_or_default();
    vec![
        curve.model_prefix.to_string(),
        point.model.clone().unwrap_or_default(),
        curve.runner.to_string(),
        curve.framework.to_string(),
        curve.precision.to_string(),
        curve.spec_decoding.to_string(),
        curve.disagg.to_string(),
        length(|lens| lens.isl.get()),
        length(|lens| lens.osl.get()),
        curve.layout.clone(),
        point.gpus.to_string(),
        point.key.conc.to_string(),
        point.image.clone().unwrap_or_default(),
    ]
}

fn push_line<'a>(text: &mut String, fields: impl Iterator<Item = &'a str>) {
    let fields: Vec<String> = fields.map(escape::csv).collect();
    text.push_str(&fields.join(","));
    text.push('\n');
}
