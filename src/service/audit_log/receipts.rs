//! Receipts: what a caller gets with the answer to an operation that was acknowledged.
//!
//! The event is durable then, and its number is the index of its leaf. The trees have it within the promised delay; until
//! then the receipt is the log's signed word. With it and the log's tiles anybody can show that the word was broken. Salt and
//! event stand beside it, for whoever did what the event says: with them the receipt names what was done.

use std::sync::Arc;

use crate::base::id::RequestId;
use crate::domain::audit::Entry;
use crate::domain::audit::promise::Promise;
use crate::domain::audit::tree::TreeHash;
use crate::format::tlog::{self, Note};
use crate::service::Error as ServiceError;
use crate::service::audit_log::{AuditLog, Error};

/// A receipt of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The index of its leaf.
    pub index: u64,
    /// The promise, a signed note.
    pub note: String,
    /// Salt and event, which open the entry; nothing where they are not the caller's to have.
    pub opening: Option<Vec<u8>>,
}

impl Receipt {
    /// The text of the receipt, with its opening or without (docs/formats/audit-notes.md).
    #[must_use]
    pub fn to_text(&self, is_opened: bool) -> String {
        tlog::Receipt::write(&self.note, self.opening.as_deref().filter(|_| is_opened))
    }
}

impl AuditLog {
    /// Receipts of the events that a caller's request wrote, in their order. Each is given once. Whether somebody may have its
    /// opening, who asks decides.
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
            let note = note.map_err(|error| Error::Checkpoint(error.into()))?;
            let opening = Some([written.salt.as_slice(), &written.event].concat());
            receipts.push(Receipt { index, note, opening });
        }
        Ok(receipts)
    }
}
