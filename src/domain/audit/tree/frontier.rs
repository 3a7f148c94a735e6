//! A tree that grows: its right edge, from which leaves are added, tiles written and the root computed.

use crate::domain::audit::tree::{Hash, Tiles, TreeError, TreeHash};
use crate::format::tlog::tile::{FULL, TileCoordinate, edge_of, hashes_at};

/// A tile to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenTile {
    /// Which.
    pub tile: TileCoordinate,
    /// Its hashes, one behind the other.
    pub octets: Vec<u8>,
}

/// The right edge of a tree: the hashes of its partial tiles, which are all that growth and root depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    hash: TreeHash,
    size: u64,
    /// By level, what its partial tile holds: below 256 hashes each.
    edge: Vec<Vec<Hash>>,
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub const fn new(hash: TreeHash) -> Self {
        Self { hash, size: 0, edge: Vec::new() }
    }

    /// The tree of `size` leaves, from its partial tiles: those that [`edge_of`] lists. Whether they are the right ones,
    /// a comparison of [`Frontier::root`] with a signed checkpoint tells.
    ///
    /// # Errors
    /// [`TreeError::MissingTile`], [`TreeError::MalformedTile`].
    pub fn from_edge(hash: TreeHash, size: u64, tiles: &Tiles) -> Result<Self, TreeError> {
        let mut edge: Vec<Vec<Hash>> = Vec::new();
        for tile in edge_of(size) {
            edge.resize(usize::from(tile.level()), Vec::new());
            edge.push(tiles.hashes(tile)?.to_vec());
        }
        Ok(Self { hash, size, edge })
    }

    /// Which hash it is made with.
    #[must_use]
    pub const fn hash(&self) -> TreeHash {
        self.hash
    }

    /// How many leaves it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds leaves by their hashes, in order, and gives the tiles that became full. The partial ones of the new size are
    /// [`Frontier::partial_tiles`].
    ///
    /// # Errors
    /// [`TreeError::Full`]; nothing was added.
    pub fn append(&mut self, leaves: &[Hash]) -> Result<Vec<WrittenTile>, TreeError> {
        self.append_whole(0, leaves)
    }

    /// As [`Frontier::append`], by the roots of whole subtrees of 256^level leaves. The tiles beneath that level are not
    /// given: whoever made the roots has them. The tree must have a multiple of 256^level leaves before.
    pub(in crate::domain::audit) fn append_whole(
        &mut self,
        level: u8,
        roots: &[Hash],
    ) -> Result<Vec<WrittenTile>, TreeError> {
        let each = 1_u64.checked_shl(u32::from(level).saturating_mul(8)).ok_or(TreeError::Full)?;
        let count = u64::try_from(roots.len()).ok().and_then(|count| count.checked_mul(each)).ok_or(TreeError::Full)?;
        let size = self.size.checked_add(count).ok_or(TreeError::Full)?;
        if !self.size.is_multiple_of(each) {
            return Err(TreeError::Beyond { asked: self.size, size });
        }
        let mut written = Vec::new();
        self.push(level, hashes_at(level, self.size), roots, &mut written)?;
        self.size = size;
        Ok(written)
    }

    /// Puts hashes behind the `before` that the level has; the roots of tiles that become full go one level up.
    fn push(
        &mut self,
        level: u8,
        before: u64,
        hashes: &[Hash],
        written: &mut Vec<WrittenTile>,
    ) -> Result<(), TreeError> {
        let at = usize::from(level);
        if self.edge.len() <= at {
            self.edge.resize(at.saturating_add(1), Vec::new());
        }
        let Some(row) = self.edge.get_mut(at) else { return Ok(()) };
        row.extend_from_slice(hashes);
        let (whole, rest) = row.as_chunks::<{ FULL_TILE }>();
        let mut roots = Vec::with_capacity(whole.len());
        for (index, hashes) in (before / u64::from(FULL)..).zip(whole) {
            let tile = TileCoordinate::new(level, index, FULL).ok_or(TreeError::Full)?;
            roots.push(self.hash.whole_root(hashes).ok_or(TreeError::Full)?);
            written.push(WrittenTile { tile, octets: hashes.as_flattened().to_vec() });
        }
        let rest = rest.to_vec();
        *row = rest;
        if roots.is_empty() {
            return Ok(());
        }
        self.push(level.saturating_add(1), before / u64::from(FULL), &roots, written)
    }

    /// The partial tiles, lowest level first: a log serves them for each size that it signs (C2SP tlog-tiles, partial tiles).
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<WrittenTile> {
        let of_level = |tile: TileCoordinate| {
            let hashes = self.edge.get(usize::from(tile.level()))?;
            Some(WrittenTile { tile, octets: hashes.as_flattened().to_vec() })
        };
        edge_of(self.size).filter_map(of_level).collect()
    }

    /// The Merkle tree hash of all leaves (RFC 6962 2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut subtrees = Vec::new();
        for row in self.edge.iter().rev() {
            let mut rest = row.as_slice();
            while let Some(height) = rest.len().checked_ilog2() {
                let (whole, after) = rest.split_at_checked(1 << height).unwrap_or((rest, &[]));
                subtrees.extend(self.hash.whole_root(whole));
                rest = after;
            }
        }
        self.hash.fold(&subtrees).unwrap_or_else(|| self.hash.empty_root())
    }
}

/// Hashes of a full tile, as a length.
const FULL_TILE: usize = 256;
