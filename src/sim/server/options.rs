//! Options of the simulated engine, and why it cannot run.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::load::Tokenizer;
use crate::sim::faults::Faults;
use crate::sim::knowledge::Knowledge;

#[derive(Debug)]
pub struct ServerOptions {
    /// Names under which the model is served; the first one is listed.
    pub model_names: Vec<String>,
    /// Counts the tokens of text prompts; without a tokenizer, words are counted.
    pub tokenizer: Option<Tokenizer>,
    /// Time after the start during which `/health` and requests get status 503; `None` means forever.
    pub ready_after: Option<Duration>,
    /// Whether prompts are looked up in a prefix cache.
    pub prefix_cache: bool,
    /// Tokens in one chunk of a stream; the first token always has its own chunk.
    pub stream_interval: u32,
    /// Mean length of a response that the model ends itself, tokens.
    pub mean_answer: u32,
    /// Questions with known answers; without them every response is filler words.
    pub knowledge: Option<Knowledge>,
    pub faults: Faults,
    /// Where the profiler writes its traces; `None` for nowhere.
    pub trace_folder: Option<PathBuf>,
    /// Whether the engine has a profiler; without one it does not know the routes, as vLLM.
    pub has_profiler: bool,
    /// Exit after this many requests.
    pub die_after: Option<u64>,
    /// File of the ground truth log.
    pub ground_truth: Option<PathBuf>,
    /// Seed of everything random.
    pub seed: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: String, source: io::Error },
    #[error("cannot write the ground truth {}: {source}", path.display())]
    GroundTruth { path: PathBuf, source: io::Error },
    /// Exits after this many requests, as configured.
    #[error("stopped after {0} requests, as --die-after asks")]
    DeathRequested(u64),
    #[error("the simulated engine cannot run: {0}")]
    System(#[from] io::Error),
}
