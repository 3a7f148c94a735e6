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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_time_and_a_signature() {
        let cosignature = Cosignature { timestamp: 1_679_315_147, signature: [7; 64] };
        let octets = cosignature.to_octets();
        assert_eq!(octets[..8], [0, 0, 0, 0, 0x64, 0x18, 0x50, 0xcb]);
        assert_eq!(Cosignature::parse(&octets), Ok(cosignature));
        assert_eq!(Cosignature::parse(&octets[..71]), Err(Error::Cosignature));
        assert_eq!(Cosignature::parse(&[&octets[..], &[0]].concat()), Err(Error::Cosignature));
        assert_eq!(Cosignature::parse(&[]), Err(Error::Cosignature));
        assert_eq!(Cosignature::parse(&[0x80; 72]), Err(Error::Cosignature));
        assert!(Cosignature::parse(&[0x7f; 72]).is_ok());
    }

    #[test]
    fn the_message_is_the_specification_s() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let expected = format!("cosignature/v1\ntime 1679315147\n{text}");
        assert_eq!(signed_message(1_679_315_147, text), expected.as_bytes());
    }
}
