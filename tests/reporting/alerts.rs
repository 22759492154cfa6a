//! Alerts of GitHub's code scanning are placed at the changelog entry that selects a point.

use serde_json::Value;

use crate::fixture::{Fixture, failed_job, row};

const CONFIG: &str = "demo-fp8-h100-sim:
  image: example/engine:1
  model: org/model
  model-prefix: demo
  runner: h100
  precision: fp8
  framework: sim
  multinode: false
  scenarios:
    fixed-seq-len:
    - isl: 1024
      osl: 1024
      search-space:
      - { tp: 4, conc-list: [4, 8] }
";
const ENTRY: &str = "- config-keys:
  - demo-fp8-h100-sim
  description:
  - Measured
  pr-link: https://github.com/octo-org/octo-repo/pull/1
";

fn region(fixture: &Fixture) -> Value {
    let ended = fixture.imax(&["report", "run", "--format", "sarif"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let sarif: Value = serde_json::from_str(&ended.stdout).unwrap();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "perf-changelog.yaml");
    place["region"]["startLine"].clone()
}

#[test]
fn alert_is_placed_at_the_newest_entry_that_selects_its_point() {
    let fixture = Fixture::new();
    fixture.write("run/job.json", &failed_job(&row(4), "server", "it died").to_string());
    assert_eq!(region(&fixture), Value::Null, "a line that nobody knows");
    fixture.write("configs/demo-master.yaml", CONFIG);
    fixture.write("configs/runners.yaml", "labels:\n  h100: [h100_0]\n");
    fixture.write("perf-changelog.yaml", &format!("{ENTRY}\n{ENTRY}"));
    assert_eq!(region(&fixture), 7);
    fixture.write(
        "run/job.json",
        &failed_job(
            &{
                let mut other = row(4);
                other["framework"] = "vllm".into();
                other
            },
            "server",
            "it died",
        )
        .to_string(),
    );
    assert_eq!(region(&fixture), Value::Null, "another engine's point was asked for elsewhere");
}
