//! Checks of single settings of a container: network, GPUs, CPUs, tmpfs mounts, pull policy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::{ProfileError, ProfileHead};

/// When an image is pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PullPolicy {
    /// Only if the node does not have it.
    #[default]
    Missing,
    /// Before each start, because the tag may have been moved.
    Always,
}

impl PullPolicy {
    /// Its name in profiles.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Always => "always",
        }
    }
}

/// The network of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ContainerNetwork {
    /// The node's network.
    Host,
    /// The daemon's default network; the port is published.
    Default,
    /// A network created on the node; the port is published.
    Named(String),
}

/// NVIDIA GPUs requested through a device request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GpuRequest {
    /// None.
    None,
    /// All GPUs of the node.
    All,
    /// These: indices, or UUIDs as printed by `nvidia-smi -L`.
    Ids(Vec<String>),
}

/// A GPU as a profile names it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum GpuIdDocument {
    /// Its index on the node.
    Number(u32),
    /// Its index as text, or its UUID.
    Text(#[schemars(regex(pattern = r"^([0-9]+|GPU-.+)$"))] String),
}

/// `host-network` and `network`, which exclude each other.
pub(super) fn network(profile: ProfileHead<'_>, host: Option<bool>, network: Option<String>) -> Result<ContainerNetwork, ProfileError> {
    let Some(network) = network else {
        return Ok(if host.unwrap_or(true) {
            ContainerNetwork::Host
        } else {
            ContainerNetwork::Default
        });
    };
    let invalid = |expected| profile.invalid("docker.network", network.clone(), expected);
    if host == Some(true) {
        return Err(invalid(
            "no `network` if `host-network` is true: the node's network and a named one exclude each other",
        ));
    }
    let is_name = network.starts_with(|first: char| first.is_ascii_alphanumeric())
        && network.chars().all(|c| c.is_ascii_alphanumeric() || ['_', '.', '-'].contains(&c));
    // Names with a special meaning: <https://docs.docker.com/engine/network/>.
    if !is_name || ["host", "none", "default", "bridge"].contains(&network.as_str()) {
        return Err(invalid(
            "the name of a network made by `docker network create`; use `host-network` for the node's network or the default one",
        ));
    }
    Ok(ContainerNetwork::Named(network))
}

/// `gpus` and `gpu-ids`, which exclude each other.
pub(super) fn gpus(profile: ProfileHead<'_>, all: Option<bool>, ids: Option<Vec<GpuIdDocument>>) -> Result<GpuRequest, ProfileError> {
    let ids = ids.unwrap_or_default().into_iter().map(|id| match id {
        GpuIdDocument::Number(number) => number.to_string(),
        GpuIdDocument::Text(text) => text,
    });
    let ids: Vec<String> = ids.collect();
    let invalid = |found: &str, expected| profile.invalid("docker.gpu-ids", found.to_owned(), expected);
    let mut known = std::collections::BTreeSet::new();
    for id in &ids {
        let is_id = id.bytes().all(|byte| byte.is_ascii_digit()) || id.starts_with("GPU-");
        if id.is_empty() || !is_id || id.contains([',', ' ']) {
            return Err(invalid(id, "the index of a GPU, or its UUID as `nvidia-smi -L` shows it (GPU-...)"));
        }
        if !known.insert(id) {
            return Err(invalid(id, "each GPU once"));
        }
    }
    match (all.unwrap_or(false), ids.is_empty()) {
        (true, false) => Err(invalid(
            &ids.join(", "),
            "no ids if `gpus` is true, which requests all GPUs; set only one of both",
        )),
        (true, true) => Ok(GpuRequest::All),
        (false, false) => Ok(GpuRequest::Ids(ids)),
        (false, true) => Ok(GpuRequest::None),
    }
}

/// CPU numbers in the kernel's list format (<https://www.kernel.org/doc/html/latest/admin-guide/cputopology.html>).
pub(super) fn cpuset(profile: ProfileHead<'_>, list: Option<String>) -> Result<Option<String>, ProfileError> {
    let Some(list) = list else { return Ok(None) };
    if list.split(',').all(is_cpu_range) {
        return Ok(Some(list));
    }
    Err(profile.invalid("docker.cpuset", list, "CPU numbers and ranges, such as 0-15,32-47"))
}

fn is_cpu_range(part: &str) -> bool {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let numbers = first.parse::<u32>().ok().zip(last.parse::<u32>().ok());
    numbers.is_some_and(|(first, last)| first <= last)
}

/// `folder[:options]`, the syntax of `docker run --tmpfs`; the options by folder.
pub(super) fn tmpfs(profile: ProfileHead<'_>, list: Option<Vec<String>>) -> Result<BTreeMap<String, String>, ProfileError> {
    let mut folders = BTreeMap::new();
    for text in list.unwrap_or_default() {
        let (folder, options) = text.split_once(':').unwrap_or((&text, ""));
        let is_right = folder.starts_with('/') && !text.contains(char::is_whitespace);
        if !is_right || folders.insert(folder.to_owned(), options.to_owned()).is_some() {
            return Err(profile.invalid(
                "docker.tmpfs",
                text,
                "an absolute folder, optionally with options, and each folder once: /scratch or /scratch:size=64g",
            ));
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::GpuVendor;

    const PROFILE: ProfileHead<'static> = ProfileHead {
        name: "p",
        vendor: GpuVendor::Nvidia,
    };

    #[test]
    fn networks_exclude_each_other() {
        let of = |host, named: Option<&str>| network(PROFILE, host, named.map(str::to_owned));
        assert_eq!(of(None, None), Ok(ContainerNetwork::Host));
        assert_eq!(of(Some(false), None), Ok(ContainerNetwork::Default));
        for host in [None, Some(false)] {
            assert_eq!(of(host, Some("fleet_1")), Ok(ContainerNetwork::Named("fleet_1".to_owned())));
        }
        for (host, named) in [
            (Some(true), "fleet"),
            (None, "host"),
            (None, "none"),
            (None, "container:x"),
            (None, ""),
        ] {
            assert!(of(host, Some(named)).is_err(), "{named}");
        }
    }

    #[test]
    fn gpus_are_all_or_some() {
        let text = |id: &str| GpuIdDocument::Text(id.to_owned());
        let ids = vec![GpuIdDocument::Number(4), text("5"), text("GPU-6f")];
        let expected = GpuRequest::Ids(["4", "5", "GPU-6f"].map(str::to_owned).to_vec());
        assert_eq!(gpus(PROFILE, Some(false), Some(ids.clone())), Ok(expected));
        assert_eq!(gpus(PROFILE, Some(true), Some(Vec::new())), Ok(GpuRequest::All));
        assert_eq!(gpus(PROFILE, None, None), Ok(GpuRequest::None));
        assert!(gpus(PROFILE, Some(true), Some(ids)).is_err());
        for wrong in [
            vec![text("")],
            vec![text("all")],
            vec![text("0,1")],
            vec![text("0"), GpuIdDocument::Number(0)],
        ] {
            assert!(gpus(PROFILE, None, Some(wrong.clone())).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn cpusets_and_tmpfs_are_checked() {
        let of = |list: &str| cpuset(PROFILE, Some(list.to_owned()));
        assert_eq!(of("0-15,32"), Ok(Some("0-15,32".to_owned())));
        for wrong in ["", "15-0", "a", "0-", "0 1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let of = |list: &[&str]| tmpfs(PROFILE, Some(list.iter().map(|text| (*text).to_owned()).collect()));
        let folders = of(&["/scratch:size=64g,mode=1777", "/run"]).unwrap();
        assert_eq!((folders["/scratch"].as_str(), folders["/run"].as_str()), ("size=64g,mode=1777", ""));
        assert!(of(&["scratch"]).is_err() && of(&["/a b"]).is_err() && of(&["/a", "/a:size=1g"]).is_err());
    }
}
