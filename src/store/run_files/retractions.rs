//! Withdrawals of runs, as stores of files have them. Nothing is removed: a withdrawn run can be restored, and the state of an earlier time
//! still includes it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A withdrawal, oldest first in its list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) struct RunRetraction {
    /// The identity in the names of the run's files.
    pub run: String,
    pub reason: String,
    pub author: String,
    /// Milliseconds since 1970 by the writer's clock.
    pub at_ms: i64,
    /// When the run was restored, and by whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restored_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restored_by: Option<String>,
}

/// All withdrawals of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::store) struct Retractions(Vec<RunRetraction>);

/// A change of what counts.
#[derive(Debug, Clone)]
pub(crate) enum RetractionChange {
    Retract { reason: String, author: String },
    Restore { author: String },
}

/// A run is already what a change would make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the run is already {0}")]
pub(crate) struct RetractionStateError(&'static str);

impl RunRetraction {
    fn holds_at(&self, time_ms: i64) -> bool {
        self.at_ms <= time_ms && self.restored_ms.is_none_or(|restored| restored > time_ms)
    }
}

impl Retractions {
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that hold at a time, milliseconds since 1970.
    pub(in crate::store) fn at(&self, time_ms: i64) -> impl Iterator<Item = &RunRetraction> {
        self.0.iter().filter(move |retraction| retraction.holds_at(time_ms))
    }

    /// Whether a run is withdrawn.
    pub(in crate::store) fn holds(&self, run: &str) -> bool {
        self.at(i64::MAX).any(|retraction| retraction.run == run)
    }

    /// Withdraws or restores a run.
    ///
    /// # Errors
    /// [`RetractionStateError`] where that changes nothing.
    pub(in crate::store) fn apply(&mut self, run: &str, change: &RetractionChange, now: DateTime<Utc>) -> Result<(), RetractionStateError> {
        let now = now.timestamp_millis();
        let held = self
            .0
            .iter_mut()
            .find(|retraction| retraction.run == run && retraction.restored_ms.is_none());
        match (change, held) {
            (RetractionChange::Retract { .. }, Some(_)) => Err(RetractionStateError("retracted")),
            (RetractionChange::Restore { .. }, None) => Err(RetractionStateError("active")),
            (RetractionChange::Retract { reason, author }, None) => {
                self.0.push(RunRetraction {
                    run: run.to_owned(),
                    reason: reason.clone(),
                    author: author.clone(),
                    at_ms: now,
                    restored_ms: None,
                    restored_by: None,
                });
                Ok(())
            }
            (RetractionChange::Restore { author }, Some(held)) => {
                held.restored_ms = Some(now);
                held.restored_by = Some(author.clone());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(milliseconds).unwrap()
    }

    #[test]
    fn earlier_states_are_known() {
        let retract = RetractionChange::Retract {
            reason: "throttled".to_owned(),
            author: "jane".to_owned(),
        };
        let restore = RetractionChange::Restore { author: "joe".to_owned() };
        let mut all = Retractions::default();
        assert_eq!(all.apply("a", &restore, at(1)), Err(RetractionStateError("active")));
        all.apply("a", &retract, at(10)).unwrap();
        assert_eq!(all.apply("a", &retract, at(11)), Err(RetractionStateError("retracted")));
        assert!(all.holds("a") && !all.holds("b"));
        all.apply("a", &restore, at(20)).unwrap();
        assert!(!all.holds("a"));
        all.apply("a", &retract, at(30)).unwrap();
        let held = [9, 10, 19, 20, 30].map(|time| all.at(time).count());
        assert_eq!(held, [0, 1, 1, 0, 1]);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Retractions>(&text).unwrap(), all);
    }
}
