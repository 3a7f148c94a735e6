//! The load: connections that are kept, each with one request under way, and what it costs this process to make it.

use std::fs;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http::tls::Development;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// No connection to the server.
    #[error("the server cannot be reached")]
    Connection(#[from] std::io::Error),
    /// No TLS with it.
    #[error("TLS with the server cannot be set up")]
    Tls(#[from] rustls::Error),
    /// A certificate or key that cannot be read.
    #[error("the certificate or key of the load cannot be read")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// The connection broke.
    #[error("a connection broke")]
    Http(#[from] hyper::Error),
    /// An answer that no figure may count.
    #[error("the server answered {status}: {told}")]
    Answer {
        /// Its status.
        status: StatusCode,
        /// The beginning of its body.
        told: String,
    },
    /// A task of the load broke down.
    #[error("the load was cut off")]
    Interrupted,
}

/// Where requests go.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Target {
    /// Plain HTTP.
    pub(crate) const fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// HTTPS, trusting that server alone, as the holder of that key.
    pub(crate) fn secure(address: SocketAddr, server_pem: &[u8], client: &Development) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(server_pem)?)?;
        let certificate = CertificateDer::from_pem_slice(client.certificate_pem.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(client.key_pem.expose())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)?;
        Ok(Self { address, tls: Some(Arc::new(config)) })
    }

    async fn connect(&self) -> Result<SendRequest<Body>, Error> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => speak(stream).await,
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                speak(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?).await
            }
        }
    }
}

async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<SendRequest<Body>, Error> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its end is seen by whoever sends.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// Makes the request of that number.
pub(crate) type Make = Arc<dyn Fn(u64) -> Request<Body> + Send + Sync>;

/// Connections that are open, and what they send.
pub(crate) struct Load {
    senders: Vec<SendRequest<Body>>,
    make: Make,
    number: Arc<AtomicU64>,
}

impl Load {
    /// Opens so many connections.
    pub(crate) async fn open(target: &Target, connections: usize, make: Make) -> Result<Self, Error> {
        let mut senders = Vec::with_capacity(connections);
        for _ in 0..connections {
            senders.push(target.connect().await?);
        }
        Ok(Self { senders, make, number: Arc::default() })
    }

    /// Sends on all of them until the time is up; gives how many requests were answered as they must.
    pub(crate) async fn run(&mut self, lasting: Duration) -> Result<u64, Error> {
        let end = Instant::now() + lasting;
        let mut work = tokio::task::JoinSet::new();
        for sender in self.senders.drain(..) {
            work.spawn(keep_sending(sender, Arc::clone(&self.make), Arc::clone(&self.number), end));
        }
        let mut answered = 0_u64;
        while let Some(done) = work.join_next().await {
            let (sender, count) = done.map_err(|_| Error::Interrupted)??;
            self.senders.push(sender);
            answered = answered.saturating_add(count);
        }
        Ok(answered)
    }
}

async fn keep_sending(
    mut sender: SendRequest<Body>,
    make: Make,
    number: Arc<AtomicU64>,
    end: Instant,
) -> Result<(SendRequest<Body>, u64), Error> {
    let mut count = 0_u64;
    while Instant::now() < end {
        sender.ready().await?;
        let response = sender.send_request(make(number.fetch_add(1, Ordering::Relaxed))).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut told = Vec::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            if let Ok(part) = frame?.into_data()
                && !status.is_success()
            {
                told.extend_from_slice(&part);
            }
        }
        if !status.is_success() {
            let told = String::from_utf8_lossy(&told).chars().take(300).collect();
            return Err(Error::Answer { status, told });
        }
        count = count.saturating_add(1);
    }
    Ok((sender, count))
}

/// Processor time of this process until now, in ticks: of threads whose name begins so, and of all. Nothing where the
/// system does not tell it as Linux does.
pub(crate) fn ticks(name: &str) -> Option<(u64, u64)> {
    let (mut named, mut all) = (0_u64, 0_u64);
    for thread in fs::read_dir("/proc/self/task").ok()? {
        // A thread that has just ended is passed over.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("stat")) else { continue };
        let (own, ticks) = ticks_of(&text)?;
        all = all.saturating_add(ticks);
        if own.starts_with(name) {
            named = named.saturating_add(ticks);
        }
    }
    Some((named, all))
}

/// Name and ticks of a thread: `comm`, `utime` and `stime` of proc(5).
fn ticks_of(text: &str) -> Option<(&str, u64)> {
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    Some((name, user.saturating_add(system)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_behind_the_name() {
        let text = "7 (load) x) S 1 2 3 4 5 6 7 8 9 10 110 12 0 0 20 0 5 0 99";
        assert_eq!(ticks_of(text), Some(("load) x", 122)));
        assert_eq!(ticks_of("7 (load"), None);
    }
}
