//! What the simulated engine is told, and why it cannot run.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::load::Tokenizer;
use crate::sim::faults::Faults;
use crate::sim::knowledge::Knowledge;

/// What the server is told beside its timetable.
#[derive(Debug)]
pub struct ServerOptions {
    /// Names under which the model is served; the first one is listed.
    pub model_names: Vec<String>,
    /// Counts the tokens of text prompts; without one their words are counted.
    pub tokenizer: Option<Tokenizer>,
    /// Time after the start during which `/health` and requests get 503; `None` is for ever.
    pub ready_after: Option<Duration>,
    /// Whether prompts are looked up in a prefix cache.
    pub prefix_cache: bool,
    /// Tokens in one chunk of a stream; the first token always has a chunk of its own.
    pub stream_interval: u32,
    /// Mean length of an answer that the model ends itself, tokens.
    pub mean_answer: u32,
    /// What the model knows; without it every answer is idle words.
    pub knowledge: Option<Knowledge>,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// Die when this many requests have been taken.
    pub die_after: Option<u64>,
    /// Where to log what really happened.
    pub ground_truth: Option<PathBuf>,
    /// Seed of everything random.
    pub seed: u64,
}

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The log cannot be written.
    #[error("cannot write the ground truth {}: {source}", path.display())]
    GroundTruth {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It exits after this many requests.
    #[error("stopped on purpose after {0} requests")]
    DiedOnPurpose(u64),
    /// The system refused something else.
    #[error("the simulated engine cannot run: {0}")]
    System(#[from] io::Error),
}
