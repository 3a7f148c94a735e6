//! The mirror: a folder, best on another machine's disk, that has each signed head soon after it is signed.
//!
//! After a restore it knows what was there, and has the leaves that the backup lacks.

use std::time::Duration;

use crate::service::Error as ServiceError;
use crate::service::audit_log::AuditLog;
use crate::service::audit_log::folder::FolderLog;
use crate::service::audit_log::stored::StoredLog;

/// From one round to the next, while the folder cannot be written.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Brings the mirror up to date after each head, for as long as it is polled. A mirror that cannot be written is told in the
/// log of the program, and keeps nothing from going on.
pub async fn keep_mirrored(log: AuditLog, mirror: FolderLog) {
    let mut known = 0;
    loop {
        let mut pause = log.options.every;
        match log.mirror(&mirror, known).await {
            Ok(size) => known = size,
            Err(error) => {
                let folder = mirror.folder().display();
                tracing::error!(%folder, code = error.code(), "the mirror of the audit log lags behind: {error}");
                pause = AFTER_FAILURE;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

impl AuditLog {
    /// Brings a mirror up to date that has the first `known` leaves for sure; gives the size that it has then.
    ///
    /// # Errors
    /// As [`FolderLog::write`].
    pub async fn mirror(&self, mirror: &FolderLog, known: u64) -> Result<u64, ServiceError> {
        let (stored, _) = StoredLog::of(&self.services).await?;
        if known == 0 || stored.size() > known {
            mirror.write_from(&stored, known).await?;
        }
        Ok(stored.size())
    }
}
