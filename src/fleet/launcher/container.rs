//! What a container of a job gets of its node, whichever launcher starts it: the repository, the recipes, the output folder and
//! the static `imax` binary as mounts, so nothing is installed in it; variables; the command.

use std::path::Path;

use super::mount::Mount;
use crate::job::JobSpec;
use crate::model::{Variable, VariableValue};

/// Where the repository is in a container, as in InferenceX's.
pub(super) const WORKSPACE: &str = "/workspace";
/// Where the model hub's cache is in a container, as in InferenceX's.
const HUB_CACHE: &str = "/mnt/hf_hub_cache";
const RECIPES: &str = "/imax/recipes";
const OUT: &str = "/imax/out";
const BINARY: &str = "/imax/bin/imax";
const SESSIONS: &str = "/imax/sessions";

/// Variables of the node that mean nothing, or something else, inside a container.
const OF_THE_NODE: [&str; 13] = [
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

/// The folders of the node that a container gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContainerFolders<'a> {
    /// The repository.
    pub repository: &'a Path,
    /// The recipes.
    pub recipes: &'a Path,
    /// Where the job's files go.
    pub out: &'a Path,
    /// The `imax` binary.
    pub binary: &'a Path,
}

/// What a container gets of the node, whoever starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inside {
    /// Variables and their values, without secrets.
    pub plain: Vec<(String, String)>,
    /// Names of the secrets.
    pub secrets: Vec<String>,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// Variables, folders and the command inside a container of a job; `own` are the profile's folders.
pub(super) fn inside(spec: &JobSpec, environment: &[Variable], folders: ContainerFolders<'_>, own: &[Mount]) -> Inside {
    let mut plain: Vec<(String, String)> = Vec::new();
    let mut secrets = Vec::new();
    let mut sessions = None;
    for Variable { name, value } in environment {
        match value {
            // Where recipes of recorded sessions leave their results.
            VariableValue::Plain(_) if name == "RESULT_DIR" => plain.push((name.clone(), OUT.to_owned())),
            // A relative path is below the repository, which is there.
            VariableValue::Plain(text) if name == "IMAX_SESSIONS" && Path::new(text).is_absolute() => {
                let file = Path::new(text).file_name().unwrap_or_default().to_string_lossy();
                let target = format!("{SESSIONS}/{file}");
                sessions = Some(mount(Path::new(text), &target, true));
                plain.push((name.clone(), target));
            }
            VariableValue::Plain(_) if OF_THE_NODE.contains(&name.as_str()) => {}
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
    Inside {
        plain,
        secrets,
        mounts,
        command: vec!["bash".to_owned(), format!("{RECIPES}/{}", spec.recipe.path)],
    }
}

fn mount(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        source: source.display().to_string(),
        target: target.to_owned(),
        read_only,
    }
}
