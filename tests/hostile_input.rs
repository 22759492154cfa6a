//! Files that nobody writes by mistake, each of megabytes or worth millions of values: the binary must refuse or read them with
//! a place, in bounded time, memory and words. One test, because time and memory of child processes are counted together.
//! `IMAX_BINARY` names another binary, such as the optimised one, for which the bounds are those that users are promised.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "harness/mod.rs"]
mod harness;

use std::fmt::Write as _;
use std::time::Duration;

use harness::{Finish as _, clean_command, program};
use nix::sys::resource::{UsageWho, getrusage};

const MB: usize = 1 << 20;

/// Memory in use at its peak.
const MOST_KILOBYTES: i64 = 200 * 1024;
/// What is said about one file: a thousand findings with their lines.
const MOST_WORDS: usize = MB;

/// A binary without optimisation takes about ten times as long.
fn binary() -> (String, Duration) {
    match std::env::var("IMAX_BINARY") {
        Ok(optimised) => (optimised, Duration::from_secs(1)),
        Err(_) => (program().display().to_string(), Duration::from_secs(10)),
    }
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, index| {
        writeln!(text, "{}", line(index)).unwrap();
        text
    })
}

/// An entry whose sequence lengths are these.
fn entry(lens: &str) -> String {
    format!(
        "{{image: 'i:1', model: m, model-prefix: p, precision: fp8, framework: f, runner: h100, multinode: false, seq-len-configs: {lens}}}"
    )
}

/// Each level stands for the one below it several times.
fn bomb(levels: usize, times: usize) -> String {
    let level = |index: usize| match index {
        0 => format!("a0: &a0 [{}]", vec!["x"; times].join(", ")),
        _ => format!("a{index}: &a{index} [{}]", vec![format!("*a{}", index - 1); times].join(", ")),
    };
    lines(levels, level)
}

fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let spaces = vec!["{tp: 1, conc-start: 1, conc-end: 1024}"; 40].join(", ");
    let lens = vec!["{isl: 1024, osl: 1024, search-space: *s}"; 30].join(", ");
    let concs: Vec<String> = (1..=1_000).map(|conc| conc.to_string()).collect();
    let wide = vec!["{tp: 1, conc-list: *c}"; 1_000].join(", ");
    let texts = [
        ("lists in lists", "[".repeat(MB)),
        ("mappings in mappings", "{a: ".repeat(MB / 4)),
        ("items in items", "- ".repeat(MB / 2)),
        ("keys in keys", "? ".repeat(MB / 2)),
        ("steps", lines(1_400, |depth| " ".repeat(depth) + "a:")),
        ("a number of millions of digits", format!("a: {}", "9".repeat(4 * MB))),
        ("a number with a million parts", format!("a: {}", vec!["1"; MB].join(":"))),
        ("a text of megabytes", format!("a: \"{}\"", "x".repeat(4 * MB))),
        ("a key of megabytes", format!("{}: 1", "x".repeat(4 * MB))),
        ("many keys", lines(300_000, |index| format!("k{index}: 1"))),
        (
            "many keys and a broken one",
            lines(120_000, |index| format!("k{index}: 1")) + "k: ]\n",
        ),
        (
            "many lists",
            lines(4_000, |index| format!("k{index}: [{}]", vec!["1"; 1_000].join(","))),
        ),
        ("one key many times", lines(600_000, |_| "k: 1".to_owned())),
        (
            "many unknown fields",
            format!("e:\n{}", lines(300_000, |index| format!("  k{index}: 1"))),
        ),
        ("many anchors", lines(200_000, |index| format!("k{index}: &a{index} 1"))),
        ("a list of millions", format!("a: [{}]", vec!["1"; 2 * MB].join(","))),
        ("aliases upon aliases", bomb(40, 9)),
        (
            "entries that share their lists",
            format!(
                "_s: &s [{spaces}]\n_l: &l [{lens}]\n{}",
                lines(20_000, |index| format!("e{index}: {}", entry("*l")))
            ),
        ),
        (
            "a list of concurrencies in many places",
            format!(
                "_c: &c [{}]\ne: {}\n",
                concs.join(", "),
                entry(&format!("[{{isl: 1, osl: 1, search-space: [{wide}]}}]"))
            ),
        ),
        (
            "merge keys upon merge keys",
            lines(3_000, |index| match index {
                0 => "a0: &a0 {k0: 1}".to_owned(),
                _ => format!("a{index}: &a{index} {{<<: [*a{0}, *a{0}], k{index}: 1}}", index - 1),
            }),
        ),
        (
            "a range to the end of numbers",
            format!(
                "e: {}\n",
                entry("[{isl: 1, osl: 1, search-space: [{tp: 1, conc-start: 1, conc-end: 4294967295}]}]")
            ),
        ),
        ("tabs", "\t".repeat(MB)),
        ("comments", "#".repeat(4 * MB)),
        ("quotes", "\"".repeat(MB)),
        ("line breaks", "\n".repeat(8 * MB)),
        ("a block of a million lines", format!("a: |\n{}", " x\n".repeat(MB))),
        ("more than anybody writes", "# words\n".repeat(2 * MB)),
    ];
    let mut all: Vec<_> = texts.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    all.push(("bytes that are no text", b"\xff\xfe".repeat(MB)));
    all.push(("zeros", vec![0; MB]));
    all
}

fn used() -> (Duration, i64) {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec().unsigned_abs(), 0) + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    (seconds(usage.user_time()) + seconds(usage.system_time()), usage.max_rss())
}

#[test]
fn hostile_files_cost_little_and_are_refused_with_a_place() {
    let (binary, most) = binary();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("x-master.yaml");
    std::fs::write(folder.path().join("runners.yaml"), "labels:\n  h100: [h100-box_0]\n").unwrap();
    for (name, bytes) in texts() {
        std::fs::write(&config, bytes).unwrap();
        let (before, _) = used();
        let output = clean_command(&binary)
            .args(["matrix", "full-sweep", "--config-dir", "."])
            .current_dir(folder.path())
            .finish();
        let (after, peak) = used();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(after - before < most, "{name}: {:?}", after - before);
        assert!(peak < MOST_KILOBYTES, "{name}: {peak} KB");
        assert!(said.len() < MOST_WORDS, "{name}: {} bytes of words", said.len());
        match output.status.code() {
            Some(0) => assert!(!output.stdout.is_empty(), "{name}"),
            Some(3) => assert!(said.contains("x-master.yaml:"), "{name}: {said}"),
            other => panic!("{name}: {other:?} {said}"),
        }
    }
}
