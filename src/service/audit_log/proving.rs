//! Proofs that an event is a leaf: what it says, its salt, and the way to a signed checkpoint of each tree.

use crate::base::clock::Timestamp;
use crate::domain::audit::checkpoint::{CheckpointError, Verifier, verify_checkpoint};
use crate::domain::audit::tree::{TreeHash, inclusion_tiles, prove_inclusion};
use crate::domain::audit::{LoggedEvent, Salt};
use crate::format::tlog::{LogProof, Note};
use crate::service::Error as ServiceError;
use crate::service::Services;
use crate::service::audit_log::erasing::gone;
use crate::service::audit_log::keys::verifiers;
use crate::service::audit_log::{AuditLog, Error, tiles};
use crate::store::{Tx, audit, log};

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
    /// The same in the tree of SM3, under the smallest checkpoint that stays and holds it, with the cosignatures of its witnesses:
    /// it proves when.
    pub seen: Option<String>,
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
                let seen = seen_note(tx, index).await?;
                Ok::<_, ServiceError>((head, found, seen))
            })
        });
        let (head, found, seen) = steps.await?;
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
        let seen = match seen {
            Some((size, note)) => Some(self.proof_seen(index, size, &extra, &note).await?),
            None => None,
        };
        Ok(EventProof { index, event: found.event, salt: found.salt, sm3, sha256, seen })
    }

    /// The proof under a smaller checkpoint that stays.
    async fn proof_seen(&self, index: u64, size: u64, extra: &[u8], note: &str) -> Result<String, ServiceError> {
        let wanted = inclusion_tiles(index, size).map_err(Error::from)?;
        let held = tiles::tiles(&self.services, TreeHash::Sm3, wanted).await?;
        let hashes = prove_inclusion(TreeHash::Sm3, index, size, &held).map_err(Error::from)?;
        Ok(LogProof::write(Some(extra), index, &hashes, note))
    }
}

/// The smallest checkpoint of the tree of SM3 that stays and holds a leaf, as one note with the lines of all its witnesses.
///
/// # Errors
/// A row is none; the store's.
async fn seen_note(tx: &mut Tx<'_>, index: u64) -> Result<Option<(u64, String)>, ServiceError> {
    let wrong = |error| Error::Checkpoint(CheckpointError::Format(error));
    let rows = log::seen_with(tx, tiles::kind(TreeHash::Sm3), index).await?;
    let mut notes = Vec::new();
    for row in &rows {
        notes.push((row, Note::parse(&row.note).map_err(wrong)?));
    }
    let Some((first, note)) = notes.first() else { return Ok(None) };
    let mut lines = note.signatures.clone();
    for (row, other) in notes.iter().skip(1).filter(|(_, other)| other.text == note.text) {
        lines.extend(other.signatures.iter().filter(|line| line.name == row.witness).cloned());
    }
    Ok(Some((first.size, Note::write(note.text, &lines).map_err(wrong)?)))
}

/// Who dates what the log of an installation holds: the keys of its tree of SM3, and of witnesses.
#[derive(Debug, Clone)]
pub struct Dating {
    origin: String,
    log: Vec<Verifier>,
    witnesses: Vec<Verifier>,
}

impl Dating {
    /// By these witnesses; nothing, where the installation has no log.
    ///
    /// # Errors
    /// The store's.
    pub async fn by(services: &Services, witnesses: &[Verifier]) -> Result<Option<Self>, ServiceError> {
        let Some(head) = services.store.read(|tx| Box::pin(log::head(tx))).await? else { return Ok(None) };
        let origin = TreeHash::Sm3.origin(&head.origin);
        let log = verifiers(services, &head.origin, TreeHash::Sm3).await?;
        Ok(Some(Self { origin, log, witnesses: witnesses.to_vec() }))
    }

    /// A moment by which a leaf existed: the latest time of the witnesses of the smallest checkpoint that stays and holds it. The
    /// verifier believes the same by the proof that [`AuditLog::prove`] gives as `seen`.
    ///
    /// # Errors
    /// The store's.
    pub(in crate::service) async fn of_leaf(
        &self,
        tx: &mut Tx<'_>,
        index: u64,
    ) -> Result<Option<Timestamp>, ServiceError> {
        let Some((_, text)) = seen_note(tx, index).await? else { return Ok(None) };
        let Ok(note) = Note::parse(text.as_bytes()) else { return Ok(None) };
        // Whoever changed the row proves nothing by it.
        let Ok(seen) = verify_checkpoint(&note, &self.origin, &self.log, &self.witnesses) else { return Ok(None) };
        let latest = seen.cosignatures().iter().map(|one| one.timestamp).max();
        Ok(latest.and_then(|at| i64::try_from(at).ok()).map(Timestamp::from_unix))
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
