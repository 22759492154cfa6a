//! Command lines of `imax` in the pages, also in those blocks that cannot be run here: each has a command that exists and flags
//! that this command has.

use std::collections::BTreeMap;

use super::harness::{Finish as _, imax};
use super::page::{Block, Page, pages};

/// Languages of blocks that hold commands to type.
const SHELL: [&str; 3] = ["sh", "bash", "console"];

/// The help texts read so far, by command.
#[derive(Default)]
struct Help(BTreeMap<String, String>);

impl Help {
    /// The help of a command; nothing where it does not exist.
    fn of(&mut self, command: &[&str]) -> &str {
        self.0.entry(command.join(" ")).or_insert_with(|| {
            let output = imax().args(command).arg("--help").finish();
            if output.status.success() {
                String::from_utf8(output.stdout).unwrap()
            } else {
                String::new()
            }
        })
    }
}

/// The command lines of a script, with continued lines joined, without comments, and cut at operators.
fn command_lines(script: &str) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for line in script.replace("\\\n", " ").lines() {
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            if word.starts_with('#') {
                break;
            }
            if ["|", "&&", "||", "&", ";", "then", "do"].contains(&word) {
                lines.push(std::mem::take(&mut words));
                continue;
            }
            words.push(word.trim_matches(['$', '(', ')', '"', ';']).to_owned());
        }
        lines.push(words);
    }
    lines
}

/// Where a command line starts imax: as the first word, or behind variables, `if` and programs that start others.
fn start_of_imax(words: &[String]) -> Option<usize> {
    let start = words.iter().position(|word| word == "imax" || word.ends_with("/imax"))?;
    let starts_others = |word: &String| word.contains('=') || ["if", "exec", "nice", "timeout", "taskset", "-c"].contains(&word.as_str());
    let is_number = |word: &String| word.chars().all(|c| c.is_ascii_digit());
    words[..start]
        .iter()
        .all(|word| starts_others(word) || is_number(word))
        .then_some(start)
}

/// What is wrong with a command line of imax; nothing where the line has none.
fn fault(words: &[String], help: &mut Help) -> Option<String> {
    let start = start_of_imax(words)?;
    let mut command: Vec<&str> = Vec::new();
    let mut flags = Vec::new();
    for word in &words[start + 1..] {
        if word.starts_with("--") {
            flags.push(word.split('=').next().unwrap_or(word));
        } else if flags.is_empty() && !word.starts_with('-') {
            let longer = [command.as_slice(), &[word.as_str()]].concat();
            let has_subcommands = help.of(&command).contains("\nCommands:\n");
            if has_subcommands {
                if help.of(&longer).is_empty() {
                    return Some(format!("no such command: imax {}", longer.join(" ")));
                }
                command = longer;
            }
        }
    }
    let text = help.of(&command);
    let known = |flag: &str| text.split([' ', '\n', ',', '[', ']', '=']).any(|word| word == flag);
    let unknown = flags.iter().find(|flag| **flag != "--" && !known(flag))?;
    Some(format!("imax {} has no {unknown}", command.join(" ")))
}

/// Blocks that show what a wrong command line does are marked with the exit code of usage.
fn is_valid_shell(block: &Block) -> bool {
    SHELL.contains(&block.language.as_str()) && block.marker.as_deref() != Some("exit: 2")
}

#[test]
fn commands_in_pages_exist_with_their_flags() {
    let mut help = Help::default();
    let mut checked = 0;
    let mut faults = Vec::new();
    for page in pages() {
        for block in page.blocks().iter().filter(|block| is_valid_shell(block)) {
            for line in command_lines(&block.text) {
                checked += usize::from(start_of_imax(&line).is_some());
                faults.extend(fault(&line, &mut help).map(|fault| format!("{}:{}: {fault}", page.name, block.line)));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked > 50, "only {checked} commands found");
}

#[test]
fn unknown_command_or_flag_is_a_fault() {
    let mut help = Help::default();
    for (line, expected) in [
        ("imax check --format json", None),
        ("cat row.json | imax run --row - --out results &", None),
        ("imax matrix full-sweep --max-conc 4", None),
        ("if imax compare a b --fail-on=regression; then", None),
        ("imax chek", Some("no such command: imax chek")),
        ("imax matrix full --max-conc 4", Some("no such command: imax matrix full")),
        ("imax check --frmat json", Some("imax check has no --frmat")),
        ("echo imax-nvml --nothing", None),
        ("cp target/release/imax /usr/local/bin/", None),
        (
            "HF_HUB_OFFLINE=1 taskset -c 0 target/release/imax bench --no-such",
            Some("imax bench has no --no-such"),
        ),
    ] {
        let lines = command_lines(line);
        let found = lines.iter().find_map(|words| fault(words, &mut help));
        assert_eq!(found.as_deref(), expected, "{line}");
    }
}

/// Indented blocks have no language, so no test would see what is in them.
#[test]
fn commands_are_in_fenced_blocks() {
    let is_command = |line: &&str| ["    imax ", "    cargo ", "    git "].iter().any(|start| line.starts_with(start));
    let found: Vec<String> = pages()
        .iter()
        .filter(|page| !is_generated(page))
        .flat_map(|page| {
            page.prose()
                .lines()
                .filter(is_command)
                .map(|line| format!("{}:{line}", page.name))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "use ```sh:\n{}", found.join("\n"));
}

fn is_generated(page: &Page) -> bool {
    page.name == "docs/reference/commands.md"
}
