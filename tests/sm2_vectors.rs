//! Known answers of SM2: our own table, agreed by at least two independent implementations each, and tables of others.
//!
//! Others' tables stay outside of the repository: `YINXIN_FIXTURES`, else `../shared/fixtures`; absent ones are SKIPPED by
//! name, and fail under `CI` or `YINXIN_TEST_PEERS=require`. Signing with a given nonce is tested beside the code.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;
use yinxin::base::random::{Random, RandomUnavailable};
use yinxin::crypto::Error;
use yinxin::crypto::sm2::{Ciphertext, DEFAULT_ID, Initiator, KeyTable, PrivateKey, PublicKey, Responder};
use yinxin::format::keys::sm2_ciphertext::Sm2Ciphertext;
use yinxin::format::keys::{Sm2Encoding, read_sm2_signature};

/// Gives these bytes and then nothing.
struct Given(Mutex<Vec<u8>>);

impl Given {
    fn new(bytes: &[u8]) -> Self {
        Self(Mutex::new(bytes.to_vec()))
    }
}

impl Random for Given {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        let mut left = self.0.lock().unwrap();
        if left.len() < buffer.len() {
            return Err(RandomUnavailable);
        }
        let rest = left.split_off(buffer.len());
        buffer.copy_from_slice(&left);
        *left = rest;
        Ok(())
    }
}

fn bytes(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn field(row: &Value, name: &str) -> Vec<u8> {
    bytes(row[name].as_str().unwrap())
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

fn table(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sm2").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn third_party(test: &str, name: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from);
    if let Ok(text) = std::fs::read_to_string(root.join("pki/sm2-vectors/third-party").join(name)) {
        return Some(text);
    }
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
    assert!(!required, "{test} needs the fixtures, and they are absent");
    eprintln!("SKIPPED {test}: fixtures absent");
    None
}

#[test]
fn signatures() {
    let vectors = table("sm2.json");
    let (mut valid, mut invalid) = (0, 0);
    for row in vectors["sign"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        let public = PublicKey::from_bytes(&field(row, "pub_hex")).unwrap();
        let (id, message) = (field(row, "uid_hex"), field(row, "msg_hex"));
        let e = public.digest(&id, &message).unwrap();
        // In a certificate a signature is DER; r‖s without it is another encoding, and says so.
        let accepted = read_sm2_signature(&field(row, "sig_der_hex"))
            .is_ok_and(|(value, encoding)| encoding == Sm2Encoding::Der && public.verify(&id, &message, &value));
        assert_eq!(Value::Bool(accepted), row["valid"], "{name}");
        if accepted {
            assert_eq!(e.to_vec(), field(row, "e_hex"), "{name}");
            let value = [field(row, "r_hex"), field(row, "s_hex")].concat();
            assert!(public.verify_prehashed(&e, &value), "{name}");
            assert!(KeyTable::new(&public).verify_prehashed(&e, &value), "{name}");
            assert_eq!(PublicKey::from_compressed(&public.to_compressed()), Ok(public), "{name}");
            let private = PrivateKey::from_bytes(&field(row, "priv_hex")).unwrap();
            assert_eq!(private.public_key(), public, "{name}");
            valid += 1;
        } else {
            // r = n and the like: the numbers themselves, where they have 32 bytes, are refused by both ways.
            let value = [field_or_none(row, "r_hex"), field_or_none(row, "s_hex")].concat();
            if !name.starts_with("bad-der") {
                assert!(!public.verify_prehashed(&e, &value), "{name}");
                assert!(!KeyTable::new(&public).verify_prehashed(&e, &value), "{name}");
            }
            invalid += 1;
        }
    }
    assert_eq!((valid, invalid), (12, 20));
    println!("SM2 signatures: {valid} valid, {invalid} invalid, no exceptions");
}

/// A number of 65 digits is none of 32 bytes: it gives no bytes, and the signature is too short.
fn field_or_none(row: &Value, name: &str) -> Vec<u8> {
    let text = row[name].as_str().unwrap();
    if text.len() == 64 { bytes(text) } else { Vec::new() }
}

#[test]
fn digests_given() {
    let vectors = table("sm2.json");
    let rows = vectors["verify_prehashed"].as_array().unwrap();
    for row in rows {
        let public = PublicKey::from_bytes(&field(row, "pub_hex")).unwrap();
        let (e, value) = (array(&field(row, "e_hex")), [field(row, "r_hex"), field(row, "s_hex")].concat());
        assert!(public.verify_prehashed(&e, &value));
        assert!(KeyTable::new(&public).verify_prehashed(&e, &value));
    }
    assert_eq!(rows.len(), 1);
    println!("SM2 digests given: {} (e = 0)", rows.len());
}

#[test]
fn encryption() {
    let vectors = table("sm2.json");
    let (mut valid, mut invalid) = (0, 0);
    for row in vectors["encrypt"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        let private = PrivateKey::from_bytes(&field(row, "priv_hex")).unwrap();
        let text = field(row, "msg_hex");
        let ciphertext =
            Ciphertext { c1: array(&field(row, "c1_hex")), c3: array(&field(row, "c3_hex")), c2: field(row, "c2_hex") };
        assert_eq!(ciphertext.to_c1c3c2(), field(row, "c1c3c2_hex"), "{name}");
        assert_eq!(ciphertext.to_c1c2c3(), field(row, "c1c2c3_hex"), "{name}");
        assert_eq!(Ciphertext::from_c1c3c2(&ciphertext.to_c1c3c2()).as_ref(), Some(&ciphertext), "{name}");
        assert_eq!(Ciphertext::from_c1c2c3(&ciphertext.to_c1c2c3()).as_ref(), Some(&ciphertext), "{name}");
        let der = Sm2Ciphertext::parse(&field(row, "der_hex")).unwrap();
        assert_eq!((der.c1, der.c3, &der.c2), (ciphertext.c1, ciphertext.c3, &ciphertext.c2), "{name}");
        let found = private.decrypt(&ciphertext).map(|text| text.expose().to_vec());
        if row["valid"] == true {
            assert_eq!(found, Ok(text.clone()), "{name}");
            let public = PublicKey::from_bytes(&field(row, "pub_hex")).unwrap();
            assert_eq!(public.encrypt(&text, &Given::new(&field(row, "k_hex"))), Ok(ciphertext), "{name}");
            valid += 1;
        } else {
            assert_eq!(found, Err(Error::Decryption), "{name}");
            invalid += 1;
        }
    }
    assert_eq!((valid, invalid), (6, 4));
    println!("SM2 encryption: {valid} valid, {invalid} invalid, no exceptions");
}

#[test]
fn key_exchange() {
    let vectors = table("sm2.json");
    let rows = vectors["key_exchange"].as_array().unwrap();
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let (a, b) =
            (PrivateKey::from_bytes(&field(row, "dA")).unwrap(), PrivateKey::from_bytes(&field(row, "dB")).unwrap());
        let (id_a, id_b) = (field(row, "idA_hex"), field(row, "idB_hex"));
        let (public_a, public_b) = (a.public_key(), b.public_key());
        assert_eq!((public_a.to_bytes().to_vec(), public_b.to_bytes().to_vec()), (field(row, "PA"), field(row, "PB")));
        let key = field(row, "K_hex");
        let start = || Initiator::start((&a, &id_a), (&public_b, &id_b), key.len(), &Given::new(&field(row, "rA")));
        let initiator = start().unwrap();
        assert_eq!(initiator.point().to_vec(), field(row, "RA"), "{name}");
        let random = Given::new(&field(row, "rB"));
        let responder =
            Responder::respond((&b, &id_b), (&public_a, &id_a), key.len(), &initiator.point(), &random).unwrap();
        assert_eq!(responder.point().to_vec(), field(row, "RB"), "{name}");
        assert_eq!(responder.confirmation().to_vec(), field(row, "S1_SB"), "{name}");
        let agreed = initiator.finish(&responder.point(), &responder.confirmation()).unwrap();
        assert_eq!(agreed.key.expose(), key, "{name}");
        assert_eq!(agreed.confirmation.to_vec(), field(row, "S2_SA"), "{name}");
        // Any other confirmation is refused, whichever bit differs, on either side.
        for bit in 0..256 {
            let mut wrong = responder.confirmation();
            wrong[bit / 8] ^= 1 << (bit % 8);
            if bit % 37 == 0 {
                let refused = start().unwrap().finish(&responder.point(), &wrong).map(|_| ());
                assert_eq!(refused, Err(Error::KeyExchange), "{name} bit {bit}");
            }
        }
        assert_eq!(responder.confirm(&agreed.confirmation).unwrap().expose(), key, "{name}");
        let alone = start().unwrap().finish_unconfirmed(&field(row, "RB")).unwrap();
        assert_eq!(alone.expose(), key, "{name}");
    }
    assert_eq!(rows.len(), 3);
    println!("SM2 key exchange: {}", rows.len());
}

#[test]
fn refusals_of_a_key_exchange() {
    let (a, b) = (PrivateKey::from_bytes(&[1; 32]).unwrap(), PrivateKey::from_bytes(&[2; 32]).unwrap());
    let (public_a, public_b) = (a.public_key(), b.public_key());
    let random = || Given::new(&[3; 32]);
    let start = |id: &[u8], length| Initiator::start((&a, id), (&public_b, DEFAULT_ID), length, &random()).map(|_| ());
    assert_eq!(start(&[0; 8192], 16), Err(Error::IdTooLong { length: 8192 }));
    assert_eq!(start(DEFAULT_ID, 0), Err(Error::DerivedLength { length: 0 }));
    assert_eq!(start(DEFAULT_ID, 65_537), Err(Error::DerivedLength { length: 65_537 }));
    assert_eq!(start(DEFAULT_ID, 65_536), Ok(()));
    let respond = |point: &[u8]| {
        Responder::respond((&b, DEFAULT_ID), (&public_a, DEFAULT_ID), 16, point, &random()).map(|r| r.confirmation())
    };
    assert_eq!(respond(&[4; 65]), Err(Error::NotAPoint));
    assert_eq!(respond(&[]), Err(Error::NotAPoint));
    let responder =
        Responder::respond((&b, DEFAULT_ID), (&public_a, DEFAULT_ID), 16, &public_a.to_bytes(), &random()).unwrap();
    assert_eq!(responder.confirm(&[0; 32]).map(|_| ()), Err(Error::KeyExchange));
}

#[test]
fn hedged_nonces_published() {
    let vectors = table("hedged_nonces.json");
    let rows = vectors.as_array().unwrap();
    for row in rows {
        let private = PrivateKey::from_bytes(&field(row, "d")).unwrap();
        let (e, fresh) = (array(&field(row, "e")), field(row, "fresh"));
        let expected = [field(row, "r"), field(row, "s")].concat();
        assert_eq!(private.sign_prehashed(&e, &Given::new(&fresh)).unwrap().to_vec(), expected);
        assert_eq!(private.sign_prehashed_unchecked(&e, &Given::new(&fresh)).unwrap().to_vec(), expected);
        // In a batch each digest has randomness of its own.
        let batch = private.sign_batch(&[e, e], &Given::new(&[&fresh[..], &[7; 32]].concat())).unwrap();
        assert_eq!(batch[0].to_vec(), expected);
        assert_ne!(batch[1], batch[0]);
        assert_eq!(private.sign_batch(&[e, e], &Given::new(&fresh)), Err(Error::Random(RandomUnavailable)));
    }
    assert_eq!(rows.len(), 16);
    println!("SM2 hedged nonces: {}", rows.len());
}

/// Cases of Tongsuo's table that we do not run, and why.
const TONGSUO_EXCEPTIONS: &[(&str, &str)] = &[
    ("Ctrl = digest:SHA512", "SM2 is defined with SM3 only; a 64-byte digest has no door here"),
    ("Ctrl = digest:SHAKE128", "the same"),
    ("Sign = SM2_key1", "their fake case: a signature that is not expected to be equal"),
];

#[test]
fn tongsuo() {
    let Some(text) = third_party("sm2_vectors::tongsuo", "tongsuo-evppkey_sm2.txt") else { return };
    let pem = &text[text.find("-----BEGIN").unwrap()..];
    let pem = &pem[..pem.find("-----END PRIVATE KEY-----").unwrap() + 25];
    let der = yinxin::format::keys::read_pem(pem, "PRIVATE KEY").unwrap().remove(0);
    let scalar = der.windows(34).find(|w| w[..2] == [4, 32]).unwrap();
    let private = PrivateKey::from_bytes(&scalar[2..]).unwrap();
    let (mut run, mut excepted) = (0, 0);
    for case in text.split("\n\n") {
        let value =
            |name: &str| case.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned)).unwrap_or_default();
        if !case.contains("Input = ") {
            continue;
        }
        if TONGSUO_EXCEPTIONS.iter().any(|(mark, _)| case.contains(mark)) {
            excepted += 1;
            continue;
        }
        let input = bytes(&value("Input = "));
        if case.contains("Verify = ") {
            let (signature, _) = read_sm2_signature(&bytes(&value("Output = "))).unwrap();
            assert!(private.public_key().verify_prehashed(&array(&input), &signature), "{case}");
        } else {
            let der = Sm2Ciphertext::parse(&input).unwrap();
            let opened = private.decrypt(&Ciphertext { c1: der.c1, c3: der.c3, c2: der.c2 }).unwrap();
            assert_eq!(opened.expose(), value("Output = ").trim_matches('"').as_bytes(), "{case}");
        }
        run += 1;
    }
    assert_eq!((run, excepted), (6, 3));
    println!("SM2 of Tongsuo: {run} passed, {excepted} exceptions: {TONGSUO_EXCEPTIONS:?}");
}

/// openHiTLS's functional cases by name: what each row's fields are is read from its own test programs.
#[test]
fn openhitls() {
    let test = "sm2_vectors::openhitls";
    let files = ["sign", "crypt"].map(|f| third_party(test, &format!("openhitls-test_suite_sdv_eal_sm2_{f}.data")));
    let mut run: BTreeMap<&str, u32> = BTreeMap::new();
    for text in files.iter().flatten() {
        // A row follows its title, which begins with the same name but has no quoted field.
        for line in text.lines().filter(|line| line.starts_with("SDV_") && line.contains(":\"")) {
            let (name, rest) = line.split_once(':').unwrap();
            let values: Vec<&str> = rest.split(':').map(|value| value.trim_matches('"')).collect();
            let name = match name {
                "SDV_CRYPTO_SM2_ENC_FUNC_TC001" => {
                    let public = PublicKey::from_bytes(&bytes(values[0])).unwrap();
                    let made = public.encrypt(&bytes(values[1]), &Given::new(&bytes(values[2]))).unwrap();
                    assert_eq!(made.to_c1c3c2(), bytes(values[3]));
                    "encrypt"
                }
                "SDV_CRYPTO_SM2_DEC_FUNC_TC001" => {
                    let private = PrivateKey::from_bytes(&bytes(values[0])).unwrap();
                    let ciphertext = Ciphertext::from_c1c3c2(&bytes(values[2])).unwrap();
                    assert_eq!(private.decrypt(&ciphertext).unwrap().expose(), bytes(values[1]));
                    "decrypt"
                }
                "SDV_CRYPTO_SM2_DEC_FUNC_TC002" => {
                    let private = PrivateKey::from_bytes(&bytes(values[0])).unwrap();
                    let ciphertext = Ciphertext::from_c1c3c2(&bytes(values[1])).unwrap();
                    assert_eq!(private.decrypt(&ciphertext).map(|_| ()), Err(Error::Decryption));
                    "refuse to decrypt"
                }
                "SDV_CRYPTO_SM2_VERIFY_FUNC_TC001" => {
                    let public = PublicKey::from_bytes(&bytes(values[0])).unwrap();
                    let (signature, _) = read_sm2_signature(&bytes(values[3])).unwrap();
                    assert!(public.verify(&bytes(values[1]), &bytes(values[2]), &signature));
                    "verify"
                }
                "SDV_CRYPTO_SM2_SET_PUB_API_TC001" => {
                    assert!(PublicKey::from_bytes(&bytes(values[0])).is_ok());
                    "public key"
                }
                "SDV_CRYPTO_SM2_SET_PRV_API_TC001" => {
                    assert_eq!(PrivateKey::from_bytes(&bytes(values[0])).map(|_| ()), Err(Error::NotAScalar));
                    "refuse a private key"
                }
                // The rest drives their C interface (contexts, controls, overlapping buffers) or repeats the standard's
                // vectors, which our own table holds; their key exchange table is the standard's example alone.
                _ => "not run: their interface",
            };
            *run.entry(name).or_default() += 1;
        }
    }
    if files.iter().all(Option::is_some) {
        println!("SM2 of openHiTLS: {run:?}");
        let count = |name| run.get(name).copied().unwrap_or_default();
        assert!(
            count("decrypt") >= 2 && count("refuse to decrypt") >= 8 && count("encrypt") >= 2 && count("verify") >= 2,
            "{run:?}"
        );
    }
}
