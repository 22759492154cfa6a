//! A real engine with a real model: llama.cpp's server on the processors, through its recipe and the profile `cpu` of this
//! repository. `IMAX_TEST_LLAMA_SERVER` names the program, `IMAX_TEST_LLAMA_MODEL` the GGUF file.

use std::path::Path;

use serde_json::{Value, json};

use super::fixture::{Fixture, tokenizer_folder};

const NEEDS: &str = "needs llama.cpp's server (IMAX_TEST_LLAMA_SERVER) and a model (IMAX_TEST_LLAMA_MODEL)";

fn fixture() -> Fixture {
    let fixture = Fixture::with_recipe("exit 1").environment("LLAMA_SERVER", &std::env::var("IMAX_TEST_LLAMA_SERVER").expect(NEEDS));
    let own = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    fixture.write(
        "benchmarks/smollm2_q4_cpu_llamacpp.sh",
        &own("benchmarks/smollm2_q4_cpu_llamacpp.sh"),
    );
    fixture.write("runners/cpu.yaml", &own("runners/cpu.yaml"));
    fixture.row(|row| {
        for (key, value) in [
            ("model-prefix", "smollm2"),
            ("precision", "q4"),
            ("framework", "llamacpp"),
            ("runner", "cpu"),
        ] {
            row[key] = json!(value);
        }
        row["model"] = json!(std::env::var("IMAX_TEST_LLAMA_MODEL").expect(NEEDS));
        row["conc"] = json!([1, 2]);
    });
    fixture.arguments(&["--profile", "cpu", "--tokenizer", &tokenizer_folder()])
}

#[test]
#[ignore = "needs llama.cpp's server and a model"]
fn llama_cpp_is_measured_with_recipe_and_profile_of_this_repository() {
    let fixture = fixture();
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    let job = fixture.job();
    let version = job["provenance"]["engine"]["engine_version"].as_str().unwrap();
    assert!(
        !version.is_empty() && job["provenance"]["engine"]["engine_version_from"] == "/props",
        "{job}"
    );
    for (at, conc) in [(0, 1), (1, 2)] {
        let name = job["points"][at]["normalised"].as_str().unwrap();
        let agg: Value = serde_json::from_str(&fixture.read(&format!("out/{name}"))).unwrap();
        assert_eq!((&agg["conc"], &agg["framework"]), (&json!(conc), &json!("llamacpp")));
        assert!(
            agg["tput_per_gpu"].as_f64().unwrap() > 0.0 && agg["median_ttft"].as_f64().unwrap() > 0.0,
            "{agg}"
        );
        assert_eq!(agg["imax"]["completed"], agg["imax"]["num_prompts"]);
        assert_eq!(agg["imax"]["provenance"]["engine"]["engine_version"], json!(version));
    }
    assert_eq!(fixture.states(), 0);
}

#[test]
#[ignore = "needs llama.cpp's server and a model"]
fn real_server_killed_during_load_is_detected_at_once() {
    let fixture = fixture().arguments(&["--num-prompts-per-conc", "100", "--num-warmups-per-conc", "0"]);
    fixture.row(|row| {
        let model = std::env::var("IMAX_TEST_LLAMA_MODEL").expect(NEEDS);
        for (key, value) in [
            ("model-prefix", "smollm2"),
            ("precision", "q4"),
            ("framework", "llamacpp"),
            ("runner", "cpu"),
            ("model", model.as_str()),
        ] {
            row[key] = json!(value);
        }
        row["osl"] = json!(200);
        row["max-model-len"] = json!(400);
    });
    let mut run = fixture.start();
    run.await_line("phase load");
    let server = server_of(run.id().as_raw()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(server), nix::sys::signal::Signal::SIGKILL).unwrap();
    let ended = run.finish();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let outcome = fixture.job()["outcome"].clone();
    assert_eq!(outcome["class"], json!("server"), "{outcome}");
    assert!(outcome["reason"].as_str().unwrap().contains("in phase load"), "{outcome}");
    assert_eq!(fixture.job()["attempts"].as_array().unwrap().len(), 1);
}

/// The process that serves: the leader of the recipe's group, which the server took the place of.
fn server_of(run: i32) -> Option<i32> {
    let children = std::fs::read_to_string(format!("/proc/{run}/task/{run}/children")).ok();
    let children = children.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| {
        let threads = std::fs::read_dir(format!("/proc/{run}/task")).unwrap().flatten();
        threads
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
            .collect()
    });
    children.split_whitespace().find_map(|child| {
        let line = std::fs::read(format!("/proc/{child}/cmdline")).ok()?;
        String::from_utf8_lossy(&line).contains("--alias").then(|| child.parse().ok())?
    })
}
