//! Multiples of a fixed point from a table of `digit·2^(width·row)·P`: no doublings. In constant time for the base point.

use std::sync::LazyLock;

use zeroize::Zeroize;

use super::field::{self, FieldElement};
use super::limbs;
use super::point::{Affine, Cached, Jacobian};
use super::scalar::Scalar;
use super::window;

/// A point on a cache line of its own.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line(pub(super) Affine);

/// No table of a public scalar has more rows.
const MAX_ROWS: usize = 52;

/// Entries of a table that add up to a multiple of its point.
pub(super) struct Terms<'a>([Option<(&'a Affine, bool)>; MAX_ROWS]);

impl Terms<'_> {
    /// Adds all the entries to `sum`; variable time, right for all points.
    #[inline]
    pub(super) fn add_public(&self, sum: &mut Jacobian) {
        for (point, negative) in self.0.iter().flatten() {
            if *negative { sum.add_affine_public(&point.negate()) } else { sum.add_affine_public(point) }
        }
    }
}

/// `digit·2^(WIDTH·row)·P` for every row and every digit from 1 to `DIGITS` = 2^(WIDTH-1).
///
/// No entry is infinity: the order n is a prime above every digit, so no `digit·2^i` is a multiple of n.
pub(super) struct Comb<const WIDTH: usize, const DIGITS: usize> {
    rows: Box<[[Line; DIGITS]]>,
}

impl<const WIDTH: usize, const DIGITS: usize> Comb<WIDTH, DIGITS> {
    /// What a table takes in memory.
    pub(super) const BYTES: usize = window::count(WIDTH) * DIGITS * size_of::<Line>();

    /// The table of a public point.
    pub(super) fn new(point: &Affine) -> Self {
        let count = window::count(WIDTH);
        let mut points: Vec<Jacobian> = Vec::with_capacity(count * DIGITS);
        let mut base = Jacobian::from(*point);
        for _ in 0..count {
            // 1P, 2P, 3P …; the last is 2^(WIDTH-1)·P, and its double begins the next row.
            let step = Cached::from(base);
            let mut multiple = base;
            points.push(multiple);
            for _ in 1..DIGITS {
                multiple.add_public(&step);
                points.push(multiple);
            }
            base = multiple.double();
        }
        let mut inverses: Vec<FieldElement> = points.iter().map(|p| p.z).collect();
        field::invert_all(&mut inverses);
        let mut affine = points.iter().zip(&inverses).map(|(point, inverse)| Line(point.to_affine_with(inverse)));
        let rows = (0..count).map(|_| std::array::from_fn(|_| affine.next().unwrap_or(Line(*point)))).collect();
        Self { rows }
    }

    /// The entries whose sum is `scalar·P`, and whether each is to be negated; the processor is told to fetch them all.
    ///
    /// A table that was not used lately lies far from the processor. Asked for one by one, its lines would come one by one.
    #[inline]
    pub(super) fn terms(&self, scalar: &Scalar) -> Terms<'_> {
        let mut terms = [None; MAX_ROWS];
        for (index, (term, row)) in terms.iter_mut().zip(&self.rows).enumerate() {
            let digit = window::booth(scalar.limbs(), WIDTH, index);
            let line = usize::try_from(digit.magnitude).ok().and_then(|m| row.get(m.checked_sub(1)?));
            if let Some(line) = line {
                #[cfg(all(target_arch = "x86_64", not(yinxin_portable)))]
                super::x86_64::prefetch(line);
                *term = Some((&line.0, digit.negative != 0));
            }
        }
        Terms(terms)
    }

    /// `scalar·P` in constant time; every row is read whole. Zero gives infinity.
    ///
    /// No addition meets its exceptional case. Before row i the sum is `A·P` with `|A| <= 2^(WIDTH-1)·(2^(WIDTH·i) - 1) / (2^WIDTH - 1)`,
    /// so `|A| < 2^(WIDTH·i)·0.52` for WIDTH of 5 or more, and the row adds `D·P` with D = 0 or `|D| >= 2^(WIDTH·i)`.
    /// - D = 0, or A = 0 (which then is infinity: the integer A is 0 only if all digits so far are): selected by masks.
    /// - Else A and ±D differ as integers, and equal modulo n they can only be if `|A ∓ D|` is at least n. All rows but
    ///   the last stay far below n in magnitude. In the last row `A + D = k`, the scalar, with 0 < k < n: so A ≠ -D modulo n.
    ///   A = D modulo n means `D - A = n` (D is not negative in the last row, and `|D - A| < 2n`), so `k = 2D - n`.
    ///   D is a multiple `m` of 2^(WIDTH·i) with `|D - n| = |A| <= 0.52·2^(WIDTH·i)`, and n is 2^256 less a number below 2^225,
    ///   so D = 2^256 and `k = 2^257 - n > n`, which a scalar is not.
    #[inline]
    pub(super) fn multiply(&self, scalar: &Scalar) -> Jacobian {
        let mut sum = Jacobian::INFINITY;
        let mut empty = u64::MAX;
        let mut last = Affine::G;
        for (index, row) in self.rows.iter().enumerate() {
            let digit = window::booth(scalar.limbs(), WIDTH, index);
            let mut point = scan(row, digit.magnitude);
            let opposite = point.y.negate();
            point.y = FieldElement::select(core::hint::black_box(digit.negative), &opposite, &point.y);
            let zero = limbs::mask_zero(digit.magnitude);
            let mut added = sum.add_affine_distinct(&point);
            added = Jacobian::select(empty, &Jacobian::from(point), &added);
            sum = Jacobian::select(zero, &sum, &added);
            empty &= zero;
            last = point;
        }
        last.zeroize();
        sum
    }
}

/// As below, by a look-up whose address shows the digit: for the proof that `constant-time/` finds it, never in the product.
#[cfg(yinxin_leaky)]
fn scan<const DIGITS: usize>(row: &[Line; DIGITS], magnitude: u64) -> Affine {
    let entry = usize::try_from(magnitude).ok().and_then(|magnitude| row.get(magnitude.checked_sub(1)?));
    entry.map_or(Affine { x: FieldElement::ZERO, y: FieldElement::ZERO }, |Line(point)| *point)
}

/// The entry of that digit, or zeros for digit 0; reads all entries.
#[cfg(not(yinxin_leaky))]
#[inline(always)]
fn scan<const DIGITS: usize>(row: &[Line; DIGITS], magnitude: u64) -> Affine {
    #[cfg(all(target_arch = "x86_64", not(yinxin_portable)))]
    if is_x86_feature_detected!("avx2") {
        return super::x86_64::scan(row, magnitude);
    }
    scan_portable(row, magnitude)
}

/// [`scan`] for every machine, and the reference.
fn scan_portable<const DIGITS: usize>(row: &[Line; DIGITS], magnitude: u64) -> Affine {
    let (mut x, mut y) = ([0; 4], [0; 4]);
    for (digit, Line(entry)) in (1..).zip(row) {
        let mask = limbs::mask_equal(digit, magnitude);
        for (to, from) in x.iter_mut().zip(entry.x.montgomery()) {
            *to |= mask & from;
        }
        for (to, from) in y.iter_mut().zip(entry.y.montgomery()) {
            *to |= mask & from;
        }
    }
    Affine { x: FieldElement::from_montgomery(x), y: FieldElement::from_montgomery(y) }
}

/// The base point's table for secret scalars: 88 KB, small enough to be read whole at each signature.
static SECRET: LazyLock<Comb<6, 32>> = LazyLock::new(|| Comb::new(&Affine::G));

/// The base point's table for public scalars: 264 KB, of which a multiplication reads 33 lines.
static PUBLIC: LazyLock<Comb<9, 256>> = LazyLock::new(|| Comb::new(&Affine::G));

/// `scalar·G` in constant time.
pub(super) fn multiply_base(scalar: &Scalar) -> Jacobian {
    SECRET.multiply(scalar)
}

/// The entries that add up to `scalar·G` for a public scalar; variable time.
pub(super) fn base_terms(scalar: &Scalar) -> Terms<'static> {
    PUBLIC.terms(scalar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_alike_by_every_way() {
        let row = &SECRET.rows[3];
        for magnitude in 0..=32 {
            let expected = match usize::try_from(magnitude).unwrap() {
                0 => Affine { x: FieldElement::ZERO, y: FieldElement::ZERO },
                digit => row[digit - 1].0,
            };
            assert!(scan_portable(row, magnitude) == expected, "{magnitude}");
            assert!(scan(row, magnitude) == expected, "{magnitude}");
        }
    }

    #[test]
    fn tables_have_the_size_that_they_say() {
        assert_eq!(Comb::<5, 16>::BYTES, 53_248);
        assert_eq!(SECRET.rows.len() * size_of_val(&SECRET.rows[0]), Comb::<6, 32>::BYTES);
        assert!(SECRET.rows.iter().flatten().all(|Line(point)| point.is_on_curve()));
    }
}
