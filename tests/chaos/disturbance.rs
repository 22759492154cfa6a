//! What happens to a job, and what must follow.

use std::io::Write as _;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, prlimit};

use crate::container_engine::Daemon;
use crate::fixture::watchdog_of;
use crate::harness::{Finished, Running};
use crate::launcher::{Job, Launcher, Traces};
use crate::stopwatch::Stopwatch;
use crate::surroundings;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    Interrupt,
    Terminate,
    Hangup,
    /// A second signal, soon after the first.
    TwoSignals,
    /// SIGKILL of `imax run`; its watchdog is left.
    Kill,
    /// SIGKILL of the watchdog, then a signal to `imax run`.
    KillWatchdog,
    /// SIGSTOP and SIGCONT of `imax run`, then a signal.
    Pause,
    /// SIGSTOP of the engine, then a signal to `imax run`: the engine cannot end by itself.
    PauseEngine,
    /// SIGKILL of the engine, as by the kernel's out-of-memory killer.
    KillEngine,
    KillContainer,
    /// No more memory for `imax run`, then a signal.
    NoMemory,
    /// No file may grow, then a signal.
    NoFileSpace,
    /// The file system of the results is full, then a signal.
    FullDisk,
    /// SIGKILL of the container engine, which leaves nobody who could stop the container; it is started again before the clean-up.
    KillContainerEngine,
    /// The network goes down, then a signal.
    CutNetwork,
    /// The clock is set an hour forward, then a signal.
    ClockForward,
    /// The clock is set an hour back, then a signal.
    ClockBack,
}

impl Disturbance {
    /// What can happen to a job of a launcher.
    pub fn of(launcher: Launcher) -> Vec<Self> {
        let everywhere = [
            Self::Interrupt,
            Self::Terminate,
            Self::Hangup,
            Self::TwoSignals,
            Self::Kill,
            Self::KillWatchdog,
            Self::Pause,
            Self::NoMemory,
            Self::NoFileSpace,
        ];
        let further: &[Self] = match launcher {
            Launcher::Local => &[Self::PauseEngine, Self::KillEngine, Self::FullDisk, Self::CutNetwork],
            Launcher::Docker => &[Self::KillContainer, Self::KillContainerEngine],
            Launcher::Slurm => &[Self::KillEngine],
        };
        let clock: &[Self] = match (launcher, surroundings::faketime()) {
            (Launcher::Local, Some(_)) => &[Self::ClockForward, Self::ClockBack],
            (Launcher::Local | Launcher::Docker | Launcher::Slurm, _) => &[],
        };
        let all: Vec<Self> = everywhere.into_iter().chain([further, clock].concat()).collect();
        // One kind alone, by its name here.
        match std::env::var("IMAX_CHAOS_KINDS") {
            Ok(kinds) => {
                let named = |kind: &Self| kinds.split(',').any(|name| name == format!("{kind:?}"));
                let wanted: Vec<Self> = all.into_iter().filter(named).collect();
                assert!(!wanted.is_empty(), "IMAX_CHAOS_KINDS names none that {launcher:?} has");
                wanted
            }
            Err(_) => all,
        }
    }

    /// Disturbs a job and asserts how it ends. `again` is the time until a second signal.
    pub fn strike(self, job: Job, again: Duration) {
        let Job {
            launcher,
            fixture,
            mut run,
            id,
            disk,
        } = job;
        let codes: &[Option<i32>] = match self {
            Self::Interrupt | Self::TwoSignals => &[Some(130)],
            Self::Terminate | Self::Hangup | Self::KillWatchdog | Self::Pause | Self::PauseEngine => &[Some(143)],
            Self::Kill => &[None],
            // The engine's death is a failure of what is measured, and before it is ready as well.
            Self::KillEngine | Self::KillContainer => &[Some(1), Some(4)],
            // It may end in order, report the failed write, or abort.
            Self::NoMemory | Self::NoFileSpace => &[Some(143), Some(4), Some(70), None],
            // A result that cannot be written is said, if it was not the signal that ended the job.
            Self::FullDisk => &[Some(143), Some(4)],
            // Nobody answers: the failure is that of the machine, or of what is measured.
            Self::KillContainerEngine => &[Some(4), Some(1)],
            Self::CutNetwork => &[Some(143), Some(1), Some(4)],
            Self::ClockForward | Self::ClockBack => &[Some(143)],
        };
        let stopwatch = Stopwatch::start();
        match self {
            Self::Interrupt => run.signal(Signal::SIGINT),
            Self::Terminate => run.signal(Signal::SIGTERM),
            Self::Hangup => run.signal(Signal::SIGHUP),
            Self::TwoSignals => {
                run.signal(Signal::SIGINT);
                std::thread::sleep(again);
                if !run.has_ended() {
                    run.signal(Signal::SIGTERM);
                }
            }
            Self::Kill => run.signal(Signal::SIGKILL),
            Self::KillWatchdog => {
                kill(Pid::from_raw(watchdog_of(&run)), Signal::SIGKILL).unwrap();
                run.signal(Signal::SIGTERM);
            }
            Self::Pause => {
                run.signal(Signal::SIGSTOP);
                std::thread::sleep(again);
                run.signal(Signal::SIGTERM);
                run.signal(Signal::SIGCONT);
            }
            Self::PauseEngine => {
                for process in fixture.process_numbers() {
                    let _ = kill(Pid::from_raw(process), Signal::SIGSTOP);
                }
                run.signal(Signal::SIGTERM);
            }
            Self::KillEngine => {
                run.await_line("phase ready");
                crate::harness::wait_until("the engine runs", || !fixture.process_numbers().is_empty());
                while !run.has_ended() && !fixture.process_numbers().is_empty() {
                    for process in fixture.process_numbers() {
                        let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            Self::KillContainer => {
                run.await_line("phase ready");
                Daemon::docker().ask(&["kill", &id]);
            }
            Self::NoMemory => {
                limit(&run, Resource::As);
                std::thread::sleep(again);
                if !run.has_ended() {
                    run.signal(Signal::SIGTERM);
                }
            }
            Self::FullDisk => {
                let disk = disk.as_ref().unwrap();
                disk.fill();
                std::thread::sleep(again);
                run.signal(Signal::SIGTERM);
            }
            Self::KillContainerEngine => {
                run.await_line("phase ready");
                Daemon::docker().kill();
            }
            Self::CutNetwork => {
                surroundings::cut_network(&run);
                std::thread::sleep(again);
                if !run.has_ended() {
                    run.signal(Signal::SIGTERM);
                }
            }
            Self::ClockForward | Self::ClockBack => {
                surroundings::step_clock(&fixture, self == Self::ClockForward);
                std::thread::sleep(again);
                run.signal(Signal::SIGTERM);
            }
            Self::NoFileSpace => {
                limit(&run, Resource::Fsize);
                std::thread::sleep(again);
                run.signal(Signal::SIGTERM);
            }
        }
        let ended = run.finish();
        if self == Self::KillContainerEngine {
            Daemon::docker().start_again();
        }
        assert!(
            codes.contains(&ended.code),
            "{self:?}: exit code {:?}, expected {codes:?}\n{}",
            ended.code,
            ended.stderr
        );
        if self.is_cancellation() {
            stopwatch.assert_cancelled_in_time(&ended.stderr);
        }
        note(&ended);
        let mut traces = Traces {
            launcher,
            fixture: &fixture,
            id: &id,
            states: 0,
        };
        // A container engine or a scheduler may be slower than the time that a cancelled job has, and without memory none of its tools can
        // be started. The job's state then says what is left, and the clean-up after it must find it.
        if launcher != Launcher::Local && fixture.states() > 0 {
            note_left(&ended);
            let reaped = fixture.reap();
            assert_eq!(reaped.code, Some(0), "{}", reaped.stderr);
            // An sbatch that was killed may have reached the controller: the state stays until its job can no longer appear.
            traces.states = usize::from(launcher == Launcher::Slurm && reaped.stderr.contains("the scheduler may still start"));
        }
        traces.assert_none();
        if self == Self::FullDisk {
            let disk = disk.unwrap();
            assert!(disk.is_full(), "imax removed what is not its own");
            let mounted = std::fs::read_to_string("/proc/self/mounts").unwrap();
            drop(disk);
            assert!(
                mounted.contains(fixture.path("out").to_str().unwrap()),
                "the job had the small disk"
            );
        }
    }

    /// Whether a job needs a clock of its own for it.
    pub fn sets_clock(self) -> bool {
        self == Self::ClockForward || self == Self::ClockBack
    }

    fn is_cancellation(self) -> bool {
        match self {
            Self::Interrupt
            | Self::Terminate
            | Self::Hangup
            | Self::TwoSignals
            | Self::KillWatchdog
            | Self::Pause
            | Self::PauseEngine
            | Self::ClockForward
            | Self::ClockBack => true,
            Self::Kill
            | Self::KillEngine
            | Self::KillContainer
            | Self::KillContainerEngine
            | Self::NoMemory
            | Self::NoFileSpace
            | Self::FullDisk
            | Self::CutNetwork => false,
        }
    }
}

/// The last phase that the job printed: where it was.
fn note(ended: &Finished) {
    let phase = ended
        .stderr
        .lines()
        .rev()
        .find(|line| line.starts_with("phase "))
        .unwrap_or("before the first phase");
    let _ = writeln!(std::io::stderr(), "  ended with {:?}, last {phase}", ended.code);
}

fn note_left(ended: &Finished) {
    let left = ended.stderr.lines().filter(|line| line.contains("left for a later"));
    for line in left {
        let _ = writeln!(std::io::stderr(), "  {line}");
    }
}

fn limit(run: &Running, resource: Resource) {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    prlimit(rustix::process::Pid::from_raw(run.id().as_raw()), resource, none).unwrap();
}
