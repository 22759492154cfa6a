//! Runs a load plan over real sockets: client threads with one event loop each, non-blocking HTTP/1.1 with keep-alive, and arrival
//! times from the kernel. The module `load` decides what to send and interprets the responses.

mod addresses;
mod batching;
mod chunk_file;
pub(super) mod clock;
mod collector;
mod connection;
mod harvest;
mod kernel_clock;
mod pool;
mod receive;
mod secure;
mod server;
mod shared;
mod socket;
mod tunnel;
mod turns;
mod worker;

use std::io;
use std::num::NonZeroU32;
use std::panic::resume_unwind;
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};

use crate::load::balance::Balance;
use crate::load::detailed::ChunkStore;
use crate::load::measured::Run;
use crate::load::{Clock, Deadlines, Health, Plan, Progress, Record, Schedule, Stamp, Target, Tokenizer};
use crate::model::saturating;
use crate::system::cancellation::Cancellation;
use crate::system::tls::TlsClient;
use clock::ClockWatch;
use collector::{Collected, Collector};
use harvest::Harvest;
pub use kernel_clock::KernelClock;
use server::Server;
use shared::Shared;
use worker::{Task, Worker};

/// Why a load could not run. Errors of single requests are in their records.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The host name cannot be resolved.
    #[error("cannot resolve {authority}: {source}; check {origin}")]
    Resolve {
        /// Host and port.
        authority: String,
        /// Where the name comes from.
        origin: &'static str,
        /// The resolver's error.
        source: io::Error,
    },
    /// Too many connections for this process.
    #[error("{wanted} connections exceed the limit of {limit} open files; raise `ulimit -n` or lower the concurrency")]
    OpenFiles {
        /// Connections wanted.
        wanted: usize,
        /// The hard limit.
        limit: u64,
    },
    /// A system call of the client failed.
    #[error("the load generator cannot run: {0}")]
    System(#[from] io::Error),
}

/// Settings of a run.
#[derive(Debug, Clone, Copy)]
pub struct Drive<'a> {
    /// The servers; at least one.
    pub targets: &'a [Target],
    /// How requests are spread over them.
    pub balance: Balance,
    /// TLS client; required if a target uses TLS.
    pub tls: Option<&'a TlsClient>,
    /// Keeps the kernel's time stamps enabled.
    pub kernel_clock: &'a KernelClock,
    /// Deadlines of connecting and of responses.
    pub deadlines: Deadlines,
    /// Client threads; `None` derives them from concurrency and cores.
    pub threads: Option<NonZeroU32>,
    /// Whether these are the warm-up requests.
    pub warming_up: bool,
    /// Counts the tokens of chunks without usage in a run that has too many chunks to keep.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Keep every chunk, on disk if there are many.
    pub keep_chunks: bool,
    /// When to start. If it is `None` or has passed, the run starts as soon as all threads are ready.
    pub start_at: Option<Stamp>,
}

/// A thread with this many streams uses about half of a core. More threads would only disturb a server on the same machine.
const STREAMS_PER_THREAD: u32 = 1000;
/// Interval of progress reports.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// Open files other than connections.
const OTHER_FILES: usize = 64;

impl Drive<'_> {
    /// Sends the plan's requests and returns their records. Blocks until all have completed, failed or been cancelled.
    ///
    /// # Errors
    /// [`DriverError`] if no request could be attempted.
    pub fn run(self, plan: &Plan, stop: &Cancellation, progress: &mut dyn FnMut(Progress)) -> Result<Run, DriverError> {
        let mut servers = Vec::new();
        for target in self.targets {
            servers.push(Server::resolve(target, self.tls, self.deadlines.connect)?);
        }
        let slots = saturating::to_usize(plan.max_concurrency.get()).min(plan.starts());
        // Each server may have had all requests in flight at some time, and keeps its connections.
        allow_open_files(slots.saturating_mul(servers.len()))?;
        let threads = self.thread_count(slots);
        let shared = Shared::new(servers.len());
        let total = plan.expected();
        let mut collector = Collector::new(&shared, total, self.tokenizer, self.keep_chunks);
        let (ended_requests, records) = mpsc::channel();
        let watch = ClockWatch::start();
        let cpu_before = cpu_time();
        let task = Task {
            plan,
            servers: &servers,
            balance: self.balance,
            has_kernel_clock: self.kernel_clock.is_on(),
            deadlines: self.deadlines,
            start_at: self.start_at,
            shared: &shared,
            ended: &ended_requests,
            stop,
        };
        let harvests = run_threads(task, threads, slots, &mut || {
            collector.take(records.try_iter());
            progress(shared.progress(total, self.warming_up));
        })?;
        collector.take(records.try_iter());
        let cpu_time = cpu_time().saturating_sub(cpu_before);
        progress(shared.progress(total, self.warming_up));
        let whole = Harvest::of_all(harvests);
        let Collected {
            records,
            folded,
            chunk_file,
        } = collector.finish();
        let started = shared.start().real;
        let ended = records.iter().map(|record| record.ended).max().unwrap_or(started);
        Ok(Run {
            started,
            ended,
            interrupted: stop.is_cancelled(),
            new_servers: Vec::new(),
            stride: plan.stride(),
            health: Health {
                clock: if whole.without_kernel_clock { Clock::Read } else { Clock::Kernel },
                cpu_time,
                wall_time: ended.since(started),
                threads,
                read_lag_ms: whole.read_lag_ms,
                connections: whole.connections,
                peak_memory: peak_memory(),
                resent: whole.resent,
                open_connections: whole.open_connections,
                unsent: unsent(plan, &records, stop),
                asked_rate: plan.schedule.mean_rate(),
                clock_step: watch.step(),
            },
            records,
            folded,
            chunk_store: chunk_file.map(|file| Box::new(file) as Box<dyn ChunkStore>),
        })
    }

    fn thread_count(&self, slots: usize) -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        let slots = saturating::to_u32(slots).max(1);
        let wanted = match self.threads {
            Some(threads) => threads.get(),
            None => slots.div_ceil(STREAMS_PER_THREAD).min((cores / 2).max(1)),
        };
        wanted.min(slots)
    }
}

fn run_threads(task: Task<'_>, threads: u32, slots: usize, report: &mut dyn FnMut()) -> Result<Vec<Harvest>, DriverError> {
    let count = usize::try_from(threads).unwrap_or(1);
    let barrier = Barrier::new(count);
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        for number in 0..count {
            let own_slots = slots / count + usize::from(number < slots % count);
            let (barrier, sender) = (&barrier, sender.clone());
            handles.push(scope.spawn(move || {
                let connected = Worker::new(task, own_slots).and_then(|mut worker| {
                    if matches!(task.plan.schedule, Schedule::Closed) {
                        worker.connect_ahead(own_slots)?;
                    }
                    Ok(worker)
                });
                // Also reached by a thread that failed, so that the others do not wait for it.
                barrier.wait();
                let start = task.shared.start_at(task.start_at);
                // A signal ends the wait early; the worker then finds the cancellation.
                let _ = task.stop.wait_timeout(start.monotonic.saturating_duration_since(Instant::now()));
                let harvest = connected.and_then(Worker::run);
                let _ = sender.send(());
                harvest
            }));
        }
        drop(sender);
        while let Ok(()) | Err(mpsc::RecvTimeoutError::Timeout) = receiver.recv_timeout(PROGRESS_INTERVAL) {
            report();
        }
        handles
            .into_iter()
            // A panic of a client thread is one of the program: the exit code says so.
            .map(|handle| {
                handle
                    .join()
                    .unwrap_or_else(|panic| resume_unwind(panic))
                    .map_err(DriverError::from)
            })
            .collect()
    })
}

/// Number of requests or conversations that were due but not sent before the end of the run.
fn unsent(plan: &Plan, records: &[Record], stop: &Cancellation) -> u32 {
    let begins = records
        .iter()
        .filter(|record| plan.stride().is_none_or(|stride| record.index % stride == 0));
    let sent = begins.count();
    match (&plan.schedule, plan.duration) {
        (Schedule::Open(offsets), Some(_)) if !stop.is_cancelled() => saturating::to_u32(offsets.len().saturating_sub(sent)),
        (Schedule::Open(_) | Schedule::Closed, _) => 0,
    }
}

fn allow_open_files(connections: usize) -> Result<(), DriverError> {
    let wanted = saturating::to_u64(connections + OTHER_FILES);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(io::Error::from)?;
    if soft >= wanted {
        return Ok(());
    }
    if hard < wanted {
        return Err(DriverError::OpenFiles {
            wanted: connections,
            limit: hard,
        });
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(io::Error::from)?;
    Ok(())
}

/// CPU time of this process, user and system.
fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    duration_of(usage.user_time()) + duration_of(usage.system_time())
}

fn duration_of(time: nix::sys::time::TimeVal) -> Duration {
    Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0)) + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or(0))
}

/// Peak resident memory of this process, bytes. `ru_maxrss` of getrusage(2) is kept across execve(2), so it may be that of a large
/// parent, such as a Python script; `VmHWM` of proc_pid_status(5) is reset.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|value| value.trim().strip_suffix("kB")?.trim().parse().ok());
    kilobytes.unwrap_or_else(resident_kilobytes).saturating_mul(1024)
}

/// The largest resident set, in kilobytes. It is kept across execve.
fn resident_kilobytes() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| u64::try_from(usage.max_rss()).unwrap_or(0))
}
