//! Seals of the national system: ordered, waited for, compared, kept in step both ways; and what goes wrong on the way.

use std::net::SocketAddr;
use std::time::Duration;

use yinxin::crypto::{PublicKey, Signer as _, sm2};
use yinxin::domain::audit::misuse::Misuse;
use yinxin::domain::audit::{AlarmKind, EventBody};
use yinxin::domain::trust::TrustAnchors;
use yinxin::domain::verify::address::Address;
use yinxin::service::alarms;
use yinxin::service::offices::sending::{Attended, attend};
use yinxin::service::offices::{self, MakerOffice, NATIONAL_MAKER, Office as Place_, Offices};
use yinxin::service::outside::exchange::Correspondent;
use yinxin::service::prepared_signings;
use yinxin::service::watching::Watch;
use yinxin::store::seal_orders;

use super::client::request;
use super::office::{Fault, OfficeDouble, Unfit, Work};
use super::*;

/// Seconds from one question to the next, and until a silence is alarmed.
const EVERY: i64 = 30;
const SILENT: i64 = 3600;

/// An office whose seals of type 1 the national system makes.
struct Scene {
    office: Office,
    there: OfficeDouble,
}

impl Scene {
    async fn open(place: &Place) -> Self {
        let services = place.open().await;
        let mut office = Office::open(services).await;
        let there = OfficeDouble::open(office.hands.clone()).await;
        there.desk.lock().unwrap().correspondent = Some(exchange_key(&office.services).await);
        office.services = office.services.clone().with_offices(offices_of(&there));
        office.maker().await;
        seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 900)).await.unwrap();
        Self { office, there }
    }

    fn wanted(&self, number: usize, key: KeyId) -> Wanted {
        Wanted { maker: Maker::National, ..self.office.wanted(number, key) }
    }

    async fn make(&self, number: usize) -> NewApplication {
        self.office.asks(Purpose::Make(Box::new(self.wanted(number, self.office.key().await))))
    }

    async fn attend(&self) -> Attended {
        attend(&self.office.services, &self.office.profiles, NATIONAL_MAKER).await.unwrap()
    }

    fn wait(&self, seconds: i64) {
        self.office.hands.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Looks until nothing is to be said for a while.
    async fn settle(&self) {
        for _ in 0..12 {
            self.attend().await;
            self.wait(1000);
        }
    }

    async fn fulfil(&self, id: &ApplicationId) -> &'static str {
        match self.office.fulfil(id).await {
            Ok(fulfilled) => fulfilled.state.name(),
            Err(error) => error.code(),
        }
    }

    /// An approved application whose order waits to be sent.
    async fn ordered(&self, number: usize) -> ApplicationId {
        let id = self.office.approved(self.make(number).await).await;
        assert_eq!(self.fulfil(&id).await, "seal-ordered");
        id
    }

    /// A seal in use.
    async fn seal(&self, number: usize) -> (ApplicationId, SealId) {
        let id = self.ordered(number).await;
        self.settle().await;
        let seal = self.seal_of(&id).await;
        assert_eq!(self.office.deliver(&seal, &self.office.keeper).await.unwrap(), "active");
        self.settle().await;
        (id, seal)
    }

    async fn seal_of(&self, id: &ApplicationId) -> SealId {
        let page = seal_delivery::list(&self.office.services, None, 500).await.unwrap();
        page.seals.into_iter().find(|known| known.record.origin.application() == Some(id)).unwrap().record.seal
    }

    /// What was reported about a subject, by code.
    async fn reported(&self, subject: &str) -> Vec<String> {
        let told = events(&self.office.services).await.into_iter().filter_map(|event| match event.body {
            EventBody::OfficeAnswerRefused { subject: about, code, .. } if about == subject => Some(code),
            _ => None,
        });
        told.collect()
    }

    async fn ended(&self, id: &ApplicationId) -> Vec<String> {
        let told = events(&self.office.services).await.into_iter().filter_map(|event| match event.body {
            EventBody::OrderEnded { application, outcome, .. } if application == *id => Some(outcome),
            _ => None,
        });
        told.collect()
    }
}

/// A key that signs messages; gives its public key.
pub(crate) async fn exchange_key(services: &Services) -> PublicKey {
    let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::Exchange, KeyAlgorithm::Sm2);
    let key = making::generate(services, BY, KeyLocation::Software, &attributes).await.unwrap();
    let (id, now) = (&key.id, services.clock.now());
    let steps = services.store.read(|tx| Box::pin(services.keys.signer(tx, id, KeyPurpose::Exchange, now)));
    steps.await.unwrap().public_key()
}

fn offices_of(there: &OfficeDouble) -> Offices {
    makes(1, there.address, &there.root, there.public_key.clone())
}

/// An office at that address, with that root and key, that makes seals of one type.
pub(crate) fn makes(kind: u8, address: SocketAddr, root: &[u8], key: PublicKey) -> Offices {
    let address = Address::parse(&format!("http://{address}/orders")).unwrap();
    let mut trust = TrustAnchors::none();
    trust.add_anchors(root, "national").unwrap();
    let correspondent = Correspondent::new(address, None, key);
    let office = Place_ {
        correspondent,
        every: Duration::from_secs(EVERY.unsigned_abs()),
        silent: Duration::from_secs(SILENT.unsigned_abs()),
    };
    let maker = MakerOffice { office, kinds: vec![kind], trust: Arc::new(trust) };
    Offices { maker: Some(maker), filing: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("national-maker");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("seals of the national system on PostgreSQL", "PostgreSQL");
    };
    contract(Place { url: server.url.clone(), folder: Folder::new("national-maker-postgres") }).await;
}

/// The checks share one database and run in this order.
async fn contract(place: Place) {
    let scene = Scene::open(&place).await;
    the_type_says_who_makes(&scene).await;
    a_seal_is_ordered_waited_for_and_used(&scene).await;
    every_fault_costs_time_and_nothing_else(&scene).await;
    what_does_not_fit_is_refused_and_cancelled_there(&scene).await;
    a_refusal_ends_the_order(&scene).await;
    what_is_withdrawn_is_cancelled_there(&scene).await;
    a_seal_waits_until_its_approvals_hold_again(&scene).await;
    both_sides_stay_in_step(&scene).await;
    a_clients_key_goes_there_too(&scene).await;
    a_silence_is_alarmed_and_loses_nothing(&scene).await;
    an_order_that_is_put_back_or_deleted_is_refused(&scene, &place).await;
    an_order_changed_by_hand_is_refused(&scene, &place).await;
    Box::pin(a_changed_order_stops_no_other(&scene, &place)).await;
    Box::pin(what_ended_long_ago_is_forgotten(&scene, &place)).await;
    // Every message was signed as it must be.
    assert_eq!(scene.there.turned_away(), Vec::<&str>::new());
}

async fn the_type_says_who_makes(scene: &Scene) {
    let office = &scene.office;
    // Type 1 is the national system's here, and no other.
    assert_eq!(office.refused(office.make(1).await).await, "seal-maker");
    let mut second = scene.wanted(1, office.key().await);
    (second.kind, second.name) = (2, "样章市试验局1财务专用章".into());
    assert_eq!(office.refused(office.asks(Purpose::Make(Box::new(second)))).await, "seal-maker");
    let without = Office { services: office.services.clone().with_offices(Offices::default()), ..clone(office) };
    assert_eq!(without.refused(scene.make(1).await).await, "no-seal-maker");
}

/// The same office: persons and places are shared.
fn clone(office: &Office) -> Office {
    Office {
        services: office.services.clone(),
        hands: office.hands.clone(),
        profiles: office.profiles.clone(),
        issuance: office.issuance.clone(),
        root: office.root.clone(),
        below: office.below.clone(),
        applicant: office.applicant.clone(),
        checker: office.checker.clone(),
        approver: office.approver.clone(),
        keeper: office.keeper.clone(),
        clerk: office.clerk.clone(),
        picture: office.picture.clone(),
    }
}

async fn a_seal_is_ordered_waited_for_and_used(scene: &Scene) {
    let (office, there) = (&scene.office, &scene.there);
    there.desk.lock().unwrap().delay = 2;
    let before = events(&office.services).await.len();
    let id = scene.ordered(2).await;
    assert_eq!(scene.fulfil(&id).await, "seal-ordered");
    assert_eq!(scene.attend().await, Attended { answered: 1, ..Attended::default() });
    // It is not asked before its time.
    assert_eq!(scene.attend().await, Attended::default());
    scene.wait(EVERY);
    assert_eq!(scene.attend().await.answered, 1);
    scene.wait(EVERY);
    let done = scene.attend().await;
    assert_eq!((done.answered, done.kept), (1, 1));
    assert_eq!((there.count(id.as_str(), "order"), there.count(id.as_str(), "ask")), (1, 2));
    assert_eq!(scene.fulfil(&id).await, "request-state");
    let seal = scene.seal_of(&id).await;
    assert_eq!(office.sign(&seal).await, Err("seal-not-delivered"));
    assert_eq!(office.deliver(&seal, &office.keeper).await.unwrap(), "active");
    office.sign(&seal).await.unwrap();
    let told = events(&office.services).await.split_off(before);
    let names = told.iter().map(|event| event.class().name()).filter(|name| name.starts_with("seal-"));
    let expected = [
        "seal-application-submitted",
        "seal-making-intended",
        "seal-ordered",
        "seal-received",
        "seal-application-fulfilled",
        "seal-delivered",
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    let Some(Work::Made { seal: made, .. }) = there.work(id.as_str()) else { panic!("not made") };
    assert_eq!(seal_delivery::find(&office.services, &seal).await.unwrap().seal.seal_der, made);
    there.desk.lock().unwrap().delay = 0;
}

async fn every_fault_costs_time_and_nothing_else(scene: &Scene) {
    let faults = [
        (Fault::Silence, None),
        (Fault::LoseAnswer, None),
        (Fault::OtherKey, Some("office-signature")),
        (Fault::OtherSubject, Some("answer-of-another")),
        (Fault::OtherName, Some("answer-of-another")),
        (Fault::Malformed, Some("answer-malformed")),
        (Fault::Redirect, None),
        (Fault::Huge, None),
    ];
    for (number, (fault, code)) in (10..).zip(faults) {
        let id = scene.ordered(number).await;
        // Decisions of the office are asked for first, so that the fault meets the order.
        scene.there.fault(fault);
        let attended = scene.attend().await;
        assert_eq!(attended.kept, 0, "{fault:?}");
        assert_eq!(scene.fulfil(&id).await, "seal-ordered", "{fault:?}");
        assert_eq!(scene.reported(id.as_str()).await, code.into_iter().collect::<Vec<_>>(), "{fault:?}");
        scene.settle().await;
        assert_eq!(scene.office.state(&scene.seal_of(&id).await).await, "made", "{fault:?}");
    }
    // What the office says of an order that it had is compared with what it said before.
    for (number, fault, code) in [(20, Fault::OtherNumber, "answer-other-number"), (21, Fault::Forgets, "")] {
        scene.there.desk.lock().unwrap().delay = 1;
        let id = scene.ordered(number).await;
        scene.attend().await;
        scene.wait(EVERY);
        scene.there.fault(fault);
        scene.attend().await;
        let codes = scene.reported(id.as_str()).await;
        assert_eq!(codes, [code].into_iter().filter(|code| !code.is_empty()).collect::<Vec<_>>(), "{fault:?}");
        scene.settle().await;
        assert_eq!(scene.office.state(&scene.seal_of(&id).await).await, "made", "{fault:?}");
        scene.there.desk.lock().unwrap().delay = 0;
    }
}

async fn what_does_not_fit_is_refused_and_cancelled_there(scene: &Scene) {
    let unfit = [
        (Unfit::Name, "arrival-name"),
        (Unfit::Picture, "arrival-picture"),
        (Unfit::Code, "arrival-code"),
        (Unfit::Size, "arrival-size"),
        (Unfit::Longer, "arrival-validity"),
        (Unfit::OtherSigner, "certificate-of-another-key"),
        (Unfit::StrangeMaker, "arrival-untrusted"),
    ];
    for (number, (unfit, code)) in (30..).zip(unfit) {
        let id = scene.ordered(number).await;
        scene.there.desk.lock().unwrap().unfit = Some(unfit);
        assert_eq!(scene.attend().await.kept, 0, "{unfit:?}");
        assert_eq!(scene.ended(&id).await, [code], "{unfit:?}");
        assert_eq!(scene.fulfil(&id).await, "seal-order-ended", "{unfit:?}");
        scene.settle().await;
        assert_eq!(scene.there.work(id.as_str()), Some(Work::Cancelled), "{unfit:?}");
        // The application is there still, and its officers end it.
        scene.office.withdraw(&id, &scene.office.applicant).await.unwrap();
        assert_eq!(scene.ended(&id).await.len(), 1, "{unfit:?}");
    }
}

async fn a_refusal_ends_the_order(scene: &Scene) {
    scene.there.desk.lock().unwrap().refuses = Some("name-taken".to_owned());
    let id = scene.ordered(40).await;
    scene.attend().await;
    assert_eq!((scene.fulfil(&id).await, scene.ended(&id).await), ("seal-order-ended", vec!["refused".to_owned()]));
    scene.settle().await;
    assert_eq!(scene.there.count(id.as_str(), "order"), 1);
    scene.office.withdraw(&id, &scene.office.applicant).await.unwrap();
    scene.settle().await;
    assert_eq!(scene.there.count(id.as_str(), "cancel"), 0);
}

async fn what_is_withdrawn_is_cancelled_there(scene: &Scene) {
    let (office, there) = (&scene.office, &scene.there);
    // Before it was sent; while it is made; after it was made and the answer was lost.
    for (number, delay, fault) in [(50, 0, None), (51, 3, None), (52, 0, Some(Fault::LoseAnswer))] {
        there.desk.lock().unwrap().delay = delay;
        let id = scene.ordered(number).await;
        if number > 50 {
            if let Some(fault) = fault {
                there.fault(fault);
            }
            scene.attend().await;
        }
        office.withdraw(&id, &office.applicant).await.unwrap();
        assert_eq!(scene.ended(&id).await, ["application-ended"], "{number}");
        assert_eq!(scene.fulfil(&id).await, "request-state");
        scene.settle().await;
        assert_eq!(there.work(id.as_str()), Some(Work::Cancelled), "{number}");
        assert_eq!(there.count(id.as_str(), "cancel"), 1, "{number}");
        there.desk.lock().unwrap().delay = 0;
    }
}

async fn a_seal_waits_until_its_approvals_hold_again(scene: &Scene) {
    let office = &scene.office;
    let id = scene.ordered(60).await;
    seal_officers::dismiss(&office.services, (BY, None), &office.approver.id).await.unwrap();
    assert_eq!(scene.attend().await.kept, 0);
    assert_eq!(scene.fulfil(&id).await, "approver-gone");
    let role = (OfficerRole::Approver, &division("33"));
    seal_officers::appoint(&office.services, (BY, None), &office.approver.id, role).await.unwrap();
    // It lies here: nothing more is asked for.
    assert_eq!((scene.attend().await.kept, scene.there.count(id.as_str(), "order")), (1, 1));
}

async fn both_sides_stay_in_step(scene: &Scene) {
    let (office, there) = (&scene.office, &scene.there);
    let (id, seal) = scene.seal(70).await;
    let state = |expected: &str| assert_eq!(there.state(id.as_str()).as_deref(), Some(expected));
    state("active");
    office.suspend(&seal, &office.applicant).await.unwrap();
    state("active");
    there.fault(Fault::LoseAnswer);
    scene.settle().await;
    state("suspended");
    let resume = office.approved(office.asks(Purpose::Resume { seal: seal.clone() })).await;
    assert_eq!(scene.fulfil(&resume).await, "active");
    // Two changes at once arrive in their order.
    office.suspend(&seal, &office.applicant).await.unwrap();
    scene.settle().await;
    state("suspended");
    let told = there.desk.lock().unwrap().heard.clone();
    let told = told.iter().filter(|(about, kind, _)| *about == id.as_str() && *kind == "state");
    let told = told.map(|(.., detail)| detail.as_str()).collect::<Vec<_>>();
    assert_eq!(told, ["active", "suspended", "suspended", "active", "suspended"]);

    // The other way round: the office decides.
    let (other, second) = scene.seal(71).await;
    let decide =
        |subject: &str, state: &str| there.desk.lock().unwrap().changes.push((subject.to_owned(), String::from(state)));
    decide(other.as_str(), "suspended");
    decide(id.as_str(), "active");
    decide("nobody", "cancelled");
    scene.settle().await;
    assert_eq!((office.state(&second).await, office.state(&seal).await), ("suspended", "suspended"));
    decide(other.as_str(), "cancelled");
    decide(other.as_str(), "suspended");
    scene.settle().await;
    assert_eq!(office.state(&second).await, "revoked");
    let decided = events(&office.services).await.into_iter().filter_map(|event| match event.body {
        EventBody::OfficeDecided { state, outcome, .. } => Some(format!("{state}: {outcome}")),
        _ => None,
    });
    let expected = [
        "suspended: taken",
        "active: needs-an-application",
        "cancelled: unknown-subject",
        "cancelled: taken",
        "suspended: state-does-not-allow-it",
    ];
    assert_eq!(decided.collect::<Vec<_>>(), expected);

    // A seal that is replaced ends there when its successor is kept.
    let (before, old) = scene.seal(72).await;
    let wanted = Box::new(scene.wanted(72, office.key().await));
    let replace = office.approved(office.asks(Purpose::Replace { seal: old.clone(), wanted })).await;
    assert_eq!(scene.fulfil(&replace).await, "seal-ordered");
    assert_eq!(office.state(&old).await, "active");
    scene.settle().await;
    assert_eq!((office.state(&old).await, there.state(before.as_str()).as_deref()), ("superseded", Some("cancelled")));
    let revoke = Purpose::Revoke { seal: scene.seal_of(&replace).await, reason: RevocationReason::FactsChanged };
    let revoke = office.approved(office.asks(revoke)).await;
    assert_eq!(scene.fulfil(&revoke).await, "revoked");
    scene.settle().await;
    assert_eq!(there.state(replace.as_str()).as_deref(), Some("cancelled"));
}

async fn a_clients_key_goes_there_too(scene: &Scene) {
    let office = &scene.office;
    let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
    let organisation = format!("{}样章市试验局78", credit_code(78));
    let csr = request(&key, &organisation);
    let wanted = Wanted { key: SignerKey::Clients { csr }, ..scene.wanted(78, office.key().await) };
    let id = office.approved(office.asks(Purpose::Make(Box::new(wanted)))).await;
    assert_eq!(scene.fulfil(&id).await, "seal-ordered");
    scene.settle().await;
    let seal = scene.seal_of(&id).await;
    office.deliver(&seal, &office.keeper).await.unwrap();
    office.authorise(&seal).await;
    let user = Actor::Caller { id: office.clerk.id.clone(), roles: Roles::new([Role::SealUser]).unwrap() };
    let prepared = prepared_signings::prepare(&office.services, &user, None, &seal, order(NOTICE)).await.unwrap();
    let value = key.sign(&prepared.to_sign, &SystemRandom).unwrap();
    let signed = (&prepared.signature, &value[..]);
    let sealed = prepared_signings::complete(&office.services, &user, None, signed).await.unwrap();
    assert!(sealed.document.starts_with(b"PK"));
}

async fn a_silence_is_alarmed_and_loses_nothing(scene: &Scene) {
    let id = scene.ordered(80).await;
    let silent = async || {
        let open = alarms::open(&scene.office.services).await.unwrap();
        open.into_iter().filter(|one| one.alarm.kind == AlarmKind::OfficeSilent).count()
    };
    let mut looks = 0;
    for _ in 0..10 {
        // Whatever is asked meanwhile: nobody answers.
        for _ in 0..4 {
            scene.there.fault(Fault::Silence);
        }
        assert!(scene.attend().await.away);
        scene.there.desk.lock().unwrap().faults.clear();
        looks += 1;
        scene.wait(900);
        if looks < 5 {
            assert_eq!(silent().await, 0, "{looks}");
        }
    }
    // Once, whoever looks how often.
    assert_eq!(silent().await, 1);
    scene.settle().await;
    assert_eq!(scene.office.state(&scene.seal_of(&id).await).await, "made");
    assert_eq!(silent().await, 1);
}

/// The order from before its seal came, whole: a second seal would be kept.
async fn an_order_that_is_put_back_or_deleted_is_refused(scene: &Scene, place: &Place) {
    let third = scene.ordered(92).await;
    let kept = format!("CREATE TABLE kept_orders AS SELECT * FROM seal_orders WHERE application = '{third}'");
    place.script(&kept).await;
    scene.settle().await;
    assert_eq!(scene.office.state(&scene.seal_of(&third).await).await, "made");
    let columns = "state, since, number, detail, seal_sm3, seal_der, certificates, version, integrity";
    let read = async || {
        let found = scene.office.services.store.read(|tx| Box::pin(seal_orders::find(tx, &third))).await;
        found.map(|order| order.unwrap().state.name()).map_err(|error| error.to_string())
    };
    assert_eq!(read().await.as_deref(), Ok("kept"));
    place.script(&format!("CREATE TABLE now_orders AS SELECT * FROM seal_orders WHERE application = '{third}'")).await;
    let from = |table: &str| {
        format!("UPDATE seal_orders SET ({columns}) = (SELECT {columns} FROM {table}) WHERE application = '{third}'")
    };
    let refused = format!("the row {third} of seal_orders is not as it was written");
    assert_eq!(place.by_hand(&from("kept_orders")).await, 1);
    assert_eq!(read().await, Err(refused.clone()));
    assert_eq!(place.by_hand(&from("now_orders")).await, 1);
    assert_eq!(read().await.as_deref(), Ok("kept"));
    let deleted = format!("DELETE FROM seal_orders WHERE application = '{third}'");
    assert_eq!(place.by_hand(&deleted).await, 1);
    assert_eq!(read().await, Err(refused));
    let rows = scene.office.services.store.refused_rows();
    assert!(rows.contains(&("seal_orders", third.to_string())), "{rows:?}");
}

async fn an_order_changed_by_hand_is_refused(scene: &Scene, place: &Place) {
    let id = scene.ordered(90).await;
    let sql = format!("UPDATE seal_orders SET state = 'refused', detail = 'no' WHERE application = '{id}'");
    assert_eq!(place.by_hand(&sql).await, 1);
    assert_eq!(scene.fulfil(&id).await, "inconsistent");
    let sql = format!("UPDATE seal_orders SET state = 'ordered', detail = NULL WHERE application = '{id}'");
    assert_eq!(place.by_hand(&sql).await, 1);
    scene.settle().await;
    assert_eq!(scene.office.state(&scene.seal_of(&id).await).await, "made");
    // Another's row in its place.
    let other = scene.ordered(91).await;
    let sql = format!(
        "UPDATE seal_orders SET request = (SELECT request FROM seal_orders WHERE application = '{id}') \
         WHERE application = '{other}'"
    );
    assert_eq!(place.by_hand(&sql).await, 1);
    assert_eq!(scene.fulfil(&other).await, "inconsistent");
    // Without its row it would be ordered again.
    let fourth = scene.ordered(93).await;
    assert_eq!(place.by_hand(&format!("DELETE FROM seal_orders WHERE application = '{fourth}'")).await, 1);
    assert_eq!(scene.fulfil(&fourth).await, "inconsistent");
    let rows = scene.office.services.store.refused_rows();
    for id in [&other, &fourth] {
        assert!(rows.contains(&("seal_orders", id.to_string())), "{rows:?}");
    }
}

/// Orders that are not as they were written: one is not sent, one is not kept, what the office decides about one is not done; and
/// nothing else waits for them.
async fn a_changed_order_stops_no_other(scene: &Scene, place: &Place) {
    let office = &scene.office;
    let services = &office.services;
    let watch = Watch::begin(services.clone(), Misuse::default()).await.unwrap();
    let _ = services.store.refused_rows();
    // It arrives while an approval does not hold.
    let arrived = scene.ordered(94).await;
    seal_officers::dismiss(services, (BY, None), &office.approver.id).await.unwrap();
    assert_eq!(scene.attend().await.kept, 0);
    let role = (OfficerRole::Approver, &division("33"));
    seal_officers::appoint(services, (BY, None), &office.approver.id, role).await.unwrap();
    let (changed, other) = (scene.ordered(95).await, scene.ordered(96).await);
    let since = |id: &ApplicationId, by: i64| {
        format!("UPDATE seal_orders SET ordered_at = ordered_at + {by} WHERE application = '{id}'")
    };
    for id in [&arrived, &changed] {
        assert_eq!(place.by_hand(&since(id, 1)).await, 1);
    }
    let decide = |subject: &ApplicationId, state: &str| {
        scene.there.desk.lock().unwrap().changes.push((subject.to_string(), state.to_owned()));
    };
    decide(&changed, "suspended");
    decide(&other, "cancelled");
    scene.wait(EVERY);
    let attended = scene.attend().await;
    assert_eq!((attended.refused, attended.away), (2, false), "{attended:?}");
    scene.settle().await;
    assert_eq!(office.state(&scene.seal_of(&other).await).await, "made");
    assert_eq!((scene.fulfil(&arrived).await, scene.fulfil(&changed).await), ("inconsistent", "inconsistent"));
    assert_eq!(scene.there.count(changed.as_str(), "order"), 0);
    let decided = events(services).await.into_iter().filter_map(|event| match event.body {
        EventBody::OfficeDecided { subject, state, outcome, .. } if subject == changed.as_str() => {
            Some(format!("{state}: {outcome}"))
        }
        _ => None,
    });
    assert_eq!(decided.collect::<Vec<_>>(), ["suspended: row-changed"]);
    watch.tell_refused_rows().await;
    let open = alarms::open(services).await.unwrap();
    let rows = open.into_iter().filter(|one| one.alarm.kind == AlarmKind::RowChanged);
    let rows = rows.filter_map(|one| one.alarm.sink).collect::<Vec<_>>();
    for id in [&arrived, &changed] {
        assert!(rows.contains(&format!("seal_orders/{id}")), "{rows:?}");
    }
    // Put right, they go on where they were.
    for id in [&arrived, &changed] {
        assert_eq!(place.by_hand(&since(id, -1)).await, 1);
    }
    scene.settle().await;
    for id in [&arrived, &changed] {
        assert_eq!(office.state(&scene.seal_of(id).await).await, "made");
    }
}

/// Messages that ended go after their time; the office is told further states under names that it has not heard.
async fn what_ended_long_ago_is_forgotten(scene: &Scene, place: &Place) {
    let (office, there) = (&scene.office, &scene.there);
    let (id, seal) = scene.seal(98).await;
    office.suspend(&seal, &office.applicant).await.unwrap();
    scene.settle().await;
    let about = format!("office_messages WHERE subject = '{id}'");
    assert_eq!(place.count(&about).await, 3);
    let waiting = scene.ordered(99).await;
    let open = "office_messages WHERE ended_at IS NULL";
    let before = place.count(open).await;
    assert_eq!(offices::forget(&office.services, 400).await.unwrap(), 0);
    office.wait_days(401);
    let gone = offices::forget(&office.services, 400).await.unwrap();
    assert!(gone > 0);
    assert_eq!(offices::forget(&office.services, 400).await.unwrap(), 0);
    // The order, and the last state.
    assert_eq!((place.count(&about).await, place.count(open).await), (2, before));
    let names = async || place.count(&format!("{about} AND id LIKE '%:00000003'")).await;
    assert_eq!(names().await, 0);
    let revoke = Purpose::Revoke { seal, reason: RevocationReason::FactsChanged };
    let revoke = office.approved(office.asks(revoke)).await;
    assert_eq!(scene.fulfil(&revoke).await, "revoked");
    assert_eq!(names().await, 1);
    scene.settle().await;
    assert_eq!(there.state(id.as_str()).as_deref(), Some("cancelled"));
    assert_eq!(there.count(waiting.as_str(), "order"), 1);
}
