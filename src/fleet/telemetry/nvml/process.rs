//! Samples of NVIDIA's library, read from a separate process (see [`super::library`]). If that process ends or stalls,
//! nvidia-smi takes over; neither the start nor the end of a job waits for a hanging driver.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::library::LIBRARY;
use crate::fleet::telemetry::line_tool::{LineTool, Tool};
use crate::fleet::telemetry::nvidia_smi::{self, NvidiaSmi};
use crate::fleet::telemetry::{Seen, Wanted};
use crate::job::{GpuSample, sampled_until};
use crate::system::cancellation::{CancelCause, Cancellation};
use crate::system::process::Input;

/// The program that reads the library, if it lies next to this one.
const BESIDE: &str = "imax-nvml";
/// File for its lines.
const LINES: &str = ".gpu_metrics.nvml.lines";
/// How long a job's start waits for the first samples. Drivers without persistence mode need longer; the job continues meanwhile.
const FIRST: Duration = Duration::from_secs(3);
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// How often a job's end checks for the samples. Counted, not timed, as in [`Patience`].
const ANSWER_LOOKS: u32 = 20;
const ANSWER_LOOK: Duration = Duration::from_millis(100);
/// How long a job's end then waits for the processes to end.
const GONE: Duration = Duration::from_millis(1500);

/// When a process without output counts as stalled.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Interval between two checks.
    look: Duration,
    /// Checks without a new sample. Counted, not timed: imax itself may have been suspended in the meantime.
    looks: u32,
}

/// Longer than a driver without persistence mode takes to initialise eight GPUs.
const PATIENCE: Patience = Patience {
    look: Duration::from_secs(1),
    looks: 20,
};

/// A running reader of the library, and its watcher. Dropping it ends both.
#[derive(Debug)]
pub struct NvmlProcess {
    done: Cancellation,
    seen: Receiver<Result<Seen, String>>,
    /// The folder of the lines.
    out: PathBuf,
}

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Program {
    path: String,
    arguments: Vec<String>,
}

impl NvmlProcess {
    /// Starts the reader. Fails if it is missing or exits at once, as it does without the library.
    pub(in crate::fleet::telemetry) fn start(wanted: Wanted<'_>) -> Result<Self, String> {
        Self::with(&reader()?, wanted, PATIENCE)
    }

    fn with(program: &Program, wanted: Wanted<'_>, patience: Patience) -> Result<Self, String> {
        let tool = Tool {
            program: &program.path,
            arguments: &program.arguments,
            input: Input::OpenWhileOwned,
            lines: LINES,
        };
        let mut reader = LineTool::start(tool, wanted.job, wanted.out)?;
        let until = Instant::now() + FIRST;
        loop {
            let ending = reader.ending();
            let said = reader.output();
            if !samples(&said).is_empty() {
                break;
            }
            if let Some(ending) = ending {
                return Err(last_words(&said, &ending));
            }
            if Instant::now() >= until || wanted.cancellation.wait_timeout(FIRST_LOOK).is_some() {
                break;
            }
        }
        let (send, seen) = sync_channel(1);
        let done = Cancellation::new();
        let (cancellation, job, out) = (done.clone(), wanted.job.clone(), wanted.out.to_owned());
        let smi_stop = done.clone();
        let smi = move || NvidiaSmi::start(&job, &out, &smi_stop);
        std::thread::Builder::new()
            .name("nvml".to_owned())
            .spawn(move || watch_to_the_end(reader, patience, smi, &cancellation, &send))
            .map_err(|error| error.to_string())?;
        let out = wanted.out.to_owned();
        Ok(Self { done, seen, out })
    }

    /// Includes nvidia-smi's samples if that has taken over.
    pub(in crate::fleet::telemetry) fn sampled_until(&self) -> Option<f64> {
        let lines = |file| crate::system::untrusted::read_text(&self.out.join(file)).unwrap_or_default();
        let mut seen = samples(&lines(LINES));
        seen.extend(nvidia_smi::samples(&lines(nvidia_smi::LINES)));
        sampled_until(&seen)
    }

    /// Ends sampling, and returns the samples.
    pub(in crate::fleet::telemetry) fn finish(self) -> Result<Seen, String> {
        self.done.cancel(CancelCause::Abandoned);
        let mut seen = Err(RecvTimeoutError::Timeout);
        for _ in 0..ANSWER_LOOKS {
            seen = self.seen.recv_timeout(ANSWER_LOOK);
            if seen != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        let seen = seen.map_err(|error| match error {
            RecvTimeoutError::Timeout => "no GPU telemetry: its files cannot be read in time".to_owned(),
            RecvTimeoutError::Disconnected => "no GPU telemetry: its thread ended abnormally".to_owned(),
        })?;
        // Its thread stops the processes now, and closes the channel when that is done.
        let _ = self.seen.recv_timeout(GONE);
        seen
    }
}

impl Drop for NvmlProcess {
    fn drop(&mut self) {
        self.done.cancel(CancelCause::Abandoned);
    }
}

/// `imax-nvml` next to this program, or this program itself if it can load libraries. `IMAX_NVML` names another library.
fn reader() -> Result<Program, String> {
    let own = std::env::current_exe().map_err(|error| format!("cannot determine the path of imax: {error}"))?;
    let beside = own.with_file_name(BESIDE);
    let (path, command) = if beside.is_file() {
        (beside, None)
    } else if cfg!(target_feature = "crt-static") {
        let folder = own.parent().unwrap_or(&own).display();
        return Err(format!("a static imax cannot load {LIBRARY}, and there is no {BESIDE} in {folder}"));
    } else {
        (own, Some("nvml".to_owned()))
    };
    Ok(Program {
        path: path.to_string_lossy().into_owned(),
        arguments: command.into_iter().chain(std::env::var("IMAX_NVML").ok()).collect(),
    })
}

/// Watches a reader until sampling ends, and replaces it by nvidia-smi if it fails.
fn watch_to_the_end(
    mut reader: LineTool,
    patience: Patience,
    nvidia_smi: impl FnOnce() -> Result<NvidiaSmi, String>,
    cancellation: &Cancellation,
    seen: &SyncSender<Result<Seen, String>>,
) {
    let problem = watch(&mut reader, patience, cancellation);
    let before = samples(&reader.output());
    let mut instead = None;
    let result = match problem {
        None if before.is_empty() => Err("no GPU telemetry: no samples from NVIDIA's library".to_owned()),
        None => Ok(Seen::of(before)),
        Some(problem) => {
            let started = nvidia_smi();
            while cancellation.wait_timeout(patience.look).is_none() {}
            let after = started.and_then(|tool| instead.insert(tool).samples());
            joined(before, &problem, after)
        }
    };
    // Stopping a hanging process takes time, so the samples are sent first.
    let _ = seen.send(result);
    drop((reader, instead));
}

/// Waits until sampling ends, or until the reader fails: then the reason.
fn watch(reader: &mut LineTool, patience: Patience, cancellation: &Cancellation) -> Option<String> {
    let (mut said, mut silent) = (reader.output_bytes(), 0);
    while cancellation.wait_timeout(patience.look).is_none() {
        if let Some(ending) = reader.ending() {
            return Some(last_words(&reader.output(), &ending));
        }
        let now = reader.output_bytes();
        silent = if now > said { 0 } else { silent + 1 };
        said = now;
        if silent >= patience.looks {
            let time = patience.look * patience.looks;
            return Some(format!("no samples from NVIDIA's library for {time:?}"));
        }
    }
    None
}

fn joined(mut before: Vec<GpuSample>, problem: &str, after: Result<Vec<GpuSample>, String>) -> Result<Seen, String> {
    let remark = match after {
        Ok(after) => {
            before.extend(after);
            format!("GPUs were sampled with nvidia-smi, without their energy counters: {problem}")
        }
        Err(error) if before.is_empty() => return Err(format!("{error}; {problem}")),
        Err(error) => format!("GPU telemetry ended early: {problem}; {error}"),
    };
    Ok(Seen {
        samples: before,
        remark: Some(remark),
    })
}

/// The samples in a reader's output; the last line may be incomplete.
fn samples(said: &str) -> Vec<GpuSample> {
    said.lines()
        .flat_map(|line| serde_json::from_str::<Vec<GpuSample>>(line).unwrap_or_default())
        .collect()
}

/// Why a reader ended: its last output that is not a sample.
fn last_words(said: &str, ending: &str) -> String {
    let words = said.lines().rev().find(|line| !line.trim().is_empty() && !line.starts_with('['));
    match words {
        Some(words) => words
            .trim_start_matches("error: ")
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
        None => format!("{BESIDE} {ending}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"[{"at_unix_s":5.5,"node":"","gpu":1,"name":"H100","power_w":500.0,"utilization_percent":null,"memory_mib":null,"clock_mhz":null,"temperature_c":null,"throttle":"0x4","energy_j":7.25}]"#;

    fn watched(script: &str, patience: Patience) -> (Option<String>, Vec<GpuSample>) {
        let folder = tempfile::tempdir().unwrap();
        let tool = Tool {
            program: "bash",
            arguments: &["-c".to_owned(), script.to_owned()],
            input: Input::OpenWhileOwned,
            lines: "lines",
        };
        let mut reader = LineTool::start(tool, &serde_json::from_str("\"j\"").unwrap(), folder.path()).unwrap();
        let problem = watch(&mut reader, patience, &Cancellation::new());
        (problem, samples(&reader.output()))
    }

    #[test]
    fn failing_or_hanging_reader_is_replaced_with_a_reason() {
        let patience = |looks| Patience {
            look: Duration::from_millis(2),
            looks,
        };
        let forever = patience(u32::MAX);
        let words = format!("echo '{LINE}'; echo 'error: libnvidia-ml.so.1: it is not there' >&2");
        assert_eq!(watched(&words, forever).0.unwrap(), "libnvidia-ml.so.1: it is not there");
        let (problem, samples) = watched(&format!("echo '{LINE}'; echo -n '[{{\"at'; kill -SEGV $$"), forever);
        assert_eq!(problem.unwrap(), "imax-nvml was killed by SIGSEGV");
        let [sample] = samples.as_slice() else { panic!("{samples:?}") };
        assert_eq!((sample.gpu, sample.power_w, sample.energy_j), (1, Some(500.0), Some(7.25)));
        // It hangs and ignores the end of its stdin.
        let (problem, _) = watched("exec sleep 1000", patience(5));
        assert_eq!(problem.unwrap(), "no samples from NVIDIA's library for 10ms");
    }

    #[test]
    fn samples_before_and_after_the_replacement_are_kept() {
        let sample = || vec![GpuSample::default()];
        let both = joined(sample(), "it hangs", Ok(sample())).unwrap();
        let said = "GPUs were sampled with nvidia-smi, without their energy counters: it hangs";
        assert_eq!((both.samples.len(), both.remark.as_deref()), (2, Some(said)));
        let missing = || Err("no GPU telemetry: nvidia-smi is missing".to_owned());
        let before = joined(sample(), "it hangs", missing()).unwrap();
        let said = "GPU telemetry ended early: it hangs; no GPU telemetry: nvidia-smi is missing";
        assert_eq!((before.samples.len(), before.remark.as_deref()), (1, Some(said)));
        let nothing = joined(Vec::new(), "it hangs", missing()).unwrap_err();
        assert_eq!(nothing, "no GPU telemetry: nvidia-smi is missing; it hangs");
    }
}
