//! Two jobs on one node: each has its own GPUs and its own port, and neither disturbs the other.

use nix::sys::signal::Signal;
use serde_json::json;

use super::doctor::{NVIDIA_SMI, nvidia};
use super::faults::job_of;
use super::fixture::Fixture;
use super::success::ENGINE;

#[test]
fn two_jobs_on_one_node_are_both_measured() {
    let node = tempfile::tempdir().unwrap();
    let on_gpu = |fixture: Fixture, gpu: &str| {
        let state = node.path().display().to_string();
        fixture
            .environment("CUDA_VISIBLE_DEVICES", gpu)
            .environment("IMAX_STATE_DIR", &state)
    };
    // The first has its GPU, and waits until the second has begun.
    let first = on_gpu(nvidia("deadlines: {clean: 1s}\n"), "0");
    let gate = first.path("go").display().to_string();
    first.write(
        "benchmarks/demo_fp8_h100_sim.sh",
        &format!("echo $$ > pid; touch up; while [ ! -e go ]; do sleep 0.05; done\n{ENGINE}"),
    );
    let first_run = first.start();
    first.await_file("up");
    let second = on_gpu(nvidia("deadlines: {clean: 1s}\n"), "1");
    second.write("apps", &format!("GPU-aaaa, {}, python3\n", first.read("pid").trim()));
    second.write("benchmarks/demo_fp8_h100_sim.sh", &format!("touch {gate}\n{ENGINE}"));
    let second_run = second.start();
    for (fixture, run, gpu) in [(&first, first_run, 0), (&second, second_run, 1)] {
        let ended = run.finish();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let job = fixture.job();
        assert_eq!(job["points"][0]["outcome"], json!({ "status": "ok" }), "{job:#}");
        let gpus = job["provenance"]["gpus"].as_array().unwrap();
        assert_eq!((gpus.len(), &gpus[0]["index"]), (1, &json!(gpu)), "{gpus:?}");
        fixture.assert_nothing_runs();
    }
    let is_state = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "json");
    assert_eq!(std::fs::read_dir(node.path()).unwrap().flatten().filter(is_state).count(), 0);
}

#[test]
fn port_conflict_fails_only_the_second_job() {
    let port = imax::testing::free_port().unwrap().to_string();
    let slow = ENGINE.replace("--itl-ms 5", "--itl-ms 1000");
    let first = Fixture::with_recipe(&slow).arguments(&["--port", &port]);
    let mut run = first.start();
    run.await_line("phase warm-up");
    let second = Fixture::with_recipe("touch ran").arguments(&["--port", &port]);
    second.write("runners/h100-a.yaml", "launcher: local\nretries: {attempts: 1}\n");
    let ended = second.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("port {port} is taken")), "{}", ended.stderr);
    assert!(!first.processes().is_empty());
    run.signal(Signal::SIGTERM);
    assert_eq!(run.finish().code, Some(143));
}

#[test]
fn busy_gpus_are_reported_with_their_job() {
    // The first job's engine is what computes on the GPU that nvidia-smi shows.
    let first = Fixture::with_recipe("echo $$ > pid.new; mv pid.new pid; exec sleep @MARK@");
    let run = first.start();
    first.await_file("pid");
    let job = job_of(&first);
    let pid = first.read("pid");
    let second = Fixture::with_recipe("touch ran").tools(&[("nvidia-smi", NVIDIA_SMI)]);
    second.write(
        "runners/h100-a.yaml",
        "launcher: local\nvendor: nvidia\nretries: {attempts: 1}\ndeadlines: {clean: 300ms}\n",
    );
    second.write("apps", &format!("GPU-aaaa, {}, python3\n", pid.trim()));
    let ended = second.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("on GPU 0 of job {job}")), "{}", ended.stderr);
    assert!(!first.processes().is_empty());
    run.signal(Signal::SIGTERM);
    assert_eq!(run.finish().code, Some(143));
}
