//! Requests for certificates as persisted workflows: what officers sign, what is issued for it, and who cannot get around
//! it, on both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use yinxin::base::clock::{Clock, FixedClock, Timestamp};
use yinxin::base::id::{ApplicationId, AuthorityId, CallerId};
use yinxin::base::random::{SystemRandom, array};
use yinxin::config::profiles::{BUILT_IN, built_in, parse};
use yinxin::crypto::algorithm::OID_SM2_CURVE;
use yinxin::crypto::digest::{hex, sha256, sm3};
use yinxin::crypto::{Signer, sm2};
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::request::{
    ApprovalPolicy, CertificateRequest, Hand, Officer, OfficerRole, RefusalReason, StepRefused, Submitted,
    WithdrawalReason,
};
use yinxin::domain::ca::{Profile, Profiles};
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::key::KeyAlgorithm;
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::format::der::Writer;
use yinxin::format::x509::Certificate;
use yinxin::service::callers::{Registration, bar_caller, register_caller};
use yinxin::service::due::{self, Keeping};
use yinxin::service::issuance::{Issuance, Issued};
use yinxin::service::keys::KeySource;
use yinxin::service::registration::{self, NewRequest, Signed, evidence_sm3};
use yinxin::service::{Error, KeySettings, Services, inventory, officers};
use yinxin::store::authorities::StoredAuthority;
use yinxin::store::certificate_requests::StoredRequest;

use crate::service::authority::{Gate, intents, names, order, request, root_and_below};
use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

/// A clock that tests move.
pub(crate) struct Hands(pub(crate) AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }
}

/// An officer with a key of the officer's own.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: CallerId,
    key: Arc<sm2::PrivateKey>,
}

impl Person {
    pub(crate) fn sign(&self, octets: &[u8]) -> Vec<u8> {
        let value = self.key.sign(octets, &SystemRandom).unwrap();
        encode_value(self.key.algorithm(), &value)
    }

    pub(crate) fn by<'a>(&'a self, signature: &'a [u8]) -> Signed<'a> {
        Signed { officer: &self.id, signature, call: None }
    }

    /// Name and key, for another process of the same test.
    pub(crate) fn told(&self) -> String {
        format!("{} {}", self.id, hex(self.key.to_bytes().expose()))
    }

    /// Whom another process told of.
    pub(crate) fn known(told: &str) -> Self {
        let (id, key) = told.split_once(' ').unwrap();
        let octets = (0..key.len() / 2).map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap());
        let key = sm2::PrivateKey::from_bytes(&octets.collect::<Vec<_>>()).unwrap();
        Self { id: CallerId::parse(id).unwrap(), key: Arc::new(key) }
    }
}

async fn registered(services: &Services, public_key: Vec<u8>, roles: &[Role]) -> CallerId {
    let registration = Registration {
        name: "经办人".into(),
        key_fingerprint: sha256(&public_key),
        public_key,
        algorithm: KeyAlgorithm::Sm2,
        roles: Roles::new(roles.iter().copied()).unwrap(),
    };
    register_caller(services, BY, None, registration).await.unwrap().id
}

/// Somebody with a key of the person's own and these roles.
pub(crate) async fn person(services: &Services, roles: &[Role]) -> Person {
    let key = Arc::new(sm2::PrivateKey::generate(&SystemRandom).unwrap());
    let public = subject_public_key_info(&Signer::public_key(&*key));
    Person { id: registered(services, public, roles).await, key }
}

pub(crate) async fn hired(services: &Services, role: OfficerRole) -> Person {
    let key = Arc::new(sm2::PrivateKey::generate(&SystemRandom).unwrap());
    let public = subject_public_key_info(&Signer::public_key(&*key));
    let id = registered(services, public, &[Role::CertificateOfficer]).await;
    officers::appoint(services, (BY, None), &id, role).await.unwrap();
    Person { id, key }
}

/// The same key in other octets: the curve of SM2 in the place of id-ecPublicKey.
fn other_octets(key: &sm2::PrivateKey) -> Vec<u8> {
    let yinxin::crypto::PublicKey::Sm2(point) = Signer::public_key(key) else { unreachable!() };
    let mut writer = Writer::new();
    writer.sequence(|info| {
        info.sequence(|algorithm| {
            algorithm.oid(OID_SM2_CURVE).oid(OID_SM2_CURVE);
        });
        info.bit_string(&point.to_bytes());
    });
    writer.into_bytes()
}

/// An office with four officers.
pub(crate) struct Office {
    pub(crate) services: Services,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) issuance: Issuance,
    pub(crate) below: StoredAuthority,
    pub(crate) applicant: Person,
    pub(crate) checker: Person,
    pub(crate) approver: Person,
    pub(crate) second: Person,
}

impl Office {
    pub(crate) async fn open(services: Services, below: StoredAuthority) -> Self {
        let profiles = Arc::new(built_in().unwrap());
        let issuance = Issuance::start(services.clone(), Arc::clone(&profiles));
        let applicant = hired(&services, OfficerRole::Applicant).await;
        let checker = hired(&services, OfficerRole::Checker).await;
        let approver = hired(&services, OfficerRole::Approver).await;
        let second = hired(&services, OfficerRole::Approver).await;
        Self { services, profiles, issuance, below, applicant, checker, approver, second }
    }

    pub(crate) fn asks(&self, number: usize) -> NewRequest {
        NewRequest {
            authority: self.below.id.clone(),
            profile: "officer".into(),
            csr: request(number),
            subject: None,
            not_after: None,
            encryption_profile: None,
            evidence_sm3: evidence_sm3(b"scan"),
        }
    }

    async fn draft(&self, new: &NewRequest) -> Result<registration::Draft, Error> {
        let nonce = array(&SystemRandom).unwrap();
        registration::draft(&self.services, &self.profiles, &self.applicant.id, new, nonce).await
    }

    pub(crate) async fn submit(&self, new: &NewRequest) -> Result<StoredRequest, Error> {
        let draft = self.draft(new).await?;
        let signature = self.applicant.sign(&draft.submission.to_submit());
        registration::submit(&self.services, draft, self.applicant.by(&signature)).await
    }

    pub(crate) async fn check(&self, id: &ApplicationId) -> Result<StoredRequest, Error> {
        let octets = registration::to_check(&self.services, id, &self.checker.id).await?;
        let signature = self.checker.sign(&octets);
        registration::check(&self.services, id, self.checker.by(&signature)).await
    }

    pub(crate) async fn approve(&self, id: &ApplicationId, by: &Person) -> Result<StoredRequest, Error> {
        let signature = by.sign(&registration::to_approve(&self.services, id).await?);
        registration::approve(&self.services, &self.profiles, id, by.by(&signature)).await
    }

    async fn refuse(
        &self,
        id: &ApplicationId,
        by: &Person,
        why: (RefusalReason, &str),
    ) -> Result<StoredRequest, Error> {
        let signature = by.sign(&registration::to_refuse(&self.services, id, &by.id, why).await?);
        registration::refuse(&self.services, id, why, by.by(&signature)).await
    }

    async fn withdraw(&self, id: &ApplicationId, by: &Person) -> Result<StoredRequest, Error> {
        let reason = WithdrawalReason::NotNeeded;
        let signature = by.sign(&registration::to_withdraw(&self.services, id, &by.id, reason).await?);
        registration::withdraw(&self.services, id, reason, by.by(&signature)).await
    }

    pub(crate) async fn issue(&self, id: &ApplicationId) -> Result<Issued, Error> {
        registration::issue(&self.services, &self.profiles, &self.issuance, (BY, None), id).await
    }

    /// A request that one approver approved.
    pub(crate) async fn approved(&self, number: usize) -> ApplicationId {
        let id = self.submit(&self.asks(number)).await.unwrap().id;
        self.check(&id).await.unwrap();
        assert_eq!(self.approve(&id, &self.approver).await.unwrap().request.state_name(), "approved");
        id
    }

    async fn state(&self, id: &ApplicationId) -> &'static str {
        registration::find(&self.services, id).await.unwrap().request.state_name()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("registration");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("registration on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("registration-postgres") }).await;
}

/// The checks share one database.
async fn contract(place: Place) {
    let services = place.open().await;
    let (_, below) = root_and_below(&services).await;
    let office = Office::open(services, below).await;
    a_request_goes_its_way(&office).await;
    hopeless_requests_are_refused_at_once(&office, &place).await;
    a_name_proves_nothing(&office).await;
    two_persons_are_two_keys(&office).await;
    requests_are_refused_and_withdrawn(&office).await;
    officers_who_race_decide_once(&office).await;
    two_processes_issue_once(&office, &place).await;
    whoever_is_dismissed_approved_nothing(&office, &place).await;
    a_changed_row_gives_no_certificate(&office, &place).await;
    only_what_was_approved_is_issued(&office).await;
    a_profile_wants_two(&office).await;
    an_approved_request_outlives_a_restart(&office, &place).await;
    what_waits_too_long_lapses_and_is_forgotten(&office, &place).await;
    crate::service::authority::no_number_stands_twice(&office.services, &place).await;
}

async fn a_request_goes_its_way(office: &Office) {
    let before = events(&office.services).await.len();
    let end = Some(NOW.plus_days(100));
    let new = NewRequest { not_after: end, ..office.asks(1) };
    let stored = office.submit(&new).await.unwrap();
    let id = &stored.id;
    assert_eq!((stored.request.state_name(), stored.version), ("submitted", 1));
    assert_eq!(registration::subject_of(&stored.request), "C=CN, O=示例局, OU=制证科, SERIALNUMBER=1, CN=经办人1");
    assert_eq!(office.issue(id).await.unwrap_err().code(), "request-state");
    assert_eq!(office.check(id).await.unwrap().request.state_name(), "checked");
    assert_eq!(office.approve(id, &office.approver).await.unwrap().request.state_name(), "approved");
    let issued = office.issue(id).await.unwrap();
    let certificate = Certificate::parse(&issued.der).unwrap();
    assert_eq!(certificate.subject.raw(), stored.request.submission.subject);
    assert_eq!(
        (certificate.public_key.raw, Some(certificate.not_after)),
        (&*stored.request.submission.public_key, end)
    );
    let row = inventory::find(&office.services, &issued.sm3).await.unwrap();
    assert_eq!((row.profile.as_str(), &row.authority), ("officer", &office.below.id));
    assert_eq!(office.issue(id).await.unwrap_err().code(), "request-state");
    let told = events(&office.services).await.split_off(before);
    let names = told.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    let expected = [
        "application-submitted",
        "application-checked",
        "application-approved",
        "issuance-intended",
        "certificate-issued",
        "application-fulfilled",
    ];
    assert_eq!(names, expected);
    let by = |person: &Person| {
        let roles = Roles::new([Role::CertificateOfficer]).unwrap();
        Actor::Caller { id: person.id.clone(), roles }
    };
    let actors = told.iter().take(3).map(|event| event.actor.clone()).collect::<Vec<_>>();
    assert_eq!(actors, [by(&office.applicant), by(&office.checker), by(&office.approver)]);
    let fulfilled = EventBody::ApplicationFulfilled { application: id.clone(), certificate_sm3: issued.sm3 };
    assert_eq!(told.last().unwrap().body, fulfilled);
    let page = registration::list(&office.services, Some("issued"), None, 1).await.unwrap();
    assert_eq!((page.requests.len(), &page.requests[0].id, page.next), (1, id, None));
}

async fn hopeless_requests_are_refused_at_once(office: &Office, place: &Place) {
    let rows = place.count("certificate_requests").await;
    let code = async |change: &dyn Fn(&mut NewRequest)| {
        let mut new = office.asks(2);
        change(&mut new);
        office.draft(&new).await.unwrap_err().code()
    };
    let changed = |csr: &[u8]| {
        let mut csr = csr.to_vec();
        let at = csr.windows(6).position(|window| window == "示例".as_bytes()).unwrap();
        csr[at] ^= 1;
        csr
    };
    assert_eq!(code(&|new| new.csr = changed(&new.csr)).await, "csr-signature");
    assert_eq!(code(&|new| new.csr = vec![0x30, 0]).await, "csr-malformed");
    assert_eq!(code(&|new| new.subject = Some(names("经办人"))).await, "attribute-missing");
    assert_eq!(code(&|new| new.profile = "seal-maker".into()).await, "attribute-forbidden");
    assert_eq!(code(&|new| new.profile = "intermediate".into()).await, "authority-profile");
    assert_eq!(code(&|new| new.profile = "none".into()).await, "profile-unknown");
    assert_eq!(code(&|new| new.profile = "event".into()).await, "transaction");
    assert_eq!(code(&|new| new.not_after = Some(NOW.plus_seconds(-1))).await, "validity-empty");
    assert_eq!(code(&|new| new.not_after = Some(NOW.plus_days(731))).await, "validity-too-long");
    assert_eq!(code(&|new| new.not_after = Some(NOW.plus_days(40_000))).await, "validity-beyond-issuer");
    assert_eq!(code(&|new| new.authority = AuthorityId::parse("none").unwrap()).await, "unknown-authority");
    assert_eq!(place.count("certificate_requests").await, rows);
}

async fn a_name_proves_nothing(office: &Office) {
    let services = &office.services;
    let new = office.asks(3);
    // Somebody else's signature, one over other octets, none at all.
    let draft = office.draft(&new).await.unwrap();
    let octets = draft.submission.to_submit();
    for signature in [office.second.sign(&octets), office.applicant.sign(&draft.submission.to_approve()), vec![]] {
        let refused = registration::submit(services, draft.clone(), office.applicant.by(&signature)).await.unwrap_err();
        assert_eq!(refused.code(), "step-signature");
    }
    // A right signature under another officer's name.
    let refused = registration::submit(services, draft.clone(), office.second.by(&office.second.sign(&octets))).await;
    assert_eq!(refused.unwrap_err().code(), "step-signature");
    let signature = office.applicant.sign(&octets);
    let id = registration::submit(services, draft.clone(), office.applicant.by(&signature)).await.unwrap().id;
    let again = registration::submit(services, draft, office.applicant.by(&signature)).await.unwrap_err();
    assert_eq!(again.code(), "certificate-request-exists");

    let octets = registration::to_check(services, &id, &office.checker.id).await.unwrap();
    for signature in [office.approver.sign(&octets), office.checker.sign(b"x"), vec![0; 64]] {
        let refused = registration::check(services, &id, office.checker.by(&signature)).await.unwrap_err();
        assert_eq!(refused.code(), "step-signature");
    }
    // A statement to refuse does not check, and one for one explanation does not carry another.
    let why = (RefusalReason::NotEntitled, "a");
    let signature =
        office.checker.sign(&registration::to_refuse(services, &id, &office.checker.id, why).await.unwrap());
    let signed = office.checker.by(&signature);
    assert_eq!(registration::check(services, &id, signed).await.unwrap_err().code(), "step-signature");
    let other = (RefusalReason::NotEntitled, "b");
    assert_eq!(registration::refuse(services, &id, other, signed).await.unwrap_err().code(), "step-signature");
    let long = "a".repeat(registration::MOST_EXPLANATION + 1);
    let long = (RefusalReason::NotEntitled, long.as_str());
    assert_eq!(registration::refuse(services, &id, long, signed).await.unwrap_err().code(), "explanation-too-long");
    office.check(&id).await.unwrap();
    // The statement was over the request as it stood before.
    assert_eq!(registration::refuse(services, &id, why, signed).await.unwrap_err().code(), "step-signature");

    let octets = registration::to_approve(services, &id).await.unwrap();
    let wrong = office.second.sign(&octets);
    let refused = registration::approve(services, &office.profiles, &id, office.approver.by(&wrong)).await;
    assert_eq!(refused.unwrap_err().code(), "approval-signature");
    // r and s as they are do as well as DER.
    let raw = office.approver.key.sign(&octets, &SystemRandom).unwrap();
    let approved = registration::approve(services, &office.profiles, &id, office.approver.by(&raw)).await.unwrap();
    assert_eq!(approved.request.state_name(), "approved");
    assert_eq!(
        registration::find(services, &ApplicationId::parse("none").unwrap()).await.unwrap_err().code(),
        "unknown-certificate-request"
    );

    // A caller without the role, without an appointment, barred.
    let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let public = |key: &sm2::PrivateKey| subject_public_key_info(&Signer::public_key(key));
    let caller = registered(services, public(&key), &[Role::Verifier]).await;
    let refused = officers::appoint(services, (BY, None), &caller, OfficerRole::Checker).await.unwrap_err();
    assert_eq!(refused.code(), "not-certificate-officer");
    let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let caller = registered(services, public(&key), &[Role::CertificateOfficer]).await;
    assert_eq!(officers::officer(services, &caller).await.unwrap_err().code(), "not-officer");
    assert_eq!(officers::dismiss(services, (BY, None), &caller).await.unwrap_err().code(), "not-officer");
    let refused = registration::to_check(services, &id, &caller).await.unwrap_err();
    assert_eq!(refused.code(), "not-officer");
    officers::appoint(services, (BY, None), &caller, OfficerRole::Checker).await.unwrap();
    let again = officers::appoint(services, (BY, None), &caller, OfficerRole::Approver).await.unwrap_err();
    assert_eq!(again.code(), "officer-exists");
    assert_eq!(officers::officer(services, &caller).await.unwrap().role, OfficerRole::Checker);
    bar_caller(services, BY, None, &caller).await.unwrap();
    assert_eq!(officers::officer(services, &caller).await.unwrap_err().code(), "caller-barred");
    let nobody = CallerId::parse("nobody").unwrap();
    assert_eq!(officers::officer(services, &nobody).await.unwrap_err().code(), "unknown-caller");
}

async fn two_persons_are_two_keys(office: &Office) {
    let services = &office.services;
    // The applicant and the checker, under further names, by the same keys in other octets.
    let twin = async |of: &Person, role| {
        let id = registered(services, other_octets(&of.key), &[Role::CertificateOfficer]).await;
        officers::appoint(services, (BY, None), &id, role).await.unwrap();
        Person { id, key: Arc::clone(&of.key) }
    };
    let applicant = twin(&office.applicant, OfficerRole::Approver).await;
    let checker = twin(&office.checker, OfficerRole::Approver).await;
    let id = office.submit(&office.asks(4)).await.unwrap().id;
    office.check(&id).await.unwrap();
    assert_eq!(office.approve(&id, &applicant).await.unwrap_err().code(), "approver-is-applicant");
    assert_eq!(office.approve(&id, &checker).await.unwrap_err().code(), "approver-is-checker");
    assert_eq!(office.approve(&id, &office.applicant).await.unwrap_err().code(), "officer-role");
    assert_eq!(office.withdraw(&id, &applicant).await.unwrap_err().code(), "not-applicant");
    assert_eq!(office.state(&id).await, "checked");
}

async fn requests_are_refused_and_withdrawn(office: &Office) {
    let id = office.submit(&office.asks(5)).await.unwrap().id;
    let why = (RefusalReason::EvidenceInsufficient, "身份证照片不清");
    assert_eq!(office.refuse(&id, &office.applicant, why).await.unwrap_err().code(), "officer-role");
    let by_hand = (RefusalReason::Lapsed, "");
    assert_eq!(office.refuse(&id, &office.checker, by_hand).await.unwrap_err().code(), "lapsed-by-hand");
    let refused = office.refuse(&id, &office.checker, why).await.unwrap();
    assert_eq!(refused.explanation.as_deref(), Some(why.1));
    let told = events(&office.services).await.pop().unwrap().body;
    let expected = EventBody::ApplicationRefused { application: id.clone(), reason_sm3: sm3(why.1.as_bytes()) };
    assert_eq!(told, expected);
    assert_eq!(office.check(&id).await.unwrap_err().code(), "request-state");

    let id = office.approved(6).await;
    assert_eq!(office.withdraw(&id, &office.approver).await.unwrap_err().code(), "not-applicant");
    assert_eq!(office.withdraw(&id, &office.applicant).await.unwrap().request.state_name(), "withdrawn");
    assert_eq!(office.issue(&id).await.unwrap_err().code(), "request-state");
    let told = events(&office.services).await.pop().unwrap().body;
    assert_eq!(told, EventBody::ApplicationWithdrawn { application: id });
}

async fn officers_who_race_decide_once(office: &Office) {
    let id = office.submit(&office.asks(7)).await.unwrap().id;
    office.check(&id).await.unwrap();
    // Stated while the request is checked: whoever refuses an approved one states that.
    let why = (RefusalReason::NotEntitled, "");
    let octets = registration::to_refuse(&office.services, &id, &office.checker.id, why).await.unwrap();
    let signature = office.checker.sign(&octets);
    let refusing = registration::refuse(&office.services, &id, why, office.checker.by(&signature));
    let (first, second, third) =
        tokio::join!(office.approve(&id, &office.approver), office.approve(&id, &office.second), refusing);
    let outcomes = [first, second, third].map(|outcome| outcome.map_or_else(|error| error.code(), |_| "done"));
    let done = outcomes.iter().filter(|outcome| **outcome == "done").count();
    assert_eq!(done, 1, "{outcomes:?}");
    assert!(
        outcomes.iter().all(|outcome| ["done", "request-state", "step-signature"].contains(outcome)),
        "{outcomes:?}"
    );
}

async fn two_processes_issue_once(office: &Office, place: &Place) {
    let id = office.approved(8).await;
    let kept = place.count("issued_certificates").await;
    let key = KeySource::File { path: place.folder.path().join("key"), create: false };
    let settings = KeySettings::from_source(key);
    let (other, _) =
        Services::attach(&place.url, &settings, Arc::new(FixedClock(NOW)), Arc::new(SystemRandom)).await.unwrap();
    let engine = Issuance::start(other.clone(), Arc::clone(&office.profiles));
    let issue = || registration::issue(&other, &office.profiles, &engine, (BY, None), &id);
    let outcomes = tokio::join!(issue(), office.issue(&id), issue(), office.issue(&id));
    let outcomes = [outcomes.0, outcomes.1, outcomes.2, outcomes.3];
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err().map(Error::code)).collect::<Vec<_>>();
    assert_eq!(refused, ["request-state"; 3]);
    assert_eq!(place.count("issued_certificates").await, kept + 1);
    // In one group a request that is not approved costs nobody else the certificate.
    let good = office.approved(9).await;
    let outcomes = tokio::join!(office.issue(&good), office.issuance.issue(stale(office, &id)), office.issue(&good));
    assert_eq!(outcomes.1.unwrap_err().code(), "request-state");
    assert_eq!(usize::from(outcomes.0.is_ok()) + usize::from(outcomes.2.is_ok()), 1);
    assert_eq!(place.count("issued_certificates").await, kept + 2);
    other.store.close().await;
}

/// An order for a request that was issued, around the use case that would refuse it.
fn stale(office: &Office, id: &ApplicationId) -> yinxin::service::issuance::Order {
    yinxin::service::issuance::Order {
        completes: Some(yinxin::service::issuance::Completion::Application(id.clone())),
        ..order(&office.below, request(90))
    }
}

async fn whoever_is_dismissed_approved_nothing(office: &Office, place: &Place) {
    let services = &office.services;
    let id = office.approved(10).await;
    let dismiss = async || officers::dismiss(services, (BY, None), &office.approver.id).await.unwrap();
    let appoint = async |role| officers::appoint(services, (BY, None), &office.approver.id, role).await.unwrap();
    dismiss().await;
    assert_eq!(office.issue(&id).await.unwrap_err().code(), "approver-gone");
    appoint(OfficerRole::Checker).await;
    assert_eq!(office.issue(&id).await.unwrap_err().code(), "officer-role");
    dismiss().await;
    appoint(OfficerRole::Approver).await;
    // Dismissed while the certificate is signed: it is not released.
    let gate = Gate::new();
    let gated = Services { random: gate.clone(), ..services.clone() };
    let engine = Issuance::start(gated, Arc::clone(&office.profiles));
    gate.close();
    let kept = place.count("issued_certificates").await;
    let issuing = registration::issue(services, &office.profiles, &engine, (BY, None), &id);
    let dismissing = async {
        intents(place, 1).await;
        dismiss().await;
        gate.open();
    };
    let (outcome, ()) = tokio::join!(issuing, dismissing);
    assert_eq!(outcome.unwrap_err().code(), "approver-gone");
    assert_eq!((place.count("issued_certificates").await, office.state(&id).await), (kept, "approved"));
    appoint(OfficerRole::Approver).await;
    office.issue(&id).await.unwrap();
}

async fn a_changed_row_gives_no_certificate(office: &Office, place: &Place) {
    let id = office.approved(11).await;
    let other = office.submit(&office.asks(12)).await.unwrap().id;
    // A request nobody approved is made to look approved; another's approval is put under it; a subject is changed.
    let approved = format!(
        "UPDATE certificate_requests SET state = 'approved', checked_by = applicant, checked_key_sm3 = applicant_key_sm3, \
         checked_at = since, check_signature = nonce WHERE id = '{other}'"
    );
    assert_eq!(place.by_hand(&approved).await, 1);
    assert_eq!(office.issue(&other).await.unwrap_err().code(), "inconsistent");
    let moved = format!("UPDATE request_approvals SET request = '{other}' WHERE request = '{id}'");
    assert_eq!(place.by_hand(&moved).await, 1);
    assert_eq!(office.issue(&other).await.unwrap_err().code(), "inconsistent");
    assert_eq!(office.issue(&id).await.unwrap_err().code(), "inconsistent");
    let back = format!("UPDATE request_approvals SET request = '{id}' WHERE request = '{other}'");
    assert_eq!(place.by_hand(&back).await, 1);
    let subject = format!("UPDATE certificate_requests SET profile = 'person-signing' WHERE id = '{id}'");
    assert_eq!(place.by_hand(&subject).await, 1);
    assert_eq!(office.issue(&id).await.unwrap_err().code(), "inconsistent");
    let back = format!("UPDATE certificate_requests SET profile = 'officer' WHERE id = '{id}'");
    assert_eq!(place.by_hand(&back).await, 1);
    let officer = format!("UPDATE officers SET since = since + 1 WHERE caller = '{}'", office.approver.id);
    assert_eq!(place.by_hand(&officer).await, 1);
    assert_eq!(office.issue(&id).await.unwrap_err().code(), "inconsistent");
    assert_eq!(place.by_hand(&officer.replace("+ 1", "- 1")).await, 1);
    office.issue(&id).await.unwrap();
    assert_eq!(place.by_hand(&format!("DELETE FROM certificate_requests WHERE id = '{other}'")).await, 1);
}

fn officer_profile(from: &str, to: &str) -> Profile {
    let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == "officer").unwrap();
    assert!(text.contains(from), "{from}");
    parse(&text.replacen(from, to, 1), "officer.toml").unwrap()
}

fn with_profile(profile: Profile) -> Arc<Profiles> {
    Arc::new(Profiles::new(built_in().unwrap().iter().cloned().chain([profile])))
}

async fn only_what_was_approved_is_issued(office: &Office) {
    let id = office.approved(13).await;
    // The profile wants the name in another order since.
    let (unit, name) = ("kind = \"organizationalUnitName\"", "kind = \"organizationName\"");
    let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == "officer").unwrap();
    let swapped = text.replacen(unit, "kind = ?", 1).replacen(name, unit, 1).replacen("kind = ?", name, 1);
    let profiles = with_profile(parse(&swapped, "officer.toml").unwrap());
    let engine = Issuance::start(office.services.clone(), Arc::clone(&profiles));
    let refused = registration::issue(&office.services, &profiles, &engine, (BY, None), &id).await.unwrap_err();
    assert_eq!(refused.to_string(), "the certificate's subject would not be what was approved");
    assert_eq!(refused.code(), "not-as-approved");
    // Another key under an approved request, around the use case.
    let refused = office.issuance.issue(stale(office, &id)).await.unwrap_err();
    assert_eq!(refused.code(), "not-as-approved");
    assert_eq!(office.state(&id).await, "approved");
    office.issue(&id).await.unwrap();
}

async fn a_profile_wants_two(office: &Office) {
    let table = "[approval]\nofficers = 2\nrole = \"approver\"\nclause = \"house\"\n\n[requested_extensions]";
    let profiles = with_profile(officer_profile("[requested_extensions]", table));
    let engine = Issuance::start(office.services.clone(), Arc::clone(&profiles));
    let refused = engine.issue(order(&office.below, request(14))).await.unwrap_err();
    assert_eq!(refused.code(), "approval-needed");
    // One approval was enough when it was given, and is not now.
    let early = office.approved(15).await;
    let issue = |id| registration::issue(&office.services, &profiles, &engine, (BY, None), id);
    assert_eq!(issue(&early).await.unwrap_err().code(), "request-state");
    let id = &office.submit(&office.asks(16)).await.unwrap().id;
    office.check(id).await.unwrap();
    let octets = registration::to_approve(&office.services, id).await.unwrap();
    let approve = async |by: &Person| {
        let signature = by.sign(&octets);
        registration::approve(&office.services, &profiles, id, by.by(&signature)).await
    };
    assert_eq!(approve(&office.approver).await.unwrap().request.state_name(), "checked");
    assert_eq!(approve(&office.approver).await.unwrap_err().code(), "approver-repeated");
    assert_eq!(issue(id).await.unwrap_err().code(), "request-state");
    assert_eq!(approve(&office.second).await.unwrap().request.state_name(), "approved");
    issue(id).await.unwrap();
}

async fn an_approved_request_outlives_a_restart(office: &Office, place: &Place) {
    let id = office.approved(17).await;
    // A crash between the intent and the certificate: the batch is open when the next service starts.
    let gate = Gate::new();
    let gated = Services { random: gate.clone(), ..office.services.clone() };
    let engine = Issuance::start(gated, Arc::clone(&office.profiles));
    gate.close();
    let issuing = registration::issue(&office.services, &office.profiles, &engine, (BY, None), &id);
    let restarting = async {
        intents(place, 1).await;
        let services = place.open().await;
        assert_eq!(place.count("issuance_batches WHERE state = 'issuing'").await, 0);
        gate.open();
        services
    };
    let (outcome, services) = tokio::join!(issuing, restarting);
    // What it signed is not kept: its batch was abandoned.
    assert_eq!(outcome.unwrap_err().code(), "contended");
    assert_eq!(office.state(&id).await, "approved");
    let engine = Issuance::start(services.clone(), Arc::clone(&office.profiles));
    let issued = registration::issue(&services, &office.profiles, &engine, (BY, None), &id).await.unwrap();
    let row = registration::find(&services, &id).await.unwrap();
    assert_eq!((row.request.state_name(), row.request.since()), ("issued", NOW));
    assert!(inventory::find(&services, &issued.sm3).await.is_ok());
    services.store.close().await;
}

async fn what_waits_too_long_lapses_and_is_forgotten(office: &Office, place: &Place) {
    let hands = Arc::new(Hands(AtomicI64::new(NOW.unix())));
    let services = Services { clock: hands.clone(), ..office.services.clone() };
    let open = "certificate_requests WHERE state IN ('submitted', 'checked', 'approved')";
    let waiting = place.count(open).await;
    assert!(waiting >= 3, "{waiting}");
    hands.0.store(NOW.plus_days(30).unix(), Ordering::SeqCst);
    assert_eq!(registration::lapse(&services, 30).await.unwrap(), 0);
    hands.0.store(NOW.plus_days(30).plus_seconds(1).unix(), Ordering::SeqCst);
    assert_eq!(registration::lapse(&services, 30).await.unwrap(), u64::try_from(waiting).unwrap());
    assert_eq!(place.count(open).await, 0);
    let told = events(&services).await.pop().unwrap();
    assert!(matches!(told.body, EventBody::ApplicationLapsed { .. }), "{told:?}");
    let lapsed = place.count("certificate_requests WHERE reason = 'lapsed' AND ended_by IS NULL").await;
    assert_eq!(lapsed, waiting);
    let all = place.count("certificate_requests").await;
    let issued = place.count("certificate_requests WHERE state = 'issued'").await;
    let before = events(&services).await.len();
    hands.0.store(NOW.plus_days(100).unix(), Ordering::SeqCst);
    assert!(all > issued);
    assert_eq!(registration::forget(&services, 101).await.unwrap(), 0);
    // A service at work does it, when it is told how long requests are kept.
    let keeping = Keeping { request_days: Some(10), ..Keeping::default() };
    let timer = tokio::spawn(due::keep_current(services.clone(), keeping));
    let forgotten = async {
        while place.count("certificate_requests").await > issued {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), forgotten).await.unwrap();
    timer.abort();
    assert_eq!(registration::forget(&services, 10).await.unwrap(), 0);
    // Certificates on record keep their requests, and the audit log keeps everything, and that they are forgotten.
    assert_eq!(place.count("certificate_requests").await, issued);
    let told = events(&services).await.split_off(before).into_iter().map(|event| event.body).collect::<Vec<_>>();
    let count = u64::try_from(all - issued).unwrap();
    let kind = "certificate-requests".to_owned();
    assert_eq!(told, [EventBody::RecordsForgotten { kind, count, ended_before: NOW.plus_days(90) }]);
}

/// Whatever officers try in whatever order, the rows go where the domain goes, and refuse what it refuses.
#[test]
fn rows_go_where_the_domain_goes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = Folder::new("registration-model");
    let place = Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder };
    let office = runtime.block_on(async {
        let services = place.open().await;
        let (_, below) = root_and_below(&services).await;
        Office::open(services, below).await
    });
    let two = ApprovalPolicy::new(2, OfficerRole::Approver).unwrap();
    let table = "[approval]\nofficers = 2\nrole = \"approver\"\nclause = \"house\"\n\n[requested_extensions]";
    let profiles = with_profile(officer_profile("[requested_extensions]", table));
    let engine = runtime.block_on(async { Issuance::start(office.services.clone(), Arc::clone(&profiles)) });
    let steps = proptest::collection::vec((0_u8..6, 0_usize..4, 0_usize..4), 1..12);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(24) });
    let outcome = runner.run(&steps, |steps| runtime.block_on(model(&office, (&profiles, &engine, two), steps)));
    outcome.unwrap();
}

async fn model(
    office: &Office,
    (profiles, engine, policy): (&Arc<Profiles>, &Issuance, ApprovalPolicy),
    steps: Vec<(u8, usize, usize)>,
) -> Result<(), TestCaseError> {
    let services = &office.services;
    let people = [&office.applicant, &office.checker, &office.approver, &office.second];
    let mut officers_now = Vec::<Officer>::new();
    for person in people {
        officers_now.push(officers::officer(services, &person.id).await.unwrap());
    }
    let stored = office.submit(&office.asks(20)).await.unwrap();
    let id = &stored.id;
    let mut expected: CertificateRequest = stored.request;
    let refused = |error: Error| match error {
        Error::RequestStep(refused) => refused,
        Error::Shared(error) => panic!("{error}"),
        other => panic!("{other}"),
    };
    for (step, who, signer) in steps {
        let (person, officer) = (people[who], &officers_now[who]);
        let reason = WithdrawalReason::Mistaken;
        let why = (RefusalReason::NotEntitled, "");
        let wrong = who != signer;
        let sign = |octets: &[u8]| people[signer].sign(octets);
        let before = expected.clone();
        let (found, wanted) = match step {
            0 => {
                let signature = sign(&registration::to_check(services, id, &person.id).await.unwrap());
                let found = registration::check(services, id, person.by(&signature)).await;
                (found, if wrong { Err(StepRefused::StepSignature) } else { before.check(officer, NOW) })
            }
            1 | 2 => {
                let octets = registration::to_approve(services, id).await.unwrap();
                let signature = people[signer].key.sign(&octets, &SystemRandom).unwrap();
                let found = registration::approve(services, profiles, id, person.by(&signature)).await;
                (found, before.approve(officer, &signature, NOW, policy))
            }
            3 => {
                let signature = sign(&registration::to_refuse(services, id, &person.id, why).await.unwrap());
                let found = registration::refuse(services, id, why, person.by(&signature)).await;
                (found, if wrong { Err(StepRefused::StepSignature) } else { before.refuse(officer, why.0, NOW) })
            }
            4 => {
                let signature = sign(&registration::to_withdraw(services, id, &person.id, reason).await.unwrap());
                let found = registration::withdraw(services, id, reason, person.by(&signature)).await;
                (found, if wrong { Err(StepRefused::StepSignature) } else { before.withdraw(officer, reason, NOW) })
            }
            _ => {
                let find = |wanted: &CallerId| officers_now.iter().find(|officer| officer.id == *wanted);
                let wanted = before.confirm(policy, find);
                match registration::issue(services, profiles, engine, (BY, None), id).await {
                    Ok(issued) => {
                        prop_assert_eq!(wanted, Ok(()));
                        let found = registration::find(services, id).await;
                        (found, before.fulfilled(issued.sm3, NOW))
                    }
                    Err(error) => {
                        prop_assert_eq!(Err(refused(error)), wanted);
                        continue;
                    }
                }
            }
        };
        match (found, wanted) {
            (Ok(found), Ok((next, _))) => {
                prop_assert_eq!(&found.request, &next);
                expected = next;
            }
            (found, wanted) => prop_assert_eq!(found.map(|_| ()).map_err(refused), wanted.map(|_| ())),
        }
        let kept = registration::find(services, id).await.unwrap();
        prop_assert_eq!(&kept.request, &expected);
        prop_assert_eq!(kept.request.submission.applicant, Hand::of(&officers_now[0]));
    }
    Ok(())
}
