//! Proofs from tiles, in two steps: which tiles are needed, then the proof. Reading in between is the caller's.

use std::collections::BTreeSet;

use crate::domain::audit::tree::tiles::Place;
use crate::domain::audit::tree::{Hash, Tiles, TreeError, TreeHash, whole_subtrees};
use crate::format::tlog::tile::TileCoordinate;

/// Leaves from the first to before the second.
type Range = (u64, u64);

/// Of which ranges an inclusion proof holds the roots, from the leaf's sibling upwards (RFC 6962 2.1.1).
fn inclusion(index: u64, size: u64) -> Result<Vec<Range>, TreeError> {
    if index >= size {
        return Err(TreeError::Beyond { asked: index, size });
    }
    let (mut start, mut end, mut ranges) = (0, size, Vec::new());
    while let Some(middle) = split(start, end) {
        if index < middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

/// Of which ranges a consistency proof holds the roots, in its order (RFC 6962 2.1.2). None from an empty tree, and none
/// between equal sizes.
fn consistency(old: u64, size: u64) -> Result<Vec<Range>, TreeError> {
    if old > size {
        return Err(TreeError::Beyond { asked: old, size });
    }
    let (mut start, mut end, mut ranges) = (0, size, Vec::new());
    if old == 0 {
        return Ok(ranges);
    }
    // The verifier has the old root itself: it is left out when it is a subtree of the new tree.
    while old != end
        && let Some(middle) = split(start, end)
    {
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    if start != 0 {
        ranges.push((start, end));
    }
    ranges.reverse();
    Ok(ranges)
}

/// Where RFC 6962 2.1 splits a range of more than one leaf: behind the largest power of two below its length.
fn split(start: u64, end: u64) -> Option<u64> {
    let height = end.checked_sub(start)?.checked_sub(1)?.checked_ilog2()?;
    start.checked_add(1_u64.checked_shl(height)?)
}

fn tiles_of_ranges(ranges: &[Range], size: u64) -> Vec<TileCoordinate> {
    let subtrees = ranges.iter().flat_map(|(start, end)| whole_subtrees(*start, *end));
    let tiles = subtrees.filter_map(|(height, index)| Some(Place::of(height, index, size)?.tile));
    tiles.collect::<BTreeSet<_>>().into_iter().collect()
}

fn root_of_range(hash: TreeHash, (start, end): Range, size: u64, tiles: &Tiles) -> Result<Hash, TreeError> {
    let subtrees = whole_subtrees(start, end)
        .into_iter()
        .map(|(height, index)| tiles.subtree(hash, height, index, size))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(hash.fold(&subtrees).unwrap_or_else(|| hash.empty_root()))
}

/// The tiles of a tree of `size` leaves from which [`prove_inclusion`] makes its proof: at most a few of each level.
///
/// # Errors
/// [`TreeError::Beyond`].
pub fn inclusion_tiles(index: u64, size: u64) -> Result<Vec<TileCoordinate>, TreeError> {
    Ok(tiles_of_ranges(&inclusion(index, size)?, size))
}

/// The inclusion proof of a leaf, from its sibling upwards (RFC 6962 2.1.1). Not checked: that the tiles are right.
///
/// # Errors
/// [`TreeError::Beyond`], [`TreeError::MissingTile`].
pub fn prove_inclusion(hash: TreeHash, index: u64, size: u64, tiles: &Tiles) -> Result<Vec<Hash>, TreeError> {
    inclusion(index, size)?.into_iter().map(|range| root_of_range(hash, range, size, tiles)).collect()
}

/// The tiles of a tree of `size` leaves from which [`prove_consistency`] makes its proof.
///
/// # Errors
/// [`TreeError::Beyond`].
pub fn consistency_tiles(old: u64, size: u64) -> Result<Vec<TileCoordinate>, TreeError> {
    Ok(tiles_of_ranges(&consistency(old, size)?, size))
}

/// The proof that the tree of `old` leaves is the beginning of the one of `size` (RFC 6962 2.1.2); without hashes when
/// `old` is 0 or `size`. Not checked: that the tiles are right.
///
/// # Errors
/// [`TreeError::Beyond`], [`TreeError::MissingTile`].
pub fn prove_consistency(hash: TreeHash, old: u64, size: u64, tiles: &Tiles) -> Result<Vec<Hash>, TreeError> {
    consistency(old, size)?.into_iter().map(|range| root_of_range(hash, range, size, tiles)).collect()
}

/// The tiles of a tree of `size` leaves from which [`root_at`] computes the root at the earlier size `at`.
///
/// # Errors
/// [`TreeError::Beyond`].
pub fn root_tiles(at: u64, size: u64) -> Result<Vec<TileCoordinate>, TreeError> {
    if at > size {
        return Err(TreeError::Beyond { asked: at, size });
    }
    Ok(tiles_of_ranges(&[(0, at)], size))
}

/// The root that the tree had at `at` leaves, from tiles of the tree of `size`.
///
/// # Errors
/// [`TreeError::Beyond`], [`TreeError::MissingTile`].
pub fn root_at(hash: TreeHash, at: u64, size: u64, tiles: &Tiles) -> Result<Hash, TreeError> {
    if at > size {
        return Err(TreeError::Beyond { asked: at, size });
    }
    root_of_range(hash, (0, at), size, tiles)
}
