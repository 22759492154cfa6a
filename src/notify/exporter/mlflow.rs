//! MLflow: a run of its tracking server for each measured point, <https://mlflow.org/docs/latest/rest-api.html>. The tag `imax.id` names
//! the point, so that an export that is repeated adds what is missing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use super::push::{Api, ExporterError, RunName};
use crate::analysis::HistoryRun;
use crate::model::{Secret, Workload};
use crate::result::{Measurement, Point};
use crate::system::environment;

const WHAT: &str = "MLflow";
const API: &str = "/api/2.0/mlflow";
/// The experiment unless another one is named.
pub(crate) const DEFAULT_EXPERIMENT: &str = "imax";
/// Metrics of one request, the API's limit.
const MOST_METRICS: usize = 1000;
/// Runs of an answer.
const PAGE: u32 = 1000;

/// A tracking server and an experiment.
#[derive(Debug)]
pub(crate) struct Mlflow {
    api: Api,
    experiment: String,
}

/// A run of MLflow that is there already.
struct Found {
    run: String,
    is_finished: bool,
}

impl Mlflow {
    /// The server at `to` or `MLFLOW_TRACKING_URI`, with `MLFLOW_TRACKING_TOKEN` or `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
    /// The experiment is created if it is missing.
    ///
    /// # Errors
    /// [`ExporterError`].
    pub(crate) async fn connect(to: Option<&str>, experiment: &str) -> Result<Self, ExporterError> {
        let secrets = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD";
        let mut api = Api::at(WHAT, to, "MLFLOW_TRACKING_URI", secrets)?;
        if let Some(token) = environment::text("MLFLOW_TRACKING_TOKEN") {
            let value = Secret::new(format!("Bearer {token}"));
            api.header("MLFLOW_TRACKING_TOKEN", "authorization", &value)?;
        } else if let Some(user) = environment::text("MLFLOW_TRACKING_USERNAME") {
            let password = environment::text("MLFLOW_TRACKING_PASSWORD").unwrap_or_default();
            let value = Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
            api.header("MLFLOW_TRACKING_USERNAME", "authorization", &value)?;
        }
        let experiment = experiment_id(&api, experiment).await?;
        Ok(Self { api, experiment })
    }

    /// Sends the measured points of a run. Gives how many were added.
    ///
    /// # Errors
    /// [`ExporterError`].
    pub(crate) async fn send(&self, name: &RunName, run: &HistoryRun) -> Result<usize, ExporterError> {
        let known = self.known(name).await?;
        let mut added = 0;
        for point in &run.run.points {
            let Some(measurement) = point.measurement() else { continue };
            let id = format!("{}/{}", name.id, point.key);
            let found = known.get(&id);
            if found.is_some_and(|found| found.is_finished) {
                continue;
            }
            // One that an export left unfinished is completed: parameters and metrics of the same values are the same.
            let target = match found {
                Some(found) => found.run.clone(),
                None => self.create(name, run, point, &id).await?,
            };
            self.fill(&target, run, point, measurement).await?;
            added += 1;
        }
        Ok(added)
    }

    /// What the server has of a run, by `imax.id`.
    async fn known(&self, name: &RunName) -> Result<BTreeMap<String, Found>, ExporterError> {
        let mut found = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let filter = format!("tags.`imax.run` = '{}'", quoted(&name.id));
            let body = json!({ "experiment_ids": [self.experiment], "filter": filter, "max_results": PAGE, "page_token": token });
            let answer = self.api.post(&format!("{API}/runs/search"), &without_null(body)).await?;
            for run in answer.get("runs").and_then(Json::as_array).into_iter().flatten() {
                if let Some((id, run)) = known_run(run) {
                    found.insert(id, run);
                }
            }
            let next = text(&answer, "/next_page_token").filter(|next| !next.is_empty());
            // A server that gives the same page again would never end.
            if next.is_none() || next == token {
                return Ok(found);
            }
            token = next;
        }
    }

    async fn create(&self, name: &RunName, run: &HistoryRun, point: &Point, id: &str) -> Result<String, ExporterError> {
        let tags = [
            ("imax.id", Some(id.to_owned())),
            // As it is searched for.
            ("imax.run", Some(quoted(&name.id))),
            ("imax.project", Some(name.project.clone())),
            ("mlflow.source.git.commit", Some(run.commit.clone())),
            ("mlflow.source.git.branch", run.branch.clone()),
            ("mlflow.source.type", Some("JOB".to_owned())),
            ("mlflow.source.name", Some("imax".to_owned())),
        ];
        let tags: Vec<Json> = tags
            .into_iter()
            .filter_map(|(key, value)| Some(json!({ "key": key, "value": value? })))
            .collect();
        let body = json!({
            "experiment_id": self.experiment, "run_name": point.key.to_string(), "start_time": milliseconds(run), "tags": tags,
        });
        let path = format!("{API}/runs/create");
        let answer = self.api.post(&path, &without_null(body)).await?;
        text(&answer, "/run/info/run_id").ok_or_else(|| missing(path, "run.info.run_id"))
    }

    async fn fill(&self, target: &str, run: &HistoryRun, point: &Point, measurement: &Measurement) -> Result<(), ExporterError> {
        let at = milliseconds(run).unwrap_or_default();
        let metric = |(name, value): (&str, f64)| json!({ "key": name, "value": value, "timestamp": at, "step": 0 });
        let metrics: Vec<Json> = measurement.numbers().filter(|(_, value)| value.is_finite()).map(metric).collect();
        let path = format!("{API}/runs/log-batch");
        let params = params(point);
        self.api.post(&path, &json!({ "run_id": target, "params": params })).await?;
        for part in metrics.chunks(MOST_METRICS) {
            self.api.post(&path, &json!({ "run_id": target, "metrics": part })).await?;
        }
        let body = json!({ "run_id": target, "status": "FINISHED", "end_time": milliseconds(run) });
        self.api.post(&format!("{API}/runs/update"), &without_null(body)).await?;
        Ok(())
    }
}

/// The number of the experiment, which is created if it is missing.
async fn experiment_id(api: &Api, name: &str) -> Result<String, ExporterError> {
    let path = format!("{API}/experiments/get-by-name");
    match api.get(&path, &[("experiment_name", name)]).await {
        Ok(answer) => text(&answer, "/experiment/experiment_id").ok_or_else(|| missing(path, "experiment.experiment_id")),
        Err(ExporterError::Refused { status: 404, .. }) => {
            let path = format!("{API}/experiments/create");
            let answer = api.post(&path, &json!({ "name": name })).await?;
            text(&answer, "/experiment_id").ok_or_else(|| missing(path, "experiment_id"))
        }
        Err(error) => Err(error),
    }
}

fn missing(path: String, member: &str) -> ExporterError {
    ExporterError::Answer {
        what: WHAT,
        path,
        reason: format!("`{member}` is missing"),
    }
}

fn known_run(run: &Json) -> Option<(String, Found)> {
    let tags = run.pointer("/data/tags")?.as_array()?;
    let id = tags.iter().find(|tag| tag.get("key").and_then(Json::as_str) == Some("imax.id"))?;
    let found = Found {
        run: text(run, "/info/run_id")?,
        is_finished: text(run, "/info/status").as_deref() == Some("FINISHED"),
    };
    Some((id.get("value")?.as_str()?.to_owned(), found))
}

/// What identifies the point.
fn params(point: &Point) -> Vec<Json> {
    let curve = &point.key.curve;
    let (isl, osl) = match curve.workload {
        Workload::FixedSeqLen(lens) => (Some(lens.isl.to_string()), Some(lens.osl.to_string())),
        Workload::AgenticCoding => (None, None),
    };
    let named = [
        ("model_prefix", Some(curve.model_prefix.to_string())),
        ("model", point.model.clone()),
        ("precision", Some(curve.precision.to_string())),
        ("hardware", Some(curve.runner.to_string())),
        ("framework", Some(curve.framework.to_string())),
        ("spec_decoding", Some(curve.spec_decoding.as_str().to_owned())),
        ("disagg", Some(curve.disagg.to_string())),
        ("layout", Some(curve.layout.clone())),
        ("isl", isl),
        ("osl", osl),
        ("conc", Some(point.key.conc.to_string())),
        ("gpus", Some(point.gpus.to_string())),
        ("image", point.image.clone()),
    ];
    let variant = curve
        .variant
        .iter()
        .map(|(name, value)| (format!("variant.{name}"), value.to_string()));
    let named = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    named
        .chain(variant)
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}

fn milliseconds(run: &HistoryRun) -> Option<i64> {
    run.instant().map(|instant| instant.timestamp_millis())
}

/// A text inside of the quotes of a filter; MLflow has no escape for them.
fn quoted(text: &str) -> String {
    text.replace('\'', " ")
}

fn text(value: &Json, pointer: &str) -> Option<String> {
    Some(value.pointer(pointer)?.as_str()?.to_owned())
}

fn without_null(value: Json) -> Json {
    match value {
        Json::Object(members) => Json::Object(members.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_)) => other,
    }
}
