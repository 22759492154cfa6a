//! Variation between several runs of one load. The confidence interval of a single run does not include it.

use serde_json::{Map, Value, json};

use super::measured::Measured;
use super::settings::MetricName;
use super::statistics::{Summary, mean};
use crate::model::count;

/// The figures of several runs and their spread: for each figure its values in run order, their mean, sample standard deviation
/// (divisor n - 1), coefficient of variation, minimum and maximum.
#[must_use]
pub fn spread(runs: &[Measured]) -> Value {
    let mut figures = Map::new();
    for (name, value) in FIGURES {
        figures.insert(name.to_owned(), of(&runs.iter().map(value).collect::<Vec<_>>()));
    }
    for metric in MetricName::ALL {
        let name = metric.as_str();
        let summaries: Vec<Summary> = runs.iter().map(|run| run.summary(metric)).collect();
        let means: Vec<f64> = summaries.iter().map(|summary| summary.mean).collect();
        figures.insert(format!("mean_{name}_ms"), of(&means));
        let medians: Vec<f64> = summaries.iter().map(|summary| summary.median).collect();
        figures.insert(format!("median_{name}_ms"), of(&medians));
        let percentiles = runs.first().map_or(&[][..], |run| &run.settings.metric_percentiles);
        for (at, p) in percentiles.iter().enumerate() {
            let values = summaries
                .iter()
                .map(|summary| summary.percentiles.get(at).map_or(0.0, |(_, value)| *value));
            figures.insert(format!("p{p}_{name}_ms"), of(&values.collect::<Vec<f64>>()));
        }
    }
    json!({
        "schema_version": super::measured::SCHEMA_VERSION,
        "runs": runs.len(),
        "valid_runs": runs.iter().filter(|run| run.is_valid()).count(),
        "figures": figures,
    })
}

type Figure = fn(&Measured) -> f64;

const FIGURES: [(&str, Figure); 3] = [
    ("request_throughput", |run| run.throughput().requests),
    ("output_throughput", |run| run.throughput().output_tokens),
    ("total_token_throughput", |run| run.throughput().tokens),
];

fn of(values: &[f64]) -> Value {
    let mean = mean(values);
    let std = sample_std(values, mean);
    json!({
        "mean": mean,
        "std": std,
        "cv": std.filter(|_| mean != 0.0).map(|std| std / mean),
        "min": values.iter().copied().reduce(f64::min),
        "max": values.iter().copied().reduce(f64::max),
        "values": values,
    })
}

/// Sample standard deviation; `None` for fewer than two values.
fn sample_std(values: &[f64], mean: f64) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / count(values.len() - 1)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        let found = of(&[10.0, 12.0, 14.0]);
        assert_eq!(
            (&found["mean"], &found["std"], &found["min"], &found["max"]),
            (&json!(12.0), &json!(2.0), &json!(10.0), &json!(14.0))
        );
        assert_eq!(found["cv"], json!(2.0 / 12.0));
        assert_eq!(of(&[3.0])["std"], Value::Null);
    }
}
