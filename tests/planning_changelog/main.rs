//! Planning from the changelog, with real git repositories and the real binary: two refs, GitHub's events, what a
//! checkout can lack, and the edits of the log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod approve;
mod edits;
mod events;
mod links;
mod refs;
mod repository;
mod retry;
mod reuse;
mod shared_identities;
