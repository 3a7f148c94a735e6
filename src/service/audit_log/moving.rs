//! Old tiles elsewhere: full tiles and bundles of levels 0 and 1 become files of a folder or an object store, and are rows no
//! more.
//!
//! They never change, and the levels above stay here, so whatever is read elsewhere is compared with the tree before anybody
//! is answered from it. The order of a move is `copy → settle → read back and check → delete the rows and note bound and
//! place, one transaction → commit`. *A crash before the commit* leaves all rows, and files that the next move writes again;
//! *after it* the files are what counts, and they were safe before.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::base::clock::Timestamp;
use crate::domain::audit::tree::TreeHash;
use crate::domain::audit::{Actor, Event, EventBody};
use crate::format::tlog::tile::{BundleCoordinate, FULL, TileCoordinate, TilePath, read_bundle, read_tile};
use crate::service::audit_log::old_tiles::{Doing, TilePlace, place_of};
use crate::service::audit_log::{AuditLog, Error, tiles};
use crate::service::outside::kept::CONNECTIONS;
use crate::service::{Error as ServiceError, Services};
use crate::store::log::{self, TileKind};
use crate::store::moved_tiles::{self, Moved, tiles_below};
use crate::store::{self, Tx, audit};

/// Leaves that one transaction moves: one tile of level 1 of each tree, and what is below.
const CHUNK: u64 = 65_536;
/// Levels whose tiles are moved.
const LEVELS: u8 = 2;
/// Octets of a hash.
const HASH: usize = 32;
/// Files that are under way at a time: as many as connections to one server.
const AT_ONCE: usize = CONNECTIONS;
/// From one look for old tiles to the next.
const EVERY: Duration = Duration::from_secs(60);

/// A named step of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoveStep {
    /// Some files are written.
    Copying,
    /// All files survive a loss of power.
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
/// named step. Where what was moved before lies in another place, it is brought here first.
///
/// # Errors
/// [`Error::OldTileMissing`], [`Error::OldTileChanged`], [`Error::File`], [`Error::ObjectStore`]: the place does not hold what
/// it should, and the rows stay; the store's.
pub async fn move_tiles(
    services: &Services,
    place: &Arc<dyn TilePlace>,
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
    if let Some(moved) = moved.filter(|moved| moved.place != place.name()) {
        for (from, to) in chunks(0, moved.below) {
            bring(services, (&moved.place, place), (from, to)).await?;
        }
        // It has what was moved before, whole, or nothing is noted.
        let known = Moved { place: place.name(), ..moved };
        let at = services.clock.now();
        services.store.run("move tiles", |tx| Box::pin(relocate(tx, &known, at))).await?;
    }
    for (from, to) in chunks(first, below) {
        move_chunk(services, place, (from, to), told).await?;
    }
    Ok((first < below).then_some(MovedTiles { from: first, below }))
}

/// The leaves from one bound to another, in parts that end at multiples of [`CHUNK`].
fn chunks(from: u64, below: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = move |from: u64| below.min((from / CHUNK).saturating_add(1).saturating_mul(CHUNK));
    let first = (from < below).then(|| (from, end(from)));
    std::iter::successors(first, move |(_, to)| (*to < below).then(|| (*to, end(*to))))
}

/// Does it for each file, some at a time. The first that fails ends it, once those have ended that were under way: nothing is
/// written behind the back of whoever tries again. `done` hears of each.
async fn for_each<F: Future<Output = Result<(), ServiceError>> + Send + 'static>(
    files: &[(TreeHash, TilePath)],
    work: impl Fn(TreeHash, TilePath) -> F,
    done: impl Fn(),
) -> Result<(), ServiceError> {
    let mut under_way = JoinSet::new();
    let (mut waiting, mut outcome) = (files.iter(), Ok(()));
    loop {
        while outcome.is_ok()
            && under_way.len() < AT_ONCE
            && let Some((tree, path)) = waiting.next()
        {
            under_way.spawn(work(*tree, *path));
        }
        let Some(ended) = under_way.join_next().await else { return outcome };
        match ended.map_err(|_| ServiceError::Interrupted).flatten() {
            Ok(()) => done(),
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
}

/// Brings the files over those leaves from one place to another, where they are missing; each is compared with the tree then.
/// A file that is there and wrong is told, and not replaced.
async fn bring(
    services: &Services,
    (old, place): (&str, &Arc<dyn TilePlace>),
    (from, to): (u64, u64),
) -> Result<(), ServiceError> {
    let files = files(from, to);
    let work = |tree, path| {
        let (services, old, place) = (services.clone(), old.to_owned(), Arc::clone(place));
        async move {
            if place.whole(tree, path).await?.is_none() {
                let octets = proven(&services, &*services.old_tiles.at(&old)?, tree, path).await?;
                place.keep(tree, path, octets).await?;
            }
            Ok(())
        }
    };
    for_each(&files, work, || ()).await?;
    place.settle(&files).await?;
    are_there(services, place, &files).await
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
    place: &Arc<dyn TilePlace>,
    (from, to): (u64, u64),
    told: &(dyn Fn(MoveStep) + Send + Sync),
) -> Result<(), ServiceError> {
    let files = files(from, to);
    let work = |tree, path| {
        let (services, place) = (services.clone(), Arc::clone(place));
        async move {
            let read = services.store.read(|tx| Box::pin(tiles::row(tx, tree, path)));
            place.keep(tree, path, read.await?.ok_or(Error::NoSuchFile)?).await
        }
    };
    for_each(&files, work, || told(MoveStep::Copying)).await?;
    place.settle(&files).await?;
    told(MoveStep::Copied);
    are_there(services, place, &files).await?;
    told(MoveStep::Checked);
    let moved = &Moved { below: to, place: place.name() };
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

/// Refuses where one of those files is missing, or is not what the tree says.
async fn are_there(
    services: &Services,
    place: &Arc<dyn TilePlace>,
    files: &[(TreeHash, TilePath)],
) -> Result<(), ServiceError> {
    let work = |tree, path| {
        let (services, place) = (services.clone(), Arc::clone(place));
        async move { proven(&services, &*place, tree, path).await.map(|_| ()) }
    };
    for_each(files, work, || ()).await
}

/// The full octets of a file of a place, compared with the tree: a tile with the hash over it, a bundle with its leaves. What
/// stands over it is a row, or a file of that place too, which is compared in its turn.
pub(super) fn proven<'a>(
    services: &'a Services,
    place: &'a dyn TilePlace,
    tree: TreeHash,
    path: TilePath,
) -> Doing<'a, Vec<u8>> {
    Box::pin(async move {
        let Some(octets) = place.whole(tree, path).await? else {
            return Err(Error::OldTileMissing { place: place_of(place, tree, path) }.into());
        };
        let over = match path {
            TilePath::Tile(tile) => hash_over(tile).map(|over| (over, false)),
            TilePath::Entries(bundle) => TileCoordinate::new(0, bundle.index(), FULL).map(|over| (over, true)),
        };
        let (over, is_leaves) = over.ok_or(Error::NoSuchFile)?;
        let row = services.store.read(|tx| Box::pin(tiles::row(tx, tree, TilePath::Tile(over))));
        let known = match row.await? {
            Some(octets) => octets,
            // Those of higher levels are rows for ever.
            None if over.level() < LEVELS => {
                let mut octets = proven(services, place, tree, TilePath::Tile(over)).await?;
                octets.truncate(usize::from(over.width()).saturating_mul(HASH));
                octets
            }
            None => return Err(Error::NoSuchFile.into()),
        };
        let known = read_tile(&known, over.width()).map_err(|_| Error::NoSuchFile)?;
        let is_right = if is_leaves {
            read_bundle(&octets, FULL).is_ok_and(|entries| tree.leaves(&entries) == known)
        } else {
            let root = read_tile(&octets, FULL).ok().and_then(|hashes| tree.whole_root(hashes));
            root.is_some_and(|root| known.last() == Some(&root))
        };
        match is_right {
            true => Ok(octets),
            false => Err(Error::OldTileChanged { place: place_of(place, tree, path) }.into()),
        }
    })
}

/// The tile whose last hash stands over that whole tile.
fn hash_over(tile: TileCoordinate) -> Option<TileCoordinate> {
    let full = u64::from(FULL);
    let place = u16::try_from(tile.index() % full).ok()?;
    TileCoordinate::new(tile.level().checked_add(1)?, tile.index() / full, place.checked_add(1)?)
}

/// Moves what is older than so many leaves, for as long as it is polled. A place that cannot be used is told in the log of
/// the program, and the rows stay.
pub async fn keep_moving(log: AuditLog, place: Arc<dyn TilePlace>, after: u64) {
    loop {
        let size = log.growth.lock().await.size();
        let below = size.saturating_sub(after) / CHUNK * CHUNK;
        match move_tiles(&log.services, &place, below, &|_| {}).await {
            Ok(None) => {}
            Ok(Some(MovedTiles { from, below })) => tracing::info!(from, below, "old tiles of the audit log are moved"),
            Err(error) => {
                tracing::error!(code = error.code(), "old tiles of the audit log stay in the database: {error}");
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}
