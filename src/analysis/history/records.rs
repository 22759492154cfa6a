//! What a run keeps beside its points and scores: the jobs that measured it, the entries of the changelog that it measured, the verdicts that
//! were given, and how the values of its points were distributed.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::engine_slices::EngineSlice;
use super::sketch::Sketch;
use crate::analysis::{Comparison, PointComparison, Run};
use crate::model::{CurveKey, Digest, MeasuredChange, PointKey};

/// A record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum RunRecord {
    Job(JobSummary),
    Distributions(PointDistributions),
    Verdict(GivenVerdict),
    /// An entry of the changelog that the run measured.
    Changelog(MeasuredChange),
    /// What it was to measure.
    Plan(RunPlan),
}

/// What a run was to measure, as the plan file says that it followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// In the order of the file.
    pub rows: Vec<PlannedRow>,
}

/// A row of a plan, which one job carries out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRow {
    /// Of the experiment.
    pub name: String,
    pub curve: CurveKey,
    /// To be measured, in this order; none for a row that is evaluated alone.
    pub concurrencies: Vec<u32>,
    /// At which the answers are evaluated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluated: Vec<u32>,
    pub image: String,
}

/// A job, as far as its `job.json` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    pub job_id: String,
    pub curve: CurveKey,
    /// The concurrencies that it was to measure.
    pub concurrencies: Vec<u32>,
    /// `ok`, or the class of the failure.
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How often it was tried.
    pub attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launcher: Option<String>,
    /// Where its time went, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseTime>,
    /// Of the engine's log; the whole stays in the artifacts of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogExcerpt>,
}

/// The beginning and the end of a log, in whole lines without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogExcerpt {
    /// The name of its file.
    pub name: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Its first lines, or all of them.
    pub head: String,
    /// Its last lines; absent where `head` has all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<String>,
}

/// What was said about a point when its run was compared. It stays as it was given, whatever later comparisons say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenVerdict {
    /// The name of what the run was compared with.
    pub base: String,
    pub comparison: PointComparison,
}

/// A phase of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseTime {
    pub phase: String,
    pub seconds: f64,
    /// `done`, `skipped`, `failed`, `deadline-exceeded`, `cancelled`.
    pub ending: String,
}

/// How the values of a point's requests were distributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointDistributions {
    pub point: PointKey,
    /// Tokens of the prompts.
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub input_lengths: Sketch,
    /// Tokens of the answers.
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub output_lengths: Sketch,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub ttft: Sketch,
    /// Seconds; of all gaps between tokens.
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub itl: Sketch,
    /// Seconds; one value a request.
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub tpot: Sketch,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Sketch::is_empty")]
    pub e2el: Sketch,
    /// The load over time, at most [`MOST_SLICES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<TimeSlice>,
    /// The engine's own metrics over time, at most [`MOST_SLICES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engine: Vec<EngineSlice>,
}

/// The most slices of a point.
pub const MOST_SLICES: usize = 600;

/// A part of a load's time. A slice of several seconds has their sums, the mean of TTFT weighted by seconds, and the last number in flight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimeSlice {
    /// Its first second, from 0.
    pub second: u64,
    /// Seconds in it.
    pub seconds: u64,
    pub completed: u64,
    pub failed: u64,
    /// Chunks with tokens.
    pub chunks: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_ttft_ms: Option<f64>,
    pub in_flight: u64,
}

impl RunRecord {
    /// The words for kinds of records, as tables and files have them.
    pub const KINDS: [&str; 5] = ["job", "distributions", "verdict", "changelog", "plan"];

    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Job(_) => "job",
            Self::Distributions(_) => "distributions",
            Self::Verdict(_) => "verdict",
            Self::Changelog(_) => "changelog",
            Self::Plan(_) => "plan",
        }
    }

    /// What tells the record from others of its run.
    #[must_use]
    pub fn key(&self) -> Digest {
        let key = match self {
            Self::Job(job) => json!({ "job": job.job_id }),
            Self::Distributions(found) => return Self::distributions_key(&found.point),
            Self::Verdict(given) => json!({ "verdict": given.comparison.point.to_string(), "base": given.base }),
            Self::Changelog(change) => json!({
                "changelog": change.config_keys, "description": change.description, "pr_link": change.pr_link,
            }),
            // A run has one.
            Self::Plan(_) => json!({ "plan": null }),
        };
        Digest::of_json(key)
    }

    /// The key of the distributions of a point.
    #[must_use]
    pub fn distributions_key(point: &PointKey) -> Digest {
        Digest::of_json(json!({ "distributions": point.to_string() }))
    }

    /// The point that it is about.
    #[must_use]
    pub fn point(&self) -> Option<&PointKey> {
        match self {
            Self::Job(_) | Self::Changelog(_) | Self::Plan(_) => None,
            Self::Distributions(found) => Some(&found.point),
            Self::Verdict(given) => Some(&given.comparison.point),
        }
    }
}

/// The schema of `imax report --format json`.
const REPORT_SCHEMA: &str = "imax-report/1";

/// What a report of a run says, as far as a history keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportedVerdicts {
    /// The run that the report is about, where the document has it.
    pub run: Option<Run>,
    pub verdicts: Vec<RunRecord>,
}

/// The verdicts of a report as `imax report --format json` and `imax compare --format json` print it; none of a report that compares with
/// nothing.
///
/// # Errors
/// For a text that is not JSON, or neither a report nor a comparison.
pub fn verdicts_of_report(text: &str) -> Result<ReportedVerdicts, serde_json::Error> {
    #[derive(Deserialize)]
    struct Report {
        #[serde(default)]
        schema: Option<String>,
        #[serde(default)]
        run: Option<Run>,
        #[serde(default)]
        comparison: Option<Comparison>,
    }
    let Report { schema, run, comparison } = serde_json::from_str(text)?;
    let Some(Comparison { base, points, .. }) = comparison else {
        if schema.as_deref() == Some(REPORT_SCHEMA) {
            return Ok(ReportedVerdicts { run, verdicts: Vec::new() });
        }
        return Err(serde::de::Error::missing_field("comparison"));
    };
    let given = points.into_iter().map(|comparison| {
        RunRecord::Verdict(GivenVerdict {
            base: base.clone(),
            comparison,
        })
    });
    Ok(ReportedVerdicts {
        run,
        verdicts: given.collect(),
    })
}

/// Puts the seconds of a load together so that there are at most [`MOST_SLICES`].
#[must_use]
pub fn slices(seconds: &[TimeSlice]) -> Vec<TimeSlice> {
    let width = seconds.len().div_ceil(MOST_SLICES).max(1);
    seconds.chunks(width).filter_map(merged).collect()
}

fn sum(slices: &[TimeSlice], number: fn(&TimeSlice) -> u64) -> u64 {
    slices.iter().map(number).fold(0, u64::saturating_add)
}

fn merged(part: &[TimeSlice]) -> Option<TimeSlice> {
    let (first, last) = (part.first()?, part.last()?);
    let ttfts: Vec<f64> = part.iter().filter_map(|slice| slice.mean_ttft_ms).collect();
    Some(TimeSlice {
        second: first.second,
        seconds: sum(part, |slice| slice.seconds),
        completed: sum(part, |slice| slice.completed),
        failed: sum(part, |slice| slice.failed),
        chunks: sum(part, |slice| slice.chunks),
        mean_ttft_ms: (!ttfts.is_empty()).then(|| ttfts.iter().sum::<f64>() / ttfts.len() as f64),
        in_flight: last.in_flight,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: u64) -> TimeSlice {
        TimeSlice {
            second,
            seconds: 1,
            completed: 2,
            failed: 0,
            chunks: 10,
            mean_ttft_ms: second.is_multiple_of(2).then_some(4.0),
            in_flight: second,
        }
    }

    #[test]
    fn long_loads_have_wider_slices_and_the_same_sums() {
        for (length, expected) in [(0, 0), (1, 1), (600, 600), (601, 301), (86_401, 596)] {
            let seconds: Vec<TimeSlice> = (0..length).map(second).collect();
            let found = slices(&seconds);
            assert_eq!(found.len(), expected, "{length}");
            assert_eq!(found.iter().map(|slice| slice.completed).sum::<u64>(), 2 * length);
            assert_eq!(found.iter().map(|slice| slice.seconds).sum::<u64>(), length);
        }
        let found = slices(&(0..1200).map(second).collect::<Vec<_>>());
        assert_eq!(
            (found[1].second, found[1].seconds, found[1].in_flight, found[1].mean_ttft_ms),
            (2, 2, 3, Some(4.0))
        );
    }
}
