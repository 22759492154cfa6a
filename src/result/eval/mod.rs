//! Accuracy results to rows of `agg_eval_all.json`: the folder of one evaluation holds a `meta_env.json` about the job and
//! the files of lm-eval, or of SpeedBench's acceptance-length check. Keys and choices are those of InferenceX's
//! collect_eval_results.py.

mod judgement;
mod meta;
mod row;
mod score;

use std::collections::BTreeMap;

use super::{Dialect, Json, Object, number};

pub use judgement::{JudgedScore, judge_evals};
pub use meta::{EvalConcs, eval_meta};

/// One file beside a `meta_env.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalFile {
    /// The file's name without folders.
    pub name: String,
    /// The file as rows name it.
    pub source: String,
    /// When it was written, nanoseconds since 1970: of several results the newest counts.
    pub modified_ns: u128,
    pub content: Json,
}

/// The folder of one evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalSet {
    /// The content of `meta_env.json`; empty if it is not an object.
    pub meta: Object,
    /// The other JSON files.
    pub files: Vec<EvalFile>,
}

/// The first sort key of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EvalSort {
    /// The model's short name.
    #[default]
    ModelPrefix,
    Hardware,
}

/// Why an evaluation has no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A field of `meta_env.json` has the wrong type.
    #[error("`{key}` of meta_env.json is {found}, expected a text")]
    Meta { key: &'static str, found: &'static str },
    /// A value of `meta_env.json` is not a number; only the older dialect rejects this.
    #[error("`{key}` of meta_env.json is {found}, expected a whole number")]
    Number { key: &'static str, found: String },
}

/// The rows of one evaluation: one for each task of each result file that counts.
///
/// # Errors
/// [`EvalError`] where `meta_env.json` has a field of the wrong type.
pub fn eval_rows(set: &EvalSet, dialect: Dialect) -> Result<Vec<Object>, EvalError> {
    match dialect {
        Dialect::Current => rows_of(set, dialect),
        Dialect::February => rows_of(&as_february_reads(set)?, dialect),
    }
}

fn rows_of(set: &EvalSet, dialect: Dialect) -> Result<Vec<Object>, EvalError> {
    let mut rows = Vec::new();
    for (file, conc) in lm_eval_files(set) {
        let mut meta = set.meta.clone();
        if let Some(conc) = conc {
            meta.insert("conc".to_owned(), Json::Integer(conc));
        }
        for task in score::lm_eval(&file.content, &file.source, dialect) {
            rows.push(row::build(&meta, &task)?);
        }
    }
    let mut speed: Vec<_> = set.files.iter().filter(|file| is_speedbench(file)).collect();
    speed.sort_by(|left, right| left.source.cmp(&right.source));
    for file in speed {
        rows.push(row::build(&set.meta, &score::speedbench(&file.content, &file.source))?);
    }
    Ok(rows)
}

/// The evaluation as the tool of February 2026 read it: without several nodes and several concurrencies, and with numbers checked.
fn as_february_reads(set: &EvalSet) -> Result<EvalSet, EvalError> {
    const KNOWN: [&str; 9] = [
        "hw",
        "framework",
        "precision",
        "spec_decoding",
        "tp",
        "ep",
        "conc",
        "dp_attention",
        "model",
    ];
    for key in ["tp", "ep", "conc"] {
        let wrong = set.meta.get(key).filter(|value| number::whole(value).is_none());
        if let Some(value) = wrong {
            let found = value.to_pretty();
            return Err(EvalError::Number { key, found });
        }
    }
    let known = set.meta.iter().filter(|(key, _)| KNOWN.contains(&key.as_str()));
    Ok(EvalSet {
        meta: known.map(|(key, value)| (key.clone(), value.clone())).collect(),
        files: set.files.clone(),
    })
}

/// Sorts rows: single-node before multi-node, then by what identifies them.
pub fn sort_eval_rows(rows: &mut [Object], by: EvalSort) {
    const KEYS: [&str; 10] = [
        "model_prefix",
        "hw",
        "framework",
        "precision",
        "spec_decoding",
        "isl",
        "osl",
        "tp",
        "ep",
        "conc",
    ];
    rows.sort_by_cached_key(|row| {
        let mut key = vec![sort_value(row.get("is_multinode"))];
        if by == EvalSort::Hardware {
            key.push(sort_value(row.get("hw")));
        }
        key.extend(KEYS.iter().map(|name| sort_value(row.get(*name))));
        key
    });
}

/// Numbers are ordered by value, texts alphabetically.
fn sort_value(value: Option<&Json>) -> (i64, String) {
    match value {
        Some(Json::Integer(number)) => (*number, String::new()),
        Some(Json::Bool(value)) => (i64::from(*value), String::new()),
        Some(Json::Text(text)) => (0, text.clone()),
        Some(Json::Null | Json::Float(_) | Json::List(_) | Json::Object(_)) | None => (0, String::new()),
    }
}

fn is_speedbench(file: &EvalFile) -> bool {
    file.name.starts_with("results") && file.content.get("speedbench_al_eval_version").is_some()
}

/// The lm-eval files that count: the newest, or, where the job evaluated several concurrencies, the newest of each that
/// was completed.
fn lm_eval_files(set: &EvalSet) -> Vec<(&EvalFile, Option<i64>)> {
    let files = set.files.iter().filter(|file| file.content.get("lm_eval_version").is_some());
    let Some(Json::List(asked)) = set.meta.get("eval_concs") else {
        let newest = files.max_by_key(|file| file.modified_ns);
        return newest.into_iter().map(|file| (file, None)).collect();
    };
    let completed = match set.meta.get("completed_eval_concs") {
        None => Some(asked),
        Some(Json::List(completed)) => Some(completed),
        Some(Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_)) => None,
    };
    let mut newest: BTreeMap<i64, &EvalFile> = BTreeMap::new();
    for file in files {
        let Some(conc) = conc_of_name(&file.name).filter(|conc| completed.is_none_or(|list| has(list, *conc))) else {
            continue;
        };
        let known = newest.entry(conc).or_insert(file);
        if file.modified_ns > known.modified_ns {
            *known = file;
        }
    }
    newest.into_iter().map(|(conc, file)| (file, Some(conc))).collect()
}

fn has(list: &[Json], conc: i64) -> bool {
    list.iter().any(|item| number::whole(item) == Some(conc))
}

/// The concurrency in a name that ends with `_conc16.json` or, for a repetition, `_conc16_2.json`.
fn conc_of_name(name: &str) -> Option<i64> {
    let stem = name.strip_suffix(".json")?;
    let (_, end) = stem.rsplit_once("_conc")?;
    let conc = match end.split_once('_') {
        Some((conc, repetition)) if is_number(repetition) => conc,
        Some(_) => return None,
        None => end,
    };
    if is_number(conc) { conc.parse().ok() } else { None }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, modified_ns: u128, score: f64) -> EvalFile {
        let content = format!(
            r#"{{"lm_eval_version": "1", "results": {{"t": {{"exact_match,strict-match": {score}}}}},
                "configs": {{"t": {{"filter_list": [{{"name": "strict-match"}}]}}}}}}"#
        );
        EvalFile {
            name: name.to_owned(),
            source: format!("d/{name}"),
            modified_ns,
            content: Json::parse(&content).unwrap(),
        }
    }

    fn scores(meta: &str, files: Vec<EvalFile>) -> Vec<(i64, f64)> {
        let meta = Json::parse(meta).unwrap().as_object().unwrap().clone();
        let rows = eval_rows(&EvalSet { meta, files }, Dialect::Current).unwrap();
        let number = |row: &Object, key: &str| row.get(key).and_then(Json::as_number).unwrap();
        rows.iter()
            .map(|row| (number::whole(&row["conc"]).unwrap(), number(row, "score")))
            .collect()
    }

    #[test]
    fn newest_result_wins() {
        let files = vec![file("results_1.json", 20, 0.9), file("other.json", 10, 0.1)];
        assert_eq!(scores(r#"{"conc": 64}"#, files), [(64, 0.9)]);
    }

    #[test]
    fn newest_result_of_each_completed_concurrency_wins() {
        let files = vec![
            file("results_conc16.json", 10, 0.1),
            file("results_conc16_2.json", 20, 0.2),
            file("results_conc4.json", 30, 0.3),
            file("results_conc8.json", 30, 0.4),
            file("results.json", 40, 0.5),
        ];
        let meta = r#"{"eval_concs": [4, 8, 16], "completed_eval_concs": ["4", 16]}"#;
        assert_eq!(scores(meta, files), [(4, 0.3), (16, 0.2)]);
    }

    #[test]
    fn concurrency_is_read_from_the_end_of_a_file_name() {
        for (name, conc) in [
            ("results_conc4.json", Some(4)),
            ("a_conc16_2.json", Some(16)),
            ("conc4.json", None),
            ("x_conc4_b.json", None),
            ("x_conc.json", None),
        ] {
            assert_eq!(conc_of_name(name), conc, "{name}");
        }
    }
}
