//! Snapshots of every command's help, and what is made of the same definitions: manual pages and completions. After a change of a help text, `INSTA_UPDATE=always cargo test --test help` writes them
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

/// All commands that the help lists, such as `matrix full-sweep`.
fn visible_commands(command: &[&str]) -> Vec<String> {
    let text = help(command);
    let below = subcommands(&text)
        .into_iter()
        .flat_map(|subcommand| visible_commands(&[command, &[subcommand]].concat()));
    std::iter::once(command.join(" ")).chain(below).collect()
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let output = imax().args(["man", "--dir"]).arg(folder.path()).finish();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut expected: Vec<String> = visible_commands(&[])
        .iter()
        .map(|command| format!("imax {command}").trim().replace(' ', "-") + ".1")
        .collect();
    let mut found: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);

    let page = std::fs::read_to_string(folder.path().join("imax-matrix-full-sweep.1")).unwrap();
    assert!(page.contains(".TH imax-matrix-full-sweep 1"), "{page}");
    assert!(page.contains("Example"), "{page}");
    let printed = imax().args(["man", "matrix", "full-sweep"]).finish();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), page);
}

#[test]
fn manual_page_of_an_unknown_command_is_a_usage_error() {
    let output = imax().args(["man", "matrix", "fullsweep"]).finish();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("imax matrix has no command \"fullsweep\""), "{error}");
}

/// What bash would offer after these words.
fn completed_by_bash(words: &[&str]) -> String {
    let script = imax().args(["completions", "bash"]).finish();
    assert!(script.status.success());
    let script = String::from_utf8(script.stdout).unwrap();
    let last = words.len() - 1;
    // A script of all commands is longer than an argument of a program may be (128 KiB on Linux).
    let folder = tempfile::tempdir().unwrap();
    let ask = format!(
        "{script}\nCOMP_WORDS=({}); COMP_CWORD={last}; _imax imax {:?} {:?}; echo \"${{COMPREPLY[*]}}\"",
        words.join(" "),
        words[last],
        words[last - 1]
    );
    let file = folder.path().join("ask.sh");
    std::fs::write(&file, ask).unwrap();
    let output = harness::clean_command("bash").arg("--norc").arg(&file).finish();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn bash_completes_commands_and_flags() {
    assert_eq!(completed_by_bash(&["imax", "comp"]), "compare completions");
    assert_eq!(completed_by_bash(&["imax", "matrix", "full"]), "full-sweep");
    assert_eq!(completed_by_bash(&["imax", "bench", "--random-input"]), "--random-input-len");
}

#[test]
fn version_begins_with_the_packages() {
    let output = imax().arg("--version").finish();
    let said = String::from_utf8(output.stdout).unwrap();
    let rest = said.strip_prefix(concat!("imax ", env!("CARGO_PKG_VERSION"))).unwrap();
    // Then nothing, or ` (0123456789ab 2026-12-01)`.
    assert!(rest == "\n" || rest.starts_with(" (") && rest.ends_with(")\n"), "{said}");
}
