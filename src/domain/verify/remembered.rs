//! What earlier files taught that no later one can change: it decides how fast a file is judged, never what is said of it.

use crate::crypto::digest::sha256;
use crate::crypto::sm2::KeyTables;
use crate::domain::trust::{CheckedValue, PathCache, Recent, RecentKey, check_digested};
use crate::format::der::ObjectIdentifier;
use crate::format::keys::SubjectPublicKeyInfo;

/// Seals whose maker's value is remembered: about 100 bytes each.
const SEALS: usize = 4096;

/// Tables of keys, paths, and seals that were made by their makers. Whoever judges many files owns one and passes it in.
///
/// The value of a document is computed for every file: it never comes again, and nobody may say that it did.
#[derive(Debug)]
pub struct Remembered {
    /// Tables of keys that led to anchors.
    pub tables: KeyTables,
    /// Paths to anchors.
    pub paths: PathCache,
    /// A maker's value over its seal that is right, under all that it was computed from. Strangers may push out what is
    /// kept, by seals of their own; they cannot put anything wrong in.
    seals: Recent<CheckedValue>,
}

impl Default for Remembered {
    fn default() -> Self {
        Self { tables: KeyTables::default(), paths: PathCache::default(), seals: Recent::new(SEALS) }
    }
}

impl Remembered {
    /// Tables of keys, and nothing else.
    #[must_use]
    pub fn tables_alone() -> Self {
        Self { tables: KeyTables::default(), paths: PathCache::new(0), seals: Recent::new(0) }
    }

    /// As [`check_digested`], of the value of a seal, which comes again with every document that bears it.
    #[must_use]
    pub fn check_seal(
        &self,
        key: &SubjectPublicKeyInfo<'_>,
        algorithm: ObjectIdentifier,
        e: Option<&[u8; 32]>,
        signed: (&[u8], &[u8]),
    ) -> CheckedValue {
        // Only SM2 has a digest that names key, signer ID and message.
        let named = e.map(|e| named(key, algorithm, e, signed.1));
        if let Some(known) = named.and_then(|named| self.seals.get(&named)) {
            return known;
        }
        let checked = check_digested(key, algorithm, e, signed, &self.tables);
        if let (Some(named), CheckedValue::Right { .. }) = (named, checked) {
            self.seals.keep(named, checked);
        }
        checked
    }
}

/// A digest of all that the outcome depends on.
fn named(key: &SubjectPublicKeyInfo<'_>, algorithm: ObjectIdentifier, e: &[u8; 32], value: &[u8]) -> RecentKey {
    let mut all = Vec::with_capacity(512);
    for part in [key.raw, algorithm.as_bytes(), e, value] {
        all.extend_from_slice(&part.len().to_be_bytes());
        all.extend_from_slice(part);
    }
    sha256(&all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;
    use crate::crypto::algorithm::{OID_SM2_WITH_SM3, SignatureAlgorithm};
    use crate::crypto::sm2::{DEFAULT_ID, PrivateKey};
    use crate::crypto::{PublicKey, Signer};
    use crate::domain::trust::key::{encode_value, subject_public_key_info};

    #[test]
    fn a_right_value_is_remembered_and_no_other_one_passes_for_it() {
        let (key, other) = (PrivateKey::generate(&SystemRandom).unwrap(), PrivateKey::generate(&SystemRandom).unwrap());
        let infos = [&key, &other].map(|key| subject_public_key_info(&PublicKey::Sm2(key.public_key())));
        let [info, of_other] = [0, 1].map(|index| SubjectPublicKeyInfo::parse(&infos[index]).unwrap());
        let sign =
            |message: &[u8]| encode_value(SignatureAlgorithm::Sm2Sm3, &key.sign(message, &SystemRandom).unwrap());
        let digest = |message: &[u8]| key.public_key().digest(DEFAULT_ID, message).unwrap();
        let (value, again) = (sign(b"seal"), sign(b"seal"));
        let remembered = Remembered::default();
        let ask = |info, e: &[u8; 32], value: &[u8]| {
            let checked = remembered.check_seal(info, OID_SM2_WITH_SM3, Some(e), (b"seal", value));
            (matches!(checked, CheckedValue::Right { .. }), remembered.seals.count())
        };
        let e = digest(b"seal");
        assert_eq!(ask(&info, &e, &value[..value.len() - 1]), (false, 0));
        assert_eq!(ask(&info, &e, &value), (true, 1));
        assert_eq!(ask(&info, &e, &value), (true, 1));
        // Another message, another key, another value: each is computed.
        assert_eq!(ask(&info, &digest(b"other"), &value), (false, 1));
        assert_eq!(ask(&of_other, &e, &value), (false, 1));
        assert_eq!(ask(&info, &e, &again), (true, 2));
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            assert_eq!(ask(&info, &e, &changed), (false, 2), "byte {at}");
        }
        // Without a digest that names all of it nothing is kept.
        let plain = remembered.check_seal(&info, OID_SM2_WITH_SM3, None, (b"seal", &value));
        assert_eq!((matches!(plain, CheckedValue::Right { .. }), remembered.seals.count()), (true, 2));
    }
}
