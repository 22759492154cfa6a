//! Published results of MLPerf Inference: the tables that mlcommons.org exports (rounds 5.0, 5.1 and 6.0 differ), and `summary_results.json` of
//! a round's repository. Numbers have thousands separators, accelerators are counted per node.
//! Source: <https://mlcommons.org/benchmarks/inference-datacenter>, <https://github.com/mlcommons/inference_results_v5.1>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::facts::shortened;
use super::table::{MAX_COLUMNS, TableError, csv_error, folded};
use super::{ImportError, Imported, PublishedResult, RefusedRow};
use crate::result::{Json, Object};

const SUITE: &str = "mlperf-inference";
/// The first column of all tables.
const ID: &str = "Public ID";
/// The label of a system's line of results, rounds 5.x.
const RESULT_LINE: &str = "Avg. Result at System Name";

/// Where the models, the scenarios, and names and units are, rounds 5.x.
const MODEL_LINE: usize = 2;
const SCENARIO_LINE: usize = 3;
const NAME_LINE: usize = 4;

/// Whether a text is one of the tables.
pub(super) fn wrote_table(text: &str) -> bool {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    first.starts_with("Public ID\t") || (first.starts_with(',') && lines.take(NAME_LINE).any(|line| line.starts_with("Public ID,")))
}

/// Whether a document is one of `summary_results.json`.
pub(super) fn wrote(document: &Object) -> bool {
    document.contains_key("Performance_Result") && document.contains_key("UsedModel")
}

pub(super) fn read_table(text: &str) -> Result<Imported, ImportError> {
    let mut imported = if text.starts_with("Public ID\t") {
        one_line_a_result(text)?
    } else {
        one_column_a_result(text)?
    };
    mark_equal_accuracies(&mut imported.published);
    Ok(imported)
}

/// Cells of a system by the folded names of their columns. Of columns with one name the first counts.
struct System(BTreeMap<String, String>);

impl System {
    fn of(names: &csv::StringRecord, record: &csv::StringRecord) -> Self {
        let mut cells = BTreeMap::new();
        for (name, cell) in names.iter().zip(record) {
            cells.entry(folded(name)).or_insert_with(|| cell.trim().to_owned());
        }
        Self(cells)
    }

    /// The cell of the first column whose name begins so.
    fn text(&self, name: &str) -> Option<String> {
        let name = folded(name);
        let found = self.0.iter().find(|(column, cell)| column.starts_with(&name) && !cell.is_empty());
        found.map(|(_, cell)| cell.clone())
    }

    fn count(&self, name: &str) -> Option<u32> {
        number(&self.text(name)?).and_then(whole)
    }

    fn result(&self, model: &str, scenario: &str, unit: &str, value: f64) -> Result<PublishedResult, String> {
        let id = self.text(ID).ok_or("the public ID is empty")?;
        let round = id.trim_start_matches('v').split('-').next().unwrap_or_default().to_owned();
        let nodes = self.count("# of Nodes");
        let per_node = self.count("Accelerators per node").or_else(|| self.count("# of Accelerators"));
        let accelerators = self.count("Total Accelerators").or_else(|| nodes?.checked_mul(per_node?));
        let division = self.text("Division/Power");
        Ok(PublishedResult {
            suite: SUITE.to_owned(),
            round: Some(round),
            id: Some(id),
            submitter: self.text("Organization"),
            system: self.text("System Name"),
            hardware: self
                .text("Accelerator (click")
                .or_else(|| self.0.get("accelerator").cloned())
                .filter(|name| !name.is_empty()),
            accelerators,
            nodes,
            model: model.to_owned(),
            scenario: Some(scenario.to_owned()),
            metric: "result".to_owned(),
            unit: Some(unit.to_owned()),
            value,
            details: json!({
                "division": division, "availability": self.text("Availability"), "processor": self.text("Processor"), "code": self.text("Code"),
            }),
        })
    }
}

/// `33,379.00` as well as `1042110`.
fn number(text: &str) -> Option<f64> {
    let groups: Vec<&str> = text.split('.').next().unwrap_or_default().split(',').collect();
    let is_grouped = groups.len() == 1 || groups.iter().skip(1).all(|group| group.len() == 3);
    let number: f64 = text.replace(',', "").parse().ok()?;
    (is_grouped && number.is_finite()).then_some(number)
}

fn whole(number: f64) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (number.fract() == 0.0 && (0.0..1e9).contains(&number)).then_some(number as u32)
}

fn records(text: &str, delimiter: u8) -> Result<Vec<(u64, csv::StringRecord)>, TableError> {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader
        .flexible(true)
        .has_headers(false)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| csv_error(&error))?;
        if record.len() > MAX_COLUMNS {
            return Err(TableError::Columns(record.len()));
        }
        records.push((record.position().map_or(0, csv::Position::line), record));
    }
    Ok(records)
}

/// Round 6.0.
fn one_line_a_result(text: &str) -> Result<Imported, ImportError> {
    let records = records(text, b'\t')?;
    let mut imported = Imported::default();
    let Some(((_, names), lines)) = records.split_first() else {
        return Err(TableError::Missing(ID).into());
    };
    for name in ["Model MLC", "Scenario", "Units", RESULT_LINE] {
        if !names.iter().any(|found| folded(found) == folded(name)) {
            return Err(TableError::Missing(name).into());
        }
    }
    for (line, record) in lines.iter().filter(|(_, record)| record.iter().any(|cell| !cell.trim().is_empty())) {
        let system = System::of(names, record);
        let [found, model, scenario, unit] =
            [RESULT_LINE, "Model MLC", "Scenario", "Units"].map(|name| system.text(name).unwrap_or_default());
        let read = number(&found)
            .ok_or_else(|| format!("found {:?}, expected a number", shortened(&found)))
            .and_then(|value| system.result(&model, &scenario, &unit, value));
        imported.add_published(read, &format!("line {line} ({RESULT_LINE})"), record);
    }
    Ok(imported)
}

/// Rounds 5.0 and 5.1: a column for each model and scenario, several lines for each system, of which one has the results.
fn one_column_a_result(text: &str) -> Result<Imported, ImportError> {
    let records = records(text, b',')?;
    let mut imported = Imported::default();
    let (Some((_, models)), Some((_, scenarios)), Some((_, names))) =
        (records.get(MODEL_LINE), records.get(SCENARIO_LINE), records.get(NAME_LINE))
    else {
        return Err(TableError::Missing(ID).into());
    };
    let models = filled(models);
    let labels = names.iter().position(|name| name.trim() == "Division/Power").map(|at| at + 1);
    let labels = labels.ok_or(TableError::Missing("Division/Power"))?;
    let mut system = None;
    for (line, record) in records.iter().skip(NAME_LINE + 1) {
        if record.get(0).is_some_and(|id| !id.trim().is_empty()) {
            system = Some(System::of(names, record));
        }
        let Some(system) = system.as_ref().filter(|_| record.get(labels).map(str::trim) == Some(RESULT_LINE)) else {
            continue;
        };
        for (at, cell) in record
            .iter()
            .enumerate()
            .skip(labels + 1)
            .filter(|(_, cell)| !cell.trim().is_empty())
        {
            let read = number(cell.trim())
                .ok_or_else(|| format!("found {:?}, expected a number such as 33,379.00", shortened(cell)))
                .and_then(|value| {
                    let model = models.get(at).map(String::as_str).unwrap_or_default();
                    system.result(
                        model,
                        scenarios.get(at).unwrap_or_default(),
                        names.get(at).unwrap_or_default(),
                        value,
                    )
                });
            imported.add_published(read, &format!("line {line}, column {}", at + 1), record);
        }
    }
    Ok(imported)
}

/// The cells of a line in which a merged cell is written once.
fn filled(record: &csv::StringRecord) -> Vec<String> {
    let mut last = "";
    let cells = record.iter().map(|cell| {
        if !cell.trim().is_empty() {
            last = cell.trim();
        }
        last.to_owned()
    });
    cells.collect()
}

pub(super) fn read_summary(documents: &[Json]) -> Imported {
    let mut imported = Imported::default();
    for (index, document) in documents.iter().enumerate() {
        let read = summary(document);
        match read {
            Ok(result) => imported.published.push(result),
            Err(reason) => imported.refused.push(RefusedRow {
                place: format!("[{index}]"),
                reason,
                payload: document.to_pretty(),
            }),
        }
    }
    mark_equal_accuracies(&mut imported.published);
    imported
}

fn text(document: &Json, key: &str) -> Option<String> {
    document.text(key).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn count(document: &Json, key: &str) -> Option<u32> {
    document.get(key)?.as_number().and_then(whole)
}

fn required(document: &Json, key: &str) -> Result<String, String> {
    text(document, key).ok_or_else(|| format!("`{key}` is absent or empty"))
}

/// Submission, model, scenario and the bits of the value.
fn measurement(result: &PublishedResult, model: &str) -> (Option<String>, String, String, u64) {
    let scenario = result.scenario.clone().unwrap_or_default();
    (result.id.clone(), model.to_owned(), scenario, result.value.to_bits())
}

fn summary(document: &Json) -> Result<PublishedResult, String> {
    let value = document
        .get("Performance_Result")
        .and_then(Json::as_number)
        .filter(|value| value.is_finite());
    let id = required(document, "ID")?;
    let nodes = count(document, "Nodes");
    let others = [
        "Category",
        "Suite",
        "Availability",
        "Software",
        "weight_data_types",
        "Processor",
        "Accuracy",
        "Code",
        "Details",
    ];
    let details: serde_json::Map<String, Value> = others
        .iter()
        .filter_map(|key| Some(((*key).to_lowercase(), Value::String(text(document, key)?))))
        .collect();
    let mut details = Value::Object(details);
    if document.get("inferred").and_then(Json::as_number) == Some(1.0) {
        // Derived from another result; only edge results of old models are.
        details["inferred"] = Value::Bool(true);
    }
    if let (Some(power), Some(unit)) = (
        document.get("Power_Result").and_then(Json::as_number),
        text(document, "Power_Units"),
    ) {
        details["power"] = json!({ "value": power, "unit": unit });
    }
    Ok(PublishedResult {
        suite: SUITE.to_owned(),
        round: Some(id.trim_start_matches('v').split('-').next().unwrap_or_default().to_owned()),
        id: Some(id),
        submitter: text(document, "Submitter"),
        system: text(document, "System"),
        hardware: text(document, "Accelerator"),
        accelerators: nodes.zip(count(document, "a#")).and_then(|(nodes, each)| nodes.checked_mul(each)),
        nodes,
        model: required(document, "UsedModel")?,
        scenario: Some(required(document, "Scenario")?),
        metric: "result".to_owned(),
        unit: text(document, "Performance_Units"),
        value: value.ok_or("`Performance_Result` is not a finite number")?,
        details,
    })
}

/// Results at 99 % and 99.9 % accuracy are often one measurement, submitted twice: the second is marked, so that it is not counted twice.
fn mark_equal_accuracies(results: &mut [PublishedResult]) {
    let known: std::collections::BTreeSet<_> = results.iter().map(|result| measurement(result, &result.model)).collect();
    for result in results {
        if let Some(lower) = result.model.strip_suffix("99.9").map(|model| format!("{model}99"))
            && known.contains(&measurement(result, &lower))
        {
            result.details["same_as"] = Value::String(lower);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn thousands_separators_are_understood() {
        for (text, value) in [
            ("33,379.00", Some(33379.0)),
            ("1042110", Some(1_042_110.0)),
            ("1,042,110", Some(1_042_110.0)),
            ("17.10", Some(17.1)),
            ("3,37", None),
            ("=1+1", None),
            ("inf", None),
            ("", None),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
