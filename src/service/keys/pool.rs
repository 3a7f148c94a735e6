//! The async door to signing: a bounded number of signatures at a time, each within its time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::base::random::Random;
use crate::crypto::Signer;
use crate::service::keys::Error;

/// Signatures, by what came of them.
const SIGNATURES: &str = "yinxin_key_signatures_total";
/// From asking to having, seconds.
const SECONDS: &str = "yinxin_key_signature_seconds";
/// Those that wait for a place.
const WAITING: &str = "yinxin_key_signatures_waiting";

/// How much at a time, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Signatures computed at the same time.
    pub places: usize,
    /// Signatures that may wait for a place; more are refused at once.
    pub queue: usize,
    /// From asking to having. A signature that takes longer is given up, and keeps its place until its device lets go.
    pub patience: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { places: 16, queue: 256, patience: Duration::from_secs(10) }
    }
}

/// Where signatures are made: on threads of their own, so that neither a slow device nor RSA holds up other requests.
#[derive(Clone)]
pub struct SigningPool {
    places: Arc<Semaphore>,
    /// One for each place and each who waits.
    admitted: Arc<Semaphore>,
    patience: Duration,
}

impl SigningPool {
    /// With these limits; there is at least one place.
    #[must_use]
    pub fn new(limits: PoolLimits) -> Self {
        let places = limits.places.clamp(1, Semaphore::MAX_PERMITS);
        let admitted = places.saturating_add(limits.queue).min(Semaphore::MAX_PERMITS);
        metrics::describe_counter!(SIGNATURES, "Signatures asked of the key store, by outcome.");
        metrics::describe_histogram!(SECONDS, "Time from asking the key store for a signature to its end.");
        metrics::describe_gauge!(WAITING, "Signatures that wait for a place.");
        Self {
            places: Arc::new(Semaphore::new(places)),
            admitted: Arc::new(Semaphore::new(admitted)),
            patience: limits.patience,
        }
    }

    /// The signature over the message, verified by its signer before it comes here.
    ///
    /// # Errors
    /// [`Error::Busy`]: no place, now or in time; [`Error::TimedOut`]: not done in time; [`Error::Unavailable`]: the
    /// signer broke down; the signer's own.
    pub async fn sign(
        &self,
        signer: Arc<dyn Signer>,
        message: Vec<u8>,
        random: Arc<dyn Random>,
    ) -> Result<Vec<u8>, Error> {
        let started = Instant::now();
        let signed = self.sign_until(started + self.patience, signer, message, random).await;
        let outcome = signed.as_ref().map_or_else(Error::code, |_| "signed");
        metrics::counter!(SIGNATURES, "outcome" => outcome).increment(1);
        metrics::histogram!(SECONDS).record(started.elapsed().as_secs_f64());
        signed
    }

    async fn sign_until(
        &self,
        deadline: Instant,
        signer: Arc<dyn Signer>,
        message: Vec<u8>,
        random: Arc<dyn Random>,
    ) -> Result<Vec<u8>, Error> {
        let (admission, place) = self.place(deadline).await?;
        let work = tokio::task::spawn_blocking(move || {
            // Kept until the signer returns, even when nobody waits for it any more: a device that hangs stays counted.
            let _kept = (admission, place);
            signer.sign(&message, &*random)
        });
        match timeout_at(deadline, work).await {
            Ok(Ok(signed)) => Ok(signed?),
            // It panicked, or the runtime ends.
            Ok(Err(_)) => Err(Error::Unavailable),
            Err(_) => Err(Error::TimedOut),
        }
    }

    async fn place(&self, deadline: Instant) -> Result<(OwnedSemaphorePermit, OwnedSemaphorePermit), Error> {
        let admission = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Error::Busy)?;
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok((admission, place));
        }
        let _waiting = Waiting::begin();
        match timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok((admission, place)),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }
}

/// Counts one who waits, for as long as it lives: also when the request that waits is dropped.
struct Waiting;

impl Waiting {
    fn begin() -> Self {
        metrics::gauge!(WAITING).increment(1.0);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        metrics::gauge!(WAITING).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};
    use crate::crypto::algorithm::SignatureAlgorithm;
    use crate::crypto::{self, PublicKey, sm2};

    /// Signs when it is told to.
    struct Slow {
        key: sm2::PrivateKey,
        go: Mutex<Receiver<bool>>,
    }

    impl Signer for Slow {
        fn algorithm(&self) -> SignatureAlgorithm {
            self.key.algorithm()
        }

        fn public_key(&self) -> PublicKey {
            Signer::public_key(&self.key)
        }

        fn sign(&self, message: &[u8], random: &dyn Random) -> Result<Vec<u8>, crypto::Error> {
            let go = self.go.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap();
            assert!(go, "told to break down");
            random.fill(&mut [0])?;
            Signer::sign(&self.key, message, random)
        }
    }

    fn slow() -> (Arc<Slow>, Sender<bool>) {
        let (tell, go) = channel();
        let key = sm2::PrivateKey::generate(&SystemRandom).unwrap();
        (Arc::new(Slow { key, go: Mutex::new(go) }), tell)
    }

    fn pool(places: usize, queue: usize, milliseconds: u64) -> SigningPool {
        SigningPool::new(PoolLimits { places, queue, patience: Duration::from_millis(milliseconds) })
    }

    async fn sign(pool: &SigningPool, signer: &Arc<Slow>) -> Result<Vec<u8>, &'static str> {
        let signer: Arc<dyn Signer> = Arc::<Slow>::clone(signer);
        pool.sign(signer, b"message".to_vec(), Arc::new(SystemRandom)).await.map_err(|error| error.code())
    }

    #[tokio::test]
    async fn a_signature_in_time_is_given() {
        let ((signer, tell), pool) = (slow(), pool(1, 0, 60_000));
        tell.send(true).unwrap();
        let value = sign(&pool, &signer).await.unwrap();
        assert!(Signer::public_key(&*signer).verify(signer.algorithm(), b"message", &value));
        tell.send(true).unwrap();
        let dead = pool.sign(signer, b"message".to_vec(), Arc::new(DeadRandom)).await.unwrap_err();
        assert_eq!(dead.code(), "random-unavailable");
    }

    #[tokio::test]
    async fn beyond_the_places_one_waits_and_beyond_the_queue_one_is_refused() {
        let ((signer, tell), pool) = (slow(), pool(1, 1, 60_000));
        let start = |signer: &Arc<Slow>| {
            let (pool, signer) = (pool.clone(), Arc::clone(signer));
            tokio::spawn(async move { sign(&pool, &signer).await })
        };
        let (first, second) = (start(&signer), start(&signer));
        while pool.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(sign(&pool, &signer).await, Err("key-store-busy"));
        tell.send(true).unwrap();
        tell.send(true).unwrap();
        assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn what_hangs_is_given_up_and_keeps_its_place() {
        let ((signer, tell), pool) = (slow(), pool(1, 1, 50));
        assert_eq!(sign(&pool, &signer).await, Err("key-store-timeout"));
        // The only place is taken still, so the next waits in vain.
        assert_eq!(sign(&pool, &signer).await, Err("key-store-busy"));
        tell.send(true).unwrap();
        while pool.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        tell.send(true).unwrap();
        assert!(sign(&pool, &signer).await.is_ok());
    }

    #[tokio::test]
    async fn a_signer_that_breaks_down_is_unavailable_and_gives_its_place_back() {
        let ((signer, tell), pool) = (slow(), pool(1, 0, 60_000));
        tell.send(false).unwrap();
        assert_eq!(sign(&pool, &signer).await, Err("key-store-unavailable"));
        tell.send(true).unwrap();
        assert!(sign(&pool, &signer).await.is_ok());
    }
}
