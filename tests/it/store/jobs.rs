//! Jobs that issue many certificates, their rows and results: the contract of their rows.

use yinxin::base::clock::Timestamp;
use yinxin::base::id::{AuthorityId, CallerId, JobId};
use yinxin::domain::audit::Actor;
use yinxin::domain::ca::job::{Job, JobState};
use yinxin::domain::ca::job_file::{JobRow, RowOrder};
use yinxin::domain::caller::{Role, Roles};
use yinxin::store::issuance_job_rows::{self, RowOutcome, RowResult};
use yinxin::store::issuance_jobs::{self, StoredJob};
use yinxin::store::{Error, Store};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds)
}

fn stored(id: &str) -> StoredJob {
    StoredJob {
        id: JobId::parse(id).unwrap(),
        authority: AuthorityId::parse("ca").unwrap(),
        profile: "officer".into(),
        rows_sm3: [7; 32],
        created_by: Actor::Operator,
        created_at: at(1),
        job: Job::new(1001, at(1)),
        version: 1,
    }
}

fn row(number: u32) -> JobRow {
    let order = RowOrder { csr: vec![0x30, 0], subject: None, not_after: None, transaction: None };
    JobRow { name: format!("行{number}"), order }
}

/// Wants the authority `ca`.
pub(super) async fn contract(store: &Store) {
    jobs(store).await;
    rows(store).await;
    what_has_ended(store).await;
}

async fn jobs(store: &Store) {
    let (first, mut second) = (stored("j1"), stored("j2"));
    second.created_by = Actor::Caller {
        id: CallerId::parse("c7").unwrap(),
        roles: Roles::new([Role::Verifier, Role::CertificateOfficer]).unwrap(),
    };
    for job in [&first, &second] {
        store.run("submit", |tx| Box::pin(issuance_jobs::insert(tx, job))).await.unwrap();
        let found = store.read(|tx| Box::pin(issuance_jobs::find(tx, &job.id))).await.unwrap();
        assert_eq!(found.as_ref(), Some(job));
    }
    let again = store.run("submit", |tx| Box::pin(issuance_jobs::insert(tx, &first))).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let nobodys = &StoredJob { authority: AuthorityId::parse("nobody").unwrap(), ..stored("j3") };
    let refused = store.run("submit", |tx| Box::pin(issuance_jobs::insert(tx, nobodys))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let all = async |after: Option<&JobId>, limit| {
        store.read(|tx| Box::pin(issuance_jobs::all(tx, after, limit))).await.unwrap()
    };
    assert_eq!(all(None, 10).await, [first.clone(), second.clone()]);
    assert_eq!((all(None, 1).await, all(Some(&first.id), 9).await), (vec![first.clone()], vec![second.clone()]));

    let free = async |now| store.read(|tx| Box::pin(issuance_jobs::free(tx, at(now)))).await.unwrap();
    assert_eq!(free(100).await, Vec::new());
    let taken = &StoredJob { job: first.job.clone().take(at(10), 30).unwrap(), ..first.clone() };
    let taken = store.run("take", |tx| Box::pin(issuance_jobs::update(tx, taken))).await.unwrap();
    assert_eq!((taken.version, taken.job.lease), (2, 1));
    let stale = store.run("take", |tx| Box::pin(issuance_jobs::update(tx, &first))).await;
    assert!(matches!(stale, Err(Error::Stale { table: "issuance_jobs", .. })), "{stale:?}");
    assert_eq!((free(39).await, free(40).await), (vec![], vec![taken.id.clone()]));
    for state in
        [JobState::Paused { reason: "asked".into() }, JobState::Finished, JobState::Cancelled, JobState::Waiting]
    {
        let now = store.read(|tx| Box::pin(issuance_jobs::find(tx, &second.id))).await.unwrap().unwrap();
        let next = &StoredJob { job: Job { state, issued: 3, refused: 4, ..now.job.clone() }, ..now };
        let kept = store.run("change", |tx| Box::pin(issuance_jobs::update(tx, next))).await.unwrap();
        let found = store.read(|tx| Box::pin(issuance_jobs::find(tx, &second.id))).await.unwrap();
        assert_eq!(found, Some(kept));
    }
    assert_eq!(store.read(|tx| Box::pin(issuance_jobs::open_jobs(tx))).await.unwrap(), 2);
}

async fn rows(store: &Store) {
    let (id, nobody) = (&JobId::parse("j1").unwrap(), &JobId::parse("nobody").unwrap());
    // More than one statement takes.
    let all = &(1..=1001).map(row).collect::<Vec<_>>();
    store.run("rows", |tx| Box::pin(issuance_job_rows::insert(tx, id, all))).await.unwrap();
    for (job, refused) in [(id, "again"), (nobody, "without a job")] {
        let outcome = store.run("rows", |tx| Box::pin(issuance_job_rows::insert(tx, job, all))).await;
        assert!(matches!(outcome, Err(Error::Conflict { .. })), "{refused}: {outcome:?}");
    }
    let open =
        async |after, limit| store.read(|tx| Box::pin(issuance_job_rows::open(tx, id, after, limit))).await.unwrap();
    assert_eq!(open(999, 9).await, [(1000, row(1000)), (1001, row(1001))]);
    let results = (1..=1000).map(|number| match number {
        2 => (number, RowResult::Refused { code: "lint".into(), reason: "不合规".into() }),
        number => (number, RowResult::Issued([u8::try_from(number % 251).unwrap(); 32])),
    });
    let results = &results.collect::<Vec<_>>();
    store.run("keep", |tx| Box::pin(issuance_job_rows::keep_results(tx, id, results, at(20)))).await.unwrap();
    let twice = &[(1001, RowResult::Issued([1; 32])), (3, RowResult::Issued([2; 32]))];
    let refused = store.run("keep", |tx| Box::pin(issuance_job_rows::keep_results(tx, id, twice, at(21)))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let beyond = &[(1002, RowResult::Issued([1; 32]))];
    let refused = store.run("keep", |tx| Box::pin(issuance_job_rows::keep_results(tx, id, beyond, at(21)))).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(open(0, 9).await, [(1001, row(1001))]);
    assert_eq!(store.read(|tx| Box::pin(issuance_job_rows::count_results(tx, id))).await.unwrap(), (999, 1));
    let page = store.read(|tx| Box::pin(issuance_job_rows::outcomes(tx, id, 1, 1))).await.unwrap();
    let result = Some((RowResult::Refused { code: "lint".into(), reason: "不合规".into() }, at(20)));
    assert_eq!(page, [RowOutcome { number: 2, name: "行2".into(), result }]);
    let last = store.read(|tx| Box::pin(issuance_job_rows::outcomes(tx, id, 999, 9))).await.unwrap();
    assert_eq!(last.iter().map(|row| row.result.is_some()).collect::<Vec<_>>(), [true, false]);
}

async fn what_has_ended(store: &Store) {
    let id = &JobId::parse("j1").unwrap();
    let forget = async || store.run("forget", |tx| Box::pin(issuance_jobs::forget(tx, id))).await;
    let refused = forget().await;
    assert!(matches!(refused, Err(Error::Stale { table: "issuance_jobs", .. })), "{refused:?}");
    let now = store.read(|tx| Box::pin(issuance_jobs::find(tx, id))).await.unwrap().unwrap();
    let ended = &StoredJob { job: now.job.clone().cancel(at(50)).unwrap().0, ..now };
    store.run("cancel", |tx| Box::pin(issuance_jobs::update(tx, ended))).await.unwrap();
    let before =
        async |moment| store.read(|tx| Box::pin(issuance_jobs::ended_before(tx, at(moment), 9))).await.unwrap();
    assert_eq!((before(50).await, before(51).await), (vec![], vec![id.clone()]));
    let refused = forget().await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let rows =
        async |limit| store.run("forget", |tx| Box::pin(issuance_job_rows::forget(tx, id, limit))).await.unwrap();
    assert_eq!((rows(1000).await, rows(1000).await, rows(1000).await), (1000, 1, 0));
    forget().await.unwrap();
    assert_eq!(store.read(|tx| Box::pin(issuance_jobs::find(tx, id))).await.unwrap(), None);
}
