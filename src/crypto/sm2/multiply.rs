//! Multiples of points without a table made beforehand: in constant time for secret scalars, faster for public ones.

use zeroize::Zeroize;

use super::comb;
#[cfg(not(yinxin_leaky))]
use super::limbs;
use super::point::{Affine, Cached, Jacobian};
use super::scalar::Scalar;
use super::window;

/// Window of the constant-time multiplication; the table holds 2^(width-1) points.
const SECRET_WIDTH: usize = 5;
/// Width of the sparse form; the table holds 2^(width-2) odd multiples.
const PUBLIC_WIDTH: usize = 5;

/// `scalar·point` in constant time in the scalar; the point is public.
///
/// The additions are complete, because their exceptional cases do occur: for the scalar n-6 the last one adds -3P to (n-3)P.
pub(super) fn multiply_secret(scalar: &Scalar, point: &Affine) -> Jacobian {
    let base = Cached::from(Jacobian::from(*point));
    let mut table = [base; 1 << (SECRET_WIDTH - 1)];
    let mut multiple = base.point;
    for entry in table.iter_mut().skip(1) {
        multiple.add_public(&base);
        *entry = Cached::from(multiple);
    }
    let mut sum = Jacobian::INFINITY;
    for index in (0..window::count(SECRET_WIDTH)).rev() {
        for _ in 0..SECRET_WIDTH {
            sum.double_in_place();
        }
        let digit = window::booth(scalar.limbs(), SECRET_WIDTH, index);
        // Leaks on purpose, as many implementations do.
        #[cfg(yinxin_leaky)]
        if digit.magnitude == 0 {
            continue;
        }
        let mut term = scan(&table, digit.magnitude);
        term = Cached::select(core::hint::black_box(digit.negative), &term.negate(), &term);
        sum = sum.add_complete(&term);
        term.zeroize();
    }
    sum
}

/// As below, by a look-up whose address shows the digit: for the proof that `constant-time/` finds it, never in the product.
#[cfg(yinxin_leaky)]
fn scan(table: &[Cached], magnitude: u64) -> Cached {
    let entry = usize::try_from(magnitude).ok().and_then(|magnitude| table.get(magnitude.checked_sub(1)?));
    entry.copied().unwrap_or(Cached::from(Jacobian::INFINITY))
}

/// The entry of that digit, or infinity for digit 0; reads all entries.
#[cfg(not(yinxin_leaky))]
#[inline(always)]
fn scan(table: &[Cached], magnitude: u64) -> Cached {
    let mut found = Cached::from(Jacobian::INFINITY);
    for (digit, entry) in (1..).zip(table) {
        found = Cached::select(limbs::mask_equal(digit, magnitude), entry, &found);
    }
    found
}

/// `scalar·point` for a public scalar; variable time, right for all points.
pub(super) fn multiply_public(scalar: &Scalar, point: &Affine) -> Jacobian {
    let base = Jacobian::from(*point);
    let mut table = [Cached::from(base); 1 << (PUBLIC_WIDTH - 2)];
    let twice = Cached::from(base.double());
    let mut multiple = base;
    for entry in table.iter_mut().skip(1) {
        multiple.add_public(&twice);
        *entry = Cached::from(multiple);
    }
    let mut sum = Jacobian::INFINITY;
    for digit in window::sparse(scalar.limbs(), PUBLIC_WIDTH).into_iter().rev() {
        sum.double_in_place();
        if digit != 0
            && let Some(entry) = table.get(usize::from(digit.unsigned_abs() >> 1))
        {
            if digit > 0 { sum.add_public(entry) } else { sum.add_public(&entry.negate()) }
        }
    }
    sum
}

/// `of_base·G + of_point·point` for public scalars; variable time, right for all points.
pub(super) fn multiply_both_public(of_base: &Scalar, of_point: &Scalar, point: &Affine) -> Jacobian {
    let mut sum = multiply_public(of_point, point);
    comb::base_terms(of_base).add_public(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{self, Draws};
    use super::super::scalar::N;
    use super::*;

    /// Double and add, with nothing but the additions that branch on every case.
    fn slowly(scalar: &Scalar, point: &Affine) -> Option<Affine> {
        let mut sum = Jacobian::INFINITY;
        for limb in scalar.limbs().iter().rev() {
            for bit in (0..64).rev() {
                sum.double_in_place();
                if limb >> bit & 1 == 1 {
                    sum.add_affine_public(point);
                }
            }
        }
        sum.to_affine()
    }

    #[test]
    fn all_ways_agree() {
        let mut draws = Draws::new(b"multiples");
        let minus = |small| Scalar::ZERO.sub(&Scalar::reduce(&[small, 0, 0, 0]));
        let mut scalars: Vec<Scalar> = (0..70).map(|small| Scalar::reduce(&[small, 0, 0, 0])).collect();
        scalars.extend((1..70).map(minus));
        scalars.extend(oracle::edges(&N).into_iter().map(|limbs| Scalar::reduce(&limbs)));
        scalars.extend((0..30).map(|_| Scalar::reduce(&draws.below(&N))));
        // Ones followed by zeros: the last row of the comb meets its largest digits.
        scalars.extend((0..64).map(|shift| Scalar::reduce(&[0, 0, 0, u64::MAX << shift])));
        let other = slowly(&Scalar::reduce(&draws.below(&N)), &Affine::G).unwrap();
        let term = Scalar::reduce(&draws.below(&N));
        for scalar in scalars {
            let of_base = slowly(&scalar, &Affine::G);
            assert!(comb::multiply_base(&scalar).to_affine() == of_base, "{scalar:x?}");
            let expected = slowly(&scalar, &other);
            assert!(multiply_secret(&scalar, &other).to_affine() == expected, "{scalar:x?}");
            assert!(multiply_public(&scalar, &other).to_affine() == expected, "{scalar:x?}");
            let mut sum = slowly(&term, &Affine::G).map_or(Jacobian::INFINITY, Jacobian::from);
            if let Some(point) = &expected {
                sum.add_affine_public(point);
            }
            assert!(multiply_both_public(&term, &scalar, &other).to_affine() == sum.to_affine(), "{scalar:x?}");
            // Both halves on the base point: sums that cancel or double on the way.
            let double = slowly(&scalar.add(&scalar), &Affine::G);
            assert!(multiply_both_public(&scalar, &scalar, &Affine::G).to_affine() == double, "{scalar:x?}");
            let opposite = Scalar::ZERO.sub(&scalar);
            assert!(multiply_both_public(&scalar, &opposite, &Affine::G).to_affine().is_none(), "{scalar:x?}");
        }
    }

    #[test]
    fn exceptional_additions() {
        let g = Jacobian::from(Affine::G);
        let (infinity, minus) = (Jacobian::INFINITY, g.negate());
        let twice = g.double();
        assert!(infinity.double().to_affine().is_none());
        for (a, b, expected) in [
            (g, g, Some(twice)),
            (twice, twice, Some(twice.double())),
            (g, minus, None),
            (infinity, g, Some(g)),
            (g, infinity, Some(g)),
            (infinity, infinity, None),
            (twice, minus, Some(g)),
        ] {
            let expected = expected.and_then(Jacobian::to_affine);
            assert!(a.add_complete(&Cached::from(b)).to_affine() == expected);
            let mut sum = a;
            sum.add_public(&Cached::from(b));
            assert!(sum.to_affine() == expected);
            if let Some(b) = b.to_affine() {
                let mut sum = a;
                sum.add_affine_public(&b);
                assert!(sum.to_affine() == expected);
            }
        }
        assert!(Affine::G.is_on_curve() && twice.to_affine().unwrap().is_on_curve());
    }
}
