//! Tiles and entry bundles (C2SP tlog-tiles): their coordinates, their paths, what is in them, which a tree has.

use std::fmt;

use crate::format::tlog::{Error, Hash, decimal};

/// Hashes of a full tile, entries of a full bundle.
pub const FULL: u16 = 256;

/// The highest level that a path may name.
pub const MAX_LEVEL: u8 = 63;

/// Levels that a tree of 64-bit size can have.
const LEVELS: u8 = 8;

/// How many hashes level `level` of a tree of `size` leaves has: the roots of its whole subtrees of 256^level leaves.
#[must_use]
pub fn hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level).saturating_mul(8)).unwrap_or(0)
}

/// The width of the part that is there of a tile or bundle, if any of it is.
fn width_of(index: u64, count: u64) -> Option<u16> {
    let before = index.checked_mul(u64::from(FULL))?;
    let there = count.checked_sub(before).filter(|there| *there > 0)?;
    u16::try_from(there.min(u64::from(FULL))).ok()
}

/// Which tile: level, index in the level, and how many hashes of it are meant (256 for a full one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileCoordinate {
    level: u8,
    index: u64,
    width: u16,
}

impl TileCoordinate {
    /// A tile of that level, index and width; nothing beyond level 63 or outside widths 1 to 256.
    #[must_use]
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        (level <= MAX_LEVEL && (1..=FULL).contains(&width)).then_some(Self { level, index, width })
    }

    /// What a tree of that size has of this tile, if anything.
    #[must_use]
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        Self::new(level, index, width_of(index, hashes_at(level, size))?)
    }

    /// The level: 0 holds leaf hashes.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.level
    }

    /// The index in its level.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many hashes it has.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it is full, and so will never change.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.width == FULL
    }

    /// The first leaf beneath it; nothing when that is beyond 64 bits.
    #[must_use]
    pub fn first_leaf(self) -> Option<u64> {
        let bits = u32::from(self.level).checked_add(1)?.checked_mul(8)?;
        if self.index == 0 {
            return Some(0);
        }
        (self.index.leading_zeros() >= bits).then(|| self.index.checked_shl(bits)).flatten()
    }
}

impl fmt::Display for TileCoordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/{}", self.level, Tail { index: self.index, width: self.width })
    }
}

/// Which entry bundle: index, and how many entries of it are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleCoordinate {
    index: u64,
    width: u16,
}

impl BundleCoordinate {
    /// A bundle of that index and width; nothing outside widths 1 to 256.
    #[must_use]
    pub fn new(index: u64, width: u16) -> Option<Self> {
        (1..=FULL).contains(&width).then_some(Self { index, width })
    }

    /// What a log of that size has of this bundle, if anything.
    #[must_use]
    pub fn in_tree(index: u64, size: u64) -> Option<Self> {
        Self::new(index, width_of(index, size)?)
    }

    /// The index: it has the entries from 256 times this on.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many entries it has.
    #[must_use]
    pub const fn width(self) -> u16 {
        self.width
    }

    /// Whether it is full, and so will never change.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.width == FULL
    }
}

impl fmt::Display for BundleCoordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/entries/{}", Tail { index: self.index, width: self.width })
    }
}

/// `<N>[.p/<W>]`.
struct Tail {
    index: u64,
    width: u16,
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            if place == 0 { write!(f, "{group:03}")? } else { write!(f, "x{group:03}/")? }
        }
        if self.width < FULL { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl Tail {
    fn parse(text: &str) -> Result<Self, Error> {
        let (index, width) = match text.split_once(".p/") {
            None => (text, FULL),
            Some((index, width)) => {
                let width = decimal(width, "the width").map_err(|_| Error::TilePath)?;
                let width = u16::try_from(width).ok().filter(|width| (1..FULL).contains(width));
                (index, width.ok_or(Error::TilePath)?)
            }
        };
        let mut value = 0_u64;
        let mut parts = index.split('/').peekable();
        let mut is_first = true;
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            let digits = if is_last { Some(part) } else { part.strip_prefix('x') };
            let three = |digits: &&str| digits.len() == 3 && digits.bytes().all(|octet| octet.is_ascii_digit());
            let digits = digits.filter(three).ok_or(Error::TilePath)?;
            // One path for each tile: nothing in front that is zero.
            if is_first && !is_last && digits == "000" {
                return Err(Error::TilePath);
            }
            is_first = false;
            let group: u64 = digits.parse().map_err(|_| Error::TilePath)?;
            value = value.checked_mul(1000).and_then(|value| value.checked_add(group)).ok_or(Error::TilePath)?;
        }
        Ok(Self { index: value, width })
    }
}

/// What a path below the log's prefix names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TilePath {
    /// `tile/<L>/<N>[.p/<W>]`.
    Tile(TileCoordinate),
    /// `tile/entries/<N>[.p/<W>]`.
    Entries(BundleCoordinate),
}

impl TilePath {
    /// Reads a path without a slash in front. Each tile and bundle has one.
    ///
    /// # Errors
    /// [`Error::TilePath`].
    pub fn parse(path: &str) -> Result<Self, Error> {
        let (first, rest) = path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(Error::TilePath)?;
        let Tail { index, width } = Tail::parse(rest)?;
        let found = if first == "entries" {
            BundleCoordinate::new(index, width).map(Self::Entries)
        } else {
            let level = decimal(first, "the level").ok().and_then(|level| u8::try_from(level).ok());
            level.and_then(|level| TileCoordinate::new(level, index, width)).map(Self::Tile)
        };
        found.ok_or(Error::TilePath)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile(tile) => tile.fmt(f),
            Self::Entries(bundle) => bundle.fmt(f),
        }
    }
}

/// All tiles that a tree of that size has, level by level, left to right.
pub fn tiles_of(size: u64) -> impl Iterator<Item = TileCoordinate> {
    tiles_from(0, size)
}

/// The tiles of a tree of `size` leaves of that level and above, level by level, left to right.
pub fn tiles_from(level: u8, size: u64) -> impl Iterator<Item = TileCoordinate> {
    (level..LEVELS).flat_map(move |level| {
        let count = hashes_at(level, size).div_ceil(u64::from(FULL));
        (0..count).filter_map(move |index| TileCoordinate::in_tree(level, index, size))
    })
}

/// The tiles that a tree has at size `new` and did not have, or had narrower, at size `old`: what is written when it grows.
pub fn tiles_between(old: u64, new: u64) -> impl Iterator<Item = TileCoordinate> {
    (0..LEVELS).flat_map(move |level| {
        let (from, to) = (hashes_at(level, old), hashes_at(level, new));
        let indices = if from < to { from / u64::from(FULL)..to.div_ceil(u64::from(FULL)) } else { 0..0 };
        indices.filter_map(move |index| TileCoordinate::in_tree(level, index, new))
    })
}

/// The partial tiles of a tree of that size, lowest level first: its right edge, from which it can grow.
pub fn edge_of(size: u64) -> impl Iterator<Item = TileCoordinate> {
    (0..LEVELS).filter_map(move |level| {
        let index = hashes_at(level, size) / u64::from(FULL);
        TileCoordinate::in_tree(level, index, size)
    })
}

/// All entry bundles that a log of that size has, in order.
pub fn bundles_of(size: u64) -> impl Iterator<Item = BundleCoordinate> {
    (0..size.div_ceil(u64::from(FULL))).filter_map(move |index| BundleCoordinate::in_tree(index, size))
}

/// The entry bundles that a log has at size `new` and did not have, or had narrower, at size `old`.
pub fn bundles_between(old: u64, new: u64) -> impl Iterator<Item = BundleCoordinate> {
    let indices = if old < new { old / u64::from(FULL)..new.div_ceil(u64::from(FULL)) } else { 0..0 };
    indices.filter_map(move |index| BundleCoordinate::in_tree(index, new))
}

/// The hashes of a tile of that width.
///
/// # Errors
/// [`Error::TileLength`]: the octets are not `width` hashes.
pub fn read_tile(octets: &[u8], width: u16) -> Result<&[Hash], Error> {
    let expected = usize::from(width).saturating_mul(32);
    match octets.as_chunks() {
        (hashes, []) if octets.len() == expected => Ok(hashes),
        _ => Err(Error::TileLength { length: octets.len(), expected }),
    }
}

/// The entries of a bundle of that width.
///
/// # Errors
/// [`Error::Bundle`]: the octets are not `width` entries.
pub fn read_bundle(octets: &[u8], width: u16) -> Result<Vec<&[u8]>, Error> {
    let mut entries = Vec::with_capacity(usize::from(width.min(FULL)));
    let mut rest = octets;
    for at in 0..width {
        let broken = Error::Bundle { expected: width, at };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(broken.clone())?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(broken)?;
        entries.push(entry);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(Error::Bundle { expected: width, at: width });
    }
    Ok(entries)
}

/// Adds an entry to the end of a bundle.
///
/// # Errors
/// [`Error::EntryTooLong`]; nothing was added.
pub fn write_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(entry.len()).map_err(|_| Error::EntryTooLong { length: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tile(level: u8, index: u64, width: u16) -> TileCoordinate {
        TileCoordinate::new(level, index, width).unwrap()
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        // C2SP tlog-tiles: index 1234067 is x001/x234/067.
        let found = [
            (tile(0, 1_234_067, 256).to_string(), "tile/0/x001/x234/067"),
            (tile(63, 0, 1).to_string(), "tile/63/000.p/1"),
            (tile(2, 1000, 255).to_string(), "tile/2/x001/000.p/255"),
            (BundleCoordinate::new(67, 8).unwrap().to_string(), "tile/entries/067.p/8"),
            (tile(0, u64::MAX, 256).to_string(), "tile/0/x018/x446/x744/x073/x709/x551/615"),
        ];
        for (path, expected) in found {
            assert_eq!(path, expected);
            assert_eq!(TilePath::parse(expected).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for path in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/067",
            "tile/0/x00/067",
            "tile/0/001/067",
            "tile/0/x001",
            "tile/0/x001/",
            "tile/0/x001/x067",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1/",
            "tile/0/000.p/1.p/1",
            "tile/0/000/",
            "/tile/0/000",
            "tile/0//000",
            "tile/Entries/000",
            "tile/entries/",
            "tile/entries/0",
            "tile/data/000",
            "tile/0/٠٠٠",
            "tile/0/0x0",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/x001/x018/x446/x744/x073/x709/x551/615",
        ] {
            assert_eq!(TilePath::parse(path), Err(Error::TilePath), "{path}");
        }
        assert_eq!(TileCoordinate::new(64, 0, 1), None);
        assert_eq!(TileCoordinate::new(0, 0, 0), None);
        assert_eq!(TileCoordinate::new(0, 0, 257), None);
        assert_eq!(BundleCoordinate::new(0, 257), None);
    }

    #[test]
    fn a_tree_has_the_tiles_of_the_specification() {
        // C2SP tlog-tiles, partial tiles: 70,000 leaves.
        let tiles = tiles_of(70_000).collect::<Vec<_>>();
        let count =
            |level, full: bool| tiles.iter().filter(|tile| tile.level == level && tile.is_full() == full).count();
        assert_eq!((count(0, true), count(0, false), count(1, true), count(1, false)), (273, 1, 1, 1));
        assert_eq!(
            tiles.iter().filter(|tile| !tile.is_full()).map(|tile| tile.width).collect::<Vec<_>>(),
            [112, 17, 1]
        );
        assert_eq!(edge_of(70_000).collect::<Vec<_>>(), [tile(0, 273, 112), tile(1, 1, 17), tile(2, 0, 1)]);
        assert_eq!(tiles_of(256).collect::<Vec<_>>(), [tile(0, 0, 256), tile(1, 0, 1)]);
        assert_eq!(edge_of(256).collect::<Vec<_>>(), [tile(1, 0, 1)]);
        assert_eq!(tiles_of(0).count(), 0);
        assert_eq!(
            bundles_of(513).map(|bundle| bundle.to_string()).collect::<Vec<_>>(),
            ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/1"]
        );
        assert_eq!(bundles_between(256, 300).collect::<Vec<_>>(), [BundleCoordinate { index: 1, width: 44 }]);
        assert_eq!(bundles_between(300, 300).count(), 0);
        assert_eq!(tiles_between(256, 257).collect::<Vec<_>>(), [tile(0, 1, 1)]);
        assert_eq!(tiles_between(300, 256).count(), 0);
        assert_eq!(edge_of(u64::MAX).count(), 8);
    }

    #[test]
    fn the_first_leaf_of_a_tile() {
        assert_eq!(tile(0, 3, 1).first_leaf(), Some(768));
        assert_eq!(tile(1, 2, 1).first_leaf(), Some(131_072));
        assert_eq!(tile(63, 0, 1).first_leaf(), Some(0));
        assert_eq!(tile(7, 1, 1).first_leaf(), None);
        assert_eq!(tile(6, 255, 1).first_leaf(), Some(255 << 56));
        assert_eq!(tile(6, 256, 1).first_leaf(), None);
    }

    #[test]
    fn tiles_and_bundles_have_their_lengths() {
        assert_eq!(read_tile(&[7; 64], 2), Ok(&[[7; 32]; 2][..]));
        assert_eq!(read_tile(&[7; 65], 2), Err(Error::TileLength { length: 65, expected: 64 }));
        assert_eq!(read_tile(&[7; 32], 2), Err(Error::TileLength { length: 32, expected: 64 }));
        let mut bundle = Vec::new();
        write_entry(&mut bundle, b"one").unwrap();
        write_entry(&mut bundle, b"").unwrap();
        assert_eq!(bundle, b"\0\x03one\0\0");
        assert_eq!(read_bundle(&bundle, 2), Ok(vec![&b"one"[..], b""]));
        assert_eq!(read_bundle(&bundle, 1), Err(Error::Bundle { expected: 1, at: 1 }));
        assert_eq!(read_bundle(&bundle, 3), Err(Error::Bundle { expected: 3, at: 2 }));
        assert_eq!(read_bundle(&bundle[..4], 1), Err(Error::Bundle { expected: 1, at: 0 }));
        assert_eq!(write_entry(&mut bundle, &[0; 65_536]), Err(Error::EntryTooLong { length: 65_536 }));
        assert_eq!(bundle.len(), 7);
        assert_eq!(write_entry(&mut bundle, &[0; 65_535]), Ok(()));
    }

    proptest! {
        #[test]
        fn each_tile_has_one_path(level in 0..64_u8, index in any::<u64>(), shift in 0..64_u32, width in 1..257_u16) {
            let index = index >> shift;
            let paths = [TilePath::Tile(tile(level, index, width)), TilePath::Entries(BundleCoordinate { index, width })];
            for path in paths {
                prop_assert_eq!(TilePath::parse(&path.to_string()), Ok(path));
            }
        }

        #[test]
        fn a_path_that_is_read_is_the_only_one(path in "tile/(entries|[0-9]{1,2})(/x[0-9]{3}){0,3}/[0-9]{3}(\\.p/[0-9]{1,3})?") {
            if let Ok(read) = TilePath::parse(&path) {
                prop_assert_eq!(read.to_string(), path);
            }
        }

        #[test]
        fn growth_adds_what_the_larger_tree_has_and_the_smaller_had_not(old in 0..100_000_u64, more in 0..100_000_u64) {
            let before = tiles_of(old).collect::<std::collections::BTreeSet<_>>();
            let expected = tiles_of(old + more).filter(|tile| !before.contains(tile)).collect::<Vec<_>>();
            prop_assert_eq!(tiles_between(old, old + more).collect::<Vec<_>>(), expected);
            let before = bundles_of(old).collect::<std::collections::BTreeSet<_>>();
            let expected = bundles_of(old + more).filter(|bundle| !before.contains(bundle)).collect::<Vec<_>>();
            prop_assert_eq!(bundles_between(old, old + more).collect::<Vec<_>>(), expected);
        }
    }
}
