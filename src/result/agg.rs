//! The normalised document, `agg_*.json`: the keys of process_result.py, and one block of imax's own. Reading one gives
//! a [`Point`]; documents of the original tools, which lack the block, are read by their keys.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use indexmap::IndexSet;

use super::context::{Gpus, spec_decoding};
use super::json::Wanted;
use super::plausibility::{self, Doubt, Figures};
use super::point::{Measurement, Point, PointFailure, PointOutcome, Provenance};
use super::power::{self, Conditions, Power};
use super::{Json, Object, agentx, intervals, number};
use crate::model::{CurveKey, FailureClass, Layout, NameError, Parallelism, PointKey, SeqLens, WorkerGroup, Workload};

/// The key of imax's own block.
pub(super) const OWN_BLOCK: &str = "imax";
/// The value of `scenario_type` for recorded traffic.
pub(super) const AGENTIC: &str = "agentic-coding";
/// The entry of the block with facts that the load generator reports besides its metrics.
pub(super) const LOAD: &str = "load";
/// The entry of the block that says how many requests succeeded.
pub(super) const COMPLETED: &str = "completed";
/// The entry of the block with the time at which the load ended, seconds since 1970.
const ENDED: &str = "benchmark_end_time_unix";
/// The entry of the block with the codes of doubts about the figures.
const DOUBTS: &str = "doubts";
/// The entry of a load's block with the codes of doubts about the load.
const VALIDITY: &str = "validity";
/// The entry of the block with the provenance of the job.
const PROVENANCE: &str = "provenance";
/// The version of the block; raised when a field changes its meaning.
const OWN_VERSION: i64 = 1;

/// The fields that [`Agg::point`] and [`Agg::ended_unix_s`] read. imax's own block is the larger part of the text, and few of its
/// fields are needed.
pub const POINT_PART: Wanted = Wanted {
    others: true,
    named: &[(
        OWN_BLOCK,
        Wanted {
            others: false,
            named: &[
                ("version", Wanted::ALL),
                ("point", Wanted::ALL),
                (PROVENANCE, Wanted::ALL),
                (ENDED, Wanted::ALL),
                (COMPLETED, Wanted::ALL),
                (DOUBTS, Wanted::ALL),
                (
                    LOAD,
                    Wanted {
                        others: false,
                        named: &[(intervals::CI95, Wanted::ALL), (VALIDITY, Wanted::ALL)],
                    },
                ),
            ],
        },
    )],
};

#[derive(Debug, Clone, PartialEq)]
pub struct Agg(Object);

/// Why a document is not a valid normalised result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggError {
    /// The document is not an object.
    #[error("found {0}, expected an object")]
    NotAnObject(&'static str),
    /// A key is absent or has a value of the wrong kind.
    #[error("`{key}` is {found}, expected {expected}")]
    Field {
        key: String,
        found: String,
        expected: &'static str,
    },
    /// A name is invalid.
    #[error("{0}")]
    Name(#[from] NameError),
    /// imax's own block has another version.
    #[error("the `imax` block has version {0}, expected 1; use a newer imax")]
    Version(String),
    /// imax's own block has no valid point key.
    #[error("the `imax` block has no valid `point`: {0}")]
    Key(String),
}

impl Agg {
    pub(super) fn from_object(document: Object) -> Self {
        Self(document)
    }

    /// Wraps a JSON value; its content is checked by [`Agg::point`].
    ///
    /// # Errors
    /// [`AggError::NotAnObject`] for anything else.
    pub fn from_json(value: Json) -> Result<Self, AggError> {
        match value {
            Json::Object(mut document) => {
                agentx::flatten(&mut document);
                Ok(Self(document))
            }
            Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::List(_) => {
                Err(AggError::NotAnObject(value.kind()))
            }
        }
    }

    /// Whether a document is the aggregate of an AgentX replay, which [`Self::from_json`] reads like a normalised result.
    #[must_use]
    pub fn is_agentx_aggregate(document: &Json) -> bool {
        document.as_object().is_some_and(agentx::is_aggregate)
    }

    /// Adds the power and energy of the GPUs. `raw` is the result that the document was made of; if it counts no requests or no
    /// tokens, nothing is added.
    pub fn set_power(&mut self, power: Power, raw: &Json) {
        if let Some(raw) = raw.as_object() {
            power::put(&mut self.0, power, raw);
        }
    }

    /// Whether the document has power and energy.
    #[must_use]
    pub fn has_power(&self) -> bool {
        self.0.get("power_valid").and_then(number::whole) == Some(1)
    }

    /// Adds temperature, utilisation and memory of the GPUs.
    pub fn set_conditions(&mut self, conditions: Conditions) {
        power::put_conditions(&mut self.0, conditions);
    }

    /// Adds the provenance to imax's own block. A document without the block stays as it is.
    pub fn set_provenance(&mut self, provenance: Json) {
        if let Some(Json::Object(block)) = self.0.get_mut(OWN_BLOCK) {
            block.insert(PROVENANCE.to_owned(), provenance);
        }
    }

    /// The document as indented JSON.
    #[must_use]
    pub fn to_pretty(&self) -> String {
        Json::Object(self.0.clone()).to_pretty()
    }

    /// The point that the document describes: by the key in its own block, else by its fields.
    ///
    /// # Errors
    /// [`AggError`] for a document that lacks what identifies a point.
    pub fn point(&self) -> Result<Point, AggError> {
        let reader = Reader(&self.0);
        let layout = reader.layout()?;
        let key = match self.0.get(OWN_BLOCK) {
            Some(block) => own_key(block)?,
            None => reader.key(&layout)?,
        };
        let figures = self.figures();
        let measurement = self.measurement(&figures)?;
        let intervals = intervals::of(&self.0, &measurement);
        Ok(Point {
            key,
            model: reader.text("model").ok(),
            image: reader.text("image").ok(),
            gpus: reader.gpus(&layout)?,
            layout,
            intervals,
            outcome: outcome(measurement, &figures),
            provenance: self.0.get(OWN_BLOCK).and_then(provenance),
        })
    }

    /// When the load ended, seconds since 1970; `None` if the document does not say.
    #[must_use]
    pub fn ended_unix_s(&self) -> Option<f64> {
        self.0.get(OWN_BLOCK)?.get(ENDED)?.as_number()
    }

    /// The codes of doubts: those that the load generator reports about the load, and those about the figures.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let block = self.0.get(OWN_BLOCK);
        let of_load = block.and_then(|block| block.get(LOAD)?.get(VALIDITY));
        let of_figures = block.and_then(|block| block.get(DOUBTS));
        let mut codes: Vec<String> = of_load.into_iter().chain(of_figures).flat_map(texts).collect();
        if of_figures.is_none() {
            let doubts = plausibility::doubts(&self.figures());
            codes.extend(doubts.iter().map(|doubt| doubt.code().to_owned()));
        }
        // A profiler is named by the load and by the curve.
        let mut seen = BTreeSet::new();
        codes.retain(|code| seen.insert(code.clone()));
        codes
    }

    fn figures(&self) -> Figures<'_> {
        let numbers = self.0.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_number()?)));
        Figures::of_normalised(numbers)
    }

    /// All numbers, in the units of the document, without latencies that were not measured.
    fn measurement(&self, figures: &Figures<'_>) -> Result<Measurement, AggError> {
        let unmeasured = plausibility::unmeasured(figures);
        let numbers = self.0.iter().filter(|(key, _)| !DESCRIBES.contains(&key.as_str()));
        let numbers = numbers.filter(|(key, _)| !unmeasured.iter().any(|latency| key.contains(latency.as_str())));
        let numbers = numbers.filter_map(|(key, value)| Some((key.as_str(), value.as_number()?)));
        let measurement = Measurement::new(numbers);
        if measurement.number("tput_per_gpu").is_none() {
            let found = self.0.get("tput_per_gpu").map_or_else(|| "absent".to_owned(), Json::to_pretty);
            return Err(field("tput_per_gpu", found, "a finite throughput per GPU"));
        }
        Ok(measurement)
    }
}

/// The original tools write a result even if no token was counted. Its zeros are not measurements.
fn outcome(measurement: Measurement, figures: &Figures<'_>) -> PointOutcome {
    let rates = ["tput_per_gpu", "output_tput_per_gpu"];
    let idle = rates
        .into_iter()
        .find(|name| measurement.number(name).is_some_and(|rate| rate == 0.0));
    if let Some(name) = idle {
        return PointOutcome::Failed(PointFailure {
            class: FailureClass::Server,
            reason: format!("`{name}` is not above zero: no token was counted; see the server's log"),
        });
    }
    match plausibility::doubts(figures).into_iter().find(Doubt::is_fatal) {
        None => PointOutcome::Measured(measurement),
        Some(doubt) => PointOutcome::Failed(PointFailure {
            class: FailureClass::Client,
            reason: doubt.to_string(),
        }),
    }
}

/// Numbers that describe the point instead of measuring it.
const DESCRIBES: [&str; 26] = [
    "allocated_cpu_dram_gb",
    "conc",
    "isl",
    "osl",
    "tp",
    "pp",
    "dcp_size",
    "pcp_size",
    "dp_size",
    "ep",
    "prefill_tp",
    "prefill_pp",
    "prefill_dcp_size",
    "prefill_pcp_size",
    "prefill_ep",
    "prefill_num_workers",
    "decode_tp",
    "decode_pp",
    "decode_dcp_size",
    "decode_pcp_size",
    "decode_ep",
    "decode_num_workers",
    "num_prefill_gpu",
    "num_decode_gpu",
    "power_metric_schema_version",
    "power_valid",
];

fn field(key: &str, found: impl Into<String>, expected: &'static str) -> AggError {
    AggError::Field {
        key: key.to_owned(),
        found: found.into(),
        expected,
    }
}

/// The facts that a load generator reports besides its metrics; they are copied into the block under the same names.
const COPIED: [&str; 8] = [
    "num_prompts",
    "completed",
    "total_input_tokens",
    "total_output_tokens",
    "duration",
    "benchmark_start_time_unix",
    ENDED,
    "backend",
];

/// The block: version, point key, GPUs, and counts of requests.
pub(super) fn own_block(key: &PointKey, gpus: Gpus, raw: &Object, doubts: &[Doubt]) -> Json {
    let mut block = Object::new();
    block.insert("version".to_owned(), Json::Integer(OWN_VERSION));
    // A point key is made of texts and whole numbers, which always have a JSON form.
    let key = serde_json::to_value(key).unwrap_or_default();
    block.insert("point".to_owned(), key.into());
    block.insert("gpus".to_owned(), gpus.total().into());
    for key in COPIED {
        if let Some(value) = raw.get(key) {
            block.insert(key.to_owned(), value.clone());
        }
    }
    if !doubts.is_empty() {
        let codes: IndexSet<&str> = doubts.iter().map(Doubt::code).collect();
        block.insert(DOUBTS.to_owned(), Json::List(codes.into_iter().map(Json::from).collect()));
    }
    if let Some(own) = raw.get(OWN_BLOCK) {
        block.insert(LOAD.to_owned(), own.clone());
    }
    Json::Object(block)
}

/// The provenance that the job recorded; `None` for a result without a job.
fn provenance(block: &Json) -> Option<Box<Provenance>> {
    let recorded = block.get(PROVENANCE)?;
    let power = recorded.get("power").unwrap_or(&Json::Null);
    let engine = recorded.get("engine").unwrap_or(&Json::Null);
    Some(Box::new(Provenance {
        producer: Some("imax".to_owned()),
        producer_version: recorded.text("imax_version").map(str::to_owned),
        engine_version: engine.text("engine_version").map(str::to_owned),
        image_digest: engine.text("image_digest").map(str::to_owned),
        node: recorded.text("host").map(str::to_owned),
        driver: recorded.text("gpu_driver").map(str::to_owned),
        recipe: recorded.text("recipe_sha256").map(str::to_owned),
        power: power.text("source").map(str::to_owned),
        power_kind: power.text("kind").map(str::to_owned),
        power_scope: power.text("scope").map(str::to_owned),
        ..Provenance::default()
    }))
}

fn texts(list: &Json) -> Vec<String> {
    match list {
        Json::List(items) => items.iter().filter_map(Json::as_text).map(str::to_owned).collect(),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_) => Vec::new(),
    }
}

fn own_key(block: &Json) -> Result<PointKey, AggError> {
    match block.get("version") {
        Some(Json::Integer(OWN_VERSION)) => {}
        other => return Err(AggError::Version(other.map_or_else(|| "none".to_owned(), Json::to_pretty))),
    }
    let point = block.get("point").cloned().unwrap_or(Json::Null);
    PointKey::from_json(point.into()).map_err(|error| AggError::Key(error.to_string()))
}

/// Reads a document by its keys.
struct Reader<'a>(&'a Object);

impl Reader<'_> {
    fn text(&self, key: &str) -> Result<String, AggError> {
        let value = self.0.get(key);
        let text = value.and_then(Json::as_text).map(str::to_owned);
        text.ok_or_else(|| field(key, value.map_or("absent", Json::kind), "a text"))
    }

    fn name<T: std::str::FromStr<Err = NameError>>(&self, key: &str) -> Result<T, AggError> {
        Ok(self.text(key)?.parse()?)
    }

    fn count(&self, key: &str) -> Result<u32, AggError> {
        let value = self.0.get(key);
        let number = value.and_then(number::whole).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| field(key, value.map_or_else(|| "absent".to_owned(), Json::to_pretty), "a whole number"))
    }

    fn size(&self, key: &str) -> Result<NonZeroU32, AggError> {
        NonZeroU32::new(self.count(key)?).ok_or_else(|| field(key, "0", "a whole number from 1"))
    }

    /// A size that older documents lack, and that absent decode workers write as zero.
    fn size_or_one(&self, key: &str) -> Result<NonZeroU32, AggError> {
        match self.0.get(key) {
            None => Ok(NonZeroU32::MIN),
            Some(_) => self.count(key).map(|size| NonZeroU32::new(size).unwrap_or(NonZeroU32::MIN)),
        }
    }

    fn flag(&self, key: &str) -> bool {
        match self.0.get(key) {
            Some(Json::Bool(value)) => *value,
            Some(Json::Text(text)) => text.eq_ignore_ascii_case("true"),
            Some(Json::Null | Json::Integer(_) | Json::Float(_) | Json::List(_) | Json::Object(_)) | None => false,
        }
    }

    fn parallelism(&self, prefix: &str) -> Result<Parallelism, AggError> {
        let tp = if prefix == "decode_" {
            self.size_or_one(&format!("{prefix}tp"))?
        } else {
            self.size(&format!("{prefix}tp"))?
        };
        Ok(Parallelism {
            tp,
            pp: self.size_or_one(&format!("{prefix}pp"))?,
            dcp_size: self.size_or_one(&format!("{prefix}dcp_size"))?,
            pcp_size: self.size_or_one(&format!("{prefix}pcp_size"))?,
            ep: self.size_or_one(&format!("{prefix}ep"))?,
            dp_attn: self.flag(&format!("{prefix}dp_attention")),
            dp_size: self.size_or_one(&format!("{prefix}dp_size"))?,
        })
    }

    fn group(&self, prefix: &str, hardware: &str) -> Result<WorkerGroup, AggError> {
        Ok(WorkerGroup {
            num_worker: self.count(&format!("{prefix}num_workers"))?,
            parallelism: self.parallelism(prefix)?,
            hardware: self.text(hardware).ok(),
            additional_settings: None,
        })
    }

    fn layout(&self) -> Result<Layout, AggError> {
        if self.flag("is_multinode") {
            Ok(Layout::MultiNode {
                prefill: self.group("prefill_", "prefill_hw")?,
                decode: self.group("decode_", "decode_hw")?,
            })
        } else {
            self.parallelism("").map(Layout::SingleNode)
        }
    }

    fn gpus(&self, layout: &Layout) -> Result<u64, AggError> {
        match layout {
            Layout::SingleNode(parallelism) => Ok(parallelism.gpus()),
            Layout::MultiNode { .. } => Ok(u64::from(self.count("num_prefill_gpu")?) + u64::from(self.count("num_decode_gpu")?)),
        }
    }

    fn workload(&self) -> Result<Workload, AggError> {
        if self.0.get("scenario_type").and_then(Json::as_text) == Some(AGENTIC) {
            return Ok(Workload::AgenticCoding);
        }
        Ok(Workload::FixedSeqLen(SeqLens {
            isl: self.size("isl")?,
            osl: self.size("osl")?,
        }))
    }

    fn key(&self, layout: &Layout) -> Result<PointKey, AggError> {
        let drafting = self.text("spec_decoding")?;
        let drafting = spec_decoding(&drafting).ok_or_else(|| field("spec_decoding", drafting, "none, mtp or draft_model"))?;
        Ok(PointKey {
            curve: CurveKey {
                model_prefix: self.name("infmax_model_prefix")?,
                precision: self.name("precision")?,
                runner: self.name("hw")?,
                framework: self.name("framework")?,
                spec_decoding: drafting,
                disagg: self.flag("disagg"),
                workload: self.workload()?,
                layout: layout.to_string(),
                variant: agentx::variant(self.0),
            },
            conc: self.size("conc")?,
        })
    }
}
