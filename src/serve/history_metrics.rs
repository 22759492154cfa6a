//! Metrics of the history: its size, how old the newest run of each branch is, what that run measured and was told, and the newest values of
//! chosen curves, for alerts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::Utc;

use super::app::App;
use super::error::ApiError;
use super::metrics::{head, label};
use super::readers::Reader;
use crate::analysis::{Filter, PointField};
use crate::model::Metric;
use crate::result::Point;
use crate::store::database::{AsOf, BranchAge, PointSelection};

/// The most branches whose newest runs are counted, the newest first: each is a query.
const MOST_BRANCHES: usize = 50;
/// The most points whose values are shown: each value is a time series of Prometheus.
const MOST_POINTS: usize = 500;

/// The curves whose newest values are metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChosenCurves {
    /// Without filters, none.
    pub filters: Vec<Filter>,
    pub branch: String,
}

/// # Errors
/// Those of the history.
pub(super) async fn of_history(app: Arc<App>) -> Result<String, ApiError> {
    let mut reader = app.reader().await?;
    let mut text = String::new();
    let size = reader.size().await?;
    head(&mut text, "imax_store_bytes", "gauge", "Size of the history.");
    let _ = writeln!(text, "imax_store_bytes {size}");
    head(&mut text, "imax_runs", "gauge", "Runs of a project that hold.");
    for project in &reader.projects(AsOf::Now).await? {
        let _ = writeln!(text, "imax_runs{{project=\"{}\"}} {}", label(&project.project), project.runs);
    }
    deliveries(&mut text, &mut reader).await?;
    let mut branches = reader.branch_ages().await?;
    branches.sort_by_key(|branch| std::cmp::Reverse(branch.newest_ms));
    ages(&mut text, &branches);
    branches.truncate(MOST_BRANCHES);
    newest_runs(&mut text, &mut reader, &branches).await?;
    if !app.chosen_curves.filters.is_empty() {
        newest_values(&mut text, &mut reader, &app.chosen_curves).await?;
    }
    reader.give_back();
    Ok(text)
}

/// Messages of saved queries.
async fn deliveries(text: &mut String, reader: &mut Reader) -> Result<(), ApiError> {
    head(text, "imax_deliveries", "gauge", "Messages of saved queries by receiver and state.");
    for count in &reader.delivery_counts().await? {
        let _ = writeln!(
            text,
            "imax_deliveries{{receiver=\"{}\",state=\"{}\"}} {}",
            label(&count.receiver),
            count.state,
            count.deliveries
        );
    }
    Ok(())
}

fn ages(text: &mut String, branches: &[BranchAge]) {
    head(
        text,
        "imax_newest_run_age_seconds",
        "gauge",
        "Time since the newest run of a branch was measured.",
    );
    let now = Utc::now().timestamp_millis();
    for branch in branches {
        let seconds = now.saturating_sub(branch.newest_ms) / 1000;
        let _ = writeln!(text, "imax_newest_run_age_seconds{{{}}} {seconds}", labels(branch));
    }
}

fn labels(branch: &BranchAge) -> String {
    let name = label(branch.branch.as_deref().unwrap_or_default());
    format!("project=\"{}\",branch=\"{name}\"", label(&branch.project))
}

/// Outcomes and verdicts of the newest run of each branch.
async fn newest_runs(text: &mut String, reader: &mut Reader, branches: &[BranchAge]) -> Result<(), ApiError> {
    let (mut points, mut verdicts) = (String::new(), String::new());
    for branch in branches {
        let labels = labels(branch);
        for (outcome, count) in reader.outcomes_of_run(branch.run).await? {
            let outcome = label(&outcome);
            let _ = writeln!(points, "imax_newest_run_points{{{labels},outcome=\"{outcome}\"}} {count}");
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let given = reader.run_verdicts(branch.run).await?;
        for verdict in &given {
            *counts.entry(verdict.comparison.verdict.as_str()).or_default() += 1;
        }
        for (verdict, count) in counts {
            let _ = writeln!(verdicts, "imax_newest_run_verdicts{{{labels},verdict=\"{verdict}\"}} {count}");
        }
    }
    let (of_points, of_verdicts) = ("imax_newest_run_points", "imax_newest_run_verdicts");
    head(
        text,
        of_points,
        "gauge",
        "Points of the newest run of a branch by outcome: measured, or the class of the failure.",
    );
    text.push_str(&points);
    head(
        text,
        of_verdicts,
        "gauge",
        "Verdicts that were given when the newest run of a branch was compared.",
    );
    text.push_str(&verdicts);
    Ok(())
}

/// The values of all metrics of the newest curves that filters select, in the metrics' units: tokens a second, seconds.
async fn newest_values(text: &mut String, reader: &mut Reader, chosen: &ChosenCurves) -> Result<(), ApiError> {
    let selection = PointSelection {
        filters: chosen.filters.clone(),
        newest_on: Some(chosen.branch.clone()),
        ..PointSelection::default()
    };
    let found = reader.newest_points(&selection, AsOf::Now, MOST_POINTS).await?;
    head(
        text,
        "imax_newest_values_left_out",
        "gauge",
        "1 if --metrics-filter selects too many points, so that no values are shown.",
    );
    let _ = writeln!(text, "imax_newest_values_left_out {}", u8::from(found.is_none()));
    head(
        text,
        "imax_newest_value",
        "gauge",
        "Newest value of a metric of a point, tokens a second or seconds.",
    );
    let branch = label(&chosen.branch);
    for (_, point) in found.unwrap_or_default() {
        let labels = point_labels(&point);
        for metric in Metric::ALL {
            if let Some(value) = point.get(metric) {
                let name = metric.id();
                let _ = writeln!(text, "imax_newest_value{{branch=\"{branch}\",{labels},metric=\"{name}\"}} {value}");
            }
        }
    }
    Ok(())
}

/// The dimensions that filters have, and the whole key, which tells apart what is equal in these.
fn point_labels(point: &Point) -> String {
    let mut labels = format!("point=\"{}\"", label(&point.key.to_string()));
    for field in PointField::ALL {
        let _ = write!(labels, ",{}=\"{}\"", field.name(), label(&field.of(&point.key)));
    }
    labels
}
