//! Migrations: each runs once, in order, in a transaction; one that ran and differs from ours is refused.
//!
//! A program meets migrations that it does not know where a newer one was here before it, or works beside it. Each of them
//! says which program may still work on the database after it ([`Migration::serves_from`]): so one version can follow the
//! other, and the other way round. What does not say so is refused.

use std::borrow::Cow;

use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;

use crate::crypto::digest;
use crate::store::sql::{fetch_all, fetch_one};
use crate::store::{Backend, Error, Tx};

/// One change of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number. What a program is at is the number of its newest migration.
    pub version: i64,
    /// The oldest version whose program may work on the database after this. It is `version` itself where older programs
    /// would miss something, or write what this one forbids.
    pub serves_from: i64,
    /// What it does on SQLite.
    pub sqlite: &'static str,
    /// What it does on PostgreSQL.
    pub postgres: &'static str,
}

/// What brings a database to a program's version: its migrations, by ascending number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrations(Cow<'static, [Migration]>);

impl Migrations {
    /// Those of this program.
    #[must_use]
    pub const fn built_in() -> Self {
        Self(Cow::Borrowed(ALL))
    }

    /// These and a further one behind them: those of a program that is one version newer.
    #[must_use]
    pub fn with(self, further: Migration) -> Self {
        let mut all = self.0.into_owned();
        all.push(further);
        Self(all.into())
    }

    /// The newest version that they lead to.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.0.last().map_or(0, |migration| migration.version)
    }

    fn digests(&self, text: fn(&Migration) -> &'static str) -> Vec<(i64, Vec<u8>)> {
        self.0.iter().map(|migration| (migration.version, sm3(text(migration)))).collect()
    }
}

impl Default for Migrations {
    fn default() -> Self {
        Self::built_in()
    }
}

/// Which versions there are, of a database and of the program that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaVersion {
    /// That of the database, 0 before the first.
    pub database: i64,
    /// The one before it, 0 where there is none.
    pub before: i64,
    /// The oldest version whose program may work on the database.
    pub serves_from: i64,
    /// The same, once this program has brought it to its own version.
    pub will_serve_from: i64,
    /// That of this program.
    pub program: i64,
}

impl SchemaVersion {
    /// Whether a program of the version before the database's may go on with it.
    #[must_use]
    pub const fn can_go_back(&self) -> bool {
        self.before > 0 && self.serves_from <= self.before
    }
}

/// A migration that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Applied {
    version: i64,
    sm3: Vec<u8>,
    /// As it was stated; nothing for those that were before there was such a statement.
    serves_from: Option<i64>,
}

impl Applied {
    fn serves_from(&self) -> i64 {
        self.serves_from.unwrap_or(self.version)
    }
}

const ALL: &[Migration] = &[
    Migration {
        version: 1,
        serves_from: 1,
        sqlite: include_str!("migrations/sqlite/0001_foundation.sql"),
        postgres: include_str!("migrations/postgres/0001_foundation.sql"),
    },
    Migration {
        version: 2,
        serves_from: 2,
        sqlite: include_str!("migrations/sqlite/0002_keys.sql"),
        postgres: include_str!("migrations/postgres/0002_keys.sql"),
    },
    Migration {
        version: 3,
        serves_from: 3,
        sqlite: include_str!("migrations/sqlite/0003_authorities.sql"),
        postgres: include_str!("migrations/postgres/0003_authorities.sql"),
    },
    Migration {
        version: 4,
        serves_from: 4,
        sqlite: include_str!("migrations/sqlite/0004_publication.sql"),
        postgres: include_str!("migrations/postgres/0004_publication.sql"),
    },
    Migration {
        version: 5,
        serves_from: 5,
        sqlite: include_str!("migrations/sqlite/0005_registration.sql"),
        postgres: include_str!("migrations/postgres/0005_registration.sql"),
    },
    Migration {
        version: 6,
        serves_from: 6,
        sqlite: include_str!("migrations/sqlite/0006_issuance_jobs.sql"),
        postgres: include_str!("migrations/postgres/0006_issuance_jobs.sql"),
    },
    Migration {
        version: 7,
        serves_from: 7,
        sqlite: include_str!("migrations/sqlite/0007_escrow.sql"),
        postgres: include_str!("migrations/postgres/0007_escrow.sql"),
    },
    Migration {
        version: 9,
        serves_from: 9,
        sqlite: include_str!("migrations/sqlite/0009_status_pages.sql"),
        postgres: include_str!("migrations/postgres/0009_status_pages.sql"),
    },
    Migration {
        version: 11,
        serves_from: 11,
        sqlite: include_str!("migrations/sqlite/0011_authority_requests.sql"),
        postgres: include_str!("migrations/postgres/0011_authority_requests.sql"),
    },
    Migration {
        version: 12,
        serves_from: 12,
        sqlite: include_str!("migrations/sqlite/0012_trust_lists.sql"),
        postgres: include_str!("migrations/postgres/0012_trust_lists.sql"),
    },
    Migration {
        version: 13,
        serves_from: 13,
        sqlite: include_str!("migrations/sqlite/0013_verification_batches.sql"),
        postgres: include_str!("migrations/postgres/0013_verification_batches.sql"),
    },
    Migration {
        version: 14,
        serves_from: 14,
        sqlite: include_str!("migrations/sqlite/0014_approved_orders.sql"),
        postgres: include_str!("migrations/postgres/0014_approved_orders.sql"),
    },
    Migration {
        version: 16,
        serves_from: 16,
        sqlite: include_str!("migrations/sqlite/0016_judged_files.sql"),
        postgres: include_str!("migrations/postgres/0016_judged_files.sql"),
    },
    Migration {
        version: 17,
        serves_from: 17,
        sqlite: include_str!("migrations/sqlite/0017_watching.sql"),
        postgres: include_str!("migrations/postgres/0017_watching.sql"),
    },
    Migration {
        version: 18,
        serves_from: 18,
        sqlite: include_str!("migrations/sqlite/0018_audit_log.sql"),
        postgres: include_str!("migrations/postgres/0018_audit_log.sql"),
    },
    Migration {
        version: 19,
        serves_from: 19,
        sqlite: include_str!("migrations/sqlite/0019_serves_from.sql"),
        postgres: include_str!("migrations/postgres/0019_serves_from.sql"),
    },
    Migration {
        version: 20,
        serves_from: 20,
        sqlite: include_str!("migrations/sqlite/0020_erasures.sql"),
        postgres: include_str!("migrations/postgres/0020_erasures.sql"),
    },
    Migration {
        version: 21,
        serves_from: 21,
        sqlite: include_str!("migrations/sqlite/0021_old_tiles_and_releases.sql"),
        postgres: include_str!("migrations/postgres/0021_old_tiles_and_releases.sql"),
    },
    Migration {
        version: 22,
        serves_from: 21,
        sqlite: include_str!("migrations/sqlite/0022_seal_life.sql"),
        postgres: include_str!("migrations/postgres/0022_seal_life.sql"),
    },
    Migration {
        version: 23,
        serves_from: 22,
        sqlite: include_str!("migrations/sqlite/0023_seal_applications.sql"),
        postgres: include_str!("migrations/postgres/0023_seal_applications.sql"),
    },
    Migration {
        version: 24,
        serves_from: 24,
        sqlite: include_str!("migrations/sqlite/0024_seal_uses.sql"),
        postgres: include_str!("migrations/postgres/0024_seal_uses.sql"),
    },
    Migration {
        version: 26,
        serves_from: 22,
        sqlite: include_str!("migrations/sqlite/0026_receipts.sql"),
        postgres: include_str!("migrations/postgres/0026_receipts.sql"),
    },
    Migration {
        version: 27,
        serves_from: 22,
        sqlite: include_str!("migrations/sqlite/0027_seal_lists.sql"),
        postgres: include_str!("migrations/postgres/0027_seal_lists.sql"),
    },
    Migration {
        version: 28,
        serves_from: 22,
        sqlite: include_str!("migrations/sqlite/0028_newest_rows.sql"),
        postgres: include_str!("migrations/postgres/0028_newest_rows.sql"),
    },
    Migration {
        version: 29,
        serves_from: 24,
        sqlite: include_str!("migrations/sqlite/0029_seal_orders.sql"),
        postgres: include_str!("migrations/postgres/0029_seal_orders.sql"),
    },
    Migration {
        version: 30,
        serves_from: 24,
        sqlite: include_str!("migrations/sqlite/0030_prepared_signings.sql"),
        postgres: include_str!("migrations/postgres/0030_prepared_signings.sql"),
    },
    // An older program would take seals without an application for seals that one person may resume.
    Migration {
        version: 31,
        serves_from: 31,
        sqlite: include_str!("migrations/sqlite/0031_seal_imports.sql"),
        postgres: include_str!("migrations/postgres/0031_seal_imports.sql"),
    },
    // An older program would give the codes again that an order has taken.
    Migration {
        version: 32,
        serves_from: 32,
        sqlite: include_str!("migrations/sqlite/0032_seal_remakes.sql"),
        postgres: include_str!("migrations/postgres/0032_seal_remakes.sql"),
    },
    // An older program would take rows of the alarm, and of the key, that it does not know for changed ones.
    Migration {
        version: 33,
        serves_from: 33,
        sqlite: include_str!("migrations/sqlite/0033_webhooks.sql"),
        postgres: include_str!("migrations/postgres/0033_webhooks.sql"),
    },
    // An older program refuses a caller in the role of those who have persons sign.
    Migration {
        version: 35,
        serves_from: 35,
        sqlite: include_str!("migrations/sqlite/0035_person_signings.sql"),
        postgres: include_str!("migrations/postgres/0035_person_signings.sql"),
    },
    Migration {
        version: 37,
        serves_from: 35,
        sqlite: include_str!("migrations/sqlite/0037_seen_checkpoints.sql"),
        postgres: include_str!("migrations/postgres/0037_seen_checkpoints.sql"),
    },
    // An older program refuses the rows of an alarm that it does not know, and alarms each as changed.
    Migration {
        version: 39,
        serves_from: 39,
        sqlite: include_str!("migrations/sqlite/0039_noted_events.sql"),
        postgres: include_str!("migrations/postgres/0039_noted_events.sql"),
    },
    // From here on messages to offices are deleted, which a program before it counts to name the next one, and seals are in a
    // state that it does not know.
    Migration {
        version: 41,
        serves_from: 41,
        sqlite: include_str!("migrations/sqlite/0041_ends.sql"),
        postgres: include_str!("migrations/postgres/0041_ends.sql"),
    },
    Migration {
        version: 42,
        serves_from: 41,
        sqlite: include_str!("migrations/sqlite/0042_messages_set_apart.sql"),
        postgres: include_str!("migrations/postgres/0042_messages_set_apart.sql"),
    },
    Migration {
        version: 43,
        serves_from: 43,
        sqlite: include_str!("migrations/sqlite/0043_places.sql"),
        postgres: include_str!("migrations/postgres/0043_places.sql"),
    },
    // A program before this one does not know purpose 18 of keys, nor role 9 of callers.
    Migration {
        version: 44,
        serves_from: 44,
        sqlite: include_str!("migrations/sqlite/0044_message_signings.sql"),
        postgres: include_str!("migrations/postgres/0044_message_signings.sql"),
    },
];

/// The first version that keeps [`Migration::serves_from`].
const STATED: i64 = 19;

/// Any number will do, so long as every program that migrates this database asks for the same lock.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7021801301)";

const SQLITE_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (version INTEGER PRIMARY KEY, sm3 BLOB NOT NULL, applied_at TEXT NOT NULL) STRICT";
const POSTGRES_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations \
    (version BIGINT PRIMARY KEY, sm3 BYTEA NOT NULL, applied_at TEXT NOT NULL)";
const APPLIED: &str = "SELECT version, sm3 FROM schema_migrations ORDER BY version";
const STATEMENTS: &str = "SELECT version, serves_from FROM schema_migrations \
    WHERE version >= $1 AND serves_from IS NOT NULL ORDER BY version";
const RECORD: &str =
    "INSERT INTO schema_migrations (version, sm3, applied_at) VALUES ($1, $2, CAST(CURRENT_TIMESTAMP AS TEXT))";
const STATE: &str = "UPDATE schema_migrations SET serves_from = $2 WHERE version = $1";

macro_rules! migrate {
    ($tx:expr, $database:ty, $table:expr, $text:ident, $migrations:expr, $up_to:expr) => {{
        let (tx, migrations): (_, &Migrations) = ($tx, $migrations);
        sqlx::raw_sql($table).execute(&mut **tx).await?;
        let applied = sqlx::query_as::<$database, (i64, Vec<u8>)>(APPLIED).fetch_all(&mut **tx).await?;
        let stated = match applied.last() {
            Some((version, _)) if *version >= STATED => {
                sqlx::query_as::<$database, (i64, i64)>(STATEMENTS).bind(STATED).fetch_all(&mut **tx).await?
            }
            _ => Vec::new(),
        };
        let applied = joined(applied, &stated);
        let ran = settle(&migrations.digests(|one| one.$text), &applied)?;
        let wanted = |migration: &&Migration| migration.version <= $up_to;
        for migration in migrations.0.iter().take_while(wanted).skip(ran) {
            sqlx::raw_sql(migration.$text).execute(&mut **tx).await?;
            sqlx::query::<$database>(RECORD)
                .bind(migration.version)
                .bind(sm3(migration.$text))
                .execute(&mut **tx)
                .await?;
            if migration.version >= STATED {
                let stating = sqlx::query::<$database>(STATE).bind(migration.version).bind(migration.serves_from);
                stating.execute(&mut **tx).await?;
            }
        }
        Ok(applied.last().map_or(0, |newest| newest.version))
    }};
}

/// Brings a database to the newest version; gives the one that it was at.
pub(in crate::store) async fn migrate_sqlite(pool: &SqlitePool, migrations: &Migrations) -> Result<i64, Error> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let done: Result<i64, Error> =
        async { migrate!(&mut tx, sqlx::Sqlite, SQLITE_TABLE, sqlite, migrations, i64::MAX) }.await;
    let found = done?;
    tx.commit().await?;
    Ok(found)
}

/// As [`migrate_sqlite`].
pub(in crate::store) async fn migrate_postgres(pool: &PgPool, migrations: &Migrations) -> Result<i64, Error> {
    let mut tx = pool.begin().await?;
    let found = migrate_postgres_in(&mut tx, migrations, i64::MAX).await?;
    tx.commit().await?;
    Ok(found)
}

/// The migrations up to that version, in a transaction of the caller's.
pub(in crate::store) async fn migrate_postgres_in(
    tx: &mut sqlx::Transaction<'static, sqlx::Postgres>,
    migrations: &Migrations,
    up_to: i64,
) -> Result<i64, Error> {
    // CREATE TABLE IF NOT EXISTS is not safe beside itself, so the lock comes first.
    sqlx::query("SET LOCAL lock_timeout = '120s'").execute(&mut **tx).await?;
    sqlx::query(LOCK).execute(&mut **tx).await?;
    migrate!(tx, sqlx::Postgres, POSTGRES_TABLE, postgres, migrations, up_to)
}

/// The newest version that this program knows.
#[must_use]
pub fn newest() -> i64 {
    Migrations::built_in().newest()
}

/// What ran, where every migration that ran is one of these, or newer and serves their program.
pub(in crate::store) async fn applied(tx: &mut Tx<'_>, migrations: &Migrations) -> Result<SchemaVersion, Error> {
    let (any, ours): (_, fn(&Migration) -> &'static str) = match &tx.backend {
        Backend::Sqlite(_) => ("SELECT count(*) FROM sqlite_master WHERE name = 'schema_migrations'", |one| one.sqlite),
        Backend::Postgres(_) => (
            "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_migrations'",
            |one| one.postgres,
        ),
    };
    let program = migrations.newest();
    let beyond = |version: i64| {
        let pending = migrations.0.iter().filter(|one| one.version > version);
        pending.map(|one| one.serves_from).max().unwrap_or(0)
    };
    if fetch_one!(tx, (i64,), any)?.0 == 0 {
        return Ok(SchemaVersion { database: 0, before: 0, serves_from: 0, will_serve_from: beyond(0), program });
    }
    let applied = fetch_all!(tx, (i64, Vec<u8>), APPLIED)?;
    let stated = match applied.last() {
        Some((version, _)) if *version >= STATED => fetch_all!(tx, (i64, i64), STATEMENTS, STATED)?,
        _ => Vec::new(),
    };
    let applied = joined(applied, &stated);
    settle(&migrations.digests(ours), &applied)?;
    let newest_first = || applied.iter().rev().map(|one| one.version);
    let database = newest_first().next().unwrap_or(0);
    let serves_from = applied.iter().map(Applied::serves_from).max().unwrap_or(0);
    Ok(SchemaVersion {
        database,
        before: newest_first().nth(1).unwrap_or(0),
        serves_from,
        will_serve_from: serves_from.max(beyond(database)),
        program,
    })
}

fn joined(applied: Vec<(i64, Vec<u8>)>, stated: &[(i64, i64)]) -> Vec<Applied> {
    let serves_from = |of: i64| stated.iter().find(|(version, _)| *version == of).map(|(_, serves_from)| *serves_from);
    applied.into_iter().map(|(version, sm3)| Applied { version, sm3, serves_from: serves_from(version) }).collect()
}

/// How many of ours have run; refuses any that we do not know as it is, but for newer ones that serve our program.
fn settle(ours: &[(i64, Vec<u8>)], applied: &[Applied]) -> Result<usize, Error> {
    let known = ours.last().map_or(0, |(version, _)| *version);
    let (past, newer) = applied.split_at(applied.iter().take_while(|one| one.version <= known).count());
    if let Some(beyond) = newer.iter().find(|one| one.serves_from() > known) {
        return Err(Error::TooNew { found: beyond.version, known });
    }
    for (position, Applied { version, sm3, .. }) in past.iter().enumerate() {
        if ours.get(position) != Some(&(*version, sm3.clone())) {
            return Err(Error::MigrationChanged { version: *version });
        }
    }
    // A newer one runs behind all of ours.
    match ours.get(past.len()).filter(|_| !newer.is_empty()) {
        Some((version, _)) => Err(Error::MigrationChanged { version: *version }),
        None => Ok(past.len()),
    }
}

fn sm3(text: &str) -> Vec<u8> {
    digest::sm3(text.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(all: &[(i64, Option<i64>)]) -> Vec<Applied> {
        let octet = |version: i64| vec![u8::try_from(version).unwrap()];
        all.iter()
            .map(|(version, serves_from)| Applied {
                version: *version,
                sm3: octet(*version),
                serves_from: *serves_from,
            })
            .collect()
    }

    #[test]
    fn only_our_own_past_is_taken() {
        let ours = [(1, vec![1]), (2, vec![2])];
        assert_eq!(settle(&ours, &[]).unwrap(), 0);
        assert_eq!(settle(&ours, &ran(&[(1, None)])).unwrap(), 1);
        assert_eq!(settle(&ours, &ran(&[(1, None), (2, None)])).unwrap(), 2);
        let changed = settle(&ours, &[Applied { version: 1, sm3: vec![9], serves_from: None }]);
        assert!(matches!(changed, Err(Error::MigrationChanged { version: 1 })));
        let skipped = settle(&ours, &ran(&[(2, None)]));
        assert!(matches!(skipped, Err(Error::MigrationChanged { version: 2 })));
        let newer = settle(&ours, &ran(&[(1, None), (2, None), (3, None)]));
        assert!(matches!(newer, Err(Error::TooNew { found: 3, known: 2 })));
    }

    #[test]
    fn a_newer_one_is_taken_where_it_serves_us() {
        let ours = [(1, vec![1]), (2, vec![2])];
        let after = |newer: &[(i64, Option<i64>)]| {
            settle(&ours, &ran(&[&[(1, None), (2, None)], newer].concat())).map_err(|error| error.to_string())
        };
        assert_eq!(after(&[(3, Some(2))]), Ok(2));
        assert_eq!(after(&[(3, Some(1)), (5, Some(2))]), Ok(2));
        let too_new = |found| Err(format!("the database is at version {found}, this program knows versions up to 2"));
        assert_eq!(after(&[(3, Some(3))]), too_new(3));
        // The one before it would have served us.
        assert_eq!(after(&[(3, Some(2)), (4, Some(3))]), too_new(4));
        assert_eq!(after(&[(3, Some(2)), (4, None)]), too_new(4));
        // Whoever ran it had run ours before.
        let without_ours = settle(&ours, &ran(&[(1, None), (3, Some(2))]));
        assert!(matches!(without_ours, Err(Error::MigrationChanged { version: 2 })));
    }

    #[test]
    fn numbers_rise_and_no_migration_serves_whom_it_cannot_know() {
        for (before, after) in ALL.iter().zip(ALL.iter().skip(1)) {
            assert!(before.version < after.version, "{}", after.version);
        }
        for Migration { version, serves_from, .. } in ALL {
            assert!(serves_from == version || (*version > STATED && *serves_from >= STATED && serves_from < version));
        }
    }

    /// What an older program would stumble over; nothing where it can go on.
    fn narrows(sql: &str) -> Option<String> {
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        let text = lines.collect::<Vec<_>>().join(" ").to_uppercase();
        text.split(';').find_map(|statement| {
            let words = statement.split_whitespace().collect::<Vec<_>>();
            let has = |word: &str| words.contains(&word);
            let pair = |first: &str, second: &str| words.windows(2).any(|pair| pair == [first, second]);
            let removes = has("DROP") || has("RENAME") || has("DELETE") || has("TRUNCATE") || has("REVOKE");
            let alters = has("ALTER") && has("TYPE") || pair("SET", "NOT");
            let demands = pair("ADD", "COLUMN") && pair("NOT", "NULL") && !has("DEFAULT");
            // Rows that an older program writes would break it, or be refused by it.
            let holds = has("ALTER") && (has("CONSTRAINT") || pair("ADD", "CHECK")) || pair("UNIQUE", "INDEX");
            let guards = has("TRIGGER");
            (removes || alters || demands || holds || guards).then(|| words.join(" "))
        })
    }

    #[test]
    fn a_migration_that_serves_older_programs_only_adds() {
        for Migration { version, serves_from, sqlite, postgres } in ALL.iter().filter(|one| one.version >= STATED) {
            for sql in [sqlite, postgres] {
                assert!(serves_from == version || narrows(sql).is_none(), "{version}: {:?}", narrows(sql));
            }
        }
    }

    #[test]
    fn what_narrows_is_seen() {
        for sql in [
            "DROP TABLE a",
            "ALTER TABLE a DROP COLUMN b",
            "ALTER TABLE a RENAME TO b",
            "CREATE TABLE z (a INTEGER);\nALTER TABLE a RENAME COLUMN b TO c;",
            "ALTER TABLE a ADD COLUMN b INTEGER NOT NULL",
            "alter table a\n  add column b integer -- DEFAULT\n  not null",
            "ALTER TABLE a ALTER COLUMN b SET NOT NULL",
            "ALTER TABLE a ALTER COLUMN b TYPE TEXT",
            "ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0)",
            "CREATE UNIQUE INDEX i ON a (b)",
            "CREATE TRIGGER t BEFORE INSERT ON a BEGIN SELECT 1; END",
            "DELETE FROM a",
        ] {
            assert!(narrows(sql).is_some(), "{sql}");
        }
        for sql in [
            "CREATE TABLE a (b INTEGER NOT NULL); -- instead of DROP\nCREATE INDEX i ON a (b);",
            "ALTER TABLE a ADD COLUMN b INTEGER",
            "ALTER TABLE a ADD COLUMN b INTEGER NOT NULL DEFAULT 0",
        ] {
            assert_eq!(narrows(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_further_migration_is_one_version_newer() {
        let further = Migration { version: newest() + 1, serves_from: newest(), sqlite: "", postgres: "" };
        assert_eq!(Migrations::built_in().with(further).newest(), newest() + 1);
        assert_eq!(Migrations::default().newest(), newest());
    }
}
