//! Tokens of the results API, what was written with them, and answers that are given again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::ingest::Ingest;
use super::published_table::without_nul;
use super::series::date;
use super::{Database, DatabaseError};
use crate::model::Digest;
use crate::model::saturating;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scope {
    /// Submit runs, which wait for a reviewer.
    Submit,
    /// Add runs.
    Ingest,
    /// Add and withdraw annotations.
    Annotate,
    /// Decide on submissions, retract and restore runs.
    Review,
    /// All of these, and reading the log of writes.
    Admin,
}

impl Scope {
    pub(crate) const ALL: [Self; 5] = [Self::Submit, Self::Ingest, Self::Annotate, Self::Review, Self::Admin];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Ingest => "ingest",
            Self::Annotate => "annotate",
            Self::Review => "review",
            Self::Admin => "admin",
        }
    }
}

/// A token that is to be stored; its text is known to its holder alone.
#[derive(Debug, Clone)]
pub(crate) struct NewToken {
    /// SHA-256 of the text.
    pub hash: Digest,
    pub name: String,
    pub scopes: Vec<Scope>,
    /// The only project and branch that it may write to.
    pub project: Option<String>,
    pub branch: Option<String>,
    pub expires: DateTime<Utc>,
}

/// A stored token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Token {
    pub id: i64,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub project: Option<String>,
    pub branch: Option<String>,
    /// RFC 3339.
    pub created: String,
    pub expires: String,
    pub revoked: Option<String>,
    /// Who signs the tokens of this workflow (OpenID Connect); absent for tokens of this history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(skip)]
    expires_ms: i64,
}

/// A workflow that identifies itself by OpenID Connect, and what it may write.
#[derive(Debug, Clone)]
pub(crate) struct NewIdentity {
    /// Of issuer and name. Not of a text that begins as tokens do, so that no token is this identity.
    pub hash: Digest,
    pub issuer: String,
    /// `owner/name`.
    pub name: String,
    pub scopes: Vec<Scope>,
    pub project: Option<String>,
    pub branch: Option<String>,
}

/// The answer to a request with a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptAnswer<'a> {
    pub token: i64,
    pub key: &'a str,
    /// Of the request.
    pub digest: &'a Digest,
    pub body: &'a str,
}

impl Token {
    /// Whether it still counts.
    pub(crate) fn is_valid_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked.is_none() && now.timestamp_millis() < self.expires_ms
    }

    pub(crate) fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// A write that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AuditEntry {
    /// RFC 3339.
    pub at: String,
    /// The number and name of the token; absent for a request without a valid one.
    pub token: Option<i64>,
    pub name: Option<String>,
    pub action: String,
    /// The status of the answer.
    pub status: i64,
    pub detail: String,
    pub address: String,
    pub request_id: String,
}

/// A write that is to be logged.
#[derive(Debug, Clone)]
pub(crate) struct NewAuditEntry {
    pub token: Option<i64>,
    pub action: String,
    pub status: u16,
    pub detail: String,
    pub address: String,
    pub request_id: String,
}

const COLUMNS: &str = "id, name, scopes, project, branch, created_ms, expires_ms, revoked_ms, issuer";

impl Database {
    /// Stores a token and gives its number.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn create_token(&mut self, new: NewToken) -> Result<i64, DatabaseError> {
        let NewToken {
            hash,
            name,
            scopes,
            project,
            branch,
            expires,
        } = new;
        let address = self.address.clone();
        let scopes: Vec<&str> = scopes.into_iter().map(Scope::as_str).collect();
        let mut transaction = self.begin().await?;
        let id = sqlx::query_scalar(
            "INSERT INTO token (hash, name, scopes, project, branch, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        )
        .bind(hash.as_slice().to_vec())
        .bind(without_nul(&name))
        .bind(scopes.join(" "))
        .bind(project.as_deref().map(without_nul))
        .bind(branch.as_deref().map(without_nul))
        .bind(Utc::now().timestamp_millis())
        .bind(expires.timestamp_millis())
        .fetch_one(&mut *transaction)
        .await
        .map_err(address.sql())?;
        transaction.commit().await.map_err(address.sql())?;
        Ok(id)
    }

    /// All tokens, the oldest first.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn tokens(&mut self) -> Result<Vec<Token>, DatabaseError> {
        // The text is a constant.
        let statement = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM token ORDER BY id"));
        let rows = sqlx::query(statement).fetch_all(&mut self.connection).await;
        let tokens = rows.and_then(|rows| rows.iter().map(token).collect());
        tokens.map_err(self.address.sql())
    }

    /// The token with a hash.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn token(&mut self, hash: &Digest) -> Result<Option<Token>, DatabaseError> {
        // The text is a constant.
        let statement = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM token WHERE hash = $1"));
        let row = sqlx::query(statement)
            .bind(hash.as_slice().to_vec())
            .fetch_optional(&mut self.connection)
            .await;
        let found = row.and_then(|row| row.as_ref().map(token).transpose());
        found.map_err(self.address.sql())
    }

    /// Revokes a token. Gives whether there was a valid one.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn revoke_token(&mut self, id: i64) -> Result<bool, DatabaseError> {
        let address = self.address.clone();
        let mut transaction = self.begin().await?;
        let revoked = sqlx::query("UPDATE token SET revoked_ms = $1 WHERE id = $2 AND revoked_ms IS NULL")
            .bind(Utc::now().timestamp_millis())
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(address.sql())?;
        transaction.commit().await.map_err(address.sql())?;
        Ok(revoked.rows_affected() > 0)
    }

    /// Logs a write.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn log_write(&mut self, entry: NewAuditEntry) -> Result<(), DatabaseError> {
        let NewAuditEntry {
            token,
            action,
            status,
            detail,
            address: client,
            request_id,
        } = entry;
        let address = self.address.clone();
        let mut transaction = self.begin().await?;
        sqlx::query("INSERT INTO audit (at_ms, token_id, action, status, detail, address, request_id) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(Utc::now().timestamp_millis())
            .bind(token)
            .bind(action)
            .bind(i64::from(status))
            .bind(without_nul(&detail))
            .bind(client)
            .bind(without_nul(&request_id))
            .execute(&mut *transaction)
            .await
            .map_err(address.sql())?;
        transaction.commit().await.map_err(address.sql())
    }

    /// The newest writes.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn writes(&mut self, most: usize) -> Result<Vec<AuditEntry>, DatabaseError> {
        let statement = "SELECT a.at_ms, a.token_id, t.name, a.action, a.status, a.detail, a.address, a.request_id FROM audit a \
             LEFT JOIN token t ON t.id = a.token_id ORDER BY a.id DESC LIMIT $1";
        let rows = sqlx::query(statement)
            .bind(saturating::to_i64(most))
            .fetch_all(&mut self.connection)
            .await;
        let entries = rows.and_then(|rows| rows.iter().map(audit_entry).collect());
        entries.map_err(self.address.sql())
    }

    /// The row of a workflow, made where there is none. What a rule allows it is not kept: the rules are asked each time.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn identity(&mut self, new: &NewIdentity) -> Result<i64, DatabaseError> {
        let address = self.address.clone();
        let mut transaction = self.begin().await?;
        let known: Option<i64> = sqlx::query_scalar("SELECT id FROM token WHERE hash = $1")
            .bind(new.hash.as_slice().to_vec())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(address.sql())?;
        if let Some(id) = known {
            return Ok(id);
        }
        // It expired in 1970: this row grants no access, whatever text is sent.
        let id = sqlx::query_scalar(
            "INSERT INTO token (hash, name, scopes, created_ms, expires_ms, issuer) VALUES ($1, $2, '', $3, 0, $4) RETURNING id",
        )
        .bind(new.hash.as_slice().to_vec())
        .bind(without_nul(&new.name))
        .bind(Utc::now().timestamp_millis())
        .bind(without_nul(&new.issuer))
        .fetch_one(&mut *transaction)
        .await
        .map_err(address.sql())?;
        transaction.commit().await.map_err(address.sql())?;
        Ok(id)
    }
}

impl Ingest<'_> {
    /// The answer that a request with a key was given: the digest of that request, and the body.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn answer_of_key(&mut self, token: i64, key: &str) -> Result<Option<(Vec<u8>, String)>, DatabaseError> {
        let row = sqlx::query("SELECT digest, body FROM idempotency WHERE token_id = $1 AND key = $2")
            .bind(token)
            .bind(key.to_owned())
            .fetch_optional(&mut *self.transaction)
            .await;
        let read = |row: AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let found = row.and_then(|row| row.map(read).transpose());
        found.map_err(self.address.sql())
    }

    /// Keeps the answer to a request with a key, with what the request stores: a server that is killed keeps both or neither.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub(crate) async fn keep_answer(&mut self, answer: KeptAnswer<'_>) -> Result<(), DatabaseError> {
        let KeptAnswer { token, key, digest, body } = answer;
        let kept = sqlx::query("INSERT INTO idempotency (token_id, key, digest, at_ms, body) VALUES ($1, $2, $3, $4, $5)")
            .bind(token)
            .bind(key.to_owned())
            .bind(digest.as_slice().to_vec())
            .bind(Utc::now().timestamp_millis())
            .bind(body.to_owned())
            .execute(&mut *self.transaction)
            .await;
        kept.map(drop).map_err(self.address.sql())
    }
}

impl Token {
    /// What a workflow may write by the rules. It counts for this request alone.
    pub(crate) fn of_identity(id: i64, identity: &NewIdentity) -> Self {
        let NewIdentity {
            hash: _,
            issuer,
            name,
            scopes,
            project,
            branch,
        } = identity.clone();
        Self {
            id,
            name,
            scopes,
            project,
            branch,
            created: date(0),
            expires: date(0),
            revoked: None,
            issuer: Some(issuer),
            expires_ms: 0,
        }
    }
}

fn token(row: &AnyRow) -> Result<Token, sqlx::Error> {
    let scopes: String = row.try_get(2)?;
    let expires_ms = row.try_get(6)?;
    // A scope of a newer version allows nothing here.
    let scopes = scopes
        .split(' ')
        .filter_map(|name| Scope::ALL.into_iter().find(|scope| scope.as_str() == name));
    Ok(Token {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        scopes: scopes.collect(),
        project: row.try_get(3)?,
        branch: row.try_get(4)?,
        created: date(row.try_get(5)?),
        expires: date(expires_ms),
        revoked: row.try_get::<Option<i64>, _>(7)?.map(date),
        issuer: row.try_get(8)?,
        expires_ms,
    })
}

fn audit_entry(row: &AnyRow) -> Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        at: date(row.try_get(0)?),
        token: row.try_get(1)?,
        name: row.try_get(2)?,
        action: row.try_get(3)?,
        status: row.try_get(4)?,
        detail: row.try_get(5)?,
        address: row.try_get(6)?,
        request_id: row.try_get(7)?,
    })
}
