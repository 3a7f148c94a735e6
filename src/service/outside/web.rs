//! One question over HTTP/1.1, with bounds on everything: no redirects, no cookies, and nothing told of who asks.
//! A connection ends with its answer, but for those of `kept`.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::domain::verify::address::{Address, Host};
use crate::service::outside::reach::{self, Resolver, reachable};

/// Octets of an answer's head, and how many fields it has.
const MOST_HEAD: usize = 16 << 10;
const MOST_FIELDS: usize = 64;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The host is not reached.
    #[error(transparent)]
    Reach(#[from] reach::Error),
    /// No connection.
    #[error("nobody can be connected to")]
    Connection(#[source] std::io::Error),
    /// https, and nobody said which authorities of servers count.
    #[error("no authorities for servers of https are named")]
    NoServerAnchors,
    /// The server is not who it should be.
    #[error("the server is not known to be the one that was named")]
    Tls(#[source] std::io::Error),
    /// Not all of the answer in time.
    #[error("no whole answer within {0:?}")]
    TimedOut(Duration),
    /// No HTTP, or it broke off.
    #[error("the answer is no whole one of HTTP/1.1")]
    Http(#[from] hyper::Error),
    /// The question makes no request.
    #[error("the address makes no request")]
    Request(#[from] hyper::http::Error),
    /// It leads elsewhere, which is not followed.
    #[error("the answer leads to another address, which is not followed")]
    Redirect,
    /// Another status than 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// More octets than are taken.
    #[error("the answer has more than {limit} octets")]
    TooLarge {
        /// So many are taken.
        limit: usize,
    },
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Reach(error) => error.code(),
            Self::Connection(_) => "host-not-connected",
            Self::NoServerAnchors => "https-anchors-missing",
            Self::Tls(_) => "https-server-not-trusted",
            Self::TimedOut(_) => "answer-late",
            Self::Http(_) | Self::Request(_) => "answer-broken",
            Self::Redirect => "answer-redirects",
            Self::Status(_) => "answer-status",
            Self::TooLarge { .. } => "answer-too-large",
        }
    }
}

/// Why authorities of servers are not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorError {
    /// No PEM of certificates.
    #[error("no certificates in PEM")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// No certificate in it.
    #[error("no certificate in it")]
    Empty,
    /// A certificate is refused, or nothing can be set up.
    #[error("no authority for servers")]
    Tls(#[from] rustls::Error),
}

/// The authorities of servers in a PEM file, for https.
///
/// # Errors
/// It holds none, or one that cannot be used.
pub fn server_anchors(pem: &[u8]) -> Result<Arc<ClientConfig>, AnchorError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(AnchorError::Empty);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// Where.
    pub(super) address: Address,
    /// A body, sent by POST, and its type; without one it is GET.
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    /// Octets of the answer that are taken.
    pub(super) most: usize,
}

/// Bounds of one question.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Until the connection stands, TLS counted.
    pub connection: Duration,
    /// Until the last octet of the answer.
    pub whole: Duration,
}

/// Asks.
#[derive(Clone)]
pub(super) struct Web {
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) patience: Patience,
}

impl Web {
    /// The octets of the answer.
    pub(super) async fn ask(&self, question: Question) -> Result<Vec<u8>, Error> {
        self.reply(question, &[StatusCode::OK]).await.map(|(_, octets)| octets)
    }

    /// The octets of an answer with one of these statuses.
    pub(super) async fn reply(
        &self,
        question: Question,
        statuses: &[StatusCode],
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let whole = self.patience.whole;
        timeout(whole, self.exchange(question, statuses)).await.unwrap_or(Err(Error::TimedOut(whole)))
    }

    async fn exchange(&self, question: Question, statuses: &[StatusCode]) -> Result<(StatusCode, Vec<u8>), Error> {
        let (mut sender, connection) = self.connected(&question.address).await?;
        let asking = async move {
            let response = sender.send_request(request(&question, Afterwards::Close)?).await?;
            answer(response, statuses, question.most).await
        };
        // Both in one task: when the asking ends, so does the connection.
        let mut asking = std::pin::pin!(asking);
        let mut connection = std::pin::pin!(connection);
        let mut is_over = false;
        poll_fn(|context| {
            if !is_over && connection.as_mut().poll(context).is_ready() {
                is_over = true;
            }
            asking.as_mut().poll(context)
        })
        .await
    }
}

impl Web {
    /// Sends a request, of whose answer only the status counts: one of success. No more of it is read than its head.
    pub(super) async fn told(&self, address: &Address, request: Request<Once>) -> Result<(), Error> {
        let exchange = async {
            let (mut sender, connection) = self.connected(address).await?;
            let asking = async move { Ok::<_, Error>(sender.send_request(request).await?.status()) };
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
        let whole = self.patience.whole;
        match timeout(whole, exchange).await.unwrap_or(Err(Error::TimedOut(whole)))? {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(Error::Redirect),
            status => Err(Error::Status(status.as_u16())),
        }
    }

    /// A connection to that server, TLS counted, in the time for it.
    pub(super) async fn connected(&self, address: &Address) -> Result<Connected, Error> {
        let tls = match (&self.tls, address.is_secure) {
            (Some(config), true) => Some(Arc::clone(config)),
            (None, true) => return Err(Error::NoServerAnchors),
            (_, false) => None,
        };
        let found = reachable(&address.host, address.port, &*self.resolver).await?;
        let limit = self.patience.connection;
        let connecting = async {
            // The very addresses that were looked at, in their order.
            let stream = TcpStream::connect(found.as_slice()).await.map_err(Error::Connection)?;
            let stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some(config) => {
                    let name = match &address.host {
                        Host::Ip(ip) => ServerName::from(*ip),
                        Host::Name(name) => ServerName::try_from(name.clone())
                            .map_err(|error| Error::Tls(std::io::Error::other(error)))?,
                    };
                    let connector = TlsConnector::from(config);
                    Box::new(connector.connect(name, stream).await.map_err(Error::Tls)?)
                }
            };
            Ok::<_, Error>(stream)
        };
        let stream = timeout(limit, connecting).await.unwrap_or(Err(Error::TimedOut(limit)))?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MOST_HEAD).max_headers(MOST_FIELDS);
        Ok(builder.handshake(TokioIo::new(stream)).await?)
    }
}

/// Whoever sends, and the connection, which somebody has to drive.
pub(super) type Connected = (http1::SendRequest<Once>, http1::Connection<TokioIo<Box<dyn Stream>>, Once>);

/// What becomes of a connection when it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// It ends.
    Close,
    /// It stays for the next question.
    Keep,
}

/// The answer, where it has one of these statuses and no more octets than that.
pub(super) async fn answer(
    response: hyper::Response<hyper::body::Incoming>,
    statuses: &[StatusCode],
    most: usize,
) -> Result<(StatusCode, Vec<u8>), Error> {
    let status = response.status();
    match status {
        status if statuses.contains(&status) => {}
        status if status.is_redirection() => return Err(Error::Redirect),
        status => return Err(Error::Status(status.as_u16())),
    }
    Ok((status, whole_body(response.into_body(), most).await?))
}

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) fn request(question: &Question, afterwards: Afterwards) -> Result<Request<Once>, hyper::http::Error> {
    let address = &question.address;
    let mut request = Request::builder().uri(address.target.as_str()).header(header::HOST, address.authority());
    if afterwards == Afterwards::Close {
        request = request.header(header::CONNECTION, "close");
    }
    match &question.body {
        None => request.body(Once(None)),
        Some((kind, body)) => {
            let request = request.method(Method::POST).header(header::CONTENT_TYPE, *kind);
            request.body(Once(Some(Bytes::from(body.clone()))))
        }
    }
}

pub(super) async fn whole_body(
    mut body: impl Body<Data = Bytes, Error = hyper::Error> + Unpin,
    limit: usize,
) -> Result<Vec<u8>, Error> {
    let said = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if said > limit {
        return Err(Error::TooLarge { limit });
    }
    let mut octets = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(part) = frame?.into_data() else { continue };
        if part.len() > limit.saturating_sub(octets.len()) {
            return Err(Error::TooLarge { limit });
        }
        octets.extend_from_slice(&part);
    }
    Ok(octets)
}

/// A body that is there whole, or none.
pub(super) struct Once(Option<Bytes>);

impl Once {
    /// No body.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// This body.
    pub(super) fn of(octets: Vec<u8>) -> Self {
        Self(Some(Bytes::from(octets)))
    }
}

impl Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().and_then(|part| u64::try_from(part.len()).ok()).unwrap_or(0))
    }
}

/// An error with those behind it, for the log.
pub(in crate::service) fn told(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text = format!("{text}: {next}");
        source = next.source();
    }
    text
}
