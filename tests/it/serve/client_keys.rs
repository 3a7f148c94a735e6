//! A seal whose key the service never had, over HTTPS: the client's key is made, kept and used by OpenSSL, then by
//! `yinxin sign-prepared`; what is sealed is judged by us and by a verifier that is not ours; and who is turned away.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::domain::caller::Role;
use yinxin::render::NOTICE;

use crate::process::{Answer, Running, has_curl, program};
use crate::serve::Installation;
use crate::serve::requests::register;
use crate::serve::seals_api::{Desk, Person, SEALS, code, form, open};
use crate::store::postgres::Postgres;

const ID: [&str; 2] = ["-sigopt", "distid:1234567812345678"];

#[test]
fn a_client_seals_with_its_own_key_on_sqlite() {
    if let Some(absent) = absent() {
        return crate::skip("serve::a_client_seals_with_its_own_key_on_sqlite", absent);
    }
    contract(&Installation::new("serve-client-keys"));
}

#[test]
fn a_client_seals_with_its_own_key_on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("serve::a_client_seals_with_its_own_key_on_postgresql", "PostgreSQL");
    };
    if let Some(absent) = absent() {
        return crate::skip("serve::a_client_seals_with_its_own_key_on_postgresql", absent);
    }
    contract(&Installation::on("serve-client-keys-postgres", &server.url));
}

fn absent() -> Option<&'static str> {
    if !has_curl() {
        return Some("curl");
    }
    Command::new("openssl").arg("version").output().is_err().then_some("openssl")
}

/// The client's side: its folder, and what OpenSSL makes there.
struct Client<'a>(&'a Installation);

impl Client<'_> {
    #[track_caller]
    fn openssl(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("openssl");
        let output = command.current_dir(self.0.folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn key(&self, name: &str) {
        self.openssl(&["genpkey", "-algorithm", "SM2", "-out", name]);
    }

    fn request(&self, key: &str) -> String {
        let new =
            ["req", "-new", "-sm3", "-utf8", "-key", key, "-subj", "/O=样章市试验局/CN=signer", "-outform", "DER"];
        STANDARD.encode(self.openssl(&[&new[..], &ID].concat()))
    }

    /// The value of a key over octets, DER.
    fn value(&self, key: &str, octets: &[u8]) -> Vec<u8> {
        self.0.write("octets", octets);
        self.openssl(&[&["dgst", "-sm3", "-sign", key][..], &ID, &["octets"]].concat())
    }

    /// `yinxin sign-prepared`.
    fn sign_prepared(&self, prepared: &Value, key: &str) -> Output {
        self.0.write("prepared.json", prepared.to_string().as_bytes());
        let mut command = program();
        command.current_dir(self.0.folder.path()).args(["sign-prepared", "prepared.json", "--key", key]);
        command.output().unwrap()
    }

    #[track_caller]
    fn signs_not(&self, prepared: &Value, key: &str) -> String {
        let Output { status, stdout, stderr } = self.sign_prepared(prepared, key);
        assert_eq!((status.code(), &stdout[..]), (Some(4), &b""[..]));
        String::from_utf8(stderr).unwrap().trim_end().to_owned()
    }
}

fn prepare(desk: &Desk<'_>, who: &Person, seal: &str, key: &str) -> Answer {
    let parts: [(&str, &[u8]); 4] =
        [("file\"; filename=\"a.ofd", NOTICE), ("page", b"3"), ("x", b"124"), ("y", b"211.682")];
    let key = format!("Idempotency-Key: {key}");
    let path = format!("{SEALS}/{seal}/signatures/prepared");
    desk.send(who, "POST", &path, Some(form(&parts)), &["-H", &key])
}

#[track_caller]
fn prepared(desk: &Desk<'_>, seal: &str, key: &str) -> Value {
    let answer = prepare(desk, &desk.clerk, seal, key);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn octets(prepared: &Value) -> Vec<u8> {
    STANDARD.decode(prepared["to_sign"].as_str().unwrap()).unwrap()
}

fn complete(desk: &Desk<'_>, who: &Person, prepared: &Value, body: &Value) -> Answer {
    let path = format!("/api/v1/signatures/{}/value", prepared["signature"].as_str().unwrap());
    let body = Some(("Content-Type: application/json", body.to_string().into_bytes()));
    desk.send(who, "POST", &path, body, &["-H", "Idempotency-Key: value"])
}

fn bring(desk: &Desk<'_>, prepared: &Value, value: &[u8]) -> Answer {
    complete(desk, &desk.clerk, prepared, &json!({ "value": STANDARD.encode(value) }))
}

fn uses(desk: &Desk<'_>, seal: &str, outcome: &str) -> usize {
    let page = desk.get(&desk.keeper, &format!("/api/v1/use-ledger?seal={seal}&outcome={outcome}"));
    assert_eq!(page.status, 200, "{}", page.text());
    page.json()["uses"].as_array().unwrap().len()
}

fn authorise(desk: &Desk<'_>, seal: &str, most_uses: u32) -> String {
    let now = SystemClock.now();
    let terms = json!({
        "user": desk.clerk.1.as_str(), "from": now.to_string(), "until": now.plus_days(30).to_string(),
        "most_uses": most_uses,
    });
    let given = desk.authorise(&desk.keeper, seal, &terms);
    assert_eq!(given.status, 201, "{}", given.text());
    given.json()["id"].as_str().unwrap().to_owned()
}

fn contract(installation: &Installation) {
    let client = Client(installation);
    ["client.key", "other.key"].iter().for_each(|name| client.key(name));
    let (running, desk) = open(installation);
    let mut asked = desk.wanted();
    asked.as_object_mut().unwrap().remove("signer_key");
    asked["csr"] = json!(client.request("client.key"));
    let made = desk.through(&asked);
    let seal = made["id"].as_str().unwrap().to_owned();
    let path = format!("{SEALS}/{seal}");
    let taken = desk.step((&desk.keeper, &desk.keeper), &path, ("deliver", "delivery"), &json!({}));
    assert_eq!(taken.json()["state"], "active");
    assert_eq!(prepare(&desk, &desk.clerk, &seal, "first").refusal(), code(403, "use-not-authorised"));
    assert_eq!(prepare(&desk, &desk.keeper, &seal, "first").refusal(), code(403, "role-missing"));
    let authorisation = authorise(&desk, &seal, 4);

    values_are_the_clients_alone(&client, &desk, &seal);
    the_command_signs_that_and_nothing_else(&client, &desk, &seal);
    what_is_given_up_is_given_back(&client, &desk, &seal);
    let (running, desk) = a_kill_between_the_steps_loses_nothing(&client, running, desk, &seal);
    what_comes_too_late_is_given_back(&client, &desk, &seal);
    // Withdrawn between the steps.
    let one = prepared(&desk, &seal, "withdrawn");
    let withdrawn = format!("{path}/authorisations/{authorisation}/withdrawal");
    assert_eq!(desk.order(&desk.keeper, &withdrawn).status, 200);
    let value = client.value("client.key", &octets(&one));
    assert_eq!(bring(&desk, &one, &value).refusal(), code(403, "use-withdrawn"));
    assert_eq!(bring(&desk, &one, &value).refusal(), code(409, "signing-ended"));
    assert_eq!((uses(&desk, &seal, "signed"), uses(&desk, &seal, "abandoned")), (3, 4));
    assert_eq!(running.terminate().0, Some(0));
}

fn values_are_the_clients_alone(client: &Client<'_>, desk: &Desk<'_>, seal: &str) {
    // Nothing of the key is here, and nothing is prepared for a key that is.
    let elsewhere = desk.client.seal.clone();
    assert_eq!(prepare(desk, &desk.clerk, &elsewhere, "ours").refusal(), code(409, "signer-ours"));
    let whole = form(&[("file\"; filename=\"a.ofd", NOTICE), ("page", b"3"), ("x", b"9"), ("y", b"9")]);
    let here = format!("{SEALS}/{seal}/signatures");
    let here = desk.send(&desk.clerk, "POST", &here, Some(whole), &["-H", "Idempotency-Key: here"]);
    assert_eq!(here.refusal(), code(409, "signer-not-ours"));

    let one = prepared(desk, seal, "one");
    assert_eq!(one["algorithm"], "sm2-sm3");
    // The answer was lost.
    assert_eq!(prepared(desk, seal, "one"), one);
    let octets = octets(&one);
    let value = client.value("client.key", &octets);
    for wrong in [client.value("other.key", &octets), client.value("client.key", b"else"), b"nothing".to_vec()] {
        assert_eq!(bring(desk, &one, &wrong).refusal(), code(422, "value-wrong"));
    }
    let long = vec![1; 1025];
    for body in [json!({ "value": "?" }), json!({ "value": "" }), json!({ "value": STANDARD.encode(long) })] {
        assert_eq!(complete(desk, &desk.clerk, &one, &body).refusal(), code(400, "field-malformed"));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stranger = runtime.block_on(register(client.0, Role::SealUser));
    let right = json!({ "value": STANDARD.encode(&value) });
    assert_eq!(complete(desk, &stranger, &one, &right).refusal(), code(404, "unknown-signing"));
    assert_eq!(complete(desk, &desk.keeper, &one, &right).refusal(), code(403, "role-missing"));
    let path = format!("/api/v1/signatures/{}/value", one["signature"].as_str().unwrap());
    assert_eq!(desk.client.call(&path, &["-X", "POST"]).refusal(), code(401, "signature-missing"));
    assert_eq!((uses(desk, seal, "intended"), uses(desk, seal, "signed")), (1, 0));

    let sealed = bring(desk, &one, &value).ok();
    // The same value again is the same document; another one, right too, is none.
    assert_eq!(bring(desk, &one, &value).ok(), sealed);
    let again = client.value("client.key", &octets);
    assert_ne!(again, value);
    assert_eq!(bring(desk, &one, &again).refusal(), code(409, "signing-ended"));
    assert_eq!((uses(desk, seal, "intended"), uses(desk, seal, "signed")), (0, 1));
    judged(client, &sealed);
}

/// By us, and by software that is not ours.
fn judged(client: &Client<'_>, sealed: &[u8]) {
    let sealed = client.0.write("sealed.ofd", sealed);
    let mut command = program();
    command.current_dir(client.0.folder.path()).args(["verify", "sealed.ofd", "--offline", "--json"]);
    let told = command.args(["--trust", "root.pem", "--evidence", "below.pem"]).output().unwrap();
    let report: Value = serde_json::from_slice(&told.stdout).unwrap();
    let one = &report["signatures"][0];
    for axis in ["intact", "signature", "seal", "trusted", "coverage", "algorithm"] {
        assert_eq!(one[axis]["status"], "ok", "{axis}: {one}");
    }
    // The authority's lists are not published here.
    assert_eq!(one["code"], "revocation-unknown");
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let interpreter = target.join("peers/venv/bin/python");
    if !interpreter.exists() {
        return crate::skip("what a client sealed, judged by GmSSL", "target/peers");
    }
    let mut peer = Command::new(interpreter);
    peer.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/python/verify_sealed_ofd.py"));
    let told = peer.arg(&sealed).output().unwrap();
    let line: Value = serde_json::from_slice(&told.stdout).unwrap();
    for check in ["references", "signature", "seal"] {
        assert_eq!(line[check], "ok", "{line}");
    }
}

fn the_command_signs_that_and_nothing_else(client: &Client<'_>, desk: &Desk<'_>, seal: &str) {
    let one = prepared(desk, seal, "two");
    let refused = client.signs_not(&one, "other.key");
    assert_eq!(refused, "error: the seal lists no certificate of this key (signer-not-listed)");
    let mut strange = one.clone();
    strange["to_sign"] = json!(STANDARD.encode(b"I owe you everything"));
    let refused = client.signs_not(&strange, "client.key");
    assert!(refused.ends_with("(not-to-sign)"), "{refused}");
    let mut strange = one.clone();
    strange["algorithm"] = json!("rsa-pkcs1-sha256");
    let refused = client.signs_not(&strange, "client.key");
    let line =
        "error: the octets are to be signed by rsa-pkcs1-sha256, and this key signs by sm2-sm3 (signer-algorithm)";
    assert_eq!(refused, line);
    let refused = client.signs_not(&json!({ "id": 1 }), "client.key");
    assert_eq!(refused, "error: this is no answer to a call that prepared (prepared-malformed)");

    let Output { status, stdout, stderr } = client.sign_prepared(&one, "client.key");
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("seal 33010600000001 样章市试验局, at "), "{said}");
    // What it prints is what the call takes.
    let body: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(complete(desk, &desk.clerk, &one, &body).status, 200);
}

/// By whoever prepared it, once; then no value counts, the ledger says so, and another use takes its place.
fn what_is_given_up_is_given_back(client: &Client<'_>, desk: &Desk<'_>, seal: &str) {
    let give_up =
        |who: &Person, signature: &str| desk.send(who, "DELETE", &format!("/api/v1/signatures/{signature}"), None, &[]);
    let (one, other) = (prepared(desk, seal, "given-up"), prepared(desk, seal, "kept"));
    let signature = one["signature"].as_str().unwrap();
    assert_eq!(prepare(desk, &desk.clerk, seal, "too-many").refusal(), code(403, "use-count"));
    assert_eq!(give_up(&desk.keeper, signature).refusal(), code(403, "role-missing"));
    assert_eq!(give_up(&desk.clerk, "nothing").refusal(), code(404, "unknown-signing"));
    assert_eq!(uses(desk, seal, "abandoned"), 0);
    let done = give_up(&desk.clerk, signature);
    assert_eq!((done.status, done.text()), (204, String::new()));
    assert_eq!(give_up(&desk.clerk, signature).refusal(), code(409, "signing-ended"));
    let value = client.value("client.key", &octets(&one));
    assert_eq!(bring(desk, &one, &value).refusal(), code(409, "signing-ended"));
    assert_eq!(uses(desk, seal, "abandoned"), 1);
    assert_eq!(give_up(&desk.clerk, other["signature"].as_str().unwrap()).status, 204);
    assert_eq!((uses(desk, seal, "signed"), uses(desk, seal, "abandoned")), (2, 2));
}

/// Killed between the steps; what serves then waits no longer than two seconds for what it prepares itself.
fn a_kill_between_the_steps_loses_nothing<'a>(
    client: &Client<'a>,
    running: Running,
    desk: Desk<'a>,
    seal: &str,
) -> (Running, Desk<'a>) {
    let one = prepared(&desk, seal, "three");
    running.kill();
    let running = client.0.serve_with(&[("YINXIN_SEALS__VALUE_WITHIN", "2")]);
    let desk = Desk { client: client.0.client(&running), ..desk };
    assert_eq!(prepared(&desk, seal, "three"), one);
    assert_eq!(bring(&desk, &one, &client.value("client.key", &octets(&one))).status, 200);
    // What is signed is not given up any more.
    let path = format!("/api/v1/signatures/{}", one["signature"].as_str().unwrap());
    assert_eq!(desk.send(&desk.clerk, "DELETE", &path, None, &[]).refusal(), code(409, "signing-ended"));
    (running, desk)
}

fn what_comes_too_late_is_given_back(client: &Client<'_>, desk: &Desk<'_>, seal: &str) {
    let one = prepared(desk, seal, "four");
    assert_eq!(prepare(desk, &desk.clerk, seal, "five").refusal(), code(403, "use-count"));
    std::thread::sleep(Duration::from_secs(4));
    let value = client.value("client.key", &octets(&one));
    assert_eq!(bring(desk, &one, &value).refusal(), code(409, "signing-ended"));
    let begun = Instant::now();
    while uses(desk, seal, "abandoned") == 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the use is not given back");
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(bring(desk, &one, &value).refusal(), code(409, "signing-ended"));
    assert_eq!((uses(desk, seal, "signed"), uses(desk, seal, "abandoned")), (3, 3));
}
