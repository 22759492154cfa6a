//! `imax import` of files that other tools wrote: what is read of each, what is refused and where, and that the same file twice is no change.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::fixture::{Ended, Fixture};

/// A sample; `NOTICE.txt` beside it says where it comes from.
fn sample(name: &str) -> PathBuf {
    let own = crate::harness::project().join("tests/golden/import").join(name);
    if own.exists() {
        own
    } else {
        crate::harness::project().join("tests/golden/producers").join(name)
    }
}

fn import(fixture: &Fixture, file: &str, more: &[&str]) -> Ended {
    let mut line = vec!["import", file, "--to", "history.db", "--json"];
    line.extend(more);
    fixture.imax(&line, &[])
}

/// What an import that must succeed counts as new: runs, points, results of other benchmarks.
fn new(fixture: &Fixture, file: &str, more: &[&str]) -> [u64; 3] {
    let ended = import(fixture, file, more);
    assert_eq!(ended.code, 0, "{file}: {}", ended.stderr);
    let counts: Value = serde_json::from_str(&ended.stdout).unwrap();
    ["runs", "points", "published"].map(|kind| counts[kind]["new"].as_u64().unwrap())
}

fn history(fixture: &Fixture, arguments: &[&str]) -> Value {
    let mut line = vec!["history"];
    line.extend(arguments);
    line.extend(["--history", "history.db"]);
    let ended = fixture.imax(&line, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stdout))
}

fn run(fixture: &Fixture, id: &str) -> Value {
    history(fixture, &["show", id, "--format", "json"])
}

const GPU: [&str; 4] = ["--set", "tp=1", "--set", "hardware=H200"];

#[test]
fn every_sample_is_read_once() {
    let deployed = [
        "--set",
        "prefill-tp=4",
        "--set",
        "decode-tp=4",
        "--set",
        "prefill-ep=2",
        "--set",
        "decode-ep=2",
    ];
    let old = [
        "--set",
        "isl=1024",
        "--set",
        "osl=128",
        "--set",
        "conc=1",
        "--set",
        "date=2025-09-01",
    ];
    let stage = ["--set", "conc=16", "--set", "date=2025-09-01"];
    for (name, more, expected) in [
        ("rhaiis-52.csv", &[][..], [1, 2, 0]),
        ("rhaiis-40.csv", &old, [1, 1, 0]),
        ("llm-d-51.csv", &deployed, [1, 2, 0]),
        ("mlperf-5.0.csv", &[], [0, 0, 18]),
        ("mlperf-5.1.csv", &[], [0, 0, 18]),
        ("mlperf-6.0.csv", &[], [0, 0, 12]),
        ("guidellm-0.5.csv", &GPU, [1, 2, 0]),
        ("sample-guidellm-0.3/raw.json", &GPU, [1, 1, 0]),
        ("sample-guidellm-0.4/raw.json", &GPU, [1, 1, 0]),
        ("sample-guidellm-0.5/raw.json", &GPU, [1, 2, 0]),
        ("sample-guidellm-0.8-rate/raw.json", &GPU, [1, 1, 0]),
        ("sample-llm-d-0.1/raw.yaml", &stage, [1, 1, 0]),
        ("sample-llm-d-0.2/raw.yaml", &[], [1, 1, 0]),
        ("sample-llm-d-0.2.1/raw.yaml", &[], [1, 1, 0]),
        ("prism.json", &[], [2, 12, 0]),
        ("seconds.json", &GPU, [1, 1, 0]),
        ("pytorch-v3.json", &[], [0, 0, 3]),
    ] {
        let fixture = Fixture::new();
        let path = sample(name);
        let path = path.to_str().unwrap();
        assert_eq!(new(&fixture, path, more), expected, "{name}");
        assert_eq!(new(&fixture, path, more), [0, 0, 0], "{name} again");
        let verified = history(&fixture, &["verify", "--json"]);
        assert_eq!(verified, json!({ "ok": true, "problems": [] }), "{name}");
    }
}

#[test]
fn units_and_meanings_are_those_of_a_history() {
    let fixture = Fixture::new();
    let numbers = |id: &str, at: usize| run(&fixture, id)["run"]["points"][at]["outcome"]["measured"].clone();
    new(&fixture, sample("rhaiis-52.csv").to_str().unwrap(), &[]);
    let measured = numbers("1", 0);
    assert_eq!(measured["median_ttft"], json!(0.046_938_419_342_041_016), "milliseconds");
    assert_eq!(measured["median_e2el"], json!(0.102_118_015_289_306_64), "seconds");
    assert_eq!(measured["median_tpot"], json!(0.003_352_101_643_880_208_4), "its itl, not its tpot");
    let point = &run(&fixture, "1")["run"]["points"][0];
    assert_eq!(point["key"]["curve"]["framework"], json!("vllm"));
    assert_eq!(point["image"], json!("vllm/vllm-openai:v0.13.0"));
    assert_eq!(point["provenance"]["producer_version"], json!("0.5.4"));
    assert_eq!(
        point["provenance"]["runtime_args"],
        json!("tensor-parallel-size: 1; max-model-len: 8192")
    );

    new(
        &fixture,
        sample("seconds.json").to_str().unwrap(),
        &["--set", "tp=8", "--set", "ep=8"],
    );
    let measured = numbers("2", 0);
    assert_eq!(measured["median_ttft"], json!(0.477_180_076_763_033_87), "seconds stay seconds");

    // The same benchmark as JSON and as CSV.
    new(&fixture, sample("guidellm-0.5.csv").to_str().unwrap(), &GPU);
    new(&fixture, sample("sample-guidellm-0.5/raw.json").to_str().unwrap(), &GPU);
    let (table, report) = (numbers("3", 1), numbers("4", 1));
    for name in ["median_ttft", "p99_ttft", "mean_tpot", "mean_e2el"] {
        assert!(
            table[name].is_f64() && table[name] == report[name],
            "{name}: {} and {}",
            table[name],
            report[name]
        );
    }
    let lengths = &run(&fixture, "4")["run"]["points"][0]["key"]["curve"]["workload"]["fixed-seq-len"];
    assert_eq!(*lengths, json!({ "isl": 64, "osl": 16 }), "those that were asked for");

    new(&fixture, sample("prism.json").to_str().unwrap(), &[]);
    let point = &run(&fixture, "5")["run"]["points"][0];
    assert_eq!(
        (&point["key"]["curve"]["layout"], &point["gpus"]),
        (&json!("p1xtp4_d3xtp4"), &json!(16))
    );
    assert!(point["outcome"]["measured"]["p99_e2el"].is_null(), "0 means that it is not known");
}

#[test]
fn published_results_keep_round_unit_and_all_accelerators() {
    let fixture = Fixture::new();
    for name in ["mlperf-5.1.csv", "mlperf-6.0.csv"] {
        new(&fixture, sample(name).to_str().unwrap(), &[]);
    }
    let results = history(&fixture, &["published", "--json"]);
    let find = |id: &str, model: &str, scenario: &str| {
        let mut all = results.as_array().unwrap().iter();
        all.find(|result| result["id"] == json!(id) || (result["model"] == json!(model) && result["scenario"] == json!(scenario)))
            .unwrap()
            .clone()
    };
    let first = find("", "llama2-70b-99", "Offline");
    assert_eq!(
        (&first["round"], &first["value"], &first["unit"], &first["accelerators"]),
        (&json!("5.1"), &json!(27803.9), &json!("Tokens/s"), &json!(8))
    );
    let wide = results
        .as_array()
        .unwrap()
        .iter()
        .find(|result| result["round"] == json!("6.0"))
        .unwrap();
    assert_eq!(
        (&wide["accelerators"], &wide["nodes"]),
        (&json!(87), &json!(11)),
        "11 nodes of 8 have 87"
    );
    let higher = find("", "llama2-70b-99.9", "Offline");
    assert_eq!(
        higher["details"]["same_as"],
        json!("llama2-70b-99"),
        "one measurement, submitted twice"
    );
}

#[test]
fn summary_of_a_round_is_read() {
    let fixture = Fixture::new();
    let one = |model: &str, value: f64| {
        json!({
            "ID": "5.1-0069", "Submitter": "Example", "Availability": "available", "Category": "closed", "Suite": "datacenter",
            "System": "8 GPUs", "UsedModel": model, "Scenario": "Server", "Nodes": 18, "Accelerator": "GPU", "a#": 4, "Software": "vLLM",
            "Performance_Result": value, "Performance_Units": "Queries/s", "inferred": 0, "Power_Result": 5.5, "Power_Units": "Watts"
        })
    };
    let mut lacking = one("mixtral", 1.0);
    lacking["Performance_Result"] = json!("n/a");
    fixture.write(
        "summary.json",
        &json!([one("llama2-70b-99", 7.5), one("llama2-70b-99.9", 7.5), lacking]).to_string(),
    );
    let refused = import(&fixture, "summary.json", &[]);
    assert_eq!(refused.code, 3);
    assert!(
        refused.stderr.contains("[2]: `Performance_Result` is not a finite number"),
        "{}",
        refused.stderr
    );
    assert_eq!(new(&fixture, "summary.json", &["--partial"]), [0, 0, 2]);
    let results = history(&fixture, &["published", "--json"]);
    assert_eq!(
        (&results[0]["accelerators"], &results[0]["details"]["power"]["value"]),
        (&json!(72), &json!(5.5))
    );
}

#[test]
fn rows_are_refused_with_line_column_found_and_expected() {
    let damage = fs::read_to_string(sample("rhaiis-52-rate.csv")).unwrap();
    let good = fs::read_to_string(sample("rhaiis-52.csv")).unwrap();
    let (header, rows) = good.split_once('\n').unwrap();
    let row = rows.lines().next().unwrap();
    let short = format!("{header}\n{}\n", row.rsplit_once(',').unwrap().0);
    for (name, text, words) in [
        (
            "rate",
            damage.as_str(),
            "line 2, column 9 (intended concurrency): found \"10240\", expected about the measured concurrency",
        ),
        (
            "text",
            &good.replace("319.5225284812425", "=1+1"),
            "line 2, column 11 (output_tok/sec): found \"=1+1\", expected a finite number",
        ),
        (
            "nan",
            &good.replace("46.938419342041016", "nan"),
            "line 2, column 17 (ttft_median): found \"nan\", expected a finite number",
        ),
        (
            "lengths",
            &good.replace(",64,16,1,1.9", ",0,16,1,1.9"),
            "line 2, column 5 (prompt toks): isl is \"0\", expected a whole number from 1",
        ),
        ("short", &short, "line 2: found 51 columns, expected 52 as in the header"),
        (
            "nul",
            &good.replace("Llama-3.3", "Llama\0"),
            "line 2, column 1 (run): found a NUL character, expected text; write the table again, or remove them: tr -d",
        ),
        (
            "nul in header",
            &good.replace("accelerator", "accelerator\0"),
            "line 1: the name of column 2 has a NUL character, expected text",
        ),
        (
            "column",
            &good.replace("total_tok/sec", "all_tok/sec"),
            "the header has no column \"total_tok/sec\"",
        ),
        ("twice", &good.replace("TP,", "model,"), "the header has the column \"model\" twice"),
        (
            "header",
            &format!("accelerator,output_tok/sec{}\n", ",x".repeat(1_000_000)),
            "the table has 1000002 columns, expected at most 1000",
        ),
        ("unknown", "a,b\n1,2\n", "unknown format"),
        (
            "one line",
            &"a".repeat(17 << 20),
            "(line 1, column 1: found 'a', expected a JSON value)",
        ),
        ("encoding", "a,b\n1,\u{1}\n", "unknown format"),
    ] {
        let fixture = Fixture::new();
        fixture.write("table.csv", text);
        let ended = import(&fixture, "table.csv", &[]);
        assert_eq!((ended.code, ended.stdout.as_str()), (3, ""), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{name}: {}", ended.stderr);
        assert!(!fixture.path("history.db").exists(), "{name}: a refused import leaves no history");
    }
}

#[test]
fn bad_rows_of_many_are_left_out_by_a_flag() {
    let fixture = Fixture::new();
    let good = fs::read_to_string(sample("rhaiis-52.csv")).unwrap();
    let (header, rows) = good.split_once('\n').unwrap();
    let row = rows.lines().next().unwrap();
    let mut text = format!("{header}\n");
    for number in 1..=1_000 {
        let conc = if [17, 500, 1_000].contains(&number) {
            "many".to_owned()
        } else {
            number.to_string()
        };
        let measured = f64::from(number) * 0.97;
        text.push_str(&row.replace(",1.9488598806694069,2,", &format!(",{measured},{conc},")));
        text.push('\n');
    }
    fixture.write("table.csv", &text);
    let ended = import(&fixture, "table.csv", &[]);
    assert_eq!(ended.code, 3);
    let places: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("found \"many\"")).collect();
    assert_eq!(places.len(), 3, "{}", ended.stderr);
    assert!(
        places[0].contains("line 18, column 9") && places[2].contains("line 1001, column 9"),
        "{places:?}"
    );
    let partial = import(&fixture, "table.csv", &["--partial"]);
    let counts: Value = serde_json::from_str(&partial.stdout).unwrap();
    assert_eq!(
        counts["points"],
        json!({ "new": 997, "unchanged": 0, "revised": 0, "quarantined": 3 })
    );
}

#[test]
fn mapping_file_names_columns_and_words() {
    let fixture = Fixture::new();
    let good = fs::read_to_string(sample("rhaiis-52.csv")).unwrap();
    fixture.write("table.csv", &good.replace("accelerator,model,", "gpu,llm,"));
    fixture.write(
        "names.yaml",
        "set: {precision: fp8}\ncolumns: {gpu: accelerator, llm: model}\nvalues:\n  hardware: {H200: h200-nvl}\n",
    );
    assert_eq!(
        new(&fixture, "table.csv", &["--mapping", "names.yaml", "--set", "branch=main"]),
        [1, 2, 0]
    );
    let stored = run(&fixture, "1");
    let curve = &stored["run"]["points"][0]["key"]["curve"];
    assert_eq!(
        (&curve["runner"], &curve["precision"], &stored["branch"]),
        (&json!("h200-nvl"), &json!("fp8"), &json!("main"))
    );
    fixture.write("names.yaml", "column: {}\n");
    let refused = import(&fixture, "table.csv", &["--mapping", "names.yaml"]);
    assert_eq!(refused.code, 3);
    assert!(refused.stderr.contains("invalid mapping file"), "{}", refused.stderr);
    let unknown = import(&fixture, "table.csv", &["--set", "modle=x"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean `model`?"), "{}", unknown.stderr);
}

#[test]
fn dimensions_of_other_tools_tell_curves_apart() {
    let fixture = Fixture::new();
    let good = fs::read_to_string(sample("rhaiis-52.csv")).unwrap();
    new(&fixture, sample("rhaiis-52.csv").to_str().unwrap(), &[]);
    for (name, more) in [("turns.csv", "turns=4"), ("data.csv", "dataset=sharegpt")] {
        fixture.write(name, &good.replace("63dca628", name));
        assert_eq!(new(&fixture, name, &["--set", more]), [1, 2, 0]);
    }
    let csv = fixture.imax(&["export", "--history", "history.db", "--format", "csv"], &[]).stdout;
    assert!(csv.contains("turns=4") && csv.contains("dataset=sharegpt"), "{csv}");
}

#[test]
fn inferencex_results_of_both_ages_and_its_dump_are_read() {
    let fixture = Fixture::new();
    let early = json!([{
        "hw": "h200-trt", "conc": 64, "model": "deepseek-ai/DeepSeek-R1-0528", "framework": "dynamo-trtllm", "precision": "fp8", "mtp": "on",
        "image": "nvcr.io#nvidia#trt:1", "isl": 1024, "osl": 1024, "tp": 8, "ep": 8, "dp_attention": false, "tput_per_gpu": 900.0,
        "output_tput_per_gpu": 450.0, "median_ttft": 0.5, "median_tpot": 0.02, "median_intvty": 50.0, "median_e2el": 21.0
    }]);
    fixture.write("early.json", &early.to_string());
    assert_eq!(
        new(&fixture, "early.json", &["--set", "date=2025-11-01", "--set", "commit=abc"]),
        [1, 1, 0]
    );
    let point = &run(&fixture, "1")["run"]["points"][0];
    let curve = &point["key"]["curve"];
    assert_eq!(
        (&curve["runner"], &curve["framework"], &curve["spec-decoding"], &point["image"]),
        (&json!("h200"), &json!("dynamo-trt"), &json!("mtp"), &json!("nvcr.io/nvidia/trt:1"))
    );

    let config = json!({
        "id": 7, "hardware": "gb200", "framework": "dynamo-trt", "model": "dsr1", "precision": "fp4", "spec_method": "none", "disagg": true,
        "is_multinode": true, "prefill_tp": 4, "prefill_ep": 4, "prefill_dp_attention": true, "prefill_num_workers": 2, "decode_tp": 8,
        "decode_ep": 8, "decode_dp_attention": true, "decode_num_workers": 1, "num_prefill_gpu": 8, "num_decode_gpu": 8
    });
    let result = |config: u64, conc: u64| {
        json!({
            "workflow_run_id": 3, "config_id": config, "isl": 8192, "osl": 1024, "conc": conc, "image": "trt:1", "date": "2026-01-05",
            "metrics": { "tput_per_gpu": 5000.0, "median_intvty": 40.0, "median_ttft": 1.5 }
        })
    };
    fixture.write("dump/configs.json", &json!([config]).to_string());
    let workflow = json!([{ "id": 3, "github_run_id": 77, "run_attempt": 2, "head_sha": "fed", "head_branch": "main", "created_at": "2026-01-05T01:02:03Z" }]);
    fixture.write("dump/workflow_runs.json", &workflow.to_string());
    fixture.write(
        "dump/benchmark_results.json",
        &json!([result(7, 64), result(7, 128), result(8, 64)]).to_string(),
    );
    let refused = import(&fixture, "dump", &[]);
    assert_eq!(refused.code, 3);
    assert!(
        refused
            .stderr
            .contains("benchmark_results[2]: `config_id` is 8, expected the id of a row of its table"),
        "{}",
        refused.stderr
    );
    assert_eq!(new(&fixture, "dump", &["--partial"]), [1, 2, 0]);
    let stored = run(&fixture, "2");
    assert_eq!(
        (&stored["commit"], &stored["branch"], &stored["run_id"]),
        (&json!("fed"), &json!("main"), &json!("77/2"))
    );
    assert_eq!(
        stored["run"]["points"][0]["key"]["curve"]["layout"],
        json!("p2xtp4-ep4-dpa_d1xtp8-ep8-dpa")
    );
}
