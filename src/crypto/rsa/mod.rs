//! RSA (RFC 8017): RSASSA-PKCS1-v1_5 and RSASSA-PSS with SHA-2 and SM3, decryption by RSAES-OAEP, key generation.
//!
//! ring verifies what it knows (SHA-2, salt as long as the digest); the rest is our encoding over OpenSSL's modular
//! exponentiation, and so is every signature. Salts come from the caller's source of randomness. OpenSSL draws
//! primes and blinding factors from its own generator, which it seeds from the operating system: the library takes no
//! other source.

mod close_primes;
mod encoding;
mod public;

pub use public::{PssParameters, PublicKey};

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::encrypt::Decrypter;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use zeroize::Zeroizing;

use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use crate::crypto::{Error, Signer};

/// A private key, held by OpenSSL, which wipes it. Signs with SHA-256 by PKCS#1 v1.5 unless told otherwise.
pub struct PrivateKey {
    key: Rsa<Private>,
    public: PublicKey,
    algorithm: SignatureAlgorithm,
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("rsa::PrivateKey(..)")
    }
}

impl PrivateKey {
    /// A fresh key of 3072 or 4096 bits with exponent 65537. Randomness comes from OpenSSL's own generator.
    ///
    /// # Errors
    /// [`Error::RsaKeySize`] for other sizes; [`Error::Rsa`].
    pub fn generate(bits: u32) -> Result<Self, Error> {
        if bits != 3072 && bits != 4096 {
            return Err(Error::RsaKeySize { bits: usize::try_from(bits).unwrap_or(0) });
        }
        Self::from_openssl(Rsa::generate(bits).map_err(|_| Error::Rsa)?)
    }

    /// Reads the DER of an RSAPrivateKey (RFC 8017 A.1.2): two primes, whose parts must fit together.
    ///
    /// Not checked: that the primes are prime ([`PrivateKey::check_primes`] does, for keys from strangers).
    ///
    /// # Errors
    /// [`Error::Rsa`]: not this structure; [`Error::RsaKeySize`], [`Error::RsaModulus`], [`Error::RsaExponent`],
    /// [`Error::RsaParts`].
    pub fn from_bytes(der: &[u8]) -> Result<Self, Error> {
        Self::from_openssl(Rsa::private_key_from_der(der).map_err(|_| Error::Rsa)?)
    }

    fn from_openssl(key: Rsa<Private>) -> Result<Self, Error> {
        let public = PublicKey::new(&key.n().to_vec(), &key.e().to_vec())?;
        if !fits_together(&key).map_err(|_| Error::Rsa)? {
            return Err(Error::RsaParts);
        }
        Ok(Self { key, public, algorithm: SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256) })
    }

    /// Whether the factors are prime too, and all parts fit (NIST SP 800-56B rev. 2, 6.4.1, as OpenSSL checks it). Takes
    /// up to a second.
    ///
    /// # Errors
    /// [`Error::RsaParts`].
    pub fn check_primes(&self) -> Result<(), Error> {
        // OpenSSL answers some faults by an error, others by `false`.
        if self.key.check_key().unwrap_or(false) { Ok(()) } else { Err(Error::RsaParts) }
    }

    /// The same key, signing with another algorithm of RSA.
    ///
    /// # Errors
    /// [`Error::NotOfThisKey`].
    pub fn signing_with(self, algorithm: SignatureAlgorithm) -> Result<Self, Error> {
        match algorithm {
            SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) => Ok(Self { algorithm, ..self }),
            _ => Err(Error::NotOfThisKey { algorithm: algorithm.name() }),
        }
    }

    /// The DER of an RSAPrivateKey, for sealing under a key-encryption key.
    ///
    /// # Errors
    /// [`Error::Rsa`].
    pub fn to_bytes(&self) -> Result<Secret, Error> {
        self.key.private_key_to_der().map(Secret::new).map_err(|_| Error::Rsa)
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs with that algorithm of RSA; as [`Signer::sign`] does with the key's own.
    ///
    /// # Errors
    /// [`Error::NotOfThisKey`], [`Error::Random`], [`Error::Rsa`], [`Error::Fault`].
    pub fn sign_with(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        random: &dyn Random,
    ) -> Result<Vec<u8>, Error> {
        let bits = self.public.bits();
        let encoded = match algorithm {
            SignatureAlgorithm::RsaPkcs1(digest) => encoding::pkcs1(digest, message, bits.div_ceil(8)),
            SignatureAlgorithm::RsaPss(digest) => {
                let mut salt = vec![0; digest.size()];
                random.fill(&mut salt)?;
                encoding::pss((digest, digest), message, &salt, bits)
            }
            _ => return Err(Error::NotOfThisKey { algorithm: algorithm.name() }),
        };
        let encoded = encoded.ok_or(Error::Rsa)?;
        let mut value = vec![0; encoded.len()];
        let written = self.key.private_encrypt(&encoded, &mut value, Padding::NONE).map_err(|_| Error::Rsa)?;
        // A fault in the exponentiation would tell the factors (RFC 8017 5.1.2 is computed by remainders).
        if written != value.len() || !self.public.verify_with(algorithm, message, &value) {
            return Err(Error::Fault);
        }
        Ok(value)
    }

    /// Decrypts by RSAES-OAEP with SHA-256, MGF1 with SHA-256 and that label (RFC 8017 7.1.2).
    ///
    /// # Errors
    /// [`Error::Decryption`], whatever was wrong with the ciphertext; one that is not as long as the modulus is wrong (step 1b).
    pub fn decrypt_oaep_sha256(&self, ciphertext: &[u8], label: &[u8]) -> Result<Secret, Error> {
        // OpenSSL reads a number, so it would take a ciphertext without its leading zeros.
        if u32::try_from(ciphertext.len()) != Ok(self.key.size()) {
            return Err(Error::Decryption);
        }
        let refused = |_| Error::Decryption;
        let key = PKey::from_rsa(self.key.clone()).map_err(refused)?;
        let mut decrypter = Decrypter::new(&key).map_err(refused)?;
        decrypter.set_rsa_padding(Padding::PKCS1_OAEP).map_err(refused)?;
        decrypter.set_rsa_oaep_md(MessageDigest::sha256()).map_err(refused)?;
        decrypter.set_rsa_mgf1_md(MessageDigest::sha256()).map_err(refused)?;
        if !label.is_empty() {
            decrypter.set_rsa_oaep_label(label).map_err(refused)?;
        }
        let mut out = Zeroizing::new(vec![0; decrypter.decrypt_len(ciphertext).map_err(refused)?]);
        let length = decrypter.decrypt(ciphertext, &mut out).map_err(refused)?;
        out.get(..length).map(|message| Secret::new(message.to_vec())).ok_or(Error::Decryption)
    }
}

/// Whether n = p·q, and the exponents and the coefficient belong to p and q (RFC 8017 3.2).
fn fits_together(key: &Rsa<Private>) -> Result<bool, openssl::error::ErrorStack> {
    let parts = (key.p(), key.q(), key.dmp1(), key.dmq1(), key.iqmp());
    let (Some(p), Some(q), Some(dp), Some(dq), Some(coefficient)) = parts else { return Ok(false) };
    let (mut context, one) = (BigNumContext::new_secure()?, BigNum::from_u32(1)?);
    let mut product = BigNum::new_secure()?;
    product.checked_mul(p, q, &mut context)?;
    let mut is_one = |a: &BigNumRef, b: &BigNumRef, modulus: &BigNumRef| {
        let mut rest = BigNum::new_secure()?;
        rest.mod_mul(a, b, modulus, &mut context).map(|()| rest == one)
    };
    let less = |number: &BigNumRef| {
        let mut less = number.to_owned()?;
        less.sub_word(1).map(|()| less)
    };
    if p.num_bits() < 2 || q.num_bits() < 2 || &*product != key.n() {
        return Ok(false);
    }
    let (p1, q1) = (less(p)?, less(q)?);
    Ok(is_one(key.e(), dp, &p1)?
        && is_one(key.e(), dq, &q1)?
        && is_one(key.e(), key.d(), &p1)?
        && is_one(key.e(), key.d(), &q1)?
        && is_one(coefficient, q, p)?)
}

impl Signer for PrivateKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn public_key(&self) -> crate::crypto::PublicKey {
        crate::crypto::PublicKey::Rsa(self.public.clone())
    }

    fn sign(&self, message: &[u8], random: &dyn Random) -> Result<Vec<u8>, Error> {
        self.sign_with(self.algorithm, message, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, RandomUnavailable, SystemRandom};

    #[test]
    fn each_algorithm_signs_and_verifies_as_itself_only() {
        let key = PrivateKey::generate(3072).unwrap();
        let public = key.public_key();
        assert_eq!((public.bits(), key.algorithm()), (3072, SignatureAlgorithm::from_name("rsa-sha256").unwrap()));
        let ours = |algorithm: &SignatureAlgorithm| algorithm.name().starts_with("rsa-");
        let ours: Vec<_> = SignatureAlgorithm::ALL.into_iter().filter(ours).collect();
        assert_eq!(ours.len(), 8);
        for algorithm in &ours {
            let value = key.sign_with(*algorithm, b"message", &SystemRandom).unwrap();
            assert_eq!(value.len(), 384);
            let right: Vec<_> = ours.iter().filter(|other| public.verify_with(**other, b"message", &value)).collect();
            assert_eq!(right, [algorithm]);
            assert!(!public.verify_with(*algorithm, b"massage", &value));
            assert!(!public.verify_with(*algorithm, b"message", &value[1..]));
        }
        let sm2 = SignatureAlgorithm::Sm2Sm3;
        assert_eq!(key.sign_with(sm2, b"", &SystemRandom), Err(Error::NotOfThisKey { algorithm: "sm2-sm3" }));
        assert_eq!(key.signing_with(sm2).unwrap_err(), Error::NotOfThisKey { algorithm: "sm2-sm3" });
    }

    #[test]
    fn a_salt_is_drawn_for_pss_and_for_nothing_else() {
        let key = PrivateKey::generate(3072).unwrap();
        let pkcs1 = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sm3);
        assert_eq!(key.sign_with(pkcs1, b"m", &DeadRandom), key.sign_with(pkcs1, b"m", &SystemRandom));
        let key = key.signing_with(SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha384)).unwrap();
        assert_eq!(key.sign(b"m", &DeadRandom), Err(Error::Random(RandomUnavailable)));
        assert_ne!(key.sign(b"m", &SystemRandom), key.sign(b"m", &SystemRandom));
        assert!(Signer::public_key(&key).verify(key.algorithm(), b"m", &key.sign(b"m", &SystemRandom).unwrap()));
    }

    /// OpenSSL's own padding is the second opinion on our encodings.
    #[test]
    fn openssl_agrees() {
        let key = PrivateKey::generate(3072).unwrap();
        let pkey = PKey::from_rsa(key.key.clone()).unwrap();
        for (digest, kind) in [
            (DigestAlgorithm::Sha256, MessageDigest::sha256()),
            (DigestAlgorithm::Sha384, MessageDigest::sha384()),
            (DigestAlgorithm::Sha512, MessageDigest::sha512()),
        ] {
            let verify = |padding, value: &[u8]| {
                let mut peer = openssl::sign::Verifier::new(kind, &pkey).unwrap();
                peer.set_rsa_padding(padding).unwrap();
                peer.update(b"message").unwrap();
                peer.verify(value).unwrap()
            };
            let value = key.sign_with(SignatureAlgorithm::RsaPkcs1(digest), b"message", &SystemRandom).unwrap();
            assert!(verify(Padding::PKCS1, &value));
            let value = key.sign_with(SignatureAlgorithm::RsaPss(digest), b"message", &SystemRandom).unwrap();
            assert!(verify(Padding::PKCS1_PSS, &value));
        }
        let mut peer = openssl::encrypt::Encrypter::new(&pkey).unwrap();
        peer.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        peer.set_rsa_oaep_md(MessageDigest::sha256()).unwrap();
        peer.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
        // Until one begins with a zero, which may not be left out: about one of 200 does.
        let mut sent = vec![1; 384];
        while sent[0] != 0 {
            assert_eq!(peer.encrypt(b"secret", &mut sent).unwrap(), 384);
        }
        assert_eq!(key.decrypt_oaep_sha256(&sent, b"").unwrap().expose(), b"secret");
        assert_eq!(key.decrypt_oaep_sha256(&sent, b"other").unwrap_err(), Error::Decryption);
        assert_eq!(key.decrypt_oaep_sha256(&sent[1..], b"").unwrap_err(), Error::Decryption);
        assert_eq!(key.decrypt_oaep_sha256(&[b"\0", &sent[..]].concat(), b"").unwrap_err(), Error::Decryption);
    }

    #[test]
    fn keys_whose_parts_do_not_fit_are_refused() {
        let key = PrivateKey::generate(3072).unwrap();
        key.check_primes().unwrap();
        let again = PrivateKey::from_bytes(key.to_bytes().unwrap().expose()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        let part = |number: Option<&BigNumRef>| number.unwrap().to_owned().unwrap();
        let (n, e, d) = (part(Some(key.key.n())), part(Some(key.key.e())), part(Some(key.key.d())));
        let rest = [key.key.p(), key.key.q(), key.key.dmp1(), key.key.dmq1(), key.key.iqmp()];
        for wrong in 0..6 {
            let mut d = d.to_owned().unwrap();
            let mut parts = rest.map(part);
            match parts.get_mut(wrong) {
                Some(part) => part.add_word(2).unwrap(),
                None => d.add_word(2).unwrap(),
            }
            let [p, q, dp, dq, c] = parts;
            let (n, e) = (n.to_owned().unwrap(), e.to_owned().unwrap());
            let broken = Rsa::from_private_components(n, e, d, p, q, dp, dq, c).unwrap();
            assert_eq!(PrivateKey::from_openssl(broken).unwrap_err(), Error::RsaParts, "part {wrong}");
        }
        assert_eq!(PrivateKey::from_bytes(b"0").unwrap_err(), Error::Rsa);
        assert_eq!(PrivateKey::generate(2048).unwrap_err(), Error::RsaKeySize { bits: 2048 });
    }
}
