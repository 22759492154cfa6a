//! `imax plan --base-ref A --head-ref B`.

use serde_json::json;

use crate::repository::{LOG, Repository, entry, with};

fn plan(repository: &Repository, base: &str, head: &str, more: &[&str]) -> crate::repository::Ran {
    let mut arguments = vec!["plan", "--base-ref", base, "--head-ref", head];
    arguments.extend(more);
    repository.imax(&arguments)
}

#[test]
fn appended_entry_gives_rows_outputs_and_summary() {
    let repository = Repository::new();
    let head = repository.commit_log(&with(LOG, &entry("toy-fp8-*", "XXX")));
    let ran = plan(&repository, "HEAD~1", &head, &[]);
    let space = ran.json();
    let rows = space["single_node"]["8k1k"].as_array().unwrap();
    let shape: Vec<_> = rows.iter().map(|row| (row["tp"].clone(), row["conc"].clone())).collect();
    assert_eq!(
        shape,
        [
            (json!(1), json!(4)),
            (json!(1), json!(16)),
            (json!(1), json!(64)),
            (json!(2), json!(16))
        ]
    );
    assert_eq!(rows[0]["recipe-fingerprint"], rows[2]["recipe-fingerprint"]);
    assert_ne!(rows[0]["recipe-fingerprint"], rows[3]["recipe-fingerprint"]);
    let evals: Vec<_> = space["evals"].as_array().unwrap().iter().map(|row| row["conc"].clone()).collect();
    assert_eq!(evals, [json!(64)]);
    assert_eq!(space["changelog_metadata"]["entries"][0]["config-keys"], json!(["toy-fp8-*"]));

    assert_eq!(ran.output("count"), "5");
    assert_eq!(ran.output("run"), "true");
    assert_eq!(ran.output("head-sha"), head);
    assert_eq!(ran.concurrencies(), [json!(4), json!(16), json!(64), json!(16), json!(64)]);
    assert!(ran.summary.contains("| toy | fp8 | sim | h100 | 5 | 5 |"), "{}", ran.summary);
    assert_eq!(
        ran.stderr.trim(),
        "plan: 1 changelog entry, 5 jobs (4 points measured, 1 evals-only)"
    );
}

#[test]
fn rows_that_cannot_run_stay_and_are_named() {
    let repository = Repository::new();
    // A recipe for one of the two precisions.
    repository.write("benchmarks/toy_fp8_h100.sh", "exec engine\n");
    let head = repository.commit_log(&with(LOG, &entry("toy-*", "XXX")));
    let ran = plan(&repository, "HEAD~1", &head, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let of_fp4 = |space: &serde_json::Value| {
        let rows = space["single_node"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|rows| rows.as_array().unwrap());
        rows.filter(|row| row["precision"] == "fp4").count()
    };
    assert!(of_fp4(&ran.json()) > 0, "{}", ran.stdout);
    for said in [&ran.stderr, &ran.summary] {
        assert!(said.contains("would refuse") && said.contains("fp4"), "{said}");
    }
    assert!(ran.summary.contains("#### Rows that cannot run"), "{}", ran.summary);
    repository.write("benchmarks/toy_fp4_h100.sh", "exec engine\n");
    let whole = plan(&repository, "HEAD~1", &head, &[]);
    assert!(!whole.stderr.contains("would refuse"), "{}", whole.stderr);
}

#[test]
fn job_ids_are_unique_and_valid() {
    let repository = Repository::new();
    repository.commit_log(&with(LOG, &entry("toy*", "XXX")));
    let ran = plan(&repository, "HEAD~1", "HEAD", &[]);
    let matrix: serde_json::Value = serde_json::from_str(ran.output("matrix")).unwrap();
    let ids: Vec<&str> = matrix["include"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["id"].as_str().unwrap())
        .collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    assert!(
        ids.iter()
            .all(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))),
        "{ids:?}"
    );
}

#[test]
fn flags_choose_trimming_evals_and_grouping() {
    let repository = Repository::new();
    repository.commit_log(&with(LOG, &entry("toy-fp8-h100-sim", "XXX")));
    let concurrencies = |flags: &[&str]| plan(&repository, "HEAD~1", "HEAD", flags).concurrencies();
    assert_eq!(concurrencies(&["--trim-conc"]), [json!(4), json!(16), json!(64)]);
    assert_eq!(concurrencies(&["--evals-only"]), [json!(64)]);
    assert_eq!(concurrencies(&["--group-by-engine"]), [json!([4, 16, 64]), json!(16), json!(64)]);
    let short = ["--group-by-engine", "--job-minutes", "35"];
    assert_eq!(concurrencies(&short), [json!([4, 16]), json!([64]), json!(16), json!(64)]);
}

#[test]
fn config_of_two_entries_runs_once() {
    let repository = Repository::new();
    let log = with(&with(LOG, &entry("toy-fp4-h100-sim", "XXX")), &entry("toy-*", "XXX"));
    repository.commit_log(&log);
    assert_eq!(
        plan(&repository, "HEAD~1", "HEAD", &["--trim-conc"]).json()["single_node"]["1k1k"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn findings_in_the_log_have_a_line() {
    let repository = Repository::new();
    let cases = [
        (LOG.replace("pull/1", "pull/9"), "perf-changelog.yaml:5:1"),
        (with(LOG, &entry("toy-fp9-h100-sim", "XXX")), "perf-changelog.yaml:8:7"),
        (
            with(LOG, "- config-keys: [toy-*]\n  description: [d]\n  pr-lnk: x\n"),
            "perf-changelog.yaml:9:3",
        ),
        (format!("{LOG}\n- config-keys: [\"x\n"), "perf-changelog.yaml:"),
    ];
    for (log, place) in cases {
        let head = repository.commit_log(&log);
        let ran = plan(&repository, "HEAD~1", &head, &[]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains(place) && ran.stdout.is_empty(), "{place}: {}", ran.stderr);
        repository.commit_log(LOG);
    }
}

#[test]
fn unknown_revision_has_a_remedy() {
    let repository = Repository::new();
    let zeros = "0".repeat(40);
    for (base, remedy) in [("gone", "fetch it"), (zeros.as_str(), "a new branch")] {
        let ran = plan(&repository, base, "HEAD", &[]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains(remedy), "{}", ran.stderr);
    }
    // What `actions/checkout` leaves by default: a clone that ends at its only commit.
    let head = repository.git.head().unwrap().target().unwrap();
    std::fs::write(repository.path(".git/shallow"), format!("{head}\n")).unwrap();
    let ran = plan(&repository, "gone", "HEAD", &[]);
    assert!(ran.stderr.contains("fetch-depth: 0"), "{}", ran.stderr);
}

#[test]
fn missing_log_is_refused() {
    let repository = Repository::new();
    std::fs::rename(repository.path("perf-changelog.yaml"), repository.path("log.yaml")).unwrap();
    repository.commit("rename");
    let ran = plan(&repository, "HEAD~1", "HEAD", &[]);
    assert!(
        ran.code == 3 && ran.stderr.contains("name its new path with --changelog-file"),
        "{}",
        ran.stderr
    );
}

#[test]
fn renamed_log_keeps_its_old_entries() {
    let repository = Repository::new();
    std::fs::rename(repository.path("perf-changelog.yaml"), repository.path("log.yaml")).unwrap();
    repository.write("log.yaml", &with(LOG, &entry("toy-fp4-h100-sim", "XXX")));
    repository.commit("rename");
    let ran = plan(&repository, "HEAD~1", "HEAD", &["--changelog-file", "log.yaml"]);
    assert_eq!(ran.json()["changelog_metadata"]["entries"].as_array().unwrap().len(), 1);
}

#[test]
fn append_only_measures_only_new_points() {
    let repository = Repository::new();
    let start = repository.git.head().unwrap().target().unwrap().to_string();
    let configs = repository.read("configs/toy-master.yaml");
    let log = with(LOG, &format!("{}  append-only: true\n", entry("toy-fp8-h100-sim", "XXX")));
    let planned = |configs: &str| {
        repository.branch("case", &start);
        repository.write("configs/toy-master.yaml", configs);
        repository.commit_log(&log);
        let ran = plan(&repository, &start, "HEAD", &[]);
        repository.checkout("main");
        ran
    };
    let more = planned(&configs.replace("[4, 16, 64]", "[4, 16, 64, 128]"));
    assert_eq!(more.concurrencies(), [json!(128)], "{}", more.stderr);
    for (changed, message) in [
        (
            configs.replace("[4, 16, 64]", "[4, 64, 128]"),
            "concurrencies of the base were removed",
        ),
        (
            configs.replace("example/sim:1", "example/sim:2"),
            "no entry selects them: toy-fp4-h100-sim",
        ),
        (
            configs.replacen("example/sim:1", "example/sim:2", 1),
            "a recipe of the base changed or was removed",
        ),
        (configs.clone(), "no point is new"),
    ] {
        let ran = planned(&changed);
        assert!(ran.code == 3 && ran.stderr.contains(message), "{message}: {}", ran.stderr);
        assert!(ran.stderr.contains("--> perf-changelog.yaml:7:3"), "{}", ran.stderr);
    }
}

#[test]
fn plan_beyond_github_limits_is_split_into_batches() {
    let repository = Repository::new();
    let configs = repository.read("configs/toy-master.yaml");
    let many: Vec<String> = (1..=700).map(|conc| conc.to_string()).collect();
    repository.write(
        "configs/toy-master.yaml",
        &configs.replace("[4, 16, 64]", &format!("[{}]", many.join(", "))),
    );
    repository.commit_log(&with(LOG, &entry("toy-fp8-h100-sim", "XXX")));
    let ran = plan(&repository, "HEAD~1", "HEAD", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let count: usize = ran.output("count").parse().unwrap();
    assert!(count > 700);
    assert_eq!(ran.output("matrix"), "", "a matrix of {count} jobs would be refused");
    let batches: Vec<serde_json::Value> = serde_json::from_str(ran.output("batches")).unwrap();
    let sizes: Vec<usize> = batches
        .iter()
        .map(|batch| batch["jobs"]["include"].as_array().unwrap().len())
        .collect();
    assert!(
        sizes.iter().all(|size| *size <= 256) && sizes.iter().sum::<usize>() == count,
        "{sizes:?}"
    );
    let bytes: usize = ran.outputs.values().map(|value| value.encode_utf16().count() * 2).sum();
    assert!(bytes < 1024 * 1024, "{bytes}");
    let file: serde_json::Value = serde_json::from_str(&repository.read(ran.output("plan-file"))).unwrap();
    assert_eq!(file["jobs"].as_array().unwrap().len(), count);
    assert_eq!(file["jobs"][0]["id"], batches[0]["jobs"]["include"][0]["id"]);
    assert!(ran.stderr.contains("use the output `batches`"), "{}", ran.stderr);
}
