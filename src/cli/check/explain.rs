//! `imax check --explain`: for each config, which recipe its rows would take and why, and which profile its nodes have.

use std::fmt::Write as _;

use anyhow::anyhow;
use serde::Serialize;

use super::{CheckArgs, Format};
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::config::{Catalog, Entry};
use crate::job::{CandidateState, ProfileChoice, RecipeChoice, RecipeStyle, profile_choices, recipe_choices};
use crate::matrix::{self, Expansion, Row};
use crate::model::{RunnerLabel, RunnerName};
use crate::system::files;

/// What is told of a config.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Explanation<'a> {
    config_key: &'a str,
    recipes: Vec<RecipeChoice>,
    profiles: Vec<ProfileChoice>,
}

/// Tells of every config whose key matches.
///
/// # Errors
/// A pattern that matches no key, as invalid input; a format that has no room for it, as wrong usage.
pub(super) fn run(args: &CheckArgs, pattern: &str, catalog: &Catalog) -> Result<Exit, Failure> {
    let chosen = catalog
        .entries
        .values()
        .filter(|entry| matrix::matches(pattern, entry.key.as_str()));
    let explanations: Vec<Explanation<'_>> = chosen.map(|entry| explanation(args, entry, catalog)).collect();
    if explanations.is_empty() {
        let error = anyhow!("no config key matches `{pattern}`; `*`, `?` and `[]` match as in a shell");
        return Err(error).or_exit(Exit::InvalidInput);
    }
    match args.format {
        Format::Human => output::emit(&human(args, &explanations))?,
        Format::Json => {
            let text = serde_json::to_string_pretty(&explanations).or_exit(Exit::Infrastructure)?;
            output::emit(&format!("{text}\n"))?;
        }
        Format::Github | Format::Sarif => {
            let error = anyhow!("--explain tells, it finds nothing: use `--format human` or `--format json`");
            return Err(error).or_exit(Exit::Usage);
        }
    }
    Ok(Exit::Success)
}

fn explanation<'a>(args: &CheckArgs, entry: &'a Entry, catalog: &Catalog) -> Explanation<'a> {
    // What cannot be expanded is a finding of the check itself.
    let rows: Vec<Row> = matrix::expand(entry, &catalog.runners, &Expansion::default()).unwrap_or_default();
    let recipe = |path: &str| files::read_text(&args.recipe_dir.join(path)).ok();
    let recipes = recipe_choices(&rows, &args.recipe_dir.display().to_string(), &recipe);
    let mut labels: Vec<&RunnerLabel> = recipes.iter().map(|choice| &choice.runner).collect();
    labels.dedup();
    let nodes: Vec<RunnerName> = labels
        .into_iter()
        .filter_map(|label| catalog.runners.labels.get(label))
        .flatten()
        .cloned()
        .collect();
    let profile = |path: &str| files::read_text(&args.runner_dir.join(path)).ok();
    let profiles = profile_choices(&nodes, &args.runner_dir.display().to_string(), &profile);
    Explanation {
        config_key: entry.key.as_str(),
        recipes,
        profiles,
    }
}

fn human(args: &CheckArgs, explanations: &[Explanation<'_>]) -> String {
    let mut text = String::new();
    for Explanation {
        config_key,
        recipes,
        profiles,
    } in explanations
    {
        let _ = writeln!(text, "{config_key}");
        for choice in recipes {
            recipe(&mut text, choice, &args.recipe_dir.display().to_string());
        }
        if profiles.is_empty() {
            text.push_str("  no node has the label\n");
        }
        for choice in profiles {
            profile(&mut text, choice, &args.runner_dir.display().to_string());
        }
    }
    text
}

fn recipe(text: &mut String, choice: &RecipeChoice, folder: &str) {
    let what = match choice.style {
        Some(RecipeStyle::EngineOnly) => "it starts the engine, imax does the rest",
        Some(RecipeStyle::SelfContained) => "it does everything itself, with benchmark_lib.sh",
        None => "no recipe",
    };
    let rows = super::counted(choice.rows, "row");
    let _ = writeln!(text, "  recipe for {rows} on {}, in {folder}: {what}", choice.runner);
    for candidate in &choice.candidates {
        let (sign, said) = match candidate.state {
            CandidateState::Chosen => ("->", ""),
            CandidateState::Passed => ("  ", " (exists)"),
            CandidateState::Missing => ("  ", " (not there)"),
        };
        let _ = writeln!(text, "    {sign} {}{said}", candidate.path);
    }
    if let Some(problem) = &choice.problem {
        let _ = writeln!(text, "    {problem}");
    }
}

fn profile(text: &mut String, choice: &ProfileChoice, folder: &str) {
    let nodes: Vec<&str> = choice.nodes.iter().map(RunnerName::as_str).collect();
    let file = match &choice.file {
        Some(file) => format!("{folder}/{file}"),
        None => format!("the built-in one; {folder} has none"),
    };
    let launcher = choice
        .launcher
        .as_ref()
        .map(|name| format!(", launcher {name}"))
        .unwrap_or_default();
    let _ = writeln!(text, "  profile of {}: {file}{launcher}", nodes.join(", "));
    if let Some(problem) = &choice.problem {
        let _ = writeln!(text, "    {problem}");
    }
}
