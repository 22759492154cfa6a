//! `imax check`: everything that is wrong with a repository's configs, runners, changelog, settings, recipes and profiles,
//! in one run.

mod beside;
mod explain;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::changelog::ChangelogFiles;
use crate::cli::configs::{ConfigFiles, Sources};
use crate::cli::settings::SettingsFile;
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::config::{self, Catalog};
use crate::matrix::{self, Expansion};
use crate::model::{Diagnostics, Severity};
use crate::report::findings;

/// Validates configs, runners, changelog, settings, recipes and runner profiles.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  imax check --format github\n  imax check --explain 'dsr1-fp8-*'")]
pub struct CheckArgs {
    #[command(flatten)]
    configs: ConfigFiles,
    #[command(flatten)]
    changelog: ChangelogFiles,
    #[command(flatten)]
    settings: SettingsFile,
    /// Folder of the recipes; looked into where it exists
    #[arg(long, value_name = "FOLDER", default_value = "benchmarks")]
    recipe_dir: PathBuf,
    /// Folder of the runner profiles; looked into where it exists
    #[arg(long, value_name = "FOLDER", default_value = "runners")]
    runner_dir: PathBuf,
    /// How findings are written: for people on stderr, all else on stdout
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Tell, instead of checking, how recipes and runner profiles are chosen for the configs whose keys match
    #[arg(long, value_name = "KEY-GLOB", num_args = 0..=1, default_missing_value = "*")]
    explain: Option<String>,
    /// Fail on warnings too
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Human,
    /// JSON
    Json,
    /// Workflow commands, which GitHub shows on the line in a pull request
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// Runs the command.
///
/// # Errors
/// A config folder that cannot be read, as invalid input; and what [`output::emit`] says.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    if let Some(pattern) = &args.explain {
        return explained(args, pattern);
    }
    let found = findings_of(args)?;
    match args.format {
        Format::Human => human(&found),
        Format::Json => output::emit(&findings::json(&found).or_exit(Exit::InvalidInput)?)?,
        Format::Github => output::emit(&findings::github(&found))?,
        Format::Sarif => output::emit(&findings::sarif(&found, env!("CARGO_PKG_VERSION")).or_exit(Exit::InvalidInput)?)?,
    }
    let refused = found.has_errors() || (args.deny_warnings && !found.is_empty());
    Ok(if refused { Exit::InvalidInput } else { Exit::Success })
}

fn explained(args: &CheckArgs, pattern: &str) -> Result<Exit, Failure> {
    let mut found = Diagnostics::new();
    match catalog(args, &mut found)? {
        Some(catalog) => explain::run(args, pattern, &catalog),
        None => {
            human(&found);
            Ok(Exit::InvalidInput)
        }
    }
}

fn catalog(args: &CheckArgs, found: &mut Diagnostics) -> Result<Option<Catalog>, Failure> {
    let Sources { configs, runners } = args.configs.read(found)?;
    Ok(runners.and_then(|runners| Catalog::read_valid(&configs, &runners, found)))
}

fn findings_of(args: &CheckArgs) -> Result<Diagnostics, Failure> {
    let mut found = Diagnostics::new();
    if let Some(catalog) = catalog(args, &mut found)? {
        found.append(of_catalog(args, &catalog));
    }
    found.append(beside::changelog(&args.changelog)?);
    found.append(args.settings.check());
    Ok(found)
}

fn of_catalog(args: &CheckArgs, catalog: &Catalog) -> Diagnostics {
    let mut found = config::lint(catalog);
    for entry in catalog.entries.values() {
        match matrix::expand(entry, &catalog.runners, &Expansion::default()) {
            Ok(rows) => found.append(beside::recipes(entry, &rows, &args.recipe_dir)),
            Err(refused) => found.append(refused),
        }
    }
    found.append(beside::profiles(&catalog.runners, &args.runner_dir));
    found
}

fn human(found: &Diagnostics) {
    if !found.is_empty() {
        output::say(&format!("{found}\n"));
    }
    let warnings = found.iter().filter(|d| d.severity == Severity::Warning).count();
    output::say(&format!("{}, {}", counted(found.errors(), "error"), counted(warnings, "warning")));
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
