//! Recipes that put something else in the place of the files that imax reads, and leave what must not be uploaded.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;

use super::fixture::Fixture;

const FAIL: &str = "echo 'torch.OutOfMemoryError: CUDA out of memory.'";

/// Runs a recipe that fails, with a file outside of the output folder that nothing may show.
fn run(recipe: &str) -> (Fixture, String) {
    let fixture = Fixture::with_recipe(&format!("{FAIL}\n{recipe}\nexit 1"));
    fixture.write("outside/private", "text of the host");
    let ended = fixture.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_nothing_of_the_host(&fixture, &ended.stderr);
    (fixture, ended.stderr)
}

fn assert_nothing_of_the_host(fixture: &Fixture, stderr: &str) {
    let job = fixture.read("out/job.json");
    for text in [stderr, &job] {
        assert!(!text.contains("text of the host"), "{text}");
    }
    assert_eq!(fixture.read("outside/private"), "text of the host");
    for entry in fs::read_dir(fixture.path("out")).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        assert!(kind.is_file() || kind.is_dir(), "{:?}", entry.path());
        assert!(!kind.is_fifo());
    }
}

/// The log is what the engine printed, however its file was replaced.
fn assert_log_counts(fixture: &Fixture) {
    assert!(fixture.read("out/server.log").contains("CUDA out of memory"));
    assert_eq!(fixture.job()["outcome"]["cause"], "gpu-out-of-memory");
}

#[test]
fn log_replaced_by_link_is_not_followed() {
    let (fixture, stderr) = run("ln -sf \"$PWD/outside/private\" \"$IMAX_OUT/server.log\"");
    assert_log_counts(&fixture);
    assert!(stderr.contains("server.log, which is written again"), "{stderr}");
}

#[test]
fn log_replaced_by_fifo_does_not_hang() {
    let (fixture, stderr) = run("rm \"$IMAX_OUT/server.log\"; mkfifo \"$IMAX_OUT/server.log\"");
    assert_log_counts(&fixture);
    assert!(stderr.contains("a FIFO that the job left"), "{stderr}");
}

#[test]
fn log_replaced_by_file_or_folder_is_written_again() {
    for replacement in ["echo mine > $IMAX_OUT/server.log", "mkdir $IMAX_OUT/server.log"] {
        let (fixture, _) = run(&format!("rm $IMAX_OUT/server.log; {replacement}"));
        assert_log_counts(&fixture);
        assert!(fixture.path("out/server.replaced.log").exists());
    }
}

#[test]
fn links_and_fifos_in_the_output_folder_are_removed_and_named() {
    let (_, stderr) = run(
        "mkdir -p $IMAX_OUT/deep; ln -s $PWD/outside $IMAX_OUT/deep/link; ln -s /etc/passwd $IMAX_OUT/agg_x.json; \
         mkfifo $IMAX_OUT/results_x.json $IMAX_OUT/job.json",
    );
    for name in [
        "deep/link, a symbolic link",
        "agg_x.json, a symbolic link",
        "results_x.json, a FIFO",
        "job.json, a FIFO",
    ] {
        assert!(stderr.contains(name), "{name}: {stderr}");
    }
}

/// A recipe that measures itself gives its result; a link or FIFO is none.
#[test]
fn result_that_is_no_file_fails_the_point() {
    for result in [
        "ln -s $PWD/outside/private $IMAX_OUT/$RESULT_FILENAME.json",
        "mkfifo $IMAX_OUT/$RESULT_FILENAME.json",
    ] {
        let fixture = Fixture::with_recipe(&format!("source \"$(dirname \"$0\")/benchmark_lib.sh\"\n{result}\n"));
        fixture.write("outside/private", "text of the host");
        fixture.write("benchmarks/benchmark_lib.sh", "");
        let ended = fixture.run();
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert_nothing_of_the_host(&fixture, &ended.stderr);
        let job = fixture.job().to_string();
        assert!(job.contains("expected a regular file"), "{job}");
    }
}
