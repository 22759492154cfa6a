//! imax: continuous benchmarking of LLM inference. The modules stand in the order in which data flows through them;
//! `docs/ARCHITECTURE.md` has the picture and says who may import whom, and `tests/architecture.rs` holds it.
//!
//! The steps, up to [`report`], are pure functions on values. The rooms below them touch the world.

/// The field's words as types.
pub mod model;

/// YAML 1.1 text to a tree with places, and typed reading that finds all errors.
pub(crate) mod yaml;

/// `imax.yaml`: what a repository decides for itself.
pub(crate) mod settings;

/// YAML files to a checked catalog of what can be measured.
pub mod config;

/// The performance changelog: entries, their difference between two commits, the config keys they select.
pub(crate) mod changelog;

/// Config entries to matrix rows, one row a job.
pub mod matrix;

/// One row resolved against recipe and runner profile: what will be started, and its outcome.
pub mod job;

/// The pure half of the load generator: prompts, stream parsing, records, metrics.
pub mod load;

/// Accuracy tasks: prompts, extraction, scoring.
pub(crate) mod eval;

/// What load generators wrote, to one normalised result a point.
mod result;

/// Points to runs, runs to verdicts.
mod analysis;

/// Runs and verdicts to tables, pages and comments.
mod report;

/// The simulated engine: an OpenAI-compatible server with a stated performance model.
pub(crate) mod sim;

/// Processes, files, sockets, TLS, archives, retries, cancellation, redaction.
pub mod system;

/// The repository: revisions, checkouts, commits.
pub mod git;

/// The platform: REST client, comments, check runs, artifacts, events, workflow commands.
pub mod github;

/// Nodes: launchers, node facts, telemetry, readiness, clean-up.
pub mod fleet;

/// Measuring a server: load driver, prompts, tokenizers, calibration.
pub mod measure;

/// Accuracy tasks against a server.
pub mod evaluate;

/// The life of a job.
pub mod execution;

/// History: what was measured, found again.
pub mod store;

/// From a change or a GitHub event to the jobs to run.
mod planning;

/// The results API and the pages.
pub mod serve;

/// Messages to chats and webhooks.
pub mod notify;

/// The commands: arguments and wiring.
pub mod cli;
