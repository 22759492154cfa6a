//! DCGM exporters, one per node, each scraped once a second: telemetry of jobs whose GPUs are in other nodes.

mod answer;

use std::time::{Duration, Instant};

use super::periodic::Periodic;
use crate::job::{GpuSample, ScrapeUrl, sampled_until};
use crate::system::cancellation::Cancellation;
use crate::system::host::unix_seconds;
use crate::system::http_client::{Question, send_blocking};
pub(super) use answer::dcgm_samples;

/// Timeout of a scrape.
const LIMIT: Duration = Duration::from_secs(2);

/// An exporter, and its node if that is known other than by its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exporter {
    pub url: ScrapeUrl,
    pub node: Option<String>,
}

#[derive(Debug)]
pub struct Dcgm(Vec<(String, Periodic<GpuSample>)>);

impl Dcgm {
    pub(super) fn start(exporters: &[Exporter]) -> Result<Self, String> {
        exporters
            .iter()
            .map(|exporter| {
                let target = exporter.clone();
                Periodic::start("dcgm", move |cancellation| look(&target, cancellation)).map(|thread| (exporter.url.to_string(), thread))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// `None` if an exporter has not answered yet.
    pub(super) fn sampled_until(&self) -> Option<f64> {
        let of_each: Option<Vec<f64>> = self.0.iter().map(|(_, thread)| thread.ask(sampled_until)).collect();
        of_each?.into_iter().min_by(f64::total_cmp)
    }

    /// The samples, or a sentence about the exporters that never answered.
    pub(super) fn finish(self) -> Result<Vec<GpuSample>, String> {
        let mut samples = Vec::new();
        let mut silent = Vec::new();
        for (url, thread) in self.0 {
            let seen = thread.finish()?;
            if seen.is_empty() {
                silent.push(url);
            }
            samples.extend(seen);
        }
        // Without one node's GPUs the sum would be wrong.
        if silent.is_empty() {
            Ok(samples)
        } else {
            Err(format!("no GPU telemetry: no DCGM metrics from {}", silent.join(", ")))
        }
    }
}

fn look(exporter: &Exporter, cancellation: &Cancellation) -> Vec<GpuSample> {
    let url = &exporter.url;
    let question = Question::get(url.host(), url.port(), url.path());
    let (before, since) = (unix_seconds(), Instant::now());
    match send_blocking(&question, LIMIT, cancellation.cancelled()) {
        // The sample was taken in the middle of the request, as far as that can be known.
        Ok(answer) if answer.status == 200 => {
            let at = before + since.elapsed().as_secs_f64() / 2.0;
            let address = format!("{}:{}", url.host(), url.port());
            let mut samples = dcgm_samples(&String::from_utf8_lossy(&answer.body), &address, at);
            // An exporter may report another host name than the scheduler's.
            if let Some(node) = &exporter.node {
                samples.iter_mut().for_each(|sample| sample.node.clone_from(node));
            }
            samples
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}
