//! What put itself in the background is ended with its job, on each of its nodes. This cluster tracks processes by their
//! parents, so Slurm itself loses sight of a session of its own; and each node has process numbers of its own, so none can
//! reach what runs on another.

use nix::sys::signal::Signal;

use super::super::fixture::Fixture;
use super::super::stopwatch::Stopwatch;
use super::cluster::{Cluster, Stranger};
use super::{ENGINE, fixture, on_two_nodes};
use crate::harness::wait_until;

/// What stays on a node until it is killed.
const DAEMON: &str = "trap '' TERM; touch \"$IMAX_OUT/deaf-$SLURMD_NODENAME\"; while :; do sleep @MARK@; done";
/// Leaves it there.
const LEAVE: &str = "setsid -f bash \"$GITHUB_WORKSPACE/daemon.sh\" @MARK@ </dev/null >/dev/null 2>&1\n";
/// Leaves one on each of two nodes; to Slurm that step is over then. Another holds everything that the job has.
const STEPS: &str = "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 bash \"$GITHUB_WORKSPACE/leave.sh\"\n\
    srun --nodes=2 --ntasks=2 --ntasks-per-node=1 sleep @MARK@ &\n";

/// How a recipe ends after it has left its daemons.
enum End {
    /// It obeys SIGTERM.
    Obeys,
    /// It ends only when it is killed.
    IsDeaf,
    /// It fails by itself.
    Fails,
    /// It serves, is measured and stopped.
    IsMeasured,
}

impl End {
    fn recipe(&self) -> String {
        match self {
            Self::Obeys => "exec sleep @MARK@".to_owned(),
            Self::IsDeaf => "trap '' TERM; while :; do sleep @MARK@; done".to_owned(),
            Self::Fails => "until [ -e \"$IMAX_OUT/go\" ]; do sleep 0.05; done; exit 1".to_owned(),
            Self::IsMeasured => ENGINE.to_owned(),
        }
    }

    /// Ends the job, whose daemons run on these nodes, and looks for what is left.
    fn assert_nothing_is_left(&self, fixture: &Fixture, nodes: &[&str]) {
        let mut run = fixture.start();
        let is_killed = match self {
            Self::Obeys | Self::IsDeaf | Self::Fails => {
                run.await_line("phase ready");
                nodes.iter().for_each(|node| fixture.await_file(&format!("out/deaf-{node}")));
                let sent = Stopwatch::start();
                let code = match self {
                    Self::Obeys => Some(Signal::SIGINT),
                    Self::IsDeaf => Some(Signal::SIGTERM),
                    Self::Fails | Self::IsMeasured => None,
                };
                code.inspect(|signal| run.signal(*signal));
                fixture.write("out/go", "");
                let ended = run.finish();
                let expected = code.map_or(1, |signal| 128 + signal as i32);
                assert_eq!(ended.code, Some(expected), "{}", ended.stderr);
                if code.is_some() {
                    sent.assert_cancelled_in_time(&ended.stderr);
                }
                matches!(self, Self::IsDeaf)
            }
            Self::IsMeasured => {
                let ended = run.finish();
                assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, fixture.read("out/server.log"));
                false
            }
        };
        wait_until("nothing of the job runs", || fixture.processes().is_empty());
        assert_eq!(fixture.states(), 0);
        let log = fixture.read("out/server.log");
        for node in nodes {
            assert!(
                is_killed || log.contains(&format!("imax: ended what the job left on {node}")),
                "{log}"
            );
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
    for end in [End::Obeys, End::IsDeaf, End::Fails, End::IsMeasured] {
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
