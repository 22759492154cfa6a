//! Annotations: what people know about a run, a curve, a point or a period. They are withdrawn, not deleted.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::series::{SeriesValue, date};
use super::{AsOf, Database, DatabaseError, insert_change};
use crate::model::PointKey;

/// What an annotation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnnotationKind {
    /// Something of the software that was measured.
    KnownIssue,
    /// Something of the machine or its surroundings.
    Environment,
    /// A change that explains what follows.
    Change,
    /// A regression that is being investigated.
    Acknowledged,
    /// A loss that is accepted, until the end of the annotation's period.
    Expected,
    /// Measurements that are not to be relied on.
    Invalid,
    Note,
}

impl AnnotationKind {
    pub(crate) const ALL: [Self; 7] = [
        Self::KnownIssue,
        Self::Environment,
        Self::Change,
        Self::Acknowledged,
        Self::Expected,
        Self::Invalid,
        Self::Note,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::KnownIssue => "known-issue",
            Self::Environment => "environment",
            Self::Change => "change",
            Self::Acknowledged => "acknowledged",
            Self::Expected => "expected",
            Self::Invalid => "invalid",
            Self::Note => "note",
        }
    }
}

/// What an annotation is about. Without run and filter it is about everything that was measured in its period.
#[derive(Debug, Clone, Default)]
pub(crate) struct AnnotationTarget {
    pub run: Option<i64>,
    /// Filters of points, as texts: `model=dsr1`.
    pub filters: Vec<String>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// An annotation that is to be stored.
#[derive(Debug, Clone)]
pub(crate) struct NewAnnotation {
    pub target: AnnotationTarget,
    pub kind: AnnotationKind,
    pub text: String,
    pub link: Option<String>,
    pub author: String,
}

/// A stored annotation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Annotation {
    pub id: i64,
    pub kind: String,
    pub text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    pub author: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(skip)]
    from_ms: i64,
    #[serde(skip)]
    to_ms: i64,
}

impl Annotation {
    /// The end of its period; the end of time for one without an end.
    pub(crate) fn ends(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.to_ms).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whether it is about a point that these runs measured, at most as many milliseconds beside its period. Runs are given by their numbers
    /// and times, milliseconds since 1970.
    pub(crate) fn concerns(&self, key: &PointKey, runs: impl IntoIterator<Item = (i64, i64)>, beside_ms: i64) -> bool {
        let filters: Vec<crate::analysis::Filter> = self.filters.iter().filter_map(|filter| filter.parse().ok()).collect();
        let is_of_point = filters.len() == self.filters.len() && crate::analysis::is_selected(key, &filters);
        let period = self.from_ms.saturating_sub(beside_ms)..=self.to_ms.saturating_add(beside_ms);
        let (mut is_of_run, mut is_of_period) = (self.run.is_none(), false);
        for (run, at) in runs {
            is_of_run |= self.run == Some(run);
            is_of_period |= period.contains(&at);
        }
        is_of_point && is_of_run && is_of_period
    }
}

impl Database {
    /// Stores an annotation and gives its number.
    ///
    /// # Errors
    /// [`DatabaseError::NoRun`] for a run that is not there.
    pub(crate) async fn annotate(&mut self, new: NewAnnotation) -> Result<i64, DatabaseError> {
        let NewAnnotation {
            target,
            kind,
            text,
            link,
            author,
        } = new;
        let AnnotationTarget { run, filters, from, to } = target;
        let address = self.address.clone();
        let sql = address.sql();
        let mut transaction = self.begin().await?;
        if let Some(run) = run {
            let known: Option<i64> = sqlx::query_scalar("SELECT id FROM run WHERE id = $1")
                .bind(run)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(&sql)?;
            if known.is_none() {
                return Err(DatabaseError::NoRun {
                    id: run,
                    place: address.to_string(),
                });
            }
        }
        let change = insert_change(&mut transaction, "annotate", Some(&author)).await.map_err(&sql)?;
        let id = sqlx::query_scalar(
            "INSERT INTO annotation (valid_from, run_id, filters, from_ms, to_ms, kind, text, link, author) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
        )
        .bind(change)
        .bind(run)
        // Filters have no line breaks.
        .bind(filters.join("\n"))
        .bind(from.map(|from| from.timestamp_millis()))
        .bind(to.map(|to| to.timestamp_millis()))
        .bind(kind.as_str())
        .bind(text)
        .bind(link)
        .bind(author)
        .fetch_one(&mut *transaction)
        .await
        .map_err(&sql)?;
        transaction.commit().await.map_err(&sql)?;
        Ok(id)
    }

    /// Withdraws an annotation. Gives whether there was one.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn withdraw_annotation(&mut self, id: i64, author: &str) -> Result<bool, DatabaseError> {
        let address = self.address.clone();
        let sql = address.sql();
        let mut transaction = self.begin().await?;
        let change = insert_change(&mut transaction, "withdraw annotation", Some(author))
            .await
            .map_err(&sql)?;
        let withdrawn = sqlx::query("UPDATE annotation SET valid_to = $1 WHERE id = $2 AND valid_to IS NULL")
            .bind(change)
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(&sql)?;
        if withdrawn.rows_affected() == 0 {
            transaction.rollback().await.map_err(&sql)?;
            return Ok(false);
        }
        transaction.commit().await.map_err(&sql)?;
        Ok(true)
    }

    /// The annotations that hold in a state, oldest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn annotations(&mut self, as_of: AsOf) -> Result<Vec<Annotation>, DatabaseError> {
        let change = self.change_at(as_of).await?;
        let statement = "SELECT id, kind, text, link, author, run_id, filters, from_ms, to_ms FROM annotation \
             WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1) ORDER BY id";
        let rows = sqlx::query(statement)
            .bind(change)
            .fetch_all(&mut self.connection)
            .await
            .map_err(self.address.sql())?;
        let read: Result<Vec<_>, sqlx::Error> = rows.iter().map(annotation).collect();
        read.map_err(self.address.sql())
    }

    /// The annotations about a point.
    pub(super) async fn annotations_of(&mut self, key: &PointKey, values: &[SeriesValue]) -> Result<Vec<Annotation>, DatabaseError> {
        let all = self.annotations(AsOf::Now).await?;
        let time = |value: &SeriesValue| DateTime::parse_from_rfc3339(&value.date).map(|date| (value.run, date.timestamp_millis()));
        let runs: Vec<(i64, i64)> = values.iter().filter_map(|value| time(value).ok()).collect();
        let about = all
            .into_iter()
            .filter(|annotation| annotation.concerns(key, runs.iter().copied(), 0));
        Ok(about.collect())
    }
}

fn annotation(row: &AnyRow) -> Result<Annotation, sqlx::Error> {
    let filters: String = row.try_get(6)?;
    let (from, to): (Option<i64>, Option<i64>) = (row.try_get(7)?, row.try_get(8)?);
    Ok(Annotation {
        id: row.try_get(0)?,
        kind: row.try_get(1)?,
        text: row.try_get(2)?,
        link: row.try_get(3)?,
        author: row.try_get(4)?,
        run: row.try_get(5)?,
        filters: filters.lines().map(str::to_owned).collect(),
        from: from.map(date),
        to: to.map(date),
        from_ms: from.unwrap_or(i64::MIN),
        to_ms: to.unwrap_or(i64::MAX),
    })
}
