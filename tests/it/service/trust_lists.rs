//! Trust lists of an installation, on both databases: who brings one into force, what a row alone can do, what is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use yinxin::base::random::SystemRandom;
use yinxin::crypto::digest::sm3;
use yinxin::crypto::{Signer, ecdsa};
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::request::OfficerRole;
use yinxin::domain::trust::key::subject_public_key_info;
use yinxin::domain::trust::list::{fingerprint, list_key};
use yinxin::domain::trust::{ListSigner, ListedList, SignedTrustList, TrustAnchors, TrustList, TrustUse};
use yinxin::format::trust_list::ListSignature;
use yinxin::service::trust_lists::{self, Imported, LeftOut};
use yinxin::service::{Error, Services, officers};
use yinxin::store;
use yinxin::store::trust_lists::StoredTrustList;

use crate::service::installation::{NOW, Place, events};
use crate::service::registration::{Hands, Person, hired};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const BY: &Actor = &Actor::Operator;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("trust-lists");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else { return crate::skip("trust lists on PostgreSQL", "PostgreSQL") };
    contract(Place { url: server.url.clone(), folder: Folder::new("trust-lists-postgres") }).await;
}

/// A key that signs lists.
struct Keeper(ecdsa::PrivateKey);

impl Keeper {
    fn new() -> Self {
        Self(ecdsa::PrivateKey::generate(&SystemRandom).unwrap())
    }

    fn listed(&self) -> ListSigner {
        ListSigner { key: subject_public_key_info(&Signer::public_key(&self.0)), name: "签名人".into() }
    }

    fn sign(&self, signed: SignedTrustList) -> SignedTrustList {
        let info = self.listed().key;
        let (_, algorithm) = list_key(&info).unwrap();
        let key_sm3 = sm3(&info);
        let value = Signer::sign(&self.0, &signed.signing_input(algorithm, &key_sm3), &SystemRandom).unwrap();
        signed.with_signature(ListSignature { algorithm, key_sm3, value: value.to_vec() }).unwrap()
    }
}

fn list(name: &str, number: u64, signer: &Keeper) -> TrustList {
    TrustList {
        anchors: Vec::new(),
        expires: NOW.plus_days(30),
        issued: NOW.plus_days(-1),
        lists: Vec::new(),
        name: name.into(),
        number,
        operator: "示例".into(),
        signers: vec![signer.listed()],
        threshold: 1,
        version: 1,
    }
}

fn file(list: TrustList, by: &[&Keeper]) -> Vec<u8> {
    by.iter().fold(SignedTrustList::unsigned(list).unwrap(), |signed, one| one.sign(signed)).to_json()
}

struct Office {
    services: Services,
    clock: Arc<Hands>,
    place: Place,
    one: Person,
    two: Person,
    checker: Person,
}

impl Office {
    async fn import(&self, file: &[u8]) -> Result<Vec<Imported>, Error> {
        trust_lists::import(&self.services, (BY, None), file).await
    }

    async fn imported(&self, file: &[u8]) -> [u8; 32] {
        self.import(file).await.unwrap()[0].stored.order.offer.list_sm3
    }

    async fn approve(&self, list: &[u8; 32], by: &Person, paper: Option<&str>) -> Result<StoredTrustList, Error> {
        let octets = trust_lists::to_approve(&self.services, list, &by.id, paper).await?;
        trust_lists::approve(&self.services, list, by.by(&by.sign(&octets)), paper).await
    }

    async fn activate(&self, list: &[u8; 32]) -> Result<StoredTrustList, Error> {
        trust_lists::activate(&self.services, (BY, None), list).await
    }

    /// From the import to its being in force.
    async fn enforced(&self, file: &[u8]) -> [u8; 32] {
        let list = self.imported(file).await;
        let paper = fingerprint(&list);
        for by in [&self.one, &self.two] {
            self.approve(&list, by, Some(&paper)).await.unwrap();
        }
        self.activate(&list).await.unwrap();
        list
    }

    /// Name and number of each list that is used, and what is left out.
    async fn used(&self) -> (Vec<(String, u64)>, Vec<LeftOut>) {
        let found = trust_lists::in_force(&self.services, self.services.clock.now()).await.unwrap();
        let mut trust = TrustAnchors::none();
        found.add_to(&mut trust);
        (trust.lists().map(|list| (list.name.clone(), list.number)).collect(), found.left_out)
    }
}

#[track_caller]
fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> &'static str {
    outcome.unwrap_err().code()
}

async fn contract(place: Place) {
    let clock = Arc::new(Hands(AtomicI64::new(NOW.unix())));
    let services = Services { clock: clock.clone(), ..place.open().await };
    let one = hired(&services, OfficerRole::Approver).await;
    let two = hired(&services, OfficerRole::Approver).await;
    let checker = hired(&services, OfficerRole::Checker).await;
    let office = Office { services, clock, place, one, two, checker };
    let keeper = Keeper::new();
    two_officers_compare_the_first_list_with_paper(&office, &keeper).await;
    later_versions_are_introduced_by_earlier_ones(&office, &keeper).await;
    a_list_above_gives_and_takes(&office).await;
    an_expired_list_is_not_used(&office).await;
    a_row_alone_makes_nobody_trusted(&office).await;
    office.services.store.close().await;
}

async fn two_officers_compare_the_first_list_with_paper(office: &Office, keeper: &Keeper) {
    let first = file(list("zj", 3, keeper), &[keeper]);
    let imported = office.import(&first).await.unwrap();
    let (stored, changes) = (&imported[0].stored, &imported[0].changes);
    assert!(stored.order.offer.by_paper && stored.order.offer.replaces.is_none());
    assert_eq!(changes.len(), 1, "{changes:?}");
    let id = stored.order.offer.list_sm3;
    let paper = fingerprint(&id);
    assert_eq!(code(office.approve(&id, &office.one, None).await), "fingerprint-not-compared");
    let other = fingerprint(&[7; 32]);
    assert_eq!(code(office.approve(&id, &office.one, Some(&other)).await), "fingerprint-differs");
    assert_eq!(code(office.approve(&id, &office.checker, Some(&paper)).await), "officer-role");
    assert_eq!(code(office.activate(&id).await), "trust-list-approvals");
    office.approve(&id, &office.one, Some(&paper)).await.unwrap();
    assert_eq!(code(office.approve(&id, &office.one, Some(&paper)).await), "approver-repeated");
    assert_eq!(code(office.activate(&id).await), "trust-list-approvals");
    // Another's signature under one's own name.
    let octets = trust_lists::to_approve(&office.services, &id, &office.two.id, Some(&paper)).await.unwrap();
    let forged = office.one.sign(&octets);
    let outcome = trust_lists::approve(&office.services, &id, office.two.by(&forged), Some(&paper)).await;
    assert_eq!(code(outcome), "approval-signature");
    office.approve(&id, &office.two, Some(&paper)).await.unwrap();
    // Who is none any more did not approve.
    officers::dismiss(&office.services, (BY, None), &office.two.id).await.unwrap();
    assert_eq!(code(office.activate(&id).await), "approver-gone");
    officers::appoint(&office.services, (BY, None), &office.two.id, OfficerRole::Approver).await.unwrap();
    assert_eq!(office.used().await.0, []);
    let before = events(&office.services).await.len();
    assert_eq!(office.activate(&id).await.unwrap().order.state_name(), "active");
    let log = events(&office.services).await;
    let body = EventBody::TrustListActivated { name: "zj".into(), number: 3, list_sm3: id, replaced_sm3: None };
    assert_eq!((log.len(), &log.last().unwrap().body), (before + 1, &body));
    assert_eq!(office.used().await, (vec![("zj".into(), 3)], vec![]));
    assert_eq!(code(office.activate(&id).await), "trust-list-state");
    assert!(office.import(&first).await.unwrap().is_empty(), "what is in force is passed over");
}

async fn later_versions_are_introduced_by_earlier_ones(office: &Office, keeper: &Keeper) {
    let other = Keeper::new();
    for number in [1, 3] {
        let offered = TrustList { operator: "别处".into(), ..list("zj", number, keeper) };
        assert_eq!(code(office.import(&file(offered, &[keeper])).await), "trust-list-rollback");
    }
    let hijacked = file(list("zj", 4, &other), &[&other]);
    assert_eq!(code(office.import(&hijacked).await), "trust-list-not-by-predecessor");
    let unsigned = file(list("zj", 4, keeper), &[]);
    assert_eq!(code(office.import(&unsigned).await), "trust-list-too-few-signatures");
    let ended = TrustList { expires: NOW.plus_seconds(-1), ..list("zj", 4, keeper) };
    assert_eq!(code(office.import(&file(ended, &[keeper])).await), "trust-list-expired");
    assert_eq!(code(office.import(b"{}").await), "trust-list-malformed");

    // Two successors wait; one comes into force, so what was approved for the other is no longer what would happen.
    let four = office.imported(&file(list("zj", 4, keeper), &[keeper])).await;
    let five_file = file(list("zj", 5, &other), &[&other, keeper]);
    let five = office.imported(&five_file).await;
    for by in [&office.one, &office.two] {
        office.approve(&four, by, None).await.unwrap();
        office.approve(&five, by, None).await.unwrap();
    }
    office.activate(&four).await.unwrap();
    assert_eq!(code(office.activate(&five).await), "trust-list-base-changed");
    // Imported again it is offered anew, and has no approvals.
    let again = office.import(&five_file).await.unwrap().remove(0).stored;
    assert_eq!((again.order.offer.replaces, again.order.approvals.len()), (Some(four), 0));
    for by in [&office.one, &office.two] {
        office.approve(&five, by, None).await.unwrap();
    }
    office.activate(&five).await.unwrap();
    assert_eq!(office.used().await, (vec![("zj".into(), 5)], vec![]));
    assert_eq!(trust_lists::find(&office.services, &four).await.unwrap().order.state_name(), "superseded");
    // The key that handed the list over has no say any more.
    let late = file(list("zj", 6, keeper), &[keeper]);
    assert_eq!(code(office.import(&late).await), "trust-list-not-by-predecessor");

    let six_file = file(list("zj", 6, &other), &[&other]);
    let six = office.imported(&six_file).await;
    let octets = trust_lists::to_refuse(&office.services, &six, &office.one.id).await.unwrap();
    let value = office.one.sign(&octets);
    trust_lists::refuse(&office.services, &six, office.one.by(&value)).await.unwrap();
    assert_eq!(code(office.approve(&six, &office.two, None).await), "trust-list-state");
    assert_eq!(code(office.import(&six_file).await), "trust-list-state");
    assert_eq!(code(trust_lists::find(&office.services, &[9; 32]).await), "unknown-trust-list");
}

async fn a_list_above_gives_and_takes(office: &Office) {
    let (nation, province) = (Keeper::new(), Keeper::new());
    let below = |signer: &Keeper| ListedList {
        address: None,
        name: "js".into(),
        regions: Vec::new(),
        signers: vec![signer.listed()],
        threshold: 1,
        uses: vec![TrustUse::SealMaking],
    };
    let above = |number, lists| file(TrustList { lists, ..list("cn", number, &nation) }, &[&nation]);
    office.enforced(&above(1, vec![below(&province)])).await;
    // The list below needs no paper, and no known version.
    let js = office.import(&file(list("js", 1, &province), &[&province])).await.unwrap().remove(0).stored;
    assert_eq!((js.above.as_deref(), js.order.offer.by_paper), (Some("cn"), false));
    let id = js.order.offer.list_sm3;
    for by in [&office.one, &office.two] {
        office.approve(&id, by, None).await.unwrap();
    }
    office.activate(&id).await.unwrap();
    assert!(office.used().await.0.contains(&("js".into(), 1)));
    let stranger = Keeper::new();
    let foreign = file(list("js", 2, &stranger), &[&stranger]);
    assert_eq!(code(office.import(&foreign).await), "trust-list-not-by-named-above");
    office.enforced(&above(2, Vec::new())).await;
    let (used, left_out) = office.used().await;
    assert!(!used.contains(&("js".into(), 1)), "{used:?}");
    assert_eq!(left_out, [LeftOut { name: "js".into(), number: 1, code: "trust-list-no-longer-named" }]);
    // What was dropped does not come back by its own word.
    let own_word = file(list("js", 2, &province), &[&province]);
    assert_eq!(code(office.import(&own_word).await), "trust-list-no-longer-named");
    // The list above names it again.
    office.enforced(&above(3, vec![below(&province)])).await;
    assert!(office.used().await.0.contains(&("js".into(), 1)));
}

async fn an_expired_list_is_not_used(office: &Office) {
    let keeper = Keeper::new();
    office.enforced(&file(TrustList { expires: NOW.plus_days(2), ..list("short", 1, &keeper) }, &[&keeper])).await;
    assert!(office.used().await.0.contains(&("short".into(), 1)));
    office.clock.0.store(NOW.plus_days(3).unix(), Ordering::SeqCst);
    let (used, left_out) = office.used().await;
    assert!(!used.contains(&("short".into(), 1)), "{used:?}");
    assert_eq!(left_out, [LeftOut { name: "short".into(), number: 1, code: "trust-list-expired" }]);
    office.clock.0.store(NOW.unix(), Ordering::SeqCst);
}

/// Whoever can write rows, but not sign as officers, or not compute integrity values, gets no list into force.
async fn a_row_alone_makes_nobody_trusted(office: &Office) {
    let keeper = Keeper::new();
    let id = office.imported(&file(list("rogue", 1, &keeper), &[&keeper])).await;
    let refused = async |sql: &str| {
        assert_eq!(office.place.by_hand(sql).await, 1, "{sql}");
        let outcome = trust_lists::in_force(&office.services, NOW).await;
        let is_right = matches!(&outcome, Err(Error::Store(store::Error::Inconsistent { table: "trust_lists", .. })));
        assert!(is_right, "{sql}: {outcome:?}");
    };
    refused("UPDATE trust_lists SET state = 'active', since = 1800000000 WHERE name = 'rogue'").await;
    office.place.by_hand("UPDATE trust_lists SET state = 'imported', since = NULL WHERE name = 'rogue'").await;
    assert_eq!(trust_lists::find(&office.services, &id).await.unwrap().order.state_name(), "imported");
    // Approvals belong to the row: one taken away is noticed.
    let sql = "DELETE FROM trust_list_approvals WHERE position = 2 AND list_sm3 IN \
               (SELECT list_sm3 FROM trust_lists WHERE name = 'short')";
    refused(sql).await;
}
