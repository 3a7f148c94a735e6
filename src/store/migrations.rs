//! Migrations: each runs once, in order, in a transaction; one that ran and differs from ours is refused.

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;

use crate::crypto::digest;
use crate::store::sql::{fetch_all, fetch_one};
use crate::store::{Backend, Error, Tx};

struct Migration {
    version: i64,
    sqlite: &'static str,
    postgres: &'static str,
}

const ALL: &[Migration] = &[
    Migration {
        version: 1,
        sqlite: include_str!("migrations/sqlite/0001_foundation.sql"),
        postgres: include_str!("migrations/postgres/0001_foundation.sql"),
    },
    Migration {
        version: 2,
        sqlite: include_str!("migrations/sqlite/0002_keys.sql"),
        postgres: include_str!("migrations/postgres/0002_keys.sql"),
    },
    Migration {
        version: 3,
        sqlite: include_str!("migrations/sqlite/0003_authorities.sql"),
        postgres: include_str!("migrations/postgres/0003_authorities.sql"),
    },
    Migration {
        version: 4,
        sqlite: include_str!("migrations/sqlite/0004_publication.sql"),
        postgres: include_str!("migrations/postgres/0004_publication.sql"),
    },
    Migration {
        version: 5,
        sqlite: include_str!("migrations/sqlite/0005_registration.sql"),
        postgres: include_str!("migrations/postgres/0005_registration.sql"),
    },
    Migration {
        version: 6,
        sqlite: include_str!("migrations/sqlite/0006_issuance_jobs.sql"),
        postgres: include_str!("migrations/postgres/0006_issuance_jobs.sql"),
    },
    Migration {
        version: 7,
        sqlite: include_str!("migrations/sqlite/0007_escrow.sql"),
        postgres: include_str!("migrations/postgres/0007_escrow.sql"),
    },
    Migration {
        version: 9,
        sqlite: include_str!("migrations/sqlite/0009_status_pages.sql"),
        postgres: include_str!("migrations/postgres/0009_status_pages.sql"),
    },
    Migration {
        version: 11,
        sqlite: include_str!("migrations/sqlite/0011_authority_requests.sql"),
        postgres: include_str!("migrations/postgres/0011_authority_requests.sql"),
    },
    Migration {
        version: 12,
        sqlite: include_str!("migrations/sqlite/0012_trust_lists.sql"),
        postgres: include_str!("migrations/postgres/0012_trust_lists.sql"),
    },
    Migration {
        version: 13,
        sqlite: include_str!("migrations/sqlite/0013_verification_batches.sql"),
        postgres: include_str!("migrations/postgres/0013_verification_batches.sql"),
    },
    Migration {
        version: 14,
        sqlite: include_str!("migrations/sqlite/0014_approved_orders.sql"),
        postgres: include_str!("migrations/postgres/0014_approved_orders.sql"),
    },
    Migration {
        version: 16,
        sqlite: include_str!("migrations/sqlite/0016_judged_files.sql"),
        postgres: include_str!("migrations/postgres/0016_judged_files.sql"),
    },
    Migration {
        version: 17,
        sqlite: include_str!("migrations/sqlite/0017_watching.sql"),
        postgres: include_str!("migrations/postgres/0017_watching.sql"),
    },
    Migration {
        version: 18,
        sqlite: include_str!("migrations/sqlite/0018_audit_log.sql"),
        postgres: include_str!("migrations/postgres/0018_audit_log.sql"),
    },
    Migration {
        version: 22,
        sqlite: include_str!("migrations/sqlite/0022_seal_life.sql"),
        postgres: include_str!("migrations/postgres/0022_seal_life.sql"),
    },
    Migration {
        version: 24,
        sqlite: include_str!("migrations/sqlite/0024_seal_uses.sql"),
        postgres: include_str!("migrations/postgres/0024_seal_uses.sql"),
    },
];

/// Any number will do, so long as every program that migrates this database asks for the same lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7021801301)";

const SQLITE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (version INTEGER PRIMARY KEY, sm3 BLOB NOT NULL, applied_at TEXT NOT NULL) STRICT";
const POSTGRES_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (version BIGINT PRIMARY KEY, sm3 BYTEA NOT NULL, applied_at TEXT NOT NULL)";
const APPLIED: &str = "SELECT version, sm3 FROM schema_migrations ORDER BY version";
const RECORD: &str =
    "INSERT INTO schema_migrations (version, sm3, applied_at) VALUES ($1, $2, CAST(CURRENT_TIMESTAMP AS TEXT))";

macro_rules! migrate {
    ($tx:expr, $database:ty, $table:expr, $text:ident, $up_to:expr) => {{
        let tx = $tx;
        sqlx::raw_sql($table).execute(&mut **tx).await?;
        let applied = sqlx::query_as::<$database, (i64, Vec<u8>)>(APPLIED).fetch_all(&mut **tx).await?;
        let ours = ALL.iter().map(|migration| (migration.version, sm3(migration.$text))).collect::<Vec<_>>();
        let wanted = |migration: &&Migration| migration.version <= $up_to;
        for migration in ALL.iter().take_while(wanted).skip(settle(&ours, &applied)?) {
            sqlx::raw_sql(migration.$text).execute(&mut **tx).await?;
            sqlx::query::<$database>(RECORD)
                .bind(migration.version)
                .bind(sm3(migration.$text))
                .execute(&mut **tx)
                .await?;
        }
        Ok(())
    }};
}

pub(in crate::store) async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let done: Result<(), Error> = async { migrate!(&mut tx, sqlx::Sqlite, SQLITE_TABLE, sqlite, i64::MAX) }.await;
    done?;
    Ok(tx.commit().await?)
}

pub(in crate::store) async fn migrate_postgres(pool: &PgPool) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    migrate_postgres_in(&mut tx, i64::MAX).await?;
    Ok(tx.commit().await?)
}

/// The migrations up to that version, in a transaction of the caller's.
pub(in crate::store) async fn migrate_postgres_in(
    tx: &mut sqlx::Transaction<'static, sqlx::Postgres>,
    up_to: i64,
) -> Result<(), Error> {
    // CREATE TABLE IF NOT EXISTS is not safe beside itself, so the lock comes first.
    sqlx::query("SET LOCAL lock_timeout = '120s'").execute(&mut **tx).await?;
    sqlx::query(LOCK).execute(&mut **tx).await?;
    migrate!(tx, sqlx::Postgres, POSTGRES_TABLE, postgres, up_to)
}

/// The newest version that this program knows.
#[must_use]
pub fn newest() -> i64 {
    ALL.last().map_or(0, |migration| migration.version)
}

/// The newest version that ran, where every one that ran is ours; 0 where none did.
pub(in crate::store) async fn applied(tx: &mut Tx<'_>) -> Result<i64, Error> {
    let (any, ours): (_, fn(&Migration) -> &'static str) = match &tx.backend {
        Backend::Sqlite(_) => ("SELECT count(*) FROM sqlite_master WHERE name = 'schema_migrations'", |one| one.sqlite),
        Backend::Postgres(_) => (
            "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_migrations'",
            |one| one.postgres,
        ),
    };
    if fetch_one!(tx, (i64,), any)?.0 == 0 {
        return Ok(0);
    }
    let applied = fetch_all!(tx, (i64, Vec<u8>), APPLIED)?;
    let ours = ALL.iter().map(|migration| (migration.version, sm3(ours(migration)))).collect::<Vec<_>>();
    settle(&ours, &applied)?;
    Ok(applied.last().map_or(0, |(version, _)| *version))
}

/// How many of ours have run; refuses any that we do not know as it is.
fn settle(ours: &[(i64, Vec<u8>)], applied: &[(i64, Vec<u8>)]) -> Result<usize, Error> {
    let known = ours.last().map_or(0, |(version, _)| *version);
    if let Some((found, _)) = applied.iter().find(|(version, _)| *version > known) {
        return Err(Error::TooNew { found: *found, known });
    }
    for (position, (version, sm3)) in applied.iter().enumerate() {
        if ours.get(position) != Some(&(*version, sm3.clone())) {
            return Err(Error::MigrationChanged { version: *version });
        }
    }
    Ok(applied.len())
}

fn sm3(text: &str) -> Vec<u8> {
    digest::sm3(text.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_past_is_taken() {
        let ours = [(1, vec![1]), (2, vec![2])];
        assert_eq!(settle(&ours, &[]).unwrap(), 0);
        assert_eq!(settle(&ours, &ours[..1]).unwrap(), 1);
        assert_eq!(settle(&ours, &ours).unwrap(), 2);
        let changed = settle(&ours, &[(1, vec![9])]);
        assert!(matches!(changed, Err(Error::MigrationChanged { version: 1 })));
        let skipped = settle(&ours, &[(2, vec![2])]);
        assert!(matches!(skipped, Err(Error::MigrationChanged { version: 2 })));
        let newer = settle(&ours, &[(1, vec![1]), (2, vec![2]), (3, vec![3])]);
        assert!(matches!(newer, Err(Error::TooNew { found: 3, known: 2 })));
    }
}
