//! ECDSA over P-256 with SHA-256 (FIPS 186-5 6), values as r‖s: by ring, public keys and their checks by OpenSSL.
//!
//! ring makes the nonce from the private key, the digest of the message and its own randomness, the operating
//! system's: the library takes no other source, so the one given to [`Signer::sign`] is not used.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::{Error, Signer};

/// A point of P-256 that is not infinity, uncompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; 65],
}

impl PublicKey {
    /// Reads an uncompressed point, 04‖x‖y, 65 bytes; on the curve and not infinity, or refused (SP 800-56A rev. 3,
    /// 5.6.2.3.3: the curve has cofactor 1).
    ///
    /// # Errors
    /// [`Error::NotAPoint`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let point = <[u8; 65]>::try_from(bytes).map_err(|_| Error::NotAPoint)?;
        let on_curve = || {
            let (group, mut context) = (curve()?, BigNumContext::new()?);
            // Reading a point checks the equation.
            EcPoint::from_bytes(&group, &point, &mut context)
        };
        if point.first() == Some(&4) && on_curve().is_ok() { Ok(Self { point }) } else { Err(Error::NotAPoint) }
    }

    /// The uncompressed point.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 65] {
        self.point
    }

    /// Whether `signature` (r‖s, 64 bytes) is right over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point).verify(message, signature).is_ok()
    }
}

fn curve() -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
}

/// A private scalar, wiped when dropped, and its public key. ring keeps a copy of its own, which it does not wipe.
pub struct PrivateKey {
    scalar: Zeroizing<[u8; 32]>,
    public: PublicKey,
    pair: EcdsaKeyPair,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ecdsa::PrivateKey(..)")
    }
}

impl PrivateKey {
    /// A fresh key from that source of randomness (FIPS 186-5 A.2.2, by testing candidates).
    ///
    /// # Errors
    /// The source failed.
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        loop {
            let mut bytes = Zeroizing::new([0; 32]);
            random.fill(bytes.as_mut())?;
            // A draw outside the range has a chance of 2^-32 on this curve.
            match Self::from_bytes(bytes.as_ref()) {
                Err(Error::NotAScalar) => {}
                made => return made,
            }
        }
    }

    /// Reads a scalar, 32 bytes, big-endian, and computes its public key.
    ///
    /// # Errors
    /// [`Error::NotAScalar`]: zero, n or more, or another length. [`Error::Library`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let scalar = Zeroizing::new(<[u8; 32]>::try_from(bytes).map_err(|_| Error::NotAScalar)?);
        let point = public_point(&scalar).map_err(|_| Error::Library)?.ok_or(Error::NotAScalar)?;
        let public = PublicKey { point };
        let fixed = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(fixed, &*scalar, &point, &SystemRandom::new());
        Ok(Self { scalar, public, pair: pair.map_err(|_| Error::Library)? })
    }

    /// The scalar, 32 bytes, for sealing under a key-encryption key.
    #[must_use]
    pub fn to_bytes(&self) -> Secret {
        Secret::new(self.scalar.to_vec())
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

/// d·G, or `None` for a d outside of 1..n.
fn public_point(scalar: &[u8; 32]) -> Result<Option<[u8; 65]>, ErrorStack> {
    let (group, mut context) = (curve()?, BigNumContext::new_secure()?);
    let (mut number, mut order) = (BigNum::new_secure()?, BigNum::new()?);
    number.copy_from_slice(scalar)?;
    number.set_const_time();
    group.order(&mut order, &mut context)?;
    if number.num_bits() == 0 || number >= order {
        return Ok(None);
    }
    let mut point = EcPoint::new(&group)?;
    point.mul_generator2(&group, &number, &mut context)?;
    let bytes = point.to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context)?;
    Ok(<[u8; 65]>::try_from(bytes).ok())
}

impl Signer for PrivateKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EcdsaP256Sha256
    }

    fn public_key(&self) -> crate::crypto::PublicKey {
        crate::crypto::PublicKey::EcdsaP256(self.public)
    }

    fn sign(&self, message: &[u8], _: &dyn Random) -> Result<Vec<u8>, Error> {
        let value = self.pair.sign(&SystemRandom::new(), message).map_err(|_| Error::Library)?;
        if !self.public.verify(message, value.as_ref()) {
            return Err(Error::Fault);
        }
        Ok(value.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, RandomUnavailable, SystemRandom as Ours};

    #[test]
    fn what_it_signs_it_verifies_and_openssl_too() {
        let key = PrivateKey::generate(&Ours).unwrap();
        let value = key.sign(b"message", &Ours).unwrap();
        let public = key.public_key();
        assert!(public.verify(b"message", &value));
        assert!(!public.verify(b"massage", &value));
        assert!(!public.verify(b"message", &value[1..]));
        let again = PrivateKey::from_bytes(key.to_bytes().expose()).unwrap();
        assert_eq!(again.public_key(), public);

        let (group, mut context) = (curve().unwrap(), BigNumContext::new().unwrap());
        let point = EcPoint::from_bytes(&group, &public.to_bytes(), &mut context).unwrap();
        let peer = openssl::ec::EcKey::from_public_key(&group, &point).unwrap();
        let number = |half: &[u8]| BigNum::from_slice(half).unwrap();
        let (r, s) = value.split_at(32);
        let value = openssl::ecdsa::EcdsaSig::from_private_components(number(r), number(s)).unwrap();
        assert!(value.verify(&crate::crypto::digest::sha256(b"message"), &peer).unwrap());
    }

    /// n of P-256 (SP 800-186 3.2.1.3).
    const ORDER: [u8; 32] = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
        \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";

    #[test]
    fn keys_outside_the_range_are_refused() {
        let refused = |bytes: &[u8]| PrivateKey::from_bytes(bytes).unwrap_err();
        assert_eq!(refused(&[0; 32]), Error::NotAScalar);
        assert_eq!(refused(&ORDER), Error::NotAScalar);
        assert_eq!(refused(&[1; 31]), Error::NotAScalar);
        let mut last = ORDER;
        last[31] -= 1;
        assert!(PrivateKey::from_bytes(&last).is_ok());
        assert_eq!(PrivateKey::generate(&DeadRandom).unwrap_err(), Error::Random(RandomUnavailable));
        let mut point = PrivateKey::generate(&Ours).unwrap().public_key().to_bytes();
        assert!(PublicKey::from_bytes(&point).is_ok());
        point[64] ^= 1;
        assert_eq!(PublicKey::from_bytes(&point), Err(Error::NotAPoint));
        point[0] = 6;
        assert_eq!(PublicKey::from_bytes(&point), Err(Error::NotAPoint));
        assert_eq!(PublicKey::from_bytes(&[0]), Err(Error::NotAPoint));
        assert_eq!(format!("{:?}", PrivateKey::from_bytes(&[7; 32]).unwrap()), "ecdsa::PrivateKey(..)");
    }
}
