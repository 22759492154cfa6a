//! `imax bench` against `imax sim`, and against servers that misbehave: real processes, real sockets. What the client
//! reports is checked against what the engine logged as true.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod arrival;
mod client;
mod datasets;
mod endless;
mod faults;
mod http;
mod limits;
mod many_chunks;
mod other_tools;
mod protocols;
mod readiness;
mod real_servers;
mod restart;
mod results;
mod search;
mod secure;
mod servers;
mod shards;
mod simulated;
mod simulator;
mod terminal_width;
mod threads;
mod tokenizers;
mod truth;
mod unreachable;
mod url_alone;
mod usage;
