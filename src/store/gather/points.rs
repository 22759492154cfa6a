//! Reads points from files: measured ones from normalised results, failed ones from job records.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rayon::iter::Either;
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use super::conditions::conditions_of;
use super::{Unreadable, is_named, log_excerpt, records};
use crate::analysis::{Conditions, Found, RunRecord};
use crate::job::Outcome;
use crate::matrix::Row;
use crate::model::{Concurrency, FailureClass, PointKey};
use crate::result::{Agg, AggError, Json, POINT_PART, Point, PointFailure};
use crate::store::artifacts;

/// How the artifacts of AgentX replays are named.
const AGENTX_ARTIFACT: &[u8] = b"bmk_agentic_";

/// The content of files.
pub(super) struct PointsIn {
    pub found: Vec<Found>,
    pub unreadable: Vec<Unreadable>,
    /// Conditions of the run, from the job records.
    pub conditions: Conditions,
    /// Jobs, and distributions of the points that count.
    pub records: Vec<RunRecord>,
}

/// The points in files, and what cannot be read. Files are read in parallel, because a sweep has thousands.
pub(super) fn points_in(files: &[PathBuf]) -> PointsIn {
    let (read, unreadable): (Vec<(&PathBuf, FileContent)>, Vec<Unreadable>) =
        files.par_iter().partition_map(|path| match read_file(path) {
            Ok(content) => Either::Left((path, content)),
            Err(reason) => Either::Right(Unreadable {
                file: path.display().to_string(),
                reason,
            }),
        });
    let mut conditions = Conditions::default();
    let mut records = Vec::new();
    let mut found = Vec::new();
    for (path, content) in read {
        conditions.add(content.conditions);
        records.extend(content.record);
        found.extend(content.points.into_iter().map(|found| FoundIn { path, found }));
    }
    let unmeasured: BTreeSet<(Option<&Path>, PointKey)> = found
        .iter()
        .filter(|found| found.found.is_unmeasured)
        .map(|found| (found.path.parent(), found.found.found.point.key.clone()))
        .collect();
    let is_current =
        |found: &FoundIn| found.found.is_recorded || !unmeasured.contains(&(found.path.parent(), found.found.found.point.key.clone()));
    let normalised: BTreeSet<PointKey> = found
        .iter()
        .filter(|found| !found.found.is_recorded && !found.found.is_raw)
        .map(|found| found.found.found.point.key.clone())
        .collect();
    let is_only = |found: &FoundIn| !found.found.is_raw || !normalised.contains(&found.found.found.point.key);
    let current = found.into_iter().filter(|found| is_current(found) && is_only(found));
    let current = current.map(|found| found.found.found);
    PointsIn {
        found: current.collect(),
        unreadable,
        conditions,
        records,
    }
}

/// A point, and its file.
struct FoundIn<'a> {
    path: &'a Path,
    found: FoundPoint,
}

struct FoundPoint {
    found: Found,
    /// Whether it is from a job record.
    is_recorded: bool,
    /// Whether it is an aggregate that was not normalised; a normalised document of the same point counts before it.
    is_raw: bool,
    /// Whether, according to the record, its job did not measure the point: a result in the same folder is then from an earlier job.
    is_unmeasured: bool,
}

/// The points of a file, and the conditions of its job.
#[derive(Default)]
struct FileContent {
    points: Vec<FoundPoint>,
    conditions: Conditions,
    record: Option<RunRecord>,
}

/// The content of a file; nothing if its name is not that of a result or a job record.
fn read_file(path: &Path) -> Result<FileContent, String> {
    let is_raw = is_of_agentx(path);
    let is_result = is_raw || path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"agg_"));
    if !is_result && !is_named(path, "job.json") {
        return Ok(FileContent::default());
    }
    let text = artifacts::read_text(path).map_err(|error| error.to_string())?;
    let source = path.display().to_string();
    if !is_result {
        let record = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let points = recorded_points(&record, &source);
        let keys: Vec<&PointKey> = points.iter().map(|found| &found.found.point.key).collect();
        let concurrencies = keys.iter().map(|key| key.conc.get()).collect();
        return Ok(FileContent {
            conditions: conditions_of(&document),
            record: keys
                .first()
                .and_then(|key| records::job(&document, key.curve.clone(), concurrencies, log_excerpt::beside(path))),
            points,
        });
    }
    let document = Json::parse_part(&text, &POINT_PART).map_err(|error| error.to_string())?;
    // A list is the output of an earlier collection.
    if matches!(document, Json::List(_)) {
        return Ok(FileContent::default());
    }
    if is_raw && !Agg::is_agentx_aggregate(&document) {
        return Ok(FileContent::default());
    }
    let found = measured(source, document).map_err(|error| error.to_string())?;
    let record = records::raw_beside(path).and_then(|raw| records::distributions(&found.point.key, &raw));
    Ok(FileContent {
        points: vec![FoundPoint {
            found,
            is_recorded: false,
            is_raw,
            is_unmeasured: false,
        }],
        conditions: Conditions::default(),
        record,
    })
}

/// Whether a file may be the aggregate of an AgentX replay as InferenceX uploads it: in an artifact of its own, and not normalised.
fn is_of_agentx(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    let is_in_artifact = folder.is_some_and(|name| name.as_encoded_bytes().starts_with(AGENTX_ARTIFACT));
    let is_own = |name: &str| name.starts_with("agg_") || name == "job.json";
    is_in_artifact && !path.file_name().and_then(|name| name.to_str()).is_some_and(is_own)
}

/// The point of a normalised document.
///
/// # Errors
/// [`AggError`] if it is not one.
pub(super) fn measured(source: String, document: Json) -> Result<Found, AggError> {
    found(source, &Agg::from_json(document)?)
}

/// The point of a normalised document read from a file.
///
/// # Errors
/// [`AggError`] if it describes none.
pub(super) fn found(source: String, agg: &Agg) -> Result<Found, AggError> {
    Ok(Found {
        source,
        point: agg.point()?,
        ended_unix_s: agg.ended_unix_s(),
        doubts: agg.doubts(),
    })
}

/// The part of a job record that is needed here, so that records of other versions of imax can also be read.
#[derive(Deserialize)]
struct Record {
    row: Row,
    outcome: Outcome,
    points: Vec<RecordedPoint>,
}

#[derive(Deserialize)]
struct RecordedPoint {
    conc: Concurrency,
    outcome: Outcome,
    #[serde(default)]
    normalised: Option<String>,
}

/// The points of a job record, all as failures: a measured point has its own document, which replaces the failure. If
/// that document is lost, the failure remains and states that.
fn recorded_points(record: &Record, source: &str) -> Vec<FoundPoint> {
    let found = record.points.iter().map(|point| FoundPoint {
        found: Found {
            source: source.to_owned(),
            point: Point::failed(&record.row, point.conc, failure_of(point, &record.outcome)),
            ended_unix_s: None,
            doubts: Vec::new(),
        },
        is_recorded: true,
        is_raw: false,
        is_unmeasured: point.normalised.is_none() && point.outcome.failure().is_some(),
    });
    found.collect()
}

fn failure_of(point: &RecordedPoint, job: &Outcome) -> PointFailure {
    let failure = point.outcome.failure().or_else(|| job.failure());
    match failure {
        Some(failure) => PointFailure {
            class: failure.class,
            reason: failure.reason.clone(),
        },
        None => PointFailure {
            class: FailureClass::Missing,
            reason: "measured according to job.json, but its result is not among the artifacts".to_owned(),
        },
    }
}
