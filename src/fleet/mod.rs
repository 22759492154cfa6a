//! The nodes on which jobs run: launchers that start engines, what is known of a node, telemetry, readiness, and the clean-up
//! after jobs that were killed.

pub mod engine_log;
pub mod image_cache;
pub mod job_state;
pub mod launcher;
pub mod node;
pub mod readiness;
pub mod reap;
pub mod telemetry;
