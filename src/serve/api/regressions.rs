//! `/regressions`: losses of level as threads with their state.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::series::metric;
use crate::analysis::{ChangeNotes, ChangeThread, GivenVerdict, LevelChange, ThreadState, change_threads, thread_state};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::error::ApiError;
use crate::serve::form::Form;
use crate::serve::format::Format;
use crate::serve::openapi::ObjectList;
use crate::serve::selection_params::{SelectionParams, date};
use crate::settings::Regressions;
use crate::store::database::{Annotation, AnnotationKind, AsOf, PointSelection, RunHead};

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

/// The most changes of a thread that are listed.
const MOST_CHANGES: usize = 500;
/// Losses of level, those that moved together as one thread
///
/// Changes of one hardware and engine that may have happened at one time are one thread. Its `state` is `fixed` if later levels are as good as
/// those before but for what `smallest-changes` of the server's imax.yaml ignores, `expected` if a waiver accepts what is left (an annotation of the kind `expected` whose `to` has not passed, or an exception of
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

/// The threads of a selection, with what is said of them.
pub(super) struct Inbox {
    pub selection: PointSelection,
    /// The branch whose levels changed.
    pub branch: String,
    pub as_of: AsOf,
    pub threads: Vec<ChangeThread>,
    pub annotations: Vec<Annotation>,
    /// Verdicts with a waiver, by run.
    waived: BTreeMap<i64, Vec<GivenVerdict>>,
    heads: BTreeMap<i64, RunHead>,
    /// What is too small to matter.
    rules: Regressions,
}

impl Inbox {
    pub async fn read(app: &App, params: SelectionParams) -> Result<Self, ApiError> {
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
            branch,
            as_of,
            threads,
            annotations,
            waived,
            heads,
            rules: app.regressions.clone(),
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
        thread_state(thread, &self.rules, |change| self.notes(change), now)
    }

    /// The run that is last before, or first after, the time in which the changes happened.
    pub fn edges(&self, thread: &ChangeThread) -> (Option<&RunHead>, Option<&RunHead>) {
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
            "largest": thread.largest().map(|largest| change(largest, &self.rules)),
            "changes": all.iter().take(MOST_CHANGES).map(|one| change(one, &self.rules)).collect::<Vec<_>>(),
            "annotations": annotations,
            "waivers": waivers.into_iter().map(|(until, reason)| json!({ "until": until, "reason": reason })).collect::<Vec<_>>(),
        })
    }
}

/// A change of a point.
fn change(change: &LevelChange, rules: &Regressions) -> Value {
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
        "is_fixed": change.is_fixed(rules),
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
