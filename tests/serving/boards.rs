//! The dashboards of costs, RHAIIS, LLM-D, MLPerf and accuracy: what their routes answer from real tables, and their pages with and without scripts.

use std::fs;

use serde_json::{Value, json};

use crate::client::{Served, ten_nights};
use crate::dashboards::{assert_clean, walk};
use crate::fixture::Fixture;
use crate::harness::project;

fn sample(name: &str) -> String {
    fs::read_to_string(project().join("tests/golden/import").join(name)).unwrap()
}

fn import(fixture: &Fixture, history: &str, file: &str, arguments: &[&str]) {
    let mut all = vec!["import", file, "--to", history];
    all.extend(arguments);
    let imported = fixture.imax(&all, &[]);
    assert_eq!(imported.code, 0, "{file}: {}", imported.stderr);
}

/// Two versions of RHAIIS's table, of which the older one lost 3 of 15 requests; the same model behind a router; a deployment whose roles are
/// apart; and three rounds of MLPerf.
pub fn import_tables(fixture: &Fixture, history: &str) {
    let newer = sample("rhaiis-52.csv");
    let older = newer
        .replace("vLLM-0.13.0", "vLLM-0.12.0")
        .replace(",12,0,63dca628", ",12,3,63dca628")
        .replace("1795984090115", "1795984000000");
    assert_ne!(older, newer);
    fixture.write("older.csv", &older);
    fixture.write("newer.csv", &newer);
    let table = sample("llm-d-51.csv");
    let routed = table
        .replace("demo/Model-7B", "meta-llama/Llama-3.3-70B-Instruct")
        .replace(",4,2,2,4,2,4,round-robin,", ",1,1,1,1,0,0,round-robin,");
    assert_ne!(routed, table);
    fixture.write("routed.csv", &routed);
    fixture.write("apart.csv", &table);
    for file in ["older.csv", "newer.csv", "routed.csv"] {
        import(fixture, history, file, &[]);
    }
    let roles = ["prefill-tp=4", "decode-tp=4", "prefill-ep=2", "decode-ep=2"];
    let roles: Vec<&str> = roles.into_iter().flat_map(|role| ["--set", role]).collect();
    import(fixture, history, "apart.csv", &roles);
    for file in ["mlperf-5.0.csv", "mlperf-5.1.csv", "mlperf-6.0.csv"] {
        fs::copy(project().join("tests/golden/import").join(file), fixture.path(file)).unwrap();
        import(fixture, history, file, &[]);
    }
}

fn imported() -> (Fixture, Served) {
    let fixture = Fixture::new();
    import_tables(&fixture, "boards.db");
    let served = Served::start(fixture.path("boards.db").to_str().unwrap(), &[]);
    (fixture, served)
}

fn rows(answer: &Value) -> &Vec<Value> {
    answer["data"].as_array().unwrap()
}

#[test]
fn versions_are_compared_over_common_concurrencies() {
    let (_fixture, served) = imported();
    let usual = served.json("/api/v1/versions?family=rhaiis");
    assert_eq!(usual["versions"], json!(["vLLM-0.13.0", "vLLM-0.12.0"]));
    assert_eq!((&usual["base"], &usual["head"]), (&json!("vLLM-0.12.0"), &json!("vLLM-0.13.0")));
    let change = rows(&usual).iter().find(|row| row["metric"] == "throughput-per-gpu").unwrap();
    assert_eq!(change["concurrencies"], json!([2, 8]));
    assert_eq!(
        (&change["ratio"], &change["verdict"]),
        (&json!(1.0), &json!("unsure")),
        "two loads give no verdict"
    );
    assert_eq!(served.get("/api/v1/versions?base=vLLM-9").status, 404);
    assert_eq!(served.get("/api/v1/versions?family=nothing").status, 400);
    let csv = served.get("/api/v1/versions.csv?family=rhaiis").text();
    assert!(csv.lines().count() > 3 && csv.starts_with("model,hardware,"), "{csv}");
}

#[test]
fn deployments_have_versions_roles_and_error_rates() {
    let (_fixture, served) = imported();
    let alone = served.json("/api/v1/deployments?family=rhaiis");
    let of_version = |version: &str| {
        rows(&alone)
            .iter()
            .find(|row| row["version"] == version && row["conc"] == 2)
            .unwrap()
            .clone()
    };
    assert_eq!(of_version("vLLM-0.12.0")["error_rate"], 0.2);
    assert_eq!(of_version("vLLM-0.13.0")["error_rate"], 0.0);
    let newer = of_version("vLLM-0.13.0");
    assert_eq!(newer["runtime_args"], "tensor-parallel-size: 1; max-model-len: 8192");
    assert_eq!((&newer["tp"], &newer["dp"], &newer["replicas"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(newer["output_tput_per_any_gpu"], newer["output_tput_per_gpu"]);
    let routed = served.json("/api/v1/deployments?family=llm-d");
    let apart = rows(&routed).iter().find(|row| row["disagg"] == true).unwrap();
    assert_eq!(
        (&apart["prefill_pods"], &apart["decode_pods"], &apart["replicas"]),
        (&json!(2), &json!(4), &json!(4))
    );
    assert_eq!(
        (&apart["prefill_gpus"], &apart["decode_gpus"], &apart["gpus"]),
        (&json!(8), &json!(16), &json!(24))
    );
    assert_eq!(apart["prefill_per_decode_gpu"], 0.5);
    assert_eq!(apart["router"], "round-robin");
    let (own, any) = (
        apart["output_tput_per_gpu"].as_f64().unwrap(),
        apart["output_tput_per_any_gpu"].as_f64().unwrap(),
    );
    assert!((own * 16.0 / 24.0 / any - 1.0).abs() < 1e-12, "{apart}");
}

#[test]
fn routed_deployments_stand_beside_engines_on_their_own() {
    let (_fixture, served) = imported();
    let pairs = served.json("/api/v1/architectures");
    let throughput: Vec<&Value> = rows(&pairs).iter().filter(|row| row["metric"] == "throughput-per-gpu").collect();
    assert_eq!(throughput.len(), 2, "one deployment with one replica, two versions: {pairs}");
    for pair in throughput {
        assert_eq!(pair["head"], "LLM-D-0.4.0 tp1, router round-robin");
        assert_eq!((&pair["concurrencies"], &pair["ratio"]), (&json!([2, 8]), &json!(1.0)));
    }
}

#[test]
fn derived_results_of_mlperf_count_every_measurement_once() {
    let (_fixture, served) = imported();
    let submitted = served.json("/api/v1/mlperf");
    let derived = served.json("/api/v1/mlperf-derived");
    let same = rows(&submitted).iter().filter(|row| row["details"]["same_as"].is_string()).count();
    assert!(same > 0, "{submitted}");
    assert_eq!(rows(&derived).len(), rows(&submitted).len() - same);
    let server = rows(&derived)
        .iter()
        .find(|row| row["scenario"] == "Server" && row["degradation"].is_number())
        .unwrap();
    let ratio = server["value"].as_f64().unwrap() / server["offline"].as_f64().unwrap();
    assert!((1.0 - ratio - server["degradation"].as_f64().unwrap()).abs() < 1e-12, "{server}");
    for row in rows(&derived).iter().filter(|row| row["accelerators"].is_number()) {
        let each = row["value"].as_f64().unwrap() / row["accelerators"].as_f64().unwrap();
        assert!((row["per_accelerator"].as_f64().unwrap() / each - 1.0).abs() < 1e-12, "{row}");
    }
    for set in rows(&served.json("/api/v1/mlperf-datasets")) {
        for side in ["input", "output"] {
            let counted: u64 = set[side]["bins"].as_array().unwrap().iter().map(|bin| bin.as_u64().unwrap()).sum();
            assert_eq!(json!(counted), set["requests"], "{} {side}", set["name"]);
        }
        assert!(set["source"].as_str().unwrap().starts_with("https://"));
    }
}

/// Ten nights whose last run measured the same model with a faster precision, which answers worse.
fn scored() -> (Fixture, Served) {
    let fixture = Fixture::new();
    for night in fs::read_dir(ten_nights()).unwrap() {
        let night = night.unwrap();
        let mut document: Value = serde_json::from_slice(&fs::read(night.path()).unwrap()).unwrap();
        let points = document["run"]["points"].as_array().unwrap().clone();
        let faster = points.into_iter().map(|mut point| {
            point["key"]["curve"]["precision"] = "fp4".into();
            let numbers = point["outcome"]["measured"].as_object_mut().unwrap();
            for name in ["tput_per_gpu", "median_intvty"] {
                let number = numbers[name].as_f64().unwrap();
                numbers.insert(name.to_owned(), (number * 1.5).into());
            }
            point
        });
        let faster: Vec<Value> = faster.collect();
        document["run"]["points"].as_array_mut().unwrap().extend(faster);
        let score = |precision: &str, score: f64| {
            json!({ "key": { "model_prefix": "demo", "hardware": "h100", "framework": "sim", "precision": precision, "spec_decoding": "none",
                "layout": "tp4-ep1", "conc": 64, "task": "gsm8k", "score_name": "em_strict" }, "score": score, "stderr": 0.006, "questions": 1319 })
        };
        document["run"]["evals"] = json!([score("fp8", 0.95), score("fp4", 0.90)]);
        fixture.write(&format!("nights/{}", night.file_name().to_str().unwrap()), &document.to_string());
    }
    let imported = fixture.imax(&["import", "nights", "--to", "scored.db"], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    let served = Served::start(fixture.path("scored.db").to_str().unwrap(), &[]);
    (fixture, served)
}

#[test]
fn faster_points_whose_accuracy_fell_are_struck() {
    let (_fixture, served) = scored();
    let answer = served.json("/api/v1/accuracy");
    for row in rows(&answer) {
        let is_slow = row["precision"] == "fp8";
        assert_eq!(row["has_fallen"], !is_slow, "{row}");
        assert_eq!(row["scores"][0]["reference"], 0.95);
    }
    let places = |precision: &str| -> Vec<&str> {
        let own = rows(&answer).iter().filter(|row| row["precision"] == precision);
        own.map(|row| row["place"].as_str().unwrap()).collect()
    };
    assert_eq!(places("fp8"), ["on", "on", "on"], "{answer}");
    assert!(places("fp4").contains(&"struck") && !places("fp4").contains(&"on"), "{answer}");
}

#[test]
fn costs_have_limits_fleets_and_the_prices_of_their_day() {
    let (_fixture, served) = scored();
    let answer = served.json(
        "/api/v1/cheapest?configurations=true&slo=ttft:p99%3C100000&tokens_per_month=1e12&utilisation=0.5&api_usd_per_million=1000&tokens=output",
    );
    assert_eq!(rows(&answer).len(), 2, "two curves");
    let first = &rows(&answer)[0];
    assert_eq!((&first["precision"], &first["is_met"]), (&json!("fp4"), &json!(true)));
    assert_eq!(first["limited_by"], "ttft:p99<100000");
    assert!(first["objectives"][0]["headroom"].as_f64().unwrap() > 0.9);
    let fleet = &first["fleet"];
    assert_eq!(fleet["gpus"].as_f64().unwrap(), 4.0 * fleet["deployments"].as_f64().unwrap());
    let monthly = fleet["gpus"].as_f64().unwrap() * first["usd_per_gpu_hour"].as_f64().unwrap() * 730.0;
    assert!((fleet["usd_per_month"].as_f64().unwrap() / monthly - 1.0).abs() < 1e-9, "{fleet}");
    assert!(first["break_even"]["utilisation"].as_f64().unwrap() < 1.0);
    assert!(first["joules_per_million"].as_f64().unwrap() > 0.0 && first["price_source"].as_str().unwrap().starts_with("https://"));
    let missed = served.json("/api/v1/cheapest?slo=ttft:p99%3C0.001&unreachable=true");
    assert_eq!(rows(&missed).len(), 2);
    assert!(
        rows(&missed)
            .iter()
            .all(|row| row["is_met"] == false && row["objectives"][0]["headroom"].as_f64().unwrap() < 0.0)
    );
    let spot = served.json("/api/v1/cheapest?price_kind=reserved");
    assert!(rows(&spot).iter().all(|row| row["price_kind"] == "reserved"), "{spot}");
    for wrong in [
        "price_kind=gift",
        "utilisation=1.1",
        "utilisation=0",
        "power_kw=x",
        "api_usd_per_million=-1",
        "imports=maybe",
    ] {
        assert_eq!(served.get(&format!("/api/v1/cheapest?{wrong}")).status, 400, "{wrong}");
    }
    let past = served.json("/api/v1/costs");
    assert_eq!(rows(&past).len(), 20, "ten nights, two precisions");
    let dates: Vec<&str> = rows(&past).iter().map(|row| row["started"].as_str().unwrap()).collect();
    assert!(dates.is_sorted());
    for row in rows(&past) {
        let day = &row["started"].as_str().unwrap()[..10];
        assert!(row["then"].is_null() || row["then"]["price_date"].as_str().unwrap() <= day, "{row}");
    }
}

#[test]
fn boards_are_tables_without_scripts() {
    let (_fixture, served) = imported();
    for (address, texts) in [
        ("/plain/cost", &["Provider", "https://"][..]),
        ("/plain/rhaiis", &["vLLM-0.13.0", "Error rate", "max-model-len: 8192"]),
        ("/plain/rhaiis?model=Llama-3.3-70B-Instruct", &["vLLM-0.12.0"]),
        ("/plain/llm-d", &["round-robin", "p2xtp4-ep2_d4xtp4-ep2"]),
        ("/plain/mlperf?scenario=Server", &["not an official result of MLCommons", "Server"]),
    ] {
        let page = served.get(address);
        assert_eq!(page.status, 200, "{address}");
        for text in texts {
            assert!(page.text().contains(text), "{address}: {text}");
        }
    }
    assert!(!served.get("/plain/rhaiis?model=none").text().contains("vLLM-0.13.0"));
    let page = served.get("/rhaiis?model=x").text();
    assert!(page.contains("content=\"0; url=/plain/rhaiis?model=x\""), "{page}");
    let (_other, scored) = scored();
    let accuracy = scored.get("/plain/accuracy").text();
    assert!(
        accuracy.contains("struck") && accuracy.contains("gsm8k em_strict 0.90000 (best known 0.95000, worse)"),
        "{accuracy}"
    );
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn boards_show_their_data_and_are_accessible() {
    let (fixture, served) = imported();
    let phone = json!({ "width": 390, "height": 844 });
    let text = "document.querySelector('main').textContent";
    let mut plan = Vec::new();
    for (address, _) in BOARDS {
        plan.push(json!({ "name": address, "address": address, "axe": true, "read": text }));
        plan.push(json!({ "name": format!("{address} dark"), "address": address, "axe": true, "scheme": "dark" }));
        plan.push(json!({ "name": format!("{address} phone"), "address": address, "viewport": phone }));
    }
    plan.push(json!({ "name": "pareto", "address": "/rhaiis", "steps": [["click", ".presets a:has-text('Pareto')"]], "read": text }));
    plan.push(json!({ "name": "slider", "address": "/cost", "steps": [["fill", ".slider input[type=text]", "500"], ["press", ".slider input[type=text]", "Enter"]],
        "read": "document.querySelector('input[type=range]').getAttribute('aria-valuetext')" }));
    plan.push(
        json!({ "name": "rounds", "address": "/mlperf", "steps": [["choose", ".controls select >> nth=8", "server"]], "read": text }),
    );
    let seen = walk(&fixture, &served, &Value::Array(plan));
    assert_clean(&seen);
    for (address, texts) in BOARDS {
        let shown = seen[address]["read"].as_str().unwrap();
        for text in texts {
            assert!(shown.contains(text), "{address}: {text} in {shown}");
        }
        assert_eq!(seen[format!("{address} phone")]["width"], 390, "{address} is wider than a phone");
    }
    assert_eq!(seen["pareto"]["address"], "/rhaiis?x=median_intvty&y=tput_per_gpu");
    assert_eq!(seen["slider"]["address"], "/cost?ttft=500");
    assert_eq!(seen["slider"]["read"], "500 ms");
    assert_eq!(seen["rounds"]["address"], "/mlperf?per=server");
    assert!(seen["rounds"]["read"].as_str().unwrap().contains("Degradation †"));
    let (fixture, served) = scored();
    let plan = json!([{ "name": "struck", "address": "/accuracy", "axe": true, "read": text }]);
    let seen = walk(&fixture, &served, &plan);
    assert_clean(&seen);
    assert!(
        seen["struck"]["read"].as_str().unwrap().contains("Struck from the frontier"),
        "{seen}"
    );
}

/// Pages with the imported tables, and what they show.
const BOARDS: [(&str, &[&str]); 4] = [
    ("/cost", &["J per million", "Prices"]),
    ("/rhaiis", &["vLLM-0.13.0", "Efficiency per TP", "20 %", "max-model-len"]),
    ("/llm-d", &["2 × 4", "round-robin", "Beside RHAIIS"]),
    ("/mlperf", &["NVIDIA", "Lengths of the data sets", "OpenOrca"]),
];
