//! Completes the answers from the user's options and from what the machine has.

use super::answers::{Answers, EngineKind, Launch, LauncherWish, SweepTrigger, Vendor, Wishes};
use super::machine::{FoundEndpoint, FoundGpus, Machine};
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
    #[error(
        "--launcher kubernetes: imax does not start engines on Kubernetes yet; start the engine as a Deployment with a Service, run the runner in the cluster, and give the Service's URL in place of --launcher: --url http://NAME.NAMESPACE.svc:PORT --model NAME"
    )]
    Kubernetes,
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
    let gpus = usable_gpus(launch.engine(), machine);
    let hardware = wishes.hardware.clone().unwrap_or_else(|| usual_hardware(launch.engine(), machine));
    let precision = wishes.precision.clone().unwrap_or_else(|| naming::precision(&model).to_owned());
    check_name("hardware", &hardware)?;
    check_name("precision", &precision)?;
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

fn usable_gpus(engine: Option<EngineKind>, machine: &Machine) -> Option<&FoundGpus> {
    machine.gpus.as_ref().filter(|_| engine != Some(EngineKind::Mlx))
}

/// The label of this machine's runner: its GPU, else `cpu`.
pub(crate) fn usual_hardware(engine: Option<EngineKind>, machine: &Machine) -> String {
    usable_gpus(engine, machine).map_or_else(|| "cpu".to_owned(), |gpus| naming::hardware(&gpus.name))
}

/// Whether runners with this label have GPUs.
pub(crate) fn has_gpus(hardware: &str) -> bool {
    vendor_of(hardware) != Vendor::None
}

fn launch(wishes: &Wishes, machine: &Machine) -> Result<Launch, ChooseError> {
    if let Some(url) = &wishes.url {
        return Ok(Launch::Endpoint { url: endpoint_url(url)? });
    }
    if wishes.launcher == Some(LauncherWish::Kubernetes) {
        return Err(ChooseError::Kubernetes);
    }
    let engine = match (wishes.engine, machine.endpoints.first()) {
        (Some(engine), _) => engine,
        (None, Some(endpoint)) if wishes.launcher.is_none() => {
            return Ok(Launch::Endpoint { url: endpoint.url.clone() });
        }
        (None, _) => *machine.engines.first().ok_or_else(no_engine)?,
    };
    match wishes.launcher.unwrap_or_else(|| usual_launcher(engine, machine)) {
        LauncherWish::Local => Ok(Launch::Local(engine)),
        LauncherWish::Kubernetes => Err(ChooseError::Kubernetes),
        LauncherWish::Docker | LauncherWish::Slurm if engine.public_image().is_none() => Err(ChooseError::NoImage { engine }),
        LauncherWish::Docker => Ok(Launch::Docker(engine)),
        LauncherWish::Slurm => Ok(Launch::Slurm(engine)),
    }
}

/// How an engine is started where the user does not say: as it is installed, else by what the machine has.
pub(crate) fn usual_launcher(engine: EngineKind, machine: &Machine) -> LauncherWish {
    let has_image = engine.public_image().is_some();
    match (
        machine.engines.contains(&engine),
        has_image && machine.slurm,
        has_image && machine.docker,
    ) {
        (true, _, _) | (false, false, false) => LauncherWish::Local,
        (false, true, _) => LauncherWish::Slurm,
        (false, false, true) => LauncherWish::Docker,
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
        Launch::Local(engine) | Launch::Docker(engine) | Launch::Slurm(engine) => {
            let small = small_model(*engine, machine).map(str::to_owned);
            small.ok_or_else(|| ChooseError::NoModel(format!("{engine} serves many")))
        }
    }
}

/// A small model that the engine can download, for a first run.
pub(crate) fn small_model(engine: EngineKind, machine: &Machine) -> Option<&'static str> {
    match engine {
        EngineKind::LlamaCpp => Some("bartowski/SmolLM2-135M-Instruct-GGUF"),
        EngineKind::Ollama => Some("smollm2:135m"),
        EngineKind::Mlx => Some("mlx-community/SmolLM-135M-Instruct-4bit"),
        EngineKind::Vllm | EngineKind::Sglang => machine.gpus.is_some().then_some("Qwen/Qwen3-0.6B"),
    }
}

/// The address without a final slash and without the API's path, as `launcher: endpoint` reads it.
///
/// # Errors
/// [`ChooseError::Url`].
pub(crate) fn endpoint_url(text: &str) -> Result<String, ChooseError> {
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

/// Checks a value that becomes a part of file names and of YAML keys.
///
/// # Errors
/// [`ChooseError::Name`].
pub(crate) fn check_name(option: &'static str, text: &str) -> Result<(), ChooseError> {
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
    fn engine_is_started_as_it_is_installed_else_by_the_machine() {
        for (engine, engines, slurm, docker, expected) in [
            (EngineKind::Vllm, &[EngineKind::Vllm][..], true, true, LauncherWish::Local),
            (EngineKind::Vllm, &[], true, true, LauncherWish::Slurm),
            (EngineKind::Vllm, &[], false, true, LauncherWish::Docker),
            (EngineKind::Vllm, &[], false, false, LauncherWish::Local),
            // There is no image of MLX.
            (EngineKind::Mlx, &[], true, true, LauncherWish::Local),
        ] {
            let machine = Machine {
                engines: engines.to_vec(),
                slurm,
                docker,
                ..Machine::default()
            };
            assert_eq!(usual_launcher(engine, &machine), expected, "{engine} {slurm} {docker}");
        }
    }

    #[test]
    fn kubernetes_is_measured_by_url() {
        let mut wishes = Wishes {
            launcher: Some(LauncherWish::Kubernetes),
            model: Some("org/m".to_owned()),
            ..Wishes::default()
        };
        let refused = choose(&wishes, &machine_with_endpoint()).unwrap_err().to_string();
        assert!(refused.contains("--url http://NAME.NAMESPACE.svc:PORT"), "{refused}");
        wishes.launcher = None;
        wishes.url = Some("http://vllm.bench.svc:8000".to_owned());
        let launch = choose(&wishes, &Machine::default()).unwrap().launch;
        assert_eq!(
            launch,
            Launch::Endpoint {
                url: "http://vllm.bench.svc:8000".to_owned()
            }
        );
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
