//! Public keys: points of the curve, and whether a signature is theirs (GB/T 32918.2 7.1).

use super::digest::MessageDigest;
use super::field::{self, FieldElement};
use super::limbs::{self, Native};
use super::multiply::multiply_both_public;
use super::point::{Affine, Jacobian};
use super::scalar::{N, Scalar};
use crate::crypto::Error;

/// A point of the curve that is not infinity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey {
    pub(super) point: Affine,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sm2({})", crate::crypto::digest::hex(&self.to_bytes()))
    }
}

impl PublicKey {
    /// Reads an uncompressed point, 04‖x‖y, 65 bytes; coordinates below p, on the curve and not infinity, or refused
    /// (GB/T 32918.1 6.2). The cofactor is 1, so such a point has order n.
    ///
    /// # Errors
    /// [`Error::NotAPoint`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Affine::from_uncompressed(bytes).map(|point| Self { point }).ok_or(Error::NotAPoint)
    }

    /// Reads a compressed point, 02‖x or 03‖x, 33 bytes (GB/T 32918.1 4.2.9).
    ///
    /// # Errors
    /// [`Error::NotAPoint`].
    pub fn from_compressed(bytes: &[u8]) -> Result<Self, Error> {
        Affine::from_compressed(bytes).map(|point| Self { point }).ok_or(Error::NotAPoint)
    }

    /// The uncompressed point, 65 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 65] {
        self.point.to_uncompressed()
    }

    /// The compressed point, 33 bytes.
    #[must_use]
    pub fn to_compressed(&self) -> [u8; 33] {
        self.point.to_compressed()
    }

    /// The digest e of a message under that signer ID (GB/T 32918.2 6.1).
    ///
    /// # Errors
    /// [`Error::IdTooLong`].
    pub fn digest(&self, id: &[u8], message: &[u8]) -> Result<[u8; 32], Error> {
        let mut digest = MessageDigest::new(id, self)?;
        digest.update(message);
        Ok(digest.finish())
    }

    /// Whether `signature` (r‖s, 64 bytes) is right over `message` for the signer ID (GB/T 32918.2 7.1).
    ///
    /// r and s outside 1..n, r+s = 0 mod n, any other length, and an ID longer than [`MAX_ID`](super::MAX_ID) give `false`.
    #[must_use]
    pub fn verify(&self, id: &[u8], message: &[u8], signature: &[u8]) -> bool {
        self.digest(id, message).is_ok_and(|e| self.verify_prehashed(&e, signature))
    }

    /// Whether `signature` is right over the digest e.
    #[must_use]
    pub fn verify_prehashed(&self, e: &[u8; 32], signature: &[u8]) -> bool {
        verify_with(e, signature, |s, t| multiply_both_public(s, t, &self.point))
    }
}

/// Verification over whatever computes `s·G + t·P` (GB/T 32918.2 7.1, B1 to B7). Variable time: everything is public.
#[inline]
pub(super) fn verify_with(e: &[u8; 32], signature: &[u8], sum: impl FnOnce(&Scalar, &Scalar) -> Jacobian) -> bool {
    let Some((r, s)) = signature.split_first_chunk::<32>() else { return false };
    let Ok(s) = <&[u8; 32]>::try_from(s) else { return false };
    let ((r, r_in_range), (s, s_in_range)) = (Scalar::from_bytes(r), Scalar::from_bytes(s));
    if r_in_range & s_in_range == 0 || r.is_zero() || s.is_zero() {
        return false;
    }
    let t = r.add(&s);
    if t.is_zero() {
        return false;
    }
    let point = sum(&s, &t);
    if point.z.is_zero() {
        return false;
    }
    // r = e + x mod n, so x is r - e mod n, or that plus n where this is still below p: x is below p, and p < 2n.
    let x = r.sub(&Scalar::reduce_bytes(e));
    let zz = point.z.square();
    let matches = |x: &limbs::Limbs| FieldElement::from_canonical(x).is_some_and(|x| x.multiply(&zz) == point.x);
    let (beyond, carry) = limbs::add::<Native>(x.limbs(), &N);
    matches(x.limbs()) || (carry == 0 && limbs::mask_less(&beyond, &field::P) != 0 && matches(&beyond))
}
