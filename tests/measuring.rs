//! `imax bench` against `imax sim`, and against servers that misbehave: real processes, real sockets. What the client
//! reports is checked against what the engine logged as true.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

mod measuring {
    pub mod arrival;
    pub mod datasets;
    pub mod engine;
    pub mod faults;
    pub mod limits;
    pub mod protocols;
    pub mod restart;
    pub mod results;
    pub mod secure;
    pub mod simulated;
    pub mod threads;
    pub mod truth;
    pub mod unreachable;
    pub mod usage;
}
