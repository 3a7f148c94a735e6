//! The log is opened: its keys, its head, and the proof that head, tiles and rows belong together. Nothing is served before.
//!
//! What is proven: the checkpoints are signed by keys of ours; the right edges of both trees lead to their roots; of the
//! newest leaves each is what its event commits to; no event behind the head is missing. What is not: the tiles further
//! left. `yinxin log verify` looks at all of them.

use std::ops::Range;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::domain::audit::checkpoint::{checkpoint_text, verify_checkpoint};
use crate::domain::audit::growth::Growth;
use crate::domain::audit::tree::TreeHash;
use crate::domain::audit::{Entry, EventBody, EventClass};
use crate::format::tlog::Note;
use crate::format::tlog::tile::{FULL, bundles_of, edge_of};
use crate::service::audit_log::keys::{LogKey, current, verifiers};
use crate::service::audit_log::tiles::Bundles;
use crate::service::audit_log::{AuditLog, Error, Options, Signers, tiles};
use crate::service::{Error as ServiceError, Services};
use crate::store::erasures::Erasure;
use crate::store::log::{self, LogHead};
use crate::store::{self, Tx, audit, erasures};

/// Leaves that are compared with their events when the log is opened.
const COMPARED: u64 = 16_384;

impl AuditLog {
    /// Opens the log, begins it where there is none, and proves it.
    ///
    /// # Errors
    /// [`Error::OriginChanged`], [`Error::Diverged`], [`Error::Behind`], [`Error::OtherEvent`], [`Error::MissingEvent`],
    /// [`Error::Checkpoint`], [`Error::Tree`]: the log must not go on. The key store's; the store's.
    pub async fn open(services: &Services, options: Options) -> Result<Self, ServiceError> {
        let begun = services.store.read(|tx| Box::pin(log::head(tx))).await?;
        let origin = match &begun {
            Some(head) if options.is_configured && head.origin != options.origin => {
                let (begun, configured) = (head.origin.clone(), options.origin);
                return Err(Error::OriginChanged { begun, configured }.into());
            }
            Some(head) => head.origin.clone(),
            None => options.origin.clone(),
        };
        let sm3 = current(services, &origin, TreeHash::Sm3).await?;
        let sha256 = current(services, &origin, TreeHash::Sha256).await?;
        let signers = Signers { sm3: sm3.ok_or(Error::TreeOff { tree: TreeHash::Sm3 })?, sha256 };
        let log = Self {
            services: services.clone(),
            options: Arc::new(Options { origin, ..options }),
            signers: Arc::new(signers),
            growth: Arc::default(),
            watcher: Arc::new(|_| {}),
            witnesses: Arc::default(),
        };
        if begun.is_none() {
            log.begin().await?;
        }
        take_over_erasures(services).await?;
        let growth = log.proven().await?;
        Ok(Self { growth: Arc::new(Mutex::new(growth)), ..log })
    }

    /// The log without leaves, signed.
    async fn begin(&self) -> Result<(), ServiceError> {
        let head = self.signed(&Growth::default()).await?;
        let head = &head;
        let begun = self.services.store.run("begin log", |tx| Box::pin(log::begin(tx, head))).await;
        match begun {
            // Another one began it meanwhile: that one is taken.
            Ok(()) | Err(store::Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Signs the checkpoints of both trees.
    pub(super) async fn signed(&self, growth: &Growth) -> Result<LogHead, ServiceError> {
        let signed_at = self.services.clock.now();
        let sm3_note = self.note(&self.signers.sm3, growth, TreeHash::Sm3).await?;
        let sha256_note = match &self.signers.sha256 {
            Some(key) => Some(self.note(key, growth, TreeHash::Sha256).await?),
            None => None,
        };
        Ok(LogHead { origin: self.origin().to_owned(), size: growth.size(), signed_at, sm3_note, sha256_note })
    }

    async fn note(&self, key: &LogKey, growth: &Growth, tree: TreeHash) -> Result<Vec<u8>, ServiceError> {
        let text = checkpoint_text(self.origin(), tree, growth.size(), &growth.root(tree));
        let (signer, random) = (Arc::clone(&key.signer), Arc::clone(&self.services.random));
        let value = self.services.pool.sign(signer, text.as_bytes().to_vec(), random).await?;
        let note = Note::write(&text, &[key.verifier.signature_line(&value)]);
        Ok(note.map_err(|error| Error::Checkpoint(error.into()))?.into_bytes())
    }

    /// The trees of the signed head, proven.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) async fn proven(&self) -> Result<Growth, ServiceError> {
        let known = [
            verifiers(&self.services, self.origin(), TreeHash::Sm3).await?,
            verifiers(&self.services, self.origin(), TreeHash::Sha256).await?,
        ];
        let steps = self.services.store.read(|tx| {
            Box::pin(async move {
                let head = log::head(tx).await?.ok_or(Error::Off)?;
                let events = u64::try_from(audit::count(tx).await?).unwrap_or(0);
                if events < head.size {
                    return Err(Error::Behind { signed: head.size, events }.into());
                }
                Ok::<_, ServiceError>(head)
            })
        });
        // Whoever makes it grow meanwhile changes nothing of what that head stands on.
        let head = steps.await?;
        let growth = edges(&self.services, head.size).await?;
        let notes = [Some(&head.sm3_note), head.sha256_note.as_ref()];
        for ((tree, note), known) in TreeHash::ALL.into_iter().zip(notes).zip(&known) {
            let Some(note) = note else { continue };
            let note = Note::parse(note).map_err(|error| Error::Checkpoint(error.into()))?;
            let origin = tree.origin(self.origin());
            let signed = verify_checkpoint(&note, &origin, known, &[]).map_err(Error::from)?;
            if signed.size() != head.size || *signed.root() != growth.root(tree) {
                return Err(Error::Diverged { tree, size: head.size }.into());
            }
        }
        let from = head.size.saturating_sub(COMPARED);
        let bundles = &Bundles::read(&self.services, head.size, bundles_over(from, head.size)).await?;
        self.services.store.read(|tx| Box::pin(compare(tx, bundles, from, head.size))).await?;
        Ok(growth)
    }
}

/// Gives an integrity value to what an older program noted as lost, number by number: where an event of the log names the gap.
/// Nothing else that lacks one is believed.
async fn take_over_erasures(services: &Services) -> Result<(), ServiceError> {
    if services.store.read(|tx| Box::pin(erasures::unsealed(tx))).await?.is_empty() {
        return Ok(());
    }
    let steps = services.store.run("take over erasures", |tx| {
        Box::pin(async move {
            let unsealed = erasures::unsealed(tx).await?;
            for (event, gap) in audit::of_class(tx, EventClass::LogGapRecorded).await? {
                let EventBody::LogGapRecorded { from, to, .. } = gap.body else { continue };
                let (first, last) = (signed(from), signed(to).saturating_sub(1));
                let inside = unsealed.iter().filter(|number| (first..=last).contains(*number)).count();
                if u64::try_from(inside) == Ok(to.saturating_sub(from)) {
                    erasures::seal(tx, &Erasure { first, last, at: gap.at, event }).await?;
                }
            }
            Ok(())
        })
    });
    steps.await
}

async fn edges(services: &Services, size: u64) -> Result<Growth, ServiceError> {
    let sm3 = tiles::tiles(services, TreeHash::Sm3, edge_of(size)).await?;
    let sha256 = tiles::tiles(services, TreeHash::Sha256, edge_of(size)).await?;
    let last = bundles_of(size).last().filter(|bundle| !bundle.is_full());
    let bundle = match last {
        Some(wanted) => tiles::bundle(services, wanted).await?.unwrap_or_default(),
        None => Vec::new(),
    };
    Ok(Growth::from_edges(size, &sm3, &sha256, bundle).map_err(Error::from)?)
}

/// The indices of the bundles over the leaves from one number to another.
pub(super) fn bundles_over(from: u64, to: u64) -> Range<u64> {
    from / u64::from(FULL)..to.div_ceil(u64::from(FULL))
}

/// Compares leaves with the events that they commit to, from one number to another, both within the log that the bundles are of.
/// Erased events are passed over.
///
/// # Errors
/// [`Error::OtherEvent`], [`Error::MissingEvent`], with the first wrong index; the store's.
pub(super) async fn compare(tx: &mut Tx<'_>, bundles: &Bundles, from: u64, to: u64) -> Result<(), ServiceError> {
    for index in bundles_over(from, to) {
        let first = index.saturating_mul(u64::from(FULL));
        let entries = bundles.entries(index)?.ok_or(Error::MissingEvent { index: first })?;
        let count = to.saturating_sub(first).min(u64::from(FULL));
        let known = audit::commitments(tx, signed(first), signed(count)).await?;
        for (index, octets) in (first..to).zip(entries) {
            match known.get(&signed(index)) {
                Some(Some(event)) => {
                    let entry = Entry::of_der(&event.event, &event.salt);
                    if entry.map(|entry| entry.to_octets()).ok().as_ref().map(<[u8; 39]>::as_slice) != Some(octets) {
                        return Err(Error::OtherEvent { index }.into());
                    }
                }
                // Erased: the leaf is all that is left.
                Some(None) => {}
                None => return Err(Error::MissingEvent { index }.into()),
            }
        }
    }
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
