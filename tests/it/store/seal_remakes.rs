//! Imports of seals, and orders to re-make them: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::credit_code::CreditCode;
use yinxin::base::division::Division;
use yinxin::base::id::{AuthorityId, CallerId, JobId, KeyId, SealId};
use yinxin::domain::audit::RevocationReason;
use yinxin::domain::key::KeyAlgorithm;
use yinxin::domain::officer::{Approval, Hand};
use yinxin::domain::seal::application::Holder;
use yinxin::domain::seal::code::SealCode;
use yinxin::domain::seal::import_table::Outcome;
use yinxin::domain::seal::remake::{Making, RemakeOrder, RemakeState, RemakeStep, Selection};
use yinxin::store::seal_imports::{self, Counts, RecordOutcome, StoredImport};
use yinxin::store::seal_makings;
use yinxin::store::seal_records::{self, SealOrigin, StoredSealRecord};
use yinxin::store::seal_remakes::{self, RemakeCounts, StoredRemake, StoredRemakeSeal};
use yinxin::store::{Error, Store, seals};

use crate::store::contract::by_hand;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn job(text: &str) -> JobId {
    JobId::parse(text).unwrap()
}

fn seal(text: &str) -> SealId {
    SealId::parse(text).unwrap()
}

/// Wants the callers `c1` and `c2`, the authority `ca`, and the seals `s1` and `s2`, of which `s1` has a record.
pub(super) async fn contract(store: &Store, url: &str) {
    records_without_an_application(store, url).await;
    imports(store).await;
    orders(store, url).await;
    seals_of_orders(store, url).await;
}

async fn refused(url: &str, change: &str, back: &str, find: impl AsyncFn() -> Option<Error>) {
    let (change, back): (&'static str, &'static str) = (change.to_owned().leak(), back.to_owned().leak());
    assert_eq!(by_hand(url, change).await.unwrap(), 1, "{change}");
    let found = find().await;
    assert!(matches!(found, Some(Error::Inconsistent { .. })), "{change}: {found:?}");
    assert_eq!(by_hand(url, back).await.unwrap(), 1, "{back}");
    assert!(find().await.is_none(), "{back}");
}

async fn records_without_an_application(store: &Store, url: &str) {
    let credit_code = CreditCode::parse("99990000000000001F").unwrap();
    let division = Division::parse("330106").unwrap();
    let record = &StoredSealRecord {
        seal: seal("s2"),
        code: SealCode::foreign("Any-Text").unwrap(),
        filing: None,
        kind: 99,
        name: "别处".into(),
        holder: Holder { credit_code: credit_code.clone(), name: "样章市试验局".into(), division },
        keeper: CallerId::parse("c2").unwrap(),
        origin: SealOrigin::Import(job("i1")),
        predecessor: None,
        certificate_sm3: [3; 32],
        valid_to: at(900),
        delivery: None,
        version: 1,
    };
    store.run("keep", |tx| Box::pin(seal_records::insert(tx, record))).await.unwrap();
    let s2 = &record.seal;
    let find = async || store.read(|tx| Box::pin(seal_records::find(tx, s2))).await;
    assert_eq!(find().await.unwrap().as_ref(), Some(record));
    let names = |records: Vec<StoredSealRecord>| records.into_iter().map(|one| one.seal).collect::<Vec<_>>();
    let of = store.read(|tx| Box::pin(seal_records::of_holder(tx, &credit_code))).await.unwrap();
    assert_eq!(names(of), [seal("s1"), seal("s2")]);
    // Pages go through both tables in the order of names.
    let page = async |after: Option<&SealId>, limit| {
        names(store.read(|tx| Box::pin(seal_records::list(tx, after, limit))).await.unwrap())
    };
    assert_eq!((page(None, 1).await, page(None, 9).await), (vec![seal("s1")], vec![seal("s1"), seal("s2")]));
    assert_eq!(page(Some(&seal("s1")), 9).await, [seal("s2")]);
    let taken = (at(140), &[4; 64][..]);
    let kept = store.run("deliver", |tx| Box::pin(seal_records::delivered(tx, record, taken))).await.unwrap();
    let stale = store.run("deliver", |tx| Box::pin(seal_records::delivered(tx, record, taken))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "further_seal_records", .. })), "{stale:?}");
    assert_eq!(find().await.unwrap(), Some(kept));
    let set = |what: &str| format!("UPDATE further_seal_records SET {what} WHERE seal = 's2'");
    for (change, back) in
        [("keeper = 'c1'", "keeper = 'c2'"), ("origin = 'remake'", "origin = 'import'"), ("job = 'i2'", "job = 'i1'")]
    {
        refused(url, &set(change), &set(back), async || find().await.err()).await;
    }
    let es_id = store.read(|tx| Box::pin(seals::find(tx, s2))).await.unwrap().unwrap().es_id;
    let found = store.read(|tx| Box::pin(seals::find_by_es_id(tx, &es_id))).await.unwrap();
    assert_eq!(found.map(|seal| seal.id), Some(s2.clone()));
    assert_eq!(store.read(|tx| Box::pin(seals::find_by_es_id(tx, "none"))).await.unwrap(), None);
}

async fn imports(store: &Store) {
    let new =
        |name: &str| StoredImport { id: job(name), table_sm3: [1; 32], records: 3, begun_at: at(5), finished_at: None };
    let first = &new("i1");
    store.run("begin", |tx| Box::pin(seal_imports::insert(tx, first))).await.unwrap();
    let twin = &new("i2");
    let again = store.run("begin", |tx| Box::pin(seal_imports::insert(tx, twin))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let under_way = async || store.read(|tx| Box::pin(seal_imports::under_way(tx, &[1; 32]))).await.unwrap();
    assert_eq!(under_way().await.as_ref(), Some(first));
    let id = &first.id;
    let code = |text: &str| Some(text.to_owned());
    let (es_id, s2) = (Some("Any-Text".to_owned()), Some(seal("s2")));
    let all = [
        RecordOutcome { number: 1, outcome: Outcome::Imported, code: None, es_id: es_id.clone(), seal: s2.clone() },
        RecordOutcome { number: 2, outcome: Outcome::Conflict, code: code("seal-code-taken"), es_id, seal: s2 },
        RecordOutcome { number: 3, outcome: Outcome::Rejected, code: code("import-kind"), es_id: None, seal: None },
    ];
    for record in &all {
        store.run("keep", |tx| Box::pin(seal_imports::keep(tx, id, record))).await.unwrap();
    }
    let twice = store.run("keep", |tx| Box::pin(seal_imports::keep(tx, id, &all[0]))).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    assert_eq!(store.read(|tx| Box::pin(seal_imports::outcomes(tx, id, 0, 9))).await.unwrap(), all);
    assert_eq!(store.read(|tx| Box::pin(seal_imports::outcomes(tx, id, 1, 1))).await.unwrap(), all[1..2]);
    let counts = store.read(|tx| Box::pin(seal_imports::counts(tx, id))).await.unwrap();
    assert_eq!((counts, counts.all()), (Counts { imported: 1, conflict: 1, rejected: 1 }, 3));
    assert!(store.run("finish", |tx| Box::pin(seal_imports::finish(tx, id, at(9)))).await.unwrap());
    assert!(!store.run("finish", |tx| Box::pin(seal_imports::finish(tx, id, at(9)))).await.unwrap());
    assert_eq!(under_way().await, None);
    let found = store.read(|tx| Box::pin(seal_imports::find(tx, id))).await.unwrap();
    assert_eq!(found, Some(StoredImport { finished_at: Some(at(9)), ..first.clone() }));
    // Once it is finished the same table may be taken in again.
    store.run("begin", |tx| Box::pin(seal_imports::insert(tx, twin))).await.unwrap();
}

fn hand(name: &str, key: u8) -> Hand {
    Hand { officer: CallerId::parse(name).unwrap(), key_sm3: [key; 32] }
}

fn order() -> StoredRemake {
    StoredRemake {
        id: job("r1"),
        order: RemakeOrder {
            nonce: [1; 32],
            selection: Selection {
                division: Division::parse("33").unwrap(),
                maker: Some(b"key".to_vec()),
                authority: AuthorityId::parse("old").ok(),
                algorithm: Some(KeyAlgorithm::Rsa),
            },
            making: Making {
                authority: AuthorityId::parse("ca").unwrap(),
                profile: "seal-signer".into(),
                algorithm: KeyAlgorithm::Sm2,
                days: 365,
            },
            reason: RevocationReason::KeyCompromise,
            compromised_at: Some(at(50)),
            applicant: hand("c1", 1),
            submitted_at: at(100),
        },
        submission_signature: vec![9; 64],
        approvals: Vec::new(),
        state: RemakeState::Submitted,
        begun_at: None,
        revoked_at: None,
        ended_at: None,
        version: 1,
    }
}

async fn orders(store: &Store, url: &str) {
    let new = &order();
    store.run("order", |tx| Box::pin(seal_remakes::insert(tx, new))).await.unwrap();
    let again = store.run("order", |tx| Box::pin(seal_remakes::insert(tx, new))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let id = &new.id;
    let find = async || store.read(|tx| Box::pin(seal_remakes::find(tx, id))).await;
    assert_eq!(find().await.unwrap().as_ref(), Some(new));
    let approval = |name: &str, key: u8| Approval { hand: hand(name, key), signature: vec![key; 64], at: at(110) };
    let approve = async |number: i64, given: Approval| {
        let given = &given;
        store.run("approve", |tx| Box::pin(seal_remakes::approve(tx, id, number, given))).await
    };
    approve(1, approval("c1", 2)).await.unwrap();
    for twice in
        [approve(1, approval("c2", 3)).await, approve(2, approval("c2", 2)).await, approve(2, approval("c1", 3)).await]
    {
        assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    }
    approve(2, approval("c2", 3)).await.unwrap();
    let approvals = vec![approval("c1", 2), approval("c2", 3)];
    let state = RemakeState::Revoking { after: Some(seal("s1")) };
    let next = &StoredRemake { approvals, state, begun_at: Some(at(120)), ..new.clone() };
    let kept = store.run("carry", |tx| Box::pin(seal_remakes::update(tx, next))).await.unwrap();
    let stale = store.run("carry", |tx| Box::pin(seal_remakes::update(tx, next))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_remakes", .. })), "{stale:?}");
    assert_eq!((kept.version, find().await.unwrap()), (2, Some(kept.clone())));
    assert_eq!(store.read(|tx| Box::pin(seal_remakes::list(tx, 9))).await.unwrap(), [kept]);
    let set = |what: &str| format!("UPDATE seal_remakes SET {what} WHERE id = 'r1'");
    for (change, back) in [
        ("division = '340000'", "division = '330000'"),
        ("old_authority = NULL", "old_authority = 'old'"),
        ("compromised_at = 51", "compromised_at = 50"),
        ("looked_at = NULL", "looked_at = 's1'"),
        ("version = 1", "version = 2"),
    ] {
        refused(url, &set(change), &set(back), async || find().await.err()).await;
    }
    let officer =
        |name: &str| format!("UPDATE seal_remake_approvals SET at = {name} WHERE remake = 'r1' AND number = 2");
    refused(url, &officer("111"), &officer("110"), async || find().await.err()).await;
}

async fn seals_of_orders(store: &Store, url: &str) {
    let id = &job("r1");
    let new = |name: &str, step, refusal: Option<&str>| StoredRemakeSeal {
        seal: seal(name),
        remake: id.clone(),
        step,
        taken: None,
        certificate_sm3: None,
        refusal: refusal.map(str::to_owned),
        since: at(130),
        version: 1,
    };
    let (first, second) = (&new("s1", RemakeStep::Revoked, None), &new("s2", RemakeStep::Refused, Some("x")));
    for row in [first, second] {
        store.run("revoke", |tx| Box::pin(seal_remakes::insert_seal(tx, row))).await.unwrap();
    }
    let again = store.run("revoke", |tx| Box::pin(seal_remakes::insert_seal(tx, first))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let counts = async || store.read(|tx| Box::pin(seal_remakes::counts(tx, id))).await.unwrap();
    assert_eq!(counts().await, RemakeCounts { revoked: 2, made: 0, refused: 1 });
    let code = SealCode::parse("33010600000077").unwrap();
    let taken = Some((seal("s9"), code.clone(), KeyId::parse("k9").unwrap()));
    let begun = &StoredRemakeSeal { step: RemakeStep::Begun, taken, ..first.clone() };
    let begun = &store.run("begin", |tx| Box::pin(seal_remakes::update_seal(tx, begun))).await.unwrap();
    let stale = store.run("begin", |tx| Box::pin(seal_remakes::update_seal(tx, first))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_remake_seals", .. })), "{stale:?}");
    // The code is taken.
    assert!(store.read(|tx| Box::pin(seal_makings::is_taken(tx, &code))).await.unwrap());
    let between =
        store.read(|tx| Box::pin(seal_makings::taken_between(tx, ("33010600000000", "33010600000078")))).await;
    assert_eq!(between.unwrap().into_iter().collect::<Vec<_>>(), ["33010600000001", "33010600000077"]);
    let made =
        &StoredRemakeSeal { step: RemakeStep::Made, certificate_sm3: Some([5; 32]), since: at(140), ..begun.clone() };
    let made = store.run("keep", |tx| Box::pin(seal_remakes::update_seal(tx, made))).await.unwrap();
    assert_eq!(counts().await, RemakeCounts { revoked: 2, made: 1, refused: 1 });
    let (s1, s2) = (&seal("s1"), &seal("s2"));
    let find = async || store.read(|tx| Box::pin(seal_remakes::find_seal(tx, s1))).await;
    assert_eq!(find().await.unwrap().as_ref(), Some(&made));
    let at_step = async |step, after: Option<&SealId>| {
        store.read(|tx| Box::pin(seal_remakes::seals_at(tx, id, step, after, 9))).await.unwrap()
    };
    assert_eq!(at_step(RemakeStep::Made, None).await, [made]);
    assert_eq!(at_step(RemakeStep::Refused, Some(s1)).await, std::slice::from_ref(second));
    assert!(at_step(RemakeStep::Refused, Some(s2)).await.is_empty());
    let set = |what: &str| format!("UPDATE seal_remake_seals SET {what} WHERE seal = 's1'");
    for (change, back) in [
        ("code = '33010600000078'", "code = '33010600000077'"),
        ("successor = 's8'", "successor = 's9'"),
        ("step = 'certified'", "step = 'made'"),
        ("version = 1", "version = 3"),
    ] {
        refused(url, &set(change), &set(back), async || find().await.err()).await;
    }
}
