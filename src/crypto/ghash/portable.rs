//! GHASH by integer multiplication of numbers with holes: constant time where the processor multiplies in constant time.
//!
//! A carry-less product is the integer product whose carries are caught. Of each factor every fourth bit is kept, so
//! up to fifteen ones add up without reaching the next kept bit; the carries land in the holes and are masked away.

/// The bits that stay, one in four.
const MASKS: [u64; 4] = [0x1111_1111_1111_1111, 0x2222_2222_2222_2222, 0x4444_4444_4444_4444, 0x8888_8888_8888_8888];

/// The lower 64 bits of the carry-less product. The sixteenth one of a column falls out above the 64th bit.
#[inline(always)]
fn multiply_low(x: u64, y: u64) -> u64 {
    let [x0, x1, x2, x3] = MASKS.map(|mask| x & mask);
    let [y0, y1, y2, y3] = MASKS.map(|mask| y & mask);
    let m = u64::wrapping_mul;
    let [k0, k1, k2, k3] = MASKS;
    ((m(x0, y0) ^ m(x1, y3) ^ m(x2, y2) ^ m(x3, y1)) & k0)
        | ((m(x0, y1) ^ m(x1, y0) ^ m(x2, y3) ^ m(x3, y2)) & k1)
        | ((m(x0, y2) ^ m(x1, y1) ^ m(x2, y0) ^ m(x3, y3)) & k2)
        | ((m(x0, y3) ^ m(x1, y2) ^ m(x2, y1) ^ m(x3, y0)) & k3)
}

/// The 127 bits of the carry-less product, upper and lower half: the upper one is the lower one of the mirror image.
#[inline(always)]
fn multiply(x: u64, y: u64) -> (u64, u64) {
    (multiply_low(x.reverse_bits(), y.reverse_bits()).reverse_bits() >> 1, multiply_low(x, y))
}

/// Upper and lower half.
#[inline(always)]
fn halves(x: u128) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = x.to_be_bytes();
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p]))
}

/// x·y·z⁻¹²⁸ modulo z¹²⁸+z¹²⁷+z¹²⁶+z¹²¹+1 (the product of POLYVAL, RFC 8452 section 3).
pub(super) fn dot(x: u128, y: u128) -> u128 {
    let ((x1, x0), (y1, y0)) = (halves(x), halves(y));
    let (high1, high0) = multiply(x1, y1);
    let (low1, low0) = multiply(x0, y0);
    let (cross1, cross0) = multiply(x0 ^ x1, y0 ^ y1);
    let product = [low0, low1 ^ cross0 ^ low0 ^ high0, high0 ^ cross1 ^ low1 ^ high1, high1];
    reduce(product)
}

/// Divides by z¹²⁸: the polynomial is z¹²¹·(z⁷+z⁶+z⁵+1)+1, so adding its multiples clears the lower words.
#[inline(always)]
fn reduce([v0, v1, v2, v3]: [u64; 4]) -> u128 {
    let fold_low = |v: u64| (v << 63) ^ (v << 62) ^ (v << 57);
    let fold_high = |v: u64| v ^ (v >> 1) ^ (v >> 2) ^ (v >> 7);
    let v1 = v1 ^ fold_low(v0);
    let v2 = v2 ^ fold_high(v0) ^ fold_low(v1);
    let v3 = v3 ^ fold_high(v1);
    (u128::from(v3) << 64) | u128::from(v2)
}

/// Absorbs whole blocks.
pub(super) fn absorb(key: u128, state: u128, blocks: &[[u8; 16]]) -> u128 {
    blocks.iter().fold(state, |state, block| dot(state ^ u128::from_be_bytes(*block), key))
}
