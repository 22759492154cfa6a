//! Statistics that verdicts rest on, each in a file of its own with its source: noise from a history, its moderation over
//! many points, tests, false-discovery control, change points. Everything is a pure function; `docs/reference/statistics.md` says
//! how they are put together.

mod change_points;
mod discovery;
mod fence;
mod location;
mod moderation;
mod noise;
mod ranks;
mod student;
mod tails;
mod trigamma;

#[cfg(test)]
pub mod simulated;

use crate::model::count;
pub use change_points::{Penalty, change_points};
pub use discovery::q_values;
pub use fence::Fence;
pub use location::{location, location_df, location_variance};
pub use moderation::Moderation;
pub use noise::Noise;
pub use ranks::{mann_whitney, smallest_rank_p};
pub use student::{student_quantile, student_two_sided};
pub use tails::Tails;

/// The arithmetic mean; `None` without values.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / count(values.len()))
}
