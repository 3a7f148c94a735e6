//! How the log grows: entries in their order become bundles and tiles of both trees.

use crate::domain::audit::entry::Entry;
use crate::domain::audit::tree::{Frontier, Hash, Tiles, TreeError, TreeHash, WrittenTile};
use crate::format::tlog::tile::{BundleCoordinate, FULL, write_entry};

/// Octets of an entry in a bundle: its length, then itself (C2SP tlog-tiles, log entries).
pub const RECORD: usize = 2 + Entry::LENGTH;

/// The right edge of both trees and of the entries: all that growth depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    sm3: Frontier,
    sha256: Frontier,
    /// The last bundle, while it is not full.
    bundle: Vec<u8>,
}

/// What has to be written when the log grew: what became full, and the partial ones of the new size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grown {
    /// Tiles of the tree of SM3.
    pub sm3: Vec<WrittenTile>,
    /// Tiles of the tree of SHA-256.
    pub sha256: Vec<WrittenTile>,
    /// Bundles of entries.
    pub bundles: Vec<(BundleCoordinate, Vec<u8>)>,
}

impl Default for Growth {
    fn default() -> Self {
        Self { sm3: Frontier::new(TreeHash::Sm3), sha256: Frontier::new(TreeHash::Sha256), bundle: Vec::new() }
    }
}

impl Growth {
    /// The log of `size` leaves, from the partial tiles of each tree (`tile::edge_of`) and the partial bundle. Whether
    /// they are right, a comparison of [`Growth::root`] with signed checkpoints tells.
    ///
    /// # Errors
    /// A tile is missing or malformed; the bundle has not the length of its part of `size` ([`TreeError::Beyond`]).
    pub fn from_edges(size: u64, sm3: &Tiles, sha256: &Tiles, bundle: Vec<u8>) -> Result<Self, TreeError> {
        let wanted = usize::try_from(size % u64::from(FULL)).unwrap_or(0).saturating_mul(RECORD);
        if bundle.len() != wanted {
            return Err(TreeError::Beyond { asked: size, size: size - size % u64::from(FULL) });
        }
        Ok(Self {
            sm3: Frontier::from_edge(TreeHash::Sm3, size, sm3)?,
            sha256: Frontier::from_edge(TreeHash::Sha256, size, sha256)?,
            bundle,
        })
    }

    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.sm3.size()
    }

    /// The root of that tree.
    #[must_use]
    pub fn root(&self, hash: TreeHash) -> Hash {
        match hash {
            TreeHash::Sm3 => self.sm3.root(),
            TreeHash::Sha256 => self.sha256.root(),
        }
    }

    /// Adds entries behind the others.
    ///
    /// # Errors
    /// [`TreeError::Full`]; then nothing is to be written, and this is of no more use.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Grown, TreeError> {
        let octets = entries.iter().map(Entry::to_octets).collect::<Vec<_>>();
        let octets = octets.iter().map(<[u8; Entry::LENGTH]>::as_slice).collect::<Vec<_>>();
        let before = self.size();
        let mut sm3 = self.sm3.append(&TreeHash::Sm3.leaves(&octets))?;
        let mut sha256 = self.sha256.append(&TreeHash::Sha256.leaves(&octets))?;
        sm3.extend(self.sm3.partial_tiles());
        sha256.extend(self.sha256.partial_tiles());
        for entry in octets {
            // 39 octets fit into a record.
            write_entry(&mut self.bundle, entry).map_err(|_| TreeError::Full)?;
        }
        let mut bundles = Vec::new();
        let full = usize::from(FULL).saturating_mul(RECORD);
        let mut rest = std::mem::take(&mut self.bundle);
        for index in before / u64::from(FULL).. {
            if rest.len() < full {
                let width = u16::try_from(rest.len() / RECORD).unwrap_or(0);
                bundles.extend(BundleCoordinate::new(index, width).map(|bundle| (bundle, rest.clone())));
                break;
            }
            let behind = rest.split_off(full);
            bundles.extend(BundleCoordinate::new(index, FULL).map(|bundle| (bundle, rest)));
            rest = behind;
        }
        self.bundle = rest;
        Ok(Grown { sm3, sha256, bundles })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::tlog::tile::{bundles_between, edge_of, read_bundle, tiles_between};

    fn entry(number: u64) -> Entry {
        let mut commitment = [7; 32];
        commitment[..8].copy_from_slice(&number.to_be_bytes());
        Entry { class: 1, hour: 5, commitment }
    }

    fn entries(from: u64, count: u64) -> Vec<Entry> {
        (from..from + count).map(entry).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// However the entries come, the log is the same; and it goes on from what was written.
        #[test]
        fn batches_make_no_difference(batches in proptest::collection::vec(1_u64..700, 1..8)) {
            let mut grown_at_once = Growth::default();
            let total = batches.iter().sum::<u64>();
            let all = grown_at_once.append(&entries(0, total)).unwrap();
            let mut growth = Growth::default();
            for count in batches {
                let before = growth.size();
                let grown = growth.append(&entries(before, count)).unwrap();
                let size = growth.size();
                for tiles in [&grown.sm3, &grown.sha256] {
                    let mut written = tiles.iter().map(|tile| tile.tile).collect::<Vec<_>>();
                    written.sort();
                    // All that changed, and the partial tiles that did not.
                    let changed = tiles_between(before, size).chain(edge_of(size)).collect::<std::collections::BTreeSet<_>>();
                    prop_assert_eq!(written, changed.into_iter().collect::<Vec<_>>());
                }
                let bundles = grown.bundles.iter().map(|(bundle, _)| *bundle).collect::<Vec<_>>();
                prop_assert_eq!(bundles, bundles_between(before, size).collect::<Vec<_>>());
                for (bundle, octets) in &grown.bundles {
                    let read = read_bundle(octets, bundle.width()).unwrap();
                    let first = bundle.index() * 256;
                    let same = read.iter().zip(first..).all(|(octets, number)| *octets == entry(number).to_octets());
                    prop_assert!(same);
                }
                let mut tiles = [Tiles::new(), Tiles::new()];
                for (held, written) in tiles.iter_mut().zip([&grown.sm3, &grown.sha256]) {
                    for tile in written {
                        held.insert(tile.tile, tile.octets.clone()).unwrap();
                    }
                }
                let partial = grown.bundles.iter().find(|(bundle, _)| !bundle.is_full());
                let partial = partial.map(|(_, octets)| octets.clone()).unwrap_or_default();
                growth = Growth::from_edges(size, &tiles[0], &tiles[1], partial).unwrap();
            }
            prop_assert_eq!(&growth, &grown_at_once);
            for hash in TreeHash::ALL {
                prop_assert_eq!(growth.root(hash), grown_at_once.root(hash));
            }
            prop_assert!(!all.bundles.is_empty());
        }
    }

    #[test]
    fn a_bundle_of_another_length_is_refused() {
        let mut growth = Growth::default();
        let grown = growth.append(&entries(0, 3)).unwrap();
        let mut tiles = Tiles::new();
        tiles.insert(grown.sm3[0].tile, grown.sm3[0].octets.clone()).unwrap();
        let short = vec![0; 2 * RECORD];
        let refused = Growth::from_edges(3, &tiles, &tiles, short).unwrap_err();
        assert_eq!(refused, TreeError::Beyond { asked: 3, size: 0 });
    }
}
