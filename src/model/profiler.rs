//! Profilers of engines.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What records an engine's steps during a load. Engines with a profiler start and stop it at `POST /start_profile` and `/stop_profile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profiler {
    /// PyTorch's, in the engine: traces that Perfetto and Chrome show.
    #[default]
    Torch,
    /// Nsight Systems, around the engine, which begins and ends its captures.
    Nsys,
}

impl Profiler {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Torch => "torch",
            Self::Nsys => "nsys",
        }
    }

    /// The body of `POST /start_profile`. SGLang records with PyTorch unless it is told to mark CUDA's captures; vLLM reads no body and has
    /// the choice among its own arguments (`--profiler-config`).
    #[must_use]
    pub fn start_request(self) -> &'static str {
        match self {
            Self::Torch => "{}",
            Self::Nsys => r#"{"activities":["CUDA_PROFILER"]}"#,
        }
    }
}
