//! Points as deployments: the version that was measured, what its GPUs do, and how many of its requests failed. The dashboards of RHAIIS and
//! llm-d show points in these terms.

use std::collections::BTreeMap;

use serde::Serialize;

use super::RunPoint;
use crate::model::{CurveKey, Layout, count};
use crate::result::{FAILED_REQUESTS, ImportFormat, Measurement, Point, SUCCESSFUL_REQUESTS};

/// Which dashboard a deployment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentFamily {
    /// Engines behind a router, or with prefill and decode apart.
    LlmD,
    /// Engines on their own, from the tables of RHAIIS.
    Rhaiis,
    /// Engines on their own, from elsewhere.
    Other,
}

impl DeploymentFamily {
    pub const ALL: [Self; 3] = [Self::LlmD, Self::Rhaiis, Self::Other];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LlmD => "llm-d",
            Self::Rhaiis => "rhaiis",
            Self::Other => "other",
        }
    }
}

/// The dimensions of a variant that tell how a deployment is built.
const ROUTER: &str = "router";
const REPLICAS: &str = "replicas";

/// What a point's deployment is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deployment {
    pub family: DeploymentFamily,
    /// Input and output lengths, as comparisons name them.
    pub sequence: String,
    /// The engine with its version, as `vLLM-0.13.0`.
    pub version: String,
    /// Of an engine whose prefill and decode are together.
    pub tp: Option<u32>,
    /// Data-parallel engines of one replica.
    pub dp: Option<u32>,
    pub ep: Option<u32>,
    pub replicas: u32,
    pub prefill_pods: Option<u32>,
    pub prefill_tp: Option<u32>,
    pub prefill_gpus: Option<u64>,
    pub decode_pods: Option<u32>,
    pub decode_tp: Option<u32>,
    pub decode_gpus: Option<u64>,
    /// GPUs that process prompts for each one that generates.
    pub prefill_per_decode_gpu: Option<f64>,
    pub router: Option<String>,
    /// Failed requests among all; absent where the source does not count them.
    pub error_rate: Option<f64>,
    pub runtime_args: Option<String>,
    /// Output tokens a second and GPU, all GPUs counted: for engines with prefill and decode apart less than the number by decode GPUs.
    pub output_tput_per_any_gpu: Option<f64>,
}

impl Deployment {
    /// `commit` is that of the run, which the tables of RHAIIS and llm-d fill with the version.
    #[must_use]
    pub fn of(point: &Point, commit: &str) -> Self {
        let curve = &point.key.curve;
        let replicas = variant(curve, REPLICAS).and_then(|text| text.parse().ok()).unwrap_or(1).max(1);
        let shape = Shape::of(&point.layout, replicas);
        let numbers = point.measurement();
        let generating = shape.decode_gpus.unwrap_or(point.gpus);
        Self {
            family: family(point),
            sequence: curve.workload.to_string(),
            version: version(point, commit),
            tp: shape.tp,
            dp: shape.dp,
            ep: shape.ep,
            replicas,
            prefill_pods: shape.prefill_pods,
            prefill_tp: shape.prefill_tp,
            prefill_gpus: shape.prefill_gpus,
            decode_pods: shape.decode_pods,
            decode_tp: shape.decode_tp,
            decode_gpus: shape.decode_gpus,
            prefill_per_decode_gpu: shape
                .prefill_gpus
                .zip(shape.decode_gpus.filter(|gpus| *gpus > 0))
                .map(|(prefill, decode)| count(prefill) / count(decode)),
            router: variant(curve, ROUTER).map(str::to_owned),
            error_rate: numbers.and_then(error_rate),
            runtime_args: point.provenance.as_ref().and_then(|known| known.runtime_args.clone()),
            output_tput_per_any_gpu: numbers
                .and_then(|numbers| numbers.number("output_tput_per_gpu"))
                .filter(|_| point.gpus > 0)
                .map(|rate| rate * count(generating) / count(point.gpus)),
        }
    }
}

/// What a layout says of the roles of its GPUs.
#[derive(Default)]
struct Shape {
    tp: Option<u32>,
    dp: Option<u32>,
    ep: Option<u32>,
    prefill_pods: Option<u32>,
    prefill_tp: Option<u32>,
    prefill_gpus: Option<u64>,
    decode_pods: Option<u32>,
    decode_tp: Option<u32>,
    decode_gpus: Option<u64>,
}

impl Shape {
    fn of(layout: &Layout, replicas: u32) -> Self {
        match layout {
            Layout::SingleNode(parallelism) => {
                // Imports count the engines of all replicas as data parallelism.
                let engines = parallelism.dp_size.get();
                Self {
                    tp: Some(parallelism.tp.get()),
                    dp: Some(if engines % replicas == 0 { engines / replicas } else { engines }),
                    ep: Some(parallelism.ep.get()),
                    ..Self::default()
                }
            }
            Layout::MultiNode { prefill, decode } => Self {
                prefill_pods: Some(prefill.num_worker),
                prefill_tp: Some(prefill.parallelism.tp.get()),
                prefill_gpus: Some(prefill.gpus()),
                decode_pods: Some(decode.num_worker),
                decode_tp: Some(decode.parallelism.tp.get()),
                decode_gpus: Some(decode.gpus()).filter(|gpus| *gpus > 0),
                ..Self::default()
            },
        }
    }
}

fn variant<'a>(curve: &'a CurveKey, name: &str) -> Option<&'a str> {
    let found = curve.variant.iter().find(|(known, _)| known.as_str() == name);
    found.map(|(_, value)| value.as_str())
}

fn producer(point: &Point) -> Option<&str> {
    point.provenance.as_ref()?.producer.as_deref()
}

fn family(point: &Point) -> DeploymentFamily {
    let curve = &point.key.curve;
    let framework = curve.framework.as_str();
    let is_llm_d = curve.disagg
        || variant(curve, ROUTER).is_some()
        || framework.contains("llm-d")
        || producer(point) == Some(ImportFormat::LlmdTable.as_str());
    if is_llm_d {
        DeploymentFamily::LlmD
    } else if framework.contains("rhaiis") || producer(point) == Some(ImportFormat::Rhaiis.as_str()) {
        DeploymentFamily::Rhaiis
    } else {
        DeploymentFamily::Other
    }
}

/// The version as the table has it, else the engine with its version, else the image.
fn version(point: &Point, commit: &str) -> String {
    let of_table = [ImportFormat::Rhaiis, ImportFormat::LlmdTable].map(ImportFormat::as_str);
    if producer(point).is_some_and(|producer| of_table.contains(&producer)) {
        return commit.to_owned();
    }
    let framework = point.key.curve.framework.as_str();
    let known = point.provenance.as_ref().and_then(|known| known.engine_version.as_deref());
    match (known, point.image.as_deref()) {
        (Some(version), _) => format!("{framework}-{version}"),
        (None, Some(image)) => image.to_owned(),
        (None, None) => framework.to_owned(),
    }
}

fn error_rate(numbers: &Measurement) -> Option<f64> {
    let (good, bad) = (numbers.number(SUCCESSFUL_REQUESTS)?, numbers.number(FAILED_REQUESTS)?);
    let all = good + bad;
    (all > 0.0).then(|| bad / all)
}

/// Of each curve and version the points of the newest run, with their deployments. `points` are newest first.
#[must_use]
pub fn deployments(points: Vec<RunPoint>) -> Vec<(RunPoint, Deployment)> {
    let mut newest: BTreeMap<(CurveKey, String), i64> = BTreeMap::new();
    let mut found = Vec::new();
    for point in points {
        let deployment = Deployment::of(&point.point, &point.commit);
        let key = (point.point.key.curve.clone(), deployment.version.clone());
        if *newest.entry(key).or_insert(point.run) == point.run {
            found.push((point, deployment));
        }
    }
    found
}
