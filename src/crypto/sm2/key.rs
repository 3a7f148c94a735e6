//! Public keys: points of the curve, and whether a signature is theirs (GB/T 32918.2 7.1).

use super::digest::{MessageDigest, identity};
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

    /// Z, the digest of signer ID, curve and key that stands before each message (GB/T 32918.2 5.5).
    ///
    /// # Errors
    /// [`Error::IdTooLong`].
    pub fn identity(&self, id: &[u8]) -> Result<[u8; 32], Error> {
        identity(id, self)
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

#[cfg(test)]
mod tests {
    use super::super::multiply::{multiply_public, multiply_secret};
    use super::super::{KeyTable, comb};
    use super::*;

    fn small(value: u64) -> Scalar {
        Scalar::reduce(&[value, 0, 0, 0])
    }

    fn signature(r: &Scalar, s: &Scalar) -> Vec<u8> {
        [r.to_bytes(), s.to_bytes()].concat()
    }

    /// A point whose abscissa is n or more: no signature made by chance has one (2^-128), so a key is made to fit.
    #[test]
    fn abscissas_beyond_n_are_understood() {
        let mut found = 0;
        for offset in 0..40 {
            let (mut x, _) = limbs::add::<Native>(&N, &[offset, 0, 0, 0]);
            let bytes = [&[2], &limbs::to_be_bytes(&x)[..]].concat();
            let Some(point) = Affine::from_compressed(&bytes) else { continue };
            // R = s·G + t·P, so P = (R - s·G)/t.
            let (s, t) = (small(3), small(offset + 12_345));
            let mut sum = multiply_public(&small(3), &Affine::G.negate());
            sum.add_affine_public(&point);
            let key = PublicKey { point: multiply_secret(&t.invert(), &sum.to_affine().unwrap()).to_affine().unwrap() };
            let r = t.sub(&s);
            x = *Scalar::reduce(&x).limbs();
            let e = r.sub(&Scalar::reduce(&x)).to_bytes();
            assert!(key.verify_prehashed(&e, &signature(&r, &s)), "{offset}");
            assert!(KeyTable::new(&key).verify_prehashed(&e, &signature(&r, &s)), "{offset}");
            let wrong = r.sub(&Scalar::reduce(&x)).add(&Scalar::ONE).to_bytes();
            assert!(!key.verify_prehashed(&wrong, &signature(&r, &s)), "{offset}");
            found += 1;
        }
        assert!(found > 5, "{found}");
    }

    /// s·G + t·P is infinity, which has no abscissa.
    #[test]
    fn infinity_is_refused() {
        let (s, t) = (small(7), small(11));
        let key =
            PublicKey { point: comb::multiply_base(&Scalar::ZERO.sub(&s.multiply(&t.invert()))).to_affine().unwrap() };
        assert!(!key.verify_prehashed(&[0; 32], &signature(&t.sub(&s), &s)));
    }

    #[test]
    fn values_out_of_range_and_of_other_lengths_are_refused() {
        let key = PublicKey { point: Affine::G };
        let n = limbs::to_be_bytes(&N);
        let one = Scalar::ONE.to_bytes();
        for (r, s) in [([0; 32], one), (one, [0; 32]), (n, one), (one, n), ([0xff; 32], one), (one, [0xff; 32])] {
            assert!(!key.verify_prehashed(&one, &[r, s].concat()));
        }
        // r + s = n.
        assert!(!key.verify_prehashed(&one, &signature(&Scalar::ONE, &Scalar::ZERO.sub(&Scalar::ONE))));
        assert!(!key.verify_prehashed(&one, &[]));
        assert!(!key.verify_prehashed(&one, &[1; 63]));
        assert!(!key.verify_prehashed(&one, &[1; 65]));
    }

    #[test]
    fn only_points_of_the_curve_are_keys() {
        let good = PublicKey { point: Affine::G };
        let bytes = good.to_bytes();
        assert_eq!(PublicKey::from_bytes(&bytes), Ok(good));
        for position in 0..65 {
            let mut changed = bytes;
            changed[position] ^= 1;
            assert_eq!(PublicKey::from_bytes(&changed), Err(Error::NotAPoint), "{position}");
        }
        // Infinity, other lengths, hybrid forms, coordinates of p and more.
        for wrong in [&[0][..], &[], &bytes[..64], &[&bytes[..], &[0]].concat(), &[4; 65], &[0; 65]] {
            assert_eq!(PublicKey::from_bytes(wrong), Err(Error::NotAPoint));
        }
        let (p, _) = limbs::add::<Native>(&field::P, &[0; 4]);
        let beyond = [&[4], &limbs::to_be_bytes(&p)[..], &bytes[33..]].concat();
        assert_eq!(PublicKey::from_bytes(&beyond), Err(Error::NotAPoint));
        assert_eq!(PublicKey::from_compressed(&good.to_compressed()), Ok(good));
        assert_eq!(PublicKey::from_compressed(&[&[2], &limbs::to_be_bytes(&p)[..]].concat()), Err(Error::NotAPoint));
        assert_eq!(PublicKey::from_compressed(&bytes), Err(Error::NotAPoint));
        assert_eq!(PublicKey::from_compressed(&[4; 33]), Err(Error::NotAPoint));
    }

    #[test]
    fn ids_have_a_bound() {
        let key = PublicKey { point: Affine::G };
        assert!(key.digest(&[7; 8191], b"").is_ok());
        assert_eq!(key.digest(&[7; 8192], b""), Err(Error::IdTooLong { length: 8192 }));
        assert!(!key.verify(&[7; 8192], b"", &[1; 64]));
        let mut pieces = MessageDigest::new(b"id", &key).unwrap();
        for byte in b"a message in pieces" {
            pieces.update(&[*byte]);
        }
        assert_eq!(Ok(pieces.finish()), key.digest(b"id", b"a message in pieces"));
    }
}
