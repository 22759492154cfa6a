//! What a machine has: running servers, installed engines, launchers, GPUs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde::Deserialize;

use super::answers::{EngineKind, Vendor};
use super::choose::endpoint_url;
use crate::fleet::node::{FactsRequest, gather_gpus};
use crate::job::{Gpu, GpuVendor, LaunchSettings};
use crate::system::cancellation::Cancellation;
use crate::system::http_client::{bounded_body, http_client};

/// Ports on which engines listen by default: vLLM and Triton, llama.cpp and MLX, Ollama, SGLang, LM Studio.
pub(super) const PORTS: [u16; 5] = [8000, 8080, 11434, 30000, 1234];
/// Timeout of the list of models.
const ANSWER: Duration = Duration::from_secs(2);
/// Timeout of the GPUs' tools.
const GPU_TOOLS: Duration = Duration::from_secs(10);
/// Maximum number of models of an endpoint.
const MOST_MODELS: usize = 100;
/// Longest list of models, bytes.
const LONGEST: usize = 1 << 20;

/// What the machine has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machine {
    /// Servers on this machine that list models.
    pub endpoints: Vec<FoundEndpoint>,
    /// Addresses of servers that answer with 503: they may still load their model.
    pub not_ready: Vec<String>,
    /// Engines on `PATH`.
    pub engines: Vec<EngineKind>,
    pub docker: bool,
    pub slurm: bool,
    /// Whether `kubectl` is on `PATH`.
    pub kubernetes: bool,
    pub gpus: Option<FoundGpus>,
}

/// A server with the OpenAI API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundEndpoint {
    /// Its address, without the API's path.
    pub url: String,
    /// The models that it lists.
    pub models: Vec<String>,
}

/// GPUs of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundGpus {
    pub vendor: Vendor,
    pub name: String,
    pub count: usize,
}

/// Examines this machine, and asks the server at `url` for its models. Nothing is started.
pub(crate) async fn examine_machine(url: Option<&str>, cancellation: &Cancellation) -> Machine {
    let here = PORTS.iter().map(|port| format!("http://127.0.0.1:{port}"));
    let named = url.and_then(|url| endpoint_url(url).ok());
    let (mut endpoints, mut not_ready) = (Vec::new(), Vec::new());
    for found in join_all(named.into_iter().chain(here).map(server)).await.into_iter().flatten() {
        match found {
            Server::Ready(endpoint) => endpoints.push(endpoint),
            Server::NotReady(url) => not_ready.push(url),
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    Machine {
        endpoints,
        not_ready,
        engines: EngineKind::ALL
            .into_iter()
            .filter(|engine| has_program(&folders, engine.program()))
            .collect(),
        docker: has_program(&folders, "docker"),
        slurm: has_program(&folders, "sbatch"),
        kubernetes: has_program(&folders, "kubectl"),
        gpus: tokio::task::block_in_place(|| gpus(cancellation)),
    }
}

impl Machine {
    /// The server at an address, if it was found.
    pub(crate) fn endpoint(&self, url: &str) -> Option<&FoundEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.url == url)
    }

    /// Asks a server that was named later for its models.
    pub(crate) async fn examine_endpoint(&mut self, url: &str) {
        if self.endpoint(url).is_none()
            && let Some(Server::Ready(endpoint)) = server(url.to_owned()).await
        {
            self.endpoints.push(endpoint);
        }
    }
}

fn has_program(folders: &[PathBuf], name: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    folders.iter().any(|folder| {
        let file = std::fs::metadata(folder.join(name));
        file.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
}

/// What answers at an address.
enum Server {
    Ready(FoundEndpoint),
    /// It answers with 503, as llama.cpp's server does while it loads its model.
    NotReady(String),
}

/// The server at an address, if it lists models or will do so.
async fn server(url: String) -> Option<Server> {
    let list = match tokio::time::timeout(ANSWER, models(&url)).await.ok()?? {
        Models::Listed(list) => list,
        Models::NotReady => return Some(Server::NotReady(url)),
    };
    let is_name = |model: &ListedModel| !model.id.is_empty() && !model.id.chars().any(char::is_control);
    Some(Server::Ready(FoundEndpoint {
        url,
        models: list
            .data
            .into_iter()
            .filter(is_name)
            .map(|model| model.id)
            .take(MOST_MODELS)
            .collect(),
    }))
}

enum Models {
    Listed(ModelList),
    NotReady,
}

/// The answer to `GET /v1/models`, of at most [`LONGEST`] bytes.
async fn models(url: &str) -> Option<Models> {
    let request = http_client().ok()?.get(format!("{url}/v1/models"));
    let response = request.send().await.ok()?;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        return Some(Models::NotReady);
    }
    let mut response = response.error_for_status().ok()?;
    let body = bounded_body(&mut response, LONGEST).await.ok().filter(|body| body.is_whole)?;
    serde_json::from_slice(&body.bytes).ok().map(Models::Listed)
}

fn gpus(cancellation: &Cancellation) -> Option<FoundGpus> {
    [(GpuVendor::Nvidia, Vendor::Nvidia), (GpuVendor::Amd, Vendor::Amd)]
        .into_iter()
        .find_map(|(asked, vendor)| {
            let found = gpus_of(asked, cancellation)?;
            let first = found.first()?;
            Some(FoundGpus {
                vendor,
                name: first.name.clone().unwrap_or_default(),
                count: found.len(),
            })
        })
}

fn gpus_of(vendor: GpuVendor, cancellation: &Cancellation) -> Option<Vec<Gpu>> {
    let here = Path::new(".");
    let request = FactsRequest {
        vendor,
        visible: None,
        launch: &LaunchSettings::local(),
        out: here,
        workspace: here,
        hub_cache: None,
        port: None,
        inside_job: false,
        cancellation,
        until: Instant::now() + GPU_TOOLS,
    };
    gather_gpus(&request).gpus?.ok()
}
