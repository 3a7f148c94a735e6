//! From a certificate's key and a signature's octets to "right" or "wrong".

use crate::crypto::algorithm::{
    Algorithm, DigestAlgorithm, Kind, OID_EC_PUBLIC_KEY, OID_ED25519, OID_MGF1, OID_P256, OID_P384, OID_P521, OID_RSA,
    OID_RSA_PSS, OID_SM2_CURVE, Parameters, SignatureAlgorithm,
};
use crate::crypto::rsa::PssParameters;
use crate::crypto::sm2::KeyTables;
use crate::crypto::{PublicKey, ecdsa, ecdsa_large, ed25519, rsa, sm2};
use crate::format::der::{self, ObjectIdentifier, Reader, Tag, Writer};
use crate::format::keys::{
    AlgorithmIdentifier, Sm2Encoding, SubjectPublicKeyInfo, read_ecdsa_signature, read_rsa_public_key,
    read_sm2_signature, write_sm2_signature,
};

/// The key of a SubjectPublicKeyInfo; `None` for kinds and curves that we do not compute, and for broken keys.
#[must_use]
pub fn public_key(info: &SubjectPublicKeyInfo<'_>) -> Option<PublicKey> {
    match info.algorithm.oid {
        // Tongsuo and openHiTLS write the curve of SM2 in the place of id-ecPublicKey too: there it means nothing else.
        algorithm @ (OID_EC_PUBLIC_KEY | OID_SM2_CURVE) => {
            let mut reader = Reader::new(info.algorithm.parameters?);
            let curve = reader.oid("curve").ok()?;
            match curve {
                _ if !reader.is_empty() || (algorithm == OID_SM2_CURVE && curve != OID_SM2_CURVE) => None,
                OID_SM2_CURVE => sm2::PublicKey::from_bytes(info.key).ok().map(PublicKey::Sm2),
                OID_P256 => ecdsa::PublicKey::from_bytes(info.key).ok().map(PublicKey::EcdsaP256),
                OID_P384 => large(ecdsa_large::Curve::P384, info.key),
                OID_P521 => large(ecdsa_large::Curve::P521, info.key),
                _ => None,
            }
        }
        OID_ED25519 if info.algorithm.parameters.is_none() => {
            ed25519::PublicKey::from_bytes(info.key).ok().map(PublicKey::Ed25519)
        }
        OID_RSA => {
            let (modulus, exponent) = read_rsa_public_key(info.key).ok()?;
            rsa::PublicKey::new(modulus, exponent).ok().map(PublicKey::Rsa)
        }
        _ => None,
    }
}

fn large(curve: ecdsa_large::Curve, point: &[u8]) -> Option<PublicKey> {
    ecdsa_large::PublicKey::from_bytes(curve, point).ok().map(PublicKey::EcdsaLarge)
}

/// The SubjectPublicKeyInfo of a key (GB/T 20518 for SM2, RFC 3279 2.3.1 for RSA, RFC 5480 2.1.1 for ECDSA, RFC 8410 4
/// for Ed25519).
#[must_use]
pub fn subject_public_key_info(key: &PublicKey) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|info| match key {
        PublicKey::Sm2(point) => {
            info.sequence(|algorithm| {
                algorithm.oid(OID_EC_PUBLIC_KEY).oid(OID_SM2_CURVE);
            });
            info.bit_string(&point.to_bytes());
        }
        PublicKey::Rsa(rsa) => {
            info.sequence(|algorithm| {
                algorithm.oid(OID_RSA).null();
            });
            let mut inner = Writer::new();
            inner.sequence(|numbers| {
                numbers.unsigned(rsa.modulus()).unsigned(rsa.exponent());
            });
            info.bit_string(&inner.into_bytes());
        }
        PublicKey::EcdsaP256(point) => {
            info.sequence(|algorithm| {
                algorithm.oid(OID_EC_PUBLIC_KEY).oid(OID_P256);
            });
            info.bit_string(&point.to_bytes());
        }
        PublicKey::EcdsaLarge(key) => {
            let curve = match key.curve() {
                ecdsa_large::Curve::P256 => OID_P256,
                ecdsa_large::Curve::P384 => OID_P384,
                ecdsa_large::Curve::P521 => OID_P521,
            };
            info.sequence(|algorithm| {
                algorithm.oid(OID_EC_PUBLIC_KEY).oid(curve);
            });
            info.bit_string(key.to_bytes());
        }
        PublicKey::Ed25519(point) => {
            info.sequence(|algorithm| {
                algorithm.oid(OID_ED25519);
            });
            info.bit_string(&point.to_bytes());
        }
    });
    writer.into_bytes()
}

/// A value of fixed width as certificates and seals carry it: DER for SM2 (GM/T 0009 7.3) and ECDSA (RFC 3279 2.2.3:
/// the same structure), unchanged for RSA and Ed25519.
#[must_use]
pub fn encode_value(algorithm: SignatureAlgorithm, value: &[u8]) -> Vec<u8> {
    match algorithm {
        SignatureAlgorithm::Sm2Sm3
        | SignatureAlgorithm::EcdsaP256Sha256
        | SignatureAlgorithm::EcdsaSha256
        | SignatureAlgorithm::EcdsaSha384
        | SignatureAlgorithm::EcdsaSha512 => write_sm2_signature(value),
        SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) | SignatureAlgorithm::Ed25519 => value.to_vec(),
    }
}

/// The value of fixed width that [`encode_value`] wrote; r‖s of 64 octets, as signed HTTP requests carry it, stays as it is.
/// `None` for neither form, and for algorithms that leave the curve open, and with it the width. Whether the value is right
/// is not asked.
#[must_use]
pub fn decode_value(algorithm: SignatureAlgorithm, value: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        SignatureAlgorithm::Sm2Sm3 | SignatureAlgorithm::EcdsaP256Sha256 => {
            read_sm2_signature(value).ok().map(|(fixed, _)| fixed)
        }
        SignatureAlgorithm::EcdsaSha256 | SignatureAlgorithm::EcdsaSha384 | SignatureAlgorithm::EcdsaSha512 => None,
        SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) | SignatureAlgorithm::Ed25519 => {
            Some(value.to_vec())
        }
    }
}

/// How a signature value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueEncoding {
    /// SM2 and ECDSA, DER.
    Der,
    /// SM2, r‖s (tolerance `raw-rs`).
    Raw,
    /// RSA, Ed25519.
    Plain,
}

impl ValueEncoding {
    /// As reports write it; RSA and Ed25519 have no choice of encodings, and no name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Der => Some("der"),
            Self::Raw => Some("raw"),
            Self::Plain => None,
        }
    }
}

/// The outcome of checking one signature value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckedValue {
    /// Right.
    Right {
        /// What was computed.
        algorithm: SignatureAlgorithm,
        /// How it was written.
        encoding: ValueEncoding,
    },
    /// Wrong: not this key's signature over these bytes, or not the encoding of one.
    Wrong {
        /// How it was written, if that could be told.
        encoding: Option<ValueEncoding>,
    },
    /// Not computed: an algorithm that we refuse or do not know, or one that does not belong to the key.
    Unsupported,
}

/// Checks a signature value as seals carry it: by the algorithm's object identifier alone and the certificate's key.
/// SM2 uses the default signer ID, and the key's table where `tables` hold one. RSASSA-PSS is not computed: it needs
/// parameters.
#[must_use]
pub fn check_value(
    info: &SubjectPublicKeyInfo<'_>,
    algorithm: ObjectIdentifier,
    signed: (&[u8], &[u8]),
    tables: &KeyTables,
) -> CheckedValue {
    check_digested(info, algorithm, None, signed, tables)
}

/// As [`check_value`], where the digest e of the message under this key and the default signer ID may be known already
/// (GB/T 32918.2 6.1). That it is the digest of the message is not checked. Other algorithms than SM2 with SM3 digest
/// the message themselves.
#[must_use]
pub fn check_digested(
    info: &SubjectPublicKeyInfo<'_>,
    algorithm: ObjectIdentifier,
    e: Option<&[u8; 32]>,
    (message, value): (&[u8], &[u8]),
    tables: &KeyTables,
) -> CheckedValue {
    let (Some(algorithm), Some(key)) = (SignatureAlgorithm::from_oid(algorithm), public_key(info)) else {
        return CheckedValue::Unsupported;
    };
    let algorithm = key.meant(algorithm);
    check(&key, algorithm, value, |fixed| match (&key, algorithm, e) {
        (PublicKey::Sm2(key), SignatureAlgorithm::Sm2Sm3, Some(e)) => tables.verify_prehashed(key, e, fixed),
        _ => key.verify_by(tables, algorithm, message, fixed),
    })
}

/// Checks a signature value as certificates carry it: as [`check_value`], by the algorithm and its parameters, which
/// must be those that its standard allows.
#[must_use]
pub fn check_signed(
    info: &SubjectPublicKeyInfo<'_>,
    identifier: &AlgorithmIdentifier<'_>,
    (message, value): (&[u8], &[u8]),
    tables: &KeyTables,
) -> CheckedValue {
    if identifier.oid != OID_RSA_PSS {
        let mut rows = Algorithm::by_oid(Kind::Signature, identifier.oid);
        return match rows.next() {
            Some(row) if row.parameters.allow(identifier.parameters) => {
                check_value(info, identifier.oid, (message, value), tables)
            }
            _ => CheckedValue::Unsupported,
        };
    }
    match (identifier.parameters.and_then(|der| pss_parameters(der).ok().flatten()), public_key(info)) {
        (Some(parameters), Some(key)) => {
            check(&key, SignatureAlgorithm::RsaPss(parameters.digest), value, |fixed| match &key {
                PublicKey::Rsa(key) => key.verify_pss(&parameters, message, fixed),
                _ => false,
            })
        }
        _ => CheckedValue::Unsupported,
    }
}

fn check(
    key: &PublicKey,
    algorithm: SignatureAlgorithm,
    value: &[u8],
    is_right: impl FnOnce(&[u8]) -> bool,
) -> CheckedValue {
    if !key.signs_with(algorithm) {
        return CheckedValue::Unsupported;
    }
    let (fixed, encoding) = match algorithm {
        SignatureAlgorithm::Sm2Sm3 => match read_sm2_signature(value) {
            Ok((fixed, Sm2Encoding::Der)) => (fixed, ValueEncoding::Der),
            Ok((fixed, Sm2Encoding::Raw)) => (fixed, ValueEncoding::Raw),
            Err(_) => return CheckedValue::Wrong { encoding: None },
        },
        // ECDSA-Sig-Value has the same structure, and no tolerance for anything else.
        SignatureAlgorithm::EcdsaP256Sha256
        | SignatureAlgorithm::EcdsaSha256
        | SignatureAlgorithm::EcdsaSha384
        | SignatureAlgorithm::EcdsaSha512 => {
            let octets = if let PublicKey::EcdsaLarge(key) = key { key.curve().octets() } else { 32 };
            match read_ecdsa_signature(value, octets) {
                Ok(fixed) => (fixed, ValueEncoding::Der),
                Err(_) => return CheckedValue::Wrong { encoding: None },
            }
        }
        SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) | SignatureAlgorithm::Ed25519 => {
            (value.to_vec(), ValueEncoding::Plain)
        }
    };
    if is_right(&fixed) {
        CheckedValue::Right { algorithm, encoding }
    } else {
        CheckedValue::Wrong { encoding: Some(encoding) }
    }
}

/// RSASSA-PSS-params (RFC 4055 3.1) of digests that we compute. `None`: a default, which means SHA-1, another mask
/// function, or another digest in the mask than over the message (which RFC 4055 3.1 advises against).
///
/// # Errors
/// Not this structure.
pub fn pss_parameters(der: &[u8]) -> Result<Option<PssParameters>, der::Error> {
    const WHAT: &str = "RSASSA-PSS-params";
    const DIGEST: Parameters = Parameters::AbsentOrNull;
    let tag = |number| Tag::ContextSpecific { constructed: true, number: ::der::TagNumber(number) };
    let mut outer = Reader::new(der);
    let mut inner = outer.sequence(WHAT)?;
    outer.finish(WHAT)?;
    let mut part = |number| inner.optional(tag(number), WHAT);
    let (digest, mask, salt, trailer) = (part(0)?, part(1)?, part(2)?, part(3)?);
    inner.finish(WHAT)?;
    let digest_of = |identifier: &AlgorithmIdentifier<'_>| {
        DigestAlgorithm::from_oid(identifier.oid).filter(|_| DIGEST.allow(identifier.parameters))
    };
    let (Some(digest), Some(mask), Some(salt), None) = (digest, mask, salt, trailer) else { return Ok(None) };
    let mut reader = digest.inside();
    let digest = digest_of(&AlgorithmIdentifier::read(&mut reader, WHAT)?);
    reader.finish(WHAT)?;
    let mut reader = mask.inside();
    let mask = AlgorithmIdentifier::read(&mut reader, WHAT)?;
    reader.finish(WHAT)?;
    let mut reader = salt.inside();
    let salt = usize::try_from(reader.small(WHAT)?).map_err(|_| der::Error::InvalidValue { what: WHAT })?;
    reader.finish(WHAT)?;
    if mask.oid != OID_MGF1 {
        return Ok(None);
    }
    let mut reader = Reader::new(mask.parameters.unwrap_or_default());
    let mask = digest_of(&AlgorithmIdentifier::read(&mut reader, WHAT)?);
    reader.finish(WHAT)?;
    Ok(match (digest, mask) {
        (Some(digest), Some(mask)) if digest == mask => Some(PssParameters { digest, mask, salt }),
        _ => None,
    })
}

/// Whether a request's signature is right (RFC 9421 3.3), by the algorithm's registered name: `sm2-sm3` (ours),
/// `rsa-v1_5-sha256`, `rsa-pss-sha512`, `ecdsa-p256-sha256`, `ed25519`. ECDSA and SM2 values are r‖s.
///
/// `spki` is the key's SubjectPublicKeyInfo. Unknown algorithms, and ones that do not belong to the key, give `false`.
#[must_use]
pub fn check_request_signature(spki: &[u8], algorithm: &str, message: &[u8], value: &[u8]) -> bool {
    let algorithm = match algorithm {
        "sm2-sm3" => SignatureAlgorithm::Sm2Sm3,
        "rsa-v1_5-sha256" => SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256),
        "rsa-pss-sha512" => SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha512),
        "ecdsa-p256-sha256" => SignatureAlgorithm::EcdsaP256Sha256,
        "ed25519" => SignatureAlgorithm::Ed25519,
        _ => return false,
    };
    let key = SubjectPublicKeyInfo::parse(spki).ok().and_then(|info| public_key(&info));
    key.is_some_and(|key| key.verify(algorithm, message, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::Signer;

    #[test]
    fn request_signatures_hold_for_their_own_algorithm_only() {
        let names = ["sm2-sm3", "rsa-v1_5-sha256", "rsa-pss-sha512", "ecdsa-p256-sha256", "ed25519", "hmac-sha256"];
        let accepted = |spki: &[u8], value: &[u8]| -> Vec<&str> {
            names.into_iter().filter(|name| check_request_signature(spki, name, b"base", value)).collect()
        };
        let sm2 = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let spki = subject_public_key_info(&Signer::public_key(&sm2));
        assert_eq!(accepted(&spki, &sm2.sign(b"base", &SystemRandom).unwrap()), ["sm2-sm3"]);
        assert_eq!(accepted(&spki, &sm2.sign(b"other", &SystemRandom).unwrap()), Vec::<&str>::new());
        let rsa = rsa::PrivateKey::generate(3072).unwrap();
        let spki = subject_public_key_info(&Signer::public_key(&rsa));
        assert_eq!(accepted(&spki, &rsa.sign(b"base", &SystemRandom).unwrap()), ["rsa-v1_5-sha256"]);

        let pss = SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha512);
        assert_eq!(accepted(&spki, &rsa.sign_with(pss, b"base", &SystemRandom).unwrap()), ["rsa-pss-sha512"]);
        let p256 = ecdsa::PrivateKey::generate(&SystemRandom).unwrap();
        let spki = subject_public_key_info(&Signer::public_key(&p256));
        assert_eq!(accepted(&spki, &p256.sign(b"base", &SystemRandom).unwrap()), ["ecdsa-p256-sha256"]);
        let ed25519 = ed25519::PrivateKey::generate(&SystemRandom).unwrap();
        let spki = subject_public_key_info(&Signer::public_key(&ed25519));
        assert_eq!(accepted(&spki, &ed25519.sign(b"base", &SystemRandom).unwrap()), ["ed25519"]);
    }

    #[test]
    fn values_lead_back_from_both_forms() {
        let sm2: Box<dyn Signer> = Box::new(sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let p256: Box<dyn Signer> = Box::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap());
        let ed25519: Box<dyn Signer> = Box::new(ed25519::PrivateKey::generate(&SystemRandom).unwrap());
        for key in [sm2, p256, ed25519] {
            let (algorithm, value) = (key.algorithm(), key.sign(b"x", &SystemRandom).unwrap());
            assert_eq!(decode_value(algorithm, &encode_value(algorithm, &value)), Some(value.clone()));
            assert_eq!(decode_value(algorithm, &value), Some(value));
        }
        assert_eq!(decode_value(SignatureAlgorithm::Sm2Sm3, b"neither"), None);
    }

    #[test]
    fn the_curve_of_sm2_may_stand_for_the_kind_of_key() {
        let PublicKey::Sm2(key) = Signer::public_key(&sm2::PrivateKey::generate(&SystemRandom).unwrap()) else {
            unreachable!()
        };
        let read = |algorithm: ObjectIdentifier, curve: Option<ObjectIdentifier>| {
            let mut writer = Writer::new();
            writer.sequence(|info| {
                info.sequence(|inner| {
                    inner.oid(algorithm);
                    if let Some(curve) = curve {
                        inner.oid(curve);
                    }
                });
                info.bit_string(&key.to_bytes());
            });
            public_key(&SubjectPublicKeyInfo::parse(&writer.into_bytes()).unwrap()).is_some()
        };
        assert!(read(OID_EC_PUBLIC_KEY, Some(OID_SM2_CURVE)));
        assert!(read(OID_SM2_CURVE, Some(OID_SM2_CURVE)));
        assert!(!read(OID_SM2_CURVE, Some(OID_P256)));
        assert!(!read(OID_SM2_CURVE, None));
    }

    /// What others write of keys of the same kinds is what we write.
    #[test]
    fn key_structures_are_those_of_others() {
        for (kind, length) in [(&rcgen::PKCS_ECDSA_P256_SHA256, 91), (&rcgen::PKCS_ED25519, 44)] {
            let pair = rcgen::KeyPair::generate_for(kind).unwrap();
            let theirs = rcgen::PublicKeyData::subject_public_key_info(&pair);
            let key = public_key(&SubjectPublicKeyInfo::parse(&theirs).unwrap()).unwrap();
            assert_eq!(theirs.len(), length);
            assert_eq!(subject_public_key_info(&key), theirs);
        }
    }

    fn pss_identifier(digest: ObjectIdentifier, mask: ObjectIdentifier, salt: u32) -> Vec<u8> {
        let mut writer = Writer::new();
        let named = |inner: &mut Writer, oid| {
            inner.sequence(|identifier| {
                identifier.oid(oid).null();
            });
        };
        writer.sequence(|inner| {
            inner.context(0, |inner| named(inner, digest));
            inner.context(1, |inner| {
                inner.sequence(|mgf| {
                    mgf.oid(OID_MGF1);
                    named(mgf, mask);
                });
            });
            inner.context(2, |inner| {
                inner.small(salt);
            });
        });
        writer.into_bytes()
    }

    #[test]
    fn pss_parameters_are_taken_where_nothing_is_left_to_defaults() {
        let (sha, other) = (DigestAlgorithm::Sha384, DigestAlgorithm::Sm3);
        let read = |der: &[u8]| pss_parameters(der);
        let usual = pss_identifier(sha.oid(), sha.oid(), 48);
        assert_eq!(read(&usual), Ok(Some(PssParameters::usual(sha))));
        let other_salt = PssParameters { salt: 20, ..PssParameters::usual(sha) };
        assert_eq!(read(&pss_identifier(sha.oid(), sha.oid(), 20)), Ok(Some(other_salt)));
        assert_eq!(read(&pss_identifier(sha.oid(), other.oid(), 48)), Ok(None));
        assert_eq!(read(&[0x30, 0]), Ok(None), "the defaults are SHA-1");
        let (what, expected, found) = ("RSASSA-PSS-params", Tag::Sequence, Tag::Null);
        assert_eq!(read(&[5, 0]), Err(der::Error::UnexpectedTag { what, expected, found }));

        let key = rsa::PrivateKey::generate(3072).unwrap();
        let spki = subject_public_key_info(&Signer::public_key(&key));
        let info = SubjectPublicKeyInfo::parse(&spki).unwrap();
        let value = key.sign_with(SignatureAlgorithm::RsaPss(sha), b"m", &SystemRandom).unwrap();
        let checked = |parameters: Option<&[u8]>, message: &[u8]| {
            check_signed(
                &info,
                &AlgorithmIdentifier { oid: OID_RSA_PSS, parameters },
                (message, &value),
                &KeyTables::default(),
            )
        };
        let (algorithm, encoding) = (SignatureAlgorithm::RsaPss(sha), ValueEncoding::Plain);
        assert_eq!(checked(Some(&usual), b"m"), CheckedValue::Right { algorithm, encoding });
        let wrong = CheckedValue::Wrong { encoding: Some(encoding) };
        assert_eq!(checked(Some(&usual), b"n"), wrong);
        assert_eq!(checked(Some(&pss_identifier(sha.oid(), sha.oid(), 20)), b"m"), wrong);
        assert_eq!(checked(Some(&[0x30, 0]), b"m"), CheckedValue::Unsupported);
        assert_eq!(checked(None, b"m"), CheckedValue::Unsupported);
    }

    #[test]
    fn values_and_parameters_are_those_of_the_algorithm() {
        let signers: [(Box<dyn Signer>, &[u8]); 3] = [
            (Box::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap()), &[5, 0]),
            (Box::new(ed25519::PrivateKey::generate(&SystemRandom).unwrap()), &[5, 0]),
            (Box::new(sm2::PrivateKey::generate(&SystemRandom).unwrap()), &[4, 0]),
        ];
        for (signer, foreign) in signers {
            let (key, algorithm) = (signer.public_key(), signer.algorithm());
            let (spki, fixed) = (subject_public_key_info(&key), signer.sign(b"m", &SystemRandom).unwrap());
            let info = SubjectPublicKeyInfo::parse(&spki).unwrap();
            let value = encode_value(algorithm, &fixed);
            let checked = |parameters, value: &[u8]| {
                check_signed(
                    &info,
                    &AlgorithmIdentifier { oid: algorithm.oid().unwrap(), parameters },
                    (b"m", value),
                    &KeyTables::default(),
                )
            };
            assert!(matches!(checked(None, &value), CheckedValue::Right { .. }), "{algorithm:?}");
            assert_eq!(checked(Some(foreign), &value), CheckedValue::Unsupported, "{algorithm:?}");
            let mut long = value.clone();
            long.push(0);
            assert!(matches!(checked(None, &long), CheckedValue::Wrong { .. }), "{algorithm:?}");
            if algorithm == SignatureAlgorithm::EcdsaP256Sha256 {
                assert_eq!(checked(None, &fixed), CheckedValue::Wrong { encoding: None }, "r‖s is no ECDSA-Sig-Value");
            }
            let is_foreign = |oid: &ObjectIdentifier| {
                SignatureAlgorithm::from_oid(*oid).is_some_and(|other| !key.signs_with(key.meant(other)))
            };
            for oid in SignatureAlgorithm::ALL.into_iter().filter_map(SignatureAlgorithm::oid).filter(is_foreign) {
                assert_eq!(
                    check_value(&info, oid, (b"m", &value), &KeyTables::default()),
                    CheckedValue::Unsupported,
                    "{oid}"
                );
            }
        }
    }
}
