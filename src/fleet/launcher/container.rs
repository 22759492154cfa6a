//! Mounts, variables and command of a job's container, common to all launchers: the repository, the recipes, the output folder and
//! the static `imax` binary are mounted, so that nothing has to be installed in the image.

use std::path::Path;

use super::mount::Mount;
use crate::job::{JobSpec, TORCH_PROFILER_FOLDERS, TRACE_FOLDER};
use crate::model::{Variable, VariableValue};

/// Path of the repository in a container, as in InferenceX's.
pub(super) const WORKSPACE: &str = "/workspace";
/// Path of the model hub's cache in a container, as in InferenceX's.
const HUB_CACHE: &str = "/mnt/hf_hub_cache";
const RECIPES: &str = "/imax/recipes";
const OUT: &str = "/imax/out";
const BINARY: &str = "/imax/bin/imax";
const SESSIONS: &str = "/imax/sessions";

/// Variables of the node that have no meaning, or another one, inside a container.
const NODE_VARIABLES: [&str; 13] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "HF_HOME",
    "HF_HUB_CACHE",
    "IMAX_BIN",
    "IMAX_OUT",
    "GITHUB_WORKSPACE",
    "TZ",
];

/// The folders of the node that are mounted in every container.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContainerFolders<'a> {
    pub repository: &'a Path,
    pub recipes: &'a Path,
    /// The output folder of the job.
    pub out: &'a Path,
    /// The `imax` binary.
    pub binary: &'a Path,
}

/// Contents of a container, whichever launcher starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContainerContents {
    /// Variables and their values, without secrets.
    pub plain: Vec<(String, String)>,
    /// Names of the secrets.
    pub secrets: Vec<String>,
    pub mounts: Vec<Mount>,
    pub command: Vec<String>,
}

/// Variables, mounts and command of a job's container; `own` are the profile's mounts.
pub(super) fn inside(spec: &JobSpec, environment: &[Variable], folders: ContainerFolders<'_>, own: &[Mount]) -> ContainerContents {
    let mut plain: Vec<(String, String)> = Vec::new();
    let mut secrets = Vec::new();
    let mut sessions = None;
    for Variable { name, value } in environment {
        match value {
            // Where recipes of recorded sessions write their results.
            VariableValue::Plain(_) if name == "RESULT_DIR" => plain.push((name.clone(), OUT.to_owned())),
            VariableValue::Plain(_) if TORCH_PROFILER_FOLDERS.contains(&name.as_str()) && spec.row.profile => {
                plain.push((name.clone(), format!("{OUT}/{TRACE_FOLDER}")));
            }
            // A relative path is below the repository, which is mounted.
            VariableValue::Plain(text) if name == "IMAX_SESSIONS" && Path::new(text).is_absolute() => {
                let file = Path::new(text).file_name().unwrap_or_default().to_string_lossy();
                let target = format!("{SESSIONS}/{file}");
                sessions = Some(mount(Path::new(text), &target, true));
                plain.push((name.clone(), target));
            }
            VariableValue::Plain(_) if NODE_VARIABLES.contains(&name.as_str()) => {}
            VariableValue::Plain(text) => plain.push((name.clone(), text.clone())),
            VariableValue::Secret(_) => secrets.push(name.clone()),
        }
    }
    for (name, value) in [("IMAX_BIN", BINARY), ("IMAX_OUT", OUT), ("GITHUB_WORKSPACE", WORKSPACE)] {
        plain.push((name.to_owned(), value.to_owned()));
    }
    let mut mounts = vec![
        mount(folders.repository, WORKSPACE, false),
        mount(folders.recipes, RECIPES, true),
        mount(folders.out, OUT, false),
        mount(folders.binary, BINARY, true),
    ];
    if let Some(cache) = &spec.profile.hf_cache {
        plain.push(("HF_HUB_CACHE".to_owned(), HUB_CACHE.to_owned()));
        mounts.push(mount(Path::new(cache), HUB_CACHE, false));
    }
    mounts.extend(sessions);
    mounts.extend(own.iter().cloned());
    ContainerContents {
        plain,
        secrets,
        mounts,
        command: spec.recipe_command(format!("{RECIPES}/{}", spec.recipe_path())),
    }
}

fn mount(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        source: source.display().to_string(),
        target: target.to_owned(),
        read_only,
    }
}
