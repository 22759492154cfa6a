//! What put itself in the background is ended with its job, on each of its nodes. This cluster tracks processes by their
//! parents, so Slurm itself loses sight of a session of its own; and each node has process numbers of its own, so none can
//! reach what runs on another.

use nix::sys::signal::Signal;

use super::super::fixture::Fixture;
use super::super::stopwatch::Stopwatch;
use super::cluster::{Cluster, Stranger};
use super::{ENGINE, fixture, id_of, on_two_nodes};
use crate::harness::wait_until;

/// What stays on a node until it is killed.
const DAEMON: &str = "trap '' TERM; touch \"$IMAX_OUT/daemon-$SLURMD_NODENAME\"; while :; do sleep @MARK@; done";
/// Leaves it there.
const LEAVE: &str = "setsid -f bash \"$GITHUB_WORKSPACE/daemon.sh\" @MARK@ </dev/null >/dev/null 2>&1\n";
/// Leaves one on each of two nodes; to Slurm that step is over then. Another holds everything that the job has.
const STEPS: &str = "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 bash \"$GITHUB_WORKSPACE/leave.sh\"\n\
    srun --nodes=2 --ntasks=2 --ntasks-per-node=1 sleep @MARK@ &\n";

/// How a job ends whose recipe has left its daemons.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The run is cancelled and the recipe obeys SIGTERM.
    Obeys,
    /// The run is cancelled and the recipe ends only when it is killed.
    IgnoresSigterm,
    /// Slurm ends the job, as at its time limit; such a job gets no more steps.
    ByCluster,
    /// The recipe fails by itself.
    Fails,
    /// The recipe serves, is measured and stopped.
    IsMeasured,
}

impl End {
    fn recipe(self) -> String {
        match self {
            Self::Obeys | Self::ByCluster => "exec sleep @MARK@".to_owned(),
            Self::IgnoresSigterm => "trap '' TERM; while :; do sleep @MARK@; done".to_owned(),
            Self::Fails => "until [ -e \"$IMAX_OUT/go\" ]; do sleep 0.05; done; exit 1".to_owned(),
            Self::IsMeasured => ENGINE.to_owned(),
        }
    }

    fn exit_code(self) -> i32 {
        match self {
            Self::Obeys => 128 + Signal::SIGINT as i32,
            Self::IgnoresSigterm => 128 + Signal::SIGTERM as i32,
            Self::ByCluster => 4,
            Self::Fails => 1,
            Self::IsMeasured => 0,
        }
    }

    /// Ends the job, whose daemons run on these nodes, and looks for what is left.
    fn assert_nothing_is_left(self, fixture: &Fixture, nodes: &[&str]) {
        let mut run = fixture.start();
        if !matches!(self, Self::IsMeasured) {
            run.await_line("phase ready");
            nodes.iter().for_each(|node| fixture.await_file(&format!("out/daemon-{node}")));
        }
        let sent = Stopwatch::start();
        match self {
            Self::Obeys => run.signal(Signal::SIGINT),
            Self::IgnoresSigterm => run.signal(Signal::SIGTERM),
            Self::ByCluster => {
                let cluster = Cluster::get();
                cluster
                    .queued(&id_of(fixture))
                    .iter()
                    .for_each(|job| drop(cluster.tool("scancel", &[job])));
            }
            Self::Fails => fixture.write("out/go", ""),
            Self::IsMeasured => {}
        }
        let ended = run.finish();
        let log = fixture.read("out/server.log");
        assert_eq!(ended.code, Some(self.exit_code()), "{self:?}: {}\n{log}", ended.stderr);
        if matches!(self, Self::Obeys | Self::IgnoresSigterm) {
            sent.assert_cancelled_in_time(&ended.stderr);
        }
        fixture.await_no_processes();
        assert_eq!(fixture.states(), 0);
        for node in nodes {
            // A script that is killed may not have the time to say it.
            let is_said = matches!(self, Self::IgnoresSigterm) || log.contains(&format!("imax: ended what the job left on {node}"));
            assert!(is_said, "{self:?}: {log}");
        }
    }
}

/// A job on both nodes whose processes carry another job's id.
fn stranger() -> Stranger {
    let started = tempfile::tempdir().unwrap();
    let place = started.path().display();
    let number = Cluster::get().tool(
        "sbatch",
        &[
            "--parsable",
            "--partition=main",
            "--nodes=2",
            "--ntasks-per-node=1",
            "--job-name=imax-0",
            "--export=ALL,IMAX_JOB_ID=imax-0",
            "--output=/dev/null",
            &format!("--wrap=srun --kill-on-bad-exit=1 bash -c 'touch {place}/$SLURMD_NODENAME; exec sleep 1000'"),
        ],
    );
    wait_until("the stranger runs on both nodes", || {
        ["node-0", "node-1"].iter().all(|node| started.path().join(node).exists())
    });
    Stranger { number }
}

#[test]
#[ignore = "needs Slurm"]
fn on_one_node() {
    let stranger = stranger();
    for end in [End::Obeys, End::Fails] {
        let fixture = fixture(&format!("{LEAVE}{}", end.recipe()), "main", "");
        let profile = fixture
            .read("runners/h100-a.yaml")
            .replace("slurm: {", "slurm: {nodelist: node-1, ");
        fixture.write("runners/h100-a.yaml", &profile);
        fixture.write("daemon.sh", DAEMON);
        end.assert_nothing_is_left(&fixture, &["node-1"]);
    }
    stranger.assert_runs();
}

#[test]
#[ignore = "needs Slurm"]
fn on_two_nodes_of_one_job() {
    let stranger = stranger();
    for end in [End::Obeys, End::IgnoresSigterm, End::ByCluster, End::Fails, End::IsMeasured] {
        let fixture = fixture("exit 9", "main", "");
        on_two_nodes(&fixture, &format!("{STEPS}{}", end.recipe()));
        // What most clusters are asked with; Slurm hands it on to the job's steps.
        let profile = fixture
            .read("runners/h100-a.yaml")
            .replace("--gres=gpu:{gpus}", "--gpus-per-node={gpus}");
        fixture.write("runners/h100-a.yaml", &profile);
        fixture.write("daemon.sh", DAEMON);
        fixture.write("leave.sh", LEAVE);
        end.assert_nothing_is_left(&fixture, &["node-0", "node-1"]);
    }
    stranger.assert_runs();
}
