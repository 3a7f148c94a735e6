//! The seal on rows that give authority: HMAC-SM3 under a key that the database does not hold.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use subtle::ConstantTimeEq as _;

use crate::base::memory::LockedSecret;
use crate::base::secret::Secret;
use crate::crypto::digest::hmac_sm3;
use crate::store::Error;

/// HMAC-SM3 under a key that lies elsewhere: in a device.
///
/// Blocks the transaction that asks, for a bounded time: the implementation must give up by itself.
pub trait RowMac: Send + Sync {
    /// The value over these octets.
    ///
    /// # Errors
    /// It cannot be had now.
    fn mac(&self, octets: &[u8]) -> Result<[u8; 32], MacUnavailable>;
}

/// The integrity value cannot be computed: what holds the key is away, or refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device gave no integrity value ({code})")]
pub struct MacUnavailable {
    /// The stable code of its reason.
    pub code: &'static str,
}

/// Binds a row's content to its table, id and version.
///
/// A changed, copied or half rolled-back row is refused. A row put back whole, with its old version and
/// integrity value, is not noticed here: the audit log tells.
#[derive(Clone)]
pub struct IntegrityKey {
    place: Place,
    changed: ChangedRows,
}

/// The most rows that are remembered until somebody is told of them.
const MOST_CHANGED: usize = 256;

/// Rows that were refused, each once, until they are taken away.
#[derive(Clone, Default)]
struct ChangedRows(Arc<Mutex<BTreeSet<(&'static str, String)>>>);

impl ChangedRows {
    fn note(&self, table: &'static str, row: &str) {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.len() < MOST_CHANGED {
            rows.insert((table, row.to_owned()));
        }
    }
}

#[derive(Clone)]
enum Place {
    Memory(LockedSecret),
    Elsewhere(Arc<dyn RowMac>),
}

impl IntegrityKey {
    /// Takes 32 secret bytes.
    #[must_use]
    pub fn new(key: Secret) -> Self {
        Self::locked(LockedSecret::new(key))
    }

    /// Takes them where they are.
    #[must_use]
    pub fn locked(key: LockedSecret) -> Self {
        Self { place: Place::Memory(key), changed: ChangedRows::default() }
    }

    /// A key that never comes here.
    #[must_use]
    pub fn elsewhere(mac: Arc<dyn RowMac>) -> Self {
        Self { place: Place::Elsewhere(mac), changed: ChangedRows::default() }
    }

    /// A key under which no row is right: for reading rows that carry no integrity value, before the key can be had.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Secret::new(Vec::new()))
    }

    /// The integrity value of a row.
    pub(in crate::store) fn over(
        &self,
        table: &'static str,
        id: &str,
        version: i64,
        content: &[&[u8]],
    ) -> Result<Vec<u8>, Error> {
        // Each part goes in behind its length, so that no two rows give the same octets.
        let version = version.to_be_bytes();
        let head: [&[u8]; 3] = [table.as_bytes(), id.as_bytes(), &version];
        let mut octets = Vec::new();
        for part in head.iter().chain(content) {
            octets.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            octets.extend_from_slice(part);
        }
        match &self.place {
            Place::Memory(key) => Ok(hmac_sm3(key.expose(), &[&octets]).to_vec()), // the integrity value itself
            Place::Elsewhere(mac) => Ok(mac.mac(&octets)?.to_vec()),
        }
    }

    /// Refuses a row whose integrity value is not over this content; compares in constant time. Where the value cannot be
    /// computed nothing is said about the row.
    pub(in crate::store) fn check(
        &self,
        table: &'static str,
        id: &str,
        version: i64,
        content: &[&[u8]],
        found: &[u8],
    ) -> Result<(), Error> {
        if bool::from(self.over(table, id, version, content)?.ct_eq(found)) {
            Ok(())
        } else {
            Err(self.refuse(table, id))
        }
    }

    /// Refuses a row that is not as it was written, or not the newest, and remembers that.
    pub(in crate::store) fn refuse(&self, table: &'static str, id: &str) -> Error {
        self.changed.note(table, id);
        Error::Inconsistent { table, row: id.to_owned() }
    }

    /// The rows that were refused since the last time, at most some hundred.
    pub(in crate::store) fn take_refused(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut *self.changed.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

/// An optional part of a row's content, such that absent and empty differ.
pub(in crate::store) fn optional(value: Option<&[u8]>) -> Vec<u8> {
    value.map_or_else(Vec::new, |value| [&[1], value].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts() {
        let key = IntegrityKey::new(Secret::new(vec![7; 32]));
        let sealed = key.over("seals", "a", 1, &[b"xy", b"z"]).unwrap();
        assert!(key.check("seals", "a", 1, &[b"xy", b"z"], &sealed).is_ok());
        let refused = |table, id, version, content: &[&[u8]]| {
            matches!(key.check(table, id, version, content, &sealed), Err(Error::Inconsistent { .. }))
        };
        assert!(refused("callers", "a", 1, &[b"xy", b"z"]));
        assert!(refused("seals", "b", 1, &[b"xy", b"z"]));
        assert!(refused("seals", "a", 2, &[b"xy", b"z"]));
        assert!(refused("seals", "a", 1, &[b"x", b"yz"]));
        let empty = key.check("seals", "a", 1, &[b"xy", b"z"], &[]);
        assert!(matches!(empty, Err(Error::Inconsistent { table: "seals", .. })));
    }

    #[test]
    fn what_was_refused_is_told_once() {
        let key = IntegrityKey::new(Secret::new(vec![7; 32]));
        let other = key.clone();
        for row in ["a", "b", "a"] {
            let refused = other.check("seals", row, 1, &[b"x"], &[]);
            assert!(matches!(refused, Err(Error::Inconsistent { table: "seals", row: named }) if named == row));
        }
        assert_eq!(key.take_refused(), [("seals", "a".to_owned()), ("seals", "b".to_owned())]);
        assert_eq!(other.take_refused(), []);
        let sealed = key.over("seals", "a", 1, &[b"x"]).unwrap();
        key.check("seals", "a", 1, &[b"x"], &sealed).unwrap();
        assert_eq!(key.take_refused(), []);
        for row in 0..1000 {
            let refused = key.check("seals", &row.to_string(), 1, &[b"x"], &[]);
            assert!(matches!(refused, Err(Error::Inconsistent { table: "seals", .. })));
        }
        assert_eq!(key.take_refused().len(), MOST_CHANGED);
    }

    /// Gives values while it is there.
    struct Far(std::sync::atomic::AtomicBool);

    impl RowMac for Far {
        fn mac(&self, octets: &[u8]) -> Result<[u8; 32], MacUnavailable> {
            let there = self.0.load(std::sync::atomic::Ordering::SeqCst);
            if there { Ok(hmac_sm3(&[9; 32], &[octets])) } else { Err(MacUnavailable { code: "away" }) }
        }
    }

    #[test]
    fn a_key_elsewhere_that_is_away_says_nothing_about_rows() {
        let far = Arc::new(Far(true.into()));
        let mac: Arc<dyn RowMac> = far.clone();
        let key = IntegrityKey::elsewhere(mac);
        let sealed = key.over("seals", "a", 1, &[b"xy"]).unwrap();
        assert_eq!(sealed, IntegrityKey::new(Secret::new(vec![9; 32])).over("seals", "a", 1, &[b"xy"]).unwrap());
        key.check("seals", "a", 1, &[b"xy"], &sealed).unwrap();
        assert!(matches!(key.check("seals", "a", 1, &[b"x"], &sealed), Err(Error::Inconsistent { .. })));
        far.0.store(false, std::sync::atomic::Ordering::SeqCst);
        for content in [b"xy", b"zz"] {
            let away = key.check("seals", "a", 1, &[content], &sealed);
            assert!(matches!(away, Err(Error::Integrity(MacUnavailable { code: "away" }))), "{away:?}");
        }
    }
}
