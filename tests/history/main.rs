//! Histories, through the binary: the same behaviour of SQLite, PostgreSQL, a branch and object storage, killed writers, damage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[allow(dead_code, reason = "the tests of reports use more of it")]
#[path = "../reporting/fixture.rs"]
mod fixture;
#[allow(dead_code, unused_imports, reason = "the tests of reports use more of it")]
#[path = "../github/mod.rs"]
mod github;
#[path = "../harness/mod.rs"]
mod harness;

mod answers;
mod azure;
mod behaviour;
mod branch;
mod branch_damage;
mod bucket;
mod cloud_storage;
mod damage;
mod engines;
mod foreign;
mod killed_writers;
mod object_server;
mod postgres;
mod series;
