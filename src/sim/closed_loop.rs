//! What the statistics of a closed loop do from run to run, on the scheduler alone: the engine is the same in every run and the requests
//! are, only the client's and the network's delays differ, by a millisecond or two as on a busy machine.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

use super::Presets;
use super::features::Features;
use super::model::{Deployment, Parallel};
use super::pace::Emission;
use super::scheduler::{Batching, Job};
use crate::model::count;

const CONCURRENCY: usize = 16;
const REQUESTS: u64 = 64;
/// The longest delay between an answer and the next request's arrival, seconds.
const DELAY_S: f64 = 0.002;

fn engine() -> Batching {
    let presets = Presets::built_in().unwrap();
    let (gpu, model, engine) = (
        presets.hardware("h100").unwrap(),
        presets.model("demo").unwrap(),
        presets.engine("imax-sim:1.0").unwrap(),
    );
    let deployment = Deployment::new(gpu, model, engine, "fp8", Parallel::of(1)).unwrap();
    Batching::new(deployment, Features::default(), 0)
}

/// Prompts and answers of 80 to 100 % of 256 and 64 tokens, the same in every run.
fn jobs() -> VecDeque<Job> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let jobs = (0..REQUESTS).map(|id| Job {
        id,
        prompt: random.random_range(205..=256),
        output: random.random_range(51..=64),
    });
    jobs.collect()
}

/// The TTFT of every request of one run, seconds, ascending.
fn run(seed: u64) -> Vec<f64> {
    let (mut engine, mut waiting) = (engine(), jobs());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut delay = || Duration::from_secs_f64(DELAY_S * random.random::<f64>());
    let mut arrivals: Vec<Duration> = (0..CONCURRENCY).map(|_| delay()).collect();
    let mut arrived: BTreeMap<u64, Duration> = BTreeMap::new();
    let mut ttft = Vec::new();
    loop {
        arrivals.sort();
        let step = engine.next_event();
        match (arrivals.first().copied(), waiting.front().copied()) {
            (Some(at), Some(job)) if step.is_none_or(|step| at <= step) => {
                arrivals.remove(0);
                waiting.pop_front();
                arrived.insert(job.id, at);
                engine.admit(job, Vec::new(), at);
            }
            _ => {
                let Some(step) = step else { break };
                let mut emitted: Vec<Emission> = Vec::new();
                engine.advance(step, |emission| emitted.push(emission));
                for emission in emitted {
                    if emission.token == 1 {
                        ttft.push((emission.due - arrived[&emission.id]).as_secs_f64());
                    }
                    if emission.is_last {
                        arrivals.push(emission.due + delay());
                    }
                }
            }
        }
    }
    ttft.sort_by(f64::total_cmp);
    ttft
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len())
}

/// The coefficient of variation.
fn variation(values: &[f64]) -> f64 {
    let middle = mean(values);
    let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
    (squares / count(values.len() - 1)).sqrt() / middle
}

/// The median is the TTFT of whichever requests happen to be in the middle, which share a prefill or do not; the mean has all of them.
#[test]
fn mean_ttft_of_an_unchanged_engine_varies_far_less_than_its_median() {
    let runs: Vec<Vec<f64>> = (0..100).map(run).collect();
    assert!(runs.iter().all(|run| run.len() == 64));
    let means = variation(&runs.iter().map(|run| mean(run)).collect::<Vec<_>>());
    let medians = variation(&runs.iter().map(|run| f64::midpoint(run[31], run[32])).collect::<Vec<_>>());
    assert!(means < 0.006 && medians > 3.0 * means, "mean {means:.4}, median {medians:.4}");
}
