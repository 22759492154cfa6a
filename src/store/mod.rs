//! What was measured: results among downloaded artifacts, and the history of runs.

pub mod artifacts;
pub mod history;
