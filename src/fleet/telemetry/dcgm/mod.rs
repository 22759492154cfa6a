//! DCGM's exporters, one a node, each asked once a second: the telemetry of jobs whose GPUs are in other nodes.

mod answer;

use std::time::{Duration, Instant};

use super::periodic::Periodic;
use crate::job::{GpuSample, ScrapeUrl, sampled_until};
use crate::system::cancellation::Cancellation;
use crate::system::host::unix_seconds;
use crate::system::http_client::{Question, send_blocking};
use answer::dcgm_samples;

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(2);

/// An exporter, and the node that it is on where that is known otherwise than by what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exporter {
    /// Its address.
    pub url: ScrapeUrl,
    /// The node.
    pub node: Option<String>,
}

/// Running requests to exporters.
#[derive(Debug)]
pub struct Dcgm(Vec<(String, Periodic<GpuSample>)>);

impl Dcgm {
    pub(super) fn start(exporters: &[Exporter]) -> Result<Self, String> {
        let start = |exporter: &Exporter| {
            let target = exporter.clone();
            let look = move |stop: &Cancellation| look(&target, stop);
            Periodic::start("dcgm", look).map(|thread| (exporter.url.to_string(), thread))
        };
        exporters.iter().map(start).collect::<Result<_, _>>().map(Self)
    }

    /// None where an exporter has not answered yet.
    pub(super) fn sampled_until(&self) -> Option<f64> {
        let of_each: Option<Vec<f64>> = self.0.iter().map(|(_, thread)| thread.ask(sampled_until)).collect();
        of_each?.into_iter().min_by(f64::total_cmp)
    }

    /// What was seen, and a sentence on each exporter that never answered.
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
        // Without one node's GPUs the sum would be of something else.
        if silent.is_empty() {
            Ok(samples)
        } else {
            Err(format!("no GPU telemetry: no DCGM metrics from {}", silent.join(", ")))
        }
    }
}

fn look(exporter: &Exporter, stop: &Cancellation) -> Vec<GpuSample> {
    let url = &exporter.url;
    let question = Question {
        host: url.host(),
        port: url.port(),
        path: url.path(),
        json: None,
        headers: &[],
        tls: None,
    };
    let (before, since) = (unix_seconds(), Instant::now());
    match send_blocking(&question, LIMIT, stop.cancelled()) {
        // The middle of the exchange is when the exporter looked, as far as that can be known.
        Ok(answer) if answer.status == 200 => {
            let at = before + since.elapsed().as_secs_f64() / 2.0;
            let address = format!("{}:{}", url.host(), url.port());
            let mut samples = dcgm_samples(&String::from_utf8_lossy(&answer.body), &address, at);
            // An exporter may call its host otherwise than the scheduler does.
            if let Some(node) = &exporter.node {
                samples.iter_mut().for_each(|sample| sample.node.clone_from(node));
            }
            samples
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}
