//! What a bucket holds, as one small file that is replaced as a whole: the runs that were added last, and the segments that name all others. A
//! file that neither names is not part of the history: it was left by a writer that ended in between.

use serde::{Deserialize, Serialize};

use super::segment::{FOLDER, Segment};
use crate::analysis::RunKind;
use crate::model::Digest;
use crate::store::database::Source;
use crate::store::run_files::{KeptPrices, Retractions, RunFileName};

/// The manifest's file.
pub(super) const MANIFEST: &str = "imax-history.json";
/// The number after the slash grows when a reader must change.
const SCHEMA: &str = "imax-history-bucket/1";
/// The largest manifest, bytes. It has a few dozen segments, [`MOST_RECENT`] runs and the retractions of people.
pub(super) const MAX_MANIFEST: u64 = 16 << 20;
/// From this number of runs on, those of the manifest become a segment.
pub(super) const MOST_RECENT: usize = 256;
/// The largest file of a run, bytes: a million points have about 200 MB.
pub(super) const MAX_FILE: u64 = 512 << 20;
/// Hexadecimal digits of the content's digest in a file's name: two writers that store other content under the same revision store two
/// files, and the manifest takes one.
pub(super) const DIGEST_DIGITS: usize = 16;
/// Folders of files, from the prefix.
pub(super) const FOLDERS: [&str; 3] = [RUNS, PULL_REQUESTS, FOLDER];
const RUNS: &str = "runs";
const PULL_REQUESTS: &str = "pull-requests";

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    schema: String,
    /// Those that were added last.
    pub runs: Vec<Entry>,
    /// Where the others are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// Which runs do not count.
    #[serde(default, skip_serializing_if = "Retractions::is_empty")]
    pub retractions: Retractions,
    /// What GPU-hours cost.
    #[serde(default, skip_serializing_if = "KeptPrices::is_empty")]
    pub prices: KeptPrices,
}

/// A run of the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// From the prefix, with slashes.
    pub file: String,
    /// Without this a reader would have to fetch a file to see that it is of a pull request.
    pub kind: RunKind,
    pub bytes: u64,
    /// Of the file, hexadecimal.
    pub sha256: String,
    /// When the run was added, milliseconds since 1970 by the writer's clock.
    pub added_ms: i64,
}

/// An entry with the name of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedEntry {
    pub name: RunFileName,
    pub entry: Entry,
}

/// Why a manifest is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("invalid manifest: {0}")]
    Form(#[from] serde_json::Error),
    #[error("the manifest has schema {0:?}, expected {SCHEMA:?}; read it with the imax that wrote it, or a newer one")]
    Schema(String),
    #[error("the manifest names {0:?}, which is not the name of a run's file")]
    File(String),
    #[error("the manifest names {0:?}, which is not the name of a segment")]
    Segment(String),
}

/// The beginning of the document, which is the same in all versions.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

impl Manifest {
    pub(super) fn empty() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            runs: Vec::new(),
            segments: Vec::new(),
            retractions: Retractions::default(),
            prices: KeptPrices::default(),
        }
    }

    /// Reads the document. Every file has a name that imax gives, so that none leads out of the prefix.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let head: Head = serde_json::from_slice(bytes)?;
        if head.schema != SCHEMA {
            return Err(ManifestError::Schema(head.schema.chars().take(80).collect()));
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        if let Some(segment) = manifest.segments.iter().find(|segment| !segment.is_named_rightly()) {
            return Err(ManifestError::Segment(segment.file.chars().take(200).collect()));
        }
        check_names(&manifest.runs)?;
        Ok(manifest)
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Every file has a name that imax gives.
pub(super) fn check_names(entries: &[Entry]) -> Result<(), ManifestError> {
    match entries.iter().find(|entry| entry.name().is_none()) {
        Some(entry) => Err(ManifestError::File(entry.file.chars().take(200).collect())),
        None => Ok(()),
    }
}

/// Entries with their names.
pub(super) fn named(entries: &[Entry]) -> Vec<NamedEntry> {
    let named = entries.iter().filter_map(|entry| {
        Some(NamedEntry {
            name: entry.name()?,
            entry: entry.clone(),
        })
    });
    named.collect()
}

impl Entry {
    /// The file as the source of the run's rows. What was read has the digest that the manifest names.
    pub(super) fn source(&self) -> Source {
        let named = hex::decode(&self.sha256).ok().and_then(|bytes| Digest::from_slice(&bytes));
        Source {
            name: self.file.clone(),
            bytes: self.bytes,
            digest: named.unwrap_or_else(|| Digest::of(self.sha256.as_bytes())),
        }
    }

    /// The name of the run; `None` for a path that imax does not give.
    pub(super) fn name(&self) -> Option<RunFileName> {
        let (path, extension) = self.file.rsplit_once('.')?;
        let (path, digest) = path.rsplit_once('-')?;
        let name: RunFileName = path.rsplit('/').next()?.parse().ok()?;
        let is_digest = digest.len() == DIGEST_DIGITS && self.sha256.starts_with(digest);
        let expected = file_of(self.kind, &name, &self.sha256);
        (extension == "parquet" && is_digest && self.file == expected).then_some(name)
    }
}

/// The file of a run with a content.
pub(super) fn file_of(kind: RunKind, name: &RunFileName, sha256: &str) -> String {
    let digest = sha256.get(..DIGEST_DIGITS).unwrap_or(sha256);
    format!("{}/{}/{name}-{digest}.parquet", folder_of(kind), name.month())
}

fn folder_of(kind: RunKind) -> &'static str {
    match kind {
        RunKind::PullRequest | RunKind::Community => PULL_REQUESTS,
        RunKind::Main | RunKind::Manual | RunKind::Import | RunKind::Release => RUNS,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn manifest(file: &str) -> Result<Manifest, ManifestError> {
        let document = serde_json::json!({
            "schema": SCHEMA,
            "runs": [{ "file": file, "kind": "main", "bytes": 9, "sha256": "9f86d081884c7d659a2f", "added_ms": 0 }],
        });
        Manifest::parse(document.to_string().as_bytes())
    }

    #[test]
    fn files_are_those_that_imax_names() {
        let name = "20261122T050000Z-abc-1a2b3c4d5e6f7081-r1";
        let file = format!("runs/2026-11/{name}-9f86d081884c7d65.parquet");
        let read = manifest(&file).unwrap();
        assert_eq!(file_of(RunKind::Main, &name.parse().unwrap(), &read.runs[0].sha256), file);
        assert_eq!(Manifest::parse(&read.to_bytes().unwrap()).unwrap(), read);
        assert_eq!(named(&read.runs)[0].name.to_string(), name);
        for other in [
            format!("../{name}-9f86d081884c7d65.parquet"),
            format!("/runs/2026-11/{name}-9f86d081884c7d65.parquet"),
            format!("runs/2026-10/{name}-9f86d081884c7d65.parquet"),
            format!("pull-requests/2026-11/{name}-9f86d081884c7d65.parquet"),
            format!("runs/2026-11/{name}-0000000000000000.parquet"),
            format!("runs/2026-11/{name}-.parquet"),
            format!("runs/2026-11/{name}-9f86d081884c7d65.json"),
            format!("runs/2026-11/../{name}.parquet"),
        ] {
            assert!(matches!(manifest(&other), Err(ManifestError::File(_))), "{other}");
        }
    }

    #[test]
    fn segments_are_those_that_imax_names() {
        let parse = |file: &str| {
            let document = serde_json::json!({
                "schema": SCHEMA, "runs": [],
                "segments": [{ "file": file, "bytes": 9, "sha256": "9f86d081884c7d659a2f", "keys_sha256": "00", "runs": 1, "newest": "" }],
            });
            Manifest::parse(document.to_string().as_bytes())
        };
        assert!(parse("segments/9f86d081884c7d65.json").is_ok());
        for other in [
            "../segments/9f86d081884c7d65.json",
            "segments/0000000000000000.json",
            "segments/9f86d081884c7d65.keys",
        ] {
            assert!(matches!(parse(other), Err(ManifestError::Segment(_))), "{other}");
        }
    }

    #[test]
    fn other_versions_are_named() {
        let other = Manifest::parse(b"{\"schema\":\"imax-history-bucket/2\",\"packs\":[]}").unwrap_err();
        assert!(other.to_string().contains("imax-history-bucket/2"), "{other}");
        assert!(matches!(Manifest::parse(b"{\"schema\":"), Err(ManifestError::Form(_))));
    }
}
