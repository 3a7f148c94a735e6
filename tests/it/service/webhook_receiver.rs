//! A double of a program elsewhere that gets notices: over HTTP on loopback, with faults by order.
//!
//! It builds what a signature is over from the request as it came, by its own reading of RFC 9421 and docs/webhooks.md.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use yinxin::crypto::PublicKey;
use yinxin::crypto::algorithm::SignatureAlgorithm;
use yinxin::crypto::digest::sha256;
use yinxin::service::outside::exchange::{key_id, public_key_in};

/// What becomes of the next notice that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// 204.
    Accept,
    /// 400.
    Refuse,
    /// 500.
    Fail,
    /// No answer.
    Hang,
    /// The connection ends without an answer.
    Cut,
    /// The connection ends within the head of the answer.
    CutHead,
    /// The head comes octet by octet, and not in time.
    Slow,
    /// 302, to an address where somebody would take it.
    Redirect,
    /// A head of a million octets.
    HugeHead,
    /// 200, and a body without end.
    EndlessBody,
    /// Not a word of HTTP.
    Nonsense,
}

/// A notice that came.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) id: u64,
    pub(super) body: Value,
    pub(super) text: String,
    /// Whether it was taken.
    pub(super) taken: bool,
}

#[derive(Default)]
pub(super) struct Ears {
    pub(super) script: VecDeque<Script>,
    pub(super) heard: Vec<Heard>,
    /// Notices that are being answered, and the most there were at a time.
    open: usize,
    /// Requests for the address that a redirect leads to.
    pub(super) elsewhere: usize,
    pub(super) most_open: usize,
    /// The keys whose signatures are right.
    keys: Vec<PublicKey>,
}

/// The receiver.
pub(super) struct ReceiverDouble {
    pub(super) address: SocketAddr,
    pub(super) ears: Arc<Mutex<Ears>>,
}

impl ReceiverDouble {
    pub(super) async fn open(keys: &[String], tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let keys = keys.iter().map(|pem| public_key_in(pem.as_bytes()).unwrap()).collect();
        let ears = Arc::new(Mutex::new(Ears { keys, ..Ears::default() }));
        let serving = Arc::clone(&ears);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (ears, tls) = (Arc::clone(&serving), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &ears, ("http", address)).await,
                        Some(tls) => {
                            // Whoever does not know us leaves.
                            if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                                serve(stream, &ears, ("https", address)).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, ears }
    }

    pub(super) fn will(&self, script: &[Script]) {
        self.ears.lock().unwrap().script.extend(script);
    }

    /// What came since the last time.
    pub(super) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.ears.lock().unwrap().heard)
    }

    /// Waits until nobody is answered any more, and counts anew how many are at a time.
    pub(super) async fn calm(&self) {
        while self.ears.lock().unwrap().open > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.ears.lock().unwrap().most_open = 0;
    }

    /// Numbers and types of what came since the last time.
    pub(super) fn told(&self) -> Vec<(u64, String)> {
        self.heard().into_iter().map(|one| (one.id, one.body["type"].as_str().unwrap().to_owned())).collect()
    }
}

struct Request {
    line: String,
    fields: BTreeMap<String, String>,
    body: Vec<u8>,
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut octets = Vec::new();
    loop {
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(octets[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines.next().unwrap().to_owned();
            let mut fields = BTreeMap::new();
            for field in lines {
                let (name, value) = field.split_once(": ").unwrap();
                assert!(fields.insert(name.to_ascii_lowercase(), value.to_owned()).is_none(), "{name} stands twice");
            }
            let length: usize = fields["content-length"].parse().unwrap();
            let mut body = octets[end + 4..].to_vec();
            while body.len() < length {
                if stream.read_buf(&mut body).await.ok()? == 0 {
                    return None;
                }
            }
            return Some(Request { line, fields, body });
        }
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    }
}

/// The request is signed as the page says, over what came, for this very address.
fn judge(request: &Request, keys: &[PublicKey], (scheme, address): (&str, SocketAddr)) {
    let field = |name: &str| request.fields[name].as_str();
    let target = request.line.strip_prefix("POST ").and_then(|rest| rest.strip_suffix(" HTTP/1.1")).unwrap();
    assert_eq!(field("host"), address.to_string());
    assert_eq!(field("content-digest"), format!("sha-256=:{}:", STANDARD.encode(sha256(&request.body))));
    let parameters = field("signature-input").strip_prefix("notice=").unwrap();
    let covered = "(\"@method\" \"@target-uri\" \"content-digest\" \"content-type\" \"webhook-id\");created=";
    assert!(parameters.starts_with(covered), "{parameters}");
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": {scheme}://{address}{target}\n\"content-digest\": {}\n\"content-type\": \
         application/json\n\"webhook-id\": {}\n\"@signature-params\": {parameters}",
        field("content-digest"),
        field("webhook-id"),
    );
    let quoted = |name: &str| {
        let (_, rest) = parameters.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let algorithm = match quoted("alg").as_str() {
        "sm2-sm3" => SignatureAlgorithm::Sm2Sm3,
        "ecdsa-p256-sha256" => SignatureAlgorithm::EcdsaP256Sha256,
        "ed25519" => SignatureAlgorithm::Ed25519,
        other => panic!("{other}"),
    };
    assert_eq!(quoted("nonce").len(), 32);
    let key = keys.iter().find(|key| key_id(key) == quoted("keyid")).unwrap();
    let value = field("signature").strip_prefix("notice=:").and_then(|rest| rest.strip_suffix(':')).unwrap();
    assert!(key.verify(algorithm, base.as_bytes(), &STANDARD.decode(value).unwrap()), "{base}");
    assert!(!key.verify(algorithm, format!("{base} ").as_bytes(), &STANDARD.decode(value).unwrap()));
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, ears: &Mutex<Ears>, place: (&str, SocketAddr)) {
    let Some(request) = read(&mut stream).await else { return };
    let script = {
        let mut ears = ears.lock().unwrap();
        if request.line.contains("/elsewhere") {
            ears.elsewhere += 1;
            return;
        }
        judge(&request, &ears.keys, place);
        let script = ears.script.pop_front().unwrap_or(Script::Accept);
        let text = String::from_utf8(request.body.clone()).unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        let id = request.fields["webhook-id"].parse().unwrap();
        assert_eq!(body["event"].as_u64(), Some(id));
        let taken = matches!(script, Script::Accept | Script::EndlessBody);
        ears.heard.push(Heard { id, body, text, taken });
        ears.open += 1;
        ears.most_open = ears.most_open.max(ears.open);
        script
    };
    // Whoever asked may be gone.
    let _ = answer(&mut stream, script, place.1).await;
    ears.lock().unwrap().open -= 1;
}

async fn answer(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    script: Script,
    own: SocketAddr,
) -> std::io::Result<()> {
    let simple = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    match script {
        Script::Accept => stream.write_all(simple("204 No Content").as_bytes()).await?,
        Script::Refuse => stream.write_all(simple("400 Bad Request").as_bytes()).await?,
        Script::Fail => stream.write_all(simple("500 Internal Server Error").as_bytes()).await?,
        Script::Hang => {
            // Until the other side has gone.
            let _ = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut [0])).await;
        }
        Script::Cut => {}
        Script::CutHead => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await?,
        Script::Slow => {
            for octet in simple("200 OK").bytes() {
                stream.write_all(&[octet]).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Script::Redirect => {
            let head = format!("HTTP/1.1 302 Found\r\nLocation: http://{own}/elsewhere\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        Script::HugeHead => {
            let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1_000_000));
            stream.write_all(head.as_bytes()).await?;
        }
        Script::EndlessBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 4096]).await?;
            }
        }
        Script::Nonsense => stream.write_all(b"\0\0\0 hello\r\n\r\n").await?,
    }
    stream.flush().await?;
    stream.shutdown().await
}
