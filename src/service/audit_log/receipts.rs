//! Receipts: what a caller gets with the answer to an operation that was acknowledged.
//!
//! The event is durable then, and its number is the index of its leaf. The trees have it within the promised delay; until
//! then the receipt is the log's signed word. With it and the log's tiles anybody can show that the word was broken.

use std::sync::Arc;

use crate::base::id::RequestId;
use crate::domain::audit::Entry;
use crate::domain::audit::promise::Promise;
use crate::domain::audit::tree::TreeHash;
use crate::format::tlog::Note;
use crate::service::Error as ServiceError;
use crate::service::audit_log::{AuditLog, Error};

/// A receipt of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The index of its leaf.
    pub index: u64,
    /// The promise, a signed note.
    pub note: String,
}

impl AuditLog {
    /// Receipts of the events that a caller's request wrote, in their order. Each is given once.
    ///
    /// # Errors
    /// The key store's: the operation was acknowledged all the same, and its proof can be had later.
    pub async fn receipts(&self, request: &RequestId) -> Result<Vec<Receipt>, ServiceError> {
        let mut receipts = Vec::new();
        for written in self.services.store.take_appended(request) {
            let delay = i64::try_from(self.options.merge_delay.as_secs()).unwrap_or(i64::MAX);
            let index = u64::try_from(written.number).unwrap_or(0);
            let promise = Promise {
                origin: TreeHash::Sm3.origin(self.origin()),
                index,
                entry: Entry::of_der(&written.event, &written.salt).map_err(Error::from)?,
                before: self.services.clock.now().plus_seconds(delay),
            };
            let text = promise.to_text();
            let key = &self.signers.sm3;
            let (signer, random) = (Arc::clone(&key.signer), Arc::clone(&self.services.random));
            let value = self.services.pool.sign(signer, text.as_bytes().to_vec(), random).await?;
            let note = Note::write(&text, &[key.verifier.signature_line(&value)]);
            receipts.push(Receipt { index, note: note.map_err(|error| Error::Checkpoint(error.into()))? });
        }
        Ok(receipts)
    }
}
