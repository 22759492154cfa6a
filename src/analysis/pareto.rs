//! The Pareto frontier of throughput per GPU against interactivity, and the area under it. An engine that trades one for the other
//! moves points along the frontier; the area shows whether it got better.

/// A point in the plane of interactivity and throughput.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Output tokens a second of one user.
    pub interactivity: f64,
    /// Tokens a second and GPU.
    pub throughput: f64,
}

/// The places that no other one beats in both quantities, by ascending interactivity and so by descending throughput.
#[must_use]
pub fn frontier(places: &[Place]) -> Vec<Place> {
    let mut sorted = places.to_vec();
    sorted.sort_by(|left, right| {
        let order = right.interactivity.total_cmp(&left.interactivity);
        order.then(right.throughput.total_cmp(&left.throughput))
    });
    let mut frontier: Vec<Place> = Vec::with_capacity(sorted.len());
    for place in sorted {
        if frontier.last().is_none_or(|last| place.throughput > last.throughput) {
            frontier.push(place);
        }
    }
    frontier.reverse();
    frontier
}

/// The range of interactivity that both frontiers span; `None` if one has fewer than two places, or they do not overlap.
#[must_use]
pub fn common_range(left: &[Place], right: &[Place]) -> Option<(f64, f64)> {
    let low = left.first()?.interactivity.max(right.first()?.interactivity);
    let high = left.last()?.interactivity.min(right.last()?.interactivity);
    (high > low).then_some((low, high))
}

/// The mean throughput over a range of interactivity: the area under the straight lines between the frontier's places, divided
/// by the range. `None` if the frontier does not span the range.
#[must_use]
pub fn mean_throughput(frontier: &[Place], (low, high): (f64, f64)) -> Option<f64> {
    let mut area = 0.0;
    let mut covered = 0.0;
    for pair in frontier.windows(2) {
        let (from, to) = (pair[0].interactivity.max(low), pair[1].interactivity.min(high));
        if to > from {
            area += (to - from) * f64::midpoint(between(pair, from), between(pair, to));
            covered += to - from;
        }
    }
    let range = high - low;
    (range > 0.0 && covered >= range * (1.0 - 1e-9)).then(|| area / range)
}

fn between(pair: &[Place], interactivity: f64) -> f64 {
    let (left, right) = (pair[0], pair[1]);
    let share = (interactivity - left.interactivity) / (right.interactivity - left.interactivity);
    left.throughput + share * (right.throughput - left.throughput)
}

/// The throughput at an interactivity, and how it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FrontierReading {
    /// A place of the frontier.
    Measured(f64),
    /// On the straight line between two places.
    Between { throughput: f64, left: Place, right: Place },
    /// Below the least interactivity that was measured: more throughput may be possible.
    BelowMeasured,
    /// Above the largest interactivity that was measured.
    Unreachable,
}

/// Reads a frontier at an interactivity. Nothing is extrapolated. `None` for an empty frontier.
#[must_use]
pub fn read_at(frontier: &[Place], interactivity: f64) -> Option<FrontierReading> {
    let (first, last) = (frontier.first()?, frontier.last()?);
    if let Some(place) = frontier.iter().find(|place| place.interactivity.total_cmp(&interactivity).is_eq()) {
        return Some(FrontierReading::Measured(place.throughput));
    }
    if interactivity < first.interactivity {
        return Some(FrontierReading::BelowMeasured);
    }
    if interactivity > last.interactivity {
        return Some(FrontierReading::Unreachable);
    }
    let pair = frontier.windows(2).find(|pair| pair[1].interactivity > interactivity)?;
    Some(FrontierReading::Between {
        throughput: between(pair, interactivity),
        left: pair[0],
        right: pair[1],
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn places(places: &[(f64, f64)]) -> Vec<Place> {
        let place = |(interactivity, throughput): &(f64, f64)| Place {
            interactivity: *interactivity,
            throughput: *throughput,
        };
        places.iter().map(place).collect()
    }

    #[test]
    fn dominated_points_are_not_on_the_frontier() {
        let found = frontier(&places(&[
            (10.0, 100.0),
            (20.0, 80.0),
            (15.0, 70.0),
            (20.0, 60.0),
            (40.0, 10.0),
            (5.0, 100.0),
        ]));
        assert_eq!(found, places(&[(10.0, 100.0), (20.0, 80.0), (40.0, 10.0)]));
        assert!(frontier(&[]).is_empty());
    }

    /// By hand: from 10 to 20 the mean is 90, from 20 to 30 it is (80 + 45) / 2.
    #[test]
    fn mean_is_the_area_under_straight_lines() {
        let line = places(&[(10.0, 100.0), (20.0, 80.0), (40.0, 10.0)]);
        assert!((mean_throughput(&line, (10.0, 30.0)).unwrap() - f64::midpoint(90.0, 62.5)).abs() < 1e-12);
        assert!((mean_throughput(&line, (12.0, 13.0)).unwrap() - 95.0).abs() < 1e-12);
        assert_eq!(mean_throughput(&line, (5.0, 30.0)), None, "nothing was measured below 10");
    }

    #[test]
    fn reading_is_measured_between_places_or_absent() {
        let line = places(&[(10.0, 100.0), (20.0, 80.0), (40.0, 10.0)]);
        assert_eq!(read_at(&line, 20.0), Some(FrontierReading::Measured(80.0)));
        let (left, right) = (line[1], line[2]);
        let between = FrontierReading::Between {
            throughput: 45.0,
            left,
            right,
        };
        assert_eq!(read_at(&line, 30.0), Some(between));
        assert_eq!(read_at(&line, 5.0), Some(FrontierReading::BelowMeasured));
        assert_eq!(read_at(&line, 41.0), Some(FrontierReading::Unreachable));
        assert_eq!(read_at(&[], 41.0), None);
    }

    #[test]
    fn curves_are_compared_over_their_common_range() {
        let one = places(&[(10.0, 100.0), (30.0, 50.0)]);
        let other = places(&[(20.0, 90.0), (60.0, 20.0)]);
        assert_eq!(common_range(&one, &other), Some((20.0, 30.0)));
        assert_eq!(common_range(&one, &places(&[(31.0, 40.0), (50.0, 20.0)])), None);
        assert_eq!(common_range(&one, &places(&[(20.0, 40.0)])), None);
    }
}
