//! Container engines of the tests' own: `dockerd`, and Podman's service with the same API. They need root and the Debian
//! packages `docker.io` and `iptables`, or `podman`, `crun` and `runc`. Both live as long as the test process.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::harness::{program, wait_until};

const NEEDS: &str = "needs docker.io, podman and root";
/// An image of this machine's own bash and of the libraries that `imax` needs; no registry is asked.
pub const IMAGE: &str = "imax-test/engine:1";

/// A device that is a file of this machine under another name.
pub const CDI_DEVICE: &str = "imax-test.example/gpu=0";

fn path() -> String {
    std::env::var("PATH").unwrap()
}

fn docker_arguments(folder: &str, socket: &str) -> Vec<String> {
    let below = |name: &str| format!("{folder}/{name}");
    let names = [
        ("-H", socket.to_owned()),
        ("--data-root", below("data")),
        ("--exec-root", below("exec")),
        ("--pidfile", below("pid")),
    ];
    names.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// A container engine.
pub struct Daemon {
    folder: tempfile::TempDir,
    /// How it is started.
    words: Vec<String>,
    path: String,
}

impl Daemon {
    /// Docker.
    pub fn docker() -> &'static Self {
        static DAEMON: OnceLock<Daemon> = OnceLock::new();
        DAEMON.get_or_init(|| {
            Self::start("dockerd", &path(), |folder, socket| {
                // Where this program is there, dockerd takes requests for NVIDIA GPUs and tells it by a variable which.
                let hook = format!("{folder}/bin/nvidia-container-runtime-hook");
                std::fs::write(&hook, "#!/bin/sh\nexec /bin/cat >/dev/null\n").unwrap();
                std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
                docker_arguments(folder, socket)
            })
        })
    }

    /// A Docker that hands devices by CDI, from version 25 on, with one device of the tests' own: [`CDI_DEVICE`].
    pub fn docker_with_cdi() -> &'static Self {
        static DAEMON: OnceLock<Daemon> = OnceLock::new();
        DAEMON.get_or_init(|| {
            let newer = std::env::var("IMAX_TEST_DOCKER").expect("the folder that tests/docker/fetch.sh made");
            Self::start("dockerd", &format!("{newer}/bin:{}", path()), |folder, socket| {
                let (kind, device) = CDI_DEVICE.split_once('=').unwrap();
                let specification = json!({"cdiVersion": "0.6.0", "kind": kind, "devices": [{"name": device, "containerEdits": {
                    "env": ["HANDED_DEVICE=by CDI"],
                    "deviceNodes": [{"path": "/dev/imax-test-gpu", "hostPath": "/dev/null"}]
                }}]});
                let write =
                    |name: &str, document: &serde_json::Value| std::fs::write(format!("{folder}/{name}"), document.to_string()).unwrap();
                std::fs::create_dir(format!("{folder}/cdi")).unwrap();
                write("cdi/test.json", &specification);
                write(
                    "daemon.json",
                    &json!({"features": {"cdi": true}, "cdi-spec-dirs": [format!("{folder}/cdi")]}),
                );
                let mut arguments = docker_arguments(folder, socket);
                arguments.extend(["--config-file".to_owned(), format!("{folder}/daemon.json")]);
                arguments
            })
        })
    }

    /// Podman's service.
    pub fn podman() -> &'static Self {
        static DAEMON: OnceLock<Daemon> = OnceLock::new();
        DAEMON.get_or_init(|| {
            Self::start("podman", &path(), |folder, socket| {
                [
                    "--root",
                    &format!("{folder}/root"),
                    "--runroot",
                    &format!("{folder}/run"),
                    "system",
                    "service",
                    "--time=0",
                    socket,
                ]
                .map(str::to_owned)
                .to_vec()
            })
        })
    }

    fn start(program: &'static str, path: &str, arguments: impl FnOnce(&str, &str) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = format!("unix://{}", folder.path().join("socket").display());
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        let path = format!("{}/bin:{path}", folder.path().display());
        let arguments = arguments(&folder.path().display().to_string(), &socket);
        // Podman without systemd needs a runtime and a cgroup manager that do without it.
        let settings = folder.path().join("containers.conf");
        std::fs::write(
            &settings,
            "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n",
        )
        .unwrap();
        let words = [program.to_owned()].into_iter().chain(arguments).collect();
        let daemon = Self { folder, words, path };
        daemon.spawn();
        daemon.import_image();
        daemon
    }

    /// Starts the process and waits until it answers.
    fn spawn(&self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"));
        // `setpriv` asks the kernel to stop it when the thread that started it ends: this one ends with the tests.
        let mut command = Command::new("setpriv");
        command
            .env("PATH", &self.path)
            .args(["--pdeathsig", "TERM"])
            .args(&self.words)
            .env("CONTAINERS_CONF", self.folder.path().join("containers.conf"))
            .stdout(Stdio::null())
            .stderr(log.unwrap());
        std::thread::spawn(move || command.spawn().expect(NEEDS).wait());
        wait_until("the container engine answers", || self.ask(&["version"]).is_some());
    }

    /// Kills Docker, so that nobody can stop its containers.
    pub fn kill(&self) {
        let number: i32 = std::fs::read_to_string(self.folder.path().join("pid"))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        kill(Pid::from_raw(number), Signal::SIGKILL).unwrap();
        wait_until("Docker has ended", || !Path::new(&format!("/proc/{number}/exe")).exists());
    }

    /// Starts Docker again after [`Daemon::kill`], with what it had.
    pub fn start_again(&self) {
        let _ = std::fs::remove_file(self.folder.path().join("pid"));
        self.spawn();
    }

    /// Its socket.
    pub fn socket(&self) -> String {
        self.folder.path().join("socket").display().to_string()
    }

    /// What the command line client says; nothing where it fails.
    pub fn ask(&self, arguments: &[&str]) -> Option<String> {
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

    fn import_image(&self) {
        let script = format!(
            "set -e; files=$(for f in /bin/bash /bin/sleep /usr/bin/touch /usr/bin/setsid; do echo $f; done; \
             for f in /bin/bash /bin/sleep /usr/bin/touch /usr/bin/setsid {}; do ldd $f | grep -o '/[^ ]*' || true; done | sort -u); \
             tar -chf - $files | docker -H unix://{} import --change 'ENV PATH=/bin:/usr/bin' - {IMAGE}",
            program().display(),
            self.socket()
        );
        let import = Command::new("bash").args(["-c", &script]).stdout(Stdio::null()).status().unwrap();
        assert!(import.success());
    }

    /// Whether the engine hands devices by CDI: Docker does since version 25.
    pub fn knows_cdi(&self) -> bool {
        let version = self.ask(&["version", "--format", "{{.Server.Version}}"]).unwrap();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.is_some_and(|major| major >= 25)
    }

    /// The names of all containers.
    pub fn containers(&self) -> String {
        self.ask(&["ps", "-a", "--format", "{{.Names}}"]).unwrap()
    }
}
