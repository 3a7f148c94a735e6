//! The field of the curve: numbers modulo p = 2^256 - 2^224 - 2^96 + 2^64 - 1 (GB/T 32918.5), in Montgomery form.
//!
//! Every value is below p, so equal numbers have equal limbs. All operations take constant time.

use zeroize::Zeroize;

use super::limbs::{self, Carry, Limbs, Native};
#[cfg(all(target_arch = "x86_64", not(yinxin_portable)))]
use super::x86_64 as machine;

/// The products of a machine that we know nothing about.
#[cfg(any(not(target_arch = "x86_64"), yinxin_portable))]
mod machine {
    use super::{Limbs, Native};

    pub(super) fn multiply(a: &Limbs, b: &Limbs) -> Limbs {
        super::multiply::<Native>(a, b)
    }

    pub(super) fn square(a: &Limbs) -> Limbs {
        super::square::<Native>(a)
    }
}

/// p.
pub(super) const P: Limbs =
    [0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_ffff];
/// 2^512 mod p, which brings a number into Montgomery form.
const R2: Limbs = [0x0000_0002_0000_0003, 0x0000_0002_ffff_ffff, 0x0000_0001_0000_0001, 0x0000_0004_0000_0002];

/// A number modulo p; `a` is kept as `a·2^256 mod p`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct FieldElement(Limbs);

impl Zeroize for FieldElement {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// One step of the reduction: `(t + t0·p) / 2^64`.
///
/// p = -1 mod 2^64, so the multiple of p that clears the lowest limb is `t0` itself, and
/// `(t0·p + t0) / 2^64 = t0·(2^192 - 2^160 - 2^32 + 1)`: two limbs and two shifts, no multiplication.
/// The difference is never negative: `t0·2^192 >= t0·2^160` and `t0 - ...` borrows from it at most once.
#[inline(always)]
fn step<C: Carry>(t: &[u64; 5]) -> [u64; 5] {
    let (low, high) = (t[0] << 32, t[0] >> 32);
    let (s0, b) = C::sub(0, t[0], low);
    let (s1, b) = C::sub(b, 0, high);
    let (s2, b) = C::sub(b, 0, low);
    let (s3, _) = C::sub(b, t[0], high);
    let (r0, c) = C::add(0, t[1], s0);
    let (r1, c) = C::add(c, t[2], s1);
    let (r2, c) = C::add(c, t[3], s2);
    let (r3, c) = C::add(c, t[4], s3);
    [r0, r1, r2, r3, u64::from(c)]
}

/// One step on four limbs: the value `t + t0·(…)` stays below 2^256, because `t / 2^64 < 2^192`
/// and `t0·(2^192 - 2^160 - 2^32 + 1) < 2^256 - 2^224`.
#[inline(always)]
fn step_low<C: Carry>(t: &Limbs) -> Limbs {
    let (low, high) = (t[0] << 32, t[0] >> 32);
    let (s0, b) = C::sub(0, t[0], low);
    let (s1, b) = C::sub(b, 0, high);
    let (s2, b) = C::sub(b, 0, low);
    let (s3, _) = C::sub(b, t[0], high);
    let (r0, c) = C::add(0, t[1], s0);
    let (r1, c) = C::add(c, t[2], s1);
    let (r2, c) = C::add(c, t[3], s2);
    let (r3, _) = C::add(c, s3, 0);
    [r0, r1, r2, r3]
}

/// `a·b / 2^256 mod p`, for `a` and `b` below p.
///
/// After each row the sum is at most 2p: `(2p + p·(2^64 - 1) + (2^64 - 1)·p) / 2^64 <= 2p`; a row more stays below 2^320,
/// since `2p + p·(2^64 - 1) < 2^320`. So five limbs hold everything and one subtraction ends it.
#[inline(always)]
pub(super) fn multiply<C: Carry>(a: &Limbs, b: &Limbs) -> Limbs {
    let t = step::<C>(&limbs::row::<C>(a, b[0]));
    let t = step::<C>(&limbs::add_row::<C>(&t, a, b[1]));
    let t = step::<C>(&limbs::add_row::<C>(&t, a, b[2]));
    let [t0, t1, t2, t3, t4] = step::<C>(&limbs::add_row::<C>(&t, a, b[3]));
    finish::<C>(&[t0, t1, t2, t3], t4)
}

/// The last subtraction; `top` is 0 or 1.
#[inline(always)]
fn finish<C: Carry>(t: &Limbs, top: u64) -> Limbs {
    let (reduced, borrow) = limbs::sub::<C>(t, &P);
    let (_, borrow) = C::sub(borrow, top, 0);
    limbs::select(limbs::mask_of_carry(borrow), t, &reduced)
}

/// The Montgomery reduction of eight limbs whose value is below p·2^256: `t / 2^256 mod p`.
#[inline(always)]
fn reduce<C: Carry>(t: &[u64; 8]) -> Limbs {
    let low = step_low::<C>(&[t[0], t[1], t[2], t[3]]);
    let low = step_low::<C>(&low);
    let low = step_low::<C>(&low);
    let low = step_low::<C>(&low);
    let (sum, carry) = limbs::add::<C>(&low, &[t[4], t[5], t[6], t[7]]);
    finish::<C>(&sum, u64::from(carry))
}

/// `a² / 2^256 mod p`, for `a` below p.
#[inline(always)]
pub(super) fn square<C: Carry>(a: &Limbs) -> Limbs {
    reduce::<C>(&limbs::square_wide::<C>(a))
}

impl FieldElement {
    /// 0.
    pub(super) const ZERO: Self = Self([0; 4]);
    /// 1: 2^256 mod p.
    pub(super) const ONE: Self = Self([1, 0xffff_ffff, 0, 0x0000_0001_0000_0000]);
    /// The coefficient b of the curve (GB/T 32918.5).
    pub(super) const B: Self =
        Self([0x90d2_3063_2bc0_dd42, 0x71cf_379a_e9b5_37ab, 0x5279_8150_5ea5_1c3c, 0x240f_e188_ba20_e2c8]);
    /// The abscissa of the base point G (GB/T 32918.5).
    pub(super) const GX: Self =
        Self([0x6132_8990_f418_029e, 0x3e79_81ed_dca6_c050, 0xd6a1_ed99_ac24_c3c3, 0x9116_7a5e_e1c1_3b05]);
    /// The ordinate of the base point G (GB/T 32918.5).
    pub(super) const GY: Self =
        Self([0xc135_4e59_3c2d_0ddd, 0xc1f5_e578_8d32_95fa, 0x8d4c_fb06_6e2a_48f8, 0x63cd_65d4_81d7_35bd]);

    /// Reads 32 bytes, big-endian; none if p or more. Public values only: the answer is a branch.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        Self::from_canonical(&limbs::from_be_bytes(bytes))
    }

    /// From an ordinary number; none if p or more.
    pub(super) fn from_canonical(value: &Limbs) -> Option<Self> {
        (limbs::mask_less(value, &P) != 0).then(|| Self(multiply::<Native>(value, &R2)))
    }

    /// The ordinary number.
    pub(super) fn to_canonical(self) -> Limbs {
        let [t0, t1, t2, t3] = self.0;
        reduce::<Native>(&[t0, t1, t2, t3, 0, 0, 0, 0])
    }

    /// 32 bytes, big-endian.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        limbs::to_be_bytes(&self.to_canonical())
    }

    /// The limbs of the Montgomery form, for tables.
    #[inline(always)]
    pub(super) fn montgomery(&self) -> &Limbs {
        &self.0
    }

    /// From limbs of the Montgomery form that a table holds.
    #[inline(always)]
    pub(super) fn from_montgomery(limbs: Limbs) -> Self {
        Self(limbs)
    }

    #[inline(always)]
    pub(super) fn add(&self, other: &Self) -> Self {
        Self(limbs::add_mod::<Native>(&self.0, &other.0, &P))
    }

    #[inline(always)]
    pub(super) fn double(&self) -> Self {
        self.add(self)
    }

    /// Half: adds p to an odd value, then shifts.
    #[inline(always)]
    pub(super) fn halve(&self) -> Self {
        let odd = 0_u64.wrapping_sub(self.0[0] & 1);
        let (sum, carry) = limbs::add::<Native>(&self.0, &[P[0] & odd, P[1] & odd, P[2] & odd, P[3] & odd]);
        let [s0, s1, s2, s3] = sum;
        Self([s0 >> 1 | s1 << 63, s1 >> 1 | s2 << 63, s2 >> 1 | s3 << 63, s3 >> 1 | u64::from(carry) << 63])
    }

    #[inline(always)]
    pub(super) fn sub(&self, other: &Self) -> Self {
        Self(limbs::sub_mod::<Native>(&self.0, &other.0, &P))
    }

    #[inline(always)]
    pub(super) fn negate(&self) -> Self {
        Self::ZERO.sub(self)
    }

    #[inline(always)]
    pub(super) fn multiply(&self, other: &Self) -> Self {
        Self(machine::multiply(&self.0, &other.0))
    }

    #[inline(always)]
    pub(super) fn square(&self) -> Self {
        Self(machine::square(&self.0))
    }

    /// Squared that many times; the count is public.
    fn squares(self, times: u32) -> Self {
        // One place in memory: a copy by wider moves would wait for the narrower stores before it.
        let mut value = self;
        for _ in 0..times {
            let [a, b, c, d] = machine::square(&value.0);
            value.0[0] = a;
            value.0[1] = b;
            value.0[2] = c;
            value.0[3] = d;
        }
        value
    }

    /// All ones if zero.
    #[inline(always)]
    pub(super) fn mask_is_zero(&self) -> u64 {
        limbs::mask_is_zero(&self.0)
    }

    /// Whether zero; a branch, so for public values only.
    #[inline(always)]
    pub(super) fn is_zero(&self) -> bool {
        self.0[0] == 0 && self.0[1] | self.0[2] | self.0[3] == 0
    }

    /// `a` where the mask is all ones, else `b`.
    #[inline(always)]
    pub(super) fn select(mask: u64, a: &Self, b: &Self) -> Self {
        Self(limbs::select(mask, &a.0, &b.0))
    }

    /// `a^(2^n - 1)` for n = 30, 31 and 32, on which both long powers stand.
    fn runs(self) -> (Self, Self, Self) {
        let x2 = self.squares(1).multiply(&self);
        let x3 = x2.squares(1).multiply(&self);
        let x6 = x3.squares(3).multiply(&x3);
        let x12 = x6.squares(6).multiply(&x6);
        let x15 = x12.squares(3).multiply(&x3);
        let x30 = x15.squares(15).multiply(&x15);
        let x31 = x30.squares(1).multiply(&self);
        let x32 = x31.squares(1).multiply(&self);
        (x30, x31, x32)
    }

    /// The inverse by Fermat, `a^(p-2)`; zero gives zero. A fixed chain: constant time.
    ///
    /// In bits, p-2 is 31 ones, a zero, 128 ones, 32 zeros, 62 ones, 01.
    pub(super) fn invert(&self) -> Self {
        let (x30, x31, x32) = self.runs();
        let mut power = x31.squares(33).multiply(&x32);
        for _ in 0..3 {
            power = power.squares(32).multiply(&x32);
        }
        power.squares(64).multiply(&x32).squares(30).multiply(&x30).squares(2).multiply(self)
    }

    /// A square root, if there is one (p = 3 mod 4: `a^((p+1)/4)`, GB/T 32918.1 B.1.4). The answer is a branch: public values only.
    ///
    /// In bits, (p+1)/4 is 31 ones, a zero, 128 ones, 31 zeros, a one, 62 zeros.
    pub(super) fn square_root(&self) -> Option<Self> {
        let (_, x31, x32) = self.runs();
        let mut power = x31.squares(33).multiply(&x32);
        for _ in 0..3 {
            power = power.squares(32).multiply(&x32);
        }
        let root = power.squares(32).multiply(self).squares(62);
        (root.square() == *self).then_some(root)
    }

    /// Whether the number is odd, for compressed points; public values only.
    pub(super) fn is_odd(self) -> bool {
        self.to_canonical()[0] & 1 == 1
    }
}

/// Inverts all, none of which may be zero, with one inversion and three multiplications each.
pub(super) fn invert_all(values: &mut [FieldElement]) {
    // Forward: the product of all before each. Backward: peel one off at a time.
    let mut products = zeroize::Zeroizing::new(Vec::with_capacity(values.len()));
    let mut product = FieldElement::ONE;
    for value in values.iter() {
        products.push(product);
        product = product.multiply(value);
    }
    let mut inverse = product.invert();
    for (value, before) in values.iter_mut().zip(products.iter()).rev() {
        let own = inverse.multiply(before);
        inverse = inverse.multiply(value);
        *value = own;
    }
    inverse.zeroize();
    product.zeroize();
}

#[cfg(test)]
mod tests {
    use super::super::limbs::Portable;
    use super::super::oracle::{self, Draws};
    use super::*;
    use fiat_crypto::sm2_64 as fiat;

    type Theirs = fiat::fiat_sm2_montgomery_domain_field_element;

    fn theirs(limbs: Limbs) -> Theirs {
        fiat::fiat_sm2_montgomery_domain_field_element(limbs)
    }

    fn by(operation: impl FnOnce(&mut Theirs)) -> Limbs {
        let mut out = theirs([0; 4]);
        operation(&mut out);
        out.0
    }

    fn compare(a: &Limbs, b: &Limbs) {
        let (x, y) = (theirs(*a), theirs(*b));
        let (ours_a, ours_b) = (FieldElement(*a), FieldElement(*b));
        let product = by(|out| fiat::fiat_sm2_mul(out, &x, &y));
        let squared = by(|out| fiat::fiat_sm2_square(out, &x));
        // The way of this machine, the same in plain Rust, and with portable carries.
        for found in [ours_a.multiply(&ours_b).0, multiply::<Native>(a, b), multiply::<Portable>(a, b)] {
            assert_eq!(found, product, "{a:x?} * {b:x?}");
        }
        for found in [ours_a.square().0, square::<Native>(a), square::<Portable>(a)] {
            assert_eq!(found, squared, "{a:x?} squared");
        }
        let sum = by(|out| fiat::fiat_sm2_add(out, &x, &y));
        assert_eq!((ours_a.add(&ours_b).0, limbs::add_mod::<Portable>(a, b, &P)), (sum, sum), "{a:x?} + {b:x?}");
        let difference = by(|out| fiat::fiat_sm2_sub(out, &x, &y));
        assert_eq!(
            (ours_a.sub(&ours_b).0, limbs::sub_mod::<Portable>(a, b, &P)),
            (difference, difference),
            "{a:x?} - {b:x?}"
        );
        assert_eq!(ours_a.negate().0, by(|out| fiat::fiat_sm2_opp(out, &x)), "-{a:x?}");
        assert_eq!(ours_a.halve().double(), ours_a, "{a:x?} / 2");
        let mut ordinary = fiat::fiat_sm2_non_montgomery_domain_field_element([0; 4]);
        fiat::fiat_sm2_from_montgomery(&mut ordinary, &x);
        assert_eq!(ours_a.to_canonical(), ordinary.0, "{a:x?} ordinary");
        assert_eq!(FieldElement::from_canonical(&ordinary.0), Some(ours_a));
    }

    #[test]
    fn equals_fiat_crypto() {
        let edges = oracle::edges(&P);
        for a in &edges {
            for b in &edges {
                compare(a, b);
            }
        }
        let mut draws = Draws::new(b"field");
        for _ in 0..oracle::count(std::env::var("YINXIN_DIFFERENTIAL_FIELD").ok()) {
            compare(&draws.below(&P), &draws.below(&P));
        }
    }

    #[test]
    fn inverses_and_roots() {
        let mut draws = Draws::new(b"inverses");
        let drawn: Vec<Limbs> = (0..oracle::count(std::env::var("YINXIN_DIFFERENTIAL_FIELD").ok()) / 200)
            .map(|_| draws.below(&P))
            .collect();
        let mut values = Vec::new();
        for limbs in oracle::edges(&P).into_iter().chain(drawn) {
            let value = FieldElement(limbs);
            let expected = if value.is_zero() { FieldElement::ZERO } else { FieldElement::ONE };
            assert_eq!(value.invert().multiply(&value), expected, "{limbs:x?}");
            let root = value.square().square_root().unwrap();
            assert!(root == value || root == value.negate(), "{limbs:x?}");
            // -1 is no square, as p = 3 mod 4.
            assert!(value.is_zero() || value.square().negate().square_root().is_none(), "{limbs:x?}");
            if !value.is_zero() {
                values.push(value);
            }
        }
        let mut inverses = values.clone();
        invert_all(&mut inverses);
        assert!(values.iter().zip(&inverses).all(|(value, inverse)| *inverse == value.invert()));
    }

    #[test]
    fn numbers_from_p_on_are_refused() {
        let [p0, p1, p2, p3] = P;
        assert!(FieldElement::from_canonical(&P).is_none());
        assert!(FieldElement::from_canonical(&[p0 - 1, p1, p2, p3]).is_some());
        assert!(FieldElement::from_bytes(&[0xff; 32]).is_none());
        assert_eq!(FieldElement::from_canonical(&[1, 0, 0, 0]), Some(FieldElement::ONE));
    }
}
