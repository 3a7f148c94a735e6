//! The object identifiers in key files.

use crate::format::der::ObjectIdentifier;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($text);)*
    };
}

identifiers! {
    /// `id-ecPublicKey` (RFC 5480 2.1.1).
    EC_PUBLIC_KEY = "1.2.840.10045.2.1";
    /// The SM2 curve (GM/T 0006).
    SM2_CURVE = "1.2.156.10197.1.301";
    /// P-256 (RFC 5480 2.1.1.1).
    P256_CURVE = "1.2.840.10045.3.1.7";
    /// `rsaEncryption` (RFC 8017 A.1).
    RSA = "1.2.840.113549.1.1.1";
    /// `id-Ed25519` (RFC 8410 3).
    ED25519 = "1.3.101.112";

    /// `id-PBES2` (RFC 8018 A.4).
    PBES2 = "1.2.840.113549.1.5.13";
    /// `id-PBKDF2` (RFC 8018 A.2).
    PBKDF2 = "1.2.840.113549.1.5.12";
    /// `id-hmacWithSHA1` (RFC 8018 B.1.1).
    HMAC_SHA1 = "1.2.840.113549.2.7";
    /// `id-hmacWithSHA256` (RFC 8018 B.1.2).
    HMAC_SHA256 = "1.2.840.113549.2.9";
    /// `id-hmacWithSHA384` (RFC 8018 B.1.2).
    HMAC_SHA384 = "1.2.840.113549.2.10";
    /// `id-hmacWithSHA512` (RFC 8018 B.1.2).
    HMAC_SHA512 = "1.2.840.113549.2.11";
    /// SM3 with a key (GM/T 0006).
    HMAC_SM3 = "1.2.156.10197.1.401.2";
    /// SM3 with a key, as OpenSSL numbers it.
    HMAC_SM3_OPENSSL = "1.2.156.10197.1.401.3.1";
    /// `aes128-CBC-PAD` (NIST; RFC 8018 B.2.5).
    AES_128_CBC = "2.16.840.1.101.3.4.1.2";
    /// `aes256-CBC-PAD` (NIST; RFC 8018 B.2.5).
    AES_256_CBC = "2.16.840.1.101.3.4.1.42";
    /// SM4 in CBC mode (GM/T 0006).
    SM4_CBC = "1.2.156.10197.1.104.2";
    /// SM4 without a mode (GM/T 0006); CFCA means CBC by it.
    SM4 = "1.2.156.10197.1.104";
    /// SM4 in ECB mode (GM/T 0006).
    SM4_ECB = "1.2.156.10197.1.104.1";
    /// `des-EDE3-CBC` (RFC 8018 B.2.2).
    DES_EDE3_CBC = "1.2.840.113549.3.7";

    /// `pbeWithSHAAnd3-KeyTripleDES-CBC` (RFC 7292 C).
    PBE_SHA1_3DES_3 = "1.2.840.113549.1.12.1.3";
    /// `pbeWithSHAAnd2-KeyTripleDES-CBC` (RFC 7292 C).
    PBE_SHA1_3DES_2 = "1.2.840.113549.1.12.1.4";
    /// `pbeWithSHAAnd128BitRC2-CBC` (RFC 7292 C).
    PBE_SHA1_RC2_128 = "1.2.840.113549.1.12.1.5";
    /// `pbewithSHAAnd40BitRC2-CBC` (RFC 7292 C).
    PBE_SHA1_RC2_40 = "1.2.840.113549.1.12.1.6";

    /// `id-data` (RFC 5652 4).
    DATA = "1.2.840.113549.1.7.1";
    /// `id-encryptedData` (RFC 5652 8).
    ENCRYPTED_DATA = "1.2.840.113549.1.7.6";
    /// `id-data` of GB/T 35275.
    GM_DATA = "1.2.156.10197.6.1.4.2.1";
    /// `keyBag` (RFC 7292 4.2.1).
    KEY_BAG = "1.2.840.113549.1.12.10.1.1";
    /// `pkcs8ShroudedKeyBag` (RFC 7292 4.2.2).
    SHROUDED_KEY_BAG = "1.2.840.113549.1.12.10.1.2";
    /// `certBag` (RFC 7292 4.2.3).
    CERT_BAG = "1.2.840.113549.1.12.10.1.3";
    /// `safeContentsBag` (RFC 7292 4.2.6).
    SAFE_CONTENTS_BAG = "1.2.840.113549.1.12.10.1.6";
    /// `x509Certificate` in a certBag (RFC 7292 4.2.3).
    X509_CERTIFICATE = "1.2.840.113549.1.9.22.1";

    /// `id-sha1` (RFC 5754 2.1; only in the MAC of PKCS#12).
    SHA1 = "1.3.14.3.2.26";
    /// `id-sha256` (RFC 5754 2.2).
    SHA256 = "2.16.840.1.101.3.4.2.1";
    /// `id-sha384` (RFC 5754 2.3).
    SHA384 = "2.16.840.1.101.3.4.2.2";
    /// `id-sha512` (RFC 5754 2.4).
    SHA512 = "2.16.840.1.101.3.4.2.3";
    /// SM3 (GM/T 0006).
    SM3 = "1.2.156.10197.1.401";
}
