//! Numbers of 256 bits in four 64-bit limbs, least significant first: carries, masks, addition modulo a number below 2^256.
//!
//! Nothing here branches on the numbers or indexes by them.

use zeroize::Zeroize;

/// Four limbs, least significant first.
pub(super) type Limbs = [u64; 4];

/// Chains of carries; the processor's own where we know how, else the portable one.
pub(super) trait Carry {
    /// `a + b + carry`: the low 64 bits and the new carry (0 or 1).
    fn add(carry: u8, a: u64, b: u64) -> (u64, u8);
    /// `a - b - borrow`: the low 64 bits and the new borrow (0 or 1).
    fn sub(borrow: u8, a: u64, b: u64) -> (u64, u8);
}

/// Carries in plain Rust; the reference for every other way.
#[cfg(any(test, not(target_arch = "x86_64"), yinxin_portable))]
pub(super) struct Portable;

#[cfg(any(test, not(target_arch = "x86_64"), yinxin_portable))]
impl Carry for Portable {
    #[inline(always)]
    fn add(carry: u8, a: u64, b: u64) -> (u64, u8) {
        let (sum, carry) = a.carrying_add(b, carry != 0);
        (sum, u8::from(carry))
    }

    #[inline(always)]
    fn sub(borrow: u8, a: u64, b: u64) -> (u64, u8) {
        let (difference, borrow) = a.borrowing_sub(b, borrow != 0);
        (difference, u8::from(borrow))
    }
}

/// What this machine uses.
#[cfg(all(target_arch = "x86_64", not(yinxin_portable)))]
pub(super) use super::x86_64::Native;
/// What this machine uses.
#[cfg(any(not(target_arch = "x86_64"), yinxin_portable))]
pub(super) use Portable as Native;

/// All ones for a carry of 1, zero for 0.
#[inline(always)]
pub(super) fn mask_of_carry(carry: u8) -> u64 {
    0_u64.wrapping_sub(u64::from(carry))
}

/// All ones if `a == b`, else zero. The barrier keeps the compiler from turning later uses into branches.
#[inline(always)]
pub(super) fn mask_equal(a: u64, b: u64) -> u64 {
    mask_zero(a ^ b)
}

/// All ones if `a == 0`, else zero.
#[inline(always)]
pub(super) fn mask_zero(a: u64) -> u64 {
    let nonzero = (a | a.wrapping_neg()) >> 63;
    core::hint::black_box(nonzero).wrapping_sub(1)
}

/// `a` where the mask is all ones, `b` where it is zero.
#[inline(always)]
pub(super) fn select(mask: u64, a: &Limbs, b: &Limbs) -> Limbs {
    let [a0, a1, a2, a3] = *a;
    let [b0, b1, b2, b3] = *b;
    let one = |a: u64, b: u64| b ^ (mask & (a ^ b));
    [one(a0, b0), one(a1, b1), one(a2, b2), one(a3, b3)]
}

/// All ones if all limbs are zero.
#[inline(always)]
pub(super) fn mask_is_zero(a: &Limbs) -> u64 {
    let [a0, a1, a2, a3] = *a;
    mask_zero(a0 | a1 | a2 | a3)
}

/// `a - b` and the borrow.
#[inline(always)]
pub(super) fn sub<C: Carry>(a: &Limbs, b: &Limbs) -> (Limbs, u8) {
    let (r0, c) = C::sub(0, a[0], b[0]);
    let (r1, c) = C::sub(c, a[1], b[1]);
    let (r2, c) = C::sub(c, a[2], b[2]);
    let (r3, c) = C::sub(c, a[3], b[3]);
    ([r0, r1, r2, r3], c)
}

/// `a + b` and the carry.
#[inline(always)]
pub(super) fn add<C: Carry>(a: &Limbs, b: &Limbs) -> (Limbs, u8) {
    let (r0, c) = C::add(0, a[0], b[0]);
    let (r1, c) = C::add(c, a[1], b[1]);
    let (r2, c) = C::add(c, a[2], b[2]);
    let (r3, c) = C::add(c, a[3], b[3]);
    ([r0, r1, r2, r3], c)
}

/// `a + top·2^256 - m` if that is not negative, else `a`. For `top` of 0 or 1 and a value below `2m`.
#[inline(always)]
pub(super) fn reduce_once<C: Carry>(a: &Limbs, top: u8, m: &Limbs) -> Limbs {
    let (reduced, borrow) = sub::<C>(a, m);
    let (_, borrow) = C::sub(borrow, u64::from(top), 0);
    select(mask_of_carry(borrow), a, &reduced)
}

/// `a + b mod m`, for `a` and `b` below `m`.
#[inline(always)]
pub(super) fn add_mod<C: Carry>(a: &Limbs, b: &Limbs, m: &Limbs) -> Limbs {
    let (sum, carry) = add::<C>(a, b);
    reduce_once::<C>(&sum, carry, m)
}

/// `a - b mod m`, for `a` and `b` below `m`.
#[inline(always)]
pub(super) fn sub_mod<C: Carry>(a: &Limbs, b: &Limbs, m: &Limbs) -> Limbs {
    let (difference, borrow) = sub::<C>(a, b);
    let mask = mask_of_carry(borrow);
    let back = [m[0] & mask, m[1] & mask, m[2] & mask, m[3] & mask];
    add::<C>(&difference, &back).0
}

/// Whether `a < m`, as a mask.
#[inline(always)]
pub(super) fn mask_less(a: &Limbs, m: &Limbs) -> u64 {
    let (_, borrow) = sub::<Native>(a, m);
    core::hint::black_box(mask_of_carry(borrow))
}

/// The product of two limbs: low, high.
#[inline(always)]
pub(super) fn wide(a: u64, b: u64) -> (u64, u64) {
    a.carrying_mul(b, 0)
}

/// `a·b`, five limbs.
#[inline(always)]
pub(super) fn row<C: Carry>(a: &Limbs, b: u64) -> [u64; 5] {
    let (l0, h0) = wide(a[0], b);
    let (l1, h1) = wide(a[1], b);
    let (l2, h2) = wide(a[2], b);
    let (l3, h3) = wide(a[3], b);
    let (t1, c) = C::add(0, l1, h0);
    let (t2, c) = C::add(c, l2, h1);
    let (t3, c) = C::add(c, l3, h2);
    let (t4, _) = C::add(c, h3, 0);
    [l0, t1, t2, t3, t4]
}

/// `t + a·b`, five limbs; the caller knows that the sum is below 2^320.
#[inline(always)]
pub(super) fn add_row<C: Carry>(t: &[u64; 5], a: &Limbs, b: u64) -> [u64; 5] {
    let (l0, h0) = wide(a[0], b);
    let (l1, h1) = wide(a[1], b);
    let (l2, h2) = wide(a[2], b);
    let (l3, h3) = wide(a[3], b);
    let (t0, c) = C::add(0, t[0], l0);
    let (t1, c) = C::add(c, t[1], l1);
    let (t2, c) = C::add(c, t[2], l2);
    let (t3, c) = C::add(c, t[3], l3);
    let (t4, _) = C::add(c, t[4], 0);
    let (t1, c) = C::add(0, t1, h0);
    let (t2, c) = C::add(c, t2, h1);
    let (t3, c) = C::add(c, t3, h2);
    let (t4, _) = C::add(c, t4, h3);
    [t0, t1, t2, t3, t4]
}

/// The square, eight limbs: each mixed product once, doubled.
#[inline(always)]
pub(super) fn square_wide<C: Carry>(a: &Limbs) -> [u64; 8] {
    let (l01, h01) = wide(a[0], a[1]);
    let (l02, h02) = wide(a[0], a[2]);
    let (l03, h03) = wide(a[0], a[3]);
    let (l12, h12) = wide(a[1], a[2]);
    let (l13, h13) = wide(a[1], a[3]);
    let (l23, h23) = wide(a[2], a[3]);
    let t1 = l01;
    let (t2, c) = C::add(0, h01, l02);
    let (t3, c) = C::add(c, h02, l03);
    let (t4, c) = C::add(c, h03, l13);
    let (t5, c) = C::add(c, h13, l23);
    let (t6, _) = C::add(c, h23, 0);
    let (t3, c) = C::add(0, t3, l12);
    let (t4, c) = C::add(c, t4, h12);
    let (t5, c) = C::add(c, t5, 0);
    let (t6, _) = C::add(c, t6, 0);
    let (t1, c) = C::add(0, t1, t1);
    let (t2, c) = C::add(c, t2, t2);
    let (t3, c) = C::add(c, t3, t3);
    let (t4, c) = C::add(c, t4, t4);
    let (t5, c) = C::add(c, t5, t5);
    let (t6, c) = C::add(c, t6, t6);
    let (t7, _) = C::add(c, 0, 0);
    let (l0, h0) = wide(a[0], a[0]);
    let (l1, h1) = wide(a[1], a[1]);
    let (l2, h2) = wide(a[2], a[2]);
    let (l3, h3) = wide(a[3], a[3]);
    let (t1, c) = C::add(0, t1, h0);
    let (t2, c) = C::add(c, t2, l1);
    let (t3, c) = C::add(c, t3, h1);
    let (t4, c) = C::add(c, t4, l2);
    let (t5, c) = C::add(c, t5, h2);
    let (t6, c) = C::add(c, t6, l3);
    let (t7, _) = C::add(c, t7, h3);
    [l0, t1, t2, t3, t4, t5, t6, t7]
}

/// Reads 32 bytes, big-endian.
#[inline]
pub(super) fn from_be_bytes(bytes: &[u8; 32]) -> Limbs {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        *limb = u64::from_be_bytes(word);
        word.zeroize();
    }
    limbs
}

/// 32 bytes, big-endian.
#[inline]
pub(super) fn to_be_bytes(limbs: &Limbs) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(limbs.iter().rev()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}
