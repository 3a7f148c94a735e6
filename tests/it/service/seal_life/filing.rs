//! Seals filed with public security: the number comes back and stays, refusals are shown, states are told, faults cost time.

use std::time::Duration;

use yinxin::domain::seal::code::FilingNumber;
use yinxin::domain::verify::address::Address;
use yinxin::service::offices::sending::{Attended, attend};
use yinxin::service::offices::{FILING, Office as Written, Offices};
use yinxin::service::outside::exchange::Correspondent;
use yinxin::service::seal_filing::{self, FilingState};

use yinxin::domain::audit::AlarmKind;
use yinxin::domain::audit::misuse::Misuse;
use yinxin::service::alarms;
use yinxin::service::watching::Watch;

use super::national::exchange_key;
use super::office::{Fault, OfficeDouble};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("filing");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("filing of seals on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("filing-postgres") }).await;
}

struct Scene {
    office: Office,
    there: OfficeDouble,
}

impl Scene {
    async fn attend(&self) -> Attended {
        attend(&self.office.services, &self.office.profiles, FILING).await.unwrap()
    }

    async fn settle(&self) {
        for _ in 0..8 {
            self.attend().await;
            self.office.hands.0.fetch_add(1000, Ordering::SeqCst);
        }
    }

    async fn filing(&self, seal: &SealId) -> FilingState {
        seal_filing::state(&self.office.services, seal).await.unwrap()
    }

    async fn file(&self, seal: &SealId) -> Result<(), &'static str> {
        seal_filing::file_again(&self.office.services, (BY, None), seal).await.map_err(|error| error.code())
    }

    /// What the office heard of a seal.
    fn heard(&self, seal: &SealId) -> Vec<String> {
        let heard = self.there.desk.lock().unwrap().heard.clone();
        let of_seal = heard.into_iter().filter(|(about, ..)| *about == seal.as_str());
        of_seal.map(|(_, kind, detail)| if kind == "state" { detail } else { kind.to_owned() }).collect()
    }
}

async fn contract(place: Place) {
    let mut office = Office::open(place.open().await).await;
    let there = OfficeDouble::open(office.hands.clone()).await;
    there.desk.lock().unwrap().correspondent = Some(exchange_key(&office.services).await);
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 99)).await.unwrap();

    // Nobody files unless the installation says so.
    let unfiled = office.seal(1).await;
    assert_eq!(seal_filing::state(&office.services, &unfiled).await.unwrap(), FilingState::None);
    let off = seal_filing::file_again(&office.services, (BY, None), &unfiled).await.unwrap_err();
    assert_eq!((off.code(), place.count("office_messages").await), ("filing-off", 0));

    let address = Address::parse(&format!("http://{}/orders", there.address)).unwrap();
    let correspondent = Correspondent::new(address, None, there.public_key.clone());
    let filing = Written { correspondent, every: Duration::from_secs(30), silent: Duration::from_secs(3600) };
    office.services = office.services.clone().with_offices(Offices { maker: None, filing: Some(filing) });
    let scene = Scene { office, there };
    a_seal_is_filed_and_its_state_told(&scene).await;
    what_is_refused_is_shown_and_filed_again(&scene, &unfiled).await;
    a_number_is_one_seals(&scene).await;
    a_broken_message_stops_no_other(&scene, &place).await;
    // Every message was signed as it must be.
    assert_eq!(scene.there.turned_away(), Vec::<&str>::new());
}

async fn a_seal_is_filed_and_its_state_told(scene: &Scene) {
    let office = &scene.office;
    scene.there.desk.lock().unwrap().delay = 1;
    let seal = office.seal(2).await;
    assert_eq!(scene.filing(&seal).await, FilingState::Waiting);
    assert_eq!(scene.file(&seal).await, Err("filing-stands"));
    scene.there.fault(Fault::LoseAnswer);
    assert!(scene.attend().await.away);
    scene.settle().await;
    let number = FilingNumber::parse("3301060000001").unwrap();
    assert_eq!(scene.filing(&seal).await, FilingState::Filed(number.clone()));
    scene.there.desk.lock().unwrap().delay = 0;
    let known = seal_delivery::find(&office.services, &seal).await.unwrap();
    assert_eq!(known.record.filing, Some(number));
    office.suspend(&seal, &office.applicant).await.unwrap();
    scene.there.fault(Fault::Silence);
    scene.settle().await;
    let heard = scene.heard(&seal);
    assert_eq!(heard.first().map(String::as_str), Some("file"));
    let states = heard.iter().filter(|one| *one != "file").map(String::as_str).collect::<Vec<_>>();
    assert_eq!(states, ["active", "suspended"]);
    assert_eq!(scene.file(&seal).await, Err("filing-stands"));
    let told = events(&office.services).await.into_iter().filter(|event| event.class().name() == "seal-filing");
    assert_eq!(told.count(), 1);
}

async fn what_is_refused_is_shown_and_filed_again(scene: &Scene, unfiled: &SealId) {
    let office = &scene.office;
    let refuse = || scene.there.desk.lock().unwrap().refuses = Some("holder-unknown".to_owned());
    refuse();
    let seal = office.seal(3).await;
    scene.settle().await;
    assert_eq!(scene.filing(&seal).await, FilingState::Refused("holder-unknown".into()));
    // It is used all the same, and the office hears nothing of a seal that it does not know.
    office.sign(&seal).await.unwrap();
    office.suspend(&seal, &office.applicant).await.unwrap();
    scene.settle().await;
    assert_eq!(scene.heard(&seal), ["file"]);
    scene.file(&seal).await.unwrap();
    scene.settle().await;
    assert_eq!(scene.filing(&seal).await.name(), "filed");
    assert_eq!(scene.heard(&seal), ["file", "file", "suspended"]);
    // One that was made before anybody filed.
    scene.file(unfiled).await.unwrap();
    scene.settle().await;
    assert_eq!(
        (scene.filing(unfiled).await.name(), scene.heard(unfiled)),
        ("filed", vec!["file".to_owned(), "active".to_owned()])
    );
}

async fn a_number_is_one_seals(scene: &Scene) {
    let reported = async |seal: &SealId| {
        let told = events(&scene.office.services).await.into_iter().filter_map(|event| match event.body {
            yinxin::domain::audit::EventBody::OfficeAnswerRefused { subject, code, .. } if subject == seal.as_str() => {
                Some(code)
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let faults = [("3301060000001", "filing-number-taken"), ("330106000001", "filing-number-form")];
    for (number, (text, code)) in (10..).zip(faults) {
        scene.there.desk.lock().unwrap().next_number = Some(text.to_owned());
        let seal = scene.office.seal(number).await;
        scene.attend().await;
        assert_eq!((scene.filing(&seal).await, reported(&seal).await), (FilingState::Waiting, vec![code.to_owned()]));
        scene.settle().await;
        assert_eq!(scene.filing(&seal).await.name(), "filed");
    }
}

/// Rows of messages that cannot be read, that say what cannot be, or that are about nothing: each is set apart and alarmed, what
/// is about the same seal waits behind it, and everything else goes on.
async fn a_broken_message_stops_no_other(scene: &Scene, place: &Place) {
    let office = &scene.office;
    let services = &office.services;
    let watch = Watch::begin(services.clone(), Misuse::default()).await.unwrap();
    let _ = services.store.refused_rows();
    scene.there.desk.lock().unwrap().next_number = None;
    let (wordless, lost) = (office.seal(20).await, office.seal(21).await);
    scene.settle().await;
    let broken = office.seal(22).await;
    for seal in [&wordless, &lost, &broken] {
        office.suspend(seal, &office.applicant).await.unwrap();
    }
    let fault = async |seal: &SealId, number: &str, what: &str| {
        let sql = format!("UPDATE office_messages SET {what} WHERE id = 'filing:{seal}:{number}'");
        assert_eq!(place.by_hand(&sql).await, 1, "{sql}");
    };
    fault(&broken, "00000000", "attempts = -1").await;
    fault(&wordless, "00000002", "detail = 'lost'").await;
    fault(&lost, "00000002", "subject = 'nobody'").await;
    let other = office.seal(23).await;
    let attended = scene.attend().await;
    assert_eq!((attended.refused, attended.away), (3, false), "{attended:?}");
    // A second look finds nothing of them: each is looked at again later.
    assert_eq!(scene.attend().await.refused, 0);
    for _ in 0..4 {
        scene.attend().await;
        office.hands.0.fetch_add(60, Ordering::SeqCst);
    }
    assert_eq!(
        (scene.filing(&other).await.name(), scene.heard(&other)),
        ("filed", vec!["file".into(), "active".into()])
    );
    assert_eq!((scene.filing(&broken).await, scene.heard(&broken)), (FilingState::SetApart, Vec::<String>::new()));
    assert_eq!((scene.filing(&wordless).await.name(), scene.heard(&wordless).len()), ("filed", 2));
    watch.tell_refused_rows().await;
    let open = alarms::open(services).await.unwrap();
    let rows = open.into_iter().filter(|one| one.alarm.kind == AlarmKind::RowChanged);
    let rows = rows.filter_map(|one| one.alarm.sink).collect::<Vec<_>>();
    for (seal, number) in [(&broken, "00000000"), (&wordless, "00000002"), (&lost, "00000002")] {
        assert!(rows.contains(&format!("office_messages/filing:{seal}:{number}")), "{rows:?}");
    }
    // Whatever becomes of the seal goes on, and what is to be told waits behind.
    let again = office.approved(office.asks(Purpose::Resume { seal: wordless.clone() })).await;
    assert_eq!(office.fulfil(&again).await.unwrap().state.name(), "active");
    scene.settle().await;
    assert_eq!(scene.heard(&wordless).len(), 2);

    // Put right, they go on where they were, in their order.
    fault(&wordless, "00000002", "detail = 'suspended'").await;
    fault(&lost, "00000002", &format!("subject = '{lost}'")).await;
    scene.settle().await;
    assert_eq!(scene.heard(&wordless), ["file", "active", "suspended", "active"]);
    assert_eq!(scene.heard(&lost), ["file", "active", "suspended"]);
    // What cannot be put right is filed again; what was to be told before ends.
    assert_eq!(scene.file(&broken).await, Ok(()));
    scene.settle().await;
    assert_eq!(
        (scene.filing(&broken).await.name(), scene.heard(&broken)),
        ("filed", vec!["file".into(), "suspended".into()])
    );
}
