//! The container image of a release: the static program in an image without anything else, where names are resolved through
//! `/etc/resolv.conf` alone. A static GNU C library that needed shared libraries for that would fail here.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::container_engine::Daemon;
use crate::harness::{Finish as _, clean_command, project};

const IMAGE: &str = "imax-test/released:1";

/// Builds the image around the binary that `.ci/run` made.
fn build_image(daemon: &Daemon) {
    let binary = PathBuf::from(std::env::var_os("IMAX_BINARY").expect("the static program that .ci/release build made"));
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join(format!("bin/{}-unknown-linux-gnu", std::env::consts::ARCH));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(binary, folder.join("imax")).unwrap();
    let built = clean_command(project().join(".ci/release"))
        .args(["image", IMAGE])
        .env("OUT", out.path())
        .env("DOCKER_HOST", format!("unix://{}", daemon.socket()))
        .finish();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

/// Runs the image in a network in which `engine` is a name.
fn run_image(daemon: &Daemon, network: &str, arguments: &[&str]) -> Output {
    let demo = project().join("benchmarks/demo");
    clean_command("docker")
        .args(["-H", &format!("unix://{}", daemon.socket()), "run", "--rm", "--network", network])
        .args(["--volume", &format!("{}:/tokenizer:ro", demo.display()), IMAGE])
        .args(arguments)
        .finish()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
#[ignore = "needs docker.io and root, and a static IMAX_BINARY"]
fn image_without_libraries_resolves_names_and_measures() {
    let daemon = Daemon::docker();
    build_image(daemon);
    let network = "imax-test-names";
    daemon.ask(&["network", "create", network]).expect("a network");
    let start = [
        "run",
        "--detach",
        "--name",
        "imax-test-engine",
        "--network",
        network,
        "--network-alias",
        "engine",
        IMAGE,
    ];
    let serve = ["sim", "--host", "0.0.0.0", "--port", "8000", "--served-model-name", "demo"];
    daemon.ask(&[&start[..], &serve[..]].concat()).expect("the simulated engine");

    // Its HTTP client, and then the sockets of the load driver, which resolve for themselves.
    let ready = run_image(daemon, network, &["ready", "--base-url", "http://engine:8000", "--deadline", "60s"]);
    assert!(ready.status.success(), "{}", stderr(&ready));
    let load = [
        "bench",
        "--base-url",
        "http://engine:8000",
        "--model",
        "/tokenizer",
        "--served-model-name",
        "demo",
    ];
    let size = [
        "--random-input-len",
        "32",
        "--random-output-len",
        "8",
        "--num-prompts",
        "4",
        "--max-concurrency",
        "2",
    ];
    let rest = [
        "--allow-saturated-client",
        "--save-result",
        "--result-dir",
        "/tmp",
        "--result-filename",
        "result.json",
    ];
    let bench = run_image(daemon, network, &[&load[..], &size[..], &rest[..]].concat());
    assert!(bench.status.success(), "{}", stderr(&bench));

    let unknown = run_image(daemon, network, &["ready", "--base-url", "http://nowhere:8000", "--deadline", "2s"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", stderr(&unknown));
    assert!(
        stderr(&unknown).contains("failed to lookup address information"),
        "{}",
        stderr(&unknown)
    );

    let inspected = daemon.ask(&["image", "inspect", IMAGE]).unwrap();
    let image: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(image[0]["Config"]["User"], "65532:65532");
    daemon.ask(&["rm", "--force", "imax-test-engine"]).expect("the engine stops");
}
