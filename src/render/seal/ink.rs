//! How much ink each pixel of a scan holds, which ink it is, and the same on another grid of pixels.
//!
//! Whole numbers throughout, so that every machine gives the same bytes.

use resvg::tiny_skia::Pixmap;

/// Up to so dark a pixel is paper; from the second on it is ink; between them it is partly covered. Darkness is 255
/// minus the least of red, green and blue, so pure red and black are equally dark.
const PAPER: u8 = 40;
const FULL: u8 = 150;

/// The colour of an ink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Seals.
    Red,
    /// Writing.
    Blue,
    /// Writing.
    Black,
}

impl Ink {
    const ALL: [Self; 3] = [Self::Red, Self::Blue, Self::Black];

    /// What we draw it as, sRGB.
    #[must_use]
    pub const fn colour(self) -> [u8; 3] {
        match self {
            Self::Red => crate::render::seal::INK,
            Self::Blue => [0, 40, 140],
            Self::Black => [20, 20, 20],
        }
    }

    /// Which ink a dark pixel is of, if of one of these.
    fn of(red: u8, green: u8, blue: u8) -> Option<Self> {
        let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
        if red.saturating_sub(green.max(blue)) >= 50 {
            Some(Self::Red)
        } else if blue.saturating_sub(red) >= 30 && blue >= green {
            Some(Self::Blue)
        } else if most.saturating_sub(least) <= 60 && most <= 140 {
            Some(Self::Black)
        } else {
            None
        }
    }
}

/// A picture as coverage: 0 is paper, 255 is ink.
#[derive(Debug)]
pub(super) struct Coverage {
    pub(super) width: usize,
    pub(super) height: usize,
    rows: Vec<u8>,
}

/// What the pixels of a picture are, counted.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Fully covered.
    pub(super) full: usize,
    /// Partly covered.
    pub(super) partly: usize,
    inks: [usize; 3],
}

impl Census {
    /// The ink most of the fully covered pixels are of, and how many in a hundred.
    pub(super) fn chief(&self) -> (Ink, usize) {
        let most = Ink::ALL.into_iter().zip(self.inks).max_by_key(|(_, count)| *count);
        let (ink, count) = most.unwrap_or((Ink::Black, 0));
        (ink, self.percent(count))
    }

    pub(super) fn of(&self, ink: Ink) -> usize {
        let count = Ink::ALL.into_iter().zip(self.inks).find(|(one, _)| *one == ink).map_or(0, |(_, count)| count);
        self.percent(count)
    }

    fn percent(&self, count: usize) -> usize {
        count.saturating_mul(100).checked_div(self.full).unwrap_or(0)
    }
}

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Coverage {
    /// Reads pixels as if they lay on white paper.
    pub(super) fn of(pixmap: &Pixmap) -> (Self, Census) {
        let mut census = Census::default();
        let mut rows = Vec::with_capacity(pixmap.pixels().len());
        for pixel in pixmap.pixels() {
            // Premultiplied, so what the paper adds is what the pixel lacks.
            let paper = 255 - pixel.alpha();
            let on_paper = |part: u8| part.saturating_add(paper);
            let (red, green, blue) = (on_paper(pixel.red()), on_paper(pixel.green()), on_paper(pixel.blue()));
            let dark = 255 - red.min(green).min(blue);
            if dark >= FULL {
                census.full = census.full.saturating_add(1);
                let ink = Ink::of(red, green, blue);
                for (one, count) in Ink::ALL.into_iter().zip(&mut census.inks) {
                    *count = count.saturating_add(usize::from(ink == Some(one)));
                }
                rows.push(255);
            } else if dark > PAPER {
                census.partly = census.partly.saturating_add(1);
                let covered = u32::from(dark - PAPER) * 255 / u32::from(FULL - PAPER);
                rows.push(u8::try_from(covered).unwrap_or(255));
            } else {
                rows.push(0);
            }
        }
        let side = |side: u32| usize::try_from(side).unwrap_or(0);
        (Self { width: side(pixmap.width()), height: side(pixmap.height()), rows }, census)
    }

    /// The least part that holds all ink but for dust: rows and columns with at least two inked pixels, and one in five
    /// hundred.
    pub(super) fn inked(&self) -> Option<Span> {
        let mut columns = vec![0usize; self.width];
        let mut rows = Vec::with_capacity(self.height);
        for row in self.rows.chunks_exact(self.width.max(1)) {
            let mut inked = 0usize;
            for (covered, column) in row.iter().zip(&mut columns) {
                let one = usize::from(*covered >= 128);
                *column = column.saturating_add(one);
                inked = inked.saturating_add(one);
            }
            rows.push(inked);
        }
        let ends = |counts: &[usize], across: usize| {
            let least = (across / 500).max(2);
            let first = counts.iter().position(|count| *count >= least)?;
            let last = counts.iter().rposition(|count| *count >= least)?;
            Some((first, last.saturating_sub(first).saturating_add(1)))
        };
        let (left, width) = ends(&columns, self.height)?;
        let (top, height) = ends(&rows, self.width)?;
        Some(Span { left, top, width, height })
    }

    /// How many in a thousand pixels of a part are covered.
    pub(super) fn filled(&self, span: Span) -> usize {
        let inked = self.part(span).map(|row| row.iter().filter(|covered| **covered >= 128).count()).sum::<usize>();
        inked.saturating_mul(1000).checked_div(span.width.saturating_mul(span.height)).unwrap_or(0)
    }

    fn part(&self, span: Span) -> impl Iterator<Item = &[u8]> {
        let rows = self.rows.chunks_exact(self.width.max(1)).skip(span.top).take(span.height);
        rows.map(move |row| row.get(span.left..span.left.saturating_add(span.width)).unwrap_or_default())
    }

    /// A part on another grid: each new pixel is the mean of what it lies over; between pixels where there are more of them.
    pub(super) fn resampled(&self, span: Span, width: usize, height: usize) -> Self {
        let taps: Vec<Taps> = (0..width).map(|at| Taps::new(at, span.width, width)).collect();
        let mut lines = Vec::with_capacity(span.height);
        for row in self.part(span) {
            lines.push(taps.iter().map(|taps| taps.mean(|at| row.get(at).copied())).collect::<Vec<u8>>());
        }
        let mut rows = Vec::with_capacity(width.saturating_mul(height));
        for at in 0..height {
            let taps = Taps::new(at, span.height, height);
            rows.extend((0..width).map(|column| taps.mean(|line| lines.get(line)?.get(column).copied())));
        }
        Self { width, height, rows }
    }

    /// Rows of coverage.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.chunks_exact(self.width.max(1))
    }
}

/// Which old pixels a new one is made of, and with which weights.
struct Taps {
    first: usize,
    weights: Vec<u64>,
    total: u64,
}

impl Taps {
    fn new(at: usize, from: usize, to: usize) -> Self {
        let (at, from, to) = (wide(at), wide(from.max(1)), wide(to.max(1)));
        if from >= to {
            // An old pixel is `to` long and a new one `from`: how far they lie over each other.
            let (start, end) = (at.saturating_mul(from), at.saturating_add(1).saturating_mul(from));
            let first = start / to;
            let weights = (first..=end.saturating_sub(1) / to).map(|old| {
                let (left, right) = (old.saturating_mul(to), old.saturating_add(1).saturating_mul(to));
                right.min(end).saturating_sub(left.max(start))
            });
            Self { first: narrow(first), weights: weights.collect(), total: from }
        } else {
            // The middle of the new pixel lies between the middles of two old ones.
            let middle = at.saturating_mul(2).saturating_add(1).saturating_mul(from).saturating_sub(to);
            let unit = to.saturating_mul(2);
            let last = from.saturating_sub(1);
            let (first, part) = (middle / unit, middle % unit);
            if first >= last {
                return Self { first: narrow(last), weights: vec![1], total: 1 };
            }
            Self { first: narrow(first), weights: vec![unit.saturating_sub(part), part], total: unit }
        }
    }

    fn mean(&self, covered: impl Fn(usize) -> Option<u8>) -> u8 {
        let mut sum = self.total / 2;
        for (at, weight) in (self.first..).zip(&self.weights) {
            sum = sum.saturating_add(weight.saturating_mul(covered(at).unwrap_or(0).into()));
        }
        u8::try_from(sum.checked_div(self.total).unwrap_or(0)).unwrap_or(255)
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn narrow(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(rows: &[&[u8]]) -> Coverage {
        Coverage { width: rows[0].len(), height: rows.len(), rows: rows.concat() }
    }

    fn whole(coverage: &Coverage) -> Span {
        Span { left: 0, top: 0, width: coverage.width, height: coverage.height }
    }

    #[test]
    fn a_coarser_grid_takes_means_and_a_finer_one_lies_between() {
        let four = coverage(&[&[0, 100, 200, 100], &[0, 100, 0, 100]]);
        assert_eq!(four.resampled(whole(&four), 2, 1).rows, [50, 100]);
        assert_eq!(four.resampled(whole(&four), 4, 2).rows, four.rows);
        let thirds = coverage(&[&[0, 90, 255]]);
        assert_eq!(thirds.resampled(whole(&thirds), 2, 1).rows, [30, 200]);
        let two = coverage(&[&[0, 200]]);
        assert_eq!(two.resampled(whole(&two), 4, 1).rows, [0, 50, 150, 200]);
        let part = Span { left: 2, top: 0, width: 1, height: 1 };
        assert_eq!(four.resampled(part, 3, 2).rows, [200; 6]);
    }

    #[test]
    fn dust_does_not_widen_what_is_inked() {
        let mut rows = vec![vec![0u8; 40]; 30];
        rows[1][1] = 255;
        for row in &mut rows[10..20] {
            row[5..25].fill(255);
        }
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let coverage = coverage(&rows);
        assert_eq!(coverage.inked(), Some(Span { left: 5, top: 10, width: 20, height: 10 }));
        assert_eq!(coverage.filled(Span { left: 0, top: 10, width: 40, height: 10 }), 500);
        assert_eq!(coverage.filled(Span { left: 5, top: 10, width: 20, height: 10 }), 1000);
    }

    #[test]
    fn inks_are_told_apart() {
        for ((red, green, blue), ink) in [
            ((200, 0, 0), Some(Ink::Red)),
            ((210, 80, 90), Some(Ink::Red)),
            ((20, 20, 20), Some(Ink::Black)),
            ((90, 85, 100), Some(Ink::Black)),
            ((30, 60, 160), Some(Ink::Blue)),
            ((0, 160, 40), None),
            ((220, 200, 40), None),
        ] {
            assert_eq!(Ink::of(red, green, blue), ink, "{red} {green} {blue}");
        }
    }
}
