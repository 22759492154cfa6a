//! Completing a run: `imax plan --without`, with results that `imax normalize` and `imax collect` made.

use serde_json::{Value, json};

use crate::repository::{LOG, Ran, Repository, entry, with};

/// What a load generator wrote about a row.
fn raw(row: &Value) -> Value {
    let conc = row["conc"].as_f64().unwrap();
    json!({
        "model_id": row["model"], "max_concurrency": row["conc"], "num_prompts": conc * 10.0, "completed": conc * 10.0,
        "total_input_tokens": conc * 81_920.0, "total_output_tokens": conc * 10_240.0, "duration": 20.0,
        "total_token_throughput": conc * 4_608.0, "output_throughput": conc * 512.0, "median_ttft_ms": 100.0, "p99_ttft_ms": 180.0,
        "median_tpot_ms": 10.0, "median_e2el_ms": 9_000.0, "benchmark_end_time_unix": 1_790_000_000.0
    })
}

/// Results of these rows, collected into the folder `results` as the report's job does.
fn collected(repository: &Repository, rows: &[Value]) {
    for (index, row) in rows.iter().enumerate() {
        let folder = format!(".git/artifacts/{index}");
        repository.write(&format!("{folder}/row.txt"), &row.to_string());
        repository.write(&format!("{folder}/raw.json"), &raw(row).to_string());
        let (row, raw) = (format!("{folder}/row.txt"), format!("{folder}/raw.json"));
        let normalized = repository.imax(&["normalize", "--row", &row, "--raw", &raw]);
        assert_eq!(normalized.code, 0, "{}", normalized.stderr);
    }
    let collected = repository.imax(&["collect", ".git/artifacts", "--out", ".git/results"]);
    assert_eq!(collected.code, 0, "{}", collected.stderr);
}

fn measured_rows(ran: &Ran) -> Vec<Value> {
    ran.json()["single_node"]["8k1k"].as_array().unwrap().clone()
}

#[test]
fn what_was_measured_is_left_out_and_carried_to_the_report() {
    let repository = Repository::new();
    let head = repository.commit_log(&with(LOG, &entry("toy-fp8-*", "XXX")));
    let refs = ["plan", "--base-ref", "HEAD~1", "--head-ref", &head];
    let whole = measured_rows(&repository.imax(&refs));
    collected(&repository, &whole[..2]);

    let plan_file = ".git/out/plan.json";
    let again: Vec<&str> = refs
        .iter()
        .copied()
        .chain(["--without", ".git/results", "--plan-file", plan_file])
        .collect();
    let ran = repository.imax(&again);
    assert_eq!(measured_rows(&ran), whole[2..]);
    assert_eq!(ran.output("count"), "3", "two points and the evaluation: {}", ran.stderr);

    // The report's folder: what the plan's artifact has, and the result of one of the two jobs.
    let plan: Value = serde_json::from_str(&repository.read(plan_file)).unwrap();
    assert_eq!(plan["search-space"]["single_node"]["8k1k"].as_array().unwrap().len(), whole.len());
    let report = repository.imax(&["collect", ".git/out", "--plan", plan_file, "--out", ".git/second"]);
    let results: Vec<Value> = serde_json::from_str(&repository.read(".git/second/agg_bmk.json")).unwrap();
    let mut concs: Vec<u64> = results.iter().map(|result| result["conc"].as_u64().unwrap()).collect();
    concs.sort_unstable();
    assert_eq!(concs, [4, 16], "{}", report.stderr);
    assert!(report.stderr.contains("2 of 4"), "{}", report.stderr);
}

#[test]
fn a_run_that_is_none_is_refused() {
    let repository = Repository::new();
    let head = repository.commit_log(&with(LOG, &entry("toy-fp8-*", "XXX")));
    let ran = repository.imax(&["plan", "--base-ref", "HEAD~1", "--head-ref", &head, "--without", "configs"]);
    assert!(ran.code == 3 && ran.stderr.contains("configs: no result in it"), "{}", ran.stderr);
}
