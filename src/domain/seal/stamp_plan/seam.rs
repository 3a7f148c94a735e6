//! A stamp over the seam of pages (骑缝章): which strip of it each page bears, and where.
//!
//! Each stamp annotation has the whole box of the stamp, shifted beyond the edge of its page, and a clip that leaves the strip on
//! the page (GB/T 33190-2016, 18.2). At the right and the lower edge the first page bears the first strip, as pages fanned out show
//! it; at the left and the upper edge the last one does. Strips meet at whole micrometres, so that they tile the stamp exactly.

use crate::domain::seal::stamp_plan::Edge;
use crate::format::ofd::document::PageBox;

/// Thinner strips show nothing of a stamp.
const LEAST_STRIP_MM: f64 = 2.0;

/// A strip: the stamp's box in the page's coordinates, and the clip in the stamp's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Strip {
    pub(super) boundary: [f64; 4],
    pub(super) clip: [f64; 4],
}

/// How many pages one stamp of that length spans at most where nobody says.
pub(super) fn most_sheets(length_mm: u32) -> usize {
    let mut sheets: u32 = 2;
    while f64::from(length_mm) >= LEAST_STRIP_MM * f64::from(sheets.saturating_add(1)) {
        sheets = sheets.saturating_add(1);
    }
    usize::try_from(sheets).unwrap_or(usize::MAX)
}

/// Whether as many strips of a stamp of that length can be seen.
pub(super) fn fits(length_mm: u32, sheets: usize) -> bool {
    sheets <= most_sheets(length_mm)
}

/// How many pages each stamp spans: as even as can be, none more than `most`.
pub(super) fn groups(pages: usize, most: usize) -> Vec<usize> {
    let count = pages.div_ceil(most.max(1)).max(1);
    let (each, longer) = (pages.checked_div(count).unwrap_or(0), pages.checked_rem(count).unwrap_or(0));
    (0..count).map(|n| each.saturating_add(usize::from(n < longer))).collect()
}

/// The strip of the page `n` of `of`, of a stamp of that size, whose near end along the edge is `at`.
pub(super) fn strip(edge: Edge, (n, of): (usize, usize), size: (f64, f64), page: &PageBox, at: f64) -> Strip {
    let (width, height) = size;
    let length = match edge {
        Edge::Left | Edge::Right => width,
        Edge::Top | Edge::Bottom => height,
    };
    // At the left and the upper edge the stamp lies the other way.
    let piece = match edge {
        Edge::Right | Edge::Bottom => n,
        Edge::Left | Edge::Top => of.saturating_sub(n).saturating_sub(1),
    };
    let (from, to) = (cut(length, piece, of), cut(length, piece.saturating_add(1), of));
    match edge {
        Edge::Right => Strip {
            boundary: [page.x + page.width - to, page.y + at, width, height],
            clip: [from, 0.0, micrometres(to - from), height],
        },
        Edge::Left => Strip {
            boundary: [page.x - from, page.y + at, width, height],
            clip: [from, 0.0, micrometres(to - from), height],
        },
        Edge::Bottom => Strip {
            boundary: [page.x + at, page.y + page.height - to, width, height],
            clip: [0.0, from, width, micrometres(to - from)],
        },
        Edge::Top => Strip {
            boundary: [page.x + at, page.y - from, width, height],
            clip: [0.0, from, width, micrometres(to - from)],
        },
    }
}

/// Where the strip of that number begins, in whole micrometres.
fn cut(length: f64, n: usize, of: usize) -> f64 {
    let share = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
    micrometres(length * share(n) / share(of.max(1)))
}

pub(super) fn micrometres(length: f64) -> f64 {
    (length * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A4: PageBox = PageBox { x: 0.0, y: 0.0, width: 210.0, height: 297.0 };

    #[test]
    fn strips_lie_at_their_edge() {
        let at = |edge, n| strip(edge, (n, 4), (40.0, 40.0), &A4, 100.0);
        let is = |strip: Strip, boundary, clip| assert_eq!(strip, Strip { boundary, clip });
        is(at(Edge::Right, 0), [200.0, 100.0, 40.0, 40.0], [0.0, 0.0, 10.0, 40.0]);
        is(at(Edge::Right, 3), [170.0, 100.0, 40.0, 40.0], [30.0, 0.0, 10.0, 40.0]);
        is(at(Edge::Left, 0), [-30.0, 100.0, 40.0, 40.0], [30.0, 0.0, 10.0, 40.0]);
        is(at(Edge::Left, 3), [0.0, 100.0, 40.0, 40.0], [0.0, 0.0, 10.0, 40.0]);
        is(at(Edge::Bottom, 0), [100.0, 287.0, 40.0, 40.0], [0.0, 0.0, 40.0, 10.0]);
        is(at(Edge::Top, 0), [100.0, -30.0, 40.0, 40.0], [0.0, 30.0, 40.0, 10.0]);
    }

    #[test]
    fn pages_are_shared_out_evenly() {
        assert_eq!([most_sheets(40), most_sheets(3), most_sheets(58)], [20, 2, 29]);
        assert!(fits(40, 20) && !fits(40, 21));
        assert_eq!(groups(5, 20), [5]);
        assert_eq!(groups(21, 20), [11, 10]);
        assert_eq!(groups(7, 3), [3, 2, 2]);
    }

    proptest! {
        #[test]
        fn strips_tile_the_stamp(of in 2_usize..=29, length in 3_u32..=60, edge in 0_usize..4) {
            let edge = [Edge::Left, Edge::Right, Edge::Top, Edge::Bottom][edge];
            let across = matches!(edge, Edge::Left | Edge::Right);
            let size = (f64::from(length), f64::from(length));
            let mut pieces: Vec<(f64, f64)> = (0..of).map(|n| {
                let Strip { boundary: [x, y, ..], clip } = strip(edge, (n, of), size, &A4, 50.0);
                let (from, width) = if across { (clip[0], clip[2]) } else { (clip[1], clip[3]) };
                // What is seen lies on the page, at its edge.
                let seen = if across { x + from } else { y + from };
                let expected = match edge {
                    Edge::Left | Edge::Top => 0.0,
                    Edge::Right => A4.width - width,
                    Edge::Bottom => A4.height - width,
                };
                assert!((seen - expected).abs() < 1e-9);
                (from, width)
            }).collect();
            pieces.sort_by(|one, two| one.0.total_cmp(&two.0));
            let mut end: f64 = 0.0;
            for (from, width) in pieces {
                prop_assert!((from - end).abs() < 1e-9);
                end = from + width;
            }
            prop_assert!((end - f64::from(length)).abs() < 1e-9);
        }
    }
}
