//! Downloads and reads the documents of a data set on the hub, by configuration and split.

use super::{Hub, HubError, HubKind, HubRepository};
use crate::eval::dataset::{DataError, Document, Format, choose, read};
use crate::system::files::{self, FileError};

/// Documents and their origin.
#[derive(Debug, Clone, PartialEq)]
pub struct HubDocuments {
    /// The documents, in the order of the files.
    pub documents: Vec<Document>,
    /// The commit of all files.
    pub commit: String,
    /// The names of the files.
    pub files: Vec<String>,
}

/// Why documents cannot be read, from the hub or from local files.
#[derive(Debug, thiserror::Error)]
pub enum ReadDocumentsError {
    /// The hub cannot be read.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content of a file is invalid, or no file belongs to the split.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Hub {
    /// The documents of a configuration and the first of the splits that the data set has.
    ///
    /// # Errors
    /// [`ReadDocumentsError`]; if none of the splits exists, the error of the first.
    pub fn documents(
        &self,
        repository: &HubRepository,
        config: Option<&str>,
        splits: &[&str],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<HubDocuments, ReadDocumentsError> {
        let listing = self.files(repository, go_on)?;
        // All files come from one commit, even if the branch moves during the download.
        let pinned = HubRepository::new(HubKind::Dataset, repository.id(), Some(&listing.commit))?;
        let readme = match listing.files.iter().any(|name| name == "README.md") {
            true => Some(files::read_text(&self.file(&pinned, "README.md", go_on)?.path)?),
            false => None,
        };
        let files = first_split(&listing.files, readme.as_deref(), config, splits)?;
        let mut documents = Vec::new();
        for name in &files {
            // `choose` selects only files of a known format.
            let format = Format::of_name(name).unwrap_or(Format::Json);
            documents.extend(read(name, format, &files::read(&self.file(&pinned, name, go_on)?.path)?)?);
        }
        Ok(HubDocuments {
            documents,
            commit: listing.commit,
            files,
        })
    }
}

/// The files of the first split that exists.
///
/// # Errors
/// [`DataError::NoFile`] of the first split if there is none of them.
pub fn first_split(names: &[String], readme: Option<&str>, config: Option<&str>, splits: &[&str]) -> Result<Vec<String>, DataError> {
    let mut tried = splits.iter().map(|split| choose(names, readme, config, split));
    let first = tried.next().unwrap_or_else(|| choose(names, readme, config, "train"));
    first.or_else(|error| tried.find_map(Result::ok).ok_or(error))
}
