//! The weekly digest: when it is due, and what it has.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{DateTime, Datelike as _, Days, NaiveTime, TimeDelta, Utc, Weekday};

use super::condition::{change, date};
use super::document::DigestPlan;
use super::event::{DigestContent, Failures, Freshness, Moved};
use super::transition::DAY_MS;
use crate::model::saturating;
use crate::store::database::{AsOf, Database, DatabaseError, PointSelection};

/// How many changes a digest lists.
const MOST_MOVED: usize = 100;

/// The last time at or before `now` at which a digest was due.
pub(super) fn last_due(now: DateTime<Utc>, day: Weekday, hour: u8) -> DateTime<Utc> {
    let days = u64::from((7 + now.weekday().num_days_from_monday() - day.num_days_from_monday()) % 7);
    let time = NaiveTime::from_hms_opt(u32::from(hour), 0, 0).unwrap_or_default();
    let date = now.date_naive().checked_sub_days(Days::new(days)).unwrap_or_default();
    let due = date.and_time(time).and_utc();
    if due > now { due - TimeDelta::days(7) } else { due }
}

/// What happened between two times.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn content(
    database: &mut Database,
    plan: &DigestPlan,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<DigestContent, DatabaseError> {
    let mut moved = moved(database, plan, from.timestamp_millis(), to.timestamp_millis()).await?;
    let moved_in_all = saturating::to_u64(moved.len());
    moved.truncate(MOST_MOVED);
    Ok(DigestContent {
        from: date(from.timestamp_millis()),
        to: date(to.timestamp_millis()),
        moved,
        moved_in_all,
        failures: failures(database, plan, from, to).await?,
        freshness: freshness(database, plan, to.timestamp_millis()).await?,
    })
}

async fn moved(database: &mut Database, plan: &DigestPlan, from_ms: i64, to_ms: i64) -> Result<Vec<Moved>, DatabaseError> {
    let mut found = Vec::new();
    for point in database.kept_levels(&plan.scope.selection(), &plan.scope.branch).await? {
        for of_metric in &point.levels {
            for pair in of_metric.levels.windows(2) {
                let [before, now] = pair else { continue };
                if !(from_ms..to_ms).contains(&now.from_ms) {
                    continue;
                }
                let (direction, relative) = change(of_metric.metric, before, now);
                if !relative.is_finite() {
                    continue;
                }
                found.push(Moved {
                    subject: format!("{} {}", point.key, of_metric.metric.id()),
                    direction,
                    before: before.mean,
                    now: now.mean,
                    relative,
                    run: now.from_run,
                    at: date(now.from_ms),
                });
            }
        }
    }
    found.sort_by(|left, right| {
        right
            .relative
            .abs()
            .total_cmp(&left.relative.abs())
            .then_with(|| left.subject.cmp(&right.subject))
    });
    Ok(found)
}

async fn failures(
    database: &mut Database,
    plan: &DigestPlan,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<Failures>, DatabaseError> {
    let selection = PointSelection {
        branch: Some(plan.scope.branch.clone()),
        since: Some(from),
        until: Some(to),
        ..plan.scope.selection()
    };
    let mut groups: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for curve in database.point_counts(&selection, AsOf::Now).await? {
        let (points, failed) = groups.entry((curve.hardware, curve.framework)).or_default();
        for count in &curve.loads {
            *points += count.points;
            if count.outcome != "measured" {
                *failed += count.points;
            }
        }
    }
    let group = |((hardware, framework), (points, failed))| Failures {
        hardware,
        framework,
        points,
        failed,
    };
    let mut failures: Vec<Failures> = groups.into_iter().map(group).filter(|group| group.failed > 0).collect();
    failures.sort_by_key(|group| Reverse(group.failed));
    Ok(failures)
}

async fn freshness(database: &mut Database, plan: &DigestPlan, now_ms: i64) -> Result<Vec<Freshness>, DatabaseError> {
    let ages = database.branch_ages().await?;
    let of_plan = ages.into_iter().filter(|age| {
        let is_project = plan.scope.project.as_ref().is_none_or(|project| *project == age.project);
        is_project && age.branch.as_deref() == Some(plan.scope.branch.as_str())
    });
    let freshness = |age: crate::store::database::BranchAge| Freshness {
        newest: date(age.newest_ms),
        age_days: (now_ms - age.newest_ms) / DAY_MS,
        project: age.project,
    };
    Ok(of_plan.map(freshness).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn digest_is_due_once_a_week_at_its_hour() {
        // 30 November 2026 is a Monday.
        for (now, expected) in [
            ("2026-11-30T07:00:00Z", "2026-11-30T07:00:00Z"),
            ("2026-11-30T06:59:59Z", "2026-11-23T07:00:00Z"),
            ("2026-12-01T00:00:00Z", "2026-11-30T07:00:00Z"),
            ("2026-12-06T23:59:59Z", "2026-11-30T07:00:00Z"),
            ("2027-01-03T12:00:00Z", "2026-12-28T07:00:00Z"),
        ] {
            let due = last_due(now.parse().unwrap(), Weekday::Mon, 7);
            assert_eq!(due, expected.parse::<DateTime<Utc>>().unwrap(), "{now}");
        }
        let sunday = last_due("2026-11-30T07:00:00Z".parse().unwrap(), Weekday::Sun, 23);
        assert_eq!(sunday, "2026-11-29T23:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }
}
