//! Authorities of our own: made, issuing in groups, their certificates changed, found and forgotten, on both databases.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use yinxin::base::clock::FixedClock;
use yinxin::base::id::{AuthorityId, KeyId};
use yinxin::base::limits::Limits;
use yinxin::base::random::{Random, RandomUnavailable, SystemRandom};
use yinxin::config::profiles::built_in;
use yinxin::crypto::algorithm::SignatureAlgorithm;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{Signer, sm2};
use yinxin::domain::audit::{AbandonmentReason, Actor, EventBody};
use yinxin::domain::ca::profile::AttributeKind;
use yinxin::domain::ca::shard;
use yinxin::domain::ca::state::RevocationReason;
use yinxin::domain::ca::subject::Attributes;
use yinxin::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, KeySuspensionReason, Owner};
use yinxin::domain::trust::key::{encode_value, subject_public_key_info};
use yinxin::domain::trust::{Budget, TrustAnchors, find_path};
use yinxin::format::keys::read_pem;
use yinxin::format::x509::Certificate;
use yinxin::format::x509::csr::NewCertificationRequest;
use yinxin::format::x509::extension::CrlDistributionPoints;
use yinxin::format::x509::name::NameAttributes;
use yinxin::service::authorities::{self, AuthorityKey, NewAuthority};
use yinxin::service::certificate_status::{Change, change};
use yinxin::service::inventory::{self, Retention};
use yinxin::service::issuance::{Issuance, Issued, Order, Wanted};
use yinxin::service::keys::making::generate;
use yinxin::service::keys::{KeySource, life_cycle};
use yinxin::service::{Error, Services};
use yinxin::store::authorities::StoredAuthority;
use yinxin::store::issuance_batches;
use yinxin::store::issued_certificates::{Filter, StoredStatus};

use crate::service::installation::{NOW, Place, events};
use crate::store::Folder;
use crate::store::postgres::Postgres;

pub(crate) const BY: &Actor = &Actor::Operator;

pub(crate) fn names(common_name: &str) -> Attributes {
    let pairs = [(AttributeKind::Organisation, "示例局"), (AttributeKind::CommonName, common_name)];
    pairs.map(|(kind, value)| (kind, value.to_owned())).to_vec()
}

fn officer(number: usize) -> Attributes {
    let mut subject = names(&format!("经办人{number}"));
    subject.push((AttributeKind::OrganisationalUnit, "制证科".to_owned()));
    subject.push((AttributeKind::SerialNumber, number.to_string()));
    subject
}

pub(crate) fn new_authority(id: &str, profile: &str, parent: Option<&StoredAuthority>) -> NewAuthority {
    NewAuthority {
        id: Some(AuthorityId::parse(id).unwrap()),
        name: format!("示例 {id}"),
        profile: profile.to_owned(),
        parent: parent.map(|parent| parent.id.clone()),
        subject: names(&format!("机构 {id}")),
        key: AuthorityKey::Generated(KeyAlgorithm::Sm2),
        not_after: None,
        base_url: "http://ca.example/".to_owned(),
        crl_shards: 4,
    }
}

/// A request of PKCS#10 for an officer, by a key of its own.
pub(crate) fn request(number: usize) -> Vec<u8> {
    let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let subject = officer(number).into_iter().map(|(kind, value)| (kind.oid(), value)).collect();
    let subject = NameAttributes(subject).to_der();
    let public_key = subject_public_key_info(&Signer::public_key(&key));
    let new = NewCertificationRequest {
        subject: &subject,
        public_key: &public_key,
        extensions: &[],
        challenge_password: None,
    };
    let tbs = new.to_tbs();
    let value = Signer::sign(&key, &tbs, &SystemRandom).unwrap();
    let algorithm = SignatureAlgorithm::Sm2Sm3;
    NewCertificationRequest::assemble(&tbs, algorithm.oid().unwrap(), &encode_value(algorithm, &value))
}

pub(crate) fn order(authority: &StoredAuthority, csr: Vec<u8>) -> Order {
    Order {
        authority: authority.id.clone(),
        profile: "officer".to_owned(),
        wanted: Wanted::Request { csr, subject: None },
        not_before: None,
        not_after: None,
        transaction: None,
        actor: Actor::Operator,
        request: None,
        completes: None,
    }
}

pub(crate) async fn root_and_below(services: &Services) -> (StoredAuthority, StoredAuthority) {
    let profiles = built_in().unwrap();
    let root = authorities::create(services, &profiles, BY, &new_authority("root", "root", None)).await.unwrap();
    let below = new_authority("below", "intermediate", Some(&root));
    let below = authorities::create(services, &profiles, BY, &below).await.unwrap();
    (root, below)
}

pub(crate) fn issuance(services: &Services) -> Issuance {
    Issuance::start(services.clone(), Arc::new(built_in().unwrap()))
}

async fn names_of_events(services: &Services, from: usize) -> Vec<&'static str> {
    events(services).await.iter().skip(from).map(|event| event.class().name()).collect()
}

fn path(root: &[u8], between: &[u8], der: &[u8]) -> Vec<String> {
    let mut trust = TrustAnchors::none();
    trust.add_anchors(root, "root").unwrap();
    trust.add_certificates(between, "between").unwrap();
    let certificate = Certificate::parse(der).unwrap();
    let tables = sm2::KeyTables::default();
    let found = find_path(&certificate, &trust, NOW, &mut Budget::new(&Limits::DEFAULT), &tables).unwrap();
    found.subjects().into_iter().map(|subject| subject.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("authority");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("authorities on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("authority-postgres") }).await;
}

/// The checks share one database and run in this order: later ones need earlier ones' rows.
async fn contract(place: Place) {
    let mut services = place.open().await;
    let (root, below) = authorities_are_made(&services).await;
    what_cannot_be_made_leaves_nothing(&services, &place, &root, &below).await;
    let issued = a_group_is_issued_and_its_bad_orders_disturb_nobody(&services, &place, &below).await;
    what_is_decided_elsewhere_is_issued(&services, &below).await;
    a_status_changes_with_its_event(&services, &issued).await;
    what_was_issued_is_found(&services, &below, &issued).await;
    services = batches_left_open_are_abandoned_at_the_next_start(services, &place, &below).await;
    what_ended_long_ago_is_forgotten(&services, &place).await;
    whoever_may_not_issue_issues_nothing(&services, &place, (&root, &below)).await;
    no_number_stands_twice(&services, &place).await;
}

async fn authorities_are_made(services: &Services) -> (StoredAuthority, StoredAuthority) {
    let before = events(services).await.len();
    let (root, below) = root_and_below(services).await;
    let expected = [
        ["key-created", "certificate-issued", "authority-created"].as_slice(),
        &["issuance-intended", "key-created", "certificate-issued", "authority-created"],
    ];
    assert_eq!(names_of_events(services, before).await, expected.concat());
    let listed = authorities::list(services).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.id.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from(["root", "below"]));
    assert_eq!((below.parent.as_ref(), below.base_url.as_str()), (Some(&root.id), "http://ca.example"));
    let (_, certificate) = authorities::find(services, &below.id).await.unwrap();
    let row = inventory::find(services, &below.certificate).await.unwrap();
    assert_eq!((&row.der, row.profile.as_str(), &row.authority), (&certificate, "intermediate", &root.id));
    assert_eq!(inventory::find_by_serial(services, &root.id, &row.serial).await.unwrap(), row);
    // A root is nobody's to revoke.
    assert_eq!(inventory::find(services, &root.certificate).await.unwrap_err().code(), "unknown-certificate");
    (root, below)
}

async fn what_cannot_be_made_leaves_nothing(
    services: &Services,
    place: &Place,
    root: &StoredAuthority,
    below: &StoredAuthority,
) {
    let rows = async || {
        let mut counts = Vec::new();
        for table in ["keys", "certificates", "authorities", "issued_certificates", "audit_events"] {
            counts.push(place.count(table).await);
        }
        counts
    };
    let before = rows().await;
    let good = new_authority("third", "intermediate", Some(root));
    let named = |key: &KeyId| AuthorityKey::Named(key.clone());
    let nobody = AuthorityId::parse("nobody").unwrap();
    let cases = [
        (NewAuthority { profile: "unheard-of".into(), ..good.clone() }, "profile-unknown"),
        (NewAuthority { profile: "officer".into(), ..good.clone() }, "authority-profile"),
        (NewAuthority { id: Some(below.id.clone()), ..good.clone() }, "authority-exists"),
        (NewAuthority { parent: Some(nobody), ..good.clone() }, "unknown-authority"),
        (NewAuthority { parent: None, ..good.clone() }, "root-position"),
        (NewAuthority { profile: "root".into(), ..good.clone() }, "root-position"),
        (NewAuthority { base_url: "https://ca.example".into(), ..good.clone() }, "publication"),
        (NewAuthority { crl_shards: 0, ..good.clone() }, "publication"),
        (NewAuthority { crl_shards: 65_537, ..good.clone() }, "publication"),
        (NewAuthority { subject: Vec::new(), ..good.clone() }, "attribute-missing"),
        (NewAuthority { key: AuthorityKey::Generated(KeyAlgorithm::Ed25519), ..good.clone() }, "key-not-certified"),
        (NewAuthority { key: named(&below.key), ..good.clone() }, "authority-key-in-use"),
        (NewAuthority { key: named(&KeyId::parse("none").unwrap()), ..good.clone() }, "unknown-key"),
        (NewAuthority { not_after: Some(NOW.plus_seconds(-1)), ..good.clone() }, "validity-empty"),
    ];
    let profiles = built_in().unwrap();
    for (new, code) in cases {
        let refused = authorities::create(services, &profiles, BY, &new).await.unwrap_err();
        assert_eq!(refused.code(), code, "{new:?}");
    }
    assert_eq!(rows().await, before);
    // A key of another purpose is no authority's.
    let attributes = |purpose| KeyAttributes::new(Owner::installation(), purpose, KeyAlgorithm::Sm2);
    let made = async |purpose| generate(services, BY, KeyLocation::Software, &attributes(purpose)).await.unwrap().id;
    let raw = NewAuthority { key: named(&made(KeyPurpose::Raw).await), ..good.clone() };
    let refused = authorities::create(services, &profiles, BY, &raw).await.unwrap_err();
    assert_eq!(refused.code(), "key-not-for-this");
    let key = made(KeyPurpose::CertificateAuthority).await;
    let new = NewAuthority { id: None, key: named(&key), ..good };
    let third = authorities::create(services, &profiles, BY, &new).await.unwrap();
    assert_eq!(third.key, key);
    let retired = authorities::retire(services, BY, &third.id).await.unwrap();
    assert_eq!((retired.retired_at, retired.version), (Some(NOW), 2));
    assert_eq!(authorities::retire(services, BY, &third.id).await.unwrap_err().code(), "authority-retired");
    let refused = issuance(services).issue(order(&third, request(0))).await.unwrap_err();
    assert_eq!(refused.code(), "authority-retired");
}

async fn a_group_is_issued_and_its_bad_orders_disturb_nobody(
    services: &Services,
    place: &Place,
    below: &StoredAuthority,
) -> Vec<Issued> {
    let (before, batches) = (events(services).await.len(), place.count("issuance_batches").await);
    let good = order(below, request(0));
    let mut broken = request(0);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let mut sub = order(below, request(0));
    sub.profile = "intermediate".into();
    let bad = [
        (Order { wanted: Wanted::Request { csr: broken, subject: None }, ..good.clone() }, "csr-signature"),
        (Order { wanted: Wanted::Request { csr: vec![0x30, 0], subject: None }, ..good.clone() }, "csr-malformed"),
        (Order { profile: "unheard-of".into(), ..good.clone() }, "profile-unknown"),
        (sub, "authority-profile"),
        (Order { authority: AuthorityId::parse("nobody").unwrap(), ..good.clone() }, "unknown-authority"),
        (Order { not_before: Some(NOW.plus_days(-2)), ..good.clone() }, "validity-backdated"),
        (Order { not_after: Some(NOW.plus_seconds(-1)), ..good.clone() }, "validity-empty"),
        (Order { transaction: Some([1; 32]), ..good.clone() }, "transaction"),
        (
            Order { wanted: Wanted::Request { csr: request(0), subject: Some(names("甲")) }, ..good.clone() },
            "attribute-missing",
        ),
    ];
    let engine = issuance(services);
    let mut asked = tokio::task::JoinSet::new();
    for number in 1..=40 {
        let (engine, order) = (engine.clone(), order(below, request(number)));
        asked.spawn(async move { (None, engine.issue(order).await) });
    }
    for (order, code) in bad {
        let engine = engine.clone();
        asked.spawn(async move { (Some(code), engine.issue(order).await) });
    }
    let mut issued = Vec::new();
    for (expected, outcome) in asked.join_all().await {
        match (expected, outcome) {
            (None, outcome) => issued.push(outcome.unwrap()),
            (Some(code), outcome) => assert_eq!(outcome.unwrap_err().code(), code),
        }
    }
    assert_eq!(issued.len(), 40);
    let new = names_of_events(services, before).await;
    let count = |name| new.iter().filter(|event| **event == name).count();
    let groups = place.count("issuance_batches").await - batches;
    assert_eq!(count("certificate-issued"), 40);
    assert_eq!(
        (i64::try_from(count("issuance-intended")).unwrap(), new.len() - 40),
        (groups, count("issuance-intended"))
    );
    assert!((1..40).contains(&groups), "{groups} groups: orders that wait share one");

    let (_, root) = authorities::find(services, below.parent.as_ref().unwrap()).await.unwrap();
    let (_, between) = authorities::find(services, &below.id).await.unwrap();
    for one in &issued {
        assert_eq!(path(&root, &between, &one.der).len(), 3);
        let row = inventory::find(services, &sm3(&one.der)).await.unwrap();
        assert_eq!((row.serial, row.shard, row.status), (one.serial, shard(&one.serial, 4), StoredStatus::Active));
        let certificate = Certificate::parse(&one.der).unwrap();
        assert_eq!(certificate.serial, one.serial);
        let points = certificate.extension_of::<CrlDistributionPoints<'_>>().unwrap().unwrap();
        let location = format!("http://ca.example/crl/below/{}.crl", row.shard);
        assert!(format!("{points:?}").contains(&location), "{points:?}");
    }
    issued
}

/// What a registration office has checked, or a key of ours, wants no request.
async fn what_is_decided_elsewhere_is_issued(services: &Services, below: &StoredAuthority) {
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::TimeStamping, KeyAlgorithm::Sm2);
    let key = generate(services, BY, KeyLocation::Software, &attributes).await.unwrap();
    let info = yinxin::format::keys::SubjectPublicKeyInfo::parse(&key.public_key).unwrap();
    let asked = yinxin::domain::ca::possession::Asked {
        subject: officer(41),
        alternative_names: Vec::new(),
        identity: Vec::new(),
        key: yinxin::domain::trust::public_key(&info).unwrap(),
    };
    let wanted = Wanted::Decided { asked, key: Some(key.id.clone()) };
    let issued = issuance(services).issue(Order { wanted, ..order(below, Vec::new()) }).await.unwrap();
    let last = events(services).await.pop().unwrap().body;
    let EventBody::CertificateIssued { key: named, certificate_sm3, .. } = last else { panic!("{last:?}") };
    assert_eq!((named, certificate_sm3), (Some(key.id), issued.sm3));
}

async fn a_status_changes_with_its_event(services: &Services, issued: &[Issued]) {
    let (first, second) = (&issued[0].sm3, &issued[1].sm3);
    let by = (BY, None);
    let revoke = |reason| Change::Revoke { reason, invalidity_date: Some(NOW.plus_seconds(-5)) };
    let compromise = revoke(RevocationReason::KeyCompromise);
    let suspended = change(services, by, first, Change::Suspend).await.unwrap();
    assert_eq!(suspended.status, StoredStatus::Suspended);
    let all = events(services).await;
    assert_eq!(suspended.status_event, i64::try_from(all.len() - 1).ok(), "the number of its event");
    assert_eq!(all.last().unwrap().body, EventBody::CertificateSuspended { certificate_sm3: *first });
    let refuse = async |sm3, wanted| change(services, by, sm3, wanted).await.unwrap_err().code();
    assert_eq!(refuse(first, Change::Suspend).await, "certificate-state");
    assert_eq!(change(services, by, first, Change::Resume).await.unwrap().status, StoredStatus::Active);
    assert_eq!(refuse(first, Change::Resume).await, "certificate-state");
    let future = Change::Revoke { reason: RevocationReason::Superseded, invalidity_date: Some(NOW.plus_seconds(1)) };
    assert_eq!(refuse(first, future).await, "invalidity-date-in-future");
    change(services, by, second, Change::Suspend).await.unwrap();
    for sm3 in [first, second] {
        let revoked = change(services, by, sm3, compromise).await.unwrap();
        let expected = StoredStatus::Revoked { reason: 1, invalidity_date: Some(NOW.plus_seconds(-5)) };
        assert_eq!(revoked.status, expected);
        for again in [compromise, Change::Suspend, Change::Resume] {
            assert_eq!(refuse(sm3, again).await, "certificate-state");
        }
    }
    let last = events(services).await.pop().unwrap().body;
    let invalidity_date = Some(NOW.plus_seconds(-5));
    assert_eq!(last, EventBody::CertificateRevoked { certificate_sm3: *second, reason: 1, invalidity_date });
    let length = events(services).await.len();
    assert_eq!(refuse(&[0; 32], Change::Suspend).await, "unknown-certificate");
    assert_eq!(events(services).await.len(), length, "a refusal changes nothing");
}

async fn what_was_issued_is_found(services: &Services, below: &StoredAuthority, issued: &[Issued]) {
    let of = Filter { authority: Some(below.id.clone()), profile: Some("officer".into()), ..Filter::default() };
    let (mut after, mut found, mut pages) = (0, Vec::new(), 0);
    loop {
        let page = inventory::search(services, &of, after, 13).await.unwrap();
        found.extend(page.certificates.into_iter().map(|one| one.sm3));
        pages += 1;
        let Some(next) = page.next else { break };
        after = next;
    }
    // The forty, and one that was decided elsewhere.
    assert_eq!((found.len(), pages), (41, 4));
    assert!(issued.iter().all(|one| found.contains(&one.sm3)));
    let subject = Some("CN=经办人17,".to_owned());
    let one = inventory::search(services, &Filter { subject, ..of.clone() }, 0, 10).await.unwrap();
    assert_eq!(one.certificates.len(), 0, "the common name stands last or is followed by the number");
    let subject = Some("经办人17".to_owned());
    let one = inventory::search(services, &Filter { subject, ..of.clone() }, 0, 10).await.unwrap();
    assert_eq!((one.certificates.len(), one.next), (1, None));
    let expiring = async |days| {
        let filter = Filter { profile: Some("officer".into()), ..inventory::expiring(NOW, days) };
        inventory::search(services, &filter, 0, 500).await.unwrap().certificates.len()
    };
    let days = (issued[0].not_after.unix() - NOW.unix()) / 86_400;
    let days = u32::try_from(days).unwrap();
    assert_eq!((expiring(days - 1).await, expiring(days + 1).await), (0, 39), "two are revoked");
    let counts = inventory::statistics(services).await.unwrap();
    let officers = counts.iter().filter(|count| count.profile == "officer");
    let officers = officers.map(|count| (count.status.as_str(), count.certificates)).collect::<Vec<_>>();
    assert_eq!(officers, [("active", 39), ("revoked", 2)]);
    let mut file = Vec::new();
    assert_eq!(inventory::export(services, &of, &mut file).await.unwrap().unwrap(), 41);
    let ders = read_pem(std::str::from_utf8(&file).unwrap(), "CERTIFICATE").unwrap();
    assert_eq!(ders.iter().map(|der| sm3(der)).collect::<Vec<_>>(), found);
}

/// As if the process had ended between intent and result.
async fn batches_left_open_are_abandoned_at_the_next_start(
    services: Services,
    place: &Place,
    below: &StoredAuthority,
) -> Services {
    let batch = yinxin::base::id::BatchId::fresh(NOW, &SystemRandom).unwrap();
    let items = [([7; 16], [8; 32]), ([9; 16], [10; 32])];
    let (id, authority) = (&batch, &below.id);
    let intend =
        services.store.run("intend", |tx| Box::pin(issuance_batches::record_intent(tx, id, authority, &items, NOW)));
    intend.await.unwrap();
    let length = events(&services).await.len();
    services.store.close().await;
    let services = place.open().await;
    let new = events(&services).await.split_off(length).into_iter().map(|event| event.body).collect::<Vec<_>>();
    let abandoned = EventBody::IssuanceAbandoned {
        batch,
        reason: AbandonmentReason::Interrupted,
        items: issuance_batches::encode_items(&items),
    };
    assert_eq!(new, [abandoned, EventBody::ServiceStarted { version: env!("CARGO_PKG_VERSION").into() }]);
    assert_eq!(place.count("issuance_batches WHERE state = 'issuing'").await, 0);
    services
}

async fn what_ended_long_ago_is_forgotten(services: &Services, place: &Place) {
    let rows = place.count("issued_certificates").await;
    let least = Retention::years(5).unwrap();
    assert_eq!(inventory::forget(services, least).await.unwrap(), 0);
    let ends = |profile: &str| format!("issued_certificates WHERE profile = '{profile}'");
    assert_eq!(place.count(&ends("officer")).await, 41);
    let mut later = services.clone();
    // Officers' certificates last three years at most, authorities' longer.
    later.clock = Arc::new(FixedClock(NOW.plus_days(3 * 366 + 5 * 366)));
    assert_eq!(inventory::forget(&later, least).await.unwrap(), 41);
    assert_eq!(place.count("issued_certificates").await, rows - 41);
    assert_eq!(inventory::forget(&later, Retention::years(30).unwrap()).await.unwrap(), 0);
}

/// Lets every signature wait, once it is told to: nonces are longer than serial numbers and names.
pub(crate) struct Gate {
    closed: AtomicBool,
    opened: (Mutex<bool>, Condvar),
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { closed: AtomicBool::new(false), opened: (Mutex::new(false), Condvar::new()) })
    }

    pub(crate) fn close(&self) {
        *self.opened.0.lock().unwrap() = false;
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
        *self.opened.0.lock().unwrap() = true;
        self.opened.1.notify_all();
    }
}

impl Random for Gate {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
        if buffer.len() >= 32 && self.closed.load(Ordering::SeqCst) {
            let opened = self.opened.0.lock().unwrap();
            drop(self.opened.1.wait_while(opened, |opened| !*opened).unwrap());
        }
        SystemRandom.fill(buffer)
    }
}

pub(crate) async fn intents(place: &Place, count: i64) {
    while place.count("issuance_batches WHERE state = 'issuing'").await < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn whoever_may_not_issue_issues_nothing(
    services: &Services,
    place: &Place,
    (root, below): (&StoredAuthority, &StoredAuthority),
) {
    let gate = Gate::new();
    let services = Services { random: gate.clone(), ..services.clone() };
    let engine = issuance(&services);
    let start = |number| {
        gate.close();
        let (engine, order) = (engine.clone(), order(below, request(number)));
        tokio::spawn(async move { engine.issue(order).await.map_err(|error| error.code()) })
    };
    let kept = place.count("issued_certificates").await;
    // Suspended after the intent, the key releases nothing.
    let asked = start(50);
    intents(place, 1).await;
    life_cycle::suspend(&services, BY, &below.key, KeySuspensionReason::SuspectedMisuse).await.unwrap();
    gate.open();
    assert_eq!(asked.await.unwrap(), Err("key-suspended"));
    assert_eq!(engine.issue(order(below, request(51))).await.unwrap_err().code(), "key-suspended");
    life_cycle::resume(&services, BY, &below.key).await.unwrap();
    // So does a certificate of the authority that is on hold.
    let asked = start(52);
    intents(place, 1).await;
    change(&services, (BY, None), &below.certificate, Change::Suspend).await.unwrap();
    gate.open();
    assert_eq!(asked.await.unwrap(), Err("authority-not-active"));
    assert_eq!(engine.issue(order(below, request(53))).await.unwrap_err().code(), "authority-not-active");
    change(&services, (BY, None), &below.certificate, Change::Resume).await.unwrap();
    assert_eq!(place.count("issued_certificates").await, kept);
    assert_eq!(place.count("issuance_batches WHERE state = 'issuing'").await, 0);
    let bodies = events(&services).await.into_iter().map(|event| event.body).rev().take(9).collect::<Vec<_>>();
    let ended = bodies.iter().filter(|body| {
        matches!(
            body,
            EventBody::IssuanceAbandoned { reason: AbandonmentReason::KeyFailed | AbandonmentReason::NotKept, .. }
        )
    });
    assert_eq!(ended.count(), 2, "{bodies:?}");

    // Three groups at work and a full queue behind them: the next one is told at once.
    gate.close();
    let mut working = Vec::new();
    for number in 1..=3 {
        let (engine, order) = (engine.clone(), order(below, request(60)));
        working.push(tokio::spawn(async move { engine.issue(order).await }));
        intents(place, number).await;
    }
    let mut waiting = 0;
    let garbage = order(below, vec![0x30, 0]);
    loop {
        match tokio::time::timeout(Duration::ZERO, engine.issue(garbage.clone())).await {
            Err(_) => waiting += 1,
            Ok(Err(Error::IssuanceBusy)) => break,
            Ok(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(waiting, 1024);
    gate.open();
    for one in working {
        one.await.unwrap().unwrap();
    }
    authorities::retire(&services, BY, &root.id).await.unwrap();
    let new = new_authority("late", "intermediate", Some(root));
    let refused = authorities::create(&services, &built_in().unwrap(), BY, &new).await.unwrap_err();
    assert_eq!(refused.code(), "authority-retired");
    // Those below a retired one issue still.
    engine.issue(order(below, request(61))).await.unwrap();
}

/// Reads the whole log: each certificate there has its event, each intent its end.
pub(crate) async fn no_number_stands_twice(services: &Services, place: &Place) {
    let (mut intended, mut issued, mut abandoned) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut names = BTreeSet::new();
    let mut from = 0;
    loop {
        let part = services.store.read(|tx| Box::pin(yinxin::store::audit::read(tx, from, 10_000))).await.unwrap();
        let Some((last, _)) = part.last() else { break };
        from = last + 1;
        for (_, event) in part {
            match event.body {
                EventBody::IssuanceIntended { items, .. } => {
                    for (serial, _) in issuance_batches::decode_items(&items).unwrap() {
                        assert!(intended.insert(serial.to_vec()), "a serial number was intended twice");
                    }
                }
                EventBody::IssuanceAbandoned { items, .. } => {
                    let items = issuance_batches::decode_items(&items).unwrap();
                    abandoned.extend(items.into_iter().map(|(serial, _)| serial.to_vec()));
                }
                EventBody::CertificateIssued { serial, certificate_sm3, .. } => {
                    assert!(issued.insert(serial), "a serial number was issued twice");
                    names.insert(certificate_sm3);
                }
                _ => {}
            }
        }
    }
    assert!(issued.is_disjoint(&abandoned));
    let open = intended.iter().filter(|serial| !issued.contains(*serial) && !abandoned.contains(*serial)).count();
    assert_eq!(open, 0, "each intent has its end");
    assert_eq!(place.count("issuance_batches WHERE state = 'issuing'").await, 0);
    let mut after = 0;
    loop {
        let page = inventory::search(services, &Filter::default(), after, 500).await.unwrap();
        for certificate in &page.certificates {
            assert!(names.contains(&certificate.sm3), "a certificate without its event");
        }
        let Some(next) = page.next else { break };
        after = next;
    }
}

fn source(place: &Place) -> KeySource {
    KeySource::File { path: place.folder.path().join("key"), create: true }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_sign_leaves_an_abandoned_intent() {
    /// Gives so many nonces and keys more.
    struct FailsLater(AtomicUsize);
    impl Random for FailsLater {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomUnavailable> {
            if buffer.len() >= 32 {
                let more = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                more.map_err(|_| RandomUnavailable)?;
            }
            SystemRandom.fill(buffer)
        }
    }
    let folder = Folder::new("authority-no-nonce");
    let place = Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder };
    let random = Arc::new(FailsLater(AtomicUsize::new(usize::MAX)));
    let clock = Arc::new(FixedClock(NOW));
    let services = Services::open(&place.url, &source(&place), clock, random.clone()).await.unwrap();
    let (_, below) = root_and_below(&services).await;
    // The throw-away key signs what is linted, the authority's key does not sign.
    random.0.store(1, Ordering::SeqCst);
    let refused = issuance(&services).issue(order(&below, request(1))).await.unwrap_err();
    assert_eq!(refused.code(), "random-unavailable");
    while place.count("issuance_batches WHERE state = 'abandoned'").await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = events(&services).await.pop().unwrap().body;
    assert!(matches!(last, EventBody::IssuanceAbandoned { reason: AbandonmentReason::KeyFailed, .. }), "{last:?}");
    assert_eq!(place.count("issued_certificates").await, 1);
    let below = new_authority("third", "intermediate", Some(&authorities::list(&services).await.unwrap()[0]));
    let refused = authorities::create(&services, &built_in().unwrap(), BY, &below).await.unwrap_err();
    assert_eq!(refused.code(), "random-unavailable");
    no_number_stands_twice(&services, &place).await;
}
