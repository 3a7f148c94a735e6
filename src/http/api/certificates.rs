//! Certificates that our authorities issue: ordered, found, suspended, resumed, revoked.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::base::id::AuthorityId;
use crate::domain::ca::profile::AttributeKind;
use crate::domain::ca::state::RevocationReason;
use crate::domain::ca::subject::Attributes;
use crate::http::App;
use crate::http::api::accept::Form;
use crate::http::api::form::malformed;
use crate::http::api::json::{Fields, Tree, hexadecimal, moment};
use crate::http::api::pair::EncryptionShape;
use crate::http::api::{FileShape, ProblemShape};
use crate::http::guard::IdempotencyKey;
use crate::http::problem::{Code, Problem};
use crate::service::certificate_status::Change;
use crate::service::door::{
    Actor, CertificatePage, CertificateQuery, CertificateRecord, OrderCertificate, OrderedCertificate,
};
use crate::service::inventory::{Count, hexadecimal as hex};
use crate::service::verification::pem_of;

/// Certificates of a page where nothing is told.
const USUAL_LIMIT: i64 = 100;
/// Certificates of a page at most.
const MOST_LIMIT: i64 = 500;
/// Days within which certificates end, where nothing is told.
const USUAL_DAYS: i64 = 30;
/// At most: a hundred years.
const MOST_DAYS: i64 = 36_500;
/// Attributes of a subject; profiles allow far fewer.
const MOST_ATTRIBUTES: usize = 32;

/// An attribute of a subject.
#[derive(ToSchema)]
#[schema(as = SubjectAttribute)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct AttributeShape {
    /// As X.520 names it, such as `commonName`.
    attribute: String,
    /// Its value.
    value: String,
}

/// An order for a certificate.
#[derive(ToSchema)]
#[schema(as = CertificateOrder)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct OrderShape {
    /// Who issues.
    authority: String,
    /// Under which profile.
    profile: String,
    /// A request of PKCS#10 (RFC 2986): PEM, or its DER in base64. Its signature proves that the applicant holds the key;
    /// alternative names stand in it.
    csr: String,
    /// Stands in for the subject of the request.
    subject: Option<Vec<AttributeShape>>,
    /// Start of validity, RFC 3339; now where nothing is told.
    not_before: Option<String>,
    /// End of validity, RFC 3339; the profile's usual one where nothing is told.
    not_after: Option<String>,
    /// SM3 of the transaction, hex, for event certificates.
    transaction_digest: Option<String>,
}

/// A certificate that was issued.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderedCertificate)]
pub(crate) struct OrderedShape {
    /// SM3 of the certificate in DER, hex: its name here.
    sm3: String,
    /// Its serial number, hex.
    serial: String,
    /// Who issued it.
    authority: String,
    /// Under which profile.
    profile: String,
    /// Start of validity.
    not_before: String,
    /// End of validity.
    not_after: String,
    /// The certificate.
    pem: String,
    /// Of a pair: what belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption: Option<EncryptionShape>,
}

/// A certificate as it stands now. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = Certificate)]
pub(crate) struct CertificateShape {
    /// SM3 of the certificate in DER, hex: its name here.
    sm3: String,
    /// Its serial number, hex.
    serial: String,
    /// Who issued it.
    authority: String,
    /// Under which profile.
    profile: String,
    /// The subject, for people.
    subject: String,
    /// Start of validity.
    not_before: String,
    /// End of validity.
    not_after: String,
    /// When it was issued.
    issued_at: String,
    /// `active`, `suspended` or `revoked`.
    status: &'static str,
    /// Since when.
    status_since: String,
    /// Why it was revoked.
    reason: Option<&'static str>,
    /// Since when it is suspected to have been invalid (RFC 5280 5.3.2).
    invalidity_date: Option<String>,
    /// The revocation list that speaks of it.
    crl_shard: u32,
    /// The certificate; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pem: Option<String>,
}

impl From<CertificateRecord> for CertificateShape {
    fn from(record: CertificateRecord) -> Self {
        Self {
            sm3: hex(&record.sm3),
            serial: hex(&record.serial),
            authority: record.authority.to_string(),
            profile: record.profile,
            subject: record.subject,
            not_before: record.not_before.to_string(),
            not_after: record.not_after.to_string(),
            issued_at: record.issued_at.to_string(),
            status: record.status,
            status_since: record.status_since.to_string(),
            reason: record.reason.map(RevocationReason::name),
            invalidity_date: record.invalidity_date.map(|date| date.to_string()),
            crl_shard: record.crl_shard,
            pem: None,
        }
    }
}

/// How a certificate stands. Times are RFC 3339.
#[derive(Serialize, ToSchema)]
#[schema(as = CertificateStatus)]
pub(crate) struct StatusShape {
    /// SM3 of the certificate in DER, hex.
    sm3: String,
    /// `active`, `suspended` or `revoked`.
    status: &'static str,
    /// Since when.
    status_since: String,
    /// Why it was revoked.
    reason: Option<&'static str>,
    /// Since when it is suspected to have been invalid (RFC 5280 5.3.2).
    invalidity_date: Option<String>,
}

impl From<CertificateRecord> for StatusShape {
    fn from(record: CertificateRecord) -> Self {
        Self {
            sm3: hex(&record.sm3),
            status: record.status,
            status_since: record.status_since.to_string(),
            reason: record.reason.map(RevocationReason::name),
            invalidity_date: record.invalidity_date.map(|date| date.to_string()),
        }
    }
}

/// A page of certificates, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = CertificatePage)]
pub(crate) struct PageShape {
    /// The certificates.
    certificates: Vec<CertificateShape>,
    /// What the query for the next page gives as `after`; null on the last one.
    next: Option<i64>,
}

impl From<CertificatePage> for PageShape {
    fn from(page: CertificatePage) -> Self {
        Self { certificates: page.certificates.into_iter().map(Into::into).collect(), next: page.next }
    }
}

/// How many certificates of one authority, profile and status have not ended.
#[derive(Serialize, ToSchema)]
#[schema(as = CertificateCount)]
pub(crate) struct CountShape {
    /// Who issued them.
    authority: String,
    /// Under which profile.
    profile: String,
    /// `active`, `suspended` or `revoked`.
    status: String,
    /// How many.
    certificates: u64,
}

/// Why a certificate is revoked.
#[derive(ToSchema)]
#[schema(as = Revocation)]
#[expect(dead_code, reason = "describes what Fields reads")]
pub(crate) struct RevocationShape {
    /// `unspecified`, `key-compromise`, `ca-compromise`, `affiliation-changed`, `superseded`, `cessation-of-operation`,
    /// `privilege-withdrawn` or `aa-compromise` (RFC 5280 5.3.1).
    reason: String,
    /// Since when it is suspected to have been invalid, RFC 3339 (RFC 5280 5.3.2).
    invalidity_date: Option<String>,
}

/// Which certificates.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchQuery {
    /// Issued by this authority.
    authority: Option<String>,
    /// Under this profile.
    profile: Option<String>,
    /// `active`, `suspended` or `revoked`.
    status: Option<String>,
    /// The subject contains this text.
    subject: Option<String>,
    /// With this serial number, hex, 32 digits.
    serial: Option<String>,
    /// Ends at this moment or later, RFC 3339.
    ends_from: Option<String>,
    /// Ends before this moment, RFC 3339.
    ends_before: Option<String>,
    /// Behind the page that ended with this number.
    after: Option<String>,
    /// At most so many: 1 to 500, 100 where nothing is told.
    limit: Option<String>,
}

/// Certificates that end soon.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpiringQuery {
    /// Within so many days; 30 where nothing is told.
    days: Option<String>,
    /// Behind the page that ended with this number.
    after: Option<String>,
    /// At most so many: 1 to 500, 100 where nothing is told.
    limit: Option<String>,
}

/// Issues a certificate for a request of PKCS#10.
///
/// The same Idempotency-Key with the same order gives the same certificate again.
#[utoipa::path(
    post, path = "/api/v1/certificates", tag = "certificates",
    params(("Idempotency-Key" = String, Header, description = "1 to 64 visible ASCII characters; repeat it with a repeated request")),
    request_body(content = OrderShape, content_type = "application/json"),
    responses(
        (status = 201, description = "The certificate, in the form that Accept names first", content(
            (OrderedShape = "application/json"),
            (FileShape = "application/pkix-cert"),
            (FileShape = "application/pem-certificate-chain"),
        ), headers(("Location" = String, description = "Where the certificate stands"))),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn order(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    Extension(IdempotencyKey(idempotency_key)): Extension<IdempotencyKey>,
    request: Request,
) -> Result<Response, Problem> {
    const FIELDS: [&str; 7] =
        ["authority", "profile", "csr", "subject", "not_before", "not_after", "transaction_digest"];
    let form = Form::wanted(request.headers());
    let fields = Fields::read(request, &FIELDS).await?;
    let order = OrderCertificate {
        authority: authority("authority", fields.required("authority")?)?,
        profile: profile(fields.required("profile")?)?,
        csr: csr(fields.required("csr")?)?,
        subject: fields.list("subject")?.map(subject).transpose()?,
        not_before: fields.moment("not_before")?,
        not_after: fields.moment("not_after")?,
        transaction: fields.text("transaction_digest")?.map(digest).transpose()?,
        idempotency_key,
    };
    let door = app.door.clone();
    let ordered = app.to_its_end(async move { door.order_certificate(&actor, order).await }).await?;
    Ok(issued(form, ordered))
}

/// A certificate that was made, and where it stands.
pub(crate) fn issued(form: Form, ordered: OrderedCertificate) -> Response {
    let location = format!("/api/v1/certificates/{}", hex(&ordered.sm3));
    let answer = match form {
        Form::Json => Json(ordered_shape(ordered)).into_response(),
        form => form.file(ordered.der),
    };
    (StatusCode::CREATED, [(header::LOCATION, location)], answer).into_response()
}

fn ordered_shape(ordered: OrderedCertificate) -> OrderedShape {
    OrderedShape {
        sm3: hex(&ordered.sm3),
        serial: hex(&ordered.serial),
        authority: ordered.authority.to_string(),
        profile: ordered.profile,
        not_before: ordered.not_before.to_string(),
        not_after: ordered.not_after.to_string(),
        pem: pem_of(&ordered.der),
        encryption: ordered.encryption.map(Into::into),
    }
}

/// Certificates, oldest first, page by page.
#[utoipa::path(
    get, path = "/api/v1/certificates", operation_id = "search_certificates", tag = "certificates",
    params(SearchQuery),
    responses(
        (status = 200, description = "A page", body = PageShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Json<PageShape>, Problem> {
    const KNOWN: &str = "Known are authority, profile, status, subject, serial, ends_from, ends_before, after and limit, \
                         each once.";
    let Query(query) = query.map_err(|_| Problem::new(Code::QueryMalformed, KNOWN))?;
    let status = query.status.map(|status| match status.as_str() {
        "active" | "suspended" | "revoked" => Ok(status),
        _ => Err(malformed("status", "active, suspended or revoked")),
    });
    let subject = query.subject.map(|text| match text.chars().count() {
        1..=256 => Ok(text),
        _ => Err(malformed("subject", "1 to 256 characters")),
    });
    let serial = query.serial.map(|text| {
        hexadecimal(&text).ok_or_else(|| malformed("serial", "a serial number of ours: 32 hexadecimal digits"))
    });
    let ends = |name, text: Option<String>| text.map(|text| moment(name, &text)).transpose();
    let query = CertificateQuery {
        authority: query.authority.map(|text| authority("authority", &text)).transpose()?,
        profile: query.profile.map(|text| profile(&text)).transpose()?,
        status: status.transpose()?,
        subject: subject.transpose()?,
        serial: serial.transpose()?,
        ends_from: ends("ends_from", query.ends_from)?,
        ends_before: ends("ends_before", query.ends_before)?,
        after: number("after", query.after.as_deref(), (0, i64::MAX))?.unwrap_or(0),
        limit: number("limit", query.limit.as_deref(), (1, MOST_LIMIT))?.unwrap_or(USUAL_LIMIT),
    };
    Ok(Json(app.door.certificates(&actor, query).await?.into()))
}

/// Active certificates that end soon, oldest first, page by page.
#[utoipa::path(
    get, path = "/api/v1/certificates/expiring", tag = "certificates",
    params(ExpiringQuery),
    responses(
        (status = 200, description = "A page", body = PageShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn expiring(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    query: Result<Query<ExpiringQuery>, QueryRejection>,
) -> Result<Json<PageShape>, Problem> {
    let misread = |_| Problem::new(Code::QueryMalformed, "Known are days, after and limit, each once.");
    let Query(query) = query.map_err(misread)?;
    let days = number("days", query.days.as_deref(), (0, MOST_DAYS))?.unwrap_or(USUAL_DAYS);
    let now = app.door.clock().now();
    let query = CertificateQuery {
        status: Some("active".to_owned()),
        ends_from: Some(now),
        ends_before: Some(now.plus_days(days)),
        after: number("after", query.after.as_deref(), (0, i64::MAX))?.unwrap_or(0),
        limit: number("limit", query.limit.as_deref(), (1, MOST_LIMIT))?.unwrap_or(USUAL_LIMIT),
        ..CertificateQuery::default()
    };
    Ok(Json(app.door.certificates(&actor, query).await?.into()))
}

/// How many certificates there are of each authority, profile and status that have not ended.
#[utoipa::path(
    get, path = "/api/v1/certificates/statistics", tag = "certificates",
    responses(
        (status = 200, description = "The counts", body = Vec<CountShape>),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn statistics(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
) -> Result<Json<Vec<CountShape>>, Problem> {
    let shape = |Count { authority, profile, status, certificates }| CountShape {
        authority: AuthorityId::to_string(&authority),
        profile,
        status,
        certificates,
    };
    Ok(Json(app.door.certificate_counts(&actor).await?.into_iter().map(shape).collect()))
}

/// All that is known of a certificate, and the certificate; or the certificate alone, where Accept names its form.
#[utoipa::path(
    get, path = "/api/v1/certificates/{sm3}", operation_id = "show_certificate", tag = "certificates",
    params(("sm3" = String, Path, description = "SM3 of the certificate in DER, 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The certificate, in the form that Accept names first", content(
            (CertificateShape = "application/json"),
            (FileShape = "application/pkix-cert"),
            (FileShape = "application/pem-certificate-chain"),
        )),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    sm3: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let record = app.door.certificate(&actor, &name(sm3)?).await?;
    Ok(match Form::wanted(&headers) {
        Form::Json => {
            let pem = Some(pem_of(&record.der));
            Json(CertificateShape { pem, ..record.into() }).into_response()
        }
        form => form.file(record.der),
    })
}

/// How a certificate stands now.
#[utoipa::path(
    get, path = "/api/v1/certificates/{sm3}/status", operation_id = "certificate_status", tag = "certificates",
    params(("sm3" = String, Path, description = "SM3 of the certificate in DER, 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The status", body = StatusShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    sm3: Result<Path<String>, PathRejection>,
) -> Result<Json<StatusShape>, Problem> {
    Ok(Json(app.door.certificate(&actor, &name(sm3)?).await?.into()))
}

/// Puts a certificate on hold. One that is on hold already is refused, and stays as it is.
#[utoipa::path(
    post, path = "/api/v1/certificates/{sm3}/suspension", tag = "certificates",
    params(("sm3" = String, Path, description = "SM3 of the certificate in DER, 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The status from now on", body = StatusShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn suspend(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    sm3: Result<Path<String>, PathRejection>,
) -> Result<Json<StatusShape>, Problem> {
    change(&app, actor, name(sm3)?, Change::Suspend).await
}

/// Takes a certificate on hold back into use. One that is not on hold is refused, and stays as it is.
#[utoipa::path(
    post, path = "/api/v1/certificates/{sm3}/resumption", tag = "certificates",
    params(("sm3" = String, Path, description = "SM3 of the certificate in DER, 64 hexadecimal digits")),
    responses(
        (status = 200, description = "The status from now on", body = StatusShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    sm3: Result<Path<String>, PathRejection>,
) -> Result<Json<StatusShape>, Problem> {
    change(&app, actor, name(sm3)?, Change::Resume).await
}

/// Revokes a certificate, for ever. One that is revoked already is refused, and stays as it is.
#[utoipa::path(
    post, path = "/api/v1/certificates/{sm3}/revocation", tag = "certificates",
    params(("sm3" = String, Path, description = "SM3 of the certificate in DER, 64 hexadecimal digits")),
    request_body(content = RevocationShape, content_type = "application/json"),
    responses(
        (status = 200, description = "The status from now on", body = StatusShape),
        (status = "4XX", description = "Refused", body = ProblemShape, content_type = "application/problem+json"),
        (status = "5XX", description = "Not served", body = ProblemShape, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Extension(actor): Extension<Actor>,
    sm3: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<StatusShape>, Problem> {
    let sm3 = name(sm3)?;
    let fields = Fields::read(request, &["reason", "invalidity_date"]).await?;
    let wrong = || malformed("reason", "a reason of revocation, such as key-compromise");
    let reason =
        RevocationReason::from_name(fields.required("reason")?).filter(|reason| reason.is_final()).ok_or_else(wrong)?;
    let invalidity_date = fields.moment("invalidity_date")?;
    change(&app, actor, sm3, Change::Revoke { reason, invalidity_date }).await
}

async fn change(app: &App, actor: Actor, sm3: [u8; 32], change: Change) -> Result<Json<StatusShape>, Problem> {
    let door = app.door.clone();
    let changed = app.to_its_end(async move { door.change_certificate(&actor, &sm3, change).await });
    Ok(Json(changed.await?.into()))
}

/// The SM3 in a path.
fn name(path: Result<Path<String>, PathRejection>) -> Result<[u8; 32], Problem> {
    let wrong = || Problem::new(Code::IdentifierMalformed, "A certificate is named by its SM3: 64 hexadecimal digits.");
    let Path(text) = path.map_err(|_| wrong())?;
    hexadecimal(&text).ok_or_else(wrong)
}

pub(crate) fn authority(name: &str, text: &str) -> Result<AuthorityId, Problem> {
    AuthorityId::parse(text).map_err(|_| malformed(name, "an authority's name"))
}

pub(crate) fn profile(text: &str) -> Result<String, Problem> {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && (1..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(malformed("profile", "a profile's name: 1 to 64 of a-z, 0-9, '-'"))
    }
}

/// PEM as it is, or DER in base64.
pub(crate) fn csr(text: &str) -> Result<Vec<u8>, Problem> {
    if text.trim_start().starts_with("-----BEGIN ") {
        return Ok(text.as_bytes().to_vec());
    }
    let decoded = STANDARD.decode(text).ok().filter(|der| !der.is_empty());
    decoded.ok_or_else(|| malformed("csr", "a request of PKCS#10: PEM, or DER in base64"))
}

fn digest(text: &str) -> Result<[u8; 32], Problem> {
    hexadecimal(text).ok_or_else(|| malformed("transaction_digest", "an SM3: 64 hexadecimal digits"))
}

pub(crate) fn subject(items: &[Tree]) -> Result<Attributes, Problem> {
    let wrong = || malformed("subject", "a list of attributes, each with its attribute and its value");
    if items.is_empty() || items.len() > MOST_ATTRIBUTES {
        return Err(malformed("subject", "1 to 32 attributes"));
    }
    let attribute = |item: &Tree| {
        let Tree::Object(members) = item else { return Err(wrong()) };
        let fields = Fields::of(members.clone(), &["attribute", "value"])?;
        let kind = AttributeKind::from_name(fields.required("attribute")?);
        let kind = kind.ok_or_else(|| malformed("attribute", "an attribute that is written, such as commonName"))?;
        Ok((kind, fields.required("value")?.to_owned()))
    };
    items.iter().map(attribute).collect()
}

/// A number of a query, digits only.
pub(crate) fn number(name: &str, text: Option<&str>, (least, most): (i64, i64)) -> Result<Option<i64>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let number = text.parse::<i64>().ok().filter(|number| (least..=most).contains(number));
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let number = number.filter(|_| plain).ok_or_else(|| malformed(name, &format!("a number from {least} to {most}")));
    number.map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_within_their_bounds() {
        assert_eq!(number("x", None, (1, 5)), Ok(None));
        assert_eq!(number("x", Some("5"), (1, 5)), Ok(Some(5)));
        for text in ["", "0", "6", "+1", "-1", "1.0", " 1", "99999999999999999999"] {
            assert_eq!(number("x", Some(text), (1, 5)).unwrap_err().code(), "field-malformed", "{text}");
        }
    }
}
