//! Metrics in Prometheus' text format, <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::app::{App, Shared};
use super::error::ApiError;
use super::history_metrics::of_history;

/// Upper ends of the classes of latencies, seconds.
const CLASSES: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What the process has counted since its start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// By route, method and status.
    requests: Mutex<BTreeMap<(String, String, u16), u64>>,
    /// By route.
    latencies: Mutex<BTreeMap<String, Latencies>>,
    /// By result.
    pub ingests: Ingests,
}

/// Ingests by their result.
#[derive(Debug, Default)]
pub(super) struct Ingests {
    pub stored: AtomicU64,
    pub refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Latencies {
    /// Of each class alone; the last one is above all ends.
    counts: [u64; CLASSES.len() + 1],
    sum_s: f64,
}

impl Metrics {
    fn add(&self, route: &str, method: &str, status: u16, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.to_owned(), method.to_owned(), status)).or_default() += 1;
        drop(requests);
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let of_route = latencies.entry(route.to_owned()).or_default();
        let took = took.as_secs_f64();
        let class = CLASSES.iter().position(|end| took <= *end).unwrap_or(CLASSES.len());
        if let Some(count) = of_route.counts.get_mut(class) {
            *count += 1;
        }
        of_route.sum_s += took;
    }

    fn text(&self) -> String {
        let mut text = String::new();
        head(&mut text, "imax_http_requests_total", "counter", "Requests that were answered.");
        for ((route, method, status), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(
                text,
                "imax_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{status}\"}} {count}"
            );
        }
        head(
            &mut text,
            "imax_http_request_duration_seconds",
            "histogram",
            "Time until an answer began.",
        );
        for (route, latencies) in &*self.latencies.lock().unwrap_or_else(PoisonError::into_inner) {
            let mut sum = 0;
            for (at, count) in latencies.counts.iter().enumerate() {
                sum += count;
                let end = CLASSES.get(at).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
                let _ = writeln!(
                    text,
                    "imax_http_request_duration_seconds_bucket{{route=\"{route}\",le=\"{end}\"}} {sum}"
                );
            }
            let _ = writeln!(
                text,
                "imax_http_request_duration_seconds_sum{{route=\"{route}\"}} {}",
                latencies.sum_s
            );
            let _ = writeln!(text, "imax_http_request_duration_seconds_count{{route=\"{route}\"}} {sum}");
        }
        head(&mut text, "imax_ingests_total", "counter", "Ingests by result.");
        let Ingests { stored, refused } = &self.ingests;
        for (result, count) in [("stored", stored), ("refused", refused)] {
            let _ = writeln!(text, "imax_ingests_total{{result=\"{result}\"}} {}", count.load(Ordering::Relaxed));
        }
        text
    }
}

pub(super) fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A value of a label.
pub(super) fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Counts a request by its route, not by its path: clients choose paths, and each would be a series of its own.
pub(super) async fn count(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .to_owned();
    let method = match request.method().as_str() {
        method @ ("GET" | "HEAD" | "POST" | "DELETE" | "OPTIONS" | "PUT" | "PATCH") => method.to_owned(),
        _ => "other".to_owned(),
    };
    let response = next.run(request).await;
    app.metrics.add(&route, &method, response.status().as_u16(), start.elapsed());
    response
}

/// Metrics of the process and of the history
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(app): Shared) -> Result<Response, ApiError> {
    let mut text = app.metrics.text();
    let time = app.limits.query_time;
    let reads = app.reads.clone();
    text.push_str(&reads.run(time, move || of_history(app)).await?);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
