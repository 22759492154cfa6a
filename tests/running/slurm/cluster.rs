//! A Slurm cluster of the tests' own. It lives as long as the test process.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::harness::wait_until;

const NEEDS: &str = "needs Slurm (slurm-wlm, slurm-client, munge) and root";

pub struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    pub fn get() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm/start.sh");
        let status = Command::new(script).arg(folder.path()).stdin(Stdio::null()).status().expect(NEEDS);
        assert!(status.success(), "{NEEDS}");
        // The daemons outlive this process unless somebody ends them.
        let (own, place) = (std::process::id(), folder.path().display());
        let watchdog = format!("while kill -0 {own} 2>/dev/null; do sleep 1; done; {place}/stop.sh; rm -rf {place}");
        Command::new("setsid")
            .args(["-f", "bash", "-c", &watchdog])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        Self { folder }
    }

    pub fn configuration(&self) -> String {
        self.folder.path().join("slurm.conf").display().to_string()
    }

    /// Runs one of Slurm's tools.
    pub fn tool(&self, tool: &str, arguments: &[&str]) -> String {
        let output = Command::new(tool)
            .args(arguments)
            .env("SLURM_CONF", self.configuration())
            .output()
            .expect(NEEDS);
        assert!(
            output.status.success(),
            "{tool} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Submits a stranger's job that only sleeps, and waits until it runs.
    pub fn stranger(&self, partition: &str, name: &str) -> Stranger {
        let stranger = self.stranger_soon(partition, name);
        wait_until("the stranger's job runs", || self.state(&stranger.number) == "RUNNING");
        stranger
    }

    /// Submits a stranger's job that only sleeps.
    pub fn stranger_soon(&self, partition: &str, name: &str) -> Stranger {
        let partition = format!("--partition={partition}");
        let name = format!("--job-name={name}");
        let number = self.tool(
            "sbatch",
            &[
                "--parsable",
                &partition,
                &name,
                "--exclusive",
                "--output=/dev/null",
                "--wrap=sleep 1000",
            ],
        );
        Stranger { number }
    }

    pub fn state(&self, number: &str) -> String {
        self.tool(
            "squeue",
            &["--noheader", "--states=all", &format!("--jobs={number}"), "--format=%T"],
        )
    }

    /// Jobs of a launch script have the name of the runner, and a run cancels those of its own: tests of one runner wait for each other.
    pub fn runner() -> MutexGuard<'static, ()> {
        static RUNNER: Mutex<()> = Mutex::new(());
        RUNNER.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers of the jobs with a name that are not over.
    pub fn queued(&self, name: &str) -> Vec<String> {
        let text = self.tool("squeue", &["--noheader", &format!("--name={name}"), "--format=%i"]);
        text.lines().map(str::to_owned).collect()
    }
}

/// A stranger's job; it is cancelled when this goes.
pub struct Stranger {
    pub number: String,
}

impl Stranger {
    pub fn assert_runs(&self) {
        let cluster = Cluster::get();
        let state = cluster.state(&self.number);
        let job = cluster.tool("scontrol", &["--oneliner", "show", "job", &self.number]);
        let logs =
            ["slurmctld", "node-0", "node-1"].map(|log| std::fs::read_to_string(cluster.file(&format!("log/{log}"))).unwrap_or_default());
        assert_eq!(state, "RUNNING", "{job}\n{}", logs.join("\n\n"));
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        Cluster::get().tool("scancel", &[&self.number]);
    }
}
