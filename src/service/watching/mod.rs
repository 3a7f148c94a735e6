//! Watching over the audit log while a service is at work: rules against misuse, and events told to whoever watches outside.
//!
//! Each follower keeps its place in the log as a row. Rules move theirs in the transaction that writes what they remember
//! and the alarms that they raise, so *a crash before its commit* leaves place, memory and alarms as they were, and *a crash
//! after it* finds all of them moved: no alarm is lost and none is raised twice.

pub mod delivery;
pub mod json_lines;
pub mod syslog;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::division::Division;
use crate::base::id::SealId;
use crate::domain::audit::misuse::{MOST_TOPICS, Memory, Misuse, Rule};
use crate::domain::audit::{Alarm, LoggedEvent};
use crate::service::alarms;
use crate::service::{Error, Services};
use crate::store::alarms::StoredAlarm;
use crate::store::{self, Tx, audit, seal_records, watching};

/// The name of the rules' place in the log.
pub const RULES: &str = "misuse";

/// Events that are looked at in one transaction: others wait no longer than that takes.
const TOGETHER: usize = 500;
/// After so many events that concern no rule the place is kept all the same.
const FAR: i64 = 10_000;
/// From one look to the next, when there was nothing new.
const EVERY: Duration = Duration::from_secs(1);
/// After a look that failed.
const SOON: Duration = Duration::from_secs(10);
/// From one look at what is kept no longer to the next, in looks.
const ROUNDS: u32 = 600;

/// Events in their order, with their numbers.
type Events = Vec<(i64, LoggedEvent)>;

/// The rules, and where they stand.
pub struct Watch {
    services: Services,
    misuse: Misuse,
    rules: Vec<Box<dyn Rule>>,
    /// The next event.
    next: i64,
    /// The place that is kept.
    kept: i64,
}

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Looked {
    /// Events that were looked at.
    pub events: usize,
    /// Alarms that were raised.
    pub alarms: Vec<StoredAlarm>,
}

impl Watch {
    /// Takes up the place of the last run. The first time ever it begins behind the last event: what was before is not judged.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(services: Services, misuse: Misuse) -> Result<Self, Error> {
        alarms::take_over(&services).await?;
        let next = place(&services, RULES).await?;
        let rules = misuse.rules();
        Ok(Self { services, misuse, rules, next, kept: next })
    }

    /// Looks at the next events, at most a few hundred.
    ///
    /// # Errors
    /// The store's: an event cannot be read, or nothing can be kept. The place stays where it was.
    pub async fn look(&mut self) -> Result<Looked, Error> {
        let from = self.next;
        let events = read(&self.services, from).await?;
        let Some((last, _)) = events.last() else { return Ok(Looked::default()) };
        let (next, count) = (last.saturating_add(1), events.len());
        // No rule says anything of an event that only a newer program knows.
        let mut known = events.iter().filter_map(|(_, event)| event.known());
        let concerned = known.any(|event| {
            self.misuse.placed(event).is_some() || self.rules.iter().any(|rule| !rule.topics(event, None).is_empty())
        });
        if !concerned && next.saturating_sub(self.kept) < FAR {
            self.next = next;
            return Ok(Looked { events: count, alarms: Vec::new() });
        }
        let (kept, now) = (self.kept, self.services.clock.now());
        let (watch, seen) = (&*self, &events);
        let steps = self.services.store.run("watch for misuse", |tx| {
            Box::pin(async move {
                // Another service on this database was here first: it has judged them.
                match watching::position(tx, RULES).await? {
                    Some(place) if place != kept => return Ok((place, None)),
                    _ => {}
                }
                let alarms = watch.judge(tx, seen, now).await?;
                watching::move_to(tx, RULES, next).await?;
                Ok::<_, Error>((next, Some(alarms)))
            })
        });
        let (place, raised) = steps.await?;
        (self.next, self.kept) = (place, place);
        let Some(alarms) = raised else { return Ok(Looked { events: 1, alarms: Vec::new() }) };
        alarms::tell(&alarms);
        Ok(Looked { events: count, alarms })
    }

    /// Raises alarms for the rows that were refused in this process since the last time.
    pub async fn tell_refused_rows(&self) {
        alarms::tell_refused_rows(&self.services).await;
    }

    /// Puts the events before the rules, with what is remembered of their subjects.
    async fn judge(&self, tx: &mut Tx<'_>, events: &Events, now: Timestamp) -> Result<Vec<StoredAlarm>, Error> {
        let mut memory = Memory::new(TOGETHER.saturating_mul(MOST_TOPICS));
        let known = || events.iter().filter_map(|(number, event)| Some((*number, event.known()?)));
        let mut divisions = BTreeMap::new();
        for seal in known().filter_map(|(_, event)| self.misuse.placed(event)) {
            if !divisions.contains_key(seal) {
                divisions.insert(seal.clone(), division_of(tx, seal).await?);
            }
        }
        let division = |event| self.misuse.placed(event).and_then(|seal| divisions.get(seal)?.as_ref());
        for (_, event) in known() {
            for topic in self.rules.iter().flat_map(|rule| rule.topics(event, division(event))) {
                if memory.recall(&topic).is_none()
                    && let Some(trace) = watching::trace(tx, &topic).await?
                {
                    memory.restore(topic, trace);
                }
            }
        }
        let mut found: Vec<Alarm> = Vec::new();
        for (number, event) in known() {
            let number = u64::try_from(number).unwrap_or(0);
            found
                .extend(self.rules.iter().filter_map(|rule| rule.observe(number, event, division(event), &mut memory)));
        }
        for (topic, trace) in memory.changed() {
            watching::keep_trace(tx, topic, trace).await?;
        }
        let mut raised = Vec::with_capacity(found.len());
        for alarm in found {
            let suspends = self.misuse.suspend.contains(&alarm.kind);
            raised.push(alarms::raise(tx, &alarm, suspends, now).await?);
        }
        Ok(raised)
    }

    /// Forgets what changes no judgement any more, and alarms that were acknowledged so many days ago.
    ///
    /// # Errors
    /// The store's.
    pub async fn tidy(&self, retention_days: u32) -> Result<(), Error> {
        let now = self.services.clock.now();
        let unseen = now.plus_seconds(-Misuse::memory_seconds());
        self.services.store.run("forget traces", |tx| Box::pin(watching::forget_traces(tx, unseen))).await?;
        alarms::watch_rows(&self.services).await?;
        alarms::tidy(&self.services, now.plus_days(-i64::from(retention_days))).await
    }
}

/// The division of the holder of that seal; nothing of a seal without a record. A record that is not as it was written says
/// nothing, as elsewhere, and keeps no other alarm from being raised: it has its own (`row-changed`).
async fn division_of(tx: &mut Tx<'_>, seal: &SealId) -> Result<Option<Division>, Error> {
    match seal_records::find(tx, seal).await {
        Ok(record) => Ok(record.map(|record| record.holder.division)),
        Err(store::Error::Inconsistent { table, row }) => {
            tracing::error!(table, row, "the division of a seal is not known: the row is not as it was written");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The place of that follower; its first place is behind the last event, and is kept at once.
pub(in crate::service::watching) async fn place(services: &Services, name: &str) -> Result<i64, Error> {
    let steps = services.store.run("begin to follow", |tx| {
        Box::pin(async move {
            if let Some(next) = watching::position(tx, name).await? {
                return Ok(next);
            }
            let next = audit::count(tx).await?;
            watching::move_to(tx, name, next).await?;
            Ok::<_, Error>(next)
        })
    });
    steps.await
}

/// The next events from that number on.
pub(in crate::service::watching) async fn read(services: &Services, from: i64) -> Result<Events, Error> {
    let limit = i64::try_from(TOGETHER).unwrap_or(i64::MAX);
    Ok(services.store.read(|tx| Box::pin(audit::logged(tx, from, limit))).await?)
}

/// Watches until it is dropped. What the rules cannot read is told in the log again and again.
pub async fn keep_watching(services: Services, misuse: Misuse, retention_days: u32) {
    alarms::describe_figures();
    let mut rounds = 0_u32;
    loop {
        let mut watch = match Watch::begin(services.clone(), misuse.clone()).await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::error!(code = error.code(), "misuse is not watched for; tried again in ten seconds");
                tokio::time::sleep(SOON).await;
                continue;
            }
        };
        let failed = loop {
            if rounds == 0
                && let Err(error) = watch.tidy(retention_days).await
            {
                break error;
            }
            rounds = rounds.saturating_add(1) % ROUNDS;
            watch.tell_refused_rows().await;
            match watch.look().await {
                Ok(Looked { events: 0, .. }) => tokio::time::sleep(EVERY).await,
                Ok(Looked { alarms, .. }) if alarms.is_empty() => {}
                // The figure of open alarms follows soon.
                Ok(_) => rounds = 0,
                Err(error) => break error,
            }
        };
        tracing::error!(code = failed.code(), "misuse is not watched for; tried again in ten seconds: {failed}");
        tokio::time::sleep(SOON).await;
    }
}

#[cfg(test)]
mod tests;
