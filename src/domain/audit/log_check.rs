//! The whole log checked by pieces of 65,536 leaves, in parallel: what is wrong, and the first index at which it is.
//!
//! A caller reads [`Piece`] by piece, checks each by [`check_piece`] on any thread, hands the outcomes in order to a
//! [`LogCheck`] and closes it with the tiles above and the roots of the two signed checkpoints. Heads that were seen before
//! are compared by [`check_heads`] and [`check_remembered`], rows of the database by [`check_rows`].

use crate::domain::audit::entry::{Entry, Salt};
use crate::domain::audit::tree::{Frontier, Hash, Tiles, TreeError, TreeHash, WrittenTile, root_at};
use crate::format::tlog::tile::{
    BundleCoordinate, FULL, TileCoordinate, hashes_at, read_bundle, read_tile, tiles_from,
};
use crate::format::tlog::{self};

/// Leaves of a whole piece: 256 tiles of level 0, and the tile of level 1 above them.
pub const PIECE: u64 = 65_536;

/// Something wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index}: {kind}")]
pub struct Fault {
    /// The first index that is wrong; for [`FaultKind::Forked`] and [`FaultKind::Root`] the first that nothing vouches for.
    pub index: u64,
    /// What.
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// The two trees have other sizes.
    #[error("the tree {longer} is longer than the other")]
    SizesDiffer {
        /// Which has more leaves.
        longer: TreeHash,
    },
    /// A bundle of entries is not there.
    #[error("the entry bundle of tree {tree} is missing")]
    MissingBundle {
        /// Of which tree.
        tree: TreeHash,
    },
    /// A bundle of entries breaks off or has more.
    #[error("the entry bundle of tree {tree} is malformed")]
    MalformedBundle {
        /// Of which tree.
        tree: TreeHash,
        /// How.
        source: tlog::Error,
    },
    /// An entry that we never wrote.
    #[error("the entry in tree {tree} is not one (docs/formats/audit-leaf.md)")]
    Entry {
        /// Of which tree.
        tree: TreeHash,
    },
    /// An entry whose hash is not the leaf's.
    #[error("the entry's hash is not the one in tree {tree}")]
    Leaf {
        /// Of which tree.
        tree: TreeHash,
    },
    /// The two trees have other entries at that index.
    #[error("the two trees have different entries")]
    TreesDiffer,
    /// A tile is not there.
    #[error("the tile of level {level} of tree {tree} is missing")]
    MissingTile {
        /// Of which tree.
        tree: TreeHash,
        /// At which level.
        level: u8,
    },
    /// A tile of the wrong length.
    #[error("the tile of level {level} of tree {tree} is malformed")]
    MalformedTile {
        /// Of which tree.
        tree: TreeHash,
        /// At which level.
        level: u8,
    },
    /// A hash that does not stand over what is beneath it.
    #[error("the tile of level {level} of tree {tree} does not stand over the one beneath it")]
    Node {
        /// Of which tree.
        tree: TreeHash,
        /// At which level.
        level: u8,
    },
    /// A piece that does not follow the one before it.
    #[error("a piece was handed in out of order")]
    Order,
    /// The checkpoint has another root than the tiles.
    #[error("the checkpoint of tree {tree} has another root than its tiles")]
    Root {
        /// Of which tree.
        tree: TreeHash,
    },
    /// The log is shorter than it was.
    #[error("tree {tree} had {remembered} leaves before")]
    RolledBack {
        /// Of which tree.
        tree: TreeHash,
        /// The size that was seen before.
        remembered: u64,
    },
    /// The log is not the continuation of what was seen before.
    #[error("tree {tree} is not what it was at {remembered} leaves")]
    Forked {
        /// Of which tree.
        tree: TreeHash,
        /// The size at which it was another.
        remembered: u64,
    },
    /// The database has no row for an entry.
    #[error("the database has no event for the entry")]
    MissingRow,
    /// The database has a row that the log has no entry for.
    #[error("the log has no entry for the event of the database")]
    MissingEntry,
    /// The event and salt of the database do not open the entry.
    #[error("the event of the database is not the one of the entry")]
    Row,
}

impl FaultKind {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SizesDiffer { .. } => "log-sizes-differ",
            Self::MissingBundle { .. } => "log-bundle-missing",
            Self::MalformedBundle { .. } => "log-bundle-malformed",
            Self::Entry { .. } => "log-entry-malformed",
            Self::Leaf { .. } => "log-leaf-differs",
            Self::TreesDiffer => "log-trees-differ",
            Self::MissingTile { .. } => "log-tile-missing",
            Self::MalformedTile { .. } => "log-tile-malformed",
            Self::Node { .. } => "log-node-differs",
            Self::Order => "log-piece-order",
            Self::Root { .. } => "log-root-differs",
            Self::RolledBack { .. } => "log-rolled-back",
            Self::Forked { .. } => "log-forked",
            Self::MissingRow => "log-row-missing",
            Self::MissingEntry => "log-entry-missing",
            Self::Row => "log-row-differs",
        }
    }
}

/// The fault with the lowest index: what a caller reports that has checked pieces in any order.
#[must_use]
pub fn first(faults: impl IntoIterator<Item = Fault>) -> Option<Fault> {
    faults.into_iter().min_by_key(|fault| fault.index)
}

/// A range of leaves that is checked by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    number: u64,
    size: u64,
}

impl Piece {
    /// The pieces of a log of that size, in order.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        (0..size.div_ceil(PIECE)).map(move |number| Self { number, size })
    }

    /// Which it is, from 0.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }

    /// The index of its first leaf.
    #[must_use]
    pub const fn first_leaf(self) -> u64 {
        self.number.saturating_mul(PIECE)
    }

    /// The indices of its bundles, and of its tiles of level 0.
    fn indices(self) -> std::ops::Range<u64> {
        let first = self.number.saturating_mul(u64::from(FULL));
        first..first.saturating_add(u64::from(FULL)).min(self.size.div_ceil(u64::from(FULL)))
    }

    /// Its bundles, in order.
    pub fn bundles(self) -> impl Iterator<Item = BundleCoordinate> {
        self.indices().filter_map(move |index| BundleCoordinate::in_tree(index, self.size))
    }

    /// Its tiles of level 0, in order.
    pub fn tiles(self) -> impl Iterator<Item = TileCoordinate> {
        self.indices().filter_map(move |index| TileCoordinate::in_tree(0, index, self.size))
    }

    /// Its tile of level 1; none when it has no full tile of level 0.
    #[must_use]
    pub fn above(self) -> Option<TileCoordinate> {
        TileCoordinate::in_tree(1, self.number, self.size)
    }
}

/// What was read of a piece of one tree: nothing where there was nothing to read.
#[derive(Debug, Clone, Default)]
pub struct PieceOfTree<'a> {
    /// The bundles that [`Piece::bundles`] lists.
    pub bundles: Vec<Option<&'a [u8]>>,
    /// The tiles that [`Piece::tiles`] lists.
    pub tiles: Vec<Option<&'a [u8]>>,
    /// The tile that [`Piece::above`] names.
    pub above: Option<&'a [u8]>,
}

/// A piece in which entries, leaves and the tile above them agree, in both trees. Only [`check_piece`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPiece {
    piece: Piece,
    edges: [Edge; 2],
}

/// What of a piece goes on upwards.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Edge {
    /// The root of a whole piece.
    Whole(Hash),
    /// The last piece: roots of its full tiles of level 0, and the hashes of the partial one.
    Part(Vec<Hash>, Vec<Hash>),
}

/// Checks one piece: every entry is one, hashes to its leaf, is the same in both trees; the tile above stands over the
/// leaves. `sm3` and `sha256` may share their bundles.
///
/// # Errors
/// The first index of the piece that is wrong, and why.
pub fn check_piece(piece: Piece, sm3: &PieceOfTree<'_>, sha256: &PieceOfTree<'_>) -> Result<CheckedPiece, Fault> {
    let trees = [(TreeHash::Sm3, sm3), (TreeHash::Sha256, sha256)];
    let above = trees.map(|(tree, read)| Above::read(piece, tree, read.above));
    let mut roots = [const { Vec::new() }; 2];
    let mut rests = [const { Vec::new() }; 2];
    for (at, bundle) in piece.bundles().enumerate() {
        let mut faults = Vec::new();
        let mut entries = Vec::with_capacity(2);
        let state = above.iter().zip(&mut roots).zip(&mut rests);
        for ((tree, read), ((above, roots), rest)) in trees.iter().zip(state) {
            match check_leaves(*tree, bundle, of_place(&read.bundles, at), of_place(&read.tiles, at)) {
                Err(fault) => faults.push(fault),
                Ok((read, leaves)) => {
                    entries.push(read);
                    if !bundle.is_full() {
                        *rest = leaves;
                    } else if let Some(root) = tree.whole_root(&leaves) {
                        faults.extend(above.check(at, &root, first_of(bundle)).err());
                        roots.push(root);
                    }
                }
            }
        }
        if let [one, other] = entries.as_slice() {
            let differs = (first_of(bundle)..).zip(one.iter().zip(other)).find(|(_, (one, other))| one != other);
            faults.extend(differs.map(|(index, _)| Fault { index, kind: FaultKind::TreesDiffer }));
        }
        if let Some(fault) = first(faults) {
            return Err(fault);
        }
    }
    let whole = hashes_at(2, piece.size) > piece.number;
    let [sm3_roots, sha256_roots] = roots;
    let [sm3_rest, sha256_rest] = rests;
    let edge = |tree: TreeHash, roots: Vec<Hash>, rest| match tree.whole_root(&roots).filter(|_| whole) {
        Some(root) => Edge::Whole(root),
        None => Edge::Part(roots, rest),
    };
    let edges = [edge(TreeHash::Sm3, sm3_roots, sm3_rest), edge(TreeHash::Sha256, sha256_roots, sha256_rest)];
    Ok(CheckedPiece { piece, edges })
}

fn first_of(bundle: BundleCoordinate) -> u64 {
    bundle.index().saturating_mul(u64::from(FULL))
}

fn of_place<'a>(read: &[Option<&'a [u8]>], at: usize) -> Option<&'a [u8]> {
    read.get(at).copied().flatten()
}

/// The tile of level 1 over a piece: complaints about it wait until its place is asked for.
enum Above<'a> {
    Hashes(TreeHash, &'a [Hash]),
    Wrong(FaultKind),
}

impl<'a> Above<'a> {
    fn read(piece: Piece, tree: TreeHash, octets: Option<&'a [u8]>) -> Self {
        let Some(tile) = piece.above() else { return Self::Hashes(tree, &[]) };
        match octets.map(|octets| read_tile(octets, tile.width())) {
            None => Self::Wrong(FaultKind::MissingTile { tree, level: 1 }),
            Some(Err(_)) => Self::Wrong(FaultKind::MalformedTile { tree, level: 1 }),
            Some(Ok(hashes)) => Self::Hashes(tree, hashes),
        }
    }

    fn check(&self, at: usize, root: &Hash, index: u64) -> Result<(), Fault> {
        match self {
            Self::Wrong(kind) => Err(Fault { index, kind: kind.clone() }),
            Self::Hashes(_, hashes) if hashes.get(at) == Some(root) => Ok(()),
            Self::Hashes(tree, _) => Err(Fault { index, kind: FaultKind::Node { tree: *tree, level: 1 } }),
        }
    }
}

/// The entries of a bundle and their hashes, which are those of the tile.
fn check_leaves<'a>(
    tree: TreeHash,
    bundle: BundleCoordinate,
    octets: Option<&'a [u8]>,
    tile: Option<&[u8]>,
) -> Result<(Vec<&'a [u8]>, Vec<Hash>), Fault> {
    let start = first_of(bundle);
    let fault = |index, kind| Fault { index, kind };
    let octets = octets.ok_or(fault(start, FaultKind::MissingBundle { tree }))?;
    let tile = tile.ok_or(fault(start, FaultKind::MissingTile { tree, level: 0 }))?;
    let tile =
        read_tile(tile, bundle.width()).map_err(|_| fault(start, FaultKind::MalformedTile { tree, level: 0 }))?;
    let entries = read_bundle(octets, bundle.width()).map_err(|source| {
        let at = if let tlog::Error::Bundle { at, .. } = &source { u64::from(*at) } else { 0 };
        fault(start.saturating_add(at), FaultKind::MalformedBundle { tree, source })
    })?;
    let leaves = tree.leaves(&entries);
    for (index, ((entry, leaf), stated)) in (start..).zip(entries.iter().zip(&leaves).zip(tile)) {
        if leaf != stated {
            return Err(fault(index, FaultKind::Leaf { tree }));
        }
        if Entry::from_octets(entry).is_err() {
            return Err(fault(index, FaultKind::Entry { tree }));
        }
    }
    Ok((entries, leaves))
}

/// Pieces put together in their order, for both trees.
#[derive(Debug, Clone)]
pub struct LogCheck {
    size: u64,
    next: u64,
    frontiers: [Frontier; 2],
    written: [Vec<WrittenTile>; 2],
}

impl LogCheck {
    /// Begins with a log of that size: that of both checkpoints, see [`check_heads`].
    #[must_use]
    pub fn new(size: u64) -> Self {
        let frontiers = TreeHash::ALL.map(Frontier::new);
        Self { size, next: 0, frontiers, written: [Vec::new(), Vec::new()] }
    }

    /// The tiles that [`LogCheck::finish`] asks for: of level 2 and above.
    pub fn upper_tiles(size: u64) -> impl Iterator<Item = TileCoordinate> {
        tiles_from(2, size)
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`FaultKind::Order`]: it is not the next one of this log.
    pub fn take(&mut self, checked: CheckedPiece) -> Result<(), Fault> {
        let CheckedPiece { piece, edges } = checked;
        let out_of_order = || Fault { index: piece.first_leaf(), kind: FaultKind::Order };
        if piece.number != self.next || piece.size != self.size {
            return Err(out_of_order());
        }
        for ((edge, frontier), written) in edges.into_iter().zip(&mut self.frontiers).zip(&mut self.written) {
            let appended = match edge {
                Edge::Whole(root) => frontier.append_whole(2, &[root]),
                Edge::Part(roots, rest) => {
                    frontier.append_whole(1, &roots).and_then(|_| frontier.append_whole(0, &rest))
                }
            };
            written.extend(appended.map_err(|_| out_of_order())?);
        }
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Checks the tiles of level 2 and above, and the roots of the two checkpoints, SM3's first.
    ///
    /// # Errors
    /// [`FaultKind::MissingTile`], [`FaultKind::Node`], [`FaultKind::Root`]; [`FaultKind::Order`] when pieces are missing.
    pub fn finish(self, upper: [&Tiles; 2], roots: [&Hash; 2]) -> Result<(), Fault> {
        let mut faults = Vec::new();
        for (((frontier, written), upper), root) in self.frontiers.iter().zip(&self.written).zip(upper).zip(roots) {
            let tree = frontier.hash();
            if frontier.size() != self.size {
                return Err(Fault { index: frontier.size(), kind: FaultKind::Order });
            }
            let partial = frontier.partial_tiles();
            for tile in written.iter().chain(&partial).filter(|tile| tile.tile.level() >= 2) {
                faults.extend(check_upper(tree, tile, upper).err());
            }
            if frontier.root() != *root {
                faults.push(Fault { index: 0, kind: FaultKind::Root { tree } });
            }
        }
        // A tile that is wrong says more than the root does.
        let is_root = |fault: &Fault| matches!(fault.kind, FaultKind::Root { .. });
        let fault = first(faults.iter().filter(|fault| !is_root(fault)).cloned()).or_else(|| faults.first().cloned());
        fault.map_or(Ok(()), Err)
    }
}

fn check_upper(tree: TreeHash, expected: &WrittenTile, upper: &Tiles) -> Result<(), Fault> {
    let level = expected.tile.level();
    let start = expected.tile.first_leaf().unwrap_or(u64::MAX);
    let found = upper
        .hashes(expected.tile)
        .map_err(|_| Fault { index: start, kind: FaultKind::MissingTile { tree, level } })?;
    let (hashes, _) = expected.octets.as_chunks::<32>();
    let Some(at) = hashes.iter().zip(found).position(|(expected, found)| expected != found) else { return Ok(()) };
    let beneath = 1_u64.checked_shl(u32::from(level).saturating_mul(8)).unwrap_or(u64::MAX);
    let index = start.saturating_add(beneath.saturating_mul(u64::try_from(at).unwrap_or(u64::MAX)));
    Err(Fault { index, kind: FaultKind::Node { tree, level } })
}

/// The common size of both checkpoints.
///
/// # Errors
/// [`FaultKind::SizesDiffer`], at the end of the shorter tree.
pub fn check_heads(sm3: u64, sha256: u64) -> Result<u64, Fault> {
    let longer = if sm3 > sha256 { TreeHash::Sm3 } else { TreeHash::Sha256 };
    if sm3 == sha256 {
        return Ok(sm3);
    }
    Err(Fault { index: sm3.min(sha256), kind: FaultKind::SizesDiffer { longer } })
}

/// Compares a tree of `size` leaves with heads that were seen before, smallest first: each must be its beginning.
/// `tiles` holds those that [`root_tiles`](crate::domain::audit::tree::root_tiles) names for each remembered size.
///
/// # Errors
/// [`FaultKind::RolledBack`], at the size that is left; [`FaultKind::Forked`], at the largest remembered size that is still
/// right; [`FaultKind::MissingTile`], [`FaultKind::MalformedTile`].
pub fn check_remembered(tree: TreeHash, remembered: &[(u64, Hash)], size: u64, tiles: &Tiles) -> Result<(), Fault> {
    let mut vouched = 0;
    for (before, root) in remembered {
        let found = match root_at(tree, *before, size, tiles) {
            Ok(found) => found,
            Err(TreeError::MissingTile { tile }) => {
                return Err(Fault { index: vouched, kind: FaultKind::MissingTile { tree, level: tile.level() } });
            }
            Err(TreeError::MalformedTile { tile, .. }) => {
                return Err(Fault { index: vouched, kind: FaultKind::MalformedTile { tree, level: tile.level() } });
            }
            Err(_) => {
                return Err(Fault { index: size, kind: FaultKind::RolledBack { tree, remembered: *before } });
            }
        };
        if found != *root {
            return Err(Fault { index: vouched, kind: FaultKind::Forked { tree, remembered: *before } });
        }
        vouched = *before;
    }
    Ok(())
}

/// Where two tiles of level 0 with the same index differ: the first leaf that is another, or that one of them lacks.
#[must_use]
pub fn first_difference(index: u64, one: &[u8], other: &[u8]) -> Option<u64> {
    let (ones, others) = (one.as_chunks::<32>().0, other.as_chunks::<32>().0);
    let same = ones.iter().zip(others).take_while(|(one, other)| one == other).count();
    let at = u64::try_from(same).ok().filter(|_| same < ones.len().max(others.len()))?;
    index.checked_mul(u64::from(FULL))?.checked_add(at)
}

/// What the database keeps of an event that is in the log.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its number: the index.
    pub index: u64,
    /// The event in its canonical form and the salt; nothing when they were erased.
    pub opening: Option<(&'a [u8], &'a Salt)>,
}

/// Compares rows, in order of their numbers, with the entries of the same range, which begin at `start`.
///
/// # Errors
/// [`FaultKind::MissingRow`], [`FaultKind::MissingEntry`], [`FaultKind::Entry`], [`FaultKind::Row`].
pub fn check_rows(start: u64, rows: &[Row<'_>], entries: &[&[u8]]) -> Result<(), Fault> {
    let mut rows = rows.iter();
    for (index, entry) in (start..).zip(entries) {
        let row = rows.next().filter(|row| row.index == index);
        let row = row.ok_or(Fault { index, kind: FaultKind::MissingRow })?;
        let entry =
            Entry::from_octets(entry).map_err(|_| Fault { index, kind: FaultKind::Entry { tree: TreeHash::Sm3 } })?;
        if row.opening.is_some_and(|(event, salt)| !entry.commits_to(event, salt)) {
            return Err(Fault { index, kind: FaultKind::Row });
        }
    }
    match rows.next() {
        Some(row) => Err(Fault { index: row.index, kind: FaultKind::MissingEntry }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
