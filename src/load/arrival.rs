//! Arrival process of a load: closed loop, open loop at a fixed rate, or a ramp. The send times of an open loop are computed before
//! the run starts, so a late send does not delay later ones.

use std::num::NonZeroU32;
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use super::shard::Shard;

/// Settings of the arrival process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// Maximum number of concurrent requests; `None`: no limit.
    pub max_concurrency: Option<NonZeroU32>,
    /// Requests per second; `None`: closed loop, each request is sent as soon as a slot is free.
    pub request_rate: Option<f64>,
    /// A rate that changes during the run; replaces `request_rate`.
    pub ramp: Option<Ramp>,
    /// Shape of the gamma distribution of the intervals between sends. 1: Poisson process; above 1: more regular; below 1: bursts;
    /// infinity: constant interval.
    pub burstiness: f64,
}

impl Default for Arrival {
    fn default() -> Self {
        Self {
            max_concurrency: None,
            request_rate: None,
            ramp: None,
            burstiness: 1.0,
        }
    }
}

/// A rate that goes from one value to another over the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    /// How the rate changes from `from` to `to`.
    pub kind: RampKind,
    /// Rate at the start, requests per second; above 0.
    pub from: f64,
    /// Rate at the end, requests per second; above 0.
    pub to: f64,
}

/// How the rate of a ramp changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RampKind {
    /// By a constant amount per unit of progress.
    Linear,
    /// By a constant factor per unit of progress.
    Exponential,
}

impl Ramp {
    /// The rate, requests per second, when the fraction `progress` (0 to 1) of the run is over.
    #[must_use]
    pub fn rate(&self, progress: f64) -> f64 {
        match self.kind {
            RampKind::Linear => self.from + (self.to - self.from) * progress,
            RampKind::Exponential => self.from * (self.to / self.from).powf(progress),
        }
    }
}

/// What ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// A number of requests.
    Requests(usize),
    /// How long requests are sent.
    Time(Duration),
}

/// The send times of a run, computed from an [`Arrival`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Closed loop: each request is sent as soon as a slot is free.
    Closed,
    /// Open loop: request `i` is sent `offsets[i]` after the start, or later if no slot is free then.
    Open(Vec<Duration>),
}

impl Schedule {
    /// The schedule of an arrival process up to a limit.
    #[must_use]
    pub fn new(arrival: &Arrival, limit: Limit, seed: u64) -> Self {
        let rate: Box<dyn Fn(f64) -> f64> = match (arrival.ramp, arrival.request_rate) {
            (Some(ramp), _) => Box::new(move |progress| ramp.rate(progress)),
            (None, Some(rate)) => Box::new(move |_| rate),
            (None, None) => return Self::Closed,
        };
        Self::Open(offsets(&rate, arrival.burstiness, limit, seed))
    }

    /// The part of the schedule that a shard sends.
    #[must_use]
    pub fn part(self, shard: Shard) -> Self {
        match self {
            Self::Closed => Self::Closed,
            Self::Open(offsets) => Self::Open(shard.select(offsets).collect()),
        }
    }

    /// Mean rate of the schedule, requests per second; `None` for a closed loop and for fewer than two requests.
    #[must_use]
    pub fn mean_rate(&self) -> Option<f64> {
        match self {
            Self::Closed => None,
            Self::Open(offsets) => {
                let time = offsets.last()?.saturating_sub(*offsets.first()?).as_secs_f64();
                (time > 0.0).then(|| crate::model::count(offsets.len() - 1) / time)
            }
        }
    }
}

/// ChaCha stream of the arrival intervals; prompts use other streams of the same seed.
const ARRIVAL_STREAM: u64 = u64::MAX - 1;
/// Maximum number of requests in a schedule: the prompts of more would not fit in memory.
const MOST_REQUESTS: usize = 10_000_000;

/// Send times since the start of the run. The intervals are gamma distributed with mean `1 / rate` and shape `burstiness`, as in
/// benchmark_serving.py, except that an infinite shape gives a constant interval. `rate` takes the fraction of the run that is
/// over, by number of requests or by time.
fn offsets(rate: &dyn Fn(f64) -> f64, burstiness: f64, limit: Limit, seed: u64) -> Vec<Duration> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(ARRIVAL_STREAM);
    let mut at = 0.0;
    let mut offsets = Vec::new();
    while offsets.len() < MOST_REQUESTS {
        let progress = match limit {
            Limit::Requests(requests) if offsets.len() >= requests => break,
            Limit::Requests(requests) => crate::model::count(offsets.len()) / crate::model::count(requests),
            // The sum of the intervals may fall short of the duration by a rounding error, which would add one more request.
            Limit::Time(time) if at + 1e-9 >= time.as_secs_f64() => break,
            Limit::Time(time) => at / time.as_secs_f64(),
        };
        offsets.push(Duration::from_secs_f64(at));
        let interval = if burstiness.is_infinite() {
            1.0
        } else {
            gamma(burstiness, &mut random) / burstiness
        };
        at += interval / rate(progress);
    }
    offsets
}

/// A gamma variate of the given shape and scale 1: Marsaglia and Tsang, "A simple method for generating gamma variables",
/// ACM TOMS 26 (2000); for shapes below 1 with their boost by a power of a uniform variate.
fn gamma(shape: f64, random: &mut ChaCha8Rng) -> f64 {
    if shape < 1.0 {
        let uniform: f64 = 1.0 - random.random::<f64>();
        return gamma(shape + 1.0, random) * uniform.powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let normal = standard_normal(random);
        let v = (1.0 + c * normal).powi(3);
        if v <= 0.0 {
            continue;
        }
        let uniform: f64 = 1.0 - random.random::<f64>();
        if uniform.ln() < 0.5 * normal * normal + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

/// A standard normal variate by the Box-Muller transform.
fn standard_normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::load::statistics::mean;
    use crate::model::count;

    fn intervals(burstiness: f64) -> Vec<f64> {
        let offsets = offsets(&|_| 50.0, burstiness, Limit::Requests(40_001), 3);
        offsets.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
    }

    #[test]
    fn intervals_have_the_mean_and_the_spread_of_their_gamma() {
        for burstiness in [0.5, 1.0, 4.0] {
            let intervals = intervals(burstiness);
            let mean = mean(&intervals);
            let variance = intervals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count(intervals.len());
            // The coefficient of variation of a gamma distribution is 1 / sqrt(shape).
            let variation = variance.sqrt() / mean;
            assert!((mean * 50.0 - 1.0).abs() < 0.03, "{burstiness}: mean {mean}");
            assert!(
                (variation * burstiness.sqrt() - 1.0).abs() < 0.05,
                "{burstiness}: variation {variation}"
            );
        }
    }

    #[test]
    fn infinite_burstiness_is_a_constant_interval() {
        assert!(intervals(f64::INFINITY).iter().all(|x| (x - 0.02).abs() < 1e-6));
    }

    #[test]
    fn no_rate_is_a_closed_loop() {
        let schedule = Schedule::new(&Arrival::default(), Limit::Requests(5), 0);
        assert_eq!((schedule.mean_rate(), schedule), (None, Schedule::Closed));
    }

    #[test]
    fn ramps_go_from_one_rate_to_the_other_by_number_and_by_time() {
        for (kind, middle) in [(RampKind::Linear, 55.0), (RampKind::Exponential, 31.62)] {
            let arrival = Arrival {
                ramp: Some(Ramp {
                    kind,
                    from: 10.0,
                    to: 100.0,
                }),
                burstiness: f64::INFINITY,
                ..Arrival::default()
            };
            for limit in [Limit::Requests(2000), Limit::Time(Duration::from_secs(40))] {
                let Schedule::Open(offsets) = Schedule::new(&arrival, limit, 0) else {
                    panic!("a ramp is an open loop");
                };
                let rate = |at: usize| 1.0 / (offsets[at + 1] - offsets[at]).as_secs_f64();
                let half = match limit {
                    Limit::Requests(_) => offsets.len() / 2,
                    Limit::Time(time) => offsets.partition_point(|at| *at < time / 2),
                };
                for (at, expected) in [(0, 10.0), (half, middle), (offsets.len() - 2, 100.0)] {
                    assert!((rate(at) / expected - 1.0).abs() < 0.02, "{kind:?} {limit:?} at {at}: {}", rate(at));
                }
            }
        }
    }

    #[test]
    fn a_schedule_by_time_ends_with_it() {
        let arrival = Arrival {
            request_rate: Some(20.0),
            burstiness: f64::INFINITY,
            ..Arrival::default()
        };
        let schedule = Schedule::new(&arrival, Limit::Time(Duration::from_secs(3)), 0);
        let Schedule::Open(offsets) = &schedule else {
            panic!("a rate is an open loop");
        };
        assert_eq!(offsets.len(), 60);
        assert!((schedule.mean_rate().unwrap_or(0.0) - 20.0).abs() < 1e-6);
    }
}
