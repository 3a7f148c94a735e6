//! Scalars cut into signed digits: Booth windows of fixed width, and the sparse form for public scalars.
#![expect(clippy::indexing_slicing, reason = "limbs are chosen by public positions below 4")]

use super::limbs::Limbs;

/// How many windows of that width cover a scalar below 2^256 and the carry of its last digit.
pub(super) const fn count(width: usize) -> usize {
    257_usize.div_ceil(width)
}

/// A digit in sign and magnitude; `negative` is a mask. Zero is never negative.
#[derive(Clone, Copy)]
pub(super) struct Digit {
    /// 0 to 2^(width-1).
    pub(super) magnitude: u64,
    /// All ones if the digit is negative.
    pub(super) negative: u64,
}

/// The `index`-th Booth digit: the scalar is the sum of `digit·2^(width·index)`. Constant time in the scalar.
///
/// The digit looks at its own bits and the one below: -2^(width-1)·top + … + the bit below.
#[inline(always)]
pub(super) fn booth(scalar: &Limbs, width: usize, index: usize) -> Digit {
    let start = width * index;
    // width + 1 bits from bit start-1 on; bit -1 is zero.
    let bits = if start == 0 { scalar[0] << 1 } else { from_bit(scalar, start - 1) };
    let bits = bits & ((1 << (width + 1)) - 1);
    let top = bits >> width;
    let negative = 0_u64.wrapping_sub(top);
    let positive = (bits + 1) >> 1;
    let opposite = (1 << width) - positive;
    let magnitude = positive ^ (negative & (positive ^ opposite));
    // A window of ones with a one below is -2^width + 2^width: zero.
    let nonzero = 0_u64.wrapping_sub((magnitude | magnitude.wrapping_neg()) >> 63);
    Digit { magnitude, negative: negative & nonzero }
}

/// At least 64 - 63 bits from that bit on; enough for windows, which are read with the next limb's bits joined.
#[inline(always)]
fn from_bit(scalar: &Limbs, bit: usize) -> u64 {
    let (limb, shift) = (bit / 64, bit % 64);
    let low = if limb < 4 { scalar[limb] >> shift } else { 0 };
    let high = if limb < 3 && shift > 0 { scalar[limb + 1] << (64 - shift) } else { 0 };
    low | high
}

/// The sparse signed form of a public scalar, least significant first: digits are odd or zero, below 2^(width-1) in magnitude,
/// and after each nonzero one at least `width - 1` zeros follow. Variable time.
pub(super) fn sparse(scalar: &Limbs, width: usize) -> [i8; 257] {
    let mut digits = [0; 257];
    let (mut bit, mut carry) = (0, 0);
    while bit < 257 {
        if (from_bit(scalar, bit) & 1) == carry {
            bit += 1;
            continue;
        }
        let window = (from_bit(scalar, bit) & ((1 << width) - 1)) + carry;
        carry = (window >> (width - 1)) & 1;
        let magnitude = i16::try_from(window).unwrap_or_default() - (i16::from(carry == 1) << width);
        digits[bit] = i8::try_from(magnitude).unwrap_or_default();
        bit += width;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{self, Draws};
    use super::super::scalar::{N, Scalar};
    use super::*;

    /// The scalar that signed digits at these bit positions stand for.
    fn value(digits: impl Iterator<Item = (usize, i64)>) -> Scalar {
        let digits: Vec<_> = digits.collect();
        let mut sum = Scalar::ZERO;
        for bit in (0..=260).rev() {
            sum = sum.add(&sum);
            for (_, digit) in digits.iter().filter(|(position, _)| *position == bit) {
                let magnitude = Scalar::reduce(&[digit.unsigned_abs(), 0, 0, 0]);
                sum = if *digit < 0 { sum.sub(&magnitude) } else { sum.add(&magnitude) };
            }
        }
        sum
    }

    #[test]
    fn digits_stand_for_their_scalar() {
        let mut draws = Draws::new(b"windows");
        let drawn: Vec<Limbs> = (0..50).map(|_| draws.below(&N)).collect();
        for limbs in oracle::edges(&N).into_iter().chain(drawn) {
            for width in [5, 6, 9] {
                let digit = |index| {
                    let Digit { magnitude, negative } = booth(&limbs, width, index);
                    let magnitude = i64::try_from(magnitude).unwrap();
                    assert!(magnitude <= 1 << (width - 1) && (negative == 0 || negative == u64::MAX && magnitude > 0));
                    (width * index, if negative == 0 { magnitude } else { -magnitude })
                };
                assert_eq!(value((0..count(width)).map(digit)), Scalar::reduce(&limbs), "{limbs:x?} {width}");
            }
            let sparse = sparse(&limbs, 5);
            assert!(sparse.iter().all(|digit| *digit == 0 || digit % 2 != 0 && digit.unsigned_abs() < 16));
            assert!(sparse.windows(5).all(|run| run.iter().filter(|digit| **digit != 0).count() <= 1));
            assert_eq!(value(sparse.iter().map(|digit| i64::from(*digit)).enumerate()), Scalar::reduce(&limbs));
        }
    }
}
