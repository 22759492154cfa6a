//! Samples the engine's own metrics during a load.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::server_under_test::ServerUnderTest;
use super::servers_under_test::ServersUnderTest;
use crate::load::engine_metrics::{self, EngineSample};
use crate::system::cancellation::Cancellation;

/// Maximum number of samples kept. Beyond it every other sample is dropped, so that memory is bounded for long loads.
const MOST_SAMPLES: usize = 3600;

/// Runs the load while a thread for each server reads its metrics at the interval of the settings. `pages` are the metrics pages from before
/// the load; of a server whose page has no known metric no samples are taken. Returns a series for each server.
pub(super) fn sample_during<T>(
    servers: &ServersUnderTest,
    pages: &[Option<String>],
    stop: &Cancellation,
    load: impl FnOnce() -> T,
) -> (T, Vec<Vec<EngineSample>>) {
    let interval = servers.settings().engine_metrics_interval;
    if interval.is_zero() {
        return (load(), Vec::new());
    }
    std::thread::scope(|scope| {
        let mut running = Vec::new();
        let mut samplers = Vec::new();
        for (server, page) in servers.each().zip(pages) {
            let is_known = page.as_deref().and_then(|page| engine_metrics::read(page, 0.0)).is_some();
            let sampler = is_known.then(|| {
                let (ended, is_running) = mpsc::channel::<()>();
                running.push(ended);
                scope.spawn(move || sample(server, interval, &is_running, stop))
            });
            samplers.push(sampler);
        }
        let loaded = load();
        drop(running);
        // If a sampler panicked, its samples are lost but the load's result is kept.
        let series = samplers
            .into_iter()
            .map(|sampler| sampler.and_then(|sampler| sampler.join().ok()).unwrap_or_default());
        (loaded, series.collect())
    })
}

/// Samples one server until the other end of the channel is dropped, and once more after it: without that sample the counters of a load
/// that is shorter than the interval would not be known.
fn sample(server: &ServerUnderTest, interval: Duration, is_running: &Receiver<()>, stop: &Cancellation) -> Vec<EngineSample> {
    let start = Instant::now();
    let mut samples = Vec::new();
    loop {
        samples.extend(sample_once(server, start, stop));
        if samples.len() > MOST_SAMPLES {
            samples = samples.into_iter().step_by(2).collect();
        }
        match is_running.recv_timeout(interval) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                samples.extend(sample_once(server, start, stop).map(EngineSample::without_gauges));
                return samples;
            }
        }
    }
}

fn sample_once(server: &ServerUnderTest, start: Instant, stop: &Cancellation) -> Option<EngineSample> {
    let seconds = start.elapsed().as_secs_f64();
    engine_metrics::read(&server.metrics_page(stop)?, seconds)
}
