//! imax: continuous benchmarking of LLM inference. The modules stand in the order in which data flows through them;
//! `docs/ARCHITECTURE.md` has the picture and says who may import whom, and `tests/architecture.rs` holds it.
//!
//! The steps, up to [`report`], are pure functions on values. The rooms below them touch the world.

/// The field's words as types.
pub(crate) mod model;

/// YAML 1.1 text to a tree with places, and typed reading that finds all errors.
pub(crate) mod yaml;

/// `imax.yaml`: what a repository decides for itself.
pub(crate) mod settings;

/// YAML files to a checked catalog of what can be measured.
pub(crate) mod config;

/// The performance changelog: entries, their difference between two commits, the config keys they select.
pub(crate) mod changelog;

/// Config entries to matrix rows, one row a job.
pub(crate) mod matrix;

/// One row resolved against recipe and runner profile: what will be started, and its outcome.
pub(crate) mod job;

/// The pure half of the load generator: prompts, stream parsing, records, metrics.
pub(crate) mod load;

/// Accuracy tasks: prompts, extraction, scoring.
pub(crate) mod eval;

/// What load generators wrote, to one normalised result a point.
pub(crate) mod result;

/// Points to runs, runs to verdicts.
pub(crate) mod analysis;

/// Runs and verdicts to tables, pages and comments.
pub(crate) mod report;

/// The simulated engine: an OpenAI-compatible server with a stated performance model.
pub(crate) mod sim;

/// Processes, files, sockets, TLS, archives, retries, cancellation, redaction.
pub(crate) mod system;

/// The repository: revisions, checkouts, commits.
pub(crate) mod git;

/// The platform: REST client, comments, check runs, artifacts, events, workflow commands.
pub(crate) mod github;

/// Nodes: launchers, node facts, telemetry, readiness, clean-up.
pub(crate) mod fleet;

/// Measuring a server: load driver, prompts, tokenizers, calibration.
pub(crate) mod measure;

/// Accuracy tasks against a server.
pub(crate) mod evaluate;

/// The life of a job.
pub(crate) mod execution;

/// History: what was measured, found again.
pub(crate) mod store;

/// From a change or a GitHub event to the jobs to run.
pub(crate) mod planning;

/// From what a machine has to the files of a benchmark repository.
pub(crate) mod scaffold;

/// A whole sweep on this machine.
pub(crate) mod sweep;

/// Saved queries over a history, and messages when their state changes.
pub(crate) mod watch;

/// The results API and the pages.
pub(crate) mod serve;

/// Messages to chats and webhooks.
pub(crate) mod notify;

/// The commands: arguments and wiring.
pub mod cli;

/// What this repository's own tests and benchmarks call besides the binary. Not an interface for others.
#[doc(hidden)]
pub mod testing {
    pub mod parsers;

    pub use crate::config::Catalog;
    pub use crate::fleet::launcher::launch_rules;
    pub use crate::github::{
        Client, ClientSettings, Marker, RepositoryName, add_label, labels, newest_run, permission_of, remove_label, run_line,
    };
    pub use crate::job::{KnownCause, RecipeStyle, RunnerProfile};
    pub use crate::load::balance::Balance;
    pub use crate::load::exchange::{Asked, Exchange};
    pub use crate::load::record::ChunkMark;
    pub use crate::load::statistics::{mean, percentile_of_sorted};
    pub use crate::load::{
        Deadlines, Metrics, Plan, PreparedRequest, Protocol, Record, Schedule, Shard, Stamp, Target, Tokenizer, chunk, sse,
    };
    pub use crate::matrix::policy::Permission;
    pub use crate::matrix::{FullSweep, Row, full_sweep};
    pub use crate::measure::load_driver::{Drive, KernelClock};
    pub use crate::model::{FailureClass, SourceFile};
    pub use crate::system::cancellation::Cancellation;
    pub use crate::system::host::machine;
    pub use crate::system::http_client::{Question, send_blocking};
    pub use crate::system::ports::free_port;
    pub use crate::system::process::process_of;
}

/// The HTTP server of the tests that start the program.
#[cfg(test)]
#[path = "../tests/harness/http.rs"]
mod test_server;
