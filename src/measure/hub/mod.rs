//! Files of model and dataset repositories on the Hugging Face hub, through the cache that the engines share: a cached file
//! is not downloaded again. Every file comes with its commit, so that results can state what was used.

mod data_set;
mod error;
mod settings;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use crate::model::saturating;

pub use data_set::{ReadDocumentsError, first_split};
pub use error::HubError;
pub use settings::HubSettings;

/// How long a download may go without receiving a byte.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval at which cancellation is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Retries after a failed connection.
const RETRIES: usize = 2;
/// The default revision.
const MAIN: &str = "main";

/// What a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubKind {
    /// A model: weights, tokenizer, configuration.
    Model,
    /// A data set.
    Dataset,
}

/// A repository at a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRepository {
    kind: HubKind,
    id: String,
    revision: String,
}

/// A file of a repository on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubFile {
    /// Its path in the cache.
    pub path: PathBuf,
    /// Its commit; the requested revision may be a branch.
    pub commit: String,
}

/// What a repository holds at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubListing {
    /// The names of its files, with `/` between folders, sorted.
    pub files: Vec<String>,
    /// The commit.
    pub commit: String,
}

impl HubRepository {
    /// A repository; without a revision, its branch `main`.
    ///
    /// # Errors
    /// [`HubError::Name`] for an invalid name or revision.
    pub fn new(kind: HubKind, id: &str, revision: Option<&str>) -> Result<Self, HubError> {
        let of_the_hub = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !part.is_empty() && part.bytes().all(known) && !part.starts_with('.') && !part.contains("..")
        };
        if id.split('/').count() > 2 || !id.split('/').all(of_the_hub) {
            let expected = "expected `owner/name`";
            let found = id.to_owned();
            return Err(HubError::Name {
                what: "repository",
                found,
                expected,
            });
        }
        let revision = revision.unwrap_or(MAIN);
        if !revision.split('/').all(of_the_hub) {
            let expected = "expected a branch, a tag or a commit";
            let found = revision.to_owned();
            return Err(HubError::Name {
                what: "revision",
                found,
                expected,
            });
        }
        Ok(Self {
            kind,
            id: id.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// `owner/name`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The requested revision.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    fn is_pinned(&self) -> bool {
        self.revision.len() == 40 && self.revision.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    fn named(&self) -> String {
        let kind = match self.kind {
            HubKind::Model => "model",
            HubKind::Dataset => "dataset",
        };
        format!("{kind} {}@{}", self.id, self.revision)
    }

    fn repo(&self) -> Repo {
        let kind = match self.kind {
            HubKind::Model => RepoType::Model,
            HubKind::Dataset => RepoType::Dataset,
        };
        Repo::with_revision(self.id.clone(), kind, self.revision.clone())
    }
}

/// The hub behind its cache on this machine.
#[derive(Debug, Clone)]
pub struct Hub {
    settings: HubSettings,
}

impl Hub {
    /// A hub of these settings.
    #[must_use]
    pub fn new(settings: HubSettings) -> Self {
        Self { settings }
    }

    /// A file of a repository, from the cache if possible. A branch is resolved again each time unless offline.
    /// The wait ends when `go_on` returns false.
    ///
    /// # Errors
    /// See [`HubError`].
    pub fn file(&self, repository: &HubRepository, name: &str, go_on: &mut dyn FnMut() -> bool) -> Result<HubFile, HubError> {
        let what = format!("{name} of {}", repository.named());
        if !is_inside(name) {
            let expected = "expected a relative path inside the repository";
            let found = name.to_owned();
            return Err(HubError::Name {
                what: "file",
                found,
                expected,
            });
        }
        if (repository.is_pinned() || self.settings.offline)
            && let Some(file) = self.cached(repository, name)
        {
            return Ok(file);
        }
        if self.settings.offline {
            let cache = self.settings.cache.clone();
            return Err(HubError::Offline { what, cache });
        }
        let received = Received::default();
        let seen = received.clone();
        let name = name.to_owned();
        let path = self.on_thread(repository, &what, &received, go_on, move |repo| {
            repo.download_with_progress(&name, seen.clone())
        })?;
        match self.commit_of(repository, &path) {
            Some(commit) => Ok(HubFile { path, commit }),
            None => Err(HubError::Failed {
                what,
                reason: format!("{} is not in a snapshot folder", path.display()),
            }),
        }
    }

    /// The names of a repository's files; offline, those in the cache.
    ///
    /// # Errors
    /// See [`HubError`].
    pub fn files(&self, repository: &HubRepository, go_on: &mut dyn FnMut() -> bool) -> Result<HubListing, HubError> {
        let what = format!("the files of {}", repository.named());
        if self.settings.offline {
            let cache = self.settings.cache.clone();
            return self.listed(repository).ok_or(HubError::Offline { what, cache });
        }
        let info = self.on_thread(repository, &what, &Received::default(), go_on, ApiRepo::info)?;
        let mut files: Vec<_> = info
            .siblings
            .into_iter()
            .map(|file| file.rfilename)
            .filter(|name| is_inside(name))
            .collect();
        files.sort();
        Ok(HubListing { files, commit: info.sha })
    }

    /// The commit in a path of the cache: `…/snapshots/<commit>/<name>`.
    fn commit_of(&self, repository: &HubRepository, path: &Path) -> Option<String> {
        let snapshots = self.settings.cache.join(repository.repo().folder_name()).join("snapshots");
        let inside = path.strip_prefix(snapshots).ok()?;
        Some(inside.components().next()?.as_os_str().to_str()?.to_owned())
    }

    /// The snapshot of the revision in the cache.
    fn snapshot(&self, repository: &HubRepository) -> Option<(PathBuf, String)> {
        let folder = self.settings.cache.join(repository.repo().folder_name());
        let commit = if repository.is_pinned() {
            repository.revision.clone()
        } else {
            let reference = folder.join("refs").join(&repository.revision);
            crate::system::files::read_text(&reference).ok()?.trim().to_owned()
        };
        Some((folder.join("snapshots").join(&commit), commit))
    }

    fn cached(&self, repository: &HubRepository, name: &str) -> Option<HubFile> {
        let (snapshot, commit) = self.snapshot(repository)?;
        let path = snapshot.join(name);
        path.is_file().then_some(HubFile { path, commit })
    }

    fn listed(&self, repository: &HubRepository) -> Option<HubListing> {
        let (snapshot, commit) = self.snapshot(repository)?;
        let mut files = Vec::new();
        let mut folders = vec![snapshot.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).ok()?.flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(name) = path.strip_prefix(&snapshot).ok().and_then(Path::to_str) {
                    files.push(name.to_owned());
                }
            }
        }
        files.sort();
        Some(HubListing { files, commit })
    }

    /// Runs a request of the library on a thread of its own, because the library has no deadlines and cannot be cancelled. An
    /// abandoned thread ends with its connection or with the process.
    fn on_thread<T: Send + 'static>(
        &self,
        repository: &HubRepository,
        what: &str,
        received: &Received,
        go_on: &mut dyn FnMut() -> bool,
        request: impl Fn(&ApiRepo) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, HubError> {
        let api = ApiBuilder::from_cache(Cache::new(self.settings.cache.clone()))
            .with_endpoint(self.settings.endpoint.clone())
            .with_progress(false)
            .with_retries(RETRIES)
            .with_user_agent("imax", env!("CARGO_PKG_VERSION"));
        let api = match &self.settings.token {
            Some(token) => api.with_token(Some(token.expose().to_owned())),
            None => api,
        };
        let failed = |reason: String| HubError::Failed {
            what: what.to_owned(),
            reason,
        };
        let repo = api.build().map_err(|error| failed(error.to_string()))?.repo(repository.repo());
        let (give, take) = channel();
        let fetch = move || {
            let answer = catch_unwind(AssertUnwindSafe(|| send_with_retries(&repo, &request)));
            drop(give.send(answer.unwrap_or_else(|_| Err(RequestFailure::Panic))));
        };
        std::thread::Builder::new()
            .name("hub".to_owned())
            .spawn(fetch)
            .map_err(|error| failed(error.to_string()))?;
        wait(&take, received, self.settings.stall_timeout, what, go_on)?.map_err(|failure| match failure {
            RequestFailure::Status(404) => HubError::NotFound(what.to_owned()),
            RequestFailure::Status(status @ (401 | 403)) => HubError::Denied {
                what: what.to_owned(),
                status,
            },
            RequestFailure::Status(status) => failed(format!("the hub responded with status {status}")),
            RequestFailure::Other(reason) => failed(reason),
            RequestFailure::Panic => failed("the hub library panicked on the response".to_owned()),
        })
    }
}

/// Why a request of the library failed.
enum RequestFailure {
    Status(u16),
    Other(String),
    Panic,
}

/// Retries a request whose connection failed; a status is final unless it is 5xx.
fn send_with_retries<T>(repo: &ApiRepo, request: &impl Fn(&ApiRepo) -> Result<T, ApiError>) -> Result<T, RequestFailure> {
    let mut left = RETRIES;
    loop {
        let error = match request(repo) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let status = match &error {
            ApiError::RequestError(inside) => match &**inside {
                ureq_error if ureq_error.to_string().starts_with(STATUS) => {
                    let text = ureq_error.to_string();
                    text.trim_start_matches(STATUS).trim().parse().ok()
                }
                _ => None,
            },
            ApiError::MissingHeader(_)
            | ApiError::InvalidHeader(_)
            | ApiError::ParseIntError(_)
            | ApiError::IoError(_)
            | ApiError::TooManyRetries(_)
            | ApiError::InvalidResume
            | ApiError::LockAcquisition(_) => return Err(RequestFailure::Other(error.to_string())),
        };
        match status {
            Some(status) if status < 500 => return Err(RequestFailure::Status(status)),
            Some(status) if left == 0 => return Err(RequestFailure::Status(status)),
            None if left == 0 => return Err(RequestFailure::Other(error.to_string())),
            Some(_) | None => left -= 1,
        }
    }
}

/// How the library's HTTP client words an error status. Its error type is not public, so the text is parsed.
const STATUS: &str = "http status:";

/// Bytes received so far, as reported by the library. Each file that starts counts as one more byte, so that it resets the stall timer.
#[derive(Debug, Clone, Default)]
struct Received(Arc<AtomicU64>);

impl Progress for Received {
    fn init(&mut self, _size: usize, _filename: &str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn update(&mut self, size: usize) {
        self.0.fetch_add(saturating::to_u64(size), Ordering::Relaxed);
    }

    fn finish(&mut self) {}
}

fn wait<T>(
    take: &Receiver<T>,
    received: &Received,
    stall_timeout: Duration,
    what: &str,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<T, HubError> {
    let mut last = (received.0.load(Ordering::Relaxed), Instant::now());
    loop {
        match take.recv_timeout(POLL_INTERVAL) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "the download thread ended".to_owned();
                return Err(HubError::Failed {
                    what: what.to_owned(),
                    reason,
                });
            }
        }
        if !go_on() {
            return Err(HubError::Cancelled(what.to_owned()));
        }
        let now = received.0.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() >= stall_timeout {
            return Err(HubError::Stalled {
                what: what.to_owned(),
                after: stall_timeout,
            });
        }
    }
}

/// Whether a name stays inside the folder that it is joined to.
fn is_inside(name: &str) -> bool {
    let path = Path::new(name);
    !name.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)))
}
