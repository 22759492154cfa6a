//! Evaluations among artifacts: each folder with a `meta_env.json` is one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Unreadable, is_named};
use crate::result::{self, Dialect, EvalFile, EvalSet, Json, Object};
use crate::store::artifacts;

const META: &str = "meta_env.json";

/// The rows of each evaluation at any depth.
pub fn sets_below(files: &[PathBuf]) -> Vec<Result<Vec<Object>, Unreadable>> {
    rows_of(files, Dialect::Current, |_| true)
}

/// The rows of the evaluations that the original finds: in those directly below the folder, and today in itself too.
pub fn sets_of_artifacts(root: &Path, files: &[PathBuf], dialect: Dialect) -> Vec<Result<Vec<Object>, Unreadable>> {
    let itself = |folder: &Path| dialect == Dialect::Current && folder == root;
    rows_of(files, dialect, |folder| itself(folder) || folder.parent() == Some(root))
}

fn rows_of(files: &[PathBuf], dialect: Dialect, counts: impl Fn(&Path) -> bool) -> Vec<Result<Vec<Object>, Unreadable>> {
    let metas = files.iter().filter(|path| is_named(path, META)).filter_map(|path| path.parent());
    let mut folders: BTreeMap<&Path, Vec<&PathBuf>> = metas.filter(|folder| counts(folder)).map(|folder| (folder, Vec::new())).collect();
    if !folders.is_empty() {
        for path in files {
            if let Some(of_folder) = path.parent().and_then(|folder| folders.get_mut(folder)) {
                of_folder.push(path);
            }
        }
    }
    folders.iter().map(|(folder, files)| read_set(folder, files, dialect)).collect()
}

fn read_set(folder: &Path, files: &[&PathBuf], dialect: Dialect) -> Result<Vec<Object>, Unreadable> {
    let mut set = EvalSet {
        meta: Object::new(),
        files: Vec::new(),
    };
    for path in files {
        // A file that is no JSON is no result of an evaluation either.
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
        source_name: folder.join(META).display().to_string(),
        reason: error.to_string(),
    })
}
