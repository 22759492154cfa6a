//! The command that reuses a pull request's results at its merge: `/reuse-sweep-run`, or `/reuse-sweep-run 16890123456` for the results
//! of one run.

/// A command on a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReuseCommand {
    /// The run whose results are meant; otherwise the newest successful one.
    pub run: Option<u64>,
}

/// The last command in a comment: several lines may have one, and the last is what its author decided. Other words on the line make it
/// no command.
#[must_use]
pub fn reuse_command(word: &str, comment: &str) -> Option<ReuseCommand> {
    comment.lines().rev().find_map(|line| command_of(word, line))
}

fn command_of(word: &str, line: &str) -> Option<ReuseCommand> {
    let mut words = line.split_whitespace();
    if words.next() != Some(word) {
        return None;
    }
    let run = match words.next() {
        None => None,
        Some(id) => Some(id.parse().ok()?),
    };
    words.next().is_none().then_some(ReuseCommand { run })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_stands_on_a_line_of_its_own() {
        for (comment, found) in [
            ("/reuse-sweep-run", Some(None)),
            ("good numbers\n\n  /reuse-sweep-run 41 \r\n", Some(Some(41))),
            ("/reuse-sweep-run 41\n/reuse-sweep-run", Some(None)),
            ("> /reuse-sweep-run", None),
            ("say /reuse-sweep-run", None),
            ("/reuse-sweep-run please", None),
            ("/reuse-sweep-run 41 42", None),
            ("/reuse-sweep-runs", None),
            ("", None),
        ] {
            assert_eq!(
                reuse_command("/reuse-sweep-run", comment).map(|command| command.run),
                found,
                "{comment:?}"
            );
        }
    }
}
