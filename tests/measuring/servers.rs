//! A load that is spread over several servers.

use serde_json::{Value, json};

use super::client::{bench, detailed, doubts, measure, stderr};
use crate::harness::{Finish as _, Simulator};

const LOAD: [&str; 7] = [
    "--random-input-len",
    "8",
    "--random-output-len",
    "4",
    "--ignore-eos",
    "--max-concurrency",
    "4",
];

/// `bench` names a port, which `--base-url` overrides.
const UNUSED_PORT: &str = "1";

fn engine(arguments: &[&str]) -> Simulator {
    Simulator::start(&[arguments, &["--jitter", "0", "--served-model-name", "demo"]].concat())
}

fn urls(engines: &[&Simulator]) -> String {
    engines.iter().map(|engine| engine.url()).collect::<Vec<_>>().join(",")
}

/// Values of a key of each server.
fn each(result: &Value, key: &str) -> Vec<u64> {
    let servers = result["imax"]["servers"]["each"].as_array().unwrap();
    servers.iter().map(|server| server[key].as_u64().unwrap()).collect()
}

#[test]
fn each_server_gets_its_share_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let engines = [engine(&[]), engine(&[]), engine(&[])];
    let urls = urls(&engines.each_ref());
    let load = [
        &LOAD[..],
        &["--base-url", &urls, "--num-prompts", "30", "--num-warmups", "6", "--save-detailed"],
    ]
    .concat();
    let (result, output) = measure(UNUSED_PORT, &load, folder.path());
    assert_eq!((output.status.code(), doubts(&result).len()), (Some(0), 0), "{}", stderr(&output));
    let servers = &result["imax"]["servers"];
    assert_eq!(
        (&servers["balance"], &servers["imbalance"]["requests"]),
        (&json!("round-robin"), &json!(1.0))
    );
    assert_eq!(
        (each(&result, "requests"), each(&result, "output_tokens")),
        (vec![10; 3], vec![40; 3])
    );
    // A probe, two warm-up requests and ten of the load.
    assert_eq!(engines.each_ref().map(Simulator::requests), [13; 3]);
    for (server, engine) in servers["each"].as_array().unwrap().iter().zip(&engines) {
        assert_eq!(server["url"], json!(engine.url()));
        assert!(server["engine_metrics"]["samples"].is_array(), "{server}");
    }
    assert_eq!(result["imax"]["engine_metrics"].get("samples"), None);
    let numbers: Vec<u64> = detailed(folder.path())
        .iter()
        .map(|line| line["server"].as_u64().unwrap())
        .collect();
    let in_turn: Vec<u64> = (0..30).map(|number| number % 3).collect();
    assert_eq!(numbers, in_turn);
    assert_eq!(result["servers"], json!(in_turn));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        table.contains("3 servers, round-robin; the busiest has") && table.contains(&engines[2].url()),
        "{table}"
    );
}

#[test]
fn one_server_has_no_block_of_servers() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(&[]);
    let load = [&LOAD[..], &["--num-prompts", "4", "--save-detailed"]].concat();
    let (result, output) = measure(engine.port(), &load, folder.path());
    assert_eq!(result["imax"]["servers"], Value::Null, "{}", stderr(&output));
    assert_eq!((result.get("servers"), detailed(folder.path())[0].get("server")), (None, None));
}

#[test]
fn a_slow_server_gets_fewer_requests_by_load_and_as_many_in_turn() {
    // A request to the slow one takes two seconds, however fast this machine is.
    let (fast, slow) = (
        engine(&["--ttft-ms", "1", "--itl-ms", "1"]),
        engine(&["--ttft-ms", "2000", "--itl-ms", "1"]),
    );
    let urls = urls(&[&slow, &fast]);
    let mut slow_requests = Vec::new();
    for balance in ["round-robin", "least-requests"] {
        let folder = tempfile::tempdir().unwrap();
        let load = [&LOAD[..], &["--base-url", &urls, "--num-prompts", "24", "--balance", balance]].concat();
        let (result, output) = measure(UNUSED_PORT, &load, folder.path());
        assert_eq!(result["completed"], 24, "{}", stderr(&output));
        let in_flight = result["imax"]["servers"]["imbalance"]["mean_in_flight"].as_f64().unwrap();
        assert!((1.0..=2.0).contains(&in_flight), "{in_flight}");
        slow_requests.push(each(&result, "requests")[0]);
    }
    assert_eq!(slow_requests[0], 12);
    assert!(slow_requests[1] < 12, "{slow_requests:?}");
}

#[test]
fn a_conversation_stays_with_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let engines = [engine(&["--prefix-cache"]), engine(&["--prefix-cache"])];
    for balance in ["round-robin", "least-requests"] {
        let arguments = [
            "--base-url",
            &urls(&engines.each_ref()),
            "--balance",
            balance,
            "--sessions",
            "6",
            "--turns",
            "3",
            "--max-concurrency",
            "4",
            "--random-input-len",
            "64",
            "--random-output-len",
            "4",
            "--ignore-eos",
            "--backend",
            "openai-chat",
            "--save-detailed",
        ];
        let (result, output) = measure(UNUSED_PORT, &arguments, folder.path());
        assert_eq!(result["completed"], 18, "{}", stderr(&output));
        let servers: Vec<Value> = detailed(folder.path()).iter().map(|line| line["server"].clone()).collect();
        for conversation in servers.chunks(3) {
            assert!(
                conversation.iter().all(|server| server == &conversation[0]),
                "{balance}: {servers:?}"
            );
        }
    }
}

#[test]
fn a_server_that_is_dead_at_the_start_is_named_and_nothing_is_measured() {
    let (alive, dead) = (engine(&[]), engine(&[]));
    let urls = urls(&[&alive, &dead]);
    let dead_url = dead.url();
    drop(dead);
    let output = bench(UNUSED_PORT, &LOAD).args(["--base-url", &urls, "--num-prompts", "8"]).finish();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains(&format!("the probe request to {dead_url}/v1/completions failed")),
        "{}",
        stderr(&output)
    );
    assert_eq!(alive.requests(), 1);
}

#[test]
fn the_failures_of_a_server_that_dies_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    // It dies of its tenth request, the probe included.
    let (alive, mortal) = (engine(&[]), engine(&["--die-after", "10"]));
    let (urls, mortal_url) = (urls(&[&alive, &mortal]), mortal.url());
    let load = [&LOAD[..], &["--base-url", &urls, "--num-prompts", "60"]].concat();
    let (result, output) = measure(UNUSED_PORT, &load, folder.path());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(doubts(&result), ["too_many_errors"], "{}", result["imax"]["errors"]);
    let failed = each(&result, "failed");
    // Eight were answered, unless one of the last was still being when it died; the rest of its thirty failed.
    assert!(failed[0] == 0 && (21..30).contains(&failed[1]), "{failed:?}");
    let refused = &result["imax"]["servers"]["each"][1]["errors"]["connection_refused"];
    assert!(refused["example"].as_str().unwrap().starts_with(&mortal_url), "{refused}");
}

#[test]
fn balancing_by_load_avoids_a_server_that_died() {
    let folder = tempfile::tempdir().unwrap();
    let (alive, mortal) = (engine(&[]), engine(&["--die-after", "10"]));
    let urls = urls(&[&alive, &mortal]);
    let load = [
        &LOAD[..],
        &["--base-url", &urls, "--num-prompts", "400", "--balance", "least-requests"],
    ]
    .concat();
    let (result, output) = measure(UNUSED_PORT, &load, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // At most four are lost with it; as many failures make it look busier than the other can be.
    let failed = each(&result, "failed");
    assert!(failed[0] == 0 && (1..=9).contains(&failed[1]), "{failed:?}");
}

#[test]
fn what_is_wrong_with_a_list_of_servers_is_said() {
    for (arguments, expected) in [
        (&["--base-url", "http://h:1,http://h:1/"][..], "--base-url names http://h:1 twice"),
        (&["--base-url", "http://h:1,ftp://g"], "base URL \"ftp://g\""),
        (
            &["--base-url", "http://h:1,http://g:1", "--engine-metrics-url", "http://h:2"],
            "--engine-metrics-url has 1 URLs for 2 servers",
        ),
    ] {
        let output = bench(UNUSED_PORT, &LOAD).args(arguments).finish();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}
