//! The end of a seal's validity: told by the clock at once, noted once by the service's look, whenever that comes and wherever
//! it is cut off, on both databases.

use std::time::Duration;

use yinxin::base::id::SealId;
use yinxin::domain::audit::EventBody;
use yinxin::domain::seal::State;
use yinxin::domain::seal::application::Purpose;
use yinxin::service::seal_expiry::expire_due;
use yinxin::service::seals::{self, Status};
use yinxin::service::{seal_codes, seal_delivery};

use crate::service::authority::BY;
use crate::service::installation::{Place, events};
use crate::service::seal_life::{Office, division};
use crate::store::Folder;
use crate::store::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("seal-expiry");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("the end of seals on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("seal-expiry-postgres") }).await;
}

async fn contract(place: Place) {
    let office = Office::open(place.open().await).await;
    office.maker().await;
    seal_codes::assign(&office.services, (BY, None), &division("330106"), (1, 99)).await.unwrap();
    let (used, resting, ended) = (office.seal(1).await, office.seal(2).await, office.seal(3).await);
    let changed = office.seal(4).await;
    office.suspend(&resting, &office.applicant).await.unwrap();
    let reason = yinxin::domain::audit::RevocationReason::FactsChanged;
    let revoke = Purpose::Revoke { seal: ended.clone(), reason };
    let revoke = office.approved(office.asks(revoke)).await;
    office.fulfil(&revoke).await.unwrap();

    // Nothing is due yet; a look notes when they end.
    assert_eq!(expire_due(&office.services).await.unwrap(), 0);
    let name = async |seal: &SealId| told(&office, seal).await.state.name();
    assert_eq!((name(&used).await, name(&resting).await, name(&ended).await), ("active", "suspended", "revoked"));

    // Days without a service.
    office.wait_days(400);
    let before = [told(&office, &used).await, told(&office, &resting).await, told(&office, &ended).await];
    assert_eq!(before.each_ref().map(|status| status.state.name()), ["expired", "expired", "revoked"]);
    assert_eq!(before[0].state, State::Expired { at: before[0].valid_to });
    let refused = office.sign(&used).await.unwrap_err();
    assert_eq!(office.suspend(&used, &office.applicant).await.unwrap_err().code(), "invalid-transition");
    let listed = listed(&office).await;

    // One row is not as it was written: no other waits for it.
    let change = |by: &str| format!("UPDATE seals SET name = name || '{by}' WHERE id = '{changed}'");
    assert_eq!(place.by_hand(&change("x")).await, 1);
    // The look is cut off anywhere, and two come at once.
    for milliseconds in 0..12 {
        let _ = tokio::time::timeout(Duration::from_millis(milliseconds), expire_due(&office.services)).await;
    }
    let (one, other) = tokio::join!(expire_due(&office.services), expire_due(&office.services));
    assert!(one.unwrap() + other.unwrap() <= 2);
    assert_eq!(expire_due(&office.services).await.unwrap(), 0);
    let after = [told(&office, &used).await, told(&office, &resting).await, told(&office, &ended).await];
    assert_eq!(after, before);
    assert_eq!(office.sign(&used).await.unwrap_err(), refused);
    assert_eq!(expired(&office).await, sorted([&used, &resting]));
    let rows = office.services.store.refused_rows();
    assert!(rows.contains(&("seals", changed.to_string())), "{rows:?}");

    // Put right, it is found an hour later.
    let back = format!("UPDATE seals SET name = substr(name, 1, length(name) - 1) WHERE id = '{changed}'");
    assert_eq!(place.by_hand(&back).await, 1);
    assert_eq!(listed, self::listed(&office).await);
    assert_eq!(expire_due(&office.services).await.unwrap(), 0);
    office.wait_days(1);
    assert_eq!(expire_due(&office.services).await.unwrap(), 1);
    assert_eq!(expired(&office).await, sorted([&used, &resting, &changed]));

    // Its holder gets another one, it is replaced, or its papers are closed.
    let again = office.approved(office.make(1).await).await;
    assert_eq!(office.fulfil(&again).await.unwrap().state.name(), "made");
    let wanted = Box::new(office.wanted(4, office.key().await));
    let replace = office.approved(office.asks(Purpose::Replace { seal: changed.clone(), wanted })).await;
    office.fulfil(&replace).await.unwrap();
    assert_eq!(name(&changed).await, "superseded");
    let archived = seal_delivery::archive(&office.services, (BY, None), &resting).await.unwrap();
    assert_eq!(archived.name(), "archived");
}

async fn told(office: &Office, seal: &SealId) -> Status {
    seals::status(&office.services, seal).await.unwrap()
}

/// Every seal and where it stands, as a page tells it; nothing of a page that is refused.
async fn listed(office: &Office) -> Vec<(SealId, &'static str)> {
    let page = seal_delivery::list(&office.services, None, 500).await.unwrap();
    page.seals.into_iter().map(|known| (known.seal.id, known.seal.state.name())).collect()
}

fn sorted<const N: usize>(seals: [&SealId; N]) -> Vec<SealId> {
    let mut all = seals.map(Clone::clone).to_vec();
    all.sort();
    all
}

/// The seals of which the log says that they expired, as often as it does.
async fn expired(office: &Office) -> Vec<SealId> {
    let told = events(&office.services).await.into_iter().filter_map(|event| match event.body {
        EventBody::SealExpired { seal, .. } => Some(seal),
        _ => None,
    });
    let mut all = told.collect::<Vec<_>>();
    all.sort();
    all
}
