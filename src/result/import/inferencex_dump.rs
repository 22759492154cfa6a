//! A dump of InferenceX's database: a folder with a JSON array for each table. A result names its configuration and its workflow run by number;
//! its metrics are those of `agg_*.json`.

use std::collections::BTreeMap;

use super::collector::{Collector, RowProblem};
use super::facts::{Fact, Facts};
use super::inferencex;
use super::{ImportError, ImportFormat, ImportHints, Imported};
use crate::result::{Json, Object};

/// The tables that are read, without `.json`.
pub const DUMP_TABLES: [&str; 3] = ["configs", "workflow_runs", "benchmark_results"];
/// Columns of a configuration, and the keys of a normalised result.
const CONFIG: [(&str, &str); 17] = [
    ("hardware", "hw"),
    ("framework", "framework"),
    ("model", "infmax_model_prefix"),
    ("precision", "precision"),
    ("spec_method", "spec_decoding"),
    ("disagg", "disagg"),
    ("is_multinode", "is_multinode"),
    ("prefill_tp", "prefill_tp"),
    ("prefill_ep", "prefill_ep"),
    ("prefill_dp_attention", "prefill_dp_attention"),
    ("prefill_num_workers", "prefill_num_workers"),
    ("decode_tp", "decode_tp"),
    ("decode_ep", "decode_ep"),
    ("decode_dp_attention", "decode_dp_attention"),
    ("decode_num_workers", "decode_num_workers"),
    ("num_prefill_gpu", "num_prefill_gpu"),
    ("num_decode_gpu", "num_decode_gpu"),
];

/// The texts of the tables of [`DUMP_TABLES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferencexDump {
    pub configs: String,
    pub workflow_runs: String,
    pub benchmark_results: String,
}

impl InferencexDump {
    /// Reads the tables.
    ///
    /// # Errors
    /// [`ImportError`] for a table that is not a JSON array.
    pub fn import(&self, hints: &ImportHints) -> Result<Imported, ImportError> {
        let configs = by_id(&self.configs)?;
        let runs = by_id(&self.workflow_runs)?;
        let mut collector = Collector::new(ImportFormat::InferencexDump, hints);
        for (index, result) in items(Json::parse(&self.benchmark_results)?).iter().enumerate() {
            if let Err(problem) = add(&mut collector, result, &configs, &runs) {
                collector.refuse(&format!("benchmark_results[{index}]"), problem, &result.to_pretty());
            }
        }
        Ok(collector.finish())
    }
}

fn items(table: Json) -> Vec<Json> {
    match table {
        Json::List(items) => items,
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_) => Vec::new(),
    }
}

fn by_id(text: &str) -> Result<BTreeMap<String, Object>, ImportError> {
    let mut rows = BTreeMap::new();
    for row in items(Json::parse(text)?) {
        if let Json::Object(row) = row
            && let Some(id) = row.get("id")
        {
            rows.insert(id.to_pretty(), row);
        }
    }
    Ok(rows)
}

fn find<'a>(rows: &'a BTreeMap<String, Object>, result: &Json, key: &str) -> Result<&'a Object, RowProblem> {
    let id = result.get(key).map_or_else(|| "absent".to_owned(), Json::to_pretty);
    rows.get(&id)
        .ok_or_else(|| RowProblem::Other(format!("`{key}` is {id}, expected the id of a row of its table")))
}

fn add(
    collector: &mut Collector<'_>,
    result: &Json,
    configs: &BTreeMap<String, Object>,
    runs: &BTreeMap<String, Object>,
) -> Result<(), RowProblem> {
    let config = find(configs, result, "config_id")?;
    let run = find(runs, result, "workflow_run_id")?;
    if let Some(error) = result.get("error").and_then(Json::as_text) {
        return Err(RowProblem::Other(format!("the point failed: {error}")));
    }
    let mut document = Object::new();
    for (theirs, ours) in CONFIG {
        if let Some(value) = config.get(theirs).filter(|value| **value != Json::Null) {
            document.insert(ours.to_owned(), value.clone());
        }
    }
    if document.get("is_multinode") != Some(&Json::Bool(true)) {
        add_single_node(&mut document);
    }
    for key in ["isl", "osl", "conc", "image"] {
        if let Some(value) = result.get(key).filter(|value| **value != Json::Null) {
            document.insert(key.to_owned(), value.clone());
        }
    }
    if result.get("benchmark_type").and_then(Json::as_text) == Some("agentic_traces") {
        document.insert("scenario_type".to_owned(), "agentic-coding".into());
    }
    if let Some(Json::Object(metrics)) = result.get("metrics") {
        document.extend(metrics.clone());
    }
    inferencex::add(collector, document, facts(run, result))
}

/// One engine has its split in the columns of the prefill workers.
fn add_single_node(document: &mut Object) {
    for (theirs, ours) in [("prefill_tp", "tp"), ("prefill_ep", "ep"), ("prefill_dp_attention", "dp_attention")] {
        if let Some(value) = document.get(theirs).cloned() {
            document.insert(ours.to_owned(), value);
        }
    }
}

fn facts(run: &Object, result: &Json) -> Facts {
    let mut facts = Facts::default();
    let dates = [
        result.get("date"),
        run.get("run_started_at"),
        run.get("created_at"),
        run.get("date"),
    ];
    let mut dates = dates.into_iter().flatten().filter_map(Json::as_text);
    if let Some(date) = dates.next_back().or_else(|| dates.next()) {
        facts.say(Fact::Date, date, "workflow_runs");
    }
    for (fact, key) in [(Fact::Commit, "head_sha"), (Fact::Branch, "head_branch")] {
        if let Some(text) = run.get(key).and_then(Json::as_text) {
            facts.say(fact, text, format!("workflow_runs.{key}"));
        }
    }
    if let Some(id) = run.get("github_run_id").map(Json::to_pretty) {
        let attempt = run.get("run_attempt").map_or_else(|| "1".to_owned(), Json::to_pretty);
        facts.say(Fact::RunId, &format!("{id}/{attempt}"), "workflow_runs.github_run_id");
    }
    facts
}
