//! Calls into a device's library on threads of their own: bounded in number and in time, each thread with its session.
//!
//! A library call cannot be cut off. One that takes too long keeps its thread until it returns; its caller is told
//! [`DeviceError::TimedOut`], the other threads go on, and no thread is added. When all of them hang, callers are
//! refused at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::service::keys::device::DeviceError;

/// Waits this long after a first failed reconnection, twice as long after the next, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// How long the end of a device waits for its threads.
const LAST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Sessions opened for one call, while somebody else ends them as often: another device of the same library.
const OPENINGS: usize = 3;

/// A device's library: opens the sessions that calls run on.
pub(in crate::service::keys) trait Connection: Send + Sync + 'static {
    /// What a call needs; lives and dies on one thread.
    type Session: 'static;

    /// Keeps the library as it is while a call is at work.
    type Held;

    /// Opens a session, logged in.
    fn open(&self) -> Result<Self::Session, DeviceError>;

    /// Holds the library for a call on that session; nothing when the library has ended the session meanwhile.
    fn hold(&self, session: &Self::Session) -> Option<Self::Held>;

    /// Closes a session for which nothing is held.
    fn close(&self, session: Self::Session);
}

/// How many calls run side by side, and how long one may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::service::keys) struct Bounds {
    /// Threads, and so sessions.
    pub(in crate::service::keys) sessions: usize,
    /// Most time for a call to begin, and again to end.
    pub(in crate::service::keys) timeout: Duration,
}

/// The threads.
pub(in crate::service::keys) struct Calls<C: Connection> {
    shared: Arc<Shared<C>>,
    bounds: Bounds,
    /// The threads, to be waited for at the end.
    threads: Vec<std::thread::JoinHandle<()>>,
}

struct Shared<C: Connection> {
    connection: C,
    queue: Mutex<Queue<C>>,
    more: Condvar,
}

struct Queue<C: Connection> {
    waiting: VecDeque<Job<C>>,
    /// Threads in a call whose caller has given up.
    hung: usize,
    closing: bool,
    /// Raised when a session is lost: every session of an earlier epoch is suspect.
    epoch: u64,
    /// No session is opened before.
    not_before: Option<Instant>,
    wait: Duration,
}

/// Runs once on a session, or learns why there is none; says whether the session is still good.
type Work<C> = Box<dyn FnOnce(Result<(&C, &mut <C as Connection>::Session), DeviceError>) -> bool + Send>;

struct Job<C: Connection> {
    stage: Arc<AtomicU8>,
    work: Work<C>,
}

/// Stages of a job.
const WAITING: u8 = 0;
const RUNNING: u8 = 1;
const GIVEN_UP: u8 = 2;

enum Progress<T> {
    Begun,
    Ended(Result<T, DeviceError>),
}

impl<C: Connection> Shared<C> {
    /// A thread that panicked while it held the lock left whole values behind: each is changed in one step.
    fn lock(&self) -> MutexGuard<'_, Queue<C>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connection> Calls<C> {
    /// Starts the threads; none opens a session before it is asked for a call.
    pub(in crate::service::keys) fn start(connection: C, bounds: Bounds) -> Result<Self, DeviceError> {
        let queue =
            Queue { waiting: VecDeque::new(), hung: 0, closing: false, epoch: 0, not_before: None, wait: FIRST_WAIT };
        let shared = Arc::new(Shared { connection, queue: Mutex::new(queue), more: Condvar::new() });
        let mut calls = Self { shared, bounds, threads: Vec::new() };
        for number in 0..bounds.sessions {
            let shared = Arc::clone(&calls.shared);
            let thread = std::thread::Builder::new().name(format!("device-{number}"));
            let spawned = thread.spawn(move || serve(&shared));
            calls.threads.push(spawned.map_err(|error| DeviceError::Unavailable { reason: error.to_string() })?);
        }
        Ok(calls)
    }

    /// Runs `work` on some session.
    ///
    /// # Errors
    /// [`DeviceError::Busy`]: no session was free in time. [`DeviceError::TimedOut`]: the call did not end in time.
    /// Else what `work`, or the opening of its session, answered.
    pub(in crate::service::keys) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&C, &mut C::Session) -> Result<T, DeviceError> + Send + 'static,
    ) -> Result<T, DeviceError> {
        let stage = Arc::new(AtomicU8::new(WAITING));
        // Two messages at most: the thread never waits for a caller who has left.
        let (sender, receiver) = sync_channel::<Progress<T>>(2);
        let job = Job { stage: Arc::clone(&stage), work: wrapped(work, sender) };
        {
            let mut queue = self.shared.lock();
            if queue.hung >= self.bounds.sessions {
                return Err(DeviceError::Hung);
            }
            // Those in the queue wait for a whole round of calls at most.
            if queue.waiting.len() >= self.bounds.sessions.saturating_mul(4) {
                return Err(DeviceError::Busy);
            }
            queue.waiting.push_back(job);
        }
        self.shared.more.notify_one();
        self.outcome(&stage, &receiver)
    }

    fn outcome<T>(&self, stage: &AtomicU8, receiver: &Receiver<Progress<T>>) -> Result<T, DeviceError> {
        let mut begun = false;
        loop {
            match receiver.recv_timeout(self.bounds.timeout) {
                Ok(Progress::Begun) => begun = true,
                Ok(Progress::Ended(result)) => return result,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(DeviceError::Unavailable { reason: "the call was cut off".to_owned() });
                }
                Err(RecvTimeoutError::Timeout) => {
                    // Under the lock, where the thread looks too once its call has ended: either we take the answer
                    // now, or the thread learns that nobody waits.
                    let mut queue = self.shared.lock();
                    match receiver.try_recv() {
                        Ok(Progress::Ended(result)) => return result,
                        Ok(Progress::Begun) => begun = true,
                        Err(_) => {
                            let left = stage.compare_exchange(WAITING, GIVEN_UP, Ordering::SeqCst, Ordering::SeqCst);
                            if left.is_ok() {
                                return Err(DeviceError::Busy);
                            }
                            if begun {
                                stage.store(GIVEN_UP, Ordering::SeqCst);
                                queue.hung = queue.hung.saturating_add(1);
                                return Err(DeviceError::TimedOut { limit: self.bounds.timeout });
                            }
                            // It begins this moment.
                            begun = true;
                        }
                    }
                }
            }
        }
    }
}

impl<C: Connection> Drop for Calls<C> {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.more.notify_all();
        // Idle threads end at once; a library must not be left by the process while one of them closes its session. One
        // that hangs is not waited for.
        let started = Instant::now();
        while started.elapsed() < LAST_WAIT && !self.threads.iter().all(std::thread::JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // A thread that panicked has told whoever waited for it.
        self.threads.drain(..).filter(std::thread::JoinHandle::is_finished).for_each(|thread| drop(thread.join()));
    }
}

fn wrapped<C: Connection, T: Send + 'static>(
    work: impl FnOnce(&C, &mut C::Session) -> Result<T, DeviceError> + Send + 'static,
    sender: SyncSender<Progress<T>>,
) -> Work<C> {
    Box::new(move |session| {
        // A caller who has left is no fault of the call.
        let _ = sender.send(Progress::Begun);
        let result = session.and_then(|(connection, session)| {
            let run = catch_unwind(AssertUnwindSafe(|| work(connection, session)));
            run.unwrap_or_else(|_| Err(DeviceError::Unavailable { reason: "the call was cut off".to_owned() }))
        });
        let good = !matches!(&result, Err(error) if error.loses_session());
        let _ = sender.send(Progress::Ended(result));
        good
    })
}

/// A thread's session, and the epoch in which it was opened. Closed by its connection.
struct Kept<'a, C: Connection> {
    connection: &'a C,
    open: Option<(u64, C::Session)>,
}

impl<C: Connection> Kept<'_, C> {
    fn close(&mut self) {
        if let Some((_, session)) = self.open.take() {
            self.connection.close(session);
        }
    }

    /// The session, open, and the library held for it.
    fn held(&mut self, shared: &Shared<C>, epoch: u64) -> Result<(C::Held, &mut C::Session), DeviceError> {
        if self.open.as_ref().is_some_and(|(opened, _)| *opened != epoch) {
            self.close();
        }
        let mut held = self.open.as_ref().and_then(|(_, session)| self.connection.hold(session));
        for _ in 0..OPENINGS {
            if held.is_some() {
                break;
            }
            self.close();
            let (_, session) = self.open.insert((epoch, reopen(shared)?));
            held = self.connection.hold(session);
        }
        match (held, &mut self.open) {
            (Some(held), Some((_, session))) => Ok((held, session)),
            _ => Err(DeviceError::Unavailable { reason: "its library ends every session".to_owned() }),
        }
    }
}

impl<C: Connection> Drop for Kept<'_, C> {
    fn drop(&mut self) {
        self.close();
    }
}

fn serve<C: Connection>(shared: &Shared<C>) {
    let mut kept = Kept { connection: &shared.connection, open: None };
    loop {
        let (job, epoch) = {
            let mut queue = shared.lock();
            loop {
                if queue.closing {
                    return;
                }
                match queue.waiting.pop_front() {
                    Some(job) => break (job, queue.epoch),
                    None => queue = shared.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
                }
            }
        };
        if job.stage.compare_exchange(WAITING, RUNNING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            continue;
        }
        let good = match kept.held(shared, epoch) {
            Ok((held, open)) => {
                let good = (job.work)(Ok((&shared.connection, open)));
                drop(held);
                good
            }
            Err(error) => (job.work)(Err(error)),
        };
        let mut queue = shared.lock();
        let given_up = job.stage.load(Ordering::SeqCst) == GIVEN_UP;
        if given_up {
            queue.hung = queue.hung.saturating_sub(1);
        }
        if kept.open.is_some() && (given_up || !good) {
            // After a loss the others' sessions are as dead as this one.
            if !good {
                queue.epoch = queue.epoch.wrapping_add(1);
            }
            drop(queue);
            kept.close();
        }
    }
}

/// A new session, unless one failed to open a moment ago.
fn reopen<C: Connection>(shared: &Shared<C>) -> Result<C::Session, DeviceError> {
    let now = Instant::now();
    if shared.lock().not_before.is_some_and(|not_before| now < not_before) {
        return Err(DeviceError::Unavailable { reason: "it was not there a moment ago".to_owned() });
    }
    let opened = catch_unwind(AssertUnwindSafe(|| shared.connection.open()));
    let opened = opened.unwrap_or_else(|_| Err(DeviceError::Unavailable { reason: "the call was cut off".to_owned() }));
    let mut queue = shared.lock();
    match &opened {
        Ok(_) => (queue.not_before, queue.wait) = (None, FIRST_WAIT),
        Err(error) if error.loses_session() => {
            queue.not_before = Instant::now().checked_add(queue.wait);
            queue.wait = queue.wait.saturating_mul(2).min(LONGEST_WAIT);
        }
        Err(_) => {}
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicUsize};

    /// Counts openings; opens nothing while `away`; its library has ended the sessions before `ended`.
    #[derive(Default)]
    struct Counter {
        away: AtomicBool,
        opened: AtomicUsize,
        ended: AtomicUsize,
        held: AtomicUsize,
        /// With how many calls held the library at that time.
        closed: Mutex<Vec<(usize, usize)>>,
    }

    struct Hold(Arc<Counter>);

    impl Drop for Hold {
        fn drop(&mut self) {
            self.0.held.fetch_sub(1, Ordering::SeqCst);
        }
    }

    impl Connection for Arc<Counter> {
        type Session = usize;
        type Held = Hold;

        fn open(&self) -> Result<usize, DeviceError> {
            if self.away.load(Ordering::SeqCst) {
                return Err(DeviceError::Unavailable { reason: "away".into() });
            }
            Ok(self.opened.fetch_add(1, Ordering::SeqCst))
        }

        fn hold(&self, session: &usize) -> Option<Hold> {
            if *session < self.ended.load(Ordering::SeqCst) {
                return None;
            }
            self.held.fetch_add(1, Ordering::SeqCst);
            Some(Hold(Self::clone(self)))
        }

        fn close(&self, session: usize) {
            self.closed.lock().unwrap().push((session, self.held.load(Ordering::SeqCst)));
        }
    }

    fn calls(sessions: usize, milliseconds: u64) -> (Arc<Counter>, Arc<Calls<Arc<Counter>>>) {
        let counter = Arc::new(Counter::default());
        let bounds = Bounds { sessions, timeout: Duration::from_millis(milliseconds) };
        (Arc::clone(&counter), Arc::new(Calls::start(counter, bounds).unwrap()))
    }

    fn lost() -> DeviceError {
        DeviceError::Unavailable { reason: "gone".into() }
    }

    #[test]
    fn a_session_is_opened_once_and_again_after_a_loss() {
        let (counter, calls) = calls(1, 1000);
        assert_eq!(calls.call(|_, session| Ok(*session)), Ok(0));
        assert_eq!(calls.call(|_, session| Ok(*session)), Ok(0));
        let refused = DeviceError::Refused { function: "f".into(), code: "1".into() };
        let answer = refused.clone();
        assert_eq!(calls.call(move |_, _| Err::<(), _>(answer)), Err(refused));
        assert_eq!(calls.call(|_, session| Ok(*session)), Ok(0), "a refusal loses no session");
        assert_eq!(calls.call(|_, _| Err::<(), _>(lost())), Err(lost()));
        counter.away.store(true, Ordering::SeqCst);
        assert_eq!(calls.call(|_, session| Ok(*session)), Err(DeviceError::Unavailable { reason: "away".into() }));
        let waiting = DeviceError::Unavailable { reason: "it was not there a moment ago".into() };
        assert_eq!(calls.call(|_, session| Ok(*session)), Err(waiting));
        counter.away.store(false, Ordering::SeqCst);
        std::thread::sleep(FIRST_WAIT);
        assert_eq!(calls.call(|_, session| Ok(*session)), Ok(1));
    }

    #[test]
    fn a_session_that_its_library_ended_is_opened_anew_before_the_call() {
        let (counter, calls) = calls(1, 1000);
        assert_eq!(calls.call(|_, session| Ok(*session)), Ok(0));
        counter.ended.store(1, Ordering::SeqCst);
        let held = |counter: &Arc<Counter>, session: &mut usize| Ok((*session, counter.held.load(Ordering::SeqCst)));
        assert_eq!(calls.call(held), Ok((1, 1)), "no call is refused, and the library is held for it");
        // One whose library ends every session gets no call, and not for ever.
        counter.ended.store(usize::MAX, Ordering::SeqCst);
        let reason = "its library ends every session".to_owned();
        assert_eq!(calls.call(held), Err(DeviceError::Unavailable { reason }));
        counter.ended.store(0, Ordering::SeqCst);
        assert_eq!(calls.call(held), Ok((5, 1)));
        assert_eq!(*counter.closed.lock().unwrap(), [0, 1, 2, 3, 4].map(|session| (session, 0)));
    }

    #[test]
    fn a_loss_spoils_every_session() {
        let (counter, calls) = calls(2, 2000);
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let both = || {
            std::thread::scope(|scope| {
                let one = |_| {
                    let (calls, barrier) = (Arc::clone(&calls), Arc::clone(&barrier));
                    scope.spawn(move || {
                        calls.call(move |_, session| {
                            barrier.wait();
                            Ok(*session)
                        })
                    })
                };
                let threads = [0, 1].map(one);
                let mut numbers = threads.map(|thread| thread.join().unwrap().unwrap());
                numbers.sort_unstable();
                numbers
            })
        };
        assert_eq!(both(), [0, 1]);
        assert_eq!(calls.call(|_, _| Err::<(), _>(lost())), Err(lost()));
        assert_eq!(both(), [2, 3]);
        assert_eq!(counter.opened.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn a_hanging_call_holds_its_thread_only() {
        let (_, calls) = calls(2, 100);
        let (release, hold) = sync_channel::<()>(0);
        let timed_out = DeviceError::TimedOut { limit: Duration::from_millis(100) };
        let slow = calls.call(move |_, _| hold.recv().map_err(|_| lost()));
        assert_eq!(slow, Err(timed_out.clone()));
        // The other thread goes on.
        assert_eq!(calls.call(|_, _| Ok(7)), Ok(7));
        let (release_other, hold) = sync_channel::<()>(0);
        assert_eq!(calls.call(move |_, _| hold.recv().map_err(|_| lost())), Err(timed_out));
        assert_eq!(calls.call(|_, _| Ok(7)), Err(DeviceError::Hung));
        release.send(()).unwrap();
        release_other.send(()).unwrap();
        // Both come back, with new sessions.
        let again = || {
            (0..100).find_map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                calls.call(|_, session| Ok(*session)).ok()
            })
        };
        assert!(again().is_some_and(|session| session >= 2));
    }

    #[test]
    fn who_finds_no_free_session_is_told_so() {
        let (_, calls) = calls(1, 200);
        let (release, hold) = sync_channel::<()>(0);
        let (begun, beginning) = sync_channel::<()>(0);
        let holder = {
            let calls = Arc::clone(&calls);
            std::thread::spawn(move || {
                calls.call(move |_, _| {
                    begun.send(()).map_err(|_| lost())?;
                    hold.recv().map_err(|_| lost())
                })
            })
        };
        beginning.recv().unwrap();
        let refusals = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..6).map(|_| scope.spawn(|| calls.call(|_, _| Ok(())))).collect();
            callers.into_iter().map(|caller| caller.join().unwrap().unwrap_err()).collect::<Vec<_>>()
        });
        assert!(refusals.iter().all(|error| matches!(error, DeviceError::Busy | DeviceError::Hung)), "{refusals:?}");
        assert!(refusals.contains(&DeviceError::Busy), "{refusals:?}");
        // The device answers after the holder was told, however slow the machine is.
        assert_eq!(holder.join().unwrap(), Err(DeviceError::TimedOut { limit: Duration::from_millis(200) }));
        release.send(()).unwrap();
    }

    #[test]
    fn a_panic_ends_its_call_and_no_thread() {
        let (_, calls) = calls(1, 1000);
        let cut = DeviceError::Unavailable { reason: "the call was cut off".into() };
        let panicked = calls.call(|_, _| -> Result<(), _> { panic!("on purpose") });
        assert_eq!(panicked, Err(cut));
        assert_eq!(calls.call(|_, session| Ok(*session)), Ok(1));
    }
}
