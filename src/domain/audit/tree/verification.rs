//! Proofs verified, by the algorithms of RFC 9162 2.1.3.2 and 2.1.4.2.

use crate::domain::audit::tree::{Hash, TreeError, TreeHash};

/// Whether the leaf with that hash is the one at `index` of the tree of `size` leaves with that root (RFC 9162 2.1.3.2).
///
/// # Errors
/// [`TreeError::Beyond`], [`TreeError::ProofLength`], [`TreeError::OtherRoot`].
pub fn verify_inclusion(
    hash: TreeHash,
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), TreeError> {
    let Some(last) = size.checked_sub(1).filter(|last| index <= *last) else {
        return Err(TreeError::Beyond { asked: index, size });
    };
    let (mut at, mut last, mut result) = (index, last, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(TreeError::ProofLength);
        }
        if at & 1 == 1 || at == last {
            result = hash.node(sibling, &result);
            (at, last) = skip_whole(at, last);
        } else {
            result = hash.node(&result, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        return Err(TreeError::ProofLength);
    }
    if result == *root { Ok(()) } else { Err(TreeError::OtherRoot) }
}

/// Whether the tree of `old` leaves with `old_root` is the beginning of the one of `size` leaves with `root`
/// (RFC 9162 2.1.4.2). An empty tree is the beginning of every tree, without a proof; a tree is that of itself.
///
/// # Errors
/// [`TreeError::Beyond`], [`TreeError::ProofLength`], [`TreeError::OtherRoot`], [`TreeError::OtherEarlierRoot`].
pub fn verify_consistency(
    hash: TreeHash,
    (old, old_root): (u64, &Hash),
    (size, root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), TreeError> {
    if old > size {
        return Err(TreeError::Beyond { asked: old, size });
    }
    if old == 0 && *old_root != hash.empty_root() {
        return Err(TreeError::OtherEarlierRoot);
    }
    if old == size && root != old_root {
        return Err(TreeError::OtherRoot);
    }
    if old == 0 || old == size {
        return if proof.is_empty() { Ok(()) } else { Err(TreeError::ProofLength) };
    }
    // The old root itself stands first, left out of the proof, when its size is a power of two.
    let (first, rest) = if old.is_power_of_two() && !proof.is_empty() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(TreeError::ProofLength)?
    };
    let (mut at, mut last) = (old.saturating_sub(1), size.saturating_sub(1));
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut earlier, mut later) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(TreeError::ProofLength);
        }
        if at & 1 == 1 || at == last {
            (earlier, later) = (hash.node(sibling, &earlier), hash.node(sibling, &later));
            (at, last) = skip_whole(at, last);
        } else {
            later = hash.node(&later, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        return Err(TreeError::ProofLength);
    }
    if earlier != *old_root {
        return Err(TreeError::OtherEarlierRoot);
    }
    if later == *root { Ok(()) } else { Err(TreeError::OtherRoot) }
}

/// Rows where the node has no neighbour to its right: it goes up unchanged.
const fn skip_whole(at: u64, last: u64) -> (u64, u64) {
    let (mut at, mut last) = (at, last);
    while at & 1 == 0 && at != 0 {
        (at, last) = (at >> 1, last >> 1);
    }
    (at, last)
}
