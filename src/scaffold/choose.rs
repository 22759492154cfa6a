//! Completes the answers from the user's options and from what the machine has.

use super::answers::{Answers, EngineKind, Launch, LauncherWish, SweepTrigger, Vendor, Wishes};
use super::machine::{FoundEndpoint, Machine};
use super::naming;
use crate::fleet::launcher::EngineAddress;

/// Why the answers are not complete.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChooseError {
    #[error(
        "found no engine: nothing answers on the ports {ports}, and none of {programs} is on PATH; start one, give its address with --url, or name one with --engine"
    )]
    NoEngine { ports: String, programs: String },
    #[error("--url {0}: expected http://HOST[:PORT]; a server over TLS is measured by `imax bench`")]
    Url(String),
    #[error("the model is unknown: {0}; name it with --model")]
    NoModel(String),
    #[error("{engine} has no public image; use --launcher local")]
    NoImage { engine: EngineKind },
    #[error("--{option} {found}: expected ASCII letters, digits, `.` and `-`, beginning with a letter or digit")]
    Name { option: &'static str, found: String },
}

/// Chooses what the user's options leave open.
///
/// # Errors
/// [`ChooseError`] if a value is neither set by the user nor found on the machine.
pub(crate) fn choose(wishes: &Wishes, machine: &Machine) -> Result<Answers, ChooseError> {
    let launch = launch(wishes, machine)?;
    let model = model(wishes, machine, &launch)?;
    let gpus = machine
        .gpus
        .as_ref()
        .filter(|_| launch.engine().is_none_or(|engine| engine != EngineKind::Mlx));
    let found = gpus.map(|gpus| naming::hardware(&gpus.name));
    let hardware = wishes.hardware.clone().or(found).unwrap_or_else(|| "cpu".to_owned());
    let precision = wishes.precision.clone().unwrap_or_else(|| naming::precision(&model).to_owned());
    for (option, text) in [("hardware", &hardware), ("precision", &precision)] {
        check_name(option, text)?;
    }
    let vendor = match &wishes.hardware {
        Some(hardware) => vendor_of(hardware),
        None => gpus.map_or(Vendor::None, |gpus| gpus.vendor),
    };
    Ok(Answers {
        launch,
        model,
        precision,
        hardware,
        vendor,
        gpus: wishes.gpus.unwrap_or(1).max(1),
        trigger: wishes.trigger.unwrap_or(SweepTrigger::Changelog),
    })
}

fn launch(wishes: &Wishes, machine: &Machine) -> Result<Launch, ChooseError> {
    if let Some(url) = &wishes.url {
        return Ok(Launch::Endpoint { url: endpoint_url(url)? });
    }
    let engine = match (wishes.engine, machine.endpoints.first()) {
        (Some(engine), _) => engine,
        (None, Some(endpoint)) if wishes.launcher.is_none() => {
            return Ok(Launch::Endpoint { url: endpoint.url.clone() });
        }
        (None, _) => *machine.engines.first().ok_or_else(no_engine)?,
    };
    let installed = machine.engines.contains(&engine);
    let launcher = wishes.launcher.unwrap_or(match (installed, machine.slurm, machine.docker) {
        (true, _, _) | (false, false, false) => LauncherWish::Local,
        (false, true, _) => LauncherWish::Slurm,
        (false, false, true) => LauncherWish::Docker,
    });
    match launcher {
        LauncherWish::Local => Ok(Launch::Local(engine)),
        LauncherWish::Docker | LauncherWish::Slurm if engine.public_image().is_none() => Err(ChooseError::NoImage { engine }),
        LauncherWish::Docker => Ok(Launch::Docker(engine)),
        LauncherWish::Slurm => Ok(Launch::Slurm(engine)),
    }
}

fn no_engine() -> ChooseError {
    let ports = super::machine::PORTS.map(|port| port.to_string()).join(", ");
    let programs = EngineKind::ALL.map(EngineKind::program).join(", ");
    ChooseError::NoEngine { ports, programs }
}

fn model(wishes: &Wishes, machine: &Machine, launch: &Launch) -> Result<String, ChooseError> {
    if let Some(model) = &wishes.model {
        return Ok(model.clone());
    }
    match launch {
        Launch::Endpoint { url } => {
            let endpoint = machine.endpoints.iter().find(|endpoint| endpoint.url == *url);
            let listed = endpoint.and_then(|endpoint| endpoint.models.first().cloned());
            listed.ok_or_else(|| ChooseError::NoModel(format!("{url}/v1/models lists none")))
        }
        Launch::Local(engine) | Launch::Docker(engine) | Launch::Slurm(engine) => default_model(*engine, machine),
    }
}

/// A small model that the engine can download, for a first run.
fn default_model(engine: EngineKind, machine: &Machine) -> Result<String, ChooseError> {
    match engine {
        EngineKind::LlamaCpp => Ok("bartowski/SmolLM2-135M-Instruct-GGUF".to_owned()),
        EngineKind::Ollama => Ok("smollm2:135m".to_owned()),
        EngineKind::Mlx => Ok("mlx-community/SmolLM-135M-Instruct-4bit".to_owned()),
        EngineKind::Vllm | EngineKind::Sglang if machine.gpus.is_some() => Ok("Qwen/Qwen3-0.6B".to_owned()),
        EngineKind::Vllm | EngineKind::Sglang => Err(ChooseError::NoModel(format!("{engine} serves many"))),
    }
}

/// The address without a final slash and without the API's path, as `launcher: endpoint` reads it.
pub(super) fn endpoint_url(text: &str) -> Result<String, ChooseError> {
    let address = EngineAddress::parse(text).ok_or_else(|| ChooseError::Url(text.to_owned()))?;
    Ok(address.url())
}

fn vendor_of(hardware: &str) -> Vendor {
    match hardware {
        "cpu" => Vendor::None,
        amd if amd.starts_with("mi") => Vendor::Amd,
        _ => Vendor::Nvidia,
    }
}

fn check_name(option: &'static str, text: &str) -> Result<(), ChooseError> {
    let is_safe =
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')) && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_safe {
        Ok(())
    } else {
        Err(ChooseError::Name {
            option,
            found: text.to_owned(),
        })
    }
}

/// How a found endpoint is described.
impl std::fmt::Display for FoundEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ({})",
            self.url,
            self.models.first().map_or("no model listed", String::as_str)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::FoundGpus;
    use super::*;

    fn machine_with_endpoint() -> Machine {
        Machine {
            endpoints: vec![FoundEndpoint {
                url: "http://127.0.0.1:8080".to_owned(),
                models: vec!["org/model-Q4.gguf".to_owned()],
            }],
            engines: vec![EngineKind::LlamaCpp],
            ..Machine::default()
        }
    }

    #[test]
    fn running_endpoint_is_taken_before_an_installed_engine() {
        let answers = choose(&Wishes::default(), &machine_with_endpoint()).unwrap();
        assert_eq!(answers.launch.launcher(), "endpoint");
        assert_eq!((answers.model.as_str(), answers.precision.as_str()), ("org/model-Q4.gguf", "q4"));
        assert_eq!(answers.config_key(), "model-q4-cpu-openai");
        let wishes = Wishes {
            engine: Some(EngineKind::LlamaCpp),
            ..Wishes::default()
        };
        assert_eq!(
            choose(&wishes, &machine_with_endpoint()).unwrap().launch,
            Launch::Local(EngineKind::LlamaCpp)
        );
    }

    #[test]
    fn fleet_is_described_from_another_machine() {
        let wishes = Wishes {
            engine: Some(EngineKind::Vllm),
            launcher: Some(LauncherWish::Docker),
            model: Some("Qwen/Qwen3-32B-FP8".to_owned()),
            hardware: Some("mi300x".to_owned()),
            gpus: Some(8),
            ..Wishes::default()
        };
        let answers = choose(&wishes, &Machine::default()).unwrap();
        assert_eq!((answers.vendor, answers.gpus), (Vendor::Amd, 8));
        assert_eq!(answers.recipe(), "qwen3-32b_fp8_mi300x_vllm.sh");
    }

    #[test]
    fn machine_without_engine_or_model_says_what_to_give() {
        let error = choose(&Wishes::default(), &Machine::default()).unwrap_err().to_string();
        assert!(
            error.contains("8000") && error.contains("llama-server") && error.contains("--url"),
            "{error}"
        );
        let with_gpu = Machine {
            gpus: Some(FoundGpus {
                vendor: Vendor::Nvidia,
                name: "NVIDIA H200".to_owned(),
                count: 8,
            }),
            docker: true,
            ..Machine::default()
        };
        let wishes = Wishes {
            engine: Some(EngineKind::Sglang),
            ..Wishes::default()
        };
        let answers = choose(&wishes, &with_gpu).unwrap();
        assert_eq!(
            (answers.launch, answers.hardware.as_str()),
            (Launch::Docker(EngineKind::Sglang), "h200")
        );
        assert!(matches!(choose(&wishes, &Machine::default()), Err(ChooseError::NoModel(_))));
    }

    #[test]
    fn addresses_lose_the_path_of_the_api() {
        for (text, expected) in [
            ("http://localhost:8000", Some("http://localhost:8000")),
            ("http://localhost:8000/v1/", Some("http://localhost:8000")),
            ("http://api.example/openai/v1", Some("http://api.example:80/openai")),
            ("https://api.example/v1", None),
            ("localhost:8000", None),
            ("ftp://localhost", None),
            ("http://user:secret@localhost", None),
            ("http://localhost/?key=secret", None),
        ] {
            assert_eq!(endpoint_url(text).ok().as_deref(), expected, "{text}");
        }
    }
}
