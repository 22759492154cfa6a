//! Random values for simulations, seeded.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

/// Standard normal values by the method of Box and Muller.
pub struct Normal(ChaCha8Rng);

impl Normal {
    /// A sequence of its own for each seed.
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn value(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.random::<f64>()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.0.random::<f64>()).cos()
    }

    /// Several values with a mean and a standard deviation.
    pub fn several(&mut self, n: usize, mean: f64, sd: f64) -> Vec<f64> {
        (0..n).map(|_| mean + sd * self.value()).collect()
    }
}
