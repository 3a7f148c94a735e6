//! What is told of an event: a small body of JSON that names things and no person.
//!
//! A notice follows from its event and from what never changes of the seal or the application that it is about. So it says the
//! same however often and however late it is sent. Who acted, who keeps a seal, whose it is and what it is called is not told.

use serde::Serialize;

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::base::id::{ApplicationId, SealId};
use crate::crypto::digest::hex;
use crate::domain::audit::EventBody;
use crate::domain::key::named;

named! {
    /// What became of something.
    NoticeType {
        /// A seal was made; nobody uses it before its keeper has it.
        SealMade = 1, "seal.made";
        /// A seal that was made elsewhere was taken in.
        SealTakenIn = 2, "seal.taken-in";
        /// A seal is in use: its keeper has it.
        SealActive = 3, "seal.active";
        /// A seal rests.
        SealSuspended = 4, "seal.suspended";
        /// A resting seal is in use again.
        SealResumed = 5, "seal.resumed";
        /// Another seal stands in the place of one.
        SealSuperseded = 6, "seal.superseded";
        /// A seal is at its end.
        SealRevoked = 7, "seal.revoked";
        /// The papers of a seal are closed.
        SealArchived = 8, "seal.archived";
        /// Public security gave a seal its number.
        SealFiled = 9, "seal.filed";
        /// Public security refused to file a seal.
        SealFilingRefused = 10, "seal.filing-refused";
        /// A seal has its successor by an order that re-makes many.
        SealRemade = 11, "seal.remade";
        /// A seal gets no successor by such an order.
        SealRemakeRefused = 12, "seal.remake-refused";
        /// The validity of a seal is over.
        SealExpired = 13, "seal.expired";
        /// Somebody applied for a seal, or for a change of one.
        ApplicationSubmitted = 20, "application.submitted";
        /// An application was found to agree with its documents.
        ApplicationChecked = 21, "application.checked";
        /// An officer approved an application; where two must, each of them is told.
        ApplicationApproved = 22, "application.approved";
        /// An application was refused.
        ApplicationRefused = 23, "application.refused";
        /// An application was taken back.
        ApplicationWithdrawn = 24, "application.withdrawn";
        /// An application waited too long.
        ApplicationLapsed = 25, "application.lapsed";
        /// What an application asked for is done.
        ApplicationFulfilled = 26, "application.fulfilled";
        /// A certificate is at its end.
        CertificateRevoked = 40, "certificate.revoked";
        /// A certificate rests.
        CertificateSuspended = 41, "certificate.suspended";
        /// A resting certificate is in use again.
        CertificateResumed = 42, "certificate.resumed";
    }
}

impl NoticeType {
    /// Whether it concerns a certificate: told only to whoever names it, since a certificate lies in no division here.
    #[must_use]
    pub const fn is_of_certificates(self) -> bool {
        matches!(self, Self::CertificateRevoked | Self::CertificateSuspended | Self::CertificateResumed)
    }
}

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A seal.
    Seal(SealId),
    /// An application: one for a seal, or one for a certificate, which the event alone does not tell.
    Application(ApplicationId),
    /// A certificate, by its SM3.
    Certificate([u8; 32]),
}

/// What an event alone says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: NoticeType,
    /// To what.
    pub about: About,
    /// Where the seal, or the application, stands by it.
    pub state: Option<&'static str>,
    /// The stable code of why.
    pub reason: Option<String>,
    /// The seal that stands in its place.
    pub by: Option<SealId>,
    /// The seal that an application is about.
    pub seal: Option<SealId>,
    /// The number of a filing.
    pub filing: Option<String>,
    /// What an application is for.
    pub purpose: Option<String>,
}

impl Change {
    fn new(kind: NoticeType, about: About, state: &'static str) -> Self {
        let state = Some(state);
        Self { kind, about, state, reason: None, by: None, seal: None, filing: None, purpose: None }
    }

    /// What is told of that event; nothing of most.
    #[must_use]
    pub fn of(event: &EventBody) -> Option<Self> {
        use NoticeType as Kind;
        let seal = |kind, seal: &SealId, state| Self::new(kind, About::Seal(seal.clone()), state);
        let stateless = |kind, id: &SealId| Self { state: None, ..seal(kind, id, "") };
        let application = |kind, id: &ApplicationId, state| Self::new(kind, About::Application(id.clone()), state);
        let certificate = |kind, sm3: &[u8; 32], state| Self::new(kind, About::Certificate(*sm3), state);
        Some(match event {
            EventBody::SealIssued { seal: id, .. } | EventBody::SealReceived { seal: id, .. } => {
                seal(Kind::SealMade, id, "made")
            }
            EventBody::SealTaken { seal: id, .. } | EventBody::SealImported { seal: id, .. } => {
                seal(Kind::SealTakenIn, id, "active")
            }
            EventBody::SealDelivered { seal: id, .. } => seal(Kind::SealActive, id, "active"),
            EventBody::SealSuspended { seal: id, reason } => {
                Self { reason: Some(reason.name().to_owned()), ..seal(Kind::SealSuspended, id, "suspended") }
            }
            EventBody::SealResumed { seal: id } => seal(Kind::SealResumed, id, "active"),
            EventBody::SealSuperseded { seal: id, by } => {
                Self { by: Some(by.clone()), ..seal(Kind::SealSuperseded, id, "superseded") }
            }
            EventBody::SealRevoked { seal: id, reason } => {
                Self { reason: Some(reason.name().to_owned()), ..seal(Kind::SealRevoked, id, "revoked") }
            }
            EventBody::SealExpired { seal: id, .. } => seal(Kind::SealExpired, id, "expired"),
            EventBody::SealArchived { seal: id, after } => {
                Self { reason: Some(after.clone()), ..seal(Kind::SealArchived, id, "archived") }
            }
            EventBody::SealFiling { seal: id, state, detail } => match state.as_str() {
                "filed" => Self { filing: detail.clone(), ..stateless(Kind::SealFiled, id) },
                "refused" => Self { reason: detail.clone(), ..stateless(Kind::SealFilingRefused, id) },
                _ => return None,
            },
            EventBody::SealRemade { seal: id, by, refusal, .. } => match by {
                Some(by) => Self { by: Some(by.clone()), ..stateless(Kind::SealRemade, id) },
                None => Self { reason: refusal.clone(), ..stateless(Kind::SealRemakeRefused, id) },
            },
            EventBody::SealApplicationSubmitted { application: id, purpose, seal, .. } => {
                let purpose = Some(purpose.clone());
                Self { purpose, seal: seal.clone(), ..application(Kind::ApplicationSubmitted, id, "submitted") }
            }
            EventBody::ApplicationChecked { application: id, .. } => {
                application(Kind::ApplicationChecked, id, "checked")
            }
            EventBody::ApplicationApproved { application: id, .. } => {
                Self { state: None, ..application(Kind::ApplicationApproved, id, "") }
            }
            EventBody::ApplicationRefused { application: id, .. } => {
                application(Kind::ApplicationRefused, id, "refused")
            }
            EventBody::ApplicationWithdrawn { application: id } => {
                application(Kind::ApplicationWithdrawn, id, "withdrawn")
            }
            EventBody::ApplicationLapsed { application: id } => application(Kind::ApplicationLapsed, id, "lapsed"),
            EventBody::SealApplicationFulfilled { application: id, seal, .. } => {
                Self { seal: Some(seal.clone()), ..application(Kind::ApplicationFulfilled, id, "fulfilled") }
            }
            EventBody::CertificateRevoked { certificate_sm3, .. } => {
                certificate(Kind::CertificateRevoked, certificate_sm3, "revoked")
            }
            EventBody::CertificateSuspended { certificate_sm3 } => {
                certificate(Kind::CertificateSuspended, certificate_sm3, "suspended")
            }
            EventBody::CertificateResumed { certificate_sm3 } => {
                certificate(Kind::CertificateResumed, certificate_sm3, "active")
            }
            _ => return None,
        })
    }
}

/// What never changes of a seal, or of what an application asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The seal's code, once it has one.
    pub code: Option<String>,
    /// The code of its type.
    pub kind: u8,
    /// Where its holder is.
    pub division: Division,
    /// When its validity ends, once that is known.
    pub valid_to: Option<Timestamp>,
}

/// A notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The number of its event: the name of the notice, by which a receiver knows what it gets twice.
    pub event: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What the event says.
    pub change: Change,
    /// What is known besides; nothing of seals that were made for no application, and of certificates.
    pub facts: Option<Facts>,
}

impl Notice {
    /// The version of the body.
    pub const VERSION: u8 = 1;

    /// The body: an object of JSON; what is not known is not there. Members may be added; the version changes where one is
    /// taken away or means something else.
    ///
    /// # Errors
    /// Never: every key is text.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            version: u8,
            event: u64,
            r#type: NoticeType,
            at: Timestamp,
            #[serde(skip_serializing_if = "Option::is_none")]
            application: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            purpose: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            seal: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            certificate_sm3: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            state: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            by: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            filing: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            kind: Option<u8>,
            #[serde(skip_serializing_if = "Option::is_none")]
            division: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            valid_to: Option<Timestamp>,
        }
        let Change { kind, about, state, reason, by, seal, filing, purpose } = &self.change;
        let (mut application, mut certificate_sm3, mut named) = (None, None, seal.as_ref());
        match about {
            About::Seal(seal) => named = Some(seal),
            About::Application(id) => application = Some(id.as_str()),
            About::Certificate(sm3) => certificate_sm3 = Some(hex(sm3)),
        }
        // A seal of the development PKI is made for no application, and used from the beginning.
        let state = match (kind, &self.facts) {
            (NoticeType::SealMade, None) => Some("active"),
            _ => *state,
        };
        serde_json::to_string(&Body {
            version: Self::VERSION,
            event: self.event,
            r#type: *kind,
            at: self.at,
            application,
            purpose: purpose.as_deref(),
            seal: named.map(SealId::as_str),
            certificate_sm3,
            state,
            reason: reason.as_deref(),
            by: by.as_ref().map(SealId::as_str),
            filing: filing.as_deref(),
            code: self.facts.as_ref().and_then(|facts| facts.code.as_deref()),
            kind: self.facts.as_ref().map(|facts| facts.kind),
            division: self.facts.as_ref().map(|facts| facts.division.code()),
            valid_to: self.facts.as_ref().and_then(|facts| facts.valid_to),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::id::{CallerId, JobId, KeyId};
    use crate::domain::audit::{RevocationReason, SuspensionReason};

    fn seal(name: &str) -> SealId {
        SealId::parse(name).unwrap()
    }

    fn application() -> ApplicationId {
        ApplicationId::parse("a-1").unwrap()
    }

    fn facts() -> Facts {
        Facts {
            code: Some("33010600000001".into()),
            kind: 1,
            division: Division::parse("330106").unwrap(),
            valid_to: Some(Timestamp::from_unix(1_831_536_000)),
        }
    }

    fn told(event: &EventBody, facts: Option<Facts>) -> String {
        let change = Change::of(event).unwrap();
        let notice = Notice { event: 7, at: Timestamp::from_unix(1_800_000_000), change, facts };
        notice.to_json().unwrap()
    }

    #[test]
    fn a_suspension_is_told_so() {
        let event = EventBody::SealSuspended { seal: seal("s-1"), reason: SuspensionReason::OwnerRequest };
        let expected = "{\"version\":1,\"event\":7,\"type\":\"seal.suspended\",\"at\":\"2027-01-15T08:00:00Z\",\
                        \"seal\":\"s-1\",\"state\":\"suspended\",\"reason\":\"owner-request\",\
                        \"code\":\"33010600000001\",\"kind\":1,\"division\":\"330106\",\
                        \"valid_to\":\"2028-01-15T08:00:00Z\"}";
        assert_eq!(told(&event, Some(facts())), expected);
        let certificate =
            EventBody::CertificateRevoked { certificate_sm3: [0xab; 32], reason: 1, invalidity_date: None };
        let expected = format!(
            "{{\"version\":1,\"event\":7,\"type\":\"certificate.revoked\",\"at\":\"2027-01-15T08:00:00Z\",\
             \"certificate_sm3\":\"{}\",\"state\":\"revoked\"}}",
            "ab".repeat(32)
        );
        assert_eq!(told(&certificate, None), expected);
    }

    /// One event of each kind that is told, in the order of the kinds.
    fn events() -> Vec<EventBody> {
        let key = || KeyId::parse("k").unwrap();
        let remake = || JobId::parse("j").unwrap();
        let (sm3, id) = ([1; 32], seal("s-1"));
        let filing = |state: &str, detail: &str| EventBody::SealFiling {
            seal: seal("s-1"),
            state: state.into(),
            detail: Some(detail.into()),
        };
        vec![
            EventBody::SealIssued { seal: id.clone(), seal_sm3: sm3, maker: key(), signer: None },
            EventBody::SealTaken { seal: id.clone(), seal_sm3: sm3, signer: key(), certificate_sm3: sm3 },
            EventBody::SealDelivered { seal: id.clone(), keeper: CallerId::parse("keeper-zhao").unwrap() },
            EventBody::SealSuspended { seal: id.clone(), reason: SuspensionReason::AuthorityOrder },
            EventBody::SealResumed { seal: id.clone() },
            EventBody::SealSuperseded { seal: id.clone(), by: seal("s-2") },
            EventBody::SealRevoked { seal: id.clone(), reason: RevocationReason::KeyCompromise },
            EventBody::SealArchived { seal: id.clone(), after: "expired".into() },
            filing("filed", "3301060000001"),
            filing("refused", "name-taken"),
            EventBody::SealRemade { remake: remake(), seal: id.clone(), by: Some(seal("s-2")), refusal: None },
            EventBody::SealRemade { remake: remake(), seal: id.clone(), by: None, refusal: Some("seal-kind".into()) },
            EventBody::SealExpired { seal: id.clone(), valid_to: Timestamp::from_unix(1_800_000_000) },
            EventBody::SealApplicationSubmitted {
                application: application(),
                application_sm3: sm3,
                purpose: "make".into(),
                seal: None,
            },
            EventBody::ApplicationChecked { application: application(), application_sm3: sm3 },
            EventBody::ApplicationApproved { application: application(), application_sm3: sm3, signature_sm3: sm3 },
            EventBody::ApplicationRefused { application: application(), reason_sm3: sm3 },
            EventBody::ApplicationWithdrawn { application: application() },
            EventBody::ApplicationLapsed { application: application() },
            EventBody::SealApplicationFulfilled { application: application(), seal: id, seal_sm3: sm3 },
            EventBody::CertificateRevoked { certificate_sm3: sm3, reason: 0, invalidity_date: None },
            EventBody::CertificateSuspended { certificate_sm3: sm3 },
            EventBody::CertificateResumed { certificate_sm3: sm3 },
        ]
    }

    #[test]
    fn each_kind_comes_from_its_event() {
        let kinds = events().iter().map(|event| Change::of(event).unwrap().kind).collect::<Vec<_>>();
        assert_eq!(kinds, NoticeType::ALL);
        let names = NoticeType::ALL.iter().map(|kind| kind.name()).collect::<BTreeSet<_>>();
        assert_eq!(names.len(), NoticeType::ALL.len());
        let ordered = EventBody::SealFiling { seal: seal("s"), state: "ordered".into(), detail: None };
        assert_eq!(Change::of(&ordered), None);
        assert_eq!(Change::of(&EventBody::ServiceStarted { version: "1".into() }), None);
    }

    #[test]
    fn a_body_has_the_listed_members_alone_and_names_no_person() {
        let known = [
            "version",
            "event",
            "type",
            "at",
            "application",
            "purpose",
            "seal",
            "certificate_sm3",
            "state",
            "reason",
            "by",
            "filing",
            "code",
            "kind",
            "division",
            "valid_to",
        ];
        for event in events() {
            let text = told(&event, Some(facts()));
            let body: serde_json::Value = serde_json::from_str(&text).unwrap();
            for name in body.as_object().unwrap().keys() {
                assert!(known.contains(&name.as_str()), "{name}");
            }
            assert!(!text.contains("zhao"), "{text}");
            assert!(text.len() < 1024, "{text}");
        }
    }

    #[test]
    fn a_seal_made_for_nobody_is_in_use_at_once() {
        let event = EventBody::SealIssued {
            seal: seal("s-1"),
            seal_sm3: [1; 32],
            maker: KeyId::parse("k").unwrap(),
            signer: None,
        };
        assert!(told(&event, None).ends_with("\"seal\":\"s-1\",\"state\":\"active\"}"), "{}", told(&event, None));
        assert!(told(&event, Some(facts())).contains("\"state\":\"made\""));
    }
}
