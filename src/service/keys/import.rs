//! Private keys from outside: every kind of key file to what the key store keeps, checked before it is taken in.

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcPoint, PointConversionForm};
use openssl::nid::Nid;
use ring::signature::KeyPair;
use subtle::ConstantTimeEq;

use crate::base::secret::Secret;
use crate::crypto::digest::sm3;
use crate::crypto::sm2;
use crate::domain::key::KeyAlgorithm;
use crate::format::der::{self, ObjectIdentifier};
use crate::format::keys::cfca::CfcaKeyFile;
use crate::format::keys::pbe::Cipher;
use crate::format::keys::pkcs1::RsaPrivateKey;
use crate::format::keys::pkcs8::{EncryptedPrivateKeyInfo, KeyKind, PrivateKeyInfo};
use crate::format::keys::pkcs12::{Bag, Content, Pfx, read_safe_contents};
use crate::format::keys::sec1::{Curve, EcPrivateKey};
use crate::format::keys::{
    self, KeyFile, MAX_FILE_BYTES, SubjectPublicKeyInfo, read_pem_blocks, recognise, write_rsa_public_key,
};
use crate::format::x509::Certificate;
use crate::service::keys::passphrase::{Budget, decrypt, decrypt_cbc, mac_is_right};

/// Why a key file is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is larger than any key file.
    #[error("the key file is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// None of the kinds that are read.
    #[error("the file is no private key file of a kind that is read here")]
    Unrecognised,
    /// A PEM block of a private key of a kind that is not read.
    #[error("PEM blocks named {label} are not read here")]
    UnsupportedLabel {
        /// The word after BEGIN.
        label: String,
    },
    /// The structure is broken.
    #[error("the key file is malformed")]
    Malformed(#[source] keys::Error),
    /// An algorithm that is not read, of the key or of its encryption.
    #[error("{what} names an algorithm that is not supported: {oid}")]
    Unsupported {
        /// The field.
        what: &'static str,
        /// The algorithm.
        oid: ObjectIdentifier,
    },
    /// A key on a curve given by numbers, or an RSA key of many primes.
    #[error("keys of this form are not taken in")]
    UnsupportedForm(#[source] keys::Error),
    /// Encrypted as PEM was of old.
    #[error("the PEM block is encrypted in the old way of RFC 1421; convert it to PKCS#8")]
    LegacyEncryption,
    /// The passphrase would have to be stretched longer than anybody needs.
    #[error("the passphrase is to be stretched more than {limit} times")]
    TooManyIterations {
        /// The limit.
        limit: u32,
    },
    /// The file is encrypted, and no passphrase was given.
    #[error("the key file is encrypted; a passphrase is needed")]
    PassphraseNeeded,
    /// The passphrase is wrong. A changed file cannot be told from that, where it carries no other proof.
    #[error("the passphrase is wrong, or the file was changed")]
    WrongPassphrase,
    /// PKCS#12 wants the passphrase as text.
    #[error("the passphrase is not UTF-8 text")]
    PassphraseNotText,
    /// The file holds no private key.
    #[error("the file holds no private key")]
    NoKey,
    /// The file holds several private keys, and nothing says which is meant.
    #[error("the file holds {count} private keys; import them one by one")]
    SeveralKeys {
        /// How many.
        count: usize,
    },
    /// The private number is zero or beyond the curve's order.
    #[error("the private key is outside of its range")]
    KeyOutOfRange,
    /// An RSA key that is too small to be safe, or larger than is handled.
    #[error("an RSA key of {bits} bits is outside 2048 to 4096")]
    RsaSize {
        /// Bits of its modulus.
        bits: usize,
    },
    /// The numbers of an RSA key do not belong together.
    #[error("the numbers of the RSA key do not belong together")]
    RsaInconsistent,
    /// The public key beside the private one is another's.
    #[error("the public key in the file does not belong to the private key")]
    PublicKeyMismatch,
    /// Certificates are there, but none for this key.
    #[error("no certificate in the file belongs to the private key")]
    CertificateMismatch,
    /// A certificate is broken.
    #[error("a certificate in the key file is malformed")]
    MalformedCertificate(#[source] der::Error),
    /// A computation was refused by the library that does it.
    #[error("the key file could not be computed with")]
    Computation,
}

impl Error {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "key-import-too-large",
            Self::Unrecognised => "key-import-unrecognised",
            Self::Malformed(_) => "key-import-malformed",
            Self::Unsupported { .. } | Self::UnsupportedLabel { .. } | Self::UnsupportedForm(_) => {
                "key-import-unsupported"
            }
            Self::LegacyEncryption => "key-import-legacy-encryption",
            Self::TooManyIterations { .. } => "key-import-too-many-iterations",
            Self::PassphraseNeeded => "passphrase-needed",
            Self::WrongPassphrase => "passphrase-wrong",
            Self::PassphraseNotText => "passphrase-not-text",
            Self::NoKey => "key-import-no-key",
            Self::SeveralKeys { .. } => "key-import-several-keys",
            Self::KeyOutOfRange => "key-import-out-of-range",
            Self::RsaSize { .. } => "key-import-size",
            Self::RsaInconsistent => "key-import-inconsistent",
            Self::PublicKeyMismatch => "key-import-public-key-mismatch",
            Self::CertificateMismatch => "key-import-certificate-mismatch",
            Self::MalformedCertificate(_) => "key-import-certificate-malformed",
            Self::Computation => "key-import-failed",
        }
    }
}

impl From<keys::Error> for Error {
    fn from(error: keys::Error) -> Self {
        match error {
            keys::Error::Unsupported { what, oid } => Self::Unsupported { what, oid },
            keys::Error::TooManyIterations { limit } => Self::TooManyIterations { limit },
            keys::Error::LegacyEncryption => Self::LegacyEncryption,
            keys::Error::ExplicitCurve | keys::Error::MultiPrime => Self::UnsupportedForm(error),
            error => Self::Malformed(error),
        }
    }
}

/// A key pair from a file, checked: the private key is in its range and fits the public one.
///
/// Not checked: whether anybody should trust the certificates, or they are in force.
#[derive(Debug)]
pub struct Imported {
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// What [`crate::service::keys::KeyStore::keep`] wants: the scalar of 32 bytes for SM2 and P-256, the seed of 32 bytes
    /// for Ed25519, the RSAPrivateKey for RSA.
    pub private: Secret,
    /// SubjectPublicKeyInfo, DER, computed from the private key.
    pub public: Vec<u8>,
    /// The certificates of the file; the first is this key's own, the others keep their order.
    pub certificates: Vec<Vec<u8>>,
}

/// What a file was found to hold.
#[derive(Debug, Default)]
struct Found {
    keys: Vec<PrivateKeyInfo>,
    certificates: Vec<Vec<u8>>,
    public_keys: Vec<Vec<u8>>,
    curve: Option<Curve>,
}

/// Reads a key file: PEM or DER; PKCS#8 plain or encrypted, PKCS#12, SEC 1, PKCS#1, CFCA's. Takes seconds at most: the
/// size and the iterations of one file are bounded.
///
/// # Errors
/// See [`Error`].
pub fn open(bytes: &[u8], passphrase: Option<&Secret>) -> Result<Imported, Error> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(Error::TooLarge { limit: MAX_FILE_BYTES });
    }
    let mut reading = Reading { found: Found::default(), passphrase, budget: Budget::new() };
    match recognise(bytes).ok_or(Error::Unrecognised)? {
        KeyFile::Pem(text) => reading.pem(text)?,
        KeyFile::Base64(content) => {
            let inside = content.expose(); // to be read
            match recognise(inside).ok_or(Error::Unrecognised)? {
                KeyFile::Pem(_) | KeyFile::Base64(_) => return Err(Error::Unrecognised),
                KeyFile::Cfca => return open_cfca(inside, passphrase),
                kind => reading.der(&kind, inside)?,
            }
        }
        KeyFile::Cfca => return open_cfca(bytes, passphrase),
        kind => reading.der(&kind, bytes)?,
    }
    finish(reading.found)
}

struct Reading<'a> {
    found: Found,
    passphrase: Option<&'a Secret>,
    budget: Budget,
}

impl Reading<'_> {
    fn pem(&mut self, text: &str) -> Result<(), Error> {
        for block in read_pem_blocks(text)? {
            let content = block.content.expose(); // to be read
            match block.label.as_str() {
                "PRIVATE KEY" => self.der(&KeyFile::Pkcs8, content)?,
                "ENCRYPTED PRIVATE KEY" => self.der(&KeyFile::EncryptedPkcs8, content)?,
                // Tongsuo and OpenSSL name the SM2 blocks after the algorithm.
                "EC PRIVATE KEY" | "SM2 PRIVATE KEY" => self.der(&KeyFile::Sec1, content)?,
                "RSA PRIVATE KEY" => self.der(&KeyFile::Pkcs1, content)?,
                "EC PARAMETERS" | "SM2 PARAMETERS" => self.found.curve = Some(Curve::read_parameters(content)?),
                "CERTIFICATE" => self.found.certificates.push(content.to_vec()),
                "PUBLIC KEY" => self.found.public_keys.push(content.to_vec()),
                label if label.ends_with("PRIVATE KEY") => {
                    return Err(Error::UnsupportedLabel { label: label.to_owned() });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn der(&mut self, kind: &KeyFile<'_>, der: &[u8]) -> Result<(), Error> {
        let key = match kind {
            KeyFile::Pkcs8 => PrivateKeyInfo::parse(der)?,
            KeyFile::EncryptedPkcs8 => {
                let file = EncryptedPrivateKeyInfo::parse(der)?;
                let passphrase = self.passphrase.ok_or(Error::PassphraseNeeded)?;
                let plain = decrypt(&file.scheme, passphrase, file.encrypted, &mut self.budget)?;
                let plain = plain.filter(|plain| is_one_sequence(plain.expose())).ok_or(Error::WrongPassphrase)?;
                PrivateKeyInfo::parse(plain.expose())? // to be read
            }
            KeyFile::Sec1 => {
                let key = EcPrivateKey::parse(der)?;
                let beside = self.found.curve;
                let curve =
                    key.curve.or(beside).ok_or(keys::Error::from(der::Error::Missing { what: "ECParameters" }))?;
                PrivateKeyInfo { kind: curve.into(), private: key.scalar, public: key.public }
            }
            KeyFile::Pkcs1 => {
                let key = RsaPrivateKey::parse(der)?;
                PrivateKeyInfo { kind: KeyKind::Rsa, private: key.private, public: None }
            }
            KeyFile::Pkcs12 => return self.pkcs12(der),
            _ => return Err(Error::Unrecognised),
        };
        self.found.keys.push(key);
        Ok(())
    }

    /// The MAC first: nothing is decrypted that was changed (RFC 7292 5.1, in reverse).
    fn pkcs12(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let pfx = Pfx::parse(bytes)?;
        if let Some(mac) = &pfx.mac {
            let passphrase = self.passphrase.ok_or(Error::PassphraseNeeded)?;
            if !mac_is_right(mac, passphrase, &pfx.auth_safe, &mut self.budget)? {
                return Err(Error::WrongPassphrase);
            }
        }
        for content in pfx.contents()? {
            let bags = match content {
                Content::Plain(octets) => read_safe_contents(&octets)?,
                Content::Encrypted { scheme, encrypted } => {
                    let passphrase = self.passphrase.ok_or(Error::PassphraseNeeded)?;
                    let plain = decrypt(&scheme, passphrase, &encrypted, &mut self.budget)?;
                    let plain = plain.ok_or(Error::WrongPassphrase)?;
                    read_safe_contents(plain.expose())? // to be read
                }
            };
            for bag in bags {
                match bag {
                    Bag::Key(key) => self.der(&KeyFile::Pkcs8, key.expose())?, // to be read
                    Bag::ShroudedKey(key) => self.der(&KeyFile::EncryptedPkcs8, &key)?,
                    Bag::Certificate(certificate) => self.found.certificates.push(certificate),
                    Bag::Other(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// CFCA's file has no proof of the passphrase but the certificate: a scalar that does not fit it means a wrong one.
fn open_cfca(der: &[u8], passphrase: Option<&Secret>) -> Result<Imported, Error> {
    let file = CfcaKeyFile::parse(der)?;
    let passphrase = passphrase.ok_or(Error::PassphraseNeeded)?.expose(); // to be stretched
    // KDF of GB/T 32918.4 5.4.3 over the passphrase, 32 bytes of it: one round of SM3.
    let derived = Secret::new(sm3(&zeroize::Zeroizing::new([passphrase, &[0, 0, 0, 1]].concat())).to_vec());
    let (iv, key) = derived.expose().split_at_checked(16).ok_or(Error::Computation)?; // to decrypt with
    let private = decrypt_cbc(Cipher::Sm4Cbc, key, iv, file.encrypted)?.ok_or(Error::WrongPassphrase)?;
    if private.expose().len() != 32 {
        return Err(Error::WrongPassphrase);
    }
    let key = PrivateKeyInfo { kind: KeyKind::Sm2, private, public: None };
    let found = Found { keys: vec![key], certificates: vec![file.certificate.to_vec()], ..Found::default() };
    finish(found).map_err(|error| match error {
        Error::KeyOutOfRange | Error::CertificateMismatch => Error::WrongPassphrase,
        other => other,
    })
}

/// Whether the octets are one SEQUENCE and nothing else, as a decrypted key is and chance hardly ever.
fn is_one_sequence(octets: &[u8]) -> bool {
    let mut reader = der::Reader::new(octets);
    reader.sequence("PrivateKeyInfo").is_ok() && reader.is_empty()
}

/// One key, and everything that stands beside it fits it.
fn finish(found: Found) -> Result<Imported, Error> {
    let count = found.keys.len();
    let Ok([key]) = <[PrivateKeyInfo; 1]>::try_from(found.keys) else {
        return Err(if count == 0 { Error::NoKey } else { Error::SeveralKeys { count } });
    };
    if found.curve.is_some_and(|curve| KeyKind::from(curve) != key.kind) {
        return Err(keys::Error::Contradiction { what: "ECParameters" }.into());
    }
    let (algorithm, octets) = public_octets(&key)?;
    if key.public.as_ref().is_some_and(|beside| !is_same_point(beside, &octets)) {
        return Err(Error::PublicKeyMismatch);
    }
    let public = SubjectPublicKeyInfo::write(key.kind, &octets);
    for beside in &found.public_keys {
        let beside = SubjectPublicKeyInfo::parse(beside).map_err(|error| Error::Malformed(error.into()))?;
        if !is_same_key(&beside, &public) {
            return Err(Error::PublicKeyMismatch);
        }
    }
    let mut own = Vec::new();
    let mut others = Vec::new();
    for certificate in found.certificates {
        let parsed = Certificate::parse(&certificate).map_err(Error::MalformedCertificate)?;
        let place = if is_same_key(&parsed.public_key, &public) { &mut own } else { &mut others };
        place.push(certificate);
    }
    if own.is_empty() && !others.is_empty() {
        return Err(Error::CertificateMismatch);
    }
    own.append(&mut others);
    Ok(Imported { algorithm, private: key.private, public, certificates: own })
}

/// n-1 of the SM2 curve: it makes a pair, but 1 + d has no inverse, so it cannot sign (GB/T 32918.1 6.1).
const SM2_ORDER_LESS_ONE: [u8; 32] = [
    0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x72, 0x03, 0xdf,
    0x6b, 0x21, 0xc6, 0x05, 0x2b, 0x53, 0xbb, 0xf4, 0x09, 0x39, 0xd5, 0x41, 0x22,
];

/// The public key that belongs to the private one, as SubjectPublicKeyInfo carries it.
fn public_octets(key: &PrivateKeyInfo) -> Result<(KeyAlgorithm, Vec<u8>), Error> {
    let private = key.private.expose(); // to compute the public key
    match key.kind {
        KeyKind::Sm2 => {
            if private.ct_eq(&SM2_ORDER_LESS_ONE).into() {
                return Err(Error::KeyOutOfRange);
            }
            let key = sm2::PrivateKey::from_bytes(private).map_err(|_| Error::KeyOutOfRange)?;
            Ok((KeyAlgorithm::Sm2, key.public_key().to_bytes().to_vec()))
        }
        KeyKind::P256 => Ok((KeyAlgorithm::EcdsaP256, p256_point(private)?)),
        KeyKind::Ed25519 => {
            let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(private);
            let pair = pair.map_err(|_| Error::Computation)?;
            Ok((KeyAlgorithm::Ed25519, pair.public_key().as_ref().to_vec()))
        }
        KeyKind::Rsa => Ok((KeyAlgorithm::Rsa, rsa_public_key(private)?)),
    }
}

fn p256_point(scalar: &[u8]) -> Result<Vec<u8>, Error> {
    let compute = || {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let (mut order, mut context) = (BigNum::new()?, BigNumContext::new()?);
        group.order(&mut order, &mut context)?;
        let mut number = BigNum::from_slice(scalar)?;
        number.set_const_time();
        let is_in_range = number.num_bits() > 0 && number < order;
        let mut point = EcPoint::new(&group)?;
        if is_in_range {
            point.mul_generator2(&group, &number, &mut context)?;
        }
        number.clear();
        if !is_in_range {
            return Ok(None);
        }
        point.to_bytes(&group, PointConversionForm::UNCOMPRESSED, &mut context).map(Some)
    };
    let point: Result<_, openssl::error::ErrorStack> = compute();
    point.map_err(|_| Error::Computation)?.ok_or(Error::KeyOutOfRange)
}

fn rsa_public_key(der: &[u8]) -> Result<Vec<u8>, Error> {
    let numbers = RsaPrivateKey::parse(der)?;
    let top = numbers.modulus.first().map_or(0, |octet| octet.leading_zeros());
    let bits = numbers.modulus.len().saturating_mul(8).saturating_sub(usize::try_from(top).unwrap_or(0));
    if !(2048..=4096).contains(&bits) {
        return Err(Error::RsaSize { bits });
    }
    // Primes are tested and every equation of RFC 8017 3.2; OpenSSL answers with an error where one does not hold.
    let key = openssl::rsa::Rsa::private_key_from_der(der).map_err(|_| Error::RsaInconsistent)?;
    if !key.check_key().unwrap_or(false) {
        return Err(Error::RsaInconsistent);
    }
    Ok(write_rsa_public_key(&numbers.modulus, &numbers.exponent))
}

/// Whether the octets are the key: the same, or a point compressed (GB/T 32918.1 4.2.9).
fn is_same_point(beside: &[u8], octets: &[u8]) -> bool {
    let compressed = || {
        let (x, y) = octets.get(1..)?.split_at_checked(32)?;
        let form = 2 | (y.last()? & 1);
        Some(beside.split_first() == Some((&form, x)))
    };
    beside == octets || compressed().unwrap_or(false)
}

/// Whether both are the same key; parameters NULL or absent make no difference for RSA.
fn is_same_key(info: &SubjectPublicKeyInfo<'_>, ours: &[u8]) -> bool {
    SubjectPublicKeyInfo::parse(ours).is_ok_and(|ours| {
        let same_curve =
            ours.algorithm.oid != keys::oid::EC_PUBLIC_KEY || ours.algorithm.parameters == info.algorithm.parameters;
        ours.algorithm.oid == info.algorithm.oid && same_curve && is_same_point(info.key, ours.key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_the_same_in_both_forms() {
        let point = [&[4][..], &[7; 32], &[9; 32]].concat();
        assert!(is_same_point(&point, &point));
        assert!(is_same_point(&[&[3][..], &[7; 32]].concat(), &point));
        assert!(!is_same_point(&[&[2][..], &[7; 32]].concat(), &point));
        assert!(!is_same_point(&[&[3][..], &[8; 32]].concat(), &point));
        assert!(!is_same_point(&[7; 32], &[9; 32]));
    }

    #[test]
    fn the_range_of_p256() {
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let mut octets = BigNum::from_hex_str(order).unwrap().to_vec();
        assert_eq!(p256_point(&octets).unwrap_err(), Error::KeyOutOfRange);
        assert_eq!(p256_point(&[0; 32]).unwrap_err(), Error::KeyOutOfRange);
        octets[31] -= 1; // n-1 gives -G
        let generator = [&[0; 31][..], &[1]].concat();
        let (minus, plus) = (p256_point(&octets).unwrap(), p256_point(&generator).unwrap());
        assert_eq!((minus.len(), &minus[..33]), (65, &plus[..33]));
        assert_ne!(minus, plus);
    }
}
