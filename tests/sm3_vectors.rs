//! SM3 and HMAC-SM3 against published values: our own table always, those of others where the fixtures are.
//!
//! The files of others stay outside of the repository: `YINXIN_FIXTURES`, else `../shared/fixtures`. Where they are absent
//! each test says SKIPPED by name, and fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use yinxin::crypto::digest::{hex, hmac_sm3};
use yinxin::crypto::sm3::{Engine, Hmac, Sm3, digest_many, digest_many_with, sm3};

fn fixtures(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from).join("pki");
    if root.is_dir() {
        return Some(root);
    }
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
    assert!(!required, "{test} needs the fixtures, and they are absent");
    eprintln!("SKIPPED {test}: fixtures absent");
    None
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// One way of computing a digest and another must not differ, whichever the caller takes.
fn check(name: &str, message: &[u8], expected: &str) {
    let expected = expected.to_ascii_lowercase();
    assert_eq!(hex(&sm3(message)), expected, "{name}");
    let mut running = Sm3::new();
    message.chunks(61).for_each(|chunk| running.update(chunk));
    assert_eq!(hex(&running.finish()), expected, "{name}, in pieces");
    for engine in Engine::available() {
        for digest in digest_many_with(engine, &[message; 3]) {
            assert_eq!(hex(&digest), expected, "{name}, {engine:?}");
        }
    }
}

fn check_code(name: &str, key: &[u8], message: &[u8], expected: &str) {
    let expected = expected.to_ascii_lowercase();
    assert_eq!(hex(&hmac_sm3(key, &[message])), expected, "{name}");
    let mac = Hmac::new(key);
    let mut run = mac.start();
    run.update(message);
    assert!(run.verify(&unhex(&expected)), "{name}");
}

#[test]
fn our_own_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sm3/sm3.json");
    let table: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let (digests, codes) = (table["sm3"].as_array().unwrap(), table["hmac_sm3"].as_array().unwrap());
    let mut messages = Vec::new();
    for row in digests {
        let message = match row["msg_hex"].as_str() {
            Some(text) => unhex(text),
            None => {
                let count = row["count"].as_u64().unwrap();
                unhex(row["msg_repeat"].as_str().unwrap()).repeat(usize::try_from(count).unwrap())
            }
        };
        check(row["name"].as_str().unwrap(), &message, row["md"].as_str().unwrap());
        messages.push(message);
    }
    let all: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    for (row, digest) in digests.iter().zip(digest_many(&all)) {
        assert_eq!(row["md"], hex(&digest), "{} among the others", row["name"]);
    }
    for row in codes {
        let text = |name: &str| row[name].as_str().unwrap();
        check_code(text("name"), &unhex(text("key")), &unhex(text("msg")), text("mac"));
    }
    assert_eq!((digests.len(), codes.len()), (16, 4));
    println!("own table: 16 digests, 4 codes");
}

/// Paragraphs of `name = value` lines.
fn paragraphs(text: &str) -> Vec<Vec<(&str, &str)>> {
    let mut all = vec![Vec::new()];
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line.split_once('=') {
            Some((name, value)) => all.last_mut().unwrap().push((name.trim(), value.trim())),
            None => all.push(Vec::new()),
        }
    }
    all.retain(|paragraph| !paragraph.is_empty());
    all
}

fn value<'a>(paragraph: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    paragraph.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
}

/// Hexadecimal, or text between quotes.
fn octets(text: &str) -> Vec<u8> {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map_or_else(|| unhex(text), |text| text.into())
}

#[test]
fn tables_of_tongsuo() {
    let Some(root) = fixtures("tables_of_tongsuo") else { return };
    let folder = root.join("sm2-vectors/third-party");
    let (mut digests, mut others, mut codes) = (0, 0, 0);
    for paragraph in paragraphs(&fs::read_to_string(folder.join("tongsuo-evpmd_sm3.txt")).unwrap()) {
        let Some(name) = value(&paragraph, "Digest") else { continue };
        // The file ends with other digests, which test that names are read in any case; nothing of SM3 is left out.
        if !name.eq_ignore_ascii_case("SM3") {
            others += 1;
            continue;
        }
        let message = octets(value(&paragraph, "Input").unwrap());
        check("evpmd_sm3", &message, value(&paragraph, "Output").unwrap());
        digests += 1;
    }
    for paragraph in paragraphs(&fs::read_to_string(folder.join("tongsuo-evpmac_sm3.txt")).unwrap()) {
        if value(&paragraph, "MAC").is_none() {
            continue;
        }
        assert_eq!(value(&paragraph, "Algorithm"), Some("SM3"));
        let part = |name| octets(value(&paragraph, name).unwrap());
        check_code("evpmac_sm3", &part("Key"), &part("Input"), value(&paragraph, "Output").unwrap());
        codes += 1;
    }
    println!("Tongsuo: {digests} digests ({others} of other algorithms left out), {codes} codes");
    assert_eq!((digests, others, codes), (8, 2, 4));
}

#[test]
fn table_of_openhitls() {
    let Some(root) = fixtures("table_of_openhitls") else { return };
    let file = root.join("sm2-vectors/third-party/openhitls-test_suite_sdv_eal_sm3.data");
    let (mut checked, mut without) = (0, 0);
    for line in fs::read_to_string(file).unwrap().lines() {
        let Some((name, rest)) = line.split_once(':').filter(|(name, _)| name.ends_with(char::is_numeric)) else {
            continue;
        };
        let quoted: Vec<&str> = rest.split('"').skip(1).step_by(2).collect();
        // Rows without values test that library's own calls.
        let Some((expected, pieces)) = quoted.split_last() else {
            without += 1;
            continue;
        };
        // Several inputs are pieces of one message, none is the empty one.
        let message: Vec<u8> = pieces.iter().flat_map(|piece| unhex(piece)).collect();
        check(name, &message, expected);
        checked += 1;
    }
    println!("openHiTLS: {checked} rows ({without} without values)");
    assert_eq!((checked, without), (8, 2));
}

#[test]
fn table_of_pyca() {
    let Some(root) = fixtures("table_of_pyca") else { return };
    let file = root.join("sm2-vectors/third-party/cryptography_vectors/oscca.txt");
    let mut checked = 0;
    for paragraph in paragraphs(&fs::read_to_string(file).unwrap()) {
        let part = |name| value(&paragraph, name).unwrap();
        let mut message = unhex(part("Msg"));
        message.truncate(part("Len").parse::<usize>().unwrap() / 8);
        check("oscca", &message, part("MD"));
        checked += 1;
    }
    println!("pyca: {checked} digests");
    assert_eq!(checked, 6);
}

#[test]
fn every_case_of_wycheproof() {
    let Some(root) = fixtures("every_case_of_wycheproof") else { return };
    let mut text = Vec::new();
    let packed = fs::read(root.join("wycheproof/hmac_sm3_test.json.gz")).unwrap();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut text).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let size = usize::try_from(group["tagSize"].as_u64().unwrap() / 8).unwrap();
        for case in group["tests"].as_array().unwrap() {
            let part = |name: &str| unhex(case[name].as_str().unwrap());
            let (key, message, tag) = (part("key"), part("msg"), part("tag"));
            let code = hmac_sm3(&key, &[&message]);
            // Shorter tags are the code's first bytes; our `verify` takes whole codes only.
            let agrees = code[..size] == tag[..];
            let mac = Hmac::new(&key);
            let mut run = mac.start();
            run.update(&message);
            assert_eq!(run.verify(&tag), agrees && size == 32, "case {}", case["tcId"]);
            match case["result"].as_str().unwrap() {
                "valid" => {
                    assert!(agrees, "case {}", case["tcId"]);
                    valid += 1;
                }
                "invalid" => {
                    assert!(!agrees, "case {}", case["tcId"]);
                    invalid += 1;
                }
                other => unreachable!("an unknown result, {other}"),
            }
        }
    }
    println!("Wycheproof: {valid} valid codes accepted, {invalid} invalid refused, of {}", file["numberOfTests"]);
    assert_eq!(file["numberOfTests"], valid + invalid);
    assert_eq!(valid + invalid, 174);
}
