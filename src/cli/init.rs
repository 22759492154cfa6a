//! `imax init`: writes the files of a benchmark repository for the engine and hardware of this machine or of the flags.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::{Exit, Failure, OrExit as _, output};
use crate::scaffold::{
    Answers, EngineKind, LauncherWish, Machine, ScaffoldFile, SweepTrigger, Wishes, choose, examine_machine, existing, files_of,
    write_files,
};
use crate::system::cancellation::Cancellation;

/// Write the files of a benchmark repository: config, runners, profile, recipe, settings, changelog, workflow.
///
/// Detects running OpenAI-compatible servers, installed engines, Docker, Slurm and GPUs, and asks for the rest. With --yes, or without a
/// terminal, it asks nothing.
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
}

impl From<LauncherArg> for LauncherWish {
    fn from(launcher: LauncherArg) -> Self {
        match launcher {
            LauncherArg::Local => Self::Local,
            LauncherArg::Docker => Self::Docker,
            LauncherArg::Slurm => Self::Slurm,
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
    let machine = tokio::select! {
        machine = examine_machine(wishes.url.as_deref(), &cancellation) => machine,
        cause = cancellation.cancelled() => return Ok(cause.into()),
    };
    print_machine(&machine);
    if destination.may_ask {
        questions::ask(&mut wishes, &machine).or_exit(Exit::Usage)?;
    }
    let answers = choose(&wishes, &machine)?;
    let files = files_of(&answers)?;
    if destination.dry_run {
        for file in &files {
            output::emit(&format!("==> {} <==\n{}\n", file.path, file.text))?;
        }
        return Ok(Exit::Success);
    }
    if !files_may_be_written(&destination, &files)? {
        return Ok(Exit::Success);
    }
    write_files(&destination.folder, &files.iter().collect::<Vec<_>>())?;
    for file in &files {
        output::say(&format!("wrote {}", file.path));
    }
    print_next_steps(&destination.folder, &answers);
    Ok(Exit::Success)
}

fn print_machine(machine: &Machine) {
    for endpoint in &machine.endpoints {
        output::say(&format!("found a server: {endpoint}"));
    }
    for engine in &machine.engines {
        output::say(&format!("found {engine}"));
    }
    if let Some(gpus) = &machine.gpus {
        output::say(&format!("found {} x {}", gpus.count, gpus.name));
    }
}

/// Whether no file would be overwritten, or the user agrees to it.
fn files_may_be_written(destination: &Destination, files: &[ScaffoldFile]) -> Result<bool, Failure> {
    let lost = existing(&destination.folder, files);
    if lost.is_empty() || destination.force {
        return Ok(true);
    }
    let names: Vec<&str> = lost.iter().map(|file| file.path.as_str()).collect();
    let names = names.join(", ");
    if destination.may_ask {
        return questions::confirm(&format!("Overwrite {names}?")).or_exit(Exit::Usage);
    }
    Err(anyhow!(
        "{} already has {names} with another content; nothing was written: overwrite with --force, or see the new ones with --dry-run",
        destination.folder.display()
    ))
    .or_exit(Exit::InvalidInput)
}

fn print_next_steps(folder: &Path, answers: &Answers) {
    let steps = if folder == Path::new(".") {
        String::new()
    } else {
        format!("  cd {}\n", folder.display())
    };
    output::say(&format!(
        "\n{} measures {} on {}. Next:\n\n{steps}  imax check\n  imax sweep",
        answers.config_key(),
        answers.model,
        answers.hardware
    ));
}

/// Questions on the terminal.
mod questions {
    use dialoguer::{Confirm, Input, Select};

    use super::{EngineKind, Machine, SweepTrigger, Wishes};

    /// Asks for what is neither given nor detected.
    pub(super) fn ask(wishes: &mut Wishes, machine: &Machine) -> dialoguer::Result<()> {
        if wishes.url.is_none() && wishes.engine.is_none() {
            ask_engine(wishes, machine)?;
        }
        if wishes.model.is_none() && wishes.url.is_none() && machine.endpoints.is_empty() {
            let model: String = Input::new()
                .with_prompt("Model (empty: a small one)")
                .allow_empty(true)
                .interact_text()?;
            wishes.model = Some(model).filter(|model| !model.is_empty());
        }
        if wishes.trigger.is_none() {
            let triggers = [
                ("entries of perf-changelog.yaml", SweepTrigger::Changelog),
                ("every push", SweepTrigger::EveryPush),
                ("every night", SweepTrigger::Nightly),
                ("every release", SweepTrigger::Release),
            ];
            let names = triggers.map(|(name, _)| name);
            let chosen = Select::new()
                .with_prompt("What starts a sweep?")
                .items(names)
                .default(0)
                .interact()?;
            wishes.trigger = triggers.get(chosen).map(|(_, trigger)| *trigger);
        }
        Ok(())
    }

    fn ask_engine(wishes: &mut Wishes, machine: &Machine) -> dialoguer::Result<()> {
        let mut names: Vec<String> = machine.endpoints.iter().map(|endpoint| format!("the server {endpoint}")).collect();
        names.extend(EngineKind::ALL.map(|engine| {
            let installed = if machine.engines.contains(&engine) { " (installed)" } else { "" };
            format!("{engine}{installed}")
        }));
        let chosen = Select::new().with_prompt("What is measured?").items(&names).default(0).interact()?;
        match machine.endpoints.get(chosen) {
            Some(endpoint) => wishes.url = Some(endpoint.url.clone()),
            None => wishes.engine = EngineKind::ALL.get(chosen - machine.endpoints.len()).copied(),
        }
        Ok(())
    }

    pub(super) fn confirm(question: &str) -> dialoguer::Result<bool> {
        Confirm::new().with_prompt(question).default(false).interact()
    }
}
