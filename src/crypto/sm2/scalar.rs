//! Numbers modulo n, the order of the base point (GB/T 32918.5), as ordinary numbers; products go through Montgomery's reduction.
//!
//! Every value is below n. All operations take constant time, except those that say otherwise.

use zeroize::Zeroize;

use super::limbs::{self, Carry, Limbs, Native};

/// n.
pub(super) const N: Limbs =
    [0x53bb_f409_39d5_4123, 0x7203_df6b_21c6_052b, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_ffff];
/// 2^512 mod n.
const R2: Limbs = [0x9011_92af_7c11_4f20, 0x3464_504a_de6f_a2fa, 0x620f_c84c_3aff_e0d4, 0x1eb5_e412_a22b_3d3b];
/// -1/n mod 2^64.
const NEGATIVE_INVERSE: u64 = 0x327f_9e88_7235_0975;
/// The low half of n-2, which the chain of [`Scalar::invert`] walks by nibbles; the high half is 31 ones, a zero, 96 ones.
const INVERSE_EXPONENT_LOW: u128 = 0x7203_df6b_21c6_052b_53bb_f409_39d5_4121;

/// A number modulo n.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Scalar(Limbs);

impl Zeroize for Scalar {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// One step of the reduction: `(t + m·n) / 2^64`, where m clears the lowest limb.
#[inline(always)]
fn step<C: Carry>(t: &[u64; 6]) -> [u64; 5] {
    let m = t[0].wrapping_mul(NEGATIVE_INVERSE);
    let [t0, t1, t2, t3, t4, t5] = *t;
    let product = limbs::row::<C>(&N, m);
    let (_, c) = C::add(0, t0, product[0]);
    let (r0, c) = C::add(c, t1, product[1]);
    let (r1, c) = C::add(c, t2, product[2]);
    let (r2, c) = C::add(c, t3, product[3]);
    let (r3, c) = C::add(c, t4, product[4]);
    let (r4, _) = C::add(c, t5, 0);
    [r0, r1, r2, r3, r4]
}

/// `t + a·b`, six limbs.
#[inline(always)]
fn add_row<C: Carry>(t: &[u64; 5], a: &Limbs, b: u64) -> [u64; 6] {
    let product = limbs::row::<C>(a, b);
    let (t0, c) = C::add(0, t[0], product[0]);
    let (t1, c) = C::add(c, t[1], product[1]);
    let (t2, c) = C::add(c, t[2], product[2]);
    let (t3, c) = C::add(c, t[3], product[3]);
    let (t4, c) = C::add(c, t[4], product[4]);
    [t0, t1, t2, t3, t4, u64::from(c)]
}

/// `a·b / 2^256 mod n`, for any `a` below 2^256 and `b` below n.
///
/// The result before the last subtraction is below `(2^256·n + 2^256·n) / 2^256 = 2n`.
#[inline(always)]
pub(super) fn multiply<C: Carry>(a: &Limbs, b: &Limbs) -> Limbs {
    let t = step::<C>(&add_row::<C>(&[0; 5], a, b[0]));
    let t = step::<C>(&add_row::<C>(&t, a, b[1]));
    let t = step::<C>(&add_row::<C>(&t, a, b[2]));
    let [t0, t1, t2, t3, t4] = step::<C>(&add_row::<C>(&t, a, b[3]));
    let (reduced, borrow) = limbs::sub::<C>(&[t0, t1, t2, t3], &N);
    let (_, borrow) = C::sub(borrow, t4, 0);
    limbs::select(limbs::mask_of_carry(borrow), &[t0, t1, t2, t3], &reduced)
}

impl Scalar {
    /// 0.
    #[cfg(test)]
    pub(super) const ZERO: Self = Self([0; 4]);
    /// 1.
    pub(super) const ONE: Self = Self([1, 0, 0, 0]);

    /// Reads 32 bytes, big-endian; the mask is all ones if the number is below n, and the number is only then to be used.
    pub(super) fn from_bytes(bytes: &[u8; 32]) -> (Self, u64) {
        let value = limbs::from_be_bytes(bytes);
        (Self(value), limbs::mask_less(&value, &N))
    }

    /// From an ordinary number of any size below 2^256, reduced: one subtraction suffices, as 2^256 < 2n.
    pub(super) fn reduce(value: &Limbs) -> Self {
        Self(limbs::reduce_once::<Native>(value, 0, &N))
    }

    /// Reads 32 bytes, big-endian, reduced.
    pub(super) fn reduce_bytes(bytes: &[u8; 32]) -> Self {
        Self::reduce(&limbs::from_be_bytes(bytes))
    }

    /// `high·2^256 + low`, reduced; the distance from uniform is below 2^-256.
    pub(super) fn reduce_wide(high: &[u8; 32], low: &[u8; 32]) -> Self {
        // high·2^512 / 2^256 = high·2^256.
        let high = Self(multiply::<Native>(&limbs::from_be_bytes(high), &R2));
        high.add(&Self::reduce_bytes(low))
    }

    /// 32 bytes, big-endian.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        limbs::to_be_bytes(&self.0)
    }

    /// The limbs.
    #[inline(always)]
    pub(super) fn limbs(&self) -> &Limbs {
        &self.0
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        Self(limbs::add_mod::<Native>(&self.0, &other.0, &N))
    }

    pub(super) fn sub(&self, other: &Self) -> Self {
        Self(limbs::sub_mod::<Native>(&self.0, &other.0, &N))
    }

    pub(super) fn multiply(&self, other: &Self) -> Self {
        Self(multiply::<Native>(&multiply::<Native>(&self.0, &R2), &other.0))
    }

    /// All ones if zero.
    pub(super) fn mask_is_zero(&self) -> u64 {
        limbs::mask_is_zero(&self.0)
    }

    /// Whether zero; a branch, so for public values only.
    pub(super) fn is_zero(&self) -> bool {
        self.0 == [0; 4]
    }

    /// The inverse by Fermat, `a^(n-2)`; zero gives zero. A fixed chain: constant time.
    pub(super) fn invert(&self) -> Self {
        // Powers in Montgomery form: table[i] = a^i.
        let one = multiply::<Native>(&[1, 0, 0, 0], &R2);
        let own = multiply::<Native>(&self.0, &R2);
        let mut table = zeroize::Zeroizing::new([one; 16]);
        let mut last = one;
        for power in table.iter_mut().skip(1) {
            last = multiply::<Native>(&last, &own);
            *power = last;
        }
        let squares = |value: Limbs, times: u32| (0..times).fold(value, |v, _| multiply::<Native>(&v, &v));
        let join = |a: Limbs, times: u32, b: &Limbs| multiply::<Native>(&squares(a, times), b);
        let x2 = join(own, 1, &own);
        let x4 = join(x2, 2, &x2);
        let x6 = join(x4, 2, &x2);
        let x7 = join(x6, 1, &own);
        let x8 = join(x7, 1, &own);
        let x16 = join(x8, 8, &x8);
        let x24 = join(x16, 8, &x8);
        let x31 = join(x24, 7, &x7);
        let x32 = join(x31, 1, &own);
        let mut power = join(x31, 33, &x32);
        power = join(power, 32, &x32);
        power = join(power, 32, &x32);
        for shift in (0..32_u32).rev() {
            // The exponent is public, so its nibbles may choose the power.
            let nibble = (INVERSE_EXPONENT_LOW >> (4 * shift)) & 15;
            let factor = usize::try_from(nibble).ok().and_then(|n| table.get(n)).unwrap_or(&one);
            power = join(power, 4, factor);
        }
        let result = Self(multiply::<Native>(&power, &[1, 0, 0, 0]));
        last.zeroize();
        power.zeroize();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::super::limbs::Portable;
    use super::super::oracle::{self, Draws};
    use super::*;
    use fiat_crypto::sm2_scalar_64 as fiat;

    type Theirs = fiat::fiat_sm2_scalar_montgomery_domain_field_element;

    fn theirs(limbs: Limbs) -> Theirs {
        fiat::fiat_sm2_scalar_montgomery_domain_field_element(limbs)
    }

    fn by(operation: impl FnOnce(&mut Theirs)) -> Limbs {
        let mut out = theirs([0; 4]);
        operation(&mut out);
        out.0
    }

    fn compare(a: &Limbs, b: &Limbs) {
        let (x, y) = (theirs(*a), theirs(*b));
        let product = by(|out| fiat::fiat_sm2_scalar_mul(out, &x, &y));
        assert_eq!(multiply::<Native>(a, b), product, "{a:x?} * {b:x?}");
        assert_eq!(multiply::<Portable>(a, b), product, "{a:x?} * {b:x?}");
        assert_eq!(Scalar(*a).add(&Scalar(*b)).0, by(|out| fiat::fiat_sm2_scalar_add(out, &x, &y)), "{a:x?} + {b:x?}");
        assert_eq!(Scalar(*a).sub(&Scalar(*b)).0, by(|out| fiat::fiat_sm2_scalar_sub(out, &x, &y)), "{a:x?} - {b:x?}");
        // Ordinary numbers: into Montgomery form and back, by them.
        let ordinary = fiat::fiat_sm2_scalar_non_montgomery_domain_field_element(*a);
        let x = by(|out| fiat::fiat_sm2_scalar_to_montgomery(out, &ordinary));
        let ordinary = fiat::fiat_sm2_scalar_non_montgomery_domain_field_element(*b);
        let y = by(|out| fiat::fiat_sm2_scalar_to_montgomery(out, &ordinary));
        let product = by(|out| fiat::fiat_sm2_scalar_mul(out, &theirs(x), &theirs(y)));
        let mut ordinary = fiat::fiat_sm2_scalar_non_montgomery_domain_field_element([0; 4]);
        fiat::fiat_sm2_scalar_from_montgomery(&mut ordinary, &theirs(product));
        assert_eq!(Scalar(*a).multiply(&Scalar(*b)).0, ordinary.0, "{a:x?} * {b:x?}");
        // high·2^256 + low, where 2^256 = 2^255 + 2^255.
        let half = Scalar([0, 0, 0, 1 << 63]);
        let shifted = Scalar(*a).multiply(&half.add(&half)).add(&Scalar(*b));
        assert_eq!(Scalar::reduce_wide(&limbs::to_be_bytes(a), &limbs::to_be_bytes(b)), shifted);
    }

    #[test]
    fn equals_fiat_crypto() {
        let edges = oracle::edges(&N);
        for a in &edges {
            for b in &edges {
                compare(a, b);
            }
        }
        let mut draws = Draws::new(b"scalar");
        for _ in 0..oracle::count(std::env::var("YINXIN_DIFFERENTIAL_FIELD").ok()) {
            compare(&draws.below(&N), &draws.below(&N));
        }
    }

    #[test]
    fn inverses() {
        let mut draws = Draws::new(b"scalar inverses");
        let drawn: Vec<Limbs> = (0..oracle::count(std::env::var("YINXIN_DIFFERENTIAL_FIELD").ok()) / 200)
            .map(|_| draws.below(&N))
            .collect();
        for limbs in oracle::edges(&N).into_iter().chain(drawn) {
            let value = Scalar(limbs);
            let expected = if value.is_zero() { Scalar::ZERO } else { Scalar::ONE };
            assert_eq!(value.invert().multiply(&value), expected, "{limbs:x?}");
        }
    }

    #[test]
    fn numbers_from_n_on_are_told_apart_and_reduced() {
        assert_eq!(Scalar::from_bytes(&limbs::to_be_bytes(&N)).1, 0);
        let [n0, n1, n2, n3] = N;
        assert_eq!(Scalar::from_bytes(&limbs::to_be_bytes(&[n0 - 1, n1, n2, n3])).1, u64::MAX);
        assert_eq!(Scalar::reduce(&N), Scalar::ZERO);
        assert_eq!(Scalar::reduce(&[n0 + 5, n1, n2, n3]), Scalar([5, 0, 0, 0]));
        // 2^512 - 1 = 2^256·(2^256 - 1) + (2^256 - 1).
        let all = Scalar::reduce(&[u64::MAX; 4]);
        let half = Scalar([0, 0, 0, 1 << 63]);
        assert_eq!(Scalar::reduce_wide(&[0xff; 32], &[0xff; 32]), all.multiply(&half.add(&half)).add(&all));
    }
}
