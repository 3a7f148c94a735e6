//! One notice of a state change to a receiver elsewhere, signed by RFC 9421.
//!
//! What counts is the status of the answer: its body is not read. No redirects, no cookies; the head is bounded, and so is the
//! time for all of it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request};
use rustls::ClientConfig;

use crate::base::clock::Timestamp;
use crate::base::random::{Random, RandomUnavailable, array};
use crate::crypto::Signer;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::hex;
use crate::domain::verify::address::Address;
use crate::service::keys::{self, SigningPool};
use crate::service::outside::exchange::{content_digest, key_id};
use crate::service::outside::reach::SystemResolver;
use crate::service::outside::web::{self, Once, Patience, Web};

/// What bodies are.
const KIND: &str = "application/json";

/// Why a notice was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoticeError {
    /// Nobody answered, or not with a status of success.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// A header cannot be written.
    #[error("the notice makes no request")]
    Request(#[from] hyper::http::Error),
    /// Our key gave no signature.
    #[error("the notice cannot be signed")]
    Key(#[from] keys::Error),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The key of notices is of a kind that signs none.
    #[error("notices are signed by SM2, ECDSA over P-256 or Ed25519")]
    Algorithm,
}

impl NoticeError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Web(error) => error.code(),
            Self::Request(_) => "notice-request",
            Self::Key(_) | Self::Random(_) | Self::Algorithm => "notice-key",
        }
    }
}

/// Where notices go, and how long is waited.
#[derive(Clone)]
pub struct Destination {
    /// The address.
    pub address: Address,
    /// Who vouches for its server, where the address is one of https.
    pub tls: Option<Arc<ClientConfig>>,
    /// For connection and answer together.
    pub patience: Duration,
}

/// The name of an algorithm in signatures (RFC 9421 3.3; `sm2-sm3` is ours, as at our own door).
const fn named(algorithm: SignatureAlgorithm) -> Option<&'static str> {
    match algorithm {
        SignatureAlgorithm::Sm2Sm3 => Some("sm2-sm3"),
        SignatureAlgorithm::EcdsaP256Sha256 => Some("ecdsa-p256-sha256"),
        SignatureAlgorithm::Ed25519 => Some("ed25519"),
        _ => None,
    }
}

impl Destination {
    /// The address as the signature covers it.
    fn target(&self) -> String {
        let scheme = if self.address.is_secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.address.authority(), self.address.target)
    }

    /// Sends a body under that name. It was taken when this comes back without an error.
    ///
    /// # Errors
    /// It was not, as far as is known here.
    pub async fn send(
        &self,
        (id, body): (&str, String),
        (signer, pool): (Arc<dyn Signer>, &SigningPool),
        (random, now): (Arc<dyn Random>, Timestamp),
    ) -> Result<(), NoticeError> {
        let algorithm = named(signer.algorithm()).ok_or(NoticeError::Algorithm)?;
        let (nonce, key) = (hex(&array::<16>(&*random)?), key_id(&signer.public_key()));
        let digest = content_digest(body.as_bytes());
        let parameters = parameters(now, (&nonce, &key), algorithm);
        let base = base(&self.target(), (&digest, id), &parameters);
        let value = pool.sign(signer, base.into_bytes(), random).await?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.address.target.as_str())
            .header(HOST, self.address.authority())
            .header(CONNECTION, "close")
            .header(USER_AGENT, "yinxin")
            .header(CONTENT_TYPE, KIND)
            .header("webhook-id", id)
            .header("content-digest", digest)
            .header("signature-input", format!("notice={parameters}"))
            .header("signature", format!("notice=:{}:", STANDARD.encode(&value)))
            .body(Once::of(body.into_bytes()))?;
        let patience = Patience { connection: self.patience, whole: self.patience };
        let web = Web { resolver: Arc::new(SystemResolver), tls: self.tls.clone(), patience };
        Ok(web.told(&self.address, request).await?)
    }
}

/// The parameters of a notice's signature.
fn parameters(created: Timestamp, (nonce, key): (&str, &str), algorithm: &str) -> String {
    format!(
        "(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\" \"webhook-id\");created={};nonce=\"{nonce}\";\
         keyid=\"{key}\";alg=\"{algorithm}\"",
        created.unix()
    )
}

/// What a notice's signature is over.
fn base(target: &str, (digest, id): (&str, &str), parameters: &str) -> String {
    format!(
        "\"@method\": POST\n\"@target-uri\": {target}\n\"content-digest\": {digest}\n\"content-type\": {KIND}\n\
         \"webhook-id\": {id}\n\"@signature-params\": {parameters}"
    )
}
