//! Lines of a log that look like errors, for failures of which the cause is not known.

use super::known::ORDINARY;
use super::{QUOTED, has_words};

/// Words of lines that report an error.
const ERROR_WORDS: [&str; 16] = [
    "error",
    "errors",
    "fatal",
    "failed",
    "failure",
    "exception",
    "traceback",
    "panicked",
    "invalid",
    "cannot",
    "can't",
    "not found",
    "no such file",
    "permission denied",
    "aborted",
    "killed",
];
/// Words of lines that say that there was none.
const NO_ERRORS: [&str; 5] = ["0 errors", "0 failed", "errors: 0", "failed: 0", "no error"];
/// The beginning of a command that a shell prints before it runs it (`set -x`).
const TRACE: char = '+';

/// The last lines that look like errors, at most `count`, in their order and shortened. Repeated ones are left out.
#[must_use]
pub fn error_lines(log: &str, count: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in log.lines().rev().filter(|line| is_error(line)) {
        let line: String = line.trim().chars().take(QUOTED).collect();
        if !found.contains(&line) {
            found.push(line);
        }
        if found.len() == count {
            break;
        }
    }
    found.reverse();
    found
}

fn is_error(line: &str) -> bool {
    let line = line.trim().to_lowercase();
    // Exceptions of Python are one word: `ValueError`.
    let has_error = ERROR_WORDS.iter().any(|word| has_words(&line, word)) || line.contains("error:") || line.contains("exception:");
    let is_harmless = NO_ERRORS.iter().any(|words| has_words(&line, words));
    let is_ordinary = ORDINARY.iter().any(|sign| sign.iter().all(|part| has_words(&line, part)));
    has_error && !is_harmless && !is_ordinary && !line.starts_with(TRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_errors_are_told_from_traces_and_reports_of_none() {
        for (line, is_one) in [
            ("srun: error: node7: task 0: Exited with exit code 1", true),
            ("pyxis: invalid mount '/mnt/cache:'", true),
            ("slurmstepd: error: *** STEP 42.0 ON n1 CANCELLED ***", true),
            ("ValueError: unknown quantization", true),
            ("bash: line 3: srtctl: command not found", true),
            ("+ echo 'Failed to acquire lock'", false),
            ("++ exit 1 error", false),
            ("done: 0 errors", false),
            ("Successful requests: 40", false),
            ("loading terror.safetensors", false),
            ("", false),
        ] {
            assert_eq!(is_error(line), is_one, "{line}");
        }
    }

    #[test]
    fn last_ones_are_in_their_order_and_each_once() {
        let log = "error: a\nfine\nerror: b\nerror: b\nerror: c\nfine\n";
        assert_eq!(error_lines(log, 2), ["error: b", "error: c"]);
        assert_eq!(error_lines(log, 9), ["error: a", "error: b", "error: c"]);
        let long = format!("error: {}", "x".repeat(1000));
        assert_eq!(error_lines(&long, 1)[0].len(), QUOTED);
        assert!(error_lines("fine", 3).is_empty());
    }
}
