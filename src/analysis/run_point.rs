//! A point with the run that it comes from, as a store gives it to questions about the time.

use chrono::{DateTime, Utc};

use crate::result::Point;

/// A point of a run in a history.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPoint {
    /// The number of the run in its history.
    pub run: i64,
    pub started: DateTime<Utc>,
    pub commit: String,
    pub point: Point,
}
