//! Places among the uploads served at once, and the line before them. Who stands in it has sent no octet of a body yet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::problem::{Code, Problem};

/// So many uploads are served at once; others stand in line, first come first served.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// How long one stands in line at most.
    patience: Duration,
    most_waiting: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    of: BTreeMap<String, usize>,
}

/// A place among the uploads served at once. Work that outlives its request keeps it.
#[derive(Debug, Clone)]
pub(crate) struct UploadPlace {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Places {
    pub(crate) fn new(places: usize, most_waiting: usize, patience: Duration) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(places));
        Arc::new(Self { free, patience, most_waiting, waiting: Mutex::default() })
    }

    /// Takes a stand in the line for a caller or a stranger's address; that nobody fills the line, one has half of it at most.
    ///
    /// # Errors
    /// `busy`, at once, when there is no stand left, or none for this one.
    pub(crate) fn stand(self: &Arc<Self>, whose: &str) -> Result<Stand, Problem> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let own = waiting.of.get(whose).copied().unwrap_or_default();
        if waiting.all >= self.most_waiting {
            return Err(Problem::new(Code::Busy, "All places for uploads are taken, and the line is full."));
        }
        if own >= self.most_waiting.div_ceil(2) {
            return Err(Problem::new(Code::Busy, "Too many uploads of this caller or address stand in line."));
        }
        waiting.all = waiting.all.saturating_add(1);
        waiting.of.insert(whose.to_owned(), own.saturating_add(1));
        Ok(Stand { places: self.clone(), whose: whose.to_owned() })
    }
}

/// A stand in the line, left when it is dropped.
#[derive(Debug)]
pub(crate) struct Stand {
    places: Arc<Places>,
    whose: String,
}

impl Stand {
    /// Waits for a place.
    ///
    /// # Errors
    /// `busy`, when none was free in time.
    pub(crate) async fn place(self) -> Result<UploadPlace, Problem> {
        match tokio::time::timeout(self.places.patience, self.places.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(UploadPlace { _permit: Arc::new(permit) }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Problem::new(Code::Busy, "All places for uploads are taken.")),
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let mut waiting = self.places.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all = waiting.all.saturating_sub(1);
        let own = waiting.of.get(&self.whose).copied().unwrap_or_default().saturating_sub(1);
        if own == 0 {
            waiting.of.remove(&self.whose);
        } else {
            waiting.of.insert(self.whose.clone(), own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(detail: &str) -> Problem {
        Problem::new(Code::Busy, detail)
    }

    #[test]
    fn nobody_fills_the_line() {
        let places = Places::new(1, 4, Duration::ZERO);
        let two = (places.stand("a").unwrap(), places.stand("a").unwrap());
        let of_one = busy("Too many uploads of this caller or address stand in line.");
        assert_eq!(places.stand("a").unwrap_err(), of_one);
        // The rest is for others, to the last stand; one that is left is another's.
        let (third, fourth) = (places.stand("b").unwrap(), places.stand("c").unwrap());
        let full = busy("All places for uploads are taken, and the line is full.");
        assert_eq!(places.stand("d").unwrap_err(), full);
        drop(fourth);
        drop(places.stand("d").unwrap());
        drop((two, third));
        let waiting = places.waiting.lock().unwrap();
        assert_eq!((waiting.all, waiting.of.len()), (0, 0));
    }

    #[tokio::test]
    async fn the_line_is_served_in_its_order() {
        let places = Places::new(1, 4, Duration::from_secs(60));
        let first = places.stand("a").unwrap().place().await.unwrap();
        let second = tokio::spawn(places.stand("b").unwrap().place());
        tokio::task::yield_now().await;
        let third = tokio::spawn(places.stand("a").unwrap().place());
        tokio::task::yield_now().await;
        // A place is held as long as any copy of it is.
        let copy = first.clone();
        drop(first);
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(copy);
        let second = second.await.unwrap().unwrap();
        assert!(!third.is_finished());
        drop(second);
        assert!(third.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn the_time_in_line_ends() {
        let places = Places::new(1, 4, Duration::ZERO);
        let first = places.stand("a").unwrap().place().await.unwrap();
        let refused = places.stand("b").unwrap().place().await;
        assert_eq!(refused.unwrap_err(), busy("All places for uploads are taken."));
        drop(first);
        assert!(places.stand("b").unwrap().place().await.is_ok());
    }
}
