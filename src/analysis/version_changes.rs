//! What changed from one version to another, or from one architecture to another: configurations paired, each by the geometric mean over the
//! concurrencies that both sides measured.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ratios::{RatioSummary, ratio_summary};
use super::{Deployment, DeploymentFamily, MetricVerdict, RunPoint};
use crate::model::{Metric, count};
use crate::result::Point;

/// The metrics that are compared, by their medians: what the tables have of every point.
pub const RATIO_METRICS: [Metric; 6] = [
    Metric::ThroughputPerGpu,
    Metric::OutputThroughputPerGpu,
    Metric::Ttft,
    Metric::Tpot,
    Metric::Interactivity,
    Metric::E2el,
];

/// What is measured, whatever measured it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Subject {
    pub model: String,
    pub hardware: String,
    pub precision: String,
    pub sequence: String,
}

/// A subject with everything but the engine and its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Configuration {
    #[serde(flatten)]
    pub subject: Subject,
    pub layout: String,
    pub spec_decoding: String,
    /// Dimensions of other tools, `dataset=sharegpt turns=4`.
    pub variant: String,
}

/// A configuration on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfigurationChange {
    #[serde(flatten)]
    pub configuration: Configuration,
    pub metric: Metric,
    #[serde(flatten)]
    pub summary: RatioSummary,
}

/// A configuration that one side lacks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unpaired {
    #[serde(flatten)]
    pub configuration: Configuration,
    /// `base` or `head`.
    pub only_in: &'static str,
    pub reason: String,
}

/// A metric over all configurations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverallChange {
    pub metric: Metric,
    pub configurations: usize,
    /// Geometric mean of the configurations' ratios.
    pub ratio: f64,
    pub better: usize,
    pub worse: usize,
    pub same: usize,
    pub unsure: usize,
    /// Share of the configurations that did not get worse.
    pub without_loss: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct VersionChanges {
    pub changes: Vec<ConfigurationChange>,
    pub unpaired: Vec<Unpaired>,
    pub overall: Vec<OverallChange>,
}

impl Subject {
    fn of(point: &Point) -> Self {
        let curve = &point.key.curve;
        Self {
            model: curve.model_prefix.to_string(),
            hardware: curve.runner.to_string(),
            precision: curve.precision.to_string(),
            sequence: curve.workload.to_string(),
        }
    }
}

impl Configuration {
    fn of(point: &Point) -> Self {
        let curve = &point.key.curve;
        let variant: Vec<String> = curve.variant.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self {
            subject: Subject::of(point),
            layout: curve.layout.clone(),
            spec_decoding: curve.spec_decoding.as_str().to_owned(),
            variant: variant.join(" "),
        }
    }
}

type Curves<'a> = BTreeMap<Configuration, Vec<&'a Point>>;

/// The points of a version by their configurations.
fn curves<'a>(deployments: &'a [(RunPoint, Deployment)], version: &str) -> Curves<'a> {
    let mut curves = Curves::new();
    for (found, _) in deployments.iter().filter(|(_, deployment)| deployment.version == version) {
        curves.entry(Configuration::of(&found.point)).or_default().push(&found.point);
    }
    curves
}

fn values(points: &[&Point], metric: Metric) -> Vec<(u32, f64)> {
    let mut values: Vec<(u32, f64)> = points
        .iter()
        .filter_map(|point| Some((point.key.conc.get(), point.get(metric)?)))
        .collect();
    // Several engines of one version name may have measured a concurrency: the first counts, which is the newest.
    let mut seen = BTreeSet::new();
    values.retain(|(conc, _)| seen.insert(*conc));
    values.sort_by_key(|(conc, _)| *conc);
    values
}

/// The versions of deployments, the newest first.
#[must_use]
pub fn versions(deployments: &[(RunPoint, Deployment)]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut newest: Vec<&(RunPoint, Deployment)> = deployments.iter().collect();
    newest.sort_by(|left, right| right.0.started.cmp(&left.0.started).then(right.0.run.cmp(&left.0.run)));
    let names = newest.into_iter().map(|(_, deployment)| deployment.version.clone());
    names.filter(|name| seen.insert(name.clone())).collect()
}

/// The changes of the configurations that both versions measured.
#[must_use]
pub fn version_changes(deployments: &[(RunPoint, Deployment)], base: &str, head: &str) -> VersionChanges {
    let (before, after) = (curves(deployments, base), curves(deployments, head));
    let mut found = VersionChanges::default();
    for (configuration, points) in &after {
        match before.get(configuration) {
            None => found
                .unpaired
                .push(unpaired(configuration, "head", format!("{base} has not measured it"))),
            Some(known) => {
                let changes = changes(configuration, known, points);
                if changes.is_empty() {
                    found
                        .unpaired
                        .push(unpaired(configuration, "head", "no common concurrency".to_owned()));
                }
                found.changes.extend(changes);
            }
        }
    }
    for configuration in before.keys().filter(|configuration| !after.contains_key(configuration)) {
        found
            .unpaired
            .push(unpaired(configuration, "base", format!("{head} has not measured it")));
    }
    found.overall = overall(&found.changes);
    found
}

fn unpaired(configuration: &Configuration, only_in: &'static str, reason: String) -> Unpaired {
    Unpaired {
        configuration: configuration.clone(),
        only_in,
        reason,
    }
}

fn changes(configuration: &Configuration, base: &[&Point], head: &[&Point]) -> Vec<ConfigurationChange> {
    let changes = RATIO_METRICS.into_iter().filter_map(|metric| {
        let summary = ratio_summary(&values(base, metric), &values(head, metric), metric.better())?;
        Some(ConfigurationChange {
            configuration: configuration.clone(),
            metric,
            summary,
        })
    });
    changes.collect()
}

fn overall(changes: &[ConfigurationChange]) -> Vec<OverallChange> {
    let each = RATIO_METRICS.into_iter().filter_map(|metric| {
        let of_metric: Vec<&RatioSummary> = changes
            .iter()
            .filter(|change| change.metric == metric)
            .map(|change| &change.summary)
            .collect();
        if of_metric.is_empty() {
            return None;
        }
        let logarithms: f64 = of_metric.iter().map(|summary| summary.ratio.ln()).sum();
        let worse = with_verdict(&of_metric, MetricVerdict::Worse);
        Some(OverallChange {
            metric,
            configurations: of_metric.len(),
            ratio: (logarithms / count(of_metric.len())).exp(),
            better: with_verdict(&of_metric, MetricVerdict::Better),
            worse,
            same: with_verdict(&of_metric, MetricVerdict::Same),
            unsure: with_verdict(&of_metric, MetricVerdict::Unsure),
            without_loss: 1.0 - count(worse) / count(of_metric.len()),
        })
    });
    each.collect()
}

fn with_verdict(summaries: &[&RatioSummary], verdict: MetricVerdict) -> usize {
    summaries.iter().filter(|summary| summary.verdict == verdict).count()
}

/// A disaggregated or routed deployment beside one that is not, for the same model, hardware, precision and lengths.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArchitectureChange {
    #[serde(flatten)]
    pub subject: Subject,
    /// The version and layout of the deployment of engines on their own.
    pub base: String,
    /// Those of llm-d.
    pub head: String,
    pub base_gpus: u64,
    pub head_gpus: u64,
    pub metric: Metric,
    pub better: &'static str,
    #[serde(flatten)]
    pub summary: RatioSummary,
}

/// Deployments of llm-d with one replica beside engines on their own with one replica, at equal lengths and common concurrencies. Throughput is
/// per GPU, because layouts differ in their number.
#[must_use]
pub fn architecture_changes(deployments: &[(RunPoint, Deployment)]) -> Vec<ArchitectureChange> {
    let mut sides: BTreeMap<Subject, [BTreeMap<String, Vec<&Point>>; 2]> = BTreeMap::new();
    for (found, deployment) in deployments.iter().filter(|(_, deployment)| deployment.replicas == 1) {
        let side = usize::from(match deployment.family {
            DeploymentFamily::LlmD => true,
            DeploymentFamily::Rhaiis | DeploymentFamily::Other => false,
        });
        let name = format!("{} {}", deployment.version, found.point.key.curve.layout);
        let name = match &deployment.router {
            Some(router) => format!("{name}, router {router}"),
            None => name,
        };
        sides.entry(Subject::of(&found.point)).or_default()[side]
            .entry(name)
            .or_default()
            .push(&found.point);
    }
    let mut changes = Vec::new();
    for (subject, [alone, routed]) in &sides {
        for (head, after) in routed {
            for (base, before) in alone {
                changes.extend(pair(subject, (base, before), (head, after)).unwrap_or_default());
            }
        }
    }
    changes
}

/// `None` for a side without points.
fn pair(subject: &Subject, (base, before): (&str, &[&Point]), (head, after): (&str, &[&Point])) -> Option<Vec<ArchitectureChange>> {
    let (base_gpus, head_gpus) = (before.first()?.gpus, after.first()?.gpus);
    let each = RATIO_METRICS.into_iter().filter_map(|metric| {
        Some(ArchitectureChange {
            subject: subject.clone(),
            base: base.to_owned(),
            head: head.to_owned(),
            base_gpus,
            head_gpus,
            metric,
            better: metric.better().id(),
            summary: ratio_summary(&values(before, metric), &values(after, metric), metric.better())?,
        })
    });
    Some(each.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use chrono::DateTime;

    use super::super::deployments;
    use super::*;
    use crate::result::{Agg, Json, Provenance};

    /// A point of vLLM at a version; `more` replaces what a single node of 4 GPUs has.
    fn point(run: i64, version: &str, conc: u32, throughput: f64, more: &str) -> RunPoint {
        let single = r#""is_multinode": false, "tp": 4, "ep": 1, "disagg": false"#;
        let shape = if more.is_empty() { single } else { more };
        let text = format!(
            r#"{{"hw": "h200", "conc": {conc}, "model": "org/m", "infmax_model_prefix": "m", "framework": "vllm", "precision": "fp8",
            "spec_decoding": "none", "isl": 1024, "osl": 1024, {shape}, "tput_per_gpu": {throughput}, "output_tput_per_gpu": {throughput},
            "median_ttft": 0.5}}"#
        );
        let mut point = Agg::from_json(Json::parse(&text).unwrap()).unwrap().point().unwrap();
        point.provenance = Some(Box::new(Provenance {
            engine_version: Some(version.to_owned()),
            ..Provenance::default()
        }));
        RunPoint {
            run,
            started: DateTime::from_timestamp(run * 86_400, 0).unwrap(),
            commit: "c".to_owned(),
            point,
        }
    }

    const APART: &str = r#""is_multinode": true, "disagg": true, "prefill_num_workers": 3, "prefill_tp": 4, "prefill_ep": 1,
        "prefill_dp_attention": false, "decode_num_workers": 1, "decode_tp": 4, "decode_ep": 1, "decode_dp_attention": false, "num_prefill_gpu": 12, "num_decode_gpu": 4"#;

    fn history() -> Vec<(RunPoint, Deployment)> {
        let mut points = Vec::new();
        for (conc, old, new) in [(1, 100.0, 90.0), (2, 200.0, 182.0), (4, 400.0, 356.0), (8, 800.0, 0.0)] {
            points.push(point(1, "1.0", conc, old, ""));
            if new > 0.0 {
                points.push(point(3, "1.1", conc, new, ""));
                points.push(point(2, "1.1", conc, 1e6, ""));
            }
            points.push(point(4, "1.1", conc, old * 1.5, APART));
        }
        points.sort_by_key(|found| -found.run);
        deployments(points)
    }

    #[test]
    fn newest_run_of_a_version_is_compared() {
        let all = history();
        assert_eq!(versions(&all), ["vllm-1.1", "vllm-1.0"]);
        let found = version_changes(&all, "vllm-1.0", "vllm-1.1");
        let change = found
            .changes
            .iter()
            .find(|change| change.metric == Metric::ThroughputPerGpu)
            .unwrap();
        assert_eq!(change.summary.concurrencies, [1, 2, 4]);
        assert!((change.summary.ratio - (0.9_f64 * 0.91 * 0.89).cbrt()).abs() < 1e-12, "{change:?}");
        assert_eq!(change.summary.verdict, MetricVerdict::Worse);
        let unpaired: Vec<_> = found
            .unpaired
            .iter()
            .map(|one| (one.configuration.layout.as_str(), one.only_in))
            .collect();
        assert_eq!(unpaired, [("p3xtp4_d1xtp4", "head")]);
        let overall = &found.overall[0];
        assert_eq!(
            (overall.metric, overall.worse, overall.without_loss),
            (Metric::ThroughputPerGpu, 1, 0.0)
        );
        let ttft = found.changes.iter().find(|change| change.metric == Metric::Ttft).unwrap();
        assert_eq!((ttft.summary.ratio, ttft.summary.verdict), (1.0, MetricVerdict::Same));
    }

    #[test]
    fn roles_of_gpus_follow_from_the_layout() {
        let all = history();
        let apart = &all.iter().find(|(found, _)| found.run == 4).unwrap().1;
        assert_eq!(apart.family, DeploymentFamily::LlmD);
        assert_eq!((apart.prefill_pods, apart.prefill_gpus), (Some(3), Some(12)));
        assert_eq!(
            (apart.decode_pods, apart.decode_gpus, apart.prefill_per_decode_gpu),
            (Some(1), Some(4), Some(3.0))
        );
        let alone = &all.iter().find(|(found, _)| found.run == 1).unwrap().1;
        assert_eq!(
            (alone.tp, alone.dp, alone.replicas, alone.prefill_pods),
            (Some(4), Some(1), 1, None)
        );
    }

    #[test]
    fn architectures_are_compared_per_gpu_at_common_concurrencies() {
        let changes = architecture_changes(&history());
        let throughput: Vec<_> = changes.iter().filter(|change| change.metric == Metric::ThroughputPerGpu).collect();
        assert_eq!(throughput.len(), 2, "two versions of the engine alone");
        let old = throughput.iter().find(|change| change.base.starts_with("vllm-1.0")).unwrap();
        assert_eq!((old.base_gpus, old.head_gpus, old.head.as_str()), (4, 16, "vllm-1.1 p3xtp4_d1xtp4"));
        assert_eq!(old.summary.concurrencies, [1, 2, 4, 8]);
        assert!((old.summary.ratio - 1.5).abs() < 1e-12, "{old:?}");
        assert_eq!(old.summary.verdict, MetricVerdict::Better);
    }
}
