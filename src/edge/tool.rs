//! Short programs of the system whose answer is wanted: run with a deadline, stopped where nobody waits any more.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::stop::StopSignal;

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Part of an error that is quoted, characters.
const QUOTED: usize = 200;

/// What a program wrote to stdout.
///
/// # Errors
/// A sentence that says why there is no answer: the program is missing, failed, or did not end in time.
pub fn answer_of(program: &str, arguments: &[&str], limit: Duration, stop: &StopSignal) -> Result<String, String> {
    answer_with_input(program, arguments, None, limit, stop)
}

/// The same for a program that is told something on stdin, which must fit into a pipe.
///
/// # Errors
/// As [`answer_of`].
pub fn answer_with_input(
    program: &str,
    arguments: &[&str],
    input: Option<&str>,
    limit: Duration,
    stop: &StopSignal,
) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("TZ", "UTC");
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start {program}: {error}"))?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        // A program that does not read it says by its exit what that means.
        let _ = pipe.write_all(input.as_bytes());
    }
    let (mut out, mut errors) = (child.stdout.take(), child.stderr.take());
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = out.as_mut().map(|pipe| pipe.read_to_string(&mut text));
        text
    });
    let error_reader = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = errors.as_mut().map(|pipe| pipe.read_to_string(&mut text));
        text
    });
    let until = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() >= until => return Err(given_up(&mut child, program, &format!("gave no answer within {limit:?}"))),
            Ok(None) => {}
            Err(error) => return Err(given_up(&mut child, program, &error.to_string())),
        }
        if stop.wait_for(LOOK).is_some() {
            return Err(given_up(&mut child, program, "was stopped"));
        }
    };
    let text = reader.join().unwrap_or_default();
    let said = error_reader.join().unwrap_or_default();
    if status.success() {
        return Ok(text);
    }
    let line = said
        .lines()
        .chain(text.lines())
        .find(|line| !line.trim().is_empty())
        .unwrap_or("nothing");
    let line: String = line.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
    Err(format!("{program} failed ({status}): {line}"))
}

/// Kills the program. A child of it that holds the pipes keeps only the two threads that read from them.
fn given_up(child: &mut Child, program: &str, why: &str) -> String {
    let _ = child.kill();
    let _ = child.wait();
    format!("{program} {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn answers_and_reasons() {
        let stop = StopSignal::unset();
        let bash = |script: &str, limit| answer_of("bash", &["-c", script], limit, &stop);
        assert_eq!(bash("echo yes", LIMIT).unwrap(), "yes\n");
        let told = answer_with_input("cat", &[], Some("hello"), LIMIT, &stop);
        assert_eq!(told.unwrap(), "hello");
        assert!(bash("echo no >&2; exit 3", LIMIT).unwrap_err().ends_with("(exit status: 3): no"));
        let late = bash("exec sleep 1000", Duration::from_millis(50)).unwrap_err();
        assert!(late.contains("gave no answer within 50ms"), "{late}");
        assert!(
            answer_of("no-such-program", &[], LIMIT, &stop)
                .unwrap_err()
                .starts_with("cannot start no-such-program")
        );
    }

    #[test]
    fn a_signal_ends_the_wait() {
        let stop = StopSignal::unset();
        stop.raise(crate::edge::stop::StopCause::Abandon);
        assert_eq!(answer_of("sleep", &["1000"], LIMIT, &stop).unwrap_err(), "sleep was stopped");
    }
}
