//! One message to an office elsewhere and its answer, both signed (RFC 9421).
//!
//! Ours covers method, address, content digest and type. The office's covers status, content digest and, by `req`, our own
//! signature: so an answer fits the one request that it answers, and no other. No redirects, no cookies, bounded sizes.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, StatusCode};
use rustls::ClientConfig;

use crate::base::clock::Timestamp;
use crate::base::random::{Random, RandomUnavailable, array};
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::digest::{hex, sha256};
use crate::crypto::{PublicKey, Signer};
use crate::domain::trust::key::{public_key, subject_public_key_info};
use crate::domain::verify::address::Address;
use crate::format::keys::{SubjectPublicKeyInfo, read_pem};
use crate::format::office::MOST_OCTETS;
use crate::service::keys::{self, SigningPool};
use crate::service::outside::reach::SystemResolver;
use crate::service::outside::web::{self, Once, Patience, Web, whole_body};

/// For one message. A picture goes out, a seal comes back.
const PATIENCE: Patience = Patience { connection: Duration::from_secs(5), whole: Duration::from_secs(20) };
/// How far the clock of an office may differ, in seconds; that of our own door for requests.
const WINDOW: i64 = 60;
/// What bodies are, in both directions.
const KIND: &str = "application/vnd.yinxin.office";

/// For how long nobody else sends a message that somebody is sending, in seconds: longer than one attempt takes.
pub const LEASE: i64 = 45;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// Nobody, or nothing whole, answered.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// A header cannot be written.
    #[error("the message makes no request")]
    Request(#[from] hyper::http::Error),
    /// Our key gave no signature.
    #[error("the message cannot be signed")]
    Key(#[from] keys::Error),
    /// There is no randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The key of messages is of a kind that signs none.
    #[error("messages are signed by SM2 with SM3")]
    Algorithm,
    /// The answer is not signed as it must be.
    #[error("the answer is not signed by the office for this message: {what}")]
    Unsigned {
        /// Which part.
        what: &'static str,
    },
}

impl ExchangeError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Web(error) => error.code(),
            Self::Request(_) => "office-request",
            Self::Key(_) | Self::Random(_) | Self::Algorithm => "office-key",
            Self::Unsigned { .. } => "office-signature",
        }
    }
}

/// An office that is asked.
#[derive(Clone)]
pub struct Correspondent {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    key: PublicKey,
    key_id: String,
}

impl Correspondent {
    /// The office there, which signs by that key; its server is believed by these authorities where the address is one of
    /// https.
    #[must_use]
    pub fn new(address: Address, tls: Option<Arc<ClientConfig>>, key: PublicKey) -> Self {
        let key_id = key_id(&key);
        Self { address, tls, key, key_id }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a message, signed by ours, and gives the octets of the answer, once the office's signature over it is right.
    ///
    /// # Errors
    /// There is none, or it is not the office's for this message.
    pub async fn ask(
        &self,
        octets: Vec<u8>,
        (signer, pool): (Arc<dyn Signer>, &SigningPool),
        (random, now): (Arc<dyn Random>, Timestamp),
    ) -> Result<Vec<u8>, ExchangeError> {
        if signer.algorithm() != SignatureAlgorithm::Sm2Sm3 {
            return Err(ExchangeError::Algorithm);
        }
        let nonce = hex(&array::<16>(&*random)?);
        let scheme = if self.address.is_secure { "https" } else { "http" };
        let target = format!("{scheme}://{}{}", self.address.authority(), self.address.target);
        let digest = content_digest(&octets);
        let own = key_id(&signer.public_key());
        let parameters = request_parameters(now, &nonce, &own);
        let base = request_base(&target, &digest, &parameters);
        let value = pool.sign(signer, base.into_bytes(), random).await?;
        let signature = format!(":{}:", STANDARD.encode(&value));
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.address.target.as_str())
            .header(HOST, self.address.authority())
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, KIND)
            .header("content-digest", digest)
            .header("signature-input", format!("message={parameters}"))
            .header("signature", format!("message={signature}"))
            .body(Once::of(octets))?;
        let (headers, body) = self.send(request).await?;
        self.believe(&headers, &body, &signature, now)?;
        Ok(body)
    }

    async fn send(&self, request: Request<Once>) -> Result<(HeaderMap, Vec<u8>), ExchangeError> {
        let web = Web { resolver: Arc::new(SystemResolver), tls: self.tls.clone(), patience: PATIENCE };
        let exchange = async {
            let (mut sender, connection) = web.connected(&self.address).await?;
            let asking = async move {
                let response = sender.send_request(request).await?;
                let status = response.status();
                if status.is_redirection() {
                    return Err(web::Error::Redirect);
                }
                if status != StatusCode::OK {
                    return Err(web::Error::Status(status.as_u16()));
                }
                let headers = response.headers().clone();
                Ok((headers, whole_body(response.into_body(), MOST_OCTETS).await?))
            };
            // Both in one task: when the asking ends, so does the connection.
            let (mut asking, mut connection) = (std::pin::pin!(asking), std::pin::pin!(connection));
            let mut is_over = false;
            poll_fn(|context| {
                if !is_over && connection.as_mut().poll(context).is_ready() {
                    is_over = true;
                }
                asking.as_mut().poll(context)
            })
            .await
        };
        let whole = PATIENCE.whole;
        let done = tokio::time::timeout(whole, exchange).await.unwrap_or(Err(web::Error::TimedOut(whole)));
        Ok(done?)
    }

    /// Whether the answer is the office's to the request of that signature.
    fn believe(&self, headers: &HeaderMap, body: &[u8], asked: &str, now: Timestamp) -> Result<(), ExchangeError> {
        let unsigned = |what| ExchangeError::Unsigned { what };
        let digest = single(headers, "content-digest").ok_or(unsigned("content-digest"))?;
        if digest != content_digest(body) {
            return Err(unsigned("content-digest"));
        }
        let input = single(headers, "signature-input").ok_or(unsigned("signature-input"))?;
        let parameters = input.strip_prefix("answer=").ok_or(unsigned("signature-input"))?;
        // One form is taken, and the moment in it is the only thing that differs.
        let begins =
            parameters.strip_prefix("(\"@status\" \"content-digest\" \"signature\";req;key=\"message\");created=");
        let created = begins.and_then(|rest| rest.split(';').next()).and_then(|text| text.parse::<i64>().ok());
        let created = created.ok_or(unsigned("signature-input"))?;
        if parameters != answer_parameters(Timestamp::from_unix(created), &self.key_id) {
            return Err(unsigned("signature-input"));
        }
        if created.saturating_sub(now.unix()).saturating_abs() > WINDOW {
            return Err(unsigned("created"));
        }
        let field = single(headers, "signature").ok_or(unsigned("signature"))?;
        let value = field.strip_prefix("answer=:").and_then(|text| text.strip_suffix(':'));
        let value = value.and_then(|text| STANDARD.decode(text).ok()).ok_or(unsigned("signature"))?;
        let base = answer_base(&digest, asked, parameters);
        match self.key.verify(SignatureAlgorithm::Sm2Sm3, base.as_bytes(), &value) {
            true => Ok(()),
            false => Err(unsigned("signature")),
        }
    }
}

/// The public key in a PEM file (`PUBLIC KEY`); none where it holds none of a kind that is known.
#[must_use]
pub fn public_key_in(pem: &[u8]) -> Option<PublicKey> {
    let ders = read_pem(std::str::from_utf8(pem).ok()?, "PUBLIC KEY")?;
    public_key(&SubjectPublicKeyInfo::parse(ders.first()?).ok()?)
}

/// `keyid`: SHA-256 of SubjectPublicKeyInfo, hexadecimal.
#[must_use]
pub fn key_id(key: &PublicKey) -> String {
    hex(&sha256(&subject_public_key_info(key)))
}

/// `Content-Digest` (RFC 9530).
#[must_use]
pub fn content_digest(octets: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256(octets)))
}

fn request_parameters(created: Timestamp, nonce: &str, key: &str) -> String {
    format!(
        "(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\");created={};nonce=\"{nonce}\";keyid=\"{key}\";\
         alg=\"sm2-sm3\"",
        created.unix()
    )
}

fn request_base(target: &str, digest: &str, parameters: &str) -> String {
    format!(
        "\"@method\": POST\n\"@target-uri\": {target}\n\"content-digest\": {digest}\n\"content-type\": {KIND}\n\
         \"@signature-params\": {parameters}"
    )
}

/// The parameters of an answer's signature.
#[must_use]
pub fn answer_parameters(created: Timestamp, key: &str) -> String {
    format!(
        "(\"@status\" \"content-digest\" \"signature\";req;key=\"message\");created={};keyid=\"{key}\";alg=\"sm2-sm3\"",
        created.unix()
    )
}

/// What an answer's signature is over; `asked` is the value of the request's signature between its colons, with them.
#[must_use]
pub fn answer_base(digest: &str, asked: &str, parameters: &str) -> String {
    format!(
        "\"@status\": 200\n\"content-digest\": {digest}\n\"signature\";req;key=\"message\": {asked}\n\
         \"@signature-params\": {parameters}"
    )
}

/// The one value of a field.
fn single(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next()?, values.next());
    if second.is_some() {
        return None;
    }
    first.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::sm2;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn an_answer_fits_one_request_of_one_office() {
        let [office, other] = [(); 2].map(|()| sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let public = PublicKey::Sm2(office.public_key());
        let address = Address::parse("http://127.0.0.1:1/orders").unwrap();
        let correspondent = Correspondent::new(address, None, public.clone());
        let answer = |by: &sm2::PrivateKey, asked: &str, created: Timestamp, body: &[u8]| {
            let parameters = answer_parameters(created, &key_id(&public));
            let base = answer_base(&content_digest(body), asked, &parameters);
            let value = by.sign(base.as_bytes(), &SystemRandom).unwrap();
            let mut headers = HeaderMap::new();
            headers.insert("content-digest", content_digest(body).parse().unwrap());
            headers.insert("signature-input", format!("answer={parameters}").parse().unwrap());
            headers.insert("signature", format!("answer=:{}:", STANDARD.encode(value)).parse().unwrap());
            headers
        };
        let believe = |headers: &HeaderMap, body: &[u8]| match correspondent.believe(headers, body, ":YQ==:", NOW) {
            Ok(()) => "believed",
            Err(ExchangeError::Unsigned { what }) => what,
            Err(_) => "other",
        };
        let good = answer(&office, ":YQ==:", NOW, b"body");
        assert_eq!(believe(&good, b"body"), "believed");
        assert_eq!(believe(&good, b"bodies"), "content-digest");
        assert_eq!(believe(&answer(&office, ":Yg==:", NOW, b"body"), b"body"), "signature");
        assert_eq!(believe(&answer(&other, ":YQ==:", NOW, b"body"), b"body"), "signature");
        assert_eq!(believe(&answer(&office, ":YQ==:", NOW.plus_seconds(61), b"body"), b"body"), "created");
        assert_eq!(believe(&answer(&office, ":YQ==:", NOW.plus_seconds(-61), b"body"), b"body"), "created");
        assert_eq!(believe(&HeaderMap::new(), b"body"), "content-digest");
        let mut doubled = good.clone();
        doubled.append("signature", "answer=:YQ==:".parse().unwrap());
        assert_eq!(believe(&doubled, b"body"), "signature");
        let mut elses = good;
        let parameters = answer_parameters(NOW, &"0".repeat(64));
        elses.insert("signature-input", format!("answer={parameters}").parse().unwrap());
        assert_eq!(believe(&elses, b"body"), "signature-input");
    }
}
