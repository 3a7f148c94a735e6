//! Cryptographic messages and time stamps against others: files that they made, ours judged by them, theirs by us.
//!
//! Fixtures: `YINXIN_FIXTURES`, else `../shared/fixtures`. Peers: `openssl`, Bouncy Castle, rfc3161-client. Where one is
//! absent each test says SKIPPED by name; it fails instead under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use yinxin::base::clock::Timestamp;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use yinxin::crypto::digest::digest;
use yinxin::crypto::sm2::KeyTables;
use yinxin::crypto::{Signer, ecdsa, rsa, sm2};
use yinxin::domain::stamp::clock::Precision;
use yinxin::domain::stamp::{
    Authority, ClockDiscipline, Expected, Offer, Reading, Stamp, StrangeCertificates, Thresholds, TokenRefusal, judge,
    prepare, verify_token,
};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::domain::trust::signed_data::{digest_algorithm_identifier, signature_algorithm_identifier};
use yinxin::domain::trust::{SignedDataError, ValueEncoding, find_signer_certificate, verify_signer};
use yinxin::format::cms::{
    self, ContentType, EnvelopedData, Family, NewAttribute, NewEnvelopedData, NewKeyTransport, NewSignedData,
    NewSigner, Recipient, SignedAndEnvelopedData, SignedData, SignerIdentifier,
};
use yinxin::format::der::{self, ObjectIdentifier, Writer};
use yinxin::format::keys::pkcs8::{KeyKind, PrivateKeyInfo};
use yinxin::format::keys::sm2_ciphertext::Sm2Ciphertext;
use yinxin::format::keys::{AlgorithmIdentifier, read_pem, write_pem};
use yinxin::format::tsp::{NewTimeStampReq, TimeStampReq, TimeStampResp, TimeStampToken};
use yinxin::format::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectKeyIdentifier, TIME_STAMPING};
use yinxin::format::x509::{Certificate, GeneralName, KeyUsage, NewCertificate, NewExtension, NewName};

const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.3.4");
/// Inside of every certificate here.
const NOW: i64 = 1_900_000_000;

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

/// DER, out of PEM where the file is PEM.
fn der_of(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|_| panic!("{}", path.display()));
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    for label in ["CMS", "PKCS7", "CERTIFICATE"] {
        if let Some(der) = read_pem(text, label).and_then(|blocks| blocks.into_iter().next()) {
            return der;
        }
    }
    bytes
}

/// The verdict on the only or first signer: how its value is written, or why not, by code.
fn verdict(message: &[u8], detached: Option<&[u8]>) -> String {
    let message = match SignedData::parse(message) {
        Ok(message) => message,
        Err(error) => return error.code().to_owned(),
    };
    let judged = |signer| -> Result<&'static str, SignedDataError> {
        let certificate = find_signer_certificate(signer, message.x509_certificates())?;
        let verified = verify_signer(&message, signer, detached, &certificate, &KeyTables::default())?;
        Ok(if verified.encoding() == ValueEncoding::Raw { "right-raw" } else { "right" })
    };
    let verdicts: Vec<&str> =
        message.signers.iter().map(|signer| judged(signer).unwrap_or_else(|error| error.code())).collect();
    verdicts.join(",")
}

/// What PROVENANCE says of each file, as verdicts: those of ML-DSA keys are not computed; a content
/// type that stands twice is refused; wrong digests are wrong.
#[test]
fn messages_of_others_are_judged_as_their_makers_say() {
    const TEST: &str = "messages_of_others_are_judged_as_their_makers_say";
    let Some(root) = fixtures(TEST) else { return };
    let openhitls = root.join("pki/cms/openhitls-signeddata");
    let text = fs::read(openhitls.join("msg.txt")).unwrap();
    let rows = [
        ("p256_attached.cms", "right"),
        ("p256_detached.cms", "right"),
        ("p256_signedattrs_dup_contenttype.cms", "cms-attribute-not-once"),
        ("p384_attached.cms", "right"),
        ("p384_detached.cms", "right"),
        ("p521_attached.cms", "right"),
        ("p521_detached.cms", "right"),
        ("rsa_pkcs1_attached.cms", "right"),
        ("rsa_pkcs1_detached.cms", "right"),
        ("rsa_pss_attached.cms", "right"),
        ("rsa_pss_detached.cms", "right"),
        ("v3attach.cms", "right"),
        ("v3detached.cms", "right"),
        ("noattr/p256_attached.cms", "right"),
        ("noattr/p256_detached.cms", "right"),
        ("noattr/p384_attached.cms", "right"),
        ("noattr/p521_detached.cms", "right"),
        ("noattr/rsa_pkcs1_attached.cms", "right"),
        ("noattr/rsa_pkcs1_detached.cms", "right"),
        ("noattr/rsa_pss_attached.cms", "right"),
        ("noattr/rsa_pss_detached.cms", "right"),
        ("mldsa/mldsa44/mldsa44_attached.cms", "signature-unsupported"),
        ("mldsa/mldsa65/mldsa65_detached.cms", "signature-unsupported"),
        ("mldsa/mldsa87/mldsa87_attached.cms", "signature-unsupported"),
    ];
    let mut differences = Vec::new();
    for (name, expected) in rows {
        let message = fs::read(openhitls.join(name)).unwrap();
        let found = verdict(&message, Some(&text));
        if found != expected {
            differences.push(format!("{name}: {found}, expected {expected}"));
        }
        // One octet of the content less, and nothing is right any more.
        if expected == "right" {
            let found = verdict(&message, Some(&text[1..]));
            let refused = ["content-differs", "message-digest-mismatch", "signature-wrong"];
            if !refused.contains(&found.as_str()) {
                differences.push(format!("{name} over other content: {found}"));
            }
        }
        if name.contains("detached") && expected == "right" && verdict(&message, None) != "content-missing" {
            differences.push(format!("{name} without content"));
        }
    }
    // P-256, P-384, P-521.
    let multi = verdict(&fs::read(openhitls.join("multi_attached.cms")).unwrap(), Some(&text));
    if multi != "right,right,right" {
        differences.push(format!("multi_attached.cms: {multi}"));
    }
    let cms = root.join("pki/cms");
    let detached = fs::read(cms.join("peer-lab/m")).unwrap();
    for (name, detached, expected) in [
        // By Tongsuo.
        ("peer-lab/t.cms", Some(detached.as_slice()), "right"),
        // By GmSSL, whose value is over SM3 of the whole contentInfo, without the signer's Z: no standard's rule.
        ("peer-lab/g.cms", None, "signature-wrong"),
        // A chain of certificates that nobody signed.
        ("misc-011-gmsm-gm_test_go.der", None, ""),
        ("misc-006-gmsm-envelope_test_go.der", None, "cms-content-type"),
    ] {
        let found = verdict(&der_of(&cms.join(name)), detached);
        if found != expected {
            differences.push(format!("{name}: {found}, expected {expected}"));
        }
    }
    // In production: a bank's receipt with attributes, a city's with the digest itself as content and r‖s as value.
    let ses = root.join("eseal/ses");
    let ccb = ses.join("ccb_bank_receipt_gbt35275_authattrs");
    let zibo = ses.join("zibo_natural_resources_gbt35275_raw_rs");
    let read = |folder: &Path, name| fs::read(folder.join(name)).unwrap();
    let signature_xml = read(&ccb, "Signature.xml");
    let found = [
        verdict(&read(&ccb, "SignedValue.dat"), Some(&signature_xml)),
        verdict(&read(&zibo, "SignedValue.dat"), None),
        verdict(&read(&zibo, "SignedValue.dat"), Some(&digest(DigestAlgorithm::Sm3, &read(&zibo, "Signature.xml")))),
    ];
    if found != ["right", "right-raw", "right-raw"] {
        differences.push(format!("in production: {found:?}"));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn envelopes_of_others_are_read() {
    const TEST: &str = "envelopes_of_others_are_read";
    let Some(root) = fixtures(TEST) else { return };
    let folder = root.join("pki/cms");
    for name in ["misc-006-gmsm-envelope_test_go.der", "misc-007-gmsm-envelope_test_go.der"] {
        let der = fs::read(folder.join(name)).unwrap();
        let read = EnvelopedData::parse(&der).unwrap();
        assert_eq!((read.family, read.version), (Family::Gm, 2), "{name}");
        let [Recipient::KeyTransport(transport)] = read.recipients.as_slice() else { panic!("{name}") };
        assert!(matches!(transport.identifier, SignerIdentifier::SubjectKeyIdentifier(id) if id.len() == 20));
        assert_eq!(transport.algorithm.oid, cms::enveloped_data::SM2_ENCRYPTION);
        assert_eq!(Sm2Ciphertext::parse(transport.encrypted_key).unwrap().c2.len(), 16, "an SM4 key");
        assert_eq!(read.content.content_type, Family::Gm.oid(ContentType::Data));
        assert_eq!(read.content.ciphertext.map(<[u8]>::len), Some(16));
    }
    // Its recipient's issuer is written as 00 00: end-of-contents octets where a name must stand (X.690 8.1.5).
    let mut der = fs::read(folder.join("misc-008-gmsm-sign_enveloped_test_go.der")).unwrap();
    let malformed = cms::Error::Der(der::Error::Malformed { what: "value" });
    assert_eq!(SignedAndEnvelopedData::parse(&der), Err(malformed));
    let at = der.windows(4).position(|found| found == [0x30, 12, 0, 0]).unwrap() + 2;
    der[at] = 0x30;
    let read = SignedAndEnvelopedData::parse(&der).unwrap();
    assert_eq!(
        (read.family, read.recipients.len(), read.certificates.len(), read.signers.len()),
        (Family::Gm, 1, 1, 1)
    );
    assert_eq!(read.content.ciphertext.map(<[u8]>::len), Some(64));
}

/// The token of `sigstore/timestamp-authority` into which others' certificates were put, one of them first in line: the
/// signature is right, by a certificate that is not the first.
#[test]
fn injected_certificates_are_refused_and_never_taken_for_the_authoritys() {
    const TEST: &str = "injected_certificates_are_refused_and_never_taken_for_the_authoritys";
    let Some(root) = fixtures(TEST) else { return };
    let response = fs::read(root.join("pki/cms/response-injected-certs.tsr")).unwrap();
    let response = TimeStampResp::parse(&response).unwrap();
    let token = TimeStampToken::parse(response.token.unwrap()).unwrap();
    let judged = |expected: &Expected<'_>| verify_token(&token, &[], expected, &KeyTables::default());
    let hello = Expected::over(b"hello");
    let refused = judged(&hello).unwrap_err();
    assert_eq!(refused, TokenRefusal::StrangeCertificate { subject: "CN=Spoofed TSA".to_owned() });
    assert_eq!(refused.code(), "token-strange-certificate");
    let verified = judged(&Expected { strangers: StrangeCertificates::Ignore, ..hello }).unwrap();
    assert_eq!(verified.certificate().subject.display(), "O=local, CN=Test TSA Timestamping");
    assert_eq!(verified.certificate().issuer.display(), "O=local, CN=Test TSA Intermediate");
    assert_eq!(verified.chain(), Vec::<&[u8]>::new());
    assert_eq!(verified.info().gen_time.to_string(), "20241008154032Z");
    assert_eq!(judged(&Expected::over(b"hullo")), Err(TokenRefusal::Imprint));
}

#[test]
fn tokens_of_openssl_and_tongsuo_verify() {
    const TEST: &str = "tokens_of_openssl_and_tongsuo_verify";
    let Some(root) = fixtures(TEST) else { return };
    let lab = root.join("pki/cms/peer-lab");
    let request = fs::read(lab.join("q.tsq")).unwrap();
    let request = TimeStampReq::parse(&request).unwrap();
    for (name, subject) in [("rt.tsr", "CN=tsa"), ("rr.tsr", "CN=rts")] {
        let response = fs::read(lab.join(name)).unwrap();
        let response = TimeStampResp::parse(&response).unwrap();
        let token = TimeStampToken::parse(response.token.unwrap()).unwrap();
        let verified = verify_token(&token, &[], &Expected::answer_to(&request), &KeyTables::default()).unwrap();
        assert_eq!(verified.certificate().subject.display(), subject);
    }
}

/// Two RSA keys for all tests: making one takes seconds.
static RSA: LazyLock<[Vec<u8>; 2]> =
    LazyLock::new(|| [(); 2].map(|()| rsa::PrivateKey::generate(3072).unwrap().to_bytes().unwrap().expose().to_vec()));

fn rsa_key(which: usize) -> rsa::PrivateKey {
    rsa::PrivateKey::from_bytes(&RSA[which]).unwrap()
}

/// An authority for time stamps, its root, and a folder with their files.
struct Lab {
    folder: PathBuf,
    key: Box<dyn Signer>,
    certificate: Vec<u8>,
    root: Vec<u8>,
}

fn certificate(
    (subject, key): (&str, &dyn Signer),
    (issuer, issuer_key): (&str, &dyn Signer),
    extensions: &[NewExtension],
) -> Vec<u8> {
    let name = |text: &str| NewName { organisation: "Yinxin".into(), common_name: text.into() }.to_der();
    let algorithm = issuer_key.algorithm();
    let oid = algorithm.oid().unwrap();
    let mut writer = Writer::new();
    writer.sequence(|tbs| {
        tbs.context(0, |version| _ = version.small(2));
        tbs.unsigned(&digest(DigestAlgorithm::Sm3, subject.as_bytes())[..16]);
        tbs.sequence(|identifier| {
            identifier.oid(oid);
            if matches!(algorithm, SignatureAlgorithm::RsaPkcs1(_)) {
                identifier.null();
            }
        });
        tbs.raw(&name(issuer));
        tbs.sequence(|validity| {
            validity.time(Timestamp::from_unix(1_700_000_000)).time(Timestamp::from_unix(2_000_000_000));
        });
        tbs.raw(&name(subject)).raw(&subject_public_key_info(&key.public_key()));
        tbs.context(3, |outer| {
            outer.sequence(|list| extensions.iter().for_each(|extension| extension.write(list)));
        });
    });
    let tbs = writer.into_bytes();
    let value = issuer_key.sign(&tbs, &SystemRandom).unwrap();
    NewCertificate::assemble(&tbs, oid, &encode_value(algorithm, &value))
}

impl Lab {
    fn new(name: &str, key: Box<dyn Signer>, root_key: &dyn Signer) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stamps").join(name);
        fs::create_dir_all(&folder).unwrap();
        let root = certificate(
            ("root", root_key),
            ("root", root_key),
            &[
                NewExtension::new(true, &BasicConstraints { authority: true, path_length: None }),
                NewExtension::new(true, &KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN)),
            ],
        );
        let certificate = certificate(
            ("tsa", &*key),
            ("root", root_key),
            &[
                NewExtension::new(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE)),
                NewExtension::new(true, &ExtendedKeyUsage(vec![TIME_STAMPING])),
                NewExtension::new(false, &SubjectKeyIdentifier(&[7; 20])),
            ],
        );
        let lab = Self { folder, key, certificate, root };
        lab.write("tsa.der", &lab.certificate);
        lab.write("tsa.pem", write_pem(&lab.certificate, "CERTIFICATE").as_bytes());
        lab.write("root.pem", write_pem(&lab.root, "CERTIFICATE").as_bytes());
        lab.write("content", b"content\n");
        lab
    }

    fn sm2(name: &str) -> Self {
        let (key, root) = (sm2::PrivateKey::generate(&SystemRandom).unwrap(), sm2::PrivateKey::generate(&SystemRandom));
        let info = PrivateKeyInfo::write(KeyKind::Sm2, &key.to_bytes(), &Signer::public_key(&key).sm2_point());
        let lab = Self::new(name, Box::new(key), &root.unwrap());
        lab.write("key.p8", info.expose());
        lab
    }

    fn p256(name: &str) -> Self {
        let (key, root) =
            (ecdsa::PrivateKey::generate(&SystemRandom).unwrap(), ecdsa::PrivateKey::generate(&SystemRandom));
        let info = PrivateKeyInfo::write(KeyKind::P256, &key.to_bytes(), &Signer::public_key(&key).sm2_point());
        let lab = Self::new(name, Box::new(key), &root.unwrap());
        lab.write("key.p8", info.expose());
        lab.write("key.pem", write_pem(info.expose(), "PRIVATE KEY").as_bytes());
        lab
    }

    fn rsa(name: &str, algorithm: SignatureAlgorithm) -> Self {
        let [key, root] = [0, 1].map(rsa_key);
        Self::new(name, Box::new(key.signing_with(algorithm).unwrap()), &root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Our stamp for a request.
    fn stamp(&self, request: &[u8]) -> Stamp {
        let chain = [self.root.as_slice()];
        let offer = Offer {
            chain: &chain,
            policies: &[POLICY],
            digests: &DigestAlgorithm::ALL,
            tsa: Some(GeneralName::Directory(Certificate::parse(&self.certificate).unwrap().subject)),
            family: Family::Cms,
        };
        let authority = Authority::new(&self.certificate, self.key.algorithm(), offer).unwrap();
        let accepted = judge(request, &authority).unwrap();
        let thresholds = Thresholds { sources: 0, ..Thresholds::DEFAULT };
        let mut clock = ClockDiscipline::new(thresholds, Precision::Milliseconds, false, None);
        let time = clock.stamp(&Reading { monotonic: 0, wall: NOW * 1_000_000 + 250_000, sources: &[] }).unwrap();
        let token = prepare(&accepted, &authority, time, &[0x81; 16]).unwrap();
        let value = self.key.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value, &KeyTables::default()).unwrap()
    }

    /// Our request and our response to it, as files.
    fn request_and_response(&self, algorithm: DigestAlgorithm, content: &[u8]) -> (Vec<u8>, Stamp) {
        let request = NewTimeStampReq {
            algorithm: algorithm.oid(),
            digest: &digest(algorithm, content),
            policy: Some(POLICY),
            nonce: Some(&[0x11; 8]),
            certificate_wanted: true,
        }
        .to_der();
        let stamp = self.stamp(&request);
        self.write("request.tsq", &request);
        self.write("response.tsr", &stamp.response);
        (request, stamp)
    }

    /// A message of ours over `content`.
    fn message(&self, family: Family, attached: bool, with_attributes: bool, by_key: bool) -> Vec<u8> {
        let content = b"content\n";
        let certificate = Certificate::parse(&self.certificate).unwrap();
        let algorithm = self.key.algorithm();
        let data = family.oid(ContentType::Data);
        let attributes = if with_attributes {
            vec![
                NewAttribute::content_type(data),
                NewAttribute::signing_time(Timestamp::from_unix(NOW)),
                NewAttribute::message_digest(&digest(algorithm.digest(), content)),
            ]
        } else {
            Vec::new()
        };
        let to_sign = if with_attributes { NewAttribute::to_sign(&attributes) } else { content.to_vec() };
        let value = self.key.sign(&to_sign, &SystemRandom).unwrap();
        let identifier = if by_key {
            SignerIdentifier::SubjectKeyIdentifier(&[7; 20])
        } else {
            SignerIdentifier::IssuerAndSerial { issuer: certificate.issuer, serial: certificate.serial }
        };
        let signer = NewSigner {
            identifier,
            digest_algorithm: &digest_algorithm_identifier(algorithm.digest()),
            signed_attributes: &attributes,
            signature_algorithm: &signature_algorithm_identifier(algorithm),
            signature: &encode_value(algorithm, &value),
            unsigned_attributes: &[],
        };
        NewSignedData {
            family,
            content_type: data,
            content: attached.then_some(content.as_slice()),
            certificates: &[&self.certificate],
            crls: &[],
            signers: &[signer],
        }
        .to_der()
    }

    /// Whether an answer of somebody else is an answer to that request, and whose.
    fn judge_answer(&self, request: &[u8], response: &[u8]) -> Result<String, String> {
        let request = TimeStampReq::parse(request).unwrap();
        let response = TimeStampResp::parse(response).map_err(|error| error.to_string())?;
        let token = TimeStampToken::parse(response.token.unwrap()).map_err(|error| error.to_string())?;
        verify_token(&token, &[], &Expected::answer_to(&request), &KeyTables::default())
            .map(|verified| verified.certificate().subject.display())
            .map_err(|refusal| refusal.code().to_owned())
    }
}

/// The uncompressed point of a key on a curve.
trait Point {
    fn sm2_point(&self) -> Vec<u8>;
}

impl Point for yinxin::crypto::PublicKey {
    fn sm2_point(&self) -> Vec<u8> {
        match self {
            Self::Sm2(key) => key.to_bytes().to_vec(),
            Self::EcdsaP256(key) => key.to_bytes().to_vec(),
            _ => panic!("no point"),
        }
    }
}

const TSA: &str = "C=CN, O=Yinxin, CN=tsa";

fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), [stdout, stderr].iter().map(|text| String::from_utf8_lossy(text)).collect())
}

fn openssl(arguments: &[&str], paths: &[(&str, PathBuf)]) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(arguments);
    for (option, path) in paths {
        command.arg(option).arg(path);
    }
    run(&mut command)
}

fn openssl_is_there() -> bool {
    Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success())
}

#[test]
fn openssl_accepts_our_tokens_and_messages_and_we_its() {
    const TEST: &str = "openssl_accepts_our_tokens_and_messages_and_we_its";
    if !openssl_is_there() {
        return skip(TEST, "openssl");
    }
    use DigestAlgorithm::{Sha256, Sha384, Sha512, Sm3};
    let labs = [
        Lab::p256("openssl-p256"),
        Lab::rsa("openssl-rsa256", SignatureAlgorithm::RsaPkcs1(Sha256)),
        Lab::rsa("openssl-rsa512", SignatureAlgorithm::RsaPkcs1(Sha512)),
        Lab::rsa("openssl-pss384", SignatureAlgorithm::RsaPss(Sha384)),
    ];
    let at = NOW.to_string();
    for lab in &labs {
        // `openssl ts` knows no RSASSA-PSS; `openssl cms` does.
        let by_ts = !matches!(lab.key.algorithm(), SignatureAlgorithm::RsaPss(_));
        for algorithm in [Sha256, Sha384, Sha512, Sm3].into_iter().filter(|_| by_ts) {
            lab.request_and_response(algorithm, b"content\n");
            let verify = |data: &str| {
                openssl(
                    &["ts", "-verify", "-attime", &at],
                    &[
                        (data, lab.path(if data == "-data" { "content" } else { "request.tsq" })),
                        ("-in", lab.path("response.tsr")),
                        ("-CAfile", lab.path("root.pem")),
                    ],
                )
            };
            for data in ["-data", "-queryfile"] {
                let (right, said) = verify(data);
                assert!(right, "{algorithm:?} {}: {said}", lab.folder.display());
            }
        }
        if by_ts {
            lab.write("other", b"other\n");
            let (right, said) = openssl(
                &["ts", "-verify", "-attime", &at],
                &[("-data", lab.path("other")), ("-in", lab.path("response.tsr")), ("-CAfile", lab.path("root.pem"))],
            );
            assert!(!right && said.contains("message imprint mismatch"), "{said}");
        }
        for attached in [false, true] {
            for with_attributes in [false, true] {
                for by_key in [false, true] {
                    lab.write("message.der", &lab.message(Family::Cms, attached, with_attributes, by_key));
                    let mut arguments =
                        vec!["cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any", "-attime", &at];
                    let content = lab.path("content").display().to_string();
                    if !attached {
                        arguments.extend(["-content", &content]);
                    }
                    let paths = [
                        ("-in", lab.path("message.der")),
                        ("-CAfile", lab.path("root.pem")),
                        ("-out", lab.path("content.out")),
                    ];
                    let (right, said) = openssl(&arguments, &paths);
                    assert!(right, "{attached} {with_attributes} {by_key}: {said}");
                    assert_eq!(lab.read("content.out"), b"content\n");
                }
            }
        }
    }
    theirs(&labs[0]);
}

/// What openssl makes with our P-256 key and certificate.
fn theirs(lab: &Lab) {
    lab.write(
        "openssl.cnf",
        b"[tsa]\ndefault_tsa = t\n[t]\nserial = serial\ndefault_policy = 1.2.3.4\ndigests = sha256, sha512, sm3\n\
          accuracy = secs:1, millisecs:500, microsecs:100\nclock_precision_digits = 3\nordering = yes\ntsa_name = yes\n\
          ess_cert_id_alg = sha512\nsigner_digest = sha256\n",
    );
    for kind in ["-sha256", "-sha512", "-sm3"] {
        let paths = [("-data", lab.path("content")), ("-out", lab.path("theirs.tsq"))];
        let (right, said) = openssl(&["ts", "-query", "-cert", kind], &paths);
        assert!(right, "{said}");
        let mut command = Command::new("openssl");
        command.current_dir(&lab.folder).args(["ts", "-reply", "-config", "openssl.cnf", "-queryfile", "theirs.tsq"]);
        command.args(["-signer", "tsa.pem", "-inkey", "key.pem", "-chain", "root.pem", "-out", "theirs.tsr"]);
        let (right, said) = run(&mut command);
        assert!(right, "{said}");
        let (request, response) = (lab.read("theirs.tsq"), lab.read("theirs.tsr"));
        assert_eq!(lab.judge_answer(&request, &response).as_deref(), Ok(TSA), "{kind}");
        let read = TimeStampResp::parse(&response).unwrap();
        let info = TimeStampToken::parse(read.token.unwrap()).unwrap().info;
        assert_eq!(info.accuracy.map(|accuracy| accuracy.microseconds), Some(1_500_100));
        assert!(info.ordering && matches!(info.tsa, Some(GeneralName::Directory(_))));
        // And ours to its request.
        let stamp = lab.stamp(&request);
        assert_eq!(lab.judge_answer(&request, &stamp.response).as_deref(), Ok(TSA));
        let other = lab.stamp(&lab.read("request.tsq"));
        // Our own request was by SM3, of the same content, and with another nonce.
        let expected = if kind == "-sm3" { "token-nonce" } else { "token-imprint" };
        assert_eq!(lab.judge_answer(&request, &other.response).unwrap_err(), expected, "{kind}");
    }
    for options in [&["-nodetach"][..], &["-nodetach", "-noattr"], &["-nodetach", "-keyid"], &[]] {
        let mut arguments = vec!["cms", "-sign", "-binary", "-outform", "DER"];
        arguments.extend(options);
        let paths = [
            ("-in", lab.path("content")),
            ("-signer", lab.path("tsa.pem")),
            ("-inkey", lab.path("key.pem")),
            ("-out", lab.path("theirs.der")),
        ];
        let (right, said) = openssl(&arguments, &paths);
        assert!(right, "{said}");
        assert_eq!(verdict(&lab.read("theirs.der"), Some(b"content\n")), "right", "{options:?}");
    }
}

/// An envelope by openssl opens with our key as far as the content key; written again by us, openssl opens it.
#[test]
fn envelopes_of_openssl_open_and_ours_open_for_it() {
    const TEST: &str = "envelopes_of_openssl_open_and_ours_open_for_it";
    if !openssl_is_there() {
        return skip(TEST, "openssl");
    }
    let key = rsa_key(0);
    let pem = write_pem(&RSA[0], "RSA PRIVATE KEY");
    let lab = Lab::rsa("openssl-envelope", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256));
    lab.write("key.pem", pem.as_bytes());
    for keyed in [false, true] {
        let mut command = Command::new("openssl");
        command.current_dir(&lab.folder).args(["cms", "-encrypt", "-binary", "-aes-256-cbc", "-in", "content"]);
        command.args(["-outform", "DER", "-out", "theirs.der", "-recip", "tsa.pem"]);
        command.args(["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256"]);
        if keyed {
            command.arg("-keyid");
        }
        let (right, said) = run(&mut command);
        assert!(right, "{said}");
        let theirs = lab.read("theirs.der");
        let read = EnvelopedData::parse(&theirs).unwrap();
        assert_eq!((read.family, read.version), (Family::Cms, if keyed { 2 } else { 0 }));
        let [Recipient::KeyTransport(transport)] = read.recipients.as_slice() else { panic!() };
        assert!(transport.identifier.names(&Certificate::parse(&lab.certificate).unwrap()));
        let content_key = key.decrypt_oaep_sha256(transport.encrypted_key, &[]).unwrap();
        assert_eq!(content_key.expose().len(), 32);

        let identifier = |found: AlgorithmIdentifier<'_>| {
            let mut writer = Writer::new();
            writer.sequence(|inner| _ = inner.oid(found.oid).raw(found.parameters.unwrap_or_default()));
            writer.into_bytes()
        };
        let recipient = NewKeyTransport {
            identifier: transport.identifier,
            algorithm: &identifier(transport.algorithm),
            encrypted_key: transport.encrypted_key,
        };
        let ours = NewEnvelopedData {
            family: Family::Cms,
            recipients: &[recipient],
            content_type: read.content.content_type,
            algorithm: &identifier(read.content.algorithm),
            ciphertext: read.content.ciphertext.unwrap(),
        }
        .to_der();
        assert_eq!(ours, theirs, "DER has one encoding");
        lab.write("ours.der", &ours);
        let mut command = Command::new("openssl");
        command.current_dir(&lab.folder).args(["cms", "-decrypt", "-binary", "-inform", "DER", "-in", "ours.der"]);
        let (right, said) = run(command.args(["-recip", "tsa.pem", "-inkey", "key.pem", "-out", "opened"]));
        assert!(right, "{said}");
        assert_eq!(lab.read("opened"), b"content\n");
    }
}

/// Java with Bouncy Castle, ready for a task.
fn java() -> Option<Command> {
    let jars = ["bcprov", "bcpkix", "bcutil"].map(|name| format!("/usr/share/java/{name}.jar"));
    let runs = Command::new("java").arg("-version").output().is_ok_and(|output| output.status.success());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/bouncycastle/JudgeMessages.java");
    let mut command = Command::new("java");
    command.arg("-cp").arg(jars.join(":")).arg(source);
    (runs && jars.iter().all(|jar| Path::new(jar).exists())).then_some(command)
}

fn bouncy_castle(lab: &Lab, task: &str, files: &[&str]) -> (bool, String) {
    let mut command = java().unwrap();
    command.arg(task).args(files.iter().map(|file| lab.path(file)));
    run(&mut command)
}

#[test]
fn bouncy_castle_accepts_our_tokens_and_messages_and_we_its() {
    const TEST: &str = "bouncy_castle_accepts_our_tokens_and_messages_and_we_its";
    if java().is_none() {
        return skip(TEST, "Java with Bouncy Castle");
    }
    for (lab, algorithm) in
        [(Lab::sm2("bc-sm2"), DigestAlgorithm::Sm3), (Lab::p256("bc-p256"), DigestAlgorithm::Sha256)]
    {
        lab.request_and_response(algorithm, b"content\n");
        let (right, said) = bouncy_castle(&lab, "tsp", &["tsa.der", "request.tsq", "response.tsr"]);
        assert!(right && said.trim() == "ok", "{said}");
        for (attached, with_attributes) in [(false, true), (true, true), (true, false)] {
            lab.write("message.der", &lab.message(Family::Cms, attached, with_attributes, false));
            let (right, said) = bouncy_castle(&lab, "cms", &["tsa.der", "message.der", "content"]);
            assert!(right, "{attached} {with_attributes}: {said}");
        }
        // The last octets are the signature's.
        let mut wrong = lab.message(Family::Cms, true, true, false);
        *wrong.last_mut().unwrap() ^= 1;
        lab.write("message.der", &wrong);
        assert!(!bouncy_castle(&lab, "cms", &["tsa.der", "message.der", "content"]).0);

        let (right, said) = bouncy_castle(&lab, "make-cms", &["key.p8", "tsa.der", "content", "theirs.der"]);
        assert!(right, "{said}");
        assert_eq!(verdict(&lab.read("theirs.der"), None), "right");
        let (right, said) = bouncy_castle(&lab, "make-tsp", &["key.p8", "tsa.der", "request.tsq", "theirs.tsr"]);
        assert!(right, "{said}");
        let judged = lab.judge_answer(&lab.read("request.tsq"), &lab.read("theirs.tsr"));
        assert_eq!(judged.as_deref(), Ok(TSA));
    }
}

#[test]
fn rfc3161_client_accepts_our_tokens() {
    const TEST: &str = "rfc3161_client_accepts_our_tokens";
    let interpreter = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/venv/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/python/verify_time_stamp.py");
    if !interpreter.exists() {
        return skip(TEST, "target/peers");
    }
    for lab in
        [Lab::p256("rfc3161-p256"), Lab::rsa("rfc3161-rsa", SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256))]
    {
        lab.request_and_response(DigestAlgorithm::Sha512, b"content\n");
        let judge = |content: &str| {
            let mut command = Command::new(&interpreter);
            command.arg(&script).args(["root.pem", "tsa.pem", "request.tsq", "response.tsr", content]);
            run(command.current_dir(&lab.folder))
        };
        let (right, said) = judge("content");
        assert!(right, "{said}");
        lab.write("other", b"other\n");
        assert!(!judge("other").0);
    }
}

/// GB/T 35275's own identifiers: no peer here reads them, so ours read what ours write, and every change is noticed.
#[test]
fn messages_of_the_national_family_are_right_and_break_when_touched() {
    let lab = Lab::sm2("own-gm");
    for (attached, with_attributes) in [(false, true), (true, true), (true, false)] {
        let der = lab.message(Family::Gm, attached, with_attributes, false);
        assert_eq!(verdict(&der, Some(b"content\n")), "right");
        assert_eq!(
            verdict(&der, Some(b"kontent\n")),
            match (attached, with_attributes) {
                (true, _) => "content-differs",
                (false, _) => "message-digest-mismatch",
            }
        );
        let read = SignedData::parse(&der).unwrap();
        assert_eq!((read.family, read.version, read.deviations.len()), (Family::Gm, 1, 0));
    }
}
