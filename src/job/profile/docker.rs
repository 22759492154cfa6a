//! The block `docker` of a profile: what a container of Docker or Podman needs.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::ProfileError;
use super::container::{ContainerNetwork, GpuIdDocument, GpuRequest, PullPolicy, cpuset, gpus, network, tmpfs};
use super::mount::{Mount, mounts};

/// What a container needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DockerSettings {
    /// The engine's socket; `DOCKER_HOST` or the default where absent.
    pub socket: Option<String>,
    /// When the image is pulled.
    pub pull: PullPolicy,
    /// The runtime under which containers run, as the engine's settings name it; the engine's default where absent.
    pub runtime: Option<String>,
    /// NVIDIA GPUs by device request.
    pub gpus: GpuRequest,
    /// Devices by CDI name, such as `nvidia.com/gpu=all`.
    pub cdi_devices: Vec<String>,
    /// Device files, such as `/dev/kfd`.
    pub devices: Vec<String>,
    /// Further groups of the process, such as `video`.
    pub groups: Vec<String>,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// File systems in memory: their options by folder.
    pub tmpfs: BTreeMap<String, String>,
    /// Its network.
    pub network: ContainerNetwork,
    /// The host's IPC namespace.
    pub host_ipc: bool,
    /// Size of `/dev/shm`, MiB.
    pub shm_size_mib: Option<u64>,
    /// The most memory that it may use, MiB.
    pub memory_mib: Option<NonZeroU64>,
    /// The CPUs that it may use, as the kernel lists them.
    pub cpuset: Option<String>,
    /// A first process that collects those whose parents have ended.
    pub init: bool,
    /// `name=soft:hard`.
    pub ulimits: Vec<String>,
    /// Capabilities to add.
    pub capabilities: Vec<String>,
    /// Security options, such as `seccomp=unconfined`.
    pub security_options: Vec<String>,
    /// User, as `uid[:gid]`.
    pub user: Option<String>,
    /// All rights; only where nothing less will do.
    pub privileged: bool,
}

/// The block as its file has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct DockerDocument {
    pub socket: Option<String>,
    pub pull: Option<PullPolicy>,
    pub runtime: Option<String>,
    pub gpus: Option<bool>,
    pub gpu_ids: Option<Vec<GpuIdDocument>>,
    pub cdi_devices: Option<Vec<String>>,
    pub devices: Option<Vec<String>>,
    pub groups: Option<Vec<String>>,
    pub mounts: Option<Vec<String>>,
    pub tmpfs: Option<Vec<String>>,
    pub host_network: Option<bool>,
    pub network: Option<String>,
    pub host_ipc: Option<bool>,
    pub shm_size_mib: Option<u64>,
    pub memory_mib: Option<NonZeroU64>,
    pub cpuset: Option<String>,
    pub init: Option<bool>,
    pub ulimits: Option<Vec<String>>,
    pub capabilities: Option<Vec<String>>,
    pub security_options: Option<Vec<String>>,
    pub user: Option<String>,
    pub privileged: Option<bool>,
}

/// `child` over `base`, key by key.
pub(super) fn inherit_docker(base: DockerDocument, child: DockerDocument) -> DockerDocument {
    // Of two keys that exclude each other, the child's takes the place of the base's.
    let chooses_gpus = child.gpus.is_some() || child.gpu_ids.is_some();
    let (gpus, gpu_ids) = if chooses_gpus {
        (child.gpus, child.gpu_ids)
    } else {
        (base.gpus, base.gpu_ids)
    };
    let chooses_network = child.host_network.is_some() || child.network.is_some();
    let (host_network, network) = if chooses_network {
        (child.host_network, child.network)
    } else {
        (base.host_network, base.network)
    };
    DockerDocument {
        socket: child.socket.or(base.socket),
        pull: child.pull.or(base.pull),
        runtime: child.runtime.or(base.runtime),
        gpus,
        gpu_ids,
        cdi_devices: child.cdi_devices.or(base.cdi_devices),
        devices: child.devices.or(base.devices),
        groups: child.groups.or(base.groups),
        mounts: child.mounts.or(base.mounts),
        tmpfs: child.tmpfs.or(base.tmpfs),
        host_network,
        network,
        host_ipc: child.host_ipc.or(base.host_ipc),
        shm_size_mib: child.shm_size_mib.or(base.shm_size_mib),
        memory_mib: child.memory_mib.or(base.memory_mib),
        cpuset: child.cpuset.or(base.cpuset),
        init: child.init.or(base.init),
        ulimits: child.ulimits.or(base.ulimits),
        capabilities: child.capabilities.or(base.capabilities),
        security_options: child.security_options.or(base.security_options),
        user: child.user.or(base.user),
        privileged: child.privileged.or(base.privileged),
    }
}

pub(super) fn docker_settings(name: &str, document: DockerDocument) -> Result<DockerSettings, ProfileError> {
    if document
        .runtime
        .as_ref()
        .is_some_and(|runtime| runtime.is_empty() || runtime.contains(char::is_whitespace))
    {
        return Err(ProfileError::Value {
            name: name.to_owned(),
            key: "docker.runtime",
            found: document.runtime.unwrap_or_default(),
            expected: "a runtime that the engine's settings name, such as nvidia",
        });
    }
    Ok(DockerSettings {
        socket: document.socket,
        pull: document.pull.unwrap_or_default(),
        runtime: document.runtime,
        gpus: gpus(name, document.gpus, document.gpu_ids)?,
        cdi_devices: document.cdi_devices.unwrap_or_default(),
        devices: document.devices.unwrap_or_default(),
        groups: document.groups.unwrap_or_default(),
        mounts: mounts(name, "docker.mounts", document.mounts)?,
        tmpfs: tmpfs(name, document.tmpfs)?,
        network: network(name, document.host_network, document.network)?,
        host_ipc: document.host_ipc.unwrap_or(false),
        shm_size_mib: document.shm_size_mib,
        memory_mib: document.memory_mib,
        cpuset: cpuset(name, document.cpuset)?,
        init: document.init.unwrap_or(false),
        ulimits: document.ulimits.unwrap_or_default(),
        capabilities: document.capabilities.unwrap_or_default(),
        security_options: document.security_options.unwrap_or_default(),
        user: document.user,
        privileged: document.privileged.unwrap_or(false),
    })
}
