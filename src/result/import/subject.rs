//! Facts to what identifies a point.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use super::facts::{Fact, FactError, Facts};
use crate::model::{Concurrency, CurveKey, Layout, NameError, Parallelism, SeqLens, SpecDecoding, VariantText, WorkerGroup, Workload};
use crate::result::context::spec_decoding;
use crate::result::point::Provenance;
use crate::result::{PointContext, UNKNOWN};

/// What is measured, at which load.
pub(super) struct Subject {
    pub context: PointContext,
    pub conc: Concurrency,
}

/// Facts that are dimensions of other tools' curves, each with the value that stands for its absence.
const VARIANTS: [(Fact, &str); 9] = [
    (Fact::Dataset, ""),
    (Fact::Turns, "1"),
    (Fact::PrefixCaching, ""),
    (Fact::PrefixTokens, "0"),
    (Fact::PrefixCount, "0"),
    (Fact::RequestType, ""),
    (Fact::Router, ""),
    (Fact::Replicas, "1"),
    (Fact::RequestRate, "inf"),
];

impl Subject {
    pub(super) fn of(facts: &Facts) -> Result<Self, FactError> {
        let model = facts.required(Fact::Model, "the model's name")?;
        let short = model.trim_end_matches('/').rsplit('/').next().unwrap_or(model);
        let (layout, disagg) = layout(facts)?;
        let lens = SeqLens {
            isl: facts.required_size(Fact::Isl)?,
            osl: facts.required_size(Fact::Osl)?,
        };
        let hardware = facts.text(Fact::Hardware).unwrap_or(UNKNOWN).to_lowercase();
        let curve = CurveKey {
            model_prefix: name(facts, Fact::ModelPrefix, facts.text(Fact::ModelPrefix).unwrap_or(short))?,
            precision: name(facts, Fact::Precision, facts.text(Fact::Precision).unwrap_or(UNKNOWN))?,
            runner: name(facts, Fact::Hardware, &hardware)?,
            framework: name(facts, Fact::Framework, facts.text(Fact::Framework).unwrap_or(UNKNOWN))?,
            spec_decoding: drafting(facts)?,
            disagg,
            workload: Workload::FixedSeqLen(lens),
            layout: layout.to_string(),
            variant: variant(facts)?,
        };
        let mut context = PointContext::unknown(curve, Some(model.to_owned()), lens, layout);
        if let Some(image) = image(facts) {
            context.image = image;
        }
        Ok(Self {
            context,
            conc: facts.required_size(Fact::Concurrency)?,
        })
    }
}

fn name<T: FromStr<Err = NameError>>(facts: &Facts, fact: Fact, text: &str) -> Result<T, FactError> {
    text.parse().map_err(|error: NameError| facts.wrong(fact, &error.to_string()))
}

/// The image, else the engine with its version: what two points of one curve are compared by.
fn image(facts: &Facts) -> Option<String> {
    let named = facts.text(Fact::Image).map(str::to_owned);
    named.or_else(|| Some(format!("{}:{}", facts.text(Fact::Framework)?, facts.text(Fact::Version)?)))
}

fn drafting(facts: &Facts) -> Result<SpecDecoding, FactError> {
    match facts.text(Fact::SpecDecoding) {
        None => Ok(SpecDecoding::None),
        Some(text) => match text.to_lowercase().replace('-', "_").as_str() {
            "none" | "off" | "false" => Ok(SpecDecoding::None),
            "on" => Ok(SpecDecoding::Mtp),
            other => spec_decoding(other).ok_or_else(|| facts.wrong(Fact::SpecDecoding, "none, mtp or draft_model")),
        },
    }
}

fn variant(facts: &Facts) -> Result<BTreeMap<VariantText, VariantText>, FactError> {
    let mut variant = BTreeMap::new();
    for (fact, plain) in VARIANTS {
        let Some(text) = facts.text(fact).filter(|text| *text != plain) else {
            continue;
        };
        // A router's configuration may be a document of many lines.
        let line: Vec<&str> = text.split_whitespace().collect();
        variant.insert(name(facts, fact, fact.as_str())?, name(facts, fact, &line.join(" "))?);
    }
    Ok(variant)
}

/// The split over GPUs, and whether prefill and decode are apart.
fn layout(facts: &Facts) -> Result<(Layout, bool), FactError> {
    let (prefill, decode) = (facts.size(Fact::PrefillWorkers)?, facts.size(Fact::DecodeWorkers)?);
    if let (None, None) = (prefill, decode) {
        let replicas = facts.size(Fact::Replicas)?.unwrap_or(NonZeroU32::MIN);
        let dp = facts.size(Fact::Dp)?.unwrap_or(NonZeroU32::MIN);
        let engines = dp
            .checked_mul(replicas)
            .ok_or_else(|| facts.wrong(Fact::Replicas, "fewer engines than 2^32"))?;
        // A deployment by data parallelism alone has no TP of its own.
        let tp = match (facts.size(Fact::Tp)?, facts.size(Fact::Dp)?) {
            (Some(tp), _) => tp,
            (None, Some(_)) => NonZeroU32::MIN,
            (None, None) => return Err(facts.wrong(Fact::Tp, "the number of GPUs that share the model")),
        };
        let parallelism = Parallelism {
            dp_size: engines,
            pp: facts.size(Fact::Pp)?.unwrap_or(NonZeroU32::MIN),
            ..parallelism(tp, facts.size(Fact::Ep)?)
        };
        return Ok((Layout::SingleNode(parallelism), false));
    }
    let layout = Layout::MultiNode {
        prefill: group(facts, prefill, Fact::PrefillTp, Fact::PrefillEp)?,
        decode: group(facts, decode, Fact::DecodeTp, Fact::DecodeEp)?,
    };
    Ok((layout, true))
}

fn parallelism(tp: NonZeroU32, ep: Option<NonZeroU32>) -> Parallelism {
    let one = NonZeroU32::MIN;
    Parallelism {
        tp,
        pp: one,
        dcp_size: one,
        pcp_size: one,
        ep: ep.unwrap_or(one),
        dp_attn: false,
        dp_size: one,
    }
}

fn group(facts: &Facts, workers: Option<NonZeroU32>, tp: Fact, ep: Fact) -> Result<WorkerGroup, FactError> {
    let size = facts.size(tp)?;
    let tp = size.ok_or_else(|| facts.wrong(tp, "the GPUs of one worker, which one TP for prefill and decode does not say"))?;
    let experts = facts.size(ep)?;
    if experts.is_none() && facts.size(Fact::Ep)?.is_some_and(|together| together != NonZeroU32::MIN) {
        return Err(facts.wrong(ep, "the EP of one worker, which one EP for prefill and decode does not say"));
    }
    Ok(WorkerGroup {
        num_worker: workers.map_or(0, NonZeroU32::get),
        parallelism: parallelism(tp, experts),
        hardware: None,
        additional_settings: None,
    })
}

/// When it was measured.
pub(super) fn date(facts: &Facts) -> Result<DateTime<Utc>, FactError> {
    const EXPECTED: &str = "when it was measured, RFC 3339 or a day such as 2026-11-22";
    let text = facts.required(Fact::Date, EXPECTED)?;
    parse_date(text).ok_or_else(|| facts.wrong(Fact::Date, EXPECTED))
}

/// RFC 3339, a day, or what benchmark_serving.py and Prism write; the latter two are taken as UTC.
fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = DateTime::parse_from_rfc3339(text) {
        return Some(date.to_utc());
    }
    let local = ["%Y%m%d-%H%M%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f"];
    let local = local.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN));
    local.or(day.ok()).map(|date| date.and_utc())
}

/// Seconds since 1970 as a date.
pub(super) fn date_of_seconds(seconds: f64) -> Option<String> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    let milliseconds = (seconds.is_finite() && seconds.abs() < 1e11).then_some((seconds * 1000.0) as i64)?;
    Some(DateTime::from_timestamp_millis(milliseconds)?.to_rfc3339())
}

/// What is known of how the numbers came to be.
pub(super) fn provenance(facts: &Facts, producer: &str, conversions: Vec<String>) -> Provenance {
    let [producer_version, engine_version, node, runtime_args] =
        [Fact::ProducerVersion, Fact::Version, Fact::Node, Fact::RuntimeArgs].map(|fact| facts.text(fact).map(str::to_owned));
    Provenance {
        producer: Some(producer.to_owned()),
        producer_version,
        engine_version,
        node,
        runtime_args,
        conversions,
        ..Provenance::default()
    }
}
