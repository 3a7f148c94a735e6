//! A server to talk to, and a client that writes HTTP/1.1 by hand and signs by its own reading of RFC 9421.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom as RingRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use yinxin::base::clock::Timestamp;
use yinxin::base::random::SystemRandom;
use yinxin::http::tls::{Development, development_certificate, development_client};
use yinxin::http::{App, Error, Settings, server, tls};

use crate::double::{Double, NOW};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub address_v6: SocketAddr,
    pub(crate) double: Arc<Double>,
    pub(crate) certificate: Development,
    /// A registered key with the role `seal-user`.
    pub(crate) caller: Development,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) running: tokio::task::JoinHandle<Result<(), Error>>,
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse_rfc3339(NOW).unwrap()
}

/// TLS clients read the real clock, so development certificates are made for now.
fn real_now() -> Timestamp {
    use yinxin::base::clock::{Clock, SystemClock};
    SystemClock.now()
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        crate::logs::collect();
        let double = Arc::new(Double::default());
        let caller = development_client("business", real_now()).unwrap();
        double.register("business", &["seal-user", "person-signer", "key-user"], caller.fingerprint, &caller.spki);
        let certificate = development_certificate(&["localhost", "127.0.0.1", "::1"], real_now()).unwrap();
        let tls = tls::server(certificate.certificate_pem.as_bytes(), &certificate.key_pem).unwrap();
        let addresses = ["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
        let listeners = server::listen(&addresses).await.unwrap();
        let (address, address_v6) = (listeners[0].local_addr().unwrap(), listeners[1].local_addr().unwrap());
        let app = App::new(double.clone(), settings, Arc::new(SystemRandom)).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let running = tokio::spawn(server::serve((listeners, Vec::new()), tls, app, shutdown));
        Self { address, address_v6, double, certificate, caller, stop: Some(stop), running }
    }

    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.certificate_pem.as_bytes()).unwrap()).unwrap();
        roots
    }

    fn tls(&self, client: Option<&Development>) -> TlsConnector {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let certificate = CertificateDer::from_pem_slice(client.certificate_pem.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(client.key_pem.expose()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }

    pub(crate) async fn connect(&self, client: Option<&Development>) -> TlsStream<TcpStream> {
        self.connect_to(self.address, client).await
    }

    pub(crate) async fn connect_to(&self, address: SocketAddr, client: Option<&Development>) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::from(address.ip());
        self.tls(client).connect(name, stream).await.unwrap()
    }

    /// Shows a certificate with whatever key it comes with; gives the words of the failure.
    pub(crate) async fn shake_hands_with(
        &self,
        client: &Development,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> String {
        let certificate = CertificateDer::from_pem_slice(client.certificate_pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(client.key_pem.expose()).unwrap();
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        let shown = rustls::sign::CertifiedKey::new(vec![certificate], key);
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = match connector.connect(ServerName::from(self.address.ip()), stream).await {
            Ok(stream) => stream,
            Err(error) => return error.to_string(),
        };
        // In TLS 1.3 the client is done before the server has judged it.
        let _ = stream.write_all(&Request::new("GET", "/healthz").bytes()).await;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer).await {
            Ok(_) => format!("answered {}", String::from_utf8_lossy(&answer)),
            Err(error) => error.to_string(),
        }
    }

    /// Sends a request on a connection of its own.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        self.send_as(request, None).await
    }

    pub(crate) async fn send_as(&self, request: &Request, client: Option<&Development>) -> Answer {
        let mut stream = self.connect(client).await;
        // The server may answer and close before it has read all of the request.
        let _ = stream.write_all(&request.bytes()).await;
        Answer::read(&mut stream).await
    }
}

#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, target: &str) -> Self {
        let headers = vec![("host".to_owned(), "localhost".to_owned())];
        Self { method, target: target.to_owned(), headers, body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn value(&self, name: &str) -> String {
        self.headers.iter().find(|(known, _)| known == name).unwrap().1.clone()
    }

    pub(crate) fn body(mut self, kind: &str, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.header("content-type", kind)
    }

    pub(crate) fn form(self, parts: &[(&str, Option<&str>, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (name, file_name, value) in parts {
            let file = file_name.map_or(String::new(), |name| format!("; filename=\"{name}\""));
            body.extend_from_slice(
                format!("--limit\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--limit--\r\n");
        self.body("multipart/form-data; boundary=limit", &body)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() && !self.headers.iter().any(|(name, _)| name == "content-length") {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        let mut bytes = format!("{text}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) fn digested(self) -> Self {
        if self.body.is_empty() {
            return self;
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.body);
        let value = format!("sha-256=:{}:", STANDARD.encode(digest));
        self.header("content-digest", &value)
    }

    pub(crate) fn signed(self, key: &Development) -> Self {
        self.signed_by(key, &Signing::default())
    }

    pub(crate) fn signed_by(self, key: &Development, signing: &Signing) -> Self {
        let request = self.digested();
        let mut covered = vec!["@method", "@target-uri"];
        if !request.body.is_empty() {
            covered.push("content-digest");
        }
        if let Some(components) = &signing.components {
            covered = components.clone();
        }
        let nonce = signing.nonce.clone().unwrap_or_else(fresh_nonce);
        let key_id: String = key.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        let names: Vec<_> = covered.iter().map(|name| format!("\"{name}\"")).collect();
        let parameters = format!(
            "({});created={};nonce=\"{nonce}\";keyid=\"{key_id}\";alg=\"{}\"",
            names.join(" "),
            now().unix() + signing.skew,
            signing.algorithm
        );
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let host = request.value("host");
        let mut base = String::new();
        for name in &covered {
            let value = match *name {
                "@method" => request.method.to_owned(),
                "@target-uri" => format!("https://{host}{}", request.target),
                "@authority" => host.clone(),
                "@path" => path.to_owned(),
                "@query" => format!("?{query}"),
                field => request.value(field),
            };
            base += &format!("\"{name}\": {value}\n");
        }
        base += &format!("\"@signature-params\": {parameters}");
        let pkcs8 = PrivateKeyDer::from_pem_slice(key.key_pem.expose()).unwrap();
        let random = RingRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.secret_der(), &random).unwrap();
        let signature = STANDARD.encode(pair.sign(&random, base.as_bytes()).unwrap());
        request
            .header("signature-input", &format!("sig1={parameters}"))
            .header("signature", &format!("sig1=:{signature}:"))
    }
}

pub(crate) struct Signing {
    pub(crate) components: Option<Vec<&'static str>>,
    pub(crate) nonce: Option<String>,
    pub(crate) skew: i64,
    pub(crate) algorithm: &'static str,
}

impl Default for Signing {
    fn default() -> Self {
        Self { components: None, nonce: None, skew: 0, algorithm: "ecdsa-p256-sha256" }
    }
}

pub(crate) fn fresh_nonce() -> String {
    let bytes = yinxin::base::random::array::<16>(&SystemRandom).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn read(stream: &mut TlsStream<TcpStream>) -> Self {
        let mut bytes = Vec::new();
        // A close without TLS's own farewell is an error to rustls; what counts is what arrived.
        let _ = stream.read_to_end(&mut bytes).await;
        Self::parse(&bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or_else(|| panic!("no answer: {bytes:?}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Self { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The whole shape of a problem (RFC 9457) must be right; gives its code.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, String) {
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        let code = problem["code"].as_str().unwrap().to_owned();
        assert_eq!(problem["type"], format!("urn:yinxin:problem:{code}"));
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["instance"], self.headers["yinxin-request-id"]);
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        (self.status, code)
    }

    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(self.refusal(), (status, code.to_owned()), "{}", String::from_utf8_lossy(&self.body));
    }
}
