//! Compares the table of who may import whom (`docs/ARCHITECTURE.md`) with the code, and checks that the steps do not touch the
//! world, and that program and tests share their crates.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The steps: pure functions on values.
const STEPS: [&str; 12] = [
    "model",
    "yaml",
    "settings",
    "config",
    "changelog",
    "matrix",
    "job",
    "load",
    "eval",
    "result",
    "analysis",
    "report",
];

/// Each room, and the rooms that it may import.
const MAY_IMPORT: [(&str, &[&str]); 29] = [
    ("model", &[]),
    ("yaml", &["model"]),
    ("settings", &["model", "yaml"]),
    ("config", &["model", "yaml"]),
    ("changelog", &["model", "yaml"]),
    ("matrix", &["model", "settings", "config", "changelog"]),
    ("job", &["model", "config", "matrix"]),
    ("load", &["model"]),
    ("eval", &["model", "yaml"]),
    ("result", &["model", "matrix", "load", "eval"]),
    ("analysis", &["model", "settings", "result"]),
    ("report", &["model", "result", "analysis", "matrix"]),
    ("sim", &["model", "load"]),
    ("system", &["model"]),
    ("git", &["model", "system"]),
    ("github", &["model", "system", "matrix", "report"]),
    ("measure", &["model", "system", "load", "eval"]),
    ("fleet", &["model", "system", "config", "matrix", "job", "load", "measure"]),
    ("evaluate", &["model", "system", "eval", "measure"]),
    (
        "execution",
        &[
            "model", "system", "matrix", "job", "load", "eval", "result", "git", "github", "fleet", "measure", "evaluate", "store",
        ],
    ),
    ("notify", &["model", "system", "result", "analysis", "report"]),
    (
        "store",
        &[
            "model", "system", "settings", "config", "matrix", "job", "result", "analysis", "github",
        ],
    ),
    (
        "planning",
        &[
            "model",
            "settings",
            "config",
            "changelog",
            "matrix",
            "job",
            "eval",
            "analysis",
            "system",
            "fleet",
            "git",
            "github",
            // Recorded sessions are checked by the reader of loads.
            "measure",
            "store",
        ],
    ),
    ("scaffold", &["model", "system", "job", "analysis", "fleet"]),
    (
        "sweep",
        &["model", "system", "matrix", "job", "result", "git", "execution", "store"],
    ),
    ("watch", &["model", "system", "analysis", "notify", "store"]),
    (
        "serve",
        &["model", "settings", "system", "result", "analysis", "report", "store", "watch"],
    ),
    ("cli", &["*"]),
    // What tests call besides the binary.
    ("testing", &["*"]),
];

/// What a step must not name: only the rooms below the steps touch the world.
const WORLD: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "reqwest::",
    "octocrab::",
];

fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).unwrap();
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            if inside.components().count() < 2 || !is_rust {
                continue;
            }
            let module = inside.iter().next().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            found.push((module, inside.to_owned(), text));
        }
    }
    found.sort();
    found
}

/// The text without comments and without the tests at its end, which may use what they like.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let strip = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(strip).collect::<Vec<_>>().join("\n")
}

/// Modules named after `crate::`, also in braces: `use crate::{config, model::X}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match after.strip_prefix('{') {
            None => {
                found.insert(word(after));
            }
            Some(list) => {
                let mut depth = 0_i32;
                let mut start = true;
                for (at, character) in list.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            start = false;
                            found.insert(word(&list[at..]));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let modules: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("src/{module} is not in the table"));
        for import in imports(&code(&text)) {
            let ours = modules.contains(import.as_str()) && import != module;
            if ours && !allowed.contains(&"*") && !allowed.contains(&import.as_str()) {
                wrong.push(format!("src/{}: imports {import}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_steps_do_not_touch_the_world() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if !STEPS.contains(&module.as_str()) {
            continue;
        }
        let code = code(&text);
        wrong.extend(
            WORLD
                .iter()
                .filter(|name| code.contains(*name))
                .map(|name| format!("src/{}: {name}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_starts_with_its_story() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, _, text)| !text.starts_with("//!"))
        .map(|(_, path, _)| path)
        .collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn import_scanner_sees_braces_and_paths() {
    let found = imports("use crate::{config::A, model::{B, C}, load}; fn f(x: crate::system::D) {}");
    let expected = ["config", "load", "model", "system"].map(String::from);
    assert_eq!(found, BTreeSet::from(expected));
}

/// Each crate with its version and features, as `cargo run` (`no-dev`) or `cargo test` (`normal,build,dev`) builds it.
fn features(edges: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--prefix",
            "none",
            "--format",
            "{p} {f}",
            "--edges",
            edges,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let crates = String::from_utf8(tree.stdout).unwrap();
    // A crate that was listed already is marked.
    crates.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn tests_use_the_crates_that_the_program_is_built_from() {
    let (program, tests) = (features("no-dev"), features("normal,build,dev"));
    let differing: Vec<&String> = program.difference(&tests).collect();
    assert!(
        differing.is_empty(),
        "a dev-dependency adds features, so `cargo test` builds these and all that use them again after `cargo run`: give the \
         dependency the features, or take another one: {differing:#?}"
    );
}
