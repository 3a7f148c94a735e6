//! SM2 certificates, requests, revocation lists, keys and seals that others made: each is read, or refused for a named
//! reason; each signature is right under the signer ID that the manifest names, and under no other.
//!
//! The objects stay outside of the repository: `YINXIN_FIXTURES`, else `../shared/fixtures`. Where they are absent each
//! test says SKIPPED by name; it fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(clippy::unwrap_used, reason = "clippy excuses `#[test]` functions, not their helpers")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::sm2::{self, KeyTables};
use yinxin::crypto::{PublicKey, Signer};
use yinxin::domain::trust::key::{CheckedValue, check_signed, public_key};
use yinxin::format::cms::{ContentInfo, ContentType, EnvelopedData, SignedAndEnvelopedData, SignedData};
use yinxin::format::der::{Reader, Tag};
use yinxin::format::keys::cfca::CfcaKeyFile;
use yinxin::format::keys::pkcs8::{KeyKind, PrivateKeyInfo};
use yinxin::format::keys::sec1::EcPrivateKey;
use yinxin::format::keys::{AlgorithmIdentifier, KeyFile, SubjectPublicKeyInfo, read_sm2_signature, recognise};
use yinxin::format::ses::SesSeal;
use yinxin::format::x509::crl::CertificateList;
use yinxin::format::x509::extension::{self, rewrite};
use yinxin::format::x509::{Certificate, CertificationRequest, Extension, Name};

/// Files that are refused, each with the refusal in full and why it is right.
const REFUSED: [(&str, &str, &str); 7] = [
    ("key-019-Tongsuo-sm2_bad_0_pem.der", "\"NotAScalar\"", OUT_OF_RANGE),
    ("key-020-Tongsuo-sm2_bad_neg1_pem.der", "\"NotAScalar\"", OUT_OF_RANGE),
    ("key-021-Tongsuo-sm2_bad_1_pem.der", "\"NotAScalar\"", OUT_OF_RANGE),
    (
        "misc-008-gmsm-sign_enveloped_test_go.der",
        r#""Malformed { what: \"value\" }""#,
        "end-of-contents octets stand where a recipient's issuer must stand (X.690 8.1.5)",
    ),
    ("misc-101-ofdrw-UserV5_esl.der", "Version { found: 5 }", "no standard has a seal of version 5"),
    (
        "misc-102-ofdrw-UserV5_ts_esl.der",
        r#"Structure { clause: "GB/T 38540-2020 6", source: TrailingBytes { what: "SESeal" } }"#,
        "a time stamp stands behind the seal's signature, where no standard has one",
    ),
    (
        "misc-103-ofdrw-UserV1_esl.der",
        r#"Structure { clause: "GB/T 38540-2020 6", source: UnexpectedTag { what: "cert", expected: Tag(0x04: OCTET STRING), found: Tag(0x10: SEQUENCE) } }"#,
        "the structure of GM/T 0031-2014, which is not read",
    ),
];

/// GB/T 32918.1 6.1: 1 to n-2; these are n-1, n and n+1.
const OUT_OF_RANGE: &str = "the scalar is out of range (GB/T 32918.1 6.1)";

/// Extensions that are refused when somebody asks for them, each with the refusal and why it is right.
const REFUSED_EXTENSIONS: [(&str, &str, &str, &str); 6] = [
    ("cert-116-openHiTLS-client_enc_der.der", "2.5.29.17", NO_NAME, "RFC 5280 4.2.1.6: at least one name"),
    ("cert-118-openHiTLS-client_enc_err_keyusage_pem.der", "2.5.29.17", NO_NAME, "the same"),
    ("cert-119-openHiTLS-server_enc_pem.der", "2.5.29.17", NO_NAME, "the same"),
    ("cert-122-openHiTLS-client_sign_der.der", "2.5.29.17", NO_NAME, "the same"),
    ("cert-123-openHiTLS-server_sign_der.der", "2.5.29.17", NO_NAME, "the same"),
    ("cert-124-openHiTLS-client_sign_err_keyusage_pem.der", "2.5.29.17", NO_NAME, "the same"),
];

const NO_NAME: &str = r#"Missing { what: "subjectAltName" }"#;

/// Signatures that the manifest calls right and that we do not compute, each with why.
const NOT_COMPUTED: [(&str, &str); 1] = [(
    "cert-003-gmsm-explicit_curve_cert_der.der",
    "its key gives the curve by explicit parameters, which could be anything (RFC 5480 2.1.1)",
)];

struct Objects {
    root: PathBuf,
    rows: Vec<Value>,
}

impl Objects {
    fn open(test: &str) -> Option<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
        let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from).join("pki/sm2-certs");
        if let Ok(text) = fs::read(root.join("manifest.json")) {
            return Some(Self { root, rows: serde_json::from_slice(&text).unwrap() });
        }
        let required = std::env::var_os("CI").is_some()
            || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|value| value == "require");
        assert!(!required, "{test} needs the fixtures, and they are absent");
        eprintln!("SKIPPED {test}: fixtures absent");
        None
    }

    /// File name, signature verdict of the manifest, bytes.
    fn of(&self, kind: &str) -> Vec<(&str, Option<&str>, Vec<u8>)> {
        let rows = self.rows.iter().filter(|row| row["kind"] == kind);
        rows.map(|row| {
            let name = row["file"].as_str().unwrap();
            (name, row["signature"].as_str(), fs::read(self.root.join(name)).unwrap())
        })
        .collect()
    }
}

/// What differs from what is expected: all of it, so that one run tells.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, what: &str, expected: &str, found: &str) {
        if expected != found {
            self.0.push(format!("{what}: expected {expected}, found {found}"));
        }
    }

    /// The outcome; a refusal must be the one in the table.
    fn expected<T, E: std::fmt::Debug>(&mut self, name: &str, outcome: Result<T, E>) -> Option<T> {
        let row = REFUSED.iter().find(|(file, ..)| *file == name);
        let refusal = outcome.as_ref().err().map_or_else(|| "read".to_owned(), |error| format!("{error:?}"));
        self.compare(name, row.map_or("read", |(_, refusal, _)| refusal), &refusal);
        outcome.ok()
    }

    /// The verdict on a signature is the manifest's, or the table says why none is computed.
    fn agree(&mut self, name: &str, manifest: Option<&str>, found: String, counts: &mut BTreeMap<String, usize>) {
        let is_listed = NOT_COMPUTED.iter().any(|(file, _)| *file == name);
        self.compare(name, if is_listed { "not-computed" } else { manifest.unwrap() }, &found);
        *counts.entry(found).or_default() += 1;
    }
}

impl Drop for Differences {
    fn drop(&mut self) {
        assert!(self.0.is_empty() || std::thread::panicking(), "{}", self.0.join("\n"));
    }
}

/// What the manifest calls the verdict: the signer IDs under which one of the keys signed.
fn verdict(
    keys: &[SubjectPublicKeyInfo<'_>],
    algorithm: &AlgorithmIdentifier<'_>,
    (message, value): (&[u8], &[u8]),
) -> String {
    if keys.is_empty() {
        return "issuer-not-found".to_owned();
    }
    let mut found = Vec::new();
    for key in keys {
        match check_signed(key, algorithm, (message, value), &KeyTables::default()) {
            CheckedValue::Right { .. } => found.push("default-id"),
            CheckedValue::Wrong { .. } => {}
            CheckedValue::Unsupported => found.push("not-computed"),
        }
        let (Some(PublicKey::Sm2(point)), Ok((fixed, _))) = (public_key(key), read_sm2_signature(value)) else {
            continue;
        };
        if point.verify(&[], message, &fixed) {
            found.push("empty-id");
        }
        if point.verify_prehashed(&sm3(message), &fixed) {
            found.push("no-ZA");
        }
    }
    found.dedup();
    if found.is_empty() { "FAILS".to_owned() } else { found.join(" and ") }
}

/// Asks for every extension that has a type. Gives how many were read.
fn read_extensions(name: &str, extensions: &[Extension<'_>], differences: &mut Differences) -> usize {
    let mut count = 0;
    for extension in extensions {
        let Some(read) = rewrite(extension) else { continue };
        let oid = extension.oid.to_string();
        let row = REFUSED_EXTENSIONS.iter().find(|(file, refused, ..)| *file == name && *refused == oid);
        let refusal = read.as_ref().err().map_or_else(|| "read".to_owned(), |error| format!("{error:?}"));
        differences.compare(&format!("{name} {oid}"), row.map_or("read", |(_, _, refusal, _)| refusal), &refusal);
        if let Ok(written) = read {
            count += 1;
            // What other software wrote otherwise than DER does, and means the same.
            let is_tolerated = matches!(extension.oid, extension::KEY_USAGE | extension::BASIC_CONSTRAINTS);
            let again = if written == extension.value || is_tolerated { "the same" } else { "another" };
            differences.compare(&format!("{name} {oid}, written again"), "the same", again);
        }
    }
    count
}

/// All certificates, for finding issuers: those with a file of their own, and those of the one file that is a chain.
fn authorities(objects: &Objects) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = objects.of("cert").into_iter().map(|(_, _, bytes)| bytes).collect();
    for (_, _, bytes) in objects.of("misc").into_iter().filter(|(name, ..)| name.contains("chain")) {
        all.extend(chain(&bytes));
    }
    all
}

fn chain(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while !reader.is_empty() {
        found.push(reader.expect(Tag::Sequence, "chain").unwrap().raw().to_vec());
    }
    found
}

fn keys_of<'a>(issuer: &Name<'_>, authorities: &'a [Vec<u8>]) -> Vec<SubjectPublicKeyInfo<'a>> {
    let all = authorities.iter().filter_map(|der| Certificate::parse(der).ok());
    let mut keys: Vec<SubjectPublicKeyInfo<'_>> = Vec::new();
    for certificate in all.filter(|certificate| certificate.subject.matches(issuer)) {
        if keys.iter().all(|known| known.raw != certificate.public_key.raw) {
            keys.push(certificate.public_key);
        }
    }
    keys
}

#[test]
fn certificates_are_read_and_signed_as_the_manifest_says() {
    let Some(objects) = Objects::open("certificates_are_read_and_signed_as_the_manifest_says") else { return };
    let mut differences = Differences::default();
    let (all, authorities) = (objects.of("cert"), authorities(&objects));
    let (mut counts, mut extensions) = (BTreeMap::new(), 0);
    let mut deviations: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, manifest, bytes) in &all {
        let Some(certificate) = differences.expected(name, Certificate::parse(bytes)) else { continue };
        extensions += read_extensions(name, &certificate.extensions, &mut differences);
        certificate.deviations().iter().for_each(|found| *deviations.entry(found.name()).or_default() += 1);
        let keys = keys_of(&certificate.issuer, &authorities);
        let signed = (certificate.tbs, certificate.signature);
        differences.agree(name, *manifest, verdict(&keys, &certificate.signature_algorithm, signed), &mut counts);
    }
    println!("{} certificates with {extensions} extensions read; signatures {counts:?}; {deviations:?}", all.len());
    assert_eq!(all.len(), 138);
}

#[test]
fn requests_are_read_and_prove_possession_as_the_manifest_says() {
    let Some(objects) = Objects::open("requests_are_read_and_prove_possession_as_the_manifest_says") else { return };
    let mut differences = Differences::default();
    let all = objects.of("csr");
    let (mut counts, mut temporary, mut asked) = (BTreeMap::new(), 0, 0);
    for (name, manifest, bytes) in &all {
        let Some(request) = differences.expected(name, CertificationRequest::parse(bytes)) else { continue };
        asked += read_extensions(name, &request.extensions().unwrap(), &mut differences);
        request.challenge_password().unwrap();
        if let Some(point) = request.temporary_key().unwrap() {
            sm2::PublicKey::from_bytes(&point).unwrap();
            temporary += 1;
        }
        let signed = (request.tbs, request.signature);
        let found = verdict(&[request.public_key], &request.signature_algorithm, signed);
        differences.agree(name, *manifest, found, &mut counts);
    }
    println!("{} requests read, {asked} extensions, {temporary} temporary keys; signatures {counts:?}", all.len());
    assert_eq!((all.len(), temporary), (12, 2));
}

#[test]
fn lists_are_read_and_signed_as_the_manifest_says() {
    let Some(objects) = Objects::open("lists_are_read_and_signed_as_the_manifest_says") else { return };
    let mut differences = Differences::default();
    let (all, authorities) = (objects.of("crl"), authorities(&objects));
    let (mut counts, mut entries) = (BTreeMap::new(), 0);
    for (name, manifest, bytes) in &all {
        let Some(list) = differences.expected(name, CertificateList::parse(bytes)) else { continue };
        entries += list.entries().count();
        let keys = keys_of(&list.issuer, &authorities);
        let signed = (list.tbs, list.signature);
        differences.agree(name, *manifest, verdict(&keys, &list.signature_algorithm, signed), &mut counts);
    }
    println!("{} lists with {entries} entries read; signatures {counts:?}", all.len());
    assert_eq!(all.len(), 47);
}

/// A key file as what it is, and whether its key is one. `None` is no key file.
fn read_key(bytes: &[u8]) -> Option<Result<&'static str, String>> {
    let text = |error: &dyn std::fmt::Debug| format!("{error:?}");
    if let Ok(info) = SubjectPublicKeyInfo::parse(bytes) {
        return Some(public_key(&info).map(|_| "public key").ok_or_else(|| "no point of the curve".to_owned()));
    }
    let scalar = |octets: &[u8]| {
        let key = sm2::PrivateKey::from_bytes(octets).map_err(|error| text(&error))?;
        assert!(matches!(Signer::public_key(&key), PublicKey::Sm2(_)));
        Ok(())
    };
    let read = match recognise(bytes)? {
        KeyFile::Pkcs8 => PrivateKeyInfo::parse(bytes).map_err(|error| text(&error)).and_then(|info| {
            assert_eq!(info.kind, KeyKind::Sm2);
            scalar(info.private.expose()).map(|()| "PKCS#8")
        }),
        KeyFile::Sec1 => EcPrivateKey::parse(bytes)
            .map_err(|error| text(&error))
            .and_then(|key| scalar(key.scalar.expose()).map(|()| "SEC 1")),
        KeyFile::Cfca => CfcaKeyFile::parse(bytes).map_err(|error| text(&error)).map(|_| "CFCA, encrypted"),
        other => Err(text(&other)),
    };
    Some(read)
}

#[test]
fn keys_are_read_or_refused_for_a_reason() {
    let Some(objects) = Objects::open("keys_are_read_or_refused_for_a_reason") else { return };
    let mut differences = Differences::default();
    let all = objects.of("key");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _, bytes) in &all {
        let read = read_key(bytes).unwrap_or_else(|| Err("no key file".to_owned()));
        *counts.entry(differences.expected(name, read).unwrap_or("refused")).or_default() += 1;
    }
    println!("{} keys {counts:?}", all.len());
    assert_eq!(all.len(), 67);
}

/// A message of GB/T 35275 or CMS as what it is.
fn read_message(bytes: &[u8]) -> Result<&'static str, String> {
    let content = ContentInfo::parse(bytes).map_err(|error| format!("{error:?}"))?;
    let read = match ContentType::from_oid(content.content_type).map(|(_, content)| content) {
        Some(ContentType::SignedData) => SignedData::parse(bytes).map(|_| "signed message"),
        Some(ContentType::EnvelopedData) => EnvelopedData::parse(bytes).map(|_| "enveloped message"),
        Some(ContentType::SignedAndEnvelopedData) => SignedAndEnvelopedData::parse(bytes).map(|_| "sealed message"),
        other => return Err(format!("{other:?}")),
    };
    read.map_err(|error| format!("{error:?}"))
}

/// Keys, certificates, messages and seals under other names.
#[test]
fn other_objects_are_read_or_refused_for_a_reason() {
    let Some(objects) = Objects::open("other_objects_are_read_or_refused_for_a_reason") else { return };
    let mut differences = Differences::default();
    let all = objects.of("misc");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _, bytes) in &all {
        let kind = if name.contains("key") || name.contains("sm2pub") || name.contains("p8") || name.contains("pkcs") {
            let read = read_key(bytes).unwrap_or_else(|| Err("no key file".to_owned()));
            differences.expected(name, read).unwrap_or("refused")
        } else if Reader::new(bytes).sequence("x").and_then(|mut inner| inner.oid("x")).is_ok() {
            differences.expected(name, read_message(bytes)).unwrap_or("refused")
        } else if name.contains("chain") {
            for der in chain(bytes) {
                Certificate::parse(&der).unwrap();
            }
            "chain"
        } else {
            differences.expected(name, SesSeal::parse(bytes).map(|_| "seal")).unwrap_or("refused")
        };
        *counts.entry(kind).or_default() += 1;
    }
    println!("{} others {counts:?}", all.len());
    assert_eq!(all.len(), 39);
}
