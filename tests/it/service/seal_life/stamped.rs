//! Seals of version 5 get a time stamp of their own: with it they are made, without it nothing is, and the application goes on.

use yinxin::domain::audit::{Event, EventBody};
use yinxin::domain::seal::maker::SealStamps;
use yinxin::domain::verify::Report;
use yinxin::service::stamping::Stamping;
use yinxin::store::seal_makings;

use super::*;
use crate::service::seal_remakes::what_the_authorities_say;
use crate::service::stamping::{Told, options, start};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("stamped-seals");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("stamped seals on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("stamped-seals-postgres") }).await;
}

async fn contract(place: Place) {
    let services = place.open().await.with_seal_stamps(SealStamps::V5);
    let office = Office::open(services).await;
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("3301"), (1, 500)).await.unwrap();
    a_silent_unit_keeps_the_application_waiting(&office, &place).await;
    other_forms_want_no_unit(&office).await;
}

async fn fulfil(office: &Office, stamping: Option<&Stamping>, id: &ApplicationId) -> Result<Fulfilled, Error> {
    let means = Means { issuance: &office.issuance, stamping };
    seal_fulfilment::fulfil(&office.services, &office.profiles, means, (BY, None), id).await
}

async fn asked(office: &Office, number: usize, form: SealForm) -> ApplicationId {
    let wanted = Wanted { form, ..office.wanted(number, office.key().await) };
    office.approved(office.asks(Purpose::Make(Box::new(wanted)))).await
}

async fn bytes_of(office: &Office, seal: &SealId) -> Vec<u8> {
    seal_delivery::find(&office.services, seal).await.unwrap().seal.seal_der
}

async fn judged(office: &Office, name: &str, octets: &[u8]) -> Report {
    let policy = verification::built_in("default", &sm3_hex).unwrap();
    let mut judge = Verification::new(policy, NOW.plus_seconds(60), Limits::DEFAULT);
    judge.add_anchors(&office.root, "root").unwrap();
    let (lists, below) = what_the_authorities_say(office).await;
    judge.add_evidence(&below, "below").unwrap();
    for list in &lists {
        judge.add_evidence(list, "list").unwrap();
    }
    judge.judge(name, octets, None)
}

async fn tokens(services: &Services) -> Vec<[u8; 32]> {
    let of = |event: Event| match event.body {
        EventBody::TimeStampsIssued { items, .. } => {
            items.chunks(48).map(|item| item[16..].try_into().unwrap()).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    events(services).await.into_iter().flat_map(of).collect()
}

async fn a_silent_unit_keeps_the_application_waiting(office: &Office, place: &Place) {
    let id = asked(office, 1, SealForm::V5).await;
    let state = async || seal_applications::find(&office.services, &id).await.unwrap().application.state_name();
    let making =
        async || office.services.store.read(|tx| Box::pin(seal_makings::find(tx, &id))).await.unwrap().unwrap();
    let refused = async |stamping: Option<&Stamping>, code: &str| {
        assert_eq!(fulfil(office, stamping, &id).await.unwrap_err().code(), code);
        assert_eq!((state().await, place.count("seals").await, place.count("seal_records").await), ("approved", 0, 0));
        making().await
    };
    // There is no service of time stamps; there is one without a unit; its unit does not trust its clock; its key rests.
    let begun = refused(None, "stamping-idle").await;
    assert!(begun.certificate_sm3.is_some());
    let idle = start(&office.services, options(&Told::new())).await;
    assert_eq!(refused(Some(&idle), "stamping-idle").await, begun);
    drop(idle);
    let new = NewUnit {
        algorithm: KeyAlgorithm::Sm2,
        location: None,
        subject: names("时间戳"),
        profile: "tsa".into(),
        not_after: None,
    };
    let unit = (&office.below.id, UnitRole::TimeStamping);
    establish(&office.services, &office.issuance, BY, unit, new).await.unwrap();
    let clocks = Told::new();
    let distrustful = start(&office.services, options(&clocks)).await;
    clocks.jump(60_000_000);
    assert_eq!(refused(Some(&distrustful), "stamping-not-granted").await, begun);
    drop(distrustful);
    assert_eq!(tokens(&office.services).await, [[0; 32]; 0]);

    let stamping = start(&office.services, options(&Told::new())).await;
    let made = fulfil(office, Some(&stamping), &id).await.unwrap();
    assert_eq!((made.state.name(), state().await, making().await), ("made", "fulfilled", begun));
    let der = bytes_of(office, &made.seal).await;
    let seal = SesSeal::parse_any(&der).unwrap();
    assert_eq!(tokens(&office.services).await, [sm3(seal.time_stamp.unwrap())]);
    let report = judged(office, "a.esl", &der).await;
    let [alone] = &report.signatures[..] else { panic!("{report:?}") };
    assert_eq!(
        (report.indication, alone.kind, alone.time.code.as_str()),
        (Indication::TotalPassed, "ses-v5", "proved")
    );
    assert!(alone.details.seal_proved_time.is_some_and(|at| (0..60).contains(&(at.unix() - NOW.unix()))), "{alone:?}");

    assert_eq!(office.deliver(&made.seal, &office.keeper).await.unwrap(), "active");
    let sealed = office.sign(&made.seal).await.unwrap();
    let report = judged(office, "a.ofd", &sealed).await;
    let proved = report.signatures[0].details.seal_proved_time;
    assert_eq!((report.indication, proved), (Indication::TotalPassed, alone.details.seal_proved_time));
}

async fn other_forms_want_no_unit(office: &Office) {
    for (number, form) in [(2, SealForm::V1), (3, SealForm::V4)] {
        let id = asked(office, number, form).await;
        let made = fulfil(office, None, &id).await.unwrap();
        assert_eq!(SesSeal::parse_any(&bytes_of(office, &made.seal).await).unwrap().time_stamp, None);
    }
    let id = asked(office, 4, SealForm::V5).await;
    let services = office.services.clone().with_seal_stamps(SealStamps::Never);
    let means = office.means();
    let made = seal_fulfilment::fulfil(&services, &office.profiles, means, (BY, None), &id).await.unwrap();
    assert_eq!(SesSeal::parse_any(&bytes_of(office, &made.seal).await).unwrap().time_stamp, None);
}
