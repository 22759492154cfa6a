//! The scores in a result file, task by task.

use super::super::{Dialect, Json, Object};

/// The scores of one task in a file. They stay JSON values, because lm-eval writes `"N/A"` for a missing standard error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TaskScore {
    /// The task's name.
    pub task: Json,
    /// Exact match under the strict filter, with its standard error.
    pub strict: Pair,
    /// Exact match under the flexible filter.
    pub flexible: Pair,
    pub accuracy: Pair,
    /// Number of samples.
    pub samples: Json,
    /// The model's name, if the file has it.
    pub model: Option<Json>,
    /// How rows name the file.
    pub source: String,
    /// The fields of an acceptance-length result, by the keys of the row.
    pub speedbench: Option<Object>,
}

/// A score and its standard error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    pub value: Json,
    pub error: Json,
}

impl Pair {
    fn none() -> Self {
        Self {
            value: Json::Null,
            error: Json::Null,
        }
    }

    fn read(results: &Json, value: &str, error: &str) -> Self {
        Self {
            value: field(results, value),
            error: field(results, error),
        }
    }
}

fn field(object: &Json, key: &str) -> Json {
    object.get(key).cloned().unwrap_or(Json::Null)
}

/// A value that is not absent, null or an empty text.
pub(super) fn known_value(value: Option<&Json>) -> Option<Json> {
    value
        .filter(|value| !matches!(value, Json::Null) && value.as_text() != Some(""))
        .cloned()
}

/// The tasks of an lm-eval file.
pub(super) fn lm_eval(content: &Json, source: &str, dialect: Dialect) -> Vec<TaskScore> {
    let Some(results) = content.get("results").and_then(Json::as_object) else {
        return Vec::new();
    };
    let tasks = results.iter();
    tasks
        .map(|(task, results)| lm_eval_task(content, (task, results), source, dialect))
        .collect()
}

fn lm_eval_task(content: &Json, (task, results): (&str, &Json), source: &str, dialect: Dialect) -> TaskScore {
    let config = content.get("configs").and_then(|configs| configs.get(task));
    let metric = first_metric(config).unwrap_or("exact_match");
    let mut score = TaskScore {
        task: task.into(),
        strict: Pair::none(),
        flexible: Pair::none(),
        accuracy: Pair::none(),
        samples: content
            .get("n-samples")
            .and_then(|all| all.get(task))
            .map_or(Json::Null, |own| field(own, "effective")),
        model: known_value(content.get("model_name")).or_else(|| known_value(config?.get("metadata")?.get("model"))),
        source: source.to_owned(),
        speedbench: None,
    };
    let filters = filter_names(config);
    for filter in &filters {
        let pair = Pair::read(results, &format!("{metric},{filter}"), &format!("{metric}_stderr,{filter}"));
        // SWE-bench names its only filter after what it counts.
        let resolved = dialect == Dialect::Current && filter.contains("resolved");
        if filter.contains("strict") || resolved {
            score.strict = pair;
        } else if filter.contains("flex") || filter.contains("extract") {
            score.flexible = pair;
        }
    }
    if filters.is_empty() {
        if results.get("acc").is_some() {
            score.accuracy = Pair::read(results, "acc", "acc_stderr");
        } else {
            score.strict = Pair::read(results, metric, &format!("{metric}_stderr"));
        }
    }
    score
}

fn list<'a>(config: Option<&'a Json>, key: &str) -> &'a [Json] {
    match config.and_then(|config| config.get(key)) {
        Some(Json::List(items)) => items,
        Some(Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_)) | None => &[],
    }
}

fn first_metric(config: Option<&Json>) -> Option<&str> {
    list(config, "metric_list").first()?.get("metric")?.as_text()
}

fn filter_names(config: Option<&Json>) -> Vec<&str> {
    let names = list(config, "filter_list").iter();
    names.filter_map(|filter| filter.get("name")?.as_text()).collect()
}

/// The one score of a SpeedBench acceptance-length file.
pub(super) fn speedbench(content: &Json, source: &str) -> TaskScore {
    let label = format!(
        "speedbench_al/{}/mtp{}",
        text_or_unknown(content, "thinking_mode"),
        text_or_unknown(content, "num_speculative_tokens")
    );
    TaskScore {
        task: Json::Text(label),
        strict: Pair::none(),
        flexible: Pair::none(),
        accuracy: Pair::none(),
        samples: Json::Null,
        model: known_value(content.get("model")),
        source: source.to_owned(),
        speedbench: Some(speedbench_fields(content)),
    }
}

fn text_or_unknown(content: &Json, key: &str) -> String {
    match content.get(key) {
        Some(Json::Text(text)) => text.clone(),
        Some(other) => other.to_pretty(),
        None => "unknown".to_owned(),
    }
}

/// Key in the row, key in the file.
const SPEEDBENCH: [(&str, &str); 13] = [
    ("speedbench_reference_acceptance_length", "reference_acceptance_length"),
    ("speedbench_min_acceptance_length", "min_acceptance_length"),
    ("speedbench_max_acceptance_length", "max_acceptance_length"),
    ("speedbench_threshold_ratio", "threshold_ratio"),
    ("speedbench_max_threshold_ratio", "max_threshold_ratio"),
    ("speedbench_thinking_mode", "thinking_mode"),
    ("speedbench_num_speculative_tokens", "num_speculative_tokens"),
    ("speedbench_framework", "framework"),
    ("speedbench_metric_source", "metric_source"),
    ("speedbench_accepted_tokens", "accepted_tokens"),
    ("speedbench_verify_steps", "verify_steps"),
    ("speedbench_proposed_draft_tokens", "proposed_draft_tokens"),
    ("speedbench_passed", "passed"),
];

fn speedbench_fields(content: &Json) -> Object {
    let mut fields = Object::new();
    fields.insert("score".to_owned(), field(content, "acceptance_length"));
    for (name, key) in SPEEDBENCH {
        fields.insert(name.to_owned(), speedbench_value(content, key));
    }
    fields.insert("speedbench_error".to_owned(), field(content, "error"));
    fields
}

fn speedbench_value(content: &Json, key: &str) -> Json {
    match (content.get(key), key) {
        (Some(value), _) => value.clone(),
        (None, "thinking_mode" | "num_speculative_tokens") => "unknown".into(),
        // Older files have the number of steps under this name.
        (None, "verify_steps") => field(content, "draft_tokens"),
        (None, _) => Json::Null,
    }
}
