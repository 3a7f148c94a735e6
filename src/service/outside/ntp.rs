//! Asking another machine for the time: SNTP over UDP (RFC 4330; RFC 5905 14), one packet there and one back.
//!
//! The answer is believed as far as plain NTP goes: somebody on the path can forge it. So sources check a clock here,
//! they never set it, and several must agree.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::base::clock::PairedClocks;
use crate::base::random::{Random, RandomUnavailable, array};
use crate::domain::stamp::SourceReading;

/// Octets of a packet without extensions (RFC 5905 7.3).
const PACKET: usize = 48;
/// Leap indicator 0, version 4, mode 3: a client (RFC 5905 7.3).
const CLIENT: u8 = 0x23;
/// Packets that answer something else are passed over, this many.
const STRAY: usize = 8;
/// From 1900 to 1970, seconds.
const TO_UNIX: i64 = 2_208_988_800;
/// Length of an era, seconds (RFC 5905 6).
const ERA: i64 = 1 << 32;
/// Farther from its reference than this a server is not synchronised (RFC 5905 11.1: MAXDIST, 1 s), microseconds.
const MOST_DISTANCE: u64 = 1_000_000;

/// Why a source gave no time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The network failed.
    #[error("the source cannot be asked")]
    Network(#[from] std::io::Error),
    /// It wants to be asked no more (RFC 5905 7.4: DENY, RSTR).
    #[error("the source denies its service: {code}")]
    Denied {
        /// Its code.
        code: String,
    },
    /// It wants to be asked less often (RFC 5905 7.4: RATE, and every other code).
    #[error("the source asks for patience: {code}")]
    TooOften {
        /// Its code.
        code: String,
    },
    /// It does not know the time itself.
    #[error("the source is not synchronised")]
    Unsynchronised,
    /// The answer contradicts itself or our clock.
    #[error("the answer is no answer of a server of time")]
    Malformed,
    /// No randomness for the question.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

/// What asking gives.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<SourceReading, Error>> + Send + 'a>>;

/// Another source of time.
pub trait TimeSource: Send + Sync {
    /// For the log.
    fn name(&self) -> String;
    /// Asks once, within a time of its own.
    fn ask<'a>(&'a self, clocks: &'a dyn PairedClocks) -> Asking<'a>;
}

/// A server of time.
pub struct NtpServer {
    address: SocketAddr,
    patience: Duration,
    random: Arc<dyn Random>,
}

impl NtpServer {
    /// The server at that address.
    #[must_use]
    pub fn new(address: SocketAddr, patience: Duration, random: Arc<dyn Random>) -> Self {
        Self { address, patience, random }
    }

    async fn exchange(&self, clocks: &dyn PairedClocks) -> Result<SourceReading, Error> {
        let local: SocketAddr = match self.address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        // A fresh port for each question, and connected: the system drops what others send.
        let socket = UdpSocket::bind(local).await?;
        socket.connect(self.address).await?;
        // Not our time but random bits: whoever forges an answer must see the question, and nobody learns our clock.
        let cookie: [u8; 8] = array(&*self.random)?;
        let mut question = [0; PACKET];
        if let Some(first) = question.first_mut() {
            *first = CLIENT;
        }
        if let Some(last) = question.last_chunk_mut::<8>() {
            *last = cookie;
        }
        let sent = clocks.read().monotonic;
        socket.send(&question).await?;
        let mut buffer = [0; 512];
        for _ in 0..STRAY {
            let length = socket.recv(&mut buffer).await?;
            let taken = clocks.read().monotonic;
            let Some(packet) = buffer.get(..length).and_then(Packet::read) else { continue };
            if packet.origin == cookie {
                return packet.judge(sent, taken);
            }
        }
        Err(Error::Malformed)
    }
}

impl TimeSource for NtpServer {
    fn name(&self) -> String {
        self.address.to_string()
    }

    fn ask<'a>(&'a self, clocks: &'a dyn PairedClocks) -> Asking<'a> {
        Box::pin(async move {
            match timeout(self.patience, self.exchange(clocks)).await {
                Ok(answered) => answered,
                Err(_) => Err(Error::TimedOut(self.patience)),
            }
        })
    }
}

/// What we read of a packet (RFC 5905 7.3).
struct Packet {
    leap: u8,
    mode: u8,
    stratum: u8,
    /// Half the delay to the reference and the dispersion there, microseconds.
    distance: u64,
    /// `refid`, which is a kiss code where the stratum is 0.
    reference: [u8; 4],
    /// Our own transmit time stamp, back.
    origin: [u8; 8],
    received: [u8; 8],
    sent: [u8; 8],
}

impl Packet {
    fn read(octets: &[u8]) -> Option<Self> {
        let (first, rest) = octets.split_first_chunk::<4>()?;
        let [flags, stratum, _poll, _precision] = *first;
        let (delay, rest) = rest.split_first_chunk::<4>()?;
        let (dispersion, rest) = rest.split_first_chunk::<4>()?;
        let (reference, rest) = rest.split_first_chunk::<4>()?;
        let (_reference_time, rest) = rest.split_first_chunk::<8>()?;
        let (origin, rest) = rest.split_first_chunk::<8>()?;
        let (received, rest) = rest.split_first_chunk::<8>()?;
        let (sent, _) = rest.split_first_chunk::<8>()?;
        let distance = (short(*delay) / 2).saturating_add(short(*dispersion));
        let version = (flags >> 3) & 7;
        (3..=4).contains(&version).then_some(Self {
            leap: flags >> 6,
            mode: flags & 7,
            stratum,
            distance,
            reference: *reference,
            origin: *origin,
            received: *received,
            sent: *sent,
        })
    }

    /// The reading, from our monotonic clock at question and answer (RFC 5905 8).
    fn judge(&self, asked: u64, taken: u64) -> Result<SourceReading, Error> {
        if self.mode != 4 {
            return Err(Error::Malformed);
        }
        if self.stratum == 0 {
            let code = self.reference.iter().map(|octet| char::from(*octet)).filter(char::is_ascii_graphic).collect();
            return Err(match &self.reference {
                b"DENY" | b"RSTR" => Error::Denied { code },
                _ => Error::TooOften { code },
            });
        }
        if self.leap == 3 || self.stratum > 15 || self.distance > MOST_DISTANCE {
            return Err(Error::Unsynchronised);
        }
        if self.sent == [0; 8] || self.received == [0; 8] {
            return Err(Error::Malformed);
        }
        let (received, sent) = (microseconds(self.received), microseconds(self.sent));
        let there = taken.checked_sub(asked).ok_or(Error::Malformed)?;
        let inside = u64::try_from(sent.saturating_sub(received)).map_err(|_| Error::Malformed)?;
        // A server that worked longer than we waited is broken, or its clock jumped meanwhile.
        let travel = there.checked_sub(inside).ok_or(Error::Malformed)?;
        // How far the server itself may be off counts like a longer way.
        let round_trip = travel.saturating_add(self.distance.saturating_mul(2));
        let time = sent.saturating_add(i64::try_from(travel / 2).unwrap_or(i64::MAX));
        Ok(SourceReading { time, round_trip, taken })
    }
}

/// NTP short format (RFC 5905 6) in microseconds.
fn short(octets: [u8; 4]) -> u64 {
    u64::from(u32::from_be_bytes(octets)).saturating_mul(1_000_000) >> 16
}

/// NTP timestamp format (RFC 5905 6) in microseconds since 1970. A first bit of 0 is era 1, 2036 to 2104 (RFC 4330 3).
fn microseconds(octets: [u8; 8]) -> i64 {
    let value = u64::from_be_bytes(octets);
    let seconds = i64::try_from(value >> 32).unwrap_or(0);
    let era = if value >> 63 == 0 { ERA } else { 0 };
    let fraction = i64::try_from((value & 0xffff_ffff).saturating_mul(1_000_000) >> 32).unwrap_or(0);
    seconds.saturating_add(era).saturating_sub(TO_UNIX).saturating_mul(1_000_000).saturating_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::random::{DeadRandom, SystemRandom};

    /// Seconds since 1900 of 2027-01-15T08:00:00Z.
    const SECONDS: u32 = 4_008_988_800;
    const SHORT: Duration = Duration::from_millis(200);

    /// A server that answers each question by what the function makes of it; nothing where it makes nothing.
    async fn server(
        answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                for packet in answer(&buffer[..length]) {
                    socket.send_to(&packet, from).await.unwrap();
                }
            }
        });
        (address, task)
    }

    /// A right answer to that question.
    fn right(question: &[u8]) -> Vec<u8> {
        assert_eq!((question.len(), question[0]), (PACKET, CLIENT));
        assert!(question[1..40].iter().all(|octet| *octet == 0), "nothing is told of our clock");
        let mut packet = vec![0; PACKET];
        packet[..4].copy_from_slice(&[0x24, 2, 6, 0xe9]);
        packet[24..32].copy_from_slice(&question[40..48]);
        for at in [32, 40] {
            packet[at..at + 4].copy_from_slice(&SECONDS.to_be_bytes());
            packet[at + 4] = 0x80;
        }
        packet
    }

    async fn ask(change: impl Fn(&mut Vec<u8>) + Send + 'static) -> Result<SourceReading, Error> {
        let (address, task) = server(move |question| {
            let mut packet = right(question);
            change(&mut packet);
            vec![packet]
        })
        .await;
        let answered = NtpServer::new(address, SHORT, Arc::new(SystemRandom)).ask(&SystemClock).await;
        task.abort();
        answered
    }

    #[tokio::test]
    async fn a_right_answer_gives_the_time_in_the_middle_of_the_way() {
        let before = PairedClocks::read(&SystemClock).monotonic;
        let reading = ask(|_| {}).await.unwrap();
        let half = i64::try_from(reading.round_trip / 2).unwrap();
        assert_eq!(reading.time, 1_800_000_000_500_000 + half);
        assert!(reading.taken >= before && reading.round_trip <= reading.taken - before);
        // 1/16 s of delay and 1/8 s of dispersion at the server: it may be off by 156250 µs.
        let far = ask(|packet| packet[4..12].copy_from_slice(&[0, 0, 0x10, 0, 0, 0, 0x20, 0])).await.unwrap();
        assert!(far.round_trip >= 312_500 && far.time < 1_800_000_000_700_000);
    }

    #[tokio::test]
    async fn each_wrong_answer_is_refused_by_name() {
        let refused = async |change: fn(&mut Vec<u8>)| ask(change).await.unwrap_err().to_string();
        let set = "the source is not synchronised";
        assert_eq!(refused(|packet| packet[0] = 0xe4).await, set);
        assert_eq!(refused(|packet| packet[1] = 16).await, set);
        assert_eq!(refused(|packet| packet[4] = 0x20).await, set);
        let malformed = "the answer is no answer of a server of time";
        assert_eq!(refused(|packet| packet[0] = 0x23).await, malformed);
        assert_eq!(refused(|packet| packet[40..48].fill(0)).await, malformed);
        assert_eq!(refused(|packet| packet[32..40].fill(0)).await, malformed);
        // It claims to have kept the question for an hour; it claims to have sent before it received.
        assert_eq!(refused(|packet| packet[34] ^= 0x10).await, malformed);
        assert_eq!(refused(|packet| packet[42] ^= 0x10).await, malformed);
        let kiss = |code: &'static [u8; 4]| {
            ask(move |packet| {
                packet[1] = 0;
                packet[12..16].copy_from_slice(code);
            })
        };
        assert!(matches!(kiss(b"DENY").await, Err(Error::Denied { code }) if code == "DENY"));
        assert!(matches!(kiss(b"RSTR").await, Err(Error::Denied { code }) if code == "RSTR"));
        assert!(matches!(kiss(b"RATE").await, Err(Error::TooOften { code }) if code == "RATE"));
        assert!(matches!(kiss(b"\x00\xffX ").await, Err(Error::TooOften { code }) if code == "X"));
        // What answers another question, is too short or of another version is passed over, and silence ends.
        assert!(matches!(ask(|packet| packet[24] ^= 1).await, Err(Error::TimedOut(SHORT))));
        assert!(matches!(ask(|packet| packet.truncate(47)).await, Err(Error::TimedOut(SHORT))));
        assert!(matches!(ask(|packet| packet[0] = 0x0c).await, Err(Error::TimedOut(SHORT))));
        let dead = NtpServer::new(([127, 0, 0, 1], 9).into(), SHORT, Arc::new(DeadRandom)).ask(&SystemClock).await;
        assert!(matches!(dead, Err(Error::Random(RandomUnavailable))));
    }

    #[tokio::test]
    async fn strays_are_passed_over_up_to_a_bound() {
        let flood = async |strays: usize| {
            let (address, task) = server(move |question| {
                let mut stray = right(question);
                stray[24] ^= 1;
                let mut packets = vec![stray; strays];
                packets.push(right(question));
                packets
            })
            .await;
            let answered = NtpServer::new(address, SHORT, Arc::new(SystemRandom)).ask(&SystemClock).await;
            task.abort();
            answered
        };
        assert!(flood(STRAY - 1).await.is_ok());
        assert!(matches!(flood(STRAY).await, Err(Error::Malformed)));
    }

    #[test]
    fn the_era_turns_in_2036() {
        assert_eq!(microseconds([0x80, 0, 0, 0, 0, 0, 0, 0]), (2_147_483_648 - TO_UNIX) * 1_000_000);
        assert_eq!(microseconds([0; 8]), 2_085_978_496_000_000);
        assert_eq!(short([0, 1, 0x80, 0]), 1_500_000);
    }
}
