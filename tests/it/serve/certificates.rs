//! Certificates over HTTPS: requests made by OpenSSL, callers who sign or show a certificate, OCSP that tells at once.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::domain::caller::Role;
use yinxin::format::keys::read_pem;
use yinxin::http::tls::development_client;

use crate::process::{Answer, has_curl, program};
use crate::serve::receipts::promised_in;
use crate::serve::requests::{Caller, call, headers, register};
use crate::serve::{Client, Installation};
use crate::store::postgres::Postgres;

const CERTIFICATES: &str = "/api/v1/certificates";

#[test]
fn certificates_over_http_on_sqlite() {
    if !has_curl() {
        return crate::skip("serve::certificates_over_http_on_sqlite", "curl");
    }
    certificates_over_http(&Installation::new("serve-certificates"));
}

#[test]
fn certificates_over_http_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::certificates_over_http_on_postgresql", "PostgreSQL");
    };
    if !has_curl() {
        return crate::skip("serve::certificates_over_http_on_postgresql", "curl");
    }
    certificates_over_http(&Installation::on("serve-certificates-postgres", &server.url));
}

fn openssl(arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = Command::new("openssl").args(arguments).output().unwrap();
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// Two officers: one signs requests by SM2, one shows a certificate of P-256.
struct Office<'a> {
    installation: &'a Installation,
    client: Client,
    signer: Caller,
}

impl Office<'_> {
    fn path(&self, name: &str) -> String {
        self.installation.path(name).to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let mut command = program();
        command.env("YINXIN_DATA_DIR", self.installation.home()).env("YINXIN_LOG__LEVEL", "error").args(arguments);
        command.envs(self.installation.url.as_ref().map(|url| ("YINXIN_DATABASE__URL", url)));
        let Output { status, stdout, stderr } = command.output().unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// A request for an officer, made by OpenSSL. Nothing where it has no such key.
    fn csr(&self, name: &str, algorithm: &[&str], signing: &[&str]) -> Option<String> {
        let (key, csr) = (self.path(&format!("{name}.key")), self.path(&format!("{name}.csr")));
        let generate = [&["genpkey", "-out", &key][..], algorithm].concat();
        let subject = format!("/C=CN/O=示例局/OU=制证科/serialNumber={name}/CN=经办人{name}");
        let request = ["req", "-new", "-utf8", "-key", &key, "-subj", &subject, "-out", &csr];
        let made = openssl(&generate).0 && openssl(&[&request[..], signing].concat()).0;
        made.then(|| std::fs::read_to_string(csr).unwrap())
    }

    /// As the officer who shows a certificate.
    fn shown(&self, path: &str, arguments: &[&str]) -> Answer {
        let (certificate, key) = (self.path("officer.pem"), self.path("officer.key"));
        self.client.call(path, &[&["--cert", &certificate, "--key", &key][..], arguments].concat())
    }

    fn posted(&self, path: &str, body: &Value, more: &[&str]) -> Answer {
        let body = body.to_string();
        self.shown(path, &[&["-H", "Content-Type: application/json", "--data-binary", &body][..], more].concat())
    }

    fn order(&self, order: &Value, key: &str) -> Answer {
        self.posted(CERTIFICATES, order, &["-H", &format!("Idempotency-Key: {key}"), "-D", &self.path("headers")])
    }

    /// As the officer who signs requests.
    fn signed(&self, method: &str, path: &str, body: Option<&Value>, more: &[&str]) -> Answer {
        let body = body.map(Value::to_string);
        let url = format!("{}{path}", self.client.base);
        let headers = headers(&self.signer, method, &url, body.as_deref().map(str::as_bytes));
        let mut arguments = vec!["-X", method];
        if let Some(body) = &body {
            arguments.extend(["-H", "Content-Type: application/json", "--data-binary", body]);
        }
        arguments.extend(more);
        call(&self.client, path, &headers, &arguments)
    }

    /// Officers, and an authority of each kind, which publish at that port.
    fn set_up(&self, port: &str) {
        let officer = development_client("officer", SystemClock.now()).unwrap();
        self.installation.write("officer.pem", officer.certificate_pem.as_bytes());
        self.installation.write("officer.key", officer.key_pem.expose());
        let certificate = self.path("officer.pem");
        let register = ["seal-admin", "register-caller", &certificate, "--name", "officer", "--role"];
        self.done(&[&register[..], &["certificate-officer"]].concat());
        let base = format!("http://127.0.0.1:{port}");
        for (id, algorithm) in [("gm", "sm2"), ("nist", "ecdsa-p256")] {
            let named = ["ca", "create", "示例根", "--id", id, "--profile", "root", "--algorithm", algorithm];
            let subject = format!("O=示例局,CN=示例根{id}");
            let told = self.done(&[&named[..], &["--subject", &subject, "--base-url", &base]].concat());
            self.installation.write(&format!("{id}.pem"), told.split_once('\n').unwrap().1.as_bytes());
        }
    }

    /// What OpenSSL is told by OCSP over plain HTTP.
    fn ocsp(&self, authority: &str, certificate: &str, port: &str) -> String {
        let (issuer, url) =
            (self.path(&format!("{authority}.pem")), format!("http://127.0.0.1:{port}/ocsp/{authority}"));
        let mut arguments = vec!["ocsp", "-issuer", &issuer, "-cert", certificate, "-url", &url, "-no_nonce"];
        // OpenSSL 3.0 gives no signer ID when it checks an answer by SM2: others do that elsewhere.
        arguments.extend(if authority == "gm" { vec!["-noverify"] } else { vec!["-CAfile", &issuer] });
        openssl(&arguments).1
    }
}

fn certificates_over_http(installation: &Installation) {
    assert_eq!(installation.serve().terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (signer, _) = runtime.block_on(register(installation, Role::CertificateOfficer));
    let publication = [("YINXIN_SERVER__PUBLICATION", "[\"127.0.0.1:0\"]")];
    let running = installation.serve_with(&publication);
    let (_, port) = running.said.split_once("publishing on http://127.0.0.1:").unwrap();
    let port = port.lines().next().unwrap().to_owned();
    let office = Office { installation, client: installation.client(&running), signer };
    office.set_up(&port);
    let mut tried = 0;
    let sm2 = ["-sm3", "-sigopt", "distid:1234567812345678"];
    let p256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"];
    for (authority, csr) in
        [("gm", office.csr("1", &["-algorithm", "SM2"], &sm2)), ("nist", office.csr("2", &p256, &["-sha256"]))]
    {
        let Some(csr) = csr else {
            crate::skip("serve::certificates_over_http", &format!("OpenSSL's key for {authority}"));
            continue;
        };
        tried += 1;
        life_of_a_certificate(&office, authority, &csr, &port);
    }
    assert!(tried > 0, "OpenSSL has P-256");
    refusals(&office);
    assert_eq!(running.terminate().0, Some(0));

    // Another process gives the same certificate under the same key.
    let running = installation.serve();
    let office = Office { client: installation.client(&running), ..office };
    let csr = std::fs::read_to_string(office.path("2.csr")).unwrap();
    let again = office.order(&json!({ "authority": "nist", "profile": "officer", "csr": csr }), "first-nist");
    assert_eq!(again.status, 201, "{}", again.text());
    let kept = std::fs::read_to_string(office.path("nist-1.pem")).unwrap();
    assert_eq!(again.json()["pem"], kept);
    assert_eq!(running.terminate().0, Some(0));
}

fn life_of_a_certificate(office: &Office<'_>, authority: &str, csr: &str, port: &str) {
    let order = json!({ "authority": authority, "profile": "officer", "csr": csr });
    let key = format!("first-{authority}");
    // The same order ten times at once is one certificate, with the same receipts.
    let (order_of_ten, key_of_ten) = (&order, &key);
    let ten = std::thread::scope(|scope| {
        let asked = (0..10).map(|number| {
            scope.spawn(move || {
                let (headers, key) =
                    (office.path(&format!("headers-{number}")), format!("Idempotency-Key: {key_of_ten}"));
                let answer = office.posted(CERTIFICATES, order_of_ten, &["-H", &key, "-D", &headers]);
                (answer.status, answer.json(), promised_in(Path::new(&headers)))
            })
        });
        let asked = asked.collect::<Vec<_>>();
        asked.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(ten[0].0, 201, "{}", ten[0].1);
    assert!(ten.iter().all(|one| *one == ten[0]), "{ten:?}");
    let first = office.order(&order, &key);
    let entries = || promised_in(Path::new(&office.path("headers")));
    let receipted = entries();
    assert!(!receipted.is_empty());
    assert_eq!((first.status, first.json(), receipted.clone()), ten[0]);
    let made = first.json();
    let (sm3, serial) = (made["sm3"].as_str().unwrap().to_owned(), made["serial"].as_str().unwrap().to_owned());
    let one = format!("{CERTIFICATES}/{sm3}");
    let pem = made["pem"].as_str().unwrap();
    let file = office.installation.write(&format!("{authority}-1.pem"), pem.as_bytes());
    let file = file.to_str().unwrap();
    let anchor = office.path(&format!("{authority}.pem"));
    // OpenSSL 3.0 wants to be told the signer ID of SM2, and knows none of others.
    let id = if authority == "gm" { &["-vfyopt", "distid:1234567812345678"][..] } else { &[] };
    let (fine, told) = openssl(&[&["verify"], id, &["-CAfile", &anchor, file]].concat());
    assert!(fine, "{told}");

    // The same order under the same key, as DER in base64 too, is the same certificate; another order is refused.
    let der = read_pem(csr, "CERTIFICATE REQUEST").unwrap().remove(0);
    for csr in [csr.to_owned(), STANDARD.encode(&der)] {
        let again = office.order(&json!({ "authority": authority, "profile": "officer", "csr": csr }), &key);
        assert_eq!((again.status, again.json()), (201, made.clone()));
        assert_eq!(entries(), receipted);
    }
    let mut other = order.clone();
    other["not_after"] = json!(SystemClock.now().plus_days(7).to_string());
    assert_eq!(office.order(&other, &key).refusal(), (409, "idempotency-key-reused".into()));

    // The other officer's order, signed, with a subject and a validity of its own, and answered in DER.
    other["subject"] = json!([
        { "attribute": "organizationName", "value": "示例局" },
        { "attribute": "organizationalUnitName", "value": "审核科" },
        { "attribute": "serialNumber", "value": "9" },
        { "attribute": "commonName", "value": "审核人" },
    ]);
    let idempotency = format!("Idempotency-Key: signed-{authority}");
    let accept = ["-H", &idempotency, "-H", "Accept: application/pkix-cert"];
    let second = office.signed("POST", CERTIFICATES, Some(&other), &accept);
    assert_eq!((second.status, second.kind.as_str()), (201, "application/pkix-cert"), "{}", second.text());
    let parsed = yinxin::format::x509::Certificate::parse(&second.body).unwrap();
    assert_eq!(parsed.subject.display(), "C=CN, O=示例局, OU=审核科, SERIALNUMBER=9, CN=审核人");
    assert!(parsed.not_after <= SystemClock.now().plus_days(7));

    // Found by number, by subject, page by page, and told by status.
    let found = office.shown(&format!("{CERTIFICATES}?authority={authority}&serial={serial}"), &[]).json();
    assert_eq!((&found["certificates"][0]["sm3"], &found["next"]), (&json!(sm3), &Value::Null));
    let page = office.shown(&format!("{CERTIFICATES}?authority={authority}&profile=officer&limit=1"), &[]).json();
    assert_eq!(page["certificates"].as_array().unwrap().len(), 1);
    let next = format!("{CERTIFICATES}?authority={authority}&profile=officer&limit=1&after={}", page["next"]);
    let next = office.shown(&next, &[]).json();
    assert_eq!((next["certificates"].as_array().unwrap().len(), &next["next"]), (1, &Value::Null));
    assert_ne!(next["certificates"][0]["sm3"], page["certificates"][0]["sm3"]);
    let soon = office.shown(&format!("{CERTIFICATES}/expiring?days=8"), &[]).json();
    let soon = soon["certificates"].as_array().unwrap().iter();
    let soon = soon.filter(|one| one["authority"] == authority && one["profile"] == "officer").count();
    assert_eq!(soon, 1, "the second one");
    let known = office.signed("GET", &one, None, &[]).json();
    assert_eq!((&known["status"], &known["pem"], &known["serial"]), (&json!("active"), &made["pem"], &json!(serial)));

    // On hold, back, and revoked: OCSP says each the moment after.
    let started = Instant::now();
    while !office.ocsp(authority, file, port).contains(": good") {
        assert!(started.elapsed() < Duration::from_secs(60), "{}", office.ocsp(authority, file, port));
        std::thread::sleep(Duration::from_millis(100));
    }
    let status = |path: &str, answer: Answer| {
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status("suspension", office.signed("POST", &format!("{one}/suspension"), None, &[])), "suspended");
    let told = office.ocsp(authority, file, port);
    assert!(told.contains(": revoked") && told.contains("certificateHold"), "{told}");
    let twice = office.signed("POST", &format!("{one}/suspension"), None, &[]);
    assert_eq!(twice.refusal(), (409, "certificate-state".into()));
    assert_eq!(status("resumption", office.shown(&format!("{one}/resumption"), &["-X", "POST"])), "active");
    assert!(office.ocsp(authority, file, port).contains(": good"));
    let since = SystemClock.now().plus_days(-1).to_string();
    let late = json!({ "reason": "key-compromise", "invalidity_date": "2999-01-01T00:00:00Z" });
    let late = office.posted(&format!("{one}/revocation"), &late, &[]);
    assert_eq!(late.refusal(), (409, "invalidity-date-in-future".into()));
    let revocation = json!({ "reason": "key-compromise", "invalidity_date": since });
    let revoked = office.posted(&format!("{one}/revocation"), &revocation, &[]);
    assert_eq!((revoked.status, &revoked.json()["reason"]), (200, &json!("key-compromise")));
    let told = office.ocsp(authority, file, port);
    assert!(told.contains(": revoked") && told.contains("keyCompromise"), "{told}");
    assert_eq!(authority == "gm", !told.contains("Response verify OK"), "{told}");
    let again = office.posted(&format!("{one}/revocation"), &revocation, &[]);
    assert_eq!(again.refusal(), (409, "certificate-state".into()));
    let now = office.shown(&format!("{one}/status"), &[]).json();
    assert_eq!((&now["status"], &now["invalidity_date"]), (&json!("revoked"), &json!(since)));

    // A list on demand names it.
    let list = office.posted(&format!("/api/v1/authorities/{authority}/crl"), &json!({ "kind": "full" }), &[]);
    assert_eq!((list.status, &list.json()["entries"]), (201, &json!(1)), "{}", list.text());
    let delta = office.posted(&format!("/api/v1/authorities/{authority}/crl"), &json!({ "kind": "delta" }), &[]);
    assert_eq!((delta.status, &delta.json()["base"]), (201, &list.json()["number"]), "{}", delta.text());
    let fetched = office.path(&format!("{authority}.crl"));
    let url = format!("http://127.0.0.1:{port}/crl/{authority}/0.crl");
    assert!(Command::new("curl").args(["-sSf", "--noproxy", "*", "-o", &fetched, &url]).status().unwrap().success());
    let (_, text) = openssl(&["crl", "-inform", "DER", "-in", &fetched, "-noout", "-text"]);
    assert!(text.to_lowercase().contains(&serial), "{text}");
    let counts = office.shown(&format!("{CERTIFICATES}/statistics"), &[]).json();
    let count = |status: &str| {
        let rows = counts.as_array().unwrap().iter();
        let mut rows = rows.filter(|row| row["authority"] == authority && row["profile"] == "officer");
        rows.find(|row| row["status"] == status).map(|row| row["certificates"].clone())
    };
    assert_eq!((count("active"), count("revoked")), (Some(json!(1)), Some(json!(1))), "{counts}");
}

fn refusals(office: &Office<'_>) {
    let csr = std::fs::read_to_string(office.path("2.csr")).unwrap();
    let order = |name: &str, value: Value| {
        let mut order = json!({ "authority": "nist", "profile": "officer", "csr": csr });
        order[name] = value;
        order
    };
    let mut wrong = read_pem(&csr, "CERTIFICATE REQUEST").unwrap().remove(0);
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    let soon = SystemClock.now().plus_days(-400).to_string();
    for (number, (order, status, code)) in [
        (order("authority", json!("none")), 404, "unknown-authority"),
        (order("profile", json!("none")), 422, "profile-unknown"),
        (order("profile", json!("root")), 422, "authority-profile"),
        // Nobody alone speaks for the authority.
        (order("profile", json!("ocsp-responder")), 409, "approval-needed"),
        (order("profile", json!("tsa")), 409, "approval-needed"),
        (order("csr", json!("MAA=")), 422, "csr-malformed"),
        (order("csr", json!("-----BEGIN CERTIFICATE-----\n")), 422, "csr-malformed"),
        (order("csr", json!(STANDARD.encode(&wrong))), 422, "csr-signature"),
        (order("subject", json!([{ "attribute": "commonName", "value": "甲" }])), 422, "attribute-missing"),
        (order("not_before", json!(soon)), 422, "validity-backdated"),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("refused-{number}");
        assert_eq!(office.order(&order, &key).refusal(), (status, code.to_owned()), "{order}");
        // A key whose order came to nothing is free again.
        assert_eq!(office.order(&order, &key).refusal(), (status, code.to_owned()), "{order}");
    }
    let made = office.order(&order("profile", json!("officer")), "refused-0");
    assert_eq!(made.status, 201, "{}", made.text());
    let one = format!("{CERTIFICATES}/{}", made.json()["sm3"].as_str().unwrap());
    // The first caller verifies and uses seals: it may look at a certificate that it can name, and no more.
    assert_eq!(office.client.call_as_caller(&format!("{one}/status"), &[]).json()["status"], "active");
    for (path, more) in [
        (CERTIFICATES.to_owned(), &["-H", "Idempotency-Key: x", "-X", "POST"][..]),
        (format!("{one}/suspension"), &["-X", "POST"]),
        (format!("{one}/revocation"), &["-X", "POST"]),
        ("/api/v1/authorities/nist/crl".to_owned(), &["-X", "POST"]),
        (CERTIFICATES.to_owned(), &[]),
    ] {
        assert_eq!(office.client.call_as_caller(&path, more).refusal(), (403, "role-missing".into()), "{path}");
        assert_eq!(office.client.call(&path, more).refusal(), (401, "signature-missing".into()), "{path}");
    }
    let unknown = format!("{CERTIFICATES}/{}", "0".repeat(64));
    assert_eq!(office.shown(&unknown, &[]).refusal(), (404, "unknown-certificate".into()));
    let shard = office.posted("/api/v1/authorities/nist/crl", &json!({ "shard": 1 }), &[]);
    assert_eq!(shard.refusal(), (404, "unknown-shard".into()));
    let none = office.posted("/api/v1/authorities/none/crl", &json!({}), &[]);
    assert_eq!(none.refusal(), (404, "unknown-authority".into()));
    let authorities = office.shown("/api/v1/authorities", &[]).json();
    let names = authorities.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect::<Vec<_>>();
    // The development PKI has one for its time stamps.
    assert_eq!(names, ["development-authority", "gm", "nist"]);
}
