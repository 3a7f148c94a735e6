//! Handing security events to a place outside, each at least once, in their order.
//!
//! The place in the log is kept only when a later look finds the receiver still there: what a connection took and lost with
//! its end is handed over again. A receiver knows what it gets twice by the event's number. While a receiver is away nothing
//! is held in memory but one group of events, and nothing else waits for it.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::domain::audit::misuse::{Topic, Trace};
use crate::domain::audit::{Alarm, AlarmKind, SecurityEvent};
use crate::service::alarms;
use crate::service::watching::{place, read};
use crate::service::{Error, Services};
use crate::store::watching;

/// Events not yet handed over, by the receiver.
const BEHIND: &str = "yinxin_siem_events_behind";
/// Events handed over, by the receiver.
const SENT: &str = "yinxin_siem_events_total";

/// From one look to the next, when there was nothing new.
const EVERY: Duration = Duration::from_secs(1);
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A receiver that stays away is told of again after a day.
const AGAIN_SECONDS: i64 = 86_400;
/// After so many events that are none to tell of the place is kept all the same.
const FAR: i64 = 10_000;

/// What a receiver does.
pub type Handing<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A place that security events are handed to.
pub trait Sink: Send {
    /// Its stable name: of its row, its figures, its alarm.
    fn name(&self) -> &'static str;
    /// Hands over events; when it comes back they have left this process.
    fn hand_over<'a>(&'a mut self, events: &'a [SecurityEvent]) -> Handing<'a, ()>;
    /// Fails when the receiver went away since it was last given something.
    fn look(&mut self) -> Handing<'_, ()>;
}

/// One receiver, and where it stands.
pub struct Delivery {
    services: Services,
    sink: Box<dyn Sink>,
    /// The next event.
    next: i64,
    /// The place that is kept.
    kept: i64,
    /// Something went out behind the place that is kept.
    unconfirmed: bool,
    failing_since: Option<Timestamp>,
    down_after: Duration,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was nothing new.
    Idle,
    /// So many events were looked at, and handed over where they are to be.
    Done(usize),
    /// The receiver takes nothing now.
    Away,
}

impl Delivery {
    /// Takes up the place of the last run; the first time it begins behind the last event. An alarm is raised when the
    /// receiver stays away for so long.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(services: Services, sink: Box<dyn Sink>, down_after: Duration) -> Result<Self, Error> {
        let next = place(&services, &row(&*sink)).await?;
        Ok(Self { services, sink, next, kept: next, unconfirmed: false, failing_since: None, down_after })
    }

    /// Hands over the next events, at most a few hundred.
    ///
    /// # Errors
    /// The store's. The place stays where it was.
    pub async fn step(&mut self) -> Result<Step, Error> {
        if let Err(error) = self.sink.look().await {
            // What went with it goes again.
            (self.next, self.unconfirmed) = (self.kept, false);
            return self.away(&error).await;
        }
        // The place of what was not to be told is kept with the next that was.
        if self.unconfirmed || self.next.saturating_sub(self.kept) >= FAR {
            self.keep().await?;
        }
        let events = read(&self.services, self.next).await?;
        let Some((last, _)) = events.last() else {
            // Nothing waits: a connection that ended in between is no outage.
            self.failing_since = None;
            return Ok(Step::Idle);
        };
        let next = last.saturating_add(1);
        let told = events
            .iter()
            .filter_map(|(number, event)| SecurityEvent::of_logged(u64::try_from(*number).unwrap_or(0), event))
            .collect::<Vec<_>>();
        if !told.is_empty()
            && let Err(error) = self.sink.hand_over(&told).await
        {
            (self.next, self.unconfirmed) = (self.kept, false);
            return self.away(&error).await;
        }
        self.failing_since = None;
        metrics::counter!(SENT, "sink" => self.sink.name()).increment(u64::try_from(told.len()).unwrap_or(0));
        self.next = next;
        self.unconfirmed |= !told.is_empty();
        Ok(Step::Done(events.len()))
    }

    async fn keep(&mut self) -> Result<(), Error> {
        let (name, next) = (row(&*self.sink), self.next);
        let name = &name;
        self.services.store.run("keep a receiver's place", |tx| Box::pin(watching::move_to(tx, name, next))).await?;
        (self.kept, self.unconfirmed) = (next, false);
        Ok(())
    }

    /// Remembers since when it fails, and raises the alarm when that is long, once a day.
    async fn away(&mut self, error: &io::Error) -> Result<Step, Error> {
        let (now, name) = (self.services.clock.now(), self.sink.name());
        let since = *self.failing_since.get_or_insert(now);
        let seconds = now.unix().saturating_sub(since.unix());
        tracing::warn!(sink = name, kind = %error.kind(), seconds, "security events are not taken: {error}");
        if seconds < i64::try_from(self.down_after.as_secs()).unwrap_or(i64::MAX) {
            return Ok(Step::Away);
        }
        let topic = &Topic::sink(name);
        let steps = self.services.store.run("raise alarm of a receiver", |tx| {
            Box::pin(async move {
                let old = watching::trace(tx, topic).await?;
                let told = old.and_then(|old| old.alarmed_at);
                if told.is_some_and(|told| now < told.plus_seconds(AGAIN_SECONDS)) {
                    return Ok(None);
                }
                let count = u64::try_from(seconds / 60).unwrap_or(0);
                let trace = Trace { since, before: 0, count, alarmed_at: Some(now), seen_at: now };
                watching::keep_trace(tx, topic, &trace).await?;
                let (kind, sink) = (AlarmKind::SinkDown, Some(name.to_owned()));
                let alarm = Alarm { kind, seal: None, caller: None, sink, event: None, count };
                alarms::raise(tx, &alarm, false, now).await.map(Some)
            })
        });
        let raised: Option<_> = steps.await?;
        alarms::tell(raised.as_slice());
        Ok(Step::Away)
    }

    async fn behind(&mut self) -> Result<(), Error> {
        let count = self.services.store.read(|tx| Box::pin(crate::store::audit::count(tx))).await?;
        let behind = u32::try_from(count.saturating_sub(self.next).max(0)).unwrap_or(u32::MAX);
        metrics::gauge!(BEHIND, "sink" => self.sink.name()).set(f64::from(behind));
        Ok(())
    }
}

fn row(sink: &dyn Sink) -> String {
    format!("sink-{}", sink.name())
}

/// Hands over until it is dropped.
pub async fn keep_delivering(services: Services, mut make: impl FnMut() -> Box<dyn Sink>, down_after: Duration) {
    metrics::describe_gauge!(BEHIND, "Audit events not yet handed to the receiver of security events.");
    metrics::describe_counter!(SENT, "Security events handed over, by their receiver.");
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Delivery::begin(services.clone(), make(), down_after).await;
        let failed = match begun {
            Ok(mut delivery) => loop {
                match delivery.step().await {
                    Ok(Step::Done(_)) => pause = FIRST_PAUSE,
                    Ok(Step::Idle) => {
                        pause = FIRST_PAUSE;
                        tokio::time::sleep(EVERY).await;
                    }
                    Ok(Step::Away) => {
                        tokio::time::sleep(pause).await;
                        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    }
                    Err(error) => break error,
                }
                if let Err(error) = delivery.behind().await {
                    break error;
                }
            },
            Err(error) => error,
        };
        tracing::error!(code = failed.code(), "security events are not handed over; tried again soon: {failed}");
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}
