//! Search for the highest load that meets the objectives: the load doubles until the objectives are missed, then bisection.

use super::LoadQuantity;

/// The state of a search: the highest load that met the objectives, and the lowest that missed them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bracket {
    quantity: LoadQuantity,
    from: f64,
    limit: f64,
    precision: f64,
    met: Option<f64>,
    missed: Option<f64>,
}

/// The search for a rate ends below the first rate divided by this.
const LOWEST_PART: f64 = 1024.0;

impl Bracket {
    /// A search that starts at `from` and does not exceed `limit`. It ends when the two loads differ by at most `precision` times the
    /// lower one.
    #[must_use]
    pub fn new(quantity: LoadQuantity, from: f64, limit: f64, precision: f64) -> Self {
        Self {
            quantity,
            from: from.min(limit),
            limit,
            precision,
            met: None,
            missed: None,
        }
    }

    /// The load to measure next; `None` if the search has ended.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        match (self.met, self.missed) {
            (None, None) => Some(self.from),
            (Some(met), None) => (met < self.limit).then(|| (met * 2.0).min(self.limit)),
            (None, Some(missed)) => self.lower(missed),
            (Some(met), Some(missed)) => self.between(met, missed),
        }
    }

    fn lower(&self, missed: f64) -> Option<f64> {
        match self.quantity {
            LoadQuantity::Concurrency => (missed > 1.0).then(|| (missed / 2.0).floor()),
            LoadQuantity::Rate => (missed > self.from / LOWEST_PART).then_some(missed / 2.0),
        }
    }

    fn between(&self, met: f64, missed: f64) -> Option<f64> {
        let middle = f64::midpoint(met, missed);
        let middle = match self.quantity {
            LoadQuantity::Concurrency => middle.floor(),
            LoadQuantity::Rate => middle,
        };
        (middle > met && (missed - met) / met > self.precision).then_some(middle)
    }

    /// Adds a measured load.
    pub fn note(&mut self, load: f64, is_met: bool) {
        if is_met {
            self.met = Some(self.met.map_or(load, |met| met.max(load)));
        } else {
            self.missed = Some(self.missed.map_or(load, |missed| missed.min(load)));
        }
    }

    /// The highest load that met the objectives.
    #[must_use]
    pub fn highest_met(&self) -> Option<f64> {
        self.met
    }

    /// The lowest load that missed the objectives.
    #[must_use]
    pub fn lowest_missed(&self) -> Option<f64> {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    /// The loads that are measured where every one up to `capacity` meets the objectives.
    fn search(quantity: LoadQuantity, from: f64, limit: f64, capacity: f64) -> (Vec<f64>, Option<f64>) {
        let mut bracket = Bracket::new(quantity, from, limit, 0.05);
        let mut measured = Vec::new();
        while let Some(load) = bracket.next() {
            measured.push(load);
            bracket.note(load, load <= capacity);
            assert!(measured.len() < 50, "{measured:?}");
        }
        (measured, bracket.highest_met())
    }

    #[test]
    fn doubles_and_bisects_to_the_highest_load() {
        let concurrency = LoadQuantity::Concurrency;
        assert_eq!(
            search(concurrency, 1.0, 4096.0, 37.0),
            (vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 48.0, 40.0, 36.0, 38.0, 37.0], Some(37.0))
        );
        assert_eq!(search(concurrency, 16.0, 4096.0, 3.0), (vec![16.0, 8.0, 4.0, 2.0, 3.0], Some(3.0)));
        assert_eq!(search(concurrency, 1.0, 4096.0, 0.0), (vec![1.0], None));
        assert_eq!(search(concurrency, 1.0, 10.0, 1e9), (vec![1.0, 2.0, 4.0, 8.0, 10.0], Some(10.0)));
        let (measured, found) = search(LoadQuantity::Rate, 1.0, 1e5, 3.3);
        assert!((3.1..=3.3).contains(&found.unwrap()) && measured.len() < 9, "{measured:?}");
        let (measured, found) = search(LoadQuantity::Rate, 8.0, 1e5, 0.0);
        assert!(found.is_none() && measured.len() < 13, "{measured:?}");
    }
}
