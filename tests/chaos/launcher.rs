//! A job of each launcher whose load lasts until it is disturbed.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::cluster::Cluster;
use crate::container_engine::{Daemon, IMAGE};
use crate::disturbance::Disturbance;
use crate::fixture::Fixture;
use crate::harness::{Running, wait_until};
use crate::surroundings::{OWN_NETWORK, SmallDisk, faketime, with_own_clock};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    Local,
    Docker,
    Slurm,
}

/// Each token takes seconds, and there are more requests than anybody waits for.
const LOCAL: &str = "(setsid -f sleep @MARK@)\n\
    exec \"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms 300 --served-model-name \"$MODEL\" --host 127.0.0.1 --port \"$PORT\" --ground-truth truth-@MARK@";
const ELSEWHERE: &str = "sleep @MARK@ &\nexec \"$IMAX_BIN\" sim --ttft-ms 5 --itl-ms 300 --served-model-name \"$MODEL\" --host 0.0.0.0 --port \"$PORT\" \
     --ground-truth \"$IMAX_OUT/truth-@MARK@\"";

/// A running job.
pub struct Job {
    pub launcher: Launcher,
    pub fixture: Fixture,
    pub run: Running,
    /// Its id, which is part of every name that it gives.
    pub id: String,
    /// The small file system of its results, for a disturbance that fills it.
    pub disk: Option<SmallDisk>,
}

impl Launcher {
    /// The launchers that the environment names, else those whose programs are here.
    pub fn wanted() -> Vec<Self> {
        let all = [
            (Self::Local, "local", "bash"),
            (Self::Docker, "docker", "dockerd"),
            (Self::Slurm, "slurm", "slurmctld"),
        ];
        let named = std::env::var("IMAX_CHAOS_LAUNCHERS").ok();
        let is_wanted = |name: &str, program: &str| match &named {
            Some(names) => names.split(',').any(|one| one == name),
            None => is_installed(program),
        };
        let wanted: Vec<Self> = all
            .into_iter()
            .filter(|(_, name, program)| is_wanted(name, program))
            .map(|(launcher, ..)| launcher)
            .collect();
        assert!(!wanted.is_empty(), "IMAX_CHAOS_LAUNCHERS: expected local, docker or slurm");
        wanted
    }

    /// Starts a job with what a disturbance needs around it.
    pub fn start(self, disturbance: Disturbance) -> Job {
        let fixture = match self {
            Self::Local => Fixture::with_recipe(LOCAL),
            Self::Docker => {
                let fixture = Fixture::with_recipe(ELSEWHERE);
                let socket = Daemon::docker().socket();
                fixture.write(
                    "runners/h100-a.yaml",
                    &format!("launcher: docker\nretries: {{attempts: 1}}\ndocker: {{socket: {socket}}}\n"),
                );
                fixture.row(|row| row["image"] = json!(IMAGE));
                fixture
            }
            Self::Slurm => {
                let fixture = Fixture::with_recipe(ELSEWHERE);
                let secrets = fixture.path("secrets").display().to_string();
                let settings = format!("partition: main, gpus-option: '--gres=gpu:{{gpus}}', gpus-per-node: 4, secrets-folder: {secrets}");
                fixture.write(
                    "runners/h100-a.yaml",
                    &format!("launcher: slurm\nretries: {{attempts: 1}}\nslurm: {{{settings}}}\n"),
                );
                fixture
                    .environment("SLURM_CONF", &Cluster::get().configuration())
                    .environment("HF_TOKEN", "x")
            }
        };
        fixture.row(|row| {
            row["osl"] = json!(100);
            row["max-model-len"] = json!(200);
            if self == Self::Docker {
                row["image"] = json!(IMAGE);
            }
        });
        // Under nohup, as in some CI, SIGHUP would stay ignored.
        let fixture = fixture.arguments(&["--num-prompts-per-conc", "500"]);
        let with_hangup = ["env", "--default-signal=HUP"];
        let fixture = if disturbance == Disturbance::CutNetwork {
            fixture.started_by(&[&OWN_NETWORK[..], &with_hangup].concat())
        } else if disturbance.sets_clock() {
            with_own_clock(fixture.started_by(&with_hangup), &faketime().unwrap())
        } else {
            fixture.started_by(&with_hangup)
        };
        let disk = (disturbance == Disturbance::FullDisk).then(|| SmallDisk::of(&fixture));
        let mut run = fixture.start();
        let line = run.await_line("job imax-");
        let id = line.split([' ', ':']).nth(1).unwrap().to_owned();
        Job {
            launcher: self,
            fixture,
            run,
            id,
            disk,
        }
    }
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("which")
        .arg(program)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

/// What may be left of a job.
pub struct Traces<'a> {
    pub launcher: Launcher,
    pub fixture: &'a Fixture,
    pub id: &'a str,
    /// State files that must be there: that of a job which may still appear.
    pub states: usize,
}

impl Traces<'_> {
    /// Waits until the watchdog and all of the job have ended, and asserts that nothing is left.
    pub fn assert_none(&self) {
        wait_until("no process has the job's id", || processes_with(self.id).is_empty());
        self.fixture.await_no_processes();
        let hidden: Vec<String> = self.fixture.results().into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(hidden, Vec::<String>::new(), "temporary files");
        match self.launcher {
            Launcher::Local => {}
            Launcher::Docker => assert!(!Daemon::docker().containers().contains(self.id), "container {}", self.id),
            Launcher::Slurm => {
                wait_until("Slurm has no job", || Cluster::get().queued(self.id).is_empty());
                let secrets = std::fs::read_dir(self.fixture.path("secrets")).map_or(0, Iterator::count);
                assert_eq!(secrets, 0, "files of secrets");
            }
        }
        assert_eq!(self.fixture.states(), self.states, "state files");
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(self.id), "mounts");
    }
}

/// The processes that have the id in their command line or environment.
fn processes_with(id: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let has_id = |number: &i32| {
        ["cmdline", "environ"].iter().any(|file| {
            let bytes = std::fs::read(format!("/proc/{number}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(id)
        })
    };
    numbers.filter(has_id).collect()
}
