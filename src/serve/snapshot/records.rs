//! What runs keep of their points beside the numbers: the load and the engine over time, jobs with the engine's log, verdicts. Each point has a
//! shard, the newest first, as far as there is room.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::SnapshotError;
use super::ask::{Asker, Row, text, whole};
use super::index::Scope;
use super::shards::Shards;
use crate::model::{Concurrency, CurveKey, PointKey};
use crate::serve::api::records::{RecordsOf, document};
use crate::serve::error::ApiError;
use crate::store::database::{AsOf, PointSelection};

/// Bytes of records in a report, which is one document: a point has about 20 kB.
const MOST_OF_REPORT: usize = 400 << 10;
/// Bytes of records of a site.
const MOST_OF_SITE: usize = 64 << 20;

/// A point of a run, as the pages name it.
type Named = (i64, String, u32);

/// The points of runs that keep records, and room for them.
#[derive(Debug)]
pub(super) struct Records {
    runs: BTreeSet<i64>,
    points: Vec<Named>,
    room: usize,
}

impl Records {
    /// Asks which runs keep any.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub(super) async fn of(asker: &Asker, scope: Scope<'_>) -> Result<Self, SnapshotError> {
        let mut reader = asker.app.reader().await.map_err(|error| failed(&error))?;
        let runs = reader.runs_with_point_records().await?;
        reader.give_back();
        Ok(Self {
            runs,
            points: Vec::new(),
            room: match scope {
                Scope::Run(_) => MOST_OF_REPORT,
                Scope::History => MOST_OF_SITE,
            },
        })
    }

    /// Notes a point whose records are wanted.
    pub(super) fn note(&mut self, point: &Row) {
        let run = whole(point, "run");
        let conc = u32::try_from(whole(point, "conc"));
        if let Ok(conc) = conc
            && self.runs.contains(&run)
        {
            self.points.push((run, text(point, "curve").to_owned(), conc));
        }
    }

    /// Writes the records; the name of the shard that lists them by run, curve and concurrency, if there are any.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub(super) async fn write(self, asker: &Asker, shards: &mut Shards) -> Result<Option<String>, SnapshotError> {
        let Self { points, mut room, .. } = self;
        if points.is_empty() {
            return Ok(None);
        }
        let curves = curves(asker).await?;
        let mut newest_first = points;
        newest_first.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| (&one.1, one.2).cmp(&(&other.1, other.2))));
        let mut names = BTreeMap::new();
        let mut jobs = BTreeSet::new();
        for (run, digits, conc) in newest_first {
            let (Some(curve), Some(number)) = (curves.get(&digits), Concurrency::new(conc)) else {
                continue;
            };
            let key = PointKey {
                curve: curve.clone(),
                conc: number,
            };
            let of = RecordsOf {
                run,
                against: None,
                as_of: AsOf::Now,
            };
            let mut found = document(&asker.app, of, &key).await.map_err(|error| failed(&error))?;
            let needed = found.to_string().len();
            if needed > room {
                tracing::info!(points = names.len(), "older points are shown without their records");
                break;
            }
            room -= needed;
            room += share_jobs(&mut found, shards, &mut jobs)?;
            names.insert(format!("{run} {digits} {conc}"), shards.put("records", &found)?);
        }
        Ok(Some(shards.put("recorded", &names)?))
    }
}

/// Puts jobs into shards of their own, because a job measures several points; the bytes of those that were there already.
fn share_jobs(found: &mut Value, shards: &mut Shards, known: &mut BTreeSet<String>) -> Result<usize, SnapshotError> {
    let mut saved = 0;
    let mut names = Vec::new();
    if let Some(Value::Array(jobs)) = found.get("jobs") {
        for job in jobs {
            let name = shards.put("job", job)?;
            if !known.insert(name.clone()) {
                saved += job.to_string().len();
            }
            names.push(name);
        }
    }
    found["jobs"] = json!(names);
    Ok(saved)
}

/// All curves by their hashes.
async fn curves(asker: &Asker) -> Result<HashMap<String, CurveKey>, SnapshotError> {
    let mut reader = asker.app.reader().await.map_err(|error| failed(&error))?;
    let curves = reader.curve_keys(&PointSelection::default()).await?;
    reader.give_back();
    Ok(curves.into_values().map(|curve| (curve.identity().to_string(), curve)).collect())
}

fn failed(error: &ApiError) -> SnapshotError {
    SnapshotError::Answer {
        path: "/api/v1/records".to_owned(),
        detail: error.to_string(),
    }
}
