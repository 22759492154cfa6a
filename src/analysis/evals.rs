//! Accuracy scores of a run, and their changes since another run. Two scores differ if a z-test on their standard errors says so: an
//! optimisation that lowers accuracy is a regression like any other.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::MetricVerdict;
use crate::result::{Json, Object};

/// The identity of a score: task, model, hardware, engine, layout and concurrency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EvalKey {
    /// The model's short name.
    pub model_prefix: String,
    pub hardware: String,
    pub framework: String,
    pub precision: String,
    /// Speculative decoding.
    pub spec_decoding: String,
    /// The split over GPUs: `tp8-ep8-dpa`.
    pub layout: String,
    /// Concurrent requests.
    pub conc: u64,
    pub task: String,
    /// Which score: `em_strict`, `accuracy`.
    pub score_name: String,
}

impl fmt::Display for EvalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model_prefix,
            hardware,
            framework,
            precision,
            spec_decoding,
            layout,
            conc,
            task,
            score_name: _,
        } = self;
        write!(f, "{task} on {model_prefix} {precision} {hardware} {framework} {layout}")?;
        if spec_decoding != "none" && spec_decoding != "unknown" {
            write!(f, " {spec_decoding}")?;
        }
        write!(f, " conc{conc}")
    }
}

/// A score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvalScore {
    /// What it belongs to.
    pub key: EvalKey,
    pub score: f64,
    /// Its standard error, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<f64>,
    /// The number of scored questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub questions: Option<u64>,
}

/// The change of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvalChange {
    /// What it belongs to.
    pub key: EvalKey,
    pub base: f64,
    pub head: f64,
    /// The difference in standard errors: `(head - base) / sqrt(se² + se²)`; none if an error is not known or both are 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub z: Option<f64>,
    /// The verdict; higher scores are better.
    pub verdict: MetricVerdict,
}

/// The two-sided 95% and 99% quantiles of the normal distribution: a change beyond the second is certain, between them it is unsure.
const Z_95: f64 = 1.959_964;
const Z_99: f64 = 2.575_829;

impl EvalScore {
    /// The score in a row of `agg_eval_all.json`; `None` if the row has none.
    #[must_use]
    pub fn of_row(row: &Object) -> Option<Self> {
        let multi_node = row.get("is_multinode") == Some(&Json::Bool(true));
        let layout = if multi_node {
            format!(
                "p{}xtp{}-ep{}{}_d{}xtp{}-ep{}{}",
                size(row, "prefill_num_workers"),
                size(row, "prefill_tp"),
                size(row, "prefill_ep"),
                attention(row, "prefill_dp_attention"),
                size(row, "decode_num_workers"),
                size(row, "decode_tp"),
                size(row, "decode_ep"),
                attention(row, "decode_dp_attention")
            )
        } else {
            format!("tp{}-ep{}{}", size(row, "tp"), size(row, "ep"), attention(row, "dp_attention"))
        };
        Some(Self {
            score: number(row, "score")?,
            stderr: number(row, "score_se").filter(|error| *error >= 0.0),
            questions: whole(row, "n_eff"),
            key: EvalKey {
                model_prefix: text(row, "model_prefix"),
                hardware: text(row, "hw").to_lowercase(),
                framework: text(row, "framework"),
                precision: text(row, "precision"),
                spec_decoding: text(row, "spec_decoding"),
                layout,
                conc: size(row, "conc"),
                task: text(row, "task"),
                score_name: text(row, "score_name"),
            },
        })
    }
}

fn text(row: &Object, key: &str) -> String {
    row.get(key).and_then(Json::as_text).unwrap_or("unknown").to_owned()
}

fn number(row: &Object, key: &str) -> Option<f64> {
    row.get(key).and_then(Json::as_number).filter(|number| number.is_finite())
}

fn whole(row: &Object, key: &str) -> Option<u64> {
    number(row, key).and_then(|number| format!("{number:.0}").parse().ok())
}

fn size(row: &Object, key: &str) -> u64 {
    whole(row, key).unwrap_or(0)
}

/// The suffix of a layout with data-parallel attention.
fn attention(row: &Object, key: &str) -> &'static str {
    if text(row, key) == "true" { "-dpa" } else { "" }
}

/// The changes of scores that both runs have, in the order of `head`.
#[must_use]
pub fn eval_changes(base: &[EvalScore], head: &[EvalScore]) -> Vec<EvalChange> {
    let pairs = head
        .iter()
        .filter_map(|after| Some((base.iter().find(|before| before.key == after.key)?, after)));
    pairs.map(|(before, after)| eval_change(before, after)).collect()
}

fn eval_change(before: &EvalScore, after: &EvalScore) -> EvalChange {
    let error = before.stderr.zip(after.stderr).map(|(before, after)| before.hypot(after));
    let z = error.filter(|error| *error > 0.0).map(|error| (after.score - before.score) / error);
    EvalChange {
        key: after.key.clone(),
        base: before.score,
        head: after.score,
        z,
        verdict: verdict(before.score, after.score, z),
    }
}

fn verdict(base: f64, head: f64, z: Option<f64>) -> MetricVerdict {
    let Some(z) = z else {
        // Without a standard error, a difference is never certain.
        return if (head - base).abs() < f64::EPSILON {
            MetricVerdict::Same
        } else {
            MetricVerdict::Unsure
        };
    };
    if z.abs() < Z_95 {
        MetricVerdict::Same
    } else if z.abs() < Z_99 {
        MetricVerdict::Unsure
    } else if z > 0.0 {
        MetricVerdict::Better
    } else {
        MetricVerdict::Worse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(score: &str, error: &str, tp: u32) -> Object {
        let text = format!(
            r#"{{"is_multinode": false, "model_prefix": "dsr1", "hw": "H200", "framework": "sglang", "precision": "fp8", "spec_decoding": "mtp",
            "tp": {tp}, "ep": 8, "dp_attention": "true", "conc": 64, "task": "gsm8k", "score": {score}, "score_se": {error}, "score_name": "em_strict",
            "n_eff": 1319}}"#
        );
        Json::parse(&text).unwrap().as_object().unwrap().clone()
    }

    fn score(score: &str, error: &str) -> EvalScore {
        EvalScore::of_row(&row(score, error, 8)).unwrap()
    }

    #[test]
    fn row_becomes_a_named_score() {
        let found = score("0.95", "0.006");
        assert_eq!(found.key.to_string(), "gsm8k on dsr1 fp8 h200 sglang tp8-ep8-dpa mtp conc64");
        assert_eq!((found.stderr, found.questions), (Some(0.006), Some(1319)));
        assert_eq!(EvalScore::of_row(&row("null", "null", 8)), None);
        assert_eq!(score("0.95", "\"N/A\"").stderr, None);
    }

    #[test]
    fn score_change_counts_beyond_both_standard_errors() {
        for (before, now, verdict) in [
            (("0.950", "0.006"), ("0.945", "0.006"), MetricVerdict::Same),
            (("0.950", "0.006"), ("0.931", "0.006"), MetricVerdict::Unsure),
            (("0.950", "0.006"), ("0.900", "0.008"), MetricVerdict::Worse),
            (("0.900", "0.008"), ("0.950", "0.006"), MetricVerdict::Better),
            (("0.900", "\"N/A\""), ("0.950", "0.006"), MetricVerdict::Unsure),
            (("1.0", "0.0"), ("1.0", "0.0"), MetricVerdict::Same),
        ] {
            let changes = eval_changes(&[score(before.0, before.1)], &[score(now.0, now.1)]);
            assert_eq!(changes[0].verdict, verdict, "{before:?} {now:?}: {:?}", changes[0].z);
        }
        let other = EvalScore::of_row(&row("0.9", "0.01", 4)).unwrap();
        assert!(eval_changes(&[other], &[score("0.95", "0.006")]).is_empty());
    }
}
