//! Filters over the rows of a plan, whatever selected them: by the fields of the rows themselves, so that they apply to a change of the
//! changelog, an event and config keys alike.

use crate::model::SeqLens;

use super::filters::{self, Nodes, ScenarioKind};
use super::row::Row;

/// Which rows of a plan are run. Empty lists and absent values keep everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowFilter {
    /// Concurrencies.
    pub conc: Vec<i64>,
    pub seq_lens: Vec<SeqLens>,
    pub scenarios: Vec<ScenarioKind>,
    /// Short names of models, or their beginnings.
    pub model_prefixes: Vec<String>,
    pub precisions: Vec<String>,
    /// Engines.
    pub frameworks: Vec<String>,
    /// Runner labels.
    pub runner_types: Vec<String>,
    pub nodes: Option<Nodes>,
}

/// A value that no row can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` has {found:?}, expected {expected}")]
pub struct RowFilterError {
    /// The filter, by the name of its flag and input.
    name: &'static str,
    found: String,
    expected: &'static str,
}

impl RowFilter {
    /// The filters by the names of their flags, which are those of a manual run's inputs as well.
    pub const NAMES: [&'static str; 9] = [
        "conc",
        "seq-lens",
        "scenario-type",
        "model-prefix",
        "precision",
        "framework",
        "runner-type",
        "single-node",
        "multi-node",
    ];

    /// Reads filters from texts, `lookup` by name: words separated by spaces or commas, flags as `true`.
    ///
    /// # Errors
    /// [`RowFilterError`] for a text that is not a number, lengths or a scenario.
    pub fn parse<'a>(lookup: impl Fn(&str) -> Option<&'a str>) -> Result<Self, RowFilterError> {
        let [conc, seq_lens, scenarios, model_prefixes, precisions, frameworks, runner_types] = [
            "conc",
            "seq-lens",
            "scenario-type",
            "model-prefix",
            "precision",
            "framework",
            "runner-type",
        ]
        .map(|name| lookup(name).map(words_of).unwrap_or_default());
        let [single, multi] = ["single-node", "multi-node"].map(|name| lookup(name) == Some("true"));
        Ok(Self {
            conc: conc.iter().map(|word| concurrency(word)).collect::<Result<_, _>>()?,
            seq_lens: seq_lens.iter().map(|word| lengths(word)).collect::<Result<_, _>>()?,
            scenarios: scenarios.iter().map(|word| scenario(word)).collect::<Result<_, _>>()?,
            model_prefixes,
            precisions,
            frameworks,
            runner_types,
            nodes: (single || multi).then(|| Nodes::from_flags(single, multi)),
        })
    }

    /// Whether everything passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Removes rows that do not pass; of a row with several concurrencies, those that do not.
    pub fn apply(&self, rows: &mut Vec<Row>) {
        let Self {
            conc,
            seq_lens,
            scenarios,
            model_prefixes,
            precisions,
            frameworks,
            runner_types,
            nodes,
        } = self;
        filters::scenarios(rows, scenarios);
        filters::seq_lens(rows, seq_lens);
        if let Some(nodes) = nodes {
            nodes.retain(rows);
        }
        rows.retain(|row| {
            let prefix = row.model_prefix.as_str();
            (model_prefixes.is_empty() || model_prefixes.iter().any(|wanted| prefix.starts_with(wanted.as_str())))
                && has(precisions, row.precision.as_str())
                && has(frameworks, row.framework.as_str())
                && has(runner_types, row.runner.as_str())
        });
        filters::concurrencies(rows, conc);
    }
}

fn has(wanted: &[String], found: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted == found)
}

/// The words of an input, which people separate by spaces, commas or lines.
pub(super) fn words_of(text: &str) -> Vec<String> {
    text.split([' ', ',', '\n', '\t', '\r'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn concurrency(word: &str) -> Result<i64, RowFilterError> {
    let number = word.parse().ok().filter(|number: &i64| *number > 0);
    number.ok_or_else(|| RowFilterError {
        name: "conc",
        found: word.to_owned(),
        expected: "whole numbers above 0",
    })
}

fn lengths(word: &str) -> Result<SeqLens, RowFilterError> {
    SeqLens::from_short_name(word).ok_or_else(|| RowFilterError {
        name: "seq-lens",
        found: word.to_owned(),
        expected: "lengths such as 1k1k, 1k8k or 8k1k",
    })
}

fn scenario(word: &str) -> Result<ScenarioKind, RowFilterError> {
    match word {
        "fixed-seq-len" => Ok(ScenarioKind::FixedSeqLen),
        "agentic-coding" => Ok(ScenarioKind::AgenticCoding),
        other => Err(RowFilterError {
            name: "scenario-type",
            found: other.to_owned(),
            expected: "fixed-seq-len or agentic-coding",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(model: &str, runner: &str, conc: impl serde::Serialize) -> Row {
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": model, "precision": "fp8", "framework": "sim", "runner": runner, "isl": 1024,
            "osl": 1024, "tp": 8, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": conc, "max-model-len": 128, "exp-name": "e"
        }))
        .unwrap()
    }

    fn left(filters: &[(&str, &'static str)]) -> Vec<String> {
        let lookup = |name: &str| filters.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let mut rows = vec![row("dsr1", "h100", 4), row("gptoss", "h200", [4, 8]), row("dsr1", "h200", 8)];
        RowFilter::parse(lookup).unwrap().apply(&mut rows);
        rows.iter()
            .map(|row| format!("{} {} {:?}", row.model_prefix, row.runner, row.conc.as_slice()))
            .collect()
    }

    #[test]
    fn rows_pass_by_their_own_fields() {
        assert_eq!(left(&[]).len(), 3);
        assert_eq!(left(&[("conc", "4")]), ["dsr1 h100 [4]", "gptoss h200 [4]"]);
        assert_eq!(left(&[("model-prefix", "ds"), ("runner-type", "h200, b200")]), ["dsr1 h200 [8]"]);
        assert_eq!(left(&[("seq-lens", "1k1k"), ("single-node", "true")]).len(), 3);
        for none in [
            ("seq-lens", "8k1k"),
            ("multi-node", "true"),
            ("scenario-type", "agentic-coding"),
            ("precision", "fp4"),
        ] {
            assert!(left(&[none]).is_empty(), "{none:?}");
        }
    }

    #[test]
    fn values_that_no_row_has_are_refused() {
        for (name, value, told) in [
            ("conc", "4,many", "`conc` has \"many\", expected whole numbers"),
            ("conc", "0", "`conc` has \"0\""),
            ("seq-lens", "1024", "such as 1k1k"),
            ("scenario-type", "chat", "fixed-seq-len or agentic-coding"),
        ] {
            let error = RowFilter::parse(|wanted| (wanted == name).then_some(value))
                .unwrap_err()
                .to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
