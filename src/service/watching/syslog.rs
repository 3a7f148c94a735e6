//! Security events as syslog (RFC 5424): over UDP (RFC 5426), TCP with counted octets (RFC 6587 3.4.1), TLS (RFC 5425), or
//! a socket of this machine.
//!
//! Syslog has no acknowledgement. Over UDP what is lost on the way is lost; over TCP and TLS the place in the log is kept
//! when the connection is found alive after the events went (see `delivery`).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::domain::audit::SecurityEvent;
use crate::format::syslog::{LOG_AUDIT, SyslogMessage, framed};
use crate::service::watching::delivery::{Handing, Sink};

/// Time for a connection, and for a group of events.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of an answer that nobody expects, looked at and dropped.
const UNASKED: usize = 1024;

/// Where messages go.
#[derive(Clone)]
pub enum Target {
    /// `host:port`.
    Udp(String),
    /// `host:port`.
    Tcp(String),
    /// `host:port`, the host's name, and who vouches for it.
    Tls(String, ServerName<'static>, Arc<ClientConfig>),
    /// A datagram socket of this machine, `/dev/log`.
    Unix(PathBuf),
}

/// What every message says of its sender.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The enterprise number of the structured data's name (RFC 5424 7.2.2).
    pub enterprise: u32,
    /// This machine's name.
    pub hostname: Option<String>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

enum Open {
    Udp(UdpSocket),
    Unix(UnixDatagram),
    Stream(Box<dyn Stream>),
}

/// A receiver of syslog.
pub struct Syslog {
    target: Target,
    sender: Sender,
    open: Option<Open>,
}

impl Syslog {
    /// A receiver, not connected yet.
    #[must_use]
    pub const fn new(target: Target, sender: Sender) -> Self {
        Self { target, sender, open: None }
    }

    async fn send(&mut self, events: &[SecurityEvent]) -> io::Result<()> {
        let messages = events.iter().map(|event| message(&self.sender, event));
        let open = match &mut self.open {
            Some(open) => open,
            closed @ None => closed.insert(connect(&self.target).await?),
        };
        match open {
            Open::Udp(socket) => {
                for message in messages {
                    socket.send(&message).await?;
                }
            }
            Open::Unix(socket) => {
                for message in messages {
                    socket.send(&message).await?;
                }
            }
            Open::Stream(stream) => {
                let octets = messages.flat_map(|message| framed(&message)).collect::<Vec<_>>();
                stream.write_all(&octets).await?;
                stream.flush().await?;
            }
        }
        Ok(())
    }

    /// A stream that was ended by the other side tells so when it is read.
    async fn listen(&mut self) -> io::Result<()> {
        let Some(Open::Stream(stream)) = &mut self.open else { return Ok(()) };
        let mut unasked = [0; UNASKED];
        match timeout(Duration::ZERO, stream.read(&mut unasked)).await {
            Err(_) => Ok(()),
            Ok(Ok(0)) => Err(io::ErrorKind::ConnectionAborted.into()),
            Ok(read) => read.map(|_| ()),
        }
    }
}

impl Sink for Syslog {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn hand_over<'a>(&'a mut self, events: &'a [SecurityEvent]) -> Handing<'a, ()> {
        Box::pin(async move {
            let sent =
                timeout(PATIENCE, self.send(events)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            if sent.is_err() {
                self.open = None;
            }
            sent
        })
    }

    fn look(&mut self) -> Handing<'_, ()> {
        Box::pin(async move {
            let alive = self.listen().await;
            if alive.is_err() {
                self.open = None;
            }
            alive
        })
    }
}

async fn connect(target: &Target) -> io::Result<Open> {
    Ok(match target {
        Target::Udp(address) => {
            let resolved = tokio::net::lookup_host(address).await?.next().ok_or(io::ErrorKind::NotFound)?;
            let any = if resolved.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).await?;
            socket.connect(resolved).await?;
            Open::Udp(socket)
        }
        Target::Unix(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            Open::Unix(socket)
        }
        Target::Tcp(address) => Open::Stream(Box::new(TcpStream::connect(address).await?)),
        Target::Tls(address, name, config) => {
            let stream = TcpStream::connect(address).await?;
            Open::Stream(Box::new(TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await?))
        }
    })
}

/// An event as a message: its fields as structured data, an alarm's runbook as text.
fn message(sender: &Sender, event: &SecurityEvent) -> Vec<u8> {
    let number = event.number.to_string();
    let mut parameters = vec![("number", number.as_str()), ("actor", event.actor)];
    parameters.extend(event.fields.iter().map(|(name, value)| (*name, value.as_str())));
    SyslogMessage {
        facility: LOG_AUDIT,
        severity: u8::try_from(event.severity.number()).unwrap_or(6),
        at: event.at,
        hostname: sender.hostname.as_deref(),
        app_name: "yinxin",
        msg_id: &event.class,
        sd_id: &format!("yinxin@{}", sender.enterprise),
        parameters: &parameters,
        message: event.runbook,
    }
    .to_octets()
}
