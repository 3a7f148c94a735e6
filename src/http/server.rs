//! Listens, shakes hands, serves, and ends without dropping what it has begun.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::http::guard::{Peer, PlainHttp};
use crate::http::{App, Error, Settings, tls};

/// HTTP/2 streams of one connection.
const STREAMS: u32 = 32;
/// Bytes of a request's headers.
const HEADER_BYTES: u32 = 32 << 10;
/// Headers of an HTTP/1.1 request.
const HEADERS: usize = 64;
/// How often figures are folded.
const FOLD: Duration = Duration::from_secs(5);

/// Binds every address. On Linux `[::]` takes IPv4 too, as the system is set.
///
/// An address that this machine does not have (a machine without IPv6, say) is passed over with a warning, as long
/// as another one is bound; every other failure counts.
///
/// # Errors
/// The first address that cannot be had.
pub async fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::new();
    let mut absent = None;
    for address in addresses {
        let failed = |source| Error::Listen { address: *address, source };
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(source) if matches!(source.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported) => {
                tracing::warn!(%address, "this machine does not have the address");
                absent.get_or_insert(failed(source));
            }
            Err(source) => return Err(failed(source)),
        }
    }
    match absent {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// Listens for SIGTERM and SIGINT from now on; what it gives ends when the process is asked to end.
///
/// # Errors
/// The signals cannot be received.
pub fn termination() -> Result<impl Future<Output = ()> + Send + use<>, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Serves until `shutdown` ends; then takes nothing new, lets requests in flight finish within the grace, and returns.
///
/// The publication listeners speak plain HTTP and serve what is published and nothing else.
///
/// # Errors
/// There is nothing to listen on.
pub async fn serve(
    (listeners, publication): (Vec<TcpListener>, Vec<TcpListener>),
    tls: Arc<ServerConfig>,
    app: Arc<App>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    if listeners.is_empty() {
        return Err(Error::NoListener);
    }
    let (phase, stopping) = watch::channel(Phase::Serving);
    // Each connection owns one place. All places free again means that all connections are closed.
    let places = Arc::new(Semaphore::new(app.settings.connections));
    let entrance = |acceptor, router| {
        Arc::new(Entrance { acceptor, router, settings: app.settings.clone(), stopping: stopping.clone() })
    };
    let secure = entrance(Some(TlsAcceptor::from(tls)), app.router());
    let plain = entrance(None, app.publication_router());
    // Counted apart: strangers who fetch lists do not keep callers out.
    let plain_places = Arc::new(Semaphore::new(app.settings.connections));
    let secure = listeners.into_iter().map(|listener| (listener, secure.clone(), places.clone()));
    let plain = publication.into_iter().map(|listener| (listener, plain.clone(), plain_places.clone()));
    let mut tasks: Vec<_> = secure
        .chain(plain)
        .map(|(listener, door, places)| tokio::spawn(accept(listener, door, places, stopping.clone())))
        .collect();
    let folder = app.clone();
    tasks.push(tokio::spawn(async move {
        loop {
            tokio::time::sleep(FOLD).await;
            folder.metrics.fold();
        }
    }));
    shutdown.await;
    tracing::info!("shutdown begins");
    phase.send_replace(Phase::Finishing);
    let grace = app.settings.grace;
    let finished = tokio::time::timeout(grace, async {
        let all = u32::try_from(app.settings.connections).unwrap_or(u32::MAX);
        drop(places.acquire_many(all).await);
        drop(plain_places.acquire_many(all).await);
        app.all_finished().await;
    });
    match finished.await {
        Ok(()) => tracing::info!("every request is finished"),
        Err(_) => tracing::warn!(grace_s = grace.as_secs(), "requests were cut off after the grace"),
    }
    phase.send_replace(Phase::Closed);
    for task in tasks {
        task.abort();
    }
    Ok(())
}

/// How far the server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nothing new is taken.
    Finishing,
    /// What is left is cut off.
    Closed,
}

/// What every connection needs.
struct Entrance {
    /// None for plain HTTP.
    acceptor: Option<TlsAcceptor>,
    router: Router,
    settings: Settings,
    stopping: watch::Receiver<Phase>,
}

async fn accept(
    listener: TcpListener,
    door: Arc<Entrance>,
    places: Arc<Semaphore>,
    mut stopping: watch::Receiver<Phase>,
) {
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|phase| *phase != Phase::Serving) => return,
            accepted = listener.accept() => accepted,
        };
        // When all places are taken, one stranger waits here and the others in the system's queue.
        let place = tokio::select! {
            _ = stopping.wait_for(|phase| *phase != Phase::Serving) => return,
            place = places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        match accepted {
            Ok((stream, address)) => {
                let (door, mut closed) = (door.clone(), stopping.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        _ = closed.wait_for(|phase| *phase == Phase::Closed) => {}
                        () = connection(stream, address, door, place) => {}
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, or the client is gone already; the former needs a moment.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, address: SocketAddr, door: Arc<Entrance>, _place: OwnedSemaphorePermit) {
    let mut stopping = door.stopping.clone();
    drop(stream.set_nodelay(true)); // only a hint
    let Some(acceptor) = &door.acceptor else {
        let peer = Peer { address, certificate_key: None };
        return exchange(stream, (peer, true), false, &door).await;
    };
    let handshake = tokio::select! {
        _ = stopping.wait_for(|phase| *phase != Phase::Serving) => return,
        handshake = tokio::time::timeout(door.settings.handshake, acceptor.accept(stream)) => handshake,
    };
    let stream = match handshake {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "handshake failed"),
        Err(_) => return tracing::debug!("handshake took too long"),
    };
    let (_, session) = stream.get_ref();
    let certificate_key = session.peer_certificates().and_then(<[_]>::first).and_then(tls::fingerprint);
    let is_http2 = session.alpn_protocol() == Some(b"h2".as_slice());
    exchange(stream, (Peer { address, certificate_key }, false), is_http2, &door).await;
}

/// Requests and answers on a connection that stands.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (peer, is_plain): (Peer, bool),
    is_http2: bool,
    door: &Entrance,
) {
    let mut stopping = door.stopping.clone();
    let router = door.router.clone();
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        if is_plain {
            request.extensions_mut().insert(PlainHttp);
        }
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let builder = builder(&door.settings, is_http2);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut ending = pin!(async {
        tokio::select! {
            _ = stopping.wait_for(|phase| *phase != Phase::Serving) => {}
            () = tokio::time::sleep(door.settings.connection_age) => {}
        }
    });
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = ending.as_mut() => {
            // No new requests; those in flight have as long as a request may take.
            serving.as_mut().graceful_shutdown();
            match tokio::time::timeout(door.settings.request, serving).await {
                Ok(served) => served,
                Err(_) => return tracing::debug!("connection closed before its requests ended"),
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection failed");
    }
}

/// The protocol is known from the handshake, so that no connection waits, without a time limit, for a first byte to tell.
fn builder(settings: &Settings, is_http2: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.headers)
        .max_headers(HEADERS)
        .max_buf_size(usize::try_from(HEADER_BYTES).unwrap_or(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(settings.headers)
        .keep_alive_timeout(settings.handshake)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_BYTES);
    if is_http2 { builder.http2_only() } else { builder.http1_only() }
}
