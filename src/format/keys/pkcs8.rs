//! Private keys as PKCS#8 writes them, plain and under a passphrase (RFC 5958).

use crate::base::secret::Secret;
use crate::format::der::{self, Reader, Tag, Writer};
use crate::format::keys::pbe::Scheme;
use crate::format::keys::pkcs1::RsaPrivateKey;
use crate::format::keys::sec1::{Curve, EcPrivateKey, context, read_scalar};
use crate::format::keys::wiped::{INTEGER, OCTET_STRING, SEQUENCE, copy, secret, wrap};
use crate::format::keys::{AlgorithmIdentifier, Error, oid};

/// The kinds of private key that are read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// On the SM2 curve.
    Sm2,
    /// On P-256.
    P256,
    /// RSA with two primes.
    Rsa,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

impl From<Curve> for KeyKind {
    fn from(curve: Curve) -> Self {
        match curve {
            Curve::Sm2 => Self::Sm2,
            Curve::P256 => Self::P256,
        }
    }
}

/// `PrivateKeyInfo`, `OneAsymmetricKey ::= SEQUENCE { version INTEGER, privateKeyAlgorithm AlgorithmIdentifier,
/// privateKey OCTET STRING, attributes [0] OPTIONAL, publicKey [1] BIT STRING OPTIONAL }` (RFC 5958 2).
///
/// Not checked: that the private key is in its range, nor that the public key belongs to it.
#[derive(Debug)]
pub struct PrivateKeyInfo {
    /// Which kind of key.
    pub kind: KeyKind,
    /// The scalar of 32 bytes for SM2 and P-256, the seed of 32 bytes for Ed25519, the RSAPrivateKey for RSA.
    pub private: Secret,
    /// The public key that stands beside it, if one does: a point, or the 32 bytes of Ed25519.
    pub public: Option<Vec<u8>>,
}

impl PrivateKeyInfo {
    /// Reads one that fills the bytes.
    ///
    /// Accepted beside the standard's form: the SM2 curve in the place of `id-ecPublicKey` (Tongsuo writes so), and the
    /// bare scalar of 32 bytes in the place of an ECPrivateKey (vendors' devices; a hypothesis without a sample).
    /// Attributes are passed over.
    ///
    /// # Errors
    /// Not this structure, or a kind of key that is not read: [`Error::Unsupported`], [`Error::ExplicitCurve`],
    /// [`Error::MultiPrime`].
    pub fn parse(der: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "PrivateKeyInfo";
        let mut outer = Reader::new(der);
        let mut inner = outer.sequence(WHAT)?;
        let version = inner.small("version")?;
        if version > 1 {
            return Err(der::Error::InvalidValue { what: "version" }.into());
        }
        let algorithm = AlgorithmIdentifier::read(&mut inner, "privateKeyAlgorithm")?;
        let private = inner.octet_string("privateKey")?;
        inner.optional(context(0), "attributes")?;
        let beside = match inner.optional(PUBLIC_KEY, "publicKey")? {
            // [1] IMPLICIT BIT STRING: the octet that counts unused bits, then the key (RFC 5958 2, version 2).
            Some(value) if version == 1 => match value.content().split_first() {
                Some((0, key)) => Some(key.to_vec()),
                _ => return Err(der::Error::InvalidValue { what: "publicKey" }.into()),
            },
            Some(_) => return Err(Error::Contradiction { what: "version" }),
            None => None,
        };
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        let mut read = read_private(&algorithm, private)?;
        match (&read.public, beside) {
            (Some(inside), Some(beside)) if *inside != beside => {
                return Err(Error::Contradiction { what: "publicKey" });
            }
            (None, Some(beside)) => read.public = Some(beside),
            _ => {}
        }
        Ok(read)
    }

    /// The structure, version 1, as every reader takes it. SM2 and P-256 carry their point; `public` is not written for
    /// the other kinds.
    #[must_use]
    pub fn write(kind: KeyKind, private: &Secret, public: &[u8]) -> Secret {
        let mut algorithm = Writer::new();
        let octets = private.expose(); // to be written
        let mut write = |curve: Curve| {
            algorithm.sequence(|inner| {
                inner.oid(oid::EC_PUBLIC_KEY).oid(curve.oid());
            });
            wrap(OCTET_STRING, &[EcPrivateKey::write(None, private, public).expose()])
        };
        let key = match kind {
            KeyKind::Sm2 => write(Curve::Sm2),
            KeyKind::P256 => write(Curve::P256),
            KeyKind::Rsa => {
                algorithm.sequence(|inner| {
                    inner.oid(oid::RSA).null();
                });
                wrap(OCTET_STRING, &[octets])
            }
            KeyKind::Ed25519 => {
                algorithm.sequence(|inner| {
                    inner.oid(oid::ED25519);
                });
                // RFC 8410 7: an OCTET STRING in the OCTET STRING.
                wrap(OCTET_STRING, &[&wrap(OCTET_STRING, &[octets])])
            }
        };
        let version = wrap(INTEGER, &[&[0]]);
        secret(wrap(SEQUENCE, &[&version, &algorithm.into_bytes(), &key]))
    }
}

/// `publicKey [1] IMPLICIT BIT STRING`.
const PUBLIC_KEY: Tag = Tag::ContextSpecific { constructed: false, number: ::der::TagNumber(1) };

fn read_private(algorithm: &AlgorithmIdentifier<'_>, private: &[u8]) -> Result<PrivateKeyInfo, Error> {
    const WHAT: &str = "privateKeyAlgorithm";
    match algorithm.oid {
        oid::EC_PUBLIC_KEY | oid::SM2_CURVE => {
            let parameters = algorithm.parameters.ok_or(der::Error::Missing { what: "ECParameters" })?;
            let curve = Curve::read_parameters(parameters)?;
            if algorithm.oid == oid::SM2_CURVE && curve != Curve::Sm2 {
                return Err(Error::Contradiction { what: "ECParameters" });
            }
            // An ECPrivateKey of 32 bytes would hold a scalar below 2^216, which chance does not draw.
            if private.len() == 32 {
                return Ok(PrivateKeyInfo { kind: curve.into(), private: read_scalar(private)?, public: None });
            }
            let key = EcPrivateKey::parse(private)?;
            if key.curve.is_some_and(|inside| inside != curve) {
                return Err(Error::Contradiction { what: "ECParameters" });
            }
            Ok(PrivateKeyInfo { kind: curve.into(), private: key.scalar, public: key.public })
        }
        oid::RSA => {
            let is_null = algorithm.parameters.is_none_or(|parameters| parameters == [5, 0]);
            if !is_null {
                return Err(der::Error::InvalidValue { what: WHAT }.into());
            }
            let key = RsaPrivateKey::parse(private)?;
            Ok(PrivateKeyInfo { kind: KeyKind::Rsa, private: key.private, public: None })
        }
        oid::ED25519 => {
            // RFC 8410 3: the parameters must be absent.
            if algorithm.parameters.is_some() {
                return Err(der::Error::InvalidValue { what: WHAT }.into());
            }
            let mut inner = Reader::new(private);
            let seed = inner.octet_string("privateKey")?;
            inner.finish("privateKey")?;
            if seed.len() != 32 {
                return Err(der::Error::InvalidValue { what: "privateKey" }.into());
            }
            Ok(PrivateKeyInfo { kind: KeyKind::Ed25519, private: copy(seed), public: None })
        }
        oid => Err(Error::Unsupported { what: WHAT, oid }),
    }
}

/// `EncryptedPrivateKeyInfo ::= SEQUENCE { encryptionAlgorithm AlgorithmIdentifier, encryptedData OCTET STRING }`
/// (RFC 5958 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedPrivateKeyInfo<'a> {
    /// How the passphrase becomes a key, and what that key decrypts.
    pub scheme: Scheme,
    /// A PrivateKeyInfo, encrypted.
    pub encrypted: &'a [u8],
}

impl<'a> EncryptedPrivateKeyInfo<'a> {
    /// Reads one that fills the bytes.
    ///
    /// # Errors
    /// Not this structure, or an encryption that is not read, or one out of bounds.
    pub fn parse(der: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "EncryptedPrivateKeyInfo";
        let mut outer = Reader::new(der);
        let mut inner = outer.sequence(WHAT)?;
        let scheme = Scheme::read(&mut inner)?;
        let encrypted = inner.octet_string("encryptedData")?;
        inner.finish(WHAT)?;
        outer.finish(WHAT)?;
        Ok(Self { scheme, encrypted })
    }

    /// The structure.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|outer| {
            outer.raw(&self.scheme.to_der()).octet_string(self.encrypted);
        });
        writer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::der::ObjectIdentifier;

    fn point() -> Vec<u8> {
        [&[4][..], &[9; 64]].concat()
    }

    fn info(version: u32, algorithm: impl FnOnce(&mut Writer), private: &[u8], public: Option<&[u8]>) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.sequence(|key| {
            key.small(version).sequence(algorithm).octet_string(private);
            if let Some(public) = public {
                key.context_primitive(1, &[&[0], public].concat());
            }
        });
        writer.into_bytes()
    }

    fn curve(oids: [ObjectIdentifier; 2]) -> impl FnOnce(&mut Writer) {
        move |algorithm| {
            algorithm.oid(oids[0]).oid(oids[1]);
        }
    }

    #[test]
    fn every_kind_there_and_back() {
        let mut rsa = Writer::new();
        rsa.sequence(|key| {
            for number in [0, 1, 2, 3, 4, 5, 6, 7, 8] {
                key.small(number);
            }
        });
        let rsa = rsa.into_bytes();
        let cases = [
            (KeyKind::Sm2, vec![7; 32], Some(point())),
            (KeyKind::P256, vec![7; 32], Some(point())),
            (KeyKind::Ed25519, vec![7; 32], None),
            (KeyKind::Rsa, rsa, None),
        ];
        for (kind, private, public) in cases {
            let written = PrivateKeyInfo::write(kind, &copy(&private), &point());
            let read = PrivateKeyInfo::parse(written.expose()).unwrap();
            assert_eq!((read.kind, read.private.expose(), &read.public), (kind, &*private, &public));
        }
    }

    #[test]
    fn vendors_forms() {
        let bare = info(0, curve([oid::EC_PUBLIC_KEY, oid::SM2_CURVE]), &[7; 32], None);
        let read = PrivateKeyInfo::parse(&bare).unwrap();
        assert_eq!((read.kind, read.private.expose(), read.public), (KeyKind::Sm2, &[7; 32][..], None));
        let inner = EcPrivateKey::write(Some(Curve::Sm2), &copy(&[7; 32]), &point());
        let by_curve = info(0, curve([oid::SM2_CURVE, oid::SM2_CURVE]), inner.expose(), None);
        assert_eq!(PrivateKeyInfo::parse(&by_curve).unwrap().kind, KeyKind::Sm2);
        let with_public = info(1, curve([oid::EC_PUBLIC_KEY, oid::SM2_CURVE]), &[7; 32], Some(&point()));
        assert_eq!(PrivateKeyInfo::parse(&with_public).unwrap().public, Some(point()));
    }

    #[test]
    fn contradictions_and_other_algorithms_are_named() {
        let refusal = |der: &[u8]| PrivateKeyInfo::parse(der).unwrap_err();
        let sm2 = || curve([oid::EC_PUBLIC_KEY, oid::SM2_CURVE]);
        let contradiction = |what| Error::Contradiction { what };
        let on_p256 = EcPrivateKey::write(Some(Curve::P256), &copy(&[7; 32]), &point());
        assert_eq!(refusal(&info(0, sm2(), on_p256.expose(), None)), contradiction("ECParameters"));
        let mixed = curve([oid::SM2_CURVE, oid::P256_CURVE]);
        assert_eq!(refusal(&info(0, mixed, &[7; 32], None)), contradiction("ECParameters"));
        let with_point = EcPrivateKey::write(None, &copy(&[7; 32]), &point());
        let other = [&[4][..], &[8; 64]].concat();
        assert_eq!(refusal(&info(1, sm2(), with_point.expose(), Some(&other))), contradiction("publicKey"));
        assert_eq!(refusal(&info(0, sm2(), &[7; 32], Some(&other))), contradiction("version"));
        let invalid = |what| Error::from(der::Error::InvalidValue { what });
        assert_eq!(refusal(&info(2, sm2(), &[7; 32], None)), invalid("version"));
        let dsa = ObjectIdentifier::new_unwrap("1.2.840.10040.4.1");
        let unsupported = Error::Unsupported { what: "privateKeyAlgorithm", oid: dsa };
        let alone = |oid| {
            move |algorithm: &mut Writer| {
                algorithm.oid(oid);
            }
        };
        assert_eq!(refusal(&info(0, alone(dsa), &[7; 32], None)), unsupported);
        let missing = Error::from(der::Error::Missing { what: "ECParameters" });
        assert_eq!(refusal(&info(0, alone(oid::EC_PUBLIC_KEY), &[7; 32], None)), missing);
        let ed25519 = |seed: &[u8]| info(0, alone(oid::ED25519), &wrap(OCTET_STRING, &[seed]), None);
        assert_eq!(refusal(&ed25519(&[7; 31])), invalid("privateKey"));
        let null = |algorithm: &mut Writer| {
            algorithm.oid(oid::ED25519).null();
        };
        assert_eq!(refusal(&info(0, null, &[7; 34], None)), invalid("privateKeyAlgorithm"));
    }
}
