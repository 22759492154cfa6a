//! `imax check`: reports all findings in the configs, runners, changelog, settings, recipes and runner profiles of a repository.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::changelog::ChangelogArgs;
use super::configs::ConfigArgs;
use super::output::{self, OutputError};
use super::settings::SettingsArgs;
use super::{Exit, Failure, terminal};
use crate::github::annotations;
use crate::job::{CandidateState, ProfileChoice, RecipeChoice, RecipeStyle};
use crate::model::{Diagnostics, RunnerName, Severity};
use crate::planning::check::{CheckRequest, Checked, Explained, Explanation, RowCounts, RowVerdict, check, explain};
use crate::report;

/// Validate configs, runners, changelog, settings, recipes and runner profiles.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  imax check --format github\n  imax check --explain 'dsr1-fp8-*'")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    configs: ConfigArgs,
    #[command(flatten)]
    changelog: ChangelogArgs,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Folder of the recipes; skipped if it does not exist
    #[arg(long, value_name = "FOLDER", default_value = "benchmarks")]
    recipe_dir: PathBuf,
    /// Folder of the runner profiles; skipped if it does not exist
    #[arg(long, value_name = "FOLDER", default_value = "runners")]
    runner_dir: PathBuf,
    /// Format of the findings: `human` goes to stderr, all others to stdout
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Explain, instead of checking, how recipes and runner profiles are chosen for the configs whose keys match
    #[arg(long, value_name = "KEY-GLOB", num_args = 0..=1, default_missing_value = "*")]
    explain: Option<String>,
    /// Fail on warnings too
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Text with places and snippets
    #[default]
    Human,
    /// JSON
    Json,
    /// Workflow commands, which GitHub shows on the line in a pull request
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

pub(super) fn run(args: CheckArgs) -> Result<Exit, Failure> {
    let CheckArgs {
        configs,
        changelog,
        settings,
        recipe_dir,
        runner_dir,
        format,
        explain: pattern,
        deny_warnings,
    } = args;
    let request = CheckRequest {
        configs: configs.into(),
        changelog: changelog.into(),
        settings: settings.into(),
        recipe_folder: recipe_dir,
        profile_folder: runner_dir,
    };
    if let Some(pattern) = pattern {
        return match explain(&request, &pattern)? {
            Explained::Configs(explanations) => print_explanations(&explanations, &request, format),
            Explained::InvalidCatalog(found) => {
                print_findings(&found);
                Ok(Exit::InvalidInput)
            }
        };
    }
    let Checked { found, rows } = check(&request)?;
    match format {
        Format::Human => {
            print_findings(&found);
            print_rows(rows);
        }
        Format::Json => output::emit(&report::json_of_diagnostics(&found).map_err(OutputError::Json)?)?,
        Format::Github => output::emit_commands(&annotations(&found))?,
        Format::Sarif => output::emit(&report::sarif_of_diagnostics(&found, env!("CARGO_PKG_VERSION")).map_err(OutputError::Json)?)?,
    }
    let is_refused = found.has_errors() || (deny_warnings && !found.is_empty());
    Ok(if is_refused { Exit::InvalidInput } else { Exit::Success })
}

/// The findings for people, and their number.
pub(super) fn print_findings(found: &Diagnostics) {
    if !found.is_empty() {
        output::say(&format!("{}\n", found.styled(terminal::stderr_findings())));
    }
    let warnings = found.iter().filter(|finding| finding.severity == Severity::Warning).count();
    output::say(&format!("{}, {}", counted(found.errors(), "error"), counted(warnings, "warning")));
}

/// How many rows can run, if some cannot.
fn print_rows(rows: RowCounts) {
    let RowCounts { rows, refused } = rows;
    if refused > 0 {
        let can = rows.saturating_sub(refused);
        output::say(&format!("{can} of {} can run, {refused} would be refused", counted(rows, "row")));
    }
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn print_explanations(explanations: &[Explanation], request: &CheckRequest, format: Format) -> Result<Exit, Failure> {
    match format {
        Format::Human => output::emit(&explanation_text(explanations, request))?,
        Format::Json => output::emit_json(explanations)?,
        Format::Github | Format::Sarif => {
            return Err(Failure::new(
                Exit::Usage,
                "--explain has no findings to format: use `--format human` or `--format json`",
            ));
        }
    }
    Ok(Exit::Success)
}

fn explanation_text(explanations: &[Explanation], request: &CheckRequest) -> String {
    let mut text = String::new();
    for Explanation {
        config_key,
        recipes,
        profiles,
        rows,
    } in explanations
    {
        let _ = writeln!(text, "{config_key}");
        for choice in recipes {
            write_recipe(&mut text, choice, &request.recipe_folder);
        }
        if profiles.is_empty() {
            text.push_str("  no runner has this label\n");
        }
        for choice in profiles {
            write_profile(&mut text, choice, &request.profile_folder);
        }
        for verdict in rows {
            write_verdict(&mut text, verdict);
        }
    }
    text
}

fn write_recipe(text: &mut String, choice: &RecipeChoice, folder: &Path) {
    let style = match choice.style {
        Some(RecipeStyle::EngineOnly) => "starts the engine, imax measures",
        Some(RecipeStyle::SelfContained) => "self-contained, measures itself",
        None => "no recipe",
    };
    let rows = counted(choice.rows, "row");
    let _ = writeln!(text, "  recipe for {rows} on {}, in {}: {style}", choice.runner, folder.display());
    for candidate in &choice.candidates {
        let (mark, state) = match candidate.state {
            CandidateState::Chosen => ("->", ""),
            CandidateState::Passed => ("  ", " (exists)"),
            CandidateState::Missing => ("  ", " (missing)"),
        };
        let _ = writeln!(text, "    {mark} {}{state}", candidate.path);
    }
    if let Some(problem) = &choice.problem {
        let _ = writeln!(text, "    {problem}");
    }
}

fn write_profile(text: &mut String, choice: &ProfileChoice, folder: &Path) {
    let nodes: Vec<&str> = choice.nodes.iter().map(RunnerName::as_str).collect();
    let folder = folder.display();
    let file = match &choice.file {
        Some(file) => format!("{folder}/{file}"),
        None => format!("built-in; {folder} has none"),
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

fn write_verdict(text: &mut String, verdict: &RowVerdict) {
    let nodes: Vec<&str> = verdict.nodes.iter().map(RunnerName::as_str).collect();
    let place = if nodes.is_empty() {
        String::new()
    } else {
        format!(" on {}", nodes.join(", "))
    };
    let rows = counted(verdict.rows, "row");
    let _ = match &verdict.problem {
        None => writeln!(text, "  {rows} can run{place}"),
        Some(problem) => writeln!(text, "  {rows} would be refused{place}: {problem}"),
    };
}
