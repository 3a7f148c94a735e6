//! A double of an office elsewhere that makes seals and files them: over HTTP on loopback, with faults by order.
//!
//! It reads and writes signatures of messages by its own reading of RFC 9421 and docs/national-maker.md.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use yinxin::base::clock::{Clock, Timestamp};
use yinxin::base::random::SystemRandom;
use yinxin::crypto::algorithm::{OID_SM2_WITH_SM3, SignatureAlgorithm};
use yinxin::crypto::digest::{hex, sha256};
use yinxin::crypto::{PublicKey, Signer as _, sm2};
use yinxin::domain::seal::application::{SealForm, SignerList};
use yinxin::domain::seal::maker::{SealRequest, prepare};
use yinxin::domain::trust::AlgorithmPolicy;
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::keys::SubjectPublicKeyInfo;
use yinxin::format::office::{Answer, AnswerBody, Change, MadeSeal, Message, MessageBody, SealOrder};
use yinxin::format::x509::csr::CertificationRequest;
use yinxin::format::x509::{BasicConstraints, KeyUsage, NewCertificate, NewExtension, NewName};

use crate::service::registration::Hands;

/// What goes wrong with the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody answers; the message is not seen.
    Silence,
    /// The message is taken, and its answer lost.
    LoseAnswer,
    /// Another key signs the answer.
    OtherKey,
    /// The answer says another subject.
    OtherSubject,
    /// The answer says another message.
    OtherName,
    /// The answer is no message.
    Malformed,
    /// The answer leads elsewhere.
    Redirect,
    /// The answer is larger than anybody reads.
    Huge,
    /// The office has forgotten the order.
    Forgets,
    /// A second seal for an order that has one.
    SecondSeal,
    /// Another number for the same order.
    OtherNumber,
}

/// How a seal that the office makes differs from what was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    Name,
    Picture,
    Code,
    Size,
    Longer,
    OtherSigner,
    StrangeMaker,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Work {
    /// So many questions until it is made.
    Waiting(u32),
    Made {
        seal: Vec<u8>,
        certificate: Vec<u8>,
        state: String,
    },
    Refused(String),
    Cancelled,
}

pub(crate) struct Desk {
    ca: Arc<sm2::PrivateKey>,
    maker: Arc<sm2::PrivateKey>,
    key: Arc<sm2::PrivateKey>,
    clock: Arc<dyn Clock>,
    /// Its clock goes after the messages, where they come from processes with clocks of their own.
    pub(crate) follows: Option<Arc<Hands>>,
    /// Nobody answers, whatever is asked.
    pub(crate) is_silent: bool,
    /// Whose messages are taken.
    pub(crate) correspondent: Option<PublicKey>,
    pub(crate) faults: VecDeque<Fault>,
    pub(super) orders: BTreeMap<String, Work>,
    pub(super) unfit: Option<Unfit>,
    pub(super) refuses: Option<&'static str>,
    /// Questions until an order is made.
    pub(crate) delay: u32,
    pub(super) changes: Vec<(String, &'static str)>,
    /// What arrived: subject, kind, detail.
    pub(super) heard: Vec<(String, &'static str, String)>,
    /// Numbers under which seals are filed.
    pub(super) filings: BTreeMap<String, String>,
    /// The number that the next seal gets, in the place of its own.
    pub(super) next_number: Option<String>,
    serial: u32,
}

/// The office.
pub(crate) struct OfficeDouble {
    pub(crate) address: SocketAddr,
    pub(crate) desk: Arc<Mutex<Desk>>,
    pub(crate) public_key: PublicKey,
    pub(crate) root: Vec<u8>,
}

fn name(text: &str) -> Vec<u8> {
    NewName { organisation: "示例制章系统".into(), common_name: text.into() }.to_der()
}

fn spki(key: &sm2::PrivateKey) -> Vec<u8> {
    subject_public_key_info(&PublicKey::Sm2(key.public_key()))
}

impl Desk {
    fn certify(&mut self, subject: (&[u8], &[u8]), is_authority: bool, issuer: (&[u8], &sm2::PrivateKey)) -> Vec<u8> {
        let now = self.clock.now();
        self.serial += 1;
        let usage = match is_authority {
            true => KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN),
            false => KeyUsage(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION),
        };
        let basic = BasicConstraints { authority: is_authority, path_length: None };
        let extensions = [NewExtension::new(true, &basic), NewExtension::new(true, &usage)];
        let tbs = NewCertificate {
            serial: &self.serial.to_be_bytes(),
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: issuer.0,
            not_before: now.plus_days(-1),
            not_after: now.plus_days(3000),
            subject: subject.0,
            public_key: subject.1,
            extensions: &extensions,
        }
        .to_tbs();
        let value = encode_value(SignatureAlgorithm::Sm2Sm3, &issuer.1.sign(&tbs, &SystemRandom).unwrap());
        NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &value)
    }

    /// The seal, and its signer's certificate.
    fn make(&mut self, order: &SealOrder<'_>) -> Work {
        let request = CertificationRequest::parse(order.request).unwrap();
        let strange = Arc::new(sm2::PrivateKey::generate(&SystemRandom).unwrap());
        let key = match self.unfit {
            Some(Unfit::OtherSigner) => spki(&strange),
            _ => raw_key(&request.public_key, order.request),
        };
        let ca = self.ca.clone();
        let signer = self.certify((request.subject.raw(), &key), false, (&name("根"), &ca));
        let (issuer, by) = match self.unfit {
            Some(Unfit::StrangeMaker) => (name("别的根"), strange),
            _ => (name("根"), ca),
        };
        let maker_key = spki(&self.maker);
        let maker = self.certify((&name("制章"), &maker_key), false, (&issuer, &by));
        let now = self.clock.now();
        let unfit = self.unfit.take();
        let days = i64::from(order.days) + if unfit == Some(Unfit::Longer) { 9 } else { 0 };
        let width = u16::try_from(order.size_mm.0).unwrap() - u16::from(unfit == Some(Unfit::Size));
        let sealed = SealRequest {
            kind: u8::try_from(order.kind).unwrap(),
            es_id: if unfit == Some(Unfit::Code) { "33010600099999" } else { order.code },
            name: if unfit == Some(Unfit::Name) { "别的名称" } else { order.name },
            signers: &[&signer],
            created: now,
            valid_end: now.plus_days(days),
            picture_type: "png",
            picture: if unfit == Some(Unfit::Picture) { b"other" } else { order.picture },
            size_mm: (width, u16::try_from(order.size_mm.1).unwrap()),
            form: SealForm::from_name(order.form).unwrap(),
            list: SignerList::from_name(order.list).unwrap(),
        };
        let token = prepare(&sealed, &maker, self.maker.algorithm(), &AlgorithmPolicy::whatever_we_compute()).unwrap();
        let value = self.maker.sign(token.to_sign(), &SystemRandom).unwrap();
        Work::Made { seal: token.assemble(&value).unwrap(), certificate: signer, state: "active".to_owned() }
    }

    fn heard(&mut self, message: &Message<'_>) {
        let (kind, detail) = match &message.body {
            MessageBody::Order(_) => ("order", String::new()),
            MessageBody::Ask => ("ask", String::new()),
            MessageBody::Cancel => ("cancel", String::new()),
            MessageBody::State(told) => ("state", told.state.to_owned()),
            MessageBody::File(filing) => ("file", filing.code.to_owned()),
            MessageBody::Changes(_) => return,
        };
        self.heard.push((message.subject.to_owned(), kind, detail));
    }

    /// What is answered.
    fn answer(&mut self, message: &Message<'_>, fault: Option<Fault>) -> Vec<u8> {
        self.heard(message);
        let subject = message.subject.to_owned();
        if fault == Some(Fault::Forgets) {
            self.orders.remove(&subject);
        }
        match &message.body {
            MessageBody::Order(order) => match (self.orders.get(&subject).cloned(), self.refuses.take()) {
                (None, Some(code)) => {
                    self.orders.insert(subject.clone(), Work::Refused(code.to_owned()));
                }
                (None, None) => {
                    let work = if self.delay == 0 { self.make(order) } else { Work::Waiting(self.delay) };
                    self.orders.insert(subject.clone(), work);
                }
                _ => {}
            },
            MessageBody::Cancel => {
                self.orders.insert(subject.clone(), Work::Cancelled);
            }
            MessageBody::State(told) => {
                if let Some(Work::Made { state, .. }) = self.orders.get_mut(&subject) {
                    told.state.clone_into(state);
                }
            }
            _ => {}
        }
        let number = match fault {
            Some(Fault::OtherNumber) => "N-other".to_owned(),
            _ => format!("N-{subject}"),
        };
        if matches!(message.body, MessageBody::File(_)) {
            return self.file(message);
        }
        let (mut seal, mut certificates) = (Vec::new(), Vec::new());
        let decided: Vec<(u32, String, &'static str)> =
            (1..).zip(&self.changes).map(|(number, (subject, state))| (number, subject.clone(), *state)).collect();
        let body = match (&message.body, self.orders.get_mut(&subject)) {
            (MessageBody::Changes(after), _) => {
                let at = self.clock.now();
                let behind = decided.iter().filter(|(number, ..)| number > after);
                let all = behind.map(|(number, subject, state)| Change { number: *number, subject, state, at });
                AnswerBody::Changes(all.take(2).collect())
            }
            (MessageBody::Cancel | MessageBody::State(_), _) => AnswerBody::Done,
            (_, None) => AnswerBody::Unknown,
            (_, Some(Work::Refused(code))) => AnswerBody::Refused(code),
            (_, Some(Work::Cancelled)) => AnswerBody::Refused("cancelled"),
            (_, Some(Work::Waiting(left))) => {
                *left = left.saturating_sub(1);
                AnswerBody::Received(&number)
            }
            (_, Some(Work::Made { seal: one, certificate, .. })) => {
                seal.clone_from(one);
                certificates.push(certificate.clone());
                if fault == Some(Fault::SecondSeal) {
                    seal.push(0);
                }
                let certificates = certificates.iter().map(Vec::as_slice).collect();
                AnswerBody::Made(MadeSeal { number: &number, seal: &seal, certificates })
            }
        };
        let mut said = message.name;
        if fault == Some(Fault::OtherName) {
            said[0] ^= 1;
        }
        let about = if fault == Some(Fault::OtherSubject) { "another" } else { message.subject };
        Answer { name: said, subject: about, body }.to_der()
    }

    /// A seal is filed: at work first, then with a number.
    fn file(&mut self, message: &Message<'_>) -> Vec<u8> {
        let said = |body| Answer { name: message.name, subject: message.subject, body }.to_der();
        if let Some(code) = self.refuses.take() {
            return said(AnswerBody::Refused(code));
        }
        if let Some(number) = self.next_number.take() {
            return said(AnswerBody::Filed(&number));
        }
        if self.delay > 0 {
            self.delay -= 1;
            return said(AnswerBody::Received("work"));
        }
        let next = format!("330106{:07}", self.filings.len() + 1);
        let number = self.filings.entry(message.subject.to_owned()).or_insert(next);
        said(AnswerBody::Filed(number))
    }

    /// Orders whose time has come are made when somebody asks next. `order` is what was ordered.
    fn work(&mut self, subject: &str, order: &SealOrder<'_>) {
        if self.orders.get(subject) == Some(&Work::Waiting(0)) {
            let made = self.make(order);
            self.orders.insert(subject.to_owned(), made);
        }
    }
}

/// The key of a request as it stands there.
fn raw_key(_: &SubjectPublicKeyInfo<'_>, request: &[u8]) -> Vec<u8> {
    let proved = yinxin::domain::ca::possession::Proved::read(request).unwrap();
    subject_public_key_info(proved.key())
}

impl OfficeDouble {
    pub(crate) async fn open(clock: Arc<dyn Clock>) -> Self {
        let [ca, maker, key] = [(); 3].map(|()| Arc::new(sm2::PrivateKey::generate(&SystemRandom).unwrap()));
        let (root_key, public_key) = (spki(&ca), PublicKey::Sm2(key.public_key()));
        let mut desk = Desk {
            ca: ca.clone(),
            maker,
            key,
            clock,
            follows: None,
            is_silent: false,
            correspondent: None,
            faults: VecDeque::new(),
            orders: BTreeMap::new(),
            unfit: None,
            refuses: None,
            delay: 0,
            changes: Vec::new(),
            heard: Vec::new(),
            filings: BTreeMap::new(),
            next_number: None,
            serial: 1 << 24,
        };
        let root = desk.certify((&name("根"), &root_key), true, (&name("根"), &ca));
        let desk = Arc::new(Mutex::new(desk));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&desk);
        tokio::spawn(async move {
            let mut ordered = BTreeMap::new();
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &serving, &mut ordered, address).await;
            }
        });
        Self { address, desk, public_key, root }
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.desk.lock().unwrap().faults.push_back(fault);
    }

    pub(super) fn work(&self, subject: &str) -> Option<Work> {
        self.desk.lock().unwrap().orders.get(subject).cloned()
    }

    /// The state that the office believes a seal to be in.
    pub(super) fn state(&self, subject: &str) -> Option<String> {
        match self.work(subject) {
            Some(Work::Made { state, .. }) => Some(state),
            _ => None,
        }
    }

    /// How often that was heard of a subject.
    pub(super) fn count(&self, subject: &str, kind: &str) -> usize {
        self.desk.lock().unwrap().heard.iter().filter(|(about, what, _)| about == subject && *what == kind).count()
    }
}

/// One request and its answer.
async fn serve(
    mut stream: TcpStream,
    desk: &Arc<Mutex<Desk>>,
    ordered: &mut BTreeMap<String, Vec<u8>>,
    address: SocketAddr,
) {
    let mut octets = Vec::new();
    let (head, body) = loop {
        let mut part = [0; 65_536];
        let count = stream.read(&mut part).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        octets.extend_from_slice(&part[..count]);
        let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(octets[..end].to_vec()).unwrap();
        let length = field(&head, "content-length").and_then(|text| text.parse::<usize>().ok()).unwrap();
        if octets.len() >= end + 4 + length {
            break (head, octets[end + 4..end + 4 + length].to_vec());
        }
    };
    let answered = {
        let mut desk = desk.lock().unwrap();
        let fault = if desk.is_silent { Some(Fault::Silence) } else { desk.faults.pop_front() };
        if fault == Some(Fault::Silence) {
            return;
        }
        let asked = check(&head, &body, &desk, address);
        let message = Message::parse(&body).unwrap();
        if let MessageBody::Order(_) = &message.body {
            ordered.insert(message.subject.to_owned(), body.clone());
        }
        if let Some(order) = ordered.get(message.subject)
            && let MessageBody::Order(order) = Message::parse(order).unwrap().body
        {
            desk.work(message.subject, &order);
        }
        let answer = desk.answer(&message, fault);
        match fault {
            Some(Fault::LoseAnswer) => return,
            Some(Fault::Redirect) => {
                "HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n".as_bytes().to_vec()
            }
            Some(Fault::Malformed) => signed(&desk.key, &asked, b"nothing", desk.clock.now(), &desk.key),
            Some(Fault::Huge) => signed(&desk.key, &asked, &vec![0; 5 << 20], desk.clock.now(), &desk.key),
            Some(Fault::OtherKey) => signed(&desk.maker, &asked, &answer, desk.clock.now(), &desk.key),
            _ => signed(&desk.key, &asked, &answer, desk.clock.now(), &desk.key),
        }
    };
    let _ = stream.write_all(&answered).await;
    let _ = stream.shutdown().await;
}

fn field(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = lines.filter(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned());
    let first = found.next();
    assert!(found.next().is_none(), "{name} twice");
    first
}

/// The request is signed by whom it should be; gives its signature's value between colons.
fn check(head: &str, body: &[u8], desk: &Desk, address: SocketAddr) -> String {
    assert!(head.starts_with("POST /orders HTTP/1.1\r\n"), "{head}");
    let digest = field(head, "content-digest").unwrap();
    assert_eq!(digest, format!("sha-256=:{}:", STANDARD.encode(sha256(body))));
    let input = field(head, "signature-input").unwrap();
    let parameters = input.strip_prefix("message=").unwrap();
    let kind = field(head, "content-type").unwrap();
    let base = format!(
        "\"@method\": POST\n\"@target-uri\": http://{address}/orders\n\"content-digest\": {digest}\n\"content-type\": {kind}\n\
         \"@signature-params\": {parameters}"
    );
    let created = parameters.split("created=").nth(1).unwrap().split(';').next().unwrap();
    if let Some(hands) = &desk.follows {
        hands.0.store(created.parse().unwrap(), Ordering::SeqCst);
    }
    assert_eq!(created, desk.clock.now().unix().to_string());
    let signature = field(head, "signature").unwrap().strip_prefix("message=").unwrap().to_owned();
    let value = STANDARD.decode(signature.trim_matches(':')).unwrap();
    let key = desk.correspondent.as_ref().unwrap();
    let id = hex(&sha256(&subject_public_key_info(key)));
    assert!(parameters.contains(&format!("keyid=\"{id}\"")), "{parameters}");
    assert!(key.verify(SignatureAlgorithm::Sm2Sm3, base.as_bytes(), &value), "the message is not signed");
    signature
}

/// An answer over `asked`, which says to be by `named` and is by `by`.
fn signed(by: &sm2::PrivateKey, asked: &str, body: &[u8], now: Timestamp, named: &sm2::PrivateKey) -> Vec<u8> {
    let digest = format!("sha-256=:{}:", STANDARD.encode(sha256(body)));
    let id = hex(&sha256(&spki(named)));
    let parameters = format!(
        "(\"@status\" \"content-digest\" \"signature\";req;key=\"message\");created={};keyid=\"{id}\";alg=\"sm2-sm3\"",
        now.unix()
    );
    let base = format!(
        "\"@status\": 200\n\"content-digest\": {digest}\n\"signature\";req;key=\"message\": {asked}\n\
         \"@signature-params\": {parameters}"
    );
    let value = STANDARD.encode(by.sign(base.as_bytes(), &SystemRandom).unwrap());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-digest: {digest}\r\nsignature-input: answer={parameters}\r\n\
         signature: answer=:{value}:\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
