//! The composition that measures: tokenizer, prompts, probe, warm-up, load, metrics. `imax bench` and `imax run` both
//! call it; it blocks until the measurement has ended or was stopped.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::edge::load_driver::{Drive, DriverError};
use crate::edge::stop::StopSignal;
use crate::edge::tokenizer::{self, TokenizerFileError};
use crate::load::prompt::{Prompt, RandomPrompts};
use crate::load::{Dataset, Failure, Measured, Plan, PreparedRequest, Progress, Schedule, Settings, TokenizerError, request};

/// Why there is no measurement. A measurement in which requests failed is one, and says so itself.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// There is no tokenizer to make prompts with.
    #[error(transparent)]
    TokenizerFile(#[from] TokenizerFileError),
    /// The tokenizer cannot make prompts.
    #[error("cannot make prompts: {0}")]
    Prompts(#[from] TokenizerError),
    /// A thread that made prompts panicked: a defect of this program.
    #[error("a thread that makes prompts ended abnormally; please report this")]
    Thread,
    /// The load generator could not run.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The first request, which is there to find what is wrong with all, failed.
    #[error("the probe request to http://{authority}{path} failed: {failure}; is the server ready, and the model's name right?")]
    Probe {
        /// Host and port.
        authority: String,
        /// The path.
        path: String,
        /// Why.
        failure: Failure,
    },
    /// Stopped before the first measured request.
    #[error("stopped before the measurement began")]
    Stopped,
}

/// Output tokens asked of the probe: enough to see a stream, few enough to cost nothing.
const PROBE_TOKENS: u32 = 4;

/// Measures.
///
/// # Errors
/// [`MeasureError`] where there is nothing that could be called a measurement.
pub fn measure(settings: &Settings, stop: &StopSignal, progress: &mut dyn FnMut(Progress)) -> Result<Measured, MeasureError> {
    let tokenizer = tokenizer::read(settings.tokenizer_source())?;
    let Dataset::Random(lengths) = settings.dataset;
    let maker = RandomPrompts::new(&tokenizer, lengths, settings.seed)?;
    // The probe comes first: making thousands of prompts for a server that does not answer would only waste time.
    probe(settings, &maker, stop)?;
    let prompts = make_in_parallel(&maker, settings.num_prompts, stop)?;
    let inexact = prompts.iter().filter(|prompt| prompt.tokens != prompt.wanted_tokens).count();
    let plan = plan(
        settings,
        prompts
            .iter()
            .zip(0..)
            .map(|(prompt, index)| prepare(settings, index, prompt))
            .collect(),
    );
    drop(prompts);
    warm_up(settings, &maker, stop, progress)?;
    if stop.is_set() {
        return Err(MeasureError::Stopped);
    }
    let run = drive(settings, false).run(&plan, stop, progress)?;
    let inexact = u32::try_from(inexact).unwrap_or(u32::MAX);
    Ok(Measured::new(settings.clone(), run, Some(&tokenizer), inexact))
}

/// The prompts of probe and warm-up are others than the measured ones, so that no measured prompt is in the server's
/// prefix cache before its time. Their numbers count down from here.
const UNMEASURED: u64 = u64::MAX / 2;

/// Makes the measured prompts on all cores, and fewer where it is stopped: encoding 8k-token prompts takes a core minutes
/// for a full run.
fn make_in_parallel(maker: &RandomPrompts<'_>, count: NonZeroU32, stop: &StopSignal) -> Result<Vec<Prompt>, MeasureError> {
    let count = usize::try_from(count.get()).unwrap_or(usize::MAX);
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(count);
    let next = AtomicUsize::new(0);
    let made = std::thread::scope(|scope| {
        let work = || -> Result<Vec<(usize, Prompt)>, TokenizerError> {
            let mut made = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count || stop.is_set() {
                    return Ok(made);
                }
                made.push((index, maker.make(index as u64)?));
            }
        };
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut made = Vec::with_capacity(count);
        for handle in handles {
            made.extend(handle.join().map_err(|_| MeasureError::Thread)??);
        }
        Ok::<_, MeasureError>(made)
    });
    let mut made = made?;
    made.sort_unstable_by_key(|(index, _)| *index);
    Ok(made.into_iter().map(|(_, prompt)| prompt).collect())
}

fn prepare(settings: &Settings, index: u32, prompt: &Prompt) -> PreparedRequest {
    PreparedRequest {
        bytes: request::bytes(settings, &request::id(index), prompt),
        prompt_tokens: prompt.tokens,
        output_tokens: prompt.output_tokens,
    }
}

fn plan(settings: &Settings, requests: Vec<PreparedRequest>) -> Plan {
    let everything = u32::try_from(requests.len())
        .ok()
        .and_then(NonZeroU32::new)
        .unwrap_or(NonZeroU32::MIN);
    Plan {
        schedule: Schedule::new(&settings.arrival, requests.len(), settings.seed),
        max_concurrency: settings.arrival.max_concurrency.unwrap_or(everything),
        keep_texts: settings.stream,
        requests,
    }
}

fn drive(settings: &Settings, warming_up: bool) -> Drive<'_> {
    Drive {
        target: &settings.target,
        deadlines: settings.deadlines,
        threads: settings.client_threads,
        warming_up,
    }
}

fn probe(settings: &Settings, maker: &RandomPrompts<'_>, stop: &StopSignal) -> Result<(), MeasureError> {
    let prompt = Prompt {
        output_tokens: PROBE_TOKENS,
        ..maker.make(UNMEASURED)?
    };
    let run = drive(settings, true).run(&closed(settings, vec![prepare(settings, 0, &prompt)]), stop, &mut |_| {})?;
    if stop.is_set() {
        return Err(MeasureError::Stopped);
    }
    match run.records.into_iter().find_map(|record| record.failure) {
        None => Ok(()),
        Some(failure) => Err(MeasureError::Probe {
            authority: settings.target.authority(),
            path: settings.target.path.clone(),
            failure,
        }),
    }
}

fn warm_up(
    settings: &Settings,
    maker: &RandomPrompts<'_>,
    stop: &StopSignal,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), MeasureError> {
    let Some(count) = NonZeroU32::new(settings.num_warmups) else {
        return Ok(());
    };
    let mut requests = Vec::new();
    for index in (0..count.get()).take_while(|_| !stop.is_set()) {
        requests.push(prepare(settings, index, &maker.make(UNMEASURED - 1 - u64::from(index))?));
    }
    if stop.is_set() {
        return Ok(());
    }
    drive(settings, true).run(&closed(settings, requests), stop, progress)?;
    Ok(())
}

/// A plan without a schedule, for the requests that are not measured.
fn closed(settings: &Settings, requests: Vec<PreparedRequest>) -> Plan {
    Plan {
        schedule: Schedule::Closed,
        ..plan(settings, requests)
    }
}
