//! Engines that exit, hang or never start: detected at once or at the deadline, with the cause, and nothing is left running.

use std::io::{Read as _, Write as _};

use serde_json::json;

use super::fixture::Fixture;

#[test]
fn engine_exit_is_detected_at_once_and_explained_by_log() {
    let fixture = Fixture::with_recipe("sleep @MARK@ & echo loading; echo 'torch.OutOfMemoryError: CUDA out of memory.' >&2; exit 7");
    // At once, and not after the hour that an engine has to become ready: the test's own timeout is shorter.
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let job = fixture.job();
    assert_eq!(job["outcome"]["class"], json!("server"));
    assert_eq!(job["outcome"]["cause"], json!("gpu-out-of-memory"));
    let reason = job["outcome"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("ended with exit status 7 in phase ready") && reason.contains("use more GPUs"),
        "{reason}"
    );
    assert!(job["outcome"]["log_tail"].as_str().unwrap().starts_with("loading\n"));
    assert!(ended.stderr.contains("CUDA out of memory"), "{}", ended.stderr);
    fixture.assert_nothing_runs();
    assert_eq!(fixture.states(), 0);
}

#[test]
fn engine_exit_is_reported_after_broken_connections() {
    // A process that is killed and has much memory to free no longer listens, and still exists. Once this happens during the load,
    // and once during the probe request.
    for (token_ms, warmups) in [("5", "1"), ("60000", "0")] {
        let recipe = format!(
            "\"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms {token_ms} --served-model-name \"$MODEL\" --host 127.0.0.1 --port \"$PORT\" &\n\
             while [ ! -e \"$IMAX_OUT/go\" ]; do sleep 0.01; done; kill -KILL $!; wait $!; sleep 0.5; exit 7"
        );
        let fixture = Fixture::with_recipe(&recipe).arguments(&["--num-warmups-per-conc", warmups]);
        fixture.row(|row| {
            row["osl"] = json!(400);
            row["max-model-len"] = json!(500);
        });
        let mut run = fixture.start();
        run.await_line("phase load");
        fixture.write("out/go", "");
        let ended = run.finish();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let reason = fixture.job()["outcome"]["reason"].clone();
        assert_eq!(reason, json!("the engine ended with exit status 7 in phase load"));
        assert_eq!(fixture.states(), 0);
    }
}

#[test]
fn engine_that_never_becomes_ready_is_stopped_at_deadline() {
    let fixture = Fixture::with_recipe("echo still loading; exec sleep @MARK@");
    fixture.write("runners/h100-a.yaml", "launcher: local\ndeadlines: {ready: 700ms}\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let job = fixture.job();
    assert_eq!(job["outcome"]["class"], json!("timeout"));
    assert!(job["outcome"]["reason"].as_str().unwrap().contains("/health"), "{}", job["outcome"]);
    let ready = job["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|phase| phase["phase"] == "ready")
        .unwrap();
    assert_eq!(ready["ending"], json!("deadline-exceeded"));
    assert_eq!(ready["deadline_s"], json!(0.7));
    fixture.assert_nothing_runs();
}

#[test]
fn processes_outside_the_group_are_stopped() {
    // With a session of its own, no environment and no parent, a process is found only because imax adopts orphans.
    let recipe = "env -i setsid bash -c 'sleep @MARK@ & sleep @MARK@' & (setsid -f sleep @MARK@); trap '' TERM; sleep @MARK@ & exit 3";
    let fixture = Fixture::with_recipe(recipe);
    fixture.write("runners/h100-a.yaml", "launcher: local\ndeadlines: {stop: 500ms}\n");
    assert_eq!(fixture.run().code, Some(1));
    fixture.assert_nothing_runs();
}

#[test]
fn process_that_ignores_sigterm_is_killed_and_reported() {
    let fixture = Fixture::with_recipe("trap '' TERM; sleep @MARK@ & wait; wait");
    fixture.write("runners/h100-a.yaml", "launcher: local\ndeadlines: {ready: 5s, stop: 300ms}\n");
    assert_eq!(fixture.run().code, Some(1));
    let job = fixture.job();
    let stop = job["phases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|phase| phase["phase"] == "stop")
        .unwrap()
        .clone();
    assert!(stop["reason"].as_str().unwrap().contains("killed after SIGTERM"), "{stop}");
    fixture.assert_nothing_runs();
}

#[test]
fn port_in_use_is_infrastructure_failure() {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let fixture = Fixture::with_recipe("touch ran").arguments(&["--port", &port]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert_eq!(fixture.job()["outcome"]["class"], json!("infra"));
    assert!(!fixture.path("ran").exists());
}

#[test]
fn failing_pre_hook_ends_job_before_engine_starts() {
    let fixture = Fixture::with_recipe("touch ran");
    fixture.write("runners/h100-a.yaml", "launcher: local\nhooks: {pre: ['sleep @MARK@ & exit 5']}\n");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("exit status 5"), "{}", ended.stderr);
    assert!(!fixture.path("ran").exists());
    fixture.assert_nothing_runs();
}

#[test]
fn secrets_reach_only_the_engine_environment() {
    let fixture = Fixture::with_recipe("echo \"token $HF_TOKEN\"; test \"$HF_TOKEN\" = hf_very_secret && touch had; exit 1")
        .environment("HF_TOKEN", "hf_very_secret");
    let ended = fixture.run();
    assert!(fixture.path("had").exists());
    for text in [
        fixture.read("out/server.log"),
        fixture.read("out/job.json"),
        ended.stderr,
        ended.stdout,
    ] {
        assert!(!text.contains("very_secret"), "{text}");
    }
    assert_eq!(fixture.read("out/server.log"), "token ***\n");
    assert_eq!(fixture.job()["provenance"]["secrets"], json!(["HF_TOKEN"]));
}

#[test]
fn secrets_from_engine_and_recipe_are_redacted_in_all_files() {
    let port = imax::testing::free_port().unwrap();
    let recipe =
        "mkdir \"$IMAX_OUT/artifacts\"; echo \"{\\\"key\\\": \\\"$HF_TOKEN\\\"}\" > \"$IMAX_OUT/artifacts/input.json\"; exec sleep @MARK@";
    let fixture = Fixture::with_recipe(recipe)
        .environment("HF_TOKEN", "hf_very_secret")
        .environment("GITHUB_STEP_SUMMARY", "summary.md")
        .arguments(&["--port", &port.to_string()]);
    fixture.write("runners/h100-a.yaml", "launcher: local\ndeadlines: {ready: 5s}\n");
    let mut run = fixture.start();
    run.await_line("phase ready");
    let engine = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in engine.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 503 Not Ready\r\ncontent-length: 28\r\nconnection: close\r\n\r\nno access for hf_very_secret");
        }
    });
    let ended = run.finish();
    let reason = fixture.job()["outcome"]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("503: no access for ***"), "{reason}");
    assert_eq!(fixture.read("out/artifacts/input.json"), "{\"key\": \"***\"}\n");
    for text in [fixture.read("out/job.json"), fixture.read("summary.md"), ended.stderr] {
        // Markdown escapes underscores with a backslash.
        assert!(!text.replace('\\', "").contains("very_secret"), "{text}");
    }
}

#[test]
fn only_passed_variables_reach_recipe() {
    let fixture = Fixture::with_recipe("env > seen; exit 1")
        .environment("STRAY", "1")
        .environment("WANTED", "1");
    fixture.write(
        "runners/h100-a.yaml",
        "launcher: local\npass-environment: [WANTED]\nenvironment: {EXTRA: two words}\n",
    );
    fixture.run();
    let seen = fixture.read("seen");
    for line in [
        "WANTED=1",
        "EXTRA=two words",
        "TP=1",
        "CONC=2",
        "RUNNER_TYPE=h100",
        "SPEC_DECODING=none",
        "MAX_MODEL_LEN=128",
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line} not in\n{seen}");
    }
    assert!(!seen.contains("STRAY"));
}

#[test]
fn github_actions_gets_one_annotation_and_a_summary() {
    let fixture = Fixture::with_recipe("echo '::error::not ours'; exit 1")
        .environment("GITHUB_ACTIONS", "true")
        .environment("HF_TOKEN", "hf_very_secret");
    let summary = fixture.path("summary.md");
    let fixture = fixture.environment("GITHUB_STEP_SUMMARY", summary.to_str().unwrap());
    let ended = fixture.run();
    let annotations: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(annotations.len(), 1, "{}", ended.stderr);
    assert!(
        annotations[0].starts_with("::error title=benchmark failed (server)::the engine ended"),
        "{}",
        annotations[0]
    );
    assert!(ended.stderr.contains("::add-mask::hf_very_secret\n"));
    assert!(
        ended
            .stderr
            .contains("::group::end of server.log\n| ::error::not ours\n::endgroup::\n"),
        "{}",
        ended.stderr
    );
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(
        summary.contains("| 2 | **server**: the engine ended with exit status 1"),
        "{summary}"
    );
}

#[test]
fn unreadable_tokenizer_is_reported_before_the_engine_starts() {
    for (tokenizer, message) in [
        (
            "no/such/tokenizer",
            "the load cannot be prepared: no tokenizer at no/such/tokenizer",
        ),
        ("broken", "broken/tokenizer.json: not a tokenizer.json"),
    ] {
        let fixture = Fixture::with_recipe("touch \"$IMAX_OUT/started\"; exec sleep @MARK@").arguments(&["--tokenizer", tokenizer]);
        fixture.write("broken/tokenizer.json", "{}");
        let ended = fixture.run();
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        let job = fixture.job();
        assert_eq!(job["outcome"]["class"], json!("invalid"), "{job}");
        let reason = job["outcome"]["reason"].as_str().unwrap();
        assert!(reason.contains(message), "{reason}");
        let phases: Vec<&str> = job["phases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|phase| phase["phase"].as_str().unwrap())
            .collect();
        assert_eq!(phases, ["preflight"]);
        assert!(!fixture.path("out/started").exists());
        fixture.assert_nothing_runs();
    }
}
