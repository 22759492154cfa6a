//! The docker launcher against a real container engine. The tests start their own `dockerd`, so they need root and the
//! Debian packages `docker.io` and `iptables`; they run with `--ignored`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::Signal;
use serde_json::json;

use super::world::{CANCELLED_WITHIN, World, await_that};

const NEEDS: &str = "needs docker.io and root";
const IMAGE: &str = "imax-test/engine:1";

/// A `dockerd` of the tests' own. It lives as long as the test process.
struct Daemon {
    folder: tempfile::TempDir,
}

impl Daemon {
    fn get() -> &'static Self {
        static DAEMON: OnceLock<Daemon> = OnceLock::new();
        DAEMON.get_or_init(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let arguments = [
            "--data-root",
            &path("data"),
            "--exec-root",
            &path("exec"),
            "--pidfile",
            &path("pid"),
        ]
        .map(str::to_owned);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let host = format!("unix://{}", path("docker.sock"));
        // `setpriv` asks the kernel to stop it when the thread that started it ends: this one ends with the tests.
        std::thread::spawn(move || {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "TERM", "dockerd", "-H", &host]).args(arguments);
            let mut process = command.stdout(Stdio::null()).stderr(log).spawn().expect(NEEDS);
            process.wait()
        });
        let daemon = Self { folder };
        await_that("dockerd answers", || daemon.docker(&["version"]).is_some());
        daemon.import_image();
        daemon
    }

    fn socket(&self) -> String {
        self.folder.path().join("docker.sock").display().to_string()
    }

    fn docker(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("docker")
            .args(["-H", &format!("unix://{}", self.socket())])
            .args(arguments)
            .output()
            .expect(NEEDS);
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// An image of this machine's own bash and of what `imax` needs; no registry is asked.
    fn import_image(&self) {
        let script = format!(
            "set -e; files=$(for f in /bin/bash /bin/sleep /usr/bin/touch /usr/bin/setsid {}; do echo $f; ldd $f | grep -o '/[^ ]*' || true; done | sort -u); \
             tar -chf - $files | docker -H unix://{} import --change 'ENV PATH=/bin:/usr/bin' - {IMAGE}",
            env!("CARGO_BIN_EXE_imax"),
            self.socket()
        );
        assert!(
            Command::new("bash")
                .args(["-c", &script])
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
    }

    fn containers(&self) -> String {
        self.docker(&["ps", "-a", "--format", "{{.Names}}"]).unwrap()
    }
}

const ENGINE: &str = "exec \"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms 2 --served-model-name \"$MODEL\" --host 0.0.0.0 --port \"$PORT\"";

fn world(recipe: &str, settings: &str) -> World {
    let world = World::with_recipe(recipe);
    let socket = Daemon::get().socket();
    world.write(
        "runners/h100-a.yaml",
        &format!("launcher: docker\ndeadlines: {{ready: 20s}}\ndocker: {{socket: {socket}{settings}}}\n"),
    );
    world.row(|row| row["image"] = json!(IMAGE));
    world
}

#[test]
#[ignore = "needs docker.io and root"]
fn a_row_is_measured_in_a_container_that_is_gone_afterwards() {
    let world = world(ENGINE, "");
    let ended = world.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, world.read("out/server.log"));
    let job = world.job();
    assert!(
        job["provenance"]["engine"]["image_digest"].as_str().unwrap().starts_with("sha256:"),
        "{job}"
    );
    assert!(world.read("out/server.log").contains("simulated engine listening"));
    let id = job["job_id"].as_str().unwrap();
    assert!(!Daemon::get().containers().contains(id));
}

#[test]
#[ignore = "needs docker.io and root"]
fn the_port_is_mapped_where_the_nodes_network_is_not_used() {
    let world = world(ENGINE, ", host-network: false");
    let ended = world.run();
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, world.read("out/server.log"));
}

#[test]
#[ignore = "needs docker.io and root"]
fn a_container_that_dies_gives_its_exit_code_and_log() {
    let world = world("echo 'RuntimeError: HIP out of memory.'; exit 9", "");
    let ended = world.run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let job = world.job();
    assert!(
        job["outcome"]["reason"].as_str().unwrap().contains("ended with exit status 9"),
        "{job}"
    );
    assert_eq!(job["outcome"]["cause"], json!("gpu-out-of-memory"));
}

#[test]
#[ignore = "needs docker.io and root"]
fn an_image_that_does_not_exist_is_named_with_the_remedy() {
    let world = world(ENGINE, "");
    world.row(|row| row["image"] = json!("127.0.0.1:1/no/such:1"));
    let ended = world.run();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("cannot pull the image 127.0.0.1:1/no/such:1"),
        "{}",
        ended.stderr
    );
}

#[test]
#[ignore = "needs docker.io and root"]
fn a_cancelled_job_leaves_no_container_and_a_strangers_one_runs_on() {
    let daemon = Daemon::get();
    let stranger = daemon.docker(&["run", "-d", IMAGE, "/bin/sleep", "1000"]).unwrap();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let world = world("trap '' TERM; touch \"$IMAX_OUT/deaf\"; sleep 1000; sleep 1000", "");
        let mut run = world.start();
        run.await_line("phase ready");
        world.await_file("out/deaf");
        let sent = std::time::Instant::now();
        run.signal(signal);
        let ended = run.end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(sent.elapsed() < CANCELLED_WITHIN, "{:?}", sent.elapsed());
        assert!(!daemon.containers().contains(world.job()["job_id"].as_str().unwrap()));
        assert_eq!(world.states(), 0);
    }
    assert_eq!(
        daemon.docker(&["inspect", "-f", "{{.State.Running}}", &stranger]).as_deref(),
        Some("true")
    );
    daemon.docker(&["rm", "-f", &stranger]).unwrap();
}

#[test]
#[ignore = "needs docker.io and root"]
fn the_container_of_a_killed_job_is_reaped_and_a_strangers_one_is_not() {
    let daemon = Daemon::get();
    let stranger = daemon
        .docker(&["run", "-d", "--label", "imax.job=imax-0", IMAGE, "/bin/sleep", "1000"])
        .unwrap();
    let world = world("touch \"$IMAX_OUT/started\"; exec sleep 1000", "");
    let mut run = world.start();
    run.await_line("phase ready");
    world.await_file("out/started");
    run.signal(Signal::SIGKILL);
    run.end();
    let state = std::fs::read_dir(world.path("state")).unwrap().next().unwrap().unwrap().path();
    let id = Path::new(&state).file_stem().unwrap().to_str().unwrap().to_owned();
    assert!(daemon.containers().contains(&id));
    let ended = world.reap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("removed container {id}")) || ended.stderr.contains("removed process"),
        "{}",
        ended.stderr
    );
    assert!(!daemon.containers().contains(&id));
    assert_eq!(world.states(), 0);
    assert_eq!(
        daemon.docker(&["inspect", "-f", "{{.State.Running}}", &stranger]).as_deref(),
        Some("true")
    );
    daemon.docker(&["rm", "-f", &stranger]).unwrap();
}
