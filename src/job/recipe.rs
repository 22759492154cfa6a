//! Recipes: the scripts of `benchmarks/` that start an engine for a row. The most specific existing name is chosen. A row over several
//! nodes may name a recipe of srt-slurm instead, which a launch script starts.

use serde::{Deserialize, Serialize};

use crate::matrix::Row;
use crate::model::SpecDecoding;

use super::srt_slurm::{config_file, mirror_path};

/// What a recipe does besides starting the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipeStyle {
    /// Starts the engine in the foreground and nothing else; `imax run` waits for it, runs the load and stops it.
    EngineOnly,
    /// Starts the engine, waits, runs the load and writes the raw result, with the functions of `benchmark_lib.sh`.
    SelfContained,
}

impl RecipeStyle {
    /// A script that sources `benchmark_lib.sh` is self-contained.
    #[must_use]
    pub fn of_script(text: &str) -> Self {
        let sources_library = text.lines().map(str::trim_start).any(|line| {
            let is_source = line.starts_with("source ") || line.starts_with(". ");
            is_source && line.contains("benchmark_lib.sh")
        });
        if sources_library { Self::SelfContained } else { Self::EngineOnly }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// Path below the recipe folder, such as `demo_fp8_h100_sim.sh`; one of srt-slurm has the name that the row gives it.
    pub path: String,
    pub style: RecipeStyle,
    /// SHA-256 of its text, hexadecimal; absent for a recipe that is only in srt-slurm's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Why this one was chosen, for people.
    pub chosen: String,
}

impl Recipe {
    /// Whether it is a script, which any launcher can run. One of srt-slurm is started by a launch script only.
    #[must_use]
    pub fn is_script(&self) -> bool {
        self.path.ends_with(SCRIPT)
    }
}

/// The end of a script's name.
const SCRIPT: &str = ".sh";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// None of the candidates exists.
    #[error("no recipe for this row in {folder}: none of {names} exists; write the first of them")]
    Missing {
        folder: String,
        /// All candidates, the most specific first.
        names: String,
    },
    /// None of the candidates exists, and the row names no recipe of srt-slurm.
    #[error(
        "no recipe for this row in {folder}: none of {names} exists, and `additional-settings` name none of srt-slurm; write the first of \
         them, or add CONFIG_FILE=recipes/... to `additional-settings`"
    )]
    MissingOverNodes { folder: String, names: String },
    /// Part of the name could be a path out of the recipe folder.
    #[error(
        "row has {field} `{text}`, which cannot be part of a recipe's name; expected ASCII letters, digits, `.`, `-` and `_`, not starting with a dot"
    )]
    UnsafeName { field: &'static str, text: String },
    /// The only recipe found is a general one that would ignore the row's speculative decoding.
    #[error(
        "recipe {path} does not use SPEC_DECODING, but the row requires `{spec}`; the row would be measured as `none`: write {wanted}, or use SPEC_DECODING in {path}"
    )]
    IgnoresSpecDecoding { path: String, spec: SpecDecoding, wanted: String },
}

/// A candidate name for a row's recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelling {
    /// Path below the recipe folder.
    pub path: String,
    /// Whether the name contains the row's speculative decoding.
    names_spec: bool,
}

/// Recipes may also be in folders below the recipe folder, by the row's layout and scenario, as in newer InferenceX trees.
fn folders(row: &Row) -> &'static [&'static str] {
    // A single-node recipe cannot serve a row over several nodes, nor one for fixed lengths recorded sessions, so those are only
    // looked up in their own folders.
    match (row.layout.is_multi_node(), row.is_agentic()) {
        (false, false) => &["", "single_node/", "single_node/fixed_seq_len/"],
        (true, false) => &["multi_node/", "multi_node/fixed_seq_len/"],
        (false, true) => &["agentic/", "single_node/agentic/"],
        (true, true) => &["multi_node/agentic/"],
    }
}

/// The candidate names of a row's recipe, the most specific first:
/// `<model>_<precision>_<gpu>[_<framework>][_<spec>].sh`.
///
/// # Errors
/// [`RecipeError::UnsafeName`] if part of the name has characters of a path.
pub fn recipe_names(row: &Row) -> Result<Vec<Spelling>, RecipeError> {
    let model = safe("model-prefix", row.model_prefix.as_str())?;
    let precision = safe("precision", row.precision.as_str())?;
    let gpu = safe("runner", row.runner.gpu())?;
    let framework = safe("framework", row.framework.as_str())?;
    let base = format!("{model}_{precision}_{gpu}");
    let mut stems = Vec::new();
    match row.spec_decoding {
        SpecDecoding::None => {}
        spec @ (SpecDecoding::Mtp | SpecDecoding::DraftModel) => {
            stems.push((format!("{base}_{framework}_{spec}"), true));
            stems.push((format!("{base}_{spec}"), true));
        }
    }
    stems.push((format!("{base}_{framework}"), false));
    // Scripts of some engines say in their names that prefill and decode are disaggregated.
    if row.layout.is_multi_node() && row.disagg == Some(true) && !framework.ends_with(DISAGG) {
        stems.push((format!("{base}_{framework}{DISAGG}"), false));
    }
    stems.push((base, false));
    Ok(stems
        .into_iter()
        .flat_map(|(stem, names_spec): (String, bool)| {
            folders(row).iter().map(move |folder| Spelling {
                path: format!("{folder}{stem}{SCRIPT}"),
                names_spec,
            })
        })
        .collect())
}

/// The end of the names of scripts that disaggregate prefill and decode.
const DISAGG: &str = "-disagg";

fn safe<'a>(field: &'static str, text: &'a str) -> Result<&'a str, RecipeError> {
    if text.starts_with('.') || !text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        return Err(RecipeError::UnsafeName {
            field,
            text: text.to_owned(),
        });
    }
    Ok(text)
}

/// The recipe of a row: the most specific name for which `read` returns a text, else the one of srt-slurm that the row names.
///
/// # Errors
/// If no candidate exists, or the existing recipe would ignore the row's speculative decoding.
pub fn choose_recipe(
    row: &Row,
    folder: &str,
    read: &dyn Fn(&str) -> Option<String>,
    sha256: &dyn Fn(&str) -> String,
) -> Result<Recipe, RecipeError> {
    let names = recipe_names(row)?;
    let found = names.iter().enumerate().find_map(|(at, name)| Some((at, name, read(&name.path)?)));
    let Some((at, name, text)) = found else {
        return srt_slurm_recipe(row, read, sha256).ok_or_else(|| missing(row, folder, &names));
    };
    let wanted = names.first().map(|name| name.path.clone()).unwrap_or_default();
    match row.spec_decoding {
        SpecDecoding::None => {}
        spec @ (SpecDecoding::Mtp | SpecDecoding::DraftModel) if !name.names_spec && !text.contains("SPEC_DECODING") => {
            return Err(RecipeError::IgnoresSpecDecoding {
                path: name.path.clone(),
                spec,
                wanted,
            });
        }
        SpecDecoding::Mtp | SpecDecoding::DraftModel => {}
    }
    let passed: Vec<&str> = names.iter().take(at).map(|name| name.path.as_str()).collect();
    let chosen = match passed.as_slice() {
        [] => "the most specific name".to_owned(),
        passed => format!("the most specific name that exists; not there: {}", passed.join(", ")),
    };
    Ok(Recipe {
        path: name.path.clone(),
        style: RecipeStyle::of_script(&text),
        sha256: Some(sha256(&text)),
        chosen,
    })
}

/// The recipe that the row names in `additional-settings`. It need not exist here: launch scripts fetch srt-slurm's repository.
fn srt_slurm_recipe(row: &Row, read: &dyn Fn(&str) -> Option<String>, sha256: &dyn Fn(&str) -> String) -> Option<Recipe> {
    let named = config_file(row)?;
    let text = mirror_path(named).and_then(|path| read(&path));
    Some(Recipe {
        path: named.to_owned(),
        style: RecipeStyle::SelfContained,
        sha256: text.map(|text| sha256(&text)),
        chosen: "named by CONFIG_FILE in additional-settings".to_owned(),
    })
}

fn missing(row: &Row, folder: &str, names: &[Spelling]) -> RecipeError {
    let all: Vec<&str> = names.iter().map(|name| name.path.as_str()).collect();
    let (folder, names) = (folder.to_owned(), all.join(", "));
    if row.layout.is_multi_node() {
        RecipeError::MissingOverNodes { folder, names }
    } else {
        RecipeError::Missing { folder, names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(framework: &str, spec: &str) -> Row {
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "dsr1", "precision": "fp8", "framework": framework, "runner": "h200-trt",
            "isl": 64, "osl": 16, "tp": 8, "ep": 1, "dp-attn": false, "spec-decoding": spec, "conc": 1, "max-model-len": 128, "exp-name": "e"
        }))
        .unwrap()
    }

    fn choose(row: &Row, files: &[(&str, &str)]) -> Result<Recipe, RecipeError> {
        let read = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        choose_recipe(row, "benchmarks", &read, &|text| format!("sha-{}", text.len()))
    }

    #[test]
    fn most_specific_existing_name_wins() {
        let general = ("dsr1_fp8_h200.sh", "exec engine");
        let named = ("dsr1_fp8_h200_trt.sh", "exec engine");
        let with_spec = ("dsr1_fp8_h200_trt_mtp.sh", "exec engine");
        for (spec, files, path) in [
            ("none", vec![general, named, with_spec], "dsr1_fp8_h200_trt.sh"),
            ("none", vec![general, with_spec], "dsr1_fp8_h200.sh"),
            ("mtp", vec![general, named, with_spec], "dsr1_fp8_h200_trt_mtp.sh"),
            ("mtp", vec![named, ("dsr1_fp8_h200_mtp.sh", "x")], "dsr1_fp8_h200_mtp.sh"),
            (
                "none",
                vec![("single_node/dsr1_fp8_h200_trt.sh", "x"), general],
                "single_node/dsr1_fp8_h200_trt.sh",
            ),
        ] {
            assert_eq!(choose(&row("trt", spec), &files).unwrap().path, path);
        }
    }

    #[test]
    fn explains_the_choice() {
        let recipe = choose(&row("vllm", "none"), &[("dsr1_fp8_h200.sh", "exec engine")]).unwrap();
        assert!(recipe.chosen.contains("not there: dsr1_fp8_h200_vllm.sh"), "{}", recipe.chosen);
        assert_eq!(recipe.sha256.as_deref(), Some("sha-11"));
        let error = choose(&row("vllm", "none"), &[]).unwrap_err().to_string();
        assert!(error.contains("in benchmarks: none of dsr1_fp8_h200_vllm.sh, "), "{error}");
    }

    /// A disaggregated row over several nodes that names this recipe of srt-slurm.
    fn over_nodes(framework: &str, config_file: Option<&str>) -> Row {
        let worker =
            |settings: Vec<String>| json!({ "num-worker": 1, "tp": 8, "ep": 1, "dp-attn": false, "additional-settings": settings });
        let settings = config_file.map(|path| format!("CONFIG_FILE={path}"));
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "dsr1", "precision": "fp8", "framework": framework, "runner": "gb200", "isl": 64,
            "osl": 16, "prefill": worker(settings.into_iter().collect()), "decode": worker(Vec::new()), "spec-decoding": "none",
            "conc": [1, 2], "max-model-len": 128, "exp-name": "e", "disagg": true
        }))
        .unwrap()
    }

    #[test]
    fn row_over_nodes_has_a_script_or_names_a_recipe_of_srt_slurm() {
        let script = ("multi_node/dsr1_fp8_gb200_tilert-disagg.sh", "x");
        let yaml = ("multi_node/srt-slurm-recipes/vllm/a.yaml", "name: a");
        let named = Some("recipes/vllm/a.yaml:variant[0]");
        for (row, files, path, sha256, is_script) in [
            (over_nodes("tilert", None), vec![script], script.0, Some("sha-1"), true),
            (over_nodes("tilert", named), vec![script, yaml], script.0, Some("sha-1"), true),
            (
                over_nodes("vllm", named),
                vec![script, yaml],
                "recipes/vllm/a.yaml:variant[0]",
                Some("sha-7"),
                false,
            ),
            (over_nodes("vllm", named), vec![], "recipes/vllm/a.yaml:variant[0]", None, false),
        ] {
            let recipe = choose(&row, &files).unwrap();
            assert_eq!(
                (recipe.path.as_str(), recipe.sha256.as_deref(), recipe.is_script()),
                (path, sha256, is_script)
            );
        }
        let error = choose(&over_nodes("vllm", None), &[yaml]).unwrap_err().to_string();
        assert!(
            error.contains("multi_node/dsr1_fp8_gb200_vllm-disagg.sh") && error.contains("add CONFIG_FILE=recipes/"),
            "{error}"
        );
    }

    #[test]
    fn speculative_decoding_is_never_ignored() {
        let error = choose(&row("trt", "mtp"), &[("dsr1_fp8_h200_trt.sh", "exec engine")]).unwrap_err();
        assert!(matches!(error, RecipeError::IgnoresSpecDecoding { .. }), "{error}");
        let aware = "[ \"$SPEC_DECODING\" = mtp ] && args+=(--speculative)";
        assert!(choose(&row("trt", "mtp"), &[("dsr1_fp8_h200_trt.sh", aware)]).is_ok());
    }

    #[test]
    fn names_cannot_be_paths_out_of_the_folder() {
        for framework in ["../../bin/x", "a b", ".hidden"] {
            let error = recipe_names(&row(framework, "none")).unwrap_err();
            assert!(matches!(error, RecipeError::UnsafeName { field: "framework", .. }), "{error}");
        }
    }

    #[test]
    fn style_follows_from_sourcing_benchmark_lib() {
        for (text, style) in [
            ("exec vllm serve", RecipeStyle::EngineOnly),
            ("# unlike benchmark_lib.sh users\nexec engine", RecipeStyle::EngineOnly),
            ("source \"$(dirname \"$0\")/benchmark_lib.sh\"", RecipeStyle::SelfContained),
            ("  . ./benchmark_lib.sh", RecipeStyle::SelfContained),
        ] {
            assert_eq!(RecipeStyle::of_script(text), style);
        }
    }
}
