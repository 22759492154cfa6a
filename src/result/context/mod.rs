//! What a raw result lacks to identify its point: model, hardware, engine, layout. It comes from the matrix row of the job, or
//! from the environment that InferenceX's workflows set.

mod environment;

use std::fmt;

use crate::matrix::{Component, Row, Scenario};
use crate::model::{Concurrency, CurveKey, Layout, NameError, PointKey, SeqLens};

pub(super) use environment::spec_decoding;

/// Everything about a point that is not in its raw result.
#[derive(Debug, Clone, PartialEq)]
pub struct PointContext {
    /// The source of the context. It decides how strictly the raw result is checked.
    pub origin: Origin,
    /// The curve of the point.
    pub curve: CurveKey,
    /// The model's hub name, for producers that do not report it; an environment does not contain it.
    pub model: Option<String>,
    /// The container image of the engine.
    pub image: String,
    /// Input and output lengths; none for recorded traffic.
    pub lens: Option<SeqLens>,
    /// The split over GPUs.
    pub layout: Layout,
    /// GPUs that count, which an environment may state apart from the layout.
    pub gpus: Gpus,
    /// Data-parallel attention as it was spelled, for one engine or for prefill and decode.
    pub(super) dp_attention: Vec<String>,
    /// Identity of the curve's configuration.
    pub recipe_fingerprint: Option<String>,
    /// The request router.
    pub router: Option<Component>,
    /// What moves the KV cache between workers.
    pub kv_p2p_transfer: Option<String>,
}

/// Where a [`PointContext`] came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A matrix row, for a point at this concurrency: the raw result is checked, and the document gets imax's own block.
    Row(Concurrency),
    /// The raw result itself, for a point at this concurrency: checked in the same way.
    Raw(Concurrency),
    /// The environment of process_result.py: the raw result is read, and the document written, as the original does.
    Environment,
}

/// GPUs whose work the throughput is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gpus {
    /// One group does everything.
    Together(u64),
    /// Prefill and decode on GPUs of their own; `decode` is zero where the prefill workers also decode.
    Apart {
        /// GPUs that read prompts.
        prefill: u64,
        /// GPUs that generate.
        decode: u64,
    },
}

/// Which environment of the original is meant: what a variable means changed over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    #[default]
    Current,
    /// The dialect of February 2026: no PP, DCP, PCP, router or fingerprint, and decode GPUs are required.
    February,
}

/// Why the environment or the row does not describe a point.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// Variables are not set.
    #[error("the environment lacks {}; set them, or give the matrix row with --row", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// A variable is not a whole number, or is below its minimum.
    #[error("{variable} is {found:?}, expected a whole number from {minimum}")]
    Number {
        variable: &'static str,
        found: String,
        /// The smallest valid value.
        minimum: u32,
    },
    /// A variable is not a valid name.
    #[error("{variable}: {source}")]
    Name {
        variable: &'static str,
        /// What is wrong with it.
        source: NameError,
    },
    /// Speculative decoding has a name that is not known.
    #[error("SPEC_DECODING is {0:?}, expected none, mtp or draft_model")]
    SpecDecoding(String),
    /// A component's metadata is not what it should be.
    #[error("ROUTER_METADATA is {0:?}, expected JSON with exactly a name and a version, both non-empty texts")]
    Router(String),
    /// Disaggregation needs several nodes.
    #[error("DISAGG is true without IS_MULTINODE=true; disaggregated prefill and decode need a multi-node result")]
    DisaggregatedOnOneNode,
    /// Only one of the two hardware variables is set.
    #[error("only one of PREFILL_HARDWARE and DECODE_HARDWARE is set; set both or neither")]
    HalfTheHardware,
    /// The row has no such concurrency.
    #[error("the row has no concurrency {0}; use one of its `conc` values")]
    Concurrency(Concurrency),
}

impl PointContext {
    /// The context of a row's point at one of its concurrencies.
    ///
    /// # Errors
    /// [`ContextError::Concurrency`] if the row has no such point.
    pub fn from_row(row: &Row, conc: Concurrency) -> Result<Self, ContextError> {
        if !row.conc.as_slice().contains(&conc) {
            return Err(ContextError::Concurrency(conc));
        }
        let lens = match row.scenario {
            Scenario::FixedSeqLen { lens, .. } => Some(lens),
            Scenario::AgenticCoding { .. } => None,
        };
        Ok(Self {
            origin: Origin::Row(conc),
            curve: row.curve_key(),
            model: Some(row.model.as_str().to_owned()),
            image: row.image.as_str().to_owned(),
            lens,
            gpus: Gpus::of(&row.layout),
            dp_attention: dp_attention(&row.layout),
            layout: row.layout.clone(),
            recipe_fingerprint: row.recipe_fingerprint.clone(),
            router: row.router.clone(),
            kv_p2p_transfer: row.kv_p2p_transfer.clone(),
        })
    }

    /// The context that the variables of process_result.py describe. `lookup` gives a variable's value.
    ///
    /// # Errors
    /// [`ContextError`] for what is missing or wrong, all missing variables of a kind at once.
    pub fn from_environment(lookup: &impl Fn(&str) -> Option<String>, dialect: Dialect) -> Result<Self, ContextError> {
        environment::Environment { lookup, dialect }.context()
    }

    /// A context of which only this is known. It has one GPU, because the raw result does not say how many there were.
    pub(super) fn unknown(curve: CurveKey, model: Option<String>, lens: SeqLens, layout: Layout) -> Self {
        Self {
            origin: Origin::Environment,
            curve,
            model: model.or_else(|| Some(super::UNKNOWN.to_owned())),
            image: String::new(),
            lens: Some(lens),
            gpus: Gpus::of(&layout),
            dp_attention: dp_attention(&layout),
            layout,
            recipe_fingerprint: None,
            router: None,
            kv_p2p_transfer: None,
        }
    }

    /// The key of the point at a concurrency.
    #[must_use]
    pub fn key(&self, conc: Concurrency) -> PointKey {
        PointKey {
            curve: self.curve.clone(),
            conc,
        }
    }
}

impl Gpus {
    /// The GPUs of a layout.
    #[must_use]
    pub fn of(layout: &Layout) -> Self {
        match layout {
            Layout::SingleNode(parallelism) => Self::Together(parallelism.gpus()),
            Layout::MultiNode { prefill, decode } => Self::Apart {
                prefill: prefill.gpus(),
                decode: decode.gpus(),
            },
        }
    }

    #[must_use]
    pub fn total(self) -> u64 {
        match self {
            Self::Together(gpus) => gpus,
            Self::Apart { prefill, decode } => prefill + decode,
        }
    }
}

impl fmt::Display for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Together(gpus) => write!(f, "{gpus} GPUs"),
            Self::Apart { prefill, decode } => write!(f, "{prefill} prefill and {decode} decode GPUs"),
        }
    }
}

fn dp_attention(layout: &Layout) -> Vec<String> {
    match layout {
        Layout::SingleNode(parallelism) => vec![parallelism.dp_attn.to_string()],
        Layout::MultiNode { prefill, decode } => [prefill, decode]
            .iter()
            .map(|group| group.parallelism.dp_attn.to_string())
            .collect(),
    }
}
