//! What was measured: results among downloaded artifacts, and the history of runs.

pub(crate) mod artifacts;
pub(crate) mod collect;
mod gather;
pub(crate) mod history;

pub(crate) use gather::{GatherError, PlanError, RESULTS_FILE, RUN_FILE, gather, load_run};
