//! What launch scripts allocate with Slurm: cancelled by name before a start, after the end and after a signal; phases of the wait for it.
//! Slurm's tools are scripts that keep the queue in a file.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::fixture::{Fixture, kill_alone, kill_with_watchdog};
use super::launch_scripts::{raw_result, with_script};
use crate::harness::{Running, wait_until};

/// A queue of lines `id|state|user|name`. `squeue` lists those with a name or an id, `scancel` removes those of a user with a name, or one
/// by its id, and `salloc` adds one.
const TOOLS: [(&str, &str); 3] = [
    (
        "squeue",
        r#"for word in "$@"; do case $word in --name=*) name=${word#*=} ;; --jobs=*) id=${word#*=} ;; esac; done
touch @QUEUE@/jobs
if [ -n "$id" ]; then awk -F'|' -v id="$id" '$1 == id { print $1 "|" $2 "|Resources|n1|n1" }' @QUEUE@/jobs
else awk -F'|' -v name="$name" '$4 == name' @QUEUE@/jobs; fi"#,
    ),
    (
        "scancel",
        r#"exec 9> @QUEUE@/lock; flock 9
echo "$*" >> @QUEUE@/cancelled
for word in "$@"; do case $word in --name=*) name=${word#*=} ;; --user=*) user=${word#*=} ;; *) id=$word ;; esac; done
awk -F'|' -v id="$id" -v name="$name" -v user="$user" '!($1 == id || (name != "" && $4 == name && $3 == user))' @QUEUE@/jobs > @QUEUE@/left
mv @QUEUE@/left @QUEUE@/jobs"#,
    ),
    (
        "salloc",
        r#"exec 9> @QUEUE@/lock; flock 9
for word in "$@"; do case $word in --job-name=*) name=${word#*=} ;; esac; done
echo "42|${STATE:-RUNNING}|$(id -u)|$name" >> @QUEUE@/jobs"#,
    ),
];

/// This user's number, as squeue's `%U` has it.
fn own_user() -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid().to_string()
}

/// A fixture whose launch script runs where there is Slurm. `jobs` are in its queue; `@ME@` in them is this user.
fn with_slurm(script: &str, jobs: &str) -> Fixture {
    let fixture = with_script(script);
    fixture.write("benchmarks/demo_fp8_h100_sim.sh", "source benchmark_lib.sh");
    fixture.write("raw.json", &raw_result(2));
    let user = own_user();
    fixture.write("queue/jobs", &jobs.replace("@ME@", &user));
    let queue = fixture.path("queue").display().to_string();
    let tools = TOOLS.map(|(name, script)| (name, script.replace("@QUEUE@", &queue)));
    let tools: Vec<(&str, &str)> = tools.iter().map(|(name, script)| (*name, script.as_str())).collect();
    fixture.tools(&tools)
}

/// Allocates as launch scripts do: the allocation outlives them.
const ALLOCATE: &str = "salloc --no-shell --job-name=\"$RUNNER_NAME\"\n";
const MEASURE: &str = "cp raw.json \"$RESULT_FILENAME.json\"\n";

#[test]
fn allocation_ends_with_the_script() {
    let fixture = with_slurm(&format!("{ALLOCATE}{MEASURE}"), "");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
    assert_eq!(fixture.read("queue/jobs"), "");
    assert_eq!(fixture.states(), 0);
}

#[test]
fn cancelled_job_leaves_no_allocation() {
    for (script, signal, code) in [
        ("touch held; exec sleep @MARK@", Signal::SIGTERM, 143),
        ("trap '' TERM; touch held; sleep @MARK@; sleep @MARK@", Signal::SIGINT, 130),
    ] {
        let fixture = with_slurm(&format!("{ALLOCATE}{script}"), "");
        let mut run = fixture.start();
        run.await_line("phase ready");
        fixture.await_file("held");
        run.signal(signal);
        let ended = run.finish();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert_eq!(fixture.read("queue/jobs"), "", "{}", fixture.read("queue/cancelled"));
        fixture.assert_nothing_runs();
    }
}

#[test]
fn only_jobs_of_this_user_and_runner_are_cancelled() {
    let others = "7|RUNNING|4711|h100-a_0\n8|RUNNING|@ME@|h100-a_1\n";
    let left = "9|RUNNING|@ME@|h100-a_0\n10|PENDING|@ME@|inferencex-h100-a_0\n";
    let script = format!("cat queue/jobs > at_start\n{ALLOCATE}{MEASURE}");
    let fixture = with_slurm(&script, &format!("{others}{left}"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let me = own_user();
    let others = others.replace("@ME@", &me);
    assert_eq!((fixture.read("at_start"), fixture.read("queue/jobs")), (others.clone(), others));
    assert!(
        ended
            .stderr
            .contains("cancelling Slurm job 9 (h100-a_0 or inferencex-h100-a_0), which an earlier run left"),
        "{}",
        ended.stderr
    );
}

#[test]
fn jobs_of_another_live_run_of_the_runner_are_left() {
    let first = with_slurm(&format!("{ALLOCATE}touch held; exec sleep @MARK@"), "");
    let mut run = first.start();
    run.await_line("phase ready");
    first.await_file("held");
    let states = first.path("state").display().to_string();
    let second = with_slurm(MEASURE, &first.read("queue/jobs")).environment("IMAX_STATE_DIR", &states);
    let before = second.read("queue/jobs");
    let ended = second.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(second.read("queue/jobs"), before);
    run.signal(Signal::SIGTERM);
    assert_eq!(run.finish().code, Some(143));
}

#[test]
fn job_in_which_imax_itself_runs_is_left() {
    let own = "9|RUNNING|@ME@|h100-a_0\n";
    let fixture = with_slurm(&format!("{ALLOCATE}{MEASURE}"), own).environment("SLURM_JOB_ID", "9");
    let before = fixture.read("queue/jobs");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(fixture.read("queue/jobs"), before, "{}", fixture.read("queue/cancelled"));
}

/// A run whose script holds an allocation.
fn holding() -> (Fixture, Running) {
    let fixture = with_slurm(&format!("{ALLOCATE}touch held; exec sleep @MARK@"), "");
    let mut run = fixture.start();
    run.await_line("phase ready");
    fixture.await_file("held");
    (fixture, run)
}

#[test]
fn dead_job_leaves_its_allocation_to_the_clean_up() {
    let (fixture, run) = holding();
    kill_with_watchdog(run);
    assert!(fixture.read("queue/jobs").starts_with("42|"));
    let reaped = fixture.reap();
    assert_eq!(reaped.code, Some(0), "{}", reaped.stderr);
    assert!(reaped.stderr.contains("removed Slurm jobs named h100-a_0"), "{}", reaped.stderr);
    assert_eq!((fixture.read("queue/jobs").as_str(), fixture.states()), ("", 0));
    fixture.await_no_processes();
}

#[test]
fn watchdog_of_a_killed_run_cancels_its_allocation() {
    let (fixture, run) = holding();
    kill_alone(run);
    assert_eq!((fixture.read("queue/jobs").as_str(), fixture.states()), ("", 0));
    fixture.await_no_processes();
}

#[test]
fn setting_turns_it_off_and_a_cluster_that_does_not_answer_stops_nothing() {
    let profile = "launcher: script\nscript: {path: launch_h100-a.sh, slurm-job-names: []}\n";
    let fixture = with_slurm(&format!("{ALLOCATE}{MEASURE}"), "");
    fixture.write("runners/h100-a.yaml", profile);
    assert_eq!(fixture.run().code, Some(0));
    assert!(fixture.read("queue/jobs").starts_with("42|") && !fixture.path("queue/cancelled").exists());

    let fixture = with_slurm(MEASURE, "").tools(&[("squeue", "echo 'squeue: error: Unable to contact slurm controller' >&2; exit 1")]);
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("warning: the runner's Slurm jobs cannot be listed"),
        "{}",
        ended.stderr
    );
}

fn phases(fixture: &Fixture) -> Vec<(String, String)> {
    let job = fixture.job();
    let phases = job["phases"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let shown = phases.map(|phase| (text(&phase["phase"]), text(&phase["ending"])));
    shown
        .filter(|(phase, _)| ["queue", "ready", "load"].contains(&phase.as_str()))
        .collect()
}

fn pair(phase: &str, ending: &str) -> (String, String) {
    (phase.to_owned(), ending.to_owned())
}

#[test]
fn queue_start_and_load_are_told_apart() {
    // The script waits for its nodes, starts its engine, and then loads it, each when the test says so.
    let script = "STATE=PENDING salloc --job-name=\"$RUNNER_NAME\"; until [ -e start ]; do sleep 0.05; done\n\
                  until [ -e load ]; do sleep 0.05; done; echo '+ python3 benchmark_serving.py --model m'\n\
                  until [ -e end ]; do sleep 0.05; done; cp raw.json \"$RESULT_FILENAME.json\"";
    let fixture = with_slurm(script, "");
    let mut run = fixture.start();
    run.await_line("phase queue");
    let line = run.await_line("Slurm job 42");
    assert!(line.contains("waits: Resources"), "{line}");
    let jobs = fixture.read("queue/jobs");
    fixture.write("queue/jobs", &jobs.replace("PENDING", "RUNNING"));
    let line = run.await_line("Slurm job 42");
    assert!(line.contains("runs on n1"), "{line}");
    fixture.write("start", "");
    run.await_line("phase ready");
    fixture.write("load", "");
    run.await_line("phase load");
    fixture.write("end", "");
    let ended = run.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(
        phases(&fixture),
        [pair("queue", "done"), pair("ready", "done"), pair("load", "done")]
    );
}

#[test]
fn recipe_has_one_deadline_and_the_queue_its_own() {
    let profile = |deadlines: &str| format!("launcher: script\nscript: launch_h100-a.sh\ndeadlines: {{{deadlines}}}\n");
    let fixture = with_slurm("echo '+ vllm bench serve --model m'; exec sleep @MARK@", "");
    // Longer than the output is looked at, so that the load has begun.
    fixture.write("runners/h100-a.yaml", &profile("recipe: 3s"));
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let reason = fixture.job()["outcome"]["reason"].as_str().unwrap().to_owned();
    assert!(
        reason.contains("did not end within 3 s") && reason.contains("raise `deadlines.recipe`"),
        "{reason}"
    );
    fixture.assert_nothing_runs();

    let fixture = with_slurm("STATE=PENDING salloc --job-name=\"$RUNNER_NAME\"; exec sleep @MARK@", "");
    fixture.write(
        "runners/h100-a.yaml",
        &format!("{}retries: {{attempts: 1}}\n", profile("queue: 1s")),
    );
    let ended = fixture.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert_eq!(fixture.job()["outcome"]["cause"], json!("queue-deadline"));
    wait_until("the pending job is cancelled", || fixture.read("queue/jobs").is_empty());
}
