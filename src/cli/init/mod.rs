//! `imax init`: writes the files of a benchmark repository for the engine and hardware of this machine or of the flags.

mod prompt;
mod questions;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tokio::task::block_in_place;

use self::prompt::{Answered, prompted};
use super::check::print_findings;
use super::{Exit, Failure, output};
use crate::planning::check::{CheckRequest, Checked, check};
use crate::planning::{ChangelogFiles, ConfigFiles, SettingsFile};
use crate::scaffold::{
    Answers, EngineKind, LauncherWish, Machine, ScaffoldFile, SweepTrigger, Wishes, choose, examine_machine, existing, files_of,
    write_files,
};
use crate::system::cancellation::Cancellation;

/// Write the files of a benchmark repository: config, runners, profile, recipe, prices, thresholds, settings, changelog, workflow.
///
/// Detects running OpenAI-compatible servers, installed engines, Docker, Slurm, kubectl and GPUs, and asks for the rest. With --yes, or
/// without a terminal, it asks nothing. The files are checked as by `imax check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax init --yes\n  \
        imax init --url http://127.0.0.1:8000 --trigger every-push\n  \
        imax init --engine vllm --launcher docker --model Qwen/Qwen3-8B --hardware h100 --gpus 1")]
pub(super) struct InitArgs {
    /// Folder of the repository
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Benchmark a server that is already running
    #[arg(long, value_name = "URL", conflicts_with_all = ["engine", "launcher"])]
    url: Option<String>,
    /// Engine that the recipe starts
    #[arg(long, value_enum)]
    engine: Option<EngineArg>,
    /// How to start the engine
    #[arg(long, value_enum)]
    launcher: Option<LauncherArg>,
    /// Model: a hub name, a file, or the name that the server uses
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Precision, such as fp8 [default: by the model's name, else bf16]
    #[arg(long, value_name = "NAME")]
    precision: Option<String>,
    /// Label of the runners, such as h100 [default: by this machine's GPU, else cpu]
    #[arg(long, value_name = "LABEL")]
    hardware: Option<String>,
    /// Number of GPUs for the engine
    #[arg(long, value_name = "N")]
    gpus: Option<u32>,
    /// What starts a sweep
    #[arg(long, value_enum)]
    trigger: Option<TriggerArg>,
    /// Ask no questions
    #[arg(long, short)]
    yes: bool,
    /// Overwrite files that exist
    #[arg(long)]
    force: bool,
    /// Print the files instead of writing them
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineArg {
    Vllm,
    Sglang,
    #[value(name = "llamacpp", alias = "llama.cpp")]
    LlamaCpp,
    Mlx,
    Ollama,
}

impl From<EngineArg> for EngineKind {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Vllm => Self::Vllm,
            EngineArg::Sglang => Self::Sglang,
            EngineArg::LlamaCpp => Self::LlamaCpp,
            EngineArg::Mlx => Self::Mlx,
            EngineArg::Ollama => Self::Ollama,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LauncherArg {
    /// A process on the runner
    Local,
    /// A container on the runner
    Docker,
    /// A job that the runner submits to a cluster
    Slurm,
    /// Not supported yet: explains how to measure an engine on Kubernetes
    #[value(alias = "k8s")]
    Kubernetes,
}

impl From<LauncherArg> for LauncherWish {
    fn from(launcher: LauncherArg) -> Self {
        match launcher {
            LauncherArg::Local => Self::Local,
            LauncherArg::Docker => Self::Docker,
            LauncherArg::Slurm => Self::Slurm,
            LauncherArg::Kubernetes => Self::Kubernetes,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TriggerArg {
    /// New entries of perf-changelog.yaml, as in InferenceX
    Changelog,
    /// Each push to the default branch, and each pull request with the label `benchmark`
    EveryPush,
    /// Once a night
    Nightly,
    /// A published release
    Release,
}

impl From<TriggerArg> for SweepTrigger {
    fn from(trigger: TriggerArg) -> Self {
        match trigger {
            TriggerArg::Changelog => Self::Changelog,
            TriggerArg::EveryPush => Self::EveryPush,
            TriggerArg::Nightly => Self::Nightly,
            TriggerArg::Release => Self::Release,
        }
    }
}

/// Where and how to write the files.
struct Destination {
    folder: PathBuf,
    may_ask: bool,
    force: bool,
    dry_run: bool,
}

fn parts(args: InitArgs) -> (Wishes, Destination) {
    let InitArgs {
        dir,
        url,
        engine,
        launcher,
        model,
        precision,
        hardware,
        gpus,
        trigger,
        yes,
        force,
        dry_run,
    } = args;
    let wishes = Wishes {
        url,
        engine: engine.map(Into::into),
        launcher: launcher.map(Into::into),
        model,
        precision,
        hardware,
        gpus,
        trigger: trigger.map(Into::into),
    };
    let may_ask = !yes && !dry_run && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let destination = Destination {
        folder: dir,
        may_ask,
        force,
        dry_run,
    };
    (wishes, destination)
}

pub(super) async fn run(args: InitArgs) -> Result<Exit, Failure> {
    let (mut wishes, destination) = parts(args);
    let cancellation = Cancellation::on_signals()?;
    let mut machine = tokio::select! {
        machine = examine_machine(wishes.url.as_deref(), &cancellation) => machine,
        cause = cancellation.cancelled() => return Ok(cause.into()),
    };
    print_machine(&machine);
    if destination.may_ask {
        match asked(wishes, &mut machine, &cancellation).await? {
            Answered::Answers(completed) => wishes = completed,
            Answered::Cancelled(exit) => return Ok(nothing_written(exit)),
        }
    }
    let answers = choose(&wishes, &machine)?;
    let files = files_of(&answers)?;
    if destination.dry_run {
        for file in &files {
            output::emit(&format!("==> {} <==\n{}\n", file.path, file.text))?;
        }
        return Ok(Exit::Success);
    }
    match files_may_be_written(&destination, &files, &cancellation).await? {
        Answered::Answers(true) => {}
        Answered::Answers(false) => return Ok(nothing_written(Exit::Success)),
        Answered::Cancelled(exit) => return Ok(nothing_written(exit)),
    }
    write_files(&destination.folder, &files.iter().collect::<Vec<_>>())?;
    for file in &files {
        output::say(&format!("wrote {}", file.path));
    }
    let checked = block_in_place(|| checked(&destination.folder))?;
    print_next_steps(&destination.folder, &answers);
    Ok(checked)
}

fn nothing_written(exit: Exit) -> Exit {
    output::say("nothing was written");
    exit
}

/// The wishes with what the user answers.
async fn asked(wishes: Wishes, machine: &mut Machine, cancellation: &Cancellation) -> Result<Answered<Wishes>, Failure> {
    let seen = Arc::new(machine.clone());
    let subject = prompted(cancellation, move || questions::ask_subject(wishes, &seen)).await?;
    let wishes = match subject {
        Answered::Answers(wishes) => wishes,
        Answered::Cancelled(exit) => return Ok(Answered::Cancelled(exit)),
    };
    if let Some(url) = &wishes.url {
        tokio::select! {
            () = machine.examine_endpoint(url) => {}
            cause = cancellation.cancelled() => return Ok(Answered::Cancelled(cause.into())),
        }
    }
    let seen = machine.clone();
    prompted(cancellation, move || questions::ask_details(wishes, &seen)).await
}

fn print_machine(machine: &Machine) {
    for endpoint in &machine.endpoints {
        output::say(&format!("found a server: {endpoint}"));
    }
    for url in &machine.not_ready {
        output::say(&format!(
            "{url} answers 503, as a server does that still loads its model: run imax init again once it is ready"
        ));
    }
    for engine in &machine.engines {
        output::say(&format!("found {engine}"));
    }
    if let Some(gpus) = &machine.gpus {
        output::say(&format!("found {} x {}", gpus.count, gpus.name));
    }
    if machine.kubernetes {
        output::say("found kubectl: an engine on Kubernetes is measured through the URL of its Service, with --url");
    }
}

/// Why the files were not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum InitError {
    #[error(
        "{} already has {names} with different content; nothing was written: overwrite with --force, or print the new files with --dry-run",
        folder.display()
    )]
    FilesExist { folder: PathBuf, names: String },
}

/// Whether no file would be overwritten, or the user agrees to it.
async fn files_may_be_written(
    destination: &Destination,
    files: &[ScaffoldFile],
    cancellation: &Cancellation,
) -> Result<Answered<bool>, Failure> {
    let lost = existing(&destination.folder, files);
    if lost.is_empty() || destination.force {
        return Ok(Answered::Answers(true));
    }
    let names: Vec<&str> = lost.iter().map(|file| file.path.as_str()).collect();
    let names = names.join(", ");
    if destination.may_ask {
        let question = format!("Overwrite {names}?");
        return prompted(cancellation, move || questions::confirm(&question)).await;
    }
    Err(InitError::FilesExist {
        folder: destination.folder.clone(),
        names,
    }
    .into())
}

/// Checks the repository, of which the written files may be only a part.
fn checked(folder: &Path) -> Result<Exit, Failure> {
    let Checked { found, rows: _ } = check(&CheckRequest {
        configs: ConfigFiles {
            folder: Some(folder.join("configs")),
            ..ConfigFiles::default()
        },
        changelog: ChangelogFiles {
            log: folder.join("perf-changelog.yaml").display().to_string(),
        },
        settings: SettingsFile {
            path: Some(folder.join("imax.yaml")),
        },
        recipe_folder: folder.join("benchmarks"),
        profile_folder: folder.join("runners"),
    })?;
    output::say("");
    print_findings(&found);
    Ok(if found.has_errors() { Exit::InvalidInput } else { Exit::Success })
}

fn print_next_steps(folder: &Path, answers: &Answers) {
    let steps = if folder == Path::new(".") {
        String::new()
    } else {
        format!("  cd {}\n", folder.display())
    };
    output::say(&format!(
        "\n{} measures {} on runners labelled {}. Next:\n\n{steps}  imax plan --all    # what is measured\n  imax sweep         # measures it on this machine",
        answers.config_key(),
        answers.model,
        answers.hardware
    ));
}
