//! Downloads the artifacts of a workflow run into the layout of `actions/download-artifact`: a folder for each. Artifacts that were
//! unpacked completely are kept, so an interrupted download resumes; lists are requested conditionally, by their entity tags.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::task;

use super::blob;
use super::client::{Client, Conditional, RepositoryName, Request, error_text};
use super::error::GithubError;
use super::run::PERMISSION;
use crate::system::archive::{self, ArchiveError, ArchiveLimits};
use crate::system::files::{self, FileError};
use crate::system::http_client::http_client;

/// GitHub's limit of items on a page.
const PAGE: usize = 100;
/// The most pages. A job uploads at most 500 artifacts, and a run has at most some hundred jobs that upload several.
const MAX_PAGES: usize = 100;
/// Concurrent downloads: enough to hide the latency, far below GitHub's limit of 100.
const AT_ONCE: usize = 8;
/// An archive as it is sent.
const MAX_ARCHIVE_BYTES: u64 = 1 << 30;
/// The state of a download, in its folder.
const STATE_FILE: &str = ".imax-download.json";

/// An artifact, with the fields that are used here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub id: u64,
    /// Also the name of its folder.
    pub name: String,
    /// The size of the archive.
    #[serde(default)]
    pub size_in_bytes: u64,
    /// Whether the retention period is over and GitHub has deleted it.
    #[serde(default)]
    pub expired: bool,
    /// `sha256:<hex>` of the archive; older GitHub Enterprise Servers do not have it.
    #[serde(default)]
    pub digest: Option<String>,
}

/// The outcome of a download.
#[derive(Debug, Default)]
pub struct Downloaded {
    pub fetched: usize,
    /// How many artifacts were already present.
    pub kept: usize,
    /// The names of expired artifacts.
    pub expired: Vec<String>,
    /// Artifacts that are damaged or hostile, by name. Nothing of them was unpacked.
    pub refused: Vec<(String, DownloadError)>,
}

impl Downloaded {
    /// For those who need every artifact.
    ///
    /// # Errors
    /// The first artifact that was refused.
    pub fn with_all(mut self) -> Result<Self, DownloadError> {
        if self.refused.is_empty() {
            Ok(self)
        } else {
            Err(self.refused.swap_remove(0).1)
        }
    }
}

/// Why artifacts are not there.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    #[error("{0}")]
    Github(#[from] GithubError),
    #[error("cannot download artifacts: {0}")]
    Setup(String),
    /// An artifact's name is not a valid folder name.
    #[error("artifact {0:?}: invalid folder name; rename the artifact, or select others with --artifact")]
    Name(String),
    #[error("the archive is larger than the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    /// The archive was changed or damaged on its way.
    #[error("digest mismatch: found {found}, GitHub declares {expected}; download again")]
    Digest { found: String, expected: String },
    /// An archive is invalid or hostile.
    #[error("invalid archive: {0}")]
    Archive(#[from] ArchiveError),
    #[error("artifact {artifact}: {source}")]
    Of { artifact: String, source: Box<DownloadError> },
    /// The state of the download cannot be read or written.
    #[error("{0}")]
    State(#[from] FileError),
    #[error("{} holds the artifacts of run {found}, expected {expected}; give another folder", path.display())]
    OtherRun { path: PathBuf, found: u64, expected: u64 },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl DownloadError {
    /// Whether this artifact is the problem, and not GitHub or this machine: another one may be fine.
    fn is_of_the_artifact(&self) -> bool {
        match self {
            Self::Name(_) | Self::TooLarge { .. } | Self::Digest { .. } | Self::Archive(_) => true,
            Self::Of { source, .. } => source.is_of_the_artifact(),
            Self::Github(_) | Self::Setup(_) | Self::State(_) | Self::OtherRun { .. } | Self::Write { .. } => false,
        }
    }
}

/// The state of a download.
#[derive(Debug, Default, Serialize, Deserialize)]
struct DownloadState {
    run: u64,
    /// The pages of GitHub's list, with their entity tags.
    #[serde(default)]
    pages: Vec<Page>,
    /// Complete artifacts: the folder's name and the artifact's id.
    #[serde(default)]
    whole: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Page {
    etag: Option<String>,
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct ArtifactPage {
    artifacts: Vec<Artifact>,
}

/// Downloads the artifacts of a run whose names are `wanted` into `folder`, each into a folder of its name. Of artifacts with the
/// same name the newest is taken: a job that is run again uploads again. One that is damaged or hostile does not keep the others away.
///
/// # Errors
/// [`DownloadError`] that concerns all; artifacts that were complete by then are kept and not downloaded again.
pub async fn download_run(
    client: &Client,
    repository: &RepositoryName,
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
    let http = http_client().map_err(|error| DownloadError::Setup(error_text(&error)))?;
    let http = &http;
    let fetches = missing.iter().map(|artifact| async move {
        let fetched = fetch(client, http, repository, artifact, folder).await;
        fetched.map_err(|error| (artifact.name.clone(), error))
    });
    let mut fetches = stream::iter(fetches).buffer_unordered(AT_ONCE);
    while let Some(fetched) = fetches.next().await {
        let artifact = match fetched {
            Ok(artifact) => artifact,
            Err((name, error)) if error.is_of_the_artifact() => {
                report.refused.push((name, error));
                continue;
            }
            Err((_, error)) => return Err(error),
        };
        state.whole.insert(artifact.name.clone(), artifact.id);
        write_state(folder, &state)?;
        report.fetched += 1;
    }
    Ok(report)
}

/// The names of a run's artifacts that GitHub still stores.
///
/// # Errors
/// [`GithubError`] if GitHub refuses or does not answer.
pub(crate) async fn artifact_names(client: &Client, repository: &RepositoryName, run: u64) -> Result<Vec<String>, GithubError> {
    let pages = list(client, repository, run, &[]).await?;
    let stored = pages
        .into_iter()
        .flat_map(|page| page.artifacts)
        .filter(|artifact| !artifact.expired);
    Ok(stored.map(|artifact| artifact.name).collect())
}

async fn list(client: &Client, repository: &RepositoryName, run: u64, known: &[Page]) -> Result<Vec<Page>, GithubError> {
    let mut pages: Vec<Page> = Vec::new();
    for number in 1..=MAX_PAGES {
        let known = known.get(number - 1);
        let path = format!("/repos/{repository}/actions/runs/{run}/artifacts?per_page={PAGE}&page={number}");
        let request = Request::get(&path, PERMISSION).if_none_match(known.and_then(|page| page.etag.as_deref()));
        let page = match (client.read_changed::<ArtifactPage>(request).await?, known) {
            (Conditional::Modified { value, etag }, _) => Page {
                etag,
                artifacts: value.artifacts,
            },
            (Conditional::NotModified, Some(known)) => known.clone(),
            (Conditional::NotModified, None) => {
                return Err(GithubError::Response {
                    request: format!("GET {path}"),
                    reason: "304 Not Modified for an unconditional request".to_owned(),
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
    repository: &RepositoryName,
    artifact: &'a Artifact,
    folder: &Path,
) -> Result<&'a Artifact, DownloadError> {
    let with_name = |source: DownloadError| DownloadError::Of {
        artifact: artifact.name.clone(),
        source: Box::new(source),
    };
    if !is_folder_name(&artifact.name) {
        return Err(DownloadError::Name(artifact.name.clone()));
    }
    let path = format!("/repos/{repository}/actions/artifacts/{}/zip", artifact.id);
    let blob = blob::fetch(http, client.settings(), &path, folder, MAX_ARCHIVE_BYTES)
        .await
        .map_err(with_name)?;
    if let Some(expected) = artifact
        .digest
        .as_ref()
        .filter(|digest| digest.starts_with("sha256:") && **digest != blob.digest)
    {
        let (found, expected) = (blob.digest.clone(), expected.clone());
        return Err(with_name(DownloadError::Digest { found, expected }));
    }
    let target = folder.join(&artifact.name);
    let parent = folder.to_owned();
    let unpacked = task::spawn_blocking(move || unpack(blob.file.path(), &parent, &target)).await;
    match unpacked {
        Ok(unpacked) => unpacked.map_err(with_name).map(|()| artifact),
        Err(panicked) => Err(with_name(DownloadError::Write {
            path: folder.to_owned(),
            source: io::Error::other(panicked),
        })),
    }
}

/// Unpacks beside the target and renames, so that an existing folder is complete.
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

/// GitHub allows no separators in names of artifacts; other servers with its API may.
fn is_folder_name(name: &str) -> bool {
    let separators = name.contains(['/', '\\', ':']) || name.chars().any(char::is_control);
    !separators && !name.is_empty() && !name.starts_with('.') && name.len() <= 255
}

fn read_state(folder: &Path, run: u64) -> Result<DownloadState, DownloadError> {
    let path = folder.join(STATE_FILE);
    if !path.exists() {
        fs::create_dir_all(folder).map_err(|source| DownloadError::Write {
            path: folder.to_owned(),
            source,
        })?;
        return Ok(DownloadState {
            run,
            ..DownloadState::default()
        });
    }
    // An unreadable state costs only a second download of everything.
    let state: DownloadState = serde_json::from_slice(&files::read(&path)?).unwrap_or(DownloadState {
        run,
        ..DownloadState::default()
    });
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

fn write_state(folder: &Path, state: &DownloadState) -> Result<(), DownloadError> {
    Ok(files::write_json(&folder.join(STATE_FILE), state)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_folder_names_are_rejected() {
        for name in ["", ".", "..", ".imax-download.json", "a/b", "a\\b", "C:a", "a\u{7}"] {
            assert!(!is_folder_name(name), "{name:?}");
        }
        assert!(is_folder_name("bmk_dsr1-fp8.h200 (2)"));
    }

    #[test]
    fn folder_of_another_run_is_rejected() {
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
