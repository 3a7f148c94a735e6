//! Requests for certificates over HTTPS: officers with SM2 keys of their own, a number of identity, refusals, a restart
//! under a configuration that wants approvals.

use std::process::Output;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yinxin::base::id::CallerId;
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::SignatureAlgorithm;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{Signer as _, sm2};
use yinxin::domain::audit::Entry;
use yinxin::domain::ca::identity::{IdentityKind, IdentityValue};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::caller::Role;
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::keys::read_pem;
use yinxin::format::x509::Certificate;
use yinxin::format::x509::csr::NewCertificationRequest;
use yinxin::format::x509::name::NameAttributes;

use crate::process::{Answer, Running, has_curl, program};
use crate::serve::receipts::promised_in;
use crate::serve::requests::{Caller, call, headers, register};
use crate::serve::{Client, Installation};
use crate::store::postgres::Postgres;

const REQUESTS: &str = "/api/v1/certificate-requests";

#[test]
fn requests_over_http_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::requests_over_http_on_sqlite", "curl");
    }
    requests_over_http(&Installation::new("serve-certificate-requests"));
}

#[test]
fn requests_over_http_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::requests_over_http_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::requests_over_http_on_postgresql", "curl");
    }
    requests_over_http(&Installation::on("serve-certificate-requests-postgres", &server.url));
}

/// A request of PKCS#10 for a person, with that passport's number.
pub(super) fn csr(name: &str, passport: Option<&str>) -> Vec<u8> {
    let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let subject = NameAttributes(vec![(AttributeKind::CommonName.oid(), name.to_owned())]).to_der();
    let public_key = subject_public_key_info(&yinxin::crypto::Signer::public_key(&key));
    let number = passport.map(|value| IdentityValue::new(IdentityKind::PassportNumber, value).unwrap());
    let extensions = number.iter().map(IdentityValue::to_extension).collect::<Vec<_>>();
    let new = NewCertificationRequest {
        subject: &subject,
        public_key: &public_key,
        extensions: &extensions,
        challenge_password: None,
    };
    let (tbs, algorithm) = (new.to_tbs(), SignatureAlgorithm::Sm2Sm3);
    let value = encode_value(algorithm, &key.sign(&tbs, &SystemRandom).unwrap());
    NewCertificationRequest::assemble(&tbs, algorithm.oid().unwrap(), &value)
}

type Person = (Caller, CallerId);

struct Desk<'a> {
    installation: &'a Installation,
    client: Client,
    applicant: Person,
    checker: Person,
    approver: Person,
    /// Holds the role of callers, and is appointed to nothing.
    nobody: Person,
}

impl Desk<'_> {
    #[track_caller]
    fn done(&self, arguments: &[&str]) {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", self.installation.home()).env("YINXIN_LOG__LEVEL", "error").args(arguments);
        command.envs(self.installation.url.as_ref().map(|url| ("YINXIN_DATABASE__URL", url)));
        let Output { status, stderr, .. } = command.output().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    }

    fn send(&self, who: &Person, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string);
        let url = format!("{}{path}", self.client.base);
        let headers = headers(&who.0, method, &url, body.as_deref().map(str::as_bytes));
        let kept = self.installation.path("headers");
        let mut arguments = vec!["-X", method, "-D", kept.to_str().unwrap()];
        if let Some(body) = &body {
            arguments.extend(["-H", "Content-Type: application/json", "--data-binary", body]);
        }
        call(&self.client, path, &headers, &arguments)
    }

    fn get(&self, who: &Person, path: &str) -> Answer {
        self.send(who, "GET", path, None)
    }

    fn post(&self, who: &Person, path: &str, body: &Value) -> Answer {
        self.send(who, "POST", path, Some(body))
    }

    /// What is submitted for these fields, signed by that person over what the applicant's draft says.
    fn signed(&self, asked: &Value, by: &Person) -> Value {
        let drafted = self.post(&self.applicant, &format!("{REQUESTS}/draft"), asked);
        assert_eq!(drafted.status, 200, "{}", drafted.text());
        let (drafted, mut body) = (drafted.json(), asked.clone());
        let octets = STANDARD.decode(drafted["to_sign"].as_str().unwrap()).unwrap();
        body["nonce"] = drafted["nonce"].clone();
        body["signature"] = json!(STANDARD.encode(by.0.sign(&octets)));
        body
    }

    /// Submits what was signed: the request as it stands, and the entries whose receipts came with the answer.
    #[track_caller]
    fn taken(&self, submission: &Value) -> (Value, Vec<(u64, Entry)>) {
        let taken = self.post(&self.applicant, REQUESTS, submission);
        assert_eq!(taken.status, 201, "{}", taken.text());
        (taken.json(), promised_in(&self.installation.path("headers")))
    }

    #[track_caller]
    fn submitted(&self, asked: &Value) -> String {
        let taken = self.post(&self.applicant, REQUESTS, &self.signed(asked, &self.applicant));
        assert_eq!(taken.status, 201, "{}", taken.text());
        format!("{REQUESTS}/{}", taken.json()["id"].as_str().unwrap())
    }

    /// A step by one person, signed by another or the same.
    fn step(&self, (who, signer): (&Person, &Person), one: &str, (step, end): (&str, &str), words: &Value) -> Answer {
        let mut order = words.clone();
        order["step"] = json!(step);
        let octets = self.post(who, &format!("{one}/to-sign"), &order);
        if octets.status != 200 {
            return octets;
        }
        let octets = STANDARD.decode(octets.json()["to_sign"].as_str().unwrap()).unwrap();
        let mut body = words.clone();
        body["signature"] = json!(STANDARD.encode(signer.0.sign(&octets)));
        self.post(who, &format!("{one}/{end}"), &body)
    }

    fn check(&self, who: &Person, one: &str) -> Answer {
        self.step((who, who), one, ("check", "check"), &json!({}))
    }

    fn approve(&self, who: &Person, one: &str) -> Answer {
        self.step((who, who), one, ("approve", "approval"), &json!({}))
    }

    fn issue(&self, who: &Person, one: &str) -> Answer {
        self.send(who, "POST", &format!("{one}/certificate"), None)
    }
}

fn asked(csr: &[u8]) -> Value {
    let evidence = "ab".repeat(32);
    json!({ "authority": "gm", "profile": "person-signing", "csr": STANDARD.encode(csr), "evidence_sm3": evidence })
}

fn requests_over_http(installation: &Installation) {
    assert_eq!(installation.serve().terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let person = || runtime.block_on(register(installation, Role::CertificateOfficer));
    let (applicant, checker, approver, nobody) = (person(), person(), person(), person());
    let running = installation.serve();
    let client = installation.client(&running);
    let desk = Desk { installation, client, applicant, checker, approver, nobody };
    let root = ["ca", "create", "示例根", "--id", "gm", "--profile", "root", "--algorithm", "sm2"];
    desk.done(&[&root[..], &["--subject", "O=示例局,CN=示例根", "--base-url", "http://ca.example"]].concat());
    for (role, (_, id)) in [("applicant", &desk.applicant), ("checker", &desk.checker), ("approver", &desk.approver)] {
        desk.done(&["ca", "officer", "appoint", "--role", role, "--caller", id.as_str()]);
    }
    let (one, submission, receipts) = from_draft_to_certificate(&desk);
    what_is_refused(&desk);
    refused_and_withdrawn(&desk);
    assert_eq!(running.terminate().0, Some(0));

    // Another process gives the same certificate; where the configuration wants it, nobody orders alone.
    let wants = [("YINXIN_REGISTRATION__APPROVE", "[\"person-signing\"]")];
    let running: Running = installation.serve_with(&wants);
    let desk = Desk { client: installation.client(&running), ..desk };
    // So does the submission its receipt, which another process gave first.
    let (again, receipts_again) = desk.taken(&submission);
    assert_eq!((&again["state"], receipts_again), (&json!("issued"), receipts));
    assert_eq!(desk.issue(&desk.checker, &one).status, 201);
    let order = json!({ "authority": "gm", "profile": "person-signing", "csr": STANDARD.encode(csr("乙", None)) });
    let body = order.to_string();
    let url = format!("{}/api/v1/certificates", desk.client.base);
    let signed = headers(&desk.applicant.0, "POST", &url, Some(body.as_bytes()));
    let more = ["-H", "Content-Type: application/json", "-H", "Idempotency-Key: alone", "--data-binary", &body];
    let alone = call(&desk.client, "/api/v1/certificates", &signed, &more);
    assert_eq!(alone.refusal(), (409, "approval-needed".into()));
    let approved = desk.submitted(&asked(&csr("乙", None)));
    assert_eq!(desk.check(&desk.checker, &approved).status, 200);
    assert_eq!(desk.approve(&desk.approver, &approved).json()["state"], "approved");
    assert_eq!(desk.issue(&desk.nobody, &approved).status, 201);
    a_pair_is_approved_and_issued(&desk);
    assert_eq!(running.terminate().0, Some(0));
}

fn a_pair_is_approved_and_issued(desk: &Desk<'_>) {
    let mut asked = asked(&csr("丁", None));
    asked["encryption_profile"] = json!("person-signing");
    let draft = format!("{REQUESTS}/draft");
    assert_eq!(desk.post(&desk.applicant, &draft, &asked).refusal(), (422, "pair-usage".into()));
    asked["encryption_profile"] = json!("person-encryption");
    let one = desk.submitted(&asked);
    assert_eq!(desk.get(&desk.checker, &one).json()["encryption_profile"], "person-encryption");
    assert_eq!(desk.issue(&desk.checker, &one).refusal(), (409, "request-state".into()));
    assert_eq!(desk.check(&desk.checker, &one).status, 200);
    // The answer is lost: the same signature again is the same step, another one is none.
    let octets = desk.post(&desk.approver, &format!("{one}/to-sign"), &json!({ "step": "approve" })).json();
    let octets = STANDARD.decode(octets["to_sign"].as_str().unwrap()).unwrap();
    let body = json!({ "signature": STANDARD.encode(desk.approver.0.sign(&octets)) });
    let approve = || desk.post(&desk.approver, &format!("{one}/approval"), &body);
    let first = approve();
    assert_eq!((first.status, &first.json()["state"]), (200, &json!("approved")), "{}", first.text());
    assert_eq!((approve().status, approve().json()), (200, first.json()));
    assert_eq!(desk.approve(&desk.approver, &one).refusal(), (409, "request-state".into()));
    let stolen = desk.post(&desk.checker, &format!("{one}/approval"), &body);
    assert_eq!(stolen.refusal(), (409, "request-state".into()));
    let issued = desk.issue(&desk.checker, &one);
    assert_eq!(issued.status, 201, "{}", issued.text());
    let issued = issued.json();
    let read = |pem: &Value| read_pem(pem.as_str().unwrap(), "CERTIFICATE").unwrap().remove(0);
    let (signs, encrypts) = (read(&issued["pem"]), read(&issued["encryption"]["pem"]));
    let [signs, encrypts] = [&signs, &encrypts].map(|der| Certificate::parse(der).unwrap());
    assert_eq!((signs.subject.display(), encrypts.subject.display()), ("C=CN, CN=丁".into(), "C=CN, CN=丁".into()));
    assert_eq!((signs.key_usage.unwrap().0, encrypts.key_usage.unwrap().0), (0b11, 0b1100));
    assert!(issued["encryption"]["envelope"].as_str().unwrap().starts_with("-----BEGIN SM2 ENVELOPED KEY-----"));
    assert_eq!(desk.issue(&desk.approver, &one).json(), issued);
    assert_eq!((approve().status, &approve().json()["state"]), (200, &json!("issued")));
}

/// The request, its submission, and the entries whose receipts came with it.
fn from_draft_to_certificate(desk: &Desk<'_>) -> (String, Value, Vec<(u64, Entry)>) {
    let csr = csr("陈甲", Some("E12345678"));
    let asked = asked(&csr);
    let drafted = desk.post(&desk.applicant, &format!("{REQUESTS}/draft"), &asked).json();
    assert_eq!(drafted["subject"], "C=CN, CN=陈甲");
    // The number itself is not signed in clear, but the request that holds it is.
    let octets = STANDARD.decode(drafted["to_sign"].as_str().unwrap()).unwrap();
    assert!(octets.windows(32).any(|window| window == sm3(&csr)));
    assert!(!octets.windows(9).any(|window| window == b"E12345678"));

    let forged = desk.signed(&asked, &desk.approver);
    assert_eq!(desk.post(&desk.applicant, REQUESTS, &forged).refusal(), (403, "step-signature".into()));
    let submission = desk.signed(&asked, &desk.applicant);
    let (taken, receipts) = desk.taken(&submission);
    assert_eq!(receipts.len(), 1);
    let one = format!("{REQUESTS}/{}", taken["id"].as_str().unwrap());
    // The same again is the same request with the same receipt; another one under its nonce is none, and has none.
    assert_eq!(desk.taken(&submission), (taken.clone(), receipts.clone()));
    let mut other = submission.clone();
    other["evidence_sm3"] = json!("cd".repeat(32));
    assert_eq!(desk.post(&desk.applicant, REQUESTS, &other).refusal(), (409, "certificate-request-exists".into()));
    let stolen = desk.post(&desk.approver, REQUESTS, &submission);
    assert_eq!(stolen.refusal(), (409, "certificate-request-exists".into()));
    assert_eq!(promised_in(&desk.installation.path("headers")), []);

    let page = desk.get(&desk.checker, &format!("{REQUESTS}?state=submitted")).json();
    let listed = page["requests"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["id"], listed[0].get("csr")), (1, &taken["id"], None));
    let shown = desk.get(&desk.checker, &one).json();
    assert_eq!((&shown["identity"], &shown["csr"]), (&json!(["passport-number"]), &json!(STANDARD.encode(&csr))));
    assert!(!page.to_string().contains("E12345678") && !shown.to_string().contains("E12345678"));

    assert_eq!(desk.issue(&desk.checker, &one).refusal(), (409, "request-state".into()));
    let by_another = desk.step((&desk.checker, &desk.approver), &one, ("check", "check"), &json!({}));
    assert_eq!(by_another.refusal(), (403, "step-signature".into()));
    assert_eq!(desk.check(&desk.applicant, &one).refusal(), (403, "officer-role".into()));
    assert_eq!(desk.check(&desk.nobody, &one).refusal(), (403, "not-officer".into()));
    let checked = desk.check(&desk.checker, &one);
    assert_eq!((checked.status, &checked.json()["state"]), (200, &json!("checked")), "{}", checked.text());
    assert_eq!(desk.approve(&desk.checker, &one).refusal(), (403, "officer-role".into()));
    let approved = desk.approve(&desk.approver, &one).json();
    assert_eq!(approved["approvals"][0]["officer"], desk.approver.1.as_str());
    assert_eq!(desk.approve(&desk.approver, &one).refusal(), (409, "request-state".into()));

    let issued = desk.issue(&desk.checker, &one);
    assert_eq!(issued.status, 201, "{}", issued.text());
    let issued = issued.json();
    let der = read_pem(issued["pem"].as_str().unwrap(), "CERTIFICATE").unwrap().remove(0);
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(certificate.subject.display(), "C=CN, CN=陈甲");
    let number = IdentityValue::new(IdentityKind::PassportNumber, "E12345678").unwrap().to_extension();
    let written = certificate.extensions.iter().find(|extension| extension.oid == number.oid).unwrap();
    assert_eq!(written.value, number.value);
    // Asked again after a lost answer.
    assert_eq!(desk.issue(&desk.approver, &one).json(), issued);
    let ended = desk.get(&desk.applicant, &one).json();
    assert_eq!((&ended["state"], &ended["certificate_sm3"]), (&json!("issued"), &issued["sm3"]));
    (one, submission, receipts)
}

fn what_is_refused(desk: &Desk<'_>) {
    let draft = format!("{REQUESTS}/draft");
    let asked = |name: &str, value: Value| {
        let mut asked = asked(&csr("丙", Some("E12345678")));
        asked[name] = value;
        asked
    };
    for (body, status, code) in [
        (asked("authority", json!("none")), 404, "unknown-authority"),
        (asked("profile", json!("none")), 422, "profile-unknown"),
        (asked("profile", json!("intermediate")), 422, "authority-profile"),
        // Officers are certified under no number.
        (asked("profile", json!("officer")), 422, "extension-refused"),
        (asked("csr", json!("MAA=")), 422, "csr-malformed"),
    ] {
        assert_eq!(desk.post(&desk.applicant, &draft, &body).refusal(), (status, code.to_owned()), "{body}");
    }
    let fine = asked("authority", json!("gm"));
    assert_eq!(desk.post(&desk.nobody, &draft, &fine).refusal(), (403, "not-officer".into()));
    let unknown = format!("{REQUESTS}/none");
    assert_eq!(desk.get(&desk.checker, &unknown).refusal(), (404, "unknown-certificate-request".into()));
    assert_eq!(desk.issue(&desk.checker, &unknown).refusal(), (404, "unknown-certificate-request".into()));
    // The first caller of the installation uses seals, and has nothing to do with requests.
    assert_eq!(desk.client.call_as_caller(REQUESTS, &[]).refusal(), (403, "role-missing".into()));
}

fn refused_and_withdrawn(desk: &Desk<'_>) {
    let one = desk.submitted(&asked(&csr("丁", None)));
    let words = json!({ "reason": "not-entitled", "explanation": "不在编" });
    let refused = desk.step((&desk.checker, &desk.checker), &one, ("refuse", "refusal"), &words);
    let refused = refused.json();
    assert_eq!((&refused["state"], &refused["reason"]), (&json!("refused"), &json!("not-entitled")));
    assert_eq!((&refused["explanation"], &refused["refused_by"]), (&json!("不在编"), &json!(desk.checker.1.as_str())));
    assert_eq!(desk.issue(&desk.checker, &one).refusal(), (409, "request-state".into()));

    let one = desk.submitted(&asked(&csr("戊", None)));
    let words = json!({ "reason": "mistaken" });
    let by_checker = desk.step((&desk.checker, &desk.checker), &one, ("withdraw", "withdrawal"), &words);
    assert_eq!(by_checker.refusal(), (403, "not-applicant".into()));
    let withdrawn = desk.step((&desk.applicant, &desk.applicant), &one, ("withdraw", "withdrawal"), &words);
    assert_eq!(withdrawn.json()["state"], "withdrawn");
}
