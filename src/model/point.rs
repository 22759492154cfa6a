//! The identity of a measured case. A [`PointKey`] is computed once, from a matrix row, and carried unchanged into
//! results, comparisons and history; two measurements may be compared when their keys are equal.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Concurrency, Framework, ModelPrefix, Precision, RunnerLabel, SeqLens, SpecDecoding};

/// Everything that identifies a curve: what is measured, on what, and how it is split; not the image or the engine's
/// version, which are what a comparison compares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CurveKey {
    pub model_prefix: ModelPrefix,
    /// Numeric format of the weights.
    pub precision: Precision,
    /// The runner label, which stands for the hardware.
    pub runner: RunnerLabel,
    pub framework: Framework,
    /// How tokens are drafted.
    pub spec_decoding: SpecDecoding,
    pub disagg: bool,
    pub workload: Workload,
    /// The split over GPUs as a short text, such as `tp8-ep8-dpa` or `p1x4_d1x8-ep8`.
    pub layout: String,
}

/// What the requests of a curve look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Requests of fixed lengths.
    FixedSeqLen(SeqLens),
    AgenticCoding,
}

/// One measured case: a point on a curve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PointKey {
    pub curve: CurveKey,
    /// Requests under way at once.
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
        } = self;
        write!(f, "{model_prefix} {precision} {runner} {framework} {workload} {layout}")?;
        match spec_decoding {
            SpecDecoding::None => {}
            SpecDecoding::Mtp | SpecDecoding::DraftModel => write!(f, " {spec_decoding}")?,
        }
        if *disagg { f.write_str(" disagg") } else { Ok(()) }
    }
}

impl fmt::Display for PointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} conc{}", self.curve, self.conc)
    }
}
