//! What our authorities publish: revocation lists, their certificates, OCSP answers. Everybody may have it, by plain HTTP too.
//!
//! It is signed, so the connection need not be; and whoever must check a certificate to open a connection could not ask over
//! that connection (RFC 5280 8, RFC 6960 A.1).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::http::App;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::problem::{Code, Problem};
use crate::service::door::{IssuerForm, OcspReply, PublishedBytes};

const LIST: &str = "application/pkix-crl";
const CERTIFICATE: &str = "application/pkix-cert";
const BUNDLE: &str = "application/pkcs7-mime";
const TRUST_LISTS: &str = "application/json";
const OCSP_REQUEST: &str = "application/ocsp-request";
const OCSP_RESPONSE: &str = "application/ocsp-response";
/// Characters of a request in a path. RFC 5019 5 has 255 octets for requests by GET; several questions are a few times that.
const PATH_REQUEST: usize = 4096;
/// Bytes of a request by POST; the guard lets no more through.
const POSTED_REQUEST: usize = 16 << 10;

/// The newest revocation list of a shard (`0.crl`), or its newest delta (`0-delta.crl`), DER.
#[utoipa::path(
    get, path = "/crl/{authority}/{list}", tag = "publication",
    params(
        ("authority" = String, Path, description = "Names the authority here"),
        ("list" = String, Path, description = "The shard's number, then `.crl` or `-delta.crl`"),
    ),
    responses(
        (status = 200, description = "The list (RFC 5280 5)", body = FileShape, content_type = "application/pkix-crl"),
        (status = 304, description = "The list that the client has is the newest one"),
        (status = "4XX", description = "There is none", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn crl(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((authority, list)) = path.map_err(|_| absent())?;
    let authority = AuthorityId::parse(&authority).map_err(|_| absent())?;
    let name = list.strip_suffix(".crl").ok_or_else(absent)?;
    let (shard, delta) = name.strip_suffix("-delta").map_or((name, false), |shard| (shard, true));
    let shard = shard.parse::<u32>().ok().filter(|number| number.to_string() == shard).ok_or_else(absent)?;
    let found = app.door.revocation_list(&authority, shard, delta).await?.ok_or_else(absent)?;
    Ok(published(found, LIST, &headers, app.door.clock().now()))
}

/// The certificate of an authority, DER (`AUTHORITY.cer`), or with the cross certificates for its key, as a message of
/// certificates only (`AUTHORITY.p7c`).
#[utoipa::path(
    get, path = "/aia/{certificate}", tag = "publication",
    params(("certificate" = String, Path, description = "The authority's name here, then `.cer` or `.p7c`")),
    responses(
        (status = 200, description = "The certificate (RFC 5280 4.2.2.1)", content(
            (FileShape = "application/pkix-cert"),
            (FileShape = "application/pkcs7-mime"),
        )),
        (status = 304, description = "The certificate that the client has is the newest one"),
        (status = "4XX", description = "There is none", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn aia(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(certificate) = path.map_err(|_| absent())?;
    let (name, form, kind) = match certificate.rsplit_once('.') {
        Some((name, "cer")) => (name, IssuerForm::Certificate, CERTIFICATE),
        Some((name, "p7c")) => (name, IssuerForm::Bundle, BUNDLE),
        _ => return Err(absent()),
    };
    let authority = AuthorityId::parse(name).map_err(|_| absent())?;
    let found = app.door.authority_certificate(&authority, form).await?.ok_or_else(absent)?;
    Ok(published(found, kind, &headers, app.door.clock().now()))
}

/// The trust lists in force here, each as it was signed. Whoever takes one compares its fingerprint with paper.
#[utoipa::path(
    get, path = "/.well-known/yinxin-trust-list", tag = "publication",
    responses(
        (status = 200, description = "A bundle: `lists`, each a JWS (RFC 7515 7.2.1), and `version`", body = FileShape,
         content_type = "application/json"),
        (status = 304, description = "The lists that the client has are the newest ones"),
        (status = "4XX", description = "There is none", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn trust_list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let found = app.door.trust_lists().await?.ok_or_else(absent)?;
    Ok(published(found, TRUST_LISTS, &headers, app.door.clock().now()))
}

/// An OCSP answer; the request is base64 in the path (RFC 6960 A.1).
#[utoipa::path(
    get, path = "/ocsp/{authority}/{*request}", tag = "publication",
    params(
        ("authority" = String, Path, description = "Names the authority here"),
        ("*request" = String, Path, description = "The OCSPRequest in DER, base64, escaped for URLs"),
    ),
    responses(
        (status = 200, description = "The OCSPResponse, whatever it says", body = FileShape, content_type = "application/ocsp-response"),
        (status = 304, description = "The answer that the client has is still the one to give"),
    ),
)]
pub(crate) async fn ocsp_get(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let (authority, request) = path.map_or_else(|_| (String::new(), String::new()), |Path(both)| both);
    let decoded = if request.len() > PATH_REQUEST { None } else { STANDARD.decode(request).ok() };
    // What is no base64 is no request either: the responder says so in its own words.
    answered(&app, &authority, &decoded.unwrap_or_default(), &headers).await
}

/// An OCSP answer; the request is the body (RFC 6960 A.1).
#[utoipa::path(
    post, path = "/ocsp/{authority}", tag = "publication",
    params(("authority" = String, Path, description = "Names the authority here")),
    request_body(content = FileShape, content_type = "application/ocsp-request"),
    responses(
        (status = 200, description = "The OCSPResponse, whatever it says", body = FileShape, content_type = "application/ocsp-response"),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn ocsp_post(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(OCSP_REQUEST) {
        return Err(Problem::new(Code::ContentTypeRefused, format!("Send {OCSP_REQUEST}.")));
    }
    let body = axum::body::to_bytes(request.into_body(), POSTED_REQUEST).await;
    let body = body.map_err(|_| Problem::new(Code::TooLarge, format!("At most {POSTED_REQUEST} bytes are taken.")))?;
    let authority = path.map_or_else(|_| String::new(), |Path(authority)| authority);
    // An answer to a POST is for who asked (RFC 9111 4): no condition is looked at.
    answered(&app, &authority, &body, &HeaderMap::new()).await
}

/// Answers the same to everybody: what the door costs by itself, see [`crate::http::Settings::constant`].
pub(crate) fn constant(octets: Bytes) -> axum::routing::MethodRouter<Arc<App>> {
    let headers = [(header::CONTENT_TYPE, OCSP_RESPONSE), (header::CACHE_CONTROL, "max-age=300, public")];
    axum::routing::get(async move || (headers, octets.clone()))
}

async fn answered(app: &App, authority: &str, request: &[u8], headers: &HeaderMap) -> Result<Response, Problem> {
    let reply = match AuthorityId::parse(authority) {
        Ok(authority) => app.door.ocsp(&authority, request).await?,
        Err(_) => app.door.ocsp_nobody(),
    };
    match reply {
        OcspReply::Kept(answer) => Ok(published(answer, OCSP_RESPONSE, headers, app.door.clock().now())),
        // Nobody else's question, or a failure that will pass: RFC 5019 6.2 keeps neither.
        OcspReply::Once(der) => {
            let headers = [(header::CONTENT_TYPE, OCSP_RESPONSE), (header::CACHE_CONTROL, "no-store")];
            Ok((headers, der).into_response())
        }
    }
}

fn absent() -> Problem {
    Problem::new(Code::NotPublished, "No authority publishes this here.")
}

/// The bytes with what caches need (RFC 5019 6.2, RFC 9111): or 304, when the client has them.
fn published(found: PublishedBytes, kind: &'static str, asked: &HeaderMap, now: Timestamp) -> Response {
    let tag = format!("\"{}\"", found.tag);
    let modified = http_date(found.this_update);
    let left = found.expires.unix().saturating_sub(now.unix()).max(0);
    let age = found.most_age.map_or(left, |most| left.min(most));
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::ETAG, tag.clone()),
        (header::LAST_MODIFIED, modified.clone()),
        (header::EXPIRES, http_date(found.expires)),
        (header::CACHE_CONTROL, format!("max-age={age}, public, no-transform, must-revalidate")),
    ];
    let value = |name| asked.get(name).and_then(|value| value.to_str().ok());
    // RFC 9110 13.2.2: the tag, where one is given, decides alone.
    let has_it = match (value(header::IF_NONE_MATCH), value(header::IF_MODIFIED_SINCE)) {
        (Some(tags), _) => tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*"),
        (None, Some(since)) => since == modified,
        (None, None) => false,
    };
    if has_it {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, Body::from(Bytes::from_owner(found.bytes))).into_response()
}

/// IMF-fixdate (RFC 9110 5.6.7).
fn http_date(moment: Timestamp) -> String {
    let utc = moment.to_utc();
    let name = |text: String| text.chars().take(3).collect::<String>();
    let (day, month) = (name(utc.weekday().to_string()), name(utc.month().to_string()));
    format!(
        "{day}, {:02} {month} {:04} {:02}:{:02}:{:02} GMT",
        utc.day(),
        utc.year(),
        utc.hour(),
        utc.minute(),
        utc.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_standard() {
        let moment = Timestamp::parse_rfc3339("1994-11-06T08:49:37Z").unwrap();
        assert_eq!(http_date(moment), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    fn status(name: header::HeaderName, value: &str) -> StatusCode {
        let moment = Timestamp::from_unix(0);
        let found = PublishedBytes {
            bytes: Arc::from([1]),
            this_update: moment,
            expires: moment.plus_seconds(60),
            most_age: None,
            tag: "t".into(),
        };
        let asked = HeaderMap::from_iter([(name, value.parse().unwrap())]);
        published(found, LIST, &asked, moment).status()
    }

    #[test]
    fn who_has_it_gets_it_not_again() {
        let (none_match, since) = (header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE);
        assert_eq!(status(none_match.clone(), "\"t\""), StatusCode::NOT_MODIFIED);
        assert_eq!(status(none_match.clone(), "\"x\", W/\"t\""), StatusCode::NOT_MODIFIED);
        assert_eq!(status(none_match.clone(), "*"), StatusCode::NOT_MODIFIED);
        assert_eq!(status(none_match, "\"x\""), StatusCode::OK);
        assert_eq!(status(since.clone(), "Thu, 01 Jan 1970 00:00:00 GMT"), StatusCode::NOT_MODIFIED);
        assert_eq!(status(since, "Thu, 01 Jan 1970 00:00:01 GMT"), StatusCode::OK);
    }
}
