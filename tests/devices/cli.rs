//! `yinxin keys generate` and `destroy` from outside, in the software store and in a device.

use std::fs;
use std::process::{Command, Output};

use openssl::pkey::{Id, PKey};

use crate::sdf::Double;

const SEAL: [&str; 4] = ["--purpose", "seal-signing", "--owner", "示例市印信演示局"];

fn keys(double: &Double, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yinxin"));
    command.current_dir(&double.folder).args(["keys", "--config", "y.toml"]).args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("YINXIN_")) {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn installation(name: &str, more: &str) -> Double {
    let double = Double::new(name);
    let options = double.options();
    let text = format!(
        "data_dir = \"installation\"\n[log]\nlevel = \"error\"\n{more}\n[keys.sdf]\nlibrary = {:?}\npairs = [1, 3]\n\
         password_file = {:?}\n",
        double.library.display().to_string(),
        options.password_file.unwrap().display().to_string()
    );
    fs::write(double.folder.join("y.toml"), text).unwrap();
    double
}

#[track_caller]
fn done(double: &Double, arguments: &[&str]) -> String {
    let output = keys(double, arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code and the whole line.
#[track_caller]
fn refused(double: &Double, arguments: &[&str]) -> (i32, String) {
    let output = keys(double, arguments);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
}

/// Name and public key, as printed.
#[track_caller]
fn made(double: &Double, more: &[&str]) -> (String, PKey<openssl::pkey::Public>) {
    let told = done(double, &[&["generate"], &SEAL[..], more].concat());
    let (id, pem) = told.split_once('\n').unwrap();
    (id.to_owned(), PKey::public_key_from_pem(pem.as_bytes()).unwrap())
}

#[test]
fn keys_are_made_in_software_and_in_a_device() {
    let double = installation("cli-generate", "");
    let later = ["--exportable", "--not-before", "2020-01-01T00:00:00Z", "--not-after", "2099-01-01T00:00:00Z"];
    let (first, key) = made(&double, &[&["--algorithm", "sm2"], &later[..]].concat());
    assert_eq!(key.bits(), 256);
    let shown: serde_json::Value = serde_json::from_str(&done(&double, &["show", &first, "--json"])).unwrap();
    let fact = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    let told = ["algorithm", "state", "store", "not_after", "public_key_sm3"].map(fact);
    let digest = yinxin::crypto::digest::hex(&yinxin::crypto::digest::sm3(&key.public_key_to_der().unwrap()));
    assert_eq!(told, ["sm2", "active", "software", "2099-01-01T00:00:00Z", &digest]);
    assert_eq!(shown["exportable"], true);
    let (_, key) = made(&double, &["--algorithm", "rsa"]);
    assert_eq!((key.id(), key.bits()), (Id::RSA, 3072));
    assert_eq!(made(&double, &["--algorithm", "ecdsa-p256"]).1.id(), Id::EC);
    assert_eq!(made(&double, &["--algorithm", "ed25519", "--in", "software"]).1.id(), Id::ED25519);
    let (held, key) = made(&double, &["--algorithm", "sm2", "--in", "sdf"]);
    assert_eq!(key.bits(), 256);
    let listed = done(&double, &["list"]);
    assert_eq!(listed.lines().count(), 5);
    assert!(listed.contains(&format!("{held}  seal-signing  sm2  active  sdf  示例市印信演示局\n")), "{listed}");

    // Its own administration alone destroys it; the row says what is so.
    done(&double, &["suspend", &held, "--reason", "retired"]);
    let line = "error: the device does not offer the destruction of key pairs (key-store-mechanism-missing)";
    assert_eq!(refused(&double, &["destroy", &held, "--confirm", &held]), (4, line.to_owned()));
    assert!(done(&double, &["list"]).contains(&format!("{held}  seal-signing  sm2  suspended  sdf")));
    done(&double, &["suspend", &first, "--reason", "retired"]);
    done(&double, &["destroy", &first, "--confirm", &first]);
}

#[test]
fn what_cannot_be_made_is_refused_exactly() {
    let double = installation("cli-generate-refused", "");
    let of = |purpose, more: &[&str]| {
        refused(&double, &[&["generate", "--owner", "a", "--purpose", purpose], more].concat())
    };
    let cases: [(&str, &[&str], &str); 7] = [
        (
            "decryption",
            &["--algorithm", "ed25519"],
            "error: no keys of algorithm ed25519 are made for decryption (key-purpose-not-made)",
        ),
        (
            "integrity",
            &["--algorithm", "sm2"],
            "error: no keys of algorithm sm2 are made for integrity (key-purpose-not-made)",
        ),
        (
            "raw",
            &["--algorithm", "sm2", "--not-after", "2020-01-01T00:00:00Z"],
            "error: the key could never be used: its time ends before it begins, or has ended (key-empty-period)",
        ),
        (
            "raw",
            &["--algorithm", "sm2", "--in", "pkcs11"],
            "error: the key store cannot be reached (key-store-unavailable)",
        ),
        (
            "raw",
            &["--algorithm", "rsa", "--in", "sdf"],
            "error: the device does not offer key pairs other than SM2 (key-store-mechanism-missing)",
        ),
        (
            "raw",
            &["--algorithm", "ed25519", "--in", "sdf"],
            "error: keys of algorithm ed25519 are not made here (key-algorithm-not-made)",
        ),
        (
            "raw",
            &["--algorithm", "sm2", "--in", "sdf", "--exportable"],
            "error: the device does not offer private keys that can be exported (key-store-mechanism-missing)",
        ),
    ];
    for (purpose, more, line) in cases {
        assert_eq!(of(purpose, more), (4, line.to_owned()));
    }
    assert_eq!(done(&double, &["list"]), "");
    let (code, told) = of("raw", &["--algorithm", "dsa"]);
    assert!(code == 64 && told.contains("one of sm2, rsa, ecdsa-p256, ed25519"), "{code} {told}");
    let (code, told) = of("raw", &["--algorithm", "sm2", "--in", "cloud"]);
    assert!(code == 64 && told.contains("one of software, pkcs11, sdf"), "{code} {told}");
}

#[test]
fn nothing_is_touched_when_a_self_test_fails() {
    let double = installation("cli-keys-selftest", "[policies]\nalgorithms = \"algorithms.toml\"\n");
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/algorithms.toml");
    fs::copy(policy, double.folder.join("algorithms.toml")).unwrap();
    let sm3 = yinxin::crypto::digest::hex(&yinxin::crypto::digest::sm3(&fs::read(policy).unwrap()));
    let beside = double.folder.join("algorithms.toml.sm3");
    fs::write(&beside, sm3.replace(|digit: char| digit == sm3.chars().next().unwrap(), "x")).unwrap();
    let (code, told) = refused(&double, &["list"]);
    assert!(code == 70 && told.ends_with("(selftest-failed)"), "{code} {told}");
    assert!(!double.folder.join("installation").exists());
    fs::write(&beside, sm3).unwrap();
    assert_eq!(done(&double, &["list"]), "");
}
