//! The programs under test, and the environment that they get.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest wait for anything that must happen. Far beyond what it takes, also on a busy machine: it only keeps a test from hanging.
pub const DEADLINE: Duration = Duration::from_secs(300);

/// The variables that a program needs to run at all. Everything else, such as `GITHUB_*`, `IMAX_*`, proxies and tokens, would make
/// the result of a test depend on where it runs.
const KEPT: [&str; 6] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The program under test.
pub fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_imax"))
}

/// The reader of NVIDIA's library.
pub fn nvml_program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_imax-nvml"))
}

/// The folder of this project.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `imax` with a clean environment and nothing on stdin.
pub fn imax() -> Command {
    clean_command(program())
}

/// A program, with a clean environment and nothing on stdin.
pub fn clean_command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// A program that starts others, which need the machine's settings (the Python harness and its caches): only the variables that
/// `imax` itself reads, and proxies, are removed.
pub fn imax_inheriting(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_ascii_uppercase();
        if upper.starts_with("GITHUB_") || upper.starts_with("IMAX_") || upper.ends_with("_PROXY") || upper == "OPENAI_API_KEY" {
            command.env_remove(name);
        }
    }
    command
}
