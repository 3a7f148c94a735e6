//! A whole log is checked, wherever its files lie: every entry, every hash, both checkpoints; in the database its rows too.
//!
//! Pieces of 65,536 leaves are read and checked beside each other; what is wrong is told with the first index at which it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::domain::audit::Salt;
use crate::domain::audit::checkpoint::{CheckpointError, Verifier, verify_checkpoint};
use crate::domain::audit::log_check::{
    CheckedPiece, Fault, FaultKind, LogCheck, Piece, PieceOfTree, Row, check_heads, check_piece, check_rows, first,
};
use crate::domain::audit::tree::{Hash, Tiles, TreeHash};
use crate::format::tlog::tile::{TileCoordinate, read_bundle};
use crate::format::tlog::{Checkpoint, Note};
use crate::service::Error as ServiceError;

/// Where the files of a log lie.
pub trait LogSource: Send + Sync + 'static {
    /// The note of a tree's checkpoint; none where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    fn note(&self, tree: TreeHash) -> impl Future<Output = Result<Option<Vec<u8>>, ServiceError>> + Send;
    /// What there is of a piece of a log of that size.
    ///
    /// # Errors
    /// It cannot be read.
    fn piece(&self, piece: Piece) -> impl Future<Output = Result<ReadPiece, ServiceError>> + Send;
    /// A tile of a tree; none where there is none.
    ///
    /// # Errors
    /// It cannot be read.
    fn tile(
        &self,
        tree: TreeHash,
        tile: TileCoordinate,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, ServiceError>> + Send;
}

/// What was read of one tree's piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadTree {
    /// Its bundles, as [`Piece::bundles`] lists them.
    pub bundles: Vec<Option<Vec<u8>>>,
    /// Its tiles of level 0.
    pub tiles: Vec<Option<Vec<u8>>>,
    /// The tile above.
    pub above: Option<Vec<u8>>,
}

/// A row of the database: its number, and its event with its salt, where they were not erased.
pub type ReadRow = (u64, Option<(Vec<u8>, Salt)>);

/// What was read of a piece.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadPiece {
    /// Of both trees, SM3's first. Without bundles the second has the first one's.
    pub trees: [ReadTree; 2],
    /// The rows, where there is a database.
    pub rows: Option<Vec<ReadRow>>,
}

/// A log in which everything fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedLog {
    /// How many leaves.
    pub size: u64,
    /// The roots of the trees that were checked, SM3's first.
    pub roots: [Hash; 2],
    /// Which witnesses cosigned which tree, with the time in seconds since 1970.
    pub witnessed: Vec<(TreeHash, String, u64)>,
}

/// Why a log is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There is no checkpoint.
    #[error("the {tree} tree has no checkpoint")]
    NoCheckpoint {
        /// Of which tree.
        tree: TreeHash,
    },
    /// No key is known that could verify the tree's checkpoint.
    #[error("no verifier key is known for the {tree} tree")]
    NoKey {
        /// Which tree.
        tree: TreeHash,
    },
    /// A checkpoint is not believed.
    #[error("the checkpoint of the {tree} tree: {error}")]
    Checkpoint {
        /// Of which tree.
        tree: TreeHash,
        /// Why.
        error: CheckpointError,
    },
    /// Entries, hashes or rows are wrong.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl CheckError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCheckpoint { .. } => "log-checkpoint-missing",
            Self::NoKey { .. } => "log-key-missing",
            Self::Checkpoint { .. } => "log-checkpoint-wrong",
            Self::Fault(fault) => fault.kind.code(),
        }
    }

    /// The first wrong index, where there is one.
    #[must_use]
    pub const fn index(&self) -> Option<u64> {
        match self {
            Self::Fault(fault) => Some(fault.index),
            _ => None,
        }
    }
}

/// Whom to believe: keys of the log, each of them for the tree whose origin is its name; and witnesses.
#[derive(Debug, Clone, Default)]
pub struct Believed {
    /// Keys of the log.
    pub log: Vec<Verifier>,
    /// Keys of witnesses.
    pub witnesses: Vec<Verifier>,
}

/// Checks the log on every processor. A log that cannot be read is an error of reading; one that is wrong is the result.
///
/// # Errors
/// The source's.
pub async fn check<S: LogSource>(
    source: Arc<S>,
    believed: &Believed,
) -> Result<Result<CheckedLog, CheckError>, ServiceError> {
    let mut heads = Vec::new();
    let mut witnessed = Vec::new();
    for tree in TreeHash::ALL {
        let Some(note) = source.note(tree).await? else { return Ok(Err(CheckError::NoCheckpoint { tree })) };
        match head(tree, &note, believed) {
            Ok((size, root, by)) => {
                heads.push((size, root));
                witnessed.extend(by.into_iter().map(|(name, at)| (tree, name, at)));
            }
            Err(error) => return Ok(Err(error)),
        }
    }
    let [(sm3_size, sm3), (sha256_size, sha256)] = heads.as_slice() else {
        return Ok(Err(CheckError::NoCheckpoint { tree: TreeHash::Sm3 }));
    };
    let size = match check_heads(*sm3_size, *sha256_size) {
        Ok(size) => size,
        Err(fault) => return Ok(Err(fault.into())),
    };
    let mut upper = [Tiles::new(), Tiles::new()];
    for (tree, held) in TreeHash::ALL.into_iter().zip(&mut upper) {
        for tile in LogCheck::upper_tiles(size) {
            if let Some(octets) = source.tile(tree, tile).await? {
                // One that is malformed is told as missing, where it is asked for.
                let _ = held.insert(tile, octets);
            }
        }
    }
    let checked = match pieces(&source, size).await? {
        Ok(checked) => checked,
        Err(fault) => return Ok(Err(fault.into())),
    };
    let mut whole = LogCheck::new(size);
    for piece in checked.into_values() {
        if let Err(fault) = whole.take(piece) {
            return Ok(Err(fault.into()));
        }
    }
    let [sm3_upper, sha256_upper] = &upper;
    let finished = whole.finish([sm3_upper, sha256_upper], [sm3, sha256]);
    Ok(finished.map(|()| CheckedLog { size, roots: [*sm3, *sha256], witnessed }).map_err(CheckError::from))
}

/// Size, root and witnesses of a checkpoint that is believed.
type Head = (u64, Hash, Vec<(String, u64)>);

fn head(tree: TreeHash, note: &[u8], believed: &Believed) -> Result<Head, CheckError> {
    let wrong = |error: CheckpointError| CheckError::Checkpoint { tree, error };
    let note = Note::parse(note).map_err(|error| wrong(error.into()))?;
    let stated = Checkpoint::parse(note.text).map_err(|error| wrong(error.into()))?;
    // The keys that were named say which log it has to be.
    let suffix = format!("/{tree}");
    let keys = believed.log.iter().filter(|key| key.name().ends_with(&suffix)).cloned().collect::<Vec<_>>();
    let origin = match keys.iter().find(|key| key.name() == stated.origin).or(keys.first()) {
        Some(key) => key.name().to_owned(),
        None => return Err(CheckError::NoKey { tree }),
    };
    let keys = keys.into_iter().filter(|key| key.name() == origin).collect::<Vec<_>>();
    let verified = verify_checkpoint(&note, &origin, &keys, &believed.witnesses).map_err(wrong)?;
    let by = verified.cosignatures().iter().map(|by| (by.name.clone(), by.timestamp)).collect();
    Ok((verified.size(), *verified.root(), by))
}

type Pieces = BTreeMap<u64, CheckedPiece>;

async fn pieces<S: LogSource>(source: &Arc<S>, size: u64) -> Result<Result<Pieces, Fault>, ServiceError> {
    let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // One more is read while as many as there are processors are checked.
    let places = Arc::new(Semaphore::new(at_once.saturating_add(1)));
    let (mut tasks, mut checked, mut faults) = (JoinSet::new(), BTreeMap::new(), Vec::new());
    for piece in Piece::all(size) {
        let place = Arc::clone(&places).acquire_owned().await.map_err(|_| ServiceError::Interrupted)?;
        let source = Arc::clone(source);
        tasks.spawn(async move {
            let read = source.piece(piece).await?;
            let checking = tokio::task::spawn_blocking(move || {
                let _kept = place;
                checked_piece(piece, &read)
            });
            Ok::<_, ServiceError>((piece.number(), checking.await.map_err(|_| ServiceError::Interrupted)?))
        });
        while let Some(done) = tasks.try_join_next() {
            settle(done, &mut checked, &mut faults)?;
        }
        // Whatever is wrong further right does not matter any more.
        if !faults.is_empty() {
            break;
        }
    }
    while let Some(done) = tasks.join_next().await {
        settle(done, &mut checked, &mut faults)?;
    }
    Ok(first(faults).map_or(Ok(checked), Err))
}

type Done = Result<Result<(u64, Result<CheckedPiece, Fault>), ServiceError>, tokio::task::JoinError>;

fn settle(done: Done, checked: &mut Pieces, faults: &mut Vec<Fault>) -> Result<(), ServiceError> {
    match done.map_err(|_| ServiceError::Interrupted)?? {
        (number, Ok(piece)) => {
            checked.insert(number, piece);
        }
        (_, Err(fault)) => faults.push(fault),
    }
    Ok(())
}

fn checked_piece(piece: Piece, read: &ReadPiece) -> Result<CheckedPiece, Fault> {
    let [sm3, sha256] = &read.trees;
    let shared = sha256.bundles.is_empty();
    let one = borrowed(sm3, &sm3.bundles);
    let other = borrowed(sha256, if shared { &sm3.bundles } else { &sha256.bundles });
    let checked = check_piece(piece, &one, &other);
    let Some(rows) = &read.rows else { return checked };
    let rows = rows.iter().map(|(index, opening)| Row {
        index: *index,
        opening: opening.as_ref().map(|(event, salt)| (event.as_slice(), salt)),
    });
    let rows = rows.collect::<Vec<_>>();
    let mut entries = Vec::new();
    for (bundle, octets) in piece.bundles().zip(&one.bundles) {
        // Malformed ones were told of above.
        let Some(read) = octets.and_then(|octets| read_bundle(octets, bundle.width()).ok()) else { break };
        entries.extend(read);
    }
    let compared = check_rows(piece.first_leaf(), &rows, &entries);
    match (checked, compared) {
        (Ok(checked), Ok(())) => Ok(checked),
        (Ok(_), Err(fault)) | (Err(fault), Ok(())) => Err(fault),
        // Where the entries broke off, the rows behind are not to blame.
        (Err(fault), Err(Fault { kind: FaultKind::MissingEntry, .. })) => Err(fault),
        (Err(one), Err(other)) => Err(first([one.clone(), other]).unwrap_or(one)),
    }
}

fn borrowed<'a>(tree: &'a ReadTree, bundles: &'a [Option<Vec<u8>>]) -> PieceOfTree<'a> {
    PieceOfTree {
        bundles: bundles.iter().map(Option::as_deref).collect(),
        tiles: tree.tiles.iter().map(Option::as_deref).collect(),
        above: tree.above.as_deref(),
    }
}
