//! A program whose streams are closed or full, and one that gets no threads: it ends, with the documented exit code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "harness/mod.rs"]
mod harness;

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::{Finish as _, clean_command, imax, program, project};

/// Commands that print something to stdout.
const COMMANDS: [&[&str]; 9] = [
    &["--help"],
    &["--version"],
    &["run", "--help"],
    &["matrix", "full-sweep", "--max-conc", "4"],
    &["plan", "--config-keys", "*"],
    &["check", "--explain"],
    &["schema", "row"],
    &["completions", "bash"],
    &["man"],
];

#[test]
fn closed_pipe_is_no_error() {
    for arguments in COMMANDS {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = imax().args(arguments).current_dir(project()).finish_into(writer.into());
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(0), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("error"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn full_device_behind_stdout_is_a_failure() {
    for arguments in COMMANDS {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = imax().args(arguments).current_dir(project()).finish_into(full.into());
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(4), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("error: cannot write to stdout: No space left on device"),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn unwritable_stderr_does_not_change_the_exit_code() {
    for (arguments, code) in [
        (&["check"][..], 0),
        (&["--version"], 0),
        (&["nonsense"], 2),
        (&["matrix", "full-sweep", "--config-dir", "/nowhere"], 3),
    ] {
        let mut command = clean_command("bash");
        command.args(["-c", "exec \"$0\" \"$@\" 2> /dev/full"]).arg(program());
        let ran = command.args(arguments).current_dir(project()).finish();
        assert_eq!(ran.status.code(), Some(code), "{arguments:?}");
    }
}

/// A place from which other users run the program.
fn copy_for_others(folder: &Path) -> PathBuf {
    let copy = folder.join("imax");
    if std::fs::hard_link(program(), &copy).is_err() {
        std::fs::copy(program(), &copy).unwrap();
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// The program with a limit of threads. The limit is that of a user and does not hold for root: root becomes a user without processes.
fn with_threads(limit: u32, imax: &Path) -> Command {
    let script = format!("ulimit -u {limit}; exec \"$0\" \"$@\"");
    let mut command = if is_root() {
        let mut command = clean_command("setpriv");
        command.args(["--reuid=64999", "--regid=64999", "--clear-groups", "bash"]);
        command
    } else {
        clean_command("bash")
    };
    command.args(["-c", &script]).arg(imax);
    command
}

#[test]
fn program_without_threads_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let imax = copy_for_others(folder.path());
    // The user's own processes count as well, so only root knows how many threads a higher limit leaves.
    let limits: &[u32] = if is_root() { &[0, 1, 2, 3] } else { &[0] };
    for &limit in limits {
        let ran = with_threads(limit, &imax).arg("check").current_dir(project()).finish();
        let stderr = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(4), "limit {limit}: {stderr}");
        assert!(stderr.contains("error: cannot start a thread: "), "limit {limit}: {stderr}");
        assert!(stderr.contains("raise the limit of processes"), "limit {limit}: {stderr}");
        assert!(!stderr.contains("has a bug"), "limit {limit}: {stderr}");
    }
}
