//! `Idempotency-Key`: the same request under the same key gets the first answer, and is done once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::base::clock::Timestamp;
use crate::base::id::{CallerId, RequestId};
use crate::domain::audit::{Actor, EventBody, LoggedEvent};
use crate::service::callers::{actor_of, is_token};
use crate::service::{Error, Services};
use crate::store::{self, Tx, audit, callers, idempotency};

/// Keys that one transaction reserves.
const MOST_IN_GROUP: usize = 256;
/// Requests that may wait for a reservation; more are refused at once.
const MOST_WAITING: usize = 1024;

/// How long a repeated request waits for the answer of the first that is still at work: a signing takes far less, and the door
/// gives up a request only after two minutes.
const WAITS: Duration = Duration::from_secs(10);
/// The first pause between two looks at the key; each is twice the one before, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

/// What a request under a key shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// It is the first: do it, then [`complete`] with its answer or [`release`].
    First,
    /// It was done: give this answer, do nothing.
    Done {
        /// The first answer's status.
        status: u16,
        /// The first answer's body.
        response: Vec<u8>,
        /// Numbers of the events that the first one wrote: see [`receipt_again`].
        events: Vec<i64>,
    },
}

/// Answers that one transaction forgets: each may hold a whole document.
const MOST_TOGETHER: i64 = 200;
/// Transactions of one look.
const MOST_ROUNDS: usize = 500;

/// Forgets the answers to requests that came more than so many hours ago; gives how many. What is at work stays. Stops after 100,000
/// for the next look to go on.
///
/// # Errors
/// The store's.
pub async fn forget(services: &Services, hours: u32) -> Result<u64, Error> {
    let before = services.clock.now().plus_seconds(i64::from(hours).saturating_mul(-3600));
    let mut gone = 0_u64;
    for _ in 0..MOST_ROUNDS {
        let steps =
            services.store.run("forget answers", |tx| Box::pin(idempotency::forget_before(tx, before, MOST_TOGETHER)));
        let count = steps.await?;
        gone = gone.saturating_add(count);
        if i64::try_from(count).is_ok_and(|count| count < MOST_TOGETHER) {
            break;
        }
    }
    Ok(gone)
}

/// The patience of a request that repeats another which is at work: it looks at the row with growing pauses, since the other
/// may be in another process. So the same request sent many times at once is done once, and each gets its answer.
struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    fn begin() -> Self {
        Self { until: Instant::now() + WAITS, pause: FIRST_PAUSE }
    }

    /// Whether to ask anew, after a pause.
    async fn is_left(&mut self) -> bool {
        if Instant::now() + self.pause >= self.until {
            return false;
        }
        sleep(self.pause).await;
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        true
    }

    /// Waits, by reading alone, until the request at work under that key has its answer or came to nothing; gives whether that
    /// was in time.
    async fn outlasts(&mut self, services: &Services, caller: &CallerId, key: &str) -> Result<bool, Error> {
        while self.is_left().await {
            let found = services.store.read(|tx| Box::pin(idempotency::find(tx, caller, key))).await?;
            if found.is_none_or(|found| found.answer.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Reserves the key for a request, or finds the answer that it had; waits for it where the same request is at work.
///
/// # Errors
/// [`Error::IdempotencyKeyReused`] when the key came with another request; [`Error::IdempotencyKeyInUse`] where the
/// first is still at work after ten seconds; [`Error::InvalidIdempotencyKey`].
pub async fn reserve(
    services: &Services,
    caller: &CallerId,
    key: &str,
    request_sm3: &[u8; 32],
) -> Result<Reservation, Error> {
    if !is_token(key) {
        return Err(Error::InvalidIdempotencyKey);
    }
    let mut patience = Patience::begin();
    loop {
        let now = services.clock.now();
        let reserving = services
            .store
            .run("reserve idempotency key", |tx| Box::pin(reserve_now(tx, (caller, key), request_sm3, now)));
        let reserved = reserving.await?;
        let is_at_work = matches!(reserved, Err(Error::IdempotencyKeyInUse));
        if !is_at_work || !patience.outlasts(services, caller, key).await? {
            return reserved;
        }
    }
}

/// What the request shall do is inside; the store's errors are outside.
async fn reserve_now(
    tx: &mut Tx<'_>,
    (caller, key): (&CallerId, &str),
    request_sm3: &[u8; 32],
    now: Timestamp,
) -> Result<Result<Reservation, Error>, Error> {
    if idempotency::reserve(tx, caller, key, request_sm3, now).await? {
        return Ok(Ok(Reservation::First));
    }
    reserved_before(tx, (caller, key), request_sm3).await
}

/// What the request shall do whose key was not free.
async fn reserved_before(
    tx: &mut Tx<'_>,
    (caller, key): (&CallerId, &str),
    request_sm3: &[u8; 32],
) -> Result<Result<Reservation, Error>, Error> {
    let Some(stored) = idempotency::find(tx, caller, key).await? else { return Ok(Err(Error::IdempotencyKeyInUse)) };
    if stored.request_sm3 != *request_sm3 {
        return Ok(Err(Error::IdempotencyKeyReused));
    }
    let events = stored.events;
    let done = stored.answer.map(|(status, response)| Reservation::Done { status, response, events });
    Ok(done.ok_or(Error::IdempotencyKeyInUse))
}

/// A request that waits for its reservation.
struct Waiting {
    caller: CallerId,
    key: String,
    request_sm3: [u8; 32],
    answer: oneshot::Sender<Reserved>,
}

/// The caller as it is known when its key is reserved, and what its request shall do.
type Reserved = Result<(Actor, Reservation), Error>;

/// Reserves keys in groups, for callers who are let in at that moment: requests that come at the same time share their
/// statements and their commit. The task behind it ends with the last clone.
#[derive(Clone)]
pub struct Reserving {
    services: Services,
    requests: mpsc::Sender<Waiting>,
}

impl Reserving {
    /// Starts the task. Wants a runtime.
    #[must_use]
    pub fn start(services: Services) -> Self {
        let (requests, mut taken) = mpsc::channel(MOST_WAITING);
        let theirs = services.clone();
        tokio::spawn(async move {
            let mut group = Vec::new();
            while taken.recv_many(&mut group, MOST_IN_GROUP).await > 0 {
                reserve_group(&theirs, std::mem::take(&mut group)).await;
            }
        });
        Self { services, requests }
    }

    /// As [`reserve`]; gives the caller too, with the roles that it has in the transaction that reserves the key.
    ///
    /// # Errors
    /// As [`reserve`], which waits too; no such caller, or it is barred; [`Error::Shared`] for what befell the whole group;
    /// [`Error::IssuanceBusy`]: too many wait.
    pub async fn reserve(
        &self,
        caller: &CallerId,
        key: &str,
        request_sm3: &[u8; 32],
    ) -> Result<(Actor, Reservation), Error> {
        if !is_token(key) {
            return Err(Error::InvalidIdempotencyKey);
        }
        // It waits outside of the group, so nobody else waits with it, and takes no place among those who wait for a group.
        let mut patience = Patience::begin();
        loop {
            let (answer, answered) = oneshot::channel();
            let waiting = Waiting { caller: caller.clone(), key: key.to_owned(), request_sm3: *request_sm3, answer };
            self.requests.try_send(waiting).map_err(|_| Error::IssuanceBusy)?;
            let reserved = answered.await.map_err(|_| Error::Interrupted)?;
            let is_at_work = matches!(reserved, Err(Error::IdempotencyKeyInUse));
            if !is_at_work || !patience.outlasts(&self.services, caller, key).await? {
                return reserved;
            }
        }
    }
}

async fn reserve_group(services: &Services, group: Vec<Waiting>) {
    let now = services.clock.now();
    let waiting = &group;
    let steps = services.store.run("reserve idempotency keys", |tx| Box::pin(reserve_all(tx, waiting, now)));
    let outcomes = match steps.await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            let error = Arc::new(error);
            group.iter().map(|_| Err(Error::Shared(Arc::clone(&error)))).collect()
        }
    };
    for (waiting, outcome) in group.into_iter().zip(outcomes) {
        // Who stopped waiting left a key that is reserved: the next start frees it.
        let _ = waiting.answer.send(outcome);
    }
}

/// What each shall do; the store's errors are outside.
async fn reserve_all(tx: &mut Tx<'_>, group: &[Waiting], now: Timestamp) -> Result<Vec<Reserved>, Error> {
    let mut actors = BTreeMap::new();
    for Waiting { caller, .. } in group {
        if !actors.contains_key(caller) {
            actors.insert(caller, actor_of(callers::find(tx, caller).await?));
        }
    }
    let known = group.iter().filter(|waiting| matches!(actors.get(&waiting.caller), Some(Ok(_))));
    let wanted = known.map(|Waiting { caller, key, request_sm3, .. }| (caller, key.as_str(), request_sm3));
    let mut free = idempotency::reserve_many(tx, &wanted.collect::<Vec<_>>(), now).await?;
    let mut outcomes = Vec::with_capacity(group.len());
    for Waiting { caller, key, request_sm3, .. } in group {
        let actor = match actors.get(caller) {
            Some(Ok(actor)) => actor.clone(),
            Some(Err(Error::CallerBarred)) => {
                outcomes.push(Err(Error::CallerBarred));
                continue;
            }
            Some(Err(_)) | None => {
                outcomes.push(Err(Error::UnknownCaller));
                continue;
            }
        };
        // The second of two that came together finds the key taken.
        let reserved = if free.remove(&(caller.as_str().to_owned(), key.clone())) {
            Ok(Reservation::First)
        } else {
            reserved_before(tx, (caller, key), request_sm3).await?
        };
        outcomes.push(reserved.map(|reservation| (actor, reservation)));
    }
    Ok(outcomes)
}

/// Has the answer of a request that repeats another carry the receipts of those events, but of the erased ones. Its answer is
/// given all the same where they cannot be read.
pub async fn receipt_again(services: &Services, request: Option<&RequestId>, events: &[i64]) {
    let Some(request) = request.filter(|_| !events.is_empty()) else { return };
    let steps = services.store.read(|tx| {
        Box::pin(async move {
            let mut found = Vec::with_capacity(events.len());
            for number in events {
                found.extend(audit::find_salted(tx, *number).await?);
            }
            Ok::<_, store::Error>(found)
        })
    });
    match steps.await {
        Ok(found) => services.store.give_again(request, found),
        Err(error) => tracing::warn!(request_id = %request, %error, "no receipt is given again"),
    }
}

/// As [`receipt_again`], for what is repeated without an `Idempotency-Key`: the event whose number a row notes. No integrity value
/// covers that number, so the event itself is asked whether it is the one.
pub async fn noted_receipt_again(
    services: &Services,
    request: Option<&RequestId>,
    noted: Option<i64>,
    is_the_one: impl Fn(&EventBody) -> bool,
) {
    let Some(number) = noted else { return };
    let is_it = |der: &[u8]| {
        LoggedEvent::from_der(der).is_ok_and(|event| event.known().is_some_and(|event| is_the_one(&event.body)))
    };
    match services.store.read(|tx| Box::pin(audit::find_salted(tx, number))).await {
        Ok(Some(found)) if is_it(&found.event) => {
            receipt_again(services, request, &[number]).await;
        }
        Ok(Some(_)) => tracing::error!(number, "the event that a row notes is another one: no receipt is given again"),
        // It was erased.
        Ok(None) => {}
        Err(error) => tracing::warn!(number, %error, "no receipt is given again"),
    }
}

/// Keeps the answer of a reserved request that wrote no event.
///
/// # Errors
/// The key is not reserved, or has its answer.
pub async fn complete(
    services: &Services,
    caller: &CallerId,
    key: &str,
    status: u16,
    response: &[u8],
) -> Result<(), Error> {
    let answer = (caller, key, None, response);
    let keep = services.store.run("keep idempotent answer", |tx| Box::pin(idempotency::complete(tx, answer, status)));
    Ok(keep.await?)
}

/// Frees the key of a request whose outcome is an error, and gives the outcome as it is.
///
/// The first error is the one to tell. A key that cannot be freed stays reserved until the next start; one that has its answer
/// by now is not freed.
pub async fn free_where_failed<T>(
    services: &Services,
    reserved: Option<(&CallerId, &str)>,
    outcome: Result<T, Error>,
) -> Result<T, Error> {
    if let (Err(_), Some((caller, key))) = (&outcome, reserved)
        && let Err(error) = release(services, caller, key).await
    {
        tracing::warn!(code = error.code(), "an idempotency key stays reserved until the next start");
    }
    outcome
}

/// Frees the key of a request that changed nothing, so that it may be tried again.
///
/// # Errors
/// The store's.
pub async fn release(services: &Services, caller: &CallerId, key: &str) -> Result<(), Error> {
    let free = services.store.run("free idempotency key", |tx| Box::pin(idempotency::release(tx, caller, key)));
    Ok(free.await?)
}
