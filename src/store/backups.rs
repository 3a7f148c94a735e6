//! One consistent point of a whole database, as files, taken while others write; and put back into an empty one.
//!
//! On SQLite the database writes a compact copy of one snapshot (`VACUUM INTO`). On PostgreSQL every table is copied out in
//! one transaction that sees one snapshot, and copied in after the migrations made the tables anew. Neither holds up a
//! writer.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::store::log::{self, LogHead};
use crate::store::{Backend, Error, Migrations, Pools, SchemaVersion, Store, Tx, migrations};

/// The file that holds a whole database of SQLite.
const DATABASE: &str = "database.sqlite";
/// What the name of a table's file ends with.
const TABLE: &str = ".table";
/// The first version that keeps the log's head.
const WITH_LOG: i64 = 18;
/// Octets that are read at a time.
const PART: usize = 1 << 16;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Of which database.
    pub kind: DatabaseKind,
    /// The version that it was at.
    pub version: i64,
    /// The oldest version whose program may work on it.
    pub serves_from: i64,
    /// The head of the audit log in it; none before it began.
    pub head: Option<LogHead>,
    /// Names of its files, in the order in which they are put back.
    pub files: Vec<String>,
}

/// Which database a URL names.
///
/// # Errors
/// [`Error::UnknownDatabase`].
pub fn kind_of(url: &str) -> Result<DatabaseKind, Error> {
    match url.split_once(':') {
        Some(("sqlite", _)) => Ok(DatabaseKind::Sqlite),
        Some(("postgres" | "postgresql", _)) => Ok(DatabaseKind::Postgres),
        _ => Err(Error::UnknownDatabase),
    }
}

/// The file of a database of SQLite; nothing for another one.
///
/// # Errors
/// The URL is none.
pub fn file_of(url: &str) -> Result<Option<PathBuf>, Error> {
    match kind_of(url)? {
        DatabaseKind::Sqlite => Ok(Some(SqliteConnectOptions::from_str(url)?.get_filename().to_owned())),
        DatabaseKind::Postgres => Ok(None),
    }
}

impl Store {
    /// Writes one consistent point of the database into that folder, beside whoever writes.
    ///
    /// # Errors
    /// A file cannot be written; migrations are not ours; the database's.
    pub async fn snapshot(&self, folder: &Path) -> Result<Snapshot, Error> {
        match &self.pools {
            Pools::Sqlite { reader, .. } => {
                let path = folder.join(DATABASE);
                let name = path.to_string_lossy().into_owned();
                // Of its own: the others cannot run what writes, though not to this database.
                let options = reader.connect_options().as_ref().clone().pragma("query_only", "OFF");
                let mut connection = options.connect().await?;
                sqlx::query("VACUUM INTO $1").bind(name).execute(&mut connection).await?;
                connection.close().await?;
                let own = &self.migrations;
                let (at, head) = self.over_file(&path).await?.read(|tx| Box::pin(state(tx, own))).await?;
                let (kind, files) = (DatabaseKind::Sqlite, vec![DATABASE.to_owned()]);
                Ok(Snapshot { kind, version: at.database, serves_from: at.serves_from, head, files })
            }
            Pools::Postgres(_) => {
                let own = &self.migrations;
                let (at, head, tables) = self.read(|tx| Box::pin(copy_out(tx, own, folder))).await?;
                let files = tables.iter().map(|table| format!("{table}{TABLE}")).collect();
                let kind = DatabaseKind::Postgres;
                Ok(Snapshot { kind, version: at.database, serves_from: at.serves_from, head, files })
            }
        }
    }

    /// A file of SQLite that nobody changes, read without leaving anything beside it.
    async fn over_file(&self, path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        Ok(Self { pools: Pools::Sqlite { writer: pool.clone(), reader: pool }, ..self.clone() })
    }

    /// Whether there is nothing in the database: no table.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        let steps = self.read(|tx| {
            Box::pin(async move {
                let sql = match &tx.backend {
                    Backend::Sqlite(_) => "SELECT count(*) FROM sqlite_master",
                    Backend::Postgres(_) => "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()",
                };
                crate::store::sql::fetch_one!(tx, (i64,), sql)
            })
        });
        steps.await.map(|(count,)| count == 0)
    }

    /// Puts tables back into an empty database of PostgreSQL, all or none of them: as migrations of that version make them,
    /// with the rows of these files. A newer version than this program's is refused, whomever it serves: only its own migrations
    /// make its tables.
    ///
    /// # Errors
    /// [`Error::TooNew`]; [`Error::OtherTables`]; the migrations are not ours; a file cannot be read; the database's.
    pub async fn put_tables_back(&self, folder: &Path, files: &[String], version: i64) -> Result<(), Error> {
        let Pools::Postgres(pool) = &self.pools else { return Err(Error::UnknownDatabase) };
        let known = self.migrations.newest();
        if version > known {
            return Err(Error::TooNew { found: version, known });
        }
        let mut backend = pool.begin().await?;
        migrations::migrate_postgres_in(&mut backend, &self.migrations, version).await?;
        let mut tx = Tx::new(Backend::Postgres(backend), self);
        let made = tables(&mut tx).await?;
        let names = files.iter().map(|file| file.strip_suffix(TABLE).unwrap_or(file)).collect::<BTreeSet<_>>();
        if names != made.iter().map(String::as_str).collect() {
            return Err(Error::OtherTables { version });
        }
        let Backend::Postgres(on) = &mut tx.backend else { return Err(Error::UnknownDatabase) };
        // Rows that migrations make come from the backup as well; what keeps them from going looks away for that long. Only
        // triggers of our own do: foreign keys are held as ever.
        for table in &made {
            let sql = format!("ALTER TABLE \"{table}\" DISABLE TRIGGER USER");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut **on).await?;
        }
        for table in made.iter().rev() {
            sqlx::query(AssertSqlSafe(format!("DELETE FROM \"{table}\""))).execute(&mut **on).await?;
        }
        for table in &made {
            let path = folder.join(format!("{table}{TABLE}"));
            let wrong = |source| Error::File { path: path.clone(), source };
            let mut file = tokio::fs::File::open(&path).await.map_err(wrong)?;
            let mut copy = on.copy_in_raw(&format!("COPY \"{table}\" FROM STDIN")).await?;
            let mut part = vec![0; PART];
            loop {
                let length = file.read(&mut part).await.map_err(wrong)?;
                match part.get(..length) {
                    Some([]) | None => break,
                    Some(octets) => copy.send(octets).await?,
                };
            }
            copy.finish().await?;
        }
        for table in &made {
            let sql = format!("ALTER TABLE \"{table}\" ENABLE TRIGGER USER");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut **on).await?;
        }
        migrations::applied(&mut tx, &self.migrations).await?;
        match tx.backend {
            Backend::Postgres(on) => Ok(on.commit().await?),
            Backend::Sqlite(_) => Err(Error::UnknownDatabase),
        }
    }
}

/// Version and log of what a transaction sees.
async fn state(tx: &mut Tx<'_>, own: &Migrations) -> Result<(SchemaVersion, Option<LogHead>), Error> {
    let at = migrations::applied(tx, own).await?;
    let head = if at.database < WITH_LOG { None } else { log::head(tx).await? };
    Ok((at, head))
}

async fn copy_out(
    tx: &mut Tx<'_>,
    own: &Migrations,
    folder: &Path,
) -> Result<(SchemaVersion, Option<LogHead>, Vec<String>), Error> {
    let (at, head) = state(tx, own).await?;
    let tables = tables(tx).await?;
    let Backend::Postgres(on) = &mut tx.backend else { return Err(Error::UnknownDatabase) };
    for table in &tables {
        let path = folder.join(format!("{table}{TABLE}"));
        let wrong = |source| Error::File { path: path.clone(), source };
        let mut file = tokio::fs::File::create_new(&path).await.map_err(wrong)?;
        let mut rows = on.copy_out_raw(&format!("COPY \"{table}\" TO STDOUT")).await?;
        while let Some(part) = poll_fn(|context| rows.as_mut().poll_next(context)).await {
            file.write_all(&part?).await.map_err(wrong)?;
        }
        file.flush().await.map_err(wrong)?;
    }
    Ok((at, head, tables))
}

/// The tables, those that others refer to before these.
async fn tables(tx: &mut Tx<'_>) -> Result<Vec<String>, Error> {
    let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename";
    let names = crate::store::sql::fetch_all!(tx, (String,), sql)?;
    let sql = "SELECT child.relname::text, parent.relname::text FROM pg_constraint \
               JOIN pg_class child ON child.oid = conrelid JOIN pg_class parent ON parent.oid = confrelid \
               WHERE contype = 'f' AND connamespace = current_schema()::regnamespace AND conrelid <> confrelid";
    let mut wanting = BTreeMap::<String, BTreeSet<String>>::new();
    for (name,) in names {
        wanting.insert(name, BTreeSet::new());
    }
    for (child, parent) in crate::store::sql::fetch_all!(tx, (String, String), sql)? {
        wanting.entry(child).or_default().insert(parent);
    }
    let mut ordered = Vec::new();
    while !wanting.is_empty() {
        let free = wanting.iter().find(|(_, parents)| parents.iter().all(|parent| !wanting.contains_key(parent)));
        // Tables that refer to each other in a ring have no order; the database would tell.
        let Some(next) = free.or_else(|| wanting.iter().next()).map(|(name, _)| name.clone()) else { break };
        wanting.remove(&next);
        ordered.push(next);
    }
    Ok(ordered)
}
