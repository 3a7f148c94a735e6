//! One of several services on a database leads those who sequence the audit log, and one those who send notices: by a lock of
//! the database, which ends with its connection.
//!
//! The lock spares work, and nothing rests on it: rows decide (`log::advance`, `webhooks::update`).

use sqlx::postgres::{PgConnection, PgPool};

use crate::store::Error;

/// What one of several services does for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Led {
    /// Makes the audit log grow.
    AuditLog,
    /// Sends notices of state changes.
    Webhooks,
}

impl Led {
    /// Takes its lock. Any number will do, so long as every service asks for the same one.
    const fn take(self) -> &'static str {
        match self {
            Self::AuditLog => "SELECT pg_try_advisory_lock(7021801302)",
            Self::Webhooks => "SELECT pg_try_advisory_lock(7021801303)",
        }
    }
}

/// Held while one leads. Dropped, it lets go.
pub struct Leadership {
    /// The connection that holds the lock: its own, since others of the pool come and go.
    connection: Option<PgConnection>,
}

impl Leadership {
    pub(in crate::store) const fn alone() -> Self {
        Self { connection: None }
    }

    /// Takes the lock, unless another one has it.
    pub(in crate::store) async fn of(pool: &PgPool, led: Led) -> Result<Option<Self>, Error> {
        let mut connection = pool.acquire().await?.detach();
        let (is_ours,) = sqlx::query_as::<_, (bool,)>(led.take()).fetch_one(&mut connection).await?;
        Ok(is_ours.then_some(Self { connection: Some(connection) }))
    }

    /// Whether the lock is still held: its connection answers.
    pub async fn holds(&mut self) -> bool {
        match &mut self.connection {
            None => true,
            Some(connection) => sqlx::query("SELECT 1").execute(connection).await.is_ok(),
        }
    }
}
