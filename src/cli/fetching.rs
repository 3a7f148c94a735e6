//! Setting up whoever fetches the status of certificates: for `serve` and for `verify --fetch`.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::base::clock::SystemClock;
use crate::config::Fetching;
use crate::domain::trust::TrustError;
use crate::service::gathering::Appetite;
use crate::service::outside::reach::SystemResolver;
use crate::service::outside::status::{Bounds, StatusFetcher};
use crate::service::outside::web::{AnchorError, server_anchors};

/// Why nothing can be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file of authorities of servers.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it holds.
    #[error("{path} names no authorities for servers of https")]
    Anchors {
        /// Which.
        path: PathBuf,
        /// Why.
        source: AnchorError,
    },
    /// What an office signs by.
    #[error("{path} holds no public key of a kind that is known (PUBLIC KEY)")]
    PublicKey {
        /// Which.
        path: PathBuf,
    },
    /// What it holds.
    #[error("{path} holds no anchors")]
    Trust {
        /// Which.
        path: PathBuf,
        /// Why.
        source: TrustError,
    },
    /// The credentials of an object store.
    #[error("{path} is not of the two lines aws_access_key_id = … and aws_secret_access_key = …")]
    Credentials {
        /// Which.
        path: PathBuf,
    },
    /// The name of a server.
    #[error("{host} is no name of a server of TLS")]
    ServerName {
        /// As it was told.
        host: String,
    },
}

impl Error {
    /// Stable code.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "file-unreadable",
            Self::Anchors { .. } => "https-anchors-malformed",
            Self::PublicKey { .. } => "public-key-malformed",
            Self::Trust { .. } => "anchors-malformed",
            Self::Credentials { .. } => "object-store-credentials",
            Self::ServerName { .. } => "server-name-malformed",
        }
    }
}

/// The authorities of servers of https in those files; none without any.
pub(crate) fn https_anchors(paths: &[PathBuf]) -> Result<Option<Arc<ClientConfig>>, Error> {
    let mut pem = Vec::new();
    for path in paths {
        let octets = fs::read(path).map_err(|source| Error::Unreadable { path: path.clone(), source })?;
        server_anchors(&octets).map_err(|source| Error::Anchors { path: path.clone(), source })?;
        pem.extend_from_slice(&octets);
        pem.push(b'\n');
    }
    let anchors =
        paths.first().map(|path| server_anchors(&pem).map_err(|source| Error::Anchors { path: path.clone(), source }));
    anchors.transpose()
}

/// A fetcher that knows servers of https by those authorities; without any it asks none.
pub(crate) fn fetcher(paths: &[PathBuf], bounds: Bounds) -> Result<StatusFetcher, Error> {
    let tls = https_anchors(paths)?;
    Ok(StatusFetcher::new(Arc::new(SystemResolver), tls, Arc::new(SystemClock), bounds))
}

/// Who fetches for `serve`, where anybody does, and how much for one verification.
pub(crate) fn served(set: &Fetching) -> Result<(Option<StatusFetcher>, Appetite), Error> {
    let (time, issuers, bytes) = (set.time, set.issuers, set.list_bytes.saturating_mul(2));
    let appetite = Appetite { time, issuers, bytes, ..Appetite::default() };
    let usual = Bounds::default();
    let bytes = usual.bytes.max(set.list_bytes.saturating_mul(4));
    let bounds = Bounds { list_bytes: set.list_bytes, whole: set.time.min(usual.whole), bytes, ..usual };
    let fetcher = fetcher(&set.https_anchors, bounds)?;
    Ok((set.fetch.then_some(fetcher), appetite))
}
