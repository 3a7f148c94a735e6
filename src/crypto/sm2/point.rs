//! The group of the curve y² = x³ - 3x + b (GB/T 32918.1 and .5): affine and Jacobian points, and what may be added to what.
//!
//! A Jacobian point (X, Y, Z) stands for (X/Z², Y/Z³), or for infinity if Z = 0. The order n of the group is prime and the
//! cofactor 1, so every point of the curve but infinity has order n, and no point has Y = 0 (it would have order 2).

use zeroize::Zeroize;

use super::field::FieldElement;
use crate::crypto::secrecy::declassify;

/// A point that is not infinity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Affine {
    pub(super) x: FieldElement,
    pub(super) y: FieldElement,
}

/// A point in Jacobian coordinates; many triples stand for one point, so there is no `PartialEq`.
#[derive(Clone, Copy)]
pub(super) struct Jacobian {
    pub(super) x: FieldElement,
    pub(super) y: FieldElement,
    pub(super) z: FieldElement,
}

impl Zeroize for Affine {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
    }
}

impl Zeroize for Jacobian {
    fn zeroize(&mut self) {
        self.x.zeroize();
        self.y.zeroize();
        self.z.zeroize();
    }
}

/// x³ - 3x + b.
fn right_side(x: &FieldElement) -> FieldElement {
    let cube = x.square().multiply(x);
    cube.sub(&x.double().add(x)).add(&FieldElement::B)
}

impl Affine {
    /// The base point G (GB/T 32918.5).
    pub(super) const G: Self = Self { x: FieldElement::GX, y: FieldElement::GY };

    /// Whether the point satisfies the equation of the curve.
    pub(super) fn is_on_curve(&self) -> bool {
        self.y.square() == right_side(&self.x)
    }

    /// Reads an uncompressed point, 04‖x‖y; coordinates below p, on the curve (GB/T 32918.1 4.2.9, 6.2.1).
    ///
    /// Infinity has another encoding, and the cofactor is 1, so nothing else need be checked.
    pub(super) fn from_uncompressed(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 65] = bytes.try_into().ok()?;
        let (tag, rest) = bytes.split_first()?;
        let (x, y) = rest.split_first_chunk::<32>()?;
        let y = y.first_chunk::<32>()?;
        let point = Self { x: FieldElement::from_bytes(x)?, y: FieldElement::from_bytes(y)? };
        (*tag == 4 && point.is_on_curve()).then_some(point)
    }

    /// Reads a compressed point, 02‖x or 03‖x; x below p and on the curve (GB/T 32918.1 4.2.9).
    pub(super) fn from_compressed(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 33] = bytes.try_into().ok()?;
        let (tag, rest) = bytes.split_first()?;
        let odd = match tag {
            2 => false,
            3 => true,
            _ => return None,
        };
        let x = FieldElement::from_bytes(rest.first_chunk::<32>()?)?;
        let root = right_side(&x).square_root()?;
        // No point has y = 0, so exactly one of the two roots is odd.
        let y = if root.is_odd() == odd { root } else { root.negate() };
        Some(Self { x, y })
    }

    /// The uncompressed encoding.
    pub(super) fn to_uncompressed(self) -> [u8; 65] {
        let mut bytes = [4; 65];
        let (x, y) = (self.x.to_bytes(), self.y.to_bytes());
        for (to, from) in bytes.iter_mut().skip(1).zip(x.iter().chain(&y)) {
            *to = *from;
        }
        bytes
    }

    /// The compressed encoding.
    pub(super) fn to_compressed(self) -> [u8; 33] {
        let mut bytes = [if self.y.is_odd() { 3 } else { 2 }; 33];
        for (to, from) in bytes.iter_mut().skip(1).zip(&self.x.to_bytes()) {
            *to = *from;
        }
        bytes
    }

    pub(super) fn negate(&self) -> Self {
        Self { x: self.x, y: self.y.negate() }
    }
}

impl From<Affine> for Jacobian {
    fn from(point: Affine) -> Self {
        Self { x: point.x, y: point.y, z: FieldElement::ONE }
    }
}

impl Jacobian {
    /// Infinity.
    pub(super) const INFINITY: Self = Self { x: FieldElement::ONE, y: FieldElement::ONE, z: FieldElement::ZERO };

    /// Twice the point, right for every point: infinity stays infinity (Z = 0), and Y = 0 does not occur.
    #[inline]
    pub(super) fn double(&self) -> Self {
        let mut point = *self;
        point.double_in_place();
        point
    }

    /// As [`Jacobian::double`], in one place in memory: a copy by wider moves would wait for the narrower stores before it.
    #[inline]
    pub(super) fn double_in_place(&mut self) {
        let zz = self.z.square();
        let two_y = self.y.double();
        let four_yy = two_y.square();
        let s = four_yy.multiply(&self.x);
        let eight_yyyy = {
            let half = four_yy.square();
            half.halve()
        };
        let m = {
            let product = self.x.sub(&zz).multiply(&self.x.add(&zz));
            product.double().add(&product)
        };
        self.z = two_y.multiply(&self.z);
        self.x = m.square().sub(&s).sub(&s);
        self.y = m.multiply(&s.sub(&self.x)).sub(&eight_yyyy);
    }

    /// U1, S1 and the differences H and R of two points on one denominator.
    #[inline(always)]
    fn differences(&self, other: &Cached) -> (FieldElement, FieldElement, FieldElement, FieldElement) {
        let zz = self.z.square();
        let u1 = self.x.multiply(&other.zz);
        let s1 = self.y.multiply(&other.zzz);
        let h = other.point.x.multiply(&zz).sub(&u1);
        let r = other.point.y.multiply(&zz.multiply(&self.z)).sub(&s1);
        (u1, s1, h, r)
    }

    /// X and Y of a sum, from U1, S1 and the differences. Right unless one of the points was infinity or they were equal,
    /// H = R = 0; opposite points, H = 0 and R not, have given Z = 0: infinity.
    #[inline(always)]
    fn finish_sum(&mut self, u1: &FieldElement, s1: &FieldElement, h: &FieldElement, r: &FieldElement) {
        let hh = h.square();
        let hhh = hh.multiply(h);
        let v = u1.multiply(&hh);
        self.x = r.square().sub(&hhh).sub(&v).sub(&v);
        self.y = r.multiply(&v.sub(&self.x)).sub(&s1.multiply(&hhh));
    }

    /// `self + other` in constant time, for callers who prove that the points are neither equal nor either of them infinity.
    #[inline(always)]
    pub(super) fn add_affine_distinct(&self, other: &Affine) -> Self {
        let zz = self.z.square();
        let h = other.x.multiply(&zz).sub(&self.x);
        let r = other.y.multiply(&zz.multiply(&self.z)).sub(&self.y);
        let mut sum = Self { z: self.z.multiply(&h), ..*self };
        sum.finish_sum(&self.x, &self.y, &h, &r);
        sum
    }

    /// `self + other` in constant time, right for all points: the exceptional cases are computed too and selected by masks.
    pub(super) fn add_complete(&self, other: &Cached) -> Self {
        let (u1, s1, h, r) = self.differences(other);
        let mut sum = Self { z: self.z.multiply(&other.point.z).multiply(&h), ..*self };
        sum.finish_sum(&u1, &s1, &h, &r);
        let doubled = other.point.double();
        let equal = h.mask_is_zero() & r.mask_is_zero();
        let sum = Self::select(equal, &doubled, &sum);
        let sum = Self::select(self.z.mask_is_zero(), &other.point, &sum);
        Self::select(other.point.z.mask_is_zero(), self, &sum)
    }

    /// `self + other`, right for all points; branches, so for public points only.
    #[inline]
    pub(super) fn add_affine_public(&mut self, other: &Affine) {
        if self.z.is_zero() {
            *self = (*other).into();
            return;
        }
        let zz = self.z.square();
        let h = other.x.multiply(&zz).sub(&self.x);
        let r = other.y.multiply(&zz.multiply(&self.z)).sub(&self.y);
        if h.is_zero() && r.is_zero() {
            self.double_in_place();
            return;
        }
        let (x, y) = (self.x, self.y);
        self.z = self.z.multiply(&h);
        self.finish_sum(&x, &y, &h, &r);
    }

    /// `self + other`, right for all points; branches, so for public points only.
    #[inline]
    pub(super) fn add_public(&mut self, other: &Cached) {
        if self.z.is_zero() {
            *self = other.point;
            return;
        }
        if other.point.z.is_zero() {
            return;
        }
        let (u1, s1, h, r) = self.differences(other);
        if h.is_zero() && r.is_zero() {
            self.double_in_place();
            return;
        }
        self.z = self.z.multiply(&other.point.z).multiply(&h);
        self.finish_sum(&u1, &s1, &h, &r);
    }

    pub(super) fn negate(&self) -> Self {
        Self { x: self.x, y: self.y.negate(), z: self.z }
    }

    /// `a` where the mask is all ones, else `b`.
    #[inline(always)]
    pub(super) fn select(mask: u64, a: &Self, b: &Self) -> Self {
        Self {
            x: FieldElement::select(mask, &a.x, &b.x),
            y: FieldElement::select(mask, &a.y, &b.y),
            z: FieldElement::select(mask, &a.z, &b.z),
        }
    }

    /// The affine point, in constant time for every point but infinity, for which there is none (that answer is a branch).
    pub(super) fn to_affine(self) -> Option<Affine> {
        let mut inverse = self.z.invert();
        let point = self.to_affine_with(&inverse);
        inverse.zeroize();
        // Whether it is infinity shows in the answer; what is secret leads there only by chance or on a faulty machine.
        (declassify(self.z.mask_is_zero()) == 0).then_some(point)
    }

    /// The affine point, given 1/Z.
    pub(super) fn to_affine_with(self, inverse: &FieldElement) -> Affine {
        let square = inverse.square();
        Affine { x: self.x.multiply(&square), y: self.y.multiply(&square.multiply(inverse)) }
    }
}

/// A point with Z² and Z³ beside it, for one that is added more than once.
#[derive(Clone, Copy)]
pub(super) struct Cached {
    pub(super) point: Jacobian,
    zz: FieldElement,
    zzz: FieldElement,
}

impl From<Jacobian> for Cached {
    fn from(point: Jacobian) -> Self {
        let zz = point.z.square();
        Self { point, zz, zzz: zz.multiply(&point.z) }
    }
}

impl Cached {
    pub(super) fn negate(&self) -> Self {
        Self { point: self.point.negate(), ..*self }
    }

    /// `a` where the mask is all ones, else `b`.
    #[inline(always)]
    pub(super) fn select(mask: u64, a: &Self, b: &Self) -> Self {
        Self {
            point: Jacobian::select(mask, &a.point, &b.point),
            zz: FieldElement::select(mask, &a.zz, &b.zz),
            zzz: FieldElement::select(mask, &a.zzz, &b.zzz),
        }
    }
}

impl Zeroize for Cached {
    fn zeroize(&mut self) {
        self.point.zeroize();
        self.zz.zeroize();
        self.zzz.zeroize();
    }
}
