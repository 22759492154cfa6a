//! The way from raw results to a verdict, through the binary as a workflow calls it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "../github/mod.rs"]
mod github;
#[path = "../harness/mod.rs"]
mod harness;

mod agentx;
mod alerts;
mod artifact_names;
mod baselines;
mod checks;
mod collecting;
mod comments;
mod dispatching;
mod downloading;
mod fixture;
mod forks;
mod golden;
mod hostile;
mod normalizing;
mod notifying;
mod openapi;
mod pages;
mod producers;
mod raw_results;
mod scores;
mod selection;
