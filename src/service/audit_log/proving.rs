//! Proofs that an event is a leaf: what it says, its salt, and the way to a signed checkpoint of each tree.

use crate::domain::audit::tree::{TreeHash, inclusion_tiles, prove_inclusion};
use crate::domain::audit::{LoggedEvent, Salt};
use crate::format::tlog::LogProof;
use crate::service::Error as ServiceError;
use crate::service::audit_log::erasing::gone;
use crate::service::audit_log::{AuditLog, Error, tiles};
use crate::store::{audit, log};

/// An event, opened, with its way into the trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventProof {
    /// The index of its leaf.
    pub index: u64,
    /// The event in its canonical encoding.
    pub event: Vec<u8>,
    /// Its salt.
    pub salt: Salt,
    /// The proof in the tree of SM3 (C2SP tlog-proof): salt and event are its extra octets.
    pub sm3: String,
    /// The same in the tree of SHA-256, where that is signed here.
    pub sha256: Option<String>,
}

/// Events of one thing that are proven.
const MOST_OF_A_THING: i64 = 16;

impl AuditLog {
    /// The proofs of the events of a thing, by its SM3, oldest first; those whose events were erased are left out.
    ///
    /// # Errors
    /// As [`Self::prove`].
    pub async fn proofs_of(&self, thing: &[u8; 32]) -> Result<Vec<EventProof>, ServiceError> {
        let numbers = self.services.store.read(|tx| Box::pin(log::of_thing(tx, thing, MOST_OF_A_THING))).await?;
        let mut proofs = Vec::new();
        for number in numbers {
            match self.prove(u64::try_from(number).unwrap_or(u64::MAX)).await {
                Ok(proof) => proofs.push(proof),
                Err(ServiceError::AuditLog(Error::Erased { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(proofs)
    }

    /// The proof of an event under the head that was signed last. Whether somebody may see it, who asks decides.
    ///
    /// # Errors
    /// [`Error::NoSuchLeaf`], [`Error::NotMerged`], [`Error::Erased`]; [`Error::MissingEvent`]: its row was deleted by hand; [`Error::Tree`]; the store's.
    pub async fn prove(&self, index: u64) -> Result<EventProof, ServiceError> {
        let delay = self.options.merge_delay.as_secs();
        let steps = self.services.store.read(|tx| {
            Box::pin(async move {
                let head = log::head(tx).await?.ok_or(Error::Off)?;
                let number = i64::try_from(index).unwrap_or(i64::MAX);
                let Some(found) = audit::find_salted(tx, number).await? else {
                    return Err(gone(tx, index).await?.into());
                };
                if index >= head.size {
                    return Err(Error::NotMerged { index, seconds: delay }.into());
                }
                Ok::<_, ServiceError>((head, found))
            })
        });
        let (head, found) = steps.await?;
        let extra = [found.salt.as_slice(), &found.event].concat();
        // What the tree of that head stands on never changes, so it is read after the head.
        let wanted = inclusion_tiles(index, head.size).map_err(Error::from)?;
        let mut texts = [None, None];
        let notes = [Some(&head.sm3_note), head.sha256_note.as_ref()];
        for ((tree, note), text) in TreeHash::ALL.into_iter().zip(notes).zip(&mut texts) {
            let Some(note) = note else { continue };
            let held = tiles::tiles(&self.services, tree, wanted.iter().copied()).await?;
            let hashes = prove_inclusion(tree, index, head.size, &held).map_err(Error::from)?;
            // We wrote it as text.
            let note = String::from_utf8_lossy(note);
            *text = Some(LogProof::write(Some(&extra), index, &hashes, &note));
        }
        let [sm3, sha256] = texts;
        let sm3 = sm3.ok_or(Error::TreeOff { tree: TreeHash::Sm3 })?;
        Ok(EventProof { index, event: found.event, salt: found.salt, sm3, sha256 })
    }
}

impl EventProof {
    /// The event, read.
    ///
    /// # Errors
    /// [`Error::OtherEvent`]: the row does not decode.
    pub fn read(&self) -> Result<LoggedEvent, Error> {
        LoggedEvent::from_der(&self.event).map_err(|_| Error::OtherEvent { index: self.index })
    }
}
