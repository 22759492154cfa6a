//! Checks of a load's counts, rates, duration and latencies against each other.

use super::Doubt;
use super::figures::{Figure, Figures, Latency, Statistic};

/// The share of failed requests above which the rest is another load than the requested one.
const MOST: f64 = 0.5;
/// The share that `imax bench` allows by default.
const ALLOWED: f64 = 0.05;
/// The tolerated factor between a rate and count divided by duration. Warm-up and ramps that enter only one of them make factors
/// of up to two; a wrong unit makes 1,000.
const RATE_FACTOR: f64 = 2.2;
/// Requests in flight by Little's law, as a fraction of a closed loop's concurrency. Outside of this range, a latency has the wrong
/// unit.
const IN_FLIGHT: (f64, f64) = (0.02, 50.0);
/// The fewest mean requests in flight of a closed loop: below, it would be idle most of the time.
const IDLE: f64 = 0.2;
/// The tolerated factor between a latency and the value that follows from the two others of TTFT, TPOT and end-to-end latency.
const PARTS_FACTOR: f64 = 50.0;
/// The range of a mean length as fractions of the row's. Lengths drawn from 0 to the row's have half of it as their mean.
const LENGTHS: (f64, f64) = (0.4, 1.5);
/// Tokens that a chat template may add to a prompt.
const TEMPLATE_TOKENS: f64 = 64.0;

/// Doubts about counts and rates.
pub(super) fn doubts(figures: &Figures<'_>) -> Vec<Doubt> {
    let mut found = Vec::new();
    for (key, value) in &figures.amounts {
        if *value < 0.0 {
            found.push(Doubt::Negative {
                key: (*key).to_owned(),
                found: *value,
            });
        }
    }
    found.extend(zero_rate(figures));
    found.extend(output_beyond_total(figures));
    found.extend(figures.is_cancelled.then_some(Doubt::Cancelled));
    found.extend(failures(figures));
    found.extend(rates(figures));
    found.extend(in_flight(figures));
    found.extend(parts(figures));
    found.extend(between_tokens(figures));
    found
}

/// See [`super::lengths`].
pub(super) fn lengths(figures: &Figures<'_>, isl: u32, osl: u32) -> Vec<Doubt> {
    let Some(completed) = figures.completed.filter(|count| *count > 0.0) else {
        return Vec::new();
    };
    let input = amount(figures, "total_input_tokens").map(|(_, tokens)| tokens);
    let pairs = [("the input", input, isl), ("the output", figures.output_tokens, osl)];
    let doubts = pairs.into_iter().filter_map(|(key, tokens, expected)| {
        let found = tokens.filter(|tokens| *tokens > 0.0)? / completed;
        let length = f64::from(expected);
        let is_other = found < length * LENGTHS.0 || found > length * LENGTHS.1 + TEMPLATE_TOKENS;
        is_other.then_some(Doubt::Lengths { key, found, expected })
    });
    doubts.collect()
}

fn amount<'a>(figures: &Figures<'a>, key: &str) -> Option<(&'a str, f64)> {
    figures.amounts.iter().copied().find(|(known, _)| *known == key)
}

/// A rate or a duration of zero. Results without a completed request or without a token are not looked at: other checks report them.
fn zero_rate(figures: &Figures<'_>) -> Option<Doubt> {
    let has_tokens = figures.completed? > 0.0 && figures.output_tokens? > 0.0;
    let keys = ["duration", "request_throughput", "output_throughput", "total_token_throughput"];
    let zero = keys
        .iter()
        .find_map(|key| amount(figures, key).filter(|(_, value)| *value == 0.0))?;
    has_tokens.then(|| Doubt::ZeroRate { key: zero.0.to_owned() })
}

fn output_beyond_total(figures: &Figures<'_>) -> Option<Doubt> {
    let (output, output_value) = amount(figures, "output_throughput")?;
    let (total, total_value) = amount(figures, "total_token_throughput")?;
    (output_value > total_value * (1.0 + 1e-6)).then(|| Doubt::Disordered {
        lower: output.to_owned(),
        lower_value: output_value,
        higher: total.to_owned(),
        higher_value: total_value,
    })
}

fn failures(figures: &Figures<'_>) -> Option<Doubt> {
    let completed = figures.completed?.max(0.0);
    let unanswered = figures.requested.map_or(0.0, |requested| requested - completed);
    let (failed, total) = match figures.failed {
        Some(failed) => (failed, completed + failed),
        None => (unanswered, completed + unanswered),
    };
    let share = failed / total;
    if total > 0.0 && share > ALLOWED {
        return Some(Doubt::Failed {
            completed,
            total,
            is_most: share > MOST,
        });
    }
    // Failures are counted, and yet requests are missing.
    let missing = unanswered - failed.max(0.0);
    let requested = figures.requested?;
    (missing > requested * ALLOWED).then_some(Doubt::Missing {
        found: completed + failed,
        requested,
    })
}

fn rates(figures: &Figures<'_>) -> Option<Doubt> {
    let duration_s = figures.duration_s.filter(|seconds| *seconds > 0.0)?;
    let input = amount(figures, "total_input_tokens").map(|(_, tokens)| tokens);
    let all = input.zip(figures.output_tokens).map(|(input, output)| input + output);
    let pairs = [
        ("request_throughput", figures.completed),
        ("output_throughput", figures.output_tokens),
        ("total_token_throughput", all),
    ];
    pairs.into_iter().find_map(|(key, count)| {
        let (key, rate) = amount(figures, key).filter(|(_, rate)| *rate > 0.0)?;
        let expected = count.filter(|count| *count > 0.0)? / duration_s;
        let is_far = rate > expected * RATE_FACTOR || rate * RATE_FACTOR < expected;
        is_far.then(|| Doubt::Rate {
            key: key.to_owned(),
            found: rate,
            expected,
        })
    })
}

/// The end-to-end latency of a request, seconds: as measured, else from its parts.
fn whole_latency<'f, 'a>(figures: &'f Figures<'a>) -> Option<(&'f Figure<'a>, f64)> {
    if let Some(figure) = figures.latency(&["e2el", "e2e_latency"]).and_then(Latency::typical) {
        return Some((figure, figure.seconds));
    }
    let first = figures.latency(&["ttft"])?.typical()?;
    let each = figures.latency(&["tpot"])?.typical()?;
    let seconds = first.seconds + each.seconds * (figures.mean_output()? - 1.0).max(0.0);
    Some((first, seconds))
}

/// Little's law: requests in flight are the rate of requests times their latency.
fn in_flight(figures: &Figures<'_>) -> Option<Doubt> {
    let duration_s = figures.duration_s.filter(|seconds| *seconds > 0.0)?;
    let completed = figures.completed.filter(|count| *count > 0.0)?;
    let (figure, seconds) = whole_latency(figures).filter(|(_, seconds)| *seconds > 0.0)?;
    let found = completed * seconds / duration_s;
    // A lane is a slot for one of the concurrent requests. A load fills at most as many lanes as it has requests.
    let lanes = figures.max_concurrency.filter(|lanes| *lanes >= 1.0)?.min(completed);
    let is_short = figures.is_closed_loop && found < lanes * IN_FLIGHT.0;
    let is_long = found > lanes * IN_FLIGHT.1;
    // Of a closed loop at least one request is in flight at any time. One that hangs hides that from the median, and where there are many
    // lanes it makes the mean share of busy ones small.
    let is_certain = is_long || (figure.statistic == Statistic::Mean && found < IDLE);
    (is_short || is_long).then(|| Doubt::Unit {
        key: figure.key.to_owned(),
        found: figure.value,
        because: format!("{completed} requests in {duration_s:.3} s would be {found:.4} in flight on average, of {lanes} allowed"),
        is_certain,
    })
}

/// A request takes its TTFT and, for each further token, its TPOT.
fn parts(figures: &Figures<'_>) -> Option<Doubt> {
    let first = figures.latency(&["ttft"])?.mean()?;
    let each = figures.latency(&["tpot"])?.mean()?;
    let whole = figures.latency(&["e2el", "e2e_latency"])?.mean()?;
    let tokens = (figures.mean_output()? - 1.0).max(0.0);
    if first.seconds <= 0.0 || each.seconds <= 0.0 || whole.seconds <= 0.0 {
        return None;
    }
    let decode = whole.seconds - first.seconds;
    let rest = whole.seconds - each.seconds * tokens;
    let expected_each = decode / tokens.max(1.0);
    // A small part cannot be computed as the difference of two large numbers.
    let each_is_wrong = tokens >= 1.0 && decode > whole.seconds * 0.2 && is_far(each.seconds, expected_each);
    let first_is_wrong = rest > whole.seconds * 0.5 && is_far(first.seconds, rest);
    let (figure, expected) = if each_is_wrong {
        (each, expected_each)
    } else if first_is_wrong {
        (first, rest)
    } else {
        return None;
    };
    Some(Doubt::Unit {
        key: figure.key.to_owned(),
        found: figure.value,
        because: format!("with the other latencies about {:.3} ms would fit", expected * 1000.0),
        is_certain: false,
    })
}

/// The time between chunks is at least that between tokens, unless a gateway cuts tokens into letters.
fn between_tokens(figures: &Figures<'_>) -> Option<Doubt> {
    let chunks = figures.latency(&["itl"])?.mean()?;
    let tokens = figures.latency(&["tpot"])?.mean()?;
    let is_short = chunks.seconds > 0.0 && chunks.seconds * PARTS_FACTOR < tokens.seconds;
    is_short.then(|| Doubt::Unit {
        key: chunks.key.to_owned(),
        found: chunks.value,
        because: format!("`{}` is {}", tokens.key, tokens.value),
        is_certain: false,
    })
}

fn is_far(found: f64, expected: f64) -> bool {
    found > expected * PARTS_FACTOR || found * PARTS_FACTOR < expected
}
