//! Notices of state changes: each reaches its receiver at least once and in its order, whatever the receiver does and wherever
//! the service ends; what is given up is kept, alarmed and sent again; on both databases.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use yinxin::base::clock::{Clock as _, SystemClock};
use yinxin::base::id::SealId;
use yinxin::domain::audit::{Actor, AlarmKind, EventBody, SuspensionReason};
use yinxin::domain::key::{KeyAlgorithm, KeyAttributes, KeyLocation, KeyPurpose, Owner, Validity};
use yinxin::domain::seal::application::Purpose;
use yinxin::domain::verify::address::Address;
use yinxin::domain::webhook::delivery::FEWEST;
use yinxin::domain::webhook::{NoticeType, Subscription};
use yinxin::http::tls::{development_certificate, server};
use yinxin::service::keys::making;
use yinxin::service::outside::notices::Destination;
use yinxin::service::outside::web::server_anchors;
use yinxin::service::webhooks::{Receiver, Sender, Step, desk, keep_sending};
use yinxin::service::{alarms, seal_delivery};
use yinxin::store::{Led, audit, webhooks};

use crate::service::installation::{Place, events};
use crate::service::seal_life::{Office, credit_code, division};
use crate::service::webhook_receiver::{ReceiverDouble, Script};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("webhooks");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("webhooks on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("webhooks-postgres") }).await;
}

const HOUR: i64 = 3600;

/// An office, and a receiver of what becomes of its seals.
struct Scene {
    office: Office,
    place: Place,
    there: ReceiverDouble,
    receiver: Receiver,
}

fn receiver(name: &str, url: &str, algorithm: KeyAlgorithm) -> Receiver {
    let (address, patience) = (Address::parse(url).unwrap(), Duration::from_millis(700));
    Receiver {
        name: name.to_owned(),
        destination: Destination { address, tls: None, patience },
        subscription: Subscription::default(),
        since: None,
        give_up_after: Duration::from_secs(3600),
        algorithm,
    }
}

async fn contract(place: Place) {
    let office = Office::open(place.open().await).await;
    office.maker().await;
    let below = division("330106");
    yinxin::service::seal_codes::assign(&office.services, (crate::service::authority::BY, None), &below, (1, 99))
        .await
        .unwrap();
    let (pem, _) = desk::public_key(&office.services, KeyAlgorithm::Sm2).await.unwrap();
    let there = ReceiverDouble::open(&[pem], None).await;
    let receiver = receiver("archive", &format!("http://{}/hook?from=here", there.address), KeyAlgorithm::Sm2);
    let scene = Scene { office, place, there, receiver };
    let seal = a_new_receiver_hears_of_what_comes_in_its_order(&scene).await;
    whatever_the_receiver_does_it_gets_each_in_its_order(&scene, &seal).await;
    what_is_cut_off_goes_again_under_its_name(&scene, &seal).await;
    of_two_services_one_sends(&scene, &seal).await;
    what_is_given_up_is_kept_alarmed_and_sent_again(&scene, &seal).await;
    a_changed_row_is_told_to_nobody(&scene, &seal).await;
    each_receiver_hears_what_it_asked_for(&scene).await;
    each_kind_of_key_signs_and_servers_must_be_known(&scene, &seal).await;
    addresses_that_are_nobodys_are_not_connected_to(&scene, &seal).await;
    a_receiver_that_hangs_keeps_no_other_waiting(&scene, &seal).await;
    keys_are_announced_before_they_sign(&scene).await;
}

/// A further key stands there as the next one until its time comes; then it signs, and the one before it stays for what is on
/// its way.
async fn keys_are_announced_before_they_sign(scene: &Scene) {
    let services = &scene.office.services;
    let keys = async || {
        let all = desk::notice_keys(services).await.unwrap();
        let own = all.into_iter().filter(|key| key.alg == "ed25519");
        own.map(|key| (key.keyid, key.standing.name())).collect::<Vec<_>>()
    };
    let signs = async || desk::public_key(services, KeyAlgorithm::Ed25519).await.unwrap().1;
    let first = signs().await;
    let now = services.clock.now();
    let make = async |not_before| {
        let validity = Validity { not_before: Some(not_before), not_after: None };
        let attributes = KeyAttributes::new(Owner::installation(), KeyPurpose::Webhook, KeyAlgorithm::Ed25519);
        let attributes = KeyAttributes { validity, ..attributes };
        making::generate(services, &Actor::Operator, KeyLocation::Software, &attributes).await.unwrap();
    };
    make(now.plus_seconds(HOUR)).await;
    let announced = keys().await;
    assert_eq!(announced.iter().map(|key| key.1).collect::<Vec<_>>(), ["next", "present"]);
    assert_eq!((signs().await, &announced[1].0), (first.clone(), &first));
    scene.wait(HOUR);
    assert_eq!(signs().await, announced[0].0);
    assert_eq!(keys().await, [(announced[0].0.clone(), "present"), (first, "earlier")]);
}

impl Scene {
    fn sender(&self) -> Sender {
        Sender::new(self.office.services.clone(), self.receiver.clone())
    }

    fn wait(&self, seconds: i64) {
        self.office.hands.0.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn count(&self) -> u64 {
        let count = self.office.services.store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
        u64::try_from(count).unwrap()
    }

    async fn suspend(&self, seal: &SealId) {
        yinxin::service::seals::suspend(&self.office.services, &Actor::Operator, seal, SuspensionReason::OwnerRequest)
            .await
            .unwrap();
    }

    /// Lets the seal rest and takes it back into use, by its officers; gives what a receiver hears of it.
    async fn rest(&self, seal: &SealId) -> [&'static str; 6] {
        self.suspend(seal).await;
        let id = self.office.approved(self.office.asks(Purpose::Resume { seal: seal.clone() })).await;
        assert_eq!(self.office.fulfil(&id).await.unwrap().seal, *seal);
        RESTED
    }

    async fn place(&self, receiver: &str) -> webhooks::StoredPlace {
        let found = self.office.services.store.read(|tx| Box::pin(webhooks::place(tx, receiver))).await;
        found.unwrap().unwrap()
    }

    async fn dead_alarms(&self) -> usize {
        let open = alarms::open(&self.office.services).await.unwrap();
        open.into_iter().filter(|one| one.alarm.kind == AlarmKind::WebhookDead).count()
    }

    /// Sends until nothing is new, and lets time pass where it has to.
    async fn settle(&self, sender: &mut Sender) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..200 {
            match sender.step().await.unwrap() {
                Step::Idle => return steps,
                Step::Waits => self.wait(60),
                step => steps.push(step),
            }
        }
        panic!("it never ends: {steps:?}");
    }
}

const RESTED: [&str; 6] = [
    "seal.suspended",
    "application.submitted",
    "application.checked",
    "application.approved",
    "seal.resumed",
    "application.fulfilled",
];

async fn a_new_receiver_hears_of_what_comes_in_its_order(scene: &Scene) -> SealId {
    let (office, before) = (&scene.office, scene.count().await);
    let mut sender = scene.sender();
    // It begins behind the last event.
    assert_eq!(sender.step().await.unwrap(), Step::Idle);
    assert_eq!(scene.place("archive").await.place.next, before);
    let seal = office.seal(1).await;
    assert_eq!(scene.settle(&mut sender).await, [Step::Delivered; 6]);
    let heard = scene.there.heard();
    let types = heard.iter().map(|one| one.body["type"].as_str().unwrap()).collect::<Vec<_>>();
    let expected = [
        "application.submitted",
        "application.checked",
        "application.approved",
        "seal.made",
        "application.fulfilled",
        "seal.active",
    ];
    assert_eq!(types, expected);
    assert!(heard.is_sorted_by_key(|one| one.id) && heard.iter().all(|one| one.taken && one.id >= before));
    let made = &heard[3].body;
    assert_eq!((&made["seal"], &made["state"]), (&seal.as_str().into(), &"made".into()));
    assert_eq!((&made["code"], &made["kind"]), (&"33010600000001".into(), &1.into()));
    assert_eq!((&made["division"], &made["version"]), (&"330106".into(), &1.into()));
    assert_eq!(heard[5].body["state"], "active");
    // What it says is the event's, by its number.
    let events = events(&office.services).await;
    for one in &heard {
        let event = &events[usize::try_from(one.id).unwrap()];
        assert_eq!(one.body["at"], event.at.to_string());
    }
    // Nobody is named: neither holder nor persons, by name, code or key.
    let stored = seal_delivery::find(&office.services, &seal).await.unwrap();
    let persons = [&office.applicant, &office.checker, &office.approver, &office.keeper, &office.clerk];
    let ids = persons.iter().map(|person| person.id.to_string());
    let names = [stored.record.name.clone(), stored.record.holder.name.clone(), credit_code(1).as_str().to_owned()];
    for secret in ids.chain(names) {
        assert!(secret.len() > 3 && heard.iter().all(|one| !one.text.contains(&secret)), "{secret}");
    }
    // Nothing goes again, also not after a start.
    assert_eq!(scene.settle(&mut scene.sender()).await, []);
    assert!(scene.there.heard().is_empty());
    seal
}

async fn whatever_the_receiver_does_it_gets_each_in_its_order(scene: &Scene, seal: &SealId) {
    let faults = [
        Script::Refuse,
        Script::Fail,
        Script::Hang,
        Script::Cut,
        Script::CutHead,
        Script::Slow,
        Script::Redirect,
        Script::HugeHead,
        Script::Nonsense,
    ];
    let mut sender = scene.sender();
    let expected = scene.rest(seal).await;
    // Every fault at the first notice, then one before each that follows; an endless answer of success is one.
    scene.there.will(&faults);
    scene.there.will(&[Script::Accept]);
    for fault in faults.iter().take(4) {
        scene.there.will(&[*fault, Script::EndlessBody]);
    }
    let steps = scene.settle(&mut sender).await;
    assert_eq!(steps.iter().filter(|step| **step == Step::Failed).count(), faults.len() + 4);
    assert_eq!(steps.iter().filter(|step| **step == Step::Delivered).count(), 6);
    let heard = scene.there.heard();
    assert!(heard.is_sorted_by_key(|one| one.id));
    let taken = heard.iter().filter(|one| one.taken);
    assert_eq!(taken.map(|one| one.body["type"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    // What came again is the same, octet for octet.
    for pair in heard.windows(2).filter(|pair| pair[0].id == pair[1].id) {
        assert_eq!(pair[0].text, pair[1].text);
    }
    // A redirect is not followed: nobody came to the other address, which would have been taken.
    assert!(heard.iter().filter(|one| one.taken).count() == 6 && scene.there.ears.lock().unwrap().elsewhere == 0);
    assert_eq!(scene.place("archive").await.place.delivery.attempts(), 0);
    assert_eq!(scene.dead_alarms().await, 0);
}

async fn what_is_cut_off_goes_again_under_its_name(scene: &Scene, seal: &SealId) {
    scene.suspend(seal).await;
    // The receiver has it; the service ends before it notes that.
    scene.there.will(&[Script::Hang]);
    let mut sender = scene.sender();
    let arrives = async {
        while scene.there.ears.lock().unwrap().heard.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        done = sender.step() => panic!("{done:?}"),
        () = arrives => {}
    }
    let first = scene.there.told();
    assert_eq!((first.len(), first[0].1.as_str()), (1, "seal.suspended"));
    let mut again = scene.sender();
    assert_eq!(again.step().await.unwrap(), Step::Waits);
    assert_eq!(scene.place("archive").await.place.delivery.attempts(), 1);
    scene.wait(31);
    assert_eq!(again.step().await.unwrap(), Step::Delivered);
    assert_eq!(scene.there.told(), first);
    assert_eq!(again.step().await.unwrap(), Step::Idle);
    let id = scene.office.approved(scene.office.asks(Purpose::Resume { seal: seal.clone() })).await;
    scene.office.fulfil(&id).await.unwrap();
    // The service may be cut off anywhere: nothing is lost, and the order is kept.
    for turn in 0..60 {
        let mut sender = scene.sender();
        let step = tokio::time::timeout(Duration::from_millis(4 * turn), sender.step()).await;
        if let Ok(done) = step
            && done.unwrap() == Step::Idle
        {
            break;
        }
        scene.wait(1400);
    }
    scene.settle(&mut scene.sender()).await;
    let mut told = scene.there.told();
    assert!(told.is_sorted_by_key(|(id, _)| *id), "{told:?}");
    told.dedup();
    assert_eq!(told.iter().map(|(_, kind)| kind.as_str()).collect::<Vec<_>>(), RESTED[1..]);
}

async fn of_two_services_one_sends(scene: &Scene, seal: &SealId) {
    // The lock: one leads on PostgreSQL; a file is one process's alone.
    let store = &scene.office.services.store;
    let first = store.lead(Led::Webhooks).await.unwrap();
    let second = store.lead(Led::Webhooks).await.unwrap();
    assert_eq!((first.is_some(), second.is_some()), (true, scene.place.is_sqlite()));
    // Another work is another lock.
    assert!(store.lead(Led::AuditLog).await.unwrap().is_some());
    drop((first, second));
    // The rows: where both work all the same, one begins each notice.
    let expected = scene.rest(seal).await;
    scene.there.calm().await;
    let (mut one, mut other) = (scene.sender(), scene.sender());
    let (mut delivered, mut idle) = (0, 0);
    for _ in 0..100 {
        let (one, other) = tokio::join!(one.step(), other.step());
        let steps = [one.unwrap(), other.unwrap()];
        delivered += steps.iter().filter(|step| **step == Step::Delivered).count();
        idle += usize::from(steps == [Step::Idle, Step::Idle]);
        if idle > 0 {
            break;
        }
    }
    assert_eq!((delivered, idle), (expected.len(), 1));
    let told = scene.there.told();
    assert_eq!(told.iter().map(|(_, kind)| kind.as_str()).collect::<Vec<_>>(), expected);
    assert_eq!(scene.there.ears.lock().unwrap().most_open, 1);
}

async fn what_is_given_up_is_kept_alarmed_and_sent_again(scene: &Scene, seal: &SealId) {
    let services = &scene.office.services;
    let before = usize::try_from(scene.count().await).unwrap();
    scene.rest(seal).await;
    let mut sender = scene.sender();
    scene.there.will(&[Script::Refuse; 40]);
    let mut tries = 0;
    let given_up = loop {
        match sender.step().await.unwrap() {
            Step::Failed => tries += 1,
            Step::Waits => scene.wait(300),
            Step::GivenUp => break sender.step().await.unwrap(),
            step => panic!("{step:?}"),
        }
    };
    assert!(tries + 1 >= FEWEST, "{tries}");
    // The next one goes on, and is refused as well.
    assert_eq!(given_up, Step::Failed);
    let told = scene.there.told();
    assert_eq!((told[0].1.as_str(), told.last().unwrap().1.as_str()), ("seal.suspended", "application.submitted"));
    let event = told[0].0;
    let dead = desk::show(services, "archive", event).await.unwrap();
    assert_eq!((dead.kind.as_str(), dead.refusal.as_str(), dead.sent), ("seal.suspended", "answer-status", tries + 1));
    assert!(dead.body.as_ref().unwrap().contains("\"type\":\"seal.suspended\""));
    assert!(dead.given_up_at >= dead.first_at.plus_seconds(HOUR));
    let recorded = events(services).await.split_off(before);
    let given_up = recorded.iter().find(|event| matches!(event.body, EventBody::WebhookGivenUp { .. })).unwrap();
    let expected = EventBody::WebhookGivenUp {
        receiver: "archive".into(),
        event,
        refusal: "answer-status".into(),
        attempts: (tries + 1).into(),
    };
    assert_eq!((&given_up.body, &given_up.actor), (&expected, &Actor::Operator));
    assert_eq!(scene.dead_alarms().await, 1);
    // A second one within the day is an event, and no further alarm.
    loop {
        match sender.step().await.unwrap() {
            Step::GivenUp => break,
            Step::Delivered => panic!("it takes nothing"),
            _ => scene.wait(300),
        }
    }
    assert_eq!((scene.dead_alarms().await, scene.place.count("dead_notices").await), (1, 2));
    scene.there.ears.lock().unwrap().script.clear();
    assert_eq!(scene.settle(&mut sender).await.len(), 4);
    scene.there.heard();
    let standing = desk::standings(services).await.unwrap();
    assert_eq!((standing.len(), standing[0].dead), (1, 2));

    // Nothing of it goes by itself.
    scene.wait(100 * HOUR);
    assert_eq!(scene.settle(&mut sender).await, []);
    assert_eq!(desk::resend(services, &Actor::Operator, "archive", 1).await.unwrap_err().code(), "unknown-notice");
    let unknown = desk::show(services, "nobody", event).await.unwrap_err();
    assert_eq!(
        (unknown.code(), unknown.to_string().as_str()),
        ("unknown-notice", "no notice of that event was given up for that receiver")
    );
    for _ in 0..2 {
        assert!(desk::resend(services, &Actor::Operator, "archive", event).await.unwrap().resending.is_some());
    }
    let recorded = events(services).await;
    let resent = recorded.iter().filter(|event| matches!(event.body, EventBody::WebhookResent { .. })).count();
    assert_eq!(resent, 1, "asked twice, it is one order");
    // Refused once more, then taken; under its old name.
    scene.there.will(&[Script::Fail]);
    assert_eq!(sender.step().await.unwrap(), Step::Failed);
    assert_eq!(sender.step().await.unwrap(), Step::Idle);
    scene.wait(60);
    assert_eq!(sender.step().await.unwrap(), Step::Delivered);
    assert_eq!(scene.there.told(), [(event, "seal.suspended".to_owned()), (event, "seal.suspended".to_owned())]);
    assert_eq!(desk::show(services, "archive", event).await.unwrap_err().code(), "unknown-notice");
    // Refused for as long as a new one, it is given up once more.
    let [other] = &desk::dead(services, "archive", 0).await.unwrap()[..] else { panic!("one is left") };
    desk::resend(services, &Actor::Operator, "archive", other.event).await.unwrap();
    scene.there.will(&[Script::Refuse; 40]);
    while sender.step().await.unwrap() != Step::GivenUp {
        scene.wait(300);
    }
    scene.there.ears.lock().unwrap().script.clear();
    scene.there.heard();
    let again = desk::show(services, "archive", other.event).await.unwrap();
    assert!(again.resending.is_none() && again.given_up_at > other.given_up_at);
    // A day later that is a second alarm.
    assert_eq!(scene.dead_alarms().await, 2);
    desk::resend(services, &Actor::Operator, "archive", other.event).await.unwrap();
    assert_eq!(scene.settle(&mut sender).await, [Step::Delivered]);
    scene.there.heard();
    assert_eq!(scene.place.count("dead_notices").await, 0);
}

async fn a_changed_row_is_told_to_nobody(scene: &Scene, seal: &SealId) {
    let services = &scene.office.services;
    scene.rest(seal).await;
    let change =
        |division: &str| format!("UPDATE seal_records SET holder_division = '{division}' WHERE seal = '{seal}'");
    assert_eq!(scene.place.by_hand(&change("110101")).await, 1);
    let mut sender = scene.sender();
    // Every notice that wants the record is set aside at once; the application's own row is right.
    let steps = scene.settle(&mut sender).await;
    assert!(steps.contains(&Step::GivenUp) && !steps.contains(&Step::Failed), "{steps:?}");
    assert!(scene.there.heard().iter().all(|one| !one.text.contains("110101")));
    let dead = desk::dead(services, "archive", 0).await.unwrap();
    assert_eq!(dead.iter().filter(|one| one.refusal == "row-changed" && one.body.is_none()).count(), dead.len());
    assert_eq!(dead[0].kind, "seal.suspended");
    // Sent again before the row is right, it is given up again.
    desk::resend(services, &Actor::Operator, "archive", dead[0].event).await.unwrap();
    assert_eq!(sender.step().await.unwrap(), Step::GivenUp);
    assert_eq!(scene.place.by_hand(&change("330106")).await, 1);
    for one in &dead {
        desk::resend(services, &Actor::Operator, "archive", one.event).await.unwrap();
    }
    assert_eq!(scene.settle(&mut sender).await, vec![Step::Delivered; dead.len()]);
    assert_eq!(scene.there.told().len(), dead.len());
    assert_eq!(scene.place.count("dead_notices").await, 0);
}

async fn each_receiver_hears_what_it_asked_for(scene: &Scene) {
    let office = &scene.office;
    let elsewhere = scene.there.address;
    let subscribed = |name: &str, subscription: Subscription, since| Receiver {
        subscription,
        since,
        ..receiver(name, &format!("http://{elsewhere}/{name}"), KeyAlgorithm::Sm2)
    };
    let here = Subscription { divisions: vec![division("3301")], ..Subscription::default() };
    let other = Subscription { divisions: vec![division("32")], ..Subscription::default() };
    let finance = Subscription { kinds: vec![2], ..Subscription::default() };
    let ended = Subscription {
        types: vec![NoticeType::SealRevoked, NoticeType::CertificateRevoked],
        ..Subscription::default()
    };
    let seal = office.seal(2).await;
    let reason = yinxin::domain::audit::RevocationReason::CessationOfOperation;
    let id = office.approved(office.asks(Purpose::Revoke { seal: seal.clone(), reason })).await;
    office.fulfil(&id).await.unwrap();
    let told = async |receiver: Receiver| {
        let mut sender = Sender::new(office.services.clone(), receiver);
        scene.settle(&mut sender).await;
        scene.there.told().into_iter().map(|(_, kind)| kind).collect::<Vec<_>>()
    };
    // From the beginning of the log.
    let all = told(subscribed("all", Subscription::default(), Some(0))).await;
    assert_eq!(told(subscribed("here", here, Some(0))).await, all);
    assert!(all.len() > 20 && all.iter().all(|kind| !kind.starts_with("certificate.")), "{all:?}");
    assert_eq!(told(subscribed("other", other, Some(0))).await, Vec::<String>::new());
    assert_eq!(told(subscribed("finance", finance, Some(0))).await, Vec::<String>::new());
    assert_eq!(told(subscribed("ended", ended.clone(), Some(0))).await, ["seal.revoked", "certificate.revoked"]);
    // A place that is kept is not the configuration's to change.
    assert_eq!(told(subscribed("ended", ended.clone(), Some(0))).await, Vec::<String>::new());
    assert_eq!(told(subscribed("late", ended, Some(scene.count().await))).await, Vec::<String>::new());
}

async fn each_kind_of_key_signs_and_servers_must_be_known(scene: &Scene, seal: &SealId) {
    let services = &scene.office.services;
    let made = || development_certificate(&["127.0.0.1"], SystemClock.now()).unwrap();
    let (known, stranger) = (made(), made());
    let mut pems = Vec::new();
    let signing = [KeyAlgorithm::Sm2, KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519];
    for algorithm in signing {
        pems.push(desk::public_key(services, algorithm).await.unwrap().0);
    }
    let tls = server(known.certificate_pem.as_bytes(), &known.key_pem).unwrap();
    let there = ReceiverDouble::open(&pems, Some(tls)).await;
    let url = format!("https://localhost:{}/hook", there.address.port());
    // The double knows itself by its address.
    let url = url.replace("localhost", "127.0.0.1");
    let with = |name: &str, algorithm, anchors: Option<&str>| {
        let plain = receiver(name, &url, algorithm);
        let tls = anchors.map(|pem| server_anchors(pem.as_bytes()).unwrap());
        let destination = Destination { tls, ..plain.destination };
        Receiver { destination, since: Some(0), ..plain }
    };
    let subscription = Subscription { types: vec![NoticeType::SealActive], ..Subscription::default() };
    for (algorithm, name) in signing.into_iter().zip(["tls-sm2", "tls-p256", "tls-ed25519"]) {
        let one = with(name, algorithm, Some(&known.certificate_pem));
        let one = Receiver { subscription: subscription.clone(), ..one };
        let steps = scene.settle(&mut Sender::new(services.clone(), one)).await;
        assert!(!steps.is_empty() && steps.iter().all(|step| *step == Step::Delivered), "{name}: {steps:?}");
        assert_eq!(there.told()[0].1, "seal.active");
    }
    for (name, anchors) in [("tls-stranger", Some(&*stranger.certificate_pem)), ("tls-nobody", None)] {
        let one = with(name, KeyAlgorithm::Sm2, anchors);
        assert_eq!(Sender::new(services.clone(), one).step().await.unwrap(), Step::Failed, "{name}");
        assert_eq!(scene.place(name).await.place.delivery.attempts(), 1);
    }
    assert!(there.heard().is_empty(), "{seal}");
}

async fn addresses_that_are_nobodys_are_not_connected_to(scene: &Scene, seal: &SealId) {
    // A name of this machine is a name that may lead anywhere tomorrow; what is written as an address is meant.
    for (name, url) in [
        ("nobody", "http://0.0.0.0:9/hook"),
        ("many", "http://224.0.0.1:9/hook"),
        ("translated", "http://[64:ff9b::7f00:1]:9/hook"),
    ] {
        let one = Receiver { since: Some(0), ..receiver(name, url, KeyAlgorithm::Sm2) };
        let mut sender = Sender::new(scene.office.services.clone(), one);
        let mut refusal = None;
        while refusal.is_none() {
            match sender.step().await.unwrap() {
                Step::GivenUp => {
                    refusal = Some(desk::dead(&scene.office.services, name, 0).await.unwrap()[0].refusal.clone());
                }
                _ => scene.wait(900),
            }
        }
        assert_eq!(refusal.as_deref(), Some("host-address-forbidden"), "{name} {seal}");
    }
}

async fn a_receiver_that_hangs_keeps_no_other_waiting(scene: &Scene, seal: &SealId) {
    let services = &scene.office.services;
    let (pem, _) = desk::public_key(services, KeyAlgorithm::Sm2).await.unwrap();
    let hanging = ReceiverDouble::open(std::slice::from_ref(&pem), None).await;
    let prompt = ReceiverDouble::open(&[pem], None).await;
    hanging.will(&[Script::Hang; 20]);
    let of = |name: &str, there: &ReceiverDouble| {
        receiver(name, &format!("http://{}/hook", there.address), KeyAlgorithm::Sm2)
    };
    let both: Arc<[Receiver]> = [of("hanging", &hanging), of("prompt", &prompt)].into();
    for one in both.iter() {
        assert_eq!(Sender::new(services.clone(), one.clone()).step().await.unwrap(), Step::Idle);
    }
    let serving = services.clone().with_webhooks(both);
    // Two of them, as two services on one database would run.
    let working = [tokio::spawn(keep_sending(serving.clone())), tokio::spawn(keep_sending(serving))];
    scene.suspend(seal).await;
    let heard = tokio::time::timeout(Duration::from_secs(30), async {
        while prompt.ears.lock().unwrap().heard.is_empty() || hanging.ears.lock().unwrap().heard.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    heard.await.unwrap();
    // Long enough for a second one to send the same.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let told = prompt.told();
    assert_eq!((told.len(), told[0].1.as_str()), (1, "seal.suspended"));
    assert_eq!(hanging.told().len(), 1);
    for one in working {
        one.abort();
        assert!(one.await.unwrap_err().is_cancelled());
    }
}
