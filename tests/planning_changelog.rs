//! Planning from the changelog, with real git repositories and the real binary: two refs, GitHub's events, what a
//! checkout can lack, and the edits of the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "planning_changelog/edits.rs"]
mod edits;
#[path = "planning_changelog/events.rs"]
mod events;
#[path = "planning_changelog/refs.rs"]
mod refs;
#[path = "planning_changelog/repository.rs"]
mod repository;
#[path = "planning_changelog/retry.rs"]
mod retry;
