//! `/compare`: any two sets of points, paired exactly.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use crate::analysis::{
    ComparisonSummary, Filter, Knowledge, PointComparison, Run, Side, Verdict, compare as compare_sides, difference_groups,
};
use crate::model::{Framework, PointKey, RunnerLabel};
use crate::result::Point;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::{Form, Nothing};
use crate::serve::format::Format;
use crate::serve::selection_params::{filters, run_number, state};
use crate::store::database::{AsOf, PointSelection, RunFilter};

/// Runs of the history from which noise is estimated.
const HISTORY_RUNS: usize = 20;

/// The most groups of pairs with equal differences.
const MOST_DIFFERENCES: usize = 100;

/// The two sets.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct CompareParams {
    /// The base: run:NUMBER, commit:NAME, release:COMMIT, image:NAME, branch:NAME, hardware:LABEL or engine:NAME. The last two are of the
    /// newest curves of `branch`, and are paired by all other dimensions.
    #[param(required = true, value_type = String, example = "branch:main")]
    pub base: Option<String>,
    /// The head, in the same forms.
    #[param(required = true, value_type = String, example = "run:12")]
    pub head: Option<String>,
    /// Only points that match, as of `/points`.
    #[param(value_type = Vec<String>)]
    pub filter: Vec<String>,
    /// Only runs of this project.
    pub project: Option<String>,
    /// The branch of sets that name none [default: main], and of the history from which noise is estimated.
    pub branch: Option<String>,
    /// The state at this time, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
}

/// A set of points.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    Run(i64),
    Commit(String),
    Release(String),
    Image(String),
    Branch(String),
    Hardware(String),
    Engine(String),
}

/// Two sets of points side by side
///
/// Points are paired by their whole keys; what one side lacks is listed in `unpaired` with the reason. Verdicts are those of `imax compare`.
/// `summary` has the largest gain and loss, who won by model and hardware family, and what moved in sentences; `configuration` has the pairs by
/// what differs in their settings, with the geometric mean of each metric's change.
#[utoipa::path(get, path = "/api/v1/compare", tag = "results", params(CompareParams),
    responses((status = 200, description = "The comparison; in other formats than JSON its points, one row for each metric", body = Object),
        (status = 404, description = "There is no such run")))]
pub(in crate::serve) async fn compare(
    app: Arc<App>,
    format: Format,
    Form(params, Nothing {}): Form<CompareParams>,
) -> Result<Response, ApiError> {
    let CompareParams {
        base,
        head,
        filter,
        project,
        branch,
        as_of,
    } = params;
    let (base, head) = (set("base", base.as_deref())?, set("head", head.as_deref())?);
    let branch = branch.unwrap_or_else(|| "main".to_owned());
    let request = SetRequest {
        project,
        branch,
        filters: filters(&filter)?,
        as_of: state(as_of.as_deref())?,
    };
    let mut base_run = request.read(&app, &base).await?;
    let mut head_run = request.read(&app, &head).await?;
    align(&base, &mut base_run)?;
    align(&head, &mut head_run)?;
    let history = request.history(&app).await?;
    let knowledge = Knowledge {
        history,
        ..Knowledge::default()
    };
    let (base_name, head_name) = (base.to_string(), head.to_string());
    let computed = tokio::task::spawn_blocking(move || {
        let base = Side {
            name: &base_name,
            runs: vec![&base_run],
        };
        let head = Side {
            name: &head_name,
            runs: vec![&head_run],
        };
        let comparison = compare_sides(&base, &head, &knowledge);
        let unpaired: Vec<Value> = comparison
            .points
            .iter()
            .filter_map(|point| unpaired(point, &base_run, &head_run))
            .collect();
        let counts: BTreeMap<&str, usize> = Verdict::ALL
            .map(|verdict| (verdict.as_str(), comparison.count(verdict)))
            .into_iter()
            .collect();
        let rows: Vec<Value> = comparison.points.iter().flat_map(rows).collect();
        let summary = ComparisonSummary::of(&comparison);
        let pairs = comparison.points.iter().filter_map(|point| {
            let (base, head) = (point_of(&base_run, &point.point)?, point_of(&head_run, &point.point)?);
            (!point.changes.is_empty()).then_some((base, head, point.changes.as_slice()))
        });
        let mut configuration = difference_groups(pairs);
        configuration.truncate(MOST_DIFFERENCES);
        let document = json!({
            "counts": counts,
            "summary": summary,
            "comparison": comparison,
            "configuration": configuration,
            "unpaired": unpaired,
        });
        (document, rows)
    });
    let (document, rows) = computed.await.map_err(ApiError::internal)?;
    match format {
        Format::Json => answer::document(format, &document, ""),
        Format::Csv | Format::Ndjson | Format::Parquet => answer::list(format, &rows, None),
    }
}

/// A point of a run, whose points are sorted.
fn point_of<'a>(run: &'a Run, key: &PointKey) -> Option<&'a Point> {
    let at = run.points.binary_search_by(|point| point.key.cmp(key)).ok()?;
    run.points.get(at)
}

/// Where sets are read.
struct SetRequest {
    project: Option<String>,
    branch: String,
    filters: Vec<Filter>,
    as_of: AsOf,
}

impl SetRequest {
    fn selection(&self, set: &Set) -> Result<PointSelection, ApiError> {
        let mut selection = PointSelection {
            project: self.project.clone(),
            filters: self.filters.clone(),
            ..PointSelection::default()
        };
        match set {
            Set::Run(run) => selection.run = Some(*run),
            Set::Commit(commit) => selection.commit = Some(commit.clone()),
            Set::Release(commit) => {
                selection.kind = Some("release".to_owned());
                selection.commit = Some(commit.clone());
            }
            Set::Image(image) => selection.image = Some(image.clone()),
            Set::Branch(branch) => selection.newest_on = Some(branch.clone()),
            Set::Hardware(label) => {
                selection.newest_on = Some(self.branch.clone());
                selection.filters.extend(literal("hardware", label)?);
            }
            Set::Engine(name) => {
                selection.newest_on = Some(self.branch.clone());
                selection.filters.extend(literal("framework", name)?);
            }
        }
        Ok(selection)
    }

    /// The points of a set as a run. Those of a run include the failed ones, so that a failure is not taken for a gap.
    async fn read(&self, app: &App, set: &Set) -> Result<Run, ApiError> {
        let mut reader = app.reader().await?;
        let run = match set {
            Set::Run(id) => {
                let filter = RunFilter {
                    id: Some(*id),
                    with_retracted: true,
                    as_of: self.as_of,
                    ..RunFilter::default()
                };
                let summary = reader.runs(&filter).await?.into_iter().next();
                let summary = summary.ok_or_else(|| ApiError::no_run(*id))?;
                let mut run = reader.run(&summary).await?.run;
                crate::analysis::select(&mut run, None, &self.filters);
                run
            }
            Set::Commit(_) | Set::Release(_) | Set::Image(_) | Set::Branch(_) | Set::Hardware(_) | Set::Engine(_) => {
                let most = app.limits.points;
                let points = reader.newest_points(&self.selection(set)?, self.as_of, most).await?;
                let points = points.ok_or(ApiError::TooMany { most, what: "points" })?;
                Run {
                    points: points.into_iter().map(|(_, point)| point).collect(),
                    ..Run::default()
                }
            }
        };
        reader.give_back();
        Ok(run)
    }

    async fn history(&self, app: &App) -> Result<crate::analysis::History, ApiError> {
        let filter = RunFilter {
            project: self.project.clone(),
            branch: Some(self.branch.clone()),
            without_pull_requests: true,
            newest: Some(HISTORY_RUNS),
            as_of: self.as_of,
            ..RunFilter::default()
        };
        let mut reader = app.reader().await?;
        let history = reader.history(&filter).await?;
        reader.give_back();
        Ok(history)
    }
}

/// A filter for exactly one value: wildcards in it are escaped.
fn literal(key: &str, value: &str) -> Result<Option<Filter>, ApiError> {
    let is_plain = !value.contains(['*', '?', '[', ']', '{', '}', '\\']);
    if !is_plain {
        return Err(ApiError::parameter(key, value, "one name without wildcards"));
    }
    let filter = format!("{key}={value}").parse::<Filter>();
    filter.map(Some).map_err(|error| ApiError::Invalid(error.to_string()))
}

/// Gives the points of sets of hardware or engines one name in that dimension, so that they pair by the others.
fn align(set: &Set, run: &mut Run) -> Result<(), ApiError> {
    const COMMON: &str = "compared";
    match set {
        Set::Hardware(_) => {
            let label: RunnerLabel = COMMON.parse().map_err(ApiError::internal)?;
            run.points.iter_mut().for_each(|point| point.key.curve.runner = label.clone());
        }
        Set::Engine(_) => {
            let name: Framework = COMMON.parse().map_err(ApiError::internal)?;
            run.points.iter_mut().for_each(|point| point.key.curve.framework = name.clone());
        }
        Set::Run(_) | Set::Commit(_) | Set::Release(_) | Set::Image(_) | Set::Branch(_) => {}
    }
    run.points.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(())
}

fn set(name: &str, text: Option<&str>) -> Result<Set, ApiError> {
    const FORMS: &str = "run:NUMBER, commit:NAME, release:COMMIT, image:NAME, branch:NAME, hardware:LABEL or engine:NAME";
    let text = text.ok_or_else(|| ApiError::Invalid(format!("`{name}` is missing; expected {FORMS}")))?;
    let wrong = || ApiError::parameter(name, text, FORMS);
    let (kind, value) = text.split_once(':').filter(|(_, value)| !value.is_empty()).ok_or_else(wrong)?;
    let own = value.to_owned();
    Ok(match kind {
        "run" => Set::Run(run_number(name, value)?),
        "commit" => Set::Commit(own),
        "release" => Set::Release(own),
        "image" => Set::Image(own),
        "branch" => Set::Branch(own),
        "hardware" => Set::Hardware(own),
        "engine" => Set::Engine(own),
        _ => return Err(wrong()),
    })
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(run) => write!(f, "run:{run}"),
            Self::Commit(name) => write!(f, "commit:{name}"),
            Self::Release(name) => write!(f, "release:{name}"),
            Self::Image(name) => write!(f, "image:{name}"),
            Self::Branch(name) => write!(f, "branch:{name}"),
            Self::Hardware(name) => write!(f, "hardware:{name}"),
            Self::Engine(name) => write!(f, "engine:{name}"),
        }
    }
}

/// A point that only one side measured, and why it has no pair.
fn unpaired(point: &PointComparison, base: &Run, head: &Run) -> Option<Value> {
    let (side, other) = match point.verdict {
        Verdict::New => ("head", base),
        Verdict::Missing | Verdict::Failed => ("base", head),
        Verdict::Worse | Verdict::Better | Verdict::Unsure | Verdict::Same => return None,
    };
    let reason = reason(&point.point, other);
    Some(json!({ "point": point.point.to_string(), "key": point.point, "only_in": side, "reason": reason }))
}

fn reason(key: &PointKey, other: &Run) -> String {
    let failed = |point: &Point| match &point.outcome {
        crate::result::PointOutcome::Failed(failure) => Some(format!("failed ({}): {}", failure.class.as_str(), failure.reason)),
        crate::result::PointOutcome::Measured(_) => None,
    };
    match other.point(key) {
        Some(point) => failed(point).unwrap_or_else(|| "no numbers".to_owned()),
        None if other.points.iter().any(|point| point.key.curve == key.curve) => {
            format!("the other side has the curve, not concurrency {}", key.conc)
        }
        None => "the other side has no such curve".to_owned(),
    }
}

/// A row for each metric of a pair; one without a metric for a point without a pair.
fn rows(point: &PointComparison) -> Vec<Value> {
    let name = point.point.to_string();
    if point.changes.is_empty() {
        return vec![json!({ "point": name, "verdict": point.verdict, "metric": null })];
    }
    let row = |change: &crate::analysis::Change| {
        json!({
            "point": name, "verdict": point.verdict, "metric": change.metric, "base": change.base, "head": change.head,
            "relative": change.relative, "low": change.low, "high": change.high, "q": change.q, "metric_verdict": change.verdict,
        })
    };
    point.changes.iter().map(row).collect()
}
