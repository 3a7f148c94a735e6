//! The gate before every endpoint: host, access rule, proof of identity, idempotency key, size. Denies what no rule allows.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Frame;
use tokio::time::Instant;

use crate::base::id::{CallerId, RequestId};
use crate::http::App;
use crate::http::access::{Access, Rule};
use crate::http::api::form::media_type;
use crate::http::problem::{Code, Problem};
use crate::http::signed::{Claim, authority, claimed_digest};
use crate::service::audit_log::Receipt;
use crate::service::audit_log::desk::{LogAnswer, LogRequest};
use crate::service::door::{Actor, KnownCaller, Proof};

/// Bytes of a body that is no upload.
const SMALL_BODY: usize = 16 << 10;
/// What a multipart form may add around its file.
const FORM_OVERHEAD: usize = 64 << 10;

/// SHA-256 of nothing (FIPS 180-4), for requests without a body.
const NOTHING: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Where the receipts of an acknowledged operation stand, one in each: in base64 (`docs/formats/audit-notes.md`).
const RECEIPT: HeaderName = HeaderName::from_static("yinxin-receipt");

/// Octets of the receipts of one answer. Promises alone fit always; openings that go beyond are left out: the proof has them.
/// Many clients take 16 KiB of header fields.
const RECEIPTS: usize = 12 << 10;

/// Bytes of a refused body that are still taken.
const DISCARDED: usize = 1 << 20;

/// Headers by which a gateway asserts an address or a certificate. No gateway is configured, so nobody may send them.
const FORWARDED: &[&str] = &[
    "client-cert",
    "client-cert-chain",
    "forwarded",
    "x-client-cert",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "x-ssl-client-cert",
];

/// Adds the receipts of what the request wrote. One that cannot be signed now can be asked for later: the operation is
/// acknowledged all the same.
async fn with_receipts(app: &App, actor: &Actor, caller: &CallerId, mut response: Response) -> Response {
    let request = LogRequest::Receipts { request: actor.request_id.clone(), caller: caller.clone() };
    match app.door.audit_log(actor, request).await {
        Ok(LogAnswer::Receipts(receipts)) => {
            for value in receipt_values(&receipts).into_iter().filter_map(|value| HeaderValue::try_from(value).ok()) {
                response.headers_mut().append(RECEIPT, value);
            }
        }
        Ok(_) => {}
        Err(problem) => tracing::warn!(request_id = %actor.request_id, code = problem.code(), "no receipt was signed"),
    }
    response
}

/// The receipts in base64, each with its opening as long as all fit.
fn receipt_values(receipts: &[Receipt]) -> Vec<String> {
    let written = |receipt: &Receipt, is_opened| STANDARD.encode(receipt.to_text(is_opened));
    let mut values = receipts.iter().map(|receipt| written(receipt, false)).collect::<Vec<_>>();
    let mut left = RECEIPTS.saturating_sub(values.iter().map(String::len).sum());
    for (receipt, value) in receipts.iter().zip(&mut values) {
        let opened = written(receipt, true);
        let more = opened.len().saturating_sub(value.len());
        if more <= left {
            left = left.saturating_sub(more);
            *value = opened;
        }
    }
    values
}

/// What the connection proves about its other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// SHA-256 of the SubjectPublicKeyInfo of a client certificate whose private key the client holds.
    pub(crate) certificate_key: Option<[u8; 32]>,
}

/// A request that came by plain HTTP, where only signed and public bytes are served: under whatever name, through whatever
/// proxy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainHttp;

/// The Idempotency-Key of a request whose rule asks for one.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey(pub(crate) String);

/// Left on the answer for the log.
#[derive(Debug, Clone)]
pub(crate) struct AnsweredTo(pub(crate) CallerId);

/// Lets a request through to its endpoint, or answers why not.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (parts, mut body) = request.into_parts();
    if parts.extensions.get::<PlainHttp>().is_none()
        && let Err(problem) = check_host(&app, &parts)
    {
        return problem.into_response();
    }
    let Some(route) = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()) else {
        return next.run(Request::from_parts(parts, body)).await; // the fallback: no such route
    };
    let Some(rule) = app.table.rule(&parts.method, &route) else {
        if app.is_route(&parts.method, &route) {
            let detail = "Nobody may call an endpoint without a rule.";
            return Problem::new(Code::NoAccessRule, detail).into_response();
        }
        return next.run(Request::from_parts(parts, body)).await; // the fallback: wrong method
    };
    let Some(request_id) = parts.extensions.get::<RequestId>().cloned() else {
        return Problem::new(Code::Internal, "The request has no identifier.").into_response();
    };
    let peer = parts.extensions.get::<Peer>().copied();
    let address = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.address.ip().to_canonical());
    let mut actor = Actor { caller: None, request_id, peer: address };
    let is_waiting = parts.headers.contains_key(header::EXPECT);
    let admitted = admit(&app, rule, &mut actor, parts, &mut body).await;
    let caller = actor.caller.clone();
    let mut response = match admitted {
        Ok(request) => {
            let response = next.run(request).await;
            match &caller {
                Some((caller, _)) => with_receipts(&app, &actor, caller, response).await,
                None => response,
            }
        }
        Err(problem) => {
            if rule.access == Access::Caller && problem.status().is_client_error() {
                record(&app, &actor, rule, problem.code()).await;
            }
            if !is_waiting {
                discard(&mut body).await;
            }
            problem.into_response()
        }
    };
    if let Some((caller, _)) = caller {
        response.extensions_mut().insert(AnsweredTo(caller));
    }
    response
}

/// Writes a refusal to the audit log. Strangers have a budget there: they must not be able to fill our disks.
async fn record(app: &App, actor: &Actor, rule: &Rule, code: &str) {
    if actor.caller.is_none() && !app.stranger_budget.spend(app.door.clock().now()) {
        app.metrics.unrecorded();
        return;
    }
    if let Err(problem) = app.door.record_refusal(actor, &rule.method, &rule.path, code).await {
        tracing::error!(request_id = %actor.request_id, cause = problem.cause(), "refusal could not be recorded");
    }
}

/// Host decides what the request is for, so that no other site's name can be made to point here (DNS rebinding).
fn check_host(app: &App, parts: &Parts) -> Result<(), Problem> {
    let authority = authority(&parts.uri, &parts.headers)?;
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => format!("[{address}]"),
        None => authority.split(':').next().unwrap_or_default().to_owned(),
    };
    if !app.settings.hosts.contains(&host) {
        return Err(Problem::new(Code::HostUnknown, "The host is not among the configured ones."));
    }
    if let Some(name) = FORWARDED.iter().find(|name| parts.headers.contains_key(**name)) {
        return Err(Problem::new(Code::ForwardedRefused, format!("{name} is not accepted from this peer.")));
    }
    Ok(())
}

/// Cheap checks first; the body is read last, by those who may send one.
async fn admit(app: &App, rule: &Rule, actor: &mut Actor, parts: Parts, body: &mut Body) -> Result<Request, Problem> {
    let digest = claimed_digest(&parts.headers)?;
    let mut nonce = None;
    match rule.access {
        Access::Public => {}
        Access::Loopback => {
            if !actor.peer.is_loopback() {
                return Err(Problem::new(Code::LoopbackOnly, "The connection comes from elsewhere."));
            }
        }
        Access::Caller => {
            let (caller, proof, claim) = identify(app, &parts, !body.is_end_stream()).await?;
            actor.caller = Some((caller.id.clone(), proof));
            if !caller.roles.iter().any(|role| rule.roles.contains(role)) {
                let detail = format!("One of these roles is needed: {}.", rule.roles.join(", "));
                return Err(Problem::new(Code::RoleMissing, detail));
            }
            nonce = claim.map(|claim| (caller.id, claim));
        }
    }
    let idempotency_key = if rule.idempotency { Some(idempotency_key(&parts.headers)?) } else { None };
    let limit = if rule.many && media_type(&parts.headers) == "multipart/form-data" {
        app.settings.request_bytes.saturating_add(FORM_OVERHEAD)
    } else if rule.upload {
        app.settings.file_bytes.saturating_add(FORM_OVERHEAD)
    } else {
        SMALL_BODY
    };
    refuse_declared_size(&parts.headers, limit)?;
    let stand = if rule.upload { Some(app.stand(actor)?) } else { None };
    // Spent before the body is read, and before any waiting: a replayed request costs us no upload and no place, and a nonce
    // need not be remembered for longer than its signature holds.
    if let Some((caller, claim)) = nonce {
        app.door.spend_nonce(&caller, &claim.nonce, claim.nonce_expires()).await?;
    }
    let place = match stand {
        Some(stand) => Some(stand.place().await?),
        None => None,
    };
    let (octets, sha256) = read(app, (&*actor, body), limit).await?;
    if digest.is_some_and(|claimed| claimed != sha256) {
        return Err(Problem::new(Code::DigestWrong, "The body's SHA-256 is another one."));
    }
    let mut request = Request::from_parts(parts, octets);
    request.extensions_mut().insert(actor.clone());
    if let Some(key) = idempotency_key {
        request.extensions_mut().insert(key);
    }
    if let Some(place) = place {
        request.extensions_mut().insert(place);
    }
    Ok(request)
}

/// Who signs the request or holds the connection's client certificate. A signature that is present must be right.
async fn identify(app: &App, parts: &Parts, has_body: bool) -> Result<(KnownCaller, Proof, Option<Claim>), Problem> {
    let unknown = || Problem::new(Code::KeyUnknown, "No caller has registered this key.");
    let Some(claim) = Claim::read(&parts.headers)? else {
        let Some(key) = parts.extensions.get::<Peer>().and_then(|peer| peer.certificate_key) else {
            return Err(Problem::new(
                Code::SignatureMissing,
                "The request is not signed and no certificate was shown.",
            ));
        };
        let caller = app.door.caller_by_fingerprint(&key).await?.ok_or_else(unknown)?;
        return Ok((caller, Proof::ClientCertificate, None));
    };
    claim.check(app.door.clock().now(), has_body)?;
    let base = claim.base(parts)?;
    let caller = app.door.caller_by_fingerprint(&claim.key).await?.ok_or_else(unknown)?;
    // A key is used with one algorithm only, so that nobody can choose a weaker reading of it.
    if caller.key.algorithm != claim.algorithm {
        return Err(Problem::new(Code::AlgorithmRefused, "The key is registered for another algorithm."));
    }
    if !app.door.verify_caller_signature(&caller.key, &claim.algorithm, &base, &claim.value) {
        return Err(Problem::new(Code::SignatureWrong, "The signature is not this key's over this request."));
    }
    Ok((caller, Proof::MessageSignature, Some(claim)))
}

fn idempotency_key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Err(Problem::new(
            Code::IdempotencyKeyMissing,
            "Send a fresh key; repeat it when you repeat the request.",
        ));
    };
    let malformed = || Problem::new(Code::IdempotencyKeyMalformed, "The key is not accepted.");
    let text = value.to_str().map_err(|_| malformed())?;
    let visible = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !visible || values.next().is_some() {
        return Err(malformed());
    }
    Ok(IdempotencyKey(text.to_owned()))
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("At most {limit} bytes are taken."))
}

/// A size that is declared too large is refused before a byte of it is asked for.
fn refuse_declared_size(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    match declared {
        Some(length) if usize::try_from(length).map_or(true, |length| length > limit) => Err(too_large(limit)),
        _ => Ok(()),
    }
}

async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, axum::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// Takes a little more of a refused body, so that a client that is still sending can read why. Closing at once would
/// make its system drop our answer (RFC 9112, 9.6).
async fn discard(body: &mut Body) {
    let discarded = async {
        let mut left = DISCARDED;
        while let Some(Ok(frame)) = next_frame(body).await {
            left = left.saturating_sub(frame.data_ref().map_or(1, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // What is left after this time is given up as well.
    let _ = tokio::time::timeout(Duration::from_secs(1), discarded).await;
}

/// The whole body and its SHA-256, hashed as it arrives. A large one waits in a file.
async fn read(app: &App, (actor, body): (&Actor, &mut Body), limit: usize) -> Result<(Body, [u8; 32]), Problem> {
    if body.is_end_stream() {
        return Ok((Body::empty(), NOTHING));
    }
    let mut octets = app.spooled(actor, "body");
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    let (started, rate) = (Instant::now(), f64::from(app.settings.body_rate));
    let mut received = 0.0;
    loop {
        let frame = match tokio::time::timeout(app.settings.body_pause, next_frame(body)).await {
            Err(_) => return Err(Problem::new(Code::TooSlow, "The body paused for too long.")),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(Problem::new(Code::BodyMalformed, "The body broke off.")),
            Ok(Some(Ok(frame))) => frame,
        };
        if let Ok(chunk) = frame.into_data() {
            if octets.len().saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX)) > most {
                return Err(too_large(limit));
            }
            received += f64::from(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
            let late = started.elapsed().saturating_sub(app.settings.body_pause).as_secs_f64();
            if received < late * rate {
                return Err(Problem::new(Code::TooSlow, "The body comes too slowly."));
            }
            hash.update(&chunk);
            octets.append(&chunk).await?;
        }
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    Ok((octets.into_body(), sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 16 promises of a log with a long name fit; openings stand as long as they fit, those of later receipts too.
    #[test]
    fn receipts_are_bounded_by_their_openings() {
        let receipt = |octets: usize| {
            let note = format!("{}\n", "n".repeat(450));
            Receipt { index: 7, note, opening: Some(vec![7; octets]) }
        };
        let opened = |receipts: &[Receipt]| {
            let values = receipt_values(receipts);
            assert!(values.iter().map(String::len).sum::<usize>() <= RECEIPTS);
            let texts = values.iter().map(|value| String::from_utf8(STANDARD.decode(value).unwrap()).unwrap());
            texts.map(|text| text.contains("\nextra ")).collect::<Vec<_>>()
        };
        assert_eq!(opened(&[receipt(300), receipt(60_000), receipt(300)]), [true, false, true]);
        let many = opened(&vec![receipt(300); 16]);
        assert!(many.len() == 16 && many[0] && !many[15]);
        let closed = Receipt { opening: None, ..receipt(0) };
        assert_eq!(opened(&[closed]), [false]);
    }

    #[test]
    fn nothing_has_its_digest() {
        assert_eq!(ring::digest::digest(&ring::digest::SHA256, b"").as_ref(), NOTHING);
    }
}
