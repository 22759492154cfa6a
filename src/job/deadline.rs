//! The phases of a job and their deadlines. Without a deadline, a hanging phase would block a GPU.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The phases of a job, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Check port, disk and tools of the node.
    Preflight,
    /// Remove what killed jobs left on the node.
    Clean,
    /// Start the engine, or submit it to a scheduler.
    Launch,
    Queue,
    /// Wait until the engine answers its health check and generates one token.
    Ready,
    /// Requests that are not measured.
    WarmUp,
    Load,
    Eval,
    Collect,
    Stop,
}

impl Phase {
    /// In order.
    pub const ALL: [Self; 10] = [
        Self::Preflight,
        Self::Clean,
        Self::Launch,
        Self::Queue,
        Self::Ready,
        Self::WarmUp,
        Self::Load,
        Self::Eval,
        Self::Collect,
        Self::Stop,
    ];

    /// The name in `job.json`, profiles and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Clean => "clean",
            Self::Launch => "launch",
            Self::Queue => "queue",
            Self::Ready => "ready",
            Self::WarmUp => "warm-up",
            Self::Load => "load",
            Self::Eval => "eval",
            Self::Collect => "collect",
            Self::Stop => "stop",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A duration as written in a profile: a whole number with `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhaseTime(Duration);

/// The text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time; write a whole number and its unit, such as 90s, 30m or 2h")]
pub struct DurationError(String);

impl PhaseTime {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// From a duration; `Display` rounds down to milliseconds.
    #[must_use]
    pub const fn of(duration: Duration) -> Self {
        Self(duration)
    }

    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for PhaseTime {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let invalid = || DurationError(text.to_owned());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let milliseconds = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1000),
            "m" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            _ => None,
        };
        milliseconds.map(Duration::from_millis).map(Self).ok_or_else(invalid)
    }
}

impl TryFrom<String> for PhaseTime {
    type Error = DurationError;

    fn try_from(text: String) -> Result<Self, DurationError> {
        text.parse()
    }
}

impl From<PhaseTime> for String {
    fn from(time: PhaseTime) -> Self {
        time.to_string()
    }
}

impl fmt::Display for PhaseTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        match milliseconds {
            0 => f.write_str("0s"),
            ms if ms % 3_600_000 == 0 => write!(f, "{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
            ms if ms % 1000 == 0 => write!(f, "{}s", ms / 1000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// The deadline of each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Deadlines {
    /// See [`Phase::Preflight`].
    pub preflight: PhaseTime,
    /// See [`Phase::Clean`].
    pub clean: PhaseTime,
    /// See [`Phase::Launch`]; includes pulling an image.
    pub launch: PhaseTime,
    /// See [`Phase::Queue`].
    pub queue: PhaseTime,
    /// See [`Phase::Ready`]; includes loading hundreds of GB of weights and compiling kernels.
    pub ready: PhaseTime,
    /// See [`Phase::WarmUp`].
    pub warm_up: PhaseTime,
    /// See [`Phase::Load`]; applies to each concurrency.
    pub load: PhaseTime,
    /// See [`Phase::Eval`].
    pub eval: PhaseTime,
    /// See [`Phase::Collect`].
    pub collect: PhaseTime,
    /// See [`Phase::Stop`]: time between SIGTERM and SIGKILL for the engine. A cancelled job waits at most 4 s.
    pub stop: PhaseTime,
    /// Stall timeout: the longest time without a finished token during a load, so that a hanging engine fails before the load's deadline.
    pub stall: PhaseTime,
    /// From the start to the exit of a recipe that measures itself, or of a launch script: its wait in a queue, its start and its load. By
    /// default it depends on the row, see [`recipe_deadline`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<PhaseTime>,
}

/// The default of [`Deadlines::recipe`], which is that of InferenceX's workflows: 500 minutes for a row on one node, 480 for one over
/// several, 780 where that replays recorded sessions.
#[must_use]
pub fn recipe_deadline(is_multi_node: bool, is_agentic: bool) -> PhaseTime {
    let minutes = match (is_multi_node, is_agentic) {
        (false, _) => 500,
        (true, false) => 480,
        (true, true) => 780,
    };
    PhaseTime::seconds(minutes * 60)
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            preflight: PhaseTime::seconds(60),
            clean: PhaseTime::seconds(120),
            launch: PhaseTime::seconds(3600),
            queue: PhaseTime::seconds(6 * 3600),
            ready: PhaseTime::seconds(3600),
            warm_up: PhaseTime::seconds(1800),
            load: PhaseTime::seconds(7200),
            eval: PhaseTime::seconds(7200),
            collect: PhaseTime::seconds(120),
            stop: PhaseTime::seconds(30),
            stall: PhaseTime::seconds(600),
            recipe: None,
        }
    }
}

impl Deadlines {
    /// The deadline of a phase.
    #[must_use]
    pub fn of(&self, phase: Phase) -> Duration {
        let time = match phase {
            Phase::Preflight => self.preflight,
            Phase::Clean => self.clean,
            Phase::Launch => self.launch,
            Phase::Queue => self.queue,
            Phase::Ready => self.ready,
            Phase::WarmUp => self.warm_up,
            Phase::Load => self.load,
            Phase::Eval => self.eval,
            Phase::Collect => self.collect,
            Phase::Stop => self.stop,
        };
        time.duration()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip_in_their_largest_whole_unit() {
        for (text, seconds, shown) in [
            ("90s", 90.0, "90s"),
            ("30m", 1800.0, "30m"),
            ("120m", 7200.0, "2h"),
            ("250ms", 0.25, "250ms"),
            ("0s", 0.0, "0s"),
        ] {
            let time: PhaseTime = text.parse().unwrap();
            assert!((time.duration().as_secs_f64() - seconds).abs() < 1e-9);
            assert_eq!(time.to_string(), shown);
        }
    }

    #[test]
    fn time_needs_a_number_and_a_unit() {
        for text in [
            "90",
            "s",
            "",
            "-1s",
            "1.5h",
            "1 m",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            assert_eq!(text.parse::<PhaseTime>(), Err(DurationError(text.to_owned())));
        }
    }
}
