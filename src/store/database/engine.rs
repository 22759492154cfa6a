//! The two engines: their addresses, connections and errors.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use sqlx::AnyConnection;
use sqlx::any::AnyConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use url::Url;

use super::{Access, DatabaseError};

/// Timeout of a connection, and of a writer that waits for another one.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Key of the advisory lock that PostgreSQL's writers take: the bytes of `imax`.
pub(super) const ADVISORY_LOCK: i64 = 0x696d_6178;
/// Characters that are escaped in the path of a URL.
const PATH_SET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The address of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Sqlite(PathBuf),
    Postgres(Url),
}

/// Invalid address of a database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("invalid URL of a PostgreSQL database: {0}")]
    Url(String),
    /// Command lines are visible to all users of the machine.
    #[error("the URL has a password, which every user of the machine can see; use PGPASSWORD, PGPASSFILE or ~/.pgpass")]
    Password,
}

impl Address {
    /// A PostgreSQL address without a password, `postgres://USER@HOST/DATABASE`. Libpq's variables (`PGUSER`, `PGPASSWORD`,
    /// `PGSSLMODE`, …) complete it.
    ///
    /// # Errors
    /// [`AddressError`].
    pub(crate) fn postgres(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|error| AddressError::Url(error.to_string()))?;
        if url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password") {
            return Err(AddressError::Password);
        }
        Ok(Self::Postgres(url))
    }

    /// Adds the address to an error of a statement.
    pub(super) fn sql(&self) -> impl Fn(sqlx::Error) -> DatabaseError + '_ {
        |source| self.error(source)
    }

    pub(super) fn row(&self) -> impl Fn(crate::analysis::RowError) -> DatabaseError + '_ {
        |source| DatabaseError::Row {
            place: self.to_string(),
            source,
        }
    }

    pub(super) fn error(&self, source: sqlx::Error) -> DatabaseError {
        let place = self.to_string();
        let code = source.as_database_error().and_then(|error| error.code());
        if matches!(self, Self::Postgres(_)) {
            return postgres_error(place, source);
        }
        // SQLite's result codes: https://sqlite.org/rescode.html; the low byte of an extended code is the primary one.
        let primary = code.as_deref().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
        match primary {
            Some(5 | 6) => DatabaseError::Locked(place),
            Some(8) => DatabaseError::ReadOnly(place),
            // A full disk is this error where the file beside the database that readers share has no room.
            Some(10) => DatabaseError::Disk {
                place,
                reason: source.to_string(),
            },
            Some(11) => DatabaseError::Damaged(place),
            Some(13) => DatabaseError::Full(place),
            Some(14) => DatabaseError::Unopened(place),
            Some(26) => DatabaseError::NotSqlite(place),
            Some(_) | None => DatabaseError::Sql { place, source },
        }
    }
}

/// By its SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>), or because the connection broke.
fn postgres_error(place: String, source: sqlx::Error) -> DatabaseError {
    let code = source.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    let is_broken = matches!(source, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed);
    let remedy = match code.as_ref() {
        "53100" => return DatabaseError::Full(place),
        "55P03" => return DatabaseError::Locked(place),
        "3D000" => "create it with createdb, or name another database",
        code if code.starts_with("28") => "PGUSER, PGPASSWORD and ~/.pgpass say who connects",
        code if is_broken || code.starts_with("08") || code.starts_with("57P") => {
            "check that the server runs, and that host and port are its own, then try again; a change is stored as a whole or not at all"
        }
        _ => return DatabaseError::Sql { place, source },
    };
    DatabaseError::Server { place, source, remedy }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(url.as_str()),
        }
    }
}

/// Connects. A SQLite file is only created for [`Access::Write`].
pub(super) async fn connect(address: &Address, access: Access) -> Result<AnyConnection, DatabaseError> {
    sqlx::any::install_default_drivers();
    let url = match address {
        Address::Sqlite(path) if access == Access::Read && !path.exists() => return Err(DatabaseError::Missing(address.to_string())),
        Address::Sqlite(path) => sqlite_url(path, access),
        Address::Postgres(url) => url.to_string(),
    };
    let options: AnyConnectOptions = url.parse().map_err(address.sql())?;
    let connecting = tokio::time::timeout(PATIENCE, options.connect()).await;
    let connected = connecting.unwrap_or_else(|_| {
        let words = format!("no connection within {} s", PATIENCE.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, words)))
    });
    let mut connection = connected.map_err(address.sql())?;
    for pragma in pragmas(address, access) {
        connection.execute(*pragma).await.map_err(address.sql())?;
    }
    Ok(connection)
}

fn sqlite_url(path: &Path, access: Access) -> String {
    // An absolute path, because the first part of a relative one would be the URL's host.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), PATH_SET);
    let mode = match access {
        Access::Read => "rw",
        Access::Write => "rwc",
    };
    format!("sqlite://{path}?mode={mode}")
}

/// The schema of a file is not trusted, because the file may come from a stranger. The log is synced at each commit: what was
/// reported as stored survives a power failure.
fn pragmas(address: &Address, access: Access) -> &'static [&'static str] {
    match (address, access) {
        (Address::Sqlite(_), Access::Read) => &[
            "PRAGMA busy_timeout = 60000",
            "PRAGMA trusted_schema = OFF",
            "PRAGMA query_only = ON",
        ],
        (Address::Sqlite(_), Access::Write) => &[
            "PRAGMA busy_timeout = 60000",
            "PRAGMA trusted_schema = OFF",
            "PRAGMA synchronous = FULL",
        ],
        (Address::Postgres(_), _) => &["SET lock_timeout = '60s'"],
    }
}
