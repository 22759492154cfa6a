//! The block `slurm` of a profile: what a job of Slurm needs.

use serde::{Deserialize, Serialize};

use super::mount::{Mount, mounts};
use super::{PhaseTime, ProfileError};

/// What a Slurm job needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SlurmSettings {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// `--exclusive`.
    pub exclusive: bool,
    /// `--time`.
    pub time_limit: PhaseTime,
    /// The longest time in the queue.
    pub queue_deadline: PhaseTime,
    /// `--exclude`: nodes not to use.
    pub exclude: Option<String>,
    /// How GPUs are asked for, with `{gpus}` for their number, such as `--gres=gpu:{gpus}`.
    pub gpus_option: Option<String>,
    /// Further options of sbatch.
    pub extra_options: Vec<String>,
    /// What runs the image on the nodes.
    pub container: SlurmContainer,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// Folder in which imported images are kept, shared by the nodes.
    pub image_cache: Option<String>,
    /// `--container-remap-root`.
    pub remap_root: bool,
}

/// What runs the image on the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlurmContainer {
    /// No container.
    None,
    /// Pyxis, a plugin of Slurm.
    Pyxis,
}

/// The block as its file has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct SlurmDocument {
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    pub exclusive: Option<bool>,
    pub time_limit: Option<PhaseTime>,
    pub queue_deadline: Option<PhaseTime>,
    pub exclude: Option<String>,
    pub gpus_option: Option<String>,
    pub extra_options: Option<Vec<String>>,
    pub container: Option<String>,
    pub mounts: Option<Vec<String>>,
    pub image_cache: Option<String>,
    pub remap_root: Option<bool>,
}

/// `child` over `base`, key by key.
pub(super) fn inherit_slurm(base: SlurmDocument, child: SlurmDocument) -> SlurmDocument {
    SlurmDocument {
        partition: child.partition.or(base.partition),
        account: child.account.or(base.account),
        qos: child.qos.or(base.qos),
        exclusive: child.exclusive.or(base.exclusive),
        time_limit: child.time_limit.or(base.time_limit),
        queue_deadline: child.queue_deadline.or(base.queue_deadline),
        exclude: child.exclude.or(base.exclude),
        gpus_option: child.gpus_option.or(base.gpus_option),
        extra_options: child.extra_options.or(base.extra_options),
        container: child.container.or(base.container),
        mounts: child.mounts.or(base.mounts),
        image_cache: child.image_cache.or(base.image_cache),
        remap_root: child.remap_root.or(base.remap_root),
    }
}

pub(super) fn slurm_settings(name: &str, document: SlurmDocument) -> Result<SlurmSettings, ProfileError> {
    let container = match document.container.as_deref() {
        None | Some("none") => SlurmContainer::None,
        Some("pyxis") => SlurmContainer::Pyxis,
        Some(other) => {
            return Err(ProfileError::Value {
                name: name.to_owned(),
                key: "slurm.container",
                found: other.to_owned(),
                expected: "none or pyxis",
            });
        }
    };
    Ok(SlurmSettings {
        partition: document.partition,
        account: document.account,
        qos: document.qos,
        exclusive: document.exclusive.unwrap_or(false),
        time_limit: document.time_limit.unwrap_or(PhaseTime::seconds(4 * 3600)),
        queue_deadline: document.queue_deadline.unwrap_or(PhaseTime::seconds(6 * 3600)),
        exclude: document.exclude,
        gpus_option: document.gpus_option,
        extra_options: document.extra_options.unwrap_or_default(),
        container,
        mounts: mounts(name, "slurm.mounts", document.mounts)?,
        image_cache: document.image_cache,
        remap_root: document.remap_root.unwrap_or(false),
    })
}
