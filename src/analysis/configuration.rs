//! The configuration of a point as a list of names and values that can be compared line by line, and what differs between pairs of points.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::compare::Change;
use crate::model::count;
use crate::result::Point;

/// A setting that differs; absent on a side that does not have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    pub name: String,
    pub base: Option<String>,
    pub head: Option<String>,
}

/// Pairs with the same differences, and the changes between them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DifferenceGroup {
    pub differences: Vec<Difference>,
    pub pairs: usize,
    /// The geometric mean of a metric, `head / base - 1`.
    pub relative: BTreeMap<&'static str, f64>,
}

/// The settings of a point by name: image, GPUs, layout, provenance and the engine's arguments one by one.
#[must_use]
pub fn configuration(point: &Point) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut set = |name: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            settings.insert(name.to_owned(), value.to_owned());
        }
    };
    let gpus = point.gpus.to_string();
    set("image", point.image.as_deref());
    set("model", point.model.as_deref());
    set("gpus", Some(&gpus));
    let Some(provenance) = &point.provenance else {
        flatten("layout", &serde_json::json!(point.layout), &mut settings);
        return settings;
    };
    for (name, value) in [
        ("engine version", &provenance.engine_version),
        ("image digest", &provenance.image_digest),
        ("node", &provenance.node),
        ("GPU driver", &provenance.driver),
        ("recipe", &provenance.recipe),
        ("power source", &provenance.power),
        ("load generator", &provenance.producer),
        ("load generator version", &provenance.producer_version),
    ] {
        set(name, value.as_deref());
    }
    for (name, value) in arguments(provenance.runtime_args.as_deref().unwrap_or_default()) {
        settings.insert(format!("argument {name}"), value);
    }
    flatten("layout", &serde_json::json!(point.layout), &mut settings);
    settings
}

/// The members of nested objects by their paths.
fn flatten(path: &str, value: &Value, settings: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                flatten(&format!("{path}.{name}"), member, settings);
            }
        }
        Value::Null => {}
        Value::String(text) => {
            settings.insert(path.to_owned(), text.clone());
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            settings.insert(path.to_owned(), value.to_string());
        }
    }
}

/// The most arguments of a command line that are compared.
const MOST_ARGUMENTS: usize = 500;

/// The arguments of an engine: `--name value`, `--name=value` and `--flag` of command lines, `name: value; name: value` of RHAIIS' tables. What
/// is given several times has its values in one line.
#[must_use]
pub fn arguments(text: &str) -> BTreeMap<String, String> {
    let pairs: Vec<(String, String)> = if text.split_whitespace().any(|word| word.starts_with('-')) {
        of_command_line(text)
    } else {
        let pairs = text.split([';', '\n']).filter_map(|part| part.split_once(':'));
        pairs
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect()
    };
    let mut arguments: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs.into_iter().filter(|(name, _)| !name.is_empty()).take(MOST_ARGUMENTS) {
        let known = arguments.entry(name).or_default();
        if !known.is_empty() {
            known.push(' ');
        }
        known.push_str(&value);
    }
    arguments
}

fn of_command_line(text: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for word in text.split_whitespace() {
        // `-1` is a value.
        let is_name = word.starts_with('-') && !word.trim_start_matches('-').starts_with(|first: char| first.is_ascii_digit());
        if is_name {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            pairs.push((name.trim_start_matches('-').replace('_', "-"), value.to_owned()));
        } else if let Some((_, value)) = pairs.last_mut() {
            if !value.is_empty() {
                value.push(' ');
            }
            value.push_str(word);
        }
    }
    pairs
}

/// What differs between two points.
#[must_use]
pub fn differences(base: &Point, head: &Point) -> Vec<Difference> {
    let (base, head) = (configuration(base), configuration(head));
    let mut names: Vec<&String> = base.keys().chain(head.keys()).collect();
    names.sort();
    names.dedup();
    let differs = names.into_iter().filter(|name| base.get(*name) != head.get(*name));
    differs
        .map(|name| Difference {
            name: name.clone(),
            base: base.get(name).cloned(),
            head: head.get(name).cloned(),
        })
        .collect()
}

/// Number of pairs, and the logarithms of their changes by metric.
type PairsAndChanges = (usize, BTreeMap<&'static str, Vec<f64>>);

/// Pairs grouped by what differs, those with the most pairs first.
#[must_use]
pub fn difference_groups<'a>(pairs: impl IntoIterator<Item = (&'a Point, &'a Point, &'a [Change])>) -> Vec<DifferenceGroup> {
    let mut groups: BTreeMap<Vec<Difference>, PairsAndChanges> = BTreeMap::new();
    for (base, head, changes) in pairs {
        let (number, logarithms) = groups.entry(differences(base, head)).or_default();
        *number += 1;
        for change in changes {
            logarithms.entry(change.metric.id()).or_default().push(change.relative.ln_1p());
        }
    }
    let mut groups: Vec<DifferenceGroup> = groups
        .into_iter()
        .map(|(differences, (pairs, logarithms))| DifferenceGroup {
            differences,
            pairs,
            relative: logarithms
                .into_iter()
                .map(|(metric, logs)| (metric, (logs.iter().sum::<f64>() / count(logs.len())).exp_m1()))
                .filter(|(_, relative)| relative.is_finite())
                .collect(),
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.pairs));
    groups
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::json;

    use super::*;

    fn point(image: &str, arguments: &str) -> Point {
        let point = json!({
            "key": { "curve": {
                "model-prefix": "demo", "precision": "fp8", "runner": "h100", "framework": "vllm", "spec-decoding": "none", "disagg": false,
                "workload": { "fixed-seq-len": { "isl": 1024, "osl": 1024 } }, "layout": "tp4" }, "conc": 4 },
            "model": "demo/model", "image": image, "layout": { "single-node": { "tp": 4, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 1, "dp-attn": false } }, "gpus": 4,
            "outcome": { "measured": { "tput_per_gpu": 100.0 } },
            "provenance": { "runtime_args": arguments, "driver": "570.1" }
        });
        serde_json::from_value(point).unwrap()
    }

    #[test]
    fn arguments_are_read_in_the_forms_that_occur() {
        for (text, expected) in [
            ("", vec![]),
            (
                "--max-num-seqs 256 --enable-prefix-caching",
                vec![("enable-prefix-caching", ""), ("max-num-seqs", "256")],
            ),
            ("--kv_cache_dtype=fp8 -tp 8", vec![("kv-cache-dtype", "fp8"), ("tp", "8")]),
            ("--cuda-graph-bs 1 2 4 --seed -1", vec![("cuda-graph-bs", "1 2 4"), ("seed", "-1")]),
            ("--arg a --arg b", vec![("arg", "a b")]),
            (
                "tensor-parallel-size: 8; max-model-len: 8192;",
                vec![("max-model-len", "8192"), ("tensor-parallel-size", "8")],
            ),
            ("serve model", vec![]),
            ("= : ;:x", vec![("=", "")]),
        ] {
            let found = arguments(text);
            let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn pairs_with_the_same_differences_are_one_group() {
        let (old, new, tuned) = (
            point("vllm:1", "--seqs 1"),
            point("vllm:2", "--seqs 1"),
            point("vllm:2", "--seqs 2 --fast"),
        );
        let difference = |name: &str, base: Option<&str>, head: Option<&str>| Difference {
            name: name.to_owned(),
            base: base.map(str::to_owned),
            head: head.map(str::to_owned),
        };
        assert_eq!(differences(&old, &old), []);
        assert_eq!(
            differences(&old, &tuned),
            [
                difference("argument fast", None, Some("")),
                difference("argument seqs", Some("1"), Some("2")),
                difference("image", Some("vllm:1"), Some("vllm:2")),
            ]
        );
        let groups = difference_groups([(&old, &tuned, &[][..]), (&old, &new, &[]), (&old, &new, &[])]);
        let found: Vec<(usize, usize)> = groups.iter().map(|group| (group.pairs, group.differences.len())).collect();
        assert_eq!(found, [(2, 1), (1, 3)]);
    }
}
