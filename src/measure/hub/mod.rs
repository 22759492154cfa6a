//! Files of model and dataset repositories on the Hugging Face hub, through the cache that the engines share: a file that
//! is there is not fetched again. Every file comes with the commit that it belongs to, so results can say what was used.

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

pub use error::HubError;
pub use settings::Settings;

/// How long a download may stand still.
const STANDSTILL: Duration = Duration::from_secs(60);
/// Longest time between two looks at whether to go on.
const SLICE: Duration = Duration::from_millis(50);
/// How often a request is sent again where the connection failed.
const RETRIES: usize = 2;
/// The branch that is meant where no revision is given.
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
    /// Where it lies, inside the cache.
    pub path: PathBuf,
    /// The commit that it belongs to; the revision that was asked for may be a branch.
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
    /// Names a repository; without a revision the branch `main` is meant.
    ///
    /// # Errors
    /// [`HubError::Name`] for what cannot be a repository's name or a revision.
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

    /// The revision that is asked for.
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
    settings: Settings,
}

impl Hub {
    /// A hub of these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// A file of a repository, out of the cache where it is there. A branch is looked up again each time unless offline.
    /// `go_on` is asked often whether to go on waiting.
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
        let moved = Moved::default();
        let seen = moved.clone();
        let name = name.to_owned();
        let path = self.away(repository, &what, &moved, go_on, move |repo| {
            repo.download_with_progress(&name, seen.clone())
        })?;
        match self.commit_of(repository, &path) {
            Some(commit) => Ok(HubFile { path, commit }),
            None => Err(HubError::Failed {
                what,
                reason: format!("{} lies in no snapshot", path.display()),
            }),
        }
    }

    /// The names of a repository's files; offline those that are in the cache.
    ///
    /// # Errors
    /// See [`HubError`].
    pub fn files(&self, repository: &HubRepository, go_on: &mut dyn FnMut() -> bool) -> Result<HubListing, HubError> {
        let what = format!("the files of {}", repository.named());
        if self.settings.offline {
            let cache = self.settings.cache.clone();
            return self.listed(repository).ok_or(HubError::Offline { what, cache });
        }
        let info = self.away(repository, &what, &Moved::default(), go_on, ApiRepo::info)?;
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

    /// Runs a request of the library on a thread of its own: the library knows no deadline and cannot be stopped. A thread
    /// that is given up ends with its connection or with the process.
    fn away<T: Send + 'static>(
        &self,
        repository: &HubRepository,
        what: &str,
        moved: &Moved,
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
            let answer = catch_unwind(AssertUnwindSafe(|| insist(&repo, &request)));
            drop(give.send(answer.unwrap_or_else(|_| Err(Refusal::Broken))));
        };
        std::thread::Builder::new()
            .name("hub".to_owned())
            .spawn(fetch)
            .map_err(|error| failed(error.to_string()))?;
        wait(&take, moved, self.settings.standstill, what, go_on)?.map_err(|refusal| match refusal {
            Refusal::Status(404) => HubError::NotFound(what.to_owned()),
            Refusal::Status(status @ (401 | 403)) => HubError::Refused {
                what: what.to_owned(),
                status,
            },
            Refusal::Status(status) => failed(format!("the hub answered with status {status}")),
            Refusal::Other(reason) => failed(reason),
            Refusal::Broken => failed("the hub library broke on the answer".to_owned()),
        })
    }
}

/// Why the library gave nothing.
enum Refusal {
    Status(u16),
    Other(String),
    Broken,
}

/// Sends the request again where the connection, not the hub, failed.
fn insist<T>(repo: &ApiRepo, request: &impl Fn(&ApiRepo) -> Result<T, ApiError>) -> Result<T, Refusal> {
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
            | ApiError::LockAcquisition(_) => return Err(Refusal::Other(error.to_string())),
        };
        match status {
            Some(status) if status < 500 => return Err(Refusal::Status(status)),
            Some(status) if left == 0 => return Err(Refusal::Status(status)),
            None if left == 0 => return Err(Refusal::Other(error.to_string())),
            Some(_) | None => left -= 1,
        }
    }
}

/// How the library's HTTP client words an answer that refuses; its error type is not ours to name.
const STATUS: &str = "http status:";

/// Bytes that came so far; the library tells it.
#[derive(Debug, Clone, Default)]
struct Moved(Arc<AtomicU64>);

impl Progress for Moved {
    fn init(&mut self, _size: usize, _filename: &str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn update(&mut self, size: usize) {
        self.0.fetch_add(u64::try_from(size).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn finish(&mut self) {}
}

fn wait<T>(take: &Receiver<T>, moved: &Moved, standstill: Duration, what: &str, go_on: &mut dyn FnMut() -> bool) -> Result<T, HubError> {
    let mut last = (moved.0.load(Ordering::Relaxed), Instant::now());
    loop {
        match take.recv_timeout(SLICE) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "the thread that fetched it ended".to_owned();
                return Err(HubError::Failed {
                    what: what.to_owned(),
                    reason,
                });
            }
        }
        if !go_on() {
            return Err(HubError::GivenUp(what.to_owned()));
        }
        let now = moved.0.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        } else if last.1.elapsed() >= standstill {
            return Err(HubError::Late {
                what: what.to_owned(),
                after: standstill,
            });
        }
    }
}

/// Whether a name stays inside the folder that it is joined to.
fn is_inside(name: &str) -> bool {
    let path = Path::new(name);
    !name.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)))
}
