//! The closed table of every algorithm that we know by name: those that we compute, and those that we know to refuse.

use der::asn1::ObjectIdentifier;

use crate::crypto::algorithm::oid;

/// What an algorithm does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Digests.
    Digest,
    /// Signs.
    Signature,
    /// A kind of key pair.
    PublicKey,
    /// Encrypts to a public key.
    KeyTransport,
    /// Agrees on a key.
    KeyAgreement,
    /// Authenticates under a secret key.
    Mac,
    /// Encrypts under a secret key.
    Cipher,
    /// Makes keys from keys or passphrases.
    KeyDerivation,
}

/// What may stand beside the object identifier in an AlgorithmIdentifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameters {
    /// Nothing.
    Absent,
    /// NULL is written; nothing is read as NULL (RFC 4055 2.1, 5).
    NullOrAbsent,
    /// Nothing is written; NULL is read as nothing (RFC 5754 2; both are common beside SM2).
    AbsentOrNull,
    /// The curve's object identifier.
    Curve(ObjectIdentifier),
    /// A structure of its own: RSASSA-PSS-params, RSAES-OAEP-params, GCMParameters, an initial vector and the like.
    Structure,
    /// It stands in no AlgorithmIdentifier.
    None,
}

impl Parameters {
    /// Whether these parameters (tag and length included) may stand there. A [`Parameters::Structure`] is judged by
    /// whoever reads it: here it only must be there.
    #[must_use]
    pub fn allow(self, found: Option<&[u8]>) -> bool {
        const NULL: &[u8] = &[5, 0];
        match self {
            Self::Absent => found.is_none(),
            Self::NullOrAbsent | Self::AbsentOrNull => found.is_none_or(|found| found == NULL),
            Self::Curve(curve) => found.is_some_and(|found| {
                let body = curve.as_bytes();
                found
                    .strip_prefix(&[6])
                    .and_then(<[u8]>::split_first)
                    .is_some_and(|(length, rest)| usize::from(*length) == body.len() && rest == body)
            }),
            Self::Structure => found.is_some(),
            Self::None => false,
        }
    }
}

/// One row of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    /// The stable name, in policies and reports.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// Its object identifiers: the first is written, all are read.
    pub oids: &'static [ObjectIdentifier],
    /// What stands beside them.
    pub parameters: Parameters,
    /// Security strength in bits (NIST SP 800-57 part 1, tables 2 and 3; for digests against collisions); 0 where it is
    /// broken. `None`: it depends on the key or the digest.
    pub strength: Option<u16>,
    /// Bits of its keys, from and to; 0 where it has none.
    pub key_bits: (u16, u16),
    /// Whether we compute it at all.
    pub computed: bool,
    /// Where it is defined.
    pub clause: &'static str,
}

/// The strength of an RSA modulus (NIST SP 800-57 part 1 rev. 5, table 2; the least of the table's row).
#[must_use]
pub const fn rsa_strength(bits: usize) -> u16 {
    match bits {
        15360.. => 256,
        7680.. => 192,
        3072.. => 128,
        2048.. => 112,
        1024.. => 80,
        _ => 0,
    }
}

impl Algorithm {
    /// The row of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        REGISTRY.iter().find(|row| row.name == name)
    }

    /// The rows of that kind with that object identifier: one, but for RSASSA-PSS, whose parameters tell, and for ECDSA with
    /// SHA-256, whose key tells.
    pub fn by_oid(kind: Kind, oid: ObjectIdentifier) -> impl Iterator<Item = &'static Self> {
        REGISTRY.iter().filter(move |row| row.kind == kind && row.oids.contains(&oid))
    }

    const fn new(name: &'static str, kind: Kind, oids: &'static [ObjectIdentifier], clause: &'static str) -> Self {
        let (parameters, strength, key_bits) = (Parameters::None, None, (0, 0));
        Self { name, kind, oids, parameters, strength, key_bits, computed: true, clause }
    }

    const fn beside(mut self, parameters: Parameters) -> Self {
        self.parameters = parameters;
        self
    }

    const fn strong(mut self, bits: u16) -> Self {
        self.strength = Some(bits);
        self
    }

    const fn keys(mut self, from: u16, to: u16) -> Self {
        self.key_bits = (from, to);
        self
    }

    const fn refused(mut self) -> Self {
        self.computed = false;
        self
    }
}

const RSA_KEYS: (u16, u16) = (2048, 8192);

const fn digest(name: &'static str, oids: &'static [ObjectIdentifier], bits: u16, clause: &'static str) -> Algorithm {
    Algorithm::new(name, Kind::Digest, oids, clause).beside(Parameters::AbsentOrNull).strong(bits)
}

const fn rsa(name: &'static str, oids: &'static [ObjectIdentifier], clause: &'static str) -> Algorithm {
    let row = Algorithm::new(name, Kind::Signature, oids, clause);
    row.beside(Parameters::NullOrAbsent).keys(RSA_KEYS.0, RSA_KEYS.1)
}

const fn pss(name: &'static str) -> Algorithm {
    let row = Algorithm::new(name, Kind::Signature, &[oid::OID_RSA_PSS], "RFC 8017 8.1, RFC 4055 3.1");
    row.beside(Parameters::Structure).keys(RSA_KEYS.0, RSA_KEYS.1)
}

const fn sm4(name: &'static str, oids: &'static [ObjectIdentifier], clause: &'static str) -> Algorithm {
    Algorithm::new(name, Kind::Cipher, oids, clause).beside(Parameters::Structure).strong(128).keys(128, 128)
}

/// Every algorithm that we know by name.
#[rustfmt::skip]
pub static REGISTRY: &[Algorithm] = &[
    digest("sm3", &[oid::OID_SM3, oid::OID_SM3_PLAIN], 128, "GB/T 32905-2016"),
    digest("sha256", &[oid::OID_SHA256], 128, "FIPS 180-4 6.2"),
    digest("sha384", &[oid::OID_SHA384], 192, "FIPS 180-4 6.5"),
    digest("sha512", &[oid::OID_SHA512], 256, "FIPS 180-4 6.4"),
    digest("sha1", &[oid::OID_SHA1], 0, "FIPS 180-4 6.1").refused(),
    digest("md5", &[oid::OID_MD5], 0, "RFC 1321").refused(),

    Algorithm::new("sm2-sm3", Kind::Signature, &[oid::OID_SM2_WITH_SM3, oid::OID_SM2_SIGN], "GB/T 32918.2-2016")
        .beside(Parameters::AbsentOrNull).strong(128).keys(256, 256),
    rsa("rsa-sm3", &[oid::OID_SM3_RSA], "RFC 8017 8.2 with GB/T 32905-2016"),
    rsa("rsa-sha256", &[oid::OID_SHA256_RSA], "RFC 8017 8.2"),
    rsa("rsa-sha384", &[oid::OID_SHA384_RSA], "RFC 8017 8.2"),
    rsa("rsa-sha512", &[oid::OID_SHA512_RSA], "RFC 8017 8.2"),
    pss("rsa-pss-sm3"),
    pss("rsa-pss-sha256"),
    pss("rsa-pss-sha384"),
    pss("rsa-pss-sha512"),
    Algorithm::new("ecdsa-p256-sha256", Kind::Signature, &[oid::OID_ECDSA_SHA256], "FIPS 186-5 6, RFC 5758 3.2")
        .beside(Parameters::Absent).strong(128).keys(256, 256),
    Algorithm::new("ecdsa-sha256", Kind::Signature, &[oid::OID_ECDSA_SHA256], "FIPS 186-5 6, RFC 5758 3.2")
        .beside(Parameters::Absent).strong(128).keys(384, 521),
    Algorithm::new("ecdsa-sha384", Kind::Signature, &[oid::OID_ECDSA_SHA384], "FIPS 186-5 6, RFC 5758 3.2")
        .beside(Parameters::Absent).strong(192).keys(256, 521),
    Algorithm::new("ecdsa-sha512", Kind::Signature, &[oid::OID_ECDSA_SHA512], "FIPS 186-5 6, RFC 5758 3.2")
        .beside(Parameters::Absent).strong(256).keys(256, 521),
    Algorithm::new("ed25519", Kind::Signature, &[oid::OID_ED25519], "RFC 8032 5.1, RFC 8410 3")
        .beside(Parameters::Absent).strong(128).keys(256, 256),
    rsa("rsa-sha1", &[oid::OID_SHA1_RSA], "RFC 8017 A.2.4").strong(0).refused(),
    rsa("rsa-md5", &[oid::OID_MD5_RSA], "RFC 8017 A.2.4").strong(0).refused(),

    Algorithm::new("sm2-key", Kind::PublicKey, &[oid::OID_EC_PUBLIC_KEY], "GB/T 20518, GB/T 32918.5-2017")
        .beside(Parameters::Curve(oid::OID_SM2_CURVE)).strong(128).keys(256, 256),
    Algorithm::new("rsa-key", Kind::PublicKey, &[oid::OID_RSA], "RFC 3279 2.3.1, RFC 8017 3.1")
        .beside(Parameters::NullOrAbsent).keys(RSA_KEYS.0, RSA_KEYS.1),
    Algorithm::new("p256-key", Kind::PublicKey, &[oid::OID_EC_PUBLIC_KEY], "RFC 5480 2.1.1, SP 800-186 3.2.1.3")
        .beside(Parameters::Curve(oid::OID_P256)).strong(128).keys(256, 256),
    Algorithm::new("p384-key", Kind::PublicKey, &[oid::OID_EC_PUBLIC_KEY], "RFC 5480 2.1.1, SP 800-186 3.2.1.4")
        .beside(Parameters::Curve(oid::OID_P384)).strong(192).keys(384, 384),
    Algorithm::new("p521-key", Kind::PublicKey, &[oid::OID_EC_PUBLIC_KEY], "RFC 5480 2.1.1, SP 800-186 3.2.1.5")
        .beside(Parameters::Curve(oid::OID_P521)).strong(256).keys(521, 521),
    Algorithm::new("ed25519-key", Kind::PublicKey, &[oid::OID_ED25519], "RFC 8410 4")
        .beside(Parameters::Absent).strong(128).keys(256, 256),

    Algorithm::new("sm2-encryption", Kind::KeyTransport, &[oid::OID_SM2_ENCRYPTION], "GB/T 32918.4-2016")
        .beside(Parameters::AbsentOrNull).strong(128).keys(256, 256),
    Algorithm::new("rsa-oaep-sha256", Kind::KeyTransport, &[oid::OID_RSA_OAEP], "RFC 8017 7.1")
        .beside(Parameters::Structure).keys(RSA_KEYS.0, RSA_KEYS.1),
    Algorithm::new("sm2-key-exchange", Kind::KeyAgreement, &[oid::OID_SM2_KEY_EXCHANGE], "GB/T 32918.3-2016")
        .beside(Parameters::AbsentOrNull).strong(128).keys(256, 256),

    Algorithm::new("hmac-sm3", Kind::Mac, &[oid::OID_SM3_HMAC], "GM/T 0042 D.3, RFC 2104")
        .beside(Parameters::AbsentOrNull).strong(128).keys(128, 512),
    Algorithm::new("hmac-sha256", Kind::Mac, &[oid::OID_HMAC_SHA256], "FIPS 198-1, RFC 4231")
        .beside(Parameters::AbsentOrNull).strong(256).keys(128, 512),

    sm4("sm4-gcm", &[oid::OID_SM4_GCM], "GB/T 32907-2016, RFC 8998 A.1"),
    sm4("sm4-ccm", &[oid::OID_SM4_CCM], "GB/T 32907-2016, RFC 8998 A.2"),
    sm4("sm4-cbc", &[oid::OID_SM4_CBC], "GB/T 32907-2016, GB/T 17964"),
    sm4("sm4-ctr", &[oid::OID_SM4_CTR], "GB/T 32907-2016, GB/T 17964"),
    sm4("sm4-ecb", &[oid::OID_SM4_ECB], "GB/T 32907-2016, GB/T 17964").strong(0).refused(),
    Algorithm::new("aes-256-gcm", Kind::Cipher, &[oid::OID_AES256_GCM], "FIPS 197, SP 800-38D, RFC 5084 3.2")
        .beside(Parameters::Structure).strong(256).keys(256, 256),

    Algorithm::new("hkdf-sha256", Kind::KeyDerivation, &[oid::OID_HKDF_SHA256], "RFC 5869, RFC 8619 3")
        .beside(Parameters::Absent).strong(256),
    Algorithm::new("pbkdf2-hmac-sha256", Kind::KeyDerivation, &[oid::OID_PBKDF2], "RFC 8018 5.2, A.2")
        .beside(Parameters::Structure),
    Algorithm::new("argon2id", Kind::KeyDerivation, &[], "RFC 9106"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};

    #[test]
    fn names_and_identifiers_are_unique_and_lead_back() {
        let names: BTreeSet<_> = REGISTRY.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), REGISTRY.len());
        for row in REGISTRY {
            assert_eq!(Algorithm::by_name(row.name), Some(row));
            assert!(row.key_bits.0 <= row.key_bits.1 && !row.clause.is_empty(), "{}", row.name);
            assert_eq!(row.strength == Some(0), !row.computed, "{}: refused because broken, and only so", row.name);
            for oid in row.oids {
                let found: Vec<_> = Algorithm::by_oid(row.kind, *oid)
                    .filter(|found| {
                        // Keys on curves are told apart by their parameters, RSASSA-PSS by its structure.
                        row.parameters == found.parameters
                    })
                    .map(|found| found.name)
                    .collect();
                let expected = match row.name {
                    name if name.starts_with("rsa-pss-") => 4,
                    "ecdsa-p256-sha256" | "ecdsa-sha256" => 2,
                    _ => 1,
                };
                assert_eq!(found.len(), expected, "{} {found:?}", row.name);
            }
        }
        assert_eq!(Algorithm::by_name("sha-1"), None);
    }

    #[test]
    fn what_is_computed_has_its_row() {
        let computed = |kind| REGISTRY.iter().filter(move |row| row.kind == kind && row.computed).map(|row| row.name);
        let signatures: Vec<_> = SignatureAlgorithm::ALL.into_iter().map(SignatureAlgorithm::name).collect();
        assert_eq!(computed(Kind::Signature).collect::<Vec<_>>(), signatures);
        let digests: Vec<_> = DigestAlgorithm::ALL.into_iter().map(DigestAlgorithm::name).collect();
        assert_eq!(computed(Kind::Digest).collect::<Vec<_>>(), digests);
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(SignatureAlgorithm::from_name(algorithm.name()), Some(algorithm));
            let row = Algorithm::by_name(algorithm.name()).unwrap();
            match algorithm.oid() {
                Some(oid) => assert_eq!(row.oids.first(), Some(&oid), "{}", row.name),
                None => assert_eq!(row.parameters, Parameters::Structure),
            }
            for oid in row.oids.iter().filter(|oid| **oid != oid::OID_RSA_PSS) {
                let first = match algorithm {
                    SignatureAlgorithm::EcdsaSha256 => SignatureAlgorithm::EcdsaP256Sha256,
                    algorithm => algorithm,
                };
                assert_eq!(SignatureAlgorithm::from_oid(*oid), Some(first));
            }
        }
        for algorithm in DigestAlgorithm::ALL {
            let row = Algorithm::by_name(algorithm.name()).unwrap();
            assert_eq!(row.oids.first(), Some(&algorithm.oid()));
            for oid in row.oids {
                assert_eq!(DigestAlgorithm::from_oid(*oid), Some(algorithm));
            }
        }
        for row in REGISTRY.iter().filter(|row| !row.computed) {
            for oid in row.oids {
                assert_eq!((SignatureAlgorithm::from_oid(*oid), DigestAlgorithm::from_oid(*oid)), (None, None));
            }
        }
    }

    #[test]
    fn parameters_are_those_of_the_standard_and_no_others() {
        let null: &[u8] = &[5, 0];
        let p256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
        let allowed = |name: &str| {
            let rule = Algorithm::by_name(name).unwrap().parameters;
            [None, Some(null), Some(p256), Some(&p256[..9]), Some(&[5, 1, 0][..])].map(|found| rule.allow(found))
        };
        assert_eq!(allowed("rsa-sha256"), [true, true, false, false, false]);
        assert_eq!(allowed("sm2-sm3"), [true, true, false, false, false]);
        assert_eq!(allowed("ecdsa-p256-sha256"), [true, false, false, false, false]);
        assert_eq!(allowed("ed25519"), [true, false, false, false, false]);
        assert_eq!(allowed("p256-key"), [false, false, true, false, false]);
        assert_eq!(allowed("sm2-key"), [false; 5]);
        assert_eq!(allowed("argon2id"), [false; 5]);
        assert_eq!(allowed("rsa-pss-sha256"), [false, true, true, true, true]);
    }

    #[test]
    fn strengths_of_moduli() {
        assert_eq!(
            [1023, 1024, 2047, 2048, 3072, 4096, 7680, 15360].map(rsa_strength),
            [0, 80, 80, 112, 128, 128, 192, 256]
        );
    }
}
