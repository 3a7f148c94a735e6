//! Tiles between rows and types: the widest form that a row holds, cut to the form that is asked for.

use crate::domain::audit::growth::{Grown, RECORD};
use crate::domain::audit::tree::{Tiles, TreeHash, WrittenTile};
use crate::format::tlog::tile::{BundleCoordinate, TileCoordinate, TilePath};
use crate::service::Error;
use crate::service::audit_log::{self, moving};
use crate::store::Tx;
use crate::store::log::{self, StoredTile, TileKind};

/// Octets of a hash.
const HASH: usize = 32;

pub(super) const fn kind(tree: TreeHash) -> TileKind {
    match tree {
        TreeHash::Sm3 => TileKind::Sm3,
        TreeHash::Sha256 => TileKind::Sha256,
    }
}

/// A tile of a tree in the width that is asked for; none where there is none so wide. One that was moved is read where it
/// lies, and compared with the tree.
pub(super) async fn tile(tx: &mut Tx<'_>, tree: TreeHash, wanted: TileCoordinate) -> Result<Option<Vec<u8>>, Error> {
    match row(tx, tree, TilePath::Tile(wanted)).await? {
        Some(octets) => Ok(Some(octets)),
        None => elsewhere(tx, tree, TilePath::Tile(wanted)).await,
    }
}

/// A bundle of entries in the width that is asked for; none where there is none so wide. As [`tile`] where it was moved.
pub(super) async fn bundle(tx: &mut Tx<'_>, wanted: BundleCoordinate) -> Result<Option<Vec<u8>>, Error> {
    match row(tx, TreeHash::Sm3, TilePath::Entries(wanted)).await? {
        Some(octets) => Ok(Some(octets)),
        None => elsewhere(tx, TreeHash::Sm3, TilePath::Entries(wanted)).await,
    }
}

/// A tile or a bundle as the rows have it.
pub(super) async fn row(tx: &mut Tx<'_>, tree: TreeHash, wanted: TilePath) -> Result<Option<Vec<u8>>, Error> {
    let (name, width, each) = match wanted {
        TilePath::Tile(tile) => ((kind(tree), tile.level(), tile.index()), tile.width(), HASH),
        TilePath::Entries(bundle) => ((TileKind::Entries, 0, bundle.index()), bundle.width(), RECORD),
    };
    Ok(log::tile(tx, name).await?.and_then(|tile| beginning(tile, width, each)))
}

/// What is no row any more, in the width that is asked for.
async fn elsewhere(tx: &mut Tx<'_>, tree: TreeHash, wanted: TilePath) -> Result<Option<Vec<u8>>, Error> {
    let (level, index, width, each) = match wanted {
        TilePath::Tile(tile) => (tile.level(), tile.index(), tile.width(), HASH),
        TilePath::Entries(bundle) => (0, bundle.index(), bundle.width(), RECORD),
    };
    let Some((moved, folder)) = moving::moved(tx).await? else { return Ok(None) };
    if index >= moved.tiles(level) {
        return Ok(None);
    }
    let mut octets = moving::proven(tx, &folder, tree, wanted).await?;
    octets.truncate(usize::from(width).saturating_mul(each));
    Ok(Some(octets))
}

/// Those tiles of a tree, each as it is asked for.
///
/// # Errors
/// One is missing, or not as long as it says.
pub(super) async fn tiles(
    tx: &mut Tx<'_>,
    tree: TreeHash,
    wanted: impl IntoIterator<Item = TileCoordinate>,
) -> Result<Tiles, Error> {
    let mut tiles = Tiles::new();
    for coordinate in wanted {
        // One that is missing is told by who looks for it.
        if let Some(octets) = tile(tx, tree, coordinate).await? {
            tiles.insert(coordinate, octets).map_err(audit_log::Error::from)?;
        }
    }
    Ok(tiles)
}

pub(super) fn beginning(tile: StoredTile, width: u16, each: usize) -> Option<Vec<u8>> {
    if tile.width < width || tile.octets.len() != usize::from(tile.width).saturating_mul(each) {
        return None;
    }
    let mut octets = tile.octets;
    octets.truncate(usize::from(width).saturating_mul(each));
    Some(octets)
}

/// What the log grew by, as rows.
pub(super) fn rows(grown: Grown) -> Vec<StoredTile> {
    let hashes = |tree| {
        move |WrittenTile { tile, octets }: WrittenTile| StoredTile {
            kind: kind(tree),
            level: tile.level(),
            number: tile.index(),
            width: tile.width(),
            octets,
        }
    };
    let bundles = grown.bundles.into_iter().map(|(bundle, octets)| StoredTile {
        kind: TileKind::Entries,
        level: 0,
        number: bundle.index(),
        width: bundle.width(),
        octets,
    });
    let (sm3, sha256) = (grown.sm3.into_iter().map(hashes(TreeHash::Sm3)), grown.sha256.into_iter());
    bundles.chain(sm3).chain(sha256.map(hashes(TreeHash::Sha256))).collect()
}
