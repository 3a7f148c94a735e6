//! Signed OCSP answers in memory: bounded, and forgotten the moment a status changes.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::clock::Timestamp;
use crate::base::id::AuthorityId;
use crate::service::responder::asked::Digest;

/// A signed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The OCSPResponse, DER.
    pub der: Arc<[u8]>,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`.
    pub next_update: Timestamp,
    /// SM3 of the response, the first octets in hexadecimal.
    pub tag: String,
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::service::responder) struct Question {
    pub(in crate::service::responder) authority: AuthorityId,
    pub(in crate::service::responder) serial: [u8; 16],
    pub(in crate::service::responder) digest: Digest,
}

/// Locks: requests about different certificates seldom meet.
const PARTS: usize = 16;

#[derive(Default)]
struct Part {
    answers: HashMap<Question, Arc<Answer>>,
    /// In the order in which they came, for whoever must go.
    order: VecDeque<Question>,
}

/// Answers by question. The oldest goes when there is no room.
pub(in crate::service::responder) struct Cache {
    parts: [Mutex<Part>; PARTS],
    room: usize,
    changes: AtomicU64,
}

impl Cache {
    pub(in crate::service::responder) fn new(room: usize) -> Self {
        Self { parts: Default::default(), room: room.div_ceil(PARTS), changes: AtomicU64::new(0) }
    }

    /// Counts what was forgotten. Who reads a status takes the number before, and gives it with the answer.
    pub(in crate::service::responder) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn part<T>(&self, serial: &[u8; 16], act: impl FnOnce(&mut Part) -> T) -> Option<T> {
        // Serial numbers are random.
        let index = serial.last().map_or(0, |octet| usize::from(*octet) % PARTS);
        let part = self.parts.get(index)?;
        Some(act(&mut part.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    pub(in crate::service::responder) fn find(&self, question: &Question) -> Option<Arc<Answer>> {
        self.part(&question.serial, |part| part.answers.get(question).cloned()).flatten()
    }

    /// Keeps an answer, unless a status changed since that count was taken: the answer may be older than the change.
    pub(in crate::service::responder) fn keep(&self, question: Question, answer: Arc<Answer>, changes: u64) {
        let serial = question.serial;
        self.part(&serial, |part| {
            // Under the lock, which `forget` takes after it has counted: one of the two sees the other.
            if self.room == 0 || self.changes() != changes {
                return;
            }
            if part.answers.insert(question.clone(), answer).is_none() {
                part.order.push_back(question);
            }
            while part.answers.len() > self.room || part.order.len() > self.room.saturating_mul(2) {
                let Some(oldest) = part.order.pop_front() else { break };
                part.answers.remove(&oldest);
            }
        });
    }

    pub(in crate::service::responder) fn forget(&self, authority: &AuthorityId, serial: &[u8; 16]) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.part(serial, |part| {
            for digest in Digest::ALL {
                part.answers.remove(&Question { authority: authority.clone(), serial: *serial, digest });
            }
        });
    }

    pub(in crate::service::responder) fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        for part in &self.parts {
            *part.lock().unwrap_or_else(PoisonError::into_inner) = Part::default();
        }
    }

    pub(in crate::service::responder) fn count(&self) -> usize {
        self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).answers.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: u8) -> Question {
        Question { authority: AuthorityId::parse("ca").unwrap(), serial: [number; 16], digest: Digest::Sha1 }
    }

    fn answer() -> Arc<Answer> {
        let moment = Timestamp::from_unix(0);
        Arc::new(Answer { der: Arc::from([1]), this_update: moment, next_update: moment, tag: String::new() })
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let cache = Cache::new(2 * PARTS);
        for number in [0, 16, 32] {
            cache.keep(question(number), answer(), cache.changes());
        }
        assert_eq!(cache.find(&question(0)), None);
        assert!(cache.find(&question(16)).is_some() && cache.find(&question(32)).is_some());
        for number in 0..=255 {
            cache.keep(question(number), answer(), cache.changes());
        }
        assert_eq!(cache.count(), 2 * PARTS);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let cache = Cache::new(100);
        let before = cache.changes();
        cache.forget(&question(1).authority, &[1; 16]);
        cache.keep(question(1), answer(), before);
        assert_eq!(cache.find(&question(1)), None);
        cache.keep(question(1), answer(), cache.changes());
        assert!(cache.find(&question(1)).is_some());
        cache.forget(&question(1).authority, &[1; 16]);
        assert_eq!(cache.find(&question(1)), None);
        cache.keep(question(1), answer(), cache.changes());
        cache.forget_all();
        assert_eq!(cache.count(), 0);
    }

    /// Questions that come, go and come again do not make the order grow without end.
    #[test]
    fn forgotten_questions_take_no_room() {
        let cache = Cache::new(4 * PARTS);
        for _ in 0..1000 {
            cache.keep(question(1), answer(), cache.changes());
            cache.forget(&question(1).authority, &[1; 16]);
        }
        let held = cache.part(&[1; 16], |part| part.order.len()).unwrap();
        assert!(held <= 8, "{held}");
    }
}
