//! From a certificate's key and a signature's octets to "right" or "wrong".

use crate::crypto::algorithm::{
    DigestAlgorithm, OID_EC_PUBLIC_KEY, OID_ED25519, OID_P256, OID_RSA, OID_SM2_CURVE, SignatureAlgorithm,
};
use crate::crypto::{PublicKey, ecdsa, rsa, sm2};
use crate::format::der::{ObjectIdentifier, Reader, Writer};
use crate::format::keys::{
    Sm2Encoding, SubjectPublicKeyInfo, read_rsa_public_key, read_sm2_signature, write_sm2_signature,
};

/// The key of a SubjectPublicKeyInfo; `None` for kinds and curves that we do not compute, and for broken keys.
#[must_use]
pub fn public_key(info: &SubjectPublicKeyInfo<'_>) -> Option<PublicKey> {
    match info.algorithm.oid {
        OID_EC_PUBLIC_KEY => {
            let mut reader = Reader::new(info.algorithm.parameters?);
            let curve = reader.oid("curve").ok()?;
            let point = sm2::PublicKey::from_bytes(info.key).ok()?;
            (curve == OID_SM2_CURVE && reader.is_empty()).then_some(PublicKey::Sm2(point))
        }
        OID_RSA => {
            let (modulus, exponent) = read_rsa_public_key(info.key).ok()?;
            rsa::PublicKey::new(modulus, exponent).ok().map(PublicKey::Rsa)
        }
        _ => None,
    }
}

/// The SubjectPublicKeyInfo of a key (GB/T 20518 for SM2, RFC 3279 2.3.1 for RSA).
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
    });
    writer.into_bytes()
}

/// A value of fixed width as certificates and seals carry it: DER for SM2 (GM/T 0009 7.3), unchanged for RSA.
#[must_use]
pub fn encode_value(algorithm: SignatureAlgorithm, value: &[u8]) -> Vec<u8> {
    match algorithm {
        SignatureAlgorithm::Sm2Sm3 => write_sm2_signature(value),
        SignatureAlgorithm::RsaPkcs1(_) => value.to_vec(),
    }
}

/// How a signature value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueEncoding {
    /// SM2, DER.
    Der,
    /// SM2, r‖s (tolerance `raw-rs`).
    Raw,
    /// RSA.
    Plain,
}

impl ValueEncoding {
    /// As reports write it; RSA has no choice of encodings and no name.
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

/// Checks a signature value as certificates and seals carry it: by the algorithm's object identifier and the
/// certificate's key. SM2 uses the default signer ID.
#[must_use]
pub fn check_value(
    info: &SubjectPublicKeyInfo<'_>,
    algorithm: ObjectIdentifier,
    message: &[u8],
    value: &[u8],
) -> CheckedValue {
    let (Some(algorithm), Some(key)) = (SignatureAlgorithm::from_oid(algorithm), public_key(info)) else {
        return CheckedValue::Unsupported;
    };
    let (fixed, encoding) = match (&key, algorithm) {
        (PublicKey::Sm2(_), SignatureAlgorithm::Sm2Sm3) => match read_sm2_signature(value) {
            Ok((fixed, Sm2Encoding::Der)) => (fixed, ValueEncoding::Der),
            Ok((fixed, Sm2Encoding::Raw)) => (fixed, ValueEncoding::Raw),
            Err(_) => return CheckedValue::Wrong { encoding: None },
        },
        (PublicKey::Rsa(_), SignatureAlgorithm::RsaPkcs1(_)) => (value.to_vec(), ValueEncoding::Plain),
        _ => return CheckedValue::Unsupported,
    };
    if key.verify(algorithm, message, &fixed) {
        CheckedValue::Right { algorithm, encoding }
    } else {
        CheckedValue::Wrong { encoding: Some(encoding) }
    }
}

/// Whether a request's signature is right (RFC 9421 3.3), by the algorithm's registered name: `sm2-sm3` (ours),
/// `rsa-v1_5-sha256`, `rsa-pss-sha512`, `ecdsa-p256-sha256`, `ed25519`. ECDSA and SM2 values are r‖s.
///
/// `spki` is the key's SubjectPublicKeyInfo. Unknown algorithms, and ones that do not belong to the key, give `false`.
#[must_use]
pub fn check_request_signature(spki: &[u8], algorithm: &str, message: &[u8], value: &[u8]) -> bool {
    let Ok(info) = SubjectPublicKeyInfo::parse(spki) else { return false };
    match algorithm {
        "sm2-sm3" => public_key(&info).is_some_and(|key| {
            matches!(key, PublicKey::Sm2(_)) && key.verify(SignatureAlgorithm::Sm2Sm3, message, value)
        }),
        "rsa-v1_5-sha256" => public_key(&info)
            .is_some_and(|key| key.verify(SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256), message, value)),
        "rsa-pss-sha512" => match public_key(&info) {
            Some(PublicKey::Rsa(key)) => key.verify_pss_sha512(message, value),
            _ => false,
        },
        "ecdsa-p256-sha256" => {
            let curve = info.algorithm.parameters.and_then(|der| Reader::new(der).oid("curve").ok());
            info.algorithm.oid == OID_EC_PUBLIC_KEY
                && curve == Some(OID_P256)
                && ecdsa::verify_p256(info.key, message, value)
        }
        "ed25519" => info.algorithm.oid == OID_ED25519 && ecdsa::verify_ed25519(info.key, message, value),
        _ => false,
    }
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

        let random = ring::rand::SystemRandom::new();
        let fixed = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let key = ring::signature::EcdsaKeyPair::from_pkcs8(fixed, &pair.serialize_der(), &random).unwrap();
        let value = key.sign(&random, b"base").unwrap();
        assert_eq!(accepted(&spki, value.as_ref()), ["ecdsa-p256-sha256"]);
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let key = ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pair.serialize_der()).unwrap();
        assert_eq!(accepted(&spki, key.sign(b"base").as_ref()), ["ed25519"]);
    }
}
