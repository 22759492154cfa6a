//! A launch script that allocates with a real Slurm: its allocation ends with it, and what has another name stays.

use nix::sys::signal::Signal;

use super::super::fixture::Fixture;
use super::super::launch_scripts::{raw_result, with_script};
use super::cluster::Cluster;
use crate::harness::wait_until;

/// Holds a node after the script has gone.
const ALLOCATE: &str = "salloc --no-shell --partition=main --nodes=1 --time=10 --job-name=\"$RUNNER_NAME\"\n";

fn fixture(script: &str) -> Fixture {
    let fixture = with_script(&format!("{ALLOCATE}{script}")).environment("SLURM_CONF", &Cluster::get().configuration());
    fixture.write("benchmarks/demo_fp8_h100_sim.sh", "source benchmark_lib.sh");
    fixture.write("raw.json", &raw_result(2));
    fixture
}

// One test, because all fixtures have the same runner, and so the same name of jobs: see `Cluster::runner`.
#[test]
#[ignore = "needs Slurm"]
fn allocation_of_a_launch_script_ends_with_it() {
    let cluster = Cluster::get();
    let _alone = Cluster::runner();
    let runner = "h100-a_0";
    let stranger = cluster.stranger("main", "h100-a_1");

    let cancelled = fixture("touch held; exec sleep @MARK@");
    let mut run = cancelled.start();
    run.await_line("phase ready");
    cancelled.await_file("held");
    assert_eq!(cluster.queued(runner).len(), 1);
    run.signal(Signal::SIGTERM);
    let ended = run.finish();
    assert_eq!(ended.code, Some(143), "{}", ended.stderr);
    wait_until("the allocation has ended", || cluster.queued(runner).is_empty());

    // As a script leaves it whose run was killed on another machine.
    // Its end is that of the runner's jobs, not of the test.
    std::mem::forget(cluster.stranger("main", runner));
    let measured = fixture("cp raw.json \"$RESULT_FILENAME.json\"");
    let ended = measured.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, measured.read("out/server.log"));
    assert!(ended.stderr.contains("which an earlier run left"), "{}", ended.stderr);
    wait_until("everything of the runner has ended", || cluster.queued(runner).is_empty());
    stranger.assert_runs();
}
