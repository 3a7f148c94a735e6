//! Officers, codes, makings and records of seals: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::credit_code::CreditCode;
use yinxin::base::division::Division;
use yinxin::base::id::{ApplicationId, AuthorityId, CallerId, KeyId, SealId};
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::RevocationReason;
use yinxin::domain::officer::request::{RequestState, WithdrawalReason};
use yinxin::domain::officer::{Approval, Hand, OfficerRole};
use yinxin::domain::seal::application::{
    Holder, Purpose, SealApplication, SealForm, SealSubmission, SignerKey, SignerList, Wanted,
};
use yinxin::domain::seal::code::{CodeRange, FilingNumber, SealCode};
use yinxin::store::certificate_requests::StoredCheck;
use yinxin::store::seal_applications::{self, StoredApplication};
use yinxin::store::seal_code_ranges::{self, StoredRange};
use yinxin::store::seal_makings::{self, StoredMaking};
use yinxin::store::seal_officers::{self, StoredSealOfficer};
use yinxin::store::seal_records::{self, SealOrigin, StoredSealRecord};
use yinxin::store::{Error, Store};

use crate::store::contract::by_hand;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn id(text: &str) -> ApplicationId {
    ApplicationId::parse(text).unwrap()
}

fn seal(text: &str) -> SealId {
    SealId::parse(text).unwrap()
}

fn caller(text: &str) -> CallerId {
    CallerId::parse(text).unwrap()
}

fn county() -> Division {
    Division::parse("330106").unwrap()
}

fn hand(name: &str, key: u8) -> Hand {
    Hand { officer: caller(name), key_sm3: [key; 32] }
}

fn holder() -> Holder {
    let credit_code = CreditCode::parse("99990000000000001F").unwrap();
    Holder { credit_code, name: "样章市试验局".into(), division: county() }
}

fn application(name: &str, nonce: u8, purpose: Purpose) -> StoredApplication {
    let submission = SealSubmission {
        nonce: [nonce; 32],
        purpose,
        division: county(),
        documents: vec![sm3(b"a"), sm3(b"b")],
        applicant: hand("c1", 1),
        submitted_at: at(100),
    };
    StoredApplication {
        id: id(name),
        application: SealApplication::new(submission),
        submission_signature: vec![9; 64],
        check: None,
        end_signature: None,
        explanation: None,
        version: 1,
    }
}

fn wanted(key: SignerKey) -> Box<Wanted> {
    Box::new(Wanted {
        kind: 1,
        name: "样章市试验局".into(),
        holder: holder(),
        keeper: caller("c2"),
        picture_sm3: sm3(b"picture"),
        size_mm: (42, 30),
        form: SealForm::V4,
        list: SignerList::Certificates,
        key,
        authority: AuthorityId::parse("ca").unwrap(),
        profile: "seal-signer".into(),
        days: 365,
        filing: FilingNumber::parse("4101035072803").ok(),
    })
}

/// Wants the callers `c1` and `c2`, the authority `ca`, the key `k1`, and the seals `s1` and `s2`.
pub(super) async fn contract(store: &Store, url: &str) {
    officers_have_a_division(store, url).await;
    ranges_move_on(store, url).await;
    an_application_goes_its_way(store).await;
    a_changed_row_is_refused(store, url).await;
    makings_and_records(store, url).await;
}

async fn refused(url: &str, change: &str, back: &str, find: impl AsyncFn() -> Option<Error>) {
    let (change, back): (&'static str, &'static str) = (change.to_owned().leak(), back.to_owned().leak());
    assert_eq!(by_hand(url, change).await.unwrap(), 1, "{change}");
    let found = find().await;
    assert!(matches!(found, Some(Error::Inconsistent { .. })), "{change}: {found:?}");
    assert_eq!(by_hand(url, back).await.unwrap(), 1, "{back}");
    assert!(find().await.is_none(), "{back}");
}

async fn officers_have_a_division(store: &Store, url: &str) {
    let (role, division) = (OfficerRole::Checker, county());
    let officer = &StoredSealOfficer { caller: caller("c1"), role, division, since: at(5), ended_at: None, version: 1 };
    store.run("appoint", |tx| Box::pin(seal_officers::insert(tx, officer))).await.unwrap();
    let again = store.run("appoint", |tx| Box::pin(seal_officers::insert(tx, officer))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let name = &officer.caller;
    let find = async || store.read(|tx| Box::pin(seal_officers::find(tx, name))).await;
    assert_eq!(find().await.unwrap(), Some(officer.clone()));
    let moved =
        &StoredSealOfficer { division: Division::parse("33").unwrap(), ended_at: Some(at(7)), ..officer.clone() };
    let kept = store.run("move", |tx| Box::pin(seal_officers::update(tx, moved))).await.unwrap();
    assert_eq!((kept.version, find().await.unwrap()), (2, Some(kept.clone())));
    let stale = store.run("move", |tx| Box::pin(seal_officers::update(tx, moved))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_officers", .. })), "{stale:?}");
    assert_eq!(store.read(|tx| Box::pin(seal_officers::all(tx))).await.unwrap(), [kept]);
    let set = |what: &str| format!("UPDATE seal_officers SET {what} WHERE caller = 'c1'");
    for (change, back) in [
        ("division = '340000'", "division = '330000'"),
        ("role = 'approver'", "role = 'checker'"),
        ("version = 1", "version = 2"),
    ] {
        refused(url, &set(change), &set(back), async || find().await.err()).await;
    }
}

async fn ranges_move_on(store: &Store, url: &str) {
    let range = &CodeRange::assign(&county(), (1, 9), &[]).unwrap();
    store.run("assign", |tx| Box::pin(seal_code_ranges::insert(tx, range))).await.unwrap();
    let again = store.run("assign", |tx| Box::pin(seal_code_ranges::insert(tx, range))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let first = &StoredRange { range: range.clone(), version: 1 };
    let (_, next) = &range.take().unwrap();
    let kept = store.run("take", |tx| Box::pin(seal_code_ranges::moved(tx, first, next))).await.unwrap();
    assert_eq!(kept, StoredRange { range: next.clone(), version: 2 });
    let stale = store.run("take", |tx| Box::pin(seal_code_ranges::moved(tx, first, next))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_code_ranges", .. })), "{stale:?}");
    let county = &county();
    let of = async || store.read(|tx| Box::pin(seal_code_ranges::of(tx, county))).await;
    assert_eq!(of().await.unwrap(), [kept]);
    assert_eq!(store.read(|tx| Box::pin(seal_code_ranges::all(tx))).await.unwrap().len(), 1);
    let (change, back) = ("UPDATE seal_code_ranges SET next = 1", "UPDATE seal_code_ranges SET next = 2");
    refused(url, change, back, async || of().await.err()).await;
}

async fn find(store: &Store, name: &str) -> Result<Option<StoredApplication>, Error> {
    let id = &id(name);
    store.read(|tx| Box::pin(seal_applications::find(tx, id))).await
}

async fn insert(store: &Store, new: &StoredApplication, files: &[(i64, &[u8])]) -> Result<(), Error> {
    store.run("submit", |tx| Box::pin(seal_applications::insert(tx, new, files))).await
}

async fn update(store: &Store, next: &StoredApplication) -> Result<StoredApplication, Error> {
    store.run("keep", |tx| Box::pin(seal_applications::update(tx, next))).await
}

fn with(stored: &StoredApplication, state: RequestState) -> StoredApplication {
    let application = SealApplication { submission: stored.application.submission.clone(), state };
    StoredApplication { application, ..stored.clone() }
}

async fn an_application_goes_its_way(store: &Store) {
    let ours = SignerKey::Ours(KeyId::parse("k1").unwrap());
    let first = application("a1", 1, Purpose::Make(wanted(ours)));
    let files: [(i64, &[u8]); 3] = [(0, b"picture"), (1, b"a"), (2, b"x")];
    insert(store, &first, &files).await.unwrap();
    let csr = SignerKey::Clients { csr: vec![0x30, 0] };
    let others = [
        application("a2", 2, Purpose::Replace { seal: seal("s1"), wanted: wanted(csr) }),
        application("a3", 3, Purpose::Resume { seal: seal("s1") }),
        application("a4", 4, Purpose::Revoke { seal: seal("s1"), reason: RevocationReason::FactsChanged }),
    ];
    for other in &others {
        insert(store, other, &[]).await.unwrap();
        assert_eq!(find(store, other.id.as_str()).await.unwrap().as_ref(), Some(other));
    }
    let same_nonce = insert(store, &application("a9", 4, Purpose::Resume { seal: seal("s1") }), &[]).await;
    assert!(matches!(same_nonce, Err(Error::Conflict { .. })), "{same_nonce:?}");
    let no_seal = insert(store, &application("a9", 9, Purpose::Resume { seal: seal("none") }), &[]).await;
    assert!(matches!(no_seal, Err(Error::Conflict { .. })), "{no_seal:?}");

    // What came with it is compared with its SM3.
    let (a1, a3) = (&first, &others[1]);
    let file = async |number| store.read(|tx| Box::pin(seal_applications::file(tx, a1, number))).await;
    assert_eq!((file(0).await.unwrap(), file(1).await.unwrap()), (b"picture".to_vec(), b"a".to_vec()));
    for number in [2, 3, -1] {
        assert!(matches!(file(number).await, Err(Error::Inconsistent { table: "seal_application_files", .. })));
    }
    let none = store.read(|tx| Box::pin(seal_applications::file(tx, a3, 0))).await;
    assert!(matches!(none, Err(Error::Inconsistent { .. })), "{none:?}");

    let check = StoredCheck { by: hand("c2", 2), at: at(110), signature: vec![7; 64] };
    let state = RequestState::Checked { by: check.by.clone(), at: check.at, approvals: Vec::new() };
    let one = update(store, &StoredApplication { check: Some(check), ..with(&first, state) }).await.unwrap();
    let stale = update(store, &first).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_applications", .. })), "{stale:?}");
    let approval = |name: &str, key| Approval { hand: hand(name, key), signature: vec![key; 64], at: at(120) };
    let approved = |approvals| RequestState::Approved { checked_by: hand("c2", 2), approvals, at: at(120) };
    let twice = update(store, &with(&one, approved(vec![approval("c1", 3), approval("c1", 4)]))).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    let approvals = vec![approval("c1", 3), approval("c2", 4)];
    let one = update(store, &with(&one, approved(approvals.clone()))).await.unwrap();
    assert_eq!(find(store, "a1").await.unwrap().as_ref(), Some(&one));
    let state = RequestState::Fulfilled { result_sm3: [5; 32], approvals, at: at(130) };
    let one = update(store, &with(&one, state)).await.unwrap();
    assert_eq!((one.version, find(store, "a1").await.unwrap()), (4, Some(one)));
    let state = RequestState::Withdrawn { reason: WithdrawalReason::Mistaken, at: at(140) };
    let ended = StoredApplication { end_signature: Some(vec![6; 64]), ..with(&others[2], state) };
    let ended = update(store, &ended).await.unwrap();
    assert_eq!(find(store, "a4").await.unwrap(), Some(ended));

    let search = async |state: Option<&str>, after: Option<&str>, limit| {
        let after = after.map(id);
        let after = after.as_ref();
        let found = store.read(|tx| Box::pin(seal_applications::search(tx, state, after, limit))).await.unwrap();
        found.into_iter().map(|one| one.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(search(None, None, 9).await, ["a1", "a2", "a3", "a4"]);
    assert_eq!(search(Some("submitted"), Some("a2"), 9).await, ["a3"]);
    assert_eq!(search(None, Some("a1"), 1).await, ["a2"]);
    let waiting = store.read(|tx| Box::pin(seal_applications::waiting_since(tx, at(101), 9))).await.unwrap();
    assert_eq!(waiting.len(), 2);
}

async fn a_changed_row_is_refused(store: &Store, url: &str) {
    let set = |what: &str, name: &str| format!("UPDATE seal_applications SET {what} WHERE id = '{name}'");
    for (name, change, back) in [
        ("a1", "days = 366", "days = 365"),
        ("a1", "keeper = 'c1'", "keeper = 'c2'"),
        ("a1", "width = 43", "width = 42"),
        ("a1", "holder_division = '330105'", "holder_division = '330106'"),
        ("a1", "checked_by = 'c1'", "checked_by = 'c2'"),
        ("a1", "version = version - 1", "version = version + 1"),
        ("a3", "seal = 's2'", "seal = 's1'"),
        ("a3", "documents = nonce", "documents = (SELECT documents FROM seal_applications WHERE id = 'a1')"),
        ("a4", "seal_reason = 'key-compromise'", "seal_reason = 'facts-changed'"),
        ("a4", "reason = 'replaced'", "reason = 'mistaken'"),
    ] {
        refused(url, &set(change, name), &set(back, name), async || find(store, name).await.err()).await;
    }
    let approval =
        |at: u8| format!("UPDATE seal_application_approvals SET at = {at} WHERE application = 'a1' AND number = 1");
    refused(url, &approval(121), &approval(120), async || find(store, "a1").await.err()).await;
    // An approval that goes to another application.
    let moved = "UPDATE seal_application_approvals SET application = 'a3' WHERE application = 'a1' AND number = 2";
    let back = "UPDATE seal_application_approvals SET application = 'a1' WHERE application = 'a3'";
    refused(url, moved, back, async || find(store, "a1").await.err()).await;
}

async fn makings_and_records(store: &Store, url: &str) {
    let code = SealCode::parse("33010600000001").unwrap();
    let making = StoredMaking {
        application: id("a1"),
        seal: seal("s1"),
        code: code.clone(),
        certificate_sm3: None,
        begun_at: at(130),
        version: 1,
    };
    let making = &making;
    store.run("begin", |tx| Box::pin(seal_makings::insert(tx, making))).await.unwrap();
    let same_code = &StoredMaking { application: id("a2"), seal: seal("s2"), ..making.clone() };
    let again = store.run("begin", |tx| Box::pin(seal_makings::insert(tx, same_code))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let (a1, free) = (&making.application, &SealCode::parse("33010600000002").unwrap());
    let taken = async |code| store.read(|tx| Box::pin(seal_makings::is_taken(tx, code))).await.unwrap();
    assert_eq!((taken(&making.code).await, taken(free).await), (true, false));
    let kept = store.run("certify", |tx| Box::pin(seal_makings::certified(tx, making, &[3; 32]))).await.unwrap();
    let stale = store.run("certify", |tx| Box::pin(seal_makings::certified(tx, making, &[3; 32]))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_makings", .. })), "{stale:?}");
    let find = async || store.read(|tx| Box::pin(seal_makings::find(tx, a1))).await;
    assert_eq!(find().await.unwrap(), Some(kept));
    let set = |what: &str| format!("UPDATE seal_makings SET {what} WHERE application = 'a1'");
    let (change, back) = (set("code = '33010600000002'"), set("code = '33010600000001'"));
    refused(url, &change, &back, async || find().await.err()).await;

    let record = &StoredSealRecord {
        seal: seal("s1"),
        code,
        filing: FilingNumber::parse("4101035072803").ok(),
        kind: 1,
        name: "样章市试验局".into(),
        holder: holder(),
        keeper: caller("c2"),
        origin: SealOrigin::Application(id("a1")),
        predecessor: Some(seal("s2")),
        certificate_sm3: [3; 32],
        valid_to: at(900),
        delivery: None,
        version: 1,
    };
    store.run("keep", |tx| Box::pin(seal_records::insert(tx, record))).await.unwrap();
    let twice = store.run("keep", |tx| Box::pin(seal_records::insert(tx, record))).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    let (s1, s2, credit_code) = (&seal("s1"), &seal("s2"), &holder().credit_code);
    let find = async |id| store.read(|tx| Box::pin(seal_records::find(tx, id))).await;
    assert_eq!((find(s1).await.unwrap().as_ref(), find(s2).await.unwrap()), (Some(record), None));
    let signature = [4; 64];
    let taken = (at(140), &signature[..]);
    let kept = store.run("deliver", |tx| Box::pin(seal_records::delivered(tx, record, taken))).await.unwrap();
    let stale = store.run("deliver", |tx| Box::pin(seal_records::delivered(tx, record, taken))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_records", .. })), "{stale:?}");
    assert_eq!((kept.version, find(s1).await.unwrap().as_ref()), (2, Some(&kept)));
    let of = store.read(|tx| Box::pin(seal_records::of_holder(tx, credit_code))).await.unwrap();
    let listed = store.read(|tx| Box::pin(seal_records::list(tx, None, 9))).await.unwrap();
    assert_eq!((of, listed), (vec![kept.clone()], vec![kept]));
    assert!(store.read(|tx| Box::pin(seal_records::list(tx, Some(s1), 9))).await.unwrap().is_empty());
    let set = |what: &str| format!("UPDATE seal_records SET {what} WHERE seal = 's1'");
    for (change, back) in [
        ("keeper = 'c1'", "keeper = 'c2'"),
        ("predecessor = NULL", "predecessor = 's2'"),
        ("delivered_at = 141", "delivered_at = 140"),
        ("version = 1", "version = 2"),
    ] {
        refused(url, &set(change), &set(back), async || find(s1).await.err()).await;
    }
}
