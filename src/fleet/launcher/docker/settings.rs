//! The section `docker` of a profile, as parsed and checked.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::options::{ContainerNetwork, GpuIdDocument, GpuRequest, PullPolicy, cpuset, gpus, network, tmpfs};
use crate::fleet::launcher::mount::{Mount, mounts};
use crate::job::{ProfileError, ProfileHead};

/// Settings of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DockerSettings {
    /// Path or URL of the daemon's socket; by default `DOCKER_HOST`, else `/var/run/docker.sock`.
    pub socket: Option<String>,
    /// When the image is pulled.
    pub pull: PullPolicy,
    /// The OCI runtime, as named in the daemon's configuration; by default the daemon's.
    pub runtime: Option<String>,
    /// NVIDIA GPUs requested through a device request.
    pub gpus: GpuRequest,
    /// Devices by CDI name, such as `nvidia.com/gpu=all`.
    pub cdi_devices: Vec<String>,
    /// Device files, such as `/dev/kfd`.
    pub devices: Vec<String>,
    /// Supplementary groups of the process, such as `video`.
    pub groups: Vec<String>,
    /// Mounts in addition to those that every job has.
    pub mounts: Vec<Mount>,
    /// tmpfs mounts: options by folder.
    pub tmpfs: BTreeMap<String, String>,
    pub network: ContainerNetwork,
    /// Use the host's IPC namespace.
    pub host_ipc: bool,
    /// Size of `/dev/shm`, MiB.
    pub shm_size_mib: Option<u64>,
    /// Maximum memory, MiB.
    pub memory_mib: Option<NonZeroU64>,
    /// CPUs, in the kernel's list format.
    pub cpuset: Option<String>,
    /// Run an init process that reaps orphans.
    pub init: bool,
    /// `name=soft:hard`.
    pub ulimits: Vec<String>,
    /// Capabilities to add.
    pub capabilities: Vec<String>,
    /// Security options, such as `seccomp=unconfined`.
    pub security_options: Vec<String>,
    /// User, as `uid[:gid]`.
    pub user: Option<String>,
    /// Privileged container; only if nothing less works.
    pub privileged: bool,
}

/// A container of Docker or Podman.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct DockerDocument {
    /// Path or URL of the socket of Docker or Podman; by default `DOCKER_HOST`, else `/var/run/docker.sock`.
    pub socket: Option<String>,
    /// When the image is pulled.
    pub pull: Option<PullPolicy>,
    /// The OCI runtime, as the configuration of Docker or Podman names it, such as `nvidia`.
    pub runtime: Option<String>,
    /// All NVIDIA GPUs, by device request.
    pub gpus: Option<bool>,
    /// Some NVIDIA GPUs, by device request; excludes `gpus`.
    #[schemars(extend("uniqueItems" = true))]
    pub gpu_ids: Option<Vec<GpuIdDocument>>,
    /// Devices by CDI name, such as `nvidia.com/gpu=all`.
    pub cdi_devices: Option<Vec<String>>,
    /// Device files, such as `/dev/kfd`.
    pub devices: Option<Vec<String>>,
    /// Supplementary groups of the process, such as `video`.
    pub groups: Option<Vec<String>>,
    /// Folders: `source:target` or `source:target:ro`.
    pub mounts: Option<Vec<String>>,
    /// File systems in memory: `folder` or `folder:options`.
    pub tmpfs: Option<Vec<String>>,
    /// Whether the container has the node's network; true by default.
    pub host_network: Option<bool>,
    /// A network made by `docker network create`; excludes `host-network: true`.
    pub network: Option<String>,
    /// Whether the container has the node's IPC namespace.
    pub host_ipc: Option<bool>,
    /// Size of `/dev/shm`, MiB.
    pub shm_size_mib: Option<u64>,
    /// Maximum memory, MiB.
    pub memory_mib: Option<NonZeroU64>,
    /// CPUs, such as `0-15,32-47`.
    pub cpuset: Option<String>,
    /// A first process that reaps orphans.
    pub init: Option<bool>,
    /// `name=soft` or `name=soft:hard`.
    pub ulimits: Option<Vec<String>>,
    /// Capabilities to add.
    pub capabilities: Option<Vec<String>>,
    /// Security options, such as `seccomp=unconfined`.
    pub security_options: Option<Vec<String>>,
    /// User, as `uid[:gid]`.
    pub user: Option<String>,
    /// Privileged container; only if nothing less works.
    pub privileged: Option<bool>,
}

/// Keys that exclude each other: a profile that has one of them inherits none of them.
const EXCLUSIVE: [[&str; 2]; 2] = [["gpus", "gpu-ids"], ["host-network", "network"]];

/// The inherited section, without keys that the profile's own section excludes.
pub(super) fn without_excluded(mut base: Value, child: &Value) -> Value {
    for keys in EXCLUSIVE {
        let is_chosen = keys.iter().any(|key| child.get(key).is_some_and(|value| !value.is_null()));
        if let Some(base) = base.as_object_mut().filter(|_| is_chosen) {
            keys.iter().for_each(|key| drop(base.remove(*key)));
        }
    }
    base
}

/// Checks a section and fills in defaults.
pub(super) fn docker_settings(profile: ProfileHead<'_>, document: DockerDocument) -> Result<DockerSettings, ProfileError> {
    if document
        .runtime
        .as_ref()
        .is_some_and(|runtime| runtime.is_empty() || runtime.contains(char::is_whitespace))
    {
        let found = document.runtime.unwrap_or_default();
        return Err(profile.invalid(
            "docker.runtime",
            found,
            "a runtime in the configuration of Docker or Podman, such as nvidia",
        ));
    }
    Ok(DockerSettings {
        socket: document.socket,
        pull: document.pull.unwrap_or_default(),
        runtime: document.runtime,
        gpus: gpus(profile, document.gpus, document.gpu_ids)?,
        cdi_devices: document.cdi_devices.unwrap_or_default(),
        devices: document.devices.unwrap_or_default(),
        groups: document.groups.unwrap_or_default(),
        mounts: mounts(profile, "docker.mounts", document.mounts)?,
        tmpfs: tmpfs(profile, document.tmpfs)?,
        network: network(profile, document.host_network, document.network)?,
        host_ipc: document.host_ipc.unwrap_or(false),
        shm_size_mib: document.shm_size_mib,
        memory_mib: document.memory_mib,
        cpuset: cpuset(profile, document.cpuset)?,
        init: document.init.unwrap_or(false),
        ulimits: document.ulimits.unwrap_or_default(),
        capabilities: document.capabilities.unwrap_or_default(),
        security_options: document.security_options.unwrap_or_default(),
        user: document.user,
        privileged: document.privileged.unwrap_or(false),
    })
}
