//! Whether `imax run` would run the rows of a config: each is resolved as it would be on every node of its label.

use std::collections::BTreeMap;

use serde::Serialize;

use super::referenced_files::Folders;
use crate::config::{Entry, Runners};
use crate::fleet::launcher::launch_rules;
use crate::job::{RecipeError, ResolveError, RunnerProfile, choose_recipe, resolve};
use crate::matrix::Row;
use crate::model::{Diagnostic, Diagnostics, JobId, RunnerName};
use crate::planning::source_file::unreadable;
use crate::system::files::FileError;
use crate::system::optional_files::OptionalFiles;

/// Rows with the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct RowVerdict {
    /// The number of rows.
    pub rows: usize,
    /// The nodes of their label for which it is the answer; none if the label has none that can be judged.
    pub nodes: Vec<RunnerName>,
    /// Why `imax run` would refuse them; absent where it would not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    #[serde(skip)]
    kind: Option<RefusalKind>,
    /// Whether no node of their label would run these rows.
    is_refused: bool,
}

/// The finding's code depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RefusalKind {
    Recipe,
    Row,
}

impl RefusalKind {
    fn code(self) -> &'static str {
        match self {
            Self::Recipe => "missing-recipe",
            Self::Row => "refused-row",
        }
    }
}

/// The number of rows of all configs, and of those that no node of their label would run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RowCounts {
    pub rows: usize,
    pub refused: usize,
}

impl RowCounts {
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.refused += other.refused;
    }
}

/// The answers for the rows of a config.
#[derive(Debug, Default)]
pub(super) struct CheckedRows {
    pub verdicts: Vec<RowVerdict>,
    pub counts: RowCounts,
    /// Files that may decide and cannot be read.
    unreadable: Vec<FileError>,
}

/// Judges the rows of a config. Rows of a label whose nodes have no profile that can be read are judged by their recipe alone.
pub(super) fn check_rows(rows: &[Row], runners: &Runners, folders: Folders<'_>) -> CheckedRows {
    let recipes = OptionalFiles::of(folders.recipes);
    let mut checked = CheckedRows::default();
    if !folders.recipes.is_dir() {
        return checked;
    }
    let mut profiles = BTreeMap::new();
    for row in rows {
        let nodes = runners.labels.get(&row.runner).map(Vec::as_slice).unwrap_or_default();
        let mut answers: BTreeMap<Option<(RefusalKind, String)>, Vec<RunnerName>> = BTreeMap::new();
        // Nodes with the same profile have the same answer.
        for nodes in nodes.chunk_by(|one, other| one.profile_prefix() == other.profile_prefix()) {
            let Some(node) = nodes.first() else { continue };
            let prefix = node.profile_prefix().to_owned();
            let profile = profiles.entry(prefix).or_insert_with(|| profile_of(node, folders));
            let Some(profile) = profile else { continue };
            let answer = refusal(row, node, profile, &recipes, folders);
            answers.entry(answer).or_default().extend(nodes.iter().cloned());
        }
        if answers.is_empty() {
            answers.insert(refusal_by_recipe(row, &recipes, folders), Vec::new());
        }
        checked.count(answers);
    }
    checked.unreadable = recipes.into_errors();
    checked
}

/// Rows that no node of their label would run, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusedRows {
    pub rows: usize,
    /// Why `imax run` would refuse them.
    pub problem: String,
}

/// The rows that no node of their label would run, by reason; none where a file that decides cannot be read.
pub(in crate::planning) fn refused_rows(rows: &[Row], runners: &Runners, folders: Folders<'_>) -> Vec<RefusedRows> {
    let checked = check_rows(rows, runners, folders);
    let mut refused: Vec<RefusedRows> = Vec::new();
    if !checked.unreadable.is_empty() {
        return refused;
    }
    for verdict in checked.verdicts.into_iter().filter(|verdict| verdict.is_refused) {
        let Some(problem) = verdict.problem else { continue };
        match refused.iter_mut().find(|known| known.problem == problem) {
            Some(known) => known.rows += verdict.rows,
            None => refused.push(RefusedRows {
                rows: verdict.rows,
                problem,
            }),
        }
    }
    refused
}

impl std::fmt::Display for RefusedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = if self.rows == 1 { "row" } else { "rows" };
        write!(f, "`imax run` would refuse {} {rows}: {}", self.rows, self.problem)
    }
}

impl CheckedRows {
    /// Counts a row by the answers of the nodes of its label.
    fn count(&mut self, answers: BTreeMap<Option<(RefusalKind, String)>, Vec<RunnerName>>) {
        let is_refused = !answers.contains_key(&None);
        self.counts.rows += 1;
        self.counts.refused += usize::from(is_refused);
        for (answer, nodes) in answers {
            let (kind, problem) = answer.unzip();
            let verdict = RowVerdict {
                rows: 1,
                nodes,
                problem,
                kind,
                is_refused,
            };
            match self.verdicts.iter_mut().find(|known| known.has_answer_of(&verdict)) {
                Some(known) => known.rows += 1,
                None => self.verdicts.push(verdict),
            }
        }
    }

    /// An error for rows that no node of their label runs, a warning for those that some do not.
    pub fn findings(&self, entry: &Entry) -> Diagnostics {
        let mut found = Diagnostics::new();
        for error in &self.unreadable {
            found.push(unreadable(error).related(entry.place.clone(), "the config that uses it"));
        }
        // An unreadable file may be the recipe, so it is not known whether one is missing.
        let is_known = self.unreadable.is_empty();
        for verdict in self.verdicts.iter().filter(|_| is_known) {
            let (Some(problem), Some(kind)) = (&verdict.problem, verdict.kind) else {
                continue;
            };
            let finding = if verdict.is_refused {
                Diagnostic::error(kind.code(), problem.clone())
            } else {
                Diagnostic::warning(kind.code(), problem.clone())
            };
            found.push(finding.at(entry.place.clone()).help(refused_where(verdict)));
        }
        found
    }
}

impl RowVerdict {
    fn has_answer_of(&self, other: &Self) -> bool {
        self.problem == other.problem && self.nodes == other.nodes && self.is_refused == other.is_refused
    }
}

fn refused_where(verdict: &RowVerdict) -> String {
    let rows = if verdict.rows == 1 {
        "1 row".to_owned()
    } else {
        format!("{} rows", verdict.rows)
    };
    let nodes: Vec<&str> = verdict.nodes.iter().map(RunnerName::as_str).collect();
    let place = if nodes.is_empty() {
        String::new()
    } else {
        format!(" on {}", nodes.join(", "))
    };
    format!("`imax run` would refuse {rows}{place}")
}

/// The profile by which a node runs rows; `None` if it is invalid, which is a finding of its own, or there is no folder of profiles, which
/// a repository may keep elsewhere.
fn profile_of(node: &RunnerName, folders: Folders<'_>) -> Option<RunnerProfile> {
    if !folders.profiles.is_dir() {
        return None;
    }
    let files = OptionalFiles::of(folders.profiles);
    let folder = folders.profiles.display().to_string();
    let profile = RunnerProfile::of_runner(node, &folder, &|path| files.read(path), &launch_rules());
    profile.ok().filter(|_| files.into_errors().is_empty())
}

fn refusal(
    row: &Row,
    node: &RunnerName,
    profile: &RunnerProfile,
    recipes: &OptionalFiles<'_>,
    folders: Folders<'_>,
) -> Option<(RefusalKind, String)> {
    let folder = folders.recipes.display().to_string();
    let read = |path: &str| recipes.read(path);
    let spec = resolve(
        JobId::from_unique(0),
        row.clone(),
        node.clone(),
        profile.clone(),
        &folder,
        &read,
        &launch_rules(),
    );
    let error = spec.err()?;
    let kind = match error {
        ResolveError::Recipe(_) => RefusalKind::Recipe,
        ResolveError::NoSessions { .. }
        | ResolveError::Duration { .. }
        | ResolveError::SeveralNodes { .. }
        | ResolveError::NoScript { .. }
        | ResolveError::DoesNotFit(_)
        | ResolveError::Unprofiled(_)
        | ResolveError::Profile(_)
        | ResolveError::SelfContainedGroup { .. }
        | ResolveError::RepeatedConcurrency { .. } => RefusalKind::Row,
    };
    Some((kind, error.to_string()))
}

fn refusal_by_recipe(row: &Row, recipes: &OptionalFiles<'_>, folders: Folders<'_>) -> Option<(RefusalKind, String)> {
    let folder = folders.recipes.display().to_string();
    let chosen = choose_recipe(row, &folder, &|path| recipes.read(path), &|_| String::new());
    let error: RecipeError = chosen.err()?;
    Some((RefusalKind::Recipe, error.to_string()))
}
