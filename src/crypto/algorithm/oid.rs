//! Object identifiers of algorithms, each with where it is defined.
//!
//! Those of arc 1.2.156.10197 are GM/T 0006's as recollection: read in files that carry them, and in the tables of
//! the Linux kernel, OpenSSL and Botan, not in the standard itself.

use der::asn1::ObjectIdentifier;

const fn oid(text: &'static str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

/// SM2 signature with SM3, `SM2WithSM3` (GM/T 0006).
pub const OID_SM2_WITH_SM3: ObjectIdentifier = oid("1.2.156.10197.1.501");
/// The SM2 curve `sm2p256v1` (GM/T 0006).
pub const OID_SM2_CURVE: ObjectIdentifier = oid("1.2.156.10197.1.301");
/// SM2 digital signature algorithm, seen as signature algorithm in SignerInfo (GM/T 0006).
pub const OID_SM2_SIGN: ObjectIdentifier = oid("1.2.156.10197.1.301.1");
/// SM2 key exchange (GM/T 0006).
pub const OID_SM2_KEY_EXCHANGE: ObjectIdentifier = oid("1.2.156.10197.1.301.2");
/// SM2 public key encryption (GM/T 0006).
pub const OID_SM2_ENCRYPTION: ObjectIdentifier = oid("1.2.156.10197.1.301.3");
/// SM3 (GM/T 0006).
pub const OID_SM3: ObjectIdentifier = oid("1.2.156.10197.1.401");
/// SM3 without key (GM/T 0006).
pub const OID_SM3_PLAIN: ObjectIdentifier = oid("1.2.156.10197.1.401.1");
/// HMAC-SM3, "SM3 with key" (GM/T 0006). Real files write it where they mean SM3.
pub const OID_SM3_HMAC: ObjectIdentifier = oid("1.2.156.10197.1.401.2");
/// SM4 in ECB mode (GM/T 0006).
pub const OID_SM4_ECB: ObjectIdentifier = oid("1.2.156.10197.1.104.1");
/// SM4 in CBC mode (GM/T 0006).
pub const OID_SM4_CBC: ObjectIdentifier = oid("1.2.156.10197.1.104.2");
/// SM4 in CTR mode (GM/T 0006).
pub const OID_SM4_CTR: ObjectIdentifier = oid("1.2.156.10197.1.104.7");
/// SM4 in GCM mode (GM/T 0006).
pub const OID_SM4_GCM: ObjectIdentifier = oid("1.2.156.10197.1.104.8");
/// SM4 in CCM mode (GM/T 0006).
pub const OID_SM4_CCM: ObjectIdentifier = oid("1.2.156.10197.1.104.9");
/// RSASSA-PKCS1-v1_5 with SM3, `sm3WithRSAEncryption` (GM/T 0006).
pub const OID_SM3_RSA: ObjectIdentifier = oid("1.2.156.10197.1.504");
/// `id-ecPublicKey` (RFC 5480 2.1.1).
pub const OID_EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
/// The curve P-256, `secp256r1` (RFC 5480 2.1.1.1).
pub const OID_P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
/// The curve P-384, `secp384r1` (RFC 5480 2.1.1.1).
pub const OID_P384: ObjectIdentifier = oid("1.3.132.0.34");
/// The curve P-521, `secp521r1` (RFC 5480 2.1.1.1).
pub const OID_P521: ObjectIdentifier = oid("1.3.132.0.35");
/// `ecdsa-with-SHA256` (RFC 5758 3.2).
pub const OID_ECDSA_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
/// `ecdsa-with-SHA384` (RFC 5758 3.2).
pub const OID_ECDSA_SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
/// `ecdsa-with-SHA512` (RFC 5758 3.2).
pub const OID_ECDSA_SHA512: ObjectIdentifier = oid("1.2.840.10045.4.3.4");
/// `id-Ed25519`, the key and the signature (RFC 8410 3).
pub const OID_ED25519: ObjectIdentifier = oid("1.3.101.112");
/// `rsaEncryption` (RFC 8017 A.1).
pub const OID_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
/// `md5WithRSAEncryption` (RFC 8017 A.2.4): known so that it can be refused by name.
pub const OID_MD5_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.4");
/// `sha1WithRSAEncryption` (RFC 8017 A.2.4): known so that it can be refused by name.
pub const OID_SHA1_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.5");
/// `id-RSAES-OAEP` (RFC 8017 A.2.1).
pub const OID_RSA_OAEP: ObjectIdentifier = oid("1.2.840.113549.1.1.7");
/// `id-mgf1` (RFC 8017 A.2.1).
pub const OID_MGF1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
/// `id-RSASSA-PSS` (RFC 8017 A.2.3).
pub const OID_RSA_PSS: ObjectIdentifier = oid("1.2.840.113549.1.1.10");
/// `sha256WithRSAEncryption` (RFC 8017 A.2.4).
pub const OID_SHA256_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");
/// `sha384WithRSAEncryption` (RFC 8017 A.2.4).
pub const OID_SHA384_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.12");
/// `sha512WithRSAEncryption` (RFC 8017 A.2.4).
pub const OID_SHA512_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.13");
/// `md5` (RFC 1321, RFC 3279 2.2.1).
pub const OID_MD5: ObjectIdentifier = oid("1.2.840.113549.2.5");
/// `id-sha1` (RFC 3279 2.2.1).
pub const OID_SHA1: ObjectIdentifier = oid("1.3.14.3.2.26");
/// `id-sha256` (RFC 5754 2.2).
pub const OID_SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
/// `id-sha384` (RFC 5754 2.3).
pub const OID_SHA384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
/// `id-sha512` (RFC 5754 2.4).
pub const OID_SHA512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
/// `id-hmacWithSHA256` (RFC 4231 3.1).
pub const OID_HMAC_SHA256: ObjectIdentifier = oid("1.2.840.113549.2.9");
/// `id-aes256-GCM` (RFC 5084 3.2).
pub const OID_AES256_GCM: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.46");
/// `id-PBKDF2` (RFC 8018 A.2).
pub const OID_PBKDF2: ObjectIdentifier = oid("1.2.840.113549.1.5.12");
/// `id-alg-hkdf-with-sha256` (RFC 8619 2).
pub const OID_HKDF_SHA256: ObjectIdentifier = oid("1.2.840.113549.1.9.16.3.28");
