//! The nodes on which jobs run: launchers that start engines, node facts, telemetry, readiness, and clean-up after killed jobs.

pub mod engine_log;
pub mod image_cache;
pub mod job_state;
pub mod launcher;
pub mod node;
pub mod readiness;
pub mod reap;
pub mod telemetry;
