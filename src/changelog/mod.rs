//! The performance changelog: entries, their semantic difference between two commits, and the config keys they
//! select.
