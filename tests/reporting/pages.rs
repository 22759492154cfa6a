//! The HTML page as text: when, where and with what a run was measured. `tests/serving/modes.rs` opens it in a browser.

use crate::fixture::{Fixture, failed_job, row};

fn page() -> Fixture {
    let fixture = Fixture::new();
    for (conc, hardware) in [(4, "h100"), (16, "h100"), (8, "mi300x")] {
        let mut row = row(conc);
        row["runner"] = hardware.into();
        fixture.measured(&format!("run/{conc}"), &row, 1000.0 * f64::from(conc));
    }
    fixture
}

#[test]
fn page_says_when_and_with_what_was_measured() {
    let fixture = page();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let mut job = failed_job(&row(32), "server", "it died");
    job["started"] = "2026-11-30T10:58:31.123Z".into();
    job["ended"] = "2026-11-30T11:20:00.000Z".into();
    job["provenance"] = serde_json::json!({
        "commit": commit, "imax_version": "0.2.0", "gpu_driver": "570.86.15", "gpu_toolkit": "12.8", "runner_name": "h100_0",
        "engine": { "engine_version": "1.2 <b>" }, "gpus": [{ "index": 0, "name": "NVIDIA H100" }, { "index": 1, "name": "NVIDIA H100" }]
    });
    fixture.write("run/lost/job.json", &job.to_string());
    assert_eq!(fixture.imax(&["collect", "run", "--out", "collected"], &[]).code, 0);
    let actions = [("GITHUB_REPOSITORY", "o/r"), ("GITHUB_RUN_ID", "7")];
    for run in ["run", "collected"] {
        let ended = fixture.imax(&["report", run, "--format", "html"], &actions);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        for part in [
            "measured 2026-11-30 10:58 to 11:20 UTC",
            &format!("<a href=\"https://github.com/o/r/commit/{commit}\""),
            "<a href=\"https://github.com/o/r/actions/runs/7\">workflow run</a>",
            "<dd>2 x NVIDIA H100</dd>",
            "<dt>GPU driver</dt><dd>570.86.15</dd>",
            "<dt>CUDA or ROCm</dt><dd>12.8</dd>",
            "<dt>Engine</dt><dd>sim 1.2 &lt;b&gt;</dd>",
            "<dt>imax</dt><dd>0.2.0</dd>",
        ] {
            assert!(ended.stdout.contains(part), "{run}: {part}");
        }
    }
    let without = fixture.imax(&["report", "collected", "--format", "html"], &[]).stdout;
    assert!(without.contains("<code title=") && !without.contains("workflow run"));
}
