//! The choice of recipe and profile that `imax run` would make for rows: all candidate names in order, and the selected one.

use serde::Serialize;

use crate::matrix::Row;
use crate::model::{RunnerLabel, RunnerName};

use super::{Launchers, RecipeStyle, RunnerProfile, choose_recipe, recipe_names};

/// Whether a candidate name was selected, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CandidateState {
    /// It exists, and no candidate before it does.
    Chosen,
    /// It exists, but so does a more specific one, or it is unusable.
    Passed,
    /// It does not exist.
    Missing,
}

/// A possible name of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Path below the recipe folder.
    pub path: String,
    /// Whether it was selected.
    pub state: CandidateState,
}

/// The choice of recipe for rows with the same candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecipeChoice {
    pub runner: RunnerLabel,
    pub rows: usize,
    /// All candidate names, the most specific first.
    pub candidates: Vec<Candidate>,
    /// Whether `imax run` or the script itself runs the load; absent without a recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<RecipeStyle>,
    /// Why there is no recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The choice for each row; rows with the same choice are grouped. `read` returns the text of a file in the recipe folder, if it
/// exists.
#[must_use]
pub fn recipe_choices(rows: &[Row], folder: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<RecipeChoice> {
    let mut choices: Vec<RecipeChoice> = Vec::new();
    for row in rows {
        let choice = recipe_choice(row, folder, read);
        match choices.iter_mut().find(|known| {
            RecipeChoice {
                rows: 1,
                ..(**known).clone()
            } == choice
        }) {
            Some(known) => known.rows += 1,
            None => choices.push(choice),
        }
    }
    choices
}

fn recipe_choice(row: &Row, folder: &str, read: &dyn Fn(&str) -> Option<String>) -> RecipeChoice {
    let chosen = choose_recipe(row, folder, read, &|_| String::new());
    let path = chosen.as_ref().ok().map(|recipe| recipe.path.as_str());
    let names = recipe_names(row).unwrap_or_default().into_iter();
    let candidates = names.map(|name| Candidate {
        state: match read(&name.path) {
            Some(_) if path == Some(name.path.as_str()) => CandidateState::Chosen,
            Some(_) => CandidateState::Passed,
            None => CandidateState::Missing,
        },
        path: name.path,
    });
    // One of srt-slurm is named by the row, after all names that a script could have.
    let of_srt_slurm = chosen.as_ref().ok().filter(|recipe| !recipe.is_script());
    let of_srt_slurm = of_srt_slurm.map(|recipe| Candidate {
        path: recipe.path.clone(),
        state: CandidateState::Chosen,
    });
    RecipeChoice {
        runner: row.runner.clone(),
        rows: 1,
        candidates: candidates.chain(of_srt_slurm).collect(),
        style: chosen.as_ref().ok().map(|recipe| recipe.style),
        problem: chosen.err().map(|error| error.to_string()),
    }
}

/// The profile of nodes that share one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProfileChoice {
    pub nodes: Vec<RunnerName>,
    /// Its file below the runner folder; absent for the built-in profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The launcher; absent for an invalid profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launcher: Option<String>,
    /// Why the profile is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The profiles of nodes. `read` returns the text of a file in the runner folder, if it exists.
#[must_use]
pub fn profile_choices(
    nodes: &[RunnerName],
    folder: &str,
    read: &dyn Fn(&str) -> Option<String>,
    launchers: Launchers<'_>,
) -> Vec<ProfileChoice> {
    let mut choices: Vec<(&str, ProfileChoice)> = Vec::new();
    for node in nodes {
        let prefix = node.profile_prefix();
        if let Some((_, known)) = choices.iter_mut().find(|(known, _)| *known == prefix) {
            known.nodes.push(node.clone());
            continue;
        }
        let files = [format!("{prefix}.yaml"), format!("launch_{prefix}.sh")];
        let loaded = RunnerProfile::of_runner(node, folder, read, launchers);
        let choice = ProfileChoice {
            nodes: vec![node.clone()],
            file: files.into_iter().find(|file| read(file).is_some()),
            launcher: loaded.as_ref().ok().map(|profile| profile.launch.name().to_owned()),
            problem: loaded.err().map(|error| error.to_string()),
        };
        choices.push((prefix, choice));
    }
    choices.into_iter().map(|(_, choice)| choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(spec: &str, conc: u32) -> Row {
        serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "dsr1", "precision": "fp8", "framework": "trt", "runner": "h200", "isl": 64,
            "osl": 16, "tp": 8, "ep": 1, "dp-attn": false, "spec-decoding": spec, "conc": conc, "max-model-len": 128, "exp-name": "e"
        }))
        .unwrap()
    }

    #[test]
    fn rows_with_the_same_choice_are_grouped() {
        let read = |path: &str| {
            ["dsr1_fp8_h200_trt.sh", "dsr1_fp8_h200.sh"]
                .contains(&path)
                .then(|| "exec engine".to_owned())
        };
        let choices = recipe_choices(&[row("none", 1), row("none", 2), row("mtp", 1)], "benchmarks", &read);
        let [plain, speculative] = choices.as_slice() else {
            panic!("{choices:?}")
        };
        assert_eq!((plain.rows, plain.style), (2, Some(RecipeStyle::EngineOnly)));
        let states: Vec<_> = plain.candidates.iter().map(|name| (name.path.as_str(), name.state)).collect();
        assert_eq!(states[0], ("dsr1_fp8_h200_trt.sh", CandidateState::Chosen));
        assert_eq!(states[1], ("single_node/dsr1_fp8_h200_trt.sh", CandidateState::Missing));
        assert!(states.contains(&("dsr1_fp8_h200.sh", CandidateState::Passed)), "{states:?}");
        // The existing recipe ignores speculative decoding, so it is not usable for that row.
        assert_eq!((speculative.rows, speculative.style), (1, None));
        assert!(speculative.problem.as_ref().unwrap().contains("SPEC_DECODING"), "{speculative:?}");
        assert!(speculative.candidates.iter().all(|name| name.state != CandidateState::Chosen));
    }

    #[test]
    fn nodes_share_the_profile_of_their_prefix() {
        let read = |path: &str| match path {
            "h200-a.yaml" => Some("launcher: docker\n".to_owned()),
            "launch_h200-b.sh" => Some("exit".to_owned()),
            "h200-c.yaml" => Some("launcher: none\n".to_owned()),
            _ => None,
        };
        let nodes = ["h200-a_0", "h200-a_1", "h200-b_0", "h200-c_0", "h200-d_0"].map(|name| name.parse().unwrap());
        let choices = profile_choices(&nodes, "runners", &read, &crate::fleet::launcher::launch_rules());
        let shown = |at: usize| {
            (
                choices[at].nodes.len(),
                choices[at].file.as_deref(),
                choices[at].launcher.as_deref(),
            )
        };
        assert_eq!(shown(0), (2, Some("h200-a.yaml"), Some("docker")));
        assert_eq!(shown(1), (1, Some("launch_h200-b.sh"), Some("script")));
        assert_eq!(shown(2), (1, Some("h200-c.yaml"), None));
        assert!(choices[2].problem.is_some());
        assert_eq!(shown(3), (1, None, Some("local")));
    }
}
