//! The only SQL: rows of SQLite or PostgreSQL, one text for both.
//!
//! Every writing transaction holds the head of the audit log from its first statement to its commit: on SQLite by
//! `BEGIN IMMEDIATE`, on PostgreSQL by a row lock. So writers come one after another on both, event numbers have no
//! gaps, and what a transaction has read stays true until it commits.

pub mod alarms;
pub mod audit;
pub mod authorities;
pub mod authority_requests;
pub mod backups;
pub mod callers;
pub mod certificate_requests;
pub mod certificates;
pub mod crls;
pub mod escrowed_keys;
pub mod expiry_alerts;
pub mod idempotency;
pub mod installation;
pub mod issuance_batches;
pub mod issuance_job_approvals;
pub mod issuance_job_rows;
pub mod issuance_jobs;
pub mod issued_certificates;
pub mod key_encryption_keys;
pub mod key_recoveries;
pub mod keys;
pub mod log;
pub mod message_signings;
pub mod moved_tiles;
pub mod office_messages;
pub mod officers;
pub mod outbox;
pub mod person_signings;
pub mod prepared_signings;
pub mod renewals;
pub mod responders;
pub mod revocation_pages;
pub mod scratch;
pub mod seal_applications;
pub mod seal_code_ranges;
pub mod seal_imports;
pub mod seal_keepers;
pub mod seal_makings;
pub mod seal_officers;
pub mod seal_orders;
pub mod seal_records;
pub mod seal_remakes;
pub mod seals;
pub mod signatures;
pub mod trust_lists;
pub mod use_approvals;
pub mod use_authorisations;
pub mod use_ledger;
pub mod verification_batches;
pub mod watching;
pub mod webhooks;

mod appended;
pub mod erasures;
mod error;
mod integrity;
mod leadership;
mod migrations;
mod newest;
mod sql;
mod together;

use std::marker::PhantomData;
use std::path::Path;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

pub use error::Error;
pub use integrity::{IntegrityKey, MacUnavailable, RowMac};
pub use leadership::{Leadership, Led};
pub use migrations::{Migration, Migrations, SchemaVersion, newest as newest_version};

use crate::base::id::RequestId;
use crate::base::random::Random;

use appended::Appended;
use audit::SaltedEvent;
use together::{Group, Writers};

/// How often a transaction that gave way to others is tried.
const ATTEMPTS: u32 = 5;
/// How long a transaction waits for the writer before it, or for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that read at the same time.
const READERS: u32 = 8;
/// A transaction slower than this is told in the log.
const SLOW: Duration = Duration::from_secs(1);

/// An open database.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    integrity: IntegrityKey,
    random: Arc<dyn Random>,
    migrations: Migrations,
    writers: Writers,
    appended: Appended,
    statements: Arc<AtomicU64>,
}

/// Where a database is, and what brings it to the version of the program that opens it.
#[derive(Clone)]
pub struct Database {
    url: String,
    migrations: Migrations,
}

impl Database {
    /// The database at a URL: `sqlite:PATH` or `postgres://…`; with the migrations of this program.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), migrations: Migrations::built_in() }
    }

    /// The same with these migrations.
    #[must_use]
    pub fn with_migrations(self, migrations: Migrations) -> Self {
        Self { migrations, ..self }
    }
}

impl From<&str> for Database {
    fn from(url: &str) -> Self {
        Self::at(url)
    }
}

impl From<&String> for Database {
    fn from(url: &String) -> Self {
        Self::at(url)
    }
}

#[derive(Clone)]
enum Pools {
    Sqlite { writer: SqlitePool, reader: SqlitePool },
    Postgres(PgPool),
}

/// An open transaction. Undone when dropped; [`Store::run`] commits it.
///
/// `'env` is what the steps may borrow: it outlives every reference to the transaction.
pub struct Tx<'env> {
    backend: Backend,
    integrity: IntegrityKey,
    random: Arc<dyn Random>,
    /// Events of callers' requests that this transaction wrote.
    written: Vec<(RequestId, SaltedEvent)>,
    appended: Appended,
    statements: Arc<AtomicU64>,
    transient: bool,
    env: PhantomData<&'env ()>,
}

/// What steps give: `|tx| Box::pin(async move { … })`.
pub type Steps<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

enum Backend {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl<'env> Tx<'env> {
    fn new(backend: Backend, of: &Store) -> Self {
        let (integrity, random) = (of.integrity.clone(), Arc::clone(&of.random));
        let (written, appended) = (Vec::new(), of.appended.clone());
        let statements = Arc::clone(&of.statements);
        Self { backend, integrity, random, written, appended, statements, transient: false, env: PhantomData }
    }

    /// Salt for one event.
    fn salt(&self) -> Result<[u8; audit::SALT_LENGTH], Error> {
        let mut salt = [0; audit::SALT_LENGTH];
        self.random.fill(&mut salt)?;
        Ok(salt)
    }

    /// Numbers of the events that a caller's request has written so far, as many as get receipts.
    fn events_of(&self, request: &RequestId) -> Vec<i64> {
        self.appended.numbers(request, &self.written)
    }

    /// Counts a statement.
    fn count(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes whether a failure is worth another attempt, and gives it our form.
    fn fault(&mut self, error: sqlx::Error) -> Error {
        self.transient |= Error::is_transient(&error);
        error.into()
    }
}

impl Store {
    /// Opens the database and brings it to this program's version.
    ///
    /// A URL is `sqlite:PATH` (made when absent) or `postgres://…`. Salts of events come from `random`. A database that a
    /// newer program has migrated stays as it is, where its migrations serve this program.
    ///
    /// # Errors
    /// No such database, or its migrations are not ours.
    pub async fn open(
        database: impl Into<Database>,
        integrity: IntegrityKey,
        random: Arc<dyn Random>,
    ) -> Result<Self, Error> {
        let Database { url, migrations } = database.into();
        let store = Self::over(connect(&url).await?, migrations, integrity, random);
        store.migrate().await?;
        Ok(store)
    }

    fn over(pools: Pools, migrations: Migrations, integrity: IntegrityKey, random: Arc<dyn Random>) -> Self {
        let (writers, appended) = (Writers::default(), Appended::default());
        Self { pools, integrity, random, migrations, writers, appended, statements: Arc::default() }
    }

    /// Opens the SQLite database in that file, made when absent.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_file(path: &Path, integrity: IntegrityKey, random: Arc<dyn Random>) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new().filename(path);
        let store = Self::over(connect_sqlite(options).await?, Migrations::built_in(), integrity, random);
        store.migrate().await?;
        Ok(store)
    }

    /// The same database under another integrity key: the key's salt stands in the database itself.
    #[must_use]
    pub fn with_integrity(self, integrity: IntegrityKey) -> Self {
        Self { integrity, ..self }
    }

    /// Rows that were refused since the last time, because they are not as they were written: table and name, each once.
    #[must_use]
    pub fn refused_rows(&self) -> Vec<(&'static str, String)> {
        self.integrity.take_refused()
    }

    /// How many statements ran in transactions since it was opened: what a use case costs is told by what it adds.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Opens the database as it is: nothing is made, nothing is brought to a version.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::NoDatabase`].
    pub async fn open_as_it_is(database: impl Into<Database>, random: Arc<dyn Random>) -> Result<Self, Error> {
        let Database { url, migrations } = database.into();
        if let Some(file) = backups::file_of(&url)?
            && !file.exists()
        {
            return Err(Error::NoDatabase);
        }
        Ok(Self::over(connect(&url).await?, migrations, IntegrityKey::none(), random))
    }

    /// Which version the database is at, which this program is, and which programs may work on the database.
    ///
    /// # Errors
    /// [`Error::TooNew`], [`Error::MigrationChanged`]; the database's.
    pub async fn version(&self) -> Result<SchemaVersion, Error> {
        let migrations = &self.migrations;
        self.read(|tx| Box::pin(migrations::applied(tx, migrations))).await
    }

    /// The newest version that this program knows.
    #[must_use]
    pub fn newest_version(&self) -> i64 {
        self.migrations.newest()
    }

    /// Brings the database to this program's version, unless it is at a newer one that serves this program.
    ///
    /// # Errors
    /// As [`Self::version`].
    pub async fn migrate(&self) -> Result<(), Error> {
        let (migrations, program) = (&self.migrations, self.migrations.newest());
        let found = match &self.pools {
            Pools::Sqlite { writer, .. } => migrations::migrate_sqlite(writer, migrations).await?,
            Pools::Postgres(pool) => migrations::migrate_postgres(pool, migrations).await?,
        };
        if found > program {
            tracing::warn!(
                database = found,
                program,
                "a newer program has migrated the database; it serves this one too"
            );
        }
        Ok(())
    }

    /// Runs the steps all or none of them, and commits; tries again, from the start, when it had to give way to others.
    ///
    /// So the steps may run more than once: they must change nothing but the database, and use no key. Those that come
    /// while others write share their commit (see `together`); whatever comes back, the commit is behind it.
    ///
    /// # Errors
    /// The steps' own, after undoing what they did; or the database's.
    pub async fn run<'env, T, E: From<Error>>(
        &self,
        name: &'static str,
        steps: impl for<'t> Fn(&'t mut Tx<'env>) -> Steps<'t, T, E>,
    ) -> Result<T, E> {
        let started = tokio::time::Instant::now();
        for attempt in 1..=ATTEMPTS {
            if let Some(outcome) = self.attempt(&steps).await {
                let took = started.elapsed();
                if took > SLOW {
                    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                    tracing::warn!(name, milliseconds, attempt, "slow transaction");
                }
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(5) * attempt * attempt).await;
        }
        Err(Error::Contended { name, attempts: ATTEMPTS }.into())
    }

    /// One attempt; nothing when it had to give way.
    async fn attempt<'env, T, E: From<Error>>(
        &self,
        steps: &impl for<'t> Fn(&'t mut Tx<'env>) -> Steps<'t, T, E>,
    ) -> Option<Result<T, E>> {
        let asked = tokio::time::Instant::now();
        let mut place = self.writers.enter().await;
        let Group { backend, roll } = match place.take() {
            Some(mut group) => match group.mark().await {
                Ok(()) => group,
                // Undone as it is dropped.
                Err(_) => return None,
            },
            None if self.writers.was_away_since(asked) => {
                return Some(Err(Error::from(sqlx::Error::PoolTimedOut).into()));
            }
            None => match self.begin().await {
                Ok(backend) => Group::new(backend),
                Err(error) if Error::is_transient(&error) => return None,
                Err(error) => {
                    if matches!(error, sqlx::Error::PoolTimedOut) {
                        self.writers.note_away();
                    }
                    return Some(Err(Error::from(error).into()));
                }
            },
        };
        let mut tx = Tx::new(backend, self);
        let result = steps(&mut tx).await;
        let (transient, awaited, written) = (tx.transient, roll.awaited(), tx.written);
        let mut group = Group { backend: tx.backend, roll };
        match &result {
            Ok(_) => self.writers.leave(place, group),
            // Undone as it is dropped: nobody else is in it.
            Err(_) if group.roll.is_empty() => return result.err().filter(|_| !transient).map(Err),
            Err(_) => {
                // Where not even that is possible the whole group is undone, as it is dropped, and all begin again.
                group.undo().await.ok()?;
                self.writers.leave(place, group);
                if transient {
                    return None;
                }
            }
        }
        // A refusal waits too: it may rest on what another member wrote.
        match awaited.outcome().await {
            Some(Ok(())) => {
                if result.is_ok() {
                    self.appended.note(written);
                }
                Some(result)
            }
            Some(Err(error)) if !Error::is_transient(&error) => Some(Err(Error::NotCommitted(error).into())),
            Some(Err(_)) | None => None,
        }
    }

    /// Runs reading steps on one snapshot; nothing that they change is kept.
    ///
    /// # Errors
    /// The steps' own, or the database's.
    pub async fn read<'env, T, E: From<Error>>(
        &self,
        steps: impl for<'t> FnOnce(&'t mut Tx<'env>) -> Steps<'t, T, E>,
    ) -> Result<T, E> {
        let backend = match &self.pools {
            Pools::Sqlite { reader, .. } => reader.begin().await.map(Backend::Sqlite),
            Pools::Postgres(pool) => {
                begin_postgres(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map(Backend::Postgres)
            }
        };
        let backend = backend.map_err(Error::from)?;
        let mut tx = Tx::new(backend, self);
        steps(&mut tx).await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read(|tx| Box::pin(audit::count(tx))).await.map(|_: i64| ())
    }

    /// Lets go of what was deleted: of the write-ahead log on SQLite, of dead rows of keys and events on PostgreSQL.
    ///
    /// Copies that are older (backups, snapshots, archived logs) are not reached.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_deleted(&self) -> Result<(), Error> {
        match &self.pools {
            Pools::Sqlite { writer, .. } => {
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer).await?;
            }
            Pools::Postgres(pool) => {
                sqlx::query("VACUUM keys").execute(pool).await?;
                sqlx::query("VACUUM key_encryption_keys").execute(pool).await?;
                sqlx::query("VACUUM audit_events").execute(pool).await?;
            }
        }
        Ok(())
    }

    /// The durable events of a caller's request that were written here and not taken yet.
    #[must_use]
    pub fn take_appended(&self, request: &RequestId) -> Vec<SaltedEvent> {
        self.appended.take(request)
    }

    /// Holds events for the receipts of a request that repeats the one which wrote them.
    pub fn give_again(&self, request: &RequestId, events: Vec<SaltedEvent>) {
        self.appended.note(events.into_iter().map(|event| (request.clone(), event)).collect());
    }

    /// Leads those on this database who do that work, unless another one does.
    ///
    /// # Errors
    /// The database's.
    pub async fn lead(&self, led: Led) -> Result<Option<Leadership>, Error> {
        match &self.pools {
            // One process works on the file: whoever opened it holds its lock.
            Pools::Sqlite { .. } => Ok(Some(Leadership::alone())),
            Pools::Postgres(pool) => Leadership::of(pool, led).await,
        }
    }

    /// Closes all connections, after their transactions.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    async fn begin(&self) -> Result<Backend, sqlx::Error> {
        Ok(match &self.pools {
            Pools::Sqlite { writer, .. } => Backend::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Pools::Postgres(pool) => {
                let mut tx = begin_postgres(pool, "BEGIN ISOLATION LEVEL READ COMMITTED").await?;
                // Each later statement sees what all earlier writers committed, since they have let go of this row.
                sqlx::query("SELECT next FROM audit_head WHERE single = 1 FOR UPDATE").execute(&mut *tx).await?;
                Backend::Postgres(tx)
            }
        })
    }
}

/// Begins a transaction, to its end even where nobody waits for it any more: one that is cut off while it begins would stay open
/// on the connection (sqlx 0.9 counts it only once it has begun), and whoever takes the connection next would be in it, on another
/// snapshot or unable to write. Begun and dropped, it is rolled back.
async fn begin_postgres(
    pool: &PgPool,
    statement: &'static str,
) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
    let pool = pool.clone();
    match tokio::spawn(async move { pool.begin_with(statement).await }).await {
        Ok(begun) => begun,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is at its end.
            Err(_) => Err(sqlx::Error::PoolClosed),
        },
    }
}

async fn connect(url: &str) -> Result<Pools, Error> {
    if url.starts_with("sqlite:") {
        return connect_sqlite(SqliteConnectOptions::from_str(url)?).await;
    }
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        // A lock that does not come in time is a transient failure; the writer ahead may hang.
        let options = PgConnectOptions::from_str(url)?
            .application_name("yinxin")
            .options([("lock_timeout", "10s"), ("synchronous_commit", "on")]);
        let pool = PgPoolOptions::new().max_connections(READERS * 2).acquire_timeout(PATIENCE);
        return Ok(Pools::Postgres(pool.connect_with(options).await?));
    }
    Err(Error::UnknownDatabase)
}

async fn connect_sqlite(options: SqliteConnectOptions) -> Result<Pools, Error> {
    // FULL: a commit returns after its pages are on the disk, so what was acknowledged survives power loss.
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .pragma("trusted_schema", "OFF")
        // What is deleted is overwritten: a destroyed key leaves nothing in the file.
        .pragma("secure_delete", "ON");
    // SQLite undoes a transaction by itself when its disk is full or fails; the client then believes for ever that it is in
    // one (sqlx 0.9), so such a connection is not used again. The ping before this waits for what was asked of it.
    let pool = |size| {
        let options = SqlitePoolOptions::new().max_connections(size).acquire_timeout(PATIENCE);
        options.before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
    };
    let writer = pool(1).connect_with(options.clone()).await?;
    let reader = pool(READERS).connect_with(options.pragma("query_only", "ON")).await?;
    Ok(Pools::Sqlite { writer, reader })
}
