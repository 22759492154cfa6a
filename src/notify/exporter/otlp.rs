//! OpenTelemetry: gauges by OTLP over HTTP as JSON, <https://opentelemetry.io/docs/specs/otlp/#otlphttp>. A number is a gauge `imax.NAME` at the
//! time of its run.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};

use super::push::{Api, ExporterError, RunName};
use crate::analysis::HistoryRun;
use crate::model::{Secret, Workload};
use crate::result::Point;
use crate::system::environment;

const WHAT: &str = "the OpenTelemetry collector";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Numbers of one request: collectors refuse bodies of more than some megabytes.
const MOST_NUMBERS: usize = 2000;

/// A collector.
#[derive(Debug)]
pub(crate) struct Otlp {
    api: Api,
}

/// A number of a point.
struct Number<'a> {
    name: &'a str,
    value: f64,
    point: &'a Point,
}

impl Otlp {
    /// The collector at `to` or `OTEL_EXPORTER_OTLP_ENDPOINT`, with the headers of `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    /// [`ExporterError`].
    pub(crate) fn connect(to: Option<&str>) -> Result<Self, ExporterError> {
        let secrets = "set OTEL_EXPORTER_OTLP_HEADERS";
        let mut api = Api::at(WHAT, to, "OTEL_EXPORTER_OTLP_ENDPOINT", secrets)?;
        for pair in environment::text(HEADERS)
            .unwrap_or_default()
            .split(',')
            .filter(|pair| !pair.trim().is_empty())
        {
            let invalid = || ExporterError::Variable {
                variable: HEADERS,
                reason: "expected NAME=VALUE, separated by commas".to_owned(),
            };
            let (name, value) = pair.split_once('=').ok_or_else(invalid)?;
            let value = percent_decode_str(value.trim()).decode_utf8().map_err(|_| invalid())?;
            api.header(HEADERS, name.trim(), &Secret::new(value.into_owned()))?;
        }
        Ok(Self { api })
    }

    /// Sends the numbers of a run. Gives how many.
    ///
    /// # Errors
    /// [`ExporterError`], also if the collector took a part alone.
    pub(crate) async fn send(&self, name: &RunName, run: &HistoryRun) -> Result<usize, ExporterError> {
        let numbers: Vec<Number<'_>> = run.run.points.iter().flat_map(numbers).collect();
        for part in numbers.chunks(MOST_NUMBERS) {
            let path = "/v1/metrics";
            let answer = self.api.post(path, &request(name, run, part)).await?;
            check(&answer, path)?;
        }
        Ok(numbers.len())
    }
}

fn numbers(point: &Point) -> impl Iterator<Item = Number<'_>> {
    let all = point.measurement().into_iter().flat_map(|measurement| measurement.numbers());
    all.filter(|(_, value)| value.is_finite())
        .map(move |(name, value)| Number { name, value, point })
}

/// A collector answers 200 also where it dropped some.
fn check(answer: &Json, path: &str) -> Result<(), ExporterError> {
    let partial = answer.get("partialSuccess");
    let rejected = partial.and_then(|partial| partial.get("rejectedDataPoints"));
    // 64-bit numbers are texts in the JSON of Protocol Buffers; some write numbers.
    let rejected = rejected.map(|count| count.as_str().map_or_else(|| count.to_string(), str::to_owned));
    match rejected.filter(|count| count != "0") {
        None => Ok(()),
        Some(count) => Err(ExporterError::Answer {
            what: WHAT,
            path: path.to_owned(),
            reason: format!(
                "{count} numbers were rejected: {}",
                partial
                    .and_then(|partial| partial.get("errorMessage"))
                    .and_then(Json::as_str)
                    .unwrap_or_default()
            ),
        }),
    }
}

/// `ExportMetricsServiceRequest`: <https://github.com/open-telemetry/opentelemetry-proto>.
fn request(name: &RunName, run: &HistoryRun, numbers: &[Number<'_>]) -> Json {
    let nanoseconds = run.instant().and_then(|instant| instant.timestamp_nanos_opt()).unwrap_or_default();
    let mut gauges: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    for number in numbers {
        gauges.entry(number.name).or_default().push(json!({
            "timeUnixNano": nanoseconds.to_string(),
            "asDouble": number.value,
            "attributes": attributes(&describe(number.point)),
        }));
    }
    let metrics: Vec<Json> = gauges
        .into_iter()
        .map(|(name, points)| json!({ "name": format!("imax.{name}"), "unit": unit(name), "gauge": { "dataPoints": points } }))
        .collect();
    let resource = [
        ("service.name", Some("imax".to_owned())),
        ("imax.project", Some(name.project.clone())),
        ("imax.run", Some(name.id.clone())),
        ("vcs.ref.head.revision", Some(run.commit.clone())),
        ("vcs.ref.head.name", run.branch.clone()),
    ];
    let resource: Vec<(&str, String)> = resource.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    json!({ "resourceMetrics": [{
        "resource": { "attributes": attributes(&resource) },
        "scopeMetrics": [{ "scope": { "name": "imax", "version": env!("CARGO_PKG_VERSION") }, "metrics": metrics }],
    }] })
}

fn attributes(pairs: &[(&str, String)]) -> Vec<Json> {
    let attribute = |(key, value): &(&str, String)| json!({ "key": key, "value": { "stringValue": value } });
    pairs.iter().map(attribute).collect()
}

/// The dimensions of a point.
fn describe(point: &Point) -> Vec<(&'static str, String)> {
    let curve = &point.key.curve;
    let mut found = vec![
        ("model", curve.model_prefix.to_string()),
        ("precision", curve.precision.to_string()),
        ("hardware", curve.runner.to_string()),
        ("framework", curve.framework.to_string()),
        ("layout", curve.layout.clone()),
        ("conc", point.key.conc.to_string()),
        ("spec_decoding", curve.spec_decoding.as_str().to_owned()),
        ("disagg", curve.disagg.to_string()),
    ];
    match curve.workload {
        Workload::FixedSeqLen(lens) => found.extend([("isl", lens.isl.to_string()), ("osl", lens.osl.to_string())]),
        Workload::AgenticCoding => found.push(("scenario", "agentic-coding".to_owned())),
    }
    let variant: Vec<String> = curve.variant.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !variant.is_empty() {
        found.push(("variant", variant.join(" ")));
    }
    found
}

/// The unit by UCUM, <https://ucum.org>, of a number with a name of `agg_*.json`.
fn unit(name: &str) -> &'static str {
    let ends = [
        ("tput_per_gpu", "{token}/s"),
        ("_intvty", "{token}/s"),
        ("_ttft", "s"),
        ("_tpot", "s"),
        ("_itl", "s"),
        ("_e2el", "s"),
        ("_power_w", "W"),
        ("_energy_j", "J"),
        ("_temp_c", "Cel"),
        ("_pct", "%"),
        ("_mb", "MBy"),
    ];
    ends.into_iter().find(|(end, _)| name.ends_with(end)).map_or("1", |(_, unit)| unit)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn rejected_numbers_are_an_error_and_their_absence_is_none() {
        for answer in [
            json!(null),
            json!({}),
            json!({ "partialSuccess": {} }),
            json!({ "partialSuccess": { "rejectedDataPoints": "0" } }),
        ] {
            assert!(check(&answer, "/v1/metrics").is_ok(), "{answer}");
        }
        let rejected = check(
            &json!({ "partialSuccess": { "rejectedDataPoints": "7", "errorMessage": "too old" } }),
            "/v1/metrics",
        );
        assert!(rejected.unwrap_err().to_string().ends_with("7 numbers were rejected: too old"));
    }
}
