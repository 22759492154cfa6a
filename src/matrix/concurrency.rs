//! The concurrencies of a search-space entry, within the bounds of a selection.

use std::num::NonZeroU32;

use crate::config::ConcurrencySpec;
use crate::model::Concurrency;

/// The factor between consecutive concurrencies of a range; at least 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(NonZeroU32);

impl Step {
    /// A step of at least 2.
    #[must_use]
    pub fn new(factor: i64) -> Option<Self> {
        let factor = u32::try_from(factor).ok().filter(|factor| *factor > 1)?;
        NonZeroU32::new(factor).map(Self)
    }
}

/// Doubling.
impl Default for Step {
    fn default() -> Self {
        Self(NonZeroU32::MIN.saturating_add(1))
    }
}

/// The lowest and the highest concurrency of a selection, as given: values below 1 select nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// At least this.
    pub min: Option<i64>,
    /// At most this.
    pub max: Option<i64>,
}

/// From start to end by multiplication; the end is always included.
#[must_use]
pub fn range(start: Concurrency, end: Concurrency, step: Step) -> Vec<Concurrency> {
    let mut values = vec![start];
    let mut at = start;
    while at < end {
        at = at.saturating_mul(step.0).min(end);
        values.push(at);
    }
    values
}

fn all(spec: &ConcurrencySpec, step: Step) -> Vec<Concurrency> {
    match spec {
        ConcurrencySpec::Range { start, end } => range(*start, *end, step),
        ConcurrencySpec::List(values) => values.clone(),
    }
}

/// The concurrencies within the bounds, as written: for the agentic scenario.
#[must_use]
pub fn within(spec: &ConcurrencySpec, step: Step, bounds: Bounds) -> Vec<Concurrency> {
    all(spec, step)
        .into_iter()
        .filter(|conc| {
            let conc = i64::from(conc.get());
            bounds.min.is_none_or(|min| conc >= min) && bounds.max.is_none_or(|max| conc <= max)
        })
        .collect()
}

/// As [`within`], but an entry above the highest bound is measured at that bound instead of not at all:
/// for fixed lengths over several nodes, and lists.
#[must_use]
pub fn within_or_at_max(spec: &ConcurrencySpec, step: Step, bounds: Bounds) -> Vec<Concurrency> {
    let Some(limits) = Limits::new(bounds) else { return Vec::new() };
    let high_enough: Vec<Concurrency> = all(spec, step).into_iter().filter(|conc| *conc >= limits.min).collect();
    if high_enough.is_empty() {
        return high_enough;
    }
    let within: Vec<Concurrency> = high_enough.into_iter().filter(|conc| *conc <= limits.max).collect();
    if within.is_empty() { vec![limits.max] } else { within }
}

/// As [`within_or_at_max`] for a list; a range is narrowed to the bounds before it is expanded, so that its
/// first and last concurrency are the bounds themselves: for fixed lengths on one node.
#[must_use]
pub fn narrowed(spec: &ConcurrencySpec, step: Step, bounds: Bounds) -> Vec<Concurrency> {
    match spec {
        ConcurrencySpec::List(_) => within_or_at_max(spec, step, bounds),
        ConcurrencySpec::Range { start, end } => {
            let Some(limits) = Limits::new(bounds) else { return Vec::new() };
            if *end < limits.min {
                return Vec::new();
            }
            let start = (*start).max(limits.min);
            if start > limits.max {
                return vec![limits.max];
            }
            range(start, (*end).min(limits.max), step)
        }
    }
}

/// Bounds as concurrencies; `None` if a bound is not a concurrency, which selects nothing.
struct Limits {
    min: Concurrency,
    max: Concurrency,
}

impl Limits {
    fn new(bounds: Bounds) -> Option<Self> {
        Some(Self {
            min: bounds.min.map_or(Some(Concurrency::MIN), bound)?,
            max: bounds.max.map_or(Some(Concurrency::MAX), bound)?,
        })
    }
}

/// A bound as a concurrency: negative and too large values are clamped, and 0 means no bound.
fn bound(value: i64) -> Option<Concurrency> {
    let clamped = u32::try_from(value.clamp(0, i64::from(u32::MAX))).ok()?;
    Concurrency::new(clamped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conc(values: &[u32]) -> Vec<Concurrency> {
        values.iter().map(|v| Concurrency::new(*v).unwrap()).collect()
    }

    fn spec_range(start: u32, end: u32) -> ConcurrencySpec {
        ConcurrencySpec::Range {
            start: Concurrency::new(start).unwrap(),
            end: Concurrency::new(end).unwrap(),
        }
    }

    fn bounds(min: Option<i64>, max: Option<i64>) -> Bounds {
        Bounds { min, max }
    }

    #[test]
    fn ranges_multiply_and_always_include_their_end() {
        let step = |factor| Step::new(factor).unwrap();
        let (three, fifty) = (Concurrency::new(3).unwrap(), Concurrency::new(50).unwrap());
        assert_eq!(range(three, fifty, Step::default()), conc(&[3, 6, 12, 24, 48, 50]));
        assert_eq!(range(three, fifty, step(1000)), conc(&[3, 50]));
        assert_eq!(range(fifty, fifty, step(2)), conc(&[50]));
        assert_eq!(range(Concurrency::MAX, Concurrency::MAX, step(2)).len(), 1);
    }

    #[test]
    fn step_must_exceed_one() {
        for factor in [1, 0, -2, i64::MAX] {
            assert_eq!(Step::new(factor), None, "{factor}");
        }
    }

    #[test]
    fn bounds_on_a_range() {
        let spec = spec_range(4, 64);
        for (min, max, expected) in [
            (None, None, &[4, 8, 16, 32, 64][..]),
            (Some(10), None, &[10, 20, 40, 64]),
            (Some(10), Some(50), &[10, 20, 40, 50]),
            (Some(65), None, &[]),
            (None, Some(2), &[2]),
            (Some(0), None, &[]),
            (None, Some(0), &[]),
            (Some(10), Some(5), &[5]),
        ] {
            assert_eq!(
                narrowed(&spec, Step::default(), bounds(min, max)),
                conc(expected),
                "{min:?} {max:?}"
            );
        }
    }

    #[test]
    fn bounds_on_a_list_keep_its_order_and_repetitions() {
        let spec = ConcurrencySpec::List(conc(&[64, 4, 64, 16]));
        for (min, max, fixed, agentic) in [
            (None, Some(20), &[4, 16][..], &[4, 16][..]),
            (Some(10), None, &[64, 64, 16], &[64, 64, 16]),
            (None, Some(2), &[2], &[]),
            (Some(0), None, &[], &[64, 4, 64, 16]),
            (Some(100), None, &[], &[]),
            (Some(20), Some(30), &[30], &[]),
        ] {
            let bounds = bounds(min, max);
            assert_eq!(within_or_at_max(&spec, Step::default(), bounds), conc(fixed), "{bounds:?}");
            assert_eq!(narrowed(&spec, Step::default(), bounds), conc(fixed), "{bounds:?}");
            assert_eq!(within(&spec, Step::default(), bounds), conc(agentic), "{bounds:?}");
        }
    }
}
