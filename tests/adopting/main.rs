//! A new benchmark repository: `imax init` writes it, `imax check` accepts it, `imax plan` plans it, `imax sweep` measures it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod init;
#[cfg(target_os = "linux")]
mod questions;
mod sweep;

/// Runs a command to its end.
fn finished(command: &mut std::process::Command) -> harness::Finished {
    harness::Running::start(command).finish()
}
