//! Keepers, authority to use seals, approvals and the use ledger: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{AuthorisationId, CallerId, SealId, SignatureId};
use yinxin::domain::officer::{Approval, Hand};
use yinxin::domain::seal::authority::{Authorisation, UseApproval, UseTerms, Used};
use yinxin::store::seal_keepers::{self, StoredKeeper};
use yinxin::store::use_authorisations::{self, StoredAuthorisation};
use yinxin::store::use_ledger::{self, LedgerEntry, LedgerQuery, UseOutcome};
use yinxin::store::{Error, Store, use_approvals};

use crate::store::contract::by_hand;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn seal(name: &str) -> SealId {
    SealId::parse(name).unwrap()
}

fn user(name: &str) -> CallerId {
    CallerId::parse(name).unwrap()
}

fn given(seconds: i64) -> Approval {
    Approval { hand: Hand { officer: user("c1"), key_sm3: [1; 32] }, signature: vec![1; 64], at: at(seconds) }
}

fn authorisation(name: &str, nonce: u8) -> Authorisation {
    let is_even = nonce.is_multiple_of(2);
    let terms = UseTerms {
        nonce: [nonce; 32],
        seal: seal("s2"),
        user: user("c2"),
        items: if is_even { vec!["a".into(), "b.c".into()] } else { Vec::new() },
        document_kinds: if is_even { vec!["letter".into()] } else { Vec::new() },
        from: at(100),
        until: at(900 + i64::from(nonce)),
        most_uses: is_even.then_some(3),
        most_amount: is_even.then_some(500),
        most_sum: is_even.then_some(900),
        each_approved: is_even,
        second_factor: !is_even,
    };
    let id = AuthorisationId::parse(name).unwrap();
    Authorisation { id, terms, given: given(90), withdrawn_at: None, used: Used::default() }
}

fn entry(signature: &str, of: Option<(&str, i64)>, seconds: i64) -> LedgerEntry {
    LedgerEntry {
        signature: SignatureId::parse(signature).unwrap(),
        seal: seal("s2"),
        user: of.is_some().then(|| user("c2")),
        authorisation: of.map(|(id, number)| (AuthorisationId::parse(id).unwrap(), number)),
        approval: None,
        item: of.is_some().then(|| "a".into()),
        document_kind: None,
        amount: of.is_some().then_some(400),
        document_sm3: [7; 32],
        factor: of.is_some().then(|| ("registered-key".into(), at(seconds))),
        at: at(seconds),
        outcome: UseOutcome::Intended,
        version: 1,
    }
}

/// Wants the callers `c1` and `c2`, the seals `s1` and `s2`, and the signatures `g1` to `g4` of `s2`.
pub(super) async fn contract(store: &Store, url: &str) {
    keepers(store, url).await;
    authorisations(store, url).await;
    the_ledger(store, url).await;
    approvals(store, url).await;
    what_is_put_back_is_refused(store, url).await;
}

async fn keepers(store: &Store, url: &str) {
    let kept = &StoredKeeper { seal: seal("s2"), keeper: user("c1"), since: at(5), version: 1 };
    let insert = async |kept: &StoredKeeper| {
        store.run("keep", |tx| Box::pin(async move { seal_keepers::insert(tx, &kept.clone()).await })).await
    };
    insert(kept).await.unwrap();
    for refused in [
        kept.clone(),
        StoredKeeper { seal: seal("none"), ..kept.clone() },
        StoredKeeper { seal: seal("s1"), keeper: user("nobody"), ..kept.clone() },
    ] {
        let told = insert(&refused).await;
        assert!(matches!(told, Err(Error::Conflict { .. })), "{told:?}");
    }
    let find = async || store.read(|tx| Box::pin(async move { seal_keepers::find(tx, &seal("s2")).await })).await;
    assert_eq!(find().await.unwrap().as_ref(), Some(kept));
    let next = &StoredKeeper { keeper: user("c2"), since: at(6), ..kept.clone() };
    let next = store.run("keep", |tx| Box::pin(seal_keepers::update(tx, next))).await.unwrap();
    assert_eq!((next.version, find().await.unwrap().as_ref()), (2, Some(&next)));
    let kept_by = async |keeper: &CallerId, after: Option<&SealId>| {
        store.read(|tx| Box::pin(seal_keepers::of_keeper(tx, keeper, after, 9))).await.unwrap()
    };
    assert_eq!((kept_by(&user("c2"), None).await, kept_by(&user("c1"), None).await), (vec![next.clone()], vec![]));
    assert_eq!(
        (kept_by(&user("c2"), Some(&seal("s1"))).await, kept_by(&user("c2"), Some(&seal("s2"))).await),
        (vec![next.clone()], vec![])
    );
    let stale = store.run("keep", |tx| Box::pin(seal_keepers::update(tx, kept))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "seal_keepers", .. })), "{stale:?}");
    for (change, back) in [
        ("UPDATE seal_keepers SET keeper = 'c1'", "UPDATE seal_keepers SET keeper = 'c2'"),
        ("UPDATE seal_keepers SET since = 5", "UPDATE seal_keepers SET since = 6"),
        ("UPDATE seal_keepers SET version = 1", "UPDATE seal_keepers SET version = 2"),
    ] {
        assert_eq!(by_hand(url, change).await.unwrap(), 1);
        let refused = find().await;
        assert!(matches!(refused, Err(Error::Inconsistent { table: "seal_keepers", .. })), "{change}: {refused:?}");
        assert_eq!(by_hand(url, back).await.unwrap(), 1);
    }
    // Copied to another seal, a row is nothing.
    let copy = "INSERT INTO seal_keepers (seal, keeper, since, version, integrity) \
                SELECT 's1', keeper, since, version, integrity FROM seal_keepers";
    assert_eq!(by_hand(url, copy).await.unwrap(), 1);
    let refused = store.read(|tx| Box::pin(async move { seal_keepers::find(tx, &seal("s1")).await })).await;
    assert!(matches!(refused, Err(Error::Inconsistent { table: "seal_keepers", .. })), "{refused:?}");
    assert_eq!(by_hand(url, "DELETE FROM seal_keepers WHERE seal = 's1'").await.unwrap(), 1);
}

async fn find(store: &Store, name: &str) -> Result<Option<StoredAuthorisation>, Error> {
    let id = &AuthorisationId::parse(name).unwrap();
    store.read(|tx| Box::pin(use_authorisations::find(tx, id))).await
}

async fn authorisations(store: &Store, url: &str) {
    let (first, second) = (&authorisation("u1", 1), &authorisation("u2", 2));
    for new in [first, second] {
        store.run("give", |tx| Box::pin(use_authorisations::insert(tx, new))).await.unwrap();
        let stored = StoredAuthorisation { authorisation: new.clone(), entered: 0, version: 1 };
        assert_eq!(find(store, new.id.as_str()).await.unwrap(), Some(stored));
    }
    for refused in [first.clone(), authorisation("u3", 2)] {
        let told = store.run("give", |tx| Box::pin(use_authorisations::insert(tx, &refused))).await;
        assert!(matches!(told, Err(Error::Conflict { .. })), "{told:?}");
    }
    assert_eq!(find(store, "none").await.unwrap(), None);
    for (change, back) in [
        (
            "UPDATE use_authorisations SET most_uses = 9 WHERE id = 'u2'",
            "UPDATE use_authorisations SET most_uses = 3 WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET most_sum = NULL WHERE id = 'u2'",
            "UPDATE use_authorisations SET most_sum = 900 WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET caller = 'c1' WHERE id = 'u2'",
            "UPDATE use_authorisations SET caller = 'c2' WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET seal = 's1' WHERE id = 'u2'",
            "UPDATE use_authorisations SET seal = 's2' WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET items = '' WHERE id = 'u2'",
            "UPDATE use_authorisations SET items = 'a,b.c' WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET document_kinds = '' WHERE id = 'u2'",
            "UPDATE use_authorisations SET document_kinds = 'letter' WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET valid_until = 9999 WHERE id = 'u2'",
            "UPDATE use_authorisations SET valid_until = 902 WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET each_approved = 0 WHERE id = 'u2'",
            "UPDATE use_authorisations SET each_approved = 1 WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET uses = 1 WHERE id = 'u2'",
            "UPDATE use_authorisations SET uses = 0 WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET amount_used = 1 WHERE id = 'u2'",
            "UPDATE use_authorisations SET amount_used = 0 WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET withdrawn_at = 1 WHERE id = 'u2'",
            "UPDATE use_authorisations SET withdrawn_at = NULL WHERE id = 'u2'",
        ),
        (
            "UPDATE use_authorisations SET id = 'u9' WHERE id = 'u2'",
            "UPDATE use_authorisations SET id = 'u2' WHERE id = 'u9'",
        ),
    ] {
        assert_eq!(by_hand(url, change).await.unwrap(), 1);
        let all = async || {
            store.read(|tx| Box::pin(async move { use_authorisations::of_seal(tx, &seal("s2"), None, 9).await })).await
        };
        let one = find(store, if change.contains("'u9'") { "u9" } else { "u2" }).await;
        assert!(matches!(one, Err(Error::Inconsistent { table: "use_authorisations", .. })), "{change}: {one:?}");
        if !change.contains("seal =") {
            let all = all().await;
            assert!(matches!(all, Err(Error::Inconsistent { .. })), "{change}: {all:?}");
        }
        assert_eq!(by_hand(url, back).await.unwrap(), 1);
    }
    let (s2, c2) = (&seal("s2"), &user("c2"));
    let open = async |now| {
        let found = store.read(|tx| Box::pin(use_authorisations::open_of(tx, (s2, c2), at(now), 9))).await.unwrap();
        let count = store.read(|tx| Box::pin(use_authorisations::count_open(tx, (s2, c2), at(now)))).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), found.len());
        found.iter().map(|one| one.authorisation.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(open(900).await, ["u1", "u2"]);
    assert_eq!(open(901).await, ["u2"]);
    assert!(open(902).await.is_empty());
    let of_user = async |user: &CallerId, after: Option<&SealId>, now| {
        let found =
            store.read(|tx| Box::pin(use_authorisations::open_of_user(tx, user, after, at(now), 9))).await.unwrap();
        found.iter().map(|one| one.authorisation.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((of_user(c2, None, 900).await, of_user(c2, None, 901).await), (open(900).await, open(901).await));
    assert_eq!((of_user(c2, Some(s2), 900).await, of_user(&user("c1"), None, 900).await), (vec![], vec![]));
    let nonce = async |nonce| store.read(|tx| Box::pin(use_authorisations::with_nonce(tx, nonce))).await.unwrap();
    assert_eq!(nonce(&second.terms.nonce).await.map(|found| found.authorisation), Some(second.clone()));
    assert_eq!(nonce(&[99; 32]).await, None);
    let last = store.read(|tx| Box::pin(use_authorisations::last_of(tx, (s2, c2), 1))).await.unwrap();
    assert_eq!(last[0].authorisation.id.as_str(), "u2");
    let behind = store.read(|tx| Box::pin(use_authorisations::of_seal(tx, s2, Some(&first.id), 9))).await.unwrap();
    assert_eq!(behind.len(), 1);

    // Counted, then withdrawn.
    let stored = &find(store, "u1").await.unwrap().unwrap();
    let withdraw = async |stored: &StoredAuthorisation| {
        store.run("withdraw", |tx| Box::pin(use_authorisations::withdraw(tx, stored, at(300)))).await
    };
    let withdrawn = withdraw(stored).await.unwrap();
    assert_eq!((withdrawn.version, withdrawn.authorisation.withdrawn_at), (2, Some(at(300))));
    assert_eq!(find(store, "u1").await.unwrap(), Some(withdrawn.clone()));
    assert!(matches!(withdraw(stored).await, Err(Error::Stale { table: "use_authorisations", .. })));
    assert!(matches!(withdraw(&withdrawn).await, Err(Error::Conflict { .. })));
    assert_eq!(open(800).await, ["u2"]);
    let left = store.read(|tx| Box::pin(use_authorisations::not_withdrawn(tx, s2, 9))).await.unwrap();
    assert_eq!(left.len(), 1);
}

async fn the_ledger(store: &Store, url: &str) {
    let insert = async |entry: &LedgerEntry, counted: Option<(&str, Used)>| {
        let stored = match counted {
            Some((name, used)) => Some((find(store, name).await.unwrap().unwrap(), used)),
            None => None,
        };
        let (entry, stored) = (entry, &stored);
        store
            .run("enter", |tx| {
                Box::pin(async move {
                    if let Some((stored, used)) = stored {
                        use_authorisations::count(tx, stored, *used, stored.entered + 1).await?;
                    }
                    use_ledger::insert(tx, entry).await
                })
            })
            .await
    };
    let lines = [entry("g1", Some(("u2", 1)), 110), entry("g2", Some(("u2", 2)), 111), entry("g3", None, 112)];
    insert(&lines[0], Some(("u2", Used { uses: 1, sum: 400 }))).await.unwrap();
    insert(&lines[1], Some(("u2", Used { uses: 2, sum: 800 }))).await.unwrap();
    insert(&lines[2], None).await.unwrap();
    assert_eq!(find(store, "u2").await.unwrap().unwrap().authorisation.used, Used { uses: 2, sum: 800 });
    for refused in [entry("g1", None, 113), entry("g4", Some(("u2", 2)), 113), entry("none", None, 113)] {
        let told = insert(&refused, None).await;
        assert!(matches!(told, Err(Error::Conflict { .. })), "{told:?}");
    }
    let finish = async |entry: &LedgerEntry, outcome| {
        store.run("finish", |tx| Box::pin(use_ledger::finish(tx, entry, outcome))).await
    };
    by_hand(url, "CREATE TABLE kept_lines AS SELECT * FROM use_ledger").await.unwrap();
    let signed = finish(&lines[0], UseOutcome::Signed { at: at(120) }).await.unwrap();
    let abandoned = finish(&lines[1], UseOutcome::Abandoned { at: at(121) }).await.unwrap();
    let twice = finish(&signed, UseOutcome::Abandoned { at: at(122) }).await;
    assert!(matches!(twice, Err(Error::Stale { table: "use_ledger", .. })), "{twice:?}");
    let found = async |query: LedgerQuery, limit| {
        let query = &query;
        store.read(|tx| Box::pin(use_ledger::search(tx, query, limit))).await
    };
    let all = LedgerQuery::default;
    let (of_seal, of_user) =
        (LedgerQuery { seal: Some(seal("s2")), ..all() }, LedgerQuery { user: Some(user("c2")), ..all() });
    assert_eq!(found(all(), 9).await.unwrap(), [lines[2].clone(), abandoned.clone(), signed.clone()]);
    assert_eq!(found(of_seal.clone(), 9).await.unwrap(), found(all(), 9).await.unwrap());
    assert_eq!(found(of_user.clone(), 9).await.unwrap(), [abandoned.clone(), signed.clone()]);
    let behind = LedgerQuery { after: Some((at(111), lines[1].signature.clone())), ..of_seal.clone() };
    assert_eq!(found(behind, 9).await.unwrap(), std::slice::from_ref(&signed));
    assert_eq!(found(of_seal.clone(), 1).await.unwrap(), [lines[2].clone()]);
    let one = [abandoned.clone()];
    for (query, expected) in [
        (LedgerQuery { from: Some(at(111)), until: Some(at(112)), ..all() }, &one[..]),
        (LedgerQuery { outcome: Some("abandoned".into()), ..of_seal.clone() }, &one[..]),
        (LedgerQuery { item: Some("b".into()), ..of_seal.clone() }, &[]),
        (LedgerQuery { document_kind: Some("letter".into()), ..of_user.clone() }, &[]),
        (LedgerQuery { user: Some(user("c1")), ..of_seal.clone() }, &[]),
        (LedgerQuery { seal: Some(seal("s1")), ..all() }, &[]),
        (LedgerQuery { item: Some("a".into()), from: Some(at(111)), ..of_seal.clone() }, &one[..]),
    ] {
        assert_eq!(found(query.clone(), 9).await.unwrap(), expected, "{query:?}");
    }
    let find = async || store.read(|tx| Box::pin(use_ledger::find(tx, &lines[1].signature))).await;
    assert_eq!(find().await.unwrap(), Some(abandoned));
    by_hand(url, "CREATE TABLE new_lines AS SELECT * FROM use_ledger").await.unwrap();
    for (change, back) in [
        // The line as it was before it ended, whole.
        (
            "UPDATE use_ledger SET (outcome, finished_at, version, integrity) = (SELECT outcome, finished_at, version, \
             integrity FROM kept_lines WHERE signature = 'g2') WHERE signature = 'g2'",
            "UPDATE use_ledger SET (outcome, finished_at, version, integrity) = (SELECT outcome, finished_at, version, \
             integrity FROM new_lines WHERE signature = 'g2') WHERE signature = 'g2'",
        ),
        (
            "UPDATE use_ledger SET caller = 'c1' WHERE signature = 'g2'",
            "UPDATE use_ledger SET caller = 'c2' WHERE signature = 'g2'",
        ),
        (
            "UPDATE use_ledger SET amount = 1 WHERE signature = 'g2'",
            "UPDATE use_ledger SET amount = 400 WHERE signature = 'g2'",
        ),
        (
            "UPDATE use_ledger SET outcome = 'signed' WHERE signature = 'g2'",
            "UPDATE use_ledger SET outcome = 'abandoned' WHERE signature = 'g2'",
        ),
        (
            "UPDATE use_ledger SET item = NULL WHERE signature = 'g2'",
            "UPDATE use_ledger SET item = 'a' WHERE signature = 'g2'",
        ),
        (
            "UPDATE use_ledger SET at = 1 WHERE signature = 'g2'",
            "UPDATE use_ledger SET at = 111 WHERE signature = 'g2'",
        ),
    ] {
        assert_eq!(by_hand(url, change).await.unwrap(), 1);
        for refused in [find().await.map(|_| ()), found(all(), 9).await.map(|_| ())] {
            assert!(matches!(refused, Err(Error::Inconsistent { table: "use_ledger", .. })), "{change}: {refused:?}");
        }
        assert_eq!(by_hand(url, back).await.unwrap(), 1);
    }
}

async fn approvals(store: &Store, url: &str) {
    let id = AuthorisationId::parse("u2").unwrap();
    let approval = |nonce: u8, seconds| UseApproval {
        authorisation: id.clone(),
        nonce: [nonce; 32],
        document_sm3: [7; 32],
        amount: Some(400),
        given: given(seconds),
        is_spent: false,
    };
    let (old, new) = (approval(1, 105), approval(2, 106));
    let insert = async |one: &UseApproval| store.run("approve", |tx| Box::pin(use_approvals::insert(tx, one))).await;
    insert(&old).await.unwrap();
    insert(&new).await.unwrap();
    assert!(matches!(insert(&approval(2, 107)).await, Err(Error::Conflict { .. })));
    let nowhere = UseApproval { authorisation: AuthorisationId::parse("none").unwrap(), ..approval(3, 107) };
    assert!(matches!(insert(&nowhere).await, Err(Error::Conflict { .. })));
    let of = async |document: [u8; 32]| {
        let id = &id;
        store.read(|tx| Box::pin(async move { use_approvals::of_document(tx, id, &document, 9).await })).await
    };
    assert_eq!(of([7; 32]).await.unwrap(), [new.clone(), old.clone()]);
    assert!(of([8; 32]).await.unwrap().is_empty());
    // Used by a use that stands; a use that came to nothing uses none.
    let line = &LedgerEntry { approval: Some([2; 32]), ..entry("g4", None, 113) };
    store.run("enter", |tx| Box::pin(use_ledger::insert(tx, line))).await.unwrap();
    let spent = UseApproval { is_spent: true, ..new.clone() };
    assert_eq!(of([7; 32]).await.unwrap(), [spent, old.clone()]);
    let to_nothing = UseOutcome::Abandoned { at: at(130) };
    store.run("abandon", |tx| Box::pin(use_ledger::finish(tx, line, to_nothing))).await.unwrap();
    assert_eq!(of([7; 32]).await.unwrap(), [new, old]);
    for (change, back) in [
        (
            "UPDATE use_approvals SET amount = 9 WHERE given_at = 105",
            "UPDATE use_approvals SET amount = 400 WHERE given_at = 105",
        ),
        (
            "UPDATE use_approvals SET given_at = 999 WHERE given_at = 105",
            "UPDATE use_approvals SET given_at = 105 WHERE given_at = 999",
        ),
        (
            "UPDATE use_approvals SET keeper = 'c2' WHERE given_at = 105",
            "UPDATE use_approvals SET keeper = 'c1' WHERE given_at = 105",
        ),
    ] {
        assert_eq!(by_hand(url, change).await.unwrap(), 1);
        let refused = of([7; 32]).await;
        assert!(matches!(refused, Err(Error::Inconsistent { table: "use_approvals", .. })), "{change}: {refused:?}");
        assert_eq!(by_hand(url, back).await.unwrap(), 1);
    }
}

/// A whole row of a former time, with its right integrity value, does not fit what stands beside it.
async fn what_is_put_back_is_refused(store: &Store, url: &str) {
    by_hand(url, "CREATE TABLE former AS SELECT * FROM use_authorisations WHERE id = 'u2'").await.unwrap();
    let put_back = "UPDATE use_authorisations SET (withdrawn_at, uses, amount_used, entered, version, integrity) = \
                    (SELECT withdrawn_at, uses, amount_used, entered, version, integrity FROM former) WHERE id = 'u2'";
    let stored = &find(store, "u2").await.unwrap().unwrap();
    assert_eq!(by_hand(url, put_back).await.unwrap(), 1);
    assert_eq!(find(store, "u2").await.unwrap().as_ref(), Some(stored), "the same row");
    let withdrawn =
        store.run("withdraw", |tx| Box::pin(use_authorisations::withdraw(tx, stored, at(400)))).await.unwrap();
    by_hand(url, "CREATE TABLE newest AS SELECT * FROM use_authorisations WHERE id = 'u2'").await.unwrap();
    assert_eq!(by_hand(url, put_back).await.unwrap(), 1);
    let refused = find(store, "u2").await;
    assert!(matches!(refused, Err(Error::Inconsistent { table: "use_authorisations", .. })), "{refused:?}");
    let newest = "UPDATE use_authorisations SET (withdrawn_at, uses, amount_used, entered, version, integrity) = \
                  (SELECT withdrawn_at, uses, amount_used, entered, version, integrity FROM newest) WHERE id = 'u2'";
    assert_eq!(by_hand(url, newest).await.unwrap(), 1);
    assert_eq!(find(store, "u2").await.unwrap(), Some(withdrawn));
    // Nor does the row of a use that is taken out of the ledger stay unnoticed while it is the last.
    by_hand(url, "CREATE TABLE taken AS SELECT * FROM use_ledger WHERE signature = 'g2'").await.unwrap();
    assert_eq!(by_hand(url, "DELETE FROM use_ledger WHERE signature = 'g2'").await.unwrap(), 1);
    let refused = find(store, "u2").await;
    assert!(matches!(refused, Err(Error::Inconsistent { table: "use_authorisations", .. })), "{refused:?}");
    assert_eq!(by_hand(url, "INSERT INTO use_ledger SELECT * FROM taken").await.unwrap(), 1);
    find(store, "u2").await.unwrap();
    for table in ["DROP TABLE former", "DROP TABLE newest", "DROP TABLE taken"] {
        by_hand(url, table).await.unwrap();
    }
}
