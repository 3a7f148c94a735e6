//! Files verified together, on both databases: how much is taken, and when a batch is forgotten by the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use yinxin::base::id::{CallerId, RequestId, VerificationBatchId};
use yinxin::domain::audit::{Actor, EventBody};
use yinxin::domain::ca::request::OfficerRole;
use yinxin::domain::caller::{Role, Roles};
use yinxin::service::verification_batches::{BatchError, BatchLimits, BatchRecord, BatchStep, Batches};
use yinxin::service::{Error, Services};

use crate::service::installation::{NOW, Place, events};
use crate::service::registration::{Hands, hired};
use crate::store::Folder;
use crate::store::postgres::Postgres;

const LIMITS: BatchLimits = BatchLimits { of_caller: 2, files: 3, bytes: 10, bytes_of_all: 15 };
const KEEP_HOURS: u32 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    let folder = Folder::new("verification-batches");
    let url = format!("sqlite:{}", folder.path().join("rows.db").display());
    contract(Place { url, folder }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql() {
    let Some(server) = Postgres::start() else {
        return crate::skip("verification batches on PostgreSQL", "PostgreSQL");
    };
    contract(Place { url: server.url.clone(), folder: Folder::new("verification-batches-postgres") }).await;
}

struct Desk {
    services: Services,
    clock: Arc<Hands>,
    batches: Batches,
    place: Place,
}

impl Desk {
    async fn step(&self, owner: &CallerId, step: BatchStep) -> Result<Option<BatchRecord>, Error> {
        let actor = Actor::Caller { id: owner.clone(), roles: Roles::new([Role::CertificateOfficer]).unwrap() };
        self.batches.step(&self.services, (owner, &actor, &RequestId::parse("r").unwrap()), (step, "default")).await
    }

    async fn create(&self, owner: &CallerId, key: &str) -> Result<VerificationBatchId, Error> {
        let step = BatchStep::Create { policy: None, at: None, idempotency_key: key.into() };
        Ok(self.step(owner, step).await?.unwrap().batch.id)
    }

    async fn put(&self, owner: &CallerId, id: &VerificationBatchId, name: &str, file: &[u8]) -> Result<i64, Error> {
        let (id, name, file) = (id.clone(), name.to_owned(), file.to_vec());
        let step = BatchStep::Put { id, name, file, original_digest: None };
        Ok(self.step(owner, step).await?.unwrap().counts.files)
    }

    fn lies_there(&self, id: &VerificationBatchId) -> bool {
        self.place.folder.path().join("batches").join(id.as_str()).is_dir()
    }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, Error>) -> BatchError {
    match outcome {
        Err(Error::Batch(error)) => error,
        other => panic!("{other:?}"),
    }
}

async fn contract(place: Place) {
    let clock = Arc::new(Hands(AtomicI64::new(NOW.unix())));
    let services = Services { clock: clock.clone(), ..place.open().await };
    let one = hired(&services, OfficerRole::Checker).await.id;
    let two = hired(&services, OfficerRole::Checker).await.id;
    let batches = Batches::open(&place.folder.path().join("batches"), KEEP_HOURS, LIMITS).unwrap();
    let desk = Desk { services, clock, batches, place };
    let kept = no_more_is_taken_than_the_limits_say(&desk, &one, &two).await;
    what_has_rested_is_forgotten_by_the_clock(&desk, &one, &two, kept).await;
    desk.services.store.close().await;
}

/// Two batches of the first caller, one of the second.
async fn no_more_is_taken_than_the_limits_say(desk: &Desk, one: &CallerId, two: &CallerId) -> [VerificationBatchId; 3] {
    let (first, second) = (desk.create(one, "1").await.unwrap(), desk.create(one, "2").await.unwrap());
    assert_eq!(desk.create(one, "1").await.unwrap(), first);
    assert!(matches!(refusal(desk.create(one, "3").await), BatchError::TooMany { most: 2 }));
    let other = desk.create(two, "3").await.unwrap();
    for (number, name) in (1..).zip(["a", "b", "c"]) {
        assert_eq!(desk.put(one, &first, name, b"xyz").await.unwrap(), number);
    }
    assert_eq!(desk.put(one, &first, "a", b"xyz").await.unwrap(), 3, "the same again");
    let most = |error| matches!(error, BatchError::TooLarge { files: 3, bytes: 10 });
    assert!(most(refusal(desk.put(one, &first, "d", b"x").await)), "a fourth file");
    let original =
        |original: &[u8]| BatchStep::PutOriginal { id: first.clone(), name: "a".into(), original: original.to_vec() };
    assert!(most(refusal(desk.step(one, original(b"xy")).await)), "an eleventh byte");
    assert_eq!(desk.step(one, original(b"o")).await.unwrap().unwrap().counts.bytes, 10);
    assert!(matches!(refusal(desk.put(two, &other, "a", b"123456").await), BatchError::NoSpace { most: 15 }));
    assert_eq!(desk.put(two, &other, "a", b"12345").await.unwrap(), 1);
    assert!(matches!(refusal(desk.put(one, &second, "a", b"1").await), BatchError::NoSpace { most: 15 }));
    [first, second, other]
}

async fn what_has_rested_is_forgotten_by_the_clock(
    desk: &Desk,
    one: &CallerId,
    two: &CallerId,
    [first, second, other]: [VerificationBatchId; 3],
) {
    let later = |seconds: i64| desk.clock.0.store(NOW.unix() + seconds, Ordering::SeqCst);
    let keep = i64::from(KEEP_HOURS) * 3600;
    let shown = async |owner: &CallerId, id: &VerificationBatchId| {
        let found = desk.step(owner, BatchStep::Show { id: id.clone(), after: 0, limit: 10 }).await;
        found.map(|record| record.unwrap())
    };
    assert_eq!(shown(one, &second).await.unwrap().forgotten_at, NOW.plus_seconds(keep));
    // What is being judged does not rest, however long that takes.
    later(keep - 1);
    desk.step(two, BatchStep::Start { id: other.clone() }).await.unwrap();
    assert_eq!(desk.batches.keep_no_longer(&desk.services).await.unwrap(), 0);
    later(keep);
    assert_eq!(desk.batches.keep_no_longer(&desk.services).await.unwrap(), 0, "not before its time is over");
    assert!(desk.lies_there(&first) && desk.lies_there(&second) && desk.lies_there(&other));
    later(keep + 1);
    assert_eq!(desk.batches.keep_no_longer(&desk.services).await.unwrap(), 2);
    for id in [&first, &second] {
        assert!(matches!(refusal(shown(one, id).await), BatchError::Unknown));
        assert!(!desk.lies_there(id));
    }
    later(100 * keep);
    assert_eq!(desk.batches.keep_no_longer(&desk.services).await.unwrap(), 0);
    assert_eq!(shown(two, &other).await.unwrap().counts.files, 1);
    assert!(desk.lies_there(&other));
    // Nothing of them is left, and their end is on record.
    assert_eq!(desk.place.count("verification_batch_files").await, 1);
    let mut told: Vec<_> = events(&desk.services)
        .await
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::VerificationBatchForgotten { batch } => {
                assert_eq!((event.actor, event.request), (Actor::Operator, None));
                Some(batch)
            }
            _ => None,
        })
        .collect();
    told.sort_unstable();
    let mut expected = vec![first, second];
    expected.sort_unstable();
    assert_eq!(told, expected);
    // Room and places are free again.
    let next = desk.create(one, "4").await.unwrap();
    assert_eq!(desk.put(one, &next, "a", b"0123456789").await.unwrap(), 1);
}
