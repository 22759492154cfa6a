//! Reads the questions of a data set of the Hugging Face hub, or of a folder or file with its data.

use std::path::Path;

use super::hub::{Hub, HubError, HubKind, HubRepository, HubSettings, ReadDocumentsError, first_split};
use crate::eval::dataset::{DataError, Document, Format, read as read_documents};
use crate::load::dataset::questions::{Question, of_row};
use crate::load::settings::HubDataset;
use crate::system::files::{self, FileError};

/// Splits that are tried, in this order, if none is requested.
const USUAL_SPLITS: [&str; 3] = ["train", "test", "validation"];
/// Extensions of files with data.
const EXTENSIONS: [&str; 5] = ["parquet", "jsonl", "ndjson", "json", "csv"];

/// Why the questions cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HubQuestionsError {
    /// The hub cannot be read.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content of a file is invalid, or no file belongs to the split.
    #[error("data set {id}: {source}")]
    Data {
        /// The data set.
        id: String,
        /// What is wrong.
        source: DataError,
    },
    /// A row has no question.
    #[error("data set {id}, row {row}: {problem}")]
    Row {
        /// The data set.
        id: String,
        /// Number of the row, from 1.
        row: usize,
        /// What is wrong.
        problem: String,
    },
    /// The data set has no rows.
    #[error("data set {0} has no row")]
    Empty(String),
}

/// The questions in the order of the data set.
pub fn read(dataset: &HubDataset, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<Question>, HubQuestionsError> {
    let path = Path::new(&dataset.id);
    let documents = if path.exists() {
        local_documents(dataset, path)?
    } else {
        hub_documents(dataset, go_on)?
    };
    let questions = documents.iter().zip(1_usize..).map(|(document, row)| {
        of_row(document).map_err(|problem| HubQuestionsError::Row {
            id: dataset.id.clone(),
            row,
            problem,
        })
    });
    let questions: Vec<Question> = questions.collect::<Result<_, _>>()?;
    if questions.is_empty() {
        return Err(HubQuestionsError::Empty(dataset.id.clone()));
    }
    Ok(questions)
}

fn data_error(dataset: &HubDataset) -> impl Fn(DataError) -> HubQuestionsError {
    let id = dataset.id.clone();
    move |source| HubQuestionsError::Data { id: id.clone(), source }
}

/// Documents of a local file, or of a local copy of a hub repository: data files at its top level and in `data/`.
fn local_documents(dataset: &HubDataset, path: &Path) -> Result<Vec<Document>, HubQuestionsError> {
    if path.is_file() {
        return documents_of(dataset, &path.display().to_string(), path);
    }
    let mut names = Vec::new();
    for folder in ["", "data"] {
        let inner = path.join(folder);
        if inner.is_dir() {
            let found = files::named(&inner, &EXTENSIONS)?;
            names.extend(
                found
                    .iter()
                    .filter_map(|file| Some(file.strip_prefix(path).ok()?.display().to_string())),
            );
        }
    }
    let readme = files::read_text(&path.join("README.md")).ok();
    let chosen = first_split(&names, readme.as_deref(), dataset.config.as_deref(), &splits(dataset)).map_err(data_error(dataset))?;
    let mut documents = Vec::new();
    for name in chosen {
        documents.extend(documents_of(dataset, &name, &path.join(&name))?);
    }
    Ok(documents)
}

fn hub_documents(dataset: &HubDataset, go_on: &mut dyn FnMut() -> bool) -> Result<Vec<Document>, HubQuestionsError> {
    let hub = Hub::new(HubSettings::from_environment(|name| std::env::var(name).ok())?);
    let repository = HubRepository::new(HubKind::Dataset, &dataset.id, None)?;
    let found = hub.documents(&repository, dataset.config.as_deref(), &splits(dataset), go_on);
    let found = found.map_err(|error| match error {
        ReadDocumentsError::Hub(error) => error.into(),
        ReadDocumentsError::File(error) => error.into(),
        ReadDocumentsError::Data(error) => data_error(dataset)(error),
    })?;
    Ok(found.documents)
}

fn splits(dataset: &HubDataset) -> Vec<&str> {
    dataset.split.as_deref().map_or_else(|| USUAL_SPLITS.to_vec(), |split| vec![split])
}

fn documents_of(dataset: &HubDataset, name: &str, path: &Path) -> Result<Vec<Document>, HubQuestionsError> {
    let format = Format::of_name(name).unwrap_or(Format::Json);
    read_documents(name, format, &files::read(path)?).map_err(data_error(dataset))
}
