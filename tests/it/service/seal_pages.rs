//! What pages of seals cost, and that their rows are held against what was written as each one is, on both databases.

use yinxin::base::id::{JobId, RequestId, SealId};
use yinxin::domain::audit::{Actor, SuspensionReason};
use yinxin::domain::caller::{Role, Roles};
use yinxin::domain::seal::State;
use yinxin::domain::seal::application::Holder;
use yinxin::domain::seal::code::SealCode;
use yinxin::service::seal_desk::{Among, LifeRequest, SealAnswer, SealDesk, SealQuery, SealRequest};
use yinxin::service::{Error, seal_delivery, seals as uses};
use yinxin::store::seal_keepers::{self, StoredKeeper};
use yinxin::store::seal_records::{self, SealOrigin, StoredSealRecord};
use yinxin::store::seals::{self, StoredSeal};

use crate::service::authority::BY;
use crate::service::installation::{NOW, Place};
use crate::service::registration::Person;
use crate::service::seal_life::{Office, credit_code, division};
use crate::store::Folder;
use crate::store::postgres::Postgres;

/// Seals that are there.
const SEALS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("seal-pages");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("pages of seals on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("seal-pages-postgres") }).await;
}

async fn contract(place: Place) {
    let office = Office::open(place.open().await).await;
    for number in 0..SEALS {
        there_is(&office, number).await;
    }
    let desk = SealDesk::new(office.services.clone(), office.profiles.clone(), office.issuance.clone());
    pages_cost_the_same(&office, &desk).await;
    a_filter_costs_a_few_reads_more(&office, &desk).await;
    a_page_holds_no_row_that_was_changed(&office, &desk, &place).await;
}

fn name(number: usize) -> SealId {
    SealId::parse(&format!("page-{number:03}")).unwrap()
}

/// A seal that came from elsewhere, with all its rows.
async fn there_is(office: &Office, number: usize) {
    let (seal, code) = (name(number), format!("330106{number:08}"));
    let stored = &StoredSeal {
        id: seal.clone(),
        es_id: code.clone(),
        name: "样章".into(),
        seal_der: vec![0x30, 0],
        signer_key: None,
        state: State::Active { since: NOW },
        version: 1,
    };
    let record = &StoredSealRecord {
        seal: seal.clone(),
        code: SealCode::foreign(&code).unwrap(),
        filing: None,
        kind: 1,
        name: "样章".into(),
        holder: Holder { credit_code: credit_code(number), name: "样章".into(), division: division("330106") },
        keeper: office.keeper.id.clone(),
        origin: SealOrigin::Import(JobId::parse("import").unwrap()),
        predecessor: None,
        certificate_sm3: [u8::try_from(number).unwrap(); 32],
        valid_to: NOW.plus_days(100),
        delivery: None,
        version: 1,
    };
    let kept = &StoredKeeper { seal, keeper: office.keeper.id.clone(), since: NOW, version: 1 };
    let steps = office.services.store.run("a seal is there", |tx| {
        Box::pin(async move {
            seals::insert(tx, stored).await?;
            seal_records::insert(tx, record).await?;
            seal_keepers::insert(tx, kept).await
        })
    });
    steps.await.unwrap();
}

/// How many seals come, and how many statements that took.
async fn page(office: &Office, desk: &SealDesk, who: &Person, query: SealQuery) -> Result<(usize, u64), Error> {
    let roles = Roles::new([Role::SealAdministrator]).unwrap();
    let (actor, call) = (Actor::Caller { id: who.id.clone(), roles }, RequestId::parse("call").unwrap());
    let before = office.services.store.statements();
    match desk.ask((&actor, &call), None, SealRequest::Life(LifeRequest::List(query))).await? {
        SealAnswer::Seals(found, _) => Ok((found.len(), office.services.store.statements() - before)),
        other => panic!("{other:?}"),
    }
}

fn of(limit: i64, among: Among) -> SealQuery {
    SealQuery { limit, among: Some(among), ..SealQuery::default() }
}

async fn pages_cost_the_same(office: &Office, desk: &SealDesk) {
    for (who, among) in [(&office.checker, Among::Division), (&office.keeper, Among::Kept)] {
        let (one, cost) = page(office, desk, who, of(1, among)).await.unwrap();
        let (fifty, all) = page(office, desk, who, of(50, among)).await.unwrap();
        assert_eq!((one, fifty, cost), (1, 50, all), "{among:?}");
        assert!(cost < 12, "{among:?}: {cost}");
    }
    let store = &office.services.store;
    let list = async |limit| {
        let before = store.statements();
        let page = seal_delivery::list(&office.services, None, limit).await.unwrap();
        (page.seals.len(), store.statements() - before)
    };
    assert_eq!((list(1).await, list(50).await), ((1, 2), (50, 2)));
}

/// Where nothing fits, all are looked at: by hundreds, not one by one.
async fn a_filter_costs_a_few_reads_more(office: &Office, desk: &SealDesk) {
    let query = SealQuery { state: Some("revoked".into()), ..of(1, Among::Division) };
    let (found, cost) = page(office, desk, &office.checker, query).await.unwrap();
    assert_eq!(found, 0);
    assert!(cost < 12, "{cost}");
}

async fn a_page_holds_no_row_that_was_changed(office: &Office, desk: &SealDesk, place: &Place) {
    let asked = async || match page(office, desk, &office.checker, of(50, Among::Division)).await {
        Ok((count, _)) => count.to_string(),
        Err(error) => error.to_string(),
    };
    let (seal, columns) = (name(7), "suspended_since, suspension_reason, active_since, version, integrity");
    // An older row that is put back whole.
    let old = format!("CREATE TABLE old_seals AS SELECT * FROM seals WHERE id = '{seal}'");
    place.script(&old).await;
    uses::suspend(&office.services, BY, &seal, SuspensionReason::OwnerRequest).await.unwrap();
    place.script(&format!("CREATE TABLE new_seals AS SELECT * FROM seals WHERE id = '{seal}'")).await;
    let from =
        |table: &str| format!("UPDATE seals SET ({columns}) = (SELECT {columns} FROM {table}) WHERE id = '{seal}'");
    assert_eq!(asked().await, "50");
    let refused = |table: &str| format!("the row {seal} of {table} is not as it was written");
    let changes = [
        ("seals", from("old_seals"), from("new_seals")),
        ("seals", format!("UPDATE seals SET name = 'x' WHERE id = '{seal}'"), from_name(&seal)),
        (
            "seal_keepers",
            format!("UPDATE seal_keepers SET since = since + 1 WHERE seal = '{seal}'"),
            format!("UPDATE seal_keepers SET since = since - 1 WHERE seal = '{seal}'"),
        ),
        (
            "further_seal_records",
            format!("UPDATE further_seal_records SET valid_to = valid_to + 1 WHERE seal = '{seal}'"),
            format!("UPDATE further_seal_records SET valid_to = valid_to - 1 WHERE seal = '{seal}'"),
        ),
    ];
    for (table, change, back) in changes {
        assert_eq!(place.by_hand(&change).await, 1);
        assert_eq!(asked().await, refused(table), "{change}");
        assert_eq!(place.by_hand(&back).await, 1);
        assert_eq!(asked().await, "50", "{back}");
    }
    // A keeper's row of which a version was kept, and that is deleted.
    let found = office.services.store.read(|tx| Box::pin(seal_keepers::find(tx, &seal))).await.unwrap().unwrap();
    let (kept, store) = (&found, &office.services.store);
    store.run("another keeper", |tx| Box::pin(seal_keepers::update(tx, kept))).await.unwrap();
    assert_eq!(asked().await, "50");
    assert_eq!(place.by_hand(&format!("DELETE FROM seal_keepers WHERE seal = '{seal}'")).await, 1);
    assert_eq!(asked().await, refused("seal_keepers"));
    assert!(store.refused_rows().contains(&("seal_keepers", seal.to_string())));
}

fn from_name(seal: &SealId) -> String {
    format!("UPDATE seals SET name = '样章' WHERE id = '{seal}'")
}
