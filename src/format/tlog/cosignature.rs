//! Timestamped Ed25519 cosignatures of checkpoints (C2SP tlog-cosignature): the value, and the message under it.

use crate::format::tlog::Error;

/// The value of a signature line of type 0x04.
///
/// ```text
/// struct { u64 timestamp; opaque ed25519_signature[64]; } timestamped_signature;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosignature {
    /// Seconds since 1970; below 2^63.
    pub timestamp: u64,
    /// The signature.
    pub signature: [u8; 64],
}

impl Cosignature {
    /// Reads what follows the key ID.
    ///
    /// # Errors
    /// [`Error::Cosignature`].
    pub fn parse(value: &[u8]) -> Result<Self, Error> {
        let (timestamp, signature) = value.split_first_chunk::<8>().ok_or(Error::Cosignature)?;
        let signature = signature.try_into().map_err(|_| Error::Cosignature)?;
        let timestamp = u64::from_be_bytes(*timestamp);
        if i64::try_from(timestamp).is_err() {
            return Err(Error::Cosignature);
        }
        Ok(Self { timestamp, signature })
    }

    /// What follows the key ID.
    #[must_use]
    pub fn to_octets(&self) -> Vec<u8> {
        [self.timestamp.to_be_bytes().as_slice(), &self.signature].concat()
    }
}

/// What a cosigner signs: header, time, the whole text of the checkpoint (C2SP tlog-cosignature, Ed25519 signed message).
#[must_use]
pub fn signed_message(timestamp: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {timestamp}\n{text}").into_bytes()
}
