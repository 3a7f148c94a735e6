//! Witnesses: they cosign each checkpoint as a continuation of the one before, and tell after a restore what was there.
//!
//! Nobody who holds our keys and our database can show two histories to those who ask for a witness's signature; and a log
//! that was set back finds out before it signs anything anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::base::clock::Timestamp;
use crate::domain::audit::AlarmKind;
use crate::domain::audit::checkpoint::{Verifier, verify_checkpoint};
use crate::domain::audit::tree::{TreeHash, consistency_tiles, prove_consistency};
use crate::domain::verify::address::Address;
use crate::format::tlog::Note;
use crate::format::tlog::note::read_signature_lines;
use crate::format::tlog::submission::AddCheckpoint;
use crate::service::audit_log::agreeing::{Standing, standing};
use crate::service::audit_log::keys::verifiers;
use crate::service::audit_log::{AuditLog, Error, alarming, tiles};
use crate::service::outside::web;
use crate::service::outside::witness::{Submitted, WitnessClient};
use crate::service::{Error as ServiceError, Services};
use crate::store::log::{self, StoredCosignature};

/// From one round to the next, while witnesses are away.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// From one cosigned checkpoint that stays to the next, in seconds: so finely the log dates what it holds.
pub(super) const STAYS_EVERY: i64 = 600;

/// Seconds without a cosignature that are alarmed.
const SILENCE: u64 = 300;

/// A witness that is asked.
#[derive(Clone)]
pub struct KnownWitness {
    client: WitnessClient,
    verifier: Verifier,
}

impl KnownWitness {
    /// The witness at that address, with that key.
    #[must_use]
    pub fn new(address: Address, verifier: Verifier, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { client: WitnessClient::new(address, tls), verifier }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.verifier.name()
    }
}

impl KnownWitness {
    /// Compares the log of that origin, signed up to `head`, with what this witness saw last; tells whether it was asked and
    /// had seen it. One that cannot be asked is told in the log of the program, and keeps nothing from starting.
    ///
    /// # Errors
    /// [`Error::BehindWitness`]: the log was set back, and must not sign; [`Error::Forked`]: it was written anew.
    pub(super) async fn agrees(&self, services: &Services, (log, head): (&str, u64)) -> Result<bool, ServiceError> {
        let mut any = false;
        for tree in TreeHash::ALL {
            let origin = tree.origin(log);
            let seen = match self.client.latest(&origin).await {
                Ok(Some(seen)) => seen,
                Ok(None) => continue,
                Err(error) => {
                    let reason = web::told(&error);
                    tracing::warn!(witness = self.name(), code = error.code(), reason, "a witness is not asked");
                    continue;
                }
            };
            any = true;
            let own = verifiers(services, log, tree).await?;
            let note = Note::parse(&seen).map_err(|error| Error::Checkpoint(error.into()))?;
            let by = std::slice::from_ref(&self.verifier);
            let believed = verify_checkpoint(&note, &origin, &own, by).map_err(Error::from)?;
            let (size, witness) = (believed.size(), self.name().to_owned());
            match standing(services, (tree, head), (size, *believed.root())).await? {
                Standing::Continued => {}
                Standing::Behind => {
                    return Err(Error::BehindWitness { witness, tree, seen: size, signed: head }.into());
                }
                Standing::Forked => return Err(Error::Forked { witness, tree, size }.into()),
            }
        }
        Ok(any)
    }
}

impl AuditLog {
    /// Has a witness cosign the checkpoint of a tree that was signed last; tells whether it did.
    ///
    /// # Errors
    /// [`Error::Forked`]: the witness saw another history; no answer; the store's.
    pub async fn have_cosigned(&self, witness: &KnownWitness, tree: TreeHash) -> Result<bool, ServiceError> {
        let head = self.head(tree).await?;
        let kind = tiles::kind(tree);
        let known = self.services.store.read(|tx| Box::pin(log::cosignatures(tx, kind))).await?;
        let mut old = known.iter().find(|known| known.witness == witness.name()).map_or(0, |known| known.size);
        if old >= head.size && known.iter().any(|known| known.witness == witness.name()) {
            return Ok(false);
        }
        // Once more from the size that it names.
        for _ in 0..2 {
            let (from, to) = (old, head.size);
            let wanted = consistency_tiles(from, to).map_err(Error::from)?;
            let held = tiles::tiles(&self.services, tree, wanted).await?;
            let proof = prove_consistency(tree, from, to, &held).map_err(Error::from)?;
            let body = AddCheckpoint::write(from, &proof, &String::from_utf8_lossy(&head.note));
            match witness.client.submit(body).await.map_err(|error| Error::NoWitness { reason: web::told(&error) })? {
                Submitted::Cosigned(lines) => {
                    self.keep_cosigned(witness, (tree, &head.note), &lines).await?;
                    return Ok(true);
                }
                Submitted::Stale(size) if size <= head.size => old = size,
                Submitted::Stale(seen) => {
                    let name = witness.name().to_owned();
                    return Err(Error::BehindWitness { witness: name, tree, seen, signed: head.size }.into());
                }
                Submitted::Inconsistent => {
                    return Err(Error::Forked { witness: witness.name().to_owned(), tree, size: old }.into());
                }
            }
        }
        Ok(false)
    }

    async fn keep_cosigned(
        &self,
        witness: &KnownWitness,
        (tree, note): (TreeHash, &[u8]),
        lines: &[u8],
    ) -> Result<(), ServiceError> {
        let wrong = |error| Error::Checkpoint(crate::domain::audit::checkpoint::CheckpointError::Format(error));
        let note = Note::parse(note).map_err(wrong)?;
        let answered = read_signature_lines(&String::from_utf8_lossy(lines)).map_err(wrong).map(|lines| {
            // Of its lines the one that we can judge.
            lines.into_iter().find(|line| witness.verifier.is_named_by(line)).map(|line| line.value)
        })?;
        let value = answered.ok_or(Error::NoWitness { reason: "its answer has no line of its key".to_owned() })?;
        let mut lines = note.signatures.clone();
        lines.push(witness.verifier.signature_line(&value));
        let cosigned = Note::write(note.text, &lines).map_err(wrong)?;
        // Believed only when it verifies.
        let read = Note::parse(cosigned.as_bytes()).map_err(wrong)?;
        let own = verifiers(&self.services, self.origin(), tree).await?;
        let by = std::slice::from_ref(&witness.verifier);
        let origin = tree.origin(self.origin());
        let size = verify_checkpoint(&read, &origin, &own, by).map_err(Error::from)?.size();
        let new = &StoredCosignature {
            kind: tiles::kind(tree),
            witness: witness.name().to_owned(),
            size,
            at: self.services.clock.now(),
            note: cosigned.clone().into_bytes(),
        };
        let since = new.at.plus_seconds(-STAYS_EVERY);
        let steps = self.services.store.run("keep cosignature", |tx| {
            Box::pin(async move {
                log::put_cosignature(tx, new).await?;
                log::keep_seen(tx, new, since).await.map(|_| ())
            })
        });
        Ok(steps.await?)
    }

    /// The newest checkpoint of a tree with the cosignatures that it has.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn with_cosignatures(&self, tree: TreeHash, note: Vec<u8>) -> Result<Vec<u8>, ServiceError> {
        let kind = tiles::kind(tree);
        let known = self.services.store.read(|tx| Box::pin(log::cosignatures(tx, kind))).await?;
        let wrong = |error| Error::Checkpoint(crate::domain::audit::checkpoint::CheckpointError::Format(error));
        let head = Note::parse(&note).map_err(wrong)?;
        let mut lines = head.signatures.clone();
        for cosigned in &known {
            let other = Note::parse(&cosigned.note).map_err(wrong)?;
            if other.text == head.text {
                lines.extend(other.signatures.into_iter().filter(|line| line.name == cosigned.witness));
            }
        }
        Ok(Note::write(head.text, &lines).map_err(wrong)?.into_bytes())
    }

    /// The newest checkpoint of a tree that any witness cosigned, with that witness's signature.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn cosigned(&self, tree: TreeHash) -> Result<Option<Vec<u8>>, ServiceError> {
        let kind = tiles::kind(tree);
        let known = self.services.store.read(|tx| Box::pin(log::cosignatures(tx, kind))).await?;
        Ok(known.into_iter().max_by_key(|cosigned| cosigned.size).map(|cosigned| cosigned.note))
    }
}

/// Has the witnesses cosign whatever is new, for as long as it is polled.
pub async fn keep_witnessed(log: AuditLog, witnesses: Vec<KnownWitness>) {
    if witnesses.is_empty() {
        return;
    }
    let mut failing = BTreeMap::<String, Timestamp>::new();
    loop {
        let mut pause = log.options.every;
        for witness in &witnesses {
            let outcome = log.have_all_cosigned(witness).await;
            if !judged(&log, witness, outcome, &mut failing).await {
                pause = AFTER_FAILURE;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

impl AuditLog {
    async fn have_all_cosigned(&self, witness: &KnownWitness) -> Result<(), ServiceError> {
        for tree in TreeHash::ALL {
            match self.have_cosigned(witness, tree).await {
                Ok(_) | Err(ServiceError::AuditLog(Error::TreeOff { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the witness cosigned; where it did not, that is told, and alarmed: another history at once, silence when it lasts.
async fn judged(
    log: &AuditLog,
    witness: &KnownWitness,
    outcome: Result<(), ServiceError>,
    failing: &mut BTreeMap<String, Timestamp>,
) -> bool {
    let Err(error) = outcome else {
        failing.remove(witness.name());
        return true;
    };
    tracing::error!(witness = witness.name(), code = error.code(), "not cosigned: {error}");
    let now = log.services.clock.now();
    let since = *failing.entry(witness.name().to_owned()).or_insert(now);
    let seconds = u64::try_from(now.unix().saturating_sub(since.unix())).unwrap_or(0);
    let is_split = matches!(error, ServiceError::AuditLog(Error::Forked { .. } | Error::BehindWitness { .. }));
    if is_split || seconds >= SILENCE {
        let about = (Some(witness.name()), None);
        alarming::raise(&log.services, AlarmKind::LogWitness, about, seconds / 60).await;
    }
    false
}
