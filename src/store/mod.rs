//! Stored measurements: results among downloaded artifacts, baselines of comparisons, and the history of runs.

pub(crate) mod archive;
pub(crate) mod artifacts;
pub(crate) mod baseline;
pub(crate) mod branch;
pub(crate) mod bucket;
pub(crate) mod collect;
pub(crate) mod comparison;
pub(crate) mod database;
pub(crate) mod export;
mod gather;
pub(crate) mod hardware;
pub(crate) mod history;
pub(crate) mod noise_calibration;
pub(crate) mod normalize;
mod power;
pub(crate) mod publish;
pub(crate) mod remote_files;
pub(crate) mod run_files;
pub(crate) mod server;
mod work;

pub(crate) use gather::{GatherError, PlanError, RESULTS_FILE, gather, load_run, load_runs, point_of_document, run_of_measured};
pub(crate) use power::{MeasuredPower, PowerSources};
pub(crate) use work::Work;
