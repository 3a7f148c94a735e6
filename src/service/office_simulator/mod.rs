//! A simulator of the offices elsewhere, for development and tests: it makes seals as the national system would, files them as
//! public security would, and does wrong by order.
//!
//! It is the other side of [`crate::service::offices`], and shares nothing with it but the form of the messages: it verifies our
//! signatures and writes its own by its own reading of RFC 9421 and docs/national-maker.md. It listens where it is told, which
//! must be loopback: its keys and what it made are worth nothing elsewhere, and it makes nothing that is not a specimen.

pub mod desk;
mod letter;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::base::clock::Clock;
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::crypto::{self, PublicKey, sm2};
use crate::domain::trust::key::subject_public_key_info;
use crate::format::keys::write_pem;
use crate::format::office::{MOST_OCTETS, Message, MessageBody};
use crate::service::office_simulator::desk::{Desk, Fault};

/// Where messages come in.
pub const PATH: &str = "/orders";
/// Octets of a request's head.
const MOST_HEAD: usize = 16 << 10;
/// Octets that are read at once.
const PIECE: usize = 65_536;
/// For one request and its answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// After a connection that was none.
const SOON: Duration = Duration::from_millis(50);
/// Octets of the file of decisions.
const MOST_DECISIONS: u64 = 1 << 20;
/// Octets of a private key.
const SCALAR: usize = 32;

/// Why there is no simulator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is reached from elsewhere.
    #[error("{address} is not loopback: a simulator of an office listens on this machine alone")]
    NotLoopback {
        /// Where it should listen.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("nothing listens on {address}")]
    Listen {
        /// Where it should listen.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// No key is made, or none signs.
    #[error("the office has no keys")]
    Keys(#[from] crypto::Error),
    /// What was kept are no keys.
    #[error("these are not the keys of an office")]
    KeysMalformed,
    /// No randomness.
    #[error(transparent)]
    Random(#[from] crate::base::random::RandomUnavailable),
}

impl Error {
    /// Stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotLoopback { .. } => "not-loopback",
            Self::Listen { .. } => "address-unusable",
            Self::Keys(_) | Self::KeysMalformed => "office-keys",
            Self::Random(_) => "no-randomness",
        }
    }
}

/// The private keys of a simulated office: of its authority, of its maker, and the one by which it signs its answers.
pub struct OfficeKeys {
    ca: Arc<sm2::PrivateKey>,
    maker: Arc<sm2::PrivateKey>,
    answers: Arc<sm2::PrivateKey>,
}

impl OfficeKeys {
    /// Fresh ones.
    ///
    /// # Errors
    /// The source of randomness failed.
    pub fn generate(random: &dyn Random) -> Result<Self, Error> {
        let fresh = || sm2::PrivateKey::generate(random).map(Arc::new);
        Ok(Self { ca: fresh()?, maker: fresh()?, answers: fresh()? })
    }

    /// All three in a line of Base64, to be kept from one start to the next in a folder of development.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let mut octets = Vec::with_capacity(3 * SCALAR);
        for key in [&self.ca, &self.maker, &self.answers] {
            octets.extend_from_slice(key.to_bytes().expose()); // to be kept in a folder of development
        }
        Secret::new(STANDARD.encode(octets).into_bytes())
    }

    /// Reads what [`Self::to_text`] wrote.
    ///
    /// # Errors
    /// [`Error::KeysMalformed`].
    pub fn from_text(text: &[u8]) -> Result<Self, Error> {
        let octets = STANDARD.decode(text).map_err(|_| Error::KeysMalformed)?;
        let mut keys = octets.chunks(SCALAR).map(|scalar| sm2::PrivateKey::from_bytes(scalar).map(Arc::new));
        match (keys.next(), keys.next(), keys.next(), keys.next()) {
            (Some(Ok(ca)), Some(Ok(maker)), Some(Ok(answers)), None) => Ok(Self { ca, maker, answers }),
            _ => Err(Error::KeysMalformed),
        }
    }

    /// The key by which answers are signed.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::Sm2(self.answers.public_key())
    }

    /// The same as correspondents are given it, PEM.
    #[must_use]
    pub fn public_key_pem(&self) -> String {
        write_pem(&subject_public_key_info(&self.public_key()), "PUBLIC KEY")
    }
}

/// An office that listens.
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    desk: Arc<Mutex<Desk>>,
    decisions: Option<PathBuf>,
}

impl Simulator {
    /// Opens an office with these keys at that address of this machine. What it decides by itself is a line of `decisions`
    /// each, where there is such a file: a subject and a state. Lines are numbered from 1 and never taken back.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn open(
        address: SocketAddr,
        keys: OfficeKeys,
        (clock, random): (Arc<dyn Clock>, Arc<dyn Random>),
        decisions: Option<PathBuf>,
    ) -> Result<Self, Error> {
        if !address.ip().is_loopback() {
            return Err(Error::NotLoopback { address });
        }
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let desk = Arc::new(Mutex::new(Desk::open(keys, clock, random)?));
        Ok(Self { listener, address, desk, decisions })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it knows and does, for whoever gives it orders.
    #[must_use]
    pub fn desk(&self) -> Arc<Mutex<Desk>> {
        Arc::clone(&self.desk)
    }

    /// Answers, one message after another, until it is dropped.
    pub async fn serve(self) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(SOON).await;
                continue;
            };
            // Whoever is slow is let go.
            let _ = tokio::time::timeout(PATIENCE, self.attend(stream)).await;
        }
    }

    /// One request and its answer.
    async fn attend(&self, mut stream: TcpStream) {
        let Some((head, body)) = read(&mut stream).await else { return };
        let decided = match &self.decisions {
            Some(path) => decisions(path).await,
            None => None,
        };
        let answered = {
            let mut desk = locked(&self.desk);
            if let Some(decided) = decided {
                desk.changes = decided;
            }
            answer(&mut desk, (&head, &body), self.address)
        };
        let Some(octets) = answered else { return };
        // Whoever asked may be gone.
        let _ = stream.write_all(&octets).await;
        let _ = stream.shutdown().await;
    }
}

/// The desk, whatever became of whoever held it before.
pub fn locked(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request: its head, and its body. Nothing where none comes whole.
async fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut octets, mut piece) = (Vec::new(), vec![0; PIECE]);
    loop {
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        octets.extend_from_slice(piece.get(..count)?);
        let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") else {
            if octets.len() > MOST_HEAD {
                return None;
            }
            continue;
        };
        let head = std::str::from_utf8(octets.get(..end)?).ok()?;
        let length = letter::field(head, "content-length").ok()?.parse::<usize>().ok()?;
        if length > MOST_OCTETS {
            return None;
        }
        let begin = end.checked_add(4)?;
        if let Some(body) = octets.get(begin..begin.checked_add(length)?) {
            return Some((head.to_owned(), body.to_vec()));
        }
    }
}

/// What is decided, line by line; nothing where the file cannot be read.
async fn decisions(path: &Path) -> Option<Vec<(String, String)>> {
    let length = tokio::fs::metadata(path).await.ok()?.len();
    if length > MOST_DECISIONS {
        return None;
    }
    let text = tokio::fs::read_to_string(path).await.ok()?;
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or("none").to_owned();
        (word(), word())
    };
    Some(text.lines().map(line).collect())
}

/// What is answered to one request; nothing where nobody answers.
fn answer(desk: &mut Desk, (head, body): (&str, &[u8]), address: SocketAddr) -> Option<Vec<u8>> {
    let fault = desk.next_fault();
    if fault == Some(Fault::Silence) {
        return None;
    }
    let asked = match letter::check(desk, (head, body), address) {
        Ok(asked) => asked,
        Err(code) => return Some(turn_away(desk, code)),
    };
    let Ok(message) = Message::parse(body) else { return Some(turn_away(desk, "message-malformed")) };
    if let MessageBody::Order(_) = &message.body {
        desk.ordered.insert(message.subject.to_owned(), body.to_vec());
    }
    if let Some((subject, kind, detail)) = Desk::heard_in(&message) {
        tracing::info!(subject, kind, detail, "heard");
    }
    desk.work(message.subject);
    let said = desk.answer(&message, fault);
    match fault {
        Some(Fault::LoseAnswer) => None,
        Some(Fault::Redirect) => Some(letter::redirect()),
        Some(Fault::Malformed) => desk.signed(&asked, b"nothing", fault),
        Some(Fault::Huge) => desk.signed(&asked, &vec![0; MOST_OCTETS.saturating_add(1 << 20)], fault),
        _ => desk.signed(&asked, &said, fault),
    }
}

fn turn_away(desk: &mut Desk, code: &'static str) -> Vec<u8> {
    tracing::warn!(code, "turned away");
    desk.turned_away.push(code);
    letter::turned_away(code)
}

/// Orders by their subjects, as they came.
type Ordered = BTreeMap<String, Vec<u8>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::random::SystemRandom;

    #[test]
    fn keys_are_kept_from_one_start_to_the_next() {
        let keys = OfficeKeys::generate(&SystemRandom).unwrap();
        let text = keys.to_text();
        let again = OfficeKeys::from_text(text.expose()).unwrap();
        assert_eq!(again.public_key_pem(), keys.public_key_pem());
        assert_eq!(again.to_text().expose(), text.expose());
        let code = |text: &[u8]| OfficeKeys::from_text(text).map_or_else(|error| error.code(), |_| "taken");
        assert_eq!(code(text.expose()), "taken");
        assert_eq!(code(&text.expose()[4..]), "office-keys");
        assert_eq!(code(&[text.expose(), &b"QQ=="[..]].concat()), "office-keys");
        assert_eq!(code(b""), "office-keys");
    }

    #[tokio::test]
    async fn it_listens_on_this_machine_alone() {
        let open = async |address: &str| {
            let keys = OfficeKeys::generate(&SystemRandom).unwrap();
            let parts: (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(SystemRandom));
            Simulator::open(address.parse().unwrap(), keys, parts, None).await.map(|one| one.address().ip())
        };
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            assert_eq!(open(address).await.unwrap_err().code(), "not-loopback", "{address}");
        }
        assert!(open("127.0.0.1:0").await.unwrap().is_loopback());
    }
}
