//! Samples the engine's own metrics during a load.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Instant;

use super::server_under_test::ServerUnderTest;
use crate::load::BenchmarkSettings;
use crate::load::engine_metrics::{self, EngineSample};
use crate::system::cancellation::Cancellation;

/// Maximum number of samples kept. Beyond it every other sample is dropped, so that memory is bounded for long loads.
const MOST_SAMPLES: usize = 3600;

/// Runs the load while a thread reads the metrics at the interval of the settings. `page` is the metrics page from before the load; if it
/// has no known metric, no samples are taken.
pub(super) fn sample_during<T>(
    server: &ServerUnderTest,
    settings: &BenchmarkSettings,
    page: Option<&str>,
    stop: &Cancellation,
    load: impl FnOnce() -> T,
) -> (T, Vec<EngineSample>) {
    let interval = settings.engine_metrics_interval;
    if interval.is_zero() || page.and_then(|page| engine_metrics::read(page, 0.0)).is_none() {
        return (load(), Vec::new());
    }
    let (ended, is_running) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let sampler = scope.spawn(move || {
            let start = Instant::now();
            let mut samples = Vec::new();
            loop {
                let seconds = start.elapsed().as_secs_f64();
                let page = server.metrics_page(stop);
                samples.extend(page.as_deref().and_then(|page| engine_metrics::read(page, seconds)));
                if samples.len() > MOST_SAMPLES {
                    samples = samples.into_iter().step_by(2).collect();
                }
                match is_running.recv_timeout(interval) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return samples,
                }
            }
        });
        let loaded = load();
        drop(ended);
        // If the sampler panicked, the samples are lost but the load's result is kept.
        (loaded, sampler.join().unwrap_or_default())
    })
}
