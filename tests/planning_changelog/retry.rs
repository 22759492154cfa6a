//! Completing a run: `imax plan --without`, with results that `imax normalize` and `imax collect` made.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::events::{comment, diverged, pull_request};
use crate::harness::{HttpResponse, HttpServer};
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
pub fn collected(repository: &Repository, rows: &[Value]) {
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
fn measured_points_are_left_out_and_kept_for_the_report() {
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
fn summary_has_gpu_hours_from_job_records() {
    let repository = Repository::new();
    let head = repository.commit_log(&with(LOG, &entry("toy-fp8-*", "XXX")));
    let refs = ["plan", "--base-ref", "HEAD~1", "--head-ref", &head];
    let row = measured_rows(&repository.imax(&refs))[0].clone();
    let phase = json!({ "phase": "queue", "seconds": 600.0 });
    let record = json!({ "row": row, "seconds": 4_200.0, "phases": [phase], "outcome": { "status": "ok" }, "points": [] });
    repository.write(".git/earlier/bmk_1/job.json", &record.to_string());
    repository.write(".git/earlier/bmk_2/job.json", "{}");
    let told: Vec<&str> = refs.iter().copied().chain(["--job-records", ".git/earlier"]).collect();
    let ran = repository.imax(&told);
    // An hour a point on one GPU, for the three points and the evaluation of that curve.
    assert!(
        ran.summary
            .contains("About 4.0 GPU-hours, estimated from earlier jobs (4 of 5 jobs)"),
        "{}",
        ran.summary
    );
    assert!(
        ran.stderr.contains("skipped job record: ") && ran.stderr.contains("bmk_2"),
        "{}",
        ran.stderr
    );
}

#[test]
fn without_a_run_is_refused() {
    let repository = Repository::new();
    let head = repository.commit_log(&with(LOG, &entry("toy-fp8-*", "XXX")));
    let ran = repository.imax(&["plan", "--base-ref", "HEAD~1", "--head-ref", &head, "--without", "configs"]);
    assert!(ran.code == 3 && ran.stderr.contains("configs: no results found"), "{}", ran.stderr);
}

const RUN: u64 = 41;

/// An archive with one file.
pub fn zipped(name: &str, text: &str) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(text.as_bytes()).unwrap();
    archive.finish().unwrap().into_inner()
}

/// A GitHub on which somebody with write access asks for a retry, after a run that planned `planned` and left `results`.
fn github(asked: &Value, planned: &str, results: &str) -> HttpServer {
    let sticky =
        json!({ "id": 1, "body": format!("words\n<!-- imax:run:{RUN} -->\n{}", marker()), "user": { "login": "bot", "type": "Bot" } });
    let artifact = |id: u64, name: &str| json!({ "id": id, "name": name, "size_in_bytes": 1, "expired": false });
    let artifacts = json!({ "total_count": 2, "artifacts": [artifact(1, "imax-plan"), artifact(2, "results_bmk")] });
    let plan = json!({ "version": 1, "head-sha": planned, "jobs": [] }).to_string();
    let (plan, results) = (zipped("plan.json", &plan), zipped("agg_bmk.json", results));
    let pull_request = asked["pull_request"].clone();
    HttpServer::start(move |_, request| {
        Some(match request.path() {
            "/user" => HttpResponse::json(json!({ "login": "bot", "type": "Bot" })),
            "/repos/org/repo/collaborators/ann/permission" => HttpResponse::json(json!({ "permission": "write" })),
            "/repos/org/repo/pulls/7" => HttpResponse::json(&pull_request),
            "/repos/org/repo/issues/7/comments" => HttpResponse::json(json!([sticky])),
            "/repos/org/repo/actions/runs/41/artifacts" => HttpResponse::json(&artifacts),
            "/repos/org/repo/actions/artifacts/1/zip" => HttpResponse::new(200).body("application/zip", plan.clone()),
            "/repos/org/repo/actions/artifacts/2/zip" => HttpResponse::new(200).body("application/zip", results.clone()),
            _ => HttpResponse::new(404),
        })
    })
}

fn marker() -> String {
    imax::testing::Marker::new("imax").as_str().to_owned()
}

#[test]
fn retry_completes_the_last_run_of_the_same_commit() {
    let (repository, base, head) = diverged();
    let whole = repository
        .imax(&["plan", "--base-ref", &base, "--head-ref", &head, "--merge-base"])
        .json();
    let groups = whole["single_node"].as_object().unwrap();
    let rows: Vec<Value> = groups.values().flat_map(|rows| rows.as_array().unwrap().clone()).collect();
    collected(&repository, &rows[..1]);
    let results = repository.read(".git/results/agg_bmk.json");
    for (planned, left, told) in [
        (head.as_str(), rows.len() - 1, "It measured 1 point, which is left out"),
        (base.as_str(), rows.len(), "Everything is planned."),
    ] {
        let asked = pull_request("", None, &["full-sweep-enabled"], &base, &head, "org/repo");
        let server = github(&asked, planned, &results);
        let uri = server.url.clone();
        let variables = [("GITHUB_API_URL", uri.as_str()), ("GITHUB_TOKEN", "t")];
        let ran = repository.event_with("issue_comment", &comment("/sweep retry"), &variables);
        let groups = ran.json()["single_node"].as_object().unwrap().clone();
        let planned: usize = groups.values().map(|rows| rows.as_array().unwrap().len()).sum();
        assert_eq!(planned, left, "{}", ran.stderr);
        assert!(ran.output("reason").contains(told), "{}", ran.output("reason"));
    }
}
