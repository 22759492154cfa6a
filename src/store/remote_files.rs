//! Files of an import that are in object storage. They are kept on this machine for five minutes, as the RHAIIS dashboard keeps its tables;
//! when storage cannot be reached, an older copy or a local file is taken, and that is said with its age.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};

use super::artifacts::MAX_BYTES;
use super::bucket::{Bucket, BucketAddress, BucketAddressError, BucketError, S3Choices};
use crate::model::Digest;
use crate::system::files::{self, FileError};

/// How long a copy is used without asking.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// The region of the dashboard where `S3_REGION` says none.
const DEFAULT_REGION: &str = "us-east-1";
/// The dashboard's tables: the variable of each key, and the key where it is not set.
const TABLES: [(&str, &str); 2] = [("S3_KEY", "consolidated_dashboard.csv"), ("S3_KEY_LLMD", "llmd-dashboard.csv")];

/// A file of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ImportFile {
    Local(PathBuf),
    Remote(RemoteFile),
}

/// An object to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteFile {
    address: BucketAddress,
    /// Of a bucket of the dashboard, which may be one that everybody can read.
    region: Option<String>,
    /// Taken if the storage cannot be reached and there is no copy.
    fallback: Option<PathBuf>,
    /// Whether it may not exist: the dashboard has one or both of its tables.
    is_optional: bool,
}

/// Files on this machine.
#[derive(Debug, Default)]
pub(crate) struct FetchedFiles {
    pub paths: Vec<PathBuf>,
    /// The addresses of those that were fetched.
    pub names: BTreeMap<PathBuf, String>,
    /// What people must know: old data in place of new.
    pub remarks: Vec<String>,
}

/// Why files of an import cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteFileError {
    #[error("no files to import; name some, or set S3_BUCKET (with S3_KEY, S3_KEY_LLMD, S3_REGION) for the tables of the RHAIIS dashboard")]
    None,
    #[error("S3_BUCKET, {variable}: {source}")]
    Variable {
        variable: &'static str,
        source: BucketAddressError,
    },
    #[error(transparent)]
    Bucket(#[from] BucketError),
    #[error("{0}: no such object")]
    Missing(String),
    #[error("{0}: no table of the dashboard, neither in the bucket nor as a local file")]
    NoTable(String),
    #[error("a copy of {name} cannot be kept: {source}; XDG_CACHE_HOME names another folder for copies")]
    Copy { name: String, source: FileError },
    #[error("a copy of {0} cannot be kept: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache(String),
}

impl std::str::FromStr for ImportFile {
    type Err = BucketAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !BucketAddress::is_meant_by(text) {
            return Ok(Self::Local(text.into()));
        }
        Ok(Self::Remote(RemoteFile {
            address: text.parse()?,
            region: None,
            fallback: None,
            is_optional: false,
        }))
    }
}

/// The tables of the dashboard that the environment names.
///
/// # Errors
/// [`RemoteFileError`] without `S3_BUCKET`, or for a key that is none.
pub(crate) fn dashboard_tables() -> Result<Vec<ImportFile>, RemoteFileError> {
    let bucket = variable("S3_BUCKET").ok_or(RemoteFileError::None)?;
    let table = |(name, default): (&'static str, &str)| {
        let key = variable(name);
        let address = BucketAddress::s3(&bucket, key.as_deref().unwrap_or(default).trim_start_matches('/'));
        Ok(ImportFile::Remote(RemoteFile {
            address: address.map_err(|source| RemoteFileError::Variable { variable: name, source })?,
            region: Some(variable("S3_REGION").unwrap_or_else(|| DEFAULT_REGION.to_owned())),
            fallback: Some(default.into()),
            is_optional: key.is_none(),
        }))
    };
    TABLES.into_iter().map(table).collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Fetches the files that are not on this machine.
///
/// # Errors
/// [`RemoteFileError`] for a file that can be had nowhere.
pub(crate) async fn fetch(files: &[ImportFile]) -> Result<FetchedFiles, RemoteFileError> {
    let mut fetched = FetchedFiles::default();
    let mut missing = None;
    for file in files {
        match file {
            ImportFile::Local(path) => fetched.paths.push(path.clone()),
            ImportFile::Remote(file) => {
                let name = file.address.to_string();
                match file.fetch(SystemTime::now()).await? {
                    Copied::Fresh(path) => fetched.add(path, name),
                    Copied::Old { path, remark } => {
                        fetched.remarks.push(remark);
                        fetched.add(path, name);
                    }
                    Copied::Absent(remark) => {
                        fetched.remarks.extend(remark);
                        missing = Some(name);
                    }
                }
            }
        }
    }
    match missing {
        Some(name) if fetched.paths.is_empty() => Err(RemoteFileError::NoTable(name)),
        Some(_) | None => Ok(fetched),
    }
}

impl FetchedFiles {
    fn add(&mut self, path: PathBuf, name: String) {
        self.names.insert(path.clone(), name);
        self.paths.push(path);
    }
}

/// What there is of a file.
enum Copied {
    Fresh(PathBuf),
    Old {
        path: PathBuf,
        remark: String,
    },
    /// A table that there need not be, with what kept it from being read.
    Absent(Option<String>),
}

impl RemoteFile {
    async fn fetch(&self, now: SystemTime) -> Result<Copied, RemoteFileError> {
        let name = self.address.to_string();
        let copy = copy_of(&name).ok_or_else(|| RemoteFileError::NoCache(name.clone()))?;
        let kept = modified(&copy);
        if kept.is_some_and(|kept| now.duration_since(kept).is_ok_and(|age| age < FRESH)) {
            return Ok(Copied::Fresh(copy));
        }
        let reason = match self.content().await {
            Ok(Some(bytes)) => {
                files::write(&copy, &bytes).map_err(|source| RemoteFileError::Copy { name, source })?;
                return Ok(Copied::Fresh(copy));
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let local = self.fallback.clone().and_then(|path| Some((modified(&path)?, path)));
        // A table that was never in the bucket has no copy, and one that was removed from it is not brought back.
        let copied = kept.filter(|_| reason.is_some()).map(|kept| (kept, copy));
        match (copied.or(local), reason) {
            (Some((at, path)), reason) => {
                let reason = reason.map_or_else(|| format!("{name}: no such object"), |error| error.to_string());
                let remark = format!("{reason}; taking {}, {}", path.display(), age_of(at, now));
                Ok(Copied::Old { path, remark })
            }
            (None, Some(error)) if self.is_optional => Ok(Copied::Absent(Some(format!("{error}; left out")))),
            (None, Some(error)) => Err(error.into()),
            (None, None) if self.is_optional => Ok(Copied::Absent(None)),
            (None, None) => Err(RemoteFileError::Missing(name)),
        }
    }

    /// The object's content; `None` where there is no object.
    async fn content(&self) -> Result<Option<bytes::Bytes>, BucketError> {
        let Some(region) = self.region.as_deref() else {
            return Bucket::connect(&self.address)?.foreign_object(MAX_BYTES).await;
        };
        let region = Some(region);
        let has_keys = ["AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"]
            .iter()
            .any(|name| variable(name).is_some());
        if !has_keys {
            // The dashboard asks for a role of the machine first; where there is none, that takes a minute to find out.
            let open = Bucket::connect_by(&self.address, S3Choices { region, anonymous: true })?;
            match open.foreign_object(MAX_BYTES).await {
                Err(BucketError::Denied { .. }) => {}
                answered => return answered,
            }
        }
        let signed = Bucket::connect_by(&self.address, S3Choices { region, anonymous: false })?;
        signed.foreign_object(MAX_BYTES).await
    }
}

/// `$XDG_CACHE_HOME/imax/objects/DIGEST/NAME`, else in `~/.cache`. The endpoint is part of the digest: the same bucket elsewhere is another.
fn copy_of(name: &str) -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().find_map(|name| variable(name));
    let digest = Digest::of(format!("{}\n{name}", endpoint.unwrap_or_default()).as_bytes()).to_string();
    let file = name.rsplit('/').next()?;
    Some(cache.join("imax").join("objects").join(digest.get(..16)?).join(file))
}

fn modified(path: &Path) -> Option<SystemTime> {
    let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
    found.modified().ok()
}

/// `of 2026-11-22T05:00:00Z, 3 days old`.
fn age_of(time: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(time).unwrap_or_default().as_secs();
    let (number, unit) = match seconds {
        0..3600 => (seconds / 60, "minutes"),
        3600..172_800 => (seconds / 3600, "hours"),
        172_800.. => (seconds / 86_400, "days"),
    };
    let date = DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("of {date}, {number} {unit} old")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_in_words() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for (seconds, words) in [
            (0, "0 minutes old"),
            (3599, "59 minutes old"),
            (3600, "1 hours old"),
            (200_000, "2 days old"),
        ] {
            let age = age_of(now - Duration::from_secs(seconds), now);
            assert!(age.ends_with(words), "{age}");
        }
        assert!(age_of(now, now).starts_with("of 2027-01-15T08:00:00Z"));
    }

    #[test]
    fn paths_and_addresses_are_told_apart() {
        assert_eq!("s3/table.csv".parse(), Ok(ImportFile::Local("s3/table.csv".into())));
        assert!(matches!("s3://bucket/table.csv".parse(), Ok(ImportFile::Remote(_))));
        assert!("s3://key:secret@bucket/x".parse::<ImportFile>().is_err());
    }
}
