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
