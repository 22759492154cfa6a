//! What a recipe finds in the environment of the processes above it.

use std::fs;
use std::path::Path;

use super::fixture::Fixture;

/// Every variable of every ancestor that the kernel lets a recipe read.
const THIEF: &str = "pid=$PPID\nwhile [ \"$pid\" -gt 1 ]; do\n  \
    tr '\\0' '\\n' < \"/proc/$pid/environ\" 2>/dev/null | grep -a stolen\n  \
    pid=$(awk '/^PPid/{print $2}' \"/proc/$pid/status\")\ndone > \"$IMAX_OUT/found.txt\"\nenv | grep stolen >> \"$IMAX_OUT/found.txt\"\nexit 1";

const CREDENTIALS: [&str; 7] = [
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "IMAX_SLACK_WEBHOOK_URL",
    "IMAX_WEBHOOK_SECRET",
    "GH_ENTERPRISE_TOKEN",
];

fn fixture() -> Fixture {
    let fixture = CREDENTIALS.iter().fold(Fixture::with_recipe(THIEF), |fixture, name| {
        fixture.environment(name, &format!("stolen-{name}"))
    });
    // What is no credential stays, which shows that the recipe can look.
    fixture.environment("SOME_VARIABLE", "stolen-by-permission")
}

#[test]
fn recipe_finds_no_credentials_above_it() {
    let fixture = fixture();
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_eq!(fixture.read("out/found.txt"), "SOME_VARIABLE=stolen-by-permission\n");
}

#[test]
fn recipe_of_the_action_finds_none_either() {
    let fixture = fixture();
    let row = fixture.read("row.json");
    let fixture = fixture
        .environment("IMAX_ACTION_COMMAND", "run")
        .environment("IMAX_ACTION_ROW", &row)
        .environment("RUNNER_NAME", "h100-a_0");
    fs::create_dir(fixture.path("temporary")).unwrap();
    let temporary = fixture.path("temporary").display().to_string();
    let fixture = fixture.environment("RUNNER_TEMP", &temporary);
    let ended = fixture.action();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let found = found_below(Path::new(&temporary)).expect("the recipe has looked");
    assert_eq!(found, "SOME_VARIABLE=stolen-by-permission\n");
}

/// The text of the thief's file, wherever the step's artifact is.
fn found_below(folder: &Path) -> Option<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => found_below(&path),
        false if path.ends_with("found.txt") => Some(fs::read_to_string(path).unwrap()),
        false => None,
    })
}
