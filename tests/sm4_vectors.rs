//! SM4, authenticated encryption and key derivation against published vectors, other implementations and chance.
//!
//! `tests/vectors/sm4` was made for this project. The other files stay outside of the repository: `YINXIN_FIXTURES`,
//! else `../shared/fixtures`. Where they are absent each test says SKIPPED by name; it fails instead under `CI` or
//! `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

#[path = "sm4_vectors/reference.rs"]
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use reference::Reference;
use serde_json::Value;
use yinxin::crypto::aead::{AeadAlgorithm, AeadKey};
use yinxin::crypto::kdf::{Pbkdf2Prf, hkdf_sha256, pbkdf2};
use yinxin::crypto::sm4::ccm::Sm4Ccm;
use yinxin::crypto::sm4::gcm::Sm4Gcm;
use yinxin::crypto::sm4::{Engine, Sm4, cbc, ctr};
use yinxin::crypto::{Error, ghash};

/// The third-party cases whose mode we do not offer, by file and mode: how many, and why.
const NOT_OFFERED: &[(&str, &str, usize, &str)] = &[
    ("tongsuo-evpciph_sm4.txt", "OFB", 1, "no format of ours uses it"),
    ("tongsuo-evpciph_sm4.txt", "CFB", 1, "no format of ours uses it"),
    ("tongsuo-evpciph_sm4.txt", "XTS", 4, "for disks; no format of ours uses it"),
    ("draft-ribose-cfrg-sm4-10-cfb.txt", "CFB", 2, "no format of ours uses it"),
    ("draft-ribose-cfrg-sm4-10-ofb.txt", "OFB", 2, "no format of ours uses it"),
];

/// The folder of the third-party files under `folder`.
fn fixtures(test: &str, folder: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from).join(folder);
    if root.exists() {
        return Some(root);
    }
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
    assert!(!required, "{test} needs the fixtures, and they are absent");
    eprintln!("SKIPPED {test}: fixtures absent");
    None
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    hex.trim().as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn field(case: &Value, name: &str) -> Vec<u8> {
    bytes(case[name].as_str().unwrap())
}

/// One key for each engine; the portable one beside the portable GHASH, so that each is met at least once.
fn gcm_keys(key: &[u8]) -> Vec<Sm4Gcm> {
    let ghashes: Vec<_> = ghash::Engine::available().collect();
    let pairs = Engine::available().enumerate().map(|(index, engine)| (engine, ghashes[index.min(ghashes.len() - 1)]));
    pairs.map(|(engine, ghash)| Sm4Gcm::with_engines(engine, ghash, key.try_into().unwrap()).unwrap()).collect()
}

fn ciphers(key: &[u8]) -> Vec<Sm4> {
    Engine::available().map(|engine| Sm4::with_engine(engine, key.try_into().unwrap()).unwrap()).collect()
}

/// A known answer of GCM, both ways, on every engine.
fn gcm_answer(key: &[u8], nonce: &[u8], aad: &[u8], plaintext: &[u8], ciphertext: &[u8], tag: &[u8]) {
    for key in gcm_keys(key) {
        let mut text = plaintext.to_vec();
        let made = key.seal_in_place(nonce, aad, &mut text).unwrap();
        assert_eq!((&text[..], &made[..]), (ciphertext, tag), "{key:?}");
        key.open_in_place(nonce, aad, &mut text, tag).unwrap();
        assert_eq!(text, plaintext, "{key:?}");
    }
}

/// The same of CCM.
fn ccm_answer(key: &[u8], nonce: &[u8], aad: &[u8], plaintext: &[u8], ciphertext: &[u8], tag: &[u8]) {
    for cipher in ciphers(key) {
        let key = Sm4Ccm::with_cipher(cipher, tag.len()).unwrap();
        let mut text = plaintext.to_vec();
        let made = key.seal_in_place(nonce, aad, &mut text).unwrap();
        assert_eq!((&text[..], &made[..]), (ciphertext, tag), "{key:?}");
        key.open_in_place(nonce, aad, &mut text, tag).unwrap();
        assert_eq!(text, plaintext, "{key:?}");
    }
}

#[test]
fn vectors_of_the_standards() {
    let text = include_str!("vectors/sm4/sm4.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    let mut count = 0;
    for case in vectors["ecb"].as_array().unwrap() {
        let iterations = case["iterations"].as_u64().unwrap_or(1);
        for cipher in ciphers(&field(case, "key")) {
            let mut block: [u8; 16] = field(case, "pt").try_into().unwrap();
            // A million takes long without optimisation, so then one engine has to do.
            if iterations > 1 && cfg!(debug_assertions) && cipher.engine() != Engine::fastest() {
                continue;
            }
            (0..iterations).for_each(|_| cipher.encrypt_block(&mut block));
            assert_eq!(block.to_vec(), field(case, "ct"), "{}, {cipher:?}", case["name"]);
        }
        count += 1;
    }
    type Check = fn(&[u8], &[u8], &[u8], &[u8], &[u8], &[u8]);
    let modes: [(&str, Check); 2] = [("gcm", gcm_answer), ("ccm", ccm_answer)];
    for (mode, check) in modes {
        for case in vectors[mode].as_array().unwrap() {
            let [key, nonce, aad, plaintext, ciphertext, tag] =
                ["key", "iv", "aad", "pt", "ct", "tag"].map(|name| field(case, name));
            check(&key, &nonce, &aad, &plaintext, &ciphertext, &tag);
            count += 1;
        }
    }
    assert_eq!(count, 4);
    println!("sm4.json: 4 of 4");
}

/// Records of `name = value` lines between empty lines; names in lower case.
fn records(text: &str) -> Vec<BTreeMap<String, String>> {
    let fields = |record: &str| {
        let lines = record.lines().filter(|line| !line.starts_with(['#', '[']));
        let pairs = lines.filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned())).collect()
    };
    let records = text.replace("\r\n", "\n").split("\n\n").map(fields).collect::<Vec<BTreeMap<_, _>>>();
    records.into_iter().filter(|record| record.contains_key("key")).collect()
}

#[test]
fn tables_of_others() {
    let Some(root) = fixtures("tables_of_others", "pki/sm2-vectors/third-party") else { return };
    let mut not_offered = BTreeMap::new();
    let mut passed = BTreeMap::new();
    let folder = root.join("cryptography_vectors");
    let files = ["ecb", "cbc", "ctr", "cfb", "ofb"].map(|mode| format!("draft-ribose-cfrg-sm4-10-{mode}.txt"));
    let files = files.iter().map(|name| folder.join(name));
    for path in files.chain([folder.join("rfc8998.txt"), root.join("tongsuo-evpciph_sm4.txt")]) {
        let file = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        // These files name their mode in a heading: "# SM4 GCM".
        let heading = text.lines().find_map(|line| line.strip_prefix("# SM4 ")).unwrap_or_default().to_owned();
        for record in records(&text) {
            let mode = record.get("cipher").map_or(&heading[..], |cipher| &cipher[4..]);
            let part = |name: &str| record.get(name).map(|value| bytes(value)).unwrap_or_default();
            let [key, iv, aad, tag] = ["key", "iv", "aad", "tag"].map(part);
            let [plaintext, ciphertext] = ["plaintext", "ciphertext"].map(part);
            match mode {
                "ECB" => known_ecb(&key, &plaintext, &ciphertext),
                "CBC" => known_cbc(&key, &iv, &plaintext, &ciphertext),
                "CTR" => {
                    for cipher in ciphers(&key) {
                        let mut text = plaintext.clone();
                        ctr::apply(&cipher, &iv[..].try_into().unwrap(), &mut text).unwrap();
                        assert_eq!(text, ciphertext, "{file}, {cipher:?}");
                    }
                }
                "GCM" => gcm_answer(&key, &iv, &aad, &plaintext, &ciphertext, &tag),
                "CCM" => ccm_answer(&key, &iv, &aad, &plaintext, &ciphertext, &tag),
                other => {
                    *not_offered.entry((file.clone(), other.to_owned())).or_insert(0) += 1;
                    continue;
                }
            }
            *passed.entry(file.clone()).or_insert(0) += 1;
        }
    }
    let expected: BTreeMap<_, _> =
        NOT_OFFERED.iter().map(|(file, mode, count, _)| (((*file).to_owned(), (*mode).to_owned()), *count)).collect();
    assert_eq!(not_offered, expected);
    println!("{passed:?}; not offered: {NOT_OFFERED:?}");
    assert_eq!(passed.values().sum::<usize>(), 16);
}

fn known_ecb(key: &[u8], plaintext: &[u8], ciphertext: &[u8]) {
    for cipher in ciphers(key) {
        let mut text = plaintext.to_vec();
        cipher.encrypt_blocks(text.as_chunks_mut().0);
        assert_eq!(text, ciphertext, "{cipher:?}");
        cipher.decrypt_blocks(text.as_chunks_mut().0);
        assert_eq!(text, plaintext, "{cipher:?}");
    }
}

/// These tables are without padding.
fn known_cbc(key: &[u8], iv: &[u8], plaintext: &[u8], ciphertext: &[u8]) {
    let iv = iv.try_into().unwrap();
    for cipher in ciphers(key) {
        let mut text = plaintext.to_vec();
        cbc::encrypt_blocks(&cipher, iv, text.as_chunks_mut().0);
        assert_eq!(text, ciphertext, "{cipher:?}");
        cbc::decrypt_blocks(&cipher, iv, text.as_chunks_mut().0);
        assert_eq!(text, plaintext, "{cipher:?}");
        assert_eq!(cbc::encrypt(&cipher, iv, plaintext)[..ciphertext.len()], *ciphertext, "{cipher:?}");
    }
}

/// The groups of a Wycheproof file, and how many cases it says it has.
fn wycheproof(test: &str, name: &str) -> Option<(Vec<Value>, u64)> {
    let path = fixtures(test, "pki/wycheproof")?.join(format!("{name}_test.json.gz"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    Some((file["testGroups"].as_array().unwrap().clone(), file["numberOfTests"].as_u64().unwrap()))
}

/// Runs `check` on every case and prints how many there were; the groups must add up to what the file says.
fn every_case(name: &str, (groups, all): (Vec<Value>, u64), mut check: impl FnMut(&Value, &Value, bool) -> bool) {
    let (mut valid, mut invalid, mut excepted) = (0, 0, 0);
    for group in &groups {
        for case in group["tests"].as_array().unwrap() {
            let is_valid = case["result"] == "valid";
            assert!(is_valid || case["result"] == "invalid", "{name}, {}: {}", case["tcId"], case["result"]);
            match (check(group, case, is_valid), is_valid) {
                (false, _) => excepted += 1,
                (true, true) => valid += 1,
                (true, false) => invalid += 1,
            }
        }
    }
    assert_eq!(valid + invalid + excepted, all, "{name}");
    println!("{name}: {valid} accepted and {invalid} refused as expected, {excepted} not applicable, of {all}");
}

#[test]
fn wycheproof_sm4_gcm() {
    let Some(file) = wycheproof("wycheproof_sm4_gcm", "sm4_gcm") else { return };
    every_case("sm4_gcm", file, |_, case, is_valid| {
        let [key, nonce, aad, plaintext] = ["key", "iv", "aad", "msg"].map(|name| field(case, name));
        let [ciphertext, tag] = ["ct", "tag"].map(|name| field(case, name));
        if is_valid {
            gcm_answer(&key, &nonce, &aad, &plaintext, &ciphertext, &tag);
            return true;
        }
        let expected = if nonce.is_empty() { Error::NonceLength { length: 0 } } else { Error::Unauthentic };
        for key in gcm_keys(&key) {
            let mut text = ciphertext.clone();
            let refused = key.open_in_place(&nonce, &aad, &mut text, &tag).unwrap_err();
            assert_eq!((refused, &text), (expected.clone(), &ciphertext), "{}", case["tcId"]);
        }
        true
    });
}

#[test]
fn wycheproof_sm4_ccm() {
    let Some(file) = wycheproof("wycheproof_sm4_ccm", "sm4_ccm") else { return };
    every_case("sm4_ccm", file, |_, case, is_valid| {
        let [key, nonce, aad, plaintext] = ["key", "iv", "aad", "msg"].map(|name| field(case, name));
        let [ciphertext, tag] = ["ct", "tag"].map(|name| field(case, name));
        if is_valid {
            ccm_answer(&key, &nonce, &aad, &plaintext, &ciphertext, &tag);
            return true;
        }
        for cipher in ciphers(&key) {
            let mut text = ciphertext.clone();
            let opened =
                Sm4Ccm::with_cipher(cipher, tag.len()).and_then(|key| key.open_in_place(&nonce, &aad, &mut text, &tag));
            // SP 800-38C A.1 tells which lengths there are.
            let expected = if ![4, 6, 8, 10, 12, 14, 16].contains(&tag.len()) {
                Error::TagLength { length: tag.len() }
            } else if !(7..=13).contains(&nonce.len()) {
                Error::NonceLength { length: nonce.len() }
            } else {
                Error::Unauthentic
            };
            assert_eq!((opened, &text), (Err(expected), &ciphertext), "{}", case["tcId"]);
        }
        true
    });
}

#[test]
fn wycheproof_aes_gcm() {
    let Some(file) = wycheproof("wycheproof_aes_gcm", "aes_gcm") else { return };
    every_case("aes_gcm (only 256-bit keys with 96-bit nonces)", file, |group, case, is_valid| {
        let [key, nonce, aad, plaintext] = ["key", "iv", "aad", "msg"].map(|name| field(case, name));
        // The door knows one length of key and of nonce; the others cannot even be said.
        if group["keySize"] != 256 {
            let expected = Error::KeyLength { algorithm: "aes-256-gcm", expected: 32, length: key.len() };
            assert_eq!(AeadKey::new(AeadAlgorithm::Aes256Gcm, &key).unwrap_err(), expected);
            return false;
        }
        let Ok(nonce) = <[u8; 12]>::try_from(nonce) else { return false };
        let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, &key).unwrap();
        let sealed = [field(case, "ct"), field(case, "tag")].concat();
        if is_valid {
            assert_eq!(key.seal(&nonce, &aad, &plaintext).unwrap(), sealed, "{}", case["tcId"]);
        }
        let opened = key.open(&nonce, &aad, &sealed).map(|text| text.expose().to_vec());
        assert_eq!(opened, is_valid.then_some(plaintext), "{}", case["tcId"]);
        true
    });
}

#[test]
fn wycheproof_hkdf_sha256() {
    let Some(file) = wycheproof("wycheproof_hkdf_sha256", "hkdf_sha256") else { return };
    every_case("hkdf_sha256", file, |_, case, is_valid| {
        let [ikm, salt, info, okm] = ["ikm", "salt", "info", "okm"].map(|name| field(case, name));
        let length = usize::try_from(case["size"].as_u64().unwrap()).unwrap();
        let derived = hkdf_sha256(&salt, &ikm, &[&info], length).map(|key| key.expose().to_vec());
        let expected = if is_valid { Ok(okm) } else { Err(Error::DerivedLength { length }) };
        assert_eq!(derived, expected, "{}", case["tcId"]);
        true
    });
}

#[test]
fn wycheproof_pbkdf2_hmac_sha256() {
    let Some(file) = wycheproof("wycheproof_pbkdf2_hmac_sha256", "pbkdf2_hmacsha256") else { return };
    every_case("pbkdf2_hmacsha256", file, |_, case, is_valid| {
        assert!(is_valid, "this file has no invalid cases");
        let [password, salt, expected] = ["password", "salt", "dk"].map(|name| field(case, name));
        let iterations = NonZeroU32::new(case["iterationCount"].as_u64().unwrap().try_into().unwrap()).unwrap();
        let key = pbkdf2(Pbkdf2Prf::HmacSha256, &password, &salt, iterations, expected.len()).unwrap();
        assert_eq!(key.expose(), expected, "{}", case["tcId"]);
        true
    });
}

/// OpenSSL's answer, without padding.
fn openssl(name: &str, key: &[u8; 16], iv: &[u8; 16], text: &[u8]) -> Vec<u8> {
    let cipher = openssl::cipher::Cipher::fetch(None, name, None).unwrap();
    let mut context = openssl::cipher_ctx::CipherCtx::new().unwrap();
    context.encrypt_init(Some(&cipher), Some(key), Some(iv)).unwrap();
    context.set_padding(false);
    let mut out = Vec::new();
    context.cipher_update_vec(text, &mut out).unwrap();
    context.cipher_final_vec(&mut out).unwrap();
    out
}

/// Lengths around the numbers of blocks that the engines have in flight, and any other.
fn lengths() -> impl Strategy<Value = usize> {
    let edge = (0_usize..=5, 0_usize..=2).prop_map(|(power, off)| ((256 << power) + off).saturating_sub(1));
    prop_oneof![0_usize..70, 0_usize..2500, edge]
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    (lengths(), any::<u64>()).prop_map(|(length, seed)| {
        let mut state = seed;
        let bytes = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        });
        bytes.take(length).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_engine_encrypts_as_the_reference_and_openssl_do(key: [u8; 16], iv: [u8; 16], text in texts()) {
        let reference = Reference::new(&key);
        let in_cbc = reference.cbc_encrypt(iv, &text);
        // Far enough from the end of the counter for any of these texts.
        let mut counter = iv;
        counter[0] &= 0x7f;
        let in_ctr = reference.ctr(counter, &text);
        prop_assert_eq!(&openssl("SM4-CTR", &key, &counter, &text), &in_ctr);
        let whole = text.len() / 16 * 16;
        prop_assert_eq!(&openssl("SM4-CBC", &key, &iv, &text[..whole]), &in_cbc[..whole]);
        for cipher in ciphers(&key) {
            prop_assert_eq!(&cbc::encrypt(&cipher, &iv, &text), &in_cbc, "{:?}", &cipher);
            let opened = cbc::decrypt(&cipher, &iv, &in_cbc).unwrap();
            prop_assert_eq!(opened.expose(), &text, "{:?}", &cipher);
            let mut streamed = text.clone();
            ctr::apply(&cipher, &counter, &mut streamed).unwrap();
            prop_assert_eq!(&streamed, &in_ctr, "{:?}", &cipher);
        }
    }

    /// Any bytes: what is well padded comes out, the rest is refused, by the same rule everywhere.
    #[test]
    fn every_engine_refuses_the_same_paddings(key: [u8; 16], iv: [u8; 16], mut text in texts(), ending in 0_u8..20) {
        // Strangers' bytes seldom end well; let some do.
        let reference = Reference::new(&key);
        text.truncate(text.len() / 16 * 16);
        if let Some(last) = text.last_mut() {
            *last = ending;
        }
        let ciphertext = openssl("SM4-CBC", &key, &iv, &text);
        prop_assert_eq!(&reference.cbc_decrypt(iv, &ciphertext), &text);
        let count = usize::from(ending);
        let good = (1..=16).contains(&count) && text.len() >= 16 && text.ends_with(&vec![ending; count]);
        let expected = if good { Ok(text[..text.len() - count].to_vec()) } else { Err(Error::Undecryptable) };
        for cipher in ciphers(&key) {
            let opened = cbc::decrypt(&cipher, &iv, &ciphertext).map(|text| text.expose().to_vec());
            prop_assert_eq!(&opened, &expected, "{:?}", &cipher);
        }
    }

    #[test]
    fn every_engine_seals_as_the_reference_does(
        key: [u8; 16],
        nonce in proptest::collection::vec(any::<u8>(), 1..40),
        usual in any::<bool>(),
        aad in texts(),
        text in texts(),
    ) {
        let nonce = if usual { &[&nonce[..], &[7; 12]].concat()[..12] } else { &nonce[..] };
        let (ciphertext, tag) = Reference::new(&key).gcm(nonce, &aad, &text);
        gcm_answer(&key, nonce, &aad, &text, &ciphertext, &tag);
        if let Ok(nonce) = nonce.try_into() {
            let door = AeadKey::new(AeadAlgorithm::Sm4Gcm, &key).unwrap();
            prop_assert_eq!(door.seal(nonce, &aad, &text).unwrap(), [&ciphertext[..], &tag].concat());
        }
    }

    #[test]
    fn every_engine_seals_in_ccm_as_the_reference_does(
        key: [u8; 16],
        nonce in proptest::collection::vec(any::<u8>(), 7..=13),
        tag_len in 2_usize..=8,
        aad in texts(),
        text in texts(),
    ) {
        let (ciphertext, tag) = Reference::new(&key).ccm(&nonce, &aad, &text, 2 * tag_len);
        ccm_answer(&key, &nonce, &aad, &text, &ciphertext, &tag);
    }

    /// One bit anywhere, in nonce, context, text or tag: refused as such, and the text stays closed.
    #[test]
    fn one_changed_bit_is_refused(key: [u8; 16], aad in texts(), text in texts(), place: usize, ccm in any::<bool>()) {
        let nonce = [9_u8; 12];
        let reference = Reference::new(&key);
        let (ciphertext, tag) =
            if ccm { reference.ccm(&nonce, &aad, &text, 16) } else {
                let (ciphertext, tag) = reference.gcm(&nonce, &aad, &text);
                (ciphertext, tag.to_vec())
            };
        let parts = [nonce.to_vec(), aad, ciphertext, tag];
        let mut all = parts.concat();
        let bit = place % (all.len() * 8);
        all[bit / 8] ^= 1 << (bit % 8);
        let (nonce, rest) = all.split_at(parts[0].len());
        let (aad, rest) = rest.split_at(parts[1].len());
        let (ciphertext, tag) = rest.split_at(parts[2].len());
        let mut refused = BTreeSet::new();
        if ccm {
            for cipher in ciphers(&key) {
                let mut text = ciphertext.to_vec();
                let key = Sm4Ccm::with_cipher(cipher, 16).unwrap();
                refused.insert(format!("{:?}", key.open_in_place(nonce, aad, &mut text, tag)));
                prop_assert_eq!(text, ciphertext);
            }
        } else {
            for key in gcm_keys(&key) {
                let mut text = ciphertext.to_vec();
                refused.insert(format!("{:?}", key.open_in_place(nonce, aad, &mut text, tag)));
                prop_assert_eq!(text, ciphertext);
            }
        }
        prop_assert_eq!(refused, BTreeSet::from(["Err(Unauthentic)".to_owned()]));
    }
}

#[test]
fn the_engines_of_this_processor_are_told() {
    let names: Vec<_> = Engine::available().map(Engine::name).collect();
    println!("SM4: {names:?}, GHASH: {:?}", ghash::Engine::available().map(ghash::Engine::name).collect::<Vec<_>>());
    assert_eq!(names.first(), Some(&"portable"));
    assert_eq!(Engine::available().last(), Some(Engine::fastest()));
    for engine in Engine::ALL {
        assert_eq!(Sm4::with_engine(*engine, &[0; 16]).is_some(), engine.is_available(), "{engine:?}");
    }
}
