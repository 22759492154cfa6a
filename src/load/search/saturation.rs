//! Sweep to saturation: the load doubles until the throughput no longer grows.

/// Relative growth of the throughput over one doubling of the load below which the server counts as saturated.
const LEAST_GROWTH: f64 = 0.05;

/// The loads measured so far, with their throughputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Saturation {
    points: Vec<(f64, f64)>,
}

impl Saturation {
    /// The load to measure next; `None` if the server is saturated or `limit` was measured.
    #[must_use]
    pub fn next(&self, from: f64, limit: f64) -> Option<f64> {
        match self.points.as_slice() {
            [] => Some(from.min(limit)),
            [.., (load, _)] if *load >= limit || self.is_saturated() => None,
            [.., (load, _)] => Some((load * 2.0).min(limit)),
        }
    }

    /// Adds a load and its throughput, output tokens per second; 0 if the load failed.
    pub fn note(&mut self, load: f64, throughput: f64) {
        self.points.push((load, throughput));
    }

    /// Whether the throughput grew by less than 5% from the previous load to the last one. A single load counts if it failed.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        match self.points.as_slice() {
            [.., (_, before), (_, last)] => *last < before * (1.0 + LEAST_GROWTH),
            [(_, only)] => *only == 0.0,
            [] => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(throughput: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut saturation = Saturation::default();
        let mut loads = Vec::new();
        while let Some(load) = saturation.next(1.0, 256.0) {
            loads.push(load);
            saturation.note(load, throughput(load));
        }
        loads
    }

    #[test]
    fn ends_where_the_throughput_no_longer_grows() {
        assert_eq!(sweep(|load| load.min(20.0) * 100.0), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]);
        assert_eq!(sweep(|load| load), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]);
        assert_eq!(sweep(|_| 0.0), [1.0]);
    }
}
