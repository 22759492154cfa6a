//! What the terminal can show.

use std::io::IsTerminal as _;

/// Whether text on stderr can be drawn again.
#[must_use]
pub fn draws_on_stderr() -> bool {
    std::io::stderr().is_terminal() && !is_dumb()
}

/// Whether the terminal takes no control sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
