//! The registry of metrics: title, unit, direction and formula of each number of a point. Axes, tables and exports of the dashboards are made
//! from it, so that a new column appears everywhere by one line here.

use serde::Serialize;

use crate::analysis::{INTERVAL_COLUMNS, METRIC_COLUMNS, value_columns};
use crate::model::{Better, Metric};

/// A number of a point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct MetricDescription {
    /// The column of `/api/v1/points`.
    pub column: &'static str,
    /// The metric of `/api/v1/series` and `/api/v1/compare` that this column is the usual value of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<&'static str>,
    pub title: String,
    /// The unit of the shown number.
    pub unit: &'static str,
    /// The shown number is the stored one times this.
    pub scale: f64,
    /// Which direction is better, for numbers that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub better: Option<&'static str>,
    pub formula: &'static str,
    /// `ci_low_…` and `ci_high_…` with this ending are the 95 % interval. Intervals are those of means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<&'static str>,
}

/// Title, unit, scale, direction and formula.
struct Quantity(&'static str, &'static str, f64, Option<Better>, &'static str);

/// Quantities of which a point has several statistics, by the ending of their columns.
const OF_REQUESTS: [(&str, Quantity); 5] = [
    (
        "ttft",
        Quantity("TTFT", "ms", 1e3, Some(Better::Lower), "time from the request to its first token"),
    ),
    (
        "tpot",
        Quantity(
            "TPOT",
            "ms",
            1e3,
            Some(Better::Lower),
            "(E2E latency - TTFT) / (output tokens - 1), per request",
        ),
    ),
    (
        "intvty",
        Quantity("Interactivity", "tok/s/user", 1.0, Some(Better::Higher), "1 / TPOT"),
    ),
    (
        "itl",
        Quantity("ITL", "ms", 1e3, Some(Better::Lower), "time between two events of the stream"),
    ),
    (
        "e2el",
        Quantity(
            "E2E latency",
            "s",
            1.0,
            Some(Better::Lower),
            "time from the request to its last token",
        ),
    ),
];

const STATISTICS: [(&str, &str); 7] = [
    ("mean", "mean"),
    ("median", "median"),
    ("std", "standard deviation"),
    ("p90", "p90"),
    ("p95", "p95"),
    ("p99", "p99"),
    ("p99.9", "p99.9"),
];

/// Quantities of a whole point, by column.
const OF_POINTS: [(&str, Quantity); 16] = [
    (
        "tput_per_gpu",
        Quantity(
            "Throughput per GPU",
            "tok/s/GPU",
            1.0,
            Some(Better::Higher),
            "(input + output tokens) / duration / GPUs",
        ),
    ),
    (
        "output_tput_per_gpu",
        Quantity(
            "Output throughput per GPU",
            "tok/s/GPU",
            1.0,
            Some(Better::Higher),
            "output tokens / duration / GPUs that generate",
        ),
    ),
    (
        "input_tput_per_gpu",
        Quantity(
            "Input throughput per GPU",
            "tok/s/GPU",
            1.0,
            Some(Better::Higher),
            "input tokens / duration / GPUs that process prompts",
        ),
    ),
    (
        "avg_power_w",
        Quantity(
            "Power per GPU",
            "W",
            1.0,
            Some(Better::Lower),
            "mean over the measurement and the GPUs",
        ),
    ),
    (
        "avg_total_gpu_power_w",
        Quantity("Power of all GPUs", "W", 1.0, None, "sum over the GPUs, mean over the measurement"),
    ),
    (
        "total_gpu_energy_j",
        Quantity("GPU energy", "J", 1.0, None, "GPU power integrated over the measurement"),
    ),
    (
        "joules_per_successful_query",
        Quantity(
            "Energy per request",
            "J",
            1.0,
            Some(Better::Lower),
            "GPU energy / successful requests",
        ),
    ),
    (
        "joules_per_input_token",
        Quantity(
            "Energy per input token",
            "J/tok",
            1.0,
            Some(Better::Lower),
            "GPU energy / input tokens",
        ),
    ),
    (
        "joules_per_output_token",
        Quantity(
            "Energy per output token",
            "J/tok",
            1.0,
            Some(Better::Lower),
            "GPU energy / output tokens",
        ),
    ),
    (
        "joules_per_total_token",
        Quantity(
            "Energy per token",
            "J/tok",
            1.0,
            Some(Better::Lower),
            "GPU energy / (input + output tokens)",
        ),
    ),
    (
        "avg_temp_c",
        Quantity("GPU temperature", "°C", 1.0, None, "mean over the measurement"),
    ),
    (
        "peak_temp_c",
        Quantity("GPU temperature, peak", "°C", 1.0, None, "largest sample of the measurement"),
    ),
    (
        "avg_util_pct",
        Quantity("GPU utilisation", "%", 1.0, None, "mean over the measurement"),
    ),
    (
        "avg_mem_used_mb",
        Quantity("GPU memory", "MB", 1.0, None, "mean over the measurement"),
    ),
    (
        "mean_qps",
        Quantity(
            "QPS",
            "req/s",
            1.0,
            Some(Better::Higher),
            "requests of replayed sessions per second",
        ),
    ),
    (
        "server_overall_cache_hit_rate",
        Quantity(
            "Cache hits",
            "%",
            100.0,
            Some(Better::Higher),
            "prompt tokens from any cache of the engine / prompt tokens, of replayed sessions",
        ),
    ),
];

/// All metrics, in the order of the API's columns.
pub(super) fn metric_registry() -> Vec<MetricDescription> {
    METRIC_COLUMNS.into_iter().filter_map(describe).collect()
}

/// The description of a column; `None` for one that is no metric.
pub(super) fn describe(column: &'static str) -> Option<MetricDescription> {
    let own = OF_POINTS.iter().find(|(known, _)| *known == column);
    if let Some((_, quantity)) = own {
        return Some(description(column, quantity, quantity.0.to_owned(), quantity.3));
    }
    let (statistic, ending) = column.split_once('_')?;
    let (_, words) = STATISTICS.iter().find(|(known, _)| *known == statistic)?;
    let (_, quantity) = OF_REQUESTS.iter().find(|(known, _)| *known == ending)?;
    let better = quantity.3.filter(|_| statistic != "std");
    Some(description(column, quantity, format!("{}, {words}", quantity.0), better))
}

fn description(column: &'static str, quantity: &Quantity, title: String, better: Option<Better>) -> MetricDescription {
    let Quantity(_, unit, scale, _, formula) = *quantity;
    let metric = Metric::ALL.into_iter().find(|metric| value_columns(*metric).1 == column);
    let interval = INTERVAL_COLUMNS.iter().find(|(metric, _)| value_columns(*metric).0 == column);
    MetricDescription {
        column,
        metric: metric.map(Metric::id),
        title,
        unit,
        scale,
        better: better.map(Better::id),
        formula,
        interval: interval.map(|(_, ending)| *ending),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_numbers_is_described() {
        let described: Vec<&str> = metric_registry().iter().map(|metric| metric.column).collect();
        assert_eq!(described, METRIC_COLUMNS);
    }

    #[test]
    fn direction_agrees_with_that_of_comparisons() {
        for metric in Metric::ALL {
            let described = describe(value_columns(metric).1);
            let better = described.as_ref().and_then(|described| described.better);
            assert_eq!(better, Some(metric.better().id()), "{metric:?}");
            assert_eq!(described.and_then(|described| described.metric), Some(metric.id()));
        }
    }

    #[test]
    fn intervals_belong_to_means() {
        let columns = metric_registry().into_iter().filter(|metric| metric.interval.is_some());
        let columns: Vec<&str> = columns.map(|metric| metric.column).collect();
        assert_eq!(columns, ["tput_per_gpu", "mean_ttft", "mean_tpot", "mean_intvty", "mean_e2el"]);
    }
}
