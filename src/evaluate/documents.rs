//! Loads the documents of a split from local files or from a data set on the Hugging Face hub.

use serde_json::{Value, json};

use super::task_file::TaskFile;
use crate::eval::dataset::{Document, Format, read};
use crate::eval::task::DataSource;
use crate::measure::hub::{Hub, HubKind, HubRepository, HubSettings, ReadDocumentsError};

/// Documents and their origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Documents {
    /// The documents.
    pub documents: Vec<Document>,
    /// Files, repository and commit, for the result file.
    pub origin: Value,
}

/// Why documents cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    /// The hub or a file cannot be read, or its content is invalid.
    #[error(transparent)]
    Read(#[from] ReadDocumentsError),
    /// The task names no files for the split.
    #[error("`data_files` has no split `{wanted}`; expected one of: {available}")]
    NoSplit {
        /// The split.
        wanted: String,
        /// The splits of the task.
        available: String,
    },
    /// The file name has no known extension.
    #[error("{0}: unknown file type; expected .json, .jsonl, .csv or .parquet")]
    UnknownFormat(String),
}

/// Loads the documents of a split. Relative file names are resolved in the working folder, then in the folder of the task file; the
/// files of a shipped task are part of the program.
///
/// # Errors
/// See [`DocumentsError`].
pub(super) fn load(
    source: &DataSource,
    split: &str,
    task_file: &TaskFile,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Documents, DocumentsError> {
    match source {
        DataSource::Files(splits) => local(splits, split, task_file),
        DataSource::Hub { id, config, revision } => {
            let settings = HubSettings::from_environment(|name| std::env::var(name).ok()).map_err(ReadDocumentsError::from)?;
            let hub = Hub::new(settings);
            let repository = HubRepository::new(HubKind::Dataset, id, revision.as_deref()).map_err(ReadDocumentsError::from)?;
            from_hub(&hub, &repository, config.as_deref(), split, go_on)
        }
    }
}

fn local(splits: &[(String, Vec<String>)], split: &str, task_file: &TaskFile) -> Result<Documents, DocumentsError> {
    let Some((_, names)) = splits.iter().find(|(name, _)| name == split) else {
        let available: Vec<&str> = splits.iter().map(|(name, _)| name.as_str()).collect();
        return Err(DocumentsError::NoSplit {
            wanted: split.to_owned(),
            available: available.join(", "),
        });
    };
    let mut documents = Vec::new();
    for name in names {
        let bytes = task_file.data(name).map_err(ReadDocumentsError::from)?;
        documents.extend(read_documents(name, &bytes)?);
    }
    let origin = json!({ "split": split, "files": names });
    Ok(Documents { documents, origin })
}

fn read_documents(name: &str, bytes: &[u8]) -> Result<Vec<Document>, DocumentsError> {
    let format = Format::of_name(name).ok_or_else(|| DocumentsError::UnknownFormat(name.to_owned()))?;
    Ok(read(name, format, bytes).map_err(ReadDocumentsError::from)?)
}

/// The documents of a configuration and split.
fn from_hub(
    hub: &Hub,
    repository: &HubRepository,
    config: Option<&str>,
    split: &str,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Documents, DocumentsError> {
    let found = hub.documents(repository, config, &[split], go_on)?;
    let origin = json!({
        "split": split, "repository": repository.id(), "config": config, "revision": repository.revision(),
        "commit": found.commit, "files": found.files,
    });
    Ok(Documents {
        documents: found.documents,
        origin,
    })
}
