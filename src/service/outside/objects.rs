//! A folder of an object store that speaks the protocol of S3: small files are put and got by their names.
//!
//! Addresses are path-style (`https://HOST/BUCKET/PREFIX`). Each request is signed by Signature Version 4 (AWS, *Authenticating
//! Requests: Using the Authorization Header*), with its body. Nothing is believed of what comes back: who asks compares it.

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Method, Request, StatusCode};
use rustls::ClientConfig;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::base::clock::{Clock, Timestamp};
use crate::base::secret::Secret;
use crate::crypto::digest::{hex, hmac_sha256, sha256};
use crate::domain::verify::address::Address;
use crate::service::outside::kept::KeptServer;
use crate::service::outside::web::{self, Once, Patience};

/// Octets of an answer that says no more than yes.
const MOST_SAID: usize = 16 << 10;
/// For one file of a few kibibytes: who waits for it holds no row meanwhile, but a caller waits too.
const PATIENCE: Patience =
    Patience { connection: std::time::Duration::from_secs(3), whole: std::time::Duration::from_secs(10) };

/// Why a file is not put, or not got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// Nobody, or nothing whole, answered, or another status.
    #[error(transparent)]
    Web(web::Error),
    /// The store does not let us.
    #[error("the object store refuses these credentials, or what they may do: status {status}")]
    Denied {
        /// 401 or 403.
        status: u16,
    },
}

impl From<web::Error> for ObjectError {
    fn from(error: web::Error) -> Self {
        match error {
            web::Error::Status(status @ (401 | 403)) => Self::Denied { status },
            error => Self::Web(error),
        }
    }
}

impl ObjectError {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Web(error) => error.code(),
            Self::Denied { .. } => "object-store-denied",
        }
    }
}

/// By what an object store knows us.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The access key's name, which every request tells.
    id: String,
    secret: Secret,
}

impl Credentials {
    /// Reads them: the lines `aws_access_key_id = …` and `aws_secret_access_key = …`, each once. Empty lines, comments (`#`) and
    /// one line with the name of a profile in brackets are passed over.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let (mut id, mut secret) = (None, None);
        for line in std::str::from_utf8(text).ok()?.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') || (line.starts_with('[') && id.is_none() && secret.is_none()) {
                continue;
            }
            let (name, value) = line.split_once('=')?;
            let (known, value) = match name.trim() {
                "aws_access_key_id" => (&mut id, value.trim()),
                "aws_secret_access_key" => (&mut secret, value.trim()),
                _ => return None,
            };
            let is_plain = (1..=128).contains(&value.len()) && value.bytes().all(|octet| octet.is_ascii_graphic());
            if !is_plain || known.replace(value).is_some() {
                return None;
            }
        }
        // The name stands in a header field between `/` and `,`.
        let id = id.filter(|id| !id.contains(['/', ',', '=']))?;
        Some(Self { id: id.to_owned(), secret: Secret::new(secret?.as_bytes().to_vec()) })
    }
}

/// What of a request is signed.
struct Asked<'a> {
    method: &'a str,
    /// As it is sent: what is no letter, digit or `-._~/` is escaped already.
    path: &'a str,
    query: &'a str,
    /// In small letters, in the order of their names.
    headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body, hexadecimal.
    payload: &'a str,
}

/// A moment as the protocol writes it, `20130524T000000Z`.
fn basic(at: Timestamp) -> String {
    let at = at.to_utc();
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second())
}

/// The field `Authorization` of a request.
fn authorization(by: &Credentials, region: &str, at: Timestamp, asked: &Asked<'_>) -> String {
    let moment = basic(at);
    let (day, _) = moment.split_once('T').unwrap_or((&moment, ""));
    let lines = asked.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect::<String>();
    let names = asked.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let Asked { method, path, query, payload, .. } = asked;
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", hex(&sha256(canonical.as_bytes())));
    // Secret: the key itself, for the key of the day.
    let mut key = Zeroizing::new([b"AWS4".as_slice(), by.secret.expose()].concat());
    for part in [day, region, "s3", "aws4_request"] {
        key = Zeroizing::new(hmac_sha256(&key, part.as_bytes()).to_vec());
    }
    let signature = hex(&hmac_sha256(&key, to_sign.as_bytes()));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}", by.id)
}

/// A folder of an object store: a bucket, or what has one prefix in it.
#[derive(Clone)]
pub struct ObjectFolder {
    server: KeptServer,
    patience: Patience,
    region: Arc<str>,
    credentials: Arc<Credentials>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ObjectFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectFolder").field("address", self.server.address()).finish_non_exhaustive()
    }
}

impl ObjectFolder {
    /// The folder there. A server of https is known by these authorities.
    #[must_use]
    pub fn new(
        (address, region): (Address, &str),
        credentials: Credentials,
        tls: Option<Arc<ClientConfig>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let server = KeptServer::new(address, tls).patient(PATIENCE);
        let (region, credentials) = (Arc::from(region), Arc::new(credentials));
        Self { server, patience: PATIENCE, region, credentials, clock }
    }

    /// The same with those bounds of one question.
    #[must_use]
    pub fn patient(self, patience: Patience) -> Self {
        Self { server: self.server.patient(patience), patience, ..self }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        self.server.address()
    }

    /// The file of that name, of at most so many octets; none where there is none.
    ///
    /// # Errors
    /// No answer, or another one.
    pub async fn get(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, ObjectError> {
        let request = || self.request(&Method::GET, name, Vec::new());
        let (status, octets) = self.answered(&request, &[StatusCode::OK, StatusCode::NOT_FOUND], most).await?;
        Ok((status == StatusCode::OK).then_some(octets))
    }

    /// Puts a file there: the store has it for good when it has answered. One of that name is replaced.
    ///
    /// # Errors
    /// No answer, or another one: the file may be there or not.
    pub async fn put(&self, name: &str, octets: Vec<u8>) -> Result<(), ObjectError> {
        let request = || self.request(&Method::PUT, name, octets.clone());
        self.answered(&request, &[StatusCode::OK], MOST_SAID).await?;
        Ok(())
    }

    /// The answer to a request; the time for it counts from now on, though all connections are in use.
    async fn answered(
        &self,
        request: &(dyn Fn() -> Result<Request<Once>, hyper::http::Error> + Sync),
        statuses: &[StatusCode],
        most: usize,
    ) -> Result<(StatusCode, Vec<u8>), ObjectError> {
        let limit = self.patience.whole.saturating_mul(2);
        let answered = timeout(limit, self.server.answered(request, statuses, most)).await;
        Ok(answered.unwrap_or(Err(web::Error::TimedOut(limit)))?)
    }

    /// A name has letters, digits, and `-._~/` alone, so that nobody escapes it another way than the other.
    fn request(&self, method: &Method, name: &str, body: Vec<u8>) -> Result<Request<Once>, hyper::http::Error> {
        let address = self.server.address();
        let path = format!("{}/{name}", address.target.trim_end_matches('/'));
        let (at, host, payload) = (self.clock.now(), address.authority(), hex(&sha256(&body)));
        let moment = basic(at);
        let headers = [("host", host.as_str()), ("x-amz-content-sha256", &payload), ("x-amz-date", &moment)];
        let asked = Asked { method: method.as_str(), path: &path, query: "", headers: &headers, payload: &payload };
        let signed = authorization(&self.credentials, &self.region, at, &asked);
        let request = Request::builder().method(method).uri(path.as_str()).header(HOST, &host);
        let request = request.header("x-amz-content-sha256", &payload).header("x-amz-date", &moment);
        let body = if *method == Method::GET { Once::none() } else { Once::of(body) };
        request.header(AUTHORIZATION, signed).body(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The credentials of AWS's own examples, which open nothing.
    const EXAMPLE: &[u8] = b"[default]\n# of the documentation\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
        aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n";
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    /// 2013-05-24 00:00 UTC.
    const DAY: Timestamp = Timestamp::from_unix(1_369_353_600);

    /// The four examples of *Signature Calculations for the Authorization Header* (Amazon S3 API Reference): what is asked, and the signature.
    #[test]
    fn signatures_are_those_of_the_documentation() {
        let by = Credentials::read(EXAMPLE).unwrap();
        let host = ("host", "examplebucket.s3.amazonaws.com");
        let date = ("x-amz-date", "20130524T000000Z");
        let empty = ("x-amz-content-sha256", EMPTY);
        let put = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        for (asked, expected) in [
            (
                Asked {
                    method: "GET",
                    path: "/test.txt",
                    query: "",
                    headers: &[host, ("range", "bytes=0-9"), empty, date],
                    payload: EMPTY,
                },
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                Asked {
                    method: "PUT",
                    path: "/test%24file.text",
                    query: "",
                    headers: &[
                        ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                        host,
                        ("x-amz-content-sha256", put),
                        date,
                        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                    ],
                    payload: put,
                },
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                Asked { method: "GET", path: "/", query: "lifecycle=", headers: &[host, empty, date], payload: EMPTY },
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                Asked {
                    method: "GET",
                    path: "/",
                    query: "max-keys=2&prefix=J",
                    headers: &[host, empty, date],
                    payload: EMPTY,
                },
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            let names = asked.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
            let whole = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders={names},Signature={expected}"
            );
            assert_eq!(authorization(&by, "us-east-1", DAY, &asked), whole, "{} {}", asked.method, asked.path);
        }
        assert_eq!(hex(&sha256(b"Welcome to Amazon S3.")), put);
        assert_eq!(hex(&sha256(b"")), EMPTY);
    }

    #[test]
    fn credentials_are_two_lines_and_never_shown() {
        let read = Credentials::read(EXAMPLE).unwrap();
        assert_eq!(read.id, "AKIAIOSFODNN7EXAMPLE");
        let shown = format!("{read:?}");
        assert!(!shown.contains("wJalr") && shown.contains("Secret(..)"), "{shown}");
        let both = "aws_access_key_id = a\naws_secret_access_key = b";
        assert!(Credentials::read(both.as_bytes()).is_some());
        let wrongs = [
            "",
            "aws_access_key_id = a",
            "aws_secret_access_key = b",
            "aws_access_key_id = a\naws_secret_access_key =",
            &format!("{both}\naws_access_key_id = c"),
            &format!("{both}\naws_session_token = c"),
            &format!("{both}\n[other]"),
            &format!("{both}\nnothing"),
            &both.replace("= a", "= a b"),
            &both.replace("= a", "= a/b"),
            &both.replace("= b", &format!("= {}", "b".repeat(129))),
        ];
        for wrong in wrongs {
            assert!(Credentials::read(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(Credentials::read(b"\xff").is_none());
    }
}
