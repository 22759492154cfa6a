//! A job whose user has no thread left while an engine starts: a library panics where imax starts one for the load, and nothing may be left
//! running.

use super::fixture::{Fixture, await_end_of, watchdog_of};
use super::success::ENGINE;
use crate::harness::{Finish as _, clean_command, program};

/// A user without other processes: the limit is one of a user's threads, and does not hold for root.
const USER: &str = "64998";

#[test]
#[ignore = "needs root, to become another user"]
fn job_without_threads_ends_and_stops_its_engine() {
    let (user, group) = (format!("--reuid={USER}"), format!("--regid={USER}"));
    let recipe = format!("touch starting\nuntil [ -e go ]; do sleep 0.02; done\n{ENGINE}");
    let fixture = Fixture::with_recipe(&recipe).started_by(&["setpriv", &user, &group, "--clear-groups"]);
    // A copy: the folder of the build may be closed to that user.
    let own = fixture.path("imax");
    std::fs::copy(program(), &own).unwrap();
    let fixture = fixture.program(own);
    let owned = clean_command("chown").args(["-R", USER]).arg(fixture.path("")).finish();
    assert!(owned.status.success());

    let run = fixture.start();
    fixture.await_file("starting");
    // As that user: a container's root may not change the limits of others.
    let limited = clean_command("setpriv")
        .args([&user, &group, "--clear-groups", "prlimit", "--nproc=1:1", "--pid"])
        .arg(run.id().to_string())
        .finish();
    assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stderr));
    fixture.write("go", "");
    let watchdog = watchdog_of(&run);
    let ended = run.finish();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("error: cannot start a thread: "), "{}", ended.stderr);
    await_end_of(watchdog);
    fixture.await_no_processes();
    assert_eq!(fixture.states(), 0);
}
