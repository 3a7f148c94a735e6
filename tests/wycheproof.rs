//! Project Wycheproof's cases (C2SP, v1) for RSA, ECDSA, Ed25519, HMAC, AES-GCM and HKDF: every case, each exception with
//! its reason.
//!
//! The files are third-party and not part of this repository: they are searched in `YINXIN_FIXTURES`, else in
//! `../shared/fixtures`; where they are absent each test says SKIPPED by name, and fails instead under `CI` or
//! `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use serde_json::Value;
use yinxin::base::random::DeadRandom;
use yinxin::crypto::aead::{AeadAlgorithm, AeadKey, TAG_LEN};
use yinxin::crypto::algorithm::{
    DigestAlgorithm, OID_ECDSA_SHA256, OID_ECDSA_SHA384, OID_ECDSA_SHA512, OID_ED25519, SignatureAlgorithm,
};
use yinxin::crypto::rsa::{self, PssParameters};
use yinxin::crypto::sm2::KeyTables;
use yinxin::crypto::{Error, PublicKey, ecdsa, kdf};
use yinxin::domain::trust::{CheckedValue, check_signed, public_key};
use yinxin::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo, read_rsa_public_key};

/// What our code answers to a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Taken.
    Right,
    /// Not taken.
    Wrong,
    /// Not asked, and why: an algorithm or a size that we do not compute.
    Excepted(&'static str),
}

const NO_SUCH_DIGEST: &str = "SHA-1, SHA-224 and SHA-512/t are not computed";
const SMALL_EXPONENT: &str = "exponents below 65537 are refused (FIPS 186-5 5.1)";
const SMALL_MODULUS: &str = "moduli below 2048 bits are refused";
const NO_OTHER_OAEP: &str = "RSAES-OAEP is offered with SHA-256 for both digests only";
const NO_PKCS1_DECRYPTION: &str = "RSAES-PKCS1-v1_5 decryption is not offered (RFC 8017 7.2 invites padding oracles)";
const NO_OTHER_AES: &str = "AES-GCM is offered with keys of 256 bits only";
const NO_OTHER_NONCE: &str = "AES-GCM is offered with nonces of 96 bits only (SP 800-38D 5.2.1.1)";
const NO_SHORT_TAG: &str = "HMAC-SHA256 is compared whole; truncated tags are not offered";

fn octets(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.as_bytes().chunks(2).map(octet).collect()
}

/// Reads a file, asks about every case, compares, and prints the counts. Gives the counts of exceptions by reason.
fn judge(file: &str, cases: usize, ask: impl Fn(&Value, &Value) -> Answer) -> BTreeMap<&'static str, usize> {
    let fixtures = std::env::var_os("YINXIN_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/fixtures")), PathBuf::from);
    let path = fixtures.join("pki/wycheproof").join(format!("{file}_test.json.gz"));
    if !path.exists() {
        assert!(std::env::var_os("CI").is_none(), "{file}: fixtures absent");
        assert!(std::env::var("YINXIN_TEST_PEERS").as_deref() != Ok("require"), "{file}: fixtures absent");
        eprintln!("SKIPPED {file}: fixtures absent");
        return BTreeMap::new();
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let (mut asked, mut taken, mut excepted) = (0, 0, BTreeMap::new());
    for group in all["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            let told = format!("{file} {}: {} {}", case["tcId"], case["comment"], case["flags"]);
            asked += 1;
            match (case["result"].as_str().unwrap(), ask(group, case)) {
                (_, Answer::Excepted(reason)) => *excepted.entry(reason).or_default() += 1,
                // What is only acceptable may be taken: a weak key or digest would have been excepted.
                ("valid" | "acceptable", Answer::Right) => taken += 1,
                ("invalid", Answer::Wrong) => {}
                (expected, found) => panic!("{told}: {expected}, but {found:?}"),
            }
        }
    }
    assert_eq!(asked, cases, "{file}: cases");
    let left_out = excepted.values().sum::<usize>();
    eprintln!("{file}: {asked} cases, {taken} right, {} wrong, {left_out} excepted", asked - taken - left_out);
    for (reason, count) in &excepted {
        eprintln!("    {count}: {reason}");
    }
    excepted
}

/// Whether exactly these were excepted, or the file was absent.
fn only(found: &BTreeMap<&'static str, usize>, expected: &[(&'static str, usize)]) {
    assert!(
        found.is_empty() || found.iter().map(|(why, count)| (*why, *count)).eq(expected.iter().copied()),
        "{found:?}"
    );
}

fn right(is_right: bool) -> Answer {
    if is_right { Answer::Right } else { Answer::Wrong }
}

fn digest(name: &Value) -> Option<DigestAlgorithm> {
    match name.as_str().unwrap() {
        "SHA-256" => Some(DigestAlgorithm::Sha256),
        "SHA-384" => Some(DigestAlgorithm::Sha384),
        "SHA-512" => Some(DigestAlgorithm::Sha512),
        _ => None,
    }
}

/// The key of a group of RSA, or why it is not taken.
fn rsa_key(der: &Value) -> Result<rsa::PublicKey, Answer> {
    let der = octets(der);
    let (modulus, exponent) = read_rsa_public_key(&der).unwrap();
    rsa::PublicKey::new(modulus, exponent).map_err(|error| match error {
        Error::RsaExponent => Answer::Excepted(SMALL_EXPONENT),
        Error::RsaKeySize { .. } => Answer::Excepted(SMALL_MODULUS),
        other => panic!("{other}"),
    })
}

#[test]
fn rsa_pkcs1_signatures() {
    // The cases are made by signing: what is expected must verify, and be what we sign where the key is whole.
    let mut signed = std::cell::Cell::new(0);
    let ask = |group: &Value, case: &Value| {
        let Some(digest) = digest(&group["sha"]) else { return Answer::Excepted(NO_SUCH_DIGEST) };
        let key = match rsa_key(&group["keyAsn"]) {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        let (message, value) = (octets(&case["msg"]), octets(&case["sig"]));
        let mut changed = value.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(!key.verify(digest, &message, &changed));
        // The key without PKCS#8's wrapping: 26 octets before RSAPrivateKey at these sizes.
        let private = octets(&group["privateKeyPkcs8"]);
        if let Ok(private) = rsa::PrivateKey::from_bytes(private.get(26..).unwrap()) {
            let ours = private.sign_with(SignatureAlgorithm::RsaPkcs1(digest), &message, &DeadRandom).unwrap();
            assert_eq!(ours, value, "{case}");
            signed.set(signed.get() + 1);
        }
        right(key.verify(digest, &message, &value))
    };
    let excepted = judge("rsa_pkcs1_2048_sig_gen", 43, ask);
    only(&excepted, &[(NO_SUCH_DIGEST, 16), (SMALL_EXPONENT, 3)]);
    only(&judge("rsa_pkcs1_3072_sig_gen", 26, ask), &[(SMALL_EXPONENT, 2)]);
    if !excepted.is_empty() {
        assert!(*signed.get_mut() >= 24, "{signed:?}");
        eprintln!("signed by us too: {}", signed.get());
    }
}

#[test]
fn rsa_pkcs1_decryption_is_not_offered() {
    for size in [2048, 3072, 4096] {
        let excepted = judge(&format!("rsa_pkcs1_{size}"), 67, |group, _| {
            assert_eq!(group["type"], "RsaesPkcs1Decrypt");
            Answer::Excepted(NO_PKCS1_DECRYPTION)
        });
        only(&excepted, &[(NO_PKCS1_DECRYPTION, 67)]);
    }
}

#[test]
fn rsa_pss_signatures() {
    let ask = |group: &Value, case: &Value| {
        let (Some(digest), Some(mask)) = (digest(&group["sha"]), digest(&group["mgfSha"])) else {
            return Answer::Excepted(NO_SUCH_DIGEST);
        };
        let salt = usize::try_from(group["sLen"].as_u64().unwrap()).unwrap();
        let key = match rsa_key(&group["publicKeyAsn"]) {
            Ok(key) => key,
            Err(answer) => return answer,
        };
        right(key.verify_pss(&PssParameters { digest, mask, salt }, &octets(&case["msg"]), &octets(&case["sig"])))
    };
    for (file, cases) in [
        ("rsa_pss_2048_sha256_mgf1_32", 108),
        ("rsa_pss_2048_sha256_mgf1_32_params", 108),
        ("rsa_pss_3072_sha256_mgf1_32", 108),
        ("rsa_pss_4096_sha512_mgf1_64", 179),
    ] {
        only(&judge(file, cases, ask), &[]);
    }
    // Two of five digests, and two of five masks for the others.
    only(&judge("rsa_pss_misc", 150, ask), &[(NO_SUCH_DIGEST, 96)]);
    only(&judge("rsa_pss_misc_params", 150, ask), &[(NO_SUCH_DIGEST, 96)]);
    only(&judge("rsa_pss_2048_sha1_mgf1_20", 88, ask), &[(NO_SUCH_DIGEST, 88)]);
}

#[test]
fn rsa_oaep_decryption() {
    let ask = |group: &Value, case: &Value| {
        if group["keySize"].as_u64().unwrap() < 2048 {
            return Answer::Excepted(SMALL_MODULUS);
        }
        if group["sha"] != "SHA-256" || group["mgfSha"] != "SHA-256" {
            return Answer::Excepted(NO_OTHER_OAEP);
        }
        let key = rsa::PrivateKey::from_bytes(octets(&group["privateKeyPkcs8"]).get(26..).unwrap()).unwrap();
        match key.decrypt_oaep_sha256(&octets(&case["ct"]), &octets(&case["label"])) {
            Ok(opened) => right(opened.expose() == octets(&case["msg"])),
            Err(error) => {
                assert_eq!(error, Error::Decryption);
                Answer::Wrong
            }
        }
    };
    only(&judge("rsa_oaep_2048_sha256_mgf1sha256", 37, ask), &[]);
    let excepted = judge("rsa_oaep_misc", 395, ask);
    assert!(excepted.is_empty() || excepted.values().sum::<usize>() < 395, "{excepted:?}");
}

/// Through the door of certificates: DER values, the algorithm by its identifier.
#[test]
fn ecdsa_p256_der() {
    let excepted = judge("ecdsa_secp256r1_sha256", 484, |group, case| {
        let spki = octets(&group["publicKeyDer"]);
        let info = SubjectPublicKeyInfo::parse(&spki).unwrap();
        assert!(matches!(public_key(&info), Some(PublicKey::EcdsaP256(_))));
        let identifier = AlgorithmIdentifier { oid: OID_ECDSA_SHA256, parameters: None };
        match check_signed(&info, &identifier, (&octets(&case["msg"]), &octets(&case["sig"])), &KeyTables::default()) {
            CheckedValue::Right { algorithm: SignatureAlgorithm::EcdsaP256Sha256, .. } => Answer::Right,
            CheckedValue::Wrong { .. } => Answer::Wrong,
            other => panic!("{other:?}"),
        }
    });
    only(&excepted, &[]);
}

#[test]
fn ecdsa_p256_fixed() {
    let excepted = judge("ecdsa_secp256r1_sha256_p1363", 262, |group, case| {
        let key = ecdsa::PublicKey::from_bytes(&octets(&group["publicKey"]["uncompressed"])).unwrap();
        right(key.verify(&octets(&case["msg"]), &octets(&case["sig"])))
    });
    only(&excepted, &[]);
}

/// The larger curves, through the same door.
#[test]
fn ecdsa_p384_and_p521_der() {
    for (file, count, oid, expected) in [
        ("ecdsa_secp384r1_sha384", 504, OID_ECDSA_SHA384, SignatureAlgorithm::EcdsaSha384),
        ("ecdsa_secp521r1_sha512", 542, OID_ECDSA_SHA512, SignatureAlgorithm::EcdsaSha512),
    ] {
        let excepted = judge(file, count, |group, case| {
            let spki = octets(&group["publicKeyDer"]);
            let info = SubjectPublicKeyInfo::parse(&spki).unwrap();
            assert!(matches!(public_key(&info), Some(PublicKey::EcdsaLarge(_))));
            let identifier = AlgorithmIdentifier { oid, parameters: None };
            let signed = (&*octets(&case["msg"]), &*octets(&case["sig"]));
            match check_signed(&info, &identifier, signed, &KeyTables::default()) {
                CheckedValue::Right { algorithm, .. } if algorithm == expected => Answer::Right,
                CheckedValue::Wrong { .. } => Answer::Wrong,
                other => panic!("{other:?}"),
            }
        });
        only(&excepted, &[]);
    }
}

#[test]
fn ed25519_signatures() {
    let excepted = judge("ed25519", 151, |group, case| {
        let spki = octets(&group["publicKeyDer"]);
        let info = SubjectPublicKeyInfo::parse(&spki).unwrap();
        let identifier = AlgorithmIdentifier { oid: OID_ED25519, parameters: None };
        match check_signed(&info, &identifier, (&octets(&case["msg"]), &octets(&case["sig"])), &KeyTables::default()) {
            CheckedValue::Right { algorithm: SignatureAlgorithm::Ed25519, .. } => Answer::Right,
            CheckedValue::Wrong { .. } => Answer::Wrong,
            other => panic!("{other:?}"),
        }
    });
    only(&excepted, &[]);
}

#[test]
fn hmac_sha256() {
    let excepted = judge("hmac_sha256", 174, |group, case| {
        if group["tagSize"] != 256 {
            return Answer::Excepted(NO_SHORT_TAG);
        }
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &octets(&case["key"]));
        right(ring::hmac::verify(&key, &octets(&case["msg"]), &octets(&case["tag"])).is_ok())
    });
    only(&excepted, &[(NO_SHORT_TAG, 87)]);
}

#[test]
fn aes_gcm() {
    let excepted = judge("aes_gcm", 316, |group, case| {
        if group["keySize"] != 256 {
            return Answer::Excepted(NO_OTHER_AES);
        }
        let Ok(nonce) = octets(&case["iv"]).try_into() else { return Answer::Excepted(NO_OTHER_NONCE) };
        let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, &octets(&case["key"])).unwrap();
        let (aad, text) = (octets(&case["aad"]), octets(&case["msg"]));
        let sealed = [octets(&case["ct"]), octets(&case["tag"])].concat();
        assert!(sealed.len() >= TAG_LEN);
        let ours = key.seal(&nonce, &aad, &text).unwrap();
        match key.open(&nonce, &aad, &sealed) {
            Some(opened) => right(opened.expose() == text && ours == sealed),
            None => Answer::Wrong,
        }
    });
    assert!(excepted.is_empty() || excepted.contains_key(NO_OTHER_AES), "{excepted:?}");
}

#[test]
fn hkdf_sha256() {
    let excepted = judge("hkdf_sha256", 86, |_, case| {
        let size = usize::try_from(case["size"].as_u64().unwrap()).unwrap();
        let (salt, ikm, info) = (octets(&case["salt"]), octets(&case["ikm"]), octets(&case["info"]));
        match kdf::hkdf_sha256(&salt, &ikm, &[&info], size) {
            Ok(key) => right(key.expose() == octets(&case["okm"])),
            Err(error) => {
                assert_eq!(error, Error::DerivedLength { length: size });
                Answer::Wrong
            }
        }
    });
    only(&excepted, &[]);
}
