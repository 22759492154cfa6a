//! Searches over load: the highest load at which a server meets its objectives, and a sweep from one stream to saturation. These are
//! pure functions from the measurements so far to the next load; `measure::search` runs the measurements.

pub mod bracket;
pub mod judgement;
pub mod objective;
pub mod saturation;

use std::num::NonZeroU32;

pub use bracket::Bracket;
pub use judgement::{Judgement, Tally};
pub use objective::Objective;
pub use saturation::Saturation;

use super::settings::Arrival;

/// The quantity that a search varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadQuantity {
    /// Requests in flight, whole numbers.
    Concurrency,
    /// Requests a second.
    Rate,
}

impl LoadQuantity {
    /// The name of the quantity in results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Concurrency => "max_concurrency",
            Self::Rate => "request_rate",
        }
    }

    /// The template with the varied quantity set to `value`.
    #[must_use]
    pub fn arrival(self, template: &Arrival, value: f64) -> Arrival {
        let mut arrival = *template;
        match self {
            Self::Concurrency => arrival.max_concurrency = Some(whole(value)),
            Self::Rate => arrival.request_rate = Some(value),
        }
        arrival
    }

    /// Default number of requests to measure a load: ten per concurrent slot, or those of 30 seconds at a rate.
    #[must_use]
    pub fn usual_requests(self, value: f64) -> NonZeroU32 {
        whole(match self {
            Self::Concurrency => value * 10.0,
            Self::Rate => value * 30.0,
        })
    }
}

fn whole(value: f64) -> NonZeroU32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates")]
    let whole = value.round() as u32;
    NonZeroU32::new(whole).unwrap_or(NonZeroU32::MIN)
}
