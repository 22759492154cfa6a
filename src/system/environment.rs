//! Variables of this process's environment. One that is set to nothing counts as not set, because workflows and containers pass on
//! unset inputs as empty variables.

use std::path::PathBuf;

/// The text of a variable; `None` if it is unset, empty or not UTF-8.
pub(crate) fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The path in a variable; `None` if it is unset or empty.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The user's cache folder of imax: `$XDG_CACHE_HOME/imax`, else `~/.cache/imax`; `None` without a home folder.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let caches = path("XDG_CACHE_HOME").or_else(|| path("HOME").map(|home| home.join(".cache")));
    caches.map(|caches| caches.join("imax"))
}
