//! Sequence lengths, concurrency and speculative decoding.

use std::fmt;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Input and output lengths of the requests, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeqLens {
    /// Input sequence length (ISL), tokens.
    pub isl: NonZeroU32,
    /// Output sequence length (OSL), tokens.
    pub osl: NonZeroU32,
}

/// The field's short names: the lengths that InferenceX-style tools write as `1k1k`, `1k8k`, `8k1k`.
const SHORT_NAMES: [(u32, u32, &str); 3] = [(1024, 1024, "1k1k"), (1024, 8192, "1k8k"), (8192, 1024, "8k1k")];

impl SeqLens {
    /// The short name (`1k1k`, `1k8k`, `8k1k`), if the lengths have one.
    #[must_use]
    pub fn short_name(self) -> Option<&'static str> {
        SHORT_NAMES
            .iter()
            .find(|(isl, osl, _)| (self.isl.get(), self.osl.get()) == (*isl, *osl))
            .map(|(_, _, name)| *name)
    }

    /// The lengths of a short name.
    #[must_use]
    pub fn from_short_name(name: &str) -> Option<Self> {
        let (isl, osl, _) = SHORT_NAMES.iter().find(|(_, _, short)| *short == name)?;
        Some(Self {
            isl: NonZeroU32::new(*isl)?,
            osl: NonZeroU32::new(*osl)?,
        })
    }
}

/// The short name such as `1k1k`, else `isl_osl`.
impl fmt::Display for SeqLens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.short_name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}_{}", self.isl, self.osl),
        }
    }
}

/// The number of concurrent requests.
pub type Concurrency = NonZeroU32;

/// Speculative decoding: the source of draft tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpecDecoding {
    /// No speculative decoding.
    None,
    /// The model's own multi-token prediction heads.
    Mtp,
    /// A second, smaller model.
    DraftModel,
}

impl SpecDecoding {
    /// The name in configs, rows and results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mtp => "mtp",
            Self::DraftModel => "draft_model",
        }
    }
}

impl fmt::Display for SpecDecoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_round_trip_and_other_lengths_are_spelled_out() {
        for name in ["1k1k", "1k8k", "8k1k"] {
            assert_eq!(SeqLens::from_short_name(name).unwrap().to_string(), name);
        }
        let odd = SeqLens {
            isl: NonZeroU32::new(100).unwrap(),
            osl: NonZeroU32::new(50).unwrap(),
        };
        assert_eq!(odd.to_string(), "100_50");
        assert_eq!(SeqLens::from_short_name("2k2k"), None);
    }
}
