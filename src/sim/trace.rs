//! Traces of the simulated engine's profiler, in the format of PyTorch's (Chrome's Trace Event Format): a span for each request.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

/// The most spans of a trace; later requests are left out.
const MAX_SPANS: usize = 100_000;

/// What was recorded since the profiler was started.
#[derive(Debug)]
pub struct Trace {
    /// Nanoseconds since the Unix epoch.
    began: u64,
    spans: Vec<Span>,
}

/// A request; instants in nanoseconds since the Unix epoch.
#[derive(Debug)]
pub struct Span {
    /// The client's `X-Request-Id`, or a number.
    pub request: String,
    pub prompt_tokens: u32,
    pub output_tokens: u32,
    /// When its last byte arrived.
    pub begin: u64,
    /// When its last token was handed to the kernel.
    pub end: u64,
}

impl Trace {
    #[must_use]
    pub fn begin(began: u64) -> Self {
        Self { began, spans: Vec::new() }
    }

    /// Adds a request that has ended.
    pub fn add(&mut self, span: Span) {
        if self.spans.len() < MAX_SPANS {
            self.spans.push(span);
        }
    }

    /// Writes it to a file of its own below `folder`, named as vLLM names its traces.
    ///
    /// # Errors
    /// The system error.
    pub fn write(self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let name = format!("sim_{}.{}.pt.trace.json.gz", std::process::id(), self.began);
        let unfinished = folder.join(format!(".{name}"));
        let mut file = GzEncoder::new(BufWriter::new(File::create(&unfinished)?), Compression::fast());
        serde_json::to_writer(&mut file, &self.document())?;
        file.finish()?.flush()?;
        fs::rename(unfinished, folder.join(name))
    }

    /// Times are microseconds.
    fn document(&self) -> serde_json::Value {
        let micros = |nanos: u64| crate::model::count(usize::try_from(nanos).unwrap_or(usize::MAX)) / 1000.0;
        let events = self.spans.iter().enumerate().map(|(at, span)| {
            json!({
                "ph": "X", "cat": "request", "name": "request", "pid": std::process::id(), "tid": at,
                "ts": micros(span.begin), "dur": micros(span.end.saturating_sub(span.begin)),
                "args": { "request": span.request, "prompt_tokens": span.prompt_tokens, "output_tokens": span.output_tokens }
            })
        });
        json!({ "schemaVersion": 1, "displayTimeUnit": "ms", "traceEvents": events.collect::<Vec<_>>() })
    }
}
