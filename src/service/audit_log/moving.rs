//! Old tiles elsewhere: full tiles and bundles of levels 0 and 1 become files of a folder, and are rows no more.
//!
//! They never change, and the levels above stay here, so whatever is read from the folder is compared with the tree before
//! anybody is answered from it. The order of a move is `copy → sync → read back and check → delete the rows and note bound
//! and place, one transaction → commit`. *A crash before the commit* leaves all rows, and files that the next move writes
//! again; *after it* the files are what counts, and they were on the disk before.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::domain::audit::tree::TreeHash;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::format::tlog::tile::{BundleCoordinate, FULL, TileCoordinate, TilePath, read_bundle, read_tile};
use crate::service::audit_log::folder::FolderLog;
use crate::service::audit_log::{AuditLog, Error, tiles};
use crate::service::{Error as ServiceError, Services};
use crate::store::log::{self, TileKind};
use crate::store::moved_tiles::{self, Moved, tiles_below};
use crate::store::{self, Steps, Tx, audit};

/// Leaves that one transaction moves: one tile of level 1 of each tree, and what is below.
const CHUNK: u64 = 65_536;
/// From one look for old tiles to the next.
const EVERY: Duration = Duration::from_secs(60);

/// A named step of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoveStep {
    /// Some files are written.
    Copying,
    /// All files are on the disk.
    Copied,
    /// They were read back, and are those of the tree.
    Checked,
    /// The rows are deleted, and nothing is committed.
    Deleted,
    /// It is committed.
    Committed,
}

impl MoveStep {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::Copying, Self::Copied, Self::Checked, Self::Deleted, Self::Committed];
}

/// What was moved by one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedTiles {
    /// The bound before.
    pub from: u64,
    /// The bound now: the tiles of the leaves below it are files.
    pub below: u64,
}

/// Moves the full tiles below that leaf, at most those of the signed trees; nothing where there is nothing to move. Tells each
/// named step.
///
/// # Errors
/// [`Error::OldTileMissing`], [`Error::OldTileChanged`], [`Error::File`]: the folder does not hold what it should, and the
/// rows stay; the store's.
pub async fn move_tiles(
    services: &Services,
    folder: &FolderLog,
    below: u64,
    told: &(dyn Fn(MoveStep) + Send + Sync),
) -> Result<Option<MovedTiles>, ServiceError> {
    let state = services.store.read(|tx| {
        Box::pin(async move {
            let head = log::head(tx).await?.ok_or(Error::Off)?;
            Ok::<_, ServiceError>((head.size, moved_tiles::find(tx).await?))
        })
    });
    let (size, moved) = state.await?;
    let below = below.min(size) / u64::from(FULL) * u64::from(FULL);
    let first = moved.as_ref().map_or(0, |moved| moved.below);
    if let Some(moved) = moved.filter(|moved| moved.place != folder.folder()) {
        // Another place: it has what was moved before, whole, or nothing is noted.
        let known = Moved { place: folder.folder().to_owned(), ..moved };
        are_there(services, folder, (0, known.below)).await?;
        let at = services.clock.now();
        services.store.run("move tiles", |tx| Box::pin(relocate(tx, &known, at))).await?;
    }
    let mut from = first;
    while from < below {
        let to = below.min((from / CHUNK).saturating_add(1).saturating_mul(CHUNK));
        move_chunk(services, folder, (from, to), told).await?;
        from = to;
    }
    Ok((first < below).then_some(MovedTiles { from: first, below }))
}

/// The same tiles, in another place.
async fn relocate(tx: &mut Tx<'_>, moved: &Moved, at: Timestamp) -> Result<(), ServiceError> {
    moved_tiles::note(tx, moved).await?;
    let body = EventBody::OldTilesMoved { from: moved.below, below: moved.below };
    audit::append(tx, &Event { at, actor: Actor::Operator, request: None, body }).await?;
    Ok(())
}

/// The files over the leaves from one bound to another: tiles of both trees, and bundles.
fn files(from: u64, to: u64) -> Vec<(TreeHash, TilePath)> {
    let mut files = Vec::new();
    for tree in TreeHash::ALL {
        for level in [0, 1] {
            let indices = tiles_below(level, from)..tiles_below(level, to);
            let tile = |index| TileCoordinate::new(level, index, FULL).map(|tile| (tree, TilePath::Tile(tile)));
            files.extend(indices.filter_map(tile));
        }
        // Below both, as any mirror has them: each can be served as it lies there.
        let bundle = |index| BundleCoordinate::new(index, FULL).map(|bundle| (tree, TilePath::Entries(bundle)));
        files.extend((tiles_below(0, from)..tiles_below(0, to)).filter_map(bundle));
    }
    files
}

async fn move_chunk(
    services: &Services,
    folder: &FolderLog,
    (from, to): (u64, u64),
    told: &(dyn Fn(MoveStep) + Send + Sync),
) -> Result<(), ServiceError> {
    let mut folders = BTreeSet::new();
    for (tree, path) in files(from, to) {
        let read = services.store.read(|tx| Box::pin(tiles::row(tx, tree, path)));
        let Some(octets) = read.await? else { return Err(Error::NoSuchFile.into()) };
        folders.insert(folder.keep(tree, path, octets).await?);
        told(MoveStep::Copying);
    }
    folder.sync(folders).await?;
    told(MoveStep::Copied);
    are_there(services, folder, (from, to)).await?;
    told(MoveStep::Checked);
    let moved = &Moved { below: to, place: folder.folder().to_owned() };
    let at = services.clock.now();
    let steps = services.store.run("move tiles", |tx| {
        Box::pin(async move {
            let known = moved_tiles::find(tx).await?.map_or(0, |known| known.below);
            let stale = || store::Error::Stale { table: "log_moved", row: "1".to_owned() };
            if known != from {
                return Err(stale().into());
            }
            for kind in [TileKind::Entries, TileKind::Sm3, TileKind::Sha256] {
                for level in [0, 1] {
                    let range = (tiles_below(level, from), tiles_below(level, to));
                    // Entries have one level.
                    if range.0 == range.1 || (kind == TileKind::Entries && level > 0) {
                        continue;
                    }
                    if moved_tiles::delete(tx, (kind, level), range).await? != range.1.saturating_sub(range.0) {
                        return Err(stale().into());
                    }
                }
            }
            moved_tiles::note(tx, moved).await?;
            let body = EventBody::OldTilesMoved { from, below: to };
            audit::append(tx, &Event { at, actor: Actor::Operator, request: None, body }).await?;
            told(MoveStep::Deleted);
            Ok::<_, ServiceError>(())
        })
    });
    steps.await?;
    told(MoveStep::Committed);
    Ok(())
}

/// Refuses where a file over those leaves is missing, or is not what the tree says.
async fn are_there(services: &Services, folder: &FolderLog, (from, to): (u64, u64)) -> Result<(), ServiceError> {
    for (tree, path) in files(from, to) {
        let reading = services.store.read(|tx| Box::pin(proven(tx, folder, tree, path)));
        reading.await?;
    }
    Ok(())
}

/// The full octets of a file of a folder, compared with the tree: a tile with the hash over it, a bundle with its leaves.
/// Levels above are read as any tile is: at most one of them is a file too, and is compared in its turn.
pub(super) fn proven<'t>(
    tx: &'t mut Tx<'_>,
    folder: &'t FolderLog,
    tree: TreeHash,
    path: TilePath,
) -> Steps<'t, Vec<u8>, ServiceError> {
    Box::pin(async move {
        let Some(octets) = folder.whole(tree, path).await? else {
            return Err(Error::OldTileMissing { path: folder.place_of(tree, path) }.into());
        };
        let over = match path {
            TilePath::Tile(tile) => hash_over(tile).map(|over| (over, false)),
            TilePath::Entries(bundle) => TileCoordinate::new(0, bundle.index(), FULL).map(|over| (over, true)),
        };
        let (over, is_leaves) = over.ok_or(Error::NoSuchFile)?;
        let known = tiles::tile(tx, tree, over).await?.ok_or(Error::NoSuchFile)?;
        let known = read_tile(&known, over.width()).map_err(|_| Error::NoSuchFile)?;
        let is_right = if is_leaves {
            read_bundle(&octets, FULL).is_ok_and(|entries| tree.leaves(&entries) == known)
        } else {
            let root = read_tile(&octets, FULL).ok().and_then(|hashes| tree.whole_root(hashes));
            root.is_some_and(|root| known.last() == Some(&root))
        };
        match is_right {
            true => Ok(octets),
            false => Err(Error::OldTileChanged { path: folder.place_of(tree, path) }.into()),
        }
    })
}

/// The tile whose last hash stands over that whole tile.
fn hash_over(tile: TileCoordinate) -> Option<TileCoordinate> {
    let full = u64::from(FULL);
    let place = u16::try_from(tile.index() % full).ok()?;
    TileCoordinate::new(tile.level().checked_add(1)?, tile.index() / full, place.checked_add(1)?)
}

/// What of the log was moved, and its folder.
pub(super) async fn moved(tx: &mut Tx<'_>) -> Result<Option<(Moved, FolderLog)>, ServiceError> {
    let moved = moved_tiles::find(tx).await?;
    Ok(moved.map(|moved| {
        let folder = FolderLog::new(&moved.place);
        (moved, folder)
    }))
}

/// Moves what is older than so many leaves, for as long as it is polled. A folder that cannot be used is told in the log of
/// the program, and the rows stay.
pub async fn keep_moving(log: AuditLog, folder: FolderLog, after: u64) {
    loop {
        let size = log.growth.lock().await.size();
        let below = size.saturating_sub(after) / CHUNK * CHUNK;
        match move_tiles(&log.services, &folder, below, &|_| {}).await {
            Ok(None) => {}
            Ok(Some(MovedTiles { from, below })) => tracing::info!(from, below, "old tiles of the audit log are moved"),
            Err(error) => {
                tracing::error!(code = error.code(), "old tiles of the audit log stay in the database: {error}");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
