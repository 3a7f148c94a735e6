//! What an alarm holds is let go by two officers, and by nobody alone.

use yinxin::domain::audit::misuse::{Misuse, Threshold};
use yinxin::domain::audit::{Actor, AlarmKind, EventBody, Suspends};
use yinxin::domain::ca::request::OfficerRole;
use yinxin::service::alarms::{acknowledge, list, open};
use yinxin::service::development::NOTICE;
use yinxin::service::releases::{release, to_sign};
use yinxin::service::watching::Watch;
use yinxin::service::{Services, development, seals};
use yinxin::store::alarms::StoredAlarm;
use yinxin::store::callers;

use crate::service::installation::{NOW, Place, events};
use crate::service::registration::{Person, hired};
use crate::service::signing::{caller, id_of, order};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("releases");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("releases on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("releases-postgres") }).await;
}

type Approvals = Vec<(yinxin::base::id::CallerId, Vec<u8>)>;

async fn signed(services: &Services, number: u64, by: &[&Person]) -> Approvals {
    let mut approvals = Vec::new();
    for person in by {
        let octets = to_sign(services, number, &person.id).await.unwrap();
        approvals.push((person.id.clone(), person.sign(&octets)));
    }
    approvals
}

async fn state(services: &Services, actor: &Actor) -> &'static str {
    let id = id_of(actor);
    services.store.read(|tx| Box::pin(callers::find(tx, id))).await.unwrap().unwrap().state.name()
}

async fn contract(place: Place) {
    let services = place.open().await;
    let pki = development::ensure(&services, &yinxin::config::profiles::built_in().unwrap()).await.unwrap();
    let (first, second) =
        (hired(&services, OfficerRole::Approver).await, hired(&services, OfficerRole::Approver).await);
    let checker = hired(&services, OfficerRole::Checker).await;
    let (actor, other) = (caller(&services, 1).await, caller(&services, 2).await);
    let few = Some(Threshold { most: 1, minutes: 10 });
    let misuse = Misuse {
        burst: few,
        refusals: few,
        suspend: [AlarmKind::Burst, AlarmKind::RepeatedRefusals].into(),
        ..Misuse::default()
    };
    let mut watch = Watch::begin(services.clone(), misuse).await.unwrap();
    for seal in [&pki.seals[0].id, &pki.seals[1].id] {
        for _ in 0..2 {
            seals::sign(&services, &Actor::Operator, None, seal, order(NOTICE)).await.unwrap();
        }
    }
    for actor in [&actor, &other] {
        for _ in 0..2 {
            let body = EventBody::AccessRefused { endpoint: "POST /x".into(), code: "role-missing".into() };
            services.record(actor, None, body).await.unwrap();
        }
    }
    while watch.look().await.unwrap().events > 0 {}
    let raised = open(&services).await.unwrap();
    let of_seal = |seal| {
        let holds =
            raised.iter().find(|one| one.suspended == Some(Suspends::Seal) && one.alarm.seal.as_ref() == Some(seal));
        holds.unwrap().number
    };
    let (one, two) = (of_seal(&pki.seals[0].id), of_seal(&pki.seals[1].id));
    let barred = raised.iter().filter(|one| one.suspended == Some(Suspends::Caller)).collect::<Vec<_>>();
    assert_eq!((barred.len(), state(&services, &actor).await, state(&services, &other).await), (2, "barred", "barred"));

    // One person looks; what is held stays held.
    acknowledge(&services, &Actor::Operator, one).await.unwrap();
    let alone = seals::resume(&services, &Actor::Operator, &pki.seals[0].id).await.unwrap_err();
    assert_eq!(
        (alone.code(), alone.to_string()),
        ("seal-held-by-alarm", {
            format!("alarm {one} holds the seal: two officers release it (yinxin alarms release)")
        })
    );
    let whole = signed(&services, one, &[&first, &second]).await;
    let other_alarm = signed(&services, two, &[&second]).await;
    let swapped = vec![(whole[0].0.clone(), whole[1].1.clone()), (whole[1].0.clone(), whole[0].1.clone())];
    for (approvals, code) in [
        (Vec::new(), "approvals-missing"),
        (whole[..1].to_vec(), "approvals-missing"),
        ([&whole[..1], &whole[..1]].concat(), "approver-repeated"),
        ([&whole[..1], &signed(&services, one, &[&checker]).await].concat(), "officer-role"),
        ([&whole[..1], &other_alarm].concat(), "approval-signature"),
        (swapped, "approval-signature"),
    ] {
        let before = events(&services).await.len();
        assert_eq!(release(&services, one, &approvals).await.unwrap_err().code(), code);
        assert_eq!(events(&services).await.len(), before, "{code}: nothing is written");
    }
    let refused = seals::sign(&services, &Actor::Operator, None, &pki.seals[0].id, order(NOTICE)).await.unwrap_err();
    assert_eq!(refused.code(), "seal-suspended");

    let before = events(&services).await.len();
    assert_eq!(release(&services, one, &whole).await.unwrap().released_at, Some(NOW));
    let said = events(&services).await.split_off(before);
    assert_eq!(said[0].body, EventBody::SealResumed { seal: pki.seals[0].id.clone() });
    let EventBody::AlarmReleased { alarm, event, seal, caller: None, first: by, second: and, .. } = &said[1].body
    else {
        panic!("{:?}", said[1])
    };
    assert_eq!((*alarm, *event, seal.as_ref()), (AlarmKind::Burst, one, Some(&pki.seals[0].id)));
    assert_eq!(([by, and], said.len()), ([&first.id, &second.id], 2));
    seals::sign(&services, &Actor::Operator, None, &pki.seals[0].id, order(NOTICE)).await.unwrap();
    // A replay, also for the other one.
    assert_eq!(release(&services, one, &whole).await.unwrap_err().code(), "alarm-holds-nothing");
    assert_eq!(release(&services, two, &whole).await.unwrap_err().code(), "approval-signature");
    assert_eq!(release(&services, 1, &whole).await.unwrap_err().code(), "unknown-alarm");

    // A barred caller comes back; the other one does not.
    let barred = barred.iter().find(|one| one.alarm.caller.as_ref() == Some(id_of(&actor))).unwrap().number;
    let approvals = signed(&services, barred, &[&second, &first]).await;
    let before = events(&services).await.len();
    release(&services, barred, &approvals).await.unwrap();
    assert_eq!((state(&services, &actor).await, state(&services, &other).await), ("active", "barred"));
    let said = events(&services).await.split_off(before);
    assert!(
        matches!(&said[..], [event] if matches!(&event.body, EventBody::AlarmReleased { caller: Some(id), seal: None, .. } if id == id_of(&actor)))
    );
    assert_eq!(release(&services, barred, &approvals).await.unwrap_err().code(), "alarm-holds-nothing");
    rows_that_were_changed_are_refused_and_alarmed(&services, &place, (one, two), &pki.seals[1].id).await;
    services.store.close().await;
}

async fn rows_that_were_changed_are_refused_and_alarmed(
    services: &Services,
    place: &Place,
    (one, two): (u64, u64),
    seal: &yinxin::base::id::SealId,
) {
    place.script("CREATE TABLE kept_alarms AS SELECT * FROM alarms").await;
    let restored = "DELETE FROM alarms; INSERT INTO alarms SELECT * FROM kept_alarms";
    for by_hand in [
        format!("UPDATE alarms SET released_at = 1 WHERE event = {two}"),
        format!("UPDATE alarms SET suspended = NULL WHERE event = {two}"),
        format!("UPDATE alarms SET seal = 'another' WHERE event = {two}"),
        format!("UPDATE alarms SET acknowledged_at = 1 WHERE event = {two}"),
        format!("UPDATE alarms SET count = count + 1 WHERE event = {two}"),
        format!("UPDATE alarms SET version = version + 1 WHERE event = {two}"),
        format!("UPDATE alarms SET integrity = NULL WHERE event = {two}"),
        // The integrity value of a row that two officers released, and the whole row.
        format!(
            "UPDATE alarms SET released_at = 1, \
             integrity = (SELECT integrity FROM kept_alarms WHERE event = {one}) WHERE event = {two}"
        ),
        format!("DELETE FROM alarms WHERE event = {two}; UPDATE alarms SET event = {two} WHERE event = {one}"),
    ] {
        place.script(&by_hand).await;
        let text = format!("the row {two} of alarms is not as it was written");
        for error in [
            seals::resume(services, &Actor::Operator, seal).await.unwrap_err(),
            acknowledge(services, &Actor::Operator, two).await.unwrap_err(),
            release(services, two, &[]).await.unwrap_err(),
            list(services, None).await.unwrap_err(),
        ] {
            assert_eq!((error.code(), error.to_string()), ("inconsistent", text.clone()), "{by_hand}");
        }
        place.script(restored).await;
    }
    // Looked for while a service is at work; once a day.
    place.script(&format!("UPDATE alarms SET released_at = 1 WHERE event = {two}")).await;
    let (mut watch, before) =
        (Watch::begin(services.clone(), Misuse::default()).await.unwrap(), events(services).await.len());
    watch.tidy(180).await.unwrap();
    watch.tidy(180).await.unwrap();
    let said = events(services).await.split_off(before);
    let expected = EventBody::AlarmRaised {
        alarm: AlarmKind::RowChanged,
        seal: None,
        caller: None,
        sink: Some(format!("alarms/{two}")),
        event: Some(two),
        count: 1,
    };
    assert_eq!(said.iter().map(|event| &event.body).collect::<Vec<_>>(), [&expected]);
    assert!(watch.look().await.unwrap().events > 0);
    place.script(restored).await;

    // Rows of an older program are written anew from the events, whatever they say.
    let whole = list(services, None).await.unwrap();
    place.script("UPDATE alarms SET integrity = NULL, version = 0, released_at = 1, suspended = NULL").await;
    Watch::begin(services.clone(), Misuse::default()).await.unwrap();
    let again = list(services, None).await.unwrap();
    let as_first = |alarm: &StoredAlarm| StoredAlarm { version: 1, ..alarm.clone() };
    assert_eq!(again, whole.iter().map(as_first).collect::<Vec<_>>());
}
