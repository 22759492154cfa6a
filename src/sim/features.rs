//! What an engine does besides plain batching, as probabilities and factors of its steps: noise, prefix caching, speculative decoding.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;

/// Speculative decoding: a draft proposes tokens, and the model accepts the first of them that it would have chosen itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speculation {
    /// Tokens that the draft proposes in each step.
    pub tokens: u32,
    /// Probability that one of them is accepted if all before it were, 0 to 1.
    pub acceptance: f64,
    /// Time that each of them adds, as a share of the step.
    pub draft_share: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Features {
    /// Standard deviation of a step's time, as a share of it.
    pub jitter: f64,
    /// Whether prompts are kept in a prefix cache.
    pub prefix_cache: bool,
    /// Speculative decoding, if enabled.
    pub speculation: Option<Speculation>,
}

impl Features {
    /// Tokens that a decoding request adds to a step: the proposed ones and the last one.
    #[must_use]
    pub fn tokens_in_step(&self) -> u32 {
        1 + self.speculation.map_or(0, |speculation| speculation.tokens)
    }

    /// The factor by which the draft lengthens a step; prefills have none.
    #[must_use]
    pub fn draft_factor(&self, has_decodes: bool) -> f64 {
        let draft = self.speculation.filter(|_| has_decodes);
        1.0 + draft.map_or(0.0, |speculation| f64::from(speculation.tokens) * speculation.draft_share)
    }

    /// Tokens that a decoding request gets in a step: its own, and the proposed ones before the first rejected one.
    pub fn accepted(&self, random: &mut ChaCha8Rng) -> u32 {
        let Some(speculation) = self.speculation else { return 1 };
        let proposed = (0..speculation.tokens).take_while(|_| random.random::<f64>() < speculation.acceptance);
        1 + u32::try_from(proposed.count()).unwrap_or(0)
    }

    /// Adds the noise of a real engine, cut at three standard deviations so that a step never takes a negative time.
    #[must_use]
    pub fn vary(&self, time: Duration, random: &mut ChaCha8Rng) -> Duration {
        if self.jitter == 0.0 {
            return time;
        }
        // The sum of twelve uniform variates is close enough to a normal distribution.
        let normal: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        time.mul_f64((1.0 + self.jitter * normal.clamp(-3.0, 3.0)).max(0.1))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn jitter_varies_steps_by_its_share() {
        let features = Features {
            jitter: 0.05,
            ..Features::default()
        };
        let steps = |seed| -> Vec<f64> {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let step = Duration::from_millis(10);
            (0..2000).map(|_| features.vary(step, &mut random).as_secs_f64()).collect()
        };
        let times = steps(1);
        let mean = crate::load::statistics::mean(&times);
        let std = (times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / 1999.0).sqrt();
        assert!((mean - 0.01).abs() < 0.0001, "{mean}");
        assert!((std / mean - 0.05).abs() < 0.01, "{}", std / mean);
        assert_eq!(times, steps(1));
        assert_ne!(times, steps(2));
    }

    #[test]
    fn draft_lengthens_decoding_steps_but_not_prefills() {
        let features = Features {
            speculation: Some(Speculation {
                tokens: 4,
                acceptance: 0.5,
                draft_share: 0.05,
            }),
            ..Features::default()
        };
        assert_eq!((features.tokens_in_step(), Features::default().tokens_in_step()), (5, 1));
        assert!((features.draft_factor(true) - 1.2).abs() < 1e-9);
        assert!((features.draft_factor(false) - 1.0).abs() < 1e-9);
    }
}
