//! Merkle trees of RFC 6962 section 2.1 over SM3 and SHA-256: hashes, growth, proofs made from tiles, proofs verified.

mod frontier;
mod proving;
mod tiles;
mod verification;

pub use frontier::{Frontier, WrittenTile};
pub use proving::{consistency_tiles, inclusion_tiles, prove_consistency, prove_inclusion, root_at, root_tiles};
pub use tiles::Tiles;
pub use verification::{verify_consistency, verify_inclusion};

use crate::crypto::digest;
use crate::crypto::sm3;
use crate::format::tlog;
use crate::format::tlog::tile::TileCoordinate;

pub use crate::format::tlog::Hash;

/// Why something about a tree cannot be said, or is not so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A leaf or a size that the tree does not have.
    #[error("there is no such leaf or earlier size: {asked} of {size}")]
    Beyond {
        /// The leaf's index, or the earlier size.
        asked: u64,
        /// The tree's size.
        size: u64,
    },
    /// More leaves than 64 bits count.
    #[error("the tree would have more leaves than 64 bits count")]
    Full,
    /// A tile that is needed was not given.
    #[error("the tile {tile} is missing")]
    MissingTile {
        /// Which.
        tile: TileCoordinate,
    },
    /// A tile of the wrong length.
    #[error("the tile {tile} is malformed")]
    MalformedTile {
        /// Which.
        tile: TileCoordinate,
        /// Why.
        source: tlog::Error,
    },
    /// A proof with more or fewer hashes than its sizes ask for (RFC 9162 2.1.3.2, 2.1.4.2).
    #[error("the proof has more or fewer hashes than the sizes ask for (RFC 9162 2.1.3.2, 2.1.4.2)")]
    ProofLength,
    /// The proof leads to another root (RFC 9162 2.1.3.2, 2.1.4.2).
    #[error("the proof leads to another root (RFC 9162 2.1.3.2, 2.1.4.2)")]
    OtherRoot,
    /// The proof leads to another root of the earlier tree (RFC 9162 2.1.4.2).
    #[error("the proof leads to another root of the earlier tree (RFC 9162 2.1.4.2)")]
    OtherEarlierRoot,
}

/// The hash of a tree. Every log has two trees over the same entries, one with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TreeHash {
    /// SM3 (GB/T 32905).
    Sm3,
    /// SHA-256 (FIPS 180-4), as RFC 6962 has it.
    Sha256,
}

impl TreeHash {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sm3, Self::Sha256];

    /// The name that ends the tree's origin.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm3 => "sm3",
            Self::Sha256 => "sha256",
        }
    }

    /// The origin of this tree of the log `origin`: `<origin>/sm3` or `<origin>/sha256`.
    #[must_use]
    pub fn origin(self, origin: &str) -> String {
        format!("{origin}/{}", self.name())
    }

    fn digest(self, message: &[u8]) -> Hash {
        match self {
            Self::Sm3 => sm3::sm3(message),
            Self::Sha256 => digest::sha256(message),
        }
    }

    /// The digests of messages that lie one behind the other in `octets`, each `length` long.
    fn digest_each<'a>(self, messages: impl Iterator<Item = &'a [u8]>) -> Vec<Hash> {
        match self {
            Self::Sm3 => sm3::digest_many(&messages.collect::<Vec<_>>()),
            Self::Sha256 => messages.map(digest::sha256).collect(),
        }
    }

    /// The root of the tree without leaves: the hash of nothing (RFC 6962 2.1).
    #[must_use]
    pub fn empty_root(self) -> Hash {
        self.digest(&[])
    }

    /// The hash of a leaf: H(0x00 ‖ entry) (RFC 6962 2.1).
    #[must_use]
    pub fn leaf(self, entry: &[u8]) -> Hash {
        self.digest(&[&[0], entry].concat())
    }

    /// The hashes of leaves, in their order; for SM3 several are computed at a time.
    #[must_use]
    pub fn leaves(self, entries: &[&[u8]]) -> Vec<Hash> {
        let mut octets = Vec::with_capacity(entries.iter().map(|entry| entry.len().saturating_add(1)).sum());
        for entry in entries {
            octets.push(0);
            octets.extend_from_slice(entry);
        }
        let mut rest = octets.as_slice();
        let messages = entries.iter().map(|entry| {
            let (message, after) = rest.split_at_checked(entry.len().saturating_add(1)).unwrap_or((rest, &[]));
            rest = after;
            message
        });
        self.digest_each(messages)
    }

    /// The hash of a node: H(0x01 ‖ left ‖ right) (RFC 6962 2.1).
    #[must_use]
    pub fn node(self, left: &Hash, right: &Hash) -> Hash {
        self.digest(&pair(left, right))
    }

    /// The nodes over neighbours: half as many, a last one without a neighbour left out.
    #[must_use]
    pub fn nodes(self, hashes: &[Hash]) -> Vec<Hash> {
        let (pairs, _) = hashes.as_chunks();
        let messages = pairs.iter().map(|[left, right]| pair(left, right)).collect::<Vec<_>>();
        self.digest_each(messages.iter().map(<[u8; 65]>::as_slice))
    }

    /// The root over hashes of equal subtrees that are a power of two in number; `None` for any other number.
    #[must_use]
    pub fn whole_root(self, hashes: &[Hash]) -> Option<Hash> {
        if !hashes.len().is_power_of_two() {
            return None;
        }
        let mut row = hashes.to_vec();
        while row.len() > 1 {
            row = self.nodes(&row);
        }
        row.first().copied()
    }

    /// The root over roots of neighbouring subtrees, each not larger than the one before it; `None` over none.
    fn fold(self, subtrees: &[Hash]) -> Option<Hash> {
        let (last, before) = subtrees.split_last()?;
        Some(before.iter().rev().fold(*last, |right, left| self.node(left, &right)))
    }
}

impl std::fmt::Display for TreeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn pair(left: &Hash, right: &Hash) -> [u8; 65] {
    let mut message = [1; 65];
    message.iter_mut().skip(1).zip(left.iter().chain(right)).for_each(|(to, from)| *to = *from);
    message
}

/// The largest whole subtrees of the leaves from `start` to before `end`, left to right, as height and index at that height.
/// `start` is where a subtree of at least that many leaves begins, so that each is not larger than the one before it.
fn whole_subtrees(start: u64, end: u64) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    let mut at = start;
    while let Some(left) = end.checked_sub(at).filter(|left| *left > 0) {
        let height = left.ilog2().min(at.trailing_zeros());
        found.push((height, at.checked_shr(height).unwrap_or(0)));
        let Some(next) = at.checked_add(1_u64.checked_shl(height).unwrap_or(0)) else { break };
        at = next;
    }
    found
}

#[cfg(test)]
mod tests;
