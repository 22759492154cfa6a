//! Checks of latency statistics against each other.

use super::Doubt;
use super::figures::{Figure, Figures, Latency, Statistic};

/// A request waits for its first token at least this long, seconds: a round trip on one machine takes longer.
const LEAST_TTFT_S: f64 = 20e-6;
/// Statistics of one latency that differ by this factor are in different units, or some requests hung.
const APART: f64 = 1000.0;
/// The tolerance for rounding and for other ways to interpolate a percentile.
const TOLERANCE: f64 = 1.05;
/// The tolerance for rounding, as a fraction of the mean.
const ROUNDED: f64 = 0.02;
/// The fewest output tokens of a request that has TPOT and ITL: an answer of one token has neither.
const ONE_TOKEN: f64 = 1.5;

/// Doubts about each latency.
pub(super) fn doubts(figures: &Figures<'_>) -> Vec<Doubt> {
    let mut found = Vec::new();
    for latency in &figures.latencies {
        let negative = latency.statistics.iter().find(|figure| figure.value < 0.0);
        if let Some(figure) = negative {
            found.push(Doubt::Negative {
                key: figure.key.to_owned(),
                found: figure.value,
            });
            continue;
        }
        if let Some(key) = zero(latency) {
            if !has_one_token(latency, figures) {
                found.push(Doubt::Placeholder {
                    latency: latency.name.to_owned(),
                    key: key.to_owned(),
                });
            }
            continue;
        }
        found.extend(disordered(latency));
        found.extend(apart(latency));
        found.extend(deviation(latency, figures));
    }
    found.extend(first_token_after_last(figures));
    found.extend(too_short(figures));
    found
}

/// The latencies that are left out, because their zeros stand for "not measured".
pub(super) fn zero_latencies<'a>(figures: &'a Figures<'a>) -> impl Iterator<Item = &'a str> {
    let zeros = figures.latencies.iter().filter(|latency| zero(latency).is_some());
    zeros.map(|latency| latency.name)
}

/// The key of a statistic whose zero cannot be a measurement. The time between chunks that arrived together is zero, so ITL is
/// suspect only if all its statistics are zero.
fn zero<'a>(latency: &Latency<'a>) -> Option<&'a str> {
    let found = match latency.name {
        "ttft" | "e2el" | "e2e_latency" => latency
            .values()
            .filter(|figure| figure.statistic != Statistic::Quantile(0.0))
            .find(|figure| figure.value == 0.0),
        "tpot" => latency
            .mean()
            .into_iter()
            .chain(latency.median())
            .find(|figure| figure.value == 0.0)
            .or_else(|| all_zero(latency)),
        "itl" => all_zero(latency),
        _ => None,
    };
    found.map(|figure| figure.key)
}

fn all_zero<'l, 'a>(latency: &'l Latency<'a>) -> Option<&'l Figure<'a>> {
    let first = latency.typical().or_else(|| latency.values().next())?;
    latency.values().all(|figure| figure.value == 0.0).then_some(first)
}

fn has_one_token(latency: &Latency<'_>, figures: &Figures<'_>) -> bool {
    let is_between_tokens = ["tpot", "itl"].contains(&latency.name);
    is_between_tokens && figures.mean_output().is_some_and(|tokens| tokens < ONE_TOKEN)
}

fn disordered(latency: &Latency<'_>) -> Option<Doubt> {
    let quantiles = latency.quantiles();
    let pairs = quantiles.iter().zip(quantiles.iter().skip(1));
    let mut wrong = pairs.filter(|((lower, left), (higher, right))| lower < higher && left.value > right.value * (1.0 + 1e-9));
    wrong.next().map(|((_, left), (_, right))| Doubt::Disordered {
        lower: left.key.to_owned(),
        lower_value: left.value,
        higher: right.key.to_owned(),
        higher_value: right.value,
    })
}

/// The median of ITL is not checked: it may be arbitrarily short if chunks arrive together.
fn apart(latency: &Latency<'_>) -> Option<Doubt> {
    if latency.name == "itl" {
        return None;
    }
    let median = latency.median()?;
    let far = latency.values().filter(|figure| figure.statistic != Statistic::Quantile(0.0));
    let mut far = far.filter(|figure| figure.value >= median.value * APART || figure.value * APART <= median.value);
    far.next().map(|figure| Doubt::Apart {
        near: median.key.to_owned(),
        near_value: median.value,
        far: figure.key.to_owned(),
        far_value: figure.value,
    })
}

/// Checks a standard deviation against mean and quantiles. For n values of at least 0 with mean m it is at most m·√(n-1). The quantile
/// q is at most √(q/(1-q)) deviations above the mean (Cantelli's inequality), and the median at most one deviation away from it.
fn deviation(latency: &Latency<'_>, figures: &Figures<'_>) -> Option<Doubt> {
    let deviation = latency.get(Statistic::Deviation)?;
    let mean = latency.mean()?;
    // A request has one value of each latency but ITL.
    let values = if latency.name == "itl" {
        figures.output_tokens
    } else {
        figures.completed
    };
    let most = values.map(|count| mean.value * count.max(1.0).sqrt());
    if most.is_some_and(|most| deviation.value > most * TOLERANCE) {
        return Some(deviation_doubt(deviation, mean));
    }
    // Numbers that were rounded may hide a small deviation.
    let slack = mean.value * ROUNDED;
    let upper = latency.quantiles().into_iter().filter(|(share, _)| *share >= 0.5);
    let mut too_high =
        upper.filter(|(share, figure)| figure.value - mean.value > deviation.value * most_deviations(*share, values) * TOLERANCE + slack);
    let too_low = latency
        .median()
        .filter(|median| mean.value - median.value > deviation.value * TOLERANCE + slack);
    too_high
        .next()
        .map(|(_, figure)| figure)
        .or(too_low)
        .map(|other| deviation_doubt(deviation, other))
}

fn deviation_doubt(deviation: &Figure<'_>, other: &Figure<'_>) -> Doubt {
    Doubt::Deviation {
        key: deviation.key.to_owned(),
        found: deviation.value,
        other: other.key.to_owned(),
        other_value: other.value,
    }
}

/// The most standard deviations by which the quantile `share` of a number of values may exceed the mean.
fn most_deviations(share: f64, values: Option<f64>) -> f64 {
    match values {
        Some(count) if share >= 1.0 => count.max(1.0).sqrt(),
        Some(_) | None => (share / (1.0 - share)).sqrt(),
    }
}

/// A request's first token comes before its end, so each statistic of TTFT is at most that of the whole latency.
fn first_token_after_last(figures: &Figures<'_>) -> Option<Doubt> {
    let first = figures.latency(&["ttft"])?;
    let whole = figures.latency(&["e2el", "e2e_latency"])?;
    if zero(first).is_some() || zero(whole).is_some() {
        return None;
    }
    let mut pairs = first
        .values()
        .filter_map(|figure| Some((figure, whole.get(figure.statistic)?)))
        .filter(|(first, whole)| first.seconds > whole.seconds * 1.001);
    pairs.next().map(|(first, whole)| Doubt::Disordered {
        lower: first.key.to_owned(),
        lower_value: first.value,
        higher: whole.key.to_owned(),
        higher_value: whole.value,
    })
}

fn too_short(figures: &Figures<'_>) -> Option<Doubt> {
    let first = figures.latency(&["ttft"])?.typical()?;
    (first.value > 0.0 && first.seconds < LEAST_TTFT_S).then(|| Doubt::Unit {
        key: first.key.to_owned(),
        found: first.value,
        because: "no server answers that fast".to_owned(),
        is_certain: false,
    })
}
