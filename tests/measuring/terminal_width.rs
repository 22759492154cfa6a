//! What `imax bench` prints fits the width of the terminal.

use super::client::bench;
use crate::harness::{Finish as _, Simulator};

const REQUESTS: [&str; 7] = [
    "--random-input-len",
    "8",
    "--random-output-len",
    "4",
    "--ignore-eos",
    "--num-prompts",
    "4",
];

#[test]
fn tables_of_a_load_and_of_a_search_fit_the_terminal() {
    let engine = Simulator::start(&["--tokenizer", "benchmarks/demo"]);
    let of_loads = ["--num-runs", "2", "--metric-percentiles", "50,75,90,95,99,99.9"];
    let of_a_search = [
        "--find-max",
        "--search-from",
        "1",
        "--search-limit",
        "2",
        "--slo",
        "ttft:p90<600000",
        "tpot:p90<600000",
        "e2el:mean<600000",
    ];
    for columns in [80, 100, 120] {
        for arguments in [&of_loads[..], &of_a_search] {
            let output = bench(engine.port(), &REQUESTS)
                .args(arguments)
                .env("COLUMNS", columns.to_string())
                .finish();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
            assert!(text.contains('\u{2502}'), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= columns, "{columns}: {text}");
            }
        }
    }
}
