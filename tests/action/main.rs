//! The composite action as a user's workflow runs it: the launcher, the release commit, and the whole reusable workflow. What needs
//! more than bash is ignored by default and run by `.ci/run`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "../harness/mod.rs"]
mod harness;

#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../serving/client.rs"]
mod client;
#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../reporting/fixture.rs"]
mod fixture;
#[allow(dead_code, unused_imports, reason = "these tests use a part of it")]
#[path = "../github/mod.rs"]
mod github;
#[allow(dead_code, reason = "these tests use a part of it")]
#[path = "../serving/issuer.rs"]
mod issuer;

mod act;
mod fork_report;
mod launcher;
mod publishing;
mod references;
mod release;
mod workflow;

/// This machine, as `dist/bin` and `dist/pins.txt` name it.
const PLATFORM: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-linux"
} else {
    "x86_64-linux"
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
