//! Where the pieces of a part lie: ranges that are half as wide as addresses, since pages have many.

/// A number of nodes or bytes. Half as wide as an address: a part has no more than 2³¹ bytes, and nodes are many.
pub(super) type Short = u32;

/// Of what a tree is made from, nothing is larger than this.
pub(super) const LONGEST: usize = 1 << 31;

pub(super) fn short(number: usize) -> Short {
    Short::try_from(number).unwrap_or(Short::MAX)
}

pub(super) fn long(number: Short) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// No node: there are fewer.
pub(super) const NONE: Short = Short::MAX;

/// A range of the source and, behind it, of what was decoded; or of the attributes of a tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: Short,
    pub(super) end: Short,
}

impl Piece {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start: short(start), end: short(end) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(super) fn len(self) -> usize {
        long(self.end).saturating_sub(long(self.start))
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        long(self.start)..long(self.end)
    }

    /// The text, of the source and of what was decoded.
    pub(super) fn read<'t>(self, source: &'t str, decoded: &'t str) -> &'t str {
        let range = self.range();
        let read = match range.start.checked_sub(source.len()) {
            // What is empty may stand at the end of the source.
            Some(start) => decoded.get(start..range.end.saturating_sub(source.len())),
            None => source.get(range),
        };
        read.unwrap_or_default()
    }
}
