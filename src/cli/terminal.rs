//! Capabilities of the terminal.

use std::io::IsTerminal as _;

use anstream::{AutoStream, ColorChoice};

use crate::model::DiagnosticStyle;
use crate::report::TextStyle;

/// Style of text on stdout: the width of the terminal, or else of COLUMNS; colours on a terminal unless NO_COLOR is set or TERM is `dumb`,
/// elsewhere with CLICOLOR_FORCE.
#[must_use]
pub fn stdout_style() -> TextStyle {
    let stdout = std::io::stdout();
    TextStyle {
        width: console::Term::stdout()
            .size_checked()
            .map(|(_, columns)| usize::from(columns))
            .or_else(columns),
        has_colors: AutoStream::choice(&stdout) != ColorChoice::Never,
    }
}

/// Style of findings on stderr: width and colours as of [`stdout_style`].
#[must_use]
pub fn stderr_findings() -> DiagnosticStyle {
    let stderr = std::io::stderr();
    let columns = console::Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
    DiagnosticStyle {
        has_colors: AutoStream::choice(&stderr) != ColorChoice::Never,
        width: columns.or_else(self::columns).unwrap_or(DiagnosticStyle::PLAIN.width),
    }
}

/// Style of redrawn text on stderr: without colours.
#[must_use]
pub fn stderr_style() -> TextStyle {
    TextStyle {
        width: console::Term::stderr().size_checked().map(|(_, columns)| usize::from(columns)),
        has_colors: false,
    }
}

fn columns() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0)
}

/// Whether text on stderr can be redrawn.
#[must_use]
pub fn draws_on_stderr() -> bool {
    std::io::stderr().is_terminal() && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
