//! Messages that we sign, in every form, by every kind of key: judged by us and by software that is not ours.
//!
//! Peers: Bouncy Castle, `openssl`, Node with jose. Where one is absent its test says SKIPPED by name; it fails instead
//! under `CI` or `YINXIN_TEST_PEERS=require`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "clippy excuses `#[test]` functions, not what they call"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;
use serde_json::{Value, json};
use yinxin::base::clock::Timestamp;
use yinxin::base::limits::Limits;
use yinxin::base::random::SystemRandom;
use yinxin::config::verification::built_in;
use yinxin::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use yinxin::crypto::digest::{digest, hex, sm3};
use yinxin::crypto::sm2::KeyTables;
use yinxin::crypto::{Signer, ecdsa, ed25519, rsa, sm2};
use yinxin::domain::message::{Content, ContentDigest, Error, Form, MessageValue, Order, Signatory, prepare};
use yinxin::domain::stamp::clock::Precision;
use yinxin::domain::stamp::{
    Authority, ClockDiscipline, Offer, Reading, Thresholds, judge as judge_request, prepare as prepare_stamp,
};
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::domain::verify::{Evidence, Ground, Original, OriginalDigest, Remembered, verify_over};
use yinxin::format::cms::{Family, SignedData};
use yinxin::format::der::{ObjectIdentifier, Writer};
use yinxin::format::jose::to_base64url;
use yinxin::format::keys::write_pem;
use yinxin::format::ofd::container::Container;
use yinxin::format::tsp::NewTimeStampReq;
use yinxin::format::x509::extension::{BasicConstraints, ExtendedKeyUsage, TIME_STAMPING};
use yinxin::format::x509::{KeyUsage, NewCertificate, NewExtension, NewName};
use yinxin::service::development::NOTICE;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const CONTENT: &[u8] = b"a content of somebody's\n";
const OTHER: &[u8] = b"a content of another's\n\n";
const URI: &str = "urn:example:content";
const SIGNED_DATA: [Form; 4] = [Form::Cms, Form::CadesB, Form::CadesT, Form::Gbt35275];
const JSON: [Form; 2] = [Form::Jws, Form::JwsJson];
const PASSED: &str = "TOTAL_PASSED - passed";

fn skip(test: &str, absent: &str) {
    println!("SKIPPED {test}: {absent} absent");
    let required =
        std::env::var_os("CI").is_some() || std::env::var("YINXIN_TEST_PEERS").is_ok_and(|peers| peers == "require");
    assert!(!required, "{absent} is required and absent");
}

/// A certificate for tests alone.
fn certificate(
    (subject, key): (&str, &dyn Signer),
    (issuer, issuer_key): (&str, &dyn Signer),
    extensions: &[NewExtension],
) -> Vec<u8> {
    let name = |text: &str| NewName { organisation: "Yinxin".into(), common_name: text.into() }.to_der();
    let oid = issuer_key.algorithm().oid().unwrap();
    let mut writer = Writer::new();
    writer.sequence(|tbs| {
        tbs.context(0, |version| _ = version.small(2));
        tbs.unsigned(&digest(DigestAlgorithm::Sm3, subject.as_bytes())[..16]);
        tbs.sequence(|identifier| _ = identifier.oid(oid));
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
    NewCertificate::assemble(&tbs, oid, &encode_value(issuer_key.algorithm(), &value))
}

/// A signer with its certificate by a root, a time-stamping authority by the same root, and a folder for peers.
struct Lab {
    folder: PathBuf,
    key: Box<dyn Signer>,
    certificate: Vec<u8>,
    root: Vec<u8>,
    stamper: (sm2::PrivateKey, Vec<u8>),
}

impl Lab {
    fn new(test: &str, kind: &str) -> Self {
        let key: Box<dyn Signer> = match kind {
            "sm2" => Box::new(sm2::PrivateKey::generate(&SystemRandom).unwrap()),
            "p256" => Box::new(ecdsa::PrivateKey::generate(&SystemRandom).unwrap()),
            "ed25519" => Box::new(ed25519::PrivateKey::generate(&SystemRandom).unwrap()),
            "rsa" => {
                let algorithm = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
                Box::new(rsa::PrivateKey::generate(3072).unwrap().signing_with(algorithm).unwrap())
            }
            _ => panic!("{kind}"),
        };
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("messages").join(format!("{test}-{kind}"));
        fs::create_dir_all(&folder).unwrap();
        let root_key = ecdsa::PrivateKey::generate(&SystemRandom).unwrap();
        let stamping_key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        let signs = NewExtension::new(true, &KeyUsage(KeyUsage::DIGITAL_SIGNATURE));
        let root = certificate(
            ("root", &root_key),
            ("root", &root_key),
            &[
                NewExtension::new(true, &BasicConstraints { authority: true, path_length: None }),
                NewExtension::new(true, &KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN)),
            ],
        );
        let own = certificate(("signer", &*key), ("root", &root_key), std::slice::from_ref(&signs));
        let stamps = NewExtension::new(true, &ExtendedKeyUsage(vec![TIME_STAMPING]));
        let stamper = certificate(("stamper", &stamping_key), ("root", &root_key), &[signs, stamps]);
        let lab = Self { folder, key, certificate: own, root, stamper: (stamping_key, stamper) };
        lab.write("signer.der", &lab.certificate);
        lab.write("signer.pem", write_pem(&lab.certificate, "CERTIFICATE").as_bytes());
        lab.write("root.pem", write_pem(&lab.root, "CERTIFICATE").as_bytes());
        lab.write("content", CONTENT);
        lab
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.join(name), bytes).unwrap();
    }

    fn kind(&self) -> DigestAlgorithm {
        self.key.algorithm().digest()
    }

    fn signatory(&self) -> Signatory<'_> {
        Signatory { certificate: &self.certificate, chain: &[], algorithm: self.key.algorithm() }
    }

    /// The message but for a time stamp.
    fn value<'a>(&'a self, form: Form, content: Content<'a>) -> Result<MessageValue<'a>, Error> {
        let token = prepare(&Order { form, content, lock: false }, self.signatory(), NOW, &Limits::DEFAULT)?;
        let value = self.key.sign(token.to_sign(), &SystemRandom).unwrap();
        token.value(&value, &KeyTables::default())
    }

    /// The message, with a time stamp where the form needs one.
    fn sign(&self, form: Form, content: Content<'_>) -> Result<Vec<u8>, Error> {
        let value = self.value(form, content)?;
        let token = (form == Form::CadesT).then(|| self.stamp(value.octets()));
        value.assemble(token.as_deref())
    }

    /// A time stamp over octets.
    fn stamp(&self, octets: &[u8]) -> Vec<u8> {
        let policy = ObjectIdentifier::new_unwrap("1.2.3.4");
        let (key, certificate) = &self.stamper;
        let request = NewTimeStampReq {
            algorithm: DigestAlgorithm::Sm3.oid(),
            digest: &sm3(octets),
            policy: None,
            nonce: None,
            certificate_wanted: true,
        }
        .to_der();
        let policies = &[policy];
        let digests = &DigestAlgorithm::ALL;
        let offer = Offer { chain: &[], policies, digests, tsa: None, family: Family::Cms };
        let authority = Authority::new(certificate, key.algorithm(), offer).unwrap();
        let accepted = judge_request(&request, &authority).unwrap();
        let thresholds = Thresholds { sources: 0, ..Thresholds::DEFAULT };
        let mut clock = ClockDiscipline::new(thresholds, Precision::Milliseconds, false, None);
        let time = clock.stamp(&Reading { monotonic: 0, wall: NOW.unix() * 1_000_000, sources: &[] }).unwrap();
        let token = prepare_stamp(&accepted, &authority, time, &[0x71; 16]).unwrap();
        let value = key.sign(token.to_sign(), &SystemRandom).unwrap();
        token.assemble(&value, &KeyTables::default()).unwrap().token
    }

    fn report(&self, message: &[u8], original: Option<Original<'_>>) -> Value {
        let mut trust = TrustAnchors::none();
        trust.add_anchors(&self.root, "root").unwrap();
        let ground = Ground {
            trust: &trust,
            policy: &built_in("default", &|text| hex(&sm3(text))).unwrap(),
            now: NOW.plus_seconds(60),
            limits: &Limits::DEFAULT,
            remembered: &Remembered::default(),
            evidence: &Evidence::none(),
            log_keys: &[],
        };
        serde_json::to_value(verify_over("file", message, original, &ground)).unwrap()
    }

    fn verdict(&self, message: &[u8], original: Option<Original<'_>>) -> String {
        let report = self.report(message, original);
        if let Some(code) = report["error"]["code"].as_str() {
            return format!("REFUSED {code}");
        }
        let first = &report["signatures"][0];
        let sub = first["sub_indication"].as_str().unwrap_or("-");
        format!("{} {sub} {}", first["indication"].as_str().unwrap(), first["code"].as_str().unwrap())
    }
}

/// The digest of a content as somebody hands it in.
fn handed<'a>(algorithm: DigestAlgorithm, value: &'a [u8], uri: Option<&'a str>) -> Content<'a> {
    Content::Digest(ContentDigest { algorithm, value, uri })
}

fn told(algorithm: DigestAlgorithm, octets: &[u8]) -> OriginalDigest {
    OriginalDigest::parse(&format!("{}:{}", algorithm.name(), hex(&digest(algorithm, octets)))).unwrap()
}

const KEYS: [&str; 4] = ["sm2", "p256", "rsa", "ed25519"];

/// Every form of SignedData, by every key, attached, detached and from a digest.
#[test]
fn signed_data_of_every_form_is_judged_right() {
    for kind in KEYS {
        let lab = Lab::new("own", kind);
        let content_digest = digest(lab.kind(), CONTENT);
        for form in SIGNED_DATA {
            let what = format!("{kind} {}", form.name());
            let contents =
                [Content::Attached(CONTENT), Content::Detached(CONTENT), handed(lab.kind(), &content_digest, None)];
            for content in contents {
                let signed = lab.sign(form, content);
                if form == Form::Gbt35275 && kind != "sm2" {
                    assert_eq!(signed.unwrap_err().code(), "form-unfit-for-key", "{what}");
                    continue;
                }
                let message = signed.unwrap();
                let attached = matches!(content, Content::Attached(_));
                let (right, wrong) = (told(lab.kind(), CONTENT), told(lab.kind(), OTHER));
                assert_eq!(lab.verdict(&message, Some(Original::Bytes(CONTENT))), PASSED, "{what}");
                assert_eq!(lab.verdict(&message, Some(Original::Digest(&right))), PASSED, "{what}");
                let alone = if attached { PASSED } else { "INDETERMINATE SIGNED_DATA_NOT_FOUND original-missing" };
                assert_eq!(lab.verdict(&message, None), alone, "{what}");
                let code = if attached { "data-hash-wrong" } else { "message-digest-mismatch" };
                let differs = format!("TOTAL_FAILED HASH_FAILURE {code}");
                assert_eq!(lab.verdict(&message, Some(Original::Bytes(OTHER))), differs, "{what}");
                assert_eq!(lab.verdict(&message, Some(Original::Digest(&wrong))), differs, "{what}");
                let report = lab.report(&message, Some(Original::Bytes(CONTENT)));
                let first = &report["signatures"][0];
                let is_national = kind == "sm2" && form != Form::Cms;
                assert_eq!(first["kind"], if is_national { "gbt35275" } else { "cms" }, "{what}");
                assert_eq!(first["details"]["claimed_time"], NOW.to_string(), "{what}");
                assert_eq!(first["details"]["proved_time"].is_string(), form == Form::CadesT, "{what}");
                let named = first["signature"]["evidence"].to_string().contains("RFC 5035");
                assert_eq!(named, matches!(form, Form::CadesB | Form::CadesT), "{what}");
                let read = SignedData::parse(&message).unwrap();
                assert_eq!(read.deviations, [], "{what}");
                assert!(read.signers[0].signed_attributes.is_some(), "{what}");
            }
        }
    }
}

/// Every form of JSON Web Signature, by every key: attached, detached, and from a digest with a name.
#[test]
fn json_web_signatures_of_every_form_are_judged_right() {
    for kind in KEYS {
        let lab = Lab::new("own-jws", kind);
        for form in JSON {
            let what = format!("{kind} {}", form.name());
            let original = |octets| Some(Original::Bytes(octets));
            let attached = lab.sign(form, Content::Attached(CONTENT)).unwrap();
            assert_eq!(lab.verdict(&attached, None), PASSED, "{what}");
            assert_eq!(lab.verdict(&attached, original(CONTENT)), PASSED, "{what}");
            let differs = "TOTAL_FAILED HASH_FAILURE content-differs";
            assert_eq!(lab.verdict(&attached, original(OTHER)), differs, "{what}");

            let missing = "INDETERMINATE SIGNED_DATA_NOT_FOUND original-missing";
            let detached = lab.sign(form, Content::Detached(CONTENT)).unwrap();
            assert_eq!(lab.verdict(&detached, original(CONTENT)), PASSED, "{what}");
            let wrong = "TOTAL_FAILED SIG_CRYPTO_FAILURE signature-wrong";
            assert_eq!(lab.verdict(&detached, original(OTHER)), wrong, "{what}");
            assert_eq!(lab.verdict(&detached, None), missing, "{what}");
            let right = told(DigestAlgorithm::Sm3, CONTENT);
            let refused = "REFUSED digest-not-enough";
            assert_eq!(lab.verdict(&detached, Some(Original::Digest(&right))), refused, "{what}");

            for algorithm in DigestAlgorithm::ALL {
                let what = format!("{what} {}", algorithm.name());
                let value = digest(algorithm, CONTENT);
                let message = lab.sign(form, handed(algorithm, &value, Some(URI))).unwrap();
                assert_eq!(lab.verdict(&message, original(CONTENT)), PASSED, "{what}");
                let (right, other) = (told(algorithm, CONTENT), told(algorithm, OTHER));
                assert_eq!(lab.verdict(&message, Some(Original::Digest(&right))), PASSED, "{what}");
                let differs = "TOTAL_FAILED HASH_FAILURE message-digest-mismatch";
                assert_eq!(lab.verdict(&message, original(OTHER)), differs, "{what}");
                assert_eq!(lab.verdict(&message, Some(Original::Digest(&other))), differs, "{what}");
                assert_eq!(lab.verdict(&message, None), missing, "{what}");
                let unlike = DigestAlgorithm::ALL.into_iter().find(|other| *other != algorithm).unwrap();
                let unlike = told(unlike, CONTENT);
                assert_eq!(lab.verdict(&message, Some(Original::Digest(&unlike))), missing, "{what}");
                let report = lab.report(&message, original(CONTENT));
                assert_eq!(report["signatures"][0]["details"]["data_hash_algorithm"], algorithm.name(), "{what}");
            }
        }
    }
}

/// A JWS by a key, over a header that is written here.
fn jws_over(lab: &Lab, header: &Value, payload: &str) -> Vec<u8> {
    let mut header = header.clone();
    header["alg"] = "ES256".into();
    use base64::Engine as _;
    header["x5c"] = json!([base64::engine::general_purpose::STANDARD.encode(&lab.certificate)]);
    let signed = format!("{}.{payload}", to_base64url(header.to_string().as_bytes()));
    let value = lab.key.sign(signed.as_bytes(), &SystemRandom).unwrap();
    format!("{signed}.{}", to_base64url(&value)).into_bytes()
}

/// What JAdES of others may say by `sigD`, and what is made of it.
#[test]
fn digests_in_headers_of_others_are_judged_exactly() {
    let lab = Lab::new("sigd", "p256");
    let hash = |octets: &[u8]| to_base64url(&digest(DigestAlgorithm::Sha256, octets));
    let objects = |method: &str, digests: &[String]| {
        let names = vec!["urn:example:one"; digests.len()];
        let mechanism = "http://uri.etsi.org/19182/ObjectIdByURIHash";
        json!({"mId": mechanism, "pars": names, "hashM": method, "hashV": digests})
    };
    let raw = |sig_d: Value| json!({"sigD": sig_d, "b64": false, "crit": ["sigD", "b64"]});
    let encoded = |sig_d: Value| json!({"sigD": sig_d, "crit": ["sigD"]});
    let of_text = hash(to_base64url(CONTENT).as_bytes());
    let right = told(DigestAlgorithm::Sha256, CONTENT);
    let (octets, by_digest) = (Some(Original::Bytes(CONTENT)), Some(Original::Digest(&right)));
    let missing = "INDETERMINATE SIGNED_DATA_NOT_FOUND original-missing";
    let differs = "TOTAL_FAILED HASH_FAILURE message-digest-mismatch";
    let refused = "REFUSED digest-not-enough";
    let unknown = "TOTAL_FAILED FORMAT_FAILURE jws-crit-unknown";
    for (what, header, by_octets, by_its_digest) in [
        ("octets", raw(objects("S256", &[hash(CONTENT)])), PASSED, PASSED),
        ("Base64url", encoded(objects("S256", std::slice::from_ref(&of_text))), PASSED, refused),
        ("octets where Base64url is meant", encoded(objects("S256", &[hash(CONTENT)])), differs, refused),
        ("Base64url where octets are meant", raw(objects("S256", &[of_text])), differs, differs),
        ("one of two", raw(objects("S256", &[hash(OTHER), hash(CONTENT)])), missing, missing),
        ("none of two", raw(objects("S256", &[hash(OTHER), hash(b"")])), differs, differs),
        ("cut", raw(objects("S256", &[hash(CONTENT)[..40].to_owned()])), differs, differs),
        (
            "unknown digest",
            raw(objects("S3-256", &[hash(CONTENT)])),
            "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE algorithm-not-accepted",
            "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE algorithm-not-accepted",
        ),
        (
            "another mechanism",
            encoded(json!({"mId": "http://uri.etsi.org/19182/HttpHeaders", "pars": []})),
            unknown,
            refused,
        ),
    ] {
        let message = jws_over(&lab, &header, "");
        assert_eq!(lab.verdict(&message, octets), by_octets, "{what}");
        assert_eq!(lab.verdict(&message, by_digest), by_its_digest, "{what}");
    }
    // Not critical: whoever passes over sigD finds an empty payload, and so do we.
    let loose = jws_over(&lab, &json!({"sigD": objects("S256", &[hash(CONTENT)])}), "");
    assert_eq!(lab.verdict(&loose, octets), "TOTAL_FAILED SIG_CRYPTO_FAILURE signature-wrong");
    let both = jws_over(&lab, &encoded(objects("S256", &[hash(CONTENT)])), &to_base64url(CONTENT));
    assert_eq!(lab.verdict(&both, octets), "TOTAL_FAILED FORMAT_FAILURE jws-sigd-payload");
}

/// Documents with a signature of type Sign: open to others, or closed.
#[test]
fn documents_are_signed_and_signed_again_unless_locked() {
    for kind in KEYS {
        let lab = Lab::new("own-ofd", kind);
        let once = lab.sign(Form::OfdSign, Content::Attached(NOTICE)).unwrap();
        assert_eq!(lab.verdict(&once, None), PASSED, "{kind}");
        let report = lab.report(&once, None);
        assert_eq!(report["signatures"][0]["seal"]["status"], "not_applicable", "{kind}");
        let twice = lab.sign(Form::OfdSign, Content::Attached(&once)).unwrap();
        assert_eq!(lab.report(&twice, None)["signatures"].as_array().unwrap().len(), 2, "{kind}");
        assert_eq!(lab.report(&twice, None)["indication"], "TOTAL_PASSED", "{kind}");
        let value = lab.value(Form::OfdSign, Content::Attached(NOTICE)).unwrap();
        let token = lab.stamp(value.octets());
        let stamped = value.assemble(Some(&token)).unwrap();
        // The latest moment that the stamp's accuracy leaves open.
        let proved = NOW.plus_seconds(1).to_string();
        assert_eq!(lab.report(&stamped, None)["signatures"][0]["details"]["proved_time"], proved, "{kind}");

        let order = Order { form: Form::OfdSign, content: Content::Attached(NOTICE), lock: true };
        let locked = prepare(&order, lab.signatory(), NOW, &Limits::DEFAULT).unwrap();
        let value = lab.key.sign(locked.to_sign(), &SystemRandom).unwrap();
        let locked = locked.value(&value, &KeyTables::default()).unwrap().assemble(None).unwrap();
        assert_eq!(lab.verdict(&locked, None), PASSED, "{kind}");
        let refused = lab.sign(Form::OfdSign, Content::Attached(&locked)).unwrap_err();
        assert_eq!(refused.code(), "document-locked", "{kind}");
    }
}

/// What cannot be signed is refused by its name, and so is a value of another key.
#[test]
fn each_refusal_has_its_name() {
    let lab = Lab::new("refusals", "p256");
    let code = |form, content| lab.sign(form, content).map(|_| "signed").unwrap_or_else(|error| error.code());
    let value = digest(DigestAlgorithm::Sha256, CONTENT);
    let sha256 = |uri| handed(DigestAlgorithm::Sha256, &value, uri);
    for form in [Form::Cms, Form::CadesB, Form::CadesT] {
        assert_eq!(code(form, handed(DigestAlgorithm::Sm3, &value, None)), "digest-of-another-algorithm");
        assert_eq!(code(form, handed(DigestAlgorithm::Sha256, &value[1..], None)), "digest-length");
        assert_eq!(code(form, sha256(Some(URI))), "signed");
    }
    for form in JSON {
        assert_eq!(code(form, sha256(None)), "digest-not-enough");
        assert_eq!(code(form, handed(DigestAlgorithm::Sha256, &value[1..], Some(URI))), "digest-length");
        assert_eq!(code(form, sha256(Some(""))), "content-name");
        assert_eq!(code(form, sha256(Some("a b"))), "content-name");
        assert_eq!(code(form, sha256(Some("公文"))), "content-name");
    }
    assert_eq!(code(Form::OfdSign, sha256(Some(URI))), "digest-not-enough");
    assert_eq!(code(Form::OfdSign, Content::Detached(NOTICE)), "form-holds-content");
    assert_eq!(code(Form::OfdSign, Content::Attached(CONTENT)), "zip-malformed");
    assert_eq!(code(Form::Gbt35275, Content::Attached(CONTENT)), "form-unfit-for-key");

    for form in Form::ALL.into_iter().filter(|form| *form != Form::Gbt35275) {
        let content = Content::Attached(if form == Form::OfdSign { NOTICE } else { CONTENT });
        let order = Order { form, content, lock: false };
        let assembled =
            |token: Option<&[u8]>| lab.value(form, content).unwrap().assemble(token).err().map(|e| e.code());
        let foreign = lab.stamp(b"another value");
        let (none, other) = match form {
            Form::CadesT => (Some("time-stamp-missing"), "time-stamp-of-another"),
            Form::CadesB | Form::Jws | Form::JwsJson => (None, "form-unfit-for-time-stamp"),
            _ => (None, "time-stamp-of-another"),
        };
        assert_eq!(assembled(None), none, "{}", form.name());
        assert_eq!(assembled(Some(&foreign)), Some(other), "{}", form.name());
        if other == "time-stamp-of-another" {
            assert_eq!(assembled(Some(b"no token")), Some(other), "{}", form.name());
        }
        let token = prepare(&order, lab.signatory(), NOW, &Limits::DEFAULT).unwrap();
        let stranger = ecdsa::PrivateKey::generate(&SystemRandom).unwrap();
        let value = stranger.sign(token.to_sign(), &SystemRandom).unwrap();
        assert_eq!(token.value(&value, &KeyTables::default()).unwrap_err(), Error::Signature, "{}", form.name());
        let late = prepare(&order, lab.signatory(), Timestamp::from_unix(2_000_000_001), &Limits::DEFAULT);
        assert_eq!(late.unwrap_err().code(), "message-certificate-outside-validity", "{}", form.name());
        let authority = Signatory { certificate: &lab.root, ..lab.signatory() };
        let refused = prepare(&order, authority, NOW, &Limits::DEFAULT).unwrap_err();
        assert_eq!(refused, Error::Certificate, "{}", form.name());
        assert_eq!(Form::from_name(form.name()), Some(form));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A digest is worth as much as the content: the same bytes are signed, and the same message comes of it.
    #[test]
    fn by_digest_and_by_octets_are_the_same_message(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let lab = Lab::new("same", "sm2");
        let value = sm3(&octets);
        for form in SIGNED_DATA {
            let prepared = [Content::Detached(&octets), handed(DigestAlgorithm::Sm3, &value, None)]
                .map(|content| prepare(&Order { form, content, lock: false }, lab.signatory(), NOW, &Limits::DEFAULT).unwrap());
            prop_assert_eq!(prepared[0].to_sign(), prepared[1].to_sign());
            // What is signed is a SET OF attributes of ours, whatever was handed in.
            prop_assert_eq!(prepared[0].to_sign()[0], 0x31);
            let signed = lab.key.sign(prepared[0].to_sign(), &SystemRandom).unwrap();
            let values = prepared.map(|token| token.value(&signed, &KeyTables::default()).unwrap());
            let token = (form == Form::CadesT).then(|| lab.stamp(values[0].octets()));
            let [by_octets, by_digest] = values.map(|value| value.assemble(token.as_deref()).unwrap());
            prop_assert_eq!(by_octets, by_digest);
        }
    }
}

fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), [stdout, stderr].iter().map(|text| String::from_utf8_lossy(text)).collect())
}

/// Messages of that lab in every form that peers read, and one of each that is broken.
fn messages(lab: &Lab, forms: &[Form]) -> Vec<(String, bool, bool)> {
    let content_digest = digest(lab.kind(), CONTENT);
    let mut made = Vec::new();
    for form in forms {
        let contents = [
            ("attached", Content::Attached(CONTENT)),
            ("detached", Content::Detached(CONTENT)),
            ("digest", handed(lab.kind(), &content_digest, None)),
            ("other", Content::Detached(OTHER)),
        ];
        for (how, content) in contents {
            let name = format!("{}-{how}.der", form.name());
            lab.write(&name, &lab.sign(*form, content).unwrap());
            made.push((name, how == "attached", how != "other"));
        }
    }
    made
}

#[test]
fn bouncy_castle_accepts_our_messages_and_refuses_other_contents() {
    const TEST: &str = "bouncy_castle_accepts_our_messages_and_refuses_other_contents";
    let jars = ["bcprov", "bcpkix", "bcutil"].map(|name| format!("/usr/share/java/{name}.jar"));
    let runs = Command::new("java").arg("-version").output().is_ok_and(|output| output.status.success());
    if !runs || !jars.iter().all(|jar| Path::new(jar).exists()) {
        return skip(TEST, "Java with Bouncy Castle");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/bouncycastle/JudgeMessages.java");
    for kind in KEYS {
        let lab = Lab::new("bouncy", kind);
        let forms = if kind == "sm2" { &SIGNED_DATA[..] } else { &SIGNED_DATA[..3] };
        let made = messages(&lab, forms);
        let mut command = Command::new("java");
        command.arg("-cp").arg(jars.join(":")).arg(&source).args(["messages", "signer.der", "content"]);
        let (_, said) = run(command.args(made.iter().map(|(name, ..)| name)).current_dir(&lab.folder));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!((lines.len(), lines.last()), (made.len() + 1, Some(&"ok")), "{kind}: {said}");
        for ((name, _, right), line) in made.iter().zip(lines) {
            assert_eq!(line == "right", *right, "{kind} {name}: {line}");
        }
    }
}

#[test]
fn openssl_accepts_our_messages_and_refuses_other_contents() {
    const TEST: &str = "openssl_accepts_our_messages_and_refuses_other_contents";
    if Command::new("openssl").arg("version").output().is_err() {
        return skip(TEST, "openssl");
    }
    let time = NOW.unix().to_string();
    let verify = |lab: &Lab, name: &str, attached: bool, content: &str| {
        let mut command = Command::new("openssl");
        command.current_dir(&lab.folder).args(["cms", "-verify", "-binary", "-inform", "DER", "-in", name]);
        command.args(["-CAfile", "root.pem", "-purpose", "any", "-attime", &time, "-out", "opened"]);
        if !attached {
            command.args(["-content", content]);
        }
        run(&mut command)
    };
    for kind in ["p256", "rsa"] {
        let lab = Lab::new("openssl", kind);
        for (name, attached, right) in messages(&lab, &[Form::Cms, Form::CadesB, Form::CadesT]) {
            let (accepted, said) = verify(&lab, &name, attached, "content");
            assert_eq!(accepted, right, "{kind} {name}: {said}");
            if accepted {
                assert_eq!(fs::read(lab.folder.join("opened")).unwrap(), CONTENT, "{kind} {name}");
            }
        }
        // The value of an OFD signature is a message over Signature.xml.
        let signed = lab.sign(Form::OfdSign, Content::Attached(NOTICE)).unwrap();
        let container = Container::read(&signed, &Limits::DEFAULT).unwrap();
        let part = |ending: &str| {
            let name = container.names().find(|name| name.as_str().ends_with(ending)).unwrap();
            container.required(name).unwrap().to_vec()
        };
        lab.write("value.der", &part("/SignedValue.dat"));
        lab.write("signature.xml", &part("/Signature.xml"));
        let (accepted, said) = verify(&lab, "value.der", false, "signature.xml");
        assert!(accepted, "{kind}: {said}");
        assert!(!verify(&lab, "value.der", false, "content").0, "{kind}");
    }
    // `openssl cms` gives SM2 no signer ID, so the value is judged by itself: over the attributes, with the ID of GB/T 35276.
    let lab = Lab::new("openssl", "sm2");
    let openssl = |line: &str| run(Command::new("openssl").args(line.split(' ')).current_dir(&lab.folder));
    assert!(openssl("x509 -in signer.pem -pubkey -noout -out signer.pub").0);
    let verify = "pkeyutl -verify -pubin -inkey signer.pub -rawin -digest sm3 -pkeyopt distid:1234567812345678";
    for (name, ..) in messages(&lab, &SIGNED_DATA) {
        let message = fs::read(lab.folder.join(&name)).unwrap();
        let read = SignedData::parse(&message).unwrap();
        lab.write("attributes", &read.signers[0].signed_attributes.as_ref().unwrap().to_sign());
        lab.write("value", read.signers[0].signature);
        let (accepted, said) = openssl(&format!("{verify} -in attributes -sigfile value"));
        assert!(accepted, "{name}: {said}");
        assert!(!openssl(&format!("{verify} -in content -sigfile value")).0, "{name}");
    }
}

#[test]
fn jose_accepts_our_signatures_and_refuses_other_contents() {
    const TEST: &str = "jose_accepts_our_signatures_and_refuses_other_contents";
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers/js/node_modules");
    let runs = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !runs || !modules.join("jose").exists() {
        return skip(TEST, "Node with jose");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/js/verify_jws.mjs");
    for (kind, algorithm) in [("p256", "ES256"), ("rsa", "RS256"), ("ed25519", "EdDSA")] {
        let lab = Lab::new("jose", kind);
        let value = digest(DigestAlgorithm::Sha256, CONTENT);
        let (mut cases, mut expected) = (Vec::new(), Vec::new());
        let content = to_base64url(CONTENT);
        for form in JSON {
            let mut case = |signed: Content<'_>, payload: Option<&[u8]>, said: String| {
                let jws = String::from_utf8(lab.sign(form, signed).unwrap()).unwrap();
                cases.push(json!({"jws": jws, "payload": payload.map(to_base64url)}));
                expected.push(said);
            };
            case(Content::Attached(CONTENT), None, format!("ok {content}"));
            case(Content::Detached(CONTENT), Some(CONTENT), format!("ok {content}"));
            case(Content::Detached(CONTENT), Some(OTHER), "refused ERR_JWS_SIGNATURE_VERIFICATION_FAILED".to_owned());
            // By digest: the payload is empty, and what is signed stands in the header.
            let named = handed(DigestAlgorithm::Sha256, &value, Some(URI));
            case(named, Some(b""), "ok ".to_owned());
            case(named, Some(CONTENT), "refused ERR_JWS_SIGNATURE_VERIFICATION_FAILED".to_owned());
        }
        lab.write("cases.json", Value::from(cases).to_string().as_bytes());
        let mut command = Command::new("node");
        command.arg(&script).arg(&modules).args(["signer.pem", algorithm, "cases.json"]);
        let (right, said) = run(command.current_dir(&lab.folder));
        assert!(right, "{kind}: {said}");
        assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{kind}");
    }
}
