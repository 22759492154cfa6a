//! Finds evaluations among artifacts: folders with a `meta_env.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Unreadable, is_named};
use crate::result::{self, Dialect, EvalFile, EvalSet, Json, Object};
use crate::store::artifacts;

const META: &str = "meta_env.json";

/// The rows of each evaluation, at any depth.
pub(super) fn eval_sets(files: &[PathBuf]) -> Vec<Result<Vec<Object>, Unreadable>> {
    read_sets(files, Dialect::Current, |_| true)
}

/// The rows of the evaluations that collect_eval_results.py finds: in the folders directly below the root and, in the current
/// version, in the root itself.
pub(in crate::store) fn compat_eval_sets(root: &Path, files: &[PathBuf], dialect: Dialect) -> Vec<Result<Vec<Object>, Unreadable>> {
    read_sets(files, dialect, |folder| {
        folder.parent() == Some(root) || (dialect == Dialect::Current && folder == root)
    })
}

fn read_sets(files: &[PathBuf], dialect: Dialect, is_included: impl Fn(&Path) -> bool) -> Vec<Result<Vec<Object>, Unreadable>> {
    let metas = files.iter().filter(|path| is_named(path, META)).filter_map(|path| path.parent());
    let mut sets: BTreeMap<&Path, Vec<&PathBuf>> = metas
        .filter(|folder| is_included(folder))
        .map(|folder| (folder, Vec::new()))
        .collect();
    if sets.is_empty() {
        return Vec::new();
    }
    for path in files {
        if let Some(set) = path.parent().and_then(|folder| sets.get_mut(folder)) {
            set.push(path);
        }
    }
    sets.iter().map(|(folder, files)| read_set(folder, files, dialect)).collect()
}

fn read_set(folder: &Path, files: &[&PathBuf], dialect: Dialect) -> Result<Vec<Object>, Unreadable> {
    let mut set = EvalSet {
        meta: Object::new(),
        files: Vec::new(),
    };
    for path in files {
        // lm-eval writes logs and HTML next to its results; a file that is not JSON is not a result.
        let Some(content) = artifacts::read_text(path).ok().and_then(|text| Json::parse(&text).ok()) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == META {
            set.meta = content.as_object().cloned().unwrap_or_default();
        } else {
            set.files.push(EvalFile {
                name,
                source: path.display().to_string(),
                modified_ns: artifacts::modified_ns(path).unwrap_or(0),
                content,
            });
        }
    }
    result::eval_rows(&set, dialect).map_err(|error| Unreadable {
        file: folder.join(META).display().to_string(),
        reason: error.to_string(),
    })
}
