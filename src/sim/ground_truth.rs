//! The ground truth log of the simulated engine: for every token when it was due and when its bytes were handed to the kernel.
//! A client's figures can be checked against it.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;

/// Writes one JSON line a chunk.
#[derive(Debug)]
pub struct GroundTruth(BufWriter<File>);

/// Lines are buffered up to this size, bytes, so that writing them does not disturb the schedule.
const BUFFER: usize = 1 << 20;

/// One chunk; instants in nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Line<'a> {
    /// The client's `X-Request-Id`, or a number.
    pub request: &'a str,
    /// When the last byte of the request arrived.
    #[serde(rename = "received_unix_ns")]
    pub received: u64,
    /// Number of the chunk's last token, from 1.
    pub token: u32,
    /// When that token was due.
    #[serde(rename = "due_unix_ns")]
    pub due: u64,
    /// Immediately before its bytes were handed to the kernel.
    #[serde(rename = "sent_unix_ns")]
    pub sent: u64,
}

impl GroundTruth {
    /// Creates a log, replacing an older one.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::with_capacity(BUFFER, File::create(path)?)))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, line)?;
        self.0.write_all(b"\n")
    }

    /// Writes buffered lines.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
