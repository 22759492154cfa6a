//! `imax serve` as a process, over real HTTP: what it answers from each home of a history, and what hostile clients cannot do.

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
#[allow(dead_code, reason = "the tests of histories use more of it")]
#[path = "../history/postgres.rs"]
mod postgres;

mod addresses;
mod answers;
mod boards;
mod client;
mod dashboards;
mod deploy;
mod description;
mod engine_records;
mod formats;
mod graphql;
mod guards;
mod homes;
mod hostile;
mod issuer;
mod killed;
mod lifetime;
mod modes;
mod monitoring;
mod oidc;
mod origin;
mod pictures;
mod reads;
mod submissions;
mod threads;
mod transport;
mod view_pages;
mod views;
mod watching;
mod writes;
