//! The state of a job, which phases add to and which becomes `job.json`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::phase::PhaseJournal;
use super::traces::ProfiledLoad;
use crate::fleet::launcher::Tries;
use crate::job::{Attempt, Deadlines, EvalRecord, JobPoint, NodeFacts, Outcome, PointRecord, TraceRecord};
use crate::model::Concurrency;

/// The state of a job so far.
#[derive(Debug)]
pub(super) struct Progress {
    pub journal: PhaseJournal,
    /// The loaded points of all attempts.
    pub points: Vec<PointRecord>,
    /// The scores of evaluations.
    pub evals: Vec<EvalRecord>,
    /// The traces of a profiled row.
    pub traces: Vec<TraceRecord>,
    /// The loads of the current attempt during which the profiler ran.
    pub profiled_loads: Vec<ProfiledLoad>,
    /// The finished attempts of the job.
    pub attempts: Vec<Attempt>,
    /// The attempts to pull the engine's image.
    pub image_pulls: Tries,
    /// The facts of the engine's node; those of several nodes are joined.
    pub node: NodeFacts,
    /// The engine of the current attempt.
    pub engine: EngineIdentity,
    /// Whether something that the job started could not be stopped.
    pub left_behind: bool,
}

/// Facts about the running engine.
#[derive(Debug, Default)]
pub(super) struct EngineIdentity {
    /// The name under which it serves the model.
    pub served_model: Option<String>,
    /// Facts such as the image's digest or the engine's version.
    pub facts: BTreeMap<String, String>,
}

impl Progress {
    pub fn new(deadlines: Deadlines) -> Self {
        Self {
            journal: PhaseJournal::new(deadlines),
            points: Vec::new(),
            evals: Vec::new(),
            traces: Vec::new(),
            profiled_loads: Vec::new(),
            attempts: Vec::new(),
            image_pulls: Tries::default(),
            node: NodeFacts::default(),
            engine: EngineIdentity::default(),
            left_behind: false,
        }
    }

    /// Whether the point with this concurrency was measured, also in an earlier attempt.
    pub fn is_measured(&self, conc: Concurrency) -> bool {
        self.points.iter().any(|point| point.conc == conc && point.outcome == Outcome::Ok)
    }

    /// Records that the load of a point begins, if the profiler runs during it.
    pub fn begin_load(&mut self, is_profiled: bool, point: &JobPoint) {
        if is_profiled {
            self.profiled_loads.push(ProfiledLoad {
                began: SystemTime::now(),
                result_filename: point.result_filename.clone(),
            });
        }
    }

    /// Records the outcome of a point. `raw` is the file of its raw result.
    pub fn record_point(&mut self, point: &JobPoint, outcome: Outcome, raw: Option<String>) {
        let JobPoint { conc, result_filename } = point;
        match self.points.iter_mut().find(|known| known.conc == *conc) {
            Some(known) => {
                known.outcome = outcome;
                known.raw = raw.or(known.raw.take());
            }
            None => self.points.push(PointRecord {
                raw,
                ..PointRecord::new(*conc, result_filename.clone(), outcome)
            }),
        }
    }
}
