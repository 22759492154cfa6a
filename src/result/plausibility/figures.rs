//! The numbers of a raw or normalised result that are checked against each other.

use crate::result::{Json, Object, number};

/// The counts and times of a load; `None` for those that the load generator does not report.
#[derive(Debug, Clone, Default)]
pub(in crate::result) struct Figures<'a> {
    /// Successful requests.
    pub(super) completed: Option<f64>,
    /// Requests that failed.
    pub(super) failed: Option<f64>,
    /// Requests that were requested; `None` if the load was limited by time.
    pub(super) requested: Option<f64>,
    pub(super) output_tokens: Option<f64>,
    pub(super) duration_s: Option<f64>,
    /// Requests that may be in flight at once.
    pub(super) max_concurrency: Option<f64>,
    /// Whether each request was sent as soon as another one ended, so that `max_concurrency` were in flight all the time.
    pub(super) is_closed_loop: bool,
    pub(super) is_cancelled: bool,
    /// All amounts other than latencies, with their keys; none may be negative.
    pub(super) amounts: Vec<(&'a str, f64)>,
    pub(super) latencies: Vec<Latency<'a>>,
}

/// One latency, such as `ttft`.
#[derive(Debug, Clone)]
pub(super) struct Latency<'a> {
    pub(super) name: &'a str,
    pub(super) statistics: Vec<Figure<'a>>,
}

/// One statistic of a latency.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure<'a> {
    pub(super) key: &'a str,
    pub(super) statistic: Statistic,
    /// In the unit of the document.
    pub(super) value: f64,
    pub(super) seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    Mean,
    Deviation,
    /// A quantile, 0 to 1; the median is 0.5.
    Quantile(f64),
}

/// Keys of a raw result that hold an amount.
const AMOUNTS: [&str; 12] = [
    "duration",
    "completed",
    "failed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "input_throughput",
    "output_throughput",
    "total_token_throughput",
    "request_goodput",
    "max_output_tokens_per_s",
    "max_concurrent_requests",
];
/// Keys of a normalised result that hold an amount.
const NORMALISED_AMOUNTS: [&str; 3] = ["tput_per_gpu", "output_tput_per_gpu", "input_tput_per_gpu"];
/// The latencies of a normalised result; its other numbers have statistics in their names, too.
const NORMALISED_LATENCIES: [&str; 5] = ["ttft", "tpot", "itl", "e2el", "e2e_latency"];

fn finite(raw: &Object, key: &str) -> Option<f64> {
    raw.get(key).and_then(number::float).filter(|value| value.is_finite())
}

impl<'a> Figures<'a> {
    /// The figures of a raw result with the keys of benchmark_serving.py.
    pub(in crate::result) fn of_raw(raw: &'a Object) -> Self {
        let own = raw.get("imax");
        let rate = raw.get("request_rate");
        let mut figures = Self {
            completed: finite(raw, "completed"),
            failed: finite(raw, "failed").or_else(|| own?.get("failed")?.as_number()),
            // imax counts distinct prompts here where the load has a duration.
            requested: finite(raw, "num_prompts").filter(|asked| *asked > 0.0 && own.is_none()),
            output_tokens: finite(raw, "total_output_tokens"),
            duration_s: finite(raw, "duration"),
            max_concurrency: finite(raw, "max_concurrency"),
            // imax also writes no rate for conversations with pauses and for recorded arrivals.
            is_closed_loop: own.is_none() && rate.is_some_and(|rate| number::float(rate) == Some(f64::INFINITY)),
            is_cancelled: raw.get("cancelled") == Some(&Json::Bool(true)),
            amounts: AMOUNTS.iter().filter_map(|key| Some((*key, finite(raw, key)?))).collect(),
            latencies: Vec::new(),
        };
        for (key, value) in raw {
            // Values that are not numbers are refused later, when times are converted.
            let found = key.strip_suffix("_ms").zip(number::float(value));
            if let Some((name, value)) = found {
                figures.add(key, name, value, value / 1000.0, &[]);
            }
        }
        figures
    }

    /// The figures of a normalised result.
    pub(in crate::result) fn of_normalised(numbers: impl Iterator<Item = (&'a str, f64)>) -> Self {
        let mut figures = Self::default();
        for (key, value) in numbers {
            if NORMALISED_AMOUNTS.contains(&key) {
                figures.amounts.push((key, value));
            } else {
                figures.add(key, key, value, value, &NORMALISED_LATENCIES);
            }
        }
        figures
    }

    /// Adds a number whose name is that of a statistic and a latency, one of `known` unless that is empty.
    fn add(&mut self, key: &'a str, name: &'a str, value: f64, seconds: f64, known: &[&str]) {
        let Some((latency, statistic)) = split(name).filter(|(latency, _)| known.is_empty() || known.contains(latency)) else {
            return;
        };
        if !value.is_finite() {
            return;
        }
        let figure = Figure {
            key,
            statistic,
            value,
            seconds,
        };
        match self.latencies.iter_mut().find(|known| known.name == latency) {
            Some(known) => known.statistics.push(figure),
            None => self.latencies.push(Latency {
                name: latency,
                statistics: vec![figure],
            }),
        }
    }

    pub(super) fn latency(&self, names: &[&str]) -> Option<&Latency<'a>> {
        self.latencies.iter().find(|latency| names.contains(&latency.name))
    }

    /// Output tokens of a successful request.
    pub(super) fn mean_output(&self) -> Option<f64> {
        let completed = self.completed.filter(|count| *count > 0.0)?;
        Some(self.output_tokens? / completed)
    }
}

impl<'a> Latency<'a> {
    pub(super) fn get(&self, statistic: Statistic) -> Option<&Figure<'a>> {
        self.statistics.iter().find(|figure| figure.statistic == statistic)
    }

    pub(super) fn mean(&self) -> Option<&Figure<'a>> {
        self.get(Statistic::Mean)
    }

    pub(super) fn median(&self) -> Option<&Figure<'a>> {
        self.get(Statistic::Quantile(0.5))
    }

    /// The representative value: the mean, else the median.
    pub(super) fn typical(&self) -> Option<&Figure<'a>> {
        self.mean().or_else(|| self.median())
    }

    /// All statistics except the standard deviation, which is not a value of the latency.
    pub(super) fn values(&self) -> impl Iterator<Item = &Figure<'a>> {
        self.statistics.iter().filter(|figure| figure.statistic != Statistic::Deviation)
    }

    /// Quantiles in ascending order of their share.
    pub(super) fn quantiles(&self) -> Vec<(f64, &Figure<'a>)> {
        let mut found: Vec<(f64, &Figure<'a>)> = self
            .statistics
            .iter()
            .filter_map(|figure| match figure.statistic {
                Statistic::Quantile(share) => Some((share, figure)),
                Statistic::Mean | Statistic::Deviation => None,
            })
            .collect();
        found.sort_by(|left, right| left.0.total_cmp(&right.0));
        found
    }
}

/// Latency and statistic of a name such as `median_ttft`, or `ttft_p50` of some load generators.
fn split(name: &str) -> Option<(&str, Statistic)> {
    let before = name.split_once('_').and_then(|(word, rest)| Some((rest, statistic(word)?)));
    before.or_else(|| name.rsplit_once('_').and_then(|(rest, word)| Some((rest, statistic(word)?))))
}

fn statistic(word: &str) -> Option<Statistic> {
    match word {
        "mean" | "avg" => Some(Statistic::Mean),
        "std" => Some(Statistic::Deviation),
        "median" => Some(Statistic::Quantile(0.5)),
        "min" => Some(Statistic::Quantile(0.0)),
        "max" => Some(Statistic::Quantile(1.0)),
        _ => {
            let percent: f64 = word.strip_prefix('p')?.parse().ok()?;
            (0.0..=100.0).contains(&percent).then_some(Statistic::Quantile(percent / 100.0))
        }
    }
}
