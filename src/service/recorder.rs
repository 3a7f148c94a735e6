//! Events that change no other row, written together: who waits at the same time shares a statement and a commit.
//!
//! Nobody is told before the commit behind the event. A transaction that fails is everybody's who was in it, and nothing
//! of it is there. A caller that stops waiting takes nothing back: its event is written or not, as that of one who is
//! killed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::domain::audit::Event;
use crate::service::Error;
use crate::store::{Store, audit};

/// Events of one transaction.
const MOST: usize = 1_000;

/// Events that wait to be written, and whose turn it is to write them.
#[derive(Default)]
pub struct Recorder {
    waiting: Mutex<Vec<Waiting>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Waiting {
    event: Event,
    told: oneshot::Sender<Result<i64, Arc<Error>>>,
}

impl Recorder {
    /// Writes the event behind all others; gives its number once it is durable.
    ///
    /// # Errors
    /// The store's.
    pub(in crate::service) async fn record(self: &Arc<Self>, store: &Store, event: Event) -> Result<i64, Error> {
        let (told, mut answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { event, told });
        loop {
            tokio::select! {
                biased;
                answered = &mut answer => {
                    // Given up half-way, the transaction was undone, or its fate is unknown: as after a broken connection.
                    return answered.map_err(|_| Error::Interrupted)?.map_err(Error::Shared);
                }
                turn = Arc::clone(&self.turn).lock_owned() => {
                    let (recorder, store) = (Arc::clone(self), store.clone());
                    // A task of its own: whoever leads may stop waiting, and those in its transaction do not.
                    tokio::spawn(async move {
                        recorder.write(&store).await;
                        drop(turn);
                    });
                }
            }
        }
    }

    /// One transaction with those who wait now.
    async fn write(&self, store: &Store) {
        let waiting = {
            let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let count = all.len().min(MOST);
            all.drain(..count).collect::<Vec<_>>()
        };
        if waiting.is_empty() {
            return;
        }
        let (events, told): (Vec<_>, Vec<_>) = waiting.into_iter().map(|one| (one.event, one.told)).unzip();
        let events = &events[..];
        let written = store.run("record events", |tx| Box::pin(audit::append_many(tx, events))).await;
        match written {
            Ok(first) => {
                for (number, told) in (first..).zip(told) {
                    // Nobody waits any more: it is written all the same.
                    let _ = told.send(Ok(number));
                }
            }
            Err(error) => {
                let error = Arc::new(Error::from(error));
                for told in told {
                    let _ = told.send(Err(Arc::clone(&error)));
                }
            }
        }
    }
}
