//! A matrix row resolved against recipe and runner profile into a job that can cross machines as one JSON file,
//! and the outcome of it.
