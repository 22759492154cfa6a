//! The identity of a point. A [`PointKey`] is computed once, from a matrix row, and stays the same in results, comparisons and history.
//! Two measurements are comparable if their keys are equal.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Concurrency, Framework, ModelPrefix, Precision, RunnerLabel, SeqLens, SpecDecoding, VariantText};

/// The identity of a curve: model, hardware, engine, workload and layout. The image and the engine's version are not part of it,
/// because comparisons compare them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CurveKey {
    pub model_prefix: ModelPrefix,
    /// Numeric format of the weights.
    pub precision: Precision,
    /// The runner label, which stands for the hardware.
    pub runner: RunnerLabel,
    pub framework: Framework,
    /// Speculative decoding.
    pub spec_decoding: SpecDecoding,
    pub disagg: bool,
    pub workload: Workload,
    /// The split over GPUs as a short text, such as `tp8-ep8-dpa` or `p1x4_d1x8-ep8`.
    pub layout: String,
    /// Dimensions that imax does not measure along, and results of other tools have: data set, turns, shared prefixes, router. Empty for
    /// what imax measures.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<VariantText, VariantText>,
}

/// The workload of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Requests of fixed lengths.
    FixedSeqLen(SeqLens),
    AgenticCoding,
}

/// The identity of a point on a curve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PointKey {
    pub curve: CurveKey,
    /// Concurrent requests.
    pub conc: Concurrency,
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FixedSeqLen(lens) => lens.fmt(f),
            Self::AgenticCoding => f.write_str("agentic"),
        }
    }
}

/// The dimension of curves that were measured while a profiler ran.
const PROFILED: &str = "profiled";

impl CurveKey {
    /// Whether a profiler ran while the curve was measured.
    #[must_use]
    pub fn is_profiled(&self) -> bool {
        self.variant.keys().any(|name| name.as_str() == PROFILED)
    }

    /// Makes it the curve that is measured while a profiler runs. The profiler slows the engine, so it is never compared with the other one.
    pub fn set_profiled(&mut self) {
        if let (Ok(name), Ok(value)) = (PROFILED.parse(), "true".parse()) {
            self.variant.insert(name, value);
        }
    }
}

/// The key as one line for people: `dsr1 fp8 h200 trt 8k1k tp8-ep8 mtp`.
impl fmt::Display for CurveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model_prefix,
            precision,
            runner,
            framework,
            spec_decoding,
            disagg,
            workload,
            layout,
            variant,
        } = self;
        write!(f, "{model_prefix} {precision} {runner} {framework} {workload} {layout}")?;
        match spec_decoding {
            SpecDecoding::None => {}
            SpecDecoding::Mtp | SpecDecoding::DraftModel => write!(f, " {spec_decoding}")?,
        }
        if *disagg {
            f.write_str(" disagg")?;
        }
        variant.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl fmt::Display for PointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} conc{}", self.curve, self.conc)
    }
}
