//! The section `slurm` of a profile, as its YAML has it and checked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet::launcher::mount::{Mount, mounts};
use crate::job::{GpuVendor, PhaseTime, ProfileError, ProfileHead};

/// Settings of a Slurm job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SlurmSettings {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// `--reservation`.
    pub reservation: Option<String>,
    /// `--exclusive`.
    pub exclusive: bool,
    /// `--time`; rounded up, because Slurm counts whole minutes.
    pub time_limit: PhaseTime,
    /// `--exclude`: nodes not to use.
    pub exclude: Option<String>,
    /// `--nodelist`: nodes to use.
    pub nodelist: Option<String>,
    /// `--constraint`: features that nodes must have.
    pub constraint: Option<String>,
    /// The option that requests GPUs on each node, with `{gpus}` for their number; empty if GPUs are not requested.
    pub gpus_option: String,
    /// GPUs of a node. Required for rows over several nodes.
    pub gpus_per_node: Option<u32>,
    /// Further options of sbatch.
    pub extra_options: Vec<String>,
    /// Further options of the srun that starts the container.
    pub step_options: Vec<String>,
    pub container: SlurmContainer,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// Folder for imported images, shared by the nodes.
    pub image_cache: Option<String>,
    /// Whether the user is root inside the container.
    pub remap_root: bool,
    /// Folder that this machine and the nodes share, for the secrets of a job in the queue.
    pub secrets_folder: Option<String>,
}

/// Container runtime on the nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SlurmContainer {
    /// No container.
    #[default]
    None,
    /// Pyxis, a plugin of Slurm.
    Pyxis,
    /// Enroot without Pyxis.
    Enroot,
}

/// A job of Slurm.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct SlurmDocument {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--account`.
    pub account: Option<String>,
    /// `--qos`.
    pub qos: Option<String>,
    /// `--reservation`.
    pub reservation: Option<String>,
    /// `--exclusive`.
    pub exclusive: Option<bool>,
    /// `--time`; 4h where absent.
    pub time_limit: Option<PhaseTime>,
    /// `--exclude`: nodes not to use.
    pub exclude: Option<String>,
    /// `--nodelist`: nodes to use.
    pub nodelist: Option<String>,
    /// `--constraint`: features that nodes must have.
    pub constraint: Option<String>,
    /// How GPUs are requested on each node, with `{gpus}` for their number; empty for clusters without GPU resources.
    pub gpus_option: Option<String>,
    /// GPUs of a node; required for rows over several nodes.
    pub gpus_per_node: Option<u32>,
    /// Further options of sbatch.
    pub extra_options: Option<Vec<String>>,
    /// Further options of the srun that starts the container.
    pub step_options: Option<Vec<String>>,
    /// What runs the image on the nodes.
    pub container: Option<SlurmContainer>,
    /// Folders: `source:target` or `source:target:ro`.
    pub mounts: Option<Vec<String>>,
    /// Folder of imported images, shared by the nodes.
    pub image_cache: Option<String>,
    /// Whether the user is root inside the container.
    pub remap_root: Option<bool>,
    /// Folder that this machine and the nodes share, for the secrets of a job that waits in the queue.
    pub secrets_folder: Option<String>,
}

/// Options that imax sets itself, or that would detach the job from it.
const RESERVED_OPTIONS: [&str; 19] = [
    "--job-name",
    "-J",
    "--comment",
    "--output",
    "-o",
    "--error",
    "-e",
    "--export",
    "--export-file",
    "--wrap",
    "--array",
    "-a",
    "--requeue",
    "--nodes",
    "-N",
    "--chdir",
    "-D",
    "--clusters",
    "-M",
];

/// Checks the section.
pub(super) fn slurm_settings(profile: ProfileHead<'_>, document: SlurmDocument) -> Result<SlurmSettings, ProfileError> {
    let check = Check { profile };
    let settings = SlurmSettings {
        partition: check.word("slurm.partition", document.partition)?,
        account: check.word("slurm.account", document.account)?,
        qos: check.word("slurm.qos", document.qos)?,
        reservation: check.word("slurm.reservation", document.reservation)?,
        exclusive: document.exclusive.unwrap_or(false),
        time_limit: document.time_limit.unwrap_or(PhaseTime::seconds(4 * 3600)),
        exclude: check.word("slurm.exclude", document.exclude)?,
        nodelist: check.word("slurm.nodelist", document.nodelist)?,
        constraint: check.word("slurm.constraint", document.constraint)?,
        gpus_option: check.gpus_option(profile.vendor, document.gpus_option)?,
        gpus_per_node: document.gpus_per_node,
        extra_options: check.options("slurm.extra-options", document.extra_options)?,
        step_options: check.options("slurm.step-options", document.step_options)?,
        container: document.container.unwrap_or_default(),
        mounts: mounts(profile, "slurm.mounts", document.mounts)?,
        image_cache: check.folder("slurm.image-cache", document.image_cache)?,
        remap_root: document.remap_root.unwrap_or(false),
        secrets_folder: check.folder("slurm.secrets-folder", document.secrets_folder)?,
    };
    if settings.gpus_per_node == Some(0) {
        return Err(check.invalid("slurm.gpus-per-node", "0", "a whole number from 1"));
    }
    if settings.time_limit.duration().is_zero() {
        return Err(check.invalid("slurm.time-limit", "0s", "a time over 0, such as 4h"));
    }
    if settings.container == SlurmContainer::Enroot && settings.image_cache.is_none() {
        return Err(check.invalid(
            "slurm.image-cache",
            "",
            "a folder that the nodes share; `container: enroot` needs it",
        ));
    }
    Ok(settings)
}

struct Check<'a> {
    profile: ProfileHead<'a>,
}

impl Check<'_> {
    fn invalid(&self, key: &'static str, found: &str, expected: &'static str) -> ProfileError {
        self.profile.invalid(key, found, expected)
    }

    fn word(&self, key: &'static str, found: Option<String>) -> Result<Option<String>, ProfileError> {
        match found {
            Some(text) if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                Err(self.invalid(key, &text, "one word, without blanks"))
            }
            found => Ok(found),
        }
    }

    fn folder(&self, key: &'static str, found: Option<String>) -> Result<Option<String>, ProfileError> {
        match self.word(key, found)? {
            Some(text) if !text.starts_with('/') => Err(self.invalid(key, &text, "an absolute path")),
            found => Ok(found),
        }
    }

    fn gpus_option(&self, vendor: GpuVendor, found: Option<String>) -> Result<String, ProfileError> {
        let key = "slurm.gpus-option";
        let text = match found {
            // Explicitly empty: a site without GPU resources, which only allocates whole nodes.
            Some(text) if text.is_empty() => return Ok(text),
            found => self.word(key, found.or_else(|| default_gpus_option(vendor)))?,
        };
        match text {
            None => Ok(String::new()),
            Some(text) if text.starts_with('-') && text.contains("{gpus}") => Ok(text),
            Some(text) => Err(self.invalid(key, &text, "an option of sbatch with {gpus} in it, such as --gres=gpu:{gpus}")),
        }
    }

    fn options(&self, key: &'static str, list: Option<Vec<String>>) -> Result<Vec<String>, ProfileError> {
        let list = list.unwrap_or_default();
        for option in &list {
            if !option.starts_with('-') || option.chars().any(char::is_control) {
                return Err(self.invalid(key, option, "options with their value in one text, such as --mem=0"));
            }
            let short = option.get(..2).unwrap_or(option);
            let long = option.split('=').next().unwrap_or(option);
            let is_long = option.starts_with("--");
            let is_own = |own: &str| if is_long { long == own } else { short == own };
            if RESERVED_OPTIONS.iter().any(|own| is_own(own)) {
                return Err(self.invalid(key, option, "an option that imax does not set itself"));
            }
        }
        Ok(list)
    }
}

fn default_gpus_option(vendor: GpuVendor) -> Option<String> {
    match vendor {
        GpuVendor::Nvidia | GpuVendor::Amd => Some("--gres=gpu:{gpus}".to_owned()),
        GpuVendor::None => None,
    }
}
