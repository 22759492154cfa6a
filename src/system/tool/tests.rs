//! Output of programs, and that no process is left.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use super::*;
use crate::system::cancellation::CancelCause;
use crate::system::process::process_of;

const LIMIT: Duration = Duration::from_secs(60);

fn bash(script: &str, limit: Duration, cancellation: &Cancellation) -> Result<String, ToolError> {
    answer_of("bash", &["-c", script], limit, cancellation)
}

/// Waits until a process has ended after a signal.
fn await_gone(pid: &str) {
    let pid: i32 = pid.trim().parse().unwrap();
    let until = Instant::now() + LIMIT;
    while process_of(pid).is_some() {
        assert!(Instant::now() < until, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn answers_and_reasons() {
    let cancellation = Cancellation::new();
    assert_eq!(bash("echo yes", LIMIT, &cancellation).unwrap(), "yes\n");
    assert_eq!(answer_with_input("cat", &[], "hello", LIMIT, &cancellation).unwrap(), "hello");
    let failed = bash("echo no >&2; exit 3", LIMIT, &cancellation).unwrap_err();
    assert!(
        failed.to_string().ends_with("(exit status: 3): no") && !failed.is_missing(),
        "{failed}"
    );
    let late = bash("exec sleep 1000", Duration::from_millis(50), &cancellation)
        .unwrap_err()
        .to_string();
    assert!(late.contains("did not end within 50ms"), "{late}");
    let missing = answer_of("no-such-program", &[], LIMIT, &cancellation).unwrap_err();
    assert!(
        missing.is_missing() && missing.to_string().starts_with("cannot start no-such-program"),
        "{missing}"
    );
}

#[test]
fn input_and_output_larger_than_a_pipe_are_transferred() {
    let text = "0123456789abcdef".repeat(1 << 16);
    let mut command = Command::new("bash");
    command.args(["-c", "tee /dev/stderr"]);
    let said = run(command, &text, LIMIT, &Cancellation::new()).unwrap();
    assert!(said.status.success() && said.stdout == text && said.stderr == text);
    // A closed pipe is not an error.
    let said = run(Command::new("true"), &text, LIMIT, &Cancellation::new()).unwrap();
    assert!(said.status.success() && said.stdout.is_empty());
}

#[test]
fn cancellation_ends_the_wait() {
    let cancellation = Cancellation::new();
    cancellation.cancel(CancelCause::Abandoned);
    assert_eq!(
        answer_of("sleep", &["1000"], LIMIT, &cancellation).unwrap_err().to_string(),
        "sleep was stopped"
    );
}

#[test]
fn child_that_keeps_the_pipes_open_is_killed() {
    let cancellation = Cancellation::new();
    let begun = Instant::now();
    let pid = bash("sleep 1000 & echo $!", Duration::from_secs(500), &cancellation).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(500));
    await_gone(&pid);
}

#[test]
fn child_that_left_the_group_does_not_delay_the_output() {
    let pid = bash("setsid sleep 1000 & echo $!", LIMIT, &Cancellation::new()).unwrap();
    let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
    // After `setsid` the child is outside the group; before, it was in the group and is gone.
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
}

#[test]
fn descendants_are_killed_when_the_wait_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
    let cancellation = Cancellation::new();
    let raiser = (cancellation.clone(), file.clone());
    let thread = std::thread::spawn(move || {
        let (cancellation, file) = raiser;
        while !file.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        cancellation.cancel(CancelCause::Terminate);
    });
    assert!(matches!(
        bash(&script, Duration::from_secs(500), &cancellation),
        Err(ToolError::Stopped(_))
    ));
    thread.join().unwrap();
    await_gone(&std::fs::read_to_string(file).unwrap());
}
