//! What the tests ask about: an authority with certificates, lists and answers of its own, trust lists, and a server that
//! says what it is told to.

#[path = "../material/trust_list.rs"]
pub(crate) mod trust_list;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use trust_list::signed_list;
use yinxin::base::clock::{Clock, SystemClock, Timestamp};
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::{OID_SHA1, OID_SM2_WITH_SM3, SignatureAlgorithm};
use yinxin::crypto::digest::sha1_identifier;
use yinxin::crypto::{Signer, sm2};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::cms::{ContentType, Family, NewSignedData};
use yinxin::format::keys::SubjectPublicKeyInfo;
use yinxin::format::trust_list::{ListedAnchor, SignedTrustList, SignerIdRule, StatusKind, StatusService, TrustUse};
use yinxin::format::x509::crl::{NewCrl, NewEntries, NewRevokedCertificate, RevocationReason};
use yinxin::format::x509::extension::{
    ACCESS_CA_ISSUERS, ACCESS_OCSP, AccessDescription, AuthorityInfoAccess, CrlDistributionPoints, DistributionPoint,
    DistributionPointName, FreshestCrl,
};
use yinxin::format::x509::ocsp::{CertificateStatus, NewBasicResponse, NewCertId, NewSingleResponse, ResponderId};
use yinxin::format::x509::{BasicConstraints, GeneralName, KeyUsage, Name, NewCertificate, NewExtension, NewName};
use yinxin::service::outside::reach::{Resolver, Resolving};

pub(crate) const HOUR: i64 = 3600;
pub(crate) const SERIAL: u8 = 7;

/// The places that a certificate names.
#[derive(Default)]
pub(crate) struct Points<'p> {
    /// OCSP responders.
    pub(crate) responders: &'p [&'p str],
    /// Revocation lists.
    pub(crate) lists: &'p [&'p str],
    /// Certificates of its issuer.
    pub(crate) issuers: &'p [&'p str],
    /// Changes to the lists.
    pub(crate) changes: &'p [&'p str],
}

impl Points<'_> {
    fn extensions(&self) -> Vec<NewExtension> {
        let mut extensions = Vec::new();
        let place = |method| move |url: &&'_ str| (method, (*url).to_owned());
        let named: Vec<_> = self.responders.iter().map(place(ACCESS_OCSP)).collect();
        let named = [named, self.issuers.iter().map(place(ACCESS_CA_ISSUERS)).collect()].concat();
        let places =
            named.iter().map(|(method, url)| AccessDescription { method: *method, location: GeneralName::Uri(url) });
        if !named.is_empty() {
            extensions.push(NewExtension::new(false, &AuthorityInfoAccess(places.collect())));
        }
        if !self.lists.is_empty() {
            let points = self.lists.iter().map(|url| point(url)).collect();
            extensions.push(NewExtension::new(false, &CrlDistributionPoints(points)));
        }
        if !self.changes.is_empty() {
            let points = self.changes.iter().map(|url| point(url)).collect();
            extensions.push(NewExtension::new(false, &FreshestCrl(points)));
        }
        extensions
    }
}

fn point(url: &str) -> DistributionPoint<'_> {
    DistributionPoint {
        name: Some(DistributionPointName::FullName(vec![GeneralName::Uri(url)])),
        reasons: None,
        crl_issuer: Vec::new(),
    }
}

/// A message of CMS that holds certificates and nothing else.
pub(crate) fn bundle(certificates: &[&[u8]]) -> Vec<u8> {
    let (family, content_type) = (Family::Cms, Family::Cms.oid(ContentType::Data));
    NewSignedData { family, content_type, content: None, certificates, crls: &[], signers: &[] }.to_der()
}

/// An authority whose root is the anchor.
pub(crate) struct Authority {
    name: Vec<u8>,
    key: Arc<sm2::PrivateKey>,
    pub(crate) now: Timestamp,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let name = NewName { organisation: "示例".into(), common_name: name.into() }.to_der();
        Self { name, key: Arc::new(sm2::PrivateKey::generate(&SystemRandom).unwrap()), now: SystemClock.now() }
    }

    /// The same at another moment.
    pub(crate) fn at(&self, now: Timestamp) -> Self {
        Self { name: self.name.clone(), key: Arc::clone(&self.key), now }
    }

    fn sign(&self, tbs: &[u8]) -> Vec<u8> {
        encode_value(SignatureAlgorithm::Sm2Sm3, &self.key.sign(tbs, &SystemRandom).unwrap())
    }

    fn key_info(&self) -> Vec<u8> {
        subject_public_key_info(&Signer::public_key(&*self.key))
    }

    fn certify(&self, subject: (&[u8], &[u8]), serial: u8, extensions: &[NewExtension]) -> Vec<u8> {
        let tbs = NewCertificate {
            serial: &[serial],
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: &self.name,
            not_before: self.now.plus_days(-50),
            not_after: self.now.plus_days(50),
            subject: subject.0,
            public_key: subject.1,
            extensions,
        }
        .to_tbs();
        NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &self.sign(&tbs))
    }

    pub(crate) fn root(&self) -> Vec<u8> {
        let usage = KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN);
        let basic = BasicConstraints { authority: true, path_length: None };
        let extensions = [NewExtension::new(true, &basic), NewExtension::new(true, &usage)];
        self.certify((&self.name, &self.key_info()), 1, &extensions)
    }

    /// A certificate that names those responders and lists.
    pub(crate) fn end(&self, serial: u8, responders: &[&str], lists: &[&str]) -> Vec<u8> {
        self.end_with(serial, &Points { responders, lists, ..Points::default() })
    }

    /// A certificate that names those places.
    pub(crate) fn end_with(&self, serial: u8, points: &Points<'_>) -> Vec<u8> {
        let basic = BasicConstraints { authority: false, path_length: None };
        let usage = KeyUsage(KeyUsage::DIGITAL_SIGNATURE);
        let mut extensions = vec![NewExtension::new(true, &basic), NewExtension::new(true, &usage)];
        extensions.extend(points.extensions());
        let name = NewName { organisation: "示例".into(), common_name: "end".into() }.to_der();
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        self.certify((&name, &subject_public_key_info(&Signer::public_key(&key))), serial, &extensions)
    }

    /// An authority below this one, and its certificate, which names those places.
    pub(crate) fn below(&self, name: &str, serial: u8, points: &Points<'_>) -> (Self, Vec<u8>) {
        let below = Self::new(name).at(self.now);
        let usage = KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN);
        let basic = BasicConstraints { authority: true, path_length: None };
        let mut extensions = vec![NewExtension::new(true, &basic), NewExtension::new(true, &usage)];
        extensions.extend(points.extensions());
        let certificate = self.certify((&below.name, &below.key_info()), serial, &extensions);
        (below, certificate)
    }

    /// A list from an hour ago until then, in hours, that revokes those.
    pub(crate) fn crl(&self, hours: i64, revoked: &[u8]) -> Vec<u8> {
        self.list((5, None), hours, revoked, &[])
    }

    /// The list of that number, or changes to the list of another, which names where changes are.
    pub(crate) fn list(
        &self,
        (number, base): (u8, Option<u8>),
        hours: i64,
        revoked: &[u8],
        changes: &[&str],
    ) -> Vec<u8> {
        let mut entries = NewEntries::default();
        for serial in revoked {
            entries.push(&NewRevokedCertificate {
                serial: &[*serial],
                revocation_date: self.now.plus_seconds(-3 * HOUR),
                reason: RevocationReason::KeyCompromise,
                invalidity_date: None,
                certificate_issuer: None,
            });
        }
        let freshest = FreshestCrl(changes.iter().map(|url| point(url)).collect());
        let base = base.map(|base| [base]);
        let new = NewCrl {
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: &self.name,
            this_update: self.now.plus_seconds(-2 * HOUR),
            next_update: self.now.plus_seconds(hours * HOUR),
            authority_key_identifier: &[1; 20],
            number: &[number],
            delta_base: base.as_ref().map(|base| &base[..]),
            issuing_distribution_point: None,
            freshest: (!changes.is_empty()).then_some(&freshest),
            others: &[],
        };
        let tbs = new.to_tbs(&entries).unwrap();
        NewCrl::assemble(&tbs, OID_SM2_WITH_SM3, &self.sign(&tbs))
    }

    /// An answer about that serial number, until then, in hours.
    pub(crate) fn answer(&self, serial: u8, status: CertificateStatus, hours: i64) -> Vec<u8> {
        self.answer_until(serial, status, hours * HOUR)
    }

    /// The same in seconds.
    pub(crate) fn answer_until(&self, serial: u8, status: CertificateStatus, seconds: i64) -> Vec<u8> {
        let info = self.key_info();
        let key = SubjectPublicKeyInfo::parse(&info).unwrap().key.to_vec();
        let cert_id = NewCertId {
            hash_algorithm: OID_SHA1,
            issuer_name_hash: &sha1_identifier(&self.name),
            issuer_key_hash: &sha1_identifier(&key),
            serial: &[serial],
        }
        .to_der();
        let single = NewSingleResponse {
            cert_id: &cert_id,
            status,
            this_update: self.now.plus_seconds(-2 * HOUR),
            next_update: Some(self.now.plus_seconds(seconds)),
            archive_cutoff: None,
            invalidity_date: None,
        };
        let responder = ResponderId::Name(Name::parse(&self.name, "name").unwrap());
        let produced_at = self.now.plus_seconds(-2 * HOUR);
        let tbs = NewBasicResponse { responder, produced_at, responses: &[single], nonce: None }.to_tbs();
        NewBasicResponse::assemble(&tbs, OID_SM2_WITH_SM3, &self.sign(&tbs), &[])
    }

    pub(crate) fn revoked(&self) -> CertificateStatus {
        let reason = Some(RevocationReason::KeyCompromise);
        CertificateStatus::Revoked { since: self.now.plus_seconds(-3 * HOUR), reason }
    }

    /// A signed list that trusts the root for everything, with those status services.
    pub(crate) fn trust_list(&self, services: &[(StatusKind, &str)]) -> SignedTrustList {
        let status = services.iter().map(|(kind, url)| StatusService { kind: *kind, url: (*url).to_owned() }).collect();
        let anchor = ListedAnchor {
            certificate: self.root(),
            from: None,
            logs: Vec::new(),
            name: "root".into(),
            regions: Vec::new(),
            signer_id: SignerIdRule::Default,
            status,
            until: None,
            uses: vec![TrustUse::Identity],
        };
        signed_list("tests", anchor, self.now)
    }
}

/// A clock that is set.
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now.unix())))
    }

    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::Relaxed))
    }
}

/// A resolver that says one thing after the other, and counts.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) answers: Mutex<VecDeque<IpAddr>>,
    pub(crate) asked: AtomicUsize,
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let next = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { next.map(|ip| vec![ip]).ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// What a server says.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) late: Duration,
}

impl Reply {
    pub(crate) fn ok(body: Vec<u8>) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n", body.len());
        Self { head, body, late: Duration::ZERO }
    }

    pub(crate) fn status(line: &str) -> Self {
        Self { head: format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"), body: Vec::new(), late: Duration::ZERO }
    }
}

/// What arrived: head and body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// A server on loopback.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

type Accepting<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

impl Server {
    pub(crate) async fn plain(say: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(say, |stream| -> Accepting<_> { Box::pin(async move { Ok(stream) }) }).await
    }

    pub(crate) async fn start<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        say: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        accept: impl Fn(tokio::net::TcpStream) -> Accepting<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, say) = (Arc::new(Mutex::new(Vec::new())), Arc::new(say));
        let seen = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (accepting, seen, say) = (accept(stream), Arc::clone(&seen), Arc::clone(&say));
                tokio::spawn(async move {
                    let Ok(mut stream) = accepting.await else { return };
                    let Some(request) = read(&mut stream).await else { return };
                    let reply = say(&request);
                    seen.lock().unwrap().push(request);
                    tokio::time::sleep(reply.late).await;
                    let _ = stream.write_all(reply.head.as_bytes()).await;
                    let _ = stream.write_all(&reply.body).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, asked, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut octets = Vec::new();
    let end = loop {
        if let Some(end) = octets.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(octets[..end].to_vec()).ok()?;
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while octets.len() < end + length.unwrap_or(0) {
        if stream.read_buf(&mut octets).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked { head, body: octets[end..].to_vec() })
}
