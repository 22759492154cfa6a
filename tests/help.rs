//! Snapshots of every command's help. After a change of a help text, `INSTA_UPDATE=always cargo test --test help` writes them
//! anew; review the difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "harness/mod.rs"]
mod harness;

use harness::{Finish as _, imax};

/// Commands that the list in the help leaves out.
const HIDDEN: [&str; 2] = ["action", "nvml"];

/// The help of a command. It does not depend on the terminal, because imax is built without clap's wrapping, nor on the
/// environment.
fn help(command: &[&str]) -> String {
    let output = imax().args(command).arg("--help").finish();
    assert!(output.status.success(), "imax {} --help", command.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// The names in the section `Commands:`.
fn subcommands(help: &str) -> Vec<&str> {
    let section = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    section
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

fn check_with_subcommands(command: &[&str]) -> usize {
    let text = help(command);
    let name = ["imax"].iter().chain(command).copied().collect::<Vec<_>>().join("-");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
    let below = subcommands(&text);
    let counts = below
        .iter()
        .map(|subcommand| check_with_subcommands(&[command, &[*subcommand]].concat()));
    1 + counts.sum::<usize>()
}

#[test]
fn help_of_every_command_matches_its_snapshot() {
    let visible = check_with_subcommands(&[]);
    assert!(visible > 20, "only {visible} commands found in the help");
    for command in HIDDEN {
        check_with_subcommands(&[command]);
    }
}
