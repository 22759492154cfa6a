//! Runs of the community, which wait until a reviewer takes or refuses them. What was sent and what was decided is kept.

use chrono::Utc;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::ingest::Ingest;
use super::published_table::without_nul;
use super::series::date;
use super::{Database, DatabaseError};
use crate::model::{Digest, saturating};

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SubmissionState {
    Waiting,
    Accepted,
    Refused,
}

impl SubmissionState {
    pub(crate) const ALL: [Self; 3] = [Self::Waiting, Self::Accepted, Self::Refused];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

/// Runs that are to wait.
#[derive(Debug)]
pub(crate) struct NewSubmission {
    pub token: i64,
    pub project: String,
    /// Of the document.
    pub digest: Digest,
    /// A list of runs (`imax-history/1`).
    pub document: String,
    pub runs: usize,
    pub points: usize,
    pub note: Option<String>,
}

/// A submission without its runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Submission {
    pub id: i64,
    /// RFC 3339.
    pub submitted: String,
    /// The name of the token.
    pub by: String,
    /// The number of the token.
    #[serde(skip)]
    pub token: i64,
    pub project: String,
    pub state: String,
    pub runs: i64,
    pub points: i64,
    pub note: Option<String>,
    /// RFC 3339; null while it waits.
    pub decided: Option<String>,
    pub decided_by: Option<String>,
    pub reason: Option<String>,
}

/// Which submissions are read.
#[derive(Debug, Clone, Default)]
pub(crate) struct SubmissionFilter {
    pub id: Option<i64>,
    pub state: Option<SubmissionState>,
    pub project: Option<String>,
    /// Only those that are older than this one.
    pub behind: Option<i64>,
    /// The newest only.
    pub most: usize,
}

/// What a reviewer decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision<'a> {
    pub id: i64,
    pub state: SubmissionState,
    pub by: &'a str,
    pub reason: Option<&'a str>,
}

const COLUMNS: &str =
    "s.id, s.at_ms, t.name, s.project, s.state, s.runs, s.points, s.note, s.decided_ms, s.decided_by, s.reason, s.token_id";

impl Database {
    /// Submissions, the newest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn submissions(&mut self, filter: &SubmissionFilter) -> Result<Vec<Submission>, DatabaseError> {
        let SubmissionFilter {
            id,
            state,
            project,
            behind,
            most,
        } = filter;
        // The text is made of constants.
        let statement = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM submission s JOIN token t ON t.id = s.token_id WHERE ($1 IS NULL OR s.id = $1) \
             AND ($2 IS NULL OR s.state = $2) AND ($3 IS NULL OR s.project = $3) AND ($4 IS NULL OR s.id < $4) ORDER BY s.id DESC LIMIT $5"
        ));
        let rows = sqlx::query(statement)
            .bind(*id)
            .bind(state.map(SubmissionState::as_str))
            .bind(project.clone())
            .bind(*behind)
            .bind(saturating::to_i64(*most))
            .fetch_all(&mut self.connection)
            .await;
        let found = rows.and_then(|rows| rows.iter().map(submission).collect());
        found.map_err(self.address.sql())
    }

    /// The runs of a submission, as they were sent.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn submitted_document(&mut self, id: i64) -> Result<Option<String>, DatabaseError> {
        let document = sqlx::query_scalar("SELECT document FROM submission WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut self.connection)
            .await;
        document.map_err(self.address.sql())
    }
}

impl Ingest<'_> {
    /// How many submissions wait, and how many of them are of a token.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn waiting(&mut self, token: i64) -> Result<(i64, i64), DatabaseError> {
        let statement =
            "SELECT count(*), coalesce(sum(CASE WHEN token_id = $1 THEN 1 ELSE 0 END), 0) FROM submission WHERE state = 'waiting'";
        let row = sqlx::query(statement).bind(token).fetch_one(&mut *self.transaction).await;
        let counts = row.and_then(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        counts.map_err(self.address.sql())
    }

    /// Lets runs wait. Gives the number of the submission.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn submit(&mut self, new: NewSubmission) -> Result<i64, DatabaseError> {
        let NewSubmission {
            token,
            project,
            digest,
            document,
            runs,
            points,
            note,
        } = new;
        let id = sqlx::query_scalar(
            "INSERT INTO submission (at_ms, token_id, project, digest, document, runs, points, note, state) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting') RETURNING id",
        )
        .bind(Utc::now().timestamp_millis())
        .bind(token)
        .bind(without_nul(&project))
        .bind(digest.as_slice().to_vec())
        .bind(document)
        .bind(saturating::to_i64(runs))
        .bind(saturating::to_i64(points))
        .bind(note.as_deref().map(without_nul))
        .fetch_one(&mut *self.transaction)
        .await;
        id.map_err(self.address.sql())
    }

    /// Decides on a submission. Gives whether it still waited.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn decide(&mut self, decision: Decision<'_>) -> Result<bool, DatabaseError> {
        let Decision { id, state, by, reason } = decision;
        let statement =
            "UPDATE submission SET state = $1, decided_ms = $2, decided_by = $3, reason = $4 WHERE id = $5 AND state = 'waiting'";
        let decided = sqlx::query(statement)
            .bind(state.as_str())
            .bind(Utc::now().timestamp_millis())
            .bind(without_nul(by))
            .bind(reason.map(without_nul))
            .bind(id)
            .execute(&mut *self.transaction)
            .await
            .map_err(self.address.sql())?;
        Ok(decided.rows_affected() > 0)
    }
}

fn submission(row: &AnyRow) -> Result<Submission, sqlx::Error> {
    Ok(Submission {
        id: row.try_get(0)?,
        submitted: date(row.try_get(1)?),
        by: row.try_get(2)?,
        project: row.try_get(3)?,
        state: row.try_get(4)?,
        runs: row.try_get(5)?,
        points: row.try_get(6)?,
        note: row.try_get(7)?,
        decided: row.try_get::<Option<i64>, _>(8)?.map(date),
        decided_by: row.try_get(9)?,
        reason: row.try_get(10)?,
        token: row.try_get(11)?,
    })
}
