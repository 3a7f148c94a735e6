//! Persons sign by a key and a certificate of one act: what stands in the rows, the log and the document, what a crash leaves, and
//! what is refused, on both databases.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{AuthorityId, CallerId, RequestId, SignatureId};
use yinxin::base::limits::Limits;
use yinxin::base::random::{Random, RandomUnavailable, SystemRandom};
use yinxin::config::profiles::{self, built_in};
use yinxin::config::verification;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{PublicKey, Signer, sm2};
use yinxin::domain::audit::{AbandonmentReason, Actor, Event, EventBody};
use yinxin::domain::ca::Profiles;
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::seal::person::{AssuranceLevel, PersonRules, StatedPerson};
use yinxin::domain::seal::signing::Placement;
use yinxin::domain::seal::stamp_plan::StampPlan;
use yinxin::domain::trust::public_key;
use yinxin::domain::verify::{Indication, Report, Status};
use yinxin::format::x509::{Certificate, EventBinding};
use yinxin::render::NOTICE;
use yinxin::render::seal::Trust;
use yinxin::service::development::{self, DevelopmentPki};
use yinxin::service::issuance::{Issuance, UnitRole};
use yinxin::service::keys::KeySource;
use yinxin::service::person_signings::{self, Means, PersonOrder, PersonSettings};
use yinxin::service::seals::{self, Sealed};
use yinxin::service::stamping::Stamping;
use yinxin::service::verification::{Verification, sm3_hex};
use yinxin::service::{Error, Services, idempotency, inventory};
use yinxin::store::person_signings::{PersonSigningState, StoredPersonSigning};

use crate::service::installation::{NOW, Place, events};
use crate::service::registration::{Hands, person};
use crate::service::signing::order as seal_order;
use crate::service::stamping::{Told, options, start};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("person-signings");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    Box::pin(contract(Place { url, folder })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("persons who sign on PostgreSQL", "PostgreSQL") };
    Box::pin(contract(Place { url: server.url.clone(), folder: Folder::new("person-signings-postgres") })).await;
}

/// The system's randomness, and all that it gave.
pub(crate) struct Watched(Mutex<Vec<Vec<u8>>>);

impl Random for Watched {
    fn fill(&self, octets: &mut [u8]) -> Result<(), RandomUnavailable> {
        SystemRandom.fill(octets)?;
        self.0.lock().unwrap().push(octets.to_vec());
        Ok(())
    }
}

/// A counter where persons sign.
pub(crate) struct Counter {
    services: Services,
    hands: Arc<Hands>,
    watched: Arc<Watched>,
    profiles: Profiles,
    pki: DevelopmentPki,
    stamping: Stamping,
    caller: Actor,
    id: CallerId,
}

fn settings() -> PersonSettings {
    let rules = PersonRules {
        authority: AuthorityId::parse("development-authority").unwrap(),
        least_level: AssuranceLevel::new(4).unwrap(),
        minutes: 10,
        proof_minutes: 30,
    };
    PersonSettings { rules, pictures: Trust::Development }
}

/// A wavy line, as a hand draws it.
pub(crate) fn handwriting() -> Vec<u8> {
    let mut pixmap = resvg::tiny_skia::Pixmap::new(600, 240).unwrap();
    for (at, pixel) in (0_u32..).zip(pixmap.data_mut().chunks_exact_mut(4)) {
        let (x, y) = (f64::from(at % 600), f64::from(at / 600));
        let wave = 120.0 + 80.0 * (x / 40.0).sin();
        let inked = (30.0..570.0).contains(&x) && (y - wave).abs() < 9.0;
        pixel.copy_from_slice(if inked { &[25, 25, 30, 255] } else { &[250, 250, 252, 255] });
    }
    pixmap.encode_png().unwrap()
}

fn at(page: u32, x_mm: f64) -> StampPlan {
    Placement { page, x_mm, y_mm: 240.0, lock: false }.into()
}

fn stated(person: &str) -> StatedPerson {
    StatedPerson {
        name: format!("样章人{person}"),
        person: format!("p-{person}"),
        level: AssuranceLevel::new(4).unwrap(),
        procedure: "live-face".into(),
        proven_at: NOW.plus_seconds(-60),
    }
}

pub(crate) fn order(document: &[u8], x_mm: f64) -> PersonOrder {
    PersonOrder {
        document: document.to_vec(),
        plan: at(1, x_mm),
        handwriting: handwriting(),
        size_mm: (30, 12),
        person: stated("1"),
        idempotency_key: None,
    }
}

impl Counter {
    async fn open(place: &Place) -> Self {
        let (services, hands, watched) = Self::services(&place.url, place.folder.path()).await;
        let profiles = built_in().unwrap();
        let pki = development::ensure(&services, &profiles).await.unwrap();
        let issuance = Issuance::start(services.clone(), Arc::new(profiles.clone()));
        development::ensure_unit(&services, &issuance, &pki, UnitRole::TimeStamping).await.unwrap();
        let stamping = start(&services, options(&Told::new())).await;
        let id = person(&services, &[Role::PersonSigner]).await.id;
        let caller = Actor::Caller { id: id.clone(), roles: Roles::new([Role::PersonSigner]).unwrap() };
        Self { services, hands, watched, profiles, pki, stamping, caller, id }
    }

    pub(crate) async fn services(url: &str, folder: &Path) -> (Services, Arc<Hands>, Arc<Watched>) {
        let source = KeySource::File { path: folder.join("key"), create: true };
        let hands = Arc::new(Hands(AtomicI64::new(NOW.unix())));
        let watched = Arc::new(Watched(Mutex::default()));
        let services = Services::open(url, &source, hands.clone(), Arc::<Watched>::clone(&watched)).await;
        (services.unwrap().with_persons(Some(settings())), hands, watched)
    }

    async fn sign_as(&self, by: &Actor, request: Option<&RequestId>, order: PersonOrder) -> Result<Sealed, Error> {
        let means = Means { profiles: &self.profiles, stamping: Some(&self.stamping) };
        person_signings::sign(&self.services, means, (by, request), order).await
    }

    async fn sign(&self, order: PersonOrder) -> Result<Sealed, Error> {
        self.sign_as(&self.caller, None, order).await
    }

    async fn unstamped(&self, order: PersonOrder) -> Sealed {
        let means = Means { profiles: &self.profiles, stamping: None };
        person_signings::sign(&self.services, means, (&self.caller, None), order).await.unwrap()
    }

    async fn refused(&self, change: impl FnOnce(&mut PersonOrder)) -> &'static str {
        let mut order = order(NOTICE, 20.0);
        change(&mut order);
        self.sign(order).await.unwrap_err().code()
    }

    fn judge(&self, document: &[u8], policy: &str, now: Timestamp) -> Report {
        let policy = verification::built_in(policy, &sm3_hex).unwrap();
        let mut judge = Verification::new(policy, now, Limits::DEFAULT);
        judge.add_anchors(&self.pki.root, "root").unwrap();
        judge.add_evidence(&self.pki.authority, "authority").unwrap();
        judge.judge("document.ofd", document, None)
    }

    async fn row(&self, id: &SignatureId) -> StoredPersonSigning {
        let find = self.services.store.read(|tx| Box::pin(yinxin::store::person_signings::find(tx, id)));
        find.await.unwrap().unwrap()
    }
}

/// The checks share one database and run in this order.
async fn contract(place: Place) {
    let counter = Counter::open(&place).await;
    a_person_signs_and_the_seal_comes_beside(&counter, &place).await;
    two_persons_and_two_seals_stand_on_one_document(&counter).await;
    behind_its_certificate_a_signature_stands_by_its_time_stamp(&counter).await;
    what_is_not_allowed_leaves_nothing(&counter, &place).await;
    one_key_gets_one_signature(&counter, &place).await;
    what_breaks_off_anywhere_releases_nothing(&counter, &place).await;
    what_a_crash_left_open_is_abandoned(&counter, &place).await;
}

async fn a_person_signs_and_the_seal_comes_beside(counter: &Counter, place: &Place) {
    let services = &counter.services;
    let (before, keys) = (events(services).await.len(), place.count("keys").await);
    counter.watched.0.lock().unwrap().clear();
    let request = RequestId::parse("request-1").unwrap();
    let signed = counter.sign_as(&counter.caller, Some(&request), order(NOTICE, 20.0)).await.unwrap();
    assert_eq!(signed.signed_at, NOW);

    let report = counter.judge(&signed.document, "default", NOW);
    let [signature] = report.signatures.as_slice() else { panic!("{report:?}") };
    assert_eq!(signature.indication, Indication::TotalPassed, "{:?}", signature.reasons);
    let event = signature.details.event.clone().unwrap();
    assert_eq!((event.bound, event.level.unwrap().number()), (Status::Ok, 4));
    assert_eq!(event.transaction.as_deref(), Some(signed.signature.as_str()));
    assert_eq!((event.procedure.as_deref(), event.person.as_deref()), (Some("live-face"), Some("p-1")));
    assert_eq!(signature.details.proved_time.map(|at| at.unix() / 10), Some(NOW.unix() / 10));
    assert_eq!(signature.coverage.code, "full");
    let seal = signature.seal_summary.clone().unwrap();
    assert_eq!((seal.es_id.as_str(), seal.name.as_str()), (signed.signature.as_str(), "样章人1"));
    // A policy that wants to know of revocation knows that nobody tells of this certificate.
    let strict = counter.judge(&signed.document, "strict", NOW);
    assert!(strict.signatures[0].revocation.evidence.iter().any(|line| line.contains("ends by itself")), "{strict:?}");

    // Rows and log: intent, certificate, result; nothing of the person but the level and how it was proven.
    let row = counter.row(&signed.signature).await;
    let PersonSigningState::Signed { certificate_sm3, result_sm3, .. } = row.state else { panic!("{row:?}") };
    assert_eq!((row.level.number(), result_sm3, row.document_sm3), (4, sm3(&signed.document), sm3(NOTICE)));
    let new = events(services).await.split_off(before);
    let names = new.iter().map(|event| event.class().name()).collect::<Vec<_>>();
    let expected =
        ["person-signing-intended", "issuance-intended", "time-stamps-issued", "certificate-issued", "person-signed"];
    assert_eq!(names, expected);
    let of_ours = |event: &&Event| !matches!(event.body, EventBody::TimeStampsIssued { .. });
    assert!(new.iter().filter(of_ours).all(|event| event.actor == counter.caller));
    assert!(new.iter().all(|event| !event.to_der().windows(9).any(|window| window == "样章人".as_bytes())));
    let certificate = inventory::find(services, &certificate_sm3).await.unwrap();
    assert_eq!(certificate.not_after, NOW.plus_seconds(600));
    let read = Certificate::parse(&certificate.der).unwrap();
    let binding = EventBinding::of(&read).unwrap().unwrap();
    assert_eq!(binding.statement.unwrap().transaction, signed.signature);

    // The key is in no row and in no file.
    assert_eq!(place.count("keys").await, keys);
    let Some(PublicKey::Sm2(public)) = public_key(&read.public_key) else { panic!("no SM2 key") };
    let given = counter.watched.0.lock().unwrap().clone();
    let is_key = |octets: &&Vec<u8>| {
        let key = sm2::PrivateKey::from_bytes(octets);
        key.is_ok_and(|key| Signer::public_key(&key) == PublicKey::Sm2(public))
    };
    let private = given.iter().find(is_key).unwrap().clone();
    let mut files = 0;
    for file in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = file.unwrap().path();
        let Ok(octets) = std::fs::read(&path) else { continue };
        files += 1;
        assert!(!octets.windows(32).any(|window| window == private), "{}", path.display());
    }
    assert!(files >= 1, "{files} files were looked at");

    // The organisation's seal stands beside it, and touches nothing that the person signed.
    let sealed = seals::sign(services, &Actor::Operator, None, &counter.pki.seals[0].id, seal_order(&signed.document));
    let report = counter.judge(&sealed.await.unwrap().document, "default", NOW);
    let passed = report.signatures.iter().map(|one| (one.indication, one.details.event.is_some())).collect::<Vec<_>>();
    assert_eq!(passed, [(Indication::TotalPassed, true), (Indication::TotalPassed, false)]);
}

async fn two_persons_and_two_seals_stand_on_one_document(counter: &Counter) {
    let first = counter.sign(order(NOTICE, 20.0)).await.unwrap().document;
    let second = PersonOrder { person: stated("2"), ..order(&first, 60.0) };
    let mut document = counter.sign(second).await.unwrap().document;
    for seal in &counter.pki.seals[..2] {
        let order = seal_order(&document);
        document = seals::sign(&counter.services, &Actor::Operator, None, &seal.id, order).await.unwrap().document;
    }
    let report = counter.judge(&document, "default", NOW);
    assert_eq!(report.indication, Indication::TotalPassed);
    let persons = report.signatures.iter().map(|one| one.details.event.as_ref().and_then(|one| one.person.as_deref()));
    assert_eq!(persons.collect::<Vec<_>>(), [Some("p-1"), Some("p-2"), None, None]);
    assert!(report.signatures.iter().all(|one| one.indication == Indication::TotalPassed));
}

async fn behind_its_certificate_a_signature_stands_by_its_time_stamp(counter: &Counter) {
    let later = NOW.plus_seconds(3600);
    let stamped = counter.sign(order(NOTICE, 20.0)).await.unwrap().document;
    let verdict = |document: &[u8], at| {
        let report = counter.judge(document, "default", at);
        (report.signatures[0].indication, report.signatures[0].code.clone())
    };
    let passed = (Indication::TotalPassed, "passed".to_owned());
    assert_eq!((verdict(&stamped, NOW), verdict(&stamped, later)), (passed.clone(), passed.clone()));
    let without = counter.unstamped(order(NOTICE, 20.0)).await.document;
    assert_eq!(verdict(&without, NOW), passed);
    assert_eq!(verdict(&without, later), (Indication::Indeterminate, "no-proof-of-time".to_owned()));
}

async fn what_is_not_allowed_leaves_nothing(counter: &Counter, place: &Place) {
    let rows = async || (place.count("person_signings").await, place.count("issuance_batches").await);
    let before = (rows().await, events(&counter.services).await.len());
    let three = AssuranceLevel::new(3).unwrap();
    assert_eq!(counter.refused(|order| order.person.level = three).await, "assurance-level-too-low");
    let (old, ahead) = (NOW.plus_seconds(-1801), NOW.plus_seconds(61));
    assert_eq!(counter.refused(|order| order.person.proven_at = old).await, "identity-proof-too-old");
    assert_eq!(counter.refused(|order| order.person.proven_at = ahead).await, "identity-proof-in-future");
    assert_eq!(counter.refused(|order| order.person.person = "甲".into()).await, "person-code");
    let number = || "11010519491231002X".to_owned();
    assert_eq!(counter.refused(|order| order.person.person = number()).await, "person-identity-number");
    assert_eq!(counter.refused(|order| order.person.name = number()).await, "person-identity-number");
    assert_eq!(counter.refused(|order| order.person.name = " 甲".into()).await, "attribute-form");
    assert_eq!(counter.refused(|order| order.plan.lock = true).await, "person-lock");
    assert_eq!(counter.refused(|order| order.plan = at(99, 20.0)).await, "page-unknown");
    assert_eq!(counter.refused(|order| order.plan = at(1, 200.0)).await, "stamp-outside");
    assert_eq!(counter.refused(|order| order.document = b"none".to_vec()).await, "zip-malformed");
    assert_eq!(counter.refused(|order| order.handwriting = b"<svg/>".to_vec()).await, "picture-drawing");
    assert_eq!(counter.refused(|order| order.handwriting = vec![0; 9]).await, "picture-format");
    assert_eq!(counter.refused(|order| order.size_mm = (81, 12)).await, "picture-size");
    let roles = Roles::new([Role::SealUser, Role::SealAdministrator]).unwrap();
    for stranger in [Actor::Caller { id: counter.id.clone(), roles }, Actor::Anonymous] {
        let refused = counter.sign_as(&stranger, None, order(NOTICE, 20.0)).await.unwrap_err();
        assert_eq!(refused.code(), "not-person-signer");
    }
    let off = counter.services.clone().with_persons(None);
    let means = Means { profiles: &counter.profiles, stamping: None };
    let refused = person_signings::sign(&off, means, (&counter.caller, None), order(NOTICE, 20.0)).await;
    assert_eq!(refused.unwrap_err().code(), "person-signing-off");
    let mut elsewhere = settings();
    elsewhere.rules.authority = AuthorityId::parse("nobody").unwrap();
    let elsewhere = counter.services.clone().with_persons(Some(elsewhere));
    let refused = person_signings::sign(&elsewhere, means, (&counter.caller, None), order(NOTICE, 20.0)).await;
    assert_eq!(refused.unwrap_err().code(), "unknown-authority");
    let approved = profiles::in_force(None, &["event".to_owned()]).unwrap();
    let means = Means { profiles: &approved, stamping: None };
    let refused = person_signings::sign(&counter.services, means, (&counter.caller, None), order(NOTICE, 20.0)).await;
    assert_eq!(refused.unwrap_err().code(), "approval-needed");
    assert_eq!((rows().await, events(&counter.services).await.len()), before);
}

async fn one_key_gets_one_signature(counter: &Counter, place: &Place) {
    let with = |key: &str, change: &dyn Fn(&mut PersonOrder)| {
        let mut order = PersonOrder { idempotency_key: Some(key.into()), ..order(NOTICE, 20.0) };
        change(&mut order);
        counter.sign(order)
    };
    let before = place.count("person_signings").await;
    let first = with("k", &|_| {}).await.unwrap();
    assert_eq!(with("k", &|_| {}).await.unwrap(), first);
    let changes: [&dyn Fn(&mut PersonOrder); 5] = [
        &|order| order.person = stated("2"),
        &|order| order.person.level = AssuranceLevel::new(5).unwrap(),
        &|order| order.plan = at(1, 21.0),
        &|order| order.size_mm = (31, 12),
        &|order| order.handwriting.push(0),
    ];
    for change in changes {
        assert_eq!(with("k", change).await.unwrap_err().code(), "idempotency-key-reused");
    }
    // What failed leaves its key free.
    assert_eq!(with("l", &|order| order.plan = at(99, 20.0)).await.unwrap_err().code(), "page-unknown");
    with("l", &|_| {}).await.unwrap();
    assert_eq!(place.count("person_signings").await, before + 2);
    counter.hands.0.fetch_add(7200, Ordering::SeqCst);
    // Hours later the answer is the same one, though nobody could sign by that proof any more.
    assert_eq!(with("k", &|_| {}).await.unwrap(), first);
    // Until it is kept no longer: then the same key is a new request.
    assert_eq!(idempotency::forget(&counter.services, 2).await.unwrap(), 0);
    assert_eq!(with("k", &|_| {}).await.unwrap(), first);
    assert_eq!(idempotency::forget(&counter.services, 1).await.unwrap(), 2);
    assert_eq!(with("k", &|_| {}).await.unwrap_err().code(), "identity-proof-too-old");
    counter.hands.0.fetch_add(-7200, Ordering::SeqCst);
}

/// Nothing can be written to that table.
pub(crate) async fn closed(place: &Place, table: &str, event: &str) {
    if place.is_sqlite() {
        let sql = format!(
            "CREATE TRIGGER closed BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, 'closed by the test'); END"
        );
        place.by_hand(&sql).await;
        return;
    }
    let function = "CREATE OR REPLACE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS $$ \
                    BEGIN RAISE EXCEPTION 'closed by the test'; END $$";
    place.by_hand(function).await;
    place
        .by_hand(&format!("CREATE TRIGGER closed BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION closed()"))
        .await;
}

pub(crate) async fn opened(place: &Place, table: &str) {
    let behind = if place.is_sqlite() { String::new() } else { format!(" ON {table}") };
    place.by_hand(&format!("DROP TRIGGER closed{behind}")).await;
}

async fn what_breaks_off_anywhere_releases_nothing(counter: &Counter, place: &Place) {
    let certificates = "issued_certificates WHERE profile = 'event'";
    let counts = async || {
        let signed = place.count("person_signings WHERE state = 'signed'").await;
        (signed, place.count(certificates).await, place.count("outbox WHERE topic = 'person-signed'").await)
    };
    let before = counts().await;
    let ordered = || PersonOrder { idempotency_key: Some("broken".into()), ..order(NOTICE, 20.0) };
    // In the order in which they are written.
    for (table, event, intended) in [
        ("person_signings", "INSERT", false),
        ("issuance_batches", "INSERT", true),
        ("issued_certificates", "INSERT", true),
        ("person_signings", "UPDATE", true),
        ("outbox", "INSERT", true),
    ] {
        let length = events(&counter.services).await.len();
        closed(place, table, event).await;
        let refused = counter.sign(ordered()).await.unwrap_err();
        opened(place, table).await;
        assert!(["database", "contended"].contains(&refused.code()), "{table}: {refused:?}");
        assert_eq!(counts().await, before, "{table}");
        let new = events(&counter.services).await.split_off(length);
        let names = new.iter().map(|event| event.class().name()).collect::<Vec<_>>();
        assert_eq!(names.contains(&"person-signing-intended"), intended, "{table}: {names:?}");
        assert!(!names.contains(&"person-signed") && !names.contains(&"certificate-issued"), "{names:?}");
        // Where even that could not be written, the next start does it.
        if intended && (table, event) != ("person_signings", "UPDATE") {
            assert!(names.contains(&"person-signing-abandoned"), "{table}: {names:?}");
        }
    }
    // The same order is done once now: one signature, one certificate.
    counter.sign(ordered()).await.unwrap();
    assert_eq!(counts().await, (before.0 + 1, before.1 + 1, before.2 + 1));
}

async fn what_a_crash_left_open_is_abandoned(counter: &Counter, place: &Place) {
    // Of the one that could not be closed.
    assert_eq!(place.count("person_signings WHERE state = 'signing'").await, 1);
    let length = events(&counter.services).await.len();
    let (services, ..) = Counter::services(&place.url, place.folder.path()).await;
    let new = events(&services).await.split_off(length);
    let [closing, started] = new.as_slice() else { panic!("{new:?}") };
    let reason = AbandonmentReason::Interrupted;
    assert!(matches!(&closing.body, EventBody::PersonSigningAbandoned { reason: found, .. } if *found == reason));
    assert_eq!(started.class().name(), "service-started");
    assert_eq!(place.count("person_signings WHERE state = 'signing'").await, 0);
    let EventBody::PersonSigningAbandoned { signature, .. } = &closing.body else { panic!("{closing:?}") };
    let row = counter.row(signature).await;
    assert!(matches!(row.state, PersonSigningState::Abandoned { .. }), "{row:?}");
}
