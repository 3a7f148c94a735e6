//! The algorithms by name: which object identifiers mean which, and their sizes. Whether one is acceptable is policy.

use der::asn1::ObjectIdentifier;

/// SM2 signature with SM3, `SM2WithSM3` (GM/T 0006).
pub const OID_SM2_WITH_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.501");
/// The SM2 curve `sm2p256v1` (GM/T 0006).
pub const OID_SM2_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
/// SM2 digital signature algorithm, seen as signature algorithm in SignerInfo (GM/T 0006).
pub const OID_SM2_SIGN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301.1");
/// SM3 (GM/T 0006).
pub const OID_SM3: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401");
/// SM3 without key (GM/T 0006).
pub const OID_SM3_PLAIN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401.1");
/// HMAC-SM3, "SM3 with key" (GM/T 0006). Real files write it where they mean SM3.
pub const OID_SM3_HMAC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.401.2");
/// `id-ecPublicKey` (RFC 5480 2.1.1).
pub const OID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// The curve P-256, `secp256r1` (RFC 5480 2.1.1.1).
pub const OID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `id-Ed25519` (RFC 8410 3).
pub const OID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// `rsaEncryption` (RFC 8017 A.1).
pub const OID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `sha256WithRSAEncryption` (RFC 8017 A.2.4).
pub const OID_SHA256_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// `sha384WithRSAEncryption` (RFC 8017 A.2.4).
pub const OID_SHA384_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
/// `sha512WithRSAEncryption` (RFC 8017 A.2.4).
pub const OID_SHA512_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
/// `id-sha256` (RFC 5754 2.2).
pub const OID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// `id-sha384` (RFC 5754 2.3).
pub const OID_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
/// `id-sha512` (RFC 5754 2.4).
pub const OID_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

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
    /// As reports write it.
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
}

impl SignatureAlgorithm {
    /// As reports write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sm2Sm3 => "sm2-sm3",
            Self::RsaPkcs1(DigestAlgorithm::Sm3) => "rsa-sm3",
            Self::RsaPkcs1(DigestAlgorithm::Sha256) => "rsa-sha256",
            Self::RsaPkcs1(DigestAlgorithm::Sha384) => "rsa-sha384",
            Self::RsaPkcs1(DigestAlgorithm::Sha512) => "rsa-sha512",
        }
    }

    /// The algorithm of an object identifier in a certificate or a seal signature.
    #[must_use]
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        match oid {
            OID_SM2_WITH_SM3 | OID_SM2_SIGN => Some(Self::Sm2Sm3),
            OID_SHA256_RSA => Some(Self::RsaPkcs1(DigestAlgorithm::Sha256)),
            OID_SHA384_RSA => Some(Self::RsaPkcs1(DigestAlgorithm::Sha384)),
            OID_SHA512_RSA => Some(Self::RsaPkcs1(DigestAlgorithm::Sha512)),
            _ => None,
        }
    }

    /// Its object identifier; `None` for RSA with SM3, which has none in the standards that we read.
    #[must_use]
    pub const fn oid(self) -> Option<ObjectIdentifier> {
        match self {
            Self::Sm2Sm3 => Some(OID_SM2_WITH_SM3),
            Self::RsaPkcs1(DigestAlgorithm::Sha256) => Some(OID_SHA256_RSA),
            Self::RsaPkcs1(DigestAlgorithm::Sha384) => Some(OID_SHA384_RSA),
            Self::RsaPkcs1(DigestAlgorithm::Sha512) => Some(OID_SHA512_RSA),
            Self::RsaPkcs1(DigestAlgorithm::Sm3) => None,
        }
    }

    /// The digest that belongs to it: GB/T 38540 asks for SM3 beside SM2.
    #[must_use]
    pub const fn digest(self) -> DigestAlgorithm {
        match self {
            Self::Sm2Sm3 => DigestAlgorithm::Sm3,
            Self::RsaPkcs1(digest) => digest,
        }
    }
}
