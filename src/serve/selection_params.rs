//! Parameters that select points and runs, as `--filter` and the other flags of the commands do.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::ApiError;
use crate::analysis::{Filter, RunKind};
use crate::model::FailureClass;
use crate::store::database::{AsOf, PointSelection};

/// The most filters of a query, and the longest.
const MOST_FILTERS: usize = 50;
const LONGEST_FILTER: usize = 500;

/// Which points.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(super) struct SelectionParams {
    /// Only points that match: `KEY=GLOB` with KEY one of model, hardware, framework, precision, sequence, layout, conc. Several filters of
    /// one key are alternatives, several keys must all match.
    #[param(value_type = Vec<String>, example = json!(["model=dsr1", "hardware=h200*"]))]
    pub filter: Vec<String>,
    /// Only runs of this project.
    pub project: Option<String>,
    /// Only runs of this branch.
    pub branch: Option<String>,
    /// Only runs of this kind: main, pull-request, manual, import, release.
    pub kind: Option<String>,
    /// Only this run, by its number in this history.
    #[param(value_type = Option<i64>, minimum = 1)]
    pub run: Option<String>,
    /// Only runs of this commit.
    pub commit: Option<String>,
    /// Only points of this image.
    pub image: Option<String>,
    /// Only points with this outcome: measured, or the class of the failure.
    pub outcome: Option<String>,
    /// Only runs that were measured from then on, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<String>,
    /// Only runs that were measured before.
    #[param(value_type = Option<String>, format = DateTime)]
    pub until: Option<String>,
    /// The state at this time, RFC 3339: without later additions, corrections and retractions.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
}

impl SelectionParams {
    /// The selection, and the state that is read.
    pub(super) fn parse(self) -> Result<(PointSelection, AsOf), ApiError> {
        let Self {
            filter,
            project,
            branch,
            kind,
            run,
            commit,
            image,
            outcome,
            since,
            until,
            as_of,
        } = self;
        let (since, until) = (time("since", since.as_deref())?, time("until", until.as_deref())?);
        if since.zip(until).is_some_and(|(since, until)| since > until) {
            return Err(ApiError::Invalid("`since` is later than `until`; exchange them".to_owned()));
        }
        let selection = PointSelection {
            filters: filters(&filter)?,
            project,
            branch,
            kind: kind.as_deref().map(run_kind).transpose()?.map(|kind| kind.as_str().to_owned()),
            run: run.as_deref().map(|run| run_number("run", run)).transpose()?,
            commit,
            image,
            outcome: outcome.as_deref().map(outcome_of).transpose()?,
            since,
            until,
            without_pull_requests: false,
            newest_on: None,
        };
        Ok((selection, state(as_of.as_deref())?))
    }
}

/// The state of a time.
pub(super) fn state(as_of: Option<&str>) -> Result<AsOf, ApiError> {
    Ok(time("as_of", as_of)?.map_or(AsOf::Now, AsOf::Time))
}

/// A time in RFC 3339.
pub(super) fn time(name: &str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    let time = time.map_err(|_| ApiError::parameter(name, text, "a time in RFC 3339 such as 2026-11-01T00:00:00Z"))?;
    Ok(Some(time))
}

/// RFC 3339 of milliseconds since 1970.
pub(super) fn date(milliseconds: i64) -> Option<String> {
    let date = DateTime::from_timestamp_millis(milliseconds)?;
    Some(date.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// The number of a run.
pub(super) fn run_number(name: &str, text: &str) -> Result<i64, ApiError> {
    let number = text.parse::<i64>().ok().filter(|number| *number > 0);
    number.ok_or_else(|| ApiError::parameter(name, text, "the number of a run"))
}

fn run_kind(text: &str) -> Result<RunKind, ApiError> {
    let known = RunKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    known.ok_or_else(|| ApiError::parameter("kind", text, RunKind::ALL.map(RunKind::as_str).join(", ")))
}

fn outcome_of(text: &str) -> Result<String, ApiError> {
    let is_known = text == "measured" || FailureClass::ALL.iter().any(|class| class.as_str() == text);
    if is_known {
        return Ok(text.to_owned());
    }
    let classes: Vec<&str> = FailureClass::ALL.iter().map(|class| class.as_str()).collect();
    Err(ApiError::parameter("outcome", text, format!("measured, {}", classes.join(", "))))
}

/// Filters of points.
pub(super) fn filters(texts: &[String]) -> Result<Vec<Filter>, ApiError> {
    if texts.len() > MOST_FILTERS {
        return Err(ApiError::Invalid(format!("more than {MOST_FILTERS} filters")));
    }
    texts.iter().map(|text| filter(text)).collect()
}

fn filter(text: &str) -> Result<Filter, ApiError> {
    if text.len() > LONGEST_FILTER {
        return Err(ApiError::Invalid(format!("a filter has more than {LONGEST_FILTER} bytes")));
    }
    text.parse::<Filter>().map_err(|error| ApiError::Invalid(error.to_string()))
}
