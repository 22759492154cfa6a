//! What a benchmark repository measures, as set by the user or found on the machine.

use std::fmt;

use super::naming;

/// An engine that a recipe can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineKind {
    Vllm,
    Sglang,
    LlamaCpp,
    Mlx,
    Ollama,
}

impl EngineKind {
    /// All engines, in the order in which one is chosen where several are installed.
    pub(crate) const ALL: [Self; 5] = [Self::Vllm, Self::Sglang, Self::LlamaCpp, Self::Mlx, Self::Ollama];

    /// The value of `framework` in configs, which is a part of the recipe's name.
    pub(crate) fn framework(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llamacpp",
            Self::Mlx => "mlx",
            Self::Ollama => "ollama",
        }
    }

    /// The program whose presence on `PATH` shows that the engine is installed.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llama-server",
            Self::Mlx => "mlx_lm.server",
            Self::Ollama => "ollama",
        }
    }

    /// The engine's public image, if there is one that serves the OpenAI API.
    pub(crate) fn public_image(self) -> Option<&'static str> {
        match self {
            Self::Vllm => Some("vllm/vllm-openai:v0.13.0"),
            Self::Sglang => Some("lmsysorg/sglang:v0.5.8"),
            Self::LlamaCpp => Some("ghcr.io/ggml-org/llama.cpp:server"),
            Self::Ollama => Some("ollama/ollama:0.12.6"),
            Self::Mlx => None,
        }
    }

    /// The path that answers once the engine runs.
    pub(super) fn health_path(self) -> &'static str {
        match self {
            Self::Vllm | Self::Sglang | Self::LlamaCpp | Self::Mlx => "/health",
            Self::Ollama => "/api/version",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vllm => "vLLM",
            Self::Sglang => "SGLang",
            Self::LlamaCpp => "llama.cpp",
            Self::Mlx => "MLX",
            Self::Ollama => "Ollama",
        })
    }
}

/// How jobs reach an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Launch {
    /// An OpenAI-compatible server that is already running.
    Endpoint { url: String },
    /// A process of the runner.
    Local(EngineKind),
    /// A container of the runner.
    Docker(EngineKind),
    /// A Slurm job that the runner submits.
    Slurm(EngineKind),
}

impl Launch {
    /// The engine that a recipe starts; none for an endpoint.
    pub(crate) fn engine(&self) -> Option<EngineKind> {
        match self {
            Self::Endpoint { .. } => None,
            Self::Local(engine) | Self::Docker(engine) | Self::Slurm(engine) => Some(*engine),
        }
    }

    /// The value of `launcher` in runner profiles.
    pub(crate) fn launcher(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "endpoint",
            Self::Local(_) => "local",
            Self::Docker(_) => "docker",
            Self::Slurm(_) => "slurm",
        }
    }

    /// The value of `framework` in configs.
    pub(super) fn framework(&self) -> &'static str {
        self.engine().map_or("openai", EngineKind::framework)
    }
}

/// What starts a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SweepTrigger {
    /// Entries of the changelog, as in InferenceX.
    Changelog,
    /// Each push to the default branch and each labelled pull request.
    EveryPush,
    /// A schedule.
    Nightly,
    /// A published release.
    Release,
}

impl SweepTrigger {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Changelog => "changelog",
            Self::EveryPush => "every-push",
            Self::Nightly => "nightly",
            Self::Release => "release",
        }
    }
}

/// The user's options; the rest is chosen from what the machine has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub url: Option<String>,
    pub engine: Option<EngineKind>,
    pub launcher: Option<LauncherWish>,
    pub model: Option<String>,
    pub precision: Option<String>,
    pub hardware: Option<String>,
    pub gpus: Option<u32>,
    pub trigger: Option<SweepTrigger>,
}

/// What is asked to start engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LauncherWish {
    Local,
    Docker,
    Slurm,
    /// No launcher: the engine runs behind a Service, whose URL is measured.
    Kubernetes,
}

/// Vendor of a runner's GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Nvidia,
    Amd,
    None,
}

impl Vendor {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Nvidia => "nvidia",
            Self::Amd => "amd",
            Self::None => "none",
        }
    }
}

/// All that the files of a benchmark repository depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answers {
    pub launch: Launch,
    /// Name of the model, as the engine is asked for it.
    pub model: String,
    pub precision: String,
    /// Label of the runners, which is also the prefix of their names.
    pub hardware: String,
    pub vendor: Vendor,
    /// GPUs that the engine uses; 1 without GPUs.
    pub gpus: u32,
    pub trigger: SweepTrigger,
}

impl Answers {
    /// The model's short name in file names and tables.
    pub(crate) fn model_prefix(&self) -> String {
        naming::model_prefix(&self.model)
    }

    /// The key of the config.
    pub(crate) fn config_key(&self) -> String {
        format!(
            "{}-{}-{}-{}",
            self.model_prefix(),
            self.precision,
            self.hardware,
            self.launch.framework()
        )
    }

    /// The name of the recipe's file.
    pub(super) fn recipe(&self) -> String {
        format!(
            "{}_{}_{}_{}.sh",
            self.model_prefix(),
            self.precision,
            self.hardware,
            self.launch.framework()
        )
    }
}
