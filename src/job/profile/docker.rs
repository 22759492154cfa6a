//! The block `docker` of a profile: what a container of Docker or Podman needs.

use serde::{Deserialize, Serialize};

use super::ProfileError;
use super::mount::{Mount, mounts};

/// What a container needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DockerSettings {
    /// The engine's socket; `DOCKER_HOST` or the default where absent.
    pub socket: Option<String>,
    /// Ask for all NVIDIA GPUs by device request.
    pub gpus: bool,
    /// Devices by CDI name, such as `nvidia.com/gpu=all`.
    pub cdi_devices: Vec<String>,
    /// Device files, such as `/dev/kfd`.
    pub devices: Vec<String>,
    /// Further groups of the process, such as `video`.
    pub groups: Vec<String>,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// The host's network; else the port is mapped.
    pub host_network: bool,
    /// The host's IPC namespace.
    pub host_ipc: bool,
    /// Size of `/dev/shm`, MiB.
    pub shm_size_mib: Option<u64>,
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
    pub gpus: Option<bool>,
    pub cdi_devices: Option<Vec<String>>,
    pub devices: Option<Vec<String>>,
    pub groups: Option<Vec<String>>,
    pub mounts: Option<Vec<String>>,
    pub host_network: Option<bool>,
    pub host_ipc: Option<bool>,
    pub shm_size_mib: Option<u64>,
    pub ulimits: Option<Vec<String>>,
    pub capabilities: Option<Vec<String>>,
    pub security_options: Option<Vec<String>>,
    pub user: Option<String>,
    pub privileged: Option<bool>,
}

/// `child` over `base`, key by key.
pub(super) fn inherit_docker(base: DockerDocument, child: DockerDocument) -> DockerDocument {
    DockerDocument {
        socket: child.socket.or(base.socket),
        gpus: child.gpus.or(base.gpus),
        cdi_devices: child.cdi_devices.or(base.cdi_devices),
        devices: child.devices.or(base.devices),
        groups: child.groups.or(base.groups),
        mounts: child.mounts.or(base.mounts),
        host_network: child.host_network.or(base.host_network),
        host_ipc: child.host_ipc.or(base.host_ipc),
        shm_size_mib: child.shm_size_mib.or(base.shm_size_mib),
        ulimits: child.ulimits.or(base.ulimits),
        capabilities: child.capabilities.or(base.capabilities),
        security_options: child.security_options.or(base.security_options),
        user: child.user.or(base.user),
        privileged: child.privileged.or(base.privileged),
    }
}

pub(super) fn docker_settings(name: &str, document: DockerDocument) -> Result<DockerSettings, ProfileError> {
    Ok(DockerSettings {
        socket: document.socket,
        gpus: document.gpus.unwrap_or(false),
        cdi_devices: document.cdi_devices.unwrap_or_default(),
        devices: document.devices.unwrap_or_default(),
        groups: document.groups.unwrap_or_default(),
        mounts: mounts(name, "docker.mounts", document.mounts)?,
        host_network: document.host_network.unwrap_or(true),
        host_ipc: document.host_ipc.unwrap_or(false),
        shm_size_mib: document.shm_size_mib,
        ulimits: document.ulimits.unwrap_or_default(),
        capabilities: document.capabilities.unwrap_or_default(),
        security_options: document.security_options.unwrap_or_default(),
        user: document.user,
        privileged: document.privileged.unwrap_or(false),
    })
}
