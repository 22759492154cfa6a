//! Segments of a bucket's manifest: files that name many runs each and are never changed. Adding a run writes the small manifest alone; once that
//! has [`MOST_RECENT`] runs they become a segment, and [`FAN`] segments of a size become one of the next size, as in a log-structured merge tree. So a
//! run is written a few times in all, however many there are, and there are few segments.
//!
//! Beside each segment lie its keys, eight bytes for each run: who adds a run reads these to see which segments may have it already.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::manifest::{DIGEST_DIGITS, Entry, MOST_RECENT, ManifestError, NamedEntry, check_names, named};
use crate::analysis::RunKind;
use crate::model::Digest;

/// The folder of segments, from the prefix.
pub(super) const FOLDER: &str = "segments";
/// The number after the slash grows when a reader must change.
const SCHEMA: &str = "imax-history-segment/1";
/// Segments of a size that become one.
const FAN: usize = 8;
/// The most runs of a segment: 33 MB.
const MOST_RUNS: usize = 1 << 17;
/// The largest segment that is read, bytes.
pub(super) const MAX_SEGMENT: u64 = 64 << 20;
/// Bytes of a key: those of [`crate::store::run_files::RunFileName::identity`].
const KEY_BYTES: usize = 8;

/// A segment, as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Segment {
    /// From the prefix.
    pub file: String,
    pub bytes: u64,
    /// Of the file, hexadecimal.
    pub sha256: String,
    /// Of the file with its keys.
    pub keys_sha256: String,
    pub runs: usize,
    /// The date in the name of its newest run that comparisons read, `20261122T050000Z`; empty where it has none.
    pub newest: String,
}

/// The file of a segment.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    schema: String,
    runs: Vec<Entry>,
}

/// A segment that is to be written.
#[derive(Debug)]
pub(super) struct NewSegment {
    pub segment: Segment,
    pub bytes: Vec<u8>,
    pub keys: Vec<u8>,
}

impl Segment {
    /// Whether its file has the name that imax gives, so that it does not lead out of the prefix.
    pub(super) fn is_named_rightly(&self) -> bool {
        let digest = self.sha256.get(..DIGEST_DIGITS);
        digest.is_some_and(|digest| digest.bytes().all(|byte| byte.is_ascii_hexdigit()) && self.file == file_of(digest))
    }

    pub(super) fn keys_file(&self) -> String {
        self.file.replace(".json", ".keys")
    }

    /// The size of its keys, bytes.
    pub(super) fn keys_bytes(&self) -> u64 {
        (self.runs as u64).saturating_mul(KEY_BYTES as u64)
    }

    /// How often segments of [`MOST_RECENT`] runs were merged for it, about.
    fn tier(&self) -> usize {
        let mut tier = 0;
        let mut runs = self.runs / MOST_RECENT / FAN;
        while runs > 0 {
            runs /= FAN;
            tier += 1;
        }
        tier
    }
}

fn file_of(digest: &str) -> String {
    format!("{FOLDER}/{digest}.json")
}

/// The segments that runs fill: one, or several where they are very many.
pub(super) fn segments_of(runs: &[Entry]) -> Result<Vec<NewSegment>, serde_json::Error> {
    runs.chunks(MOST_RUNS).map(segment_of).collect()
}

fn segment_of(runs: &[Entry]) -> Result<NewSegment, serde_json::Error> {
    let document = Document {
        schema: SCHEMA.to_owned(),
        runs: runs.to_vec(),
    };
    let mut bytes = serde_json::to_vec(&document)?;
    bytes.push(b'\n');
    let named = named(runs);
    let comparable = named
        .iter()
        .filter(|named| !matches!(named.entry.kind, RunKind::PullRequest | RunKind::Community));
    let newest = comparable.map(|named| named.name.date()).max().unwrap_or_default().to_owned();
    let keys = keys_of(&named);
    let sha256 = Digest::of(&bytes).to_string();
    let segment = Segment {
        file: file_of(sha256.get(..DIGEST_DIGITS).unwrap_or(&sha256)),
        bytes: bytes.len() as u64,
        sha256,
        keys_sha256: Digest::of(&keys).to_string(),
        runs: runs.len(),
        newest,
    };
    Ok(NewSegment { segment, bytes, keys })
}

/// The keys of runs one after another, sorted.
fn keys_of(named: &[NamedEntry]) -> Vec<u8> {
    let mut keys: Vec<u64> = named.iter().map(|named| key(&named.name.identity)).collect();
    keys.sort_unstable();
    keys.iter().flat_map(|key| key.to_be_bytes()).collect()
}

/// The key of an identity, which is 16 hexadecimal digits.
fn key(identity: &str) -> u64 {
    u64::from_str_radix(identity, 16).unwrap_or_default()
}

/// Whether a file of keys has one of these identities.
pub(super) fn may_hold(keys: &[u8], identities: &BTreeSet<String>) -> bool {
    let wanted: BTreeSet<[u8; KEY_BYTES]> = identities.iter().map(|identity| key(identity).to_be_bytes()).collect();
    keys.chunks_exact(KEY_BYTES)
        .any(|key| key.try_into().is_ok_and(|key: [u8; KEY_BYTES]| wanted.contains(&key)))
}

/// Reads a segment.
///
/// # Errors
/// [`ManifestError`] for another schema, or a file that imax does not name so.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Entry>, ManifestError> {
    let Document { schema, runs } = serde_json::from_slice(bytes)?;
    if schema != SCHEMA {
        return Err(ManifestError::Schema(schema.chars().take(80).collect()));
    }
    check_names(&runs)?;
    Ok(runs)
}

/// The places of segments that should become one; `None` while there are few of each size.
pub(super) fn due_for_merge(segments: &[Segment]) -> Option<Vec<usize>> {
    let mut tiers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, segment) in segments.iter().enumerate() {
        tiers.entry(segment.tier()).or_default().push(at);
    }
    let runs = |places: &[usize]| {
        places
            .iter()
            .filter_map(|at| segments.get(*at))
            .map(|segment| segment.runs)
            .sum::<usize>()
    };
    tiers
        .into_values()
        .filter_map(|places| places.get(..FAN).map(<[usize]>::to_vec))
        .find(|places| runs(places) <= MOST_RUNS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn entry(number: usize, kind: RunKind) -> Entry {
        let name = format!("2026{:02}01T050000Z-abc-{number:016x}-r1", number % 12 + 1);
        let sha256 = Digest::of(name.as_bytes()).to_string();
        Entry {
            file: super::super::manifest::file_of(kind, &name.parse().unwrap(), &sha256),
            kind,
            bytes: 9,
            sha256,
            added_ms: 0,
        }
    }

    #[test]
    fn segment_is_read_as_it_was_written_and_found_by_its_keys() {
        let mut runs: Vec<Entry> = (0..9).map(|number| entry(number, RunKind::Main)).collect();
        runs.push(entry(11, RunKind::PullRequest));
        let written = segments_of(&runs).unwrap().remove(0);
        assert_eq!(parse(&written.bytes).unwrap(), runs);
        assert!(written.segment.is_named_rightly());
        assert_eq!(
            written.segment.newest, "20260901T050000Z",
            "runs of pull requests are not compared with"
        );
        assert_eq!(written.keys.len() as u64, written.segment.keys_bytes());
        for (number, expected) in [(0, true), (8, true), (11, true), (9, false)] {
            let wanted = BTreeSet::from([format!("{number:016x}")]);
            assert_eq!(may_hold(&written.keys, &wanted), expected, "{number}");
        }
        assert!(matches!(
            parse(b"{\"schema\":\"imax-history-segment/2\",\"runs\":[]}"),
            Err(ManifestError::Schema(_))
        ));
    }

    /// A million runs, each flushed as soon as there are enough.
    #[test]
    fn segments_stay_few_and_runs_are_written_seldom() {
        let mut segments: Vec<Segment> = Vec::new();
        let (mut rewritten, mut most) = (0, 0);
        let segment = |runs| Segment {
            file: String::new(),
            bytes: 0,
            sha256: String::new(),
            keys_sha256: String::new(),
            runs,
            newest: String::new(),
        };
        let flushes = 1_000_000 / MOST_RECENT;
        for _ in 0..flushes {
            segments.push(segment(MOST_RECENT));
            while let Some(places) = due_for_merge(&segments) {
                let runs = places.iter().map(|at| segments[*at].runs).sum();
                let mut at = 0;
                segments.retain(|_| {
                    at += 1;
                    !places.contains(&(at - 1))
                });
                segments.push(segment(runs));
                rewritten += runs;
            }
            most = most.max(segments.len());
        }
        assert_eq!(segments.iter().map(|segment| segment.runs).sum::<usize>(), flushes * MOST_RECENT);
        assert!(segments.iter().all(|segment| segment.runs <= MOST_RUNS));
        assert!(most <= 40, "{most} segments");
        assert!(rewritten <= 3 * flushes * MOST_RECENT, "{rewritten}");
    }
}
