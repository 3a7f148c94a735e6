//! The seal on rows that give authority: HMAC-SM3 under a key that the database does not hold.

use subtle::ConstantTimeEq as _;

use crate::base::memory::LockedSecret;
use crate::base::secret::Secret;
use crate::crypto::digest::hmac_sm3;
use crate::store::Error;

/// Binds a row's content to its table, id and version.
///
/// A changed, copied or half rolled-back row is refused. A row put back whole, with its old version and
/// integrity value, is not noticed here: the audit log tells.
#[derive(Clone)]
pub struct IntegrityKey(LockedSecret);

impl IntegrityKey {
    /// Takes 32 secret bytes.
    #[must_use]
    pub fn new(key: Secret) -> Self {
        Self(LockedSecret::new(key))
    }

    /// Takes them where they are.
    #[must_use]
    pub const fn locked(key: LockedSecret) -> Self {
        Self(key)
    }

    /// A key under which no row is right: for reading rows that carry no integrity value, before the key can be had.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Secret::new(Vec::new()))
    }

    /// The integrity value of a row.
    pub(in crate::store) fn over(&self, table: &'static str, id: &str, version: i64, content: &[&[u8]]) -> Vec<u8> {
        // Each part goes in behind its length, so that no two rows give the same octets.
        let version = version.to_be_bytes();
        let head: [&[u8]; 3] = [table.as_bytes(), id.as_bytes(), &version];
        let mut octets = Vec::new();
        for part in head.iter().chain(content) {
            octets.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            octets.extend_from_slice(part);
        }
        hmac_sm3(self.0.expose(), &[&octets]).to_vec() // the integrity value itself
    }

    /// Refuses a row whose integrity value is not over this content; compares in constant time.
    pub(in crate::store) fn check(
        &self,
        table: &'static str,
        id: &str,
        version: i64,
        content: &[&[u8]],
        found: &[u8],
    ) -> Result<(), Error> {
        if bool::from(self.over(table, id, version, content).ct_eq(found)) {
            Ok(())
        } else {
            Err(Error::Inconsistent { table, row: id.to_owned() })
        }
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
        let sealed = key.over("seals", "a", 1, &[b"xy", b"z"]);
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
}
