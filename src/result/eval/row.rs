//! One row of `agg_eval_all.json`: the job's description and a task's score.

use super::super::{Json, Object, number};
use super::EvalError;
use super::score::{TaskScore, known_value};

/// Data-parallel attention, from the keys that the two dialects use for it.
struct DpAttention {
    whole: Json,
    prefill: Json,
    decode: Json,
}

pub(super) fn build(meta: &Object, score: &TaskScore) -> Result<Object, EvalError> {
    let multi_node = flag(meta.get("is_multinode"));
    let prefill_tp = either(meta, "prefill_tp", "tp");
    let prefill_ep = either(meta, "prefill_ep", "ep");
    let attention = dp_attention(meta, multi_node);
    let model = score.model.clone().or_else(|| meta.get("model").cloned()).unwrap_or_else(unknown);

    let entries = [
        ("is_multinode", multi_node.into()),
        ("model_prefix", meta.get("infmax_model_prefix").cloned().unwrap_or_else(unknown)),
        ("model", model),
        ("hw", Json::Text(text(meta, "hw")?.to_uppercase())),
        ("framework", Json::Text(text(meta, "framework")?.to_lowercase())),
        ("precision", Json::Text(text(meta, "precision")?.to_lowercase())),
        ("spec_decoding", meta.get("spec_decoding").cloned().unwrap_or_else(unknown)),
        ("isl", Json::Integer(own(meta, "isl", 0))),
        ("osl", Json::Integer(own(meta, "osl", 0))),
        ("tp", Json::Integer(own(meta, "tp", prefill_tp))),
        ("ep", Json::Integer(own(meta, "ep", prefill_ep))),
        ("prefill_tp", Json::Integer(prefill_tp)),
        ("prefill_ep", Json::Integer(prefill_ep)),
        ("prefill_num_workers", Json::Integer(own(meta, "prefill_num_workers", 1))),
        ("decode_tp", Json::Integer(either(meta, "decode_tp", "tp"))),
        ("decode_ep", Json::Integer(either(meta, "decode_ep", "ep"))),
        ("decode_num_workers", Json::Integer(own(meta, "decode_num_workers", 1))),
        ("conc", Json::Integer(own(meta, "conc", 0))),
        ("dp_attention", attention.whole),
        ("prefill_dp_attention", attention.prefill),
        ("decode_dp_attention", attention.decode),
        ("task", score.task.clone()),
        ("em_strict", score.strict.value.clone()),
        ("em_strict_se", score.strict.error.clone()),
        ("em_flexible", score.flexible.value.clone()),
        ("em_flexible_se", score.flexible.error.clone()),
        ("n_eff", score.samples.clone()),
        ("source", score.source.as_str().into()),
    ];
    let mut row: Object = entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    row.extend(main_score(score));
    Ok(row)
}

/// The number of a role, or that of both roles.
fn either(meta: &Object, own: &str, shared: &str) -> i64 {
    meta.get(own).or_else(|| meta.get(shared)).map_or(1, |value| whole(value, 1))
}

fn own(meta: &Object, key: &str, fallback: i64) -> i64 {
    meta.get(key).map_or(fallback, |value| whole(value, fallback))
}

fn unknown() -> Json {
    "unknown".into()
}

/// The score that counts: acceptance length, strict match, accuracy, in this order.
fn main_score(score: &TaskScore) -> Object {
    let (name, value, error) = if let Some(fields) = &score.speedbench {
        (
            Json::from("acceptance_length"),
            fields.get("score").cloned().unwrap_or(Json::Null),
            Json::Null,
        )
    } else if let Some(value) = known_value(Some(&score.strict.value)) {
        (Json::from("em_strict"), value, score.strict.error.clone())
    } else if let Some(value) = known_value(Some(&score.accuracy.value)) {
        (Json::from("accuracy"), value, score.accuracy.error.clone())
    } else {
        (Json::Null, Json::Null, Json::Null)
    };
    let mut entries = Object::new();
    entries.insert("score".to_owned(), value);
    entries.insert("score_name".to_owned(), name);
    entries.insert("score_se".to_owned(), error);
    if let Some(fields) = &score.speedbench {
        entries.extend(
            fields
                .iter()
                .filter(|(key, _)| *key != "score")
                .map(|(key, value)| (key.clone(), value.clone())),
        );
    }
    entries
}

fn text(meta: &Object, key: &'static str) -> Result<String, EvalError> {
    match meta.get(key) {
        None => Ok("unknown".to_owned()),
        Some(Json::Text(text)) => Ok(text.clone()),
        Some(other) => Err(EvalError::Meta { key, found: other.kind() }),
    }
}

fn whole(value: &Json, fallback: i64) -> i64 {
    number::whole(value).unwrap_or(fallback)
}

fn flag(value: Option<&Json>) -> bool {
    match value {
        Some(Json::Bool(value)) => *value,
        Some(Json::Text(text)) => text.eq_ignore_ascii_case("true"),
        Some(Json::Null | Json::Integer(_) | Json::Float(_) | Json::List(_) | Json::Object(_)) | None => false,
    }
}

/// A value as the original prints it, in lower case: `true`, `none`, `8`.
fn spelled(value: &Json) -> String {
    match value {
        Json::Null => "none".to_owned(),
        Json::Text(text) => text.to_lowercase(),
        Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::List(_) | Json::Object(_) => value.to_pretty().to_lowercase(),
    }
}

/// The original compares the two sides before it prints them, so `true` and `"true"` count as different.
fn dp_attention(meta: &Object, multi_node: bool) -> DpAttention {
    let whole = meta.get("dp_attention").cloned().unwrap_or_else(|| "none".into());
    let [prefill, decode] = ["prefill_dp_attention", "decode_dp_attention"].map(|key| {
        let own = meta.get(key).filter(|value| !matches!(value, Json::Null));
        own.unwrap_or(&whole).clone()
    });
    let both = match (multi_node, prefill == decode) {
        (false, _) => spelled(&whole),
        (true, true) => spelled(&prefill),
        (true, false) => format!("prefill={},decode={}", spelled(&prefill), spelled(&decode)),
    };
    DpAttention {
        whole: Json::Text(both),
        prefill: Json::Text(spelled(&prefill)),
        decode: Json::Text(spelled(&decode)),
    }
}
