//! The version of a history's tables, and upgrades.

use sqlx::migrate::{Migrate as _, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Executor as _, Row as _, SqlSafeStr as _};

use super::engine::Address;
use super::{Access, Database, DatabaseError};

/// The table in which sqlx records applied migrations.
const TABLE: &str = "_sqlx_migrations";
/// The bytes of `imax`, in the header of a SQLite file.
const APPLICATION_ID: i64 = 0x696d_6178;

/// The migrations of each engine, oldest first; a published one never changes, sqlx compares its checksum.
const SQLITE: [(&str, &str); 13] = [
    ("history", include_str!("migrations/sqlite/0001_history.sql")),
    ("published result", include_str!("migrations/sqlite/0002_published_result.sql")),
    (
        "levels and annotations",
        include_str!("migrations/sqlite/0003_levels_and_annotations.sql"),
    ),
    ("points of run", include_str!("migrations/sqlite/0004_points_of_run.sql")),
    ("access", include_str!("migrations/sqlite/0005_access.sql")),
    ("run records", include_str!("migrations/sqlite/0006_run_records.sql")),
    ("point counts", include_str!("migrations/sqlite/0007_point_counts.sql")),
    (
        "changelog and prices",
        include_str!("migrations/sqlite/0008_changelog_and_prices.sql"),
    ),
    ("submissions", include_str!("migrations/sqlite/0009_submissions.sql")),
    ("watches", include_str!("migrations/sqlite/0010_watches.sql")),
    ("point source", include_str!("migrations/sqlite/0011_point_source.sql")),
    ("rates of sessions", include_str!("migrations/sqlite/0012_rates_of_sessions.sql")),
    ("run counts", include_str!("migrations/sqlite/0013_run_counts.sql")),
];
const POSTGRES: [(&str, &str); SQLITE.len()] = [
    ("history", include_str!("migrations/postgres/0001_history.sql")),
    ("published result", include_str!("migrations/postgres/0002_published_result.sql")),
    (
        "levels and annotations",
        include_str!("migrations/postgres/0003_levels_and_annotations.sql"),
    ),
    ("points of run", include_str!("migrations/postgres/0004_points_of_run.sql")),
    ("access", include_str!("migrations/postgres/0005_access.sql")),
    ("run records", include_str!("migrations/postgres/0006_run_records.sql")),
    ("point counts", include_str!("migrations/postgres/0007_point_counts.sql")),
    (
        "changelog and prices",
        include_str!("migrations/postgres/0008_changelog_and_prices.sql"),
    ),
    ("submissions", include_str!("migrations/postgres/0009_submissions.sql")),
    ("watches", include_str!("migrations/postgres/0010_watches.sql")),
    ("point source", include_str!("migrations/postgres/0011_point_source.sql")),
    ("rates of sessions", include_str!("migrations/postgres/0012_rates_of_sessions.sql")),
    ("run counts", include_str!("migrations/postgres/0013_run_counts.sql")),
];

/// The newest version.
const VERSION: i64 = SQLITE.len() as i64;

fn migrator(address: &Address) -> Migrator {
    let scripts = match address {
        Address::Sqlite(_) => SQLITE,
        Address::Postgres(_) => POSTGRES,
    };
    let numbered = (1..).zip(scripts);
    let migrations =
        numbered.map(|(version, (name, sql))| Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false));
    Migrator::with_migrations(migrations.collect())
}

/// Checks that a database is a history of this version. With write access, an empty or older one is upgraded.
pub(super) async fn prepare(database: &mut Database, access: Access) -> Result<(), DatabaseError> {
    let address = database.address.clone();
    let place = address.to_string();
    let found = version(database).await?;
    match access {
        Access::Read if found == 0 => Err(DatabaseError::Missing(place)),
        Access::Read if found < VERSION => Err(DatabaseError::Older {
            place,
            found,
            known: VERSION,
        }),
        Access::Read | Access::Write if found > VERSION => Err(DatabaseError::Newer {
            place,
            found,
            known: VERSION,
        }),
        Access::Read => Ok(()),
        Access::Write => {
            // Not earlier: this changes the file, which until here could have belonged to another program.
            if let Address::Sqlite(_) = address {
                database
                    .connection
                    .execute("PRAGMA journal_mode = WAL")
                    .await
                    .map_err(address.sql())?;
            }
            if found == VERSION {
                Ok(())
            } else {
                upgrade(database, &address).await
            }
        }
    }
}

/// Applies missing migrations. They are determined within a writer's transaction, because another process may have applied them
/// since, and sqlx locks no SQLite file.
async fn upgrade(database: &mut Database, address: &Address) -> Result<(), DatabaseError> {
    let mut transaction = database.begin().await?;
    match migrator(address).run(&mut *transaction).await {
        Ok(()) => transaction.commit().await.map_err(address.sql()),
        Err(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => Err(address.error(source)),
        Err(source) => Err(DatabaseError::Migrate {
            place: address.to_string(),
            source,
        }),
    }
}

/// The newest migration that was applied; 0 for an empty database.
async fn version(database: &mut Database) -> Result<i64, DatabaseError> {
    let address = &database.address;
    let sql = address.sql();
    let (tables, ours) = match address {
        Address::Sqlite(_) => {
            let statement = "SELECT count(*), coalesce(sum(name = $1), 0) FROM sqlite_schema WHERE type = 'table'";
            let row = sqlx::query(statement)
                .bind(TABLE)
                .fetch_one(&mut database.connection)
                .await
                .map_err(&sql)?;
            let id: i64 = sqlx::query_scalar("PRAGMA application_id")
                .fetch_one(&mut database.connection)
                .await
                .map_err(&sql)?;
            let (tables, ours): (i64, i64) = (row.try_get(0).map_err(&sql)?, row.try_get(1).map_err(&sql)?);
            // A first upgrade that was killed leaves only sqlx's table.
            if tables > ours && id != APPLICATION_ID {
                return Err(DatabaseError::Foreign(address.to_string()));
            }
            (tables, ours)
        }
        Address::Postgres(_) => {
            let statement = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1";
            let ours: i64 = sqlx::query_scalar(statement)
                .bind(TABLE)
                .fetch_one(&mut database.connection)
                .await
                .map_err(&sql)?;
            (ours, ours)
        }
    };
    if tables == 0 || ours == 0 {
        return Ok(0);
    }
    let applied = database.connection.list_applied_migrations(TABLE).await;
    let applied = applied.map_err(|source| DatabaseError::Migrate {
        place: address.to_string(),
        source,
    })?;
    Ok(applied.iter().map(|migration| migration.version).max().unwrap_or(0))
}
