//! The questions of a terminal: what neither the command line nor the machine says.

use dialoguer::{Confirm, Input, Select};

use crate::scaffold::{
    ChooseError, EngineKind, LauncherWish, Machine, SweepTrigger, Wishes, check_name, endpoint_url, has_gpus, small_model, usual_hardware,
    usual_launcher,
};

/// Most GPUs of one engine.
const MOST_GPUS: u32 = 4096;

/// What is measured: a server, or an engine and how it is started.
pub(super) fn ask_subject(mut wishes: Wishes, machine: &Machine) -> dialoguer::Result<Wishes> {
    if wishes.url.is_none() && wishes.engine.is_none() {
        match subject(wishes.launcher, machine)? {
            Subject::Server(url) => wishes.url = Some(url),
            Subject::OtherServer => wishes.url = Some(url("URL of the server")?),
            Subject::Engine(engine) => wishes.engine = Some(engine),
        }
    }
    if let (None, Some(engine), None) = (&wishes.url, wishes.engine, wishes.launcher)
        && engine.public_image().is_some()
    {
        wishes.launcher = Some(launcher(engine, machine)?);
    }
    if wishes.launcher == Some(LauncherWish::Kubernetes) {
        (wishes.launcher, wishes.engine) = (None, None);
        wishes.url = Some(url(
            "imax does not start engines there yet. URL of the engine's Service, as the runners reach it",
        )?);
    }
    Ok(wishes)
}

/// The model, the runners and what starts a sweep.
pub(super) fn ask_details(mut wishes: Wishes, machine: &Machine) -> dialoguer::Result<Wishes> {
    if wishes.model.is_none() {
        wishes.model = Some(match &wishes.url {
            Some(url) => served_model(machine.endpoint(url).map_or(&[], |endpoint| &endpoint.models))?,
            None => model(wishes.engine.and_then(|engine| small_model(engine, machine)))?,
        });
    }
    let hardware = match wishes.hardware.take() {
        Some(hardware) => hardware,
        None => Input::new()
            .with_prompt("Label of the runners")
            .default(usual_hardware(wishes.engine, machine))
            .validate_with(|label: &String| check_name("hardware", label).map_err(without_dashes))
            .interact_text()?,
    };
    if wishes.gpus.is_none() && wishes.url.is_none() && has_gpus(&hardware) {
        wishes.gpus = Some(gpus()?);
    }
    wishes.hardware = Some(hardware);
    if wishes.trigger.is_none() {
        wishes.trigger = Some(trigger()?);
    }
    Ok(wishes)
}

/// Whether the question is answered with yes.
pub(super) fn confirm(question: &str) -> dialoguer::Result<bool> {
    Confirm::new().with_prompt(question).default(false).interact()
}

#[derive(Debug, Clone)]
enum Subject {
    /// A server that was found.
    Server(String),
    OtherServer,
    Engine(EngineKind),
}

fn subject(launcher: Option<LauncherWish>, machine: &Machine) -> dialoguer::Result<Subject> {
    let mut subjects = Vec::new();
    // A launcher starts an engine, so there is no question of servers.
    if launcher.is_none() {
        let found = machine.endpoints.iter();
        subjects.extend(found.map(|endpoint| (format!("the server {endpoint}"), Subject::Server(endpoint.url.clone()))));
    }
    let first_engine = subjects.len();
    subjects.extend(EngineKind::ALL.map(|engine| {
        let is_installed = machine.engines.contains(&engine);
        let installed = if is_installed { " (installed)" } else { "" };
        (format!("{engine}{installed}"), Subject::Engine(engine))
    }));
    let installed = EngineKind::ALL.iter().position(|engine| machine.engines.contains(engine));
    let default = if first_engine > 0 { 0 } else { installed.unwrap_or(0) };
    if launcher.is_none() {
        subjects.push(("another server, by its URL".to_owned(), Subject::OtherServer));
    }
    selected("What is measured?", subjects, default)
}

fn launcher(engine: EngineKind, machine: &Machine) -> dialoguer::Result<LauncherWish> {
    let usual = usual_launcher(engine, machine);
    let launchers = [
        ("as a process of the runner", machine.engines.contains(&engine), LauncherWish::Local),
        ("in a Docker container", machine.docker, LauncherWish::Docker),
        ("as a Slurm job", machine.slurm, LauncherWish::Slurm),
        ("on Kubernetes", machine.kubernetes, LauncherWish::Kubernetes),
    ];
    let default = launchers.iter().position(|(_, _, launcher)| *launcher == usual).unwrap_or(0);
    let named = launchers.map(|(name, is_here, launcher)| {
        let here = if is_here { " (found here)" } else { "" };
        (format!("{name}{here}"), launcher)
    });
    selected(&format!("How do runners start {engine}?"), named.into(), default)
}

fn trigger() -> dialoguer::Result<SweepTrigger> {
    let triggers = [
        ("entries of perf-changelog.yaml", SweepTrigger::Changelog),
        ("every push", SweepTrigger::EveryPush),
        ("every night", SweepTrigger::Nightly),
        ("every release", SweepTrigger::Release),
    ];
    selected(
        "What starts a sweep?",
        triggers.map(|(name, trigger)| (name.to_owned(), trigger)).into(),
        0,
    )
}

/// The value behind the chosen name.
fn selected<T>(question: &str, mut choices: Vec<(String, T)>, default: usize) -> dialoguer::Result<T> {
    let names: Vec<&str> = choices.iter().map(|(name, _)| name.as_str()).collect();
    let chosen = Select::new()
        .with_prompt(question.trim_end_matches('?'))
        .items(&names)
        .default(default)
        .interact()?;
    Ok(choices.swap_remove(chosen).1)
}

fn url(question: &str) -> dialoguer::Result<String> {
    let text: String = Input::new()
        .with_prompt(question)
        .validate_with(|text: &String| match endpoint_url(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(without_dashes(error)),
        })
        .interact_text()?;
    Ok(endpoint_url(&text).unwrap_or(text))
}

/// An error in an answer; there is no option here.
#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn without_dashes(error: ChooseError) -> String {
    error.to_string().trim_start_matches("--").to_owned()
}

/// A model of a server: the only one that it lists, one of several, or a name where it lists none.
fn served_model(listed: &[String]) -> dialoguer::Result<String> {
    match listed {
        [] => Input::new().with_prompt("Model, as the server calls it").interact_text(),
        [model] => Ok(model.clone()),
        models => selected(
            "Which model?",
            models.iter().map(|model| (model.clone(), model.clone())).collect(),
            0,
        ),
    }
}

fn model(small: Option<&str>) -> dialoguer::Result<String> {
    let question = Input::new().with_prompt("Model: its name on the hub, or a file");
    match small {
        Some(small) => question.default(small.to_owned()).interact_text(),
        None => question.interact_text(),
    }
}

fn gpus() -> dialoguer::Result<u32> {
    Input::new()
        .with_prompt("GPUs for the engine")
        .default(1)
        .validate_with(|gpus: &u32| match gpus {
            1..=MOST_GPUS => Ok(()),
            0 | 4097.. => Err(format!("{gpus}: expected 1 to {MOST_GPUS}")),
        })
        .interact_text()
}
