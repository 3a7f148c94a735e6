//! Signed reports over a real database: made by a key of their own, recorded, judged by us and by openssl; and refused
//! where the key may not be used.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use yinxin::base::id::AuthorityId;
use yinxin::base::limits::Limits;
use yinxin::config::verification::built_in;
use yinxin::crypto::algorithm::{DigestAlgorithm, SignatureAlgorithm};
use yinxin::crypto::digest::sm3;
use yinxin::crypto::sm2::KeyTables;
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::key::{KeyAlgorithm, KeySuspensionReason};
use yinxin::domain::trust::key::encode_value;
use yinxin::domain::verify::signed_report::{Signatory, prepare};
use yinxin::domain::verify::{Indication, Report};
use yinxin::format::jose::to_base64url;
use yinxin::format::keys::write_pem;
use yinxin::format::ofd::container::Container;
use yinxin::format::ofd::signing::replace_part;
use yinxin::format::x509::Certificate;
use yinxin::render::page::Document;
use yinxin::service::Services;
use yinxin::service::authorities::{self, AuthorityKey, NewAuthority};
use yinxin::service::development::{self, DevelopmentPki, NOTICE, ORGANISATION};
use yinxin::service::issuance::Issuance;
use yinxin::service::keys::life_cycle::{resume, suspend};
use yinxin::service::signed_reports::{Form, seal, sign, unsigned_document};
use yinxin::service::units::{NewUnit, UnitRole, establish, list, retire};
use yinxin::service::verification::{Verification, sm3_hex};

use crate::service::installation::{self, NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const REPORT: UnitRole = UnitRole::Report;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_signed_on_sqlite() {
    let folder = Folder::new("signed-reports");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_are_signed_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("signed reports on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("signed-reports-postgres") }).await;
}

async fn contract(place: Place) {
    let services = place.open().await;
    let profiles = Arc::new(yinxin::config::profiles::built_in().unwrap());
    let pki = development::ensure(&services, &profiles).await.unwrap();
    let issuance = Issuance::start(services.clone(), profiles);
    let report = report(&pki);
    for form in Form::ALL {
        let refused = sign(&services, (&Actor::Operator, None), &report, form).await.unwrap_err();
        assert_eq!(refused.code(), "report-signing-off", "no key yet");
    }
    development::ensure_unit(&services, &issuance, &pki, REPORT).await.unwrap();
    development::ensure_unit(&services, &issuance, &pki, REPORT).await.unwrap();
    assert_eq!(list(&services, REPORT).await.unwrap().len(), 1, "made once");
    every_form_is_recorded_and_passes(&services, &pki, &report).await;
    a_document_is_sealed(&services, &pki, &report).await;
    what_was_changed_does_not_pass(&services, &pki, &report).await;
    a_key_that_rests_signs_nothing(&services, &report).await;
    keys_of_other_kinds_sign_for_peers(&services, &place, &issuance, &report).await;
    a_retired_key_signs_nothing(&services, &report).await;
}

/// The report on the notice, which bears no signature, with the digest of its file.
fn report(pki: &DevelopmentPki) -> Report {
    let mut report = judge(pki, "通知 <&>.ofd", NOTICE);
    report.document_sm3 = Some(sm3_hex(NOTICE));
    report
}

fn judge(pki: &DevelopmentPki, name: &str, bytes: &[u8]) -> Report {
    let policy = built_in("default", &sm3_hex).unwrap();
    let mut judge = Verification::new(policy, NOW, Limits::DEFAULT);
    judge.add_anchors(&pki.root, "root").unwrap();
    judge.judge(name, bytes, None)
}

async fn signed(services: &Services, report: &Report, form: Form) -> Vec<u8> {
    sign(services, (&Actor::Operator, None), report, form).await.unwrap()
}

async fn every_form_is_recorded_and_passes(services: &Services, pki: &DevelopmentPki, report: &Report) {
    let json = report.to_json();
    assert_eq!(unsigned_document(report).unwrap(), unsigned_document(report).unwrap());
    for (form, kind) in [(Form::Jws, "jws"), (Form::Cms, "gbt35275"), (Form::Ofd, "gbt35275")] {
        let before = events(services).await.len();
        let bytes = signed(services, report, form).await;
        // The certificates between signer and anchor go along: the anchor alone leads to a verdict.
        let verdict = judge(pki, "report", &bytes);
        let [signature] = verdict.signatures.as_slice() else { panic!("{verdict:?}") };
        assert_eq!(verdict.indication, Indication::TotalPassed, "{form:?}: {}", verdict.to_json());
        assert_eq!(signature.details.claimed_time, Some(NOW));
        assert_eq!(verdict.format, Some(if form == Form::Cms { "cms" } else { form.name() }));
        assert!(signature.kind == kind || (form == Form::Cms && signature.kind == "cms"), "{}", signature.kind);
        let made = events(services).await.split_off(before);
        let [event] = made.as_slice() else { panic!("{made:?}") };
        let certificate_sm3 = list(services, REPORT).await.unwrap()[0].certificate.sm3;
        let key = list(services, REPORT).await.unwrap()[0].key.clone();
        let (report_sm3, result_sm3, name) = (sm3(json.as_bytes()), sm3(&bytes), form.name().to_owned());
        let expected = EventBody::ReportSigned { report_sm3, form: name, certificate_sm3, key, result_sm3 };
        assert_eq!(event.body, expected);
    }
    let ofd = signed(services, report, Form::Ofd).await;
    let container = Container::read(&ofd, &Limits::DEFAULT).unwrap();
    let attached = container.names().find(|name| name.as_str().ends_with("report.json")).unwrap();
    assert_eq!(container.part(attached), Some(json.as_bytes()));
    let verdict = judge(pki, "report.ofd", &ofd);
    assert_eq!(verdict.coverage.unwrap().coverage, "full");
    assert_eq!(verdict.warnings.iter().filter(|warning| warning.code.starts_with("unprotected")).count(), 0);
    let document = Document::open(&container, 0, &Limits::DEFAULT).unwrap();
    let page = document.render_page(0, &[]).unwrap();
    for told in
        ["没有签名", "通知 <&>.ofd", "文件里没有电子签章或签名", "A picture of a seal on a page proves nothing."]
    {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    assert!(page.unsupported.iter().all(|note| note.code == "font-substituted"), "{:?}", page.unsupported);
}

/// A report that bears a seal instead: judged as any sealed document, its stamp drawn, its use in the log.
async fn a_document_is_sealed(services: &Services, pki: &DevelopmentPki, report: &Report) {
    let (before, id) = (events(services).await.len(), &pki.seals[0].id);
    let sealed = seal(services, (&Actor::Operator, None), report, id).await.unwrap();
    let verdict = installation::report(pki, &sealed);
    let [signature] = verdict.signatures.as_slice() else { panic!("{verdict:?}") };
    assert_eq!((verdict.indication, signature.kind), (Indication::TotalPassed, "ses-v4"), "{}", verdict.to_json());
    assert_eq!(verdict.coverage.unwrap().coverage, "full");
    let classes: Vec<_> = events(services).await.split_off(before).iter().map(|event| event.class().name()).collect();
    assert_eq!(classes, ["signing-intended", "document-signed"]);
    let shown = yinxin::service::preview::preview(&sealed, &Limits::DEFAULT).unwrap();
    assert_eq!(shown.pages[0].stamps.len(), 1);
    let unknown = yinxin::base::id::SealId::parse("01890000-0000-7000-8000-000000000001").unwrap();
    let refused = seal(services, (&Actor::Operator, None), report, &unknown).await.unwrap_err();
    assert_eq!(refused.code(), "unknown-seal");
}

/// Whether our verification lets it pass.
fn passes(pki: &DevelopmentPki, bytes: &[u8]) -> bool {
    judge(pki, "report", bytes).indication == Indication::TotalPassed
}

async fn what_was_changed_does_not_pass(services: &Services, pki: &DevelopmentPki, report: &Report) {
    let jws = signed(services, report, Form::Jws).await;
    for at in (0..jws.len()).step_by(jws.len() / 40) {
        let mut changed = jws.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(!passes(pki, &changed), "octet {at} of the JWS");
    }
    // Another payload under the same header and value.
    let text = String::from_utf8(jws).unwrap();
    let parts: Vec<&str> = text.split('.').collect();
    let payload = String::from_utf8(decoded(parts[1])).unwrap();
    assert_eq!(payload, report.to_json());
    let forged = payload.replace("NO_SIGNATURE_FOUND", "TOTAL_PASSED");
    assert_ne!(payload, forged);
    assert!(!passes(pki, format!("{}.{}.{}", parts[0], to_base64url(forged.as_bytes()), parts[2]).as_bytes()));
    // The content of the message, octet by octet in steps.
    let cms = signed(services, report, Form::Cms).await;
    let start = cms.windows(payload.len()).position(|window| window == payload.as_bytes()).unwrap();
    for at in (start..start + payload.len()).step_by(payload.len() / 20) {
        let mut changed = cms.clone();
        changed[at] ^= 1;
        assert!(!passes(pki, &changed), "octet {at} of the CMS");
    }
    // Every part of the document.
    let ofd = signed(services, report, Form::Ofd).await;
    let container = Container::read(&ofd, &Limits::DEFAULT).unwrap();
    assert!(container.names().count() >= 9);
    for part in container.names() {
        let mut content = container.part(part).unwrap().to_vec();
        let last = content.len() - 3;
        content[last] ^= 1;
        let changed = replace_part(&container, &ofd, part, content, &Limits::DEFAULT).unwrap();
        assert!(!passes(pki, &changed), "{}", part.as_str());
    }
}

async fn a_key_that_rests_signs_nothing(services: &Services, report: &Report) {
    let key = list(services, REPORT).await.unwrap()[0].key.clone();
    suspend(services, &Actor::Operator, &key, KeySuspensionReason::OwnerRequest).await.unwrap();
    let before = events(services).await.len();
    let refused = sign(services, (&Actor::Operator, None), report, Form::Jws).await.unwrap_err();
    assert_eq!(refused.code(), "report-signing-off");
    assert_eq!(events(services).await.len(), before);
    resume(services, &Actor::Operator, &key).await.unwrap();
    signed(services, report, Form::Jws).await;
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

fn openssl(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// OpenSSL's word on a compact JWS, by the certificate in it.
fn judged_by_openssl(folder: &Path, jws: &[u8], (digest, algorithm): (&str, SignatureAlgorithm)) -> (bool, String) {
    let text = std::str::from_utf8(jws).unwrap();
    let (signed, value) = text.rsplit_once('.').unwrap();
    let header = decoded(signed.split('.').next().unwrap());
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let name = match algorithm {
        SignatureAlgorithm::Sm2Sm3 => "SM2-SM3",
        SignatureAlgorithm::RsaPkcs1(_) => "RS256",
        SignatureAlgorithm::RsaPss(_) => "PS256",
        _ => "ES256",
    };
    assert_eq!((&header["alg"], &header["crit"]), (&name.into(), &serde_json::json!(["sigT"])));
    let first = header["x5c"][0].as_str().unwrap();
    std::fs::write(
        folder.join("c.pem"),
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", wrapped(first)),
    )
    .unwrap();
    let value = decoded(value);
    std::fs::write(folder.join("v.der"), encode_value(algorithm, &value)).unwrap();
    std::fs::write(folder.join("signed"), signed).unwrap();
    let (fine, key) = openssl(folder, &["x509", "-in", "c.pem", "-pubkey", "-noout"]);
    assert!(fine, "{key}");
    std::fs::write(folder.join("k.pem"), key).unwrap();
    let mut arguments = vec![
        "pkeyutl", "-verify", "-rawin", "-digest", digest, "-pubin", "-inkey", "k.pem", "-sigfile", "v.der", "-in",
        "signed",
    ];
    if digest == "sm3" {
        arguments.extend(["-pkeyopt", "distid:1234567812345678"]);
    }
    if matches!(algorithm, SignatureAlgorithm::RsaPss(_)) {
        arguments.extend(["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]);
    }
    openssl(folder, &arguments)
}

fn wrapped(base64: &str) -> String {
    let letters: Vec<char> = base64.chars().collect();
    letters.chunks(64).map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

async fn keys_of_other_kinds_sign_for_peers(services: &Services, place: &Place, issuance: &Issuance, report: &Report) {
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip("signed reports by openssl", "openssl");
    }
    let folder = place.folder.path();
    let jws = signed(services, report, Form::Jws).await;
    let (fine, said) = judged_by_openssl(folder, &jws, ("sm3", SignatureAlgorithm::Sm2Sm3));
    assert!(fine, "{said}");
    let name = |common_name: &str| {
        vec![
            (AttributeKind::Organisation, ORGANISATION.to_owned()),
            (AttributeKind::CommonName, common_name.to_owned()),
        ]
    };
    let new = NewAuthority {
        id: AuthorityId::parse("p256").ok(),
        name: "P-256 根".into(),
        profile: "root".into(),
        parent: None,
        subject: name("P-256 根"),
        key: AuthorityKey::Generated(KeyAlgorithm::EcdsaP256),
        not_after: None,
        base_url: "http://ca.example".into(),
        crl_shards: 1,
    };
    let profiles = yinxin::config::profiles::built_in().unwrap();
    let made = authorities::create(services, &profiles, &Actor::Operator, &new).await.unwrap();
    let root = authorities::find(services, &made.id).await.unwrap().1;
    std::fs::write(folder.join("root.pem"), write_pem(&root, "CERTIFICATE")).unwrap();
    let p256 = (KeyAlgorithm::EcdsaP256, SignatureAlgorithm::EcdsaP256Sha256);
    let rsa = (KeyAlgorithm::Rsa, SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256));
    for (algorithm, signs_with) in [p256, rsa] {
        let (location, not_after) = (None, Some(NOW.plus_days(30)));
        let (subject, profile) = (name("验证报告"), "report-signer".to_owned());
        let unit = NewUnit { algorithm, location, subject, profile, not_after };
        let unit = establish(services, issuance, &Actor::Operator, (&made.id, REPORT), unit).await.unwrap();
        assert_eq!(list(services, REPORT).await.unwrap()[0].certificate.sm3, unit.sm3, "the newest key signs");
        openssl_takes_every_form(services, folder, report, signs_with).await;
    }
}

/// Every form that the newest report key signs, checked by openssl up to the root.
async fn openssl_takes_every_form(services: &Services, folder: &Path, report: &Report, algorithm: SignatureAlgorithm) {
    let jws = signed(services, report, Form::Jws).await;
    let (fine, said) = judged_by_openssl(folder, &jws, ("sha256", algorithm));
    assert!(fine, "{said}");
    let mut changed = jws.clone();
    let at = changed.iter().position(|octet| *octet == b'.').unwrap() + 9;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert!(!judged_by_openssl(folder, &changed, ("sha256", algorithm)).0);
    std::fs::write(folder.join("report.p7m"), signed(services, report, Form::Cms).await).unwrap();
    let time = NOW.plus_seconds(1).unix().to_string();
    let verify = [
        "cms",
        "-verify",
        "-inform",
        "DER",
        "-in",
        "report.p7m",
        "-CAfile",
        "root.pem",
        "-attime",
        &time,
        "-out",
        "out.json",
    ];
    let (fine, said) = openssl(folder, &verify);
    assert!(fine, "{said}");
    assert_eq!(std::fs::read(folder.join("out.json")).unwrap(), report.to_json().into_bytes());
    let ofd = signed(services, report, Form::Ofd).await;
    let container = Container::read(&ofd, &Limits::DEFAULT).unwrap();
    let part =
        |end: &str| container.part(container.names().find(|name| name.as_str().ends_with(end)).unwrap()).unwrap();
    std::fs::write(folder.join("value.p7s"), part("SignedValue.dat")).unwrap();
    std::fs::write(folder.join("Signature.xml"), part("Signature.xml")).unwrap();
    let verify = [
        "cms",
        "-verify",
        "-inform",
        "DER",
        "-binary",
        "-in",
        "value.p7s",
        "-content",
        "Signature.xml",
        "-CAfile",
        "root.pem",
        "-attime",
        &time,
        "-out",
        "out.xml",
    ];
    let (fine, said) = openssl(folder, &verify);
    assert!(fine, "{said}");
}

/// Keys of ours sign by RSASSA-PKCS1-v1_5; one elsewhere may sign by RSASSA-PSS. Here openssl makes the value.
#[test]
fn a_pss_signature_is_taken_by_peers() {
    let name = "signed reports with RSASSA-PSS by openssl";
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::skip(name, "openssl");
    }
    let folder = Folder::new("signed-reports-pss");
    let folder = folder.path();
    let made = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "key.pem",
        "-outform",
        "DER",
        "-out",
        "c.der",
        "-days",
        "2",
        "-subj",
        "/CN=PSS",
        "-addext",
        "keyUsage=critical,digitalSignature",
    ];
    let (fine, said) = openssl(folder, &made);
    assert!(fine, "{said}");
    let certificate = std::fs::read(folder.join("c.der")).unwrap();
    let now = Certificate::parse(&certificate).unwrap().not_before.plus_seconds(60);
    let algorithm = SignatureAlgorithm::RsaPss(DigestAlgorithm::Sha256);
    let signatory = Signatory { certificate: &certificate, chain: &[], algorithm };
    let content = br#"{"indication":"NO_SIGNATURE_FOUND"}"#;
    let sign = |form: Form, spoilt: bool| {
        let token = prepare(form, content, signatory, now, &Limits::DEFAULT).unwrap();
        std::fs::write(folder.join("to-sign"), token.to_sign()).unwrap();
        let arguments = [
            "dgst",
            "-sha256",
            "-sign",
            "key.pem",
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:32",
            "-out",
            "value",
            "to-sign",
        ];
        let (fine, said) = openssl(folder, &arguments);
        assert!(fine, "{said}");
        let mut value = std::fs::read(folder.join("value")).unwrap();
        value[40] ^= u8::from(spoilt);
        token.assemble(&value, &KeyTables::default())
    };
    for form in [Form::Jws, Form::Cms] {
        assert_eq!(sign(form, true).unwrap_err().code(), "report-not-signed");
    }
    let (fine, said) = judged_by_openssl(folder, &sign(Form::Jws, false).unwrap(), ("sha256", algorithm));
    assert!(fine, "{said}");
    std::fs::write(folder.join("report.p7m"), sign(Form::Cms, false).unwrap()).unwrap();
    let (fine, said) = openssl(folder, &["x509", "-inform", "DER", "-in", "c.der", "-out", "root.pem"]);
    assert!(fine, "{said}");
    let verify = [
        "cms",
        "-verify",
        "-inform",
        "DER",
        "-in",
        "report.p7m",
        "-CAfile",
        "root.pem",
        "-purpose",
        "any",
        "-out",
        "out.json",
    ];
    let (fine, said) = openssl(folder, &verify);
    assert!(fine, "{said}");
    assert_eq!(std::fs::read(folder.join("out.json")).unwrap(), content);
    // A signature of type Sign in OFD names its method by one identifier, which PSS has not (GB/T 33190-2016 18).
    let ofd = unsigned_document(&unsigned_report()).unwrap();
    let refused = prepare(Form::Ofd, &ofd, signatory, now, &Limits::DEFAULT).unwrap_err();
    assert_eq!(refused.code(), "report-certificate-unusable");
}

/// The report on the notice, by nobody's anchors.
fn unsigned_report() -> Report {
    let policy = built_in("default", &sm3_hex).unwrap();
    Verification::new(policy, NOW, Limits::DEFAULT).judge("notice.ofd", NOTICE, None)
}

async fn a_retired_key_signs_nothing(services: &Services, report: &Report) {
    for unit in list(services, REPORT).await.unwrap() {
        retire(services, &Actor::Operator, (REPORT, &unit.certificate.sm3)).await.unwrap();
        let again = retire(services, &Actor::Operator, (REPORT, &unit.certificate.sm3)).await.unwrap_err();
        assert_eq!(again.code(), "certificate-state");
    }
    let refused = sign(services, (&Actor::Operator, None), report, Form::Cms).await.unwrap_err();
    assert_eq!(refused.code(), "report-signing-off");
    let unknown = retire(services, &Actor::Operator, (REPORT, &[7; 32])).await.unwrap_err();
    assert_eq!(unknown.code(), "unknown-certificate");
}
