//! The sequencer: new events become leaves, and the trees are signed.
//!
//! The order is there already (see the folder), so what a crash means is simple. At each arrow of
//! `lead → read → hash → sign → write (head, then tiles, one transaction) → commit`: before *commit* nothing happened that
//! anybody can see; a signature that was made is lost, and the next one is over the same leaves or more of them. After
//! *commit* the head is the log's, with its tiles. Two that sequence at once compute the same tiles; the head's row takes
//! one of them, and the other begins again from there.

use std::time::Duration;

use crate::domain::audit::{AlarmKind, Entry, EntryError, LoggedEvent};
use crate::service::Error as ServiceError;
use crate::service::audit_log::{AuditLog, Error, alarming, tiles};
use crate::store::{self, audit, log};

/// Leaves that one head takes in.
const BATCH: i64 = 32_768;
/// How long to wait after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How many seconds the oldest acknowledged event has been outside the trees.
const UNMERGED: &str = "yinxin_log_unmerged_seconds";
/// Leaves of the signed head.
const SIZE: &str = "yinxin_log_size";

/// Numbers of unread events that are looked at together.
const TOGETHER: i64 = 500;

/// What events become.
#[derive(Default)]
struct Unmerged {
    entries: Vec<Entry>,
    /// Which things the events speak of, with the events' numbers.
    things: Vec<([u8; 32], i64)>,
    /// Events that a newer program wrote: what they speak of is noted by it ([`AuditLog::reread`]).
    unread: Vec<i64>,
}

/// A named step of the sequencer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Events were read.
    Read,
    /// Both trees are computed.
    Hashed,
    /// Both checkpoints are signed.
    Signed,
    /// The head is written, its tiles are not.
    HeadWritten,
    /// All is written, and not committed.
    TilesWritten,
    /// It is committed.
    Committed,
}

impl Step {
    /// All, in their order.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Hashed, Self::Signed, Self::HeadWritten, Self::TilesWritten, Self::Committed];
}

impl AuditLog {
    /// Takes in what is new, up to a bound, and signs; tells the size that the log has then, where it grew.
    ///
    /// # Errors
    /// An event that cannot be a leaf; the key store's; the store's. Nothing has changed then.
    pub async fn sequence(&self) -> Result<Option<u64>, ServiceError> {
        let mut known = self.growth.lock().await;
        let from = known.size();
        let Some(Unmerged { entries, things, unread }) = self.unmerged(from).await? else { return Ok(None) };
        (self.watcher)(Step::Read);
        let mut growth = known.clone();
        let computing = tokio::task::spawn_blocking(move || {
            let grown = growth.append(&entries);
            grown.map(|grown| (growth, tiles::rows(grown)))
        });
        let (growth, tiles) = computing.await.map_err(|_| ServiceError::Interrupted)?.map_err(Error::from)?;
        (self.watcher)(Step::Hashed);
        let head = self.signed(&growth).await?;
        (self.watcher)(Step::Signed);
        let (head, tiles, things, unread, watcher) = (&head, &tiles, &things, &unread, &self.watcher);
        let written = self.services.store.run("sign log", |tx| {
            Box::pin(async move {
                log::advance(tx, from, head).await?;
                watcher(Step::HeadWritten);
                for tile in tiles {
                    log::put_tile(tx, tile).await?;
                }
                log::note_things(tx, things).await?;
                log::note_unread(tx, unread).await?;
                watcher(Step::TilesWritten);
                Ok::<_, store::Error>(())
            })
        });
        match written.await {
            Ok(()) => {}
            // Another one was quicker, with the same leaves: its head is taken, and proven.
            Err(store::Error::Stale { .. }) => {
                *known = self.proven().await?;
                return Ok(Some(known.size()));
            }
            Err(error) => return Err(error.into()),
        }
        *known = growth;
        (self.watcher)(Step::Committed);
        Ok(Some(known.size()))
    }

    /// Entries of events from that number on, and what the events speak of; none where there are none.
    async fn unmerged(&self, from: u64) -> Result<Option<Unmerged>, ServiceError> {
        let number = i64::try_from(from).unwrap_or(i64::MAX);
        let store = &self.services.store;
        let read = store.read(|tx| Box::pin(audit::salted(tx, number, BATCH))).await;
        let events = match read {
            // What an older program wrote beside us has no salt yet.
            Err(store::Error::Inconsistent { .. }) => {
                store.run("salt events", |tx| Box::pin(audit::fill_salts(tx, number, BATCH))).await?;
                store.read(|tx| Box::pin(audit::salted(tx, number, BATCH))).await?
            }
            read => read?,
        };
        if events.is_empty() {
            return Ok(None);
        }
        let reading = tokio::task::spawn_blocking(move || {
            let mut unmerged = Unmerged { entries: Vec::with_capacity(events.len()), ..Unmerged::default() };
            for row in &events {
                unmerged.entries.push(Entry::of_der(&row.event, &row.salt)?);
                match LoggedEvent::from_der(&row.event).map_err(EntryError::from)? {
                    LoggedEvent::Known(event) => {
                        unmerged.things.extend(event.body.things().into_iter().map(|thing| (thing, row.number)));
                    }
                    LoggedEvent::Unknown(_) => unmerged.unread.push(row.number),
                }
            }
            Ok::<_, EntryError>(unmerged)
        });
        Ok(Some(reading.await.map_err(|_| ServiceError::Interrupted)?.map_err(Error::from)?))
    }

    /// Notes what those events speak of that an older program made leaves without understanding them; tells how many. Events
    /// that are not understood here either wait for a newer program.
    ///
    /// # Errors
    /// The store's.
    pub async fn reread(&self) -> Result<u64, ServiceError> {
        let (mut from, mut done) = (0, 0_u64);
        loop {
            let steps = self.services.store.run("reread events", |tx| {
                Box::pin(async move {
                    let (mut read, mut next) = (0_u64, None);
                    for number in log::unread(tx, from, TOGETHER).await? {
                        next = Some(number.saturating_add(1));
                        let things = match audit::logged(tx, number, 1).await?.into_iter().find(|(of, _)| *of == number)
                        {
                            Some((_, LoggedEvent::Unknown(_))) => continue,
                            Some((_, event)) => event.things(),
                            // Erased: nobody asks for it any more.
                            None => Vec::new(),
                        };
                        if log::forget_unread(tx, number).await? {
                            let things = things.into_iter().map(|thing| (thing, number)).collect::<Vec<_>>();
                            log::note_things(tx, &things).await?;
                            read = read.saturating_add(1);
                        }
                    }
                    Ok::<_, store::Error>((read, next))
                })
            });
            let (read, next) = steps.await?;
            done = done.saturating_add(read);
            let Some(next) = next else { return Ok(done) };
            from = next;
        }
    }

    /// How long the oldest event outside the trees has waited; nothing where there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn unmerged_for(&self) -> Result<Option<Duration>, ServiceError> {
        let number = i64::try_from(self.growth.lock().await.size()).unwrap_or(i64::MAX);
        let oldest = self.services.store.read(|tx| Box::pin(audit::logged(tx, number, 1))).await?;
        let waited =
            oldest.first().map(|(_, event)| self.services.clock.now().unix().saturating_sub(event.at().unix()));
        Ok(waited.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0))))
    }
}

/// Takes in whatever is new, again and again, for as long as it is polled. On PostgreSQL one of several does it at a time.
pub async fn keep_sequencing(log: AuditLog) {
    let mut leading = None;
    loop {
        let pause = match led_round(&log, &mut leading).await {
            Ok(()) => log.options.every,
            Err(error) => {
                tracing::error!(code = error.code(), "the audit log does not grow, and is tried again: {error}");
                AFTER_FAILURE
            }
        };
        watch_delay(&log).await;
        tokio::time::sleep(pause).await;
    }
}

async fn led_round(log: &AuditLog, leading: &mut Option<store::Leadership>) -> Result<(), ServiceError> {
    // A connection that broke takes its lock with it.
    if let Some(lead) = leading
        && !lead.holds().await
    {
        *leading = None;
    }
    if leading.is_none() {
        *leading = log.services.store.lead(store::Led::AuditLog).await?;
        if leading.is_none() {
            return Ok(());
        }
        match log.reread().await? {
            0 => {}
            events => {
                tracing::info!(events, "events that an older program made leaves of are found by what they speak of")
            }
        }
    }
    while let Some(size) = log.sequence().await? {
        metrics::gauge!(SIZE).set(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
    }
    Ok(())
}

/// Tells where an acknowledged event has been outside the trees for longer than was promised.
async fn watch_delay(log: &AuditLog) {
    let Ok(waited) = log.unmerged_for().await else { return };
    let waited = waited.unwrap_or_default();
    metrics::gauge!(UNMERGED).set(waited.as_secs_f64());
    if waited > log.options.merge_delay {
        let seconds = waited.as_secs();
        tracing::error!(
            code = "log-merge-delay",
            seconds,
            "acknowledged events are outside the audit log for too long"
        );
        let number = log.growth.lock().await.size();
        alarming::raise(&log.services, AlarmKind::LogBehind, (None, Some(number)), seconds / 60).await;
    }
}
