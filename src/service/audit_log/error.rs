//! Why the audit log cannot be opened, grow, or prove something; each with a stable code.

use std::path::PathBuf;

use crate::domain::audit::EntryError;
use crate::domain::audit::checkpoint::CheckpointError;
use crate::domain::audit::tree::{TreeError, TreeHash};
use crate::domain::ca::erasure::ErasureRefused;
use crate::domain::ca::log_gap::LogGapRefused;
use crate::service::audit_log::checking::CheckError;

/// What is wrong with the log, or with what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log began under another origin.
    #[error("the audit log began as {begun} and cannot go on as {configured}")]
    OriginChanged {
        /// Its origin.
        begun: String,
        /// What the configuration says.
        configured: String,
    },
    /// The signed head and the tiles do not fit: the log must not grow.
    #[error("the tiles of the {tree} tree lead to another root than its checkpoint of {size} leaves")]
    Diverged {
        /// Which tree.
        tree: TreeHash,
        /// The size of the signed head.
        size: u64,
    },
    /// More leaves are signed than there are events.
    #[error("{signed} leaves are signed, and there are {events} events: rows are missing")]
    Behind {
        /// Leaves of the head.
        signed: u64,
        /// Events that there are.
        events: u64,
    },
    /// An event is not what its leaf commits to.
    #[error("event {index} is not what its leaf commits to")]
    OtherEvent {
        /// Its number.
        index: u64,
    },
    /// An event that the log should have is gone, and no erasure says so.
    #[error("event {index} is missing")]
    MissingEvent {
        /// Its number.
        index: u64,
    },
    /// A checkpoint of ours is not believed.
    #[error("a checkpoint of the log is not right")]
    Checkpoint(#[from] CheckpointError),
    /// A tile is missing or wrong.
    #[error("the tiles of the log are not right")]
    Tree(#[from] TreeError),
    /// An event has no entry.
    #[error("an event has no entry")]
    Entry(#[from] EntryError),
    /// There is no leaf of that number.
    #[error("there is no leaf {index}: the log has {size}")]
    NoSuchLeaf {
        /// What was asked for.
        index: u64,
        /// How many there are.
        size: u64,
    },
    /// The event is kept, and not in the trees yet.
    #[error("event {index} is not in the trees yet; it will be within {seconds} seconds")]
    NotMerged {
        /// Its number.
        index: u64,
        /// The promised delay.
        seconds: u64,
    },
    /// The event was erased: its leaf stays, and what it said can be proven no more.
    #[error("event {index} was erased")]
    Erased {
        /// Its number.
        index: u64,
    },
    /// This installation does not sign that tree.
    #[error("the {tree} tree is not signed here")]
    TreeOff {
        /// Which.
        tree: TreeHash,
    },
    /// Nobody may see that proof but the parties of the event and auditors.
    #[error("the event is not the caller's to see")]
    NotEntitled,
    /// There is no such file of the log.
    #[error("the log has no such file")]
    NoSuchFile,
    /// A witness saw more than there is: the log was set back, and must not go on as if nothing had been there.
    #[error("{witness} saw {seen} leaves of the {tree} tree, and {signed} are signed here: the log was set back")]
    BehindWitness {
        /// The witness.
        witness: String,
        /// Which tree.
        tree: TreeHash,
        /// What it saw.
        seen: u64,
        /// What is signed here.
        signed: u64,
    },
    /// A mirror has more than there is.
    #[error(
        "the mirror {folder} has {seen} leaves of the {tree} tree, and {signed} are signed here: the log was set back"
    )]
    BehindMirror {
        /// The mirror.
        folder: PathBuf,
        /// Which tree.
        tree: TreeHash,
        /// What it has.
        seen: u64,
        /// What is signed here.
        signed: u64,
    },
    /// A mirror has nothing that is not here.
    #[error("the mirror {folder} has {size} leaves, and {signed} are signed here: there is nothing to take in")]
    NothingToAdopt {
        /// The mirror.
        folder: PathBuf,
        /// What it has.
        size: u64,
        /// What is signed here.
        signed: u64,
    },
    /// A log that would be taken in, or go on, is wrong.
    #[error("{whose}: {error}")]
    Unsound {
        /// Whose.
        whose: String,
        /// What is wrong.
        error: Box<CheckError>,
    },
    /// A gap is not approved.
    #[error(transparent)]
    Gap(LogGapRefused),
    /// Events are not erased.
    #[error(transparent)]
    Erasing(#[from] ErasureRefused),
    /// A witness saw another history.
    #[error("the {tree} tree is not a continuation of the {size} leaves that {witness} saw")]
    Forked {
        /// The witness.
        witness: String,
        /// Which tree.
        tree: TreeHash,
        /// What it saw.
        size: u64,
    },
    /// A witness gives no cosignature.
    #[error("no cosignature: {reason}")]
    NoWitness {
        /// Why.
        reason: String,
    },
    /// A file of the log cannot be read or written.
    #[error("{path} cannot be used: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A statement that no event of a thing is known, where one is.
    #[error("the log knows an event of it: GET /api/v1/log/proofs has the proofs")]
    EventKnown,
    /// A log is asked for over http at another machine than this one.
    #[error("{address} is of http, which is for this machine alone")]
    AddressPlain {
        /// Where.
        address: String,
    },
    /// A file of a log has no answer.
    #[error("{address} cannot be read: {reason}")]
    NotServed {
        /// Where.
        address: String,
        /// Stable code of why.
        code: &'static str,
        /// Why.
        reason: String,
    },
    /// Nobody said where old tiles shall lie.
    #[error("no place for old tiles is configured: audit_log.old_tiles")]
    NoOldTiles,
    /// Old tiles lie in an object store that the settings do not name.
    #[error("old tiles of the log lie in {place}, which audit_log.old_tiles does not name")]
    OldTilesElsewhere {
        /// Its address.
        place: String,
    },
    /// An object store gives no answer to a question for an old tile, or another one.
    #[error("{place}: the object store of old tiles gives no answer that counts: {reason}")]
    ObjectStore {
        /// The tile.
        place: String,
        /// Stable code of why.
        code: &'static str,
        /// Why.
        reason: String,
    },
    /// A tile that was moved is not where it should be.
    #[error("{place} is missing: an old tile of the log was moved there")]
    OldTileMissing {
        /// The file.
        place: String,
    },
    /// A tile that was moved is not what the tree says.
    #[error("{place} is not what the tree says: an old tile of the log was changed")]
    OldTileChanged {
        /// The file.
        place: String,
    },
    /// No log is kept here.
    #[error("no audit log is published here")]
    Off,
}

impl Error {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OriginChanged { .. } => "log-origin-changed",
            Self::Diverged { .. } => "log-diverged",
            Self::Behind { .. } => "log-events-missing",
            Self::OtherEvent { .. } => "log-event-changed",
            Self::MissingEvent { .. } => "log-event-missing",
            Self::Checkpoint(_) => "log-checkpoint-wrong",
            Self::Tree(_) => "log-tiles-wrong",
            Self::Entry(_) => "log-entry-wrong",
            Self::NoSuchLeaf { .. } => "log-no-such-leaf",
            Self::NotMerged { .. } => "log-not-merged",
            Self::Erased { .. } => "log-event-erased",
            Self::TreeOff { .. } => "log-tree-off",
            Self::NotEntitled => "log-not-entitled",
            Self::BehindWitness { .. } => "log-behind-witness",
            Self::BehindMirror { .. } => "log-behind-mirror",
            Self::NothingToAdopt { .. } => "log-nothing-to-adopt",
            Self::Unsound { error, .. } => error.code(),
            Self::Gap(refused) => refused.code(),
            Self::Erasing(refused) => refused.code(),
            Self::Forked { .. } => "log-forked",
            Self::NoWitness { .. } => "log-no-witness",
            Self::File { .. } => "log-file",
            Self::NoOldTiles => "log-old-tiles-off",
            Self::OldTilesElsewhere { .. } => "log-old-tiles-elsewhere",
            Self::ObjectStore { code, .. } => code,
            Self::OldTileMissing { .. } => "log-old-tile-missing",
            Self::OldTileChanged { .. } => "log-old-tile-changed",
            Self::NoSuchFile => "log-no-such-file",
            Self::EventKnown => "log-event-known",
            Self::AddressPlain { .. } => "log-address-plain",
            Self::NotServed { code, .. } => code,
            Self::Off => "log-off",
        }
    }
}
