//! `/badge/{metric}.svg`, `/chart/{metric}.svg` and `/card/{metric}.png`: pictures for READMEs and release notes, without scripts.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::series::{SeriesValue, collect, metric};
use crate::analysis::Level;
use crate::model::{Metric, PointKey};
use crate::serve::app::App;
use crate::serve::card::{self, Card, CardChange};
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::selection_params::SelectionParams;
use crate::store::database::{AsOf, PointSelection};

/// The most lines of a chart: more cannot be told apart.
const MOST_LINES: usize = 12;
/// Width of a character of the badge's font, 11 px Verdana, and the space beside a text.
const CHARACTER: f64 = 6.6;
const MARGIN: f64 = 6.0;

/// A metric of one point as a badge
///
/// The newest value on a branch (`main` without one), half of its interval, and the change of the level in the 30 days before it, if it changed.
/// The query must select one point.
#[utoipa::path(get, path = "/badge/{metric}.svg", tag = "pictures",
    params(("metric" = String, Path, description = "The metric", example = "throughput-per-gpu"), SelectionParams),
    responses((status = 200, description = "A badge", body = String, content_type = "image/svg+xml"),
        (status = 404, description = "Nothing was measured"), (status = 400, description = "A parameter is invalid")))]
pub(in crate::serve) async fn badge(
    app: Arc<App>,
    (Path(name), Form(selection, Nothing {})): (Path<String>, Form<SelectionParams>),
) -> Result<Response, ApiError> {
    let OnePoint {
        metric,
        key,
        newest,
        change,
        ..
    } = one_point(&app, &name, ".svg", selection).await?;
    let text = badge_text(metric, &newest, change);
    Ok(svg(&badge_of(&label(metric), &text, color(metric, change), &key)))
}

/// A metric of one point as a social card
///
/// A PNG of 1200 by 630 pixels: what a badge says, and the values of all runs as a line. The query must select one point.
#[utoipa::path(get, path = "/card/{metric}.png", tag = "pictures",
    params(("metric" = String, Path, description = "The metric", example = "throughput-per-gpu"), SelectionParams),
    responses((status = 200, description = "A card", body = String, content_type = "image/png"),
        (status = 404, description = "Nothing was measured"), (status = 400, description = "A parameter is invalid")))]
pub(in crate::serve) async fn card(
    app: Arc<App>,
    (Path(name), Form(selection, Nothing {})): (Path<String>, Form<SelectionParams>),
) -> Result<Response, ApiError> {
    let found = one_point(&app, &name, ".png", selection).await?;
    let picture = card::draw(&card_of(&found)).map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, "image/png")], picture).into_response())
}

/// A metric of points over time as a chart
#[utoipa::path(get, path = "/chart/{metric}.svg", tag = "pictures",
    params(("metric" = String, Path, description = "The metric", example = "throughput-per-gpu"), SelectionParams),
    responses((status = 200, description = "A chart with a line for each point", body = String, content_type = "image/svg+xml"),
        (status = 404, description = "Nothing was measured"), (status = 400, description = "A parameter is invalid"),
        (status = 422, description = "The query selects more than 12 points")))]
pub(in crate::serve) async fn chart(
    app: Arc<App>,
    (Path(name), Form(selection, Nothing {})): (Path<String>, Form<SelectionParams>),
) -> Result<Response, ApiError> {
    let metric = metric_of(&name, ".svg")?;
    let (selection, as_of) = on_branch(selection)?;
    let series = collect(&app, selection, as_of, metric).await?;
    if series.is_empty() {
        return Err(ApiError::NotFound("nothing was measured".to_owned()));
    }
    if series.len() > MOST_LINES {
        return Err(ApiError::TooMany {
            most: MOST_LINES,
            what: "points",
        });
    }
    Ok(svg(&chart_of(metric, &series)))
}

/// What a picture of one point shows.
struct OnePoint {
    metric: Metric,
    key: PointKey,
    branch: String,
    /// The oldest first.
    values: Vec<SeriesValue>,
    newest: SeriesValue,
    /// The relative change of the level.
    change: Option<f64>,
}

async fn one_point(app: &App, name: &str, suffix: &str, selection: SelectionParams) -> Result<OnePoint, ApiError> {
    let metric = metric_of(name, suffix)?;
    let (selection, as_of) = on_branch(selection)?;
    let branch = selection.branch.clone().unwrap_or_default();
    let mut series = collect(app, selection.clone(), as_of, metric).await?;
    let (Some((key, values)), true) = (series.pop(), series.is_empty()) else {
        return Err(if series.is_empty() {
            ApiError::NotFound("nothing was measured".to_owned())
        } else {
            let words = format!(
                "the query selects {} points; this picture is of one: choose it by filter, such as filter=conc=64",
                series.len() + 1
            );
            ApiError::Invalid(words)
        });
    };
    let Some(newest) = values.last().cloned() else {
        return Err(ApiError::NotFound("nothing was measured".to_owned()));
    };
    let mut reader = app.reader().await?;
    let levels = reader.levels_at(&selection, &branch, as_of, app.limits.points).await?;
    reader.give_back();
    let of_point = levels.unwrap_or_default().into_iter().find(|found| found.key == key);
    let of_metric = of_point.and_then(|point| point.levels.into_iter().find(|found| found.metric == metric));
    let change = of_metric.and_then(|found| recent_change(&found.levels, &newest));
    Ok(OnePoint {
        metric,
        key,
        branch,
        values,
        newest,
        change,
    })
}

/// How far back a change of the level is news, milliseconds: 30 days.
const NEWS_MS: i64 = 30 * 86_400_000;

/// The change between the last two levels, if the last one is new.
fn recent_change(levels: &[Level], newest: &SeriesValue) -> Option<f64> {
    let [.., before, last] = levels else { return None };
    let now_ms = chrono::DateTime::parse_from_rfc3339(&newest.date).ok()?.timestamp_millis();
    (now_ms - last.from_ms <= NEWS_MS).then(|| last.mean / before.mean - 1.0)
}

fn metric_of(name: &str, suffix: &str) -> Result<Metric, ApiError> {
    let stem = name.strip_suffix(suffix);
    let stem = stem.ok_or_else(|| ApiError::NotFound(format!("the path of this picture ends with {suffix}")))?;
    metric(Some(stem))
}

fn on_branch(selection: SelectionParams) -> Result<(PointSelection, AsOf), ApiError> {
    let (mut selection, as_of) = selection.parse()?;
    selection.branch.get_or_insert_with(|| "main".to_owned());
    Ok((selection, as_of))
}

fn card_of(found: &OnePoint) -> Card {
    let OnePoint {
        metric,
        key,
        branch,
        values,
        newest,
        change,
    } = found;
    let day = newest.date.get(..10).unwrap_or_default();
    let commit: String = newest.commit.chars().take(12).collect();
    let is_better = change.map(|change| metric.gain(change) > 0.0);
    Card {
        title: label(*metric),
        subtitle: key.to_string(),
        figure: quantity(*metric, newest.value),
        interval: interval_text(newest),
        change: change_text(*change)
            .zip(is_better)
            .map(|(text, is_better)| CardChange { text, is_better }),
        footer: format!("{branch}, {commit}, {day}"),
        line: values.iter().map(|value| (seconds(value), value.value)).collect(),
    }
}

fn svg(picture: &Markup) -> Response {
    ([(CONTENT_TYPE, "image/svg+xml")], picture.0.clone()).into_response()
}

/// The metric's name and unit.
fn label(metric: Metric) -> String {
    match metric {
        Metric::ThroughputPerGpu => "throughput",
        Metric::OutputThroughputPerGpu => "output throughput",
        Metric::InputThroughputPerGpu => "input throughput",
        Metric::Ttft => "TTFT",
        Metric::TtftP99 => "TTFT p99",
        Metric::Tpot => "TPOT",
        Metric::Interactivity => "interactivity",
        Metric::E2el => "latency",
        Metric::E2elP99 => "latency p99",
        Metric::Qps => "QPS",
        Metric::CacheHitRate => "cache hits",
    }
    .to_owned()
}

/// `1,234 tok/s/GPU ± 1.2 %, up 3 %`.
fn badge_text(metric: Metric, newest: &SeriesValue, change: Option<f64>) -> String {
    let mut text = quantity(metric, newest.value);
    if let Some(interval) = interval_text(newest) {
        text.push_str(&format!(" {interval}"));
    }
    if let Some(change) = change_text(change) {
        text.push_str(&format!(", {change}"));
    }
    text
}

/// Half of the interval as a part of the value: `± 1.2 %`.
fn interval_text(value: &SeriesValue) -> Option<String> {
    let half = (value.high? - value.low?) / 2.0 / value.value * 100.0;
    Some(format!("\u{b1} {half:.1} %"))
}

/// `up 3 %`; nothing below half a percent.
fn change_text(change: Option<f64>) -> Option<String> {
    let change = change.filter(|change| change.abs() >= 0.005)?;
    let direction = if change > 0.0 { "up" } else { "down" };
    Some(format!("{direction} {:.0} %", change.abs() * 100.0))
}

fn quantity(metric: Metric, value: f64) -> String {
    match metric {
        Metric::ThroughputPerGpu | Metric::OutputThroughputPerGpu | Metric::InputThroughputPerGpu => {
            format!("{} tok/s/GPU", grouped(value))
        }
        Metric::Interactivity => format!("{} tok/s/user", grouped(value)),
        Metric::Ttft | Metric::TtftP99 | Metric::Tpot | Metric::E2el | Metric::E2elP99 => format!("{} ms", grouped(value * 1000.0)),
        Metric::Qps => format!("{} req/s", grouped(value)),
        Metric::CacheHitRate => format!("{} %", grouped(value * 100.0)),
    }
}

/// With separators of thousands; small numbers with three significant digits.
fn grouped(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.*}", if value.abs() < 10.0 { 2 } else { 1 });
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn color(metric: Metric, change: Option<f64>) -> &'static str {
    match change.map(|change| metric.gain(change)) {
        Some(gain) if gain <= -0.02 => "#b35900",
        Some(gain) if gain >= 0.02 => "#2a7d3f",
        Some(_) | None => "#2b5d8a",
    }
}

fn badge_of(label: &str, text: &str, color: &str, key: &PointKey) -> Markup {
    let (left, right) = (width(label), width(text));
    let all = left + right;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(all) height="20" role="img" aria-label={ (label) ": " (text) } {
            title { (key) }
            rect width=(left) height="20" fill="#444c56" {}
            rect x=(left) width=(right) height="20" fill=(color) {}
            g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle" {
                text x=(left / 2.0) y="14" { (label) }
                text x=(left + right / 2.0) y="14" { (text) }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a label has few characters")]
fn width(text: &str) -> f64 {
    (text.chars().count() as f64 * CHARACTER + 2.0 * MARGIN).round()
}

/// Size of a chart and of the space around its lines, px.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 32.0;
const LEGEND_LINE: f64 = 16.0;
/// Colours that colour-blind readers can tell apart (Okabe and Ito), repeated with another dash.
const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// The ranges of a chart.
struct Frame {
    from: f64,
    to: f64,
    top: f64,
}

impl Frame {
    fn x(&self, time: f64) -> f64 {
        LEFT + (time - self.from) / (self.to - self.from).max(1.0) * (WIDTH - LEFT - 16.0)
    }

    /// From zero, so that a small change does not look like a large one.
    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)
    }
}

fn seconds(value: &SeriesValue) -> f64 {
    let time = chrono::DateTime::parse_from_rfc3339(&value.date).map_or(0, |date| date.timestamp());
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    let time = time as f64;
    time
}

fn chart_of(metric: Metric, series: &[(PointKey, Vec<SeriesValue>)]) -> Markup {
    let all = || series.iter().flat_map(|(_, values)| values);
    let frame = Frame {
        from: all().map(seconds).fold(f64::INFINITY, f64::min),
        to: all().map(seconds).fold(f64::NEG_INFINITY, f64::max),
        top: all()
            .map(|value| value.high.unwrap_or(value.value))
            .fold(f64::MIN_POSITIVE, f64::max)
            * 1.05,
    };
    let dates = all().map(|value| value.date.as_str());
    let (first, last) = (dates.clone().min().unwrap_or_default(), dates.max().unwrap_or_default());
    #[expect(clippy::cast_precision_loss, reason = "at most twelve lines")]
    let height = HEIGHT + series.len() as f64 * LEGEND_LINE + 8.0;
    let name = label(metric);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(WIDTH) height=(height) viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(name) {
            rect width=(WIDTH) height=(height) fill="#fff" {}
            g font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" fill="#1b1f24" {
                text x=(LEFT) y="18" font-size="13" { (name) }
                @for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
                    @let y = frame.y(frame.top * part);
                    line x1=(LEFT) x2=(WIDTH - 16.0) y1=(y) y2=(y) stroke="#dde1e6" {}
                    text x=(LEFT - 6.0) y=(y + 4.0) text-anchor="end" { (grouped(scaled(metric, frame.top * part))) }
                }
                text x=(LEFT) y=(HEIGHT - 12.0) { (first.get(..10).unwrap_or_default()) }
                text x=(WIDTH - 16.0) y=(HEIGHT - 12.0) text-anchor="end" { (last.get(..10).unwrap_or_default()) }
                text x="4" y=(TOP - 4.0) { (unit(metric)) }
                @for (at, (key, values)) in series.iter().enumerate() {
                    (line(at, key, values, &frame))
                }
            }
        }
    }
}

fn scaled(metric: Metric, value: f64) -> f64 {
    match metric {
        Metric::ThroughputPerGpu | Metric::OutputThroughputPerGpu | Metric::InputThroughputPerGpu | Metric::Interactivity | Metric::Qps => {
            value
        }
        Metric::CacheHitRate => value * 100.0,
        Metric::Ttft | Metric::TtftP99 | Metric::Tpot | Metric::E2el | Metric::E2elP99 => value * 1000.0,
    }
}

fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::ThroughputPerGpu | Metric::OutputThroughputPerGpu | Metric::InputThroughputPerGpu => "tok/s/GPU",
        Metric::Interactivity => "tok/s/user",
        Metric::Ttft | Metric::TtftP99 | Metric::Tpot | Metric::E2el | Metric::E2elP99 => "ms",
        Metric::Qps => "req/s",
        Metric::CacheHitRate => "%",
    }
}

fn line(at: usize, key: &PointKey, values: &[SeriesValue], frame: &Frame) -> Markup {
    let color = COLORS.get(at % COLORS.len()).copied().unwrap_or("#000");
    let dash = if at < COLORS.len() { "none" } else { "4 3" };
    let points: Vec<String> = values
        .iter()
        .map(|value| format!("{:.1},{:.1}", frame.x(seconds(value)), frame.y(value.value)))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "at most twelve lines")]
    let legend = HEIGHT + at as f64 * LEGEND_LINE + 8.0;
    html! {
        polyline points=(points.join(" ")) fill="none" stroke=(color) stroke-dasharray=(dash) stroke-width="1.5" {}
        @for value in values {
            @let x = frame.x(seconds(value));
            @if let (Some(low), Some(high)) = (value.low, value.high) {
                line x1=(x) x2=(x) y1=(frame.y(low)) y2=(frame.y(high)) stroke=(color) {}
            }
            circle cx=(x) cy=(frame.y(value.value)) r="2.5" fill=(color) { title { (value.date) " " (value.commit) } }
        }
        line x1=(LEFT) x2=(LEFT + 20.0) y1=(legend) y2=(legend) stroke=(color) stroke-dasharray=(dash) stroke-width="2" {}
        text x=(LEFT + 26.0) y=(legend + 4.0) { (key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_small_ones_keep_digits() {
        for (value, text) in [
            (1234.4, "1,234"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
            (12.34, "12.3"),
            (1.234, "1.23"),
            (123.0, "123"),
        ] {
            assert_eq!(grouped(value), text);
        }
    }
}
