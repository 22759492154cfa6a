//! `/bisection`: what lies between the last good and the first bad run of a thread.

use std::sync::Arc;

use axum::response::Response;
use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::regressions::Inbox;
use crate::analysis::{ChangeThread, MeasuredCommit, bisect_commands, middle_commit, sweep_comment};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::selection_params::SelectionParams;
use crate::store::database::{Annotation, AnnotationKind, RunFilter, RunHead, RunSummary};

/// Which thread.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct BisectionParams {
    /// The `thread` of `/regressions`.
    #[param(required = true, value_type = String)]
    pub thread: Option<String>,
}

/// The most runs of a list.
const MOST_RUNS: usize = 200;

/// What lies between the last good and the first bad run of a thread
///
/// `between` has the branch's runs of other points, `tried` the runs of branches that begin with `bisect-` and the thread's name; each has
/// the newest 200, and `is_cut` tells whether there are more. `comment` is the `/sweep` comment that measures the points of the thread alone,
/// `commands` make a pull request of the middle commit, which Git chooses if runs were tried or left out.
#[utoipa::path(get, path = "/api/v1/bisection", tag = "results", params(SelectionParams, BisectionParams),
    responses((status = 200, description = "The interval; in other formats than JSON its runs", body = Object),
        (status = 404, description = "There is no such thread")))]
pub(in crate::serve) async fn bisection(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, BisectionParams>,
) -> Result<Response, ApiError> {
    let id = params
        .thread
        .ok_or_else(|| ApiError::Invalid("`thread` is missing; /api/v1/regressions has those of all regressions".to_owned()))?;
    let inbox = Inbox::read(&app, selection).await?;
    let found = inbox.threads.iter().find(|thread| thread.id() == id);
    let thread = found.ok_or_else(|| ApiError::NotFound(format!("there is no thread {id}; /api/v1/regressions lists them")))?;
    let found = Runs {
        tried: inbox.tried(&app, thread).await?,
        between: inbox.between(&app, thread).await?,
    };
    answer::document(format, &inbox.document(thread, &found), "between")
}

/// The newest rows of a list, at most [`MOST_RUNS`].
struct Newest<T> {
    rows: Vec<T>,
    /// Whether there are more.
    is_cut: bool,
}

/// The runs that tell where the cause is.
struct Runs {
    between: Newest<RunHead>,
    tried: Newest<Tried>,
}

/// A run of a bisection, and on which side its value lies.
struct Tried {
    run: i64,
    commit: String,
    value: f64,
    is_good: bool,
}

impl Inbox {
    /// The newest runs of a filter.
    async fn runs(&self, app: &App, filter: RunFilter) -> Result<Newest<RunSummary>, ApiError> {
        let filter = RunFilter {
            project: self.selection.project.clone(),
            newest: Some(MOST_RUNS + 1),
            as_of: self.as_of,
            ..filter
        };
        let mut reader = app.reader().await?;
        let mut rows = reader.runs(&filter).await?;
        reader.give_back();
        let is_cut = rows.len() > MOST_RUNS;
        rows.truncate(MOST_RUNS);
        Ok(Newest { rows, is_cut })
    }

    /// The runs of the branch that were measured between the two edges.
    async fn between(&self, app: &App, thread: &ChangeThread) -> Result<Newest<RunHead>, ApiError> {
        let filter = RunFilter {
            branch: Some(self.branch.clone()).filter(|branch| !branch.is_empty()),
            since: DateTime::from_timestamp_millis(thread.after_ms + 1),
            until: DateTime::from_timestamp_millis(thread.at_ms),
            ..RunFilter::default()
        };
        let Newest { rows: runs, is_cut } = self.runs(app, filter).await?;
        let runs: Vec<i64> = runs.iter().map(|run| run.id).collect();
        let mut reader = app.reader().await?;
        let heads = reader.run_heads(&runs, self.as_of).await?;
        reader.give_back();
        let mut rows: Vec<RunHead> = heads.into_values().collect();
        rows.sort_by_key(|head| (head.started_ms, head.run));
        Ok(Newest { rows, is_cut })
    }

    /// The runs of bisections of this thread. A run is good if its value is nearer to the level before, by ratio.
    async fn tried(&self, app: &App, thread: &ChangeThread) -> Result<Newest<Tried>, ApiError> {
        let filter = RunFilter {
            branch_prefix: Some(format!("bisect-{}", thread.id())),
            since: DateTime::from_timestamp_millis(thread.at_ms),
            ..RunFilter::default()
        };
        let Newest { rows: runs, is_cut } = self.runs(app, filter).await?;
        let mut rows = Vec::new();
        let mut reader = app.reader().await?;
        for summary in &runs {
            let Some(largest) = thread.largest() else { break };
            let point = reader.point_of_run(summary, &largest.key).await?;
            let value = point
                .and_then(|point| point.measurement()?.get(largest.metric))
                .filter(|value| *value > 0.0);
            let Some(value) = value else { continue };
            rows.push(Tried {
                run: summary.id,
                commit: summary.commit.clone(),
                value,
                is_good: distance(value, largest.before.mean) < distance(value, largest.after.mean),
            });
        }
        reader.give_back();
        Ok(Newest { rows, is_cut })
    }

    fn document(&self, thread: &ChangeThread, runs: &Runs) -> Value {
        let (between, tried) = (&runs.between.rows, &runs.tried.rows);
        let is_cut = runs.between.is_cut || runs.tried.is_cut;
        let (good, bad) = self.edges(thread);
        let decided = |commit: &str| tried.iter().any(|tried| tried.commit == commit);
        let edge = |head: Option<&RunHead>| head.map(|head| head.commit.clone()).unwrap_or_default();
        let (good_commit, bad_commit) = (edge(good), edge(bad));
        let mut commits: Vec<MeasuredCommit> = Vec::new();
        for head in between
            .iter()
            .filter(|head| head.commit != good_commit && head.commit != bad_commit)
        {
            if !commits.iter().any(|known| known.commit == head.commit) {
                commits.push(MeasuredCommit {
                    commit: head.commit.clone(),
                    is_decided: decided(&head.commit),
                });
            }
        }
        // What a bisection has shown narrows the interval, in an order that Git alone knows.
        let is_complete = tried.is_empty() && !is_cut;
        let middle = if is_complete {
            middle_commit(&commits).map(str::to_owned)
        } else {
            None
        };
        let mut goods = vec![good_commit.as_str()];
        goods.extend(tried.iter().filter(|tried| tried.is_good).map(|tried| tried.commit.as_str()));
        let last_bad = tried
            .iter()
            .find(|tried| !tried.is_good)
            .map_or(bad_commit.as_str(), |tried| tried.commit.as_str());
        let comment = sweep_comment(thread);
        let is_one_commit = good_commit == bad_commit;
        let commands = comment.as_deref().filter(|_| !is_one_commit);
        let commands = commands.and_then(|comment| bisect_commands(&thread.id(), &goods, last_bad, middle.as_deref(), comment));
        let notes: Vec<&Annotation> =
            self.annotations
                .iter()
                .filter(|annotation| annotation.kind == AnnotationKind::Change.as_str())
                .filter(|annotation| {
                    thread.changes.iter().any(|change| {
                        annotation.concerns(&change.key, [(change.after.from_run, thread.at_ms)], thread.at_ms - thread.after_ms)
                    })
                })
                .collect();
        json!({
            "thread": thread.id(),
            "good": good,
            "bad": bad,
            "compare_url": good.zip(bad).and_then(|(good, bad)| good.compare_url(bad)),
            "between": between,
            "tried": tried.iter().map(|tried| json!({ "run": tried.run, "commit": tried.commit, "value": tried.value, "is_good": tried.is_good })).collect::<Vec<_>>(),
            "is_cut": is_cut,
            "middle": middle,
            "is_one_commit": is_one_commit,
            "comment": comment,
            "commands": commands,
            "changes": notes,
        })
    }
}

/// How far two values are from each other, by ratio.
fn distance(value: f64, other: f64) -> f64 {
    (value / other).ln().abs()
}
