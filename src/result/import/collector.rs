//! Collects the rows of a file into runs.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;

use super::facts::{Fact, FactError, Facts};
use super::subject::{self, Subject};
use super::table::{CellError, Row};
use super::{ImportFormat, ImportHints, Imported, ImportedRun, RefusedRow};
use crate::model::PointKey;
use crate::model::count;
use crate::result::point::Provenance;
use crate::result::{
    FAILED_REQUESTS, Gpus, Json, Measurement, NormalizeError, Object, Origin, Point, PointContext, PointOutcome, SUCCESSFUL_REQUESTS,
    UNKNOWN, normalize,
};

/// More refused rows say no more: the file is of another format, or damaged.
const MAX_REFUSED: usize = 10_000;
/// A refused row is kept up to this length, bytes.
const MAX_PAYLOAD: usize = 4 * 1024;

/// The numbers of a row.
pub(super) enum Numbers {
    /// With the keys of benchmark_serving.py, milliseconds.
    Raw(Object),
    /// For the whole server, names as in `agg_*.json`, seconds; the throughput is divided by the GPUs.
    Server(Vec<(&'static str, f64)>),
}

/// A row that was read.
pub(super) struct Measured {
    pub facts: Facts,
    pub numbers: Numbers,
    /// Changes of units and meanings on the way.
    pub conversions: Vec<String>,
}

/// Why a row is not a point.
pub(super) enum RowProblem {
    Cell(CellError),
    Fact(FactError),
    Other(String),
}

impl From<CellError> for RowProblem {
    fn from(error: CellError) -> Self {
        Self::Cell(error)
    }
}

impl From<FactError> for RowProblem {
    fn from(error: FactError) -> Self {
        Self::Fact(error)
    }
}

impl From<NormalizeError> for RowProblem {
    fn from(error: NormalizeError) -> Self {
        Self::Other(error.to_string())
    }
}

/// The identity of a run within a file.
#[derive(PartialEq, Eq, Hash)]
enum RunKey {
    Id(String),
    /// Without an id: the commit and the date.
    Measured(String, DateTime<Utc>),
}

/// A run that is being collected.
struct Collected {
    commit: String,
    branch: Option<String>,
    date: DateTime<Utc>,
    points: BTreeMap<PointKey, Point>,
}

/// Rows, until they are runs.
pub(super) struct Collector<'a> {
    pub hints: &'a ImportHints,
    format: ImportFormat,
    runs: IndexMap<RunKey, Collected>,
    refused: Vec<RefusedRow>,
    /// Refused rows beyond [`MAX_REFUSED`].
    uncounted: usize,
}

impl<'a> Collector<'a> {
    pub(super) fn new(format: ImportFormat, hints: &'a ImportHints) -> Self {
        Self {
            hints,
            format,
            runs: IndexMap::new(),
            refused: Vec::new(),
            uncounted: 0,
        }
    }

    /// Adds a row of a table, or refuses it.
    pub(super) fn add_row(&mut self, row: &Row<'_>, measured: Result<Measured, RowProblem>) {
        let place = format!("line {}", row.line);
        if let Err(problem) = measured.and_then(|measured| self.add(measured)) {
            self.refuse(&place, problem, &row.payload());
        }
    }

    /// Adds a document, or refuses it.
    pub(super) fn add_document(&mut self, place: &str, document: &Json, measured: Result<Measured, RowProblem>) {
        if let Err(problem) = measured.and_then(|measured| self.add(measured)) {
            self.refuse(place, problem, &document.to_pretty());
        }
    }

    /// Adds a point whose document names it.
    pub(super) fn add_point(&mut self, facts: &Facts, point: Point) -> Result<(), RowProblem> {
        let commit = facts.text(Fact::Commit).or(facts.text(Fact::Version)).unwrap_or(UNKNOWN);
        let date = subject::date(facts)?;
        let key = match facts.text(Fact::RunId) {
            Some(id) => RunKey::Id(id.to_owned()),
            None => RunKey::Measured(commit.to_owned(), date),
        };
        let run = self.runs.entry(key).or_insert_with(|| Collected {
            commit: commit.to_owned(),
            branch: facts.text(Fact::Branch).map(str::to_owned),
            date,
            points: BTreeMap::new(),
        });
        // The loads of a run start one after another; the first one dates it.
        run.date = run.date.min(date);
        match run.points.entry(point.key.clone()) {
            Entry::Vacant(place) => drop(place.insert(point)),
            // Importers that append without a key write a measurement twice.
            Entry::Occupied(earlier) if *earlier.get() == point => {}
            Entry::Occupied(_) => {
                let words = format!("{} occurs twice in the run, with other numbers", point.key);
                return Err(RowProblem::Other(words));
            }
        }
        Ok(())
    }

    fn add(&mut self, measured: Measured) -> Result<(), RowProblem> {
        let Measured {
            mut facts,
            numbers,
            conversions,
        } = measured;
        self.complete(&mut facts);
        let subject = Subject::of(&facts)?;
        let provenance = subject::provenance(&facts, self.format.as_str(), conversions);
        let point = point(subject, numbers, provenance)?;
        self.add_point(&facts, point)
    }

    /// Adds the facts and translations that the user gave.
    pub(super) fn complete(&self, facts: &mut Facts) {
        self.hints.mapping.translate(facts);
        facts.extend(self.hints.mapping.facts());
        facts.extend(&self.hints.facts);
    }

    pub(super) fn refuse(&mut self, place: &str, problem: RowProblem, payload: &str) {
        if self.refused.len() >= MAX_REFUSED {
            self.uncounted += 1;
            return;
        }
        let (place, reason) = match problem {
            RowProblem::Cell(CellError { place, reason }) => (place, reason),
            RowProblem::Fact(error) if error.place.starts_with("line ") => (error.place.clone(), error.to_string()),
            RowProblem::Fact(error) => (place.to_owned(), error.to_string()),
            RowProblem::Other(reason) => (place.to_owned(), reason),
        };
        self.refused.push(RefusedRow {
            place,
            reason,
            payload: payload.chars().take(MAX_PAYLOAD).collect(),
        });
    }

    pub(super) fn finish(mut self) -> Imported {
        if self.uncounted > 0 {
            self.refused.push(RefusedRow {
                place: String::new(),
                reason: format!("{} more rows were refused", self.uncounted),
                payload: String::new(),
            });
        }
        let format = self.format;
        let runs = self.runs.into_iter().map(|(key, run)| ImportedRun {
            format,
            id: match key {
                RunKey::Id(id) => Some(id),
                RunKey::Measured(..) => None,
            },
            commit: run.commit,
            branch: run.branch,
            date: run.date,
            points: run.points.into_values().collect(),
        });
        Imported {
            runs: runs.collect(),
            published: Vec::new(),
            refused: self.refused,
        }
    }
}

fn point(subject: Subject, numbers: Numbers, provenance: Provenance) -> Result<Point, RowProblem> {
    let Subject { context, conc } = subject;
    let mut point = match numbers {
        Numbers::Raw(raw) => {
            let context = PointContext {
                origin: Origin::Raw(conc),
                ..context
            };
            let mut raw = raw;
            let counts = REQUEST_COUNTS.map(|(name, ours)| (ours, raw.get(name).and_then(Json::as_number)));
            raw.insert("model_id".to_owned(), context.model.clone().unwrap_or_default().as_str().into());
            let normalised = normalize(&Json::Object(raw), &context)?;
            let mut point = normalised.agg.point().map_err(|error| RowProblem::Other(error.to_string()))?;
            count_requests(&mut point, &counts);
            point
        }
        Numbers::Server(numbers) => Point {
            key: context.key(conc),
            model: context.model.clone(),
            image: Some(context.image.clone()).filter(|image| !image.is_empty()),
            gpus: context.gpus.total(),
            outcome: PointOutcome::Measured(per_gpu(&numbers, &context.gpus)),
            layout: context.layout,
            intervals: Vec::new(),
            provenance: None,
        },
    };
    if let PointOutcome::Failed(failure) = &point.outcome {
        return Err(RowProblem::Other(failure.reason.clone()));
    }
    point.image = point.image.filter(|image| !image.is_empty());
    point.provenance = Some(Box::new(provenance));
    Ok(point)
}

/// Counts of requests in raw results, and their names among a point's numbers. Points of imax do not have them: their run tells.
const REQUEST_COUNTS: [(&str, &str); 2] = [("completed", SUCCESSFUL_REQUESTS), ("failed", FAILED_REQUESTS)];

/// Adds how many requests succeeded and failed, where both are known.
fn count_requests(point: &mut Point, counts: &[(&'static str, Option<f64>)]) {
    let known: Vec<(&str, f64)> = counts.iter().filter_map(|(name, amount)| Some((*name, (*amount)?))).collect();
    if let PointOutcome::Measured(numbers) = &point.outcome
        && known.len() == counts.len()
    {
        let all = Measurement::new(numbers.numbers().chain(known));
        point.outcome = PointOutcome::Measured(all);
    }
}

/// Divides throughputs by GPUs: all of them for the total, those that read prompts or generate for the parts.
fn per_gpu(numbers: &[(&'static str, f64)], gpus: &Gpus) -> Measurement {
    let (all, reading, generating) = match *gpus {
        Gpus::Together(gpus) => (gpus, gpus, gpus),
        Gpus::Apart { prefill, decode: 0 } => (prefill, prefill, prefill),
        Gpus::Apart { prefill, decode } => (prefill + decode, prefill, decode),
    };
    Measurement::new(numbers.iter().map(|(name, number)| {
        let divisor = match *name {
            "tput_per_gpu" => all,
            "input_tput_per_gpu" => reading,
            "output_tput_per_gpu" => generating,
            _ => 1,
        };
        let divisor = count(divisor.max(1));
        (*name, number / divisor)
    }))
}
