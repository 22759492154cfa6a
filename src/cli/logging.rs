//! Log records on stderr for debugging, off by default. Progress and results are not log records.

use clap::{ArgAction, Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::output;

/// Variable with the filter, in the syntax of `tracing_subscriber::EnvFilter`.
const FILTER_VARIABLE: &str = "IMAX_LOG";

#[derive(Debug, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// Log to stderr: -v info, -vv debug, -vvv trace; by default as IMAX_LOG sets it.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
    /// Log nothing, even if IMAX_LOG is set.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// The format of log records: text or json.
    // If clap listed the possible values, it would use the long layout for the --help of every command.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true, hide_possible_values = true)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// One line of text per record.
    Text,
    /// One JSON object per record.
    Json,
}

/// An invalid filter in the environment.
#[derive(Debug, thiserror::Error)]
#[error("{FILTER_VARIABLE}={directives}: expected a filter such as `imax=debug`: {source}")]
pub(super) struct LogFilterError {
    directives: String,
    source: tracing_subscriber::filter::ParseError,
}

impl LogArgs {
    /// Installs the subscriber of this process.
    ///
    /// # Errors
    /// If `IMAX_LOG` is not a valid filter.
    pub(super) fn set_up(&self) -> Result<(), LogFilterError> {
        let Some(filter) = self.filter(std::env::var(FILTER_VARIABLE).ok().as_deref())? else {
            return Ok(());
        };
        let records = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| output::Stderr);
        // An earlier subscriber is kept, such as that of a test.
        match self.log_format {
            LogFormat::Text => drop(records.with_ansi(false).try_init()),
            LogFormat::Json => drop(records.json().try_init()),
        }
        Ok(())
    }

    /// `None` if nothing is logged: without a subscriber, an event costs one comparison.
    fn filter(&self, variable: Option<&str>) -> Result<Option<EnvFilter>, LogFilterError> {
        let directives = match (self.quiet, self.verbose, variable) {
            (true, ..) => return Ok(None),
            (false, 0, None | Some("")) => return Ok(None),
            (false, 0, Some(directives)) => directives,
            (false, 1, _) => "imax=info",
            (false, 2, _) => "imax=debug",
            (false, ..) => "imax=trace,debug",
        };
        let filter = EnvFilter::try_new(directives).map_err(|source| LogFilterError {
            directives: directives.to_owned(),
            source,
        });
        Ok(Some(filter?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Exit, Failure};

    fn filter(verbose: u8, quiet: bool, variable: Option<&str>) -> Option<String> {
        let args = LogArgs {
            verbose,
            quiet,
            log_format: LogFormat::Text,
        };
        args.filter(variable).unwrap().map(|filter| filter.to_string())
    }

    #[test]
    fn flags_take_precedence_over_the_variable() {
        assert_eq!(filter(0, false, None), None);
        assert_eq!(filter(0, false, Some("")), None);
        assert_eq!(filter(0, true, Some("debug")), None);
        assert_eq!(filter(0, false, Some("warn")).as_deref(), Some("warn"));
        assert_eq!(filter(2, false, Some("warn")).as_deref(), Some("imax=debug"));
    }

    #[test]
    fn invalid_filter_is_a_usage_error() {
        let args = LogArgs {
            verbose: 0,
            quiet: false,
            log_format: LogFormat::Json,
        };
        let failure = args.filter(Some("imax=loud")).unwrap_err();
        let failure = Failure::from(failure);
        assert_eq!(failure.exit, Exit::Usage);
        assert!(format!("{:#}", failure.error).starts_with("IMAX_LOG=imax=loud: expected a filter"));
    }
}
