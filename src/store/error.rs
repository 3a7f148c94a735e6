//! Why rows could not be read or written.

use std::sync::Arc;

use crate::base::random::RandomUnavailable;
use crate::store::MacUnavailable;

/// What the store refuses or cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A row with one of these unique values is there already, or a row it names is not.
    #[error("the row conflicts with another: {constraint}")]
    Conflict {
        /// The constraint, as the database names it.
        constraint: String,
    },
    /// Somebody else changed the row since it was read.
    #[error("the row {row} of {table} has changed in the meantime")]
    Stale {
        /// The table.
        table: &'static str,
        /// The row's id.
        row: String,
    },
    /// A row is not as we wrote it: changed, copied, or in a state that does not exist.
    #[error("the row {row} of {table} is not as it was written")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The row's id.
        row: String,
    },
    /// What computes integrity values is away. The row may be right or wrong.
    #[error(transparent)]
    Integrity(#[from] MacUnavailable),
    /// There is no randomness for the salt of an event.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// A migration that ran is not the one that this program knows.
    #[error("migration {version} of the database is not the one of this program")]
    MigrationChanged {
        /// Its number.
        version: i64,
    },
    /// A newer program has migrated the database.
    #[error("the database is at version {found}, this program knows versions up to {known}")]
    TooNew {
        /// The database's version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// There is no such file.
    #[error("there is no database")]
    NoDatabase,
    /// A backup of tables does not fit what its migrations make.
    #[error("the tables of the backup are not those of version {version}")]
    OtherTables {
        /// Its version.
        version: i64,
    },
    /// A file beside the database cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The URL names no database that we can use.
    #[error("a database URL begins with sqlite: or postgres:")]
    UnknownDatabase,
    /// The transaction met others again and again.
    #[error("`{name}` gave way to other transactions {attempts} times")]
    Contended {
        /// What was tried.
        name: &'static str,
        /// How often.
        attempts: u32,
    },
    /// The commit failed. Whether it took place is not known for sure; all who shared it are told so.
    #[error("the database did not commit")]
    NotCommitted(#[source] Arc<sqlx::Error>),
    /// The database itself failed.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl Error {
    /// Whether it is about a row that was read: it is not as we wrote it, or a value of it is none of its column's type. The
    /// transaction goes on.
    pub(in crate::store) const fn is_of_row(&self) -> bool {
        matches!(
            self,
            Self::Inconsistent { .. } | Self::Database(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
        )
    }

    /// Whether the same transaction may succeed when it is tried again.
    ///
    /// PostgreSQL: serialisation failure, deadlock, lock not available. SQLite: busy, in its extended forms.
    pub(in crate::store) fn is_transient(error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        matches!(code.as_deref(), Some("40001" | "40P01" | "55P03" | "5" | "261" | "517"))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(refusal) if refusal.is_unique_violation() || refusal.is_foreign_key_violation() => {
                let constraint = refusal.constraint().unwrap_or(refusal.message()).to_owned();
                Self::Conflict { constraint }
            }
            _ => Self::Database(error),
        }
    }
}
