//! The artifacts of a workflow run, on disk as `actions/download-artifact` lays them out: a folder each. An artifact that was
//! unpacked whole is kept, so a download that was cut off goes on where it ended; lists are asked for only where they changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::task;

use super::blob;
use super::client::{Client, Fresh, Repository, Request, words};
use super::error::GithubError;
use super::run::PERMISSION;
use crate::system::archive::{self, ArchiveError, ArchiveLimits};
use crate::system::files::{self, FileError};
use crate::system::http_client::http_client;

/// The most that GitHub gives on a page.
const PAGE: usize = 100;
/// A job makes at most 500 artifacts, and a run has at most some hundred jobs that make several.
const MAX_PAGES: usize = 100;
/// Downloads under way at once: enough to hide the latency, far from GitHub's limit of 100.
const AT_ONCE: usize = 8;
/// An archive as it is sent.
const MAX_ARCHIVE_BYTES: u64 = 1 << 30;
/// What is known of a folder of downloads, in it.
const STATE_FILE: &str = ".imax-download.json";

/// An artifact, as much of it as is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its number.
    pub id: u64,
    /// Its name, which becomes that of its folder.
    pub name: String,
    /// Its size as it is sent.
    #[serde(default)]
    pub size_in_bytes: u64,
    /// Whether its days are over and its bytes gone.
    #[serde(default)]
    pub expired: bool,
    /// `sha256:<hex>` of the archive, where GitHub says it.
    #[serde(default)]
    pub digest: Option<String>,
}

/// What a download did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Downloaded {
    /// Artifacts that came now.
    pub fetched: usize,
    /// Artifacts that were there already.
    pub kept: usize,
    /// Artifacts whose days are over, by name.
    pub expired: Vec<String>,
}

/// Why artifacts are not there.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// GitHub or the way to it.
    #[error("{0}")]
    Github(#[from] GithubError),
    /// TLS cannot be set up.
    #[error("cannot download artifacts: {0}")]
    Setup(String),
    /// An artifact's name is no name of a folder.
    #[error("the artifact {0:?} has a name that is no name of a folder; rename it, or choose others with --artifact")]
    Name(String),
    /// An archive is larger than is taken.
    #[error("the archive has more than {limit} bytes, which no results have")]
    TooLarge {
        /// The most.
        limit: u64,
    },
    /// The bytes are not those that GitHub has.
    #[error("the archive has the digest {found}, expected {expected} as GitHub says; download again")]
    Digest {
        /// Of what came.
        found: String,
        /// Of what was uploaded.
        expected: String,
    },
    /// An archive is not one that is unpacked.
    #[error("the archive is refused: {0}")]
    Archive(#[from] ArchiveError),
    /// With the artifact that it is about.
    #[error("artifact {artifact}: {source}")]
    Of {
        /// Its name.
        artifact: String,
        /// What is wrong.
        source: Box<DownloadError>,
    },
    /// The state of the folder cannot be read or written.
    #[error("{0}")]
    State(#[from] FileError),
    /// The folder holds another run.
    #[error("{} holds the artifacts of run {found}, expected {expected}; give another folder", path.display())]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// The run that it holds.
        found: u64,
        /// The run that is wanted.
        expected: u64,
    },
    /// The system refuses.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is known of a folder of downloads.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    run: u64,
    /// The list, a page each, with the tag by which it is asked for again.
    #[serde(default)]
    pages: Vec<Page>,
    /// Whole artifacts: name of the folder, and the number of what is in it.
    #[serde(default)]
    whole: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Page {
    etag: Option<String>,
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Listed {
    artifacts: Vec<Artifact>,
}

/// Downloads the artifacts of a run whose names are `wanted` into `folder`, each into a folder of its name. Of equal names the
/// newest counts: a job that ran again uploads again.
///
/// # Errors
/// [`DownloadError`]; what was whole by then stays, and is not downloaded again.
pub async fn download_run(
    client: &Client,
    repository: &Repository,
    run: u64,
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Downloaded, DownloadError> {
    let mut state = read_state(folder, run)?;
    state.pages = list(client, repository, run, &state.pages).await?;
    write_state(folder, &state)?;
    let mut newest: BTreeMap<&str, &Artifact> = BTreeMap::new();
    for artifact in state
        .pages
        .iter()
        .flat_map(|page| &page.artifacts)
        .filter(|artifact| wanted(&artifact.name))
    {
        let known = newest.entry(&artifact.name).or_insert(artifact);
        if artifact.id > known.id {
            *known = artifact;
        }
    }
    let mut report = Downloaded::default();
    let mut missing = Vec::new();
    for artifact in newest.into_values() {
        if state.whole.get(&artifact.name) == Some(&artifact.id) && folder.join(&artifact.name).is_dir() {
            report.kept += 1;
        } else if artifact.expired {
            report.expired.push(artifact.name.clone());
        } else {
            missing.push(artifact.clone());
        }
    }
    let http = http_client().map_err(|error| DownloadError::Setup(words(&error)))?;
    let fetches = missing.iter().map(|artifact| fetch(client, &http, repository, artifact, folder));
    let mut fetches = stream::iter(fetches).buffer_unordered(AT_ONCE);
    while let Some(fetched) = fetches.next().await {
        let artifact = fetched?;
        state.whole.insert(artifact.name.clone(), artifact.id);
        write_state(folder, &state)?;
        report.fetched += 1;
    }
    Ok(report)
}

async fn list(client: &Client, repository: &Repository, run: u64, known: &[Page]) -> Result<Vec<Page>, GithubError> {
    let mut pages: Vec<Page> = Vec::new();
    for number in 1..=MAX_PAGES {
        let known = known.get(number - 1);
        let path = format!("/repos/{repository}/actions/runs/{run}/artifacts?per_page={PAGE}&page={number}");
        let request = Request::get(&path, PERMISSION).unless(known.and_then(|page| page.etag.as_deref()));
        let page = match (client.read_changed::<Listed>(request).await?, known) {
            (Fresh::Changed { value, etag }, _) => Page {
                etag,
                artifacts: value.artifacts,
            },
            (Fresh::Unchanged, Some(known)) => known.clone(),
            (Fresh::Unchanged, None) => {
                return Err(GithubError::Answer {
                    request: format!("GET {path}"),
                    reason: "not modified, though nothing was known".to_owned(),
                });
            }
        };
        let last = page.artifacts.len() < PAGE;
        pages.push(page);
        if last {
            break;
        }
    }
    Ok(pages)
}

async fn fetch<'a>(
    client: &Client,
    http: &reqwest::Client,
    repository: &Repository,
    artifact: &'a Artifact,
    folder: &Path,
) -> Result<&'a Artifact, DownloadError> {
    let of = |source: DownloadError| DownloadError::Of {
        artifact: artifact.name.clone(),
        source: Box::new(source),
    };
    if !is_folder_name(&artifact.name) {
        return Err(DownloadError::Name(artifact.name.clone()));
    }
    let path = format!("/repos/{repository}/actions/artifacts/{}/zip", artifact.id);
    let blob = blob::fetch(http, client.settings(), &path, folder, MAX_ARCHIVE_BYTES)
        .await
        .map_err(of)?;
    if let Some(expected) = artifact
        .digest
        .as_ref()
        .filter(|digest| digest.starts_with("sha256:") && **digest != blob.digest)
    {
        let (found, expected) = (blob.digest.clone(), expected.clone());
        return Err(of(DownloadError::Digest { found, expected }));
    }
    let target = folder.join(&artifact.name);
    let parent = folder.to_owned();
    let unpacked = task::spawn_blocking(move || unpack(blob.file.path(), &parent, &target)).await;
    match unpacked {
        Ok(unpacked) => unpacked.map_err(of).map(|()| artifact),
        Err(panicked) => Err(of(DownloadError::Write {
            path: folder.to_owned(),
            source: io::Error::other(panicked),
        })),
    }
}

/// Unpacks beside the target and renames: a folder that is there is whole.
fn unpack(archive: &Path, parent: &Path, target: &Path) -> Result<(), DownloadError> {
    let failed = |source| DownloadError::Write {
        path: target.to_owned(),
        source,
    };
    let beside = tempfile::Builder::new().prefix(".imax-").tempdir_in(parent).map_err(failed)?;
    let contents = beside.path().join("contents");
    archive::unpack(archive, &contents, &ArchiveLimits::default())?;
    if target.exists() {
        fs::remove_dir_all(target).map_err(failed)?;
    }
    fs::rename(&contents, target).map_err(failed)
}

/// GitHub allows no separators in names of artifacts; a fake or another forge may.
fn is_folder_name(name: &str) -> bool {
    let separators = name.contains(['/', '\\', ':']) || name.chars().any(char::is_control);
    !separators && !name.is_empty() && !name.starts_with('.') && name.len() <= 255
}

fn read_state(folder: &Path, run: u64) -> Result<State, DownloadError> {
    let path = folder.join(STATE_FILE);
    if !path.exists() {
        fs::create_dir_all(folder).map_err(|source| DownloadError::Write {
            path: folder.to_owned(),
            source,
        })?;
        return Ok(State { run, ..State::default() });
    }
    // A state that cannot be read is as good as none: everything is downloaded again.
    let state: State = serde_json::from_slice(&files::read(&path)?).unwrap_or(State { run, ..State::default() });
    if state.run == run {
        Ok(state)
    } else {
        Err(DownloadError::OtherRun {
            path: folder.to_owned(),
            found: state.run,
            expected: run,
        })
    }
}

fn write_state(folder: &Path, state: &State) -> Result<(), DownloadError> {
    Ok(files::write_json(&folder.join(STATE_FILE), state)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_folders_are_refused() {
        for name in ["", ".", "..", ".imax-download.json", "a/b", "a\\b", "C:a", "a\u{7}"] {
            assert!(!is_folder_name(name), "{name:?}");
        }
        assert!(is_folder_name("bmk_dsr1-fp8.h200 (2)"));
    }

    #[test]
    fn a_folder_of_another_run_is_not_mixed_with_this_one() {
        let folder = tempfile::tempdir().unwrap();
        write_state(folder.path(), &read_state(folder.path(), 7).unwrap()).unwrap();
        assert!(read_state(folder.path(), 7).is_ok());
        let error = read_state(folder.path(), 8).unwrap_err().to_string();
        assert!(
            error.ends_with("holds the artifacts of run 7, expected 8; give another folder"),
            "{error}"
        );
    }
}
