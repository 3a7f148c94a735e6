//! The algorithms by name: which object identifiers mean which, their parameters and sizes. Whether one is acceptable,
//! and until when, is policy (`domain::trust::acceptance`).

mod oid;
pub mod registry;

pub use oid::*;
pub use registry::{Algorithm, Kind, Parameters, REGISTRY};

use der::asn1::ObjectIdentifier;

/// A digest algorithm that we compute. MD5 and SHA-1 are not here: nothing that rests on them is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    /// SM3 (GB/T 32905), 32 bytes.
    Sm3,
    /// SHA-256 (FIPS 180-4), 32 bytes.
    Sha256,
    /// SHA-384 (FIPS 180-4), 48 bytes.
    Sha384,
    /// SHA-512 (FIPS 180-4), 64 bytes.
    Sha512,
}

impl DigestAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sm3, Self::Sha256, Self::Sha384, Self::Sha512];

    /// As reports write it, and its name in the registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm3 => "sm3",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Its object identifier.
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sm3 => OID_SM3,
            Self::Sha256 => OID_SHA256,
            Self::Sha384 => OID_SHA384,
            Self::Sha512 => OID_SHA512,
        }
    }

    /// The algorithm of an object identifier; [`OID_SM3_HMAC`] is none: it needs a key.
    #[must_use]
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            OID_SM3 | OID_SM3_PLAIN => Some(Self::Sm3),
            OID_SHA256 => Some(Self::Sha256),
            OID_SHA384 => Some(Self::Sha384),
            OID_SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Bytes of a digest.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sm3 | Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A signature algorithm that we compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// SM2 over SM3(Z‖M) (GB/T 32918.2).
    Sm2Sm3,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 8.2).
    RsaPkcs1(DigestAlgorithm),
    /// RSASSA-PSS with MGF1 by the same digest and a salt as long as a digest (RFC 8017 8.1, RFC 4055 3.1).
    RsaPss(DigestAlgorithm),
    /// ECDSA over P-256 with SHA-256 (FIPS 186-5 6).
    EcdsaP256Sha256,
    /// ECDSA over P-384 or P-521 with SHA-256 (FIPS 186-5 6): over P-256 it is [`Self::EcdsaP256Sha256`].
    EcdsaSha256,
    /// ECDSA over any of the curves with SHA-384.
    EcdsaSha384,
    /// ECDSA over any of the curves with SHA-512.
    EcdsaSha512,
    /// Ed25519 (RFC 8032 5.1).
    Ed25519,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Sm2Sm3,
        Self::RsaPkcs1(DigestAlgorithm::Sm3),
        Self::RsaPkcs1(DigestAlgorithm::Sha256),
        Self::RsaPkcs1(DigestAlgorithm::Sha384),
        Self::RsaPkcs1(DigestAlgorithm::Sha512),
        Self::RsaPss(DigestAlgorithm::Sm3),
        Self::RsaPss(DigestAlgorithm::Sha256),
        Self::RsaPss(DigestAlgorithm::Sha384),
        Self::RsaPss(DigestAlgorithm::Sha512),
        Self::EcdsaP256Sha256,
        Self::EcdsaSha256,
        Self::EcdsaSha384,
        Self::EcdsaSha512,
        Self::Ed25519,
    ];

    /// As reports write it, and its name in the registry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm2Sm3 => "sm2-sm3",
            Self::RsaPkcs1(DigestAlgorithm::Sm3) => "rsa-sm3",
            Self::RsaPkcs1(DigestAlgorithm::Sha256) => "rsa-sha256",
            Self::RsaPkcs1(DigestAlgorithm::Sha384) => "rsa-sha384",
            Self::RsaPkcs1(DigestAlgorithm::Sha512) => "rsa-sha512",
            Self::RsaPss(DigestAlgorithm::Sm3) => "rsa-pss-sm3",
            Self::RsaPss(DigestAlgorithm::Sha256) => "rsa-pss-sha256",
            Self::RsaPss(DigestAlgorithm::Sha384) => "rsa-pss-sha384",
            Self::RsaPss(DigestAlgorithm::Sha512) => "rsa-pss-sha512",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaSha256 => "ecdsa-sha256",
            Self::EcdsaSha384 => "ecdsa-sha384",
            Self::EcdsaSha512 => "ecdsa-sha512",
            Self::Ed25519 => "ed25519",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The algorithm of an object identifier in a certificate or a seal signature. [`OID_RSA_PSS`] says nothing
    /// without its parameters: `None` here. [`OID_ECDSA_SHA256`] is P-256's: what it is under another curve, the key tells
    /// ([`PublicKey::meant`](crate::crypto::PublicKey::meant)).
    #[must_use]
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            OID_SM2_WITH_SM3 | OID_SM2_SIGN => Some(Self::Sm2Sm3),
            OID_SM3_RSA => Some(Self::RsaPkcs1(DigestAlgorithm::Sm3)),
            OID_SHA256_RSA => Some(Self::RsaPkcs1(DigestAlgorithm::Sha256)),
            OID_SHA384_RSA => Some(Self::RsaPkcs1(DigestAlgorithm::Sha384)),
            OID_SHA512_RSA => Some(Self::RsaPkcs1(DigestAlgorithm::Sha512)),
            OID_ECDSA_SHA256 => Some(Self::EcdsaP256Sha256),
            OID_ECDSA_SHA384 => Some(Self::EcdsaSha384),
            OID_ECDSA_SHA512 => Some(Self::EcdsaSha512),
            OID_ED25519 => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// The object identifier that says all about it; `None` for RSASSA-PSS, which needs parameters beside
    /// [`OID_RSA_PSS`].
    #[must_use]
    pub const fn oid(self) -> Option<ObjectIdentifier> {
        match self {
            Self::Sm2Sm3 => Some(OID_SM2_WITH_SM3),
            Self::RsaPkcs1(DigestAlgorithm::Sm3) => Some(OID_SM3_RSA),
            Self::RsaPkcs1(DigestAlgorithm::Sha256) => Some(OID_SHA256_RSA),
            Self::RsaPkcs1(DigestAlgorithm::Sha384) => Some(OID_SHA384_RSA),
            Self::RsaPkcs1(DigestAlgorithm::Sha512) => Some(OID_SHA512_RSA),
            Self::RsaPss(_) => None,
            Self::EcdsaP256Sha256 | Self::EcdsaSha256 => Some(OID_ECDSA_SHA256),
            Self::EcdsaSha384 => Some(OID_ECDSA_SHA384),
            Self::EcdsaSha512 => Some(OID_ECDSA_SHA512),
            Self::Ed25519 => Some(OID_ED25519),
        }
    }

    /// The digest that belongs to it: GB/T 38540 asks for SM3 beside SM2; Ed25519 digests by SHA-512 itself.
    #[must_use]
    pub const fn digest(self) -> DigestAlgorithm {
        match self {
            Self::Sm2Sm3 => DigestAlgorithm::Sm3,
            Self::RsaPkcs1(digest) | Self::RsaPss(digest) => digest,
            Self::EcdsaP256Sha256 | Self::EcdsaSha256 => DigestAlgorithm::Sha256,
            Self::EcdsaSha384 => DigestAlgorithm::Sha384,
            Self::EcdsaSha512 | Self::Ed25519 => DigestAlgorithm::Sha512,
        }
    }
}
