//! Jobs: rows with the names that GitHub and people need.

use std::collections::HashMap;

use serde::Serialize;

use super::priority::Priority;
use crate::matrix::row::{Concurrencies, Row};
use crate::model::RunnerLabel;

/// One job of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// An id that is unique in the plan and safe in file and artifact names.
    pub id: String,
    /// The name in GitHub's list of jobs.
    pub name: String,
    /// The label that the job's runner must have.
    pub runner: RunnerLabel,
    /// Where jobs are scheduled by priority.
    #[serde(skip)]
    pub priority: Option<Priority>,
    /// Further labels that the job's runner must have.
    #[serde(skip)]
    pub labels: Vec<String>,
    #[serde(skip)]
    pub gpus: u64,
    pub row: Row,
}

/// Maximum length of an id, bytes: file names of results contain it, and file systems allow 255.
const LONGEST_ID: usize = 120;

/// The jobs of some rows, in their order.
#[must_use]
pub fn jobs<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<Job> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    let jobs = rows.into_iter().map(|row| {
        let id = unique(id(row), &mut taken);
        Job {
            id,
            name: name(row),
            runner: row.runner.clone(),
            priority: None,
            labels: Vec::new(),
            gpus: row.layout.gpus(),
            row: row.clone(),
        }
    });
    jobs.collect()
}

/// The canary job: the fewest GPUs, then the lowest concurrency. Jobs that only evaluate are not eligible.
#[must_use]
pub fn canary(jobs: &[Job]) -> Option<&Job> {
    let measuring = jobs.iter().filter(|job| job.row.eval.only != Some(true));
    measuring.min_by_key(|job| (job.gpus, job.row.conc.as_slice().iter().copied().min()))
}

fn is_eval(row: &Row) -> bool {
    row.eval.only == Some(true)
}

fn name(row: &Row) -> String {
    let conc = match &row.conc {
        Concurrencies::One(conc) => conc.to_string(),
        Concurrencies::Several(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    };
    let eval = match (row.eval.run, is_eval(row)) {
        (Some(true), true) => "eval ",
        (Some(true) | Some(false) | None, _) => "",
    };
    format!("{eval}{} conc {conc}", row.curve_key())
}

fn id(row: &Row) -> String {
    let mut id = String::new();
    for character in name(row).chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '_') {
            id.push(character);
        } else if !id.ends_with('-') {
            id.push('-');
        }
    }
    id.truncate(LONGEST_ID);
    id.trim_matches('-').to_owned()
}

fn unique(id: String, taken: &mut HashMap<String, usize>) -> String {
    let mut times = taken.get(&id).copied().unwrap_or(0);
    let mut candidate = id.clone();
    // A numbered name can be another row's own name, so each candidate is checked.
    while times > 0 || taken.contains_key(&candidate) {
        times += 1;
        candidate = format!("{id}-{times}");
        if !taken.contains_key(&candidate) {
            break;
        }
    }
    taken.insert(id, times.max(1));
    taken.insert(candidate.clone(), 1);
    candidate
}
