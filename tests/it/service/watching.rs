//! Watching over the log: what misuse raises and suspends, once; and events handed over at least once.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yinxin::base::clock::{FixedClock, Timestamp};
use yinxin::base::credit_code::CreditCode;
use yinxin::base::division::Division;
use yinxin::base::id::{CallerId, JobId, KeyId, SealId, SignatureId};
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::misuse::{Misuse, Night, Threshold, UsualDivisions};
use yinxin::domain::audit::{Actor, AlarmKind, EventBody, SecurityEvent, Suspends, SuspensionReason};
use yinxin::domain::ca::request::OfficerRole;
use yinxin::domain::seal::application::Holder;
use yinxin::domain::seal::code::SealCode;
use yinxin::service::alarms::{acknowledge, list, open};
use yinxin::service::development::NOTICE;
use yinxin::service::watching::delivery::{Delivery, Handing, Sink, Step};
use yinxin::service::watching::{Looked, Watch};
use yinxin::service::{Services, development, releases, seals};
use yinxin::store::callers;
use yinxin::store::seal_records::{self, SealOrigin, StoredSealRecord};
use yinxin::store::{audit, watching};

use crate::service::installation::{NOW, Place, events};
use crate::service::registration::hired;
use crate::service::signing::{caller, id_of, order};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_on_sqlite() {
    let folder = Folder::new("watching");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("watching on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("watching-postgres") }).await;
}

fn at(services: &Services, moment: Timestamp) -> Services {
    Services { clock: Arc::new(FixedClock(moment)), ..services.clone() }
}

/// Looks until nothing is new; gives the kinds of the alarms.
async fn looked(watch: &mut Watch) -> Vec<AlarmKind> {
    let mut found = Vec::new();
    loop {
        let Looked { events, alarms } = watch.look().await.unwrap();
        if events == 0 {
            return found;
        }
        found.extend(alarms.into_iter().map(|alarm| alarm.alarm.kind));
    }
}

/// What was written since, by class.
async fn classes(services: &Services, since: usize) -> Vec<&'static str> {
    events(services).await.split_off(since).iter().map(|event| event.class().name()).collect()
}

async fn refuse(services: &Services, actor: &Actor, count: usize) {
    for _ in 0..count {
        let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "role-missing".into() };
        services.record(actor, None, body).await.unwrap();
    }
}

async fn contract(place: Place) {
    let services = place.open().await;
    let pki = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    bursts_suspend_and_are_told_once(&services, &place, &pki.seals[0].id).await;
    refusals_bar_a_caller_and_no_stranger(&services).await;
    a_second_service_judges_nothing_twice(&services, &pki.seals[1].id).await;
    a_night_is_remembered_over_a_start(&services, &pki.seals[2].id).await;
    a_changed_seal_is_alarmed_and_not_suspended(&services, &place, &pki.seals[1].id).await;
    old_traces_and_alarms_are_forgotten(&services, &place).await;
    events_are_handed_over_at_least_once(&services).await;
    a_receiver_that_stays_away_is_told_of_once_a_day(&services).await;
    let seals = pki.seals.iter().map(|seal| seal.id.clone()).collect::<Vec<_>>();
    a_new_division_is_told_of_once_over_starts(&services, &place, &seals).await;
}

/// Writes down where the holder of a seal is.
async fn put_in_division(services: &Services, seal: &SealId, code: &str, keeper: &CallerId) {
    let (name, octets) = ("样章市试验局".to_owned(), sm3(seal.as_str().as_bytes()));
    let credit_code = CreditCode::parse("99990000000000001F").unwrap();
    let record = &StoredSealRecord {
        seal: seal.clone(),
        code: SealCode::foreign(&format!("of-{seal}")).unwrap(),
        filing: None,
        kind: 1,
        name: name.clone(),
        holder: Holder { credit_code, name, division: Division::parse(code).unwrap() },
        keeper: keeper.clone(),
        origin: SealOrigin::Import(JobId::parse("before").unwrap()),
        predecessor: None,
        certificate_sm3: octets,
        valid_to: NOW.plus_days(900),
        delivery: None,
        version: 1,
    };
    services.store.run("keep record", |tx| Box::pin(seal_records::insert(tx, record))).await.unwrap();
}

async fn a_new_division_is_told_of_once_over_starts(services: &Services, place: &Place, seals: &[SealId]) {
    let [here, beside, far] = seals else { panic!("{seals:?}") };
    let actor = caller(services, 77).await;
    for (seal, code) in [(here, "330106"), (beside, "330106109"), (far, "440305")] {
        put_in_division(services, seal, code, id_of(&actor)).await;
    }
    let misuse = Misuse {
        new_division: Some(UsualDivisions { days: 30, digits: 6 }),
        suspend: [AlarmKind::NewDivision].into(),
        ..Misuse::default()
    };
    // What lies behind is another test's.
    looked(&mut watch(services, &misuse).await).await;
    let used = async |seal: &SealId, day: i64| {
        let body = EventBody::SigningIntended {
            signature: SignatureId::parse("s").unwrap(),
            seal: seal.clone(),
            document_sm3: [0; 32],
            key: KeyId::parse("k").unwrap(),
        };
        let before = events(services).await.len();
        at(services, NOW.plus_days(day)).record(&actor, None, body).await.unwrap();
        // Each time by a new start, which remembers nothing but what lies in the database.
        let raised = looked(&mut watch(services, &misuse).await).await;
        let since = events(services).await.split_off(before + 1);
        (raised, since.iter().map(|event| event.body.clone()).collect::<Vec<_>>())
    };
    let nothing = (Vec::new(), Vec::new());
    assert_eq!(used(here, 0).await, nothing, "its first use ever");
    assert_eq!(used(beside, 1).await, nothing, "a township of the same county");
    let number = u64::try_from(events(services).await.len()).unwrap();
    let (raised, told) = used(far, 2).await;
    assert_eq!(raised, [AlarmKind::NewDivision]);
    let alarm = EventBody::AlarmRaised {
        alarm: AlarmKind::NewDivision,
        seal: Some(far.clone()),
        caller: Some(id_of(&actor).clone()),
        sink: Some("440305".into()),
        event: Some(number),
        count: 1,
    };
    let rests = EventBody::SealSuspended { seal: far.clone(), reason: SuspensionReason::SuspectedMisuse };
    assert_eq!(told, [alarm, rests]);
    let stored = list(services, None).await.unwrap();
    let stored = stored.last().unwrap();
    assert_eq!((stored.alarm.kind, stored.suspended), (AlarmKind::NewDivision, Some(Suspends::Seal)));
    assert_eq!(used(far, 31).await, nothing, "within the window of its use there");
    assert_eq!(used(here, 31).await.0, [AlarmKind::NewDivision], "30 days after its last use there");
    // Of a record that is not as it was written nothing is known, and nothing keeps the rules from going on.
    let change = format!("UPDATE further_seal_records SET holder_division = '110101' WHERE seal = '{far}'");
    assert_eq!(place.by_hand(&change).await, 1);
    assert_eq!(used(far, 99).await, nothing);
    assert!(services.store.refused_rows().contains(&("further_seal_records", far.to_string())));
}

async fn watch(services: &Services, misuse: &Misuse) -> Watch {
    Watch::begin(services.clone(), misuse.clone()).await.unwrap()
}

async fn bursts_suspend_and_are_told_once(services: &Services, place: &Place, seal: &yinxin::base::id::SealId) {
    let actor = caller(services, 1).await;
    // What was before the first look is not judged.
    let burst = Some(Threshold { most: 2, minutes: 10 });
    let misuse = Misuse { burst, suspend: [AlarmKind::Burst].into(), ..Misuse::default() };
    seals::sign(services, &actor, None, seal, order(NOTICE)).await.unwrap();
    let mut watch = Watch::begin(services.clone(), misuse.clone()).await.unwrap();
    assert_eq!(looked(&mut watch).await, []);
    for _ in 0..2 {
        seals::sign(services, &actor, None, seal, order(NOTICE)).await.unwrap();
    }
    assert_eq!(looked(&mut watch).await, []);
    seals::sign(services, &actor, None, seal, order(NOTICE)).await.unwrap();
    let before = events(services).await.len();
    // Of the seal and of the caller; the seal rests once.
    assert_eq!(looked(&mut watch).await, [AlarmKind::Burst, AlarmKind::Burst]);
    assert_eq!(classes(services, before).await, ["alarm-raised", "seal-suspended", "alarm-raised"]);
    let refused = seals::sign(services, &actor, None, seal, order(NOTICE)).await.unwrap_err();
    assert_eq!(refused.code(), "seal-suspended");

    let raised = open(services).await.unwrap();
    let first = &raised[0];
    let number = u64::try_from(before).unwrap();
    assert_eq!((raised.len(), first.number, first.suspended), (2, number, Some(Suspends::Seal)));
    assert_eq!((raised[1].number, raised[1].suspended), (number + 2, None));
    assert_eq!((&first.alarm.seal, first.alarm.caller.as_ref()), (&Some(seal.clone()), Some(id_of(&actor))));
    // Intent and result of the third use; the intent tipped the balance.
    assert_eq!((first.alarm.event, first.alarm.count), (Some(number - 2), 3));
    let recorded = &events(services).await[before];
    assert_eq!((&recorded.body, &recorded.actor), (&first.alarm.body(), &Actor::Operator));

    // A new start finds place and memory: nothing is told again, the next use within the window neither.
    let mut again = Watch::begin(services.clone(), misuse).await.unwrap();
    assert_eq!(looked(&mut again).await, []);
    let alone = seals::resume(services, &Actor::Operator, seal).await.unwrap_err();
    assert_eq!(alone.code(), "seal-held-by-alarm");
    let officers = [hired(services, OfficerRole::Approver).await, hired(services, OfficerRole::Approver).await];
    let mut approvals = Vec::new();
    for officer in &officers {
        let octets = releases::to_sign(services, number, &officer.id).await.unwrap();
        approvals.push((officer.id.clone(), officer.sign(&octets)));
    }
    let released = releases::release(services, number, &approvals).await.unwrap();
    assert_eq!((released.released_at, released.acknowledged_at), (Some(NOW), None));
    seals::sign(services, &actor, None, seal, order(NOTICE)).await.unwrap();
    assert_eq!(looked(&mut again).await, []);
    assert_eq!(place.count("alarms").await, 2);

    assert_eq!(acknowledge(services, &Actor::Operator, number).await.unwrap().acknowledged_at, Some(NOW));
    let twice = acknowledge(services, &Actor::Operator, number).await.unwrap_err();
    assert_eq!(twice.code(), "alarm-acknowledged");
    assert_eq!(acknowledge(services, &Actor::Operator, 1).await.unwrap_err().code(), "unknown-alarm");
    assert_eq!(classes(services, before + 3).await.last(), Some(&"alarm-acknowledged"));
    assert_eq!(open(services).await.unwrap().iter().map(|alarm| alarm.number).collect::<Vec<_>>(), [number + 2]);
    let all = list(services, Some(number)).await.unwrap();
    assert_eq!(all.iter().map(|alarm| alarm.number).collect::<Vec<_>>(), [number + 2]);

    let once = seals::suspend(services, &Actor::Operator, seal, SuspensionReason::OwnerRequest).await.unwrap();
    assert_eq!(once.name(), "suspended");
    let twice = seals::suspend(services, &Actor::Operator, seal, SuspensionReason::OwnerRequest).await.unwrap_err();
    assert_eq!(twice.code(), "invalid-transition");
    seals::resume(services, &Actor::Operator, seal).await.unwrap();
}

async fn refusals_bar_a_caller_and_no_stranger(services: &Services) {
    let misuse = Misuse {
        refusals: Some(Threshold { most: 3, minutes: 10 }),
        strangers: Some(Threshold { most: 5, minutes: 10 }),
        suspend: [AlarmKind::RepeatedRefusals].into(),
        ..Misuse::default()
    };
    let mut watch = Watch::begin(services.clone(), misuse).await.unwrap();
    looked(&mut watch).await;
    let actor = caller(services, 2).await;
    refuse(services, &actor, 3).await;
    refuse(services, &Actor::Anonymous, 5).await;
    assert_eq!(looked(&mut watch).await, []);
    let before = events(services).await.len() + 2;
    refuse(services, &Actor::Anonymous, 1).await;
    refuse(services, &actor, 1).await;
    assert_eq!(looked(&mut watch).await, [AlarmKind::RepeatedRefusals; 2]);
    assert_eq!(classes(services, before).await, ["alarm-raised", "alarm-raised", "caller-barred"]);
    let state = services.store.read(|tx| Box::pin(callers::find(tx, id_of(&actor)))).await.unwrap().unwrap().state;
    assert_eq!(state.name(), "barred");
    // However many come, one alarm for a window.
    refuse(services, &Actor::Anonymous, 700).await;
    assert_eq!(looked(&mut watch).await, []);
}

async fn a_second_service_judges_nothing_twice(services: &Services, seal: &yinxin::base::id::SealId) {
    let misuse = Misuse { burst: Some(Threshold { most: 1, minutes: 10 }), ..Misuse::default() };
    let mut one = Watch::begin(services.clone(), misuse.clone()).await.unwrap();
    looked(&mut one).await;
    let mut other = Watch::begin(services.clone(), misuse).await.unwrap();
    for _ in 0..2 {
        seals::sign(services, &Actor::Operator, None, seal, order(NOTICE)).await.unwrap();
    }
    assert_eq!(looked(&mut one).await, [AlarmKind::Burst]);
    assert_eq!(looked(&mut other).await, []);
}

async fn a_night_is_remembered_over_a_start(services: &Services, seal: &yinxin::base::id::SealId) {
    // NOW is 2027-01-15 08:00:00 UTC.
    let night = Some(Night { from: 15 * 60, to: 17 * 60, offset: 480 });
    let misuse = Misuse { night, ..Misuse::default() };
    for expected in [vec![AlarmKind::NightUse], vec![]] {
        let mut watch = Watch::begin(services.clone(), misuse.clone()).await.unwrap();
        looked(&mut watch).await;
        seals::sign(services, &Actor::Operator, None, seal, order(NOTICE)).await.unwrap();
        assert_eq!(looked(&mut watch).await, expected);
    }
}

async fn a_changed_seal_is_alarmed_and_not_suspended(
    services: &Services,
    place: &Place,
    seal: &yinxin::base::id::SealId,
) {
    let night = Some(Night { from: 0, to: 1439, offset: 480 });
    let misuse = Misuse { night, suspend: [AlarmKind::NightUse].into(), ..Misuse::default() };
    let mut watch = Watch::begin(services.clone(), misuse).await.unwrap();
    looked(&mut watch).await;
    seals::sign(services, &Actor::Operator, None, seal, order(NOTICE)).await.unwrap();
    assert_eq!(place.by_hand(&format!("UPDATE seals SET name = 'x' WHERE id = '{seal}'")).await, 1);
    let before = events(services).await.len();
    assert_eq!(looked(&mut watch).await, [AlarmKind::NightUse]);
    assert_eq!(classes(services, before).await, ["alarm-raised"]);
}

async fn old_traces_and_alarms_are_forgotten(services: &Services, place: &Place) {
    let (alarms, open_ones) = (place.count("alarms").await, open(services).await.unwrap().len());
    assert_eq!(alarms, i64::try_from(open_ones).unwrap() + 1);
    assert!(place.count("misuse_traces").await > 3);
    let later = async |days: i64| {
        let watch = Watch::begin(at(services, NOW.plus_days(days)), Misuse::default()).await.unwrap();
        watch.tidy(180).await.unwrap();
    };
    later(180).await;
    assert_eq!(place.count("alarms").await, alarms);
    // Those that nobody has looked at stay.
    later(181).await;
    assert_eq!(place.count("alarms").await, alarms - 1);
    assert!(place.count("misuse_traces").await > 3);
    later(401).await;
    assert_eq!(place.count("misuse_traces").await, 0);
}

/// A receiver that can be switched off, and remembers what it got.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<SecurityEvent>>>,
    takes_nothing: Arc<AtomicBool>,
    went_away: Arc<AtomicBool>,
}

impl Receiver {
    fn numbers(&self) -> Vec<u64> {
        std::mem::take(&mut *self.got.lock().unwrap()).into_iter().map(|event| event.number).collect()
    }
}

impl Sink for Receiver {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn hand_over<'a>(&'a mut self, events: &'a [SecurityEvent]) -> Handing<'a, ()> {
        Box::pin(async move {
            if self.takes_nothing.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            self.got.lock().unwrap().extend_from_slice(events);
            Ok(())
        })
    }

    fn look(&mut self) -> Handing<'_, ()> {
        let gone = self.went_away.swap(false, Ordering::SeqCst);
        Box::pin(async move { if gone { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) } })
    }
}

async fn delivery(services: &Services, receiver: &Receiver) -> Delivery {
    let sink = Box::new(receiver.clone());
    Delivery::begin(services.clone(), sink, Duration::from_secs(300)).await.unwrap()
}

async fn position(services: &Services) -> i64 {
    services.store.read(|tx| Box::pin(watching::position(tx, "sink-syslog"))).await.unwrap().unwrap()
}

async fn events_are_handed_over_at_least_once(services: &Services) {
    let receiver = Receiver::default();
    let mut steps = delivery(services, &receiver).await;
    assert_eq!(steps.step().await.unwrap(), Step::Idle, "it begins behind the last event");
    let first = services.store.read(|tx| Box::pin(audit::count(tx))).await.unwrap();
    refuse(services, &Actor::Anonymous, 1).await;
    let body = EventBody::ClockTrusted { accuracy: 1 };
    services.record(&Actor::Operator, None, body).await.unwrap();
    // Nobody is told of this one.
    let body = EventBody::JobBegun { job: yinxin::base::id::JobId::parse("j").unwrap() };
    services.record(&Actor::Operator, None, body).await.unwrap();
    let number = u64::try_from(first).unwrap();
    assert_eq!(steps.step().await.unwrap(), Step::Done(3));
    assert_eq!(receiver.numbers(), [number, number + 1]);
    // Not found alive yet: whoever starts again hands over again.
    assert_eq!(position(services).await, first);
    let mut again = delivery(services, &receiver).await;
    assert_eq!(again.step().await.unwrap(), Step::Done(3));
    assert_eq!(receiver.numbers(), [number, number + 1]);
    // A connection that ended with them: once more.
    receiver.went_away.store(true, Ordering::SeqCst);
    assert_eq!(again.step().await.unwrap(), Step::Away);
    assert_eq!(again.step().await.unwrap(), Step::Done(3));
    assert_eq!(receiver.numbers(), [number, number + 1]);
    assert_eq!(again.step().await.unwrap(), Step::Idle);
    assert_eq!(position(services).await, first + 3);
    // Refused: nothing moves.
    receiver.takes_nothing.store(true, Ordering::SeqCst);
    refuse(services, &Actor::Anonymous, 1).await;
    assert_eq!(again.step().await.unwrap(), Step::Away);
    receiver.takes_nothing.store(false, Ordering::SeqCst);
    assert_eq!(again.step().await.unwrap(), Step::Done(1));
    assert_eq!(receiver.numbers(), [number + 3]);
    assert_eq!(again.step().await.unwrap(), Step::Idle);
}

/// A clock that a test moves.
struct Moved(std::sync::atomic::AtomicI64);

impl yinxin::base::clock::Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.0.load(Ordering::SeqCst))
    }
}

async fn a_receiver_that_stays_away_is_told_of_once_a_day(services: &Services) {
    let clock = Arc::new(Moved(NOW.unix().into()));
    let services = Services { clock: Arc::<Moved>::clone(&clock), ..services.clone() };
    let receiver = Receiver::default();
    receiver.takes_nothing.store(true, Ordering::SeqCst);
    refuse(&services, &Actor::Anonymous, 1).await;
    let mut steps = delivery(&services, &receiver).await;
    let before = events(&services).await.len();
    let mut after = async |seconds: i64| {
        clock.0.store(NOW.unix() + seconds, Ordering::SeqCst);
        assert_eq!(steps.step().await.unwrap(), Step::Away);
        classes(&services, before).await.len()
    };
    assert_eq!((after(0).await, after(299).await), (0, 0));
    assert_eq!((after(300).await, after(3600).await, after(86_400).await), (1, 1, 1));
    assert_eq!(after(300 + 86_400).await, 2);
    // A new start forgets since when, and not what was told.
    let mut steps = delivery(&services, &receiver).await;
    for seconds in [0, 600] {
        clock.0.store(NOW.unix() + 90_000 + seconds, Ordering::SeqCst);
        assert_eq!(steps.step().await.unwrap(), Step::Away);
    }
    let raised = events(&services).await.split_off(before);
    let alarms = raised.iter().map(|event| match &event.body {
        EventBody::AlarmRaised { alarm, sink, count, .. } => (*alarm, sink.clone(), *count),
        other => panic!("{other:?}"),
    });
    let told = |minutes| (AlarmKind::SinkDown, Some("syslog".to_owned()), minutes);
    assert_eq!(alarms.collect::<Vec<_>>(), [told(5), told(1445)]);
    // Back again, it gets everything, its own alarms too.
    receiver.takes_nothing.store(false, Ordering::SeqCst);
    assert_eq!(steps.step().await.unwrap(), Step::Done(3));
    assert_eq!(receiver.numbers().len(), 3);
}

/// `cargo test --release --test it -- --ignored --nocapture how_many_events_are_judged`: prints events a second on SQLite,
/// for few subjects and for one subject an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a check"]
async fn how_many_events_are_judged_in_a_second() {
    const EVENTS: usize = 50_000;
    let folder = Folder::new("watching-speed");
    let place = Place { url: format!("sqlite:{}", folder.path().join("rows.db").display()), folder };
    let services = place.open().await;
    let misuse = Misuse { refusals: Some(Threshold { most: 1_000_000, minutes: 10 }), ..Misuse::default() };
    let mut watch = Watch::begin(services.clone(), misuse).await.unwrap();
    for subjects in [10, EVENTS] {
        let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "role-missing".into() };
        let by = |number: usize| {
            let id = yinxin::base::id::CallerId::parse(&format!("c-{subjects}-{}", number % subjects)).unwrap();
            Actor::Caller { id, roles: yinxin::domain::caller::Roles::default() }
        };
        let event =
            |number| yinxin::domain::audit::Event { at: NOW, actor: by(number), request: None, body: body.clone() };
        let all = (0..EVENTS).map(event).collect::<Vec<_>>();
        services.store.run("append", |tx| Box::pin(audit::append_many(tx, &all))).await.unwrap();
        let started = std::time::Instant::now();
        looked(&mut watch).await;
        let rate = f64::from(u32::try_from(EVENTS).unwrap()) / started.elapsed().as_secs_f64();
        println!("{subjects} subjects: {rate:.0} events a second");
    }
}
