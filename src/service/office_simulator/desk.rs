//! What a simulated office knows and decides: orders, seals, filings, and the faults that it was told to make.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::base::clock::{Clock, Timestamp};
use crate::base::random::{Random, array};
use crate::crypto::algorithm::{OID_SM2_WITH_SM3, SignatureAlgorithm};
use crate::crypto::{PublicKey, Signer as _, sm2};
use crate::domain::ca::possession::Proved;
use crate::domain::seal::application::{SealForm, SignerList};
use crate::domain::seal::maker::{SealRequest, prepare};
use crate::domain::trust::AlgorithmPolicy;
use crate::domain::trust::key::{encode_value, subject_public_key_info};
use crate::format::office::{Answer, AnswerBody, Change, MadeSeal, Message, MessageBody, SealOrder};
use crate::format::x509::{BasicConstraints, KeyUsage, NewCertificate, NewExtension, NewName};
use crate::service::office_simulator::{Error, OfficeKeys, Ordered, letter};

/// Days for which its certificates are valid: longer than any seal.
const DAYS: i64 = 4_000;
/// Changes in one answer.
const CHANGES_TOGETHER: usize = 2;
/// What a specimen says in its name: a seal of a name without it is not made.
const SPECIMEN: [&str; 2] = ["样章", "示例"];
/// The organisation of its certificates. It does not exist.
const ORGANISATION: &str = "样章·示例制章系统";

/// What goes wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody answers; the message is not seen.
    Silence,
    /// The message is taken, and its answer lost: so it comes a second time.
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

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Silence,
        Self::LoseAnswer,
        Self::OtherKey,
        Self::OtherSubject,
        Self::OtherName,
        Self::Malformed,
        Self::Redirect,
        Self::Huge,
        Self::Forgets,
        Self::SecondSeal,
        Self::OtherNumber,
    ];

    /// Stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::LoseAnswer => "lose-answer",
            Self::OtherKey => "other-key",
            Self::OtherSubject => "other-subject",
            Self::OtherName => "other-name",
            Self::Malformed => "malformed",
            Self::Redirect => "redirect",
            Self::Huge => "huge",
            Self::Forgets => "forgets",
            Self::SecondSeal => "second-seal",
            Self::OtherNumber => "other-number",
        }
    }
}

/// How a seal that the office makes differs from what was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Another name.
    Name,
    /// Another picture.
    Picture,
    /// Another code.
    Code,
    /// Another size.
    Size,
    /// Valid for longer.
    Longer,
    /// For another key.
    OtherSigner,
    /// By a maker whom nobody trusts.
    StrangeMaker,
}

impl Unfit {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Name, Self::Picture, Self::Code, Self::Size, Self::Longer, Self::OtherSigner, Self::StrangeMaker];

    /// Stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Picture => "picture",
            Self::Code => "code",
            Self::Size => "size",
            Self::Longer => "longer",
            Self::OtherSigner => "signer",
            Self::StrangeMaker => "maker",
        }
    }
}

/// Where an order stands at the office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// So many questions until it is made.
    Waiting(u32),
    /// It is made.
    Made {
        /// DER.
        seal: Vec<u8>,
        /// Of its signer, DER.
        certificate: Vec<u8>,
        /// Where it stands, as we told.
        state: String,
    },
    /// It is not made, for that reason.
    Refused(String),
    /// Nothing is wanted any more.
    Cancelled,
}

/// The office behind the counter.
pub struct Desk {
    keys: OfficeKeys,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// What time it is, where its clock goes after the messages.
    told: Option<Timestamp>,
    /// The certificate of its authority: what a correspondent trusts.
    pub root: Vec<u8>,
    /// Its clock goes after the messages, where they come from processes with clocks of their own.
    pub follows: bool,
    /// Nobody answers, whatever is asked.
    pub is_silent: bool,
    /// Whose messages are taken; nobody's where nobody is named.
    pub correspondent: Option<PublicKey>,
    /// What goes wrong with the next messages, one each.
    pub faults: VecDeque<Option<Fault>>,
    /// What goes wrong then, over and over.
    pub again: Vec<Option<Fault>>,
    /// Orders by their subjects.
    pub orders: BTreeMap<String, Work>,
    /// How the next seal differs from its order.
    pub unfit: Option<Unfit>,
    /// Every seal differs so.
    pub always_unfit: Option<Unfit>,
    /// Why the next order, or filing, is refused.
    pub refuses: Option<String>,
    /// Why each of them is.
    pub always_refuses: Option<String>,
    /// Questions until an order is made, or a seal filed.
    pub delay: u32,
    /// What it decided by itself: subject and state.
    pub changes: Vec<(String, String)>,
    /// What arrived: subject, kind, detail.
    pub heard: Vec<(String, &'static str, String)>,
    /// Requests that were not taken, and why.
    pub turned_away: Vec<&'static str>,
    /// Numbers under which seals are filed.
    pub filings: BTreeMap<String, String>,
    /// Questions that are left until a seal is filed.
    filing: BTreeMap<String, u32>,
    /// The number that the next seal gets, in the place of its own.
    pub next_number: Option<String>,
    pub(super) ordered: Ordered,
}

fn name(text: &str) -> Vec<u8> {
    NewName { organisation: ORGANISATION.to_owned(), common_name: text.to_owned() }.to_der()
}

fn spki(key: &sm2::PrivateKey) -> Vec<u8> {
    subject_public_key_info(&PublicKey::Sm2(key.public_key()))
}

impl Desk {
    /// An office with these keys, without any orders.
    ///
    /// # Errors
    /// Its authority has no certificate.
    pub(super) fn open(keys: OfficeKeys, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self, Error> {
        let ca = Arc::clone(&keys.ca);
        let mut desk = Self {
            keys,
            clock,
            random,
            told: None,
            root: Vec::new(),
            follows: false,
            is_silent: false,
            correspondent: None,
            faults: VecDeque::new(),
            again: Vec::new(),
            orders: BTreeMap::new(),
            unfit: None,
            always_unfit: None,
            refuses: None,
            always_refuses: None,
            delay: 0,
            changes: Vec::new(),
            heard: Vec::new(),
            turned_away: Vec::new(),
            filings: BTreeMap::new(),
            filing: BTreeMap::new(),
            next_number: None,
            ordered: BTreeMap::new(),
        };
        desk.root = desk.certify((&name("样章 根"), &spki(&ca)), true, (&name("样章 根"), &ca))?;
        Ok(desk)
    }

    /// What time it is here.
    pub(super) fn now(&self) -> Timestamp {
        self.told.filter(|_| self.follows).unwrap_or_else(|| self.clock.now())
    }

    /// A message says what time it is.
    pub(super) const fn hear_time(&mut self, created: Timestamp) {
        self.told = Some(created);
    }

    /// What goes wrong with the next message.
    pub(super) fn next_fault(&mut self) -> Option<Fault> {
        if self.is_silent {
            return Some(Fault::Silence);
        }
        if self.faults.is_empty() {
            self.faults.extend(&self.again);
        }
        self.faults.pop_front().flatten()
    }

    fn certify(
        &self,
        subject: (&[u8], &[u8]),
        is_authority: bool,
        issuer: (&[u8], &sm2::PrivateKey),
    ) -> Result<Vec<u8>, Error> {
        let now = self.now();
        let usage = match is_authority {
            true => KeyUsage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN),
            false => KeyUsage(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION),
        };
        let basic = BasicConstraints { authority: is_authority, path_length: None };
        let extensions = [NewExtension::new(true, &basic), NewExtension::new(true, &usage)];
        // A positive number of its own, also after another start.
        let [first, rest @ ..] = array::<12>(&*self.random)?;
        let mut serial = vec![(first & 0x3F) | 0x40];
        serial.extend(rest);
        let tbs = NewCertificate {
            serial: &serial,
            signature_algorithm: OID_SM2_WITH_SM3,
            issuer: issuer.0,
            not_before: now.plus_days(-1),
            not_after: now.plus_days(DAYS),
            subject: subject.0,
            public_key: subject.1,
            extensions: &extensions,
        }
        .to_tbs();
        let value = encode_value(SignatureAlgorithm::Sm2Sm3, &issuer.1.sign(&tbs, &*self.random)?);
        Ok(NewCertificate::assemble(&tbs, OID_SM2_WITH_SM3, &value))
    }

    /// The seal of an order, and its signer's certificate; nothing where nobody could make it.
    fn make(&mut self, order: &SealOrder<'_>) -> Option<Work> {
        let unfit = self.unfit.take().or(self.always_unfit);
        let proved = Proved::read(order.request).ok()?;
        let strange = sm2::PrivateKey::generate(&*self.random).ok()?;
        let key = match unfit {
            Some(Unfit::OtherSigner) => spki(&strange),
            _ => subject_public_key_info(proved.key()),
        };
        let (ca, maker) = (Arc::clone(&self.keys.ca), Arc::clone(&self.keys.maker));
        let signer = self.certify((proved.request().subject.raw(), &key), false, (&name("样章 根"), &ca)).ok()?;
        let (issuer, by) = match unfit {
            Some(Unfit::StrangeMaker) => (name("样章 别的根"), &strange),
            _ => (name("样章 根"), &*ca),
        };
        let maker_der = self.certify((&name("样章 制章"), &spki(&maker)), false, (&issuer, by)).ok()?;
        let now = self.now();
        let longer = if unfit == Some(Unfit::Longer) { 9 } else { 0 };
        let width = u16::try_from(order.size_mm.0).ok()?.saturating_sub(u16::from(unfit == Some(Unfit::Size)));
        let sealed = SealRequest {
            kind: u8::try_from(order.kind).ok()?,
            es_id: if unfit == Some(Unfit::Code) { "33010600099999" } else { order.code },
            name: if unfit == Some(Unfit::Name) { "样章 别的名称" } else { order.name },
            signers: &[&signer],
            created: now,
            valid_end: now.plus_days(i64::from(order.days).saturating_add(longer)),
            picture_type: "png",
            picture: if unfit == Some(Unfit::Picture) { b"other" } else { order.picture },
            size_mm: (width, u16::try_from(order.size_mm.1).ok()?),
            form: SealForm::from_name(order.form)?,
            list: SignerList::from_name(order.list)?,
        };
        let token = prepare(&sealed, &maker_der, maker.algorithm(), &AlgorithmPolicy::whatever_we_compute()).ok()?;
        let value = maker.sign(token.to_sign(), &*self.random).ok()?;
        let seal = token.assemble(&value).ok()?;
        Some(Work::Made { seal, certificate: signer, state: "active".to_owned() })
    }

    /// What becomes of an order that nothing speaks against.
    fn made(&mut self, order: &SealOrder<'_>) -> Work {
        self.make(order).unwrap_or_else(|| Work::Refused("order-unusable".to_owned()))
    }

    /// What a message says, for whoever looks on; nothing of questions for changes.
    pub(super) fn heard_in<'m>(message: &Message<'m>) -> Option<(&'m str, &'static str, &'m str)> {
        let (kind, detail) = match &message.body {
            MessageBody::Order(_) => ("order", ""),
            MessageBody::Ask => ("ask", ""),
            MessageBody::Cancel => ("cancel", ""),
            MessageBody::State(told) => ("state", told.state),
            MessageBody::File(filing) => ("file", filing.code),
            MessageBody::Changes(_) => return None,
        };
        Some((message.subject, kind, detail))
    }

    fn refusal(&mut self) -> Option<String> {
        self.refuses.take().or_else(|| self.always_refuses.clone())
    }

    /// What an order, and what is told of it, comes to.
    fn take(&mut self, message: &Message<'_>) {
        let subject = message.subject.to_owned();
        match &message.body {
            MessageBody::Order(_) if self.orders.contains_key(&subject) => {}
            MessageBody::Order(order) => {
                let refusal = self.refusal();
                let is_specimen = SPECIMEN.iter().any(|word| order.name.contains(word) || order.holder.contains(word));
                let work = match refusal {
                    Some(code) => Work::Refused(code),
                    None if !is_specimen => Work::Refused("specimens-only".to_owned()),
                    None if self.delay > 0 => Work::Waiting(self.delay),
                    None => self.made(order),
                };
                self.orders.insert(subject, work);
            }
            MessageBody::Cancel => {
                self.orders.insert(subject, Work::Cancelled);
            }
            MessageBody::State(told) => {
                if let Some(Work::Made { state, .. }) = self.orders.get_mut(&subject) {
                    told.state.clone_into(state);
                }
            }
            MessageBody::Ask | MessageBody::File(_) | MessageBody::Changes(_) => {}
        }
    }

    /// What is answered.
    pub(super) fn answer(&mut self, message: &Message<'_>, fault: Option<Fault>) -> Vec<u8> {
        if let Some((subject, kind, detail)) = Self::heard_in(message) {
            self.heard.push((subject.to_owned(), kind, detail.to_owned()));
        }
        let subject = message.subject.to_owned();
        if fault == Some(Fault::Forgets) {
            self.orders.remove(&subject);
        }
        self.take(message);
        let number = match fault {
            Some(Fault::OtherNumber) => "N-other".to_owned(),
            _ => format!("N-{subject}"),
        };
        if matches!(message.body, MessageBody::File(_)) {
            return self.file(message);
        }
        let (mut made, mut certificates) = (Vec::new(), Vec::new());
        let at = self.now();
        let body = match (&message.body, self.orders.get_mut(&subject)) {
            (MessageBody::Changes(after), _) => {
                let behind = (1_u32..).zip(&self.changes).filter(|(number, _)| number > after);
                let all = behind.map(|(number, (subject, state))| Change { number, subject, state, at });
                AnswerBody::Changes(all.take(CHANGES_TOGETHER).collect())
            }
            (MessageBody::Cancel | MessageBody::State(_), _) => AnswerBody::Done,
            (_, None) => AnswerBody::Unknown,
            (_, Some(Work::Refused(code))) => AnswerBody::Refused(code),
            (_, Some(Work::Cancelled)) => AnswerBody::Refused("cancelled"),
            (_, Some(Work::Waiting(left))) => {
                *left = left.saturating_sub(1);
                AnswerBody::Received(&number)
            }
            (_, Some(Work::Made { seal, certificate, .. })) => {
                made.clone_from(seal);
                certificates.push(certificate.clone());
                if fault == Some(Fault::SecondSeal) {
                    made.push(0);
                }
                let certificates = certificates.iter().map(Vec::as_slice).collect();
                AnswerBody::Made(MadeSeal { number: &number, seal: &made, certificates })
            }
        };
        let mut said = message.name;
        if let (Some(Fault::OtherName), Some(first)) = (fault, said.first_mut()) {
            *first ^= 1;
        }
        let about = if fault == Some(Fault::OtherSubject) { "another" } else { message.subject };
        Answer { name: said, subject: about, body }.to_der()
    }

    /// A seal is filed: at work first, then with a number.
    fn file(&mut self, message: &Message<'_>) -> Vec<u8> {
        let said = |body| Answer { name: message.name, subject: message.subject, body }.to_der();
        if let Some(code) = self.refusal() {
            return said(AnswerBody::Refused(&code));
        }
        if let Some(number) = self.next_number.take() {
            return said(AnswerBody::Filed(&number));
        }
        let next = format!("330106{:07}", self.filings.len().saturating_add(1));
        if !self.filings.contains_key(message.subject) {
            let left = self.filing.entry(message.subject.to_owned()).or_insert(self.delay);
            if *left > 0 {
                *left = left.saturating_sub(1);
                return said(AnswerBody::Received("work"));
            }
        }
        let number = self.filings.entry(message.subject.to_owned()).or_insert(next);
        said(AnswerBody::Filed(number))
    }

    /// Orders whose time has come are made when somebody asks next.
    pub(super) fn work(&mut self, subject: &str) {
        if self.orders.get(subject) != Some(&Work::Waiting(0)) {
            return;
        }
        let Some(octets) = self.ordered.get(subject).cloned() else { return };
        if let Ok(Message { body: MessageBody::Order(order), .. }) = Message::parse(&octets) {
            let made = self.made(&order);
            self.orders.insert(subject.to_owned(), made);
        }
    }

    /// An answer over `asked`, by the office's key, or by another where that is the fault; nothing where none signs.
    pub(super) fn signed(&self, asked: &str, body: &[u8], fault: Option<Fault>) -> Option<Vec<u8>> {
        let own = &self.keys.answers;
        let by = if fault == Some(Fault::OtherKey) { &self.keys.maker } else { own };
        letter::signed((by, &spki(own)), asked, body, (self.now(), &*self.random))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::base::random::SystemRandom;

    fn desk() -> Desk {
        let keys = OfficeKeys::generate(&SystemRandom).unwrap();
        Desk::open(keys, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
    }

    /// What is answered to an order of a seal with that name, by its kind and code.
    fn ordered(desk: &mut Desk, name: &str) -> (&'static str, String) {
        let order = SealOrder {
            kind: 1,
            name,
            credit_code: "99990000000000001F",
            holder: name,
            division: "330106",
            code: "33010600000001",
            size_mm: (42, 42),
            days: 365,
            form: "v4",
            list: "certificates",
            picture: b"picture",
            request: b"none",
            replaces: None,
        };
        let message = Message { name: [1; 16], subject: name_of(name), body: MessageBody::Order(Box::new(order)) };
        let octets = desk.answer(&message, None);
        match Answer::parse(&octets).unwrap().body {
            AnswerBody::Refused(code) => ("refused", code.to_owned()),
            AnswerBody::Received(number) => ("received", number.to_owned()),
            other => panic!("{other:?}"),
        }
    }

    fn name_of(name: &str) -> &'static str {
        if name.contains("样章") { "specimen" } else { "earnest" }
    }

    #[test]
    fn nothing_but_specimens_is_made() {
        let mut desk = desk();
        desk.delay = 1;
        assert_eq!(ordered(&mut desk, "某市某局"), ("refused", "specimens-only".to_owned()));
        assert_eq!(ordered(&mut desk, "样章市试验局"), ("received", "N-specimen".to_owned()));
        // Its time comes, and its request is none.
        let order = desk.orders.get("specimen").cloned();
        assert_eq!(order, Some(Work::Waiting(0)));
        let root = crate::format::x509::Certificate::parse(&desk.root).unwrap();
        assert!(root.subject.display().contains("样章"), "{}", root.subject.display());
        desk.delay = 0;
        desk.orders.clear();
        assert_eq!(ordered(&mut desk, "样章市试验局"), ("refused", "order-unusable".to_owned()));
        desk.orders.clear();
        desk.always_refuses = Some("closed".to_owned());
        assert_eq!(ordered(&mut desk, "样章市试验局"), ("refused", "closed".to_owned()));
    }

    #[test]
    fn faults_come_in_their_order_and_over_and_over() {
        let mut desk = desk();
        desk.faults = [Some(Fault::Huge), None].into();
        assert_eq!([(); 3].map(|()| desk.next_fault()), [Some(Fault::Huge), None, None]);
        desk.again = vec![None, Some(Fault::LoseAnswer)];
        assert_eq!([(); 3].map(|()| desk.next_fault()), [None, Some(Fault::LoseAnswer), None]);
        desk.is_silent = true;
        assert_eq!(desk.next_fault(), Some(Fault::Silence));
    }
}
