//! Rows that are measured.
