//! Officers and requests for certificates: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{ApplicationId, AuthorityId, CallerId};
use yinxin::crypto::digest::sm3;
use yinxin::domain::ca::request::{
    Approval, CertificateRequest, Hand, OfficerRole, RefusalReason, RequestState, Submission, WithdrawalReason,
};
use yinxin::store::certificate_requests::{self, StoredCheck, StoredRequest};
use yinxin::store::issued_certificates::{self, IssuedCertificate, StoredStatus};
use yinxin::store::officers::{self, StoredOfficer};
use yinxin::store::{Error, Store};

use crate::store::contract::by_hand;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn id(text: &str) -> ApplicationId {
    ApplicationId::parse(text).unwrap()
}

fn hand(caller: &str, key: u8) -> Hand {
    Hand { officer: CallerId::parse(caller).unwrap(), key_sm3: [key; 32] }
}

fn approval(caller: &str, key: u8, seconds: i64) -> Approval {
    Approval { hand: hand(caller, key), signature: vec![key; 64], at: at(seconds) }
}

fn request(name: &str, nonce: u8) -> StoredRequest {
    let submission = Submission {
        nonce: [nonce; 32],
        authority: AuthorityId::parse("ca").unwrap(),
        profile: "officer".into(),
        subject: vec![0x30, 0],
        alternative_names: Vec::new(),
        public_key: vec![1, 2],
        not_after: nonce.is_multiple_of(2).then_some(at(900)),
        encryption_profile: nonce.is_multiple_of(2).then(|| "person-encryption".into()),
        csr: vec![0x30, 1, nonce],
        evidence_sm3: [8; 32],
        applicant: hand("c1", 1),
        submitted_at: at(100),
    };
    StoredRequest {
        id: id(name),
        request: CertificateRequest::new(submission),
        submission_signature: vec![9; 64],
        check: None,
        end_signature: None,
        explanation: None,
        version: 1,
    }
}

/// Wants the callers `c1` and `c2` and the authority `ca`.
pub(super) async fn contract(store: &Store, url: &str) {
    officers_come_and_go(store, url).await;
    a_request_goes_its_way(store).await;
    a_changed_row_is_refused(store, url).await;
    lists(store).await;
    what_ended_is_forgotten(store).await;
}

async fn officers_come_and_go(store: &Store, url: &str) {
    let caller = CallerId::parse("c1").unwrap();
    let officer =
        StoredOfficer { caller: caller.clone(), role: OfficerRole::Checker, since: at(5), ended_at: None, version: 1 };
    let officer = &officer;
    store.run("appoint", |tx| Box::pin(officers::insert(tx, officer))).await.unwrap();
    let again = store.run("appoint", |tx| Box::pin(officers::insert(tx, officer))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let nobody = &StoredOfficer { caller: CallerId::parse("nobody").unwrap(), ..officer.clone() };
    let refused = store.run("appoint", |tx| Box::pin(officers::insert(tx, nobody))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let find = async || store.read(|tx| Box::pin(officers::find(tx, &caller))).await;
    assert_eq!(find().await.unwrap().as_ref(), Some(officer));
    let ended = &StoredOfficer { ended_at: Some(at(9)), role: OfficerRole::Approver, ..officer.clone() };
    let ended = store.run("dismiss", |tx| Box::pin(officers::update(tx, ended))).await.unwrap();
    assert_eq!((ended.version, find().await.unwrap()), (2, Some(ended.clone())));
    let stale = store.run("dismiss", |tx| Box::pin(officers::update(tx, officer))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "officers", .. })), "{stale:?}");
    assert_eq!(store.read(|tx| Box::pin(officers::all(tx))).await.unwrap(), std::slice::from_ref(&ended));
    for (change, back) in [
        ("UPDATE officers SET role = 'checker'", "UPDATE officers SET role = 'approver'"),
        ("UPDATE officers SET ended_at = NULL", "UPDATE officers SET ended_at = 9"),
        ("UPDATE officers SET caller = 'c2'", "UPDATE officers SET caller = 'c1'"),
    ] {
        assert_eq!(by_hand(url, change).await.unwrap(), 1);
        let refused = store.read(|tx| Box::pin(officers::all(tx))).await;
        assert!(matches!(refused, Err(Error::Inconsistent { table: "officers", .. })), "{change}: {refused:?}");
        assert_eq!(by_hand(url, back).await.unwrap(), 1);
    }
    assert_eq!(find().await.unwrap(), Some(ended));
}

async fn find(store: &Store, name: &str) -> Result<Option<StoredRequest>, Error> {
    let id = &id(name);
    store.read(|tx| Box::pin(certificate_requests::find(tx, id))).await
}

async fn keep(store: &Store, next: &StoredRequest) -> Result<StoredRequest, Error> {
    store.run("keep", |tx| Box::pin(certificate_requests::update(tx, next))).await
}

async fn insert(store: &Store, new: &StoredRequest) -> Result<(), Error> {
    store.run("submit", |tx| Box::pin(certificate_requests::insert(tx, new))).await
}

fn with(stored: &StoredRequest, state: RequestState) -> StoredRequest {
    let request = CertificateRequest { submission: stored.request.submission.clone(), state };
    StoredRequest { request, ..stored.clone() }
}

fn checked(stored: &StoredRequest, approvals: Vec<Approval>) -> StoredRequest {
    let check = StoredCheck { by: hand("c2", 2), at: at(110), signature: vec![7; 64] };
    let state = RequestState::Checked { by: check.by.clone(), at: check.at, approvals };
    StoredRequest { check: Some(check), ..with(stored, state) }
}

async fn a_request_goes_its_way(store: &Store) {
    let (first, second) = (request("r1", 1), request("r2", 2));
    for new in [&first, &second] {
        insert(store, new).await.unwrap();
    }
    let same_nonce = request("r9", 2);
    assert!(matches!(insert(store, &same_nonce).await, Err(Error::Conflict { .. })));
    let mut nobody = request("r9", 9);
    nobody.request.submission.applicant = hand("nobody", 1);
    assert!(matches!(insert(store, &nobody).await, Err(Error::Conflict { .. })));
    assert_eq!(find(store, "r2").await.unwrap(), Some(second.clone()));
    assert_eq!(find(store, "r9").await.unwrap(), None);
    let with_nonce =
        async |nonce: &[u8; 32]| store.read(|tx| Box::pin(certificate_requests::with_nonce(tx, nonce))).await.unwrap();
    assert_eq!(with_nonce(&[1; 32]).await, Some(first.clone()));
    assert_eq!(with_nonce(&[2; 32]).await, Some(second.clone()));
    assert_eq!(with_nonce(&[9; 32]).await, None);
    let submission = async |id: &ApplicationId| {
        store.read(|tx| Box::pin(certificate_requests::submission_event(tx, id))).await.unwrap()
    };
    store.run("note", |tx| Box::pin(certificate_requests::note_submission(tx, &first.id, 40))).await.unwrap();
    assert_eq!((submission(&first.id).await, submission(&second.id).await), (Some(40), None));
    assert_eq!(find(store, "r1").await.unwrap(), Some(first.clone()), "its version and its integrity value stay");

    let one = keep(store, &checked(&first, Vec::new())).await.unwrap();
    assert_eq!((one.version, find(store, "r1").await.unwrap()), (2, Some(one.clone())));
    assert!(matches!(keep(store, &first).await, Err(Error::Stale { table: "certificate_requests", .. })));
    // Approvals come one by one; neither officer nor key stands twice.
    let one = keep(store, &checked(&one, vec![approval("c1", 3, 120)])).await.unwrap();
    assert_eq!(find(store, "r1").await.unwrap(), Some(one.clone()));
    for twice in [approval("c1", 4, 130), approval("c2", 3, 130)] {
        let refused = keep(store, &checked(&one, vec![approval("c1", 3, 120), twice])).await;
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    }
    assert_eq!(find(store, "r1").await.unwrap(), Some(one.clone()));
    let approvals = vec![approval("c1", 3, 120), approval("c2", 4, 130)];
    let state = RequestState::Approved { checked_by: hand("c2", 2), approvals: approvals.clone(), at: at(130) };
    let one = keep(store, &with(&one, state)).await.unwrap();
    assert_eq!(find(store, "r1").await.unwrap(), Some(one.clone()));
    let state = RequestState::Fulfilled { result_sm3: sm3(&[0x30, 2]), approvals, at: at(140) };
    let one = keep(store, &with(&one, state)).await.unwrap();
    assert_eq!((one.version, find(store, "r1").await.unwrap()), (5, Some(one)));

    // Refused in the middle: its approvals stay on record, under the integrity value.
    let two = keep(store, &checked(&second, vec![approval("c1", 3, 120)])).await.unwrap();
    let state = RequestState::Refused { by: Some(hand("c2", 2)), reason: RefusalReason::NotEntitled, at: at(150) };
    let words = Some("无权".to_owned());
    let two = StoredRequest { end_signature: Some(vec![5; 64]), explanation: words, ..with(&two, state) };
    let two = keep(store, &two).await.unwrap();
    assert_eq!(find(store, "r2").await.unwrap(), Some(two));
    let third = request("r3", 3);
    insert(store, &third).await.unwrap();
    let lapsed = RequestState::Refused { by: None, reason: RefusalReason::Lapsed, at: at(160) };
    let third = keep(store, &with(&third, lapsed)).await.unwrap();
    assert_eq!(find(store, "r3").await.unwrap(), Some(third));
    let fourth = request("r4", 4);
    insert(store, &fourth).await.unwrap();
    let withdrawn = RequestState::Withdrawn { reason: WithdrawalReason::NotNeeded, at: at(170) };
    let fourth = keep(store, &with(&fourth, withdrawn)).await.unwrap();
    assert_eq!(find(store, "r4").await.unwrap(), Some(fourth));
    insert(store, &request("r5", 5)).await.unwrap();
    // A certificate is issued for one request.
    let six = request("r6", 6);
    insert(store, &six).await.unwrap();
    let six = checked(&six, Vec::new());
    let twice = RequestState::Fulfilled { result_sm3: sm3(&[0x30, 2]), approvals: vec![], at: at(140) };
    assert!(matches!(keep(store, &with(&six, twice)).await, Err(Error::Conflict { .. })));
}

async fn a_changed_row_is_refused(store: &Store, url: &str) {
    let (one, two) = (find(store, "r1").await.unwrap(), find(store, "r2").await.unwrap());
    let changes: [(&str, &'static str, &'static str); 7] = [
        (
            "r1",
            "UPDATE certificate_requests SET profile = 'root' WHERE id = 'r1'",
            "UPDATE certificate_requests SET profile = 'officer' WHERE id = 'r1'",
        ),
        (
            "r1",
            "UPDATE certificate_requests SET subject = csr WHERE id = 'r1'",
            "UPDATE certificate_requests SET subject = (SELECT subject FROM certificate_requests WHERE id = 'r2') WHERE id = 'r1'",
        ),
        (
            "r1",
            "UPDATE certificate_requests SET checked_by = 'c1' WHERE id = 'r1'",
            "UPDATE certificate_requests SET checked_by = 'c2' WHERE id = 'r1'",
        ),
        (
            "r2",
            "UPDATE certificate_requests SET state = 'withdrawn', reason = 'mistaken' WHERE id = 'r2'",
            "UPDATE certificate_requests SET state = 'refused', reason = 'not-entitled' WHERE id = 'r2'",
        ),
        (
            "r1",
            "UPDATE request_approvals SET at = 121 WHERE request = 'r1' AND number = 1",
            "UPDATE request_approvals SET at = 120 WHERE request = 'r1' AND number = 1",
        ),
        // An approval that is taken away, and one that goes to another request.
        (
            "r2",
            "UPDATE request_approvals SET request = 'r5' WHERE request = 'r2'",
            "UPDATE request_approvals SET request = 'r2' WHERE request = 'r5'",
        ),
        (
            "r5",
            "UPDATE request_approvals SET request = 'r5' WHERE request = 'r2'",
            "UPDATE request_approvals SET request = 'r2' WHERE request = 'r5'",
        ),
    ];
    for (name, change, back) in changes {
        assert_eq!(by_hand(url, change).await.unwrap(), 1, "{change}");
        let refused = find(store, name).await;
        assert!(
            matches!(refused, Err(Error::Inconsistent { table: "certificate_requests" | "request_approvals", .. })),
            "{change}: {refused:?}"
        );
        assert_eq!(by_hand(url, back).await.unwrap(), 1, "{back}");
    }
    assert_eq!((find(store, "r1").await.unwrap(), find(store, "r2").await.unwrap()), (one, two));
}

async fn lists(store: &Store) {
    let search = async |state: Option<&str>, after: Option<&str>, limit| {
        let after = after.map(id);
        let after = after.as_ref();
        let found = store.read(|tx| Box::pin(certificate_requests::search(tx, state, after, limit))).await.unwrap();
        found.into_iter().map(|one| one.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(search(None, None, 10).await, ["r1", "r2", "r3", "r4", "r5", "r6"]);
    assert_eq!(search(None, Some("r2"), 2).await, ["r3", "r4"]);
    assert_eq!(search(Some("refused"), None, 10).await, ["r2", "r3"]);
    assert_eq!(search(Some("refused"), Some("r2"), 10).await, ["r3"]);
    assert_eq!(search(Some("approved"), None, 10).await, Vec::<String>::new());
    let waiting = async |before, limit| {
        let steps = store.read(|tx| Box::pin(certificate_requests::waiting_since(tx, at(before), limit)));
        steps.await.unwrap().len()
    };
    assert_eq!((waiting(100, 10).await, waiting(101, 10).await, waiting(101, 1).await), (0, 2, 1));
}

async fn what_ended_is_forgotten(store: &Store) {
    let forget = async |before, limit| {
        store.run("forget", |tx| Box::pin(certificate_requests::forget_ended(tx, at(before), limit))).await.unwrap()
    };
    let der = vec![0x30, 2];
    let certificate = IssuedCertificate {
        authority: AuthorityId::parse("ca").unwrap(),
        serial: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        sm3: sm3(&der),
        shard: 0,
        profile: "officer".into(),
        subject: "CN=r1".into(),
        not_before: at(10),
        not_after: at(20),
        der,
        issued_at: at(10),
        status: StoredStatus::Active,
        status_since: at(10),
        status_event: None,
        version: 1,
    };
    let certificates = &[certificate];
    store.run("issue", |tx| Box::pin(issued_certificates::insert_many(tx, certificates))).await.unwrap();
    assert_eq!((forget(150, 10).await, forget(151, 10).await), (0, 1));
    assert_eq!((forget(1000, 1).await, forget(1000, 10).await), (1, 1));
    // Its certificate is on record.
    assert!(find(store, "r1").await.unwrap().is_some());
    store.run("forget", |tx| Box::pin(issued_certificates::forget_ended(tx, at(21), 10))).await.unwrap();
    assert_eq!((forget(1000, 10).await, forget(1000, 10).await), (1, 0));
    assert!(find(store, "r1").await.unwrap().is_none());
    assert!(find(store, "r5").await.unwrap().is_some());
}
