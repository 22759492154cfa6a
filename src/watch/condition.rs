//! The subjects of a saved query whose condition holds at this moment.

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::document::{Condition, Scope, Watch};
use super::transition::DAY_MS;
use crate::analysis::Level;
use crate::model::Metric;
use crate::store::database::{Database, DatabaseError, PointSelection};

/// What a condition holds for: a point's metric, a point or a branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Subject {
    #[serde(skip, default = "worse")]
    pub condition: Condition,
    pub subject: String,
    /// When it began, milliseconds since 1970.
    pub since_ms: i64,
    /// The newest run that was seen, likewise.
    pub seen_ms: i64,
    pub run: Option<i64>,
    pub key: Option<Json>,
    pub metric: Option<String>,
    pub before: Option<f64>,
    pub now: Option<f64>,
    pub relative: Option<f64>,
    pub reason: Option<String>,
}

fn worse() -> Condition {
    Condition::Worse
}

/// The direction of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Direction {
    Better,
    Worse,
}

impl Subject {
    /// What tells it from others.
    pub(super) fn identity(&self) -> (Condition, &str) {
        (self.condition, &self.subject)
    }
}

impl Scope {
    pub(super) fn selection(&self) -> PointSelection {
        PointSelection {
            project: self.project.clone(),
            filters: self.filters.clone(),
            ..PointSelection::default()
        }
    }
}

/// The subjects for which a condition of the query holds.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn open_subjects(database: &mut Database, watch: &Watch, now_ms: i64) -> Result<Vec<Subject>, DatabaseError> {
    let mut found = Vec::new();
    for condition in &watch.conditions {
        found.extend(match condition {
            Condition::Worse => worse_levels(database, watch).await?,
            Condition::Failed => failed_points(database, watch, now_ms).await?,
            Condition::Stale => stale_branches(database, watch, now_ms).await?,
        });
    }
    Ok(found)
}

async fn worse_levels(database: &mut Database, watch: &Watch) -> Result<Vec<Subject>, DatabaseError> {
    let mut found = Vec::new();
    for point in database.kept_levels(&watch.scope.selection(), &watch.scope.branch).await? {
        for of_metric in &point.levels {
            let [.., before, now] = of_metric.levels.as_slice() else { continue };
            let (direction, relative) = change(of_metric.metric, before, now);
            let is_watched = watch.metrics.is_empty() || watch.metrics.contains(&of_metric.metric);
            if !is_watched || !relative.is_finite() || direction != Direction::Worse || relative.abs() < watch.least_change {
                continue;
            }
            found.push(Subject {
                condition: Condition::Worse,
                subject: format!("{} {}", point.key, of_metric.metric.id()),
                since_ms: now.from_ms,
                seen_ms: now.to_ms,
                run: Some(now.from_run),
                key: serde_json::to_value(&point.key).ok(),
                metric: Some(of_metric.metric.id().to_owned()),
                before: Some(before.mean),
                now: Some(now.mean),
                relative: Some(relative),
                reason: None,
            });
        }
    }
    Ok(found)
}

/// The direction of the change from a level to the next, and its size as a part of the former.
pub(super) fn change(metric: Metric, before: &Level, now: &Level) -> (Direction, f64) {
    let relative = now.mean / before.mean - 1.0;
    (
        if metric.gain(relative) > 0.0 {
            Direction::Better
        } else {
            Direction::Worse
        },
        relative,
    )
}

async fn failed_points(database: &mut Database, watch: &Watch, now_ms: i64) -> Result<Vec<Subject>, DatabaseError> {
    // What no run of this time measured is not failing any more, it is not measured any more.
    let since_ms = now_ms - i64::from(watch.newest_days.max(watch.remind_days)) * DAY_MS;
    let newest = database
        .newest_outcomes(&watch.scope.selection(), &watch.scope.branch, since_ms)
        .await?;
    let failed = newest.into_iter().filter(|point| point.outcome != "measured");
    let subject = |point: crate::store::database::NewestOutcome| Subject {
        condition: Condition::Failed,
        subject: point.key.to_string(),
        since_ms: point.started_ms,
        seen_ms: point.started_ms,
        run: Some(point.run),
        key: serde_json::to_value(&point.key).ok(),
        metric: None,
        before: None,
        now: None,
        relative: None,
        reason: Some(match point.reason {
            Some(reason) => format!("{}: {}", point.outcome, shortened(&reason)),
            None => point.outcome,
        }),
    };
    Ok(failed.map(subject).collect())
}

/// The most characters of a reason in a message; the run has all.
const LONGEST_REASON: usize = 300;

/// One line of a reason, which an engine may have written.
fn shortened(reason: &str) -> String {
    let line = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(LONGEST_REASON).collect()
}

async fn stale_branches(database: &mut Database, watch: &Watch, now_ms: i64) -> Result<Vec<Subject>, DatabaseError> {
    let most = i64::from(watch.stale_days) * DAY_MS;
    let ages = database.branch_ages().await?;
    let of_watch = ages.into_iter().filter(|age| {
        let is_project = watch.scope.project.as_ref().is_none_or(|project| *project == age.project);
        is_project && age.branch.as_deref() == Some(watch.scope.branch.as_str()) && now_ms - age.newest_ms > most
    });
    let subject = |age: crate::store::database::BranchAge| Subject {
        condition: Condition::Stale,
        subject: format!("{} {}", age.project, watch.scope.branch),
        // It became old when the bound was passed; the run itself may be older than what opens a state.
        since_ms: age.newest_ms + most,
        seen_ms: age.newest_ms,
        run: None,
        key: None,
        metric: None,
        before: None,
        now: None,
        relative: None,
        reason: Some(format!("no run since {}", date(age.newest_ms))),
    };
    Ok(of_watch.map(subject).collect())
}

/// RFC 3339 of milliseconds since 1970.
pub(super) fn date(milliseconds: i64) -> String {
    let date: DateTime<Utc> = DateTime::from_timestamp_millis(milliseconds).unwrap_or_default();
    date.to_rfc3339_opts(SecondsFormat::Secs, true)
}
