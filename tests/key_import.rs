//! Private key files made by others, read by us; ours, read by OpenSSL; broken ones, refused exactly.
//!
//! The third-party files stay outside of the repository: `YINXIN_FIXTURES`, else `../shared/fixtures`. Where they, or the
//! `openssl` command, are absent a test says SKIPPED by name; it fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy excuses `#[test]` functions, not their helpers"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use openssl::pkey::PKey;
use openssl::symm;
use yinxin::base::random::SystemRandom;
use yinxin::base::secret::Secret;
use yinxin::domain::key::KeyAlgorithm;
use yinxin::format::der::ObjectIdentifier;
use yinxin::format::keys::{SubjectPublicKeyInfo, read_pem, write_pem};
use yinxin::format::x509::Certificate;
use yinxin::service::keys::export::{Protection, pkcs8_encrypted, pkcs8_encrypted_pem};
use yinxin::service::keys::import::{Error, Imported, open};

const PASSPHRASE: &str = "correct horse battery";

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

fn skipped(test: &str, absent: &str) {
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
    assert!(!required, "{test} needs {absent}");
    eprintln!("SKIPPED {test}: {absent} absent");
}

fn fixtures(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from);
    if root.join("eseal/certs").exists() {
        return Some(root);
    }
    skipped(test, "fixtures");
    None
}

/// Runs the `openssl` command; `None` where it is absent or does not know the algorithm (`may_refuse`).
fn openssl(arguments: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    // A command that reads no input closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn has_openssl(test: &str) -> bool {
    let found = openssl("version", &[]).is_ok_and(|text| text.starts_with(b"OpenSSL 3"));
    if !found {
        skipped(test, "the command openssl, version 3,");
    }
    found
}

/// A fresh key by the command, as plain PKCS#8 in PEM.
fn fresh(kind: &str) -> Vec<u8> {
    let arguments = match kind {
        "sm2" => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:SM2",
        "p256" => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "ed25519" => "genpkey -algorithm ed25519",
        "rsa" => "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        "rsa1024" => "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024",
        "k1" => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
        "explicit" => "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
        "x25519" => "genpkey -algorithm x25519",
        other => panic!("no kind {other}"),
    };
    openssl(arguments, &[]).unwrap()
}

fn algorithm(kind: &str) -> KeyAlgorithm {
    match kind {
        "sm2" => KeyAlgorithm::Sm2,
        "p256" => KeyAlgorithm::EcdsaP256,
        "ed25519" => KeyAlgorithm::Ed25519,
        "rsa" => KeyAlgorithm::Rsa,
        other => panic!("no kind {other}"),
    }
}

/// What OpenSSL says the public key is.
fn public_by_openssl(key: &[u8]) -> Vec<u8> {
    openssl("pkey -pubout -outform DER", key).unwrap()
}

fn der_of(pem: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(pem).unwrap();
    let label = text.split_once("-----BEGIN ").unwrap().1.split_once("-----").unwrap().0;
    read_pem(text, label).unwrap().remove(0)
}

fn same(one: &Imported, other: &Imported) -> bool {
    (one.algorithm, one.private.expose(), &one.public, &one.certificates)
        == (other.algorithm, other.private.expose(), &other.public, &other.certificates)
}

#[test]
fn plain_files_of_the_openssl_command() {
    if !has_openssl("plain_files_of_the_openssl_command") {
        return;
    }
    for kind in ["sm2", "p256", "ed25519", "rsa"] {
        let pem = fresh(kind);
        let public = public_by_openssl(&pem);
        let imported = open(&pem, None).unwrap();
        assert_eq!((imported.algorithm, &imported.public), (algorithm(kind), &public), "{kind}");
        assert!(imported.certificates.is_empty());
        assert!(same(&open(&der_of(&pem), Some(&secret("not needed"))).unwrap(), &imported), "{kind}: DER");
        let windows = String::from_utf8(pem.clone()).unwrap().replace('\n', "\r\n");
        assert!(same(&open(windows.as_bytes(), None).unwrap(), &imported), "{kind}: lines of Windows");
        // The forms of old, `EC PRIVATE KEY` and `RSA PRIVATE KEY`; the command does not write SM2 so.
        if kind != "ed25519" && kind != "sm2" {
            let old = openssl("pkey -traditional", &pem).unwrap();
            assert!(!old.starts_with(b"-----BEGIN PRIVATE KEY"), "{kind}");
            assert!(same(&open(&old, None).unwrap(), &imported), "{kind}: the form of old");
            assert!(same(&open(&der_of(&old), None).unwrap(), &imported), "{kind}: the form of old, DER");
        }
        // The public key beside it, right and wrong.
        let beside = |key: &[u8]| open(&[&pem[..], write_pem(key, "PUBLIC KEY").as_bytes()].concat(), None);
        assert!(same(&beside(&public).unwrap(), &imported));
        assert_eq!(beside(&public_by_openssl(&fresh(kind))).unwrap_err(), Error::PublicKeyMismatch, "{kind}");
    }
    let named = openssl("ecparam -name SM2 -genkey", &[]).unwrap();
    assert!(named.starts_with(b"-----BEGIN SM2 PARAMETERS"), "a block of parameters goes before the key");
    assert_eq!(open(&named, None).unwrap().public, public_by_openssl(&named));
    let both = [openssl("ecparam -name P-256", &[]).unwrap(), fresh("sm2")].concat();
    assert_eq!(open(&both, None).unwrap_err().code(), "key-import-malformed", "another curve's parameters");
}

#[test]
fn encrypted_pkcs8_of_the_openssl_command() {
    if !has_openssl("encrypted_pkcs8_of_the_openssl_command") {
        return;
    }
    let ways = [
        "-v2 aes-128-cbc -v2prf hmacWithSHA256",
        "-v2 aes-256-cbc -v2prf hmacWithSHA1",
        "-v2 aes-256-cbc -v2prf hmacWithSHA384 -iter 5000",
        "-v2 aes-256-cbc -v2prf hmacWithSHA512",
        "-v2 sm4-cbc -v2prf hmacWithSHA256",
        "-v2 des3 -v2prf hmacWithSHA1",
        "-v1 PBE-SHA1-3DES",
        "-v1 PBE-SHA1-2DES",
        "-v1 PBE-SHA1-RC2-128 -provider legacy -provider default",
        "-v1 PBE-SHA1-RC2-40 -provider legacy -provider default",
    ];
    let mut read = 0;
    for kind in ["sm2", "p256", "ed25519", "rsa"] {
        let plain = fresh(kind);
        let expected = open(&plain, None).unwrap();
        for way in ways {
            let written = openssl(&format!("pkcs8 -topk8 {way} -passout pass:correct"), &plain);
            let file = match written {
                Ok(file) => file,
                // The provider that holds RC2 need not be installed; the fixtures have files with it.
                Err(_) if way.contains("legacy") => continue,
                Err(error) => panic!("{way}: {error}"),
            };
            for file in [der_of(&file), file] {
                let imported = open(&file, Some(&secret("correct"))).unwrap();
                assert!(same(&imported, &expected), "{kind} {way}");
                assert_eq!(open(&file, None).unwrap_err(), Error::PassphraseNeeded, "{kind} {way}");
                let wrong = open(&file, Some(&secret("correcT"))).unwrap_err();
                assert_eq!((wrong.code(), wrong), ("passphrase-wrong", Error::WrongPassphrase), "{kind} {way}");
                read += 1;
            }
        }
    }
    assert!(read >= 64, "{read}");
}

#[test]
fn pkcs12_of_the_openssl_command() {
    if !has_openssl("pkcs12_of_the_openssl_command") {
        return;
    }
    let folder = std::env::temp_dir().join(format!("yinxin-pkcs12-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let ways = [
        "",
        "-keypbe AES-128-CBC -certpbe NONE -macalg sha512",
        "-keypbe SM4-CBC -certpbe SM4-CBC -macalg sm3",
        "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1",
        "-keypbe NONE -certpbe NONE -macalg sha384",
        "-keypbe NONE -certpbe NONE -nomac",
    ];
    for kind in ["sm2", "p256", "ed25519", "rsa"] {
        let (key, other) = (fresh(kind), fresh("p256"));
        fs::write(at("key"), &key).unwrap();
        fs::write(at("other"), &other).unwrap();
        for name in ["key", "other"] {
            let (from, to) = (at(name), at(&format!("{name}.pem")));
            openssl(&format!("req -x509 -new -key {from} -subj /CN={name} -out {to}"), &[]).unwrap();
        }
        let certificates = ["key", "other"].map(|name| der_of(&fs::read(at(&format!("{name}.pem"))).unwrap()));
        let expected = open(&key, None).unwrap();
        for way in ways {
            let space = if way.is_empty() { "" } else { " " };
            let (key, own, chain) = (at("key"), at("key.pem"), at("other.pem"));
            let export = format!(
                "pkcs12 -export -inkey {key} -in {own} -certfile {chain} -passout pass:口令{space}{way} -name 名"
            );
            let file = openssl(&export, &[]).unwrap();
            let imported = open(&file, Some(&secret("口令"))).unwrap();
            let found = (imported.private.expose(), &imported.public, &imported.certificates[..]);
            assert_eq!(found, (expected.private.expose(), &expected.public, &certificates[..]), "{kind} {way}");
            if way.ends_with("nomac") {
                assert!(same(&open(&file, None).unwrap(), &imported), "{kind} {way}: nothing is encrypted");
            } else {
                assert_eq!(open(&file, Some(&secret("口"))).unwrap_err(), Error::WrongPassphrase, "{kind} {way}");
                assert_eq!(open(&file, None).unwrap_err(), Error::PassphraseNeeded, "{kind} {way}");
            }
        }
        // The certificate of another key only.
        let pem = [&key[..], &fs::read(at("other.pem")).unwrap()].concat();
        assert_eq!(open(&pem, None).unwrap_err(), Error::CertificateMismatch, "{kind}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_not_taken_in_is_named() {
    if !has_openssl("what_is_not_taken_in_is_named") {
        return;
    }
    let refusal = |file: &[u8]| open(file, Some(&secret("correct"))).unwrap_err();
    let unsupported = |what, oid| Error::Unsupported { what, oid: ObjectIdentifier::new_unwrap(oid) };
    assert_eq!(refusal(&fresh("k1")), unsupported("ECParameters", "1.3.132.0.10"));
    assert_eq!(refusal(&fresh("x25519")), unsupported("privateKeyAlgorithm", "1.3.101.110"));
    assert_eq!(refusal(&fresh("rsa1024")), Error::RsaSize { bits: 1024 });
    assert!(matches!(refusal(&fresh("explicit")), Error::UnsupportedForm(_)));
    let encrypted = |way: &str| openssl(&format!("pkcs8 -topk8 {way} -passout pass:correct"), &fresh("sm2")).unwrap();
    assert_eq!(refusal(&encrypted("-scrypt")), unsupported("keyDerivationFunc", "1.3.6.1.4.1.11591.4.11"));
    let aes192 = unsupported("encryptionScheme", "2.16.840.1.101.3.4.1.22");
    assert_eq!(refusal(&encrypted("-v2 aes-192-cbc")), aes192);
    let legacy = openssl("rsa -traditional -aes128 -passout pass:correct", &fresh("rsa")).unwrap();
    let error = refusal(&legacy);
    assert_eq!((error.code(), &error), ("key-import-legacy-encryption", &Error::LegacyEncryption));
    let two = [fresh("sm2"), fresh("p256")].concat();
    assert_eq!(refusal(&two), Error::SeveralKeys { count: 2 });
    assert_eq!(refusal(write_pem(b"x", "OTHER").as_bytes()), Error::NoKey);
    let label = "OPENSSH PRIVATE KEY";
    assert_eq!(refusal(write_pem(b"x", label).as_bytes()), Error::UnsupportedLabel { label: label.to_owned() });
    assert_eq!(refusal(b"nothing of the kind"), Error::Unrecognised);
    assert_eq!(refusal(&vec![0x30; (256 << 10) + 1]), Error::TooLarge { limit: 256 << 10 });

    // A number of an RSA key changed: the last byte of the private exponent's neighbour, the first prime.
    let key = der_of(&openssl("pkey -traditional", &fresh("rsa")).unwrap());
    let mut inconsistent = key.clone();
    let place = key.len() - 10; // in the coefficient
    inconsistent[place] ^= 1;
    assert_eq!(refusal(&inconsistent), Error::RsaInconsistent);
}

#[test]
fn a_bomb_of_iterations_is_refused_at_once() {
    use yinxin::format::keys::pbe::{Cipher, Pkcs12Cipher, Prf, Scheme};
    use yinxin::format::keys::pkcs8::EncryptedPrivateKeyInfo;
    let pbes2 = |iterations| Scheme::Pbes2 {
        prf: Prf::HmacSm3,
        salt: vec![1; 8],
        iterations,
        cipher: Cipher::Sm4Cbc,
        iv: vec![2; 16],
    };
    let pkcs12 = |iterations| Scheme::Pkcs12 { cipher: Pkcs12Cipher::TripleDes3, salt: vec![1; 8], iterations };
    let started = Instant::now();
    for scheme in [pbes2(2_000_001), pbes2(u32::MAX), pkcs12(2_000_001), pkcs12(u32::MAX)] {
        let file = EncryptedPrivateKeyInfo { scheme, encrypted: &[0; 48] }.to_der();
        let error = open(&file, Some(&secret("x"))).unwrap_err();
        assert_eq!(error, Error::TooManyIterations { limit: 2_000_000 });
        assert_eq!(error.code(), "key-import-too-many-iterations");
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// Ours are read by OpenSSL's library, and by us.
#[test]
fn what_we_export_openssl_reads() {
    for kind in ["sm2", "p256", "ed25519", "rsa"] {
        let key = match kind {
            "sm2" | "p256" => {
                let nid = if kind == "sm2" { openssl::nid::Nid::SM2 } else { openssl::nid::Nid::X9_62_PRIME256V1 };
                let group = openssl::ec::EcGroup::from_curve_name(nid).unwrap();
                PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap()
            }
            "ed25519" => PKey::generate_ed25519().unwrap(),
            _ => PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap(),
        };
        let imported = open(&key.private_key_to_pkcs8().unwrap(), None).unwrap();
        assert_eq!(imported.public, key.public_key_to_der().unwrap(), "{kind}");
        // The crate's own encryption, other defaults than the command's.
        for cipher in [symm::Cipher::aes_256_cbc(), symm::Cipher::sm4_cbc()] {
            let file = key.private_key_to_pkcs8_passphrase(cipher, PASSPHRASE.as_bytes()).unwrap();
            assert!(same(&open(&file, Some(&secret(PASSPHRASE))).unwrap(), &imported), "{kind}");
        }
        // Each derivation takes its time: all ways once, the first one for every kind of key.
        let all = [Protection::Aes256Sha256, Protection::Sm4Sha256, Protection::Sm4Sm3];
        for protection in all.into_iter().take(if kind == "sm2" { 3 } else { 1 }) {
            let parts = (imported.algorithm, &imported.private, &imported.public[..]);
            let file = pkcs8_encrypted(parts, &secret(PASSPHRASE), protection, &SystemRandom).unwrap();
            assert!(same(&open(&file, Some(&secret(PASSPHRASE))).unwrap(), &imported), "{kind} {protection:?}");
            let peer = PKey::private_key_from_pkcs8_passphrase(&file, PASSPHRASE.as_bytes());
            // OpenSSL has no number of GM/T 0006 for HMAC-SM3.
            assert_eq!(peer.is_ok(), protection != Protection::Sm4Sm3, "{kind} {protection:?}");
            if let Ok(peer) = peer {
                assert_eq!(peer.public_key_to_der().unwrap(), imported.public, "{kind} {protection:?}");
                assert_eq!(peer.private_key_to_pkcs8().unwrap(), key.private_key_to_pkcs8().unwrap(), "{kind}");
            }
        }
    }
    let imported = open(&PKey::generate_ed25519().unwrap().private_key_to_pkcs8().unwrap(), None).unwrap();
    let parts = (imported.algorithm, &imported.private, &imported.public[..]);
    let short = pkcs8_encrypted(parts, &secret("eleven char"), Protection::Sm4Sm3, &SystemRandom).unwrap_err();
    assert_eq!(short.code(), "passphrase-too-short");
    let dead = yinxin::base::random::DeadRandom;
    let dead = pkcs8_encrypted(parts, &secret(PASSPHRASE), Protection::Sm4Sm3, &dead).unwrap_err();
    assert_eq!(dead.code(), "random-unavailable");
    let pem = pkcs8_encrypted_pem(parts, &secret(PASSPHRASE), Protection::Sm4Sm3, &SystemRandom).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert!(same(&open(pem.as_bytes(), Some(&secret(PASSPHRASE))).unwrap(), &imported));
}

/// A small PKCS#8 under few iterations, so that thousands of openings take seconds.
fn quick_file(kind: KeyAlgorithm) -> (Vec<u8>, Imported) {
    use yinxin::format::keys::pbe::{Cipher, Prf, Scheme};
    use yinxin::format::keys::pkcs8::{EncryptedPrivateKeyInfo, KeyKind, PrivateKeyInfo};
    let kind = if kind == KeyAlgorithm::Sm2 { KeyKind::Sm2 } else { KeyKind::P256 };
    let scalar = Secret::new(vec![0x5a; 32]);
    let plain = PrivateKeyInfo::write(kind, &scalar, &[4; 65]);
    // The public key of that scalar: the first reading refuses the wrong one above, so it is computed from the bare form.
    assert_eq!(open(plain.expose(), None).unwrap_err(), Error::PublicKeyMismatch);
    let curve = if kind == KeyKind::Sm2 {
        yinxin::format::keys::sec1::Curve::Sm2
    } else {
        yinxin::format::keys::sec1::Curve::P256
    };
    let mut writer = yinxin::format::der::Writer::new();
    writer.sequence(|bare| {
        bare.small(0);
        bare.sequence(|algorithm| {
            algorithm.oid(yinxin::format::keys::oid::EC_PUBLIC_KEY).oid(curve.oid());
        });
        bare.octet_string(scalar.expose());
    });
    let imported = open(&writer.into_bytes(), None).unwrap();
    let point = SubjectPublicKeyInfo::parse(&imported.public).unwrap().key;
    let plain = PrivateKeyInfo::write(kind, &scalar, point);
    let mut key = [0; 16];
    openssl::pkcs5::pbkdf2_hmac(b"pw", &[1; 8], 2, openssl::hash::MessageDigest::sha256(), &mut key).unwrap();
    let encrypted = symm::encrypt(symm::Cipher::sm4_cbc(), &key, Some(&[2; 16]), plain.expose()).unwrap();
    let scheme = Scheme::Pbes2 {
        prf: Prf::HmacSha256,
        salt: vec![1; 8],
        iterations: 2,
        cipher: Cipher::Sm4Cbc,
        iv: vec![2; 16],
    };
    (EncryptedPrivateKeyInfo { scheme, encrypted: &encrypted }.to_der(), imported)
}

/// Counts the codes of what every truncation and every flipped bit gives. No other key may come out.
fn codes_of_damage(
    file: &[u8],
    passphrase: &str,
    expected: &Imported,
) -> std::collections::BTreeMap<&'static str, usize> {
    let mut codes = std::collections::BTreeMap::new();
    let mut judge = |bytes: &[u8], what: &str| {
        let code = match open(bytes, Some(&secret(passphrase))) {
            Ok(imported) => {
                let same =
                    (imported.private.expose(), &imported.public) == (expected.private.expose(), &expected.public);
                assert!(same, "{what}: another key");
                "the same key"
            }
            Err(error) => error.code(),
        };
        *codes.entry(code).or_default() += 1;
    };
    for length in 0..file.len() {
        judge(&file[..length], &format!("cut to {length}"));
    }
    let mut changed = file.to_vec();
    for place in 0..file.len() {
        for bit in 0..8 {
            changed[place] ^= 1 << bit;
            judge(&changed, &format!("byte {place} bit {bit}"));
            changed[place] ^= 1 << bit;
        }
    }
    codes
}

#[test]
fn damaged_pkcs8_gives_an_exact_refusal_or_the_same_key() {
    for algorithm in [KeyAlgorithm::Sm2, KeyAlgorithm::EcdsaP256] {
        let (file, expected) = quick_file(algorithm);
        assert!(same(&open(&file, Some(&secret("pw"))).unwrap(), &expected));
        let codes = codes_of_damage(&file, "pw", &expected);
        println!("{algorithm}: {codes:?}");
        assert_eq!(codes.values().sum::<usize>(), file.len() * 9);
        for code in ["passphrase-wrong", "key-import-malformed", "key-import-unsupported"] {
            assert!(codes[code] > 0, "{code}: {codes:?}");
        }
        assert!(!codes.contains_key("key-import-failed"), "{codes:?}");
        // One bit of the initialisation vector turns the version of the key from 0 into 1, which means the same.
        assert_eq!(codes.get("the same key"), Some(&1), "{codes:?}");
    }
}

#[test]
fn damaged_pkcs12_gives_an_exact_refusal_or_the_same_key() {
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap();
    let mut builder = openssl::pkcs12::Pkcs12::builder();
    builder.pkey(&key).key_iter(1).mac_iter(1);
    let file = builder.build2("pw").unwrap().to_der().unwrap();
    let expected = open(&file, Some(&secret("pw"))).unwrap();
    assert_eq!(expected.public, key.public_key_to_der().unwrap());
    let codes = codes_of_damage(&file, "pw", &expected);
    println!("{codes:?}");
    for code in ["passphrase-wrong", "key-import-malformed", "key-import-unsupported"] {
        assert!(codes[code] > 0, "{code}: {codes:?}");
    }
    assert!(!codes.contains_key("key-import-failed"), "{codes:?}");
}

#[test]
fn files_of_ofdrw_chingliu_and_cfca() {
    let Some(root) = fixtures("files_of_ofdrw_chingliu_and_cfca") else { return };
    let read = |name: &str| fs::read(root.join(name)).unwrap();
    let files = [
        ("eseal/certs/chingliu_sm2_test.pfx", "123456"),
        ("eseal/certs/ofdrw_root.p12", "123456"),
        ("eseal/certs/ofdrw_sealmaker_777777.p12", "777777"), // indefinite lengths, RC2
        ("eseal/certs/ofdrw_user_777777.p12", "777777"),
        ("pki/sm2-certs/key-000-gmsm-pkcs12_sm2_test_go.der", "123456"), // CFCA
    ];
    for (name, passphrase) in files {
        let file = read(name);
        let imported = open(&file, Some(&secret(passphrase))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((imported.algorithm, imported.private.expose().len()), (KeyAlgorithm::Sm2, 32), "{name}");
        let own = Certificate::parse(&imported.certificates[0]).unwrap();
        assert_eq!(own.public_key.raw, imported.public, "{name}");
        assert_eq!(open(&file, Some(&secret("1234567"))).unwrap_err(), Error::WrongPassphrase, "{name}");
        assert_eq!(open(&file, None).unwrap_err(), Error::PassphraseNeeded, "{name}");
        // CFCA hands out the Base64 of it.
        if name.contains("gmsm") {
            let text = openssl::base64::encode_block(&file);
            assert!(same(&open(text.as_bytes(), Some(&secret(passphrase))).unwrap(), &imported), "{name}");
        }
        // OpenSSL as the oracle, where it can read the file without its provider for RC2.
        if let Ok(peer) = openssl::pkcs12::Pkcs12::from_der(&file).and_then(|file| file.parse2(passphrase)) {
            let key = peer.pkey.unwrap();
            assert_eq!(key.public_key_to_der().unwrap(), imported.public, "{name}");
            assert_eq!(
                open(&key.private_key_to_pkcs8().unwrap(), None).unwrap().private.expose(),
                imported.private.expose()
            );
        }
    }
    // Another of CFCA's, whose passphrase nobody published.
    let file = read("pki/sm2-certs/key-001-gmsm-pkcs12_sm2_test_go.der");
    assert_eq!(open(&file, Some(&secret("123456"))).unwrap_err(), Error::WrongPassphrase);
    let pem = [read("eseal/certs/ofdrw_sign_key.pem"), read("eseal/certs/ofdrw_sign_cert.pem")].concat();
    let imported = open(&pem, None).unwrap();
    assert_eq!(imported.certificates, read_pem(std::str::from_utf8(&pem).unwrap(), "CERTIFICATE").unwrap());
}

/// Every SM2 private key harvested from others' test trees, by OpenSSL too.
#[test]
fn private_keys_of_other_projects() {
    let Some(root) = fixtures("private_keys_of_other_projects") else { return };
    let rows: serde_json::Value =
        serde_json::from_slice(&fs::read(root.join("pki/sm2-certs/manifest.json")).unwrap()).unwrap();
    let mut read = 0;
    for row in rows.as_array().unwrap() {
        let (name, label) = (row["file"].as_str().unwrap(), row["pem_label"].as_str().unwrap_or_default());
        let is_key = label.ends_with("PRIVATE KEY") || (name.starts_with("misc") && name.contains("key_der"));
        if !is_key {
            continue;
        }
        let file = fs::read(root.join("pki/sm2-certs").join(name)).unwrap();
        let result = open(&file, None);
        if name.contains("sm2_bad") {
            // Scalars n-1, n and n+1; GB/T 32918.1 6.1 allows 1 to n-2.
            assert_eq!(result.unwrap_err(), Error::KeyOutOfRange, "{name}");
            continue;
        }
        let imported =
            result.unwrap_or_else(|error| panic!("{name}: {error}: {:?}", std::error::Error::source(&error)));
        assert_eq!(imported.algorithm, KeyAlgorithm::Sm2, "{name}");
        // OpenSSL 3.0 does not know the curve in the place of the algorithm.
        if let Ok(peer) = PKey::private_key_from_der(&file) {
            assert_eq!(peer.public_key_to_der().unwrap(), imported.public, "{name}");
        } else {
            assert!(name.contains("sm2_root_key"), "{name}");
        }
        read += 1;
    }
    assert!(read > 55, "{read}");
    println!("{read} private keys");
}

/// SM2Cipher inside of real envelopes of GB/T 35275, and a key enveloped by us.
#[test]
fn ciphertexts_in_envelopes() {
    use yinxin::format::der::Reader;
    use yinxin::format::keys::sm2_ciphertext::Sm2Ciphertext;
    let Some(root) = fixtures("ciphertexts_in_envelopes") else { return };
    for name in ["misc-006-gmsm-envelope_test_go.der", "misc-007-gmsm-envelope_test_go.der"] {
        let file = fs::read(root.join("pki/sm2-certs").join(name)).unwrap();
        let mut inner = Reader::new(&file).sequence("ContentInfo").unwrap();
        inner.oid("contentType").unwrap();
        let mut data = inner.value("content").unwrap().inside().sequence("EnvelopedData").unwrap();
        data.small("version").unwrap();
        let recipients = data.value("recipientInfos").unwrap();
        let mut recipient = recipients.inside().sequence("recipient").unwrap();
        for what in ["version", "identifier", "algorithm"] {
            recipient.value(what).unwrap();
        }
        let octets = recipient.octet_string("encryptedKey").unwrap();
        let ciphertext = Sm2Ciphertext::parse(octets).unwrap();
        assert_eq!((ciphertext.c1[0], ciphertext.c2.len()), (4, 16), "{name}");
        assert_eq!(ciphertext.to_der(), octets, "{name}");
    }
}
