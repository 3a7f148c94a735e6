//! The audit log as a Merkle log: two trees over the entries of all events, in the order of their numbers (C2SP tlog-tiles,
//! RFC 6962; `docs/formats/audit-leaf.md`).
//!
//! The order is decided where an event is written: its number, taken in the transaction of its use case, is the index of its
//! leaf. So what is signed is a function of the rows, whoever signs and however often one begins again. No two heads can
//! disagree that were signed over the same rows, and no acknowledged event can be left out of the next one.

pub mod adopting;
mod agreeing;
pub(in crate::service) mod alarming;
pub mod checking;
pub mod desk;
pub mod erasing;
mod error;
pub mod folder;
pub mod held;
mod keys;
mod mirroring;
pub mod moving;
pub mod old_tiles;
mod opening;
mod proving;
pub mod pruning;
mod receipts;
mod sequencing;
pub mod served;
mod stating;
pub mod stored;
mod tiles;
mod witnessing;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::audit::checkpoint::Verifier;
use crate::domain::audit::growth::Growth;
use crate::domain::audit::tree::{Hash, TreeHash};
use crate::format::tlog::tile::TilePath;
use crate::service::{Error as ServiceError, Services};
use crate::store::log;

use keys::LogKey;

pub use agreeing::agree;
pub use error::Error;
pub use mirroring::keep_mirrored;
pub use proving::{Dating, EventProof};
pub use receipts::Receipt;
pub use sequencing::{Step, keep_sequencing};
pub use stating::SignedStatement;
pub use witnessing::{KnownWitness, keep_witnessed};

/// How the log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The origin of a new log; a log that has begun keeps its own.
    pub origin: String,
    /// Whether another origin than the begun one is refused, because somebody configured it.
    pub is_configured: bool,
    /// From one checkpoint to the next, while there is anything new.
    pub every: Duration,
    /// How long an acknowledged event may be outside the trees.
    pub merge_delay: Duration,
}

/// Told at each named step of the sequencer: nothing happens there but in tests, which end the process.
pub type Watcher = Arc<dyn Fn(Step) + Send + Sync>;

/// The log of an installation, open.
#[derive(Clone)]
pub struct AuditLog {
    services: Services,
    options: Arc<Options>,
    signers: Arc<Signers>,
    /// What the trees are now. Held by whoever makes them grow.
    growth: Arc<Mutex<Growth>>,
    watcher: Watcher,
    /// Keys of the witnesses whose times count here.
    witnesses: Arc<[Verifier]>,
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditLog").field("origin", &self.origin()).finish_non_exhaustive()
    }
}

struct Signers {
    sm3: LogKey,
    sha256: Option<LogKey>,
}

impl Signers {
    fn of(&self, tree: TreeHash) -> Option<&LogKey> {
        match tree {
            TreeHash::Sm3 => Some(&self.sm3),
            TreeHash::Sha256 => self.sha256.as_ref(),
        }
    }
}

/// The signed checkpoint of one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// How many leaves.
    pub size: u64,
    /// The note.
    pub note: Vec<u8>,
}

impl AuditLog {
    /// The origin of the log, without `/sm3` and `/sha256`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.options.origin
    }

    /// Verifier keys of those who may sign that tree's checkpoints now.
    #[must_use]
    pub fn verifier(&self, tree: TreeHash) -> Option<&Verifier> {
        self.signers.of(tree).map(|key| &key.verifier)
    }

    /// The same with witnesses whose times count where this log's proofs are judged.
    #[must_use]
    pub fn seen_by(self, witnesses: Vec<Verifier>) -> Self {
        Self { witnesses: witnesses.into(), ..self }
    }

    /// The keys of witnesses whose times count here.
    #[must_use]
    pub fn witnesses(&self) -> &[Verifier] {
        &self.witnesses
    }

    /// Tells each named step of the sequencer.
    #[must_use]
    pub fn watched_by(self, watcher: Watcher) -> Self {
        Self { watcher, ..self }
    }

    /// The checkpoint of a tree that was signed last.
    ///
    /// # Errors
    /// [`Error::TreeOff`]; the store's.
    pub async fn head(&self, tree: TreeHash) -> Result<SignedHead, ServiceError> {
        let head = self.services.store.read(|tx| Box::pin(log::head(tx))).await?.ok_or(Error::Off)?;
        let note = match tree {
            TreeHash::Sm3 => Some(head.sm3_note),
            TreeHash::Sha256 => head.sha256_note,
        };
        Ok(SignedHead { size: head.size, note: note.ok_or(Error::TreeOff { tree })? })
    }

    /// The size that is proven, and the roots of its trees.
    ///
    /// # Errors
    /// The store's.
    pub async fn roots(&self) -> Result<(u64, [(TreeHash, Hash); 2]), ServiceError> {
        let growth = self.proven().await?;
        Ok((growth.size(), TreeHash::ALL.map(|tree| (tree, growth.root(tree)))))
    }

    /// A tile or bundle as its path names it, also where it lies elsewhere; none where the log has none so wide.
    ///
    /// # Errors
    /// [`Error::OldTileMissing`], [`Error::OldTileChanged`], [`Error::ObjectStore`]: where it was moved to; the store's.
    pub async fn tile(&self, tree: TreeHash, path: TilePath) -> Result<Option<Vec<u8>>, ServiceError> {
        tiles::file(&self.services, tree, path).await
    }
}
