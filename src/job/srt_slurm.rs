//! Recipes of srt-slurm: YAML files that a row names in `additional-settings`, and that a site's launch script hands to `srtctl apply`.

use std::path::{Component, Path};

use crate::matrix::Row;
use crate::model::{Layout, WorkerGroup};

/// The setting that names the recipe.
const CONFIG_FILE: &str = "CONFIG_FILE";
/// The setting that names the recipe of an evaluation; most rows use one recipe for both.
const EVAL_CONFIG_FILE: &str = "EVAL_CONFIG_FILE";
/// Where launch scripts copy `recipes/` of srt-slurm from, below the recipe folder. Other recipes are only in srt-slurm's repository.
const MIRROR: &str = "multi_node/srt-slurm-recipes";

/// The recipe that a row over several nodes names, as it names it: `recipes/vllm/model/1p1d.yaml`, with `:override[0]` after it where one
/// of its variants is meant. As in a shell, the last of several settings counts.
pub(super) fn config_file(row: &Row) -> Option<&str> {
    let Layout::MultiNode { prefill, decode } = &row.layout else {
        return None;
    };
    let names: &[&str] = if row.is_evaluated_alone() {
        &[EVAL_CONFIG_FILE, CONFIG_FILE]
    } else {
        &[CONFIG_FILE]
    };
    names
        .iter()
        .find_map(|name| setting(decode, name).or_else(|| setting(prefill, name)))
}

fn setting<'a>(group: &'a WorkerGroup, name: &str) -> Option<&'a str> {
    let settings = group.additional_settings.as_deref().unwrap_or_default();
    let values = settings.iter().filter_map(|setting| setting.split_once('='));
    let mut found = values.filter(|(found, value)| *found == name && !value.is_empty());
    found.next_back().map(|(_, value)| value)
}

/// The path of the repository's own copy of a recipe, below the recipe folder; `None` for a path that leads out of it.
pub(super) fn mirror_path(config_file: &str) -> Option<String> {
    let (path, _variant) = config_file.split_once(':').unwrap_or((config_file, ""));
    let path = path.strip_prefix("recipes/").unwrap_or(path);
    let is_below = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    (is_below && !path.is_empty()).then(|| format!("{MIRROR}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn row(prefill: Value, decode: Value, eval_only: bool) -> Row {
        let worker = |settings| json!({ "num-worker": 1, "tp": 4, "ep": 4, "dp-attn": false, "additional-settings": settings });
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "p", "precision": "fp8", "framework": "f", "runner": "gb200", "isl": 64, "osl": 16,
            "prefill": worker(prefill), "decode": worker(decode), "spec-decoding": "none", "conc": [4], "max-model-len": 128,
            "exp-name": "e", "disagg": true, "run-eval": eval_only, "eval-only": eval_only
        }))
        .unwrap()
    }

    #[test]
    fn last_setting_counts_and_evaluations_may_have_their_own() {
        let own = json!(["EVAL_CONFIG_FILE=eval.yaml"]);
        for (prefill, decode, eval_only, expected) in [
            (json!([]), json!([]), false, None),
            (
                json!(["CONFIG_FILE=a.yaml", "CONFIG_FILE=b.yaml"]),
                json!([]),
                false,
                Some("b.yaml"),
            ),
            (
                json!(["CONFIG_FILE=a.yaml"]),
                json!(["CONFIG_FILE=c.yaml:override[1]"]),
                false,
                Some("c.yaml:override[1]"),
            ),
            (json!(["CONFIG_FILE="]), json!(["XCONFIG_FILE=x"]), false, None),
            (json!(["CONFIG_FILE=a.yaml"]), own.clone(), false, Some("a.yaml")),
            (json!(["CONFIG_FILE=a.yaml"]), own, true, Some("eval.yaml")),
            (json!(["CONFIG_FILE=a.yaml"]), json!([]), true, Some("a.yaml")),
        ] {
            assert_eq!(
                config_file(&row(prefill.clone(), decode.clone(), eval_only)),
                expected,
                "{prefill} {decode}"
            );
        }
    }

    #[test]
    fn copy_is_below_the_recipe_folder() {
        for (named, expected) in [
            (
                "recipes/vllm/m/a.yaml:override[2]",
                Some("multi_node/srt-slurm-recipes/vllm/m/a.yaml"),
            ),
            ("vllm/a.yaml", Some("multi_node/srt-slurm-recipes/vllm/a.yaml")),
            ("../secret", None),
            ("/etc/passwd", None),
            ("recipes/", None),
            ("", None),
        ] {
            assert_eq!(mirror_path(named).as_deref(), expected, "{named}");
        }
    }
}
