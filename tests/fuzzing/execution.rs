//! One execution of a parser: its time and memory, and whether it panicked.

use std::any::Any;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use imax::testing::parsers::Parser;
use nix::time::{ClockId, clock_gettime};

use super::ALLOCATOR;

pub struct Execution {
    /// CPU time of this thread, which does not depend on what else the machine does.
    pub time: Duration,
    /// Bytes allocated at the peak, beyond those before.
    pub memory: usize,
    panic: Option<String>,
}

impl Execution {
    /// What is wrong with it.
    pub fn problem(&self, longest: Duration, most_memory: usize) -> Option<String> {
        if let Some(message) = &self.panic {
            return Some(format!("panic: {message}"));
        }
        if self.time > longest {
            return Some(format!("{:.1} s of CPU time", self.time.as_secs_f64()));
        }
        (self.memory > most_memory).then(|| format!("{} MB of memory", self.memory >> 20))
    }
}

static IS_EXECUTING: AtomicBool = AtomicBool::new(false);

/// Panics of executions are counted, and their messages are in the list of failures.
pub fn hide_panics() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !IS_EXECUTING.load(Ordering::SeqCst) {
            shown(info);
        }
    }));
}

/// The file that has the input of the execution under way, for failures that end the process, such as a stack overflow.
fn remember(bytes: &[u8]) {
    if let Ok(file) = std::env::var("IMAX_FUZZ_LAST") {
        std::fs::write(file, bytes).unwrap();
    }
}

pub fn execute((_, parse): &Parser, bytes: &[u8]) -> Execution {
    remember(bytes);
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let started = cpu_time();
    IS_EXECUTING.store(true, Ordering::SeqCst);
    let result = catch_unwind(AssertUnwindSafe(|| parse(bytes)));
    IS_EXECUTING.store(false, Ordering::SeqCst);
    Execution {
        time: cpu_time().saturating_sub(started),
        memory: ALLOCATOR.peak_usage().saturating_sub(before),
        panic: result.err().map(|payload| message(&*payload)),
    }
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Keeps an input that failed.
pub fn keep(parser: &str, bytes: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    let file = folder.join(format!("{parser}-{:016x}", hasher.finish()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&file, bytes).unwrap();
    file
}
