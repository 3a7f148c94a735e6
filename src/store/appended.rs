//! Events that callers' requests wrote, from the commit until the answer takes them for its receipts. In memory, bounded.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::id::RequestId;
use crate::store::audit::SaltedEvent;

/// Requests whose events are held. Those whose answer takes none go, oldest first.
const MOST_REQUESTS: usize = 2_048;
/// Events of one request that are held: a request that writes more gets receipts of its first.
const MOST_OF_ONE: usize = 16;

/// Held events, by request.
#[derive(Clone, Default)]
pub(in crate::store) struct Appended(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    events: HashMap<RequestId, Vec<SaltedEvent>>,
    /// In the order of their first event; some may be taken already.
    order: VecDeque<RequestId>,
}

impl Appended {
    /// Holds what was committed.
    pub(in crate::store) fn note(&self, written: Vec<(RequestId, SaltedEvent)>) {
        if written.is_empty() {
            return;
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (request, event) in written {
            if !held.events.contains_key(&request) {
                held.order.push_back(request.clone());
            }
            let events = held.events.entry(request).or_default();
            if events.len() < MOST_OF_ONE {
                events.push(event);
            }
        }
        while held.order.len() > MOST_REQUESTS {
            if let Some(oldest) = held.order.pop_front() {
                held.events.remove(&oldest);
            }
        }
    }

    /// The numbers of those of a request that are held, and of those that it has just written, as many as are held of one.
    pub(in crate::store) fn numbers(&self, request: &RequestId, written: &[(RequestId, SaltedEvent)]) -> Vec<i64> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.events.get(request).into_iter().flatten();
        let now = written.iter().filter(|(by, _)| by == request).map(|(_, event)| event);
        before.chain(now).map(|event| event.number).take(MOST_OF_ONE).collect()
    }

    /// Gives those of a request away.
    pub(in crate::store) fn take(&self, request: &RequestId) -> Vec<SaltedEvent> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = held.events.remove(request);
        if taken.is_some() {
            held.order.retain(|other| other != request);
        }
        taken.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_goes_and_what_is_taken_is_gone() {
        let appended = Appended::default();
        let request = |number: usize| RequestId::parse(&format!("r-{number}")).unwrap();
        let event = |number| SaltedEvent { number, event: vec![1], salt: [2; 32] };
        for number in 0..3_000_usize {
            appended.note(vec![(request(number), event(i64::try_from(number).unwrap()))]);
        }
        assert_eq!(appended.take(&request(3_000 - MOST_REQUESTS - 1)), []);
        assert_eq!(appended.take(&request(3_000 - MOST_REQUESTS)).len(), 1);
        assert_eq!(appended.take(&request(2_999)), [event(2_999)]);
        assert_eq!(appended.take(&request(2_999)), []);
        appended.note(vec![(request(2), event(7))]);
        let written = [(request(2), event(9)), (request(3), event(8)), (request(2), event(10))];
        assert_eq!(appended.numbers(&request(2), &written), [7, 9, 10]);
        assert_eq!(appended.numbers(&request(2), &[]), [7]);
        assert!(appended.numbers(&request(4), &written).is_empty());
        appended.note((0..40).map(|number| (request(1), event(number))).collect());
        assert_eq!(appended.numbers(&request(1), &[(request(1), event(41))]).len(), MOST_OF_ONE);
        assert_eq!(appended.take(&request(1)).len(), MOST_OF_ONE);
    }
}
