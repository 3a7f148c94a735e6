//! Tiles between rows and types: the widest form that a row holds, cut to the form that is asked for.

use std::collections::BTreeMap;

use crate::domain::audit::growth::{Grown, RECORD};
use crate::domain::audit::tree::{Tiles, TreeHash, WrittenTile};
use crate::format::tlog::tile::{BundleCoordinate, FULL, TileCoordinate, TilePath, read_bundle};
use crate::service::audit_log::{self, moving};
use crate::service::{Error, Services};
use crate::store::log::{self, StoredTile, TileKind};
use crate::store::{Tx, moved_tiles};

/// Octets of a hash.
const HASH: usize = 32;

pub(super) const fn kind(tree: TreeHash) -> TileKind {
    match tree {
        TreeHash::Sm3 => TileKind::Sm3,
        TreeHash::Sha256 => TileKind::Sha256,
    }
}

/// A tile or bundle in the width that is asked for; none where there is none so wide. One that was moved is read where it lies,
/// when no transaction is open, and compared with the tree.
pub(super) async fn file(services: &Services, tree: TreeHash, wanted: TilePath) -> Result<Option<Vec<u8>>, Error> {
    let known = services.store.read(|tx| {
        Box::pin(async move {
            Ok::<_, Error>(match row(tx, tree, wanted).await? {
                Some(octets) => (Some(octets), None),
                None => (None, moved_tiles::find(tx).await?),
            })
        })
    });
    let (octets, moved) = known.await?;
    let (level, index, width, each) = match wanted {
        TilePath::Tile(tile) => (tile.level(), tile.index(), tile.width(), HASH),
        TilePath::Entries(bundle) => (0, bundle.index(), bundle.width(), RECORD),
    };
    let Some(moved) = moved.filter(|moved| index < moved.tiles(level)) else { return Ok(octets) };
    let place = services.old_tiles.at(&moved.place)?;
    let mut octets = moving::proven(services, &*place, tree, wanted).await?;
    octets.truncate(usize::from(width).saturating_mul(each));
    Ok(Some(octets))
}

/// A bundle of entries, as [`file`].
pub(super) async fn bundle(services: &Services, wanted: BundleCoordinate) -> Result<Option<Vec<u8>>, Error> {
    file(services, TreeHash::Sm3, TilePath::Entries(wanted)).await
}

/// Bundles by their index, in the width that they have in a tree of some size.
#[derive(Debug, Clone, Default)]
pub(super) struct Bundles {
    size: u64,
    octets: BTreeMap<u64, Vec<u8>>,
}

impl Bundles {
    /// Those of these indices, of a log of that size.
    ///
    /// # Errors
    /// [`audit_log::Error::MissingEvent`]: one that it should have is not there; as [`file`].
    pub(super) async fn read(
        services: &Services,
        size: u64,
        indices: impl IntoIterator<Item = u64>,
    ) -> Result<Self, Error> {
        let mut read = Self { size, octets: BTreeMap::new() };
        for index in indices {
            let Some(wanted) = BundleCoordinate::in_tree(index, size) else { continue };
            let octets = bundle(services, wanted).await?;
            let first = index.saturating_mul(u64::from(FULL));
            read.octets.insert(index, octets.ok_or(audit_log::Error::MissingEvent { index: first })?);
        }
        Ok(read)
    }

    /// The size of the log that they are of.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The entries of a bundle; none where it was not read.
    ///
    /// # Errors
    /// [`audit_log::Error::OtherEvent`]: it is malformed.
    pub(super) fn entries(&self, index: u64) -> Result<Option<Vec<&[u8]>>, audit_log::Error> {
        let held = BundleCoordinate::in_tree(index, self.size).zip(self.octets.get(&index));
        let Some((wanted, octets)) = held else { return Ok(None) };
        let first = index.saturating_mul(u64::from(FULL));
        let entries = read_bundle(octets, wanted.width()).map_err(|_| audit_log::Error::OtherEvent { index: first })?;
        Ok(Some(entries))
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

/// Those tiles of a tree, each as it is asked for.
///
/// # Errors
/// One is missing, or not as long as it says; as [`file`].
pub(super) async fn tiles(
    services: &Services,
    tree: TreeHash,
    wanted: impl IntoIterator<Item = TileCoordinate>,
) -> Result<Tiles, Error> {
    let mut tiles = Tiles::new();
    for coordinate in wanted {
        // One that is missing is told by who looks for it.
        if let Some(octets) = file(services, tree, TilePath::Tile(coordinate)).await? {
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
