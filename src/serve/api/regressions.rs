//! `/regressions` and `/bisection`: losses of level as threads with their state, and what lies between the last good and the first bad run.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::series::metric;
use crate::analysis::{
    ChangeNotes, ChangeThread, GivenVerdict, LevelChange, MeasuredCommit, ThreadState, bisect_commands, change_threads, middle_commit,
    sweep_comment, thread_state,
};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::{SelectionParams, date};
use crate::store::database::{Annotation, AnnotationKind, AsOf, PointSelection, RunFilter, RunHead};

/// Which threads.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct RegressionParams {
    /// Only threads in this state: open, acknowledged, expected, fixed.
    pub state: Option<String>,
    /// The metric [default: all that are compared].
    pub metric: Option<String>,
}

/// Which thread.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(in crate::serve) struct BisectionParams {
    /// The `thread` of `/regressions`.
    #[param(required = true, value_type = String)]
    pub thread: Option<String>,
}

/// The most changes of a thread that are listed.
const MOST_CHANGES: usize = 500;
/// The most runs between two.
const MOST_RUNS: usize = 200;

/// Losses of level, those that moved together as one thread
///
/// Changes of one hardware and engine that may have happened at one time are one thread. Its `state` is `fixed` if later levels are as good as
/// those before, `expected` if a waiver accepts what is left (an annotation of the kind `expected` whose `to` has not passed, or an exception of
/// imax.yaml that held when the run was compared), `acknowledged` if annotations of the kinds `acknowledged` or `known-issue` cover it, else
/// `open`. Without `branch`, it is `main`.
#[utoipa::path(get, path = "/api/v1/regressions", tag = "results", params(SelectionParams, RegressionParams),
    responses((status = 200, description = "Threads, the newest first", body = inline(ObjectList))))]
pub(in crate::serve) async fn regressions(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, RegressionParams>,
) -> Result<Response, ApiError> {
    let state = params.state.as_deref().map(state_of).transpose()?;
    let wanted = params.metric.as_deref().map(|text| metric(Some(text))).transpose()?;
    let inbox = Inbox::read(&app, selection).await?;
    let now = match inbox.as_of {
        AsOf::Time(time) => time,
        AsOf::Now => Utc::now(),
    };
    let rows: Vec<Value> = inbox
        .threads
        .iter()
        .filter(|thread| wanted.is_none_or(|wanted| thread.changes.iter().any(|change| change.metric == wanted)))
        .map(|thread| (thread, inbox.state(thread, now)))
        .filter(|(_, found)| state.is_none_or(|state| state == *found))
        .map(|(thread, found)| inbox.row(thread, found))
        .collect();
    answer::list(format, &rows, None)
}

/// What lies between the last good and the first bad run of a thread
///
/// `between` has the runs of other points, and those of branches that begin with `bisect-` and the thread's name, which measured points of
/// it; `comment` is the `/sweep` comment that measures the points of the thread alone, `commands` make a pull request of the middle commit.
#[utoipa::path(get, path = "/api/v1/bisection", tag = "results", params(SelectionParams, BisectionParams),
    responses((status = 200, description = "The interval; in other formats than JSON its runs", body = Object),
        (status = 404, description = "There is no such thread")))]
pub(in crate::serve) async fn bisection(
    app: Arc<App>,
    format: Format,
    Form(selection, params): Form<SelectionParams, BisectionParams>,
) -> Result<Response, ApiError> {
    let id = params.thread.ok_or_else(|| ApiError::Invalid("`thread` is missing".to_owned()))?;
    let inbox = Inbox::read(&app, selection).await?;
    let found = inbox.threads.iter().find(|thread| thread.id() == id);
    let thread = found.ok_or_else(|| ApiError::NotFound(format!("there is no thread {id}; /api/v1/regressions lists them")))?;
    let tried = inbox.tried(&app, thread).await?;
    let between = inbox.between(&app, thread).await?;
    answer::document(format, &inbox.document(thread, &between, &tried), "between")
}

/// The threads of a selection, with what is said of them.
struct Inbox {
    selection: PointSelection,
    as_of: AsOf,
    threads: Vec<ChangeThread>,
    annotations: Vec<Annotation>,
    /// Verdicts with a waiver, by run.
    waived: BTreeMap<i64, Vec<GivenVerdict>>,
    heads: BTreeMap<i64, RunHead>,
}

/// A run of a bisection, and on which side its value lies.
struct Tried {
    run: i64,
    commit: String,
    value: f64,
    is_good: bool,
}

impl Inbox {
    async fn read(app: &App, params: SelectionParams) -> Result<Self, ApiError> {
        let (mut selection, as_of) = params.parse()?;
        let branch = selection.branch.take().unwrap_or_else(|| "main".to_owned());
        let (since, until) = (selection.since, selection.until);
        let mut reader = app.reader().await?;
        let most = app.limits.points;
        let points = reader.levels_at(&selection, &branch, as_of, most).await?;
        let points = points.ok_or(ApiError::TooMany { most, what: "points" })?;
        let annotations = reader.annotations(as_of).await?;
        let changes: Vec<LevelChange> = points.iter().flat_map(|point| LevelChange::of(&point.key, &point.levels)).collect();
        let is_in = |thread: &ChangeThread| {
            since.is_none_or(|since| thread.at_ms >= since.timestamp_millis())
                && until.is_none_or(|until| thread.at_ms < until.timestamp_millis())
        };
        let mut threads = change_threads(changes);
        threads.retain(|thread| thread.is_worse && is_in(thread));
        let mut runs: Vec<i64> = threads
            .iter()
            .flat_map(|thread| &thread.changes)
            .flat_map(|change| [change.before.to_run, change.after.from_run])
            .collect();
        runs.sort_unstable();
        runs.dedup();
        let heads = reader.run_heads(&runs, as_of).await?;
        let mut waived: BTreeMap<i64, Vec<GivenVerdict>> = BTreeMap::new();
        for (run, given) in reader.waived_verdicts(&runs, as_of).await? {
            waived.entry(run).or_default().push(given);
        }
        reader.give_back();
        Ok(Self {
            selection,
            as_of,
            threads,
            annotations,
            waived,
            heads,
        })
    }

    /// The annotations of a change.
    fn annotations(&self, change: &LevelChange) -> impl Iterator<Item = &Annotation> {
        self.annotations
            .iter()
            .filter(|annotation| annotation.concerns(&change.key, [(change.after.from_run, change.after.from_ms)], 0))
    }

    fn waivers(&self, change: &LevelChange) -> impl Iterator<Item = &GivenVerdict> {
        let of_run = self.waived.get(&change.after.from_run).into_iter().flatten();
        of_run.filter(|given| given.comparison.point == change.key)
    }

    fn notes(&self, change: &LevelChange) -> ChangeNotes {
        let mut notes = ChangeNotes::default();
        for annotation in self.annotations(change) {
            if annotation.kind == AnnotationKind::Expected.as_str() {
                notes.accepted_until = notes.accepted_until.max(Some(annotation.ends()));
            }
            let known = [AnnotationKind::Acknowledged, AnnotationKind::KnownIssue].map(AnnotationKind::as_str);
            notes.is_acknowledged |= known.contains(&annotation.kind.as_str());
        }
        let waivers = self.waivers(change).filter_map(|given| given.comparison.exception.as_ref());
        notes.accepted_until = waivers.map(|waiver| end_of(waiver.until)).chain(notes.accepted_until).max();
        notes
    }

    fn state(&self, thread: &ChangeThread, now: DateTime<Utc>) -> ThreadState {
        thread_state(thread, |change| self.notes(change), now)
    }

    /// The run that is last before, or first after, the time in which the changes happened.
    fn edges(&self, thread: &ChangeThread) -> (Option<&RunHead>, Option<&RunHead>) {
        let good = thread.changes.iter().find(|change| change.before.to_ms == thread.after_ms);
        let bad = thread.changes.iter().find(|change| change.after.from_ms == thread.at_ms);
        let head = |run: i64| self.heads.get(&run);
        (
            good.and_then(|change| head(change.before.to_run)),
            bad.and_then(|change| head(change.after.from_run)),
        )
    }

    fn row(&self, thread: &ChangeThread, state: ThreadState) -> Value {
        let (good, bad) = self.edges(thread);
        let sorted = |values: Vec<String>| {
            let set: std::collections::BTreeSet<String> = values.into_iter().collect();
            set.into_iter().collect::<Vec<_>>()
        };
        let all = &thread.changes;
        let mut annotations: Vec<&Annotation> = Vec::new();
        for annotation in all.iter().flat_map(|change| self.annotations(change)) {
            if !annotations.contains(&annotation) {
                annotations.push(annotation);
            }
        }
        let waivers = all
            .iter()
            .flat_map(|change| self.waivers(change))
            .filter_map(|given| given.comparison.exception.as_ref());
        let waivers: std::collections::BTreeSet<(String, String)> =
            waivers.map(|waiver| (waiver.until.to_string(), waiver.reason.clone())).collect();
        json!({
            "thread": thread.id(),
            "state": state.as_str(),
            "hardware": thread.hardware,
            "framework": thread.framework,
            "models": sorted(all.iter().map(|change| change.key.curve.model_prefix.to_string()).collect()),
            "metrics": sorted(all.iter().map(|change| change.metric.id().to_owned()).collect()),
            "points": thread.points().len(),
            "after": date(thread.after_ms),
            "at": date(thread.at_ms),
            "good": good,
            "bad": bad,
            "compare_url": good.zip(bad).and_then(|(good, bad)| good.compare_url(bad)),
            "largest": thread.largest().map(change),
            "changes": all.iter().take(MOST_CHANGES).map(change).collect::<Vec<_>>(),
            "annotations": annotations,
            "waivers": waivers.into_iter().map(|(until, reason)| json!({ "until": until, "reason": reason })).collect::<Vec<_>>(),
        })
    }

    /// The runs that were measured between the two edges, of whatever branch.
    async fn between(&self, app: &App, thread: &ChangeThread) -> Result<Vec<RunHead>, ApiError> {
        let filter = RunFilter {
            project: self.selection.project.clone(),
            since: DateTime::from_timestamp_millis(thread.after_ms + 1),
            until: DateTime::from_timestamp_millis(thread.at_ms),
            newest: Some(MOST_RUNS),
            as_of: self.as_of,
            ..RunFilter::default()
        };
        let mut reader = app.reader().await?;
        let runs: Vec<i64> = reader.runs(&filter).await?.iter().map(|run| run.id).collect();
        let heads = reader.run_heads(&runs, self.as_of).await?;
        reader.give_back();
        let mut heads: Vec<RunHead> = heads.into_values().collect();
        heads.sort_by_key(|head| (head.started_ms, head.run));
        Ok(heads)
    }

    /// The runs of bisections of this thread. A run is good if its value is nearer to the level before, by ratio.
    async fn tried(&self, app: &App, thread: &ChangeThread) -> Result<Vec<Tried>, ApiError> {
        let Some(largest) = thread.largest() else { return Ok(Vec::new()) };
        let prefix = format!("bisect-{}", thread.id());
        let filter = RunFilter {
            project: self.selection.project.clone(),
            since: DateTime::from_timestamp_millis(thread.at_ms),
            newest: Some(MOST_RUNS),
            as_of: self.as_of,
            ..RunFilter::default()
        };
        let mut reader = app.reader().await?;
        let runs = reader.runs(&filter).await?;
        let mut tried = Vec::new();
        for summary in runs
            .iter()
            .filter(|run| run.branch.as_deref().is_some_and(|branch| branch.starts_with(&prefix)))
        {
            let run = reader.run(summary).await?.run;
            let point = run.points.iter().find(|point| point.key == largest.key);
            let value = point
                .and_then(|point| point.measurement()?.get(largest.metric))
                .filter(|value| *value > 0.0);
            let Some(value) = value else { continue };
            let far = |level: f64| (value / level).ln().abs();
            tried.push(Tried {
                run: summary.id,
                commit: summary.commit.clone(),
                value,
                is_good: far(largest.before.mean) < far(largest.after.mean),
            });
        }
        reader.give_back();
        Ok(tried)
    }

    fn document(&self, thread: &ChangeThread, between: &[RunHead], tried: &[Tried]) -> Value {
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
        let middle = if tried.is_empty() {
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
            "middle": middle,
            "is_one_commit": is_one_commit,
            "comment": comment,
            "commands": commands,
            "changes": notes,
        })
    }
}

/// A change of a point.
fn change(change: &LevelChange) -> Value {
    let interval = change.interval();
    json!({
        "point": change.key.to_string(),
        "key": change.key,
        "metric": change.metric,
        "before": change.before.mean,
        "now": change.after.mean,
        "newest": change.newest.mean,
        "relative": change.relative(),
        "low": interval.map(|interval| interval.low),
        "high": interval.map(|interval| interval.high),
        "after_run": change.before.to_run,
        "run": change.after.from_run,
        "is_fixed": change.is_fixed(),
    })
}

fn state_of(text: &str) -> Result<ThreadState, ApiError> {
    let known = ThreadState::ALL.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| ApiError::parameter("state", text, ThreadState::ALL.map(ThreadState::as_str).join(", ")))
}

/// The end of a day: a waiver holds on its last one.
fn end_of(day: NaiveDate) -> DateTime<Utc> {
    let last = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
    day.and_time(last).and_utc()
}
