//! How the signature on a certificate or a list is checked: a small trait, so that a caller says what counts.

use crate::crypto::PublicKey;
use crate::crypto::algorithm::SignatureAlgorithm;
use crate::crypto::sm2::{DEFAULT_ID, KeyTables};
use crate::domain::trust::acceptance::SignatureUsed;
use crate::domain::trust::key::{CheckedValue, check_signed, public_key};
use crate::format::keys::{AlgorithmIdentifier, SubjectPublicKeyInfo, read_sm2_signature};

/// The signer ID that an SM2 signature was made with (GB/T 32918.2 5.5). It is not in the certificate: both sides must
/// know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignerId {
    /// `1234567812345678` (GB/T 35276 10): the rule.
    Default,
    /// No ID at all: made by libraries whose default it was.
    Empty,
}

impl SignerId {
    /// The octets.
    #[must_use]
    pub const fn octets(self) -> &'static [u8] {
        match self {
            Self::Default => DEFAULT_ID,
            Self::Empty => &[],
        }
    }
}

/// Which signer IDs count for signatures below one anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignerIdPolicy {
    /// The default ID alone.
    #[default]
    DefaultOnly,
    /// The default ID, and the empty one for this anchor's old certificates.
    DefaultOrEmpty,
}

impl SignerIdPolicy {
    /// Whether a signature made with that ID counts.
    #[must_use]
    pub const fn allows(self, id: SignerId) -> bool {
        matches!((self, id), (_, SignerId::Default) | (Self::DefaultOrEmpty, SignerId::Empty))
    }

    /// The IDs to try, in order.
    #[must_use]
    pub const fn ids(self) -> &'static [SignerId] {
        match self {
            Self::DefaultOnly => &[SignerId::Default],
            Self::DefaultOrEmpty => &[SignerId::Default, SignerId::Empty],
        }
    }
}

/// The outcome of checking one signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// Right.
    Right {
        /// How it was made; `None` from a check whose algorithm the registry does not have.
        used: Option<SignatureUsed>,
        /// The signer ID that matched, for SM2.
        signer_id: Option<SignerId>,
    },
    /// Wrong, or not the encoding of a signature.
    Wrong,
    /// Not computed.
    Unsupported,
}

/// Checks signatures on certificates and lists.
pub trait CheckSignature: Sync {
    /// Names the check: paths found by one are not taken from a cache by another.
    fn name(&self) -> &'static str;

    /// Whether `value` is the key's signature over `message` under that algorithm. SM2 is tried with each of the IDs.
    fn check(
        &self,
        key: &SubjectPublicKeyInfo<'_>,
        algorithm: &AlgorithmIdentifier<'_>,
        signed: (&[u8], &[u8]),
        with: (&KeyTables, &[SignerId]),
    ) -> Signed;
}

/// The check that we rely on: what the registry of algorithms computes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Computed;

impl CheckSignature for Computed {
    fn name(&self) -> &'static str {
        "computed"
    }

    fn check(
        &self,
        key: &SubjectPublicKeyInfo<'_>,
        algorithm: &AlgorithmIdentifier<'_>,
        (message, value): (&[u8], &[u8]),
        (tables, ids): (&KeyTables, &[SignerId]),
    ) -> Signed {
        let Some(of) = public_key(key) else { return Signed::Unsupported };
        let right = |algorithm, signer_id| Signed::Right { used: Some(SignatureUsed::of(&of, algorithm)), signer_id };
        let checked = check_signed(key, algorithm, (message, value), tables);
        match (checked, &of) {
            (CheckedValue::Right { algorithm: SignatureAlgorithm::Sm2Sm3, .. }, _)
                if ids.contains(&SignerId::Default) =>
            {
                right(SignatureAlgorithm::Sm2Sm3, Some(SignerId::Default))
            }
            (CheckedValue::Right { algorithm: SignatureAlgorithm::Sm2Sm3, .. }, _) => Signed::Wrong,
            (CheckedValue::Right { algorithm, .. }, _) => right(algorithm, None),
            (CheckedValue::Unsupported, _) => Signed::Unsupported,
            (CheckedValue::Wrong { .. }, PublicKey::Sm2(point)) => {
                let Ok((fixed, _)) = read_sm2_signature(value) else { return Signed::Wrong };
                let matches = |id: &&SignerId| {
                    let e = point.digest(id.octets(), message);
                    e.is_ok_and(|e| tables.verify_prehashed(point, &e, &fixed))
                };
                match ids.iter().filter(|id| **id != SignerId::Default).find(matches) {
                    Some(id) => right(SignatureAlgorithm::Sm2Sm3, Some(*id)),
                    None => Signed::Wrong,
                }
            }
            (CheckedValue::Wrong { .. }, _) => Signed::Wrong,
        }
    }
}
