//! Random values for simulations, seeded.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};

/// Standard normal values by the method of Box and Muller, and values derived from them.
pub struct Random(ChaCha8Rng);

impl Random {
    /// A sequence of its own for each seed.
    pub fn seeded(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn value(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.random::<f64>()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.0.random::<f64>()).cos()
    }

    /// A value of Student's t, not scaled; of a normal distribution for infinite `df`. By the method of Bailey ("Polar generation
    /// of random variates with the t-distribution", Mathematics of Computation 62, 1994).
    pub fn student(&mut self, df: f64) -> f64 {
        if df.is_infinite() {
            return self.value();
        }
        let radius = (df * ((1.0 - self.0.random::<f64>()).powf(-2.0 / df) - 1.0)).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.0.random::<f64>()).cos()
    }

    /// A value between 0 and 1.
    pub fn uniform(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// Several values with a mean and a standard deviation.
    pub fn several(&mut self, n: usize, mean: f64, sd: f64) -> Vec<f64> {
        (0..n).map(|_| mean + sd * self.value()).collect()
    }
}
