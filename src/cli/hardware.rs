//! What is known of hardware: the repository's own `configs/hardware.yaml`, else the file that imax was built with.

use std::path::Path;

use anyhow::Context as _;

use super::{Exit, Failure, OrExit as _};
use crate::analysis::CostModel;
use crate::config::Catalog;
use crate::model::{Diagnostics, suggestion};
use crate::planning::{ConfigFiles, read_source};
use crate::system::files;

/// Where a repository has its hardware facts.
const FILE: &str = "configs/hardware.yaml";
/// Those of this program's own repository.
const BUILT_IN: &str = include_str!("../../configs/hardware.yaml");

/// The repository's own file, where there is one.
pub fn own_file() -> Option<&'static Path> {
    Some(Path::new(FILE)).filter(|path| path.is_file())
}

/// Prices, power and carbon of a file, else of the repository's own, else those that imax was built with.
///
/// # Errors
/// Invalid input for a file that is none, or a provider that has no price in it.
pub fn cost_model(file: Option<&Path>, provider: Option<&str>) -> Result<CostModel, Failure> {
    let own = own_file();
    let path = file.or(own);
    let text = match path {
        Some(path) => files::read_text(path).or_exit(Exit::InvalidInput)?,
        None => BUILT_IN.to_owned(),
    };
    let name = || path.map_or_else(|| FILE.to_owned(), |path| path.display().to_string());
    CostModel::parse(&text, provider).with_context(name).or_exit(Exit::InvalidInput)
}

/// Why nobody knows the hardware of a runner label: it is neither described in the hardware file nor a label of the runner file.
/// `None` where it is known.
///
/// # Errors
/// Invalid input for a file that is none.
pub fn why_unknown(label: &str, file: Option<&Path>, runner_file: Option<&Path>) -> Result<Option<String>, Failure> {
    let facts = cost_model(file, None)?;
    if facts.knows(label) {
        return Ok(None);
    }
    let runner_file = ConfigFiles {
        runner_file: runner_file.map(Path::to_owned),
        ..ConfigFiles::default()
    }
    .runner_file();
    let labels = labels_of(&runner_file)?;
    if labels.iter().any(|known| known == label) {
        return Ok(None);
    }
    let known: Vec<&str> = facts.names().chain(labels.iter().map(String::as_str)).collect();
    let own = own_file();
    let facts = file.or(own).unwrap_or(Path::new(FILE)).display();
    Ok(Some(format!(
        "hardware {label:?} is neither in {facts} nor a label of {}; {} Otherwise describe it in one of them",
        runner_file.display(),
        suggestion(label, &known)
    )))
}

/// The labels of a runner file; a repository without one has none.
fn labels_of(runner_file: &Path) -> Result<Vec<String>, Failure> {
    if !runner_file.is_file() {
        return Ok(Vec::new());
    }
    let mut found = Diagnostics::new();
    let source = read_source(runner_file, &mut found);
    let (source, _) = found.into_result(source).or_exit(Exit::InvalidInput)?;
    let (catalog, _) = Catalog::parse(&[], &source).or_exit(Exit::InvalidInput)?;
    Ok(catalog.runners.labels.keys().map(ToString::to_string).collect())
}
