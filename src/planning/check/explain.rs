//! Explains which recipe and which runner profile imax chooses for the rows of a config.

use serde::Serialize;

use super::referenced_files::Folders;
use super::rows::{RowVerdict, check_rows};
use super::{CheckError, CheckRequest, read_catalog, read_in};
use crate::config::{Catalog, Entry};
use crate::fleet::launcher::launch_rules;
use crate::job::{ProfileChoice, RecipeChoice, profile_choices, recipe_choices};
use crate::matrix::{self, Expansion, KeyPattern, Row};
use crate::model::{ConfigKey, Diagnostics, RunnerLabel, RunnerName};

/// The explanation of one config.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Explanation {
    pub config_key: ConfigKey,
    pub recipes: Vec<RecipeChoice>,
    pub profiles: Vec<ProfileChoice>,
    /// Which rows `imax run` would run, and why not others.
    pub rows: Vec<RowVerdict>,
}

/// The explanations of some configs.
#[derive(Debug)]
pub(crate) enum Explained {
    Configs(Vec<Explanation>),
    /// The catalog is invalid, so there is nothing to explain.
    InvalidCatalog(Diagnostics),
}

/// Explains every config whose key matches the pattern.
///
/// # Errors
/// [`CheckError`] if no key matches, or the config folder cannot be listed.
pub(crate) fn explain(request: &CheckRequest, pattern: &str) -> Result<Explained, CheckError> {
    let mut found = Diagnostics::new();
    let Some(catalog) = read_catalog(&request.configs, &mut found)? else {
        return Ok(Explained::InvalidCatalog(found));
    };
    let key_pattern = KeyPattern::new(pattern)?;
    let explanations: Vec<Explanation> = catalog
        .entries
        .values()
        .filter(|entry| key_pattern.matches(entry.key.as_str()))
        .map(|entry| explanation(request, entry, &catalog))
        .collect();
    if explanations.is_empty() {
        return Err(CheckError::NoMatch {
            pattern: pattern.to_owned(),
        });
    }
    Ok(Explained::Configs(explanations))
}

fn explanation(request: &CheckRequest, entry: &Entry, catalog: &Catalog) -> Explanation {
    // `check` reports rows that cannot be expanded.
    let rows: Vec<Row> = matrix::expand(entry, &catalog.runners, &Expansion::default()).unwrap_or_default();
    let recipe_folder = &request.recipe_folder;
    let recipes = recipe_choices(&rows, &recipe_folder.display().to_string(), &|path| read_in(recipe_folder, path));
    let mut labels: Vec<&RunnerLabel> = recipes.iter().map(|choice| &choice.runner).collect();
    labels.dedup();
    let nodes: Vec<RunnerName> = labels
        .into_iter()
        .filter_map(|label| catalog.runners.labels.get(label))
        .flatten()
        .cloned()
        .collect();
    let profile_folder = &request.profile_folder;
    let profiles = profile_choices(
        &nodes,
        &profile_folder.display().to_string(),
        &|path| read_in(profile_folder, path),
        &launch_rules(),
    );
    let folders = Folders {
        recipes: recipe_folder,
        profiles: profile_folder,
    };
    Explanation {
        config_key: entry.key.clone(),
        recipes,
        profiles,
        rows: check_rows(&rows, &catalog.runners, folders).verdicts,
    }
}
