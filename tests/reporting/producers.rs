//! Results of every load generator, as it writes them: `tests/golden/producers/<case>/` holds a row, a raw result and what
//! becomes of it. AIPerf's, GuideLLM's and one of vLLM's are recordings of versions 0.13.0, 0.8.1 and 0.33.0 against the simulated
//! engine; `NOTICE.txt` says where samples are from; the others have the keys that the producers' sources write. `IMAX_UPDATE_GOLDEN=1 cargo test --test reporting` writes the expected files anew.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::fixture::{Ended, Fixture, imax_in};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/producers");
    let mut cases: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn normalized(case: &Path) -> Ended {
    let raw = ["raw.json", "raw.jsonl", "raw.yaml", "raw.csv", "raw"]
        .into_iter()
        .find(|name| case.join(name).exists())
        .unwrap();
    let out = tempfile::tempdir().unwrap();
    let target = out.path().join("agg.json");
    let arguments = ["normalize", "--row", "row.txt", "--raw", raw, "--out", target.to_str().unwrap()];
    imax_in(case, &arguments, &[])
}

#[test]
fn result_of_every_producer_is_normalised() {
    let rewrite = std::env::var_os("IMAX_UPDATE_GOLDEN").is_some();
    let mut different = Vec::new();
    for case in cases() {
        let ended = normalized(&case);
        assert_eq!(ended.code, 0, "{}: {}", case.display(), ended.stderr);
        let expected = case.join("expected.json");
        if rewrite {
            fs::write(&expected, &ended.stdout).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != ended.stdout {
            different.push(expected.display().to_string());
        }
    }
    assert!(different.is_empty(), "differ from what imax writes now: {different:#?}");
}

/// Files from elsewhere, and recordings of other loads.
fn is_sample(case: &Path) -> bool {
    case.ends_with("srt-slurm") || case.file_name().is_some_and(|name| name.to_string_lossy().starts_with("sample-"))
}

/// The same load, measured in different words, gives the same point.
#[test]
fn equal_results_of_all_producers_are_equal_points() {
    for case in cases().iter().filter(|case| !is_sample(case)) {
        let agg: Value = serde_json::from_str(&normalized(case).stdout).unwrap();
        let name = case.display();
        assert_eq!(agg["imax"]["completed"], 16, "{name}");
        // vLLM's random prompts are a few tokens longer than asked for.
        let input = agg["imax"]["total_input_tokens"].as_u64().unwrap();
        assert!((1024..=1030).contains(&input), "{name}: {input}");
        assert_eq!(agg["imax"]["total_output_tokens"], 256, "{name}");
        let number = |key: &str| agg[key].as_f64().unwrap_or_else(|| panic!("{name}: no {key}"));
        assert!((2000.0..3500.0).contains(&number("tput_per_gpu")), "{name}");
        assert!((0.02..0.06).contains(&number("median_ttft")), "{name}");
        assert!((0.0025..0.004).contains(&number("median_tpot")), "{name}");
        assert!((250.0..400.0).contains(&number("median_intvty")), "{name}");
        assert!((0.05..0.15).contains(&number("median_e2el")), "{name}");
    }
}

fn srt_slurm() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/producers/srt-slurm")
}

#[test]
fn folder_of_another_job_is_refused() {
    let fixture = Fixture::new();
    let mut row: Value = serde_json::from_str(&fs::read_to_string(srt_slurm().join("row.txt")).unwrap()).unwrap();
    row["decode"]["tp"] = 36.into();
    fixture.write("row.txt", &row.to_string());
    let raw = srt_slurm().join("raw");
    let ended = fixture.imax(&["normalize", "--row", "row.txt", "--raw", raw.to_str().unwrap()], &[]);
    assert_eq!(ended.code, 3);
    assert!(
        ended.stderr.contains("file name has GPUs 48, expected 44 from the row"),
        "{}",
        ended.stderr
    );
}

#[test]
fn missing_concurrency_is_named() {
    let fixture = Fixture::new();
    let mut row: Value = serde_json::from_str(&fs::read_to_string(srt_slurm().join("row.txt")).unwrap()).unwrap();
    row["conc"] = serde_json::json!([16, 48]);
    fixture.write("row.txt", &row.to_string());
    let raw = srt_slurm().join("raw");
    let ended = fixture.imax(&["normalize", "--row", "row.txt", "--raw", raw.to_str().unwrap()], &[]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("0 results at concurrency 48"), "{}", ended.stderr);
}

#[test]
fn unknown_raw_format_is_refused() {
    let fixture = Fixture::new();
    fixture.write("row.txt", &crate::fixture::row(4).to_string());
    fixture.write("raw.json", "{\"tokens\": 5}");
    let ended = fixture.imax(&["normalize", "--row", "row.txt", "--raw", "raw.json"], &[]);
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("unknown raw format; known producers are"), "{}", ended.stderr);
}
