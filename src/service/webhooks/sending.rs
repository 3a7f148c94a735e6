//! Sending the notices of one receiver, one at a time, in the order of their events.
//!
//! That sending begins is noted before it is done, with a time until which nobody else begins. *A crash after that* makes the
//! same notice go again when that time is over; *a crash after the receiver took it, before that is noted* too: the receiver
//! knows it by its name. What is noted is the end of the attempt that began last, and nothing else is.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::random::array;
use crate::crypto::Signer;
use crate::domain::audit::{Actor, Alarm, AlarmKind, Event, EventBody, LoggedEvent};
use crate::domain::webhook::delivery::{Delivery, Ended};
use crate::domain::webhook::{Change, Notice, NoticeType, Subscription};
use crate::service::outside::notices::NoticeError;
use crate::service::outside::web::told;
use crate::service::webhooks::subjects::{self, Subject};
use crate::service::webhooks::{BEHIND, DEAD, FAILED, Receiver, SENT, signer};
use crate::service::{Error, Services, alarms};
use crate::store::alarms::StoredAlarm;
use crate::store::webhooks::{self, DeadNotice, StoredPlace};
use crate::store::{self, Tx, audit};

/// Events that are looked at together.
const TOGETHER: i64 = 200;
/// After so many events that are no concern of the receiver's its place is kept all the same.
const FAR: u64 = 10_000;
/// Longer than an attempt may take, by so many seconds nobody else begins.
const LEASE: i64 = 30;
/// An alarm of notices that were given up is told again after a day.
const AGAIN_SECONDS: i64 = 86_400;
/// The code of a notice that cannot be written, since a row is not as it was written.
const ROW_CHANGED: &str = "row-changed";
/// The code of a notice that cannot be written, since its event was erased.
const EVENT_ERASED: &str = "event-erased";

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was nothing new.
    Idle,
    /// It is not time yet, or another service sends.
    Waits,
    /// A notice was taken.
    Delivered,
    /// A notice was not taken, and goes again.
    Failed,
    /// A notice is sent no more.
    GivenUp,
}

/// A notice, or why there is none.
struct Found {
    event: u64,
    kind: NoticeType,
    body: Result<String, &'static str>,
}

/// What a look at the log came to.
enum Look {
    /// A notice for the receiver.
    Notice(Found),
    /// None before that event; whether there may be more behind it.
    Nothing(u64, bool),
}

/// Sends to one receiver.
pub struct Sender {
    services: Services,
    receiver: Receiver,
    /// The log was looked at up to here, not with it.
    looked: u64,
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The notice of an event; nothing of one that is told to nobody.
async fn notice(tx: &mut Tx<'_>, number: u64, event: &LoggedEvent) -> Result<Option<Notice>, store::Error> {
    let Some(change) = event.known().and_then(|event| Change::of(&event.body)) else { return Ok(None) };
    match subjects::of(tx, &change).await? {
        Subject::Elses => Ok(None),
        Subject::Known(facts) => Ok(Some(Notice { event: number, at: event.at(), change, facts })),
    }
}

/// Looks for the first notice for somebody who wants that, from an event on.
async fn look(tx: &mut Tx<'_>, from: u64, wanted: &Subscription) -> Result<Look, Error> {
    let events = audit::logged(tx, signed(from), TOGETHER).await?;
    let mut next = from;
    let is_full = i64::try_from(events.len()) == Ok(TOGETHER);
    for (number, event) in &events {
        let number = u64::try_from(*number).unwrap_or(0);
        next = number.saturating_add(1);
        let kind = event.known().and_then(|event| Change::of(&event.body)).map(|change| change.kind);
        let Some(kind) = kind.filter(|kind| wanted.wants(*kind)) else { continue };
        let body = match notice(tx, number, event).await {
            Ok(None) => continue,
            Ok(Some(notice)) if !wanted.fits(notice.facts.as_ref()) => continue,
            Ok(Some(notice)) => notice.to_json().map_err(|_| ROW_CHANGED),
            // Where the seal lies is not believed then: somebody has to look before anybody is told.
            Err(store::Error::Inconsistent { .. }) => Err(ROW_CHANGED),
            Err(error) => return Err(error.into()),
        };
        return Ok(Look::Notice(Found { event: number, kind, body }));
    }
    Ok(Look::Nothing(next, is_full))
}

/// The body of the notice of that event, written once more.
async fn written_again(tx: &mut Tx<'_>, event: u64) -> Result<Result<String, &'static str>, Error> {
    let found = audit::logged(tx, signed(event), 1).await?;
    let Some((_, logged)) = found.first().filter(|(number, _)| *number == signed(event)) else {
        return Ok(Err(EVENT_ERASED));
    };
    match notice(tx, event, logged).await {
        Ok(Some(notice)) => Ok(notice.to_json().map_err(|_| ROW_CHANGED)),
        Ok(None) | Err(store::Error::Inconsistent { .. }) => Ok(Err(ROW_CHANGED)),
        Err(error) => Err(error.into()),
    }
}

/// Where a receiver stands; a new one begins.
async fn place(services: &Services, receiver: &Receiver) -> Result<StoredPlace, Error> {
    let name = receiver.name.as_str();
    let found = services.store.read(|tx| Box::pin(webhooks::place(tx, name))).await?;
    if let Some(found) = found {
        return Ok(found);
    }
    let since = receiver.since;
    let steps = services.store.run("begin receiver of notices", |tx| {
        Box::pin(async move {
            if let Some(found) = webhooks::place(tx, name).await? {
                return Ok(found);
            }
            let behind = u64::try_from(audit::count(tx).await?).unwrap_or(0);
            webhooks::begin(tx, name, since.unwrap_or(behind)).await?;
            let wrong = || store::Error::Inconsistent { table: "webhook_places", row: name.to_owned() };
            webhooks::place(tx, name).await?.ok_or_else(wrong)
        })
    });
    Ok(steps.await?)
}

/// Nothing where somebody else was first.
fn unless_stale<T>(done: Result<T, store::Error>) -> Result<Option<T>, Error> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(store::Error::Stale { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The same of a use case.
fn unless_stale_case<T>(done: Result<T, Error>) -> Result<Option<T>, Error> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Error::Store(store::Error::Stale { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells that a notice is sent no more, and raises the alarm, once a day; gives it.
async fn tell_given_up(
    tx: &mut Tx<'_>,
    dead: &DeadNotice,
    alarmed_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<StoredAlarm>, Error> {
    let (receiver, refusal) = (dead.receiver.clone(), dead.refusal.clone());
    let body = EventBody::WebhookGivenUp { receiver, event: dead.event, refusal, attempts: u64::from(dead.sent) };
    audit::append(tx, &Event { at: now, actor: Actor::Operator, request: None, body }).await?;
    if alarmed_at.is_some_and(|told| now < told.plus_seconds(AGAIN_SECONDS)) {
        return Ok(None);
    }
    let count = webhooks::count_dead(tx, &dead.receiver).await?;
    let (sink, event) = (Some(dead.receiver.clone()), Some(dead.event));
    let alarm = Alarm { kind: AlarmKind::WebhookDead, seal: None, caller: None, sink, event, count };
    Ok(Some(alarms::raise(tx, &alarm, false, now).await?))
}

impl Sender {
    /// For that receiver.
    #[must_use]
    pub const fn new(services: Services, receiver: Receiver) -> Self {
        Self { services, receiver, looked: 0 }
    }

    /// The receiver's name.
    #[must_use]
    pub fn receiver(&self) -> &str {
        &self.receiver.name
    }

    /// Sends the next notice, if it is time: one that somebody wants sent again, else the first that was neither delivered nor
    /// given up.
    ///
    /// # Errors
    /// The store's; the key store's. That the receiver takes nothing is no error.
    pub async fn step(&mut self) -> Result<Step, Error> {
        let stored = place(&self.services, &self.receiver).await?;
        if let Some(step) = self.resend(&stored).await? {
            return Ok(step);
        }
        let now = self.services.clock.now();
        if !stored.place.delivery.is_due(now) {
            return Ok(Step::Waits);
        }
        let is_new = stored.place.delivery == Delivery::New;
        let mut from = if is_new { stored.place.next.max(self.looked) } else { stored.place.next };
        let wanted = &self.receiver.subscription;
        let found = loop {
            match self.services.store.read(|tx| Box::pin(look(tx, from, wanted))).await? {
                Look::Notice(found) => break Some(found),
                Look::Nothing(next, more) => {
                    from = next;
                    if !more {
                        break None;
                    }
                }
            }
        };
        self.looked = from;
        self.tell_figures(from).await?;
        let Some(found) = found else {
            if from.saturating_sub(stored.place.next) >= FAR || !is_new {
                self.pass(&stored, from).await?;
            }
            return Ok(Step::Idle);
        };
        self.send_next(stored, found, now).await
    }

    /// Keeps that nothing before that event is for the receiver.
    async fn pass(&self, stored: &StoredPlace, next: u64) -> Result<(), Error> {
        let passed = &StoredPlace { place: stored.place.at(next), ..stored.clone() };
        let kept = self.services.store.run("pass over events", |tx| Box::pin(webhooks::update(tx, passed))).await;
        unless_stale(kept).map(|_| ())
    }

    async fn tell_figures(&self, looked: u64) -> Result<(), Error> {
        let name = self.receiver.name.as_str();
        let (count, dead) = self
            .services
            .store
            .read(|tx| {
                Box::pin(async move {
                    Ok::<_, store::Error>((audit::count(tx).await?, webhooks::count_dead(tx, name).await?))
                })
            })
            .await?;
        let behind = u64::try_from(count).unwrap_or(0).saturating_sub(looked);
        let figure = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        metrics::gauge!(BEHIND, "receiver" => self.receiver.name.clone()).set(figure(behind));
        metrics::gauge!(DEAD, "receiver" => self.receiver.name.clone()).set(figure(dead));
        Ok(())
    }

    /// Seconds from the beginning of an attempt until another may begin.
    fn lease(&self) -> i64 {
        let patience = self.receiver.destination.patience.as_secs();
        i64::try_from(patience).unwrap_or(LEASE).saturating_add(LEASE)
    }

    /// One attempt at the next notice.
    async fn send_next(&self, stored: StoredPlace, found: Found, now: Timestamp) -> Result<Step, Error> {
        let place = stored.place.at(found.event);
        let body = match found.body {
            Ok(body) => body,
            Err(refusal) => {
                let given_up = StoredPlace { place, ..stored };
                let dead = self.dead((found.event, found.kind), None, (refusal, &place.delivery), now);
                return self.settle(given_up, Ended::GivenUp, Some(dead), now).await;
            }
        };
        // Before it begins: while the key is away nothing is tried, and nothing is given up.
        let signer = signer(&self.services, self.receiver.algorithm, now).await?;
        let Some(begun) = place.begin(now, self.lease()) else { return Ok(Step::Waits) };
        let begun = &StoredPlace { place: begun, ..stored };
        let kept = self.services.store.run("send notice", |tx| Box::pin(webhooks::update(tx, begun))).await;
        // Another service sends it.
        let Some(begun) = unless_stale(kept)? else { return Ok(Step::Waits) };
        let (ended, refusal) = self.attempt(found.event, &body, signer, begun.place.delivery).await?;
        let now = self.services.clock.now();
        let dead = matches!(ended, Ended::GivenUp)
            .then(|| self.dead((found.event, found.kind), Some(body), (refusal, &begun.place.delivery), now));
        self.settle(begun, ended, dead, now).await
    }

    fn dead(
        &self,
        (event, kind): (u64, NoticeType),
        body: Option<String>,
        (refusal, delivery): (&'static str, &Delivery),
        now: Timestamp,
    ) -> DeadNotice {
        let first_at = match delivery {
            Delivery::New => now,
            Delivery::Begun { since, .. } => *since,
        };
        DeadNotice {
            receiver: self.receiver.name.clone(),
            event,
            kind: kind.name().to_owned(),
            body,
            refusal: refusal.to_owned(),
            sent: delivery.attempts(),
            first_at,
            given_up_at: now,
            resending: None,
            version: 1,
        }
    }

    /// Sends a notice, and judges what came of it; gives the code of a refusal too.
    async fn attempt(
        &self,
        event: u64,
        body: &str,
        signer: Arc<dyn Signer>,
        begun: Delivery,
    ) -> Result<(Ended, &'static str), Error> {
        let (services, name) = (&self.services, self.receiver.name.as_str());
        let (id, random) = (event.to_string(), Arc::clone(&services.random));
        let message = (id.as_str(), body.to_owned());
        let by = (signer, &services.pool);
        let sent = self.receiver.destination.send(message, by, (random, services.clock.now())).await;
        let [chance] = array::<1>(&*services.random)?;
        let judged = (services.clock.now(), chance);
        let patience = i64::try_from(self.receiver.give_up_after.as_secs()).unwrap_or(i64::MAX);
        match sent {
            Ok(()) => {
                metrics::counter!(SENT, "receiver" => self.receiver.name.clone()).increment(1);
                Ok((begun.ended(true, judged, patience), ""))
            }
            Err(error) => {
                let code = error.code();
                tracing::warn!(receiver = name, event, code, "a notice was not taken: {}", told(&error));
                metrics::counter!(FAILED, "receiver" => self.receiver.name.clone()).increment(1);
                // The receiver cannot help it that we did not sign.
                let patience = if matches!(error, NoticeError::Web(_)) { patience } else { i64::MAX };
                Ok((begun.ended(false, judged, patience), code))
            }
        }
    }

    /// Notes the end of an attempt at the next notice.
    async fn settle(
        &self,
        stored: StoredPlace,
        ended: Ended,
        dead: Option<DeadNotice>,
        now: Timestamp,
    ) -> Result<Step, Error> {
        let (stored, dead) = (&stored, dead.as_ref());
        let steps = self.services.store.run("note end of notice", |tx| {
            Box::pin(async move {
                let mut next = StoredPlace { place: stored.place.after(ended), ..stored.clone() };
                let mut raised = None;
                if let Some(dead) = dead {
                    webhooks::give_up(tx, dead).await?;
                    raised = tell_given_up(tx, dead, stored.alarmed_at, now).await?;
                }
                if raised.is_some() {
                    next.alarmed_at = Some(now);
                }
                webhooks::update(tx, &next).await?;
                Ok::<_, Error>(raised)
            })
        });
        let Some(raised) = unless_stale_case(steps.await)? else { return Ok(Step::Waits) };
        alarms::tell(raised.as_slice());
        Ok(step_of(ended))
    }

    /// One attempt at what somebody wants sent again; nothing where there is none that is due.
    async fn resend(&self, stored: &StoredPlace) -> Result<Option<Step>, Error> {
        let (name, now) = (self.receiver.name.as_str(), self.services.clock.now());
        let found = self.services.store.read(|tx| Box::pin(webhooks::resending(tx, name))).await?;
        let Some(dead) = found else { return Ok(None) };
        let Some(begun) = dead.resending.and_then(|delivery| delivery.begin(now, self.lease())) else {
            return Ok(None);
        };
        let event = dead.event;
        let body = match &dead.body {
            Some(body) => Ok(body.clone()),
            None => self.services.store.read(|tx| Box::pin(written_again(tx, event))).await?,
        };
        let body = match body {
            Ok(body) => body,
            Err(refusal) => return self.settle_resent(stored, (dead, begun), (Ended::GivenUp, refusal), now).await,
        };
        let signer = signer(&self.services, self.receiver.algorithm, now).await?;
        let noted = &DeadNotice { resending: Some(begun), body: Some(body.clone()), ..dead };
        let kept = self.services.store.run("send notice again", |tx| Box::pin(webhooks::update_dead(tx, noted))).await;
        let Some(noted) = unless_stale(kept)? else { return Ok(Some(Step::Waits)) };
        let ended = self.attempt(event, &body, signer, begun).await?;
        self.settle_resent(stored, (noted, begun), ended, self.services.clock.now()).await
    }

    /// Notes the end of an attempt at what was given up before.
    async fn settle_resent(
        &self,
        stored: &StoredPlace,
        (dead, begun): (DeadNotice, Delivery),
        (ended, refusal): (Ended, &'static str),
        now: Timestamp,
    ) -> Result<Option<Step>, Error> {
        let dead = &dead;
        let steps = self.services.store.run("note end of notice sent again", |tx| {
            Box::pin(async move {
                let refused = refusal.to_owned();
                match ended {
                    Ended::Delivered => webhooks::forget_dead(tx, dead).await.map(|()| None).map_err(Error::from),
                    Ended::Again(delivery) => {
                        let next = DeadNotice { resending: Some(delivery), refusal: refused, ..dead.clone() };
                        webhooks::update_dead(tx, &next).await?;
                        Ok(None)
                    }
                    Ended::GivenUp => {
                        let (sent, given_up_at) = (begun.attempts(), now);
                        let next = DeadNotice { resending: None, refusal: refused, sent, given_up_at, ..dead.clone() };
                        webhooks::update_dead(tx, &next).await?;
                        let raised = tell_given_up(tx, &next, stored.alarmed_at, now).await?;
                        if raised.is_some() {
                            webhooks::update(tx, &StoredPlace { alarmed_at: Some(now), ..stored.clone() }).await?;
                        }
                        Ok(raised)
                    }
                }
            })
        });
        let Some(raised) = unless_stale_case(steps.await)? else { return Ok(Some(Step::Waits)) };
        alarms::tell(raised.as_slice());
        Ok(Some(step_of(ended)))
    }
}

const fn step_of(ended: Ended) -> Step {
    match ended {
        Ended::Delivered => Step::Delivered,
        Ended::Again(_) => Step::Failed,
        Ended::GivenUp => Step::GivenUp,
    }
}
