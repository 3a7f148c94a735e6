//! ECDSA over P-384 and P-521, and over P-256 with the longer digests (FIPS 186-5 6): values of others are checked by
//! OpenSSL, nothing is signed.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;

use crate::crypto::Error;
use crate::crypto::algorithm::DigestAlgorithm;
use crate::crypto::digest::digest;

/// A curve of SP 800-186 3.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// P-256 (3.2.1.3).
    P256,
    /// P-384 (3.2.1.4).
    P384,
    /// P-521 (3.2.1.5).
    P521,
}

impl Curve {
    /// Octets of a coordinate, and of each half of a value.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Bits of the order.
    #[must_use]
    pub const fn bits(self) -> usize {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    fn group(self) -> Result<EcGroup, ErrorStack> {
        EcGroup::from_curve_name(match self {
            Self::P256 => Nid::X9_62_PRIME256V1,
            Self::P384 => Nid::SECP384R1,
            Self::P521 => Nid::SECP521R1,
        })
    }
}

/// A point of one of the curves that is not infinity, uncompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    curve: Curve,
    point: Vec<u8>,
}

impl PublicKey {
    /// Reads an uncompressed point, 04‖x‖y; on the curve and not infinity, or refused (SP 800-56A rev. 3, 5.6.2.3.3: the
    /// curves have cofactor 1).
    ///
    /// # Errors
    /// [`Error::NotAPoint`].
    pub fn from_bytes(curve: Curve, bytes: &[u8]) -> Result<Self, Error> {
        let length = curve.octets().saturating_mul(2).saturating_add(1);
        // Reading a point checks the equation.
        let on_curve = || EcPoint::from_bytes(&*curve.group()?, bytes, &mut *BigNumContext::new()?).map(|_| ());
        if bytes.len() == length && bytes.first() == Some(&4) && on_curve().is_ok() {
            Ok(Self { curve, point: bytes.to_vec() })
        } else {
            Err(Error::NotAPoint)
        }
    }

    /// The curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.curve
    }

    /// The uncompressed point.
    #[must_use]
    pub fn to_bytes(&self) -> &[u8] {
        &self.point
    }

    /// Whether `signature` (r‖s, each as long as a coordinate) is right over the digest of `message`.
    #[must_use]
    pub fn verify(&self, algorithm: DigestAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        verify(self.curve, &self.point, &digest(algorithm, message), signature)
    }
}

/// Whether r‖s is right over a digest; of a digest longer than the order, the first bits count (FIPS 186-5 6.4.2).
pub(crate) fn verify(curve: Curve, point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    let Some((r, s)) = signature.split_at_checked(curve.octets()).filter(|(r, s)| r.len() == s.len()) else {
        return false;
    };
    let right = || {
        let group = curve.group()?;
        let point = EcPoint::from_bytes(&group, point, &mut *BigNumContext::new()?)?;
        let key = EcKey::from_public_key(&group, &point)?;
        let value = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
        value.verify(digest, &key)
    };
    // An error is a value out of range: r or s is zero, or as large as the order.
    right().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use openssl::ec::PointConversionForm;

    use super::*;

    #[test]
    fn values_of_a_peer_are_right_and_changed_ones_wrong() {
        for curve in [Curve::P256, Curve::P384, Curve::P521] {
            let group = curve.group().unwrap();
            let pair = EcKey::generate(&group).unwrap();
            let mut context = BigNumContext::new().unwrap();
            let point = pair.public_key().to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).unwrap();
            let key = PublicKey::from_bytes(curve, &point).unwrap();
            assert_eq!((key.curve(), key.to_bytes()), (curve, &point[..]));
            let width = i32::try_from(curve.octets()).unwrap();
            for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512] {
                let value = EcdsaSig::sign(&digest(algorithm, b"message"), &pair).unwrap();
                let halves = [value.r(), value.s()].map(|number| number.to_vec_padded(width).unwrap());
                let fixed = halves.concat();
                assert!(key.verify(algorithm, b"message", &fixed));
                assert!(!key.verify(algorithm, b"massage", &fixed));
                let mut changed = fixed.clone();
                changed[curve.octets()] ^= 1;
                assert!(!key.verify(algorithm, b"message", &changed));
                assert!(!key.verify(algorithm, b"message", &fixed[1..]));
                assert!(!key.verify(algorithm, b"message", &vec![0; fixed.len()]));
                assert!(!key.verify(algorithm, b"message", &[fixed, vec![0; 2]].concat()));
            }
            let mut off = point.clone();
            *off.last_mut().unwrap() ^= 1;
            assert_eq!(PublicKey::from_bytes(curve, &off), Err(Error::NotAPoint));
            let short = pair.public_key().to_bytes(&group, PointConversionForm::COMPRESSED, &mut context).unwrap();
            assert_eq!(PublicKey::from_bytes(curve, &short), Err(Error::NotAPoint));
            assert_eq!(PublicKey::from_bytes(curve, &[0]), Err(Error::NotAPoint));
        }
    }
}
