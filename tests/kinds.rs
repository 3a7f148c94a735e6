//! Verdicts on the kinds of signature beside seals: messages, time stamps, certificates, lists, JWS, bare values; made
//! by OpenSSL on the spot, by others in the fixtures, and changed where they must not pass.
//!
//! Fixtures: `YINXIN_FIXTURES`, else `../shared/fixtures`. Where those or `openssl` are absent each test says SKIPPED by
//! name; it fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

#[path = "kinds/carried.rs"]
mod carried;
#[path = "kinds/curves.rs"]
mod curves;
#[path = "kinds/logged.rs"]
mod logged;

use serde_json::Value;
use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::config::verification::built_in;
use yinxin::crypto::PublicKey;
use yinxin::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use yinxin::crypto::digest::{hex, sm3};
use yinxin::crypto::sm2;
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::trust::key::{decode_value, public_key};
use yinxin::domain::verify::{Evidence, Ground, Original, OriginalDigest, Policy, Remembered, verify_over};
use yinxin::format::cms::{NewAttribute, NewSignedData, NewSigner, SignedData, attribute};
use yinxin::format::jose::{NewHeader, to_base64url};
use yinxin::format::keys::read_pem;
use yinxin::format::tsp::TimeStampResp;
use yinxin::format::x509::Certificate;

fn skip(test: &str, absent: &str) {
    println!("SKIPPED {test}: {absent} absent");
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
    assert!(!required, "{absent} is required and absent");
}

fn fixtures(test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures");
    let root = std::env::var_os("YINXIN_FIXTURES").map_or(beside, PathBuf::from);
    if root.join("pki/cms").exists() {
        return Some(root);
    }
    skip(test, "fixtures");
    None
}

fn policy(name: &str) -> Policy {
    built_in(name, &|text| hex(&sm3(text))).unwrap()
}

/// What is at hand for one verdict.
#[derive(Default)]
struct Bench {
    anchors: Vec<Vec<u8>>,
    evidence: Vec<Vec<u8>>,
    now: i64,
}

impl Bench {
    fn judge(&self, bytes: &[u8], original: Option<&[u8]>) -> Value {
        self.judge_over(bytes, original.map(Original::Bytes))
    }

    fn judge_over(&self, bytes: &[u8], original: Option<Original<'_>>) -> Value {
        let mut trust = TrustAnchors::none();
        for anchor in &self.anchors {
            trust.add_anchors(anchor, "anchor").unwrap();
        }
        let mut evidence = Evidence::none();
        for der in &self.evidence {
            evidence.add_certificate(der).unwrap();
        }
        let ground = Ground {
            trust: &trust,
            policy: &policy("default"),
            now: Timestamp::from_unix(self.now),
            limits: &Limits::DEFAULT,
            remembered: &Remembered::default(),
            evidence: &evidence,
            log_keys: &[],
        };
        serde_json::to_value(verify_over("file", bytes, original, &ground)).unwrap()
    }

    /// Indication, sub-indication and code of the first signature, or the code of the refusal.
    fn verdict(&self, bytes: &[u8], original: Option<&[u8]>) -> String {
        short(&self.judge(bytes, original))
    }

    /// The same where the document is known by its digest.
    fn by_digest(&self, bytes: &[u8], digest: &str) -> String {
        let digest = OriginalDigest::parse(digest).unwrap();
        short(&self.judge_over(bytes, Some(Original::Digest(&digest))))
    }
}

fn short(report: &Value) -> String {
    if let Some(code) = report["error"]["code"].as_str() {
        return format!("REFUSED {code}");
    }
    match report["signatures"].as_array().unwrap().first() {
        None => report["indication"].as_str().unwrap().to_owned(),
        Some(first) => {
            let sub = first["sub_indication"].as_str().unwrap_or("-");
            format!("{} {sub} {}", first["indication"].as_str().unwrap(), first["code"].as_str().unwrap())
        }
    }
}

const PASSED: &str = "TOTAL_PASSED - passed";
const HASH: &str = "TOTAL_FAILED HASH_FAILURE message-digest-mismatch";
const VALUE: &str = "TOTAL_FAILED SIG_CRYPTO_FAILURE signature-wrong";
const UNKNOWN: &str = "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND no-certificate-chain";
const NO_DOCUMENT: &str = "INDETERMINATE SIGNED_DATA_NOT_FOUND original-missing";
const NOBODY: &str = "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND signer-certificate-missing";

/// A folder of OpenSSL's files: a root, end certificates, a time-stamping authority.
struct OpenSsl {
    folder: PathBuf,
}

static FOLDERS: AtomicUsize = AtomicUsize::new(0);

const CONFIG: &str = "
[req]
distinguished_name = dn
prompt = no
[dn]
C = CN
O = peers
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[end]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
[ca]
default_ca = list
[list]
database = index.txt
default_md = sha256
default_crl_days = 30
[tsa_config]
dir = .
serial = serial
default_policy = 1.2.3.4
digests = sha256, sha384, sha512, sm3
signer_digest = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
";

impl OpenSsl {
    fn start(test: &str) -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            skip(test, "openssl");
            return None;
        }
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("yinxin-kinds-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let made = Self { folder };
        made.write("config", CONFIG.as_bytes());
        made.write("index.txt", b"");
        made.write("serial", b"01");
        made.run("ecparam -name prime256v1 -genkey -noout -out root.key");
        made.run("req -x509 -new -key root.key -subj /C=CN/O=peers/CN=root -days 100 -config config -extensions root -out root.pem");
        Some(made)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn run(&self, line: &str) {
        let output = Command::new("openssl").args(line.split(' ')).current_dir(&self.folder).output().unwrap();
        assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A key and its certificate by the root, under that name.
    fn end(&self, name: &str, key: &str, extensions: &str) {
        self.run(&format!("genpkey {key} -out {name}.key"));
        self.run(&format!("req -new -key {name}.key -subj /C=CN/O=peers/CN={name} -config config -out {name}.csr"));
        self.run(&format!(
            "x509 -req -in {name}.csr -CA root.pem -CAkey root.key -CAcreateserial -days 50 -extfile config -extensions {extensions} -out {name}.pem"
        ));
    }

    fn der(&self, name: &str) -> Vec<u8> {
        read_pem(std::str::from_utf8(&self.read(name)).unwrap(), "CERTIFICATE").unwrap().remove(0)
    }

    /// An hour after the root began, its root trusted.
    fn bench(&self) -> Bench {
        let root = self.der("root.pem");
        let now = Certificate::parse(&root).unwrap().not_before.unix() + 3600;
        Bench { anchors: vec![root], evidence: Vec::new(), now }
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const KEYS: [(&str, &str); 3] = [
    ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ("ed25519", "-algorithm ED25519"),
];

/// Every form of message that OpenSSL makes: attached, detached, without attributes, streamed as BER, PKCS#7, PSS.
#[test]
fn messages_of_openssl_are_judged_right() {
    let Some(peer) = OpenSsl::start("messages_of_openssl_are_judged_right") else { return };
    let document = b"the document\n".repeat(40);
    peer.write("document", &document);
    peer.write("other", b"another document");
    let bench = peer.bench();
    let mut judged = 0;
    // Messages by Ed25519 are made by OpenSSL from 3.4 on.
    for (name, key) in &KEYS[..2] {
        peer.end(name, key, "end");
        let signer = format!("-signer {name}.pem -inkey {name}.key -binary -in document -outform DER -out message");
        let digest = "-md sha256";
        let mut forms = vec![
            ("attached", format!("cms -sign -nodetach {digest} {signer}")),
            ("detached", format!("cms -sign {digest} {signer}")),
            ("cades", format!("cms -sign -cades -nodetach {digest} {signer}")),
            ("keyid", format!("cms -sign -keyid -nodetach {digest} {signer}")),
            ("streamed", format!("cms -sign -stream -nodetach {digest} {signer}")),
        ];
        forms.push(("noattr", format!("cms -sign -noattr -nodetach {digest} {signer}")));
        forms.push(("noattr detached", format!("cms -sign -noattr {digest} {signer}")));
        forms.push(("pkcs7", format!("smime -sign -nodetach {digest} {signer}")));
        if *name == "rsa" {
            forms.push((
                "pss",
                format!(
                    "cms -sign -nodetach {digest} {signer} -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:32"
                ),
            ));
        }
        for (form, line) in forms {
            peer.run(&line);
            let message = peer.read("message");
            let is_detached = form.ends_with("detached");
            let what = format!("{name} {form}");
            assert_eq!(bench.verdict(&message, Some(&document)), PASSED, "{what}");
            let alone = if is_detached { NO_DOCUMENT } else { PASSED };
            assert_eq!(bench.verdict(&message, None), alone, "{what}");
            let other = match (form, is_detached) {
                ("noattr detached", _) => VALUE,
                (_, true) => HASH,
                _ => "TOTAL_FAILED HASH_FAILURE data-hash-wrong",
            };
            assert_eq!(bench.verdict(&message, Some(b"another document")), other, "{what}");
            let nobody = Bench { now: bench.now, ..Bench::default() };
            assert_eq!(nobody.verdict(&message, Some(&document)), UNKNOWN, "{what}");
            let report = bench.judge(&message, Some(&document));
            let first = &report["signatures"][0];
            assert_eq!(first["kind"], "cms");
            assert!(first["signer"]["subject"].as_str().unwrap().contains(name), "{what}");
            assert_eq!(first["details"]["claimed_time"].is_string(), !form.starts_with("noattr"), "{what}");
            let named = first["signature"]["evidence"].to_string().contains("RFC 5035");
            assert_eq!(named, form == "cades", "{what}");
            judged += 1;
            // Long after, without a proof of time.
            let years = Bench { now: bench.now + 60 * 86_400, anchors: bench.anchors.clone(), evidence: Vec::new() };
            let late = years.verdict(&message, Some(&document));
            assert_eq!(late, "INDETERMINATE OUT_OF_BOUNDS_NO_POE no-proof-of-time", "{what}");
        }
        peer.run(&format!("cms -sign -nocerts -nodetach {digest} {signer}"));
        let message = peer.read("message");
        assert_eq!(bench.verdict(&message, None), NOBODY, "{name} without certificates");
        let evidence = vec![peer.der(&format!("{name}.pem"))];
        let handed = Bench { anchors: bench.anchors.clone(), evidence, now: bench.now };
        assert_eq!(handed.verdict(&message, None), PASSED, "{name} with a certificate from elsewhere");
        let pem = yinxin::format::keys::write_pem(&message, "CMS");
        assert_eq!(handed.verdict(pem.as_bytes(), None), PASSED, "{name} as PEM");
    }
    assert_eq!(judged, 17);
}

/// Whatever octet is changed: what passes still says the same of the same document by the same signer.
#[test]
fn no_changed_octet_of_a_message_passes_for_another() {
    let Some(peer) = OpenSsl::start("no_changed_octet_of_a_message_passes_for_another") else { return };
    peer.write("document", b"content");
    peer.end("p256", KEYS[1].1, "end");
    let bench = peer.bench();
    for form in ["", "-noattr "] {
        peer.run(&format!(
            "cms -sign {form}-nodetach -md sha256 -signer p256.pem -inkey p256.key -binary -in document -outform DER -out message"
        ));
        let message = peer.read("message");
        let read = SignedData::parse(&message).unwrap();
        let told = |read: &SignedData<'_>| {
            let signer = &read.signers[0];
            let attributes = signer.signed_attributes.as_ref().map(|attributes| attributes.raw().to_vec());
            (read.content_octets().map(<[u8]>::to_vec), attributes, read.x509_certificates().next().map(<[u8]>::to_vec))
        };
        let said = told(&read);
        let mut passed = 0;
        for at in 0..message.len() {
            for flip in [0x01, 0x80] {
                let mut changed = message.clone();
                changed[at] ^= flip;
                if bench.judge(&changed, None)["indication"] == "TOTAL_PASSED" {
                    let again = SignedData::parse(&changed).unwrap();
                    assert_eq!(told(&again), said, "octet {at}");
                    passed += 1;
                }
            }
        }
        // Versions, the list of digest algorithms.
        assert!(passed < 60, "{passed} changes of what nobody signed");
    }
}

/// CAdES-T: the stamp on the value proves when, and outlives the signer's certificate; a stamp on something else, or by
/// nobody's authority, proves nothing.
#[test]
fn a_time_stamp_on_the_value_is_a_proof_of_existence() {
    let Some(peer) = OpenSsl::start("a_time_stamp_on_the_value_is_a_proof_of_existence") else { return };
    peer.write("document", b"content");
    peer.end("p256", KEYS[1].1, "end");
    peer.end("tsa", KEYS[0].1, "tsa");
    peer.run("cms -sign -cades -nodetach -md sha256 -signer p256.pem -inkey p256.key -binary -in document -outform DER -out message");
    let message = peer.read("message");
    let read = SignedData::parse(&message).unwrap();
    let signer = &read.signers[0];
    let token = |over: &[u8]| {
        peer.write("value", over);
        peer.run("ts -query -data value -sha256 -cert -no_nonce -out query");
        peer.run(
            "ts -reply -queryfile query -signer tsa.pem -inkey tsa.key -config config -section tsa_config -out reply",
        );
        TimeStampResp::parse(&peer.read("reply")).unwrap().token.unwrap().to_vec()
    };
    let stamped = |tokens: &[Vec<u8>]| {
        let signed: Vec<NewAttribute> = signer
            .signed_attributes
            .as_ref()
            .unwrap()
            .attributes
            .iter()
            .map(|found| NewAttribute { oid: found.oid, value: found.values[0].raw().to_vec() })
            .collect();
        let unsigned: Vec<NewAttribute> = tokens
            .iter()
            .map(|token| NewAttribute { oid: attribute::TIME_STAMP_TOKEN, value: token.clone() })
            .collect();
        let identifier = |oid| {
            let mut writer = yinxin::format::der::Writer::new();
            writer.sequence(|inner| _ = inner.oid(oid));
            writer.into_bytes()
        };
        let (digest, algorithm) = (identifier(signer.digest_algorithm.oid), identifier(signer.signature_algorithm.oid));
        let certificates: Vec<&[u8]> = read.x509_certificates().collect();
        NewSignedData {
            family: read.family,
            content_type: read.content_type,
            content: read.content_octets(),
            certificates: &certificates,
            crls: &[],
            signers: &[NewSigner {
                identifier: signer.identifier,
                digest_algorithm: &digest,
                signed_attributes: &signed,
                signature_algorithm: &algorithm,
                signature: signer.signature,
                unsigned_attributes: &unsigned,
            }],
        }
        .to_der()
    };
    let bench = peer.bench();
    let good = stamped(&[token(signer.signature)]);
    let report = bench.judge(&good, None);
    assert_eq!(short(&report), PASSED, "{report:#}");
    let first = &report["signatures"][0];
    assert_eq!((first["time"]["code"].as_str(), first["time"]["status"].as_str()), (Some("proved"), Some("ok")));
    assert!(first["time"]["detail"].as_str().unwrap().contains("CN=tsa"));
    // The stamp of something else.
    let other = bench.judge(&stamped(&[token(b"something else")]), None);
    assert_eq!(short(&other), "INDETERMINATE SIG_CONSTRAINTS_FAILURE token-imprint", "{other:#}");
    assert_eq!(other["signatures"][0]["time"]["code"], "token-imprint");
    assert_eq!(other["signatures"][0]["details"]["time_stamp"], "present");
    // Of two, one that holds is enough.
    let both = bench.judge(&stamped(&[token(b"something else"), token(signer.signature)]), None);
    assert_eq!(both["signatures"][0]["time"]["code"], "proved");
    // Nobody's authority: the anchor is the signer's certificate alone.
    let alone = Bench { anchors: vec![peer.der("p256.pem")], evidence: Vec::new(), now: bench.now };
    let unknown = alone.judge(&good, None);
    assert_eq!(short(&unknown), PASSED, "{unknown:#}");
    assert_eq!(unknown["signatures"][0]["time"]["status"], "warning");
    assert_eq!(unknown["warnings"][0]["code"], "time-stamp-not-accepted");
}

/// Tokens and responses in files of their own.
#[test]
fn time_stamps_of_openssl_are_judged_right() {
    let Some(peer) = OpenSsl::start("time_stamps_of_openssl_are_judged_right") else { return };
    peer.write("document", b"content");
    let bench = peer.bench();
    for (name, key) in &KEYS[..2] {
        peer.end(name, key, "tsa");
        peer.end(&format!("{name}-wrong"), key, "end");
        for digest in ["sha256", "sha512", "sm3"] {
            peer.run(&format!("ts -query -data document -{digest} -cert -out query"));
            peer.run(&format!("ts -reply -queryfile query -signer {name}.pem -inkey {name}.key -config config -section tsa_config -out reply"));
            let reply = peer.read("reply");
            let token = TimeStampResp::parse(&reply).unwrap().token.unwrap();
            for file in [&reply[..], token] {
                assert_eq!(bench.verdict(file, Some(b"content")), PASSED, "{name} {digest}");
                assert_eq!(bench.verdict(file, Some(b"contend")), "TOTAL_FAILED HASH_FAILURE token-imprint");
                assert_eq!(bench.verdict(file, None), NO_DOCUMENT);
                let nobody = Bench { now: bench.now, ..Bench::default() };
                assert_eq!(nobody.verdict(file, Some(b"content")), UNKNOWN);
            }
            for at in 0..token.len() {
                let mut changed = token.to_vec();
                changed[at] ^= 1;
                if bench.judge(&changed, Some(b"content"))["indication"] == "TOTAL_PASSED" {
                    let (before, after) = (SignedData::parse(token).unwrap(), SignedData::parse(&changed).unwrap());
                    assert_eq!(before.content_octets(), after.content_octets(), "octet {at}");
                }
            }
        }
    }
    peer.write("rejection", &[0x30, 5, 0x30, 3, 2, 1, 2]);
    assert_eq!(bench.verdict(&peer.read("rejection"), Some(b"content")), "NO_SIGNATURE_FOUND");
}

/// Certificates and revocation lists in files of their own.
#[test]
fn certificates_and_lists_of_openssl_are_judged_right() {
    let Some(peer) = OpenSsl::start("certificates_and_lists_of_openssl_are_judged_right") else { return };
    peer.end("p256", KEYS[1].1, "end");
    let bench = peer.bench();
    let nobody = Bench { now: bench.now, ..Bench::default() };
    let der = peer.der("p256.pem");
    let (root, pem) = (peer.der("root.pem"), peer.read("p256.pem"));
    for file in [&der[..], &pem, &root] {
        assert_eq!(bench.verdict(file, None), PASSED);
        assert_eq!(nobody.verdict(file, None), UNKNOWN);
    }
    let chain = [peer.read("p256.pem"), peer.read("root.pem")].concat();
    assert_eq!(nobody.verdict(&chain, None), UNKNOWN, "what lies beside is trusted by nobody");
    let mut forged = der.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(bench.verdict(&forged, None), VALUE);
    let at = |days: i64| Bench { anchors: bench.anchors.clone(), evidence: Vec::new(), now: bench.now + days * 86_400 };
    assert_eq!(at(60).verdict(&der, None), "TOTAL_FAILED EXPIRED certificate-expired");
    assert_eq!(at(-1).verdict(&der, None), "TOTAL_FAILED NOT_YET_VALID certificate-not-yet-valid");
    assert_eq!(bench.verdict(&der[..der.len() - 1], None), "REFUSED unknown-format");

    peer.run("ca -gencrl -config config -keyfile root.key -cert root.pem -out list.pem");
    let list = read_pem(std::str::from_utf8(&peer.read("list.pem")).unwrap(), "X509 CRL").unwrap().remove(0);
    for file in [&list[..], &peer.read("list.pem")] {
        assert_eq!(bench.verdict(file, None), PASSED);
        assert_eq!(nobody.verdict(file, None), "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND issuer-missing");
    }
    let by_evidence = Bench { anchors: Vec::new(), evidence: vec![root], now: bench.now };
    assert_eq!(by_evidence.verdict(&list, None), UNKNOWN);
    assert_eq!(at(31).verdict(&list, None), "INDETERMINATE TRY_LATER crl-stale");
    assert_eq!(at(-1).verdict(&list, None).rsplit(' ').next(), Some("crl-not-yet"));
    let mut forged = list.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(bench.verdict(&forged, None), VALUE);
}

/// OpenSSL's value over those bytes, as JWS has it.
fn jws_value(peer: &OpenSsl, name: &str, algorithm: &str, signed: &[u8]) -> Vec<u8> {
    peer.write("signed", signed);
    let digest = format!("-sha{}", &algorithm[2..]);
    match &algorithm[..2] {
        "Ed" => peer.run(&format!("pkeyutl -sign -inkey {name}.key -rawin -in signed -out value")),
        "PS" => peer.run(&format!(
            "dgst {digest} -sign {name}.key -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -out value signed"
        )),
        _ => peer.run(&format!("dgst {digest} -sign {name}.key -out value signed")),
    }
    let value = peer.read("value");
    if algorithm.starts_with("ES") { decode_value(SignatureAlgorithm::EcdsaP256Sha256, &value).unwrap() } else { value }
}

/// JWS of every algorithm, and what attackers do with headers.
#[test]
fn json_web_signatures_are_judged_right() {
    let Some(peer) = OpenSsl::start("json_web_signatures_are_judged_right") else { return };
    for (name, key) in KEYS {
        peer.end(name, key, "end");
    }
    let bench = peer.bench();
    let handed = |name: &str| {
        let evidence = vec![peer.der(&format!("{name}.pem"))];
        Bench { anchors: bench.anchors.clone(), evidence, now: bench.now }
    };
    let payload = to_base64url(b"payload");
    for (name, algorithm) in [
        ("rsa", "RS256"),
        ("rsa", "RS384"),
        ("rsa", "RS512"),
        ("rsa", "PS256"),
        ("rsa", "PS384"),
        ("rsa", "PS512"),
        ("p256", "ES256"),
        ("ed25519", "EdDSA"),
        ("ed25519", "Ed25519"),
    ] {
        let certificate = peer.der(&format!("{name}.pem"));
        let claimed = Timestamp::from_unix(bench.now - 60).to_string();
        let protected =
            NewHeader { algorithm, certificates: &[&certificate], signing_time: Some(&claimed) }.to_base64url();
        let signed = format!("{protected}.{payload}");
        let value = to_base64url(&jws_value(&peer, name, algorithm, signed.as_bytes()));
        let compact = format!("{signed}.{value}");
        let report = bench.judge(compact.as_bytes(), None);
        assert_eq!(short(&report), PASSED, "{algorithm} {report:#}");
        assert_eq!(report["signatures"][0]["details"]["claimed_time"], claimed.as_str());
        assert_eq!(bench.verdict(compact.as_bytes(), Some(b"payload")), PASSED);
        let other = bench.verdict(compact.as_bytes(), Some(b"payloae"));
        assert_eq!(other, "TOTAL_FAILED HASH_FAILURE content-differs");
        let detached = format!("{protected}..{value}");
        assert_eq!(bench.verdict(detached.as_bytes(), Some(b"payload")), PASSED);
        assert_eq!(bench.verdict(detached.as_bytes(), Some(b"payloae")), VALUE);
        assert_eq!(bench.verdict(detached.as_bytes(), None), NO_DOCUMENT);
        let json =
            format!(r#"{{"payload":"{payload}","signatures":[{{"protected":"{protected}","signature":"{value}"}}]}}"#);
        assert_eq!(bench.verdict(json.as_bytes(), None), PASSED);
        let nobody = Bench { now: bench.now, ..Bench::default() };
        assert_eq!(nobody.verdict(compact.as_bytes(), None), UNKNOWN);
        // No octet may change.
        for at in (0..compact.len()).step_by(if algorithm == "ES256" { 1 } else { 37 }) {
            let mut changed = compact.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(bench.judge(&changed, None)["indication"], "TOTAL_PASSED", "{algorithm} octet {at}");
        }
        // Without x5c: the certificate is handed in, or nobody signed.
        let bare = NewHeader { algorithm, certificates: &[], signing_time: None }.to_base64url();
        let signed = format!("{bare}.{payload}");
        let bare = format!("{signed}.{}", to_base64url(&jws_value(&peer, name, algorithm, signed.as_bytes())));
        assert_eq!(bench.verdict(bare.as_bytes(), None), NOBODY);
        assert_eq!(handed(name).verdict(bare.as_bytes(), None), PASSED);
    }
    let certificate = peer.der("p256.pem");
    let x5c = NewHeader { algorithm: "", certificates: &[&certificate], signing_time: None }.to_base64url();
    let x5c = String::from_utf8(base64_decode(&x5c)).unwrap();
    let x5c = x5c[x5c.find("\"x5c\"").unwrap()..].trim_end_matches('}').to_owned();
    for (header, verdict) in [
        (format!(r#"{{"alg":"none",{x5c}}}"#), "TOTAL_FAILED FORMAT_FAILURE jws-alg-none"),
        (format!(r#"{{"alg":"HS256",{x5c}}}"#), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE jws-alg-symmetric"),
        (format!(r#"{{"alg":"ES256K",{x5c}}}"#), "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE algorithm-not-accepted"),
        (format!(r#"{{"alg":"RS256",{x5c}}}"#), "TOTAL_FAILED FORMAT_FAILURE algorithm-not-of-key"),
        (
            format!(r#"{{"alg":"ES256","crit":["exp2"],"exp2":1,{x5c}}}"#),
            "TOTAL_FAILED FORMAT_FAILURE jws-crit-unknown",
        ),
        (
            format!(r#"{{"alg":"ES256","x5t#S256":"{}",{x5c}}}"#, to_base64url(&[7; 32])),
            "TOTAL_FAILED FORMAT_FAILURE jws-thumbprint-differs",
        ),
        (
            format!(r#"{{"alg":"ES256","sigT":"yesterday","crit":["sigT"],{x5c}}}"#),
            "TOTAL_FAILED FORMAT_FAILURE jws-sigt-malformed",
        ),
        (r#"{"alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"","y":""}}"#.to_owned(), NOBODY),
        (r#"{"alg":"ES256","jku":"https://example.test/keys"}"#.to_owned(), NOBODY),
        (r#"{"alg":"ES256","alg":"none"}"#.to_owned(), "REFUSED jws-name-repeated"),
    ] {
        let signed = format!("{}.{payload}", to_base64url(header.as_bytes()));
        let value = jws_value(&peer, "p256", "ES256", signed.as_bytes());
        let compact = format!("{signed}.{}", to_base64url(&value));
        assert_eq!(bench.verdict(compact.as_bytes(), None), verdict, "{header}");
    }
}

fn base64_decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// Values without structure: by the one certificate that is handed in.
#[test]
fn bare_values_of_openssl_are_judged_right() {
    let Some(peer) = OpenSsl::start("bare_values_of_openssl_are_judged_right") else { return };
    let document = b"the document";
    peer.write("document", document);
    for (name, key) in KEYS {
        peer.end(name, key, "end");
    }
    peer.end("sm2", "-algorithm EC -pkeyopt ec_paramgen_curve:SM2", "end");
    let bench = peer.bench();
    let with = |names: &[&str]| {
        let evidence = names.iter().map(|name| peer.der(&format!("{name}.pem"))).collect();
        Bench { anchors: bench.anchors.clone(), evidence, now: bench.now }
    };
    for (name, line) in [
        ("rsa", "dgst -sha256 -sign rsa.key -out value document"),
        (
            "rsa",
            "dgst -sha512 -sign rsa.key -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -out value document",
        ),
        ("p256", "dgst -sha256 -sign p256.key -out value document"),
        ("ed25519", "pkeyutl -sign -inkey ed25519.key -rawin -in document -out value"),
        (
            "sm2",
            "pkeyutl -sign -inkey sm2.key -rawin -digest sm3 -pkeyopt distid:1234567812345678 -in document -out value",
        ),
    ] {
        peer.run(line);
        let value = peer.read("value");
        assert_eq!(with(&[name]).verdict(&value, Some(document)), PASSED, "{line}");
        assert_eq!(with(&["rsa", "p256", "ed25519", "sm2"]).verdict(&value, Some(document)), PASSED, "{line}");
        assert_eq!(with(&[name]).verdict(&value, Some(b"the dokument")), VALUE, "{line}");
        let others: Vec<&str> = ["rsa", "p256", "ed25519", "sm2"].into_iter().filter(|other| *other != name).collect();
        assert_eq!(with(&others).verdict(&value, Some(document)), NOBODY, "{line}");
        assert_eq!(with(&[]).verdict(&value, Some(document)), NOBODY, "{line}");
        assert_eq!(with(&[name]).verdict(&value, None), NO_DOCUMENT, "{line}");
    }
}

/// A digest stands for the document where the format signs no more than that, and nowhere else.
#[test]
fn a_digest_stands_for_the_document_where_it_is_enough() {
    let Some(peer) = OpenSsl::start("a_digest_stands_for_the_document_where_it_is_enough") else { return };
    let document = b"the document";
    peer.write("document", document);
    peer.end("p256", KEYS[1].1, "end");
    peer.end("sm2", "-algorithm EC -pkeyopt ec_paramgen_curve:SM2", "end");
    peer.end("tsa", KEYS[1].1, "tsa");
    let mut bench = peer.bench();
    let digests = |text: &[u8]| {
        let of = |algorithm| hex(&yinxin::crypto::digest::digest(algorithm, text));
        (format!("sha256:{}", of(DigestAlgorithm::Sha256)), format!("sm3:{}", of(DigestAlgorithm::Sm3)))
    };
    let ((right, by_sm3), (wrong, _)) = (digests(document), digests(b"another"));
    let message = |options: &str| {
        let signer = "-signer p256.pem -inkey p256.key -binary -md sha256 -in document -outform DER -out message";
        peer.run(&format!("cms -sign {options}{signer}"));
        peer.read("message")
    };
    let other_algorithm = "INDETERMINATE SIGNED_DATA_NOT_FOUND digest-of-another-algorithm";
    let detached = message("");
    assert_eq!(bench.by_digest(&detached, &right), PASSED);
    assert_eq!(bench.by_digest(&detached, &wrong), HASH);
    assert_eq!(bench.by_digest(&detached, &by_sm3), other_algorithm);
    // The value is over the document itself.
    let bare = message("-noattr ");
    assert_eq!(bench.by_digest(&bare, &right), "INDETERMINATE SIGNED_DATA_NOT_FOUND digest-not-enough");
    // What is attached is digested here, by whatever algorithm was told.
    let attached = message("-nodetach ");
    assert_eq!(bench.by_digest(&attached, &right), PASSED);
    assert_eq!(bench.by_digest(&attached, &by_sm3), PASSED);
    assert_eq!(bench.by_digest(&attached, &wrong), "TOTAL_FAILED HASH_FAILURE data-hash-wrong");

    peer.run("ts -query -data document -sha256 -cert -out query");
    peer.run("ts -reply -queryfile query -signer tsa.pem -inkey tsa.key -config config -section tsa_config -out reply");
    let reply = peer.read("reply");
    assert_eq!(bench.by_digest(&reply, &right), PASSED);
    assert_eq!(bench.by_digest(&reply, &wrong), "TOTAL_FAILED HASH_FAILURE token-imprint");
    assert_eq!(bench.by_digest(&reply, &by_sm3), other_algorithm);

    // An SM2 value is over e, which holds the signer's key and ID too.
    peer.run(
        "pkeyutl -sign -inkey sm2.key -rawin -digest sm3 -pkeyopt distid:1234567812345678 -in document -out value",
    );
    let (value, certificate) = (peer.read("value"), peer.der("sm2.pem"));
    let parsed = Certificate::parse(&certificate).unwrap();
    let Some(PublicKey::Sm2(key)) = public_key(&parsed.public_key) else { panic!("no SM2 key") };
    let e = |text: &[u8]| format!("sm2-e:{}", hex(&key.digest(sm2::DEFAULT_ID, text).unwrap()));
    let (right_e, wrong_e) = (e(document), e(b"another"));
    bench.evidence = vec![certificate.clone()];
    assert_eq!(bench.by_digest(&value, &right_e), PASSED);
    assert_eq!(bench.by_digest(&value, &wrong_e), VALUE);
    assert_eq!(bench.by_digest(&value, &by_sm3), "REFUSED digest-not-enough");
    assert_eq!(bench.by_digest(&detached, &right_e), other_algorithm);
    // A JWS and a package are judged whole.
    let notice = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/notice.ofd")).unwrap();
    assert_eq!(bench.by_digest(&notice, &right), "REFUSED digest-not-enough");
    let jws = format!("{}..AA", to_base64url(br#"{"alg":"ES256"}"#));
    assert_eq!(bench.by_digest(jws.as_bytes(), &right), "REFUSED digest-not-enough");
}

/// Every message and time stamp of the fixtures: file, document, anchor or certificate, verdict.
#[test]
fn messages_of_others_are_judged_right() {
    let Some(root) = fixtures("messages_of_others_are_judged_right") else { return };
    let folder = root.join("pki/cms");
    let read = |name: &str| fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let at = Timestamp::parse_rfc3339("2026-11-23T00:00:00Z").unwrap().unix();
    let not_computed = "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE algorithm-not-accepted";
    let text = Some("openhitls-signeddata/msg.txt");
    let (first, second) = ("openhitls-signeddata/ca_cert.pem", "openhitls-signeddata/noattr/ca_cert.pem");
    let several = "openhitls-signeddata/mul_ca_cert.pem";
    // The first root has an RSA key of 1024 bits, which carries nothing here; the values are right all the same.
    let rows = [
        ("openhitls-signeddata/p256_attached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/p256_attached.cms", None, first, UNKNOWN),
        ("openhitls-signeddata/p256_attached.cms", text, second, UNKNOWN),
        ("openhitls-signeddata/p256_detached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/p256_detached.cms", None, first, NO_DOCUMENT),
        ("openhitls-signeddata/p256_signedattrs_dup_contenttype.cms", text, first, "REFUSED cms-attribute-not-once"),
        ("openhitls-signeddata/p384_attached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/p384_detached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/p521_attached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/p521_detached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/rsa_pkcs1_attached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/rsa_pkcs1_detached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/rsa_pss_attached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/rsa_pss_detached.cms", text, first, UNKNOWN),
        ("openhitls-signeddata/v3attach.cms", text, second, PASSED),
        ("openhitls-signeddata/v3detached.cms", text, second, PASSED),
        ("openhitls-signeddata/noattr/p256_attached.cms", text, second, PASSED),
        ("openhitls-signeddata/noattr/p256_detached.cms", text, second, PASSED),
        ("openhitls-signeddata/noattr/p384_attached.cms", text, second, PASSED),
        ("openhitls-signeddata/noattr/p521_detached.cms", text, second, PASSED),
        ("openhitls-signeddata/noattr/rsa_pkcs1_attached.cms", text, second, PASSED),
        ("openhitls-signeddata/noattr/rsa_pkcs1_detached.cms", text, second, PASSED),
        ("openhitls-signeddata/noattr/rsa_pss_attached.cms", text, second, PASSED),
        ("openhitls-signeddata/noattr/rsa_pss_detached.cms", text, second, PASSED),
        ("openhitls-signeddata/multi_attached.cms", text, several, PASSED),
        ("openhitls-signeddata/mldsa/mldsa44/mldsa44_attached.cms", text, first, not_computed),
        // By Tongsuo and OpenSSL.
        ("peer-lab/t.cms", Some("peer-lab/m"), "peer-lab/ca.pem", PASSED),
        ("peer-lab/t.cms", Some("peer-lab/q.tsq"), "peer-lab/ca.pem", HASH),
        ("peer-lab/rt.tsr", Some("peer-lab/m"), "peer-lab/ca.pem", PASSED),
        ("peer-lab/rr.tsr", Some("peer-lab/m"), "peer-lab/rca.pem", PASSED),
        // By GmSSL, whose value is over SM3 of the whole contentInfo, without the signer's Z: no standard's rule.
        ("peer-lab/g.cms", None, "peer-lab/ca.pem", VALUE),
        // Others' certificates beside the authority's.
        (
            "response-injected-certs.tsr",
            None,
            "peer-lab/ca.pem",
            "TOTAL_FAILED FORMAT_FAILURE token-strange-certificate",
        ),
        // Certificates that nobody signed; envelopes.
        ("misc-011-gmsm-gm_test_go.der", None, "peer-lab/ca.pem", "NO_SIGNATURE_FOUND"),
        ("misc-006-gmsm-envelope_test_go.der", None, "peer-lab/ca.pem", "REFUSED cms-content-type"),
        ("misc-007-gmsm-envelope_test_go.der", None, "peer-lab/ca.pem", "REFUSED cms-content-type"),
    ];
    let mut differences = Vec::new();
    for (file, original, anchor, verdict) in rows {
        let anchor = read_pem(std::str::from_utf8(&read(anchor)).unwrap(), "CERTIFICATE").unwrap().remove(0);
        let bench = Bench { anchors: vec![anchor], evidence: Vec::new(), now: at };
        let original = original.map(read);
        let report = bench.judge(&read(file), original.as_deref());
        if short(&report) != verdict || (verdict == UNKNOWN && report["signatures"][0]["signature"]["status"] != "ok") {
            differences.push(format!(
                "{file}: {} instead of {verdict}: {}",
                short(&report),
                report["signatures"][0]["reason"]
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
