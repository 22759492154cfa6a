//! `imax schema`: JSON Schemas of configs, other input files and results.

use clap::{Args, ValueEnum};

use crate::cli::{Exit, Failure, output};
use crate::fleet::launcher::launch_rules;
use crate::{analysis, changelog, config, eval, job, matrix, result, serve, settings, watch};

/// Print a JSON Schema.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax schema config > dist/schemas/config.json")]
pub struct SchemaArgs {
    /// The kind of document
    #[arg(value_enum)]
    of: Subject,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Subject {
    /// Master configs
    Config,
    /// The runner file
    Runners,
    /// The performance changelog and its fragments
    Changelog,
    /// The repository's settings, imax.yaml
    Settings,
    /// A runner profile
    Profile,
    /// Hardware: power and prices
    Hardware,
    /// Required scores of evals
    Thresholds,
    /// A matrix row
    Row,
    /// A normalised result
    Result,
    /// Saved queries of imax serve --watches
    Watches,
    /// A message of a saved query
    Event,
    /// The results API of imax serve, as OpenAPI 3.1
    Openapi,
    /// The queries of imax serve at /api/graphql, in GraphQL's schema definition language
    Graphql,
}

/// Runs the command.
///
/// # Errors
/// As [`output::emit`].
pub fn run(args: &SchemaArgs) -> Result<Exit, Failure> {
    let schema = match args.of {
        Subject::Config => config::config_schema(),
        Subject::Runners => config::runners_schema(),
        Subject::Changelog => changelog::schema(),
        Subject::Settings => settings::schema(),
        Subject::Profile => job::profile_schema(&launch_rules()),
        Subject::Hardware => analysis::hardware_schema(),
        Subject::Thresholds => eval::threshold::schema(),
        Subject::Row => matrix::row_schema(),
        Subject::Result => result::schema(),
        Subject::Watches => watch::schema(),
        Subject::Event => watch::event_schema(),
        Subject::Graphql => return Ok(output::emit(&serve::graphql_schema()).map(|()| Exit::Success)?),
        Subject::Openapi => return Ok(output::emit_json(&serve::description()).map(|()| Exit::Success)?),
    };
    output::emit_json(&schema)?;
    Ok(Exit::Success)
}
