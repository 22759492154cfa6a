//! The plan of a run: every request as bytes, and the instants at which they are to be sent. Made before the clock
//! starts; the driver only carries it out.

use std::num::NonZeroU32;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::settings::Arrival;

/// A request ready to be written to a socket.
#[derive(Clone)]
pub struct PreparedRequest {
    /// Head and body; may hold an API key.
    pub bytes: Box<[u8]>,
    /// Prompt length, tokens.
    pub prompt_tokens: u32,
    /// Output length asked for, tokens.
    pub output_tokens: u32,
}

/// The bytes may hold a key and are long, so they are not shown.
impl std::fmt::Debug for PreparedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedRequest")
            .field("bytes", &self.bytes.len())
            .field("prompt_tokens", &self.prompt_tokens)
            .field("output_tokens", &self.output_tokens)
            .finish()
    }
}

/// What the driver carries out.
#[derive(Debug)]
pub struct Plan {
    /// The requests, in the order of their sending.
    pub requests: Vec<PreparedRequest>,
    /// When they are sent.
    pub schedule: Schedule,
    /// Most requests under way at once.
    pub max_concurrency: NonZeroU32,
    /// Keep the texts of chunks that come without usage.
    pub keep_texts: bool,
}

/// When requests are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Closed loop: each as soon as a slot is free.
    Closed,
    /// Open loop: request `i` at `offsets[i]` after the start, or later where no slot is free.
    Open(Vec<Duration>),
}

impl Schedule {
    /// The schedule of an arrival process for that many requests.
    #[must_use]
    pub fn new(arrival: &Arrival, requests: usize, seed: u64) -> Self {
        match arrival.request_rate {
            None => Self::Closed,
            Some(rate) => Self::Open(offsets(rate, arrival.burstiness, requests, seed)),
        }
    }
}

/// The random stream of arrivals, apart from those of the prompts.
const ARRIVAL_STREAM: u64 = u64::MAX - 1;

/// Absolute send times. The intervals are gamma distributed with mean `1 / rate` and shape `burstiness`, as in
/// benchmark_serving.py, except that an infinite shape gives a constant interval.
fn offsets(rate: f64, burstiness: f64, requests: usize, seed: u64) -> Vec<Duration> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(ARRIVAL_STREAM);
    let mut at = 0.0;
    (0..requests)
        .map(|_| {
            let offset = Duration::from_secs_f64(at);
            let interval = if burstiness.is_infinite() {
                1.0
            } else {
                gamma(burstiness, &mut random) / burstiness
            };
            at += interval / rate;
            offset
        })
        .collect()
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

/// Box and Muller's transform.
fn standard_normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::statistics::{count, mean};

    fn intervals(burstiness: f64) -> Vec<f64> {
        let offsets = offsets(50.0, burstiness, 40_001, 3);
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
        assert_eq!(Schedule::new(&Arrival::default(), 5, 0), Schedule::Closed);
    }
}
