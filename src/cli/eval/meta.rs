//! `meta_env.json` of `imax eval`: from a matrix row, or from the environment of a recipe.

use std::path::Path;

use crate::cli::row::{RowError, read_row};
use crate::result::{EvalConcs, Json, Object, eval_meta};
use crate::system::environment;

pub fn of_row(path: &Path) -> Result<Object, RowError> {
    let row = read_row(Some(path))?;
    Ok(eval_meta(
        &row,
        EvalConcs {
            asked: &[],
            completed: &[],
        },
    ))
}

/// From the variables that InferenceX sets for a recipe.
pub fn of_environment(model: &str, concurrency: usize) -> Object {
    const TEXTS: [(&str, &str); 6] = [
        ("infmax_model_prefix", "MODEL_PREFIX"),
        ("hw", "RUNNER_TYPE"),
        ("framework", "FRAMEWORK"),
        ("precision", "PRECISION"),
        ("spec_decoding", "SPEC_DECODING"),
        ("dp_attention", "DP_ATTENTION"),
    ];
    const NUMBERS: [(&str, &str); 4] = [("isl", "ISL"), ("osl", "OSL"), ("tp", "TP"), ("ep", "EP_SIZE")];
    let mut meta = Object::new();
    meta.insert("is_multinode".to_owned(), false.into());
    meta.insert("model".to_owned(), model.into());
    for (key, name) in TEXTS {
        if let Some(value) = environment::text(name) {
            meta.insert(key.to_owned(), value.as_str().into());
        }
    }
    for (key, name) in NUMBERS {
        if let Some(number) = environment::text(name).and_then(|value| value.parse().ok()) {
            meta.insert(key.to_owned(), Json::Integer(number));
        }
    }
    meta.insert("conc".to_owned(), i64::try_from(concurrency).map_or(Json::Null, Json::Integer));
    meta
}
