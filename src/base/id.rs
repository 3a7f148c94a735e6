//! Names of the things that we keep: one type each, so that a seal's name never stands where a caller's belongs.

use std::fmt;

use crate::base::clock::Timestamp;
use crate::base::random::{Random, RandomUnavailable, array};

/// Why a text cannot be an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: 1 to 64 of a-z, A-Z, 0-9, '-', '_', '.' are allowed")]
pub struct InvalidId;

fn is_allowed(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != ".."
}

/// A new UUID of version 7 (RFC 9562): sorts by the time of its making.
///
/// # Errors
/// The source of randomness failed.
pub fn uuid_v7(now: Timestamp, random: &dyn Random) -> Result<String, RandomUnavailable> {
    let millis = u64::try_from(now.unix()).unwrap_or(0).saturating_mul(1000);
    let bytes = array::<10>(random)?;
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Accepts 1 to 64 characters of `a-z A-Z 0-9 - _ .`, so that it is safe in paths, URLs and logs.
            ///
            /// # Errors
            /// Anything else.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if is_allowed(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId) }
            }

            /// A fresh one: UUID version 7.
            ///
            /// # Errors
            /// The source of randomness failed.
            pub fn fresh(now: Timestamp, random: &dyn Random) -> Result<Self, RandomUnavailable> {
                uuid_v7(now, random).map(Self)
            }

            /// As text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// Names a seal in our database. Not its `esID` (GB/T 38540 6.2), which is the seal's number in the world.
    SealId,
    /// Names a private key in the key store.
    KeyId,
    /// Names a key-encryption key, under which private keys are sealed.
    EncryptionKeyId,
    /// Names a caller: a business system or a person's registered key.
    CallerId,
    /// Names one act of signing, from its intent to its result.
    SignatureId,
    /// Names a request, in logs, answers and audit events.
    RequestId,
    /// Names a certification authority of ours.
    AuthorityId,
    /// Names a batch of certificates that are signed together, from its intent to its result.
    BatchId,
    /// Names what somebody applied for: a certificate, or a change of one.
    ApplicationId,
    /// Names a job that issues many certificates.
    JobId,
    /// Names an authorisation to use a seal.
    AuthorisationId,
    /// Names files that a caller has verified together.
    VerificationBatchId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::{DeadRandom, SystemRandom};

    #[test]
    fn paths_cannot_be_smuggled_in() {
        for text in ["", ".", "..", "a/b", "a\\b", "a b", "é", &"x".repeat(65)] {
            assert_eq!(SealId::parse(text), Err(InvalidId), "{text:?}");
        }
        assert_eq!(SealId::parse("seal-1_x.y").unwrap().as_str(), "seal-1_x.y");
    }

    #[test]
    fn fresh_ones_sort_by_time_and_need_randomness() {
        let early = SealId::fresh(Timestamp::from_unix(1_000), &SystemRandom).unwrap();
        let late = SealId::fresh(Timestamp::from_unix(2_000), &SystemRandom).unwrap();
        assert!(early < late);
        assert_eq!(SealId::fresh(Timestamp::from_unix(0), &DeadRandom), Err(RandomUnavailable));
    }
}
