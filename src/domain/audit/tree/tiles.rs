//! Tiles at hand: what was read before something is computed from it.

use std::collections::BTreeMap;

use crate::domain::audit::tree::{Hash, TreeError, TreeHash};
use crate::format::tlog::tile::{FULL, TileCoordinate, hashes_at, read_tile};

/// Tiles that were read, by coordinate. Nothing about them is verified but their lengths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tiles {
    held: BTreeMap<TileCoordinate, Vec<u8>>,
}

impl Tiles {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one. A wider tile stands for a narrower one when its octets are cut to the width of `tile` first.
    ///
    /// # Errors
    /// [`TreeError::MalformedTile`]: its length is not that of its width.
    pub fn insert(&mut self, tile: TileCoordinate, octets: Vec<u8>) -> Result<(), TreeError> {
        read_tile(&octets, tile.width()).map_err(|source| TreeError::MalformedTile { tile, source })?;
        self.held.insert(tile, octets);
        Ok(())
    }

    /// The hashes of a tile.
    ///
    /// # Errors
    /// [`TreeError::MissingTile`].
    pub fn hashes(&self, tile: TileCoordinate) -> Result<&[Hash], TreeError> {
        let octets = self.held.get(&tile).ok_or(TreeError::MissingTile { tile })?;
        read_tile(octets, tile.width()).map_err(|source| TreeError::MalformedTile { tile, source })
    }

    /// The root of the whole subtree of that height and index in a tree of `size` leaves.
    pub(super) fn subtree(&self, hash: TreeHash, height: u32, index: u64, size: u64) -> Result<Hash, TreeError> {
        let place = Place::of(height, index, size).ok_or(TreeError::Beyond { asked: index, size })?;
        let missing = TreeError::MissingTile { tile: place.tile };
        let hashes = self.hashes(place.tile)?.get(place.from..place.to).ok_or(missing.clone())?;
        hash.whole_root(hashes).ok_or(missing)
    }
}

/// Where the hashes lie over which a whole subtree stands.
pub(super) struct Place {
    /// The tile.
    pub(super) tile: TileCoordinate,
    from: usize,
    to: usize,
}

impl Place {
    /// `None` when the tree has no such whole subtree.
    pub(super) fn of(height: u32, index: u64, size: u64) -> Option<Self> {
        let (level, row) = (u8::try_from(height / 8).ok()?, height % 8);
        let count = 1_u64.checked_shl(row)?;
        let first = index.checked_mul(count)?;
        if first.checked_add(count)? > hashes_at(level, size) {
            return None;
        }
        let tile = TileCoordinate::in_tree(level, first / u64::from(FULL), size)?;
        let from = usize::try_from(first % u64::from(FULL)).ok()?;
        Some(Self { tile, from, to: from.checked_add(usize::try_from(count).ok()?)? })
    }
}
