//! `imax matrix` and `imax check` on small repositories. Each folder of `tests/golden/matrix` is one case: `case.txt` has
//! the arguments, one a line, and the folder is where the command runs. What it must say is in `stdout.json` (compared by
//! value) or `stdout.txt`, `stderr.txt` and `exit.txt`. `IMAX_UPDATE_GOLDEN=1 cargo test --test planning_configs` writes them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should panic"
)]

#[path = "harness/mod.rs"]
mod harness;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use harness::{Finish as _, clean_command, imax};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/matrix");
    let mut cases: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

struct Said {
    stdout: String,
    stderr: String,
    exit: String,
}

fn run(folder: &Path, arguments: &[&str]) -> Said {
    let output = imax().args(arguments).current_dir(folder).finish();
    Said {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        exit: output.status.code().unwrap().to_string(),
    }
}

/// Rows one a line, so that a change of one row is one line of a diff.
fn tidy(json: &str) -> Option<String> {
    let value: Value = serde_json::from_str(json).ok()?;
    if let Some(rows) = value.as_array() {
        let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
        return Some(format!("[\n{}\n]\n", lines.join(",\n")));
    }
    Some(serde_json::to_string_pretty(&value).unwrap() + "\n")
}

/// The golden files of what was said; a file that would be empty is not there.
fn golden_files(said: &Said) -> Vec<(&'static str, String)> {
    let stdout = match tidy(&said.stdout) {
        Some(json) => ("stdout.json", json),
        None => ("stdout.txt", said.stdout.clone()),
    };
    [
        stdout,
        ("stderr.txt", said.stderr.clone()),
        ("exit.txt", format!("{}\n", said.exit)),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .collect()
}

#[test]
fn every_case_says_what_its_folder_has() {
    let names = ["stdout.json", "stdout.txt", "stderr.txt", "exit.txt"];
    let mut wrong = Vec::new();
    for folder in cases() {
        let case = fs::read_to_string(folder.join("case.txt")).unwrap();
        let said = run(&folder, &case.lines().collect::<Vec<_>>());
        let files = golden_files(&said);
        for name in names {
            let path = folder.join(name);
            let now = files.iter().find(|(file, _)| *file == name).map(|(_, text)| text.clone());
            if std::env::var_os("IMAX_UPDATE_GOLDEN").is_some() {
                match &now {
                    Some(text) => fs::write(&path, text).unwrap(),
                    None => drop(fs::remove_file(&path)),
                }
            }
            let expected = fs::read_to_string(&path).ok();
            if now != expected {
                wrong.push(format!(
                    "{}: {name}\n--- expected\n{}\n--- got\n{}",
                    folder.file_name().unwrap().display(),
                    expected.unwrap_or_default(),
                    now.unwrap_or_default()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn there_are_cases() {
    assert!(cases().len() >= 12, "{:?}", cases());
}

#[test]
fn every_row_is_read_back_as_itself() {
    for folder in cases() {
        let Ok(text) = fs::read_to_string(folder.join("stdout.json")) else {
            continue;
        };
        let Value::Array(rows) = serde_json::from_str(&text).unwrap() else {
            continue;
        };
        for row in rows {
            let read: imax::testing::Row = serde_json::from_value(row.clone()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), row);
        }
    }
}

#[test]
fn a_missing_folder_a_missing_file_and_a_wrong_flag_have_their_own_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, exit, said) in [
        (&["matrix", "full-sweep"][..], "3", "cannot list the config folder configs"),
        (&["matrix", "full-sweep", "--config-files", "a.yaml"], "3", "cannot read a.yaml"),
        (&["matrix", "full-sweep", "--step-size", "1"], "2", "an integer of at least 2"),
        (&["matrix", "full-sweep", "--no-evals", "--evals-only"], "2", "cannot be used with"),
        (
            &["matrix", "full-sweep", "--min-conc", "8", "--max-conc", "4"],
            "2",
            "--min-conc 8 is greater than --max-conc 4",
        ),
        (&["matrix", "runner-model-sweep", "--runner-type", "x"], "2", "--single-node"),
        (&["matrix", "test-config"], "2", "--config-keys"),
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.exit, exit, "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{arguments:?}: {}", output.stderr);
    }
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("configs")).unwrap();
    fs::write(folder.path().join("configs/a-master.yaml"), b"key:\n  image: \xff\n").unwrap();
    fs::write(folder.path().join("configs/runners.yaml"), "h100: [h100-a_0]\n").unwrap();
    let said = run(folder.path(), &["check"]);
    assert_eq!(said.exit, "3");
    assert!(said.stderr.contains("configs/a-master.yaml:2:10"), "{}", said.stderr);
    fs::create_dir(folder.path().join("perf-changelog.d")).unwrap();
    for file in ["perf-changelog.yaml", "perf-changelog.d/7.yaml"] {
        fs::write(folder.path().join(file), b"- config-keys:\n    - \xff\n").unwrap();
    }
    let said = run(folder.path(), &["check"]);
    for place in ["perf-changelog.yaml:2:7", "perf-changelog.d/7.yaml:2:7"] {
        assert!(said.stderr.contains(place), "{}", said.stderr);
    }
}

/// A folder in place of a file cannot be read, not even by root.
#[test]
fn unreadable_files_are_findings_beside_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["configs/runners.yaml", "benchmarks", "runners/h100-a.yaml"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    let config = "m-sim:\n  image: i\n  model: m\n  model-prefix: m\n  runner: h100\n  precision: fp8\n  framework: sim\n  multinode: false\n  \
                  scenarios:\n    fixed-seq-len:\n    - isl: 32\n      osl: 8\n      search-space:\n      - { tp: 1, conc-start: 4, conc-end: 8 }\n";
    fs::write(path("configs/a-master.yaml"), config.replace("precision", "precison")).unwrap();
    fs::write(path("imax.yaml"), "polcy: {}\n").unwrap();

    let said = run(folder.path(), &["check"]);
    assert_eq!(said.exit, "3", "{}", said.stderr);
    for part in [
        "--> configs/runners.yaml:1:1",
        "help: replace the folder by a file",
        "did you mean `precision`?",
        "did you mean `policy`?",
    ] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }

    fs::remove_dir(path("configs/runners.yaml")).unwrap();
    fs::write(path("configs/runners.yaml"), "h100: [h100-a_0, h100-a_1, h100-b_0]\n").unwrap();
    fs::write(path("runners/h100-b.yaml"), "extends: h100-a\n").unwrap();
    fs::write(path("configs/a-master.yaml"), config).unwrap();
    let said = run(folder.path(), &["check", "--format", "github"]);
    assert_eq!(said.exit, "3", "{}", said.stdout);
    let of_profile: Vec<&str> = said.stdout.lines().filter(|line| line.contains("h100-a.yaml")).collect();
    assert!(
        matches!(of_profile.as_slice(), [line] if line.starts_with("::error file=runners/h100-a.yaml,line=1,") && line.contains("%0Ahelp: ")),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("title=missing-recipe"), "{}", said.stdout);

    // What rows read besides: sessions, and tasks of evaluations.
    fs::remove_dir(path("runners/h100-a.yaml")).unwrap();
    fs::write(path("runners/h100-a.yaml"), "launcher: local\nload: { sessions: traces.jsonl }\n").unwrap();
    fs::create_dir_all(path("benchmarks/evals")).unwrap();
    fs::write(path("benchmarks/evals/own.yaml"), "task: own\noutput_typ: generate_until\n").unwrap();
    let said = run(folder.path(), &["check", "--format", "github"]);
    for part in ["title=missing-sessions", "file=benchmarks/evals/own.yaml", "output_typ"] {
        assert!(said.stdout.contains(part), "{part}: {}", said.stdout);
    }
    fs::write(path("traces.jsonl"), "{\"messages\": 1}\n").unwrap();
    let said = run(folder.path(), &["check", "--format", "github"]);
    assert!(
        said.stdout.contains("title=sessions") && said.stdout.contains("traces.jsonl"),
        "{}",
        said.stdout
    );

    fs::remove_file(path("configs/a-master.yaml")).unwrap();
    let said = run(folder.path(), &["check"]);
    assert_eq!(said.exit, "3");
    for part in ["no `*-master.yaml` in configs", "did you mean `policy`?"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
}

#[test]
fn an_image_is_needed_where_containers_are_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["configs", "runners"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    let config = "m-sim:\n  model: m\n  model-prefix: m\n  runner: h100\n  precision: fp8\n  framework: sim\n  multinode: false\n  \
                  scenarios:\n    fixed-seq-len:\n    - isl: 32\n      osl: 8\n      search-space:\n      - { tp: 1, conc-start: 4, conc-end: 8 }\n";
    fs::write(path("configs/a-master.yaml"), config).unwrap();
    fs::write(path("configs/runners.yaml"), "h100: [h100-a_0]\n").unwrap();
    for (profile, needs_image) in [
        (Some("launcher: local\n"), false),
        (Some("launcher: endpoint\nendpoint: { url: 'http://127.0.0.1:8000' }\n"), false),
        (Some("launcher: docker\n"), true),
        (Some("launcher: slurm\nslurm: { partition: p, time-limit: 1h }\n"), false),
        (
            Some("launcher: slurm\nslurm: { partition: p, time-limit: 1h, container: pyxis }\n"),
            true,
        ),
        (None, true),
    ] {
        match profile {
            Some(text) => fs::write(path("runners/h100-a.yaml"), text).unwrap(),
            None => fs::remove_file(path("runners/h100-a.yaml")).unwrap(),
        }
        let said = run(folder.path(), &["check"]);
        assert_eq!(said.stderr.contains("missing-image"), needs_image, "{profile:?}: {}", said.stderr);
        assert_eq!(said.exit, if needs_image { "3" } else { "0" }, "{profile:?}: {}", said.stderr);
    }
    let rows = run(folder.path(), &["matrix", "full-sweep"]);
    assert!(
        rows.stdout.contains("\"image\": \"none\"") || rows.stdout.contains("\"image\":\"none\""),
        "{}",
        rows.stdout
    );
}

#[test]
fn a_misspelt_section_of_the_settings_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("configs")).unwrap();
    fs::write(folder.path().join("configs/a-master.yaml"), "{}\n").unwrap();
    fs::write(folder.path().join("configs/runners.yaml"), "h100: [h100-a_0]\n").unwrap();
    fs::write(folder.path().join("imax.yaml"), "polcy:\n  drafts: true\n").unwrap();
    let said = run(folder.path(), &["check", "--format", "github"]);
    assert_eq!(said.exit, "3");
    assert!(said.stdout.starts_with("::error file=imax.yaml,line=1,"), "{}", said.stdout);
    assert!(said.stdout.contains("did you mean `policy`?"), "{}", said.stdout);
    for command in [
        &["check", "--settings", "none.yaml"][..],
        &["plan", "--event", "--settings", "none.yaml"],
    ] {
        assert_ne!(run(folder.path(), command).exit, "0", "{command:?}");
    }
}

#[test]
fn the_choice_of_recipes_and_profiles_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "configs/a-master.yaml",
        "demo-fp8-h200-trt:\n  image: org/engine:1\n  model: org/demo\n  model-prefix: demo\n  runner: h200\n  precision: fp8\n  framework: trt\n  \
         multinode: false\n  scenarios:\n    fixed-seq-len:\n    - isl: 1024\n      osl: 1024\n      search-space:\n      - { tp: 8, conc-start: 4, conc-end: 16 }\n",
    );
    write("configs/runners.yaml", "h200: [h200-a_0, h200-a_1, h200-b_0]\n");
    write("benchmarks/demo_fp8_h200.sh", "exec engine\n");
    write("runners/h200-a.yaml", "launcher: docker\n");
    let said = run(folder.path(), &["check", "--explain", "demo-*"]);
    assert_eq!((said.exit.as_str(), said.stderr.as_str()), ("0", ""), "{}", said.stdout);
    assert_eq!(
        said.stdout,
        "demo-fp8-h200-trt
  recipe for 3 rows on h200, in benchmarks: starts the engine, imax measures
       demo_fp8_h200_trt.sh (missing)
       single_node/demo_fp8_h200_trt.sh (missing)
       single_node/fixed_seq_len/demo_fp8_h200_trt.sh (missing)
    -> demo_fp8_h200.sh
       single_node/demo_fp8_h200.sh (missing)
       single_node/fixed_seq_len/demo_fp8_h200.sh (missing)
  profile of h200-a_0, h200-a_1: runners/h200-a.yaml, launcher docker
  profile of h200-b_0: built-in; runners has none, launcher local
  3 rows can run on h200-a_0, h200-a_1, h200-b_0
"
    );
    let said = run(folder.path(), &["check", "--explain", "--format", "json"]);
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(told[0]["config-key"], "demo-fp8-h200-trt");
    assert_eq!(
        (&told[0]["recipes"][0]["rows"], &told[0]["recipes"][0]["candidates"][3]["state"]),
        (&Value::from(3), &Value::from("chosen"))
    );
    assert_eq!(told[0]["profiles"][0]["launcher"], "docker");
    for (arguments, exit, sentence) in [
        (&["check", "--explain", "other*"][..], "3", "no config key matches `other*`"),
        (&["check", "--explain", "--format", "sarif"], "2", "use `--format human`"),
    ] {
        let said = run(folder.path(), arguments);
        assert_eq!(said.exit, exit, "{}", said.stderr);
        assert!(said.stderr.contains(sentence), "{}", said.stderr);
    }
}

#[test]
fn prices_and_thresholds_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let configs = folder.path().join("configs");
    fs::create_dir(&configs).unwrap();
    let hardware = "facility: { pue: 1, carbon_g_per_kwh: 0 }\nhardware:\n  h100: { vender: nvidia }\n";
    fs::write(configs.join("hardware.yaml"), hardware).unwrap();
    fs::write(configs.join("eval-thresholds.yaml"), "default: { gsm8k: 90 }\n").unwrap();
    let said = run(folder.path(), &["check"]);
    assert_eq!(said.exit, "3", "{}", said.stderr);
    for part in [
        "unknown field `vender`",
        "configs/hardware.yaml:3:11",
        "configs/eval-thresholds.yaml:1:19",
        "`90`, expected a score from 0 to 1",
    ] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert!(!said.stderr.contains('\u{1b}'), "{}", said.stderr);
    for (variable, has_colors) in [("CLICOLOR_FORCE", true), ("NO_COLOR", false)] {
        let output = imax().arg("check").env(variable, "1").current_dir(folder.path()).finish();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr.contains("\u{1b}["), has_colors, "{variable}: {stderr}");
    }
}

/// The subjects of `imax schema`; `dist/schemas` has a file for each.
const SCHEMAS: [&str; 11] = [
    "config",
    "runners",
    "changelog",
    "settings",
    "row",
    "result",
    "profile",
    "hardware",
    "thresholds",
    "watches",
    "event",
];

#[test]
fn committed_schemas_are_those_the_binary_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/schemas");
    for subject in SCHEMAS {
        let said = run(&std::env::temp_dir(), &["schema", subject]);
        assert_eq!(said.exit, "0", "{}", said.stderr);
        let path = folder.join(format!("{subject}.json"));
        if std::env::var_os("IMAX_UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &said.stdout).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == said.stdout,
            "{} is old; write it with IMAX_UPDATE_GOLDEN=1",
            path.display()
        );
    }
}

/// What each schema must refuse, and one document that it must accept.
const DOCUMENTS: [(&str, &str, &[&str]); 8] = [
    (
        "hardware",
        "{facility: {pue: 1.3, carbon_g_per_kwh: 370}, hardware: {h100: {vendor: nvidia, cost: {tdp_w: 700, host_w: 575, prices: [{provider: own, date: 2026-11-30, usd_per_gpu_hour: 2.5}]}}}}",
        &[
            "{hardware: {}}",
            "{facility: {pue: 0.9, carbon_g_per_kwh: 370}, hardware: {}}",
            "{facility: {pue: 1.3, carbon_g_per_kwh: 370}, hardware: {h100: {vender: nvidia}}}",
            "{facility: {pue: 1.3, carbon_g_per_kwh: 370}, hardware: {h100: {vendor: nvidia, cost: {tdp_w: 700, host_w: 575}}}}",
            "{facility: {pue: 1.3, carbon_g_per_kwh: 370}, hardware: {h100: {vendor: nvidia, cost: null}}}",
        ],
    ),
    (
        "thresholds",
        "{default: {gsm8k: 0.9}, models: {org/small: {gsm8k: 0.4}, org/other: {}}}",
        &[
            "{defaults: {}}",
            "{default: {gsm8k: 90}}",
            "{models: []}",
            "{models: {m: {gsm8k: high}}}",
        ],
    ),
    (
        "config",
        "m-fp8-h200-sim: {image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: false, \
         scenarios: {fixed-seq-len: [{isl: 1024, osl: 1024, search-space: [{tp: 8, router: null, conc-list: [4]}]}]}}",
        &[
            "[]",
            "k: {image: 'e:1'}",
            "'k*': {image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: false, scenarios: {fixed-seq-len: []}}",
            "k: {imgae: x, image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: false, scenarios: {fixed-seq-len: []}}",
            "k: {image: '', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: false, scenarios: {fixed-seq-len: []}}",
            "k: {image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: false, scenarios: {}}",
            "k: {image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: false, kv-p2p-transfer: nixl, scenarios: {fixed-seq-len: []}}",
            "k: {image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: false, seq-len-configs: [{isl: 1, osl: 1, search-space: [{tp: '8', conc-list: [4]}]}]}",
            "k: {image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: false, seq-len-configs: [{isl: 1, osl: 1, search-space: [{tp: 8, conc-start: 4}]}]}",
            "k: {image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, multinode: true, seq-len-configs: [{isl: 1, osl: 1, search-space: [{tp: 8, conc-list: [4]}]}]}",
        ],
    ),
    (
        "runners",
        "{labels: {h200: [h200-a_0]}, hardware: {h200: {available-cpu-dram-mib: 1000, gpus-per-node: 8}}}",
        &[
            "labels: {h200: []}",
            "labels: {h200: h200-a_0}",
            "h200: ['']",
            "{labels: {h200: [a]}, nodes: {}}",
            "{labels: {h200: [a]}, hardware: {h200: {gpus-per-node: 8}}}",
            "{labels: {h200: [a]}, hardware: {h200: {available-cpu-dram-mib: 0, gpus-per-node: 8}}}",
        ],
    ),
    (
        "changelog",
        "[{config-keys: [a], description: [d], pr-link: XXX, scenario-type: [agentic-coding]}]",
        &[
            "config-keys: [a]",
            "[{config-keys: [], description: [d], pr-link: p}]",
            "[{config-keys: [a], description: [d]}]",
            "[{config-keys: [a], description: [d], pr-link: p, evals: true}]",
            "[{config-keys: [a], description: [d], pr-link: p, all-evals: null}]",
            "[{config-keys: [a], description: [d], pr-link: p, scenario-type: [chat]}]",
            "[{config-keys: [a], description: [d], pr-link: p, eval-min-prefill-ep: 0}]",
        ],
    ),
    (
        "settings",
        "{policy: null, regressions: {smallest-changes: [{percent: 3}], exceptions: [{points: x, reason: y, until: '2026-01-01'}]}}",
        &[
            "- policy",
            "polcy: {}",
            "policy: {drafts: null}",
            "policy: {labels: {a: {canary: true}}}",
            "policy: {push: {mode: half}}",
            "policy: {command: ''}",
            "regressions: {false-discovery-rate: 1}",
            "regressions: {smallest-changes: [{percent: 1, metrics: [tfft]}]}",
            "regressions: {exceptions: [{points: x, reason: y}]}",
            "regressions: {exceptions: [{points: x, reason: y, until: soon}]}",
        ],
    ),
    (
        "row",
        "{image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, isl: 1, osl: 1, tp: 8, ep: 1, \
         dp-attn: false, spec-decoding: none, conc: [4, 8], max-model-len: 2304, exp-name: m}",
        &[
            "{image: 'e:1'}",
            "{image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, isl: 1, osl: 1, tp: 8, ep: 1, dp-attn: false, spec-decoding: none, conc: [], max-model-len: 2304, exp-name: m}",
            "{image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, isl: 1, osl: 1, tp: 8, ep: 1, spec-decoding: none, conc: 4, max-model-len: 2304, exp-name: m}",
            "{image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, isl: 1, osl: 1, tp: null, ep: 1, dp-attn: false, spec-decoding: none, conc: 4, max-model-len: 2304, exp-name: m}",
            "{image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, isl: 1, osl: 1, tp: 4294967296, ep: 1, dp-attn: false, spec-decoding: none, conc: 4, max-model-len: 2304, exp-name: m}",
            "{image: 'e:1', model: o/m, model-prefix: m, precision: fp8, framework: sim, runner: h200, isl: 1, osl: 1, tpp: 1, tp: 8, ep: 1, dp-attn: false, spec-decoding: none, conc: 4, max-model-len: 2304, exp-name: m}",
        ],
    ),
    (
        "result",
        "{hw: h200, image: 'e:1', model: o/m, infmax_model_prefix: m, framework: sim, precision: fp8, spec_decoding: none, conc: 4, \
         disagg: false, is_multinode: false, tput_per_gpu: 1.5, mean_ttft: 0.1, imax: {version: 1}}",
        &[
            "{hw: h200}",
            "{hw: h200, image: 'e:1', model: o/m, infmax_model_prefix: m, framework: sim, precision: fp8, spec_decoding: none, conc: '4', disagg: false, is_multinode: false, tput_per_gpu: 1.5}",
            "{hw: h200, image: 'e:1', model: o/m, infmax_model_prefix: m, framework: sim, precision: fp8, spec_decoding: none, conc: 4, disagg: false, is_multinode: false, tput_per_gpu: 1.5, imax: {}}",
        ],
    ),
];

#[test]
#[ignore = "needs check-jsonschema in PATH, which .ci/run installs"]
fn schemas_refuse_unknown_keys_and_wrong_types() {
    let folder = tempfile::tempdir().unwrap();
    for (subject, accepted, refused) in DOCUMENTS {
        assert!(is_valid(folder.path(), subject, accepted), "{subject} refuses {accepted}");
        for document in refused {
            assert!(!is_valid(folder.path(), subject, document), "{subject} accepts {document}");
        }
    }
}

fn is_valid(folder: &Path, subject: &str, document: &str) -> bool {
    let file = folder.join("document.yaml");
    fs::write(&file, document).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("dist/schemas/{subject}.json"));
    let output = clean_command("check-jsonschema")
        .arg("--schemafile")
        .arg(schema)
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    // Anything but a verdict, such as text that is not YAML, is a mistake in this test.
    assert!(
        output.status.success() || said.contains("Schema validation errors"),
        "{document}: {said}"
    );
    output.status.success()
}

#[test]
fn row_schema_has_every_key_of_rows() {
    let said = run(&std::env::temp_dir(), &["schema", "row"]);
    let schema: Value = serde_json::from_str(&said.stdout).unwrap();
    let mut seen = 0;
    for folder in cases() {
        let Ok(text) = fs::read_to_string(folder.join("stdout.json")) else {
            continue;
        };
        let Ok(rows) = serde_json::from_str::<Vec<serde_json::Map<String, Value>>>(&text) else {
            continue;
        };
        for row in rows {
            for key in row.keys() {
                assert!(schema["properties"].get(key).is_some(), "{key}");
            }
            for key in schema["required"].as_array().unwrap() {
                assert!(row.contains_key(key.as_str().unwrap()), "{key}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20);
}

mod any_input {
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use imax::testing::Catalog;
    use imax::testing::SourceFile;
    use proptest::prelude::*;

    /// Reads a text as master config and as runner file. It must end, soon; what is wrong must have a place.
    fn read(text: &str) {
        let begun = Instant::now();
        let source = SourceFile::new("f", text);
        if let Err(found) = Catalog::parse(std::slice::from_ref(&source), &source) {
            assert!(found.has_errors());
            assert!(found.iter().all(|diagnostic| diagnostic.place.is_some()));
            drop(found.to_string());
        }
        // A limit for a debug build on a busy machine, far from what exponential work would take; `hostile_input.rs` has the
        // bounds that are promised.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    fn real_config() -> String {
        let path = "tests/golden/matrix/newer-full-sweep/configs/a-master.yaml";
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn is_refused_or_read(text in "\\PC{0,200}") {
            read(&text);
        }

        #[test]
        fn of_yaml_s_own_characters_is_refused_or_read(text in "[-:?&*!|>%@`{}\\[\\],#'\"<~ a1.\n\t]{0,120}") {
            read(&text);
        }

        #[test]
        fn cut_off_anywhere_is_refused_or_read(at in 0_usize..2_600) {
            let text = real_config();
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            read(&text[..at]);
        }

        #[test]
        fn with_a_character_changed_is_refused_or_read(at in 0_usize..2_600, c in any::<char>()) {
            let mut text: Vec<char> = real_config().chars().collect();
            let at = at % text.len();
            text[at] = c;
            read(&text.into_iter().collect::<String>());
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        for open in ["[", "{a: ", "- ", "? ", "a:\n "] {
            read(&open.repeat(20_000));
        }
        let mut steps = String::new();
        for depth in 0..2_000 {
            writeln!(steps, "{}a:", " ".repeat(depth)).unwrap();
        }
        read(&steps);
    }

    #[test]
    fn nested_aliases_are_refused() {
        let mut text = String::from("a0: &a0 {x: 1}\n");
        for level in 1..60 {
            let before = level - 1;
            writeln!(text, "a{level}: &a{level} [*a{before}, *a{before}]").unwrap();
        }
        read(&text);
        let list = "[".to_owned() + &"*x, ".repeat(3_000) + "1]";
        read(&format!(
            "l: &x {{isl: 1, osl: 1, search-space: []}}\nk: {{scenarios: {{fixed-seq-len: {list}}}}}\n"
        ));
    }

    #[test]
    fn nested_merge_keys_are_read() {
        let mut text = String::from("a0: &a0 {k0: 1}\n");
        for level in 1..200 {
            let before = level - 1;
            writeln!(text, "a{level}: &a{level} {{<<: [*a{before}, *a{before}], k{level}: 1}}").unwrap();
        }
        read(&text);
    }
}
