//! imax: continuous benchmarking of LLM inference. The modules stand in the order in which data flows through them;
//! `docs/ARCHITECTURE.md` has the picture and says who may import whom, and `tests/architecture.rs` holds it.
//!
//! The steps are pure functions on values. Only [`edge`] touches the world, and only [`cli`] brings a step and the
//! edge together.

/// The field's words as types.
pub mod model;

/// YAML 1.1 text to a tree with places, and typed reading that finds all errors.
pub mod yaml;

/// `imax.yaml`: what a repository decides for itself.
pub mod settings;

/// YAML files to a checked catalog of what can be measured.
pub mod config;

/// The performance changelog: entries, their difference between two commits, the config keys they select.
pub mod changelog;

/// Config entries to matrix rows, one row a job.
pub mod matrix;

/// One row resolved against recipe and runner profile: what will be started, and what became of it.
pub mod job;

/// The pure half of the load generator: prompts, stream parsing, records, metrics.
pub mod load;

/// Accuracy tasks: prompts, extraction, scoring.
pub mod eval;

/// What load generators wrote, to one normalised result a point.
pub mod result;

/// Points to runs, runs to verdicts.
pub mod analysis;

/// Runs and verdicts to tables, pages and comments.
pub mod report;

/// The simulated engine: an OpenAI-compatible server with a stated performance model.
pub mod sim;

/// The world: git, GitHub, processes, sockets, files, clock, environment.
pub mod edge;

/// The dashboard and the results API.
pub mod web;

/// The commands: arguments and wiring.
pub mod cli;
