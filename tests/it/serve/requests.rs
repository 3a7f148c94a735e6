//! Requests signed with SM2 (RFC 9421): a caller's key registered beside the first, no client certificate.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::base::random::{SystemRandom, array};
use yinxin::crypto::Signer as _;
use yinxin::crypto::digest::hex;
use yinxin::crypto::sm2::PrivateKey;
use yinxin::domain::audit::Actor;
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::KeyAlgorithm;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::service::Services;
use yinxin::service::callers::{Registration, bar_caller, register_caller};
use yinxin::service::keys::KeySource;

use crate::process::{Answer, has_curl};
use crate::serve::{Client, Installation, NOTICE};

pub(super) struct Caller {
    key: PrivateKey,
    fingerprint: [u8; 32],
}

impl Caller {
    /// r and s over these octets.
    pub(super) fn sign(&self, octets: &[u8]) -> Vec<u8> {
        self.key.sign(octets, &SystemRandom).unwrap()
    }
}

pub(super) async fn open(installation: &Installation) -> Services {
    let source = KeySource::File { path: installation.home().join("key-encryption.key"), create: false };
    Services::open(&installation.url(), &source, Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap()
}

pub(super) async fn register(installation: &Installation, role: Role) -> (Caller, yinxin::base::id::CallerId) {
    let key = PrivateKey::generate(&SystemRandom).unwrap();
    let public_key = subject_public_key_info(&yinxin::crypto::Signer::public_key(&key));
    let fingerprint: [u8; 32] = digest(&SHA256, &public_key).as_ref().try_into().unwrap();
    let registration = Registration {
        name: "business system".into(),
        key_fingerprint: fingerprint,
        public_key,
        algorithm: KeyAlgorithm::Sm2,
        roles: Roles::new([role]).unwrap(),
    };
    let services = open(installation).await;
    let caller = register_caller(&services, &Actor::Operator, None, registration).await.unwrap();
    services.store.close().await;
    (Caller { key, fingerprint }, caller.id)
}

/// The headers of a signed request.
pub(super) fn headers(caller: &Caller, method: &str, url: &str, body: Option<&[u8]>) -> Vec<String> {
    let (mut names, mut base) = (vec!["\"@method\"", "\"@target-uri\""], String::new());
    base.push_str(&format!("\"@method\": {method}\n\"@target-uri\": {url}\n"));
    let mut headers = Vec::new();
    if let Some(body) = body {
        let digest = format!("sha-256=:{}:", STANDARD.encode(digest(&SHA256, body)));
        base.push_str(&format!("\"content-digest\": {digest}\n"));
        names.push("\"content-digest\"");
        headers.push(format!("Content-Digest: {digest}"));
    }
    let nonce = hex(&array::<16>(&SystemRandom).unwrap());
    let parameters = format!(
        "({});created={};nonce=\"{nonce}\";keyid=\"{}\";alg=\"sm2-sm3\"",
        names.join(" "),
        SystemClock.now().unix(),
        hex(&caller.fingerprint)
    );
    base.push_str(&format!("\"@signature-params\": {parameters}"));
    let value = STANDARD.encode(caller.key.sign(base.as_bytes(), &SystemRandom).unwrap());
    headers.push(format!("Signature-Input: sig1={parameters}"));
    headers.push(format!("Signature: sig1=:{value}:"));
    headers
}

pub(super) fn call(client: &Client, path: &str, headers: &[String], more: &[&str]) -> Answer {
    let mut arguments = headers.iter().flat_map(|header| ["-H", header]).collect::<Vec<_>>();
    arguments.extend(more);
    client.call(path, &arguments)
}

#[test]
fn a_request_signed_with_sm2_seals_a_document() {
    if !has_curl() {
        return crate::skip("serve::a_request_signed_with_sm2_seals_a_document", "curl");
    }
    let installation = Installation::new("serve-sm2");
    assert_eq!(installation.serve().terminate().0, Some(0));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (caller, id) = runtime.block_on(register(&installation, Role::SealUser));
    let running = installation.serve();
    let client = installation.client(&running);

    let status = client.seal_path();
    let url = |path: &str| format!("{}{path}", client.base);
    let signed = headers(&caller, "GET", &url(&status), None);
    assert_eq!(call(&client, &status, &signed, &[]).json()["state"], "active");
    assert_eq!(call(&client, &status, &signed, &[]).refusal(), (401, "replayed".into()));
    let elsewhere = headers(&caller, "GET", &url("/api/v1/seals/other"), None);
    assert_eq!(call(&client, &status, &elsewhere, &[]).refusal(), (401, "signature-wrong".into()));

    let mut body = Vec::new();
    let notice = std::fs::read(NOTICE).unwrap();
    for (name, value) in [("file\"; filename=\"a.ofd", &notice[..]), ("page", b"3"), ("x", b"124"), ("y", b"211.682")] {
        body.extend(format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--limit--\r\n");
    let file = format!("@{}", installation.write("body", &body).display());
    let signatures = format!("{status}/signatures");
    let form = [
        "--data-binary",
        &file,
        "-H",
        "Content-Type: multipart/form-data; boundary=limit",
        "-H",
        "Idempotency-Key: sm2",
    ];
    let signed = headers(&caller, "POST", &url(&signatures), Some(&body));
    let sealed = call(&client, &signatures, &signed, &form).ok();
    let report = client.verify(&installation.write("sealed.ofd", &sealed));
    assert_eq!(report["indication"], "TOTAL_PASSED");
    // Another body under the same signature.
    let last = body.len() - 20;
    body[last] ^= 1;
    let file = format!("@{}", installation.write("changed", &body).display());
    let changed = [&["--data-binary", &file][..], &form[2..]].concat();
    let signed = headers(&caller, "POST", &url(&signatures), Some(&std::fs::read(installation.path("body")).unwrap()));
    assert_eq!(call(&client, &signatures, &signed, &changed).refusal(), (400, "digest-wrong".into()));
    assert_eq!(running.terminate().0, Some(0));

    // A barred caller is a stranger.
    runtime.block_on(async {
        let services = open(&installation).await;
        bar_caller(&services, &Actor::Operator, None, &id).await.unwrap();
        services.store.close().await;
    });
    let running = installation.serve();
    let client = installation.client(&running);
    let signed = headers(&caller, "GET", &format!("{}{status}", client.base), None);
    assert_eq!(call(&client, &status, &signed, &[]).refusal(), (401, "key-unknown".into()));
    assert_eq!(client.seal(Path::new(NOTICE), "the-other-caller").status, 200);
    assert_eq!(running.terminate().0, Some(0));
}
