//! Officers, codes, makings and records of seals: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::credit_code::CreditCode;
use yinxin::base::division::Division;
use yinxin::base::id::{ApplicationId, AuthorityId, CallerId, KeyId, SealId, SignatureId};
use yinxin::crypto::digest::sm3;
use yinxin::domain::audit::RevocationReason;
use yinxin::domain::officer::request::{RequestState, WithdrawalReason};
use yinxin::domain::officer::{Approval, Hand, OfficerRole};
use yinxin::domain::seal::application::{
    Holder, Maker, Purpose, SealApplication, SealForm, SealSubmission, SignerKey, SignerList, Wanted,
};
use yinxin::domain::seal::code::{CodeRange, FilingNumber, SealCode};
use yinxin::domain::seal::order::{OrderState, OrderWithdrawal};
use yinxin::domain::seal::signing::Placement;
use yinxin::domain::seal::stamp_plan::StampPlan;
use yinxin::store::certificate_requests::StoredCheck;
use yinxin::store::office_messages::{self, MessageKind, MessagePlace, OfficePlace, StoredOfficeMessage};
use yinxin::store::prepared_signings::{self, PreparedEnd, StoredPrepared};
use yinxin::store::seal_applications::{self, StoredApplication};
use yinxin::store::seal_code_ranges::{self, StoredRange};
use yinxin::store::seal_makings::{self, StoredMaking};
use yinxin::store::seal_officers::{self, StoredSealOfficer};
use yinxin::store::seal_orders::{self, ArrivedSeal, StoredOrder};
use yinxin::store::seal_records::{self, SealOrigin, StoredSealRecord};
use yinxin::store::signatures;
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
        maker: Maker::Own(AuthorityId::parse("ca").unwrap()),
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
    orders(store, url).await;
    messages(store).await;
    prepared(store, url).await;
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
    // All are decided in one county; those of its prefecture come, those of others do not.
    let within = async |place: &str, after: Option<&str>, limit| {
        let (place, after) = (Division::parse(place).unwrap(), after.map(id));
        let (place, county) = (&place, &county());
        let after = after.as_ref().map(|id| (county, id));
        let found = store.read(|tx| Box::pin(seal_applications::in_division(tx, place, after, limit))).await.unwrap();
        found.into_iter().map(|one| one.id.to_string()).collect::<Vec<_>>()
    };
    for place in ["330106", "3301", "33", "000000"] {
        assert_eq!(within(place, None, 9).await, ["a1", "a2", "a3", "a4"], "{place}");
    }
    for place in ["330107", "3302", "34", "330106001"] {
        assert_eq!(within(place, None, 9).await, [""; 0], "{place}");
    }
    assert_eq!(within("33", Some("a2"), 1).await, ["a3"]);
    let nonce = async |nonce| store.read(|tx| Box::pin(seal_applications::with_nonce(tx, nonce))).await.unwrap();
    assert_eq!(nonce(&[2; 32]).await.as_ref(), Some(&others[0]));
    assert_eq!(nonce(&[8; 32]).await, None);
    let submission = async |id: &ApplicationId| {
        store.read(|tx| Box::pin(seal_applications::submission_event(tx, id))).await.unwrap()
    };
    let noted = &others[0].id;
    store.run("note", |tx| Box::pin(seal_applications::note_submission(tx, noted, 40))).await.unwrap();
    assert_eq!((submission(noted).await, submission(&others[1].id).await), (Some(40), None));
    assert_eq!(nonce(&[2; 32]).await.as_ref(), Some(&others[0]), "its version and its integrity value stay");
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
    assert!(by_hand(url, "CREATE TABLE kept_makings AS SELECT * FROM seal_makings").await.is_ok());
    let kept = store.run("certify", |tx| Box::pin(seal_makings::certified(tx, making, &[3; 32]))).await.unwrap();
    let stale = store.run("certify", |tx| Box::pin(seal_makings::certified(tx, making, &[3; 32]))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_makings", .. })), "{stale:?}");
    let find = async || store.read(|tx| Box::pin(seal_makings::find(tx, a1))).await;
    assert_eq!(find().await.unwrap(), Some(kept));
    // The older row, whole, and back.
    let older = "UPDATE seal_makings SET (certificate_sm3, version, integrity) = \
                 (SELECT certificate_sm3, version, integrity FROM kept_makings) WHERE application = 'a1'";
    assert!(by_hand(url, "CREATE TABLE new_makings AS SELECT * FROM seal_makings").await.is_ok());
    let newest = "UPDATE seal_makings SET (certificate_sm3, version, integrity) = \
                  (SELECT certificate_sm3, version, integrity FROM new_makings) WHERE application = 'a1'";
    refused(url, older, newest, async || find().await.err()).await;
    let set = |what: &str| format!("UPDATE seal_makings SET {what} WHERE application = 'a1'");
    let (change, back) = (set("code = '33010600000002'"), set("code = '33010600000001'"));
    refused(url, &change, &back, async || find().await.err()).await;

    let kept_code = code.clone();
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
    assert_eq!((of, listed), (vec![kept.clone()], vec![kept.clone()]));
    let (here, code, a2, county) = (Some(kept), &kept_code, &id("a2"), &county());
    assert_eq!(store.read(|tx| Box::pin(seal_records::with_code(tx, code))).await.unwrap(), here);
    assert_eq!(store.read(|tx| Box::pin(seal_records::with_code(tx, free))).await.unwrap(), None);
    assert_eq!(store.read(|tx| Box::pin(seal_records::of_application(tx, a1))).await.unwrap(), here);
    assert_eq!(store.read(|tx| Box::pin(seal_records::of_application(tx, a2))).await.unwrap(), None);
    assert_eq!(store.read(|tx| Box::pin(seal_records::successor_of(tx, s2))).await.unwrap(), here);
    assert_eq!(store.read(|tx| Box::pin(seal_records::successor_of(tx, s1))).await.unwrap(), None);
    for (place, after, count) in
        [("33", None, 1), ("330106", None, 1), ("3302", None, 0), ("33", Some((county, s1)), 0)]
    {
        let place = &Division::parse(place).unwrap();
        let found = store.read(|tx| Box::pin(seal_records::in_division(tx, place, after, 9))).await.unwrap();
        assert_eq!(found.len(), count, "{place}");
    }
    assert!(store.read(|tx| Box::pin(seal_records::list(tx, Some(s1), 9))).await.unwrap().is_empty());
    let number = &FilingNumber::parse("4101035072804").unwrap();
    let is_filed = async |number| store.read(|tx| Box::pin(seal_records::is_filed(tx, number))).await.unwrap();
    assert!(!is_filed(number).await);
    let known = &find(s1).await.unwrap().unwrap();
    let filed = store.run("file", |tx| Box::pin(seal_records::filed(tx, known, number))).await.unwrap();
    let stale = store.run("file", |tx| Box::pin(seal_records::filed(tx, known, number))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_records", .. })), "{stale:?}");
    assert_eq!((filed.version, find(s1).await.unwrap(), is_filed(number).await), (3, Some(filed), true));
    let set = |what: &str| format!("UPDATE seal_records SET {what} WHERE seal = 's1'");
    for (change, back) in [
        ("keeper = 'c1'", "keeper = 'c2'"),
        ("predecessor = NULL", "predecessor = 's2'"),
        ("delivered_at = 141", "delivered_at = 140"),
        ("version = 2", "version = 3"),
        ("filing = '4101035072803'", "filing = '4101035072804'"),
    ] {
        refused(url, &set(change), &set(back), async || find(s1).await.err()).await;
    }
}

async fn orders(store: &Store, url: &str) {
    let order = &StoredOrder {
        application: id("a1"),
        seal: seal("s1"),
        request: b"request".to_vec(),
        ordered_at: at(150),
        state: OrderState::Ordered { since: at(150) },
        arrived: None,
        version: 1,
    };
    store.run("order", |tx| Box::pin(seal_orders::insert(tx, order))).await.unwrap();
    let twice = store.run("order", |tx| Box::pin(seal_orders::insert(tx, order))).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    let (a1, s1) = (&id("a1"), &seal("s1"));
    let find = async || store.read(|tx| Box::pin(seal_orders::find(tx, a1))).await;
    assert_eq!(find().await.unwrap().as_ref(), Some(order));
    assert_eq!(store.read(|tx| Box::pin(seal_orders::of_seal(tx, s1))).await.unwrap().as_ref(), Some(order));
    let waiting = async || store.read(|tx| Box::pin(seal_orders::arrived(tx, 9))).await.unwrap();
    assert_eq!(waiting().await, []);
    let number = || "N-1".to_owned();
    let why = OrderWithdrawal::Unfit;
    let arrived = Some(ArrivedSeal { seal: b"seal".to_vec(), certificates: vec![b"a".to_vec(), b"bc".to_vec()] });
    let states = [
        (OrderState::Accepted { since: at(151), number: number() }, None),
        (OrderState::Arrived { since: at(152), number: number(), seal_sm3: sm3(b"seal") }, arrived),
        (OrderState::Kept { since: at(153), number: number(), seal_sm3: sm3(b"seal") }, None),
        (OrderState::Refused { since: at(154), reason: "no".into() }, None),
        (OrderState::Withdrawn { since: at(155), why }, None),
        (OrderState::Cancelled { since: at(156), why }, None),
    ];
    let mut last = order.clone();
    for (state, arrived) in states {
        let next = &StoredOrder { state, arrived, ..last.clone() };
        let kept = store.run("hear", |tx| Box::pin(seal_orders::update(tx, next))).await.unwrap();
        let stale = store.run("hear", |tx| Box::pin(seal_orders::update(tx, next))).await;
        assert!(matches!(stale, Err(Error::Stale { table: "seal_orders", .. })), "{stale:?}");
        assert_eq!(find().await.unwrap().as_ref(), Some(&kept));
        assert_eq!(waiting().await.len(), usize::from(kept.arrived.is_some()));
        last = kept;
    }
    let set = |what: &str| format!("UPDATE seal_orders SET {what} WHERE application = 'a1'");
    for (change, back) in [
        ("seal = 's9'", "seal = 's1'"),
        ("detail = 'application-ended'", "detail = 'unfit'"),
        ("since = 1", "since = 156"),
    ] {
        refused(url, &set(change), &set(back), async || find().await.err()).await;
    }
}

/// What ended goes, the oldest first; what is open stays, and of each subject the last of each kind.
async fn forgotten(store: &Store) {
    let message = |number: usize, kind, name| StoredOfficeMessage {
        id: StoredOfficeMessage::named("forgetful", "s", number),
        name: [name; 16],
        office: "forgetful".into(),
        subject: "s".into(),
        kind,
        detail: None,
        reason: None,
        created_at: at(1),
        attempts: 0,
        next_at: at(1),
        ended: None,
    };
    let (file, state) = (MessageKind::File, MessageKind::State);
    let all = [file, state, file, state, state, state];
    for (number, kind) in all.into_iter().enumerate() {
        let one = &message(number, kind, 0x40 + u8::try_from(number).unwrap());
        store.run("push", |tx| Box::pin(office_messages::push(tx, one))).await.unwrap();
        if number < 5 {
            let (id, now) = (&one.id, at(100 + i64::try_from(number).unwrap()));
            store.run("end", |tx| Box::pin(office_messages::end(tx, id, "done", now))).await.unwrap();
        }
    }
    let forget = async |before, limit| {
        store.run("forget", |tx| Box::pin(office_messages::forget(tx, at(before), limit))).await.unwrap()
    };
    let left = async || {
        let of = store.read(|tx| Box::pin(office_messages::places_of_subject(tx, "forgetful", "s"))).await.unwrap();
        let numbers = of.iter().map(|one| one.id.rsplit('0').next().unwrap().to_owned()).collect::<Vec<_>>();
        (numbers.join(" "), MessagePlace::next_number(&of))
    };
    // One of another subject, which ended before.
    assert_eq!((forget(100, 9).await, left().await), (1, (" 1 2 3 4 5".to_owned(), 6)));
    assert_eq!((forget(100, 9).await, left().await), (0, (" 1 2 3 4 5".to_owned(), 6)));
    assert_eq!((forget(9_999, 1).await, left().await), (1, ("1 2 3 4 5".to_owned(), 6)));
    assert_eq!((forget(104, 9).await, left().await), (2, ("2 4 5".to_owned(), 6)));
    assert_eq!((forget(9_999, 9).await, left().await), (1, ("2 5".to_owned(), 6)));
    assert_eq!((forget(9_999, 9).await, left().await), (0, ("2 5".to_owned(), 6)));
    assert_eq!(MessagePlace::next_number(&[]), 0);
}

async fn messages(store: &Store) {
    let message = |id: &str, name: u8, subject: &str, next_at| StoredOfficeMessage {
        id: id.into(),
        name: [name; 16],
        office: "office".into(),
        subject: subject.into(),
        kind: MessageKind::State,
        detail: Some("active".into()),
        reason: None,
        created_at: at(1),
        attempts: 0,
        next_at: at(next_at),
        ended: None,
    };
    let all = [message("o:a:0", 1, "a", 10), message("o:a:1", 2, "a", 5), message("o:b:0", 3, "b", 20)];
    for one in &all {
        store.run("push", |tx| Box::pin(office_messages::push(tx, one))).await.unwrap();
    }
    let twice = store.run("push", |tx| Box::pin(office_messages::push(tx, &all[0]))).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    let due = async |now| {
        let found = store.read(|tx| Box::pin(office_messages::due(tx, "office", at(now), 9))).await.unwrap();
        assert_eq!(found.broken, Vec::<String>::new());
        found.messages.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    // Of one subject the first alone, at its own time.
    assert_eq!((due(9).await, due(10).await), (vec![], vec!["o:a:0".to_owned()]));
    assert_eq!(due(20).await, ["o:a:0", "o:b:0"]);
    let begin = async |one| store.run("begin", |tx| Box::pin(office_messages::begin(tx, one, at(40)))).await;
    begin(&all[0]).await.unwrap();
    let stale = begin(&all[0]).await;
    assert!(matches!(stale, Err(Error::Stale { table: "office_messages", .. })), "{stale:?}");
    assert_eq!(due(20).await, ["o:b:0"]);
    store.run("again", |tx| Box::pin(office_messages::again(tx, "o:a:0", at(15)))).await.unwrap();
    assert_eq!(due(20).await, ["o:a:0", "o:b:0"]);
    let end = async |id| store.run("end", |tx| Box::pin(office_messages::end(tx, id, "done", at(21)))).await.unwrap();
    assert_eq!((end("o:a:0").await, end("o:a:0").await), (true, false));
    assert_eq!(due(20).await, ["o:a:1", "o:b:0"]);
    let of = store.read(|tx| Box::pin(office_messages::of_subject(tx, "office", "a"))).await.unwrap();
    let ended =
        StoredOfficeMessage { attempts: 1, next_at: at(15), ended: Some((at(21), "done".into())), ..all[0].clone() };
    assert_eq!(of, [ended, all[1].clone()]);
    // Set apart: since the first time, until it is sent; what ended stays as it is.
    for (id, now, next_at) in [("o:a:0", 30, 31), ("o:a:1", 30, 31), ("o:a:1", 32, 50)] {
        store.run("apart", |tx| Box::pin(office_messages::set_apart(tx, id, at(now), at(next_at)))).await.unwrap();
    }
    let stand = async || {
        let of = store.read(|tx| Box::pin(office_messages::places_of_subject(tx, "office", "a"))).await.unwrap();
        of.into_iter().map(|one| (one.next_at, one.set_apart_at, one.outcome)).collect::<Vec<_>>()
    };
    let done = (at(15), None, Some("done".to_owned()));
    assert_eq!(stand().await, [done.clone(), (at(50), Some(at(30)), None)]);
    assert_eq!(due(49).await, ["o:b:0"]);
    assert_eq!(due(50).await, ["o:b:0", "o:a:1"]);
    begin(&all[1]).await.unwrap();
    assert_eq!(stand().await, [done, (at(40), None, None)]);
    forgotten(store).await;
    let place = async || store.read(|tx| Box::pin(office_messages::place(tx, "office"))).await.unwrap();
    assert_eq!(place().await, OfficePlace::default());
    for known_to in [3, 4] {
        let kept = &OfficePlace { known_to, asked_at: 7, silent_since: Some(at(8)), alarmed_at: None };
        store.run("keep", |tx| Box::pin(office_messages::keep_place(tx, "office", kept))).await.unwrap();
        assert_eq!(place().await, *kept);
    }
}

async fn prepared(store: &Store, url: &str) {
    let signature = |name: &str| SignatureId::parse(name).unwrap();
    let one = |name: &str, expires_at| StoredPrepared {
        signature: signature(name),
        seal: seal("s1"),
        caller: Some(caller("c1")),
        document: Some(b"document".to_vec()),
        document_sm3: sm3(b"document"),
        plan: Placement { page: 1, x_mm: 1.25, y_mm: -0.0, lock: true }.into(),
        to_sign_sm3: [5; 32],
        prepared_at: at(200),
        expires_at: at(expires_at),
        ended: None,
        version: 1,
    };
    let places = StampPlan::read("seam edge=right\nkeyword which=last text=章", true).unwrap();
    let (first, second) = (&one("p1", 300), &StoredPrepared { plan: places, ..one("p2", 310) });
    for prepared in [first, second] {
        let (id, s1) = (&prepared.signature, &seal("s1"));
        store.run("intend", |tx| Box::pin(signatures::record_intent(tx, id, s1, &[1; 32], at(200)))).await.unwrap();
        store.run("prepare", |tx| Box::pin(prepared_signings::insert(tx, prepared))).await.unwrap();
    }
    let twice = store.run("prepare", |tx| Box::pin(prepared_signings::insert(tx, first))).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    let (c1, c2) = (&caller("c1"), &caller("c2"));
    let waiting = async |by| store.read(|tx| Box::pin(prepared_signings::count_open(tx, by))).await.unwrap();
    assert_eq!((waiting(Some(c1)).await, waiting(Some(c2)).await, waiting(None).await), (2, 0, 0));
    // A start leaves alone what waits for a client.
    let abandoned = store.run("start", |tx| Box::pin(signatures::abandon_open(tx, at(250)))).await.unwrap();
    assert_eq!(abandoned, []);
    let find = async |id| store.read(|tx| Box::pin(prepared_signings::find(tx, id))).await;
    assert_eq!(find(&first.signature).await.unwrap().as_ref(), Some(first));
    assert_eq!(find(&second.signature).await.unwrap().as_ref(), Some(second));
    let expired = async |now| store.read(|tx| Box::pin(prepared_signings::expired(tx, at(now), 9))).await.unwrap();
    assert_eq!((expired(300).await, expired(301).await), (vec![], vec![signature("p1")]));
    let set = |what: &str| format!("UPDATE prepared_signings SET {what} WHERE signature = 'p1'");
    for (change, back) in
        [("page = 2", "page = 1"), ("expires_at = 999", "expires_at = 300"), ("caller = 'c2'", "caller = 'c1'")]
    {
        refused(url, &set(change), &set(back), async || find(&first.signature).await.err()).await;
    }
    let signed = PreparedEnd::Signed { value_sm3: [6; 32], result: Some(b"result".to_vec()) };
    for (prepared, end) in [(first, signed), (second, PreparedEnd::Abandoned)] {
        let end = &end;
        let ending =
            async || store.run("end", |tx| Box::pin(prepared_signings::end(tx, prepared, end.clone(), at(320)))).await;
        ending().await.unwrap();
        let stale = ending().await;
        assert!(matches!(stale, Err(Error::Stale { table: "prepared_signings", .. })), "{stale:?}");
        let expected =
            StoredPrepared { document: None, ended: Some((at(320), end.clone())), version: 2, ..prepared.clone() };
        assert_eq!(find(&prepared.signature).await.unwrap(), Some(expected));
    }
    assert_eq!(expired(900).await, []);
    assert_eq!(waiting(Some(c1)).await, 0);
    let forget = async |before| store.run("forget", |tx| Box::pin(prepared_signings::forget(tx, at(before)))).await;
    assert_eq!((forget(320).await.unwrap(), forget(321).await.unwrap(), forget(321).await.unwrap()), (0, 1, 0));
    let kept = find(&first.signature).await.unwrap().unwrap();
    assert_eq!(kept.ended, Some((at(320), PreparedEnd::Signed { value_sm3: [6; 32], result: None })));
    let left = store.run("start", |tx| Box::pin(signatures::abandon_open(tx, at(330)))).await.unwrap();
    assert_eq!(left, [signature("p1"), signature("p2")]);
}
