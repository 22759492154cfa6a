//! The files of a folder by their digests, so that the content behind a number can be had where the history is a folder.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::model::Digest;
use crate::store::artifacts::{self, ArtifactError};
use crate::store::database::Source;

/// What results are in. Logs are left out: they may say more than results do.
const EXTENSIONS: [&str; 3] = ["json", "jsonl", "csv"];
/// More files than this have no index.
const MOST_FILES: usize = 20_000;
/// The name of the list of all files.
const MANIFEST: &str = "SHA256SUMS";

/// A file, as it was when the folder was read.
#[derive(Debug, Clone)]
pub(crate) struct FolderFile {
    path: PathBuf,
    /// Its path in the folder.
    pub name: String,
    pub bytes: u64,
    pub digest: Digest,
    modified_ns: u128,
}

/// The files of a folder.
#[derive(Debug, Default)]
pub(crate) struct FolderFiles {
    files: Vec<FolderFile>,
    manifest: String,
}

impl FolderFiles {
    /// Reads a folder. Files that are unchanged since `before` are not read again.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub(crate) fn read(folder: &Path, before: Option<&Self>) -> Result<Self, ArtifactError> {
        let paths = artifacts::files_with(folder, &EXTENSIONS)?;
        if paths.len() > MOST_FILES {
            tracing::warn!(folder = %folder.display(), files = paths.len(), "too many files for their contents to be served");
            return Ok(Self::default());
        }
        let known: HashMap<&Path, &FolderFile> = before
            .iter()
            .flat_map(|before| &before.files)
            .map(|file| (file.path.as_path(), file))
            .collect();
        let read = |path: PathBuf| match known.get(path.as_path()) {
            Some(file) if is_same(file) => Ok(FolderFile::clone(file)),
            Some(_) | None => read_file(folder, path),
        };
        let files: Vec<FolderFile> = paths.into_par_iter().map(read).collect::<Result<_, _>>()?;
        // The form of sha256sum.
        let manifest = files.iter().map(|file| format!("{}  {}\n", file.digest, file.name)).collect();
        Ok(Self { files, manifest })
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<&FolderFile> {
        self.files.iter().find(|file| file.digest == *digest)
    }

    /// The files, by their paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &FolderFile> {
        self.files.iter()
    }

    /// Whether the content of a file, or of the list of all files, is there.
    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.get(digest).is_some() || self.is_manifest(digest)
    }

    fn is_manifest(&self, digest: &Digest) -> bool {
        !self.files.is_empty() && self.manifest().digest == *digest
    }

    /// The list of all files, as the source of what was read from several of them.
    pub(crate) fn manifest(&self) -> Source {
        Source {
            name: MANIFEST.to_owned(),
            bytes: self.manifest.len() as u64,
            digest: Digest::of(self.manifest.as_bytes()),
        }
    }

    /// The content of a file, or of the list of all files; `None` for one that is not there, or has changed since the folder was read.
    ///
    /// # Errors
    /// [`ArtifactError`].
    pub(crate) fn content(&self, digest: &Digest) -> Result<Option<(String, Vec<u8>)>, ArtifactError> {
        if self.is_manifest(digest) {
            return Ok(Some((MANIFEST.to_owned(), self.manifest.clone().into_bytes())));
        }
        let Some(file) = self.get(digest) else { return Ok(None) };
        let bytes = artifacts::read_bytes(&file.path)?;
        let is_whole = Digest::of(&bytes) == *digest;
        Ok(is_whole.then(|| (file.name.clone(), bytes)))
    }
}

fn is_same(file: &FolderFile) -> bool {
    let bytes = fs::symlink_metadata(&file.path).map(|metadata| metadata.len());
    bytes.is_ok_and(|bytes| bytes == file.bytes) && artifacts::modified_ns(&file.path).is_ok_and(|modified| modified == file.modified_ns)
}

fn read_file(folder: &Path, path: PathBuf) -> Result<FolderFile, ArtifactError> {
    let modified_ns = artifacts::modified_ns(&path)?;
    let content = artifacts::read_bytes(&path)?;
    let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
    Ok(FolderFile {
        // A line break would be two lines of the list.
        name: name.replace(char::is_control, "\u{fffd}"),
        bytes: content.len() as u64,
        digest: Digest::of(&content),
        modified_ns,
        path,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    #[test]
    fn content_is_that_of_the_digest_or_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/x.json"), "{}").unwrap();
        fs::write(folder.path().join("server.log"), "secret").unwrap();
        let files = FolderFiles::read(folder.path(), None).unwrap();
        let digest = Digest::of(b"{}");
        assert_eq!(files.content(&digest).unwrap(), Some(("a/x.json".to_owned(), b"{}".to_vec())));
        let (_, manifest) = files.content(&files.manifest().digest).unwrap().unwrap();
        assert_eq!(String::from_utf8(manifest).unwrap(), format!("{digest}  a/x.json\n"));
        assert!(files.get(&Digest::of(b"secret")).is_none());
        fs::write(folder.path().join("a/x.json"), "[]").unwrap();
        assert_eq!(files.content(&digest).unwrap(), None, "another content now");
    }
}
