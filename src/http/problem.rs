//! Every error answer: RFC 9457 problem documents with stable codes.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::service::door::{ErrorKind, Refusal};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// The codes of the door itself. Once published, a code keeps its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* #[doc = $title] $name,)* }

        impl Code {
            /// All of them, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As in the answer.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// One short sentence, the same for each occurrence (RFC 9457, 3.1.3).
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

#[rustfmt::skip]
codes! {
    // Reaching an endpoint.
    RouteUnknown = "route-unknown", NOT_FOUND, "There is no such endpoint";
    MethodRefused = "method-refused", METHOD_NOT_ALLOWED, "The endpoint does not take this method";
    NotPublished = "not-published", NOT_FOUND, "No authority publishes this";
    HostUnknown = "host-unknown", MISDIRECTED_REQUEST, "The Host header names no host of this server";
    ForwardedRefused = "forwarded-refused", BAD_REQUEST, "Only a configured gateway may assert an address or a certificate";
    // Who may.
    NoAccessRule = "no-access-rule", FORBIDDEN, "The endpoint has no access rule";
    LoopbackOnly = "loopback-only", FORBIDDEN, "The endpoint answers connections from this machine only";
    RoleMissing = "role-missing", FORBIDDEN, "The caller lacks the role that the endpoint needs";
    SignatureMissing = "signature-missing", UNAUTHORIZED, "The endpoint needs a registered key: sign the request or use a client certificate";
    SignatureMalformed = "signature-malformed", UNAUTHORIZED, "The signature headers cannot be read";
    SignatureComponentMissing = "signature-component-missing", UNAUTHORIZED, "The signature does not cover all that it must cover";
    SignatureExpired = "signature-expired", UNAUTHORIZED, "The signature was not made within the last minute";
    SignatureWrong = "signature-wrong", UNAUTHORIZED, "The signature does not fit the request";
    AlgorithmRefused = "algorithm-refused", UNAUTHORIZED, "The signature algorithm is not accepted for this key";
    KeyUnknown = "key-unknown", UNAUTHORIZED, "The key is not registered";
    Replayed = "replayed", UNAUTHORIZED, "The nonce has been used before";
    DigestWrong = "digest-wrong", BAD_REQUEST, "Content-Digest does not fit the body";
    // The request itself.
    IdempotencyKeyMissing = "idempotency-key-missing", PRECONDITION_REQUIRED, "The endpoint needs an Idempotency-Key";
    IdempotencyKeyMalformed = "idempotency-key-malformed", BAD_REQUEST, "Idempotency-Key must be 1 to 64 visible ASCII characters";
    IdempotencyKeyReused = "idempotency-key-reused", CONFLICT, "The Idempotency-Key was used for another request";
    IdentifierMalformed = "identifier-malformed", BAD_REQUEST, "The address holds something that is not an identifier";
    QueryMalformed = "query-malformed", BAD_REQUEST, "The query cannot be read";
    ContentTypeRefused = "content-type-refused", UNSUPPORTED_MEDIA_TYPE, "The endpoint does not take this kind of content";
    NotAcceptable = "not-acceptable", NOT_ACCEPTABLE, "The endpoint answers in none of the forms that Accept names";
    BodyMalformed = "body-malformed", BAD_REQUEST, "The body cannot be read";
    FieldMissing = "field-missing", BAD_REQUEST, "A field is missing";
    FieldRepeated = "field-repeated", BAD_REQUEST, "A field appears twice";
    FieldUnknown = "field-unknown", BAD_REQUEST, "A field is not known";
    PairIncomplete = "pair-incomplete", BAD_REQUEST, "A signature has no original beside it, or an original no signature";
    FieldMalformed = "field-malformed", BAD_REQUEST, "A field has a value that it cannot have";
    // How much.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The body is larger than the limit";
    TooManyFiles = "too-many-files", PAYLOAD_TOO_LARGE, "The request carries more files than the limit";
    QuotaReached = "quota-reached", SERVICE_UNAVAILABLE, "The uploads of this caller or address take all that one may take; try again";
    SpoolFull = "spool-full", SERVICE_UNAVAILABLE, "There is no space for uploads; try again";
    TooSlow = "too-slow", REQUEST_TIMEOUT, "The body did not arrive in time";
    Busy = "busy", SERVICE_UNAVAILABLE, "Too many requests are being served; try again";
    TimedOut = "timed-out", GATEWAY_TIMEOUT, "The request took longer than the limit";
    // Ours.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Something that the service stands on is down; try again";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The service made an error";
}

/// Status and title of what the use cases refuse, by kind; their codes are their own.
#[must_use]
pub const fn of_kind(kind: ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "There is no such thing"),
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, "The caller may not do this"),
        ErrorKind::Conflict => (StatusCode::CONFLICT, "The present state forbids this"),
        ErrorKind::Refused => (StatusCode::UNPROCESSABLE_ENTITY, "The content is refused"),
        ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The content is more than the service takes on"),
        ErrorKind::Unavailable => (Code::Unavailable.status(), Code::Unavailable.title()),
        ErrorKind::Internal => (Code::Internal.status(), Code::Internal.title()),
    }
}

/// An error answer. Becomes complete when the request's id is added on the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log only.
    cause: Option<String>,
}

impl Problem {
    /// A problem of the door. The detail says what is wrong with this request; it repeats no secrets.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let headers = match code.status() {
            StatusCode::UNAUTHORIZED => challenge(),
            StatusCode::SERVICE_UNAVAILABLE => vec![(header::RETRY_AFTER, HeaderValue::from_static("1"))],
            _ => Vec::new(),
        };
        let (status, title) = (code.status(), code.title());
        Self { status, code: code.as_str(), title, detail: detail.into(), headers, cause: None }
    }

    /// What a use case refused.
    #[must_use]
    pub fn from_refusal(refusal: &dyn Refusal) -> Self {
        let kind = refusal.kind();
        let (status, title) = of_kind(kind);
        match kind {
            ErrorKind::Internal => Self::internal(refusal),
            ErrorKind::Unavailable => Self {
                cause: Some(chain(refusal)),
                code: refusal.code(),
                ..Self::new(Code::Unavailable, "The request was not served.")
            },
            _ if refusal.code() == Code::Replayed.as_str() => Self::new(Code::Replayed, refusal.to_string()),
            _ => {
                let detail = refusal.to_string();
                Self { status, code: refusal.code(), title, detail, headers: Vec::new(), cause: None }
            }
        }
    }

    /// Our own error; the cause goes to the log, not to the caller.
    #[must_use]
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        Self {
            cause: Some(chain(cause)),
            ..Self::new(Code::Internal, "The request was not served. The log has the cause.")
        }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence that belongs to the code.
    pub(crate) fn title(&self) -> &str {
        self.title
    }

    /// What is wrong here.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// For the log.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The finished answer (RFC 9457, section 3).
    pub(crate) fn answer(&self, request_id: &str) -> Response {
        let body = serde_json::json!({
            "type": format!("urn:yinxin:problem:{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "instance": request_id,
        });
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response();
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Carries the problem outward; the outermost layer writes the body, since only it knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// RFC 9110 15.5.2 wants a challenge with each 401; RFC 9421 5.1 has the header that says what to sign.
fn challenge() -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (header::WWW_AUTHENTICATE, HeaderValue::from_static("Signature realm=\"yinxin\"")),
        (
            HeaderName::from_static("accept-signature"),
            HeaderValue::from_static("sig1=(\"@method\" \"@target-uri\" \"content-digest\");created;nonce;keyid;alg"),
        ),
    ]
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // A chain is a few links; the bound is for one that bites its tail.
    for _ in 0..16 {
        let Some(next) = source else { break };
        text.push_str(": ");
        text.push_str(&next.to_string());
        source = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write;

    use super::*;

    #[test]
    fn codes_are_unique_and_kebab_case() {
        let mut seen = BTreeSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} twice");
            assert!(text.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase())), "{text}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{text}");
        }
    }

    #[test]
    fn the_manual_lists_every_code() {
        let mut manual = String::from(
            "# Errors of the API\n\n\
             Every error answer is an RFC 9457 problem document (`application/problem+json`) with `type`, `title`, `status`,\n\
             `detail`, `code` and `instance`, the request's id. Programs look at `code`: it is stable. The text of `detail` may change.\n\
             Generated from the code by `UPDATE=1 cargo test the_manual_lists_every_code`.\n\n\
             ## Codes of the door\n\n| code | status | meaning |\n|---|---|---|\n",
        );
        for code in Code::ALL {
            writeln!(manual, "| `{}` | {} | {} |", code.as_str(), code.status().as_u16(), code.title()).unwrap();
        }
        manual.push_str(
            "\n## What the use cases refuse\n\nTheir codes name the reason; the status follows from the kind of refusal.\n\n\
             | kind | status | title |\n|---|---|---|\n",
        );
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::Forbidden,
            ErrorKind::Conflict,
            ErrorKind::Refused,
            ErrorKind::TooLarge,
            ErrorKind::Unavailable,
            ErrorKind::Internal,
        ] {
            let (status, title) = of_kind(kind);
            writeln!(manual, "| {kind:?} | {} | {title} |", status.as_u16()).unwrap();
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api-errors.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &manual).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), manual, "run with UPDATE=1");
    }
}
