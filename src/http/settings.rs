//! What can be set about the door, with the values in force unless configured otherwise.

use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;

use crate::base::limits::Limits;

/// Names, times and amounts. Each bound is there so that a stranger's cost to us is known.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Hosts that requests may name, without port, in lower case. IPv6 addresses stand in brackets.
    pub hosts: Vec<String>,
    /// Bytes of an uploaded file.
    pub file_bytes: usize,
    /// Bytes of all files of one request, where it may carry many.
    pub request_bytes: usize,
    /// Files of one request, where it may carry many.
    pub request_files: usize,
    /// The folder where uploads wait that are not small; without one they wait in memory.
    pub spool: Option<PathBuf>,
    /// Bytes that all uploads take there at once.
    pub spool_bytes: u64,
    /// Bytes that the uploads of one caller, or of one stranger's address, take there at once.
    pub spool_bytes_of_one: u64,
    /// Strangers' uploads served at once. Each holds up to twice `file_bytes` of memory at the door.
    pub public_uploads: usize,
    /// Callers' uploads served at once, counted apart so that strangers cannot crowd callers out.
    pub caller_uploads: usize,
    /// Uploads that stand in line for a place among the callers', and as many for one among the strangers'. Those of one caller
    /// or one address are half of it at most. Nothing of their bodies is read.
    pub uploads_in_line: usize,
    /// How long an upload stands in line before it is answered `busy`.
    pub upload_patience: Duration,
    /// Connections at once, over all listeners.
    pub connections: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time for a request's headers, which is also how long an idle connection is kept.
    pub headers: Duration,
    /// Longest pause within a body.
    pub body_pause: Duration,
    /// Bytes a second that a body brings at least, counted from one pause after its start.
    pub body_rate: u32,
    /// Time for a whole request, body and answer.
    pub request: Duration,
    /// Age at which a connection takes no further requests.
    pub connection_age: Duration,
    /// Time that requests in flight have after shutdown begins.
    pub grace: Duration,
    /// For measurements: octets that plain HTTP answers to `GET /constant/…` as if they were an OCSP answer. No
    /// configuration sets it.
    pub constant: Option<Bytes>,
}

impl Settings {
    /// Hosts that are always this machine.
    pub const LOOPBACK_HOSTS: [&'static str; 3] = ["localhost", "127.0.0.1", "[::1]"];

    /// Adds the address of a listener to the hosts; an unspecified address (`0.0.0.0`, `[::]`) names no host.
    pub fn add_listener(&mut self, address: std::net::SocketAddr) {
        if !address.ip().is_unspecified() {
            self.hosts.push(match address.ip() {
                std::net::IpAddr::V4(ip) => ip.to_string(),
                std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hosts: Self::LOOPBACK_HOSTS.map(str::to_owned).to_vec(),
            file_bytes: Limits::DEFAULT.file_bytes,
            request_bytes: 2 * Limits::DEFAULT.file_bytes,
            request_files: 100,
            spool: None,
            spool_bytes: 4 << 30,
            spool_bytes_of_one: 1 << 30,
            public_uploads: 4,
            caller_uploads: 4,
            uploads_in_line: 256,
            upload_patience: Duration::from_secs(5),
            connections: 1024,
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(15),
            body_pause: Duration::from_secs(10),
            body_rate: 64 << 10,
            request: Duration::from_secs(120),
            connection_age: Duration::from_secs(600),
            grace: Duration::from_secs(30),
            constant: None,
        }
    }
}
