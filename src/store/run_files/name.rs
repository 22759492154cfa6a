//! The name of a run's file. It says when and what was measured, which run it is and which revision of it, so that a listing
//! tells what is there and names sort by date.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::analysis::{RunIdentity, RunRows};
use crate::model::Digest;
use crate::store::database::RunSummary;

/// Hexadecimal digits of the identity: 64 bits tell millions of runs apart.
const IDENTITY_DIGITS: usize = 16;
/// The most attempts that are looked at, newest first; GitHub allows more, people do not use them.
const MOST_ATTEMPTS: usize = 20;
/// The most revisions of a run; each is a correction by hand or by a job that ran again.
const MAX_REVISION: u32 = 9999;

/// `20261122T050000Z-0123456789ab-1a2b3c4d5e6f7081-r1`: date, commit, identity, revision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RunFileName {
    date: String,
    commit: String,
    pub identity: String,
    pub revision: u32,
}

impl RunFileName {
    /// The name of a run's first revision.
    pub(crate) fn of(rows: &RunRows, short_commit: &str) -> Self {
        Self::of_attempt(rows, rows.identity.attempt, short_commit)
    }

    /// The names that the earlier attempts of a workflow run would have, newest first; none for a run that is known by its content.
    pub(crate) fn of_earlier_attempts(rows: &RunRows, short_commit: &str) -> Vec<Self> {
        if rows.identity.provider == RunIdentity::BY_CONTENT {
            return Vec::new();
        }
        let attempts = (1..rows.identity.attempt).rev().take(MOST_ATTEMPTS);
        attempts.map(|attempt| Self::of_attempt(rows, attempt, short_commit)).collect()
    }

    fn of_attempt(rows: &RunRows, attempt: i64, short_commit: &str) -> Self {
        let started = DateTime::from_timestamp_millis(rows.header.started_ms).unwrap_or_default();
        let RunIdentity {
            provider,
            repository,
            run_id,
            attempt: _,
        } = &rows.identity;
        let identity = identity(&rows.project, provider, repository, run_id, attempt);
        Self {
            date: started.format("%Y%m%dT%H%M%SZ").to_string(),
            commit: if short_commit.is_empty() {
                "0".to_owned()
            } else {
                short_commit.to_owned()
            },
            identity,
            revision: 1,
        }
    }

    /// The identity of a run that a database lists.
    pub(crate) fn identity_of(summary: &RunSummary) -> String {
        identity(
            &summary.project,
            &summary.provider,
            &summary.repository,
            &summary.run_id,
            summary.attempt,
        )
    }

    /// The same run as a later revision; `None` where there are too many.
    pub(crate) fn with_revision(self, revision: u32) -> Option<Self> {
        (revision <= MAX_REVISION).then_some(Self { revision, ..self })
    }

    /// When the run was measured, `20261122T050000Z`.
    pub(crate) fn date(&self) -> &str {
        &self.date
    }

    pub(crate) fn month(&self) -> Month {
        Month {
            year: self.date.get(..4).unwrap_or_default().to_owned(),
            month: self.date.get(4..6).unwrap_or_default().to_owned(),
        }
    }
}

fn identity(project: &str, provider: &str, repository: &str, run_id: &str, attempt: i64) -> String {
    let digest = Digest::of_json(json!({
        "project": project, "provider": provider, "repository": repository, "run_id": run_id, "attempt": attempt,
    }));
    let mut identity = digest.to_string();
    identity.truncate(IDENTITY_DIGITS);
    identity
}

impl fmt::Display for RunFileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            commit,
            identity,
            revision,
        } = self;
        write!(f, "{date}-{commit}-{identity}-r{revision}")
    }
}

/// A text is not the name of a run's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a name such as 20261122T050000Z-0123456789ab-1a2b3c4d5e6f7081-r1")]
pub(crate) struct NameError;

impl FromStr for RunFileName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('-').collect();
        let [date, commit, identity, revision] = parts.as_slice() else {
            return Err(NameError);
        };
        let is_date = chrono::NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").is_ok() && date.len() == 16;
        let is_commit = matches!(commit.len(), 1..=12) && commit.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_identity = identity.len() == IDENTITY_DIGITS && identity.bytes().all(is_hex);
        let digits = revision.strip_prefix('r').filter(|digits| !digits.starts_with(['0', '+']));
        let revision = digits
            .and_then(|digits| digits.parse().ok())
            .filter(|revision| *revision <= MAX_REVISION);
        match revision {
            Some(revision) if is_date && is_commit && is_identity => Ok(Self {
                date: (*date).to_owned(),
                commit: (*commit).to_owned(),
                identity: (*identity).to_owned(),
                revision,
            }),
            Some(_) | None => Err(NameError),
        }
    }
}

/// A month of UTC, `2026-11`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month {
    year: String,
    month: String,
}

impl Month {
    pub(crate) fn of(time: DateTime<Utc>) -> Self {
        Self {
            year: time.format("%Y").to_string(),
            month: time.format("%m").to_string(),
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let is_month = is_plain && text.len() == 7 && chrono::NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").is_ok();
        match text.split_once('-') {
            Some((year, month)) if is_month => Ok(Self {
                year: year.to_owned(),
                month: month.to_owned(),
            }),
            Some(_) | None => Err(NameError),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;
    use crate::analysis::{HistoryRun, Run};

    fn name(commit: &str) -> RunFileName {
        let run = HistoryRun::new(commit, "2026-11-22T05:00:00Z".parse().unwrap(), Run::default()).unwrap();
        let short = run.short_commit();
        RunFileName::of(&RunRows::of(run).unwrap(), &short)
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for commit in ["0123456789abcdef", "-../x"] {
            let first = name(commit);
            assert_eq!(first.to_string().parse(), Ok(first.clone()));
            let second = first.clone().with_revision(2).unwrap();
            assert!(second > first && second.to_string().ends_with("-r2"));
            assert_eq!(second.month().to_string(), "2026-11");
            assert_eq!("2026-11".parse(), Ok(second.month()));
        }
        assert_ne!(name("a").identity, name("b").identity);
        assert_eq!(name("a").with_revision(MAX_REVISION + 1), None);
    }

    #[test]
    fn other_names_are_none() {
        for text in [
            "",
            "20261122T050000Z-abc-1a2b3c4d5e6f7081",
            "20261122T050000Z-abc-1a2b3c4d5e6f7081-r0",
            "20261122T050000Z-abc-1a2b3c4d5e6f7081-r+1",
            "20261122T050000Z-abc-1a2b3c4d5e6f7081-r10000",
            "20261322T050000Z-abc-1a2b3c4d5e6f7081-r1",
            "20261122T050000Z-a.c-1a2b3c4d5e6f7081-r1",
            "20261122T050000Z-abc-1A2b3c4d5e6f7081-r1",
            "20261122T050000Z--1a2b3c4d5e6f7081-r1",
        ] {
            assert_eq!(text.parse::<RunFileName>(), Err(NameError), "{text}");
        }
        for text in ["2026-13", "2026-1", "202611", "+026-11", "../../x"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
