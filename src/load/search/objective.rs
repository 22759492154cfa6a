//! Latency objectives, written as `ttft:p99<500`: the 99th percentile of the time to first token is below 500 ms.

use std::fmt;
use std::str::FromStr;

use crate::load::settings::MetricName;

/// A limit on a statistic of a latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    /// The latency.
    pub metric: MetricName,
    /// Its statistic.
    pub statistic: Statistic,
    /// The limit, milliseconds.
    pub limit_ms: f64,
}

/// The statistic of an objective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// The arithmetic mean.
    Mean,
    /// A percentile, over 0 and under 100.
    Percentile(f64),
}

/// The text is not a valid objective.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid objective {0:?}; expected METRIC:STATISTIC<MILLISECONDS such as ttft:p99<500, with ttft, tpot, itl or e2el, and mean, median or p1 to p99.9"
)]
pub struct ObjectiveError(String);

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let invalid = || ObjectiveError(text.to_owned());
        let (what, limit) = text.split_once('<').ok_or_else(invalid)?;
        let (metric, statistic) = what.split_once(':').ok_or_else(invalid)?;
        let limit = limit.trim_start_matches('=').trim().trim_end_matches("ms");
        let limit_ms: f64 = limit.parse().map_err(|_| invalid())?;
        let statistic = match statistic.trim() {
            "mean" => Statistic::Mean,
            "median" => Statistic::Percentile(50.0),
            other => {
                let percentile = other.strip_prefix('p').and_then(|number| number.parse().ok());
                Statistic::Percentile(percentile.filter(|p: &f64| *p > 0.0 && *p < 100.0).ok_or_else(invalid)?)
            }
        };
        if !(limit_ms > 0.0 && limit_ms.is_finite()) {
            return Err(invalid());
        }
        Ok(Self {
            metric: metric.trim().parse().map_err(|_| invalid())?,
            statistic,
            limit_ms,
        })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.metric.as_str();
        match self.statistic {
            Statistic::Mean => write!(f, "{metric}:mean<{}", self.limit_ms),
            Statistic::Percentile(p) => write!(f, "{metric}:p{p}<{}", self.limit_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn objectives_are_read_and_written() {
        for (text, written) in [
            ("ttft:p99<500", "ttft:p99<500"),
            ("itl:p99.9<=40ms", "itl:p99.9<40"),
            ("e2el:median< 1e3", "e2el:p50<1000"),
            ("tpot:mean<12.5", "tpot:mean<12.5"),
        ] {
            assert_eq!(text.parse::<Objective>().unwrap().to_string(), written);
        }
        for text in [
            "ttft<500",
            "ttft:p99",
            "ttft:p100<5",
            "ttft:p0<5",
            "x:p99<5",
            "ttft:p99<-1",
            "ttft:p99<x",
            "ttft:max<5",
        ] {
            assert!(text.parse::<Objective>().unwrap_err().to_string().contains(text), "{text}");
        }
    }
}
