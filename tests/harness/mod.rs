//! What all tests share that start the program: an environment without the machine's own settings, deadlines for every wait, the
//! simulated engine, repositories, and HTTP servers.
//!
//! Each test binary includes this folder with `#[path = "../harness/mod.rs"] mod harness;`.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of the harness")]

mod http;
mod program;
mod repository;
mod running;
mod simulator;
#[cfg(target_os = "linux")]
mod terminal;

pub use http::{HttpRequest, HttpResponse, HttpServer, get, post};
pub use program::{DEADLINE, clean_command, imax, imax_inheriting, nvml_program, program, project};
pub use repository::{Repository, write_file};
pub use running::{Finish, Finished, POLL_INTERVAL, Running, wait_until};
pub use simulator::Simulator;
#[cfg(target_os = "linux")]
pub use terminal::{AtTerminal, Terminal};
