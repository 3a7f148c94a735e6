//! The statement that the log knows no event of a thing: the service's signed word, which no tree proves.

use std::sync::Arc;

use crate::crypto::digest::sm3;
use crate::domain::audit::statement::Statement;
use crate::format::tlog::Note;
use crate::service::Error as ServiceError;
use crate::service::audit_log::agreeing::stated;
use crate::service::audit_log::{AuditLog, Error};
use crate::store::log;

/// A statement, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedStatement {
    /// What it says.
    pub statement: Statement,
    /// The signed note.
    pub note: String,
}

impl AuditLog {
    /// States that the log knows no event of that file. What is inside it is not asked for.
    ///
    /// # Errors
    /// As [`Self::state_unknown`].
    pub async fn state_unknown_file(&self, file: &[u8]) -> Result<SignedStatement, ServiceError> {
        self.state_unknown(&sm3(file)).await
    }

    /// States that the log knows no event of the thing with that SM3, up to the checkpoint that was signed last.
    ///
    /// # Errors
    /// [`Error::EventKnown`]: it knows one, erased ones counted; the key store's; the store's.
    pub async fn state_unknown(&self, thing: &[u8; 32]) -> Result<SignedStatement, ServiceError> {
        let steps = self.services.store.read(|tx| {
            Box::pin(async move {
                let head = log::head(tx).await?.ok_or(Error::Off)?;
                // In the transaction of the head: things are noted in the one that signs it.
                Ok::<_, ServiceError>((head, !log::of_thing(tx, thing, 1).await?.is_empty()))
            })
        });
        let (head, is_known) = steps.await?;
        if is_known {
            return Err(Error::EventKnown.into());
        }
        let (size, root) = stated(&head.sm3_note)?;
        let at = self.services.clock.now();
        let statement = Statement { origin: self.origin().to_owned(), thing: *thing, size, root, at };
        let text = statement.to_text();
        let mut lines = Vec::new();
        for key in [Some(&self.signers.sm3), self.signers.sha256.as_ref()].into_iter().flatten() {
            let (signer, random) = (Arc::clone(&key.signer), Arc::clone(&self.services.random));
            let value = self.services.pool.sign(signer, text.as_bytes().to_vec(), random).await?;
            lines.push(key.verifier.signature_line(&value));
        }
        let note = Note::write(&text, &lines).map_err(|error| Error::Checkpoint(error.into()))?;
        Ok(SignedStatement { statement, note })
    }
}
