//! What publishing costs: OCSP answers that are kept and answers that are signed at once, through the router, and revocation
//! lists of 10 000 and of a million entries from rows in memory.
//!
//! `cargo bench --bench publication`. The router answering a constant of the same size stands beside the kept answer: what
//! is above it is the responder's own.
#![expect(clippy::unwrap_used, reason = "a bench without its material cannot go on")]

#[path = "../tests/publication/desk.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod desk;
#[path = "material/measure.rs"]
mod measure;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt;
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::verification::built_in;
use yinxin::crypto::Signer;
use yinxin::crypto::algorithm::OID_SHA1;
use yinxin::crypto::digest::sha1_identifier;
use yinxin::crypto::sm2;
use yinxin::domain::audit::Actor;
use yinxin::domain::key::KeyAlgorithm;
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::trust::key::encode_value;
use yinxin::format::x509::Certificate;
use yinxin::format::x509::crl::NewCrl;
use yinxin::format::x509::ocsp::{NewCertId, NewOcspRequest};
use yinxin::http::{App, Settings};
use yinxin::service::front::Front;
use yinxin::service::publication::Plan;
use yinxin::service::responder::{answer, ensure};
use yinxin::service::revocation_lists::{Draft, write};
use yinxin::service::verification::sm3_hex;
use yinxin::store::issued_certificates::IssuedCertificate;
use yinxin::store::revocation_pages::RevocationEntry;

use desk::{Authority, Desk, NOW, REVOKED, issuance};
use measure::{compare, work};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (desk, authority, row) = runtime.block_on(async {
        let desk = Desk::new("bench", Plan::default()).await;
        let authority = desk.authority("ca", KeyAlgorithm::Sm2, "http://a.example", 1).await;
        ensure(&desk.services, &issuance(&desk.services), &Actor::Operator, &authority.id).await.unwrap();
        let row = authority.issue(&desk.services, 1, 30).await.remove(0);
        (desk, authority, row)
    });
    answers(&runtime, &desk, &authority, &row);
    lists(&authority, &row);
}

fn answers(runtime: &tokio::runtime::Runtime, desk: &Desk, authority: &Authority, row: &IssuedCertificate) {
    let policies = BTreeMap::from([("default".to_owned(), built_in("default", &sm3_hex).unwrap())]);
    // The front starts a task.
    let _inside = runtime.enter();
    let front = Front::new(desk.services.clone(), TrustAnchors::none(), policies, "default").unwrap();
    let app = App::new(Arc::new(front), Settings::default(), Arc::new(SystemRandom)).unwrap();
    let router = app.publication_router();
    let (plain, with_nonce) = (request(authority, row, None), request(authority, row, Some(&[7; 32])));
    let size = runtime.block_on(answer(&desk.services, &authority.id, &plain)).to_der().len();
    // The guard and the log stand around the one; around this there is nothing.
    let constant = Router::new().route("/ocsp/{authority}", axum::routing::post(async move || vec![7_u8; size]));
    let post = |router: &Router, body: &[u8]| {
        let request =
            Request::post("/ocsp/ca").header("host", "localhost").header("content-type", "application/ocsp-request");
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let answer = runtime.block_on(router.clone().oneshot(request)).unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        runtime.block_on(axum::body::to_bytes(answer.into_body(), 1 << 20)).unwrap()
    };
    assert_eq!(post(&router, &plain).len(), size);
    compare(
        work("OCSP answer, kept, through the router", || post(&router, &plain)),
        vec![
            work("OCSP answer, SM2, signed at once, through it", || post(&router, &with_nonce)),
            work("a constant of that size through a bare router", || post(&constant, &plain)),
        ],
    );
}

fn request(authority: &Authority, row: &IssuedCertificate, nonce: Option<&[u8]>) -> Vec<u8> {
    let issuer = Certificate::parse(&authority.certificate).unwrap();
    let (name, key) = (sha1_identifier(issuer.subject.raw()), sha1_identifier(issuer.public_key.key));
    let id =
        NewCertId { hash_algorithm: OID_SHA1, issuer_name_hash: &name, issuer_key_hash: &key, serial: &row.serial };
    NewOcspRequest { cert_ids: &[&id.to_der()], nonce, acceptable_responses: &[] }.to_der()
}

/// Written, signed by SM2, put together; one run each, since a million entries are enough to time.
fn lists(authority: &Authority, row: &IssuedCertificate) {
    let issuer = Certificate::parse(&authority.certificate).unwrap();
    let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let algorithm = Signer::algorithm(&key);
    let oid = algorithm.oid().unwrap();
    for count in [10_000, 1_000_000] {
        let rows = (0..count).map(|_| {
            let revoked = RevocationEntry { status: REVOKED, ..RevocationEntry::of(row) };
            RevocationEntry { serial: array(&SystemRandom).unwrap(), ..revoked }.pack()
        });
        let rows = rows.collect::<Vec<_>>();
        let draft = Draft {
            issuer: &issuer,
            algorithm: oid,
            number: 1,
            base: None,
            this_update: NOW,
            next_update: NOW.plus_days(1),
            location: Some("http://a.example/crl/ca/0.crl"),
            delta_location: Some("http://a.example/crl/ca/0-delta.crl"),
        };
        let mut times = (0..5).map(|_| {
            let rows = rows.clone();
            let started = Instant::now();
            let (tbs, entries) = write(&draft, rows).unwrap();
            let value = Signer::sign(&key, &tbs, &SystemRandom).unwrap();
            let der = NewCrl::assemble(&tbs, oid, &encode_value(algorithm, &value));
            assert!(der.len() > 40 * count && entries == u64::try_from(count).unwrap());
            started.elapsed().as_secs_f64()
        });
        let mut times: [f64; 5] = std::array::from_fn(|_| times.next().unwrap());
        times.sort_by(f64::total_cmp);
        println!("a revocation list of {count} entries, SM2 {:>26.1} ms", times[2] * 1e3);
    }
}
