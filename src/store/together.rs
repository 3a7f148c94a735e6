//! Transactions that wait at the same time share a commit: each stands behind a savepoint, and none is told before the
//! commit.
//!
//! Writers come one after another anyway (see the layer), and what a writer waits for most is the disk. So whoever comes
//! while others write goes on in their transaction. A member that fails is undone to its savepoint, alone. A member that is
//! given up half-way, or a commit that fails, undoes the whole group: nobody of it was told, and all begin again.

use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::Instant;

use crate::store::Backend;

/// Members of one group. PostgreSQL keeps 64 subtransactions of a session in its shared memory; more make others slow.
const MOST_MEMBERS: usize = 60;

/// What came of a group's commit.
pub(in crate::store) type Outcome = Result<(), Arc<sqlx::Error>>;

/// A transaction that is open between two members.
pub(in crate::store) struct Group {
    pub(in crate::store) backend: Backend,
    pub(in crate::store) roll: Roll,
}

/// Who is in a group. Dropped before its commit, it tells all that they were undone.
pub(in crate::store) struct Roll {
    told: watch::Sender<Option<Outcome>>,
    /// Tells it from other groups.
    own: Arc<()>,
    members: usize,
}

/// Where a member learns what came of its group.
pub(in crate::store) struct Awaited(watch::Receiver<Option<Outcome>>);

/// The one who writes now; what it leaves behind is the open group.
pub(in crate::store) type Place = OwnedMutexGuard<Option<Group>>;

/// The queue of those who write: first come, first served.
#[derive(Clone, Default)]
pub(in crate::store) struct Writers(Arc<Mutex<Option<Group>>>, Arc<std::sync::Mutex<Option<Instant>>>);

impl Writers {
    /// Notes that the database could not be reached in the time that whoever begins waits for it.
    pub(in crate::store) fn note_away(&self) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether that was noted since then: whoever stood in the queue meanwhile has waited, and need not wait as long again in
    /// its own turn, one behind another.
    pub(in crate::store) fn was_away_since(&self, then: Instant) -> bool {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|noted| noted > then)
    }

    /// Waits for its turn. A group that is full is committed first.
    pub(in crate::store) async fn enter(&self) -> Place {
        loop {
            let mut place = Arc::clone(&self.0).lock_owned().await;
            let Some(full) = place.take_if(|group| group.roll.members >= MOST_MEMBERS) else { return place };
            // A task, since a commit that nobody waits for any more must still be told to its members.
            let committing = tokio::spawn(async move {
                full.commit().await;
                place
            });
            if let Ok(place) = committing.await {
                return place;
            }
        }
    }

    /// Leaves a group whose member is done, for those who wait and then for its commit.
    ///
    /// The commit stands in the queue behind all who wait now. It is a task of its own, so that nobody who stops waiting
    /// leaves a group open.
    pub(in crate::store) fn leave(&self, mut place: Place, mut group: Group) {
        let is_new = group.roll.is_empty();
        group.roll.members = group.roll.members.saturating_add(1);
        let own = Arc::clone(&group.roll.own);
        *place = Some(group);
        drop(place);
        if is_new {
            let turn = Arc::clone(&self.0).lock_owned();
            tokio::spawn(async move {
                let mut place = turn.await;
                // Where it was full it is committed already, and another one may be open.
                if let Some(group) = place.take_if(|group| Arc::ptr_eq(&group.roll.own, &own)) {
                    group.commit().await;
                }
            });
        }
    }
}

impl Group {
    /// Of a transaction that has just begun.
    pub(in crate::store) fn new(backend: Backend) -> Self {
        Self { backend, roll: Roll { told: watch::Sender::new(None), own: Arc::new(()), members: 0 } }
    }

    /// Sets the mark to which [`Self::undo`] leads back. Later marks hide earlier ones of the same name.
    pub(in crate::store) async fn mark(&mut self) -> Result<(), sqlx::Error> {
        self.say("SAVEPOINT member").await
    }

    /// Undoes what was written since the mark.
    pub(in crate::store) async fn undo(&mut self) -> Result<(), sqlx::Error> {
        self.say("ROLLBACK TO SAVEPOINT member").await
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        match &mut self.backend {
            Backend::Sqlite(on) => sqlx::query(statement).execute(&mut **on).await.map(|_| ()),
            Backend::Postgres(on) => sqlx::query(statement).execute(&mut **on).await.map(|_| ()),
        }
    }

    /// Whoever gives this up half-way leaves it open what happened: it runs in tasks of its own alone.
    async fn commit(self) {
        let done = match self.backend {
            Backend::Sqlite(tx) => tx.commit().await,
            Backend::Postgres(tx) => tx.commit().await,
        };
        self.roll.told.send_replace(Some(done.map_err(Arc::new)));
    }
}

impl Roll {
    /// Whether nobody has written yet.
    pub(in crate::store) const fn is_empty(&self) -> bool {
        self.members == 0
    }

    /// Where the outcome will be told.
    pub(in crate::store) fn awaited(&self) -> Awaited {
        Awaited(self.told.subscribe())
    }
}

impl Awaited {
    /// What came of the commit; nothing where the group was undone without one.
    pub(in crate::store) async fn outcome(mut self) -> Option<Outcome> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
    }
}
