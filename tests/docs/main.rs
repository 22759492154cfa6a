//! The documentation compared with the program: what is generated from it, the commands that pages tell readers to type, the links
//! between files, and the repositories in `examples/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod commands;
mod examples;
mod files;
mod generated;
mod links;
mod page;
mod session;
