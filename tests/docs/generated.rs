//! The parts of pages that are made from the program, between `<!-- generated: NAME -->` and `<!-- end of generated -->`.
//! `IMAX_UPDATE_DOCS=1 cargo test --test docs` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use imax::cli::Exit;
use imax::testing::{FailureClass, KnownCause};

use super::harness::{Finish as _, imax, project};
use super::page::Page;

const START: &str = "<!-- generated: ";
const END: &str = "<!-- end of generated -->";

/// A page, the name of its generated part, and what makes it.
type Part = (&'static str, &'static str, fn() -> String);

const PARTS: [Part; 6] = [
    ("docs/reference/commands.md", "commands", command_reference),
    ("docs/reference/exit-codes.md", "exit codes", exit_codes),
    ("docs/reference/environment.md", "variables of flags", flag_variables),
    ("docs/reference/schemas.md", "schemas", schemas),
    ("docs/operating/troubleshooting.md", "known causes", known_causes),
    ("docs/operating/troubleshooting.md", "failure classes", failure_classes),
];

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

fn help(command: &[&str]) -> String {
    let output = imax().args(command).arg("--help").finish();
    assert!(output.status.success(), "imax {} --help", command.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of a help text: name and what it does.
fn subcommands(help: &str) -> Vec<(String, String)> {
    let section = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    section
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  "))
        .filter_map(|line| line.split_once("  "))
        .map(|(name, about)| (name.trim().to_owned(), about.trim().to_owned()))
        .filter(|(name, _)| !name.is_empty() && name != "help")
        .collect()
}

/// Every visible command that does something itself, with its help.
fn commands() -> Vec<(Vec<String>, String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<(Vec<String>, String)> = vec![(Vec::new(), String::new())];
    while let Some((command, about)) = open.pop() {
        let text = help(&command.iter().map(String::as_str).collect::<Vec<_>>());
        let below = subcommands(&text);
        if below.is_empty() {
            found.push((command, about, text));
        } else {
            let longer = |name: String| command.iter().cloned().chain([name]).collect();
            open.extend(below.into_iter().rev().map(|(name, about)| (longer(name), about)));
        }
    }
    assert!(found.len() > 20, "only {} commands found", found.len());
    found
}

fn command_reference() -> String {
    let commands = commands();
    let mut page = String::from("| command | does |\n|---|---|\n");
    for (command, about, _) in &commands {
        let name = command.join(" ");
        writeln!(page, "| [`imax {name}`](#imax-{}) | {} |", name.replace(' ', "-"), cell(about)).unwrap();
    }
    for (command, _, help) in &commands {
        // What every command has is at the top of the page.
        let own = help.split("\nLogging:\n").next().unwrap();
        let after = help
            .split("\nExample")
            .nth(1)
            .map_or(String::new(), |rest| format!("\nExample{rest}"));
        write!(
            page,
            "\n## imax {}\n\n```text\n{}\n{}```\n",
            command.join(" "),
            own.trim_end(),
            after
        )
        .unwrap();
    }
    page
}

fn exit_codes() -> String {
    let mut table = String::from("| code | meaning |\n|---:|---|\n");
    for exit in Exit::ALL {
        writeln!(table, "| {} | {} |", exit.code(), cell(exit.meaning())).unwrap();
    }
    table
}

fn failure_classes() -> String {
    let mut table = String::from("| class | meaning | retried |\n|---|---|---|\n");
    for class in FailureClass::ALL {
        let retried = if class.is_worth_a_retry() { "yes" } else { "no" };
        writeln!(table, "| `{}` | {} | {retried} |", class.as_str(), cell(class.meaning())).unwrap();
    }
    table
}

fn known_causes() -> String {
    let mut list = String::new();
    for cause in KnownCause::all() {
        let signs: Vec<String> = cause.signs().iter().map(|parts| format!("`{}`", parts.join(" … "))).collect();
        // Only failures of the node are tried again, and of those only the ones that may pass.
        let retried = if cause.lasts {
            "Not tried again."
        } else {
            "Tried again if the node failed."
        };
        let (first, rest) = cause.sentence.split_at(1);
        let sentence = format!("{}{rest}.", first.to_uppercase());
        write!(
            list,
            "\n### {}\n\n{sentence} {retried}\n\nIn the log: {}\n",
            cause.code,
            signs.join(" · ")
        )
        .unwrap();
    }
    list.trim_start().to_owned()
}

/// The variables that clap reads for a flag, from the help.
fn flag_variables() -> String {
    let mut rows = BTreeSet::new();
    for (command, _, text) in commands() {
        let mut flag = String::new();
        for line in text.lines() {
            if let Some(word) = line.split_whitespace().find(|word| word.starts_with("--"))
                && line.trim_start().starts_with('-')
            {
                flag = word.to_owned();
            }
            for variable in line.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next()) {
                rows.insert((variable.to_owned(), format!("`imax {} {flag}`", command.join(" "))));
            }
        }
    }
    assert!(rows.len() > 10, "only {} variables found", rows.len());
    let mut table = String::from("| variable | flag |\n|---|---|\n");
    let names: BTreeSet<&String> = rows.iter().map(|(name, _)| name).collect();
    for name in names {
        let flags: Vec<&str> = rows.iter().filter(|(of, _)| of == name).map(|(_, flag)| flag.as_str()).collect();
        writeln!(table, "| `{name}` | {} |", flags.join(", ")).unwrap();
    }
    table
}

fn schemas() -> String {
    let text = help(&["schema"]);
    let section = text.split("Possible values:\n").nth(1).unwrap();
    let lines = section.lines().take_while(|line| line.trim_start().starts_with("- "));
    let mut table = String::from("| `imax schema` | document | committed file |\n|---|---|---|\n");
    for line in lines {
        let (name, about) = line.trim_start().trim_start_matches("- ").split_once(':').unwrap();
        let file = match name {
            "openapi" => "dist/openapi.json".to_owned(),
            "graphql" => "dist/schema.graphql".to_owned(),
            _ => format!("dist/schemas/{name}.json"),
        };
        assert!(project().join(&file).exists(), "{file}");
        writeln!(table, "| `{name}` | {} | [{file}](../../{file}) |", cell(about.trim())).unwrap();
    }
    table
}

/// The page with the part replaced.
fn with_part(page: &str, name: &str, part: &str) -> Option<String> {
    let mark = format!("{START}{name} -->\n");
    let (before, rest) = page.split_once(&mark)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{mark}\n{part}\n{END}{after}"))
}

#[test]
fn generated_parts_are_those_of_the_program() {
    let update = std::env::var_os("IMAX_UPDATE_DOCS").is_some();
    let mut stale = Vec::new();
    for (file, name, make) in PARTS {
        let path = project().join(file);
        let page = Page::read(&path);
        let fresh = with_part(&page.text, name, make().trim_end()).unwrap_or_else(|| panic!("{file} has no part `{name}`"));
        if fresh != page.text {
            if update {
                std::fs::write(&path, fresh).unwrap();
            } else {
                stale.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(
        stale.is_empty(),
        "IMAX_UPDATE_DOCS=1 cargo test --test docs writes them:\n{}",
        stale.join("\n")
    );
}

/// Names of variables in the source, quoted as a whole: `"IMAX_LOG"`.
fn variables_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            variables_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let parts = text.split('"').filter(|part| is_variable(part));
            found.extend(parts.map(str::to_owned));
        }
    }
}

/// Names of that form that imax does not read when it runs: a delimiter, and what the build sets.
const NOT_VARIABLES: [&str; 2] = ["IMAX_END", "IMAX_VERSION"];

fn is_variable(text: &str) -> bool {
    const PREFIXES: [&str; 7] = ["IMAX_", "HF_", "GITHUB_", "GH_", "DOCKER_", "XDG_", "OPENAI_"];
    let is_name = text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    is_name && !NOT_VARIABLES.contains(&text) && !text.ends_with('_') && PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

#[test]
fn every_variable_of_the_source_is_in_the_page() {
    let mut names = BTreeSet::new();
    variables_in(&project().join("src"), &mut names);
    assert!(names.len() > 40, "only {} variables found", names.len());
    let page = Page::read(&project().join("docs/reference/environment.md")).text;
    let absent: Vec<&String> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(absent.is_empty(), "docs/reference/environment.md does not name {absent:?}");
}
