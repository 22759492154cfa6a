//! What the tree of a history's branch looks like.
//!
//! ```text
//! imax-history.json                                                   which format this is
//! README.md                                                           for people who find the branch
//! runs/2026-11/20261122T050000Z-0123456789ab-1a2b3c4d5e6f7081-r1.json  a run, imax-history/1
//! runs/2026-10/pack-9f86d081884c7d65.parquet                          runs of a month
//! pull-requests/2026-11/…                                             runs of changes that are not merged
//! retractions.json                                                    runs that do not count, if there are any
//! prices.json                                                         what GPU-hours cost, if it is known
//! ```
//!
//! Runs of pull requests have a folder of their own, because baselines must not read them: a listing tells which files to fetch.

use std::collections::BTreeMap;
use std::fmt;

use crate::analysis::RunKind;
use crate::github::{MAX_FILE, TreeEntry};
use crate::model::Digest;
use crate::store::run_files::{Month, RunFileName};

/// The file by which a branch is known to be a history.
pub(super) const MARKER: &str = "imax-history.json";
/// Its content. The number after the slash grows when a reader must change.
pub(super) const MARKER_TEXT: &str = "{\"schema\":\"imax-history-branch/1\"}\n";
pub(super) const README: &str = "README.md";
pub(super) const README_TEXT: &str = include_str!("README.md");

/// Which runs do not count. An imax that does not know it would count them.
pub(super) const RETRACTIONS: &str = "retractions.json";

/// What GPU-hours cost.
pub(super) const PRICES: &str = "prices.json";

const FILE_MODE: &str = "100644";
const FOLDER_MODE: &str = "040000";

/// The folder of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Everything that says something about the level of a point.
    Runs,
    PullRequests,
}

impl Class {
    const ALL: [Self; 2] = [Self::Runs, Self::PullRequests];

    pub(super) fn of(kind: RunKind) -> Self {
        match kind {
            RunKind::PullRequest | RunKind::Community => Self::PullRequests,
            RunKind::Main | RunKind::Manual | RunKind::Import | RunKind::Release => Self::Runs,
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::PullRequests => "pull-requests",
        }
    }
}

/// A file with one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunFile {
    pub name: RunFileName,
    pub file: BranchFile,
}

/// A file of the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BranchFile {
    pub path: String,
    pub sha: String,
}

/// What a month has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MonthFiles {
    /// By name, so oldest first.
    pub runs: Vec<RunFile>,
    pub packs: Vec<BranchFile>,
}

/// A file in a folder of imax that imax did not write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignEntry {
    pub path: String,
    pub reason: String,
}

impl fmt::Display for ForeignEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// Whether a branch is a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Known,
    /// The marker has another content: another version, or it was changed.
    Other,
    /// There is no marker: the branch has another purpose.
    None,
}

/// A tree, sorted.
#[derive(Debug)]
pub(super) struct Listing {
    pub format: Format,
    pub months: BTreeMap<(Month, Class), MonthFiles>,
    pub retractions: Option<BranchFile>,
    pub prices: Option<BranchFile>,
    pub foreign: Vec<ForeignEntry>,
}

impl Listing {
    /// A branch that does not exist yet.
    pub(super) fn empty() -> Self {
        Self {
            format: Format::Known,
            months: BTreeMap::new(),
            retractions: None,
            prices: None,
            foreign: Vec::new(),
        }
    }

    pub(super) fn of(entries: &[TreeEntry]) -> Self {
        let mut listing = Self {
            format: Format::None,
            ..Self::empty()
        };
        for entry in entries {
            if entry.path == MARKER {
                let is_known = entry.mode == FILE_MODE && entry.sha == crate::github::blob_sha(MARKER_TEXT.as_bytes());
                listing.format = if is_known { Format::Known } else { Format::Other };
            } else if entry.mode != FOLDER_MODE
                && let Err(reason) = listing.add(entry)
            {
                listing.foreign.push(ForeignEntry {
                    path: printable(&entry.path),
                    reason,
                });
            }
        }
        for files in listing.months.values_mut() {
            files.runs.sort_by(|left, right| left.name.cmp(&right.name));
        }
        listing
    }

    /// Adds a file; files that imax does not use are ignored.
    fn add(&mut self, entry: &TreeEntry) -> Result<(), String> {
        let class = class_of(&entry.path);
        let is_own = entry.path == RETRACTIONS || entry.path == PRICES;
        if class.is_none() && !is_own {
            return Ok(());
        }
        match entry.mode.as_str() {
            FILE_MODE => {}
            "120000" => return Err("is a symbolic link, which is not followed".to_owned()),
            "160000" => return Err("is a submodule".to_owned()),
            other => return Err(format!("has mode {}, expected {FILE_MODE}", printable(other))),
        }
        let size = entry.size.ok_or("has no size")?;
        if size > MAX_FILE {
            return Err(format!("has {size} bytes, more than the limit of {MAX_FILE}"));
        }
        let Some(class) = class else {
            let file = BranchFile {
                path: entry.path.clone(),
                sha: entry.sha.clone(),
            };
            match entry.path.as_str() {
                PRICES => self.prices = Some(file),
                _ => self.retractions = Some(file),
            }
            return Ok(());
        };
        let parts: Vec<&str> = entry.path.split('/').collect();
        let [_, month, name] = parts.as_slice() else {
            return Err("is not in a folder of a month such as runs/2026-11".to_owned());
        };
        let folder: Month = month.parse().map_err(|_| "is not in a folder of a month such as runs/2026-11")?;
        let file = BranchFile {
            path: entry.path.clone(),
            sha: entry.sha.clone(),
        };
        if let Some(stem) = name.strip_suffix(".json") {
            let name: RunFileName = stem.parse().map_err(|error| format!("{error}.json"))?;
            if name.month() != folder {
                return Err(format!("belongs to the month {}", name.month()));
            }
            self.months.entry((folder, class)).or_default().runs.push(RunFile { name, file });
            return Ok(());
        }
        let pack = name.strip_prefix("pack-").and_then(|name| name.strip_suffix(".parquet"));
        if pack.is_some_and(|digest| digest.len() == PACK_DIGITS && digest.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            self.months.entry((folder, class)).or_default().packs.push(file);
            return Ok(());
        }
        Err("is neither a run nor a pack of imax".to_owned())
    }

    /// The files of one run each, of all months.
    pub(super) fn loose(&self) -> impl Iterator<Item = &RunFile> {
        self.months.values().flat_map(|files| &files.runs)
    }
}

/// Hexadecimal digits of the digest in a pack's name.
const PACK_DIGITS: usize = 16;

pub(super) fn run_path(class: Class, name: &RunFileName) -> String {
    format!("{}/{}/{name}.json", class.folder(), name.month())
}

pub(super) fn pack_path(class: Class, month: &Month, bytes: &[u8]) -> String {
    let mut digest = Digest::of(bytes).to_string();
    digest.truncate(PACK_DIGITS);
    format!("{}/{month}/pack-{digest}.parquet", class.folder())
}

fn class_of(path: &str) -> Option<Class> {
    let (folder, _) = path.split_once('/')?;
    Class::ALL.into_iter().find(|class| class.folder() == folder)
}

/// A text of the branch for a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, mode: &str, size: u64) -> TreeEntry {
        TreeEntry {
            path: path.to_owned(),
            mode: mode.to_owned(),
            sha: "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391".to_owned(),
            size: (mode != FOLDER_MODE).then_some(size),
        }
    }

    const RUN: &str = "20261122T050000Z-0123456789ab-1a2b3c4d5e6f7081-r1.json";

    #[test]
    fn what_does_not_belong_is_named_with_its_reason() {
        for (path, mode, size, words) in [
            (format!("runs/2026-11/{RUN}"), "120000", 9, "symbolic link"),
            (format!("runs/2026-11/{RUN}"), "160000", 9, "submodule"),
            (format!("runs/2026-11/{RUN}"), "100755", 9, "has mode 100755, expected 100644"),
            (
                format!("runs/2026-11/{RUN}"),
                FILE_MODE,
                MAX_FILE + 1,
                "more than the limit of 20000000",
            ),
            (format!("runs/2026-10/{RUN}"), FILE_MODE, 9, "belongs to the month 2026-11"),
            (format!("runs/{RUN}"), FILE_MODE, 9, "folder of a month"),
            (format!("runs/2026-11/x/{RUN}"), FILE_MODE, 9, "folder of a month"),
            (format!("runs/../{RUN}"), FILE_MODE, 9, "folder of a month"),
            ("runs/2026-11/...json".to_owned(), FILE_MODE, 9, "expected a name such as"),
            ("runs/2026-11/pack-..parquet".to_owned(), FILE_MODE, 9, "neither a run nor a pack"),
            ("pull-requests/2026-11/.hidden".to_owned(), FILE_MODE, 9, "neither a run nor a pack"),
        ] {
            let listing = Listing::of(&[entry(&path, mode, size)]);
            assert!(listing.months.is_empty(), "{path}");
            assert!(
                listing.foreign.iter().any(|found| found.reason.contains(words)),
                "{path}: {:?}",
                listing.foreign
            );
        }
    }

    #[test]
    fn runs_are_found_and_other_folders_ignored() {
        let listing = Listing::of(&[
            entry("runs", FOLDER_MODE, 0),
            entry("README.md", FILE_MODE, 9),
            entry("notes/link", "120000", 9),
            entry(&format!("runs/2026-11/{}", RUN.replace("r1", "r2")), FILE_MODE, 9),
            entry(&format!("runs/2026-11/{RUN}"), FILE_MODE, 9),
            entry("pull-requests/2026-10/pack-9f86d081884c7d65.parquet", FILE_MODE, 9),
        ]);
        assert!(listing.foreign.is_empty(), "{:?}", listing.foreign);
        let revisions: Vec<u32> = listing.loose().map(|run| run.name.revision).collect();
        assert_eq!(revisions, [1, 2]);
        assert_eq!(listing.months.len(), 2);
        assert_eq!(listing.format, Format::None);
    }

    #[test]
    fn marker_tells_a_history_from_other_branches() {
        let marker = |sha: String| {
            Listing::of(&[TreeEntry {
                sha,
                ..entry(MARKER, FILE_MODE, 34)
            }])
            .format
        };
        assert_eq!(marker(crate::github::blob_sha(MARKER_TEXT.as_bytes())), Format::Known);
        assert_eq!(marker("0".repeat(40)), Format::Other);
    }
}
