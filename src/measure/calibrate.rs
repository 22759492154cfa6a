//! `--calibrate`: the error that this client adds on this machine at the concurrency of a load, measured against the simulated
//! engine, whose event times are known.

use std::num::NonZeroU32;

use super::measurement::{MeasureError, measure};
use crate::load::calibration::{self, Calibration, CalibrationError};
use crate::load::{BenchmarkSettings, Dataset, Protocol, RandomLengths, Target};
use crate::measure::calibration_store::CalibrationStore;
use crate::measure::sim_process::SimProcess;
use crate::system::cancellation::Cancellation;
use crate::system::files;

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// The engine could not be started.
    #[error("cannot start the simulated engine for the calibration: {0}")]
    Engine(#[from] std::io::Error),
    /// The load on it failed.
    #[error("the load of the calibration failed: {0}")]
    Measure(#[from] MeasureError),
    /// Its log cannot be read.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// Its log is wrong.
    #[error(transparent)]
    Compare(#[from] CalibrationError),
}

/// Chunks of each stream in a calibration, and requests of each concurrency slot.
const CHUNKS: u32 = 60;
const REQUESTS_PER_SLOT: u32 = 3;
/// Maximum number of streams. With more, the calibration would measure the simulated engine, which has one thread, and not the client.
const MAX_STREAMS: u32 = 2000;
/// Streams for a load without a concurrency limit.
const UNLIMITED: u32 = 64;

/// The concurrency at which a load is calibrated.
fn concurrency_of(settings: &BenchmarkSettings) -> u32 {
    let asked = settings.arrival.max_concurrency.map_or(UNLIMITED, NonZeroU32::get);
    asked.min(MAX_STREAMS)
}

/// Measures the client at the concurrency of a load, and stores the figure for this machine.
pub(super) fn calibrate(settings: &BenchmarkSettings, stop: &Cancellation) -> Result<Calibration, CalibrateError> {
    let concurrency = NonZeroU32::new(concurrency_of(settings)).unwrap_or(NonZeroU32::MIN);
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("truth.jsonl");
    let engine = SimProcess::start(&std::env::current_exe()?, calibration::TTFT, calibration::ITL, &log)?;
    let measured = measure(&load(settings, concurrency, engine.port), stop, &mut |_| {});
    engine.stop();
    let measured = measured?;
    let truth = files::read_text(&log)?;
    let health = &measured.run.health;
    let found = calibration::compare(&truth, &measured.run.records, concurrency.get(), health.cpu_time)?;
    if let Some(store) = CalibrationStore::of_this_machine() {
        // Without the stored figure the next run has no calibration in its result, which does not fail this one.
        let _ = store.put(&found);
    }
    Ok(found)
}

/// The stored figure of this machine.
pub(super) fn stored(settings: &BenchmarkSettings) -> Option<Calibration> {
    CalibrationStore::of_this_machine()?.get(concurrency_of(settings))
}

fn load(settings: &BenchmarkSettings, concurrency: NonZeroU32, port: u16) -> BenchmarkSettings {
    let target = Target {
        host: "127.0.0.1".to_owned(),
        port,
        tls: false,
        base_path: String::new(),
        unix_socket: None,
        proxy: None,
        path: Protocol::Completions.default_endpoint(true).to_owned(),
        protocol: Protocol::Completions,
    };
    let lengths = RandomLengths::exact(NonZeroU32::MIN.saturating_add(15), NonZeroU32::MIN.saturating_add(CHUNKS - 1));
    let requests = concurrency.saturating_mul(NonZeroU32::MIN.saturating_add(REQUESTS_PER_SLOT - 1));
    let mut load = BenchmarkSettings::new(target, &settings.model, Dataset::Random(lengths), requests);
    load.served_model_name = Some("demo".to_owned());
    load.tokenizer.clone_from(&settings.tokenizer);
    load.client_threads = settings.client_threads;
    load.arrival.max_concurrency = Some(concurrency);
    load.ignore_eos = true;
    // Requests for metrics would disturb the simulated engine, whose event times are the reference.
    load.engine_metrics_interval = std::time::Duration::ZERO;
    load
}
