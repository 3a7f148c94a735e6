//! Multiples of points without a table made beforehand: in constant time for secret scalars, faster for public ones.

use zeroize::Zeroize;

use super::comb;
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
        let mut term = Cached::from(Jacobian::INFINITY);
        for (candidate, entry) in (1..).zip(&table) {
            term = Cached::select(limbs::mask_equal(candidate, digit.magnitude), entry, &term);
        }
        term = Cached::select(core::hint::black_box(digit.negative), &term.negate(), &term);
        sum = sum.add_complete(&term);
        term.zeroize();
    }
    sum
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
