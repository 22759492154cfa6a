//! `imax eval` as people run it: against an engine that knows some of the answers, interrupted and resumed, judged by
//! thresholds, and side by side with the Python harness.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on should panic; measurements are printed"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod agreement;
mod command;
mod model_server;
mod speed;
