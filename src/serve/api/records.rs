//! `/records`: what a run keeps of a point beside its numbers.

use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::analysis::{PointDistributions, Sketch, configuration, differences};
use crate::model::{Concurrency, PointKey};
use crate::result::Point;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::selection_params::{run_number, state};
use crate::store::database::{Annotation, AsOf, PointSelection, RunFilter};

/// Which point, and what its configuration is compared with.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct RecordParams {
    /// The number of the run in this history.
    #[param(required = true, value_type = i64, minimum = 1)]
    pub run: Option<String>,
    /// The first digits of the curve's hash, at least 8: the `curve` of `/points`.
    #[param(required = true, value_type = String)]
    pub curve: Option<String>,
    #[param(required = true, value_type = u32, minimum = 1)]
    pub conc: Option<String>,
    /// A run that measured the same point: what differs in its configuration is listed.
    #[param(value_type = Option<i64>, minimum = 1)]
    pub against: Option<String>,
    /// The state at this time, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
}

/// Shares of all values, of which quantiles are given.
const SHARES: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0];
/// The most bars of a histogram.
const MOST_BARS: usize = 60;
const FEWEST_DIGITS: usize = 8;

/// What a run keeps of a point beside its numbers
///
/// Distributions as quantiles (within 1 %) and bars, the load and the engine's own metrics over time in at most 600 slices each, the jobs that
/// measured it with their phases and an excerpt of the engine's log (16 KiB at most), the verdicts that were given, its configuration by name,
/// annotations, and where its run comes from. Absent parts were not kept: whole logs and samples of GPUs stay in the artifacts of the run.
#[utoipa::path(get, path = "/api/v1/records", tag = "results", params(RecordParams),
    responses((status = 200, description = "The records; in other formats than JSON the configuration", body = Object),
        (status = 404, description = "The run has no such point")))]
pub(in crate::serve) async fn records(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<RecordParams>,
) -> Result<Response, ApiError> {
    let RecordParams {
        run,
        curve,
        conc,
        against,
        as_of,
    } = params;
    let needed = |name: &str| {
        ApiError::Invalid(format!(
            "`{name}` is missing; /api/v1/points has the `run`, `curve` and `conc` of each point"
        ))
    };
    let run = run_number("run", &run.ok_or_else(|| needed("run"))?)?;
    let against = against.as_deref().map(|text| run_number("against", text)).transpose()?;
    let conc = concurrency(&conc.ok_or_else(|| needed("conc"))?)?;
    let as_of = state(as_of.as_deref())?;
    let key = key_of(&app, &curve.ok_or_else(|| needed("curve"))?, conc).await?;
    let document = document(&app, RecordsOf { run, against, as_of }, &key).await?;
    answer::document(format, &document, "configuration")
}

/// The run whose records are asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve) struct RecordsOf {
    pub run: i64,
    /// A run that the configuration is compared with.
    pub against: Option<i64>,
    pub as_of: AsOf,
}

/// What a run keeps of a point.
///
/// # Errors
/// [`ApiError::NotFound`] where the run has no such point.
pub(in crate::serve) async fn document(app: &App, of: RecordsOf, key: &PointKey) -> Result<Value, ApiError> {
    let RecordsOf { run, against, as_of } = of;
    let point = point_of(app, run, key, as_of).await?;
    let mut reader = app.reader().await?;
    let found = reader.point_records(run, key, as_of).await?;
    let head = reader.run_heads(&[run], as_of).await?.remove(&run);
    let started_ms = head.as_ref().map(|head| head.started_ms).unwrap_or_default();
    let annotations: Vec<Annotation> = reader.annotations(as_of).await?;
    reader.give_back();
    let about: Vec<&Annotation> = annotations
        .iter()
        .filter(|annotation| annotation.concerns(key, [(run, started_ms)], 0))
        .collect();
    let differing = match against {
        Some(other) => Some(differences(&point_of(app, other, key, as_of).await?, &point)),
        None => None,
    };
    let settings = configuration(&point)
        .into_iter()
        .map(|(name, value)| json!({ "name": name, "value": value }));
    Ok(json!({
        "point": key.to_string(),
        "run": head,
        "configuration": settings.collect::<Vec<Value>>(),
        "conversions": point.provenance.as_ref().map(|provenance| &provenance.conversions),
        "differences": differing,
        "distributions": found.distributions.as_ref().map(distributions),
        "slices": found.distributions.as_ref().map(|found| &found.slices),
        "engine": found.distributions.as_ref().map(|found| &found.engine),
        "jobs": found.jobs,
        "verdicts": found.verdicts,
        "annotations": about,
    }))
}

fn concurrency(text: &str) -> Result<Concurrency, ApiError> {
    let number = text.parse::<u32>().ok().and_then(Concurrency::new);
    number.ok_or_else(|| ApiError::parameter("conc", text, "a number from 1"))
}

/// The key of a curve's point by the first digits of the curve's hash.
async fn key_of(app: &App, digits: &str, conc: Concurrency) -> Result<PointKey, ApiError> {
    let is_hash = digits.len() >= FEWEST_DIGITS && digits.len() <= 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hash {
        return Err(ApiError::parameter("curve", digits, "8 to 64 hex digits"));
    }
    let digits = digits.to_ascii_lowercase();
    let mut reader = app.reader().await?;
    let curves = reader.curve_keys(&PointSelection::default()).await?;
    reader.give_back();
    let mut found = curves
        .into_values()
        .filter(|curve| curve.identity().to_string().starts_with(&digits));
    let curve = found
        .next()
        .ok_or_else(|| ApiError::NotFound(format!("there is no curve {digits}")))?;
    // Projects have curves of their own with equal keys.
    if found.any(|other| other != curve) {
        return Err(ApiError::parameter("curve", &digits, "digits that one curve alone begins with"));
    }
    Ok(PointKey { curve, conc })
}

async fn point_of(app: &App, run: i64, key: &PointKey, as_of: AsOf) -> Result<Point, ApiError> {
    let missing = || ApiError::NotFound(format!("run {run} has no point {key}"));
    let filter = RunFilter {
        id: Some(run),
        with_retracted: true,
        as_of,
        ..RunFilter::default()
    };
    let mut reader = app.reader().await?;
    let summary = reader.runs(&filter).await?.into_iter().next();
    let summary = summary.ok_or_else(|| ApiError::no_run(run))?;
    let point = reader.point_of_run(&summary, key).await?;
    reader.give_back();
    point.ok_or_else(missing)
}

fn distributions(found: &PointDistributions) -> Vec<Value> {
    let PointDistributions {
        point: _,
        input_lengths,
        output_lengths,
        ttft,
        itl,
        tpot,
        e2el,
        slices: _,
        engine: _,
    } = found;
    [
        ("TTFT", "s", ttft),
        ("ITL", "s", itl),
        ("TPOT", "s", tpot),
        ("E2E latency", "s", e2el),
        ("Input length", "tokens", input_lengths),
        ("Output length", "tokens", output_lengths),
    ]
    .into_iter()
    .filter(|(_, _, sketch)| !sketch.is_empty())
    .map(|(title, unit, sketch)| distribution(title, unit, sketch))
    .collect()
}

fn distribution(title: &str, unit: &str, sketch: &Sketch) -> Value {
    let quantiles = SHARES
        .into_iter()
        .filter_map(|share| Some(json!({ "share": share, "value": sketch.quantile(share)? })));
    let bars = sketch.bars(MOST_BARS);
    let bars = bars
        .iter()
        .map(|bar| json!({ "low": bar.low, "high": bar.high, "count": bar.count }));
    json!({
        "title": title,
        "unit": unit,
        "count": sketch.count(),
        "quantiles": quantiles.collect::<Vec<_>>(),
        "bars": bars.collect::<Vec<_>>(),
    })
}
