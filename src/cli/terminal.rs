//! What the terminal can show.

use std::io::IsTerminal as _;

use anstream::{AutoStream, ColorChoice};

use crate::report::TextStyle;

/// How text on stdout looks: as wide as the terminal, or as COLUMNS says where there is none; with colours on a terminal, unless NO_COLOR is
/// set or TERM is `dumb`, and elsewhere with CLICOLOR_FORCE.
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

/// How text looks that is drawn again and again on stderr: without colours.
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

/// Whether text on stderr can be drawn again.
#[must_use]
pub fn draws_on_stderr() -> bool {
    std::io::stderr().is_terminal() && !is_dumb()
}

/// Whether the terminal takes no control sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
